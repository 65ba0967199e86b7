"""Clips with ground truth: the masked object of one shot over an object-free window of another (Sec. 4).

A pair (pairs.py) is composed when it is read, or read as it was once written.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from cleanplate.clip import Clip
from cleanplate.data.pairs import FRAMES, MANIFEST, MASKS, Pair, choose, read_pairs, sha256_of_clip
from cleanplate.errors import InputError
from cleanplate.imaging.tensors import to_tensors
from cleanplate.video.masks import WHITE, grow
from cleanplate.video.reader import read_frames, read_masks, resize_and_crop

DILATE_PX = 4

Pictures = UInt8[np.ndarray, "_ _ _ 3"]  # time, height, width


@dataclass(frozen=True)
class Composed:
    """A clip, and what it hides."""

    name: str
    clip: Clip
    truth: Float[Tensor, "T 3 H W"]
    mask: Bool[Tensor, "T 1 H W"]
    """The object's; the hole is this, grown."""


def compose(
    background: Pictures,
    things: Pictures,
    mask: Bool[np.ndarray, "_ _ _"],
    *,
    name: str = "composed",
    dilate_px: int = DILATE_PX,
    fps: float = 24.0,
) -> Composed:
    """Put what the mask covers of some pictures over others of the same size.

    Args:
        background: the truth.
        things: the pictures with the object.
        mask: where the object is.
        name: of the clip.
        dilate_px: the hole is the mask, grown by this.
        fps: of the background.

    Raises:
        InputError: sizes or lengths that disagree, or no object.
    """
    sizes = {"the background": background.shape[:3], "the object": things.shape[:3], "its mask": mask.shape}
    if len(set(sizes.values())) > 1:
        given = ", ".join(f"{what} is {t} frames of {w}x{h}" for what, (t, h, w) in sizes.items())
        raise InputError(f"{name}: {given}", "they must agree", "cut or resize them")
    frames = np.where(mask[..., None], things, background)
    shown = torch.from_numpy(np.ascontiguousarray(mask)).unsqueeze(1)
    hole = torch.from_numpy(np.stack([grow(one, dilate_px) for one in mask])).unsqueeze(1)
    return Composed(name, Clip(to_tensors(frames), hole, fps), to_tensors(background), shown)


def fit_object(frames: Pictures, levels: UInt8[np.ndarray, "_ _ _"], size: tuple[int, int], name: str) -> tuple:
    """An object's frames and mask, resized and centre-cropped to (height, width) as in App. B.

    Raises:
        InputError: frames and mask that disagree.
    """
    if frames.shape[:3] != levels.shape:
        (t, h, w), (n, mask_h, mask_w) = frames.shape[:3], levels.shape
        raise InputError(
            f"{name} has {t} frames of {w}x{h} and {n} masks of {mask_w}x{mask_h}",
            "every frame needs its mask, in its size",
            "give the frames and masks of one shot, of one size",
        )
    fitted = (np.stack([resize_and_crop(picture, size) for picture in pictures]) for pictures in (frames, levels))
    things, masks = fitted
    return things, masks > WHITE


# Reading


def read_composed(data: Path, pair: Pair, *, size: tuple[int, int] | None = None) -> Composed:
    """The clip of one pair of `read_pairs`.

    Args:
        data: the folder.
        pair: a recipe or a ready pair.
        size: (height, width) to resize and centre-crop a recipe's background to before anything is put over it.

    Raises:
        InputError: files that are missing, disagree, or are not what was once written.
    """
    return _read_ready(data, pair) if "truth" in pair else _compose_recipe(data, pair, size)


def _compose_recipe(data: Path, pair: Pair, size: tuple[int, int] | None) -> Composed:
    name, background, thing = pair["name"], pair["background"], pair["object"]
    first, count = background["start"], background["count"]
    source = data / background["source"]
    truth, fps = read_frames(source, frames=(first, first + count))
    _enough(name, source, len(truth), count)
    if background.get("resize"):
        height, width = background["resize"]
        truth = np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in truth])
    top, left, height, width = background.get("window") or (0, 0, *truth.shape[1:3])
    if min(height, width) < 1 or top + height > truth.shape[1] or left + width > truth.shape[2]:
        raise InputError(
            f"{name}: the window {[top, left, height, width]} leaves the frame of {truth.shape[2]}x{truth.shape[1]}",
            "[top, left, height, width] inside it is needed",
            f"make 'window' in {MANIFEST} smaller, or move it",
        )
    truth = truth[:, top : top + height, left : left + width]
    if size is not None:
        truth = np.stack([resize_and_crop(picture, size) for picture in truth])
    frames, _ = read_frames(data / FRAMES / thing, frames=count)
    _enough(name, data / FRAMES / thing, len(frames), count)
    levels = read_masks(data / MASKS / thing, frames=count)
    things, mask = fit_object(frames, levels, truth.shape[1:3], f"{name}: {thing}")
    return compose(truth, things, mask, name=name, dilate_px=_dilation(pair), fps=fps)


def _dilation(pair: Pair) -> int:
    return DILATE_PX if pair.get("dilate_px") is None else pair["dilate_px"]


def _enough(name: str, source: Path, there: int, count: int) -> None:
    if there < count:
        raise InputError(
            f"{name}: {source} has {there} of {count} frames",
            "all are needed",
            "name frames that it has, by 'start' and 'count'",
        )


def _read_ready(data: Path, pair: Pair) -> Composed:
    for path, digest in (pair.get("sha256") or {}).get("outputs", {}).items():
        if sha256_of_clip(data / path) != digest:
            raise InputError(
                f"{data / path} has changed since it was composed",
                "the same files",
                "run cleanplate compose again with --overwrite",
            )
    frames, truth = (read_frames(data / pair[part])[0] for part in ("frames", "truth"))
    mask = read_masks(data / pair["masks"]) > WHITE
    made = compose(truth, frames, mask, name=pair["name"], dilate_px=_dilation(pair), fps=pair["fps"])
    # What was written is what counts, also if it has been through other hands.
    return replace(made, clip=replace(made.clip, frames=to_tensors(frames)))


def resized(composed: Composed, size: tuple[int, int], count: int | None = None) -> Composed:
    """The first `count` frames at (height, width): means of pixels; hidden where any was hidden.

    Of another shape, the middle of them is taken that has this one (App. B).

    Raises:
        InputError: smaller than that, or nothing is hidden in these frames.
    """
    height, width = composed.truth.shape[-2:]
    if height < size[0] or width < size[1]:
        given, needed = f"{composed.name} is {width}x{height}", f"{size[1]}x{size[0]} at least is needed at this scale"
        raise InputError(given, needed, "choose a smaller scale, or leave the clip out")
    rows, columns = min(height, round(width * size[0] / size[1])), min(width, round(height * size[1] / size[0]))
    top, left = (height - rows) // 2, (width - columns) // 2
    part = slice(count), slice(None), slice(top, top + rows), slice(left, left + columns)
    if not bool(composed.clip.hole[part].any()):
        given = f"nothing is hidden in the first {len(composed.truth[part])} frames of {composed.name}"
        raise InputError(given, "what is hidden in these is measured", "cut off its beginning, or leave the clip out")
    frames, truth = (F.adaptive_avg_pool2d(all_[part], size) for all_ in (composed.clip.frames, composed.truth))
    hole, mask = (F.adaptive_max_pool2d(all_[part].float(), size) > 0 for all_ in (composed.clip.hole, composed.mask))
    return Composed(composed.name, Clip(frames, hole, composed.clip.fps), truth, mask)


def each_composed(data: Path, only: Iterable[str] = ()) -> Iterator[Composed]:
    """The clips of a data folder one after the other, all or those of these names.

    Raises:
        InputError: a name that no pair has.
    """
    for pair in choose(read_pairs(data), only):
        yield read_composed(data, pair)
