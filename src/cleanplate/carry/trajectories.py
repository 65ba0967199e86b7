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
        row_of[before] = np.arange(len(before), dtype=np.int32)
        window = (*motion.corner, *motion.size)
        fields = *motion.there.parts, *motion.back.parts[:2]
        _step(pixels, source, *size, side_px, window, *fields, row_of, trajectories[-1].rows, rows)
        row_of[before] = -1
        trajectories.append(Trajectories(rows))
    return trajectories


def gather(
    pictures: Mapping[int, Picture],
    trajectories: Sequence[Trajectories],
    wanted: Bool[np.ndarray, " n"],
    config: CarryConfig,
    *,
    sharp: bool = True,
) -> tuple[Bool[np.ndarray, " n"], Float32[np.ndarray, "m 3"]]:
    """Colours from the ends of the trajectories, weighted.

    Args:
        pictures: by frame, in bytes or in floats 0..1.
        trajectories: of the same pixels into the future and into the past.
        wanted: which of the pixels.
        config: see CarryConfig.
        sharp: read between the pixels by cubic convolution; or bilinearly, which is faster, what is not for eyes.

    Returns:
        which pixels were reached, and their colours, 0..1.
    """
    total, weights = np.zeros((len(wanted), 3), np.float32), np.zeros(len(wanted), np.float32)
    for trajectory in trajectories:
        weight = trajectory.weight(config)
        weight[~wanted] = 0
        first, starts, by_source = _by_source(trajectory.rows, weight)
        for source, (start, stop) in enumerate(pairwise(starts.tolist()), first):
            if start == stop:
                continue
            some = by_source[start:stop]
            picture, corner = _read_from(pictures[source], trajectory.rows, some)
            scale = np.float32(1 / 255 if picture.dtype == np.uint8 else 1)
            _add_colours(picture, *corner, scale, trajectory.rows, some, weight, total, sharp)
        weights += weight
    reached = weights > 0
    return reached, _means(total, weights)


def _read_from(picture: Picture, rows: Float32[np.ndarray, "n 8"], some: Pixels) -> tuple[Picture, tuple[int, int]]:
    """What compiled loops read: of short floats, which they do not know, the part that is read made longer.

    And the top and left of it.
    """
    if picture.dtype != np.float16:
        return picture, (0, 0)
    height, width = picture.shape[:2]
    x, y = (np.clip(rows[some, column], 0, side - 1) for column, side in ((X, width), (Y, height)))
    top, left = (max(0, int(at.min()) - BOUNDARY_PX) for at in (y, x))
    bottom, right = (int(at.max()) + 2 + BOUNDARY_PX for at in (y, x))
    return picture[top:bottom, left:right].astype(np.float32), (top, left)


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
def _step(
    pixels, source, height, width, side, window, camera, rest, cell_px, camera_back, rest_back, row_of, before, rows
):
    """One frame on: what lands on a known pixel ends there, other pixels end where what they land on does."""
    top, left, inner_height, inner_width = window
    for index in range(len(pixels)):
        x, y = (pixels[index] % width + 0.5) * side - 0.5 - left, (pixels[index] // width + 0.5) * side - 0.5 - top
        at, shares = cells_around(rest.shape[:2], cell_px, x, y)
        u, v = moved_by(camera, x, y)
        u, v = u + between(rest, 0, at, shares), v + between(rest, 1, at, shares)
        red, green, blue = between(rest, 2, at, shares), between(rest, 3, at, shares), between(rest, 4, at, shares)
        inside_x, inside_y = min(max(u, 0.0), inner_width - 1.0), min(max(v, 0.0), inner_height - 1.0)
        at, shares = cells_around(rest_back.shape[:2], cell_px, inside_x, inside_y)
        ex, ey = moved_by(camera_back, inside_x, inside_y)
        ex, ey = ex - inside_x + between(rest_back, 0, at, shares), ey - inside_y + between(rest_back, 1, at, shares)
        error = np.sqrt((u - x + ex) ** 2 + (v - y + ey) ** 2)
        x, y = u + left, v + top
        column, row = np.rint((x + 0.5) / side - 0.5), np.rint((y + 0.5) / side - 0.5)
        out = rows[index]
        if not (column >= 0 and row >= 0 and column < width and row < height):  # it reaches half a pixel beyond
            out[:] = 0
            out[SOURCE] = -1
            continue
        met = row_of[int(row) * width + int(column)]
        if met < 0:
            out[SOURCE], out[X], out[Y], out[DISTANCE], out[ERROR] = source, x, y, 1, error
            out[RED], out[RED + 1], out[RED + 2] = red, green, blue
        else:
            on = before[met]
            aside, below = x + 0.5 - (column + 0.5) * side, y + 0.5 - (row + 0.5) * side
            out[SOURCE], out[X], out[Y] = on[SOURCE], on[X] + aside, on[Y] + below
            out[DISTANCE], out[ERROR] = on[DISTANCE] + 1, max(on[ERROR], error)
            out[RED], out[RED + 1], out[RED + 2] = on[RED] + red, on[RED + 1] + green, on[RED + 2] + blue


@compiled
@no_type_check
def _shares(t, sharp):
    """What four pixels in a row count at a position between the middle two: Keys 1981, a = -0.75, or linearly."""
    a = -0.75
    s = 1 - t
    if not sharp:
        return 0 * a, s + 0 * a, t + 0 * a, 0 * a  # of the same type as those below
    return (
        ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a,
        ((a + 2) * t - (a + 3)) * t * t + 1,
        ((a + 2) * s - (a + 3)) * s * s + 1,
        ((a * (s + 1) - 5 * a) * (s + 1) + 8 * a) * (s + 1) - 4 * a,
    )


@compiled
@no_type_check
def _add_colours(picture, top, left, scale, rows, some, weight, total, sharp):
    """Add weighted colours by cubic convolution or bilinearly, with the change of brightness.

    Cubic because a carried texture is sampled once and looked at for long: bilinear sampling cost 0.5 to 3 dB on
    textured ground. A position may lie outside the picture, and means the border's colour: where motion is no pure
    shift, what is lost by adding up the steps of a trajectory may lead out of it.
    """
    height, width = picture.shape[:2]
    first, end = (0, 4) if sharp else (1, 3)
    for index in some:
        x = min(max(rows[index, X] - np.float32(left), np.float32(0)), np.float32(width - 1))
        y = min(max(rows[index, Y] - np.float32(top), np.float32(0)), np.float32(height - 1))
        x0, y0 = int(x), int(y)
        across, down = _shares(x - np.float32(x0), sharp), _shares(y - np.float32(y0), sharp)
        red = green = blue = np.float32(0)
        for i in range(first, end):
            line = picture[min(max(y0 + i - 1, 0), height - 1)]
            one = two = three = np.float32(0)
            for j in range(first, end):
                pixel = line[min(max(x0 + j - 1, 0), width - 1)]
                share = np.float32(across[j])
                one += share * pixel[0]
                two += share * pixel[1]
                three += share * pixel[2]
            share = np.float32(down[i])
            red, green, blue = red + share * one, green + share * two, blue + share * three
        for channel, value in enumerate((red, green, blue)):
            total[index, channel] += weight[index] * (scale * value + rows[index, RED + channel])
