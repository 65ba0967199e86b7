"""Decide what belongs to the thing although its mask does not cover it: its shadow, and what the mask has missed.

What is known near the thing and contradicts what other frames show of the same place belongs to the thing, if it moves
with it: what stays at its place in the scene is scenery seen wrongly, and what has a motion of its own is somebody
else. Twice: what was found is no source the second time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float32, UInt8

from cleanplate.carry.consensus import consensus
from cleanplate.carry.evidence import Evidence, evidence
from cleanplate.carry.gather import PARTS
from cleanplate.carry.scene import Box, Offsets, Places, Scene, distance_to, halved_picture
from cleanplate.carry.shade import as_dark, levels_of
from cleanplate.carry.shapes import Mask, closed, disc, enclosed, grown, joined, parts
from cleanplate.config import EffectsConfig
from cleanplate.imaging.frame import box_around
from cleanplate.runtime.threads import in_order

# Frames that are asked, before and after.
OFFSETS = (2, 5, 9, 15, 23, 34, 48)
# Where the shot is too short for these.
BETWEEN = (12, 19, 7, 28, 17, 10, 21, 40)
# Of these, those in which what contradicts must go with the thing; in the near ones a limb still is where it was.
TOGETHER, NEAR = (5, 9, 15, 23), (2, 5)
# Lengths, as shares of the frame's height: how far around the hole is looked, and the second time around what was
# found; how far a source must be from the hole in any case, the first and the second time; how loosely what moves with
# the thing sits; what is close to the mask; over what gaps a shadow goes on; from how far on what is seen of a place
# tells in full what the scene is like.
RING, RING_AGAIN, FAR, LOOSE, CLOSE, GAP, APART = 0.8, 0.15, (0.25, 0.025), 0.05, 0.06, 0.04, 0.2
# In pixels: how much farther from the hole a source must be; what touches; holes that are closed.
FARTHER_PX, TOUCHES_PX, CLOSING_PX = 4, 3, 2


Extent = tuple[float, float, float, float]


@dataclass(frozen=True)
class Thresholds:
    """What is taken for an effect."""

    foreign: float
    dark: float
    dark_noise: float
    """In standard deviations of the light where nothing is wrong."""


# What is begun with, and what goes on from there (hysteresis).
STRONG, WEAK = Thresholds(1.0, 0.12, 5.0), Thresholds(0.4, 0.07, 2.5)
# Share of the frames in which it goes with the thing, at least, and by how much more often than with the scene.
WITH_THING, MORE_THAN_SCENE, MORE_WHEN_CLOSE = 0.5, 0.3, 0.1
# What is strong need not go with the thing that often, if it is seldom in the scene.
SOMETIMES, SELDOM = 0.2, 0.1
# Frames that must have told so of some of it: one that shows the place near the thing is a part of one.
LEAST_SEEN = 0.25
# What goes with the thing that often is believed though only one frame shows its place.
ALMOST_ALWAYS = 0.8
# A limb swings: in the near frames it is there more often, and it is smaller than this share of the thing.
LIMB_WITH_THING, LIMB_SHARE = 0.6, 0.3
# Nobody else is about if it is so many times larger than the largest part of others, in so many of the frames around.
OTHERS_TIMES, OTHERS_SHARE = 1.5, 0.85


@dataclass(frozen=True)
class Suspicion:
    """What may be an effect in a frame of the window, all over the small frame."""

    weak: Mask
    asked: Mask
    """Where it could be told."""
    thing: Mask
    """The thing and what may be an effect, and a little around, where it can be told."""
    could: Mask
    """Where it can be told, or is the thing."""
    others: int = 0
    """See Looked."""


@dataclass
class Looked:
    """A frame that is looked at: where its places are in others, and what contradicts in it."""

    number: int
    """In the window."""
    places: Places
    evidence: Evidence
    found: Mask
    """All over the small frame."""
    reach: Mask
    """The same, with edges that are rather too far out: what is no source for others."""
    others: int
    """Pixels of the largest thing that is foreign too, but does not touch this one."""


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
    if not any(one.found.any() for one in first.values()):
        return [None for _ in new]
    shape = coarse.smalls[0].hole.shape
    others = {number: round(one.others * height * width / (shape[0] * shape[1])) for number, one in first.items()}
    found = [_as_large(first[number].found, (height, width)) if number in first else None for number in new]
    again = Finder(scene, before, config, FAR[1], others)
    looked = again.look([*before, *found])
    found = [looked[number].reach if number in looked else None for number in new]
    looked = again.look([*before, *found], looked)
    return [looked.get(number) for number in new]


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
        self.centres = [_centre(small.hole) for small in scene.smalls]
        # What was no source when it looked last.
        self.barred: Sequence[Mask | None] = [None] * len(scene.smalls)

    def look(self, found: Sequence[Mask | None], earlier: Mapping[int, Looked] | None = None) -> dict[int, Looked]:
        """At all frames that are not done and hide something.

        Args:
            found: of each frame of the window, what is no source because it was found before.
            earlier: what was seen when this finder looked last. It stands where the sources are much the same since.
        """
        sources = self.scene.without([None if one is None else grown(one, CLOSING_PX) for one in found])
        new = range(len(self.before), len(self.centres))
        numbers = [number for number in new if self.centres[number] is not None]
        self.distances = [
            small.distance if mask is None or not mask.any() else distance_to(small.hole | mask)
            for small, mask in zip(self.scene.smalls, found, strict=True)
        ]
        extents = [self._extent(number, mask) for number, mask in enumerate(found)]
        changed = [_differ(one, other) for one, other in zip(found, self.barred, strict=True)]
        self.barred = found

        def see(number: int) -> Looked:
            if earlier and np.mean([changed[number + offset] for offset in earlier[number].places.moved]) < MANY:
                return earlier[number]
            return self._look(number, self._box(number, extents), sources)

        looked = list(in_order(see, numbers))
        suspicions = self._suspicions(looked)
        marks = self._marks(suspicions)
        for one, masks in zip(looked, in_order(lambda one: self._decide(one, suspicions, marks), looked), strict=True):
            one.found, one.reach = masks
        return {one.number: one for one in looked}

    def _extent(self, number: int, found: Mask | None) -> Extent | None:
        """How far the hole and what was found reach from the middle of the hole: up, down, left and right."""
        if found is None or (centre := self.centres[number]) is None:
            return None
        rows, columns = box_around(torch.from_numpy(self.scene.smalls[number].hole | found), 0)
        x, y = centre
        return rows.start - y, rows.stop - y, columns.start - x, columns.stop - x

    def _box(self, number: int, extents: Sequence[Extent | None]) -> Box:
        """Where it is of interest: all around at first, later where something was found beside the thing lately."""
        centre = self.centres[number]
        if centre is None or extents[number] is None:
            return box_around(torch.from_numpy(self.scene.smalls[number].hole), round(RING * self.height))
        x, y = centre
        around = [one for one in extents[self._around(number)] if one]
        top, bottom, left, right = zip(*around, strict=True)
        margin = round(RING_AGAIN * self.height)
        rows = slice(max(0, int(y + min(top)) - margin), min(self.height, int(y + max(bottom)) + 1 + margin))
        return rows, slice(max(0, int(x + min(left)) - margin), min(self.width, int(x + max(right)) + 1 + margin))

    def _around(self, number: int) -> slice:
        """The frames around one in which the thing is much the same, of the same shot."""
        before, after = (min(max(TOGETHER), self.scene.end(number, way)) for way in (-1, 1))
        return slice(number - before, number + after + 1)

    def _look(self, number: int, box: Box, sources: Scene) -> Looked:
        places = self.scene.places(number, OFFSETS, box, between=BETWEEN)
        seen = consensus(sources, number, places, farther_px=FARTHER_PX, far_px=self.far_px)
        told = evidence(seen, self.height, brighter_too=self.config.find == "all")
        others = max(self.others.get(number, 0), _others(told, self.scene.smalls[number].hole[box]))
        nothing = np.zeros((self.height, self.width), bool)
        return Looked(number, places, told, nothing, nothing, others)

    def _suspicions(self, looked: Sequence[Looked]) -> list[Suspicion]:
        """Of all frames of the window."""
        smalls, nothing = self.scene.smalls, np.zeros((self.height, self.width), bool)
        found = [
            self._suspicion(mask, ~small.hole, small.hole) for mask, small in zip(self.before, smalls, strict=False)
        ]
        found += [Suspicion(nothing, nothing, nothing, nothing)] * (len(smalls) - len(found))
        for one in looked:
            weak = exceeds(one.evidence, WEAK) & one.evidence.asked
            whole = self._whole(one, weak), self._whole(one, one.evidence.asked)
            found[one.number] = self._suspicion(*whole, smalls[one.number].hole, one.others)
        return found

    def _suspicion(self, weak: Mask, asked: Mask, hole: Mask, others: int = 0) -> Suspicion:
        could = asked | hole
        return Suspicion(weak, asked, grown(weak | hole, round(LOOSE * self.height)) & could, could, others)

    def _whole(self, one: Looked, part: Mask) -> Mask:
        out = np.zeros((self.height, self.width), bool)
        out[one.places.box] = part
        return out

    def _decide(
        self, one: Looked, suspicions: Sequence[Suspicion], marks: UInt8[np.ndarray, "t H W 2"]
    ) -> tuple[Mask, Mask]:
        """What goes with the thing, hangs together with it, and is strong somewhere; see `Looked.found` and `reach`."""
        box, found, small = one.places.box, one.evidence, self.scene.smalls[one.number]
        weak, hole = suspicions[one.number].weak[box], small.hole[box]
        if not weak.any():
            return one.found & False, one.found & False
        with_thing = self._with_thing(one, suspicions, TOGETHER)
        marked, seen = self._in_scene(one, marks, min(TOGETHER))
        with_scene = marked / np.maximum(seen, 1)
        close = small.distance[box] < CLOSE * self.height
        more = with_thing - with_scene
        kept = weak & (close | (with_thing >= WITH_THING)) & (more >= np.where(close, MORE_WHEN_CLOSE, MORE_THAN_SCENE))
        kept |= weak & exceeds(found, STRONG) & found.sure & (with_thing >= SOMETIMES) & (with_scene <= SELDOM)
        marked_near, seen_near = self._in_scene(one, marks, min(NEAR), min(TOGETHER))
        when_near = (marked + marked_near) / np.maximum(seen + seen_near, 1)
        kept |= self._limbs(one, suspicions, kept, (with_scene, when_near), seen)
        around = cv2.blur(kept.astype(np.float32), (2 * CLOSING_PX + 1,) * 2) > ENOUGH_AROUND
        kept |= closed(kept | hole, CLOSING_PX) & found.asked & around
        unmoved = exceeds(found, WEAK, moved=False) & found.asked
        kept |= closed(kept | hole, round(GAP * self.height)) & unmoved
        # Nobody has seen what is between a shadow and the thing: it will be of the same kind.
        kept |= closed(kept | hole, round(GAP * self.height)) & ~found.asked & ~hole
        levels = levels_of(small.picture[box])
        kept |= as_dark(levels, kept & unmoved, found.asked & ~kept, ~found.asked & ~hole, self.height)
        if self.config.find != "all":  # a reflection need not touch the thing
            kept = joined(kept | grown(hole, TOUCHES_PX) | ~found.asked, hole) & kept
        often = (with_thing >= ALMOST_ALWAYS) & (more >= ALMOST_ALWAYS)
        strong = exceeds(found, STRONG) & (found.sure | often) & kept
        kept = joined(kept, strong)
        # Light is measured as a mean, and so beyond the edge of a shadow too; of a thing the edge is missed instead.
        most = cv2.dilate(found.sharp, disc(EDGE_PX))
        lit = found.asked & (found.sharp < EDGE_OF_SHADOW * most) & (found.foreign_unmoved < WEAK.foreign)
        thing = exceeds(found, WEAK, dark=False) & ~exceeds(found, WEAK, foreign=False, moved=False)
        reach = kept | grown(kept & thing, 1)
        found = [part | enclosed(part, hole, (GAP * self.height) ** 2) for part in (reach & ~lit, reach)]
        return self._whole(one, found[0] & ~hole), self._whole(one, found[1] & ~hole)

    def _limbs(
        self,
        one: Looked,
        suspicions: Sequence[Suspicion],
        kept: Mask,
        with_scene: tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"]],
        seen: Float32[np.ndarray, "h w"],
    ) -> Mask:
        """What is small beside the thing, touches it, and goes with it for a while or can be nobody else's."""
        box = one.places.box
        hole, weak = self.scene.smalls[one.number].hole[box], suspicions[one.number].weak[box]
        with_thing = self._with_thing(one, suspicions, NEAR)
        touching = joined(weak | kept | grown(hole, TOUCHES_PX), hole) & weak & ~kept
        more = with_thing - with_scene[1]
        for_a_while = touching & (with_thing >= LIMB_WITH_THING) & (more >= MORE_WHEN_CLOSE)
        # Nobody else is about: then it may swing as it likes.
        never = touching & (with_scene[0] <= SELDOM)
        strong = exceeds(one.evidence, STRONG, dark=False) & one.evidence.sure & (seen >= LEAST_SEEN)
        never = joined(never, never & strong)
        around = suspicions[self._around(one.number)]
        others = [other.others for other in around if other.asked.any()]
        least = OTHERS_TIMES * float(np.quantile(others or [0], OTHERS_SHARE))
        most = LIMB_SHARE * int(hole.sum())
        return parts(for_a_while, 1, most) | parts(never, least, most)

    def _with_thing(self, one: Looked, suspicions: Sequence[Suspicion], offsets: Offsets) -> Float32[np.ndarray, "h w"]:
        """In which share of other frames there is something at the same place beside the thing."""
        (rows, columns), centre = one.places.box, self.centres[one.number]
        shape = (columns.stop - columns.start, rows.stop - rows.start)
        there_too, told = np.zeros((2, shape[1], shape[0]), np.float32)
        for offset in one.places.moved:
            other, there = suspicions[one.number + offset], self.centres[one.number + offset]
            if abs(offset) not in offsets or not other.asked.any() or there is None or centre is None:
                continue
            left, top = there[0] - centre[0] + columns.start, there[1] - centre[1] + rows.start
            shift = np.array([[1, 0, left], [0, 1, top]], np.float32)
            nearest = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
            there_too += cv2.warpAffine(other.thing.view(np.uint8), shift, shape, flags=nearest)
            told += cv2.warpAffine(other.could.view(np.uint8), shift, shape, flags=nearest)
        return there_too / np.maximum(told, 1)

    def _in_scene(
        self, one: Looked, marks: UInt8[np.ndarray, "t H W 2"], nearest: int, end: int = 2**31
    ) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"]]:
        """In how many of the frames that are so many away something is at the same place in the scene.

        Where the thing is near, it is what the thing does there too: such a frame counts less.

        Args:
            one: the frame.
            marks: see `_marks`.
            nearest: how many frames away another is, at least.
            end: that it is nearer than so many.

        Returns:
            these, and how many frames have told.
        """
        offsets = [offset for offset in one.places.moved if nearest <= abs(offset) < end]
        if not offsets:
            nothing = np.zeros(one.evidence.asked.shape, np.float32)
            return nothing, nothing
        return one.places.shares(marks, one.number, offsets)

    def _marks(self, suspicions: Sequence[Suspicion]) -> UInt8[np.ndarray, "t H W 2"]:
        """Of all frames, what may be an effect, and by how much it counts when the scene is asked: see `shares_at`."""
        marks = np.zeros((len(suspicions), self.height, self.width, 2), np.uint8)
        for mark, one, distance in zip(marks, suspicions, self.distances, strict=True):
            mark[..., 0] = one.weak
            mark[..., 1] = np.minimum(distance * np.float32(PARTS / (APART * self.height)), PARTS) * one.asked
        return marks


# A shadow ends where less than this share of the light that is missing within so many pixels is missing.
EDGE_OF_SHADOW, EDGE_PX = 0.15, 2
# Share of the pixels around that must be kept for a gap to be closed.
ENOUGH_AROUND = 0.3


def _others(told: Evidence, hole: Mask) -> int:
    """See Looked."""
    foreign = exceeds(told, WEAK, dark=False) & told.asked
    apart = foreign & ~joined(foreign | grown(hole, TOUCHES_PX), hole)
    apart = joined(apart, apart & exceeds(told, STRONG, dark=False) & told.sure)
    return int(cv2.connectedComponentsWithStats(apart.astype(np.uint8))[2][1:, cv2.CC_STAT_AREA].max(initial=0))


def exceeds(found: Evidence, least: Thresholds, *, moved: bool = True, foreign: bool = True, dark: bool = True) -> Mask:
    """Where there is that much evidence, of one kind or either.

    Args:
        found: the evidence.
        least: how much.
        moved: count only what no shift explains.
        foreign: count other colours.
        dark: count missing light.
    """
    beyond, missing = (found.foreign, found.dark) if moved else (found.foreign_unmoved, found.dark_unmoved)
    beyond = cv2.GaussianBlur(np.minimum(beyond, 3), (0, 0), 1.0)
    by_colour, by_light = beyond > least.foreign, missing > max(least.dark, least.dark_noise * found.light_noise)
    return (by_colour & foreign) | (by_light & dark)


def _centre(hole: Mask) -> tuple[float, float] | None:
    """X and y of the middle of a hole."""
    y, x = np.nonzero(hole)
    return (float(x.mean()), float(y.mean())) if len(x) else None
