"""Make hole of what goes with the thing, before anything is carried, and see at the end what can be put in its place.

When all is carried, a soft edge is blended by the strength of the shadow: where it is faint, the frame's own texture is
lit again, where it is deep, what was carried stands. Ground that no frame shows lit keeps its texture and is lit again
if the shadow around it tells by how much; otherwise it stays as it is, and is said to.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float32

from cleanplate.carry.belonging import STRONG, WEAK, Looked, exceeds
from cleanplate.carry.journal import Border, Journal, mask_of
from cleanplate.carry.linking import Linker
from cleanplate.carry.motion import Motion
from cleanplate.carry.scene import Scene, Small, factor_of, small_of
from cleanplate.carry.shapes import grown
from cleanplate.carry.suspects import OFFSETS, find
from cleanplate.carry.trajectories import LinkedFrame, boundary_pixels
from cleanplate.config import EffectsConfig
from cleanplate.imaging.frame import CARRIED, KNOWN, MADE_UP, Effects, Frame
from cleanplate.imaging.pixels import to_like, to_unit
from cleanplate.imaging.slow import slow
from cleanplate.runtime.threads import in_order
from cleanplate.runtime.work_dir import WorkDir

# Frames that are looked ahead to, at most, and as a share of those that are held; one at least, for the motion to it.
AHEAD, AHEAD_SHARE = 24, 1 / 3


@dataclass(frozen=True)
class Finding:
    """The effects in a small frame."""

    found: Bool[np.ndarray, "h w"]
    light: Float32[np.ndarray, "h w 3"]
    """Share of the light that is left in a shadow; 0 where it is something else, UNKNOWN where nobody has seen it."""

    def packed(self) -> dict[str, Any]:
        """As it is saved."""
        return {"size": self.found.shape, "found": np.packbits(self.found), "light": self.light[self.found]}

    @classmethod
    def load(cls, packed: dict[str, Any]) -> "Finding":
        """From what was saved."""
        found = mask_of(packed["found"], packed["size"])
        light = np.zeros((*found.shape, 3), np.float32)
        light[found] = packed["light"]
        return cls(found, light)


class EffectsStage:
    """Finds effects: frames come as they were read, and go on with what was found.

    Args:
        linker: finds the motion between neighbours.
        effects: see EffectsConfig.
        work_dir: keeps what was found.
        linked: told of every frame whose motion is known.
    """

    def __init__(self, linker: Linker, effects: EffectsConfig, work_dir: WorkDir, linked: Callable[[], None]):
        self.linker, self.effects, self.linked = linker, effects, linked
        self.journal = Journal(work_dir, "effects", lambda _: Border(), restore=self._restore)
        self.waiting: list[LinkedFrame] = []
        self.smalls: list[Small] = []
        # From each frame of `smalls` to the next, as far as it is known.
        self.motions: list[Motion | None] = []
        # What was found in those that are done, and belong to the window still.
        self.before: list[Bool[np.ndarray, "h w"]] = []

    def find(self, frames: Iterable[LinkedFrame]) -> Iterator[LinkedFrame]:
        """Pass the frames on, a block at a time."""
        passing = iter(frames)
        for one in self.journal.replay(passing):
            self.linked()
            yield one
        for one in passing:
            if not self.waiting:
                self.linked()  # nothing leads to the first frame, or what does was found by an earlier run
            self.waiting.append(one)
            self.smalls.append(small_of(one.frame, factor_of(one.frame.size), rim=True))
            window = self.linker.config.window(one.frame.size)
            if len(self.waiting) >= window:
                yield from self._finish(window - max(1, min(AHEAD, int(AHEAD_SHARE * window))))
        yield from self._finish(len(self.waiting))

    def _finish(self, count: int) -> list[LinkedFrame]:
        """Find the effects in the first so many of those that wait."""
        if not count:
            return []
        done = len(self.before)
        pairs = list(pairwise(self.waiting))[len(self.motions) - done :]
        for motion in in_order(self.linker, pairs):
            self.motions.append(motion)
            self.linked()
        scene = Scene(self.smalls, self.motions, factor_of(self.waiting[0].frame.size))
        looked = find(scene, self.before, self.effects)[:count]
        nothing = np.zeros_like(self.smalls[0].hole)
        block, kept = [], []
        for number, (one, seen) in enumerate(zip(self.waiting, looked, strict=False), done):
            finding = None if seen is None or not seen.found.any() else _finding(seen, self.smalls[number].hole)
            motion = self.motions[number] if number < len(self.motions) else None
            block.append(as_hole(one.frame, finding))
            kept.append({"finding": finding and finding.packed(), "motion": motion and asdict(motion)})
            self.before.append(nothing if finding is None else finding.found & ~self.smalls[number].hole)
        self.waiting = self.waiting[count:]
        self._forget()
        self.journal.note(block, Border() if self.waiting else None, kept=kept)
        return block

    def _forget(self) -> None:
        """What is too long ago to be asked."""
        old = max(0, len(self.before) - max(OFFSETS))
        self.before, self.smalls, self.motions = self.before[old:], self.smalls[old:], self.motions[old:]

    def _restore(self, one: LinkedFrame, kept: dict[str, Any]) -> LinkedFrame:
        """A frame that an earlier run was done with."""
        small = small_of(one.frame, factor_of(one.frame.size), rim=True)
        finding = kept["finding"] and Finding.load(kept["finding"])
        motion = kept["motion"] and Motion.load(kept["motion"])
        self.smalls.append(small)
        self.motions.append(motion)
        self.before.append(np.zeros_like(small.hole) if finding is None else finding.found & ~small.hole)
        self._forget()
        return as_hole(one.frame, finding)


def _finding(seen: Looked, hole: Bool[np.ndarray, "h w"]) -> Finding:
    """What was found in a frame, and how much light is left there.

    With the edge of the hole beside it: a small pixel that is partly hole counts as hole.
    """
    box = seen.places.box
    shadow = exceeds(seen.evidence, WEAK, moved=False, foreign=False) & ~exceeds(seen.evidence, STRONG, dark=False)
    shadow &= seen.evidence.light.mean(-1) < 0  # not brighter
    # Where it could not be told, the light of the shadow around: a mean of what is known of it.
    found = seen.found[box]
    told = (found & shadow & seen.evidence.asked).astype(np.float32)
    sigma = max(2.0, AROUND * min(seen.found.shape))
    total = slow(told, sigma)
    around = slow(seen.evidence.light * told[..., None], sigma) / np.maximum(total, 1e-6)[..., None]
    light = np.where(told[..., None] > 0, seen.evidence.light, around)
    known = (told > 0) | (~seen.evidence.asked & (total > LEAST_TOLD))
    out = np.zeros((*seen.found.shape, 3), np.float32)
    # Of a mask that is short it is the thing, and no shadow.
    unknown = found & ~seen.evidence.asked & (total <= LEAST_TOLD) & (not seen.short)
    edge = (hole[box] & grown(found, EDGE_PX)) & (total > LEAST_TOLD)
    out[box] = np.where(((found & known) | edge)[..., None], np.exp(np.clip(light, LEAST_LIGHT, 0)), 0)
    out[box][unknown] = UNKNOWN
    return Finding(seen.found | (hole if seen.short else hole & grown(seen.found, EDGE_PX)), out)


EDGE_PX = 2
UNKNOWN = -1.0  # share of the light, where nobody has seen the place lit, nor anything around
# Sigma of the mean of the light around, as a share of the frame's height; least of it that must be known; and the
# darkest shadow there is: its logarithm.
AROUND, LEAST_TOLD, LEAST_LIGHT = 0.03, 0.02, -1.6


def as_hole(frame: Frame, finding: Finding | None) -> LinkedFrame:
    """A frame whose effects are hole."""
    if finding is not None:
        height, width = frame.size
        factor = factor_of(frame.size)
        found, light = finding.found.astype(np.float32), finding.light
        if factor > 1:
            size = (found.shape[1] * factor, found.shape[0] * factor)
            found, light = cv2.resize(found, size, interpolation=cv2.INTER_LINEAR), _enlarged(light, size)
        where = (found[:height, :width] >= 0.5) & ~frame.hole
        if where.any():
            frame.add_effects(where, light[:height, :width][where].astype(np.float16))
    return LinkedFrame(frame, boundary_pixels(frame.provenance))


def _enlarged(light: Float32[np.ndarray, "h w 3"], size: tuple[int, int]) -> Float32[np.ndarray, "H W 3"]:
    """Shares of the light in a size (width, height); beside shadows there is none, which must not darken their edge."""
    shadow = (light.min(-1) > 0).astype(np.float32)
    share = cv2.resize(shadow, size, interpolation=cv2.INTER_LINEAR)
    total = cv2.resize(light * shadow[..., None], size, interpolation=cv2.INTER_LINEAR)
    nearest = cv2.resize(light, size, interpolation=cv2.INTER_NEAREST)
    return np.where((share >= 0.5)[..., None], total / np.maximum(share, 0.5)[..., None], nearest)


def settle(frame: Frame) -> None:
    """What was carried to effects, blended with the frame's own texture lit again.

    In place. What is lit again counts as carried: it is real. What is no shadow, or too dark a one to be lit again, and
    nothing has reached, stays hole. Where nobody has seen how light it is, and nothing has reached, it stays as it is.
    """
    effects = frame.effects
    if effects is None or not len(effects.shown):
        return
    where, light = effects.where, effects.light.astype(np.float32)
    reached, mean = frame.provenance[where] != MADE_UP, light.mean(1)
    shadow, unknown = light.min(1) > 0, light.min(1) < 0
    relit = shadow & (mean >= TOO_DARK)
    lit = np.clip(to_unit(effects.shown) / np.maximum(light, np.float32(1e-3)), 0, 1)
    depth = np.clip((1 - mean - FAINT) / (DEEP - FAINT), 0, 1)
    share = np.where(shadow & reached, depth, np.where(relit, 0, 1)).astype(np.float32)[:, None]
    colours = lit + share * (to_unit(frame.picture[where]) - lit)
    left = unknown & ~reached
    frame.picture[where] = np.where(left[:, None], effects.shown, to_like(colours, effects.shown))
    frame.provenance[where] = np.where(left, KNOWN, np.where(reached | relit, CARRIED, MADE_UP))
    still = effects.where.copy()
    still[where] = ~left
    frame.effects = Effects(still, effects.shown[:0], effects.light[:0], int(left.sum()))


# Share of the light that is left below which texture is not lit again: it would be noise.
TOO_DARK = 0.22
# Share of the light that is missing up to which a shadow is only lit again; from which only what was carried counts.
FAINT, DEEP = 0.04, 0.2
