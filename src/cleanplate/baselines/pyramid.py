"""A clip from coarse to fine, as the rivals that fill with patches go through it, and what they are given and give."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Shaped, UInt8
from torch import Tensor

from cleanplate.errors import InputError
from cleanplate.imaging.pull_push import pull_push
from cleanplate.imaging.tensors import all_samples, to_tensor

KNOWN, HOLE, ABSENT = 0, 1, 2
"""States of a voxel: seen; to be filled; in no frame."""
# Before pictures are halved.
BLUR_SIDE, BLUR_PX = 3, 1.5
COARSEST_DEPTH_PX, LEAST_PX = 5.0, 16

Colours = UInt8[np.ndarray, "t h w 3"]
States = UInt8[np.ndarray, "t h w"]
Hidden = Bool[np.ndarray, "t h w"]
Features = Float32[np.ndarray, "t h w 2"]
Level = TypeVar("Level")
Complete = Callable[[Shaped[np.ndarray, "T H W 3"], Bool[np.ndarray, "T H W"]], Callable[[int], np.ndarray]]
"""From samples and what is hidden of them to what a frame of a number is then: (H, W, 3), in bytes or floats 0..1."""


class NothingKnown(Exception):
    """No patch is known whole."""


def filled_with_patches(
    frames: Float[Tensor, "T 3 H W"], hole: Bool[Tensor, "T 1 H W"], complete: Complete, *, name: str, patch: str
) -> Float[Tensor, "T 3 H W"]:
    """The clip, its hole as it is completed.

    Args:
        frames: RGB, 0..1.
        hole: what is to be filled.
        complete: fills it.
        name: of the method.
        patch: the size of its patches, in words.

    Raises:
        InputError: no patch of the clip is known whole.
    """
    hidden, out = hole[:, 0].numpy(), frames.clone()
    if not hidden.any():
        return out
    try:
        completed = complete(all_samples(frames), hidden)
    except NothingKnown:
        given = f"the hole leaves no patch of {patch} each way that is known whole"
        needed, fix = f"{name} needs some to fill it with", "take more frames, or another method"
        raise InputError(given, needed, fix) from None
    for number in np.flatnonzero(hidden.any((1, 2))).tolist():
        out[number] = to_tensor(completed(number)).where(hole[number], frames[number])
    return out


def coarse_to_fine(depths: int, level_at: Callable[[int], Level]) -> Iterator[tuple[Level, Level | None]]:
    """Each level with the coarser one before it, which is done by then; those where nothing is known are left out.

    Raises:
        NothingKnown: at full size neither.
    """
    coarser: Level | None = None
    for depth in reversed(range(depths)):
        try:
            level = level_at(depth)
        except NothingKnown:
            if depth == 0:
                raise
            continue
        yield level, coarser
        coarser = level


def halved(colours: Colours, state: States) -> tuple[UInt8[np.ndarray, "t i j 3"], UInt8[np.ndarray, "t i j"]]:
    """Every second pixel of blurred frames; known is only what was known whole, and frames are as many as before."""
    height, width = ((size + 1) // 2 for size in state.shape[1:])
    out, states = np.empty((len(state), height, width, 3), np.uint8), np.empty((len(state), height, width), np.uint8)
    blur = {"ksize": (BLUR_SIDE, BLUR_SIDE), "sigmaX": BLUR_PX, "borderType": cv2.BORDER_REPLICATE}
    for number, (frame, one) in enumerate(zip(colours, state, strict=True)):
        known = (one == KNOWN).astype(np.float32)
        share = cv2.GaussianBlur(known, **blur)[::2, ::2, None]
        total = cv2.GaussianBlur(frame * known[..., None], **blur)[::2, ::2]
        out[number] = np.rint(total / np.maximum(share, 1e-6))
        four = cv2.copyMakeBorder(one, 0, 2 * height - one.shape[0], 0, 2 * width - one.shape[1], cv2.BORDER_REPLICATE)
        four = four.reshape(height, 2, width, 2).transpose(0, 2, 1, 3).reshape(height, width, 4)
        hole, absent = (four == HOLE).any(-1), (four == ABSENT).any(-1)
        states[number] = np.where(hole, HOLE, np.where(absent, ABSENT, KNOWN))
    return out, states


def pyramid_of(
    colours: Colours, state: States
) -> list[tuple[UInt8[np.ndarray, "t _ _ 3"], UInt8[np.ndarray, "t _ _"]]]:
    """The clip at its size, and halved as often as it takes for the hole to be no deeper than a patch is wide."""
    pyramid = [(colours, state)]
    while min(pyramid[-1][1].shape[1:]) >= 2 * LEAST_PX and depth_px(pyramid[-1][1]) > COARSEST_DEPTH_PX:
        pyramid.append(halved(*pyramid[-1]))
    return pyramid


def painted_greys(colours: Colours, hidden: Hidden) -> list[UInt8[np.ndarray, "h w"]]:
    """The frames in grey, their hole painted over from its surroundings: what flow may be estimated on."""
    seen = [pull_push(frame, (~hole).astype(np.float32)) for frame, hole in zip(colours, hidden, strict=True)]
    return [cv2.cvtColor(np.rint(picture).astype(np.uint8), cv2.COLOR_RGB2GRAY) for picture in seen]


def textures_of(colours: Colours, state: States, side: int) -> Features:
    """How steep grey is around each pixel, to the right and downwards: means over a square of that side.

    They tell ripples from what they average to, which colours of a coarse level do not.
    """
    out = np.zeros((*state.shape, 2), np.float32)
    for number, (frame, one) in enumerate(zip(colours, state, strict=True)):
        grey, known = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32), one == KNOWN
        for axis in (0, 1):
            both, steep = np.zeros(known.shape, np.float32), np.zeros(known.shape, np.float32)
            first = (slice(None),) * (1 - axis) + (slice(None, -1),)
            both[first] = known[first] & np.roll(known, -1, 1 - axis)[first]
            steep[first] = np.abs(np.diff(grey, axis=1 - axis))
            share, total = (cv2.blur(each, (side, side)) for each in (both, steep * both))
            out[number, ..., axis] = total / np.maximum(share, 1e-6)
    return out


def depth_px(state: States) -> float:
    """How far the innermost pixel of the hole is from its border; frames that are all hole do not count."""
    return max(
        float(cv2.distanceTransform((one == HOLE).view(np.uint8), cv2.DIST_L2, 5).max()) if (one != HOLE).any() else 0.0
        for one in state
    )
