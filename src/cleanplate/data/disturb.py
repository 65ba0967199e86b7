"""Composed clips with what real ones have: a shadow of the object, and a mask that is not quite right."""

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cleanplate.config import RoughMask
from cleanplate.data.compose import DILATE_PX, Composed, read_composed
from cleanplate.data.pairs import Pair
from cleanplate.data.rough import roughen
from cleanplate.data.shadows import cast_shadow, draw_shadow, shade
from cleanplate.errors import InputError
from cleanplate.imaging.tensors import to_float, to_uint8
from cleanplate.video.masks import WHITE, grow
from cleanplate.video.reader import read_masks


@dataclass(frozen=True)
class Disturbed:
    """A composed clip as a method gets it, and what is wrong with it."""

    composed: Composed
    """With the shadow in its frames, not in its truth; its mask is the one that is given, right or not."""
    density: Float[Tensor, "T 1 H W"]
    """Of the shadow, in 0..1, also where the object covers it; 0 if there is none."""
    right_mask: Bool[Tensor, "T 1 H W"]
    """Where the object is."""
    shadow: Mapping[str, Any] | None = None
    """How it was cast (`Shadow`)."""
    rough: Mapping[str, Any] | None = None
    """How the mask is wrong (`roughen`)."""

    @property
    def facts(self) -> dict[str, Mapping[str, Any]]:
        """What the manifest says of it."""
        both = {"shadow": self.shadow, "rough_mask": self.rough}
        return {name: facts for name, facts in both.items() if facts is not None}

    @property
    def pictures(self) -> dict[str, Tensor]:
        """What is written beside the frames, masks and truth, (T, 1, H, W) in 0..1."""
        out = {"density": self.density} if self.shadow is not None else {}
        return out | ({"right_masks": self.right_mask} if self.rough is not None else {})


def disturb(
    composed: Composed,
    *,
    rng: random.Random,
    shadow: bool = False,
    rough: RoughMask | None = None,
    dilate_px: int = DILATE_PX,
) -> Disturbed:
    """Give the object a shadow, its mask a fault, or both; shadow and density are in steps of 8 bits, as if written.

    Args:
        composed: with the right mask. It is left as it is.
        rng: draws what is not said; the same shadow whether or not a mask is rough.
        shadow: whether one is cast.
        rough: the kind of fault; None for none.
        dilate_px: the hole is the given mask, grown by this.

    Raises:
        InputError: an object that is too small to have a part of its mask taken away.
    """
    cast, seed = draw_shadow(rng), rng.random()
    out = Disturbed(composed, torch.zeros_like(composed.mask, dtype=torch.float32), composed.mask)
    mask = composed.mask[:, 0].numpy()
    if shadow:
        density = to_float(to_uint8(torch.from_numpy(cast_shadow(mask, cast)).unsqueeze(1)))
        out = replace(out, composed=_shaded(composed, density), density=density, shadow=asdict(cast))
    if rough is not None:
        given, facts = roughen(mask, rough, random.Random(seed))
        hole = torch.from_numpy(np.stack([grow(one, dilate_px) for one in given])).unsqueeze(1)
        clip = replace(out.composed.clip, hole=hole)
        with_mask = replace(out.composed, clip=clip, mask=torch.from_numpy(given).unsqueeze(1))
        out = replace(out, composed=with_mask, rough=facts)
    return out


def _shaded(composed: Composed, density: Float[Tensor, "T 1 H W"]) -> Composed:
    """The shadow lies on the background, not on the object."""
    frames = composed.clip.frames
    in_shadow = to_float(to_uint8(shade(frames, density)))
    frames = torch.where(composed.mask | (density == 0), frames, in_shadow)
    return replace(composed, clip=replace(composed.clip, frames=frames))


def read_disturbed(data: Path, pair: Pair) -> Disturbed:
    """A pair of `read_pairs`, with the density and the right mask if such were written; none of both otherwise.

    Raises:
        InputError: as `read_composed`, and a density or right mask of another length or size than the frames.
    """
    composed = read_composed(data, pair)
    out = Disturbed(
        composed,
        torch.zeros_like(composed.mask, dtype=torch.float32),
        composed.mask,
        pair.get("shadow"),
        pair.get("rough_mask"),
    )
    if pair.get("density") is not None:
        out = replace(out, density=to_float(_read_grey(data / pair["density"], composed)))
    if pair.get("right_masks") is not None:
        out = replace(out, right_mask=_read_grey(data / pair["right_masks"], composed) > WHITE)
    return out


def _read_grey(path: Path, composed: Composed) -> Tensor:
    """In bytes, (T, 1, H, W)."""
    grey = torch.from_numpy(read_masks(path)).unsqueeze(1)
    if grey.shape != composed.mask.shape:
        sizes = ("{0} frames of {3}x{2}".format(*shape) for shape in (grey.shape, composed.mask.shape))
        given, needed = sizes
        raise InputError(f"{path} has {given}", f"{needed} are needed", "run cleanplate compose again with --overwrite")
    return grey
