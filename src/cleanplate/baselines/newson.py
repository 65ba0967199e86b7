"""Patches of space and time: "Video Inpainting of Complex Scenes", Newson et al. 2014, the [33] of Table 2.

What is filled is to look, in every patch of 5 x 5 pixels and 5 frames, like a patch that is known. From coarse to
fine, every patch that touches the hole looks for the known one nearest to it, in colour and in texture, and every pixel
of the hole becomes a mean of what the patches over it say; in turn, until little changes. Before that, what the camera
does is taken out, or nothing in one frame would be in its place in the next.

Written from what is known of the method, not from its authors' program. Readings of ours: there are as many levels as
it takes for no pixel of the hole to be farther from what is known than a patch is wide; what the camera does is fitted
to DIS flow; what leaves the middle frame's picture is kept, on a canvas as large as it takes.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float64, UInt8
from torch import Tensor

from cleanplate.baselines.pyramid import (
    ABSENT,
    HOLE,
    KNOWN,
    coarse_to_fine,
    filled_with_patches,
    painted_greys,
    pyramid_of,
    textures_of,
)
from cleanplate.baselines.volume import Volume
from cleanplate.imaging.dis import dis
from cleanplate.imaging.pull_push import pull_push

TEXTURE_WEIGHT = 50.0
# A level is done when its colours change by less than this in the mean, in levels of bytes, or after so many times.
LEAST_CHANGE, MOST_REPEATS = 0.1, 20
# Searched by so many sweeps each time.
SWEEPS = 10
# What the camera does is fitted to every fourth pixel each way; what is out by more than a pixel moves by itself.
GRID_PX, OUT_PX, LEAST_POINTS = 4, 1.0, 12

Map = Float64[np.ndarray, "3 3"]


def newson(
    frames: Float[Tensor, "T 3 H W"], hole: Bool[Tensor, "T 1 H W"], *, seed: int = 0
) -> Float[Tensor, "T 3 H W"]:
    """The clip, its hole filled with patches of it (Newson et al. 2014).

    Args:
        frames: RGB, 0..1.
        hole: what is to be filled.
        seed: of what is tried by chance.

    Raises:
        InputError: no patch of the clip is known whole.
    """

    def complete(pictures: np.ndarray, hidden: np.ndarray) -> Callable[[int], np.ndarray]:
        colours, state, maps = aligned(pictures, hidden, to_the_middle(pictures, hidden))
        volume = completed(colours, state, seed=seed)

        def shown(number: int) -> np.ndarray:
            # Beyond the frame nothing is filled: what is beside it is as good.
            plane = pull_push(volume.colours(number), (state[number] != ABSENT).astype(np.float32)).astype(np.float32)
            size, how = hidden.shape[:0:-1], cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
            moved = cv2.warpAffine(plane, maps[number][:2], size, flags=how, borderMode=cv2.BORDER_REPLICATE)
            return np.clip(moved / 255, 0, 1)

        return shown

    return filled_with_patches(frames, hole, complete, name="newson", patch="5 pixels and frames")


def completed(colours: UInt8[np.ndarray, "T h w 3"], state: UInt8[np.ndarray, "T h w"], *, seed: int = 0) -> Volume:
    """The volume with its hole filled, coarse to fine, and at the coarsest level from its border inwards.

    Args:
        colours: of all frames, one in place with the other.
        state: KNOWN, HOLE or ABSENT.
        seed: of what is tried by chance.

    Raises:
        NothingKnown: no patch is known whole, at any size.
    """
    pyramid = pyramid_of(colours, state)
    # As wide as a pixel of the coarsest level is at full size, and read there: textures are never halved.
    textures = textures_of(colours, state, 2 ** (len(pyramid) - 1))

    def level_at(depth: int) -> Volume:
        step = 2**depth
        return Volume(*pyramid[depth], textures[:, ::step, ::step], TEXTURE_WEIGHT, seed=seed)

    volume: Volume | None = None
    for volume, coarser in coarse_to_fine(len(pyramid), level_at):
        if coarser is None:
            while volume.next_layer():
                volume.search(SWEEPS)
                volume.reconstruct()
            volume.fill_all()
        else:
            volume.begin_with(coarser)
            volume.reconstruct()
        for _ in range(MOST_REPEATS):
            volume.search(SWEEPS)
            if volume.reconstruct() < LEAST_CHANGE:
                break
    assert volume is not None
    volume.reconstruct(decided=True)
    return volume


def to_the_middle(pictures: UInt8[np.ndarray, "T H W 3"], hidden: Bool[np.ndarray, "T H W"]) -> list[Map]:
    """For every frame, where its (column, row, 1) is in the middle frame by the motion of the whole, an affine map.

    It is fitted to optical flow from frame to frame (theirs to gradients: Odobez & Bouthemy 1995).
    """
    grey = painted_greys(pictures, hidden)
    steps = [affine_step(*both, *holes) for both, holes in zip(pairwise(grey), pairwise(hidden), strict=True)]
    middle = len(pictures) // 2
    maps = [np.eye(3)]
    for step in reversed(steps[:middle]):
        maps.insert(0, maps[0] @ step)
    for step in steps[middle:]:
        maps.append(maps[-1] @ np.linalg.inv(step))
    return maps


def affine_step(
    here: UInt8[np.ndarray, "H W"],
    there: UInt8[np.ndarray, "H W"],
    hidden_here: Bool[np.ndarray, "H W"],
    hidden_there: Bool[np.ndarray, "H W"],
) -> Map:
    """How most of a picture moves to the next; not at all if that cannot be told."""
    height, width = here.shape
    flow = dis(here, there)[::GRID_PX, ::GRID_PX].reshape(-1, 2)
    rows, columns = (axis.ravel() for axis in np.mgrid[:height:GRID_PX, :width:GRID_PX])
    before = np.stack((columns, rows), 1).astype(np.float32)
    after = before + flow
    to_column, to_row = np.rint(after).astype(int).T
    used = ~hidden_here[rows, columns] & (to_row >= 0) & (to_row < height) & (to_column >= 0) & (to_column < width)
    used[used] = ~hidden_there[to_row[used], to_column[used]]
    fitted = None
    if used.sum() >= LEAST_POINTS:
        fitted, _ = cv2.estimateAffine2D(before[used], after[used], method=cv2.RANSAC, ransacReprojThreshold=OUT_PX)
    return np.eye(3) if fitted is None else np.concatenate((fitted, [[0.0, 0.0, 1.0]]))


def aligned(
    pictures: UInt8[np.ndarray, "T H W 3"], hidden: Bool[np.ndarray, "T H W"], maps: Sequence[Map]
) -> tuple[UInt8[np.ndarray, "T h w 3"], UInt8[np.ndarray, "T h w"], list[Map]]:
    """The colours and states of all frames on one canvas, and the maps to it."""
    height, width = hidden.shape[1:]
    corners = np.array([[0, 0, 1], [width - 1, 0, 1], [0, height - 1, 1], [width - 1, height - 1, 1]], float)
    ends = np.concatenate([corners @ one[:2].T for one in maps])
    (left, top), (right, bottom) = np.floor(ends.min(0)), np.ceil(ends.max(0))
    size = (int(right - left) + 1, int(bottom - top) + 1)
    maps = [np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]]) @ one for one in maps]
    colours, state = [], []
    for one, picture, hole in zip(maps, pictures, hidden, strict=True):
        there = {"M": one[:2], "dsize": size}
        known = (~hole).astype(np.float32)
        inside = cv2.warpAffine(np.ones_like(known), **there, flags=cv2.INTER_NEAREST) > 0
        whole = cv2.warpAffine(known, **there, borderMode=cv2.BORDER_REPLICATE) > 1 - 1e-3
        # What is hidden has no part in what is read beside it.
        seen = pull_push(picture, known).astype(np.float32)
        shown = cv2.warpAffine(seen, **there, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        colours.append(np.clip(np.rint(shown), 0, 255).astype(np.uint8))
        state.append(np.where(inside, np.where(whole, KNOWN, HOLE), ABSENT).astype(np.uint8))
    return np.stack(colours), np.stack(state), maps
