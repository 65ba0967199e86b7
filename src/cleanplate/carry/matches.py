"""Follow points of a picture to the next one and back along flow: what the motion of the camera is fitted to.

Letters: n points are matched from frame i to frame j of a pair.
"""

from dataclasses import dataclass, replace
from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Shaped, UInt8

from cleanplate.carry.fields import between, cell_size, cells_around
from cleanplate.runtime.compiled import compiled

# Forward-backward error at which the confidence in a match has fallen to 1/e.
CONFIDENCE_SCALE_PX = 0.5
# Points are the best corners of squares of a third of a cell of the fit: flow is best where there is texture.
POINTS_PER_CELL = 3
# Side of the patches that flow is estimated by, and the error in pixels at which a match counts half.
PATCH_PX, TEXTURE_SCALE_PX = 8, 0.5
# Colours are compared over squares of this side. Smaller than the margin that is kept from a hole.
COLOUR_PX = 5
# A pixel that a sample is made of for so little is none of it.
SHARE = 1e-4
# Noise is measured at every so many pixels along a row.
NOISE_EVERY = 3
# Matches that the support of a pair of frames is judged by, at least.
LEAST_KNOWN = 50

Points = Float32[np.ndarray, "n 2"]
Flow = Float32[np.ndarray, "_ _ 2"]


@dataclass(frozen=True)
class Matches:
    """Points of frame i, and where they are in frame j."""

    start: Points
    end: Points
    confidence: Float32[np.ndarray, " n"]
    """0..1, falling with the forward-backward error; 0 if it leaves the picture."""
    known: Bool[np.ndarray, " n"]
    """Neither end is near a hole."""
    brightness: Float32[np.ndarray, "n 3"]
    """By how much i is brighter than j there."""
    texture: Float32[np.ndarray, " n"]
    """0..1: how much there is to hold on to at the start, beside the noise."""

    @property
    def support(self) -> float:
        """Share of what is known and has texture that agrees both ways, 1 if there is hardly any.

        Above 0.5 within a shot, near 0 over a cut. Where nothing has texture nothing disagrees.
        """
        total = float(self.texture[self.known].sum())
        return float(self.confidence[self.known].sum()) / total if total >= LEAST_KNOWN else 1.0

    @property
    def back(self) -> "Matches":
        """From j to i."""
        return replace(self, start=self.end, end=self.start, brightness=-self.brightness)


def corners(gray: UInt8[np.ndarray, "h w"], spacing_px: int) -> tuple[Points, Float32[np.ndarray, " n"]]:
    """In every square of that side, the pixel with the most texture around it (Shi & Tomasi 1994).

    Returns:
        where it is, and 0..1: how well flow can be measured there. A patch of m pixels under noise of s levels that
        rises by g levels a pixel tells its shift to within sqrt(2 / m) s / g pixels.
    """
    height, width = gray.shape
    squares = -(-height // spacing_px) * -(-width // spacing_px)
    xy, score = np.empty((squares, 2), np.float32), np.empty(squares, np.float32)
    _best_of_squares(cv2.cornerMinEigenVal(gray, 5), spacing_px, xy, score)
    # OpenCV sums (Sobel / 4 / block / 255)^2 over a block, and Sobel is 8 times the rise.
    rise_sq = np.maximum(score, 0) * (4 * 255 / 8) ** 2
    error_sq = 2 / PATCH_PX**2 * noise_level(gray) ** 2 / np.maximum(rise_sq, 1e-9)
    return xy, (1 / (1 + error_sq / TEXTURE_SCALE_PX**2)).astype(np.float32)


def noise_level(gray: UInt8[np.ndarray, "h w"]) -> float:
    """Standard deviation of the noise of a picture, in levels (Immerkaer 1996, with a median for its mean)."""
    counts = np.zeros(16 * 256, np.int64)
    _count_noise(gray, counts)
    return 1.4826 * float(np.searchsorted(np.cumsum(counts), counts.sum() / 2)) / 6


def match(
    pictures: tuple[Shaped[np.ndarray, "h w 3"], Shaped[np.ndarray, "h w 3"]],
    flow: tuple[Flow, Flow],
    near: tuple[UInt8[np.ndarray, "h w"], UInt8[np.ndarray, "h w"]],
    points: Points,
    texture: Float32[np.ndarray, " n"],
) -> Matches:
    """Follow points along the flow of a pair of frames, both ways.

    Args:
        pictures: the pair, in bytes or in floats 0..1.
        flow: from the first to the second, and back, in their pixels; it may be held at fewer of them.
        near: hole, grown to where flow has seen what was painted into it.
        points: in the first.
        texture: how well they can be followed (`corners`).
    """
    count = len(points)
    end, error_sq = np.empty((count, 2), np.float32), np.empty(count, np.float32)
    known, light = np.empty(count, bool), np.empty((count, 3), np.float32)
    scale = 1 / 255 if pictures[0].dtype == np.uint8 else 1.0
    # Means over small squares.
    one, other = (cv2.blur(np.ascontiguousarray(picture), (COLOUR_PX, COLOUR_PX)) for picture in pictures)
    _match(one, other, *flow, *near, points, scale, end, error_sq, known, light)
    confidence = texture * np.exp(-error_sq / np.float32(CONFIDENCE_SCALE_PX**2))
    return Matches(points, end, confidence, known, light, texture)


def spacing(reach_px: float) -> int:
    """Side of the squares that `corners` are looked for in."""
    return max(1, cell_size(reach_px) // POINTS_PER_CELL)


@compiled
@no_type_check
def _best_of_squares(score, side, xy, best):
    height, width = score.shape
    index = 0
    for top in range(0, height, side):
        for left in range(0, width, side):
            most, x, y = np.float32(-1), left, top
            for row in range(top, min(top + side, height)):
                for column in range(left, min(left + side, width)):
                    if score[row, column] > most:
                        most, x, y = score[row, column], column, row
            xy[index, 0], xy[index, 1], best[index] = x, y, most
            index += 1


@compiled
@no_type_check
def _count_noise(gray, counts):
    """How often each size of what a Laplacian of Laplacians leaves is met; it is 6 times what it would be of noise."""
    height, width = gray.shape
    for row in range(1, height - 1):
        for column in range(1, width - 1, NOISE_EVERY):
            total = 0
            for offset, factor in ((-1, 1), (0, -2), (1, 1)):
                line = gray[row + offset]
                total += factor * (np.int64(line[column - 1]) - 2 * np.int64(line[column]) + np.int64(line[column + 1]))
            counts[abs(total)] += 1


@compiled
@no_type_check
def _touches(mask, at, shares):
    """Whether a sample is made of anything that is marked."""
    y0, y1, x0, x1 = at
    if (shares[0] > SHARE and mask[y0, x0]) or (shares[1] > SHARE and mask[y0, x1]):
        return True
    return (shares[2] > SHARE and mask[y1, x0] > 0) or (shares[3] > SHARE and mask[y1, x1] > 0)


@compiled
@no_type_check
def _match(one, other, there, back, near, near_too, points, scale, end, error_sq, known, light):
    height, width = near.shape
    held_px = height / there.shape[0], width / there.shape[1]
    for index in range(len(points)):
        x, y = np.float64(points[index, 0]), np.float64(points[index, 1])
        at, shares = cells_around(there.shape[:2], held_px, x, y)
        dx, dy = between(there, 0, at, shares), between(there, 1, at, shares)
        u, v = x + dx, y + dy
        at, shares = cells_around(back.shape[:2], held_px, u, v)
        ex, ey = between(back, 0, at, shares), between(back, 1, at, shares)
        at, shares = cells_around(near.shape, (1.0, 1.0), x, y)
        at_end, shares_at_end = cells_around(near.shape, (1.0, 1.0), u, v)
        end[index, 0], end[index, 1] = u, v
        inside = u >= 0 and v >= 0 and u <= width - 1 and v <= height - 1
        error_sq[index] = (dx + ex) ** 2 + (dy + ey) ** 2 if inside else np.inf
        known[index] = not (_touches(near, at, shares) or _touches(near_too, at_end, shares_at_end))
        for channel in range(3):
            here, away = between(one, channel, at, shares), between(other, channel, at_end, shares_at_end)
            light[index, channel] = scale * (here - away)
