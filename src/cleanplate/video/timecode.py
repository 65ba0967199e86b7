"""Moments of a video as people give them: frame numbers, seconds or timecode; and the part between two of them."""

import re
from dataclasses import dataclass
from fractions import Fraction

from cleanplate.errors import InputError

Moment = int | Fraction
"""A frame, counted from 0, or a time in seconds from the first frame."""


@dataclass(frozen=True)
class Span:
    """A part of a video: from its first moment up to, but without, its last one; None is the end of the video."""

    start: Moment = 0
    end: Moment | None = None

    def __post_init__(self) -> None:
        if self.start < 0:
            raise InputError(f"the start is {self.start}", "0 or more is needed", "give 0 for the first frame")
        same_kind = isinstance(self.start, int) == isinstance(self.end, int) or not self.start
        if self.end is not None and (self.end <= 0 or (same_kind and self.end <= self.start)):
            raise InputError(
                f"the part is from {self.start} to {self.end}",
                "it must not be empty",
                f"give an end after {self.start}",
            )

    @property
    def whole(self) -> bool:
        """Whether it is all of the video."""
        return not self.start and self.end is None

    def begins(self, index: int, time_s: Fraction | float) -> bool:
        """Whether a frame is not before it."""
        return index >= self.start if isinstance(self.start, int) else time_s >= self.start - HALF_A_TICK

    def ends(self, index: int, time_s: Fraction | float) -> bool:
        """Whether a frame is after it."""
        if self.end is None:
            return False
        return index >= self.end if isinstance(self.end, int) else time_s >= self.end - HALF_A_TICK


HALF_A_TICK = Fraction(1, 2000)  # times are given, and held by many containers, in milliseconds


def moment(words: str, fps: float | Fraction | None = None) -> Moment:
    """`120` is a frame; `2.5s`, `2500ms`, `1:05`, `0:01:05.5` are times; `00:01:05:12` is a timecode with a frame.

    Args:
        words: what was given.
        fps: frames a second, for the frames of a timecode.

    Raises:
        InputError: none of these.
    """
    text = words.strip().lower()
    if re.fullmatch(r"\d{1,9}", text):
        return int(text)
    if found := re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s)", text):
        return Fraction(found[1]) / (1000 if found[2] == "ms" else 1)
    if found := re.fullmatch(r"(\d{1,4}):([0-5]\d):([0-5]\d)[:;](\d{1,3})", text):
        hours, minutes, seconds, frames = map(int, found.groups())
        rate = Fraction(fps or 24).limit_denominator(1001)
        if frames >= rate + 1:
            raise InputError(
                f"the timecode {words} has frame {frames}",
                f"there are {float(rate):g} frames a second",
                "give a smaller number after the last colon",
            )
        return 3600 * hours + 60 * minutes + seconds + frames / rate
    if found := re.fullmatch(r"(?:(\d{1,4}):)?([0-5]?\d):([0-5]\d(?:\.\d{1,9})?)", text):
        return 3600 * Fraction(found[1] or 0) + 60 * Fraction(found[2]) + Fraction(found[3])
    raise InputError(
        f"'{words}' is no moment of a video",
        "a frame, a time or a timecode is needed",
        "write it like 120, 2.5s, 1:05 or 00:01:05:12",
    )
