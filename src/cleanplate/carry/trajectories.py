"""Follow hidden pixels from frame to frame until they land on a known one.

What is followed is a position, not a colour, so the colour is sampled once, however far it comes from. All of it is for
the *boundary pixels* of a frame: those of its hole, and a rim around it where a cubic sample would read what is in the
hole. Trajectories are rows in their order.

Letters: a frame has n boundary pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Shaped

from cleanplate.carry.fields import between, cells_around, moved_by
from cleanplate.carry.motion import Motion
from cleanplate.carry.shapes import square
from cleanplate.config import CarryConfig
from cleanplate.imaging.frame import Frame, Picture, Pixels
from cleanplate.runtime.compiled import compiled

# A cubic sample reads two pixels around it; so near to a hole it would read the fill.
BOUNDARY_PX = 2

# What a row of `Trajectories` holds.
SOURCE, X, Y, DISTANCE, ERROR, RED = range(6)
COLUMNS = 8
# The motion of a frame is computed at nodes that are so many pixels apart at most.
NODE_PX = 8

# OpenCV reads pictures along maps of less than 32767 columns.
MAP_WIDTH = 256
# Of two ways, one that weighs less than this share of the other says nothing.
LEAST_WEIGHT = np.float32(1e-3)

HALF = np.float32(0.5)


def boundary_pixels(hole: Shaped[np.ndarray, "H W"]) -> Pixels:
    """The pixels of a frame that a colour must not be taken from."""
    return np.flatnonzero(cv2.dilate(hole.view(np.uint8), square(BOUNDARY_PX)))


@dataclass(frozen=True)
class Trajectories:
    """Where the boundary pixels of a frame end up when they are followed in one direction until they are known."""

    rows: Float32[np.ndarray, "n 8"]
    """Index of the source frame, x, y, distance in frames, worst error met, and the sum of the brightness changes.

    All in one array: they are read together, once for every frame that is passed.
    """

    @property
    def source(self) -> Float32[np.ndarray, " n"]:
        """-1 if there is none."""
        return self.rows[:, SOURCE]

    @property
    def xy(self) -> Float32[np.ndarray, "n 2"]:
        """Where in the source."""
        return self.rows[:, X : Y + 1]

    @property
    def distance(self) -> Float32[np.ndarray, " n"]:
        """In frames."""
        return self.rows[:, DISTANCE]

    @property
    def error(self) -> Float32[np.ndarray, " n"]:
        """Forward-backward, in pixels."""
        return self.rows[:, ERROR]

    @property
    def brightness_offset(self) -> Float32[np.ndarray, "n 3"]:
        """To be added to the source's colour."""
        return self.rows[:, RED:]

    def weight(self, config: CarryConfig) -> Float32[np.ndarray, " n"]:
        """How much what is found there counts: less with distance and error, not at all beyond the largest error."""
        out = np.empty(len(self.rows), np.float32)
        _weights(self.rows, config.fade_frames, config.max_error_px, out)
        return out


@dataclass
class LinkedFrame:
    """A frame in a window, and what leads from its boundary pixels to its neighbours."""

    frame: Frame
    boundary: Pixels
    forward: Motion | None = None
    """To the next frame; None if it leads nowhere."""
    backward: Motion | None = None
    """To the one before."""

    def at(self, boundary: Pixels) -> "LinkedFrame":
        """The same with other boundary pixels."""
        return LinkedFrame(self.frame, boundary, self.forward, self.backward)


def no_trajectories(count: int) -> Trajectories:
    """Trajectories of pixels from which nothing leads on."""
    rows = np.zeros((count, COLUMNS), np.float32)
    rows[:, SOURCE] = -1
    return Trajectories(rows)


def follow(
    chain: Sequence[int],
    motions: Sequence[Motion | None],
    boundary: Sequence[Pixels],
    size: tuple[int, int],
    end: Trajectories | None = None,
    *,
    side_px: int = 1,
) -> list[Trajectories]:
    """Where the boundary pixels of all frames of a chain lead, or squares of pixels instead of them.

    Args:
        chain: indices of the frames, the one where it ends first.
        motions: of each frame to the one before it in the chain; the first is not read, and None leads nowhere.
        boundary: the boundary pixels of each.
        size: height and width of the frames; in squares, if these are followed.
        end: the trajectories of the first frame, if something is known of them.
        side_px: of the squares.
    """
    height, width = size
    trajectories = [no_trajectories(len(boundary[0])) if end is None else end]
    row_of = np.full(height * width, -1, np.int32)  # in the frame before, by pixel; -1 where it is known
    for source, before, motion, pixels in zip(chain, boundary, motions[1:], boundary[1:], strict=False):
        if motion is None or not len(pixels):
            trajectories.append(no_trajectories(len(pixels)))
            continue
        rows = np.empty((len(pixels), COLUMNS), np.float32)
        _number(before, row_of)
        window = (*motion.corner, *motion.size)
        fields = *motion.there.parts, *motion.back.parts[:2]
        _step(pixels, source, *size, side_px, window, *fields, row_of, trajectories[-1].rows, rows)
        _forget(before, row_of)
        trajectories.append(Trajectories(rows))
    return trajectories


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
        sharp: read between the pixels by cubic convolution; or bilinearly, which is faster, what is not for eyes.
        apart: is told how different what the two ways show is, in the colour that differs most, 0..1; NaN where only
            one of them counts.

    Returns:
        which pixels were reached, and their colours, 0..1.
    """
    total, weights = np.zeros((len(wanted), 3), np.float32), np.zeros(len(wanted), np.float32)
    of_first = None
    for trajectory in trajectories:
        if apart is not None:
            of_first = total.copy(), weights.copy()
        weight = trajectory.weight(config)
        weight *= wanted
        first, starts, by_source = _by_source(trajectory.rows, weight)
        for source, (start, stop) in enumerate(pairwise(starts.tolist()), first):
            if start == stop:
                continue
            some = by_source[start:stop]
            colours = _read(pictures[source], trajectory.rows, some, sharp=sharp)
            scale = np.float32(1 / 255 if colours.dtype == np.uint8 else 1)
            _add_colours(colours, scale, trajectory.rows, some, weight, total)
        weights += weight
    if apart is not None and of_first is not None:
        _apart(*of_first, total, weights, apart)
    reached = weights > 0
    return reached, _means(total, weights)


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
def _weights(rows, fade, most, out):
    for index in range(len(rows)):
        good = rows[index, SOURCE] >= 0 and rows[index, ERROR] <= most
        out[index] = np.exp(-rows[index, DISTANCE] / fade - rows[index, ERROR]) if good else 0


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
def _apart(first, first_weights, total, weights, apart):
    """How different two means are; nothing where one of them has hardly any weight, and would be rounding."""
    for index in range(len(weights)):
        one, other = first_weights[index], weights[index] - first_weights[index]
        apart[index] = np.nan
        if min(one, other) > LEAST_WEIGHT * max(one, other):
            most = np.float32(0)
            for channel in range(3):
                mean = first[index, channel] / one
                most = max(most, abs(mean - (total[index, channel] - first[index, channel]) / other))
            apart[index] = most


@compiled
@no_type_check
def _means(total, weights):
    """Of what has weight, within 0..1."""
    out, count = np.empty((len(weights), 3), np.float32), 0
    for index in range(len(weights)):
        if weights[index] > 0:
            for channel in range(3):
                value = total[index, channel] / weights[index]
                out[count, channel] = min(max(value, np.float32(0)), np.float32(1))
            count += 1
    return out[:count]


@compiled
@no_type_check
def _number(pixels, row_of):
    for index in range(len(pixels)):
        row_of[pixels[index]] = index


@compiled
@no_type_check
def _forget(pixels, row_of):
    for pixel in pixels:
        row_of[pixel] = -1


@compiled
@no_type_check
def _led(x, y, window, camera, rest, cell_px, camera_back, rest_back, out):
    """How far a position moves, how much brighter it is where it comes from, and the forward-backward error."""
    at, shares = cells_around(rest.shape[:2], cell_px, x, y)
    u, v = moved_by(camera, x, y)
    u, v = u + between(rest, 0, at, shares), v + between(rest, 1, at, shares)
    for channel in range(3):
        out[RED + channel] = between(rest, 2 + channel, at, shares)
    inside_x, inside_y = min(max(u, 0.0), window[3] - 1.0), min(max(v, 0.0), window[2] - 1.0)
    at, shares = cells_around(rest_back.shape[:2], cell_px, inside_x, inside_y)
    ex, ey = moved_by(camera_back, inside_x, inside_y)
    ex, ey = ex - inside_x + between(rest_back, 0, at, shares), ey - inside_y + between(rest_back, 1, at, shares)
    out[X], out[Y], out[ERROR] = u - x, v - y, np.sqrt((u - x + ex) ** 2 + (v - y + ey) ** 2)


@compiled
@no_type_check
def _step(
    pixels, source, height, width, side, window, camera, rest, cell_px, camera_back, rest_back, row_of, before, rows
):
    """One frame on: what lands on a known pixel ends there, other pixels end where what they land on does.

    The motion is smooth: it is computed at nodes, where it is wanted, and is linear between them. Nodes are no farther
    apart than the cells that it is held in.
    """
    top, left, inner_height, inner_width = window
    apart = max(1, min(NODE_PX, int(min(cell_px))))
    apart_px = np.float32(apart)
    known = np.zeros((inner_height // apart + 2, inner_width // apart + 2), np.bool_)
    nodes = np.empty((*known.shape, COLUMNS), np.float32)
    first, slope = np.zeros((2, COLUMNS), np.float32)
    row_end, node_end = 0, np.float32(0)
    squares = np.float32(side)
    for index in range(len(pixels)):
        pixel = pixels[index]
        if pixel >= row_end:
            row = pixel // width
            row_end, node_end = (row + 1) * width, np.float32(-1)
            y = (np.float32(row) + HALF) * squares - HALF - np.float32(top)
            above = min(max(int(y) // apart, 0), known.shape[0] - 2)
            share = y / apart_px - np.float32(above)
        x = (np.float32(pixel - row_end + width) + HALF) * squares - HALF - np.float32(left)
        if x >= node_end:
            node = min(max(int(x) // apart, 0), known.shape[1] - 2)
            node_end = np.float32((node + 1) * apart)
            for i in range(above, above + 2):
                for j in range(node, node + 2):
                    if not known[i, j]:
                        known[i, j] = True
                        at = np.float64(j * apart), np.float64(i * apart)
                        _led(*at, window, camera, rest, cell_px, camera_back, rest_back, nodes[i, j])
            for channel in range(X, COLUMNS):
                first[channel] = nodes[above, node, channel]
                first[channel] += share * (nodes[above + 1, node, channel] - first[channel])
                end = nodes[above, node + 1, channel]
                end += share * (nodes[above + 1, node + 1, channel] - end)
                slope[channel] = (end - first[channel]) / apart_px
        on = x - np.float32(node * apart)
        error = first[ERROR] + on * slope[ERROR]
        right, down = first[X] + on * slope[X], first[Y] + on * slope[Y]
        u, v = x + np.float32(left), y + np.float32(top)
        column, line = int(np.floor((u + right + HALF) / squares)), int(np.floor((v + down + HALF) / squares))
        out = rows[index]
        if not (column >= 0 and line >= 0 and column < width and line < height):  # it reaches half a pixel beyond
            out[:] = 0
            out[SOURCE] = -1
            continue
        met = row_of[line * width + column]
        if met < 0:
            out[SOURCE], out[X], out[Y], out[DISTANCE], out[ERROR] = source, u + right, v + down, 1, error
            for channel in range(RED, COLUMNS):
                out[channel] = first[channel] + on * slope[channel]
        else:
            last = before[met]
            out[SOURCE] = last[SOURCE]
            # From the middle of what it lands on; integers first, which are exact.
            out[X] = last[X] + (right + (u + HALF - (np.float32(column) + HALF) * squares))
            out[Y] = last[Y] + (down + (v + HALF - (np.float32(line) + HALF) * squares))
            out[DISTANCE], out[ERROR] = last[DISTANCE] + 1, max(last[ERROR], error)
            for channel in range(RED, COLUMNS):
                out[channel] = last[channel] + first[channel] + on * slope[channel]


@compiled
@no_type_check
def _positions(rows, some, left, top, x, y):
    """The rest of the maps is left as it is: nobody asks what is read there."""
    for number in range(len(some)):
        x[number], y[number] = rows[some[number], X] - left, rows[some[number], Y] - top


@compiled
@no_type_check
def _add_colours(colours, scale, rows, some, weight, total):
    """Add weighted colours, with the change of brightness."""
    for number in range(len(some)):
        index = some[number]
        for channel in range(3):
            value = scale * np.float32(colours[number, channel]) + rows[index, RED + channel]
            total[index, channel] += weight[index] * value
