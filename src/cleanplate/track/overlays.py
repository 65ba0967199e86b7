"""Find what lies over a shot, without a mark: logos, burnt-in text, captions, letterbox bars, dead pixels.

What stands still in the picture while the shot moves is no part of the scene (`stillness`). It is looked for in the
whole shot, in windows of 40 frames for what fades in and out, and in windows of 16 for captions, which must look like
lines of letters as well. In which frames a thing is there is read off the signs of the gradients, which are kept small
for every frame. Where the shot does not move nothing can be told apart, and nothing is found.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from cleanplate.carry.shapes import grown
from cleanplate.progress import OnStep, tell
from cleanplate.track.blemishes import Bars, Specks
from cleanplate.track.pieces import (
    BLOCK,
    MIN_CERTAINTY,
    MIN_STAYS,
    WEAK_LEVELS,
    WEAK_R,
    Box,
    Piece,
    Thing,
    components,
    filled,
    pieces,
)
from cleanplate.track.presence import SignHistory, present
from cleanplate.track.stillness import Still, Sums
from cleanplate.track.tracked import check_frame

WORK_PX = 480  # rows, or columns of an upright picture, that are worked on at most
CAPTION_BLOCKS, WINDOW_BLOCKS = 2, 5  # how many blocks of frames make up a window
MIN_FRAMES = 14  # shorter ones are not told from chance; a caption is shown for 0.7 s at least
# What is so far around a dead pixel must move: R at most; and it is round.
SPECK_RING_PX, MAX_SPECK_RING_R, MIN_SPECK_ISOTROPY = (5, 14), 0.3, 0.6

Kind = Literal["still", "caption"]


@dataclass(frozen=True)
class Overlay:
    """Something that lies over a shot."""

    kind: Kind
    """still: a logo, text, bars, dead pixels, dust. caption: text that comes and goes."""
    box: Box
    first: int
    """The first frame that it is in."""
    end: int
    """The first one that it is not in any more."""
    certainty: float
    """0..1."""
    mask: Bool[np.ndarray, "H W"]


def find_overlays(frames: Iterable[UInt8[np.ndarray, "H W 3"]], *, on_step: OnStep | None = None) -> list[Overlay]:
    """What lies over the frames of a shot, from the first to appear to the last; empty if nothing does.

    Args:
        frames: RGB. They are read once, and of each only small signs are held.
        on_step: told of every frame.
    """
    return look_for_overlays(frames, on_step=on_step)[0]


def look_for_overlays(
    frames: Iterable[UInt8[np.ndarray, "H W 3"]], *, total: int = 0, on_step: OnStep | None = None
) -> tuple[list[Overlay], bool]:
    """`find_overlays`, and whether the shot moves at all: if not, nothing could be told apart.

    Args:
        frames: RGB.
        total: how many there are, if that is known.
        on_step: told of every frame.

    Raises:
        InputError: frames of several sizes.
    """
    watch: Watch | None = None
    for index, frame in enumerate(frames):
        watch = watch or Watch(frame.shape[:2])
        check_frame(index, frame.shape[:2], watch.size)
        watch.add(frame)
        tell(on_step, "look", index + 1, max(total, index + 1))
    return watch.found() if watch else ([], False)


def masks_of(overlays: Sequence[Overlay], length: int) -> Iterator[Bool[np.ndarray, "H W"]]:
    """The mask of each of so many frames: of all overlays that are there."""
    nothing = np.zeros_like(overlays[0].mask)
    for index in range(length):
        there = [one.mask for one in overlays if one.first <= index < one.end]
        yield np.logical_or.reduce(there) if there else nothing


class Watch:
    """What has been seen of a shot so far."""

    def __init__(self, size: tuple[int, int]):
        self.size, scale = size, min(1.0, WORK_PX / min(size))
        self.work = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
        self.count, self.moved = 0, False
        self._total, self._block, self._blocks = Sums(self.work), Sums(self.work), deque[Sums](maxlen=WINDOW_BLOCKS)
        self._full = Sums(size, light=False) if size != self.work else None
        self._specks, self._history = Specks(size), SignHistory(size)
        self._bars = Bars(size)
        self._things: list[Thing] = []

    def add(self, frame: UInt8[np.ndarray, "H W 3"]) -> None:
        """Look at the next frame."""
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        small = grey if self._full is None else cv2.resize(grey, self.work[::-1], interpolation=cv2.INTER_AREA)
        if self._block.count == 0:
            self._block_begins = small.copy()
        self._block.add(small)
        if self._full is not None:
            self._full.add(grey)
        self._bars.add(grey)
        self._specks.add(frame)
        self._history.add(grey)
        self.count += 1
        if self._block.count == BLOCK:
            self._block.compare(self._block_begins, small)
            self._blocks.append(self._block)
            self._total += self._block
            self._block = Sums(self.work)
            for blocks in (CAPTION_BLOCKS, WINDOW_BLOCKS):
                self._look_at_window(blocks)

    def _look_at_window(self, blocks: int) -> None:
        """Find what stands still in the last frames."""
        if len(self._blocks) < blocks:
            return
        parts = list(self._blocks)[-blocks:]
        still = sum(parts[1:], parts[0]).still()
        if not still.moves():
            return
        self.moved = True
        found = pieces(still, self.count - still.count, self._bar_lines())
        self._take(one for one in found if one.looks_like_text or blocks == WINDOW_BLOCKS)

    def _take(self, found: Iterable[Piece]) -> None:
        """Add pieces to the things that they are of."""
        for piece in found:
            if not any(thing.takes(piece) for thing in self._things):
                self._things.append(Thing(piece))

    def _bar_lines(self) -> Bool[np.ndarray, "h w"]:
        """Where the edges of letterbox bars are, in the size that is worked at: they are no things of their own."""
        edges = cv2.dilate(self._bars.mask().astype(np.uint8), np.ones((3, 3), np.uint8))
        small = cv2.resize(edges, self.work[::-1], interpolation=cv2.INTER_AREA)
        reach = np.ones((7, 7), np.uint8)
        return (cv2.dilate(small, reach) - cv2.erode(small, reach, borderValue=1)) > 0

    def found(self) -> tuple[list[Overlay], bool]:
        """The overlays, and whether the shot moves."""
        if self.count < MIN_FRAMES:
            return [], False
        still, overlays = (self._total + self._block).still(), list[Overlay]()
        if still.moves():
            self.moved = True
            self._take(pieces(still, 0, self._bar_lines()))
        found = (self._overlay(thing.united()) for thing in self._things)
        overlays += without_doubles([one for one in found if one is not None])
        if still.moves():
            overlays += self._specks_found(still, overlays) + self._bars_found()
        return sorted(overlays, key=lambda one: (one.first, one.box)), self.moved

    def _overlay(self, thing: Piece) -> Overlay | None:
        """A piece with the frames that it is there in, in the size of the frames; None if it is in too few."""
        presence = present(self._history, thing)
        if presence is None:
            return None
        first, end, flatness = presence
        certainty = thing.certainty * min(1.0, flatness)
        comes_and_goes = first > 0 or end < self.count
        if certainty < MIN_CERTAINTY or end - first < MIN_FRAMES:
            return None
        kind: Kind = "caption" if comes_and_goes and thing.looks_like_text else "still"
        return overlay_of(kind, self._at_full_size(thing, end - first), first, end, certainty)

    def _at_full_size(self, thing: Piece, length: int) -> Bool[np.ndarray, "H W"]:
        """The area of a piece in the size of the frames; where it is there for most of them, with its edges there."""
        _, area, _ = thing.laid_out()
        if self._full is None:
            return area
        upscaled = cv2.resize(area.astype(np.uint8), self.size[::-1], interpolation=cv2.INTER_NEAREST)
        if length < 0.6 * self.count:
            return upscaled > 0
        still, side = self._full.still(), 2 * round(self.size[0] / self.work[0]) + 1
        edges = (still.steadiness > WEAK_R) & (still.strength > WEAK_LEVELS) & (upscaled > 0)
        sure = cv2.erode(upscaled, np.ones((side, side), np.uint8)) > 0
        return filled(edges | sure, np.zeros(self.size, np.float32), 0.0)

    def _bars_found(self) -> list[Overlay]:
        """Letterbox bars, as one."""
        mask = self._bars.mask()
        return [overlay_of("still", mask, 0, self.count, 0.95)] if mask.any() else []

    def _specks_found(self, still: Still, others: Sequence[Overlay]) -> list[Overlay]:
        """Dead pixels, where nothing else was found and the scene moves."""
        taken = grown(self._bars.mask(), 3)
        for left, top, width, height in (one.box for one in others):
            taken[max(0, top - 4) : top + height + 4, max(0, left - 4) : left + width + 4] = True
        scene = cv2.resize(still.around(SPECK_RING_PX), self.size[::-1], interpolation=cv2.INTER_LINEAR)
        count, labels = components(self._specks.dead() & ~taken)
        spots = [labels == index for index in range(1, count)]
        spots = [spot for spot in spots if scene[spot].mean() < MAX_SPECK_RING_R and self._stays(still, spot)]
        return [overlay_of("still", spot, 0, self.count, 0.9) for spot in spots]

    def _stays(self, still: Still, spot: Bool[np.ndarray, "H W"]) -> bool:
        """Whether a speck does not move with the camera, and is no part of a line."""
        small = cv2.resize(grown(spot, 1).astype(np.float32), self.work[::-1], interpolation=cv2.INTER_AREA) > 0
        return still.stays(small) > MIN_STAYS and still.isotropy(small) > MIN_SPECK_ISOTROPY


def without_doubles(found: Sequence[Overlay]) -> list[Overlay]:
    """Those that do not lie within one that is surer, or there for longer, in all of their frames."""
    kept: list[Overlay] = []
    for one in sorted(found, key=lambda one: -(one.end - one.first) * one.certainty):
        inside = (
            other.first <= one.first + BLOCK
            and one.end <= other.end + BLOCK
            and (one.mask & other.mask).sum() > 0.5 * one.mask.sum()
            for other in kept
        )
        if not any(inside):
            kept.append(one)
    return kept


def overlay_of(kind: Kind, mask: Bool[np.ndarray, "H W"], first: int, end: int, certainty: float) -> Overlay:
    """An overlay with the box that its mask has."""
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return Overlay(kind, (left, top, width, height), first, end, round(certainty, 2), mask)
