"""Marks: where a thing is on a frame, as a user gives it, and the times that frames are named by."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool

from cleanplate.errors import InputError
from cleanplate.video.numbers import Numbers, index_of, ranges
from cleanplate.video.timecode import moment


@dataclass(frozen=True)
class Mark:
    """Where the object is on one frame; an exact area that is empty says that it is not there.

    Raises:
        InputError: a frame below 0, or a region that is not of two dimensions, or empty and to be searched.
    """

    frame: int
    """Index, counted from 0."""
    area: Bool[np.ndarray, "H W"]
    """In the size of the video."""
    is_exact: bool = True
    """Whether the area is the object's mask (painted), or a region around it (box, polygon) to find its outline in."""

    def __post_init__(self) -> None:
        if self.frame < 0:
            raise InputError(f"frame {self.frame} is marked", "frames are counted from 0", "give 0 or more")
        if self.area.ndim != 2 or not (self.is_exact or self.area.any()):
            given, needed = f"nothing is marked on frame {self.frame}", "a thing to follow is needed"
            raise InputError(given, needed, "paint it white or draw a box around it")

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The smallest box around it: left, top, width, height."""
        left, top, width, height = cv2.boundingRect(self.area.astype(np.uint8))
        return left, top, width, height


def frame_at(when: str, times_s: Sequence[float], fps: float, numbers: Numbers = None) -> int:
    """The index of the frame shown at a moment (`timecode.moment`).

    Args:
        when: a frame, a time or a timecode.
        times_s: when each frame is first shown, seconds.
        fps: of the frames that a timecode counts within a second.
        numbers: what the frames are called.

    Raises:
        InputError: no moment at all, or beyond the clip.
    """
    at = moment(when, fps)
    if numbers is not None and isinstance(at, int):
        if at not in numbers:
            given, needed = f"there is no frame {when}", f"the frames are {ranges(numbers)}"
            raise InputError(given, needed, "give one of these")
        return index_of(at, numbers)
    index = at if isinstance(at, int) else _shown(float(at), times_s)
    if index >= len(times_s):
        needed = f"there are {len(times_s)} frames, {times_s[-1] + 1 / fps:.2f} s"
        fix = f"give a frame from 0 to {len(times_s) - 1}, or an earlier time"
        raise InputError(f"{when} is beyond the end", needed, fix)
    return index


def _shown(time_s: float, times_s: Sequence[float]) -> int:
    """Index of the last frame that has begun by then; the length if that is beyond the last frame."""
    length = len(times_s)
    last = (times_s[-1] - times_s[0]) / (length - 1) if length > 1 else 0.0
    if time_s >= times_s[-1] + max(last, 1e-3) + 1e-3:
        return length
    return max(0, int(np.searchsorted(np.asarray(times_s), time_s + 1e-3, side="right")) - 1)
