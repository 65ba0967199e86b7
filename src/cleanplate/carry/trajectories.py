"""Follow hidden pixels from frame to frame until they land on a known one.

What is followed is a position, not a colour, so the colour is sampled once, however far it comes from. All of it is for
the *boundary pixels* of a frame: those of its hole, and a rim around it where a cubic sample would read what is in the
hole. Trajectories are rows in their order.

Letters: a frame has n boundary pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Float32, Shaped

from cleanplate.carry.fields import between, cells_around, moved_by
from cleanplate.carry.motion import Motion
from cleanplate.carry.shapes import square
from cleanplate.config import CarryConfig
from cleanplate.imaging.frame import Frame, Pixels
from cleanplate.runtime.compiled import compiled

# A cubic sample reads two pixels around it; so near to a hole it would read the fill.
BOUNDARY_PX = 2

# What a row of `Trajectories` holds.
SOURCE, X, Y, DISTANCE, ERROR, RED = range(6)
COLUMNS = 8
# The motion of a frame is computed at nodes that are so many pixels apart at most.
NODE_PX = 8

HALF = np.float32(0.5)
# What moves by less in a frame is slow: rounding is no small part of that.
SLOW_PX = 1.0
# A sequence of low discrepancy in the plane (Roberts 2018): its n-th point is n times this, without the whole part.
TURN_X, TURN_Y = 0.7548776662466927, 0.5698402909980532


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


@compiled
@no_type_check
def _weights(rows, fade, most, out):
    for index in range(len(rows)):
        good = rows[index, SOURCE] >= 0 and rows[index, ERROR] <= most
        out[index] = np.exp(-rows[index, DISTANCE] / fade - rows[index, ERROR]) if good else 0


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

    What is landed on is the pixel that is nearest; where the motion is slow, one of those that the position lies
    between, by turns. The nearest would be the same one again and again where it is less than half a pixel a frame, and
    nothing would ever be led out of a hole. It is the same turn for all pixels of a frame, so that what is together
    stays together.

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
    turn_x, turn_y = np.float64(source) * TURN_X % 1.0 - 0.5, np.float64(source) * TURN_Y % 1.0 - 0.5
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
        across, along = (u + right + HALF) / squares, (v + down + HALF) / squares
        out = rows[index]
        if not (across >= 0 and along >= 0 and across < width and along < height):  # it reaches half a pixel beyond
            out[:] = 0
            out[SOURCE] = -1
            continue
        column, line = int(np.floor(across)), int(np.floor(along))
        if max(abs(right), abs(down)) < SLOW_PX:
            column = min(max(int(np.floor(across + turn_x)), 0), width - 1)
            line = min(max(int(np.floor(along + turn_y)), 0), height - 1)
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
