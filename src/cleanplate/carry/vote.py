"""Put what was carried to the vote: what most frames show of a place is right, whatever the nearest one shows.

A trajectory ends at the nearest frame that shows a place, and takes what is there: also a rim that the mask has missed,
or somebody who walks past. So what contradicts the consensus of many frames is taken from the nearest frame that does
not. Where the camera stands still and the frames agree to within the noise, all of them are averaged, and the grain of
one of them is given back.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int

from cleanplate.carry.belonging import Thresholds, exceeds
from cleanplate.carry.consensus import Consensus, consensus, quantiles
from cleanplate.carry.evidence import MAD, Evidence, evidence
from cleanplate.carry.motion import Motion
from cleanplate.carry.scene import Places, Scene, Small, factor_of, small_of
from cleanplate.carry.suspects import FARTHER_PX
from cleanplate.carry.trajectories import LinkedFrame
from cleanplate.config import CarryConfig
from cleanplate.imaging.frame import Frame, Pixels, box_around
from cleanplate.imaging.pixels import to_unit
from cleanplate.runtime.threads import in_order

# Frames that are asked, before and after.
OFFSETS = (1, 3, 6, 11, 18, 30, 48)
# What contradicts so much is replaced.
WRONG = Thresholds(0.4, 0.045, 2.5)
# By so many at least: of two, one is as likely to be right as the other.
LEAST_VOTES = 3
# Around the hole, noise is measured in a ring, a share of the frame's height wide.
RING = 0.1
# To be averaged, frames must agree to within so many deviations of the noise.
NOISE_TIMES = 3.0
# Positions are read in rows of so many: OpenCV takes no longer ones.
ROW = 1024


@dataclass(frozen=True)
class Ballot:
    """A frame whose hole is put to the vote."""

    frame: Frame
    small: Small
    places: Places
    seen: Consensus
    found: Evidence
    still: bool
    """The camera does not move over all frames that are asked."""


def vote(
    window: Sequence[LinkedFrame],
    motions: Sequence[Motion | None],
    block: range,
    config: CarryConfig,
    seed: int,
) -> Iterator[tuple[Pixels, Float32[np.ndarray, "n 3"]]]:
    """Of each frame of a block, the pixels that are outvoted, counted row by row, and their colours.

    Args:
        window: frames that follow each other.
        motions: from each to the next; None over a cut.
        block: numbers of those that have been filled; of others only what is known is read.
        config: see CarryConfig.
        seed: of the grain.
    """
    factor = factor_of(window[0].frame.size)
    smalls = list(in_order(lambda one: small_of(one.frame, factor), window))
    scene = Scene(smalls, motions, factor)
    sources = {number: one.frame for number, one in enumerate(window)}

    def decide(number: int) -> tuple[Pixels, Float32[np.ndarray, "n 3"]]:
        frame = window[number].frame
        nothing = np.zeros(0, np.int64), np.zeros((0, 3), np.float32)
        if not smalls[number].hole.any():
            return nothing
        ballot = _ballot(scene, number, frame, motions)
        averaged = _averaged(ballot)
        asked = ballot.found.asked & (ballot.seen.count >= LEAST_VOTES)
        wanted = averaged | exceeds(ballot.found, WRONG, moved=False) & asked
        if not wanted.any():
            return nothing
        order = np.random.default_rng((seed, frame.index)) if config.grain else None
        return _elected(ballot, number, sources, _whole(ballot, wanted), _whole(ballot, averaged), order)

    yield from in_order(decide, block)


def _ballot(scene: Scene, number: int, frame: Frame, motions: Sequence[Motion | None]) -> Ballot:
    small = scene.smalls[number]
    box = box_around(small.hole, round(RING * small.hole.shape[0]))
    places = scene.places(number, OFFSETS, box)
    seen = consensus(scene, number, places, farther_px=FARTHER_PX, far_px=FARTHER_PX)
    first, end = (number + edge(places.moved, default=0) for edge in (min, max))
    still = all(motion is None or motion.still for motion in motions[first:end])
    return Ballot(frame, small, places, seen, evidence(seen, small.hole.shape[0], of_hole=True), still)


def _averaged(ballot: Ballot) -> Bool[np.ndarray, "h w"]:
    """Where all frames agree to within the noise."""
    seen = ballot.seen
    if not ballot.still:
        return np.zeros_like(seen.count, bool)
    spread = cv2.subtract(seen.high, seen.low).max(-1)
    return (seen.distance == 0) & (seen.count > 0) & (spread <= NOISE_TIMES * ballot.found.noise)


def _whole(ballot: Ballot, part: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "H W"]:
    """What is marked in the box, in the hole of the whole frame."""
    height, width = ballot.frame.size
    marked = np.zeros(ballot.small.hole.shape, np.uint8)
    marked[ballot.places.box] = part
    factor = factor_of(ballot.frame.size)
    if factor > 1:
        marked = cv2.resize(marked, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
    return marked[:height, :width].astype(bool) & ballot.frame.hole


def _elected(
    ballot: Ballot,
    number: int,
    sources: dict[int, Frame],
    wanted: Bool[np.ndarray, "H W"],
    averaged: Bool[np.ndarray, "H W"],
    order: np.random.Generator | None,
) -> tuple[Pixels, Float32[np.ndarray, "n 3"]]:
    """The pixels that are wanted, as far as a frame shows them, and their colours."""
    pixels = np.flatnonzero(wanted)
    count, width = len(pixels), ballot.frame.size[1]
    at = np.resize(pixels, (-(-count // ROW), min(count, ROW)))  # the last row goes round
    offsets = sorted(ballot.places.moved, key=abs)
    stack, good = zip(*(_read(ballot, sources[number + offset], offset, at, width) for offset in offsets), strict=True)
    shown = np.asarray(np.sum(good, 0), np.uint8)
    hidden = [np.where(known[..., None], one, BEHIND) for one, known in zip(stack, good, strict=True)]
    _, middle, _ = quantiles(hidden, shown)
    even = averaged.reshape(-1)[at]
    near = NOISE_TIMES * max(ballot.found.noise / 255, _noise(stack, good, middle, even))
    agreeing = [known & (np.abs(one - middle) <= near).all(-1) for one, known in zip(stack, good, strict=True)]
    any_agrees = np.any(agreeing, 0)
    first = np.where(any_agrees[..., None], _first_of(stack, agreeing, range(len(stack))), middle)
    if even.any():
        total = sum(one * known[..., None] for one, known in zip(stack, agreeing, strict=True))
        mean = total / np.maximum(np.sum(agreeing, 0, np.float32), 1)[..., None]
        if order is not None:
            mean = _first_of(stack, agreeing, order.permutation(len(stack)).tolist())
        first = np.where((even & any_agrees)[..., None], mean, first)
    reached = (shown > 0).reshape(-1)[:count]
    return pixels[reached], np.clip(first.reshape(-1, 3)[:count][reached], 0, 1)


def _noise(
    stack: Sequence[np.ndarray], good: Sequence[np.ndarray], middle: np.ndarray, even: Bool[np.ndarray, "r c"]
) -> float:
    """Standard deviation of the colours where the frames agree; in the small pictures there is less of it."""
    off = [np.abs(one - middle)[known & even] for one, known in zip(stack, good, strict=True)]
    return MAD * float(np.median(np.concatenate(off))) if even.any() and sum(map(len, off)) else 0.0


def _first_of(stack: Sequence[np.ndarray], agreeing: Sequence[np.ndarray], order: Sequence[int]) -> np.ndarray:
    """At each place, what the first frame in this order shows that agrees with most."""
    out = np.zeros_like(stack[0])
    for index in reversed(order):
        out[agreeing[index]] = stack[index][agreeing[index]]
    return out


def _read(
    ballot: Ballot, source: Frame, offset: int, at: Int[np.ndarray, "r c"], width: int
) -> tuple[Float32[np.ndarray, "r c 3"], Bool[np.ndarray, "r c"]]:
    """What another frame shows of some pixels in the exposure of this one, and whether it does."""
    factor = factor_of(source.size)
    x, y = (((side + 0.5) / factor - 0.5).astype(np.float32) for side in (at % width, at // width))
    x, y = (((side + 0.5) * factor - 0.5).astype(np.float32) for side in ballot.places.of(offset, x, y))
    height, width = source.size
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    if not inside.any():
        return np.zeros((*x.shape, 3), np.float32), inside
    rows, columns = (
        slice(max(0, int(side[inside].min()) - MARGIN_PX), int(side[inside].max()) + 1 + MARGIN_PX) for side in (y, x)
    )
    picture, hole = to_unit(source.picture[rows, columns]), source.hole[rows, columns].astype(np.uint8)
    hole = cv2.dilate(hole, np.ones((2 * MARGIN_PX + 1,) * 2, np.uint8))
    x, y = x - columns.start, y - rows.start
    colours = cv2.remap(picture, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    known = inside & (cv2.remap(hole, x, y, cv2.INTER_NEAREST) == 0)
    return colours * ballot.seen.gains[offset], known


BEHIND = np.float32(9.0)  # all colours, when they are sorted
# A cubic sample reads two pixels around it; so near to a hole it would read the fill. And a rim is left out.
MARGIN_PX = 3
