"""Find what belongs to the thing although its mask does not cover it: its shadow, and what the mask has missed.

What is known near the thing and contradicts what other frames show of the same place belongs to the thing, if it moves
with it (`belonging.py`). Up to three times: what was found is no source the next time. First small and all around, then
where something was found beside the thing lately, and there once more where the sources have changed.
"""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from cleanplate.carry.belonging import (
    CLOSING_PX,
    LOOSE,
    SHORT,
    STRONG,
    TOGETHER,
    TOUCHES_PX,
    WEAK,
    Judge,
    Looked,
    exceeds,
)
from cleanplate.carry.consensus import consensus
from cleanplate.carry.evidence import Evidence, evidence
from cleanplate.carry.scene import Box, Scene, distance_to, halved_picture
from cleanplate.carry.scenery import without_scenery
from cleanplate.carry.shapes import Mask, grown, joined
from cleanplate.config import EffectsConfig
from cleanplate.imaging.frame import box_around
from cleanplate.runtime.threads import in_order

# Frames that are asked, before and after.
OFFSETS = (2, 5, 9, 15, 23, 34, 48)
# Where the shot is too short for these.
BETWEEN = (12, 19, 7, 28, 17, 10, 21, 40)
# Lengths, as shares of the frame's height: how far around the hole is looked, and later around what was found; how far
# a source must be from the hole in any case, the first time and later.
RING, RING_AGAIN, FAR = 0.8, 0.15, (0.25, 0.025)
# How much farther from the hole a source must be, in pixels.
FARTHER_PX = 4
# What is found at first must last: of so many frames before and after, it is there in more than one.
LASTING, MORE_THAN_ONE = 5, 1.2

Extent = tuple[float, float, float, float]
"""From the middle of a hole up, down, left and right, in pixels."""


def find(scene: Scene, before: Sequence[Mask], config: EffectsConfig) -> list[Looked | None]:
    """The effects in a window of frames: first at half the size, and if there are any, again without them as sources.

    Args:
        scene: the window.
        before: what was found in the frames it begins with, which are done.
        config: see EffectsConfig.

    Returns:
        of every frame that is not done what was found; None if nothing is hidden in it, or nothing was found at all.
    """
    height, width = scene.smalls[0].hole.shape
    new = range(len(before), len(scene.smalls))
    nobody: list[Mask | None] = [None] * len(new)
    if height < LEAST_COARSE_PX:
        coarse, done = scene, list(before)
    else:
        coarse, done = scene.halved(), [halved_picture(mask.astype(np.uint8) * 255) > 0 for mask in before]
    first = Finder(coarse, done, config, FAR[0]).look([*done, *nobody])
    reached = [lasting(first[number], coarse, first) if number in first else None for number in new]
    if not any(one.any() for one in reached if one is not None):
        return [None for _ in new]
    shape = coarse.smalls[0].hole.shape
    others = {number: round(one.others * height * width / (shape[0] * shape[1])) for number, one in first.items()}
    found = [None if one is None else _as_large(one, (height, width)) for one in reached]
    again = Finder(scene, before, config, FAR[1], others)
    looked = again.look([*before, *found])
    found = [looked[number].reach if number in looked else None for number in new]
    looked = again.look([*before, *found], looked)
    looked = without_scenery(scene, before, looked)
    for number, one in looked.items():
        around = range(len(scene.smalls))[scene.around(number, max(TOGETHER))]
        if np.median([looked[other].missed for other in around if other in looked]) > SHORT:
            looked[number] = one.with_rim(scene.smalls[number])
    return [looked.get(number) for number in new]


def lasting(one: Looked, scene: Scene, looked: Mapping[int, Looked]) -> Mask:
    """What is found at much the same place beside the thing in some of the frames just before and after too."""
    span, here = scene.around(one.number, LASTING), scene.centres[one.number]
    others = [looked[number] for number in range(span.start, span.stop) if number in looked and number != one.number]
    if here is None or not others or not one.reach.any():
        return one.reach
    height, width = one.reach.shape
    there_too = np.zeros((height, width), np.float32)
    for other in others:
        there = scene.centres[other.number]
        if there is not None and other.reach.any():
            shift = np.array([[1, 0, here[0] - there[0]], [0, 1, here[1] - there[1]]], np.float32)
            near = grown(other.reach, round(LOOSE * height)).view(np.uint8)
            there_too += cv2.warpAffine(near, shift, (width, height), flags=cv2.INTER_NEAREST)
    labels = np.asarray(cv2.connectedComponents(one.reach.view(np.uint8))[1], np.intp)
    means = np.bincount(labels.ravel(), there_too.ravel()) / np.maximum(np.bincount(labels.ravel()), 1)
    return one.reach & (means >= min(MORE_THAN_ONE, len(others)))[labels]


def _as_large(mask: Mask, shape: tuple[int, int]) -> Mask:
    """A mask at twice the size, if it is not so large already."""
    if mask.shape == shape:
        return mask
    return np.repeat(np.repeat(mask, 2, 0), 2, 1)[: shape[0], : shape[1]]


def _differ(one: Mask | None, other: Mask | None) -> bool:
    """Whether two masks are more than a little different."""
    if one is None or other is None:
        return one is not other
    away = one & ~grown(other, CLOSING_PX) | other & ~grown(one, CLOSING_PX)
    return bool(np.count_nonzero(away) > LITTLE * np.count_nonzero(one | other))


# Share of a mask that is not much; share of the sources of a frame that must have changed for it to be looked at again.
LITTLE, MANY = 0.1, 0.4
# Frames lower than this are not halved first.
LEAST_COARSE_PX = 96


class Finder:
    """Looks for effects in a window of frames; see `find`.

    Args:
        scene: the window.
        before: what was found in the frames it begins with, which are done.
        config: see EffectsConfig.
        far: how far from the hole a source is believed in any case, as a share of the frame's height.
        others: `Looked.others` of each frame, if somebody has looked farther around before.
    """

    def __init__(
        self,
        scene: Scene,
        before: Sequence[Mask],
        config: EffectsConfig,
        far: float,
        others: Mapping[int, int] | None = None,
    ):
        self.scene, self.before, self.config, self.others = scene, before, config, others or {}
        self.height, self.width = scene.smalls[0].hole.shape
        self.far_px = round(far * self.height)
        # What was no source when it looked last.
        self.barred: Sequence[Mask | None] = [None] * len(scene.smalls)

    def look(self, found: Sequence[Mask | None], earlier: Mapping[int, Looked] | None = None) -> dict[int, Looked]:
        """At all frames that are not done and hide something.

        Args:
            found: of each frame of the window, what is no source because it was found before.
            earlier: what was seen when this finder looked last. It stands where the sources are much the same since.
        """
        sources = self.scene.without([None if one is None else grown(one, CLOSING_PX) for one in found])
        new = range(len(self.before), len(self.scene.smalls))
        numbers = [number for number in new if self.scene.centres[number] is not None]
        distances = [
            small.distance if mask is None or not mask.any() else distance_to(small.hole | mask)
            for small, mask in zip(self.scene.smalls, found, strict=True)
        ]
        extents = [self._extent(number, mask) for number, mask in enumerate(found)]
        changed = [_differ(one, other) for one, other in zip(found, self.barred, strict=True)]
        self.barred = found

        def see(number: int) -> Looked:
            if earlier:
                others = earlier[number].places.moved
                if sum(changed[number + offset] for offset in others) < MANY * len(others):
                    return earlier[number]
            return self._look(number, self._box(number, extents), sources)

        looked = list(in_order(see, numbers))
        judge = Judge(self.scene, self.before, looked, distances, self.config, found)
        seen_anew = [one for one in looked if one is not (earlier or {}).get(one.number)]
        for one, judged in zip(seen_anew, in_order(judge.decide, seen_anew), strict=True):
            one.found, one.reach, one.missed = judged
        return {one.number: one for one in looked}

    def _extent(self, number: int, found: Mask | None) -> Extent | None:
        """How far the hole and what was found reach from the middle of the hole: up, down, left and right."""
        if found is None or (centre := self.scene.centres[number]) is None:
            return None
        rows, columns = box_around(self.scene.smalls[number].hole | found, 0)
        x, y = centre
        return rows.start - y, rows.stop - y, columns.start - x, columns.stop - x

    def _box(self, number: int, extents: Sequence[Extent | None]) -> Box:
        """Where it is of interest: all around at first, later where something was found beside the thing lately."""
        centre = self.scene.centres[number]
        if centre is None or extents[number] is None:
            return box_around(self.scene.smalls[number].hole, round(RING * self.height))
        x, y = centre
        around = [one for one in extents[self.scene.around(number, max(TOGETHER))] if one]
        top, bottom, left, right = zip(*around, strict=True)
        margin = round(RING_AGAIN * self.height)
        rows = slice(max(0, int(y + min(top)) - margin), min(self.height, int(y + max(bottom)) + 1 + margin))
        return rows, slice(max(0, int(x + min(left)) - margin), min(self.width, int(x + max(right)) + 1 + margin))

    def _look(self, number: int, box: Box, sources: Scene) -> Looked:
        places = self.scene.places(number, OFFSETS, box, between=BETWEEN)
        seen = consensus(sources, number, places, farther_px=FARTHER_PX, far_px=self.far_px)
        told = evidence(seen, self.height, brighter_too=self.config.find == "all")
        others = max(self.others.get(number, 0), _others(told, self.scene.smalls[number].hole[box]))
        nothing = np.zeros((self.height, self.width), bool)
        return Looked(number, places, told, nothing, nothing, 0.0, others)


def _others(told: Evidence, hole: Mask) -> int:
    """See Looked."""
    foreign = exceeds(told, WEAK, dark=False) & told.asked
    apart = foreign & ~joined(foreign | grown(hole, TOUCHES_PX), hole)
    apart = joined(apart, apart & exceeds(told, STRONG, dark=False) & told.sure)
    return int(cv2.connectedComponentsWithStats(apart.astype(np.uint8))[2][1:, cv2.CC_STAT_AREA].max(initial=0))
