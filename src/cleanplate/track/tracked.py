"""What a tracker returns: masks, the confidence in them, the frames to review; and the checks before it begins."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from cleanplate.errors import InputError
from cleanplate.imaging.dis import LEAST_SIZE
from cleanplate.track.marks import Mark
from cleanplate.video.numbers import Numbers, called

WORK_PX = 270  # the shorter side of the pictures that are worked on
# What is painted thinner than so many of their pixels would be lost in them: up to so many times larger ones are taken.
THIN_PX, MOST_LARGER = 3, 4

# A pixel is masked from a probability of half the confidence on, within bounds: a mask that misses a part of the object
# leaves it in the picture, so the lower the confidence, the more is masked.
THRESHOLD_PER_CONFIDENCE, MIN_THRESHOLD, MAX_THRESHOLD = 0.5, 0.2, 0.4
# A frame is sure if its confidence is as high, and no more was let go since the mark. Of the others the least confident
# are to be reviewed; so many at most, so many frames apart.
REVIEW_BELOW, MAX_DRIFT, MAX_REVIEWED, REVIEW_SPACING = 0.5, 0.05, 8, 5
# Share of a thing that an outline misses that was found in a region (docs/log.md: of boxes, 0.10 and 0.12).
MISSED_BY_OUTLINE = 0.1


@dataclass(frozen=True)
class Tracked:
    """The masks of T frames, the confidence in each, and which frames to review."""

    probability: UInt8[np.ndarray, "T h w"]
    """That a pixel is the object, as uint8: 255 is 1. At the size that was worked at."""
    size: tuple[int, int]
    """(height, width) of the frames."""
    confidence: Float[np.ndarray, " T"]
    """0..1; 1 on a marked frame."""
    frames_to_review: tuple[int, ...]
    """The frames, in order, where the mask is most likely to be wrong: another mark helps most there."""
    exact_masks: dict[int, Bool[np.ndarray, "H W"]]
    """By frame, the masks that were painted: they are used as they are."""
    unmarked_shots: tuple[range, ...] = ()
    """The frames of shots in which nothing is marked, so nothing is masked."""
    drift: Float[np.ndarray, " T"] | None = None
    """How much of the object was let go on the way from the mark, and missed there if its outline was found, 1 is all
    of it; None if the tracker does not know."""

    def __len__(self) -> int:
        return len(self.probability)

    def __iter__(self) -> Iterator[Bool[np.ndarray, "H W"]]:
        return (self.mask(index) for index in range(len(self)))

    def mask(self, index: int) -> Bool[np.ndarray, "H W"]:
        """The mask of one frame, in the size of the frames: the lower the confidence, the more it covers."""
        if index in self.exact_masks:
            return self.exact_masks[index]
        return self.full_probability(index) > 255 * self.threshold(index)

    @property
    def sure(self) -> Bool[np.ndarray, " T"]:
        """Of each frame, whether nearly all of the object is covered, as far as the tracker can tell.

        Of shots without a mark it cannot: the object may be in them.
        """
        sure = is_sure(self.confidence, self.drift)
        for shot in self.unmarked_shots:
            sure[list(shot)] = False
        return sure

    def threshold(self, index: int) -> float:
        """The probability from which on a pixel of a frame is masked, 0..1."""
        return min(max(THRESHOLD_PER_CONFIDENCE * float(self.confidence[index]), MIN_THRESHOLD), MAX_THRESHOLD)

    def full_probability(self, index: int) -> UInt8[np.ndarray, "H W"]:
        """That a pixel of one frame is the object, in the size of the frames: 255 is 1."""
        if index in self.exact_masks:
            return self.exact_masks[index] * np.uint8(255)
        return cv2.resize(self.probability[index], self.size[::-1], interpolation=cv2.INTER_LINEAR)

    @property
    def masks(self) -> Bool[np.ndarray, "T H W"]:
        """All of them. For a long shot that takes memory: iterate instead, and have one after the other."""
        return np.stack(list(self))


def masks_apart(
    things: Sequence[Tracked], masks: Sequence[Bool[np.ndarray, "H W"]], index: int
) -> list[Bool[np.ndarray, "H W"]]:
    """The masks of several things on one frame; what would be in two is of the more probable one.

    Of equally probable ones it is of the one with more confidence; what was painted as both is in both. Their union is
    that of the masks by themselves.

    Args:
        things: what was tracked.
        masks: of each, on this frame.
        index: of the frame.
    """
    if not (np.sum(masks, axis=0) > 1).any():
        return list(masks)
    of_each = [thing.full_probability(index) + 0.5 * thing.confidence[index] for thing in things]  # half a level
    probability = np.where(masks, of_each, 0)
    return [mask & (own == probability.max(axis=0)) for mask, own in zip(masks, probability, strict=True)]


def exact_masks(marks: Sequence[Mark]) -> dict[int, Bool[np.ndarray, "H W"]]:
    """The masks of the frames on which all marks are exact; marks of one frame are united."""
    inexact = {mark.frame for mark in marks if not mark.is_exact}
    masks: dict[int, np.ndarray] = {}
    for mark in marks:
        if mark.frame not in inexact:
            masks[mark.frame] = masks.get(mark.frame, False) | mark.area
    return masks


def is_sure(confidence: Float[np.ndarray, " T"], drift: Float[np.ndarray, " T"] | None) -> Bool[np.ndarray, " T"]:
    """Whether a frame is sure, by its confidence and by how much was missed or let go."""
    confident = confidence >= REVIEW_BELOW
    return confident if drift is None else confident & (drift <= MAX_DRIFT)


def frames_to_review(
    confidence: Float[np.ndarray, " T"], marks: Sequence[Mark] = (), drift: Float[np.ndarray, " T"] | None = None
) -> tuple[int, ...]:
    """The least confident frames of those that are not sure, not close to each other, and those with a found outline.

    On the latter all rests.
    """
    least: list[int] = []
    sure = is_sure(confidence, drift)
    for index in np.argsort(confidence, kind="stable").tolist():
        if len(least) == MAX_REVIEWED:
            break
        if not sure[index] and all(abs(index - other) >= REVIEW_SPACING for other in least):
            least.append(index)
    return tuple(sorted({*least, *(mark.frame for mark in marks if not mark.is_exact)}))


def small_size(size: tuple[int, int], marks: Sequence[Mark] = ()) -> tuple[int, int]:
    """The (height, width) that frames of a size are worked on at: larger where most of a painted mark is thin."""
    larger = 1
    while larger < MOST_LARGER and any(
        mark.is_exact and _is_thin(mark.area, THIN_PX * min(size) / (larger * WORK_PX)) for mark in marks
    ):
        larger *= 2
    scale = min(1.0, larger * WORK_PX / min(size))
    return max(LEAST_SIZE, round(size[0] * scale)), max(LEAST_SIZE, round(size[1] * scale))


def _is_thin(area: Bool[np.ndarray, "H W"], width_px: float) -> bool:
    """Whether more than half of an area is narrower than that: a wire, a kite with its string."""
    if not area.any():
        return False
    left, top, width, height = cv2.boundingRect(area.astype(np.uint8))
    there = area[top : top + height, left : left + width].astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (max(1, round(width_px)),) * 2)
    wide = cv2.morphologyEx(there, cv2.MORPH_OPEN, disc, borderType=cv2.BORDER_CONSTANT, borderValue=(0,))
    return 2 * int(wide.sum()) < int(there.sum())


def check_marks(size: tuple[int, int], marks: Sequence[Mark]) -> None:
    """Refuse frames that are too small, and marks that are not of this (height, width)."""
    frames = f"frames are {size[1]}x{size[0]}"
    if min(size) < LEAST_SIZE:
        raise InputError(frames, f"tracking needs at least {LEAST_SIZE}x{LEAST_SIZE}", "enlarge the video")
    for mark in marks:
        if mark.area.shape != size:
            given = f"the mark on frame {mark.frame} is {mark.area.shape[1]}x{mark.area.shape[0]}"
            raise InputError(given, frames, "mark it in the size of the video")


def check_frame(index: int, size: tuple[int, ...], first: tuple[int, ...], numbers: Numbers = None) -> None:
    """Refuse a frame of another (height, width) than the first one; `numbers` are what frames are called."""
    if size != first:
        frame, frame_0 = called(index, numbers), called(0, numbers)
        given = f"frame {frame} is {size[1]}x{size[0]} and frame {frame_0} is {first[1]}x{first[0]}"
        raise InputError(given, "all frames must have one size", f"resize them to {first[1]}x{first[0]}")


def check_length(length: int, marks: Sequence[Mark]) -> None:
    """Refuse a clip without frames, and marks beyond its end."""
    if length == 0:
        raise InputError("the clip has no frames", "at least one is needed", "give a video with a picture in it")
    last = max(mark.frame for mark in marks)
    if last >= length:
        needed = f"the clip has {length} frames, counted from 0"
        raise InputError(f"frame {last} is marked", needed, f"mark one from 0 to {length - 1}")
