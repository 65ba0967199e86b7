"""What a tracker gives: masks, how sure they are, and where to look; and what it refuses to begin with."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from cleanplate.errors import InputError
from cleanplate.imaging.flow import LEAST_SIZE
from cleanplate.track.marks import Mark

WORK_PX = 270  # the shorter side of the pictures that are worked on


# Below this a frame is worth a look; so many at most are named, so many frames apart.
WORTH_A_LOOK, LOOKS, LOOKS_APART = 0.5, 8, 5


@dataclass(frozen=True)
class Tracked:
    """The masks of T frames, how sure they are, and which frames are worth a look or another mark."""

    levels: UInt8[np.ndarray, "T h w"]
    """How likely a pixel is the thing, 0..255, at the size that was worked at."""
    size: tuple[int, int]
    """(height, width) of the frames."""
    sure: Float[np.ndarray, " T"]
    """0..1; 1 on a marked frame."""
    look_at: tuple[int, ...]
    """The frames, in order, where the mask is most likely to be wrong: another mark helps most there."""
    firm: dict[int, Bool[np.ndarray, "H W"]]
    """The frames whose mask was painted: it is believed as it is."""

    def __len__(self) -> int:
        return len(self.levels)

    def __iter__(self) -> Iterator[Bool[np.ndarray, "H W"]]:
        return (self.mask(index) for index in range(len(self)))

    def mask(self, index: int) -> Bool[np.ndarray, "H W"]:
        """The mask of one frame, in the size of the frames: the less sure it is, the more it covers."""
        if index in self.firm:
            return self.firm[index]
        level = cv2.resize(self.levels[index], self.size[::-1], interpolation=cv2.INTER_LINEAR)
        return level > 255 * min(max(LEAST_CHANCE * float(self.sure[index]), LEAST_CHANCE_UNSURE), LEAST_CHANCE_SURE)

    @property
    def masks(self) -> Bool[np.ndarray, "T H W"]:
        """All of them. For a long shot that takes memory: iterate instead, and have one after the other."""
        return np.stack(list(self))


# A pixel is covered from a chance of half the sureness on, within bounds: what is not covered stays in the picture.
LEAST_CHANCE, LEAST_CHANCE_UNSURE, LEAST_CHANCE_SURE = 0.5, 0.2, 0.4


def firm_masks(marks: Sequence[Mark]) -> dict[int, Bool[np.ndarray, "H W"]]:
    """The masks of frames on which all that is marked was painted."""
    held = {mark.frame for mark in marks if not mark.firm}
    firm: dict[int, np.ndarray] = {}
    for mark in marks:
        if mark.frame not in held:
            firm[mark.frame] = firm.get(mark.frame, False) | mark.area
    return firm


def worth_a_look(sure: Float[np.ndarray, " T"], marks: Sequence[Mark] = ()) -> tuple[int, ...]:
    """The least sure frames, not too close to each other, and those whose outline was found: all rests on it."""
    found: list[int] = []
    for index in np.argsort(sure, kind="stable").tolist():
        if sure[index] >= WORTH_A_LOOK or len(found) == LOOKS:
            break
        if all(abs(index - other) >= LOOKS_APART for other in found):
            found.append(index)
    return tuple(sorted({*found, *(mark.frame for mark in marks if not mark.firm)}))


def small_size(size: tuple[int, int]) -> tuple[int, int]:
    """The (height, width) that frames of a size are worked on at."""
    scale = min(1.0, WORK_PX / min(size))
    return max(LEAST_SIZE, round(size[0] * scale)), max(LEAST_SIZE, round(size[1] * scale))


def check_marks(size: tuple[int, int], marks: Sequence[Mark], length: int | None = None) -> None:
    """Refuse marks that are not of frames of this (height, width), or, once that is known, not of so many frames."""
    if length == 0:
        raise InputError("the clip has no frames", "at least one is needed", "check what was read")
    last = max(mark.frame for mark in marks)
    if length is not None and last >= length:
        found = f"frame {last} is marked"
        raise InputError(found, f"the clip has {length} frames, counted from 0", "mark one of these")
    if length is not None:
        return
    frames = f"frames are {size[1]}x{size[0]}"
    if min(size) < LEAST_SIZE:
        raise InputError(frames, f"tracking needs at least {LEAST_SIZE}x{LEAST_SIZE}", "enlarge the video")
    for mark in marks:
        if mark.area.shape != size:
            given = f"the mark on frame {mark.frame} is {mark.area.shape[1]}x{mark.area.shape[0]}"
            raise InputError(given, frames, "mark it in the size of the video")
