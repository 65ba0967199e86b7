"""Correct the motion in the hole by what past and future show of the same place.

What comes from the past and what comes from the future are two pictures of one place, and would be the same if the
motion were right. The flow between them, divided by the time between their sources, is by how much the motion is wrong
in a frame. It is measured over the whole time that it is used for, so errors do not add up from frame to frame.

Letters: n points are measured in a frame.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from cleanplate.carry.colours import gather
from cleanplate.carry.fields import Cells, Field, cell_size, local_fit
from cleanplate.carry.fuse import both_ways
from cleanplate.carry.linking import smaller_for_flow
from cleanplate.carry.matches import corners
from cleanplate.carry.motion import Motion, cell_middles
from cleanplate.carry.shapes import square
from cleanplate.carry.trajectories import LinkedFrame, Trajectories
from cleanplate.config import CarryConfig
from cleanplate.imaging.dis import LEAST_SIZE, quick_dis
from cleanplate.imaging.frame import Picture, box_around
from cleanplate.imaging.pixels import to_samples
from cleanplate.runtime.threads import in_order

# The motion is corrected and followed again so many times, each time by what is measured in every fourth frame: as it
# is a mean over time, it differs little from frame to frame.
TIMES, MEASURED_EVERY = 2, 4
# For that, what is hidden is followed in squares of such a side, in pixels of the picture that flow is estimated on.
SIDE_PX = 2
# So many frames beyond those that are to be filled are measured too: what comes from farther away counts little.
AHEAD = 16
# The window (sigma) of the fit of what is measured, and the difference in pixels a frame at which it counts half. In
# pixels of the picture that is compared, as all that follow.
REACH_PX, TOLERANCE_PX = 15.0, 0.05
# Beside 1 of what is measured at a point: that the motion is right, once in every cell.
RIGHT_WEIGHT = 0.0125
# Points are the best corners of squares of this side; fewer say nothing.
POINTS_APART_PX, LEAST_POINTS = 2, 50
# Forward-backward error at which what is measured counts 1/e; what is farther away than the second is something else.
CONFIDENCE_PX, FARTHEST_PX = 0.5, 8.0
# So near to what only one of past and future shows, they are not compared.
EDGE_PX = 2


@dataclass(frozen=True)
class Rate:
    """By how much the motion from a frame to the next is too slow, in a part of the frame."""

    cells: Cells
    """In pixels a frame."""
    top: int
    left: int
    size: tuple[int, int]
    """Height and width of that part."""

    def moved(self, down: int, right: int) -> "Rate":
        """The same elsewhere."""
        return replace(self, top=self.top + down, left=self.left + right)

    def added_to(self, field: Field, corner: tuple[int, int], sign: int) -> Field:
        """The field of a window with that top and left, corrected; to the frame before, the sign is -1."""
        side_px, values = field.rest.cell_px, field.rest.values.copy()
        cells, places = [], []
        for start, first, count, length in zip(corner, (self.top, self.left), values.shape, self.size, strict=False):
            at = start - first + (np.arange(count) + 0.5) * side_px - 0.5
            inside = (at >= 0) & (at <= length - 1)
            cells.append(np.flatnonzero(inside))
            places.append(at[inside])
        y, x = np.meshgrid(*places, indexing="ij")
        rate = self.cells.at(np.stack((x, y), -1).reshape(-1, 2))
        values[np.ix_(*cells, (0, 1))] += sign * rate.reshape(*x.shape, 2)
        return Field(field.camera, Cells(values, side_px))


def refined(
    window: list[LinkedFrame], count: int, sources: Trajectories | None, config: CarryConfig
) -> list[LinkedFrame]:
    """The frames with a motion by which past and future agree better: first roughly, then closely.

    Args:
        window: frames that follow each other, their holes filled in some way.
        count: how many of the first of them are to be filled by it.
        sources: what the pixels of the first of them count for, if they are sources.
        config: see CarryConfig.
    """
    if all(one.forward is None or one.forward.still for one in window):
        return window
    for time in range(TIMES):
        smaller = smaller_for_flow(min(window[0].frame.size), quick=time < TIMES - 1)
        window = corrected(window, _rates(window, count, sources, config, smaller, time))
    return window


def _rates(
    window: list[LinkedFrame],
    count: int,
    sources: Trajectories | None,
    config: CarryConfig,
    smaller: int,
    time: int,
) -> dict[int, Rate | None]:
    """What is measured the first time, or the second, by number in the window: see `refined`.

    By itself, so that the trajectories, which are large, are gone before they are followed again.
    """
    pictures = {one.frame.index: one.frame.picture for one in window}
    followed = both_ways(window, min(count + AHEAD, len(window)), sources, side_px=SIDE_PX * smaller)
    # Which frames are measured depends on their index only, not on the window that they are in.
    indices = [one.frame.index for one in window[: len(followed)]]
    measured = [at for at, index in enumerate(indices) if (index + time) % MEASURED_EVERY == 0]
    found = in_order(lambda at: rate_of(window[at], followed[at].trajectories, pictures, config, smaller), measured)
    return dict(zip(measured, found, strict=True))


def corrected(window: list[LinkedFrame], measured: Mapping[int, Rate | None]) -> list[LinkedFrame]:
    """The frames with the motion to their neighbours corrected.

    Args:
        window: frames that follow each other.
        measured: by number in the window; frames between them take the rate of the nearest that has one.
    """
    seen = {number: rate for number, rate in measured.items() if rate is not None}
    if not seen:
        return window
    nearest = [min(seen, key=lambda at, number=number: abs(at - number)) for number in range(len(window))]
    rates = [
        _led_to(number, at, seen[at], window) if abs(at - number) < MEASURED_EVERY else None
        for number, at in enumerate(nearest)
    ]
    motions = [
        one.forward and _corrected(one.forward, *both) for one, both in zip(window[:-1], pairwise(rates), strict=True)
    ]
    forward, backward = [*motions, None], [None, *(one and one.reversed for one in motions)]
    return [replace(one, forward=to, backward=back) for one, to, back in zip(window, forward, backward, strict=True)]


def _led_to(number: int, start: int, rate: Rate | None, window: Sequence[LinkedFrame]) -> Rate | None:
    """What was measured in a frame, moved to another along the motion in its middle."""
    while rate is not None and start != number:
        later = number > start
        motion = window[start].forward if later else window[start].backward
        if motion is None:
            return None
        middle = np.array([[rate.left - motion.corner[1], rate.top - motion.corner[0]]]) + np.array(rate.size[::-1]) / 2
        right, down = motion.there.at(middle)[0][0].tolist()
        rate, start = rate.moved(round(down), round(right)), start + (1 if later else -1)
    return rate


def _corrected(motion: Motion, here: Rate | None, next_one: Rate | None) -> Motion:
    """A motion from a frame to the next with the rates of both."""
    if motion.still:
        return motion
    there = here.added_to(motion.there, motion.corner, 1) if here else motion.there
    back = next_one.added_to(motion.back, motion.corner, -1) if next_one else motion.back
    return replace(motion, there=there, back=back)


def rate_of(
    one: LinkedFrame,
    both: tuple[Trajectories, Trajectories],
    pictures: Mapping[int, Picture],
    config: CarryConfig,
    smaller: int,
) -> Rate | None:
    """By how much the motion around a frame is too slow; None where that cannot be seen.

    Args:
        one: the frame.
        both: the trajectories of its boundary pixels into the future and into the past.
        pictures: of all frames, by their index.
        config: see CarryConfig.
        smaller: they are compared when they are so many times smaller.
    """
    shown = [trajectory.weight(config) > 0 for trajectory in both]
    if np.count_nonzero(shown[0] & shown[1]) < LEAST_POINTS:
        return None
    hidden = np.zeros(one.frame.size, np.uint8)
    hidden.reshape(-1)[one.boundary] = 1
    rows, columns = box_around(hidden, LEAST_SIZE * smaller)
    filled, hidden = to_samples(one.frame.crop(rows, columns)), hidden[rows, columns] > 0
    # What is hidden there is in the order of the trajectories.
    views, times = [], []
    for trajectory, mine in zip(both, shown, strict=True):
        view, time = filled.copy(), np.zeros(hidden.shape, np.float32)
        part = hidden.copy()
        part[hidden] = mine
        _, colours = gather(pictures, (trajectory,), mine, config, sharp=False)
        view[part], time[part] = np.rint(colours * 255), trajectory.distance[mine]
        views.append(cv2.cvtColor(view, cv2.COLOR_RGB2GRAY))
        times.append(time)
    if smaller > 1:
        size = (hidden.shape[1] // smaller, hidden.shape[0] // smaller)
        views = [cv2.resize(view, size, interpolation=cv2.INTER_AREA) for view in views]
        times = [cv2.resize(time, size, interpolation=cv2.INTER_NEAREST) for time in times]
    if min(views[0].shape) < LEAST_SIZE:
        return None
    cells = _fitted(*_measured(views, times), views[0].shape)
    return cells and Rate(
        Cells(cells.values * smaller, cells.cell_px * smaller), rows.start, columns.start, hidden.shape
    )


def _measured(
    views: list[UInt8[np.ndarray, "h w"]], times: list[Float32[np.ndarray, "h w"]]
) -> tuple[Float32[np.ndarray, "n 2"], Float32[np.ndarray, "n 2"], Float32[np.ndarray, " n"]]:
    """Rates in pixels a frame, where they are, and how much they are believed.

    Args:
        views: a place as the future and the past show it.
        times: in frames, to the source of each pixel; 0 where there is none.
    """
    there, back = quick_dis(views[0], views[1])
    points, texture = corners(views[0], POINTS_APART_PX)
    x, y = points.astype(np.int64).T
    apart = there[y, x]
    error_sq = ((apart + Cells(back, 1).at(points + apart)) ** 2).sum(1)
    inner = cv2.erode((np.minimum(*times) > 0).astype(np.uint8), square(EDGE_PX))
    confidence = texture * np.exp(-error_sq / np.float32(CONFIDENCE_PX**2)) * inner[y, x]
    good = (confidence > 0) & (np.hypot(*apart.T) <= FARTHEST_PX)
    future, past = (time[y, x][good] for time in times)
    rate = -apart[good] / (future + past)[:, None]
    # What the future shows at a place is truly a little beside it.
    return rate, points[good] - rate * future[:, None], confidence[good]


def _fitted(
    rate: Float32[np.ndarray, "n 2"],
    at: Float32[np.ndarray, "n 2"],
    confidence: Float32[np.ndarray, " n"],
    size: tuple[int, int],
) -> Cells | None:
    """A field of the rates, none where little was measured."""
    if len(rate) < LEAST_POINTS:
        return None
    middles = cell_middles(size, cell_size(REACH_PX))
    right = np.full(len(middles), RIGHT_WEIGHT, np.float32)
    return local_fit(
        np.concatenate((rate, np.zeros_like(middles))),
        np.concatenate((at, middles)),
        np.concatenate((confidence, right)),
        size,
        sigma_px=REACH_PX,
        tolerance=TOLERANCE_PX,
    )
