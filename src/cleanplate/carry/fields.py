"""Smooth fields: what was measured at scattered points, fitted so that it is known everywhere.

Motion and change of brightness are smooth in truth and noisy where they were measured. A fit is the robust local mean
of the measurements, and is extended from coarse to fine where there are none.
"""

import math
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float, Float32, Float64

from cleanplate.imaging.pull_push import pull_push
from cleanplate.runtime.compiled import compiled

CELLS_PER_SIGMA = 2
ENOUGH = np.float32(1e-4)  # share of the window that must be measured for its mean to stand alone
NO_CAMERA = np.eye(3)
ONE = np.float32(1)


@dataclass(frozen=True)
class Cells:
    """A smooth field, held as its values in the middles of square cells."""

    values: Float32[np.ndarray, "h w C"]
    cell_px: int

    @property
    def sides_px(self) -> tuple[float, float]:
        """Height and width of a cell, for compiled loops."""
        return float(self.cell_px), float(self.cell_px)

    def at(self, xy: Float[np.ndarray, "n 2"]) -> Float32[np.ndarray, "n C"]:
        """Its values at some positions, bilinearly; beyond the outermost middles, theirs."""
        out = np.empty((len(xy), self.values.shape[2]), np.float32)
        _read_cells(self.values, self.sides_px, xy.astype(np.float64), out)
        return out


@dataclass(frozen=True)
class Field:
    """What was fitted, from a frame to its neighbour, anywhere."""

    camera: Float64[np.ndarray, "3 3"] | None
    rest: Cells
    """The motion beside that of the camera, and the difference in brightness: 5 channels."""

    def at(self, xy: Float[np.ndarray, "n 2"]) -> tuple[Float32[np.ndarray, "n 2"], Float32[np.ndarray, "n 3"]]:
        """The motion in pixels, and what is to be added to the colours of the neighbour."""
        rest = self.rest.at(xy)
        return camera_motion(self.camera, xy) + rest[:, :2], rest[:, 2:]

    @property
    def parts(self) -> tuple[Float64[np.ndarray, "3 3"], Float32[np.ndarray, "h w 5"], tuple[float, float]]:
        """The camera, or one that does nothing; the values of the cells, and their sides: for compiled loops."""
        return NO_CAMERA if self.camera is None else self.camera, self.rest.values, self.rest.sides_px


def camera_motion(camera: Float[np.ndarray, "3 3"] | None, xy: Float[np.ndarray, "n 2"]) -> Float32[np.ndarray, "n 2"]:
    """How far a homography moves each position; not at all if there is none."""
    if camera is None:
        return np.zeros(xy.shape, np.float32)
    moved = xy @ camera[:, :2].T + camera[:, 2]
    return (moved[:, :2] / moved[:, 2:] - xy).astype(np.float32)


def cell_size(sigma_px: float) -> int:
    """Side of the cells that a fit under a window of that width is computed on: a smooth result does not miss more."""
    return max(1, int(sigma_px / CELLS_PER_SIGMA))


def local_fit(
    values: Float32[np.ndarray, "n C"],
    xy: Float32[np.ndarray, "n 2"],
    weight: Float32[np.ndarray, " n"],
    size: tuple[int, int],
    *,
    sigma_px: float,
    tolerance: float,
    iterations: int = 4,
) -> Cells:
    """Everywhere, the mean of the values measured around under a Gaussian window, robust to a minority of outliers.

    Iteratively reweighted: a value at distance d from the last fit counts 1 / (1 + (d / tolerance)^2) of its weight,
    as for Cauchy noise, so that where two motions meet the fit follows one of them instead of their middle. It is
    computed from means over cells. Where the window holds next to nothing the fit is extended by `pull_push`.

    Args:
        values: what was measured.
        xy: where.
        weight: trust in each measurement; 0 leaves it out.
        size: height and width of the picture.
        sigma_px: width of the window in pixels.
        tolerance: in the unit of the values.
        iterations: fits; the first is not robust yet.
    """
    cell = cell_size(sigma_px)
    rows, columns = math.ceil(size[0] / cell), math.ceil(size[1] / cell)
    sums = np.zeros((values.shape[1] + 1, rows, columns), np.float32)
    _into_cells(values, xy, weight, cell, sums)
    down, across = (_gaussian(sigma_px / cell, length) for length in (rows, columns))
    fit, total = _refitted(sums, rows * columns / max(1, len(values)), down, across, tolerance, iterations)
    return Cells(pull_push(fit, total / ENOUGH), cell)


def _gaussian(sigma: float, length: int) -> Float32[np.ndarray, "L L"]:
    """What every place of a row gets from every other under a Gaussian window; nothing is assumed beyond the ends."""
    at = np.arange(length, dtype=np.float32)
    distance, radius = np.abs(at[:, None] - at), max(1, math.ceil(3 * sigma))
    window = np.exp(-(distance**2) / (2 * sigma**2)) * (distance <= radius)
    offsets = np.arange(-radius, radius + 1, dtype=np.float32)
    return (window / np.exp(-(offsets**2) / (2 * sigma**2)).sum()).astype(np.float32)


@compiled
@no_type_check
def cells_around(shape, cell_px, x, y):
    """The four cells that a position is between, (row, row, column, column), and what each counts.

    Args:
        shape: rows and columns of the cells.
        cell_px: height and width of a cell.
        x: of the position, in pixels.
        y: the same.
    """
    rows, columns = shape
    across = min(max((x + 0.5) / cell_px[1] - 0.5, 0.0), columns - 1.0)
    down = min(max((y + 0.5) / cell_px[0] - 0.5, 0.0), rows - 1.0)
    x0, y0 = int(across), int(down)
    across, down = np.float32(across - x0), np.float32(down - y0)
    above, before = ONE - down, ONE - across
    at = (y0, min(y0 + 1, rows - 1), x0, min(x0 + 1, columns - 1))
    return at, (before * above, across * above, before * down, across * down)


@compiled
@no_type_check
def between(values, channel, at, shares):
    """A channel of a field there."""
    y0, y1, x0, x1 = at
    first = shares[0] * values[y0, x0, channel] + shares[1] * values[y0, x1, channel]
    return first + shares[2] * values[y1, x0, channel] + shares[3] * values[y1, x1, channel]


@compiled
@no_type_check
def moved_by(camera, x, y):
    """Where a homography moves a position to."""
    depth = 1 / (camera[2, 0] * x + camera[2, 1] * y + camera[2, 2])
    u = (camera[0, 0] * x + camera[0, 1] * y + camera[0, 2]) * depth
    return u, (camera[1, 0] * x + camera[1, 1] * y + camera[1, 2]) * depth


@compiled
@no_type_check
def _read_cells(values, cell_px, xy, out):
    for index in range(len(xy)):
        at, shares = cells_around(values.shape[:2], cell_px, xy[index, 0], xy[index, 1])
        for channel in range(values.shape[2]):
            out[index, channel] = between(values, channel, at, shares)


@compiled
@no_type_check
def _into_cells(values, xy, weight, cell, sums):
    """Weighted sums by cells, the weights in the last channel."""
    channels, rows, columns = sums.shape
    for index in range(len(xy)):
        if not weight[index] > 0:
            continue
        column = min(max(int(xy[index, 0] / cell), 0), columns - 1)
        row = min(max(int(xy[index, 1] / cell), 0), rows - 1)
        for channel in range(channels - 1):
            sums[channel, row, column] += values[index, channel] * weight[index]
        sums[channels - 1, row, column] += weight[index]


@compiled
@no_type_check
def _refitted(sums, scale, down, across, tolerance, iterations):
    """The fit of means over cells, and how much of the window around each was measured."""
    channels, rows, columns = sums.shape
    channels -= 1
    weight = np.empty((rows, columns), np.float32)
    means = np.zeros((channels, rows, columns), np.float32)
    for row in range(rows):
        for column in range(columns):
            total = max(sums[channels, row, column], np.float32(1e-12))
            for channel in range(channels):
                means[channel, row, column] = sums[channel, row, column] / total
            # 1: as many as there are in the mean, all trusted
            weight[row, column] = sums[channels, row, column] * scale
    fit, total = np.empty((rows, columns, channels), np.float32), np.empty((rows, columns), np.float32)
    said, smooth = np.empty_like(sums), np.empty_like(sums)
    for iteration in range(iterations):
        for row in range(rows):
            for column in range(columns):
                trust = weight[row, column]
                if iteration > 0:
                    apart = 0.0
                    for channel in range(channels):
                        apart += (means[channel, row, column] - fit[row, column, channel]) ** 2
                    trust /= 1 + apart / tolerance**2
                for channel in range(channels):
                    said[channel, row, column] = means[channel, row, column] * trust
                said[channels, row, column] = trust
        _blurred(said, down, across, smooth)
        for row in range(rows):
            for column in range(columns):
                total[row, column] = smooth[channels, row, column]
                among = max(total[row, column], np.float32(1e-12))
                for channel in range(channels):
                    fit[row, column, channel] = smooth[channel, row, column] / among
    return fit, total


@compiled
@no_type_check
def _blurred(planes, down, across, out):
    channels, rows, columns = planes.shape
    line = np.empty(columns, np.float32)
    radius_down, radius_across = np.count_nonzero(down[0]) - 1, np.count_nonzero(across[0]) - 1
    for channel in range(channels):
        for row in range(rows):
            line[:] = 0
            for other in range(max(0, row - radius_down), min(rows, row + radius_down + 1)):
                share = down[row, other]
                for column in range(columns):
                    line[column] += share * planes[channel, other, column]
            for column in range(columns):
                out[channel, row, column] = 0
            for other in range(columns):
                value = line[other]
                for column in range(max(0, other - radius_across), min(columns, other + radius_across + 1)):
                    out[channel, row, column] += across[other, column] * value
