"""Small shots of a thing that casts a shadow on a texture, and what they would be without it."""

from dataclasses import dataclass, fields, replace

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cleanplate import METHODS, Clip, Plate, inpaint
from cleanplate.config import NO_EFFECTS, Method
from tests.conftest import texture

SIZE = (96, 160)
# Height and width of the thing, its first place, and the ellipse on the ground beside its foot that is its shadow.
BOX, START, SHADOW, BESIDE = (26, 18), (34, 12), (13, 6), (24, 24)
TINT = np.array([1.0, 0.96, 0.88], np.float32)
RED = np.array([0.9, 0.15, 0.1], np.float32)
BLUE = RED[::-1]

QUICK = replace(METHODS["carry"], carry=replace(METHODS["carry"].carry, rounds=1))
OFF = replace(QUICK, effects=NO_EFFECTS)


@dataclass(frozen=True)
class Shot:
    """A shot, (T, C, H, W)."""

    frames: Tensor
    truth: Tensor
    """Without the thing and its shadow."""
    mask: Tensor
    thing: Tensor
    """What it covers, whatever the mask says."""
    shadow: Tensor
    """Where more than a tenth of the light is missing, beside the thing."""

    @property
    def clip(self) -> Clip:
        return Clip(self.frames, self.mask, 24.0)

    def plate(self, method: Method = QUICK) -> Plate:
        return inpaint(self.clip, method, device="cpu")

    def masked(self, mask: Tensor) -> "Shot":
        return replace(self, mask=mask)

    def told(self) -> "Shot":
        """With a mask that covers all of the shadow."""
        return self.masked(self.mask | grown(self.shadow, 3))

    def lit(self, gains: Tensor) -> "Shot":
        """Each frame as much brighter."""
        frames, truth = (levels(one * gains.view(-1, 1, 1, 1)) for one in (self.frames, self.truth))
        return replace(self, frames=frames, truth=truth)

    def then(self, other: "Shot") -> "Shot":
        """Cut to another one."""
        return Shot(*(torch.cat((getattr(self, one.name), getattr(other, one.name))) for one in fields(Shot)))


def shot(
    count: int = 16,
    *,
    pan: int = 0,
    step: float = 5.0,
    strength: float = 0.45,
    level: float = 1.0,
    noise: float = 0.006,
    seed: int = 0,
) -> Shot:
    """A red box walks to the right.

    Args:
        count: of frames.
        pan: pixels that the camera moves to the right a frame.
        step: pixels that the box moves a frame, in the picture.
        strength: of its shadow, 0 is none.
        level: of all light.
        noise: of the camera, standard deviation.
        seed: of texture and noise.
    """
    rng = np.random.default_rng(seed)
    wall = level * texture(SIZE[0], SIZE[1] + count * pan, seed)
    skin = level * (0.5 * texture(*BOX, seed + 1) + 0.5 * RED)
    shots = []
    for index in range(count):
        ground = wall[:, index * pan : index * pan + SIZE[1]]
        top, left = START[0], START[1] + round(step * index)
        density = np.zeros(SIZE, np.float32)
        cv2.ellipse(density, (left + BESIDE[1], top + BESIDE[0]), SHADOW, 0, 0, 360, strength, -1)
        density = cv2.GaussianBlur(density, (0, 0), 1.2)
        shown = ground * (1 - density[..., None] * TINT)
        cover = np.zeros(SIZE, bool)
        box = slice(top, top + BOX[0]), slice(left, left + BOX[1])
        cover[box] = True
        shown[box] = skin[: shown[box].shape[0], : shown[box].shape[1]]
        grain = noise * rng.standard_normal((*SIZE, 3)).astype(np.float32)
        shots.append((shown + grain, ground + grain, cover, (density > 0.1) & ~cover))
    shown, ground, cover, dark = (torch.from_numpy(np.stack(part)) for part in zip(*shots, strict=True))
    frames, truth = (levels(part.permute(0, 3, 1, 2)) for part in (shown, ground))
    return Shot(frames, truth, cover[:, None], cover[:, None], dark[:, None])


def with_bystander(it: Shot, top: int, step: int = -5) -> tuple[Shot, Tensor]:
    """Somebody in blue walks the other way, behind the thing; and where he is seen."""
    frames, truth, seen = it.frames.clone(), it.truth.clone(), torch.zeros_like(it.mask)
    skin = levels(torch.from_numpy(0.5 * texture(16, 10, 5) + 0.5 * BLUE).permute(2, 0, 1))
    for index in range(len(frames)):
        left = 140 + step * index
        box = slice(top, top + 16), slice(left, left + 10)
        if left >= 0:
            truth[index, :, box[0], box[1]] = skin
            seen[index, :, box[0], box[1]] = True
    seen &= ~it.thing
    return replace(it, frames=torch.where(seen, truth, frames), truth=truth), seen


def with_limb(it: Shot) -> Shot:
    """An arm that the mask misses, at another corner of the thing in every frame."""
    frames, thing = it.frames.clone(), it.thing.clone()
    skin = levels(torch.from_numpy(0.5 * texture(*SIZE, 7) + 0.5 * RED).permute(2, 0, 1))
    for index, cover in enumerate(it.thing[:, 0]):
        y, x = torch.nonzero(cover, as_tuple=True)
        rows = slice(int(y.min()) - 14, int(y.min())) if index % 2 else slice(int(y.max()) + 1, int(y.max()) + 15)
        left = int(x.min()) if index % 4 < 2 else int(x.max()) - 7
        columns = slice(left, left + 8)
        frames[index, :, rows, columns] = skin[:, rows, columns]
        thing[index, :, rows, columns] = True
    return replace(it, frames=frames, thing=thing)


def with_leaves(it: Shot) -> tuple[Shot, Tensor]:
    """Patches at which everything is new in every frame, around the thing's way and apart from it."""
    rng = np.random.default_rng(0)
    frames, truth, leaves = it.frames.clone(), it.truth.clone(), torch.zeros_like(it.mask)
    for index in range(len(frames)):
        for top, left in ((4, 60), (4, 110), (80, 20)):
            patch = levels(torch.from_numpy(texture(12, 12, int(rng.integers(2**20)))).permute(2, 0, 1))
            for part in (frames, truth):
                part[index, :, top : top + 12, left : left + 12] = patch
            leaves[index, :, top : top + 12, left : left + 12] = True
    return replace(it, frames=frames, truth=truth), leaves


def levels(frames: Tensor) -> Tensor:
    """In the steps of a byte."""
    return (frames.clamp(0, 1) * 255).round() / 255


def grown(mask: Tensor, radius_px: int) -> Tensor:
    return F.max_pool2d(mask.float(), 2 * radius_px + 1, 1, radius_px) > 0


def red(frames: Tensor) -> Tensor:
    """Where a picture has the thing's colour."""
    return frames[:, :1] - frames[:, 2:] > 0.25


def with_posts(it: Shot, top: int, *, pan: int, faster: int = 1) -> tuple[Shot, Tensor]:
    """Posts near the camera, behind the thing, pass by faster than the ground; and where they are seen."""
    frames, truth, seen = it.frames.clone(), it.truth.clone(), torch.zeros_like(it.mask)
    wood = levels(torch.from_numpy(0.4 * texture(SIZE[0] - top, 8, 9) + 0.1).permute(2, 0, 1))
    for index in range(len(frames)):
        for first in range(0, 2 * SIZE[1] + len(frames) * pan, 40):
            left = first - (pan + faster) * index
            if 0 <= left <= SIZE[1] - 8:
                truth[index, :, top:, left : left + 8] = wood
                seen[index, :, top:, left : left + 8] = True
    seen &= ~it.thing
    return replace(it, frames=torch.where(seen, truth, frames), truth=truth), seen
