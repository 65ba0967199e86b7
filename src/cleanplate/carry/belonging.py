"""Judge what contradicts: what goes with the thing is its shadow, or a part of it that the mask has missed.

What stays at its place in the scene is scenery seen wrongly, and what has a motion of its own is somebody else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from cleanplate.carry.evidence import Evidence
from cleanplate.carry.gather import PARTS
from cleanplate.carry.scene import Offsets, Places, Scene, Small
from cleanplate.carry.shade import as_dark, levels_of
from cleanplate.carry.shapes import Mask, closed, disc, enclosed, grown, joined, parts
from cleanplate.config import EffectsConfig

# Of the frames that are asked, those in which what contradicts must go with the thing; in the near ones a limb still is
# where it was.
TOGETHER, NEAR = (5, 9, 15, 23), (2, 5)
# Lengths, as shares of the frame's height: how loosely what moves with the thing sits; what is close to the mask; over
# what gaps a shadow goes on; from how far on what is seen of a place tells in full what the scene is like.
LOOSE, CLOSE, GAP, APART = 0.05, 0.06, 0.04, 0.2
# In pixels: what touches; holes that are closed.
TOUCHES_PX, CLOSING_PX = 3, 2


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
    missed: float
    """Share of the rim of the hole that is the thing, away from shadows; 0 if what is beside it looks much the same."""
    others: int
    """Pixels of the largest thing that is foreign too, but does not touch this one."""
    short: bool = False
    """Whether the mask misses the rim of the thing."""

    def with_rim(self, small: Small) -> "Looked":
        """The same, with all of the rim: where it seemed right, a rest of the thing may be too thin to be seen."""
        asked = np.zeros_like(small.hole)
        asked[self.places.box] = self.evidence.asked
        found = self.found | (small.distance == 1) & asked
        # As deep as most of it is missed, all of it is.
        for depth in range(1, DEEPEST_PX + 1):
            ring = small.distance == depth
            if not mostly(ring & self.found, ring & asked):
                break
            found |= ring
        return replace(self, found=found, short=True)


class Judge:
    """Judges what contradicts in a window of frames.

    Args:
        scene: the window.
        before: what was found in the frames it begins with, which are done.
        looked: those that are looked at.
        distances: of each frame, how far a pixel is from what is hidden or was found before, in pixels.
        config: see EffectsConfig.
        earlier: of each frame, what was found when it was looked at before.
    """

    def __init__(
        self,
        scene: Scene,
        before: Sequence[Mask],
        looked: Sequence[Looked],
        distances: Sequence[UInt8[np.ndarray, "h w"]],
        config: EffectsConfig,
        earlier: Sequence[Mask | None],
    ):
        self.scene, self.distances, self.config, self.earlier = scene, distances, config, earlier
        self.height, self.width = scene.smalls[0].hole.shape
        self.suspicions = self._suspicions(before, looked)
        self.marks = self._marks()

    def decide(self, one: Looked) -> tuple[Mask, Mask, float]:
        """What goes with the thing, hangs together with it, and is strong somewhere.

        Returns:
            `found`, `reach` and `missed` of `Looked`.
        """
        box, found, small = one.places.box, one.evidence, self.scene.smalls[one.number]
        weak, hole = self.suspicions[one.number].weak[box], small.hole[box]
        # What was found earlier, and nobody is left to be asked about, stands.
        earlier = self.earlier[one.number]
        stands = weak & False if earlier is None else earlier[box] & ~found.asked & ~hole
        if not (weak.any() or stands.any()):
            return one.found & False, one.found & False, 0.0
        with_thing = self._with_thing(one, TOGETHER)
        far = [offset for offset in one.places.moved if abs(offset) >= min(TOGETHER)]
        near = [offset for offset in one.places.moved if min(NEAR) <= abs(offset) < min(TOGETHER)]
        marked, seen = self._in_scene(one, far)
        with_scene = marked / np.maximum(seen, 1)
        close = small.distance[box] < CLOSE * self.height
        more = with_thing - with_scene
        kept = weak & (close | (with_thing >= WITH_THING)) & (more >= np.where(close, MORE_WHEN_CLOSE, MORE_THAN_SCENE))
        kept |= weak & exceeds(found, STRONG) & found.sure & (with_thing >= SOMETIMES) & (with_scene <= SELDOM)
        marked_near, seen_near = self._in_scene(one, near)
        when_near = (marked + marked_near) / np.maximum(seen + seen_near, 1)
        kept |= self._limbs(one, kept, (with_scene, when_near), seen)
        around = cv2.blur(kept.astype(np.float32), (2 * CLOSING_PX + 1,) * 2) > ENOUGH_AROUND
        kept |= closed(kept | hole, CLOSING_PX) & found.asked & around
        unmoved = exceeds(found, WEAK, moved=False) & found.asked
        kept |= closed(kept | hole, round(GAP * self.height)) & unmoved
        # Nobody has seen what is between a shadow and the thing: it will be of the same kind.
        kept |= closed(kept | hole, round(GAP * self.height)) & ~found.asked & ~hole
        levels = levels_of(small.picture[box])
        kept |= as_dark(levels, kept & unmoved, found.asked & ~kept, ~found.asked & ~hole, self.height)
        kept |= stands
        if self.config.find != "all":  # a reflection need not touch the thing
            kept = joined(kept | grown(hole, TOUCHES_PX) | ~found.asked, hole) & kept
        often = (with_thing >= ALMOST_ALWAYS) & (more >= ALMOST_ALWAYS)
        strong = exceeds(found, STRONG) & (found.sure | often) & kept | stands
        kept = joined(kept, strong)
        lit, thing = self._edges(found)
        reach = kept | grown(kept & thing, 1)
        both = [part | enclosed(part, hole, (GAP * self.height) ** 2) for part in (reach & ~lit, reach)]
        missed = self._missed(found, kept, small.distance[box])
        return self._whole(one, both[0] & ~hole), self._whole(one, both[1] & ~hole), missed

    def _missed(self, found: Evidence, kept: Mask, distance: UInt8[np.ndarray, "h w"]) -> float:
        """Share of the rim of the hole that is a part of the thing; 0 if what is beside it looks much the same."""
        rim = distance == 1
        if mostly(rim & kept & found.asked, rim & found.asked):  # no shadow lies all around
            return share(rim & kept, rim)
        # Where a shadow begins, its deep edge beside the thing looks like a part of it.
        shadow = exceeds(found, WEAK, moved=False, foreign=False)
        told = found.asked & ~grown(shadow, CLOSING_PX)
        foreign = found.foreign > STRONG.foreign
        near, far = (round(part * self.height) for part in BESIDE_RIM)
        around = told & ~grown(kept, CLOSING_PX) & (distance > near) & (distance <= far)
        here, usual = share(foreign, rim & told), share(foreign, around)
        return here if here > MORE_THAN_AROUND * usual else 0.0

    def _edges(self, found: Evidence) -> tuple[Mask, Mask]:
        """What is lit beside a shadow, and what is a thing: of a thing the edge is missed.

        Light is measured as a mean, and so beyond the edge of a shadow too.
        """
        most = cv2.dilate(found.sharp, disc(EDGE_PX))
        lit = found.asked & (found.sharp < EDGE_OF_SHADOW * most) & (found.foreign_unmoved < WEAK.foreign)
        return lit, exceeds(found, WEAK, dark=False) & ~exceeds(found, WEAK, foreign=False, moved=False)

    def _limbs(
        self,
        one: Looked,
        kept: Mask,
        with_scene: tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"]],
        seen: Float32[np.ndarray, "h w"],
    ) -> Mask:
        """What is small beside the thing, touches it, and goes with it for a while or can be nobody else's."""
        box = one.places.box
        hole, weak = self.scene.smalls[one.number].hole[box], self.suspicions[one.number].weak[box]
        with_thing = self._with_thing(one, NEAR)
        touching = joined(weak | kept | grown(hole, TOUCHES_PX), hole) & weak & ~kept
        more = with_thing - with_scene[1]
        for_a_while = touching & (with_thing >= LIMB_WITH_THING) & (more >= MORE_WHEN_CLOSE)
        # Nobody else is about: then it may swing as it likes.
        never = touching & (with_scene[0] <= SELDOM)
        strong = exceeds(one.evidence, STRONG, dark=False) & one.evidence.sure & (seen >= LEAST_SEEN)
        never = joined(never, never & strong)
        around = self.suspicions[self.scene.around(one.number, max(TOGETHER))]
        others = [other.others for other in around if other.asked.any()]
        least = OTHERS_TIMES * float(np.quantile(others or [0], OTHERS_SHARE))
        most = LIMB_SHARE * int(hole.sum())
        return parts(for_a_while, 1, most) | parts(never, least, most)

    def _with_thing(self, one: Looked, offsets: Offsets) -> Float32[np.ndarray, "h w"]:
        """In which share of other frames there is something at the same place beside the thing."""
        (rows, columns), centre = one.places.box, self.scene.centres[one.number]
        shape = (columns.stop - columns.start, rows.stop - rows.start)
        there_too, told = np.zeros((2, shape[1], shape[0]), np.float32)
        for offset in one.places.moved:
            other, there = self.suspicions[one.number + offset], self.scene.centres[one.number + offset]
            if abs(offset) not in offsets or not other.asked.any() or there is None or centre is None:
                continue
            left, top = there[0] - centre[0] + columns.start, there[1] - centre[1] + rows.start
            shift = np.array([[1, 0, left], [0, 1, top]], np.float32)
            nearest = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
            there_too += cv2.warpAffine(other.thing.view(np.uint8), shift, shape, flags=nearest)
            told += cv2.warpAffine(other.could.view(np.uint8), shift, shape, flags=nearest)
        return there_too / np.maximum(told, 1)

    def _in_scene(self, one: Looked, offsets: Offsets) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"]]:
        """In how many of the frames that are so many later something is at the same place in the scene.

        Where the thing is near, it is what the thing does there too: such a frame counts less.

        Args:
            one: the frame.
            offsets: those that are asked, of `one.places.moved`.

        Returns:
            these, and how many frames have told.
        """
        if not offsets:
            nothing = np.zeros(one.evidence.asked.shape, np.float32)
            return nothing, nothing
        return one.places.shares(self.marks, one.number, offsets)

    def _marks(self) -> UInt8[np.ndarray, "t H W 2"]:
        """Of all frames, what may be an effect, and by how much it counts when the scene is asked: see `shares_at`."""
        marks = np.zeros((len(self.suspicions), self.height, self.width, 2), np.uint8)
        for mark, one, distance in zip(marks, self.suspicions, self.distances, strict=True):
            mark[..., 0] = one.weak
            mark[..., 1] = np.minimum(distance * np.float32(PARTS / (APART * self.height)), PARTS) * one.asked
        return marks

    def _suspicions(self, before: Sequence[Mask], looked: Sequence[Looked]) -> list[Suspicion]:
        """Of all frames of the window."""
        smalls, nothing = self.scene.smalls, np.zeros((self.height, self.width), bool)
        done = zip(before, smalls, strict=False)
        found = [self._suspicion(mask, ~small.hole, small.hole) for mask, small in done]
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


# Share of its rim that most frames around have seen to be the thing, if a mask is short; how many times more that is
# than of what is beside the rim, so far from it, in shares of the frame's height.
SHORT, MORE_THAN_AROUND, BESIDE_RIM = 0.1, 3.0, (0.025, 0.06)
# Share of what can be told at a depth, from which on all of it is missed; the deepest there is.
MOST, DEEPEST_PX = 0.75, 12
# A shadow ends where less than this share of the light that is missing within so many pixels is missing.
EDGE_OF_SHADOW, EDGE_PX = 0.15, 2
# Share of the pixels around that must be kept for a gap to be closed.
ENOUGH_AROUND = 0.3


def share(found: Mask, of: Mask) -> float:
    """How much of something is found; nothing, where there is nothing of it."""
    return float(np.count_nonzero(found & of) / max(1, np.count_nonzero(of)))


def mostly(found: Mask, told: Mask) -> bool:
    """Whether as much is found as nearly all that can be told; not where nothing can be told, and nothing is found."""
    return bool(np.count_nonzero(found) > MOST * np.count_nonzero(told))


def exceeds(found: Evidence, least: Thresholds, *, moved: bool = True, foreign: bool = True, dark: bool = True) -> Mask:
    """Where there is that much evidence, of one kind or either.

    Args:
        found: the evidence.
        least: how much.
        moved: count only what no shift explains.
        foreign: count other colours.
        dark: count missing light.
    """
    missing = (found.dark if moved else found.dark_unmoved) > max(least.dark, least.dark_noise * found.light_noise)
    if not foreign:
        return missing & dark
    beyond = (found.foreign_around if moved else found.foreign_unmoved_around) > least.foreign
    return beyond | missing if dark else beyond
