"""What most of the frames that show a place agree on.

Every frame of a window is a source, not only the nearest: exposure is fitted to each, and a vote over all of them takes
out noise, and whatever covers the place in some of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float32, Shaped, UInt8

from cleanplate.carry.gather import exposed
from cleanplate.carry.scene import Places, Scene

# Exposure is fitted at pixels so far apart, to at least so many, and where neither is dark or burnt out.
APART_PX, LEAST_PIXELS, DARKEST, BRIGHTEST = 5, 50, 8, 247
# So near to a hole nothing is a source: a sample there reads the fill.
LEAST_DISTANCE_PX = 2


@dataclass(frozen=True)
class Consensus:
    """Of the places of one frame, in a box of it."""

    shown: UInt8[np.ndarray, "h w 3"]
    """What the frame itself shows."""
    distance: UInt8[np.ndarray, "h w"]
    """From its hole, in pixels."""
    picture: UInt8[np.ndarray, "h w 3"]
    """The median of what the others show, in the exposure of the frame."""
    low: UInt8[np.ndarray, "h w 3"]
    """The lower quartile of it."""
    high: UInt8[np.ndarray, "h w 3"]
    """The upper one."""
    count: UInt8[np.ndarray, "h w"]
    """Of how many others."""
    gains: Mapping[int, Float32[np.ndarray, "3"]]
    """By how many frames later another is: what its colours are to be multiplied by."""


def consensus(
    scene: Scene,
    number: int,
    places: Places,
    *,
    farther_px: int,
    far_px: int,
) -> Consensus:
    """What other frames show of the places of one.

    What a thing does to its surroundings fades with the distance from it. So a source must be farther from the hole
    than the place is in this frame, or far away.

    Args:
        scene: the window.
        number: of the frame in it.
        places: where its pixels are in others.
        farther_px: by how much a source must be farther away.
        far_px: how far is enough in any case.
    """
    small = scene.smalls[number]
    shown, distance = small.picture[places.box], small.distance[places.box]
    if not places.moved:
        return Consensus(shown, distance, shown, shown, shown, np.zeros(distance.shape, np.uint8), {})
    needed = np.minimum(distance.astype(np.int16) + farther_px, far_px).astype(np.uint8)
    read = places.colours(scene, number)
    gains = [exposure(shown, one[..., :3], distance, one[..., 3]) for one in read]
    colours, count = exposed(read, np.maximum(needed, LEAST_DISTANCE_PX + 1), np.stack(gains))
    low, middle, high = quantiles(list(colours), count)
    return Consensus(shown, distance, middle, low, high, count, dict(zip(places.moved, gains, strict=True)))


def exposure(
    here: UInt8[np.ndarray, "h w 3"],
    there: UInt8[np.ndarray, "h w 3"],
    *away: UInt8[np.ndarray, "h w"],
) -> Float32[np.ndarray, "3"]:
    """The gain of each colour that gives what another frame shows the exposure of this one.

    Args:
        here: what the frame shows.
        there: what the other shows of the same places.
        away: how far each of the two is from its hole.
    """
    known = np.minimum(*(one[::APART_PX, ::APART_PX] for one in away)) > LEAST_DISTANCE_PX
    one, other = (picture[::APART_PX, ::APART_PX][known].T for picture in (here, there))
    good = (np.minimum(one, other) >= DARKEST) & (np.maximum(one, other) <= BRIGHTEST)
    gains = np.ones(3, np.float32)
    for colour in range(3):
        if np.count_nonzero(good[colour]) >= LEAST_PIXELS:
            ratio = one[colour][good[colour]] / other[colour][good[colour]].astype(np.float32)
            half = len(ratio) // 2
            gains[colour] = np.partition(ratio, half)[half]  # the median, several times faster than numpy's own
    return gains


def quantiles(
    stack: Sequence[Shaped[np.ndarray, "h w 3"]], count: UInt8[np.ndarray, "h w"]
) -> tuple[Shaped[np.ndarray, "h w 3"], ...]:
    """Lower quartile, median and upper quartile of the first `count` in order, at every pixel."""
    ordered = in_size_order(stack)
    last = np.maximum(count, 1) - 1
    out = []
    for rank in (last // 4, last // 2, last - last // 4):
        picked = ordered[0].copy()
        for index in range(1, len(ordered)):
            cv2.copyTo(ordered[index], (rank == index).view(np.uint8), picked)
        out.append(picked)
    return tuple(out)


def in_size_order(stack: Sequence[Shaped[np.ndarray, "h w 3"]]) -> list[Shaped[np.ndarray, "h w 3"]]:
    """The pictures, sorted pixel by pixel and colour by colour, the smallest first."""
    ordered = list(stack)
    for one, other in _network(len(ordered)):
        ordered[one], ordered[other] = cv2.min(ordered[one], ordered[other]), cv2.max(ordered[one], ordered[other])
    return ordered


@lru_cache
def _network(count: int) -> tuple[tuple[int, int], ...]:
    """Which to compare, one after the other, to sort so many (Batcher 1968, odd-even merge sort)."""
    pairs, run = [], 1
    while run < count:
        step = run
        while step >= 1:
            for first in range(step % run, count - step, 2 * step):
                for one in range(first, min(first + step, count - step)):
                    if one // (2 * run) == (one + step) // (2 * run):
                        pairs.append((one, one + step))
            step //= 2
        run *= 2
    return tuple(pairs)
