"""Take colours from where trajectories end: each is sampled once, in the frame that shows it.

Letters: a frame has n boundary pixels, m of which were reached.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Shaped

from cleanplate.carry.trajectories import BOUNDARY_PX, RED, SOURCE, Trajectories, X, Y
from cleanplate.config import CarryConfig
from cleanplate.imaging.frame import Picture, Pixels
from cleanplate.runtime.compiled import compiled

# OpenCV reads pictures along maps of less than 32767 columns.
MAP_WIDTH = 256
# Of two ways, one that weighs less than this share of the other says nothing.
LEAST_WEIGHT = np.float32(1e-3)
# Where two ways are so far apart (0..1) their mean is a ghost, and is drawn to the one that weighs more: the odds are
# squared, at twice that they are to the fifth power, and soon nothing of the other is left.
GHOST = np.float32(0.15)


def gather(
    pictures: Mapping[int, Picture],
    trajectories: Sequence[Trajectories],
    wanted: Bool[np.ndarray, " n"],
    config: CarryConfig,
    *,
    sharp: bool = True,
    apart: Float32[np.ndarray, " n"] | None = None,
) -> tuple[Bool[np.ndarray, " n"], Float32[np.ndarray, "m 3"]]:
    """Colours from the ends of the trajectories, weighted.

    Args:
        pictures: by frame, in bytes or in floats 0..1.
        trajectories: of the same pixels into the future and into the past.
        wanted: which of the pixels.
        config: see CarryConfig.
        sharp: what eyes will see: read between the pixels by cubic convolution, without ghosts of what differs.
            Otherwise bilinearly, which is faster, and averaged.
        apart: is told how different what the two ways show is, in the colour that differs most, 0..1; NaN where only
            one of them counts.

    Returns:
        which pixels were reached, and their colours, 0..1.
    """
    mean, weights = np.zeros((len(wanted), 3), np.float32), np.zeros(len(wanted), np.float32)
    apart = np.empty(len(wanted), np.float32) if apart is None else apart
    apart[:] = np.nan
    for trajectory in trajectories:
        weight = trajectory.weight(config)
        weight *= wanted
        shown = np.empty_like(mean)
        first, starts, by_source = _by_source(trajectory.rows, weight)
        for source, (start, stop) in enumerate(pairwise(starts.tolist()), first):
            if start == stop:
                continue
            some = by_source[start:stop]
            colours = _read(pictures[source], trajectory.rows, some, sharp=sharp)
            scale = np.float32(1 / 255 if colours.dtype == np.uint8 else 1)
            _put_colours(colours, scale, trajectory.rows, some, shown)
        _merge(mean, weights, shown, weight, GHOST if sharp else np.float32(np.inf), apart)
    reached = weights > 0
    return reached, np.clip(mean[reached], 0, 1)


def _read(
    picture: Picture, rows: Float32[np.ndarray, "n 8"], some: Pixels, *, sharp: bool
) -> Shaped[np.ndarray, "m 3"]:
    """What a picture holds where some of the trajectories end.

    Cubic because a carried texture is sampled once and looked at for long: bilinear sampling cost 0.5 to 3 dB on
    textured ground. A position may lie outside the picture, and means the border's colour: where motion is no pure
    shift, what is lost by adding up the steps of a trajectory may lead out of it.
    """
    picture, (left, top) = _readable(picture, rows, some)
    x, y = np.zeros((2, -(-len(some) // MAP_WIDTH), MAP_WIDTH), np.float32)
    _positions(rows, some, np.float32(left), np.float32(top), x.reshape(-1), y.reshape(-1))
    how = cv2.INTER_CUBIC if sharp else cv2.INTER_LINEAR
    return cv2.remap(picture, x, y, how, borderMode=cv2.BORDER_REPLICATE).reshape(-1, 3)


def _readable(picture: Picture, rows: Float32[np.ndarray, "n 8"], some: Pixels) -> tuple[Picture, tuple[int, int]]:
    """What OpenCV reads: of short floats, which it does not, the part that is asked for made longer.

    And the left and top of it.
    """
    if picture.dtype != np.float16:
        return picture, (0, 0)
    height, width = picture.shape[:2]
    x, y = (np.clip(rows[some, column], 0, side - 1) for column, side in ((X, width), (Y, height)))
    left, top = (max(0, int(at.min()) - BOUNDARY_PX) for at in (x, y))
    right, bottom = (int(at.max()) + 2 + BOUNDARY_PX for at in (x, y))
    return picture[top:bottom, left:right].astype(np.float32), (left, top)


@compiled
@no_type_check
def _by_source(rows, weight):
    """The pixels of weight, those of the same source together.

    Returns:
        the first source; of each from there on, where its pixels begin; and the pixels.
    """
    first, last, count = 1 << 30, -1, 0
    for index in range(len(rows)):
        if weight[index] > 0:
            source = int(rows[index, SOURCE])
            first, last, count = min(first, source), max(last, source), count + 1
    if not count:
        return 0, np.zeros(1, np.int64), np.zeros(0, np.int64)
    starts, pixels = np.zeros(last - first + 2, np.int64), np.empty(count, np.int64)
    for index in range(len(rows)):
        if weight[index] > 0:
            starts[int(rows[index, SOURCE]) - first + 1] += 1
    starts = np.cumsum(starts)
    free = starts.copy()
    for index in range(len(rows)):
        if weight[index] > 0:
            source = int(rows[index, SOURCE]) - first
            pixels[free[source]] = index
            free[source] += 1
    return first, starts, pixels


@compiled
@no_type_check
def _merge(mean, weights, shown, weight, ghost, apart):
    """Add what one way shows to a weighted mean, which is drawn to the heavier of the two where they differ."""
    for index in range(len(weight)):
        old, new = np.float64(weights[index]), np.float64(weight[index])
        if not new > 0:
            continue
        share = new / (old + new)
        if old > 0:
            most = np.float32(0)
            for channel in range(3):
                most = max(most, abs(shown[index, channel] - mean[index, channel]))
            if min(old, new) > LEAST_WEIGHT * max(old, new):
                apart[index] = most
            power = 1 + (most / ghost) ** 2
            share = share**power / (share**power + (1 - share) ** power)
        for channel in range(3):
            mean[index, channel] += np.float32(share) * (shown[index, channel] - mean[index, channel])
        weights[index] += weight[index]


@compiled
@no_type_check
def _positions(rows, some, left, top, x, y):
    """The rest of the maps is left as it is: nobody asks what is read there."""
    for number in range(len(some)):
        x[number], y[number] = rows[some[number], X] - left, rows[some[number], Y] - top


@compiled
@no_type_check
def _put_colours(colours, scale, rows, some, shown):
    """What is shown, with the change of brightness."""
    for number in range(len(some)):
        index = some[number]
        for channel in range(3):
            shown[index, channel] = scale * np.float32(colours[number, channel]) + rows[index, RED + channel]
