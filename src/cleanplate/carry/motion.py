"""Complete in the hole what is smooth outside it: the motion between two frames, and their difference in brightness.

Both are wanted at hidden pixels only, and both are smooth there: so they are measured at scattered points around the
hole, where the picture has something to hold on to, and fitted. What it costs grows with the hole, not with the frame.

Letters: n points are matched from frame i to frame j of a pair.
"""

from dataclasses import dataclass, replace
from typing import Any, no_type_check

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, Shaped, UInt8

from cleanplate.carry.fields import Cells, Field, between, camera_motion, cell_size, cells_around, local_fit
from cleanplate.imaging.homography import ransac_homography
from cleanplate.runtime.compiled import compiled

# A homography is fitted to so many matches at most, and believed if a third of them agree on it.
HOMOGRAPHY_MOST, HOMOGRAPHY_LEAST, HOMOGRAPHY_TOLERANCE_PX, HOMOGRAPHY_SUPPORT = 1000, 50, 1.0, 1 / 3
# Forward-backward error at which the confidence in a match has fallen to 1/e.
CONFIDENCE_SCALE_PX = 0.5
# Confidence from which a match may vote for the homography: forward and backward flow agree to within a pixel or so.
VOTES_FROM = 0.02
# Matches that the support of a pair of frames is judged by, at least.
LEAST_KNOWN = 50
# Points are the best corners of squares of a third of a cell of the fit: flow is best where there is texture.
POINTS_PER_CELL = 3
# Side of the patches that flow is estimated by, and the error in pixels at which a match counts half.
PATCH_PX, TEXTURE_SCALE_PX = 8, 0.5
# The window of the parallax, as a share of that of the fit; beside 1 of a match, that there is none, as often as there
# are matches. From how far from a hole on it is measured, and in full: the first fit is for what is nearer.
PARALLAX_REACH, NO_PARALLAX, PARALLAX_FROM, PARALLAX_FULL = 0.25, 0.25, 0.05, 0.15
# It is no more than this share of the motion.
MOST_PARALLAX = 0.3
# A pair is still if the middle of its matches moves less than that in pixels, and nine of ten less than the second.
STILL_PX, STRAYS_PX, STRAYS_SHARE = 0.03, 0.35, 0.9
# Colours are compared over squares of this side. Smaller than the margin that is kept from a hole.
COLOUR_PX = 5
# A pixel that a sample is made of for so little is none of it.
SHARE = 1e-4
# Noise is measured at every so many pixels along a row.
NOISE_EVERY = 3

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


@dataclass(frozen=True)
class Motion:
    """From a frame to the next and back, in a window around their holes."""

    there: Field
    back: Field
    corner: tuple[int, int]
    """Top and left of the window in the frame."""
    size: tuple[int, int]
    """Its height and width."""
    still: bool = False
    """There is none: the camera stands still."""
    parallax: tuple[Cells, Cells] | None = None
    """By how much what is known, away from the holes, moves otherwise than was fitted: to the next, and back."""

    @property
    def reversed(self) -> "Motion":
        """From the next to the frame."""
        parallax = self.parallax and self.parallax[::-1]
        return replace(self, there=self.back, back=self.there, parallax=parallax)

    @classmethod
    def load(cls, state: dict[str, Any]) -> "Motion":
        """Of what `dataclasses.asdict` had made of it."""

        def cells(held: dict[str, Any]) -> Cells:
            return Cells(np.asarray(held["values"]), held["cell_px"])

        def field(held: dict[str, Any]) -> Field:
            return Field(None if held["camera"] is None else np.asarray(held["camera"]), cells(held["rest"]))

        there, back = field(state["there"]), field(state["back"])
        parallax = state["parallax"] and (cells(state["parallax"][0]), cells(state["parallax"][1]))
        (top, left), (height, width) = state["corner"], state["size"]
        return cls(there, back, (top, left), (height, width), state["still"], parallax)


def fit_both_ways(
    matches: Matches,
    size: tuple[int, int],
    *,
    filled_weight: float,
    camera_weight: float,
    reach_px: float,
    flow_tolerance_px: float,
    brightness_tolerance: float,
) -> tuple[Field, Field, bool]:
    """The fields of a pair of frames, from the first to the second and back, fitted over `reach_px` (sigma).

    And whether there is no motion at all.

    What the camera did is a homography; the rest is fitted locally, and so is the difference in brightness: exposure
    and light drift, and a pixel carried over many frames would stand out of its new surroundings.

    Args:
        matches: from the first to the second.
        size: height and width of both.
        filled_weight: weight of a match whose end is not known, beside 1 of one that is.
        camera_weight: of that the motion is the camera's, once in every cell: for where little is measured.
        reach_px: width of the window of the local fits.
        flow_tolerance_px: deviation from the local motion at which the weight of a match halves (Cauchy scale).
        brightness_tolerance: the same from the local brightness change.
    """
    known = matches.confidence * matches.known
    weight = np.maximum(known, np.float32(filled_weight) * matches.confidence)
    still = stands_still(matches, known)
    camera = None if still else fit_homography(matches.start, matches.end, known > VOTES_FROM, size)

    def fit(way: Matches, camera: Float64[np.ndarray, "3 3"] | None) -> Field:
        options = {"size": size, "sigma_px": reach_px}
        brightness = local_fit(
            way.brightness, way.start, known, tolerance=brightness_tolerance, iterations=3, **options
        )
        if still:  # what was measured is noise
            none = np.zeros_like(brightness.values[..., :2])
            return Field(camera, Cells(np.concatenate((none, brightness.values), 2), brightness.cell_px))
        rest = way.end - way.start - camera_motion(camera, way.start)
        middles = cell_middles(size, cell_size(reach_px))
        motion = local_fit(
            np.concatenate((rest, np.zeros_like(middles))),
            np.concatenate((way.start, middles)),
            np.concatenate((weight, np.full(len(middles), camera_weight, np.float32))),
            tolerance=flow_tolerance_px,
            **options,
        )
        return Field(camera, Cells(np.concatenate((motion.values, brightness.values), 2), motion.cell_px))

    back = None if camera is None else np.linalg.inv(camera)
    return fit(matches, camera), fit(matches.back, back), still


def fit_parallax(
    matches: Matches,
    fitted: Field,
    away: Float32[np.ndarray, " n"],
    size: tuple[int, int],
    *,
    reach_px: float,
    tolerance_px: float,
) -> Cells:
    """What is near the camera, or far from it, moves otherwise than its surroundings: the rest of the motion.

    Robustly none where matches do not agree on one.

    Args:
        matches: from a frame to its neighbour.
        fitted: the motion under a wide window.
        away: how far each match is from the holes, in shares of the frame's shorter side.
        size: height and width of the window.
        reach_px: width of that wide window.
        tolerance_px: see `fit_both_ways`.
    """
    motion, _ = fitted.at(matches.start)
    measured = matches.end - matches.start - motion
    counts = np.clip((away - PARALLAX_FROM) / (PARALLAX_FULL - PARALLAX_FROM), 0, 1)
    # A shadow goes with the thing, which is seldom so near to the motion of the ground.
    counts = counts * (np.hypot(*measured.T) <= MOST_PARALLAX * np.hypot(*motion.T))
    sigma_px = PARALLAX_REACH * reach_px
    middles = cell_middles(size, cell_size(sigma_px))
    none = np.full(len(middles), NO_PARALLAX * len(measured) / len(middles), np.float32)
    return local_fit(
        np.concatenate((measured, np.zeros_like(middles))),
        np.concatenate((matches.start, middles)),
        np.concatenate(((matches.confidence * matches.known * counts).astype(np.float32), none)),
        size,
        sigma_px=sigma_px,
        tolerance=tolerance_px,
        iterations=3,
    )


def added(field: Cells, finer: Cells) -> Cells:
    """The sum of two fields, in the cells of the second."""
    rows, columns = finer.values.shape[:2]
    x, y = np.meshgrid(np.arange(columns), np.arange(rows))
    middles = (np.stack((x, y), -1).reshape(-1, 2) + 0.5) * finer.cell_px - 0.5
    return Cells(field.at(middles).reshape(finer.values.shape) + finer.values, finer.cell_px)


def cell_middles(size: tuple[int, int], cell_px: int) -> Points:
    """X and y of the middle of every cell."""
    y, x = (np.arange(cell_px / 2, side, cell_px, dtype=np.float32) for side in size)
    return np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)


def stands_still(matches: Matches, known: Float32[np.ndarray, " n"]) -> bool:
    """Whether nothing moves but what hardly any of the matches follow. Where nothing has texture nothing disagrees.

    Args:
        matches: from one frame to the other.
        known: how much each is believed.
    """
    votes = known > VOTES_FROM
    if int(votes.sum()) < LEAST_VOTES:
        return True
    moved, weight = (matches.end - matches.start)[votes], known[votes]
    near = weight[np.hypot(*moved.T) < STRAYS_PX]
    middle = float(np.abs(np.median(moved, 0)).max())
    return middle < STILL_PX and float(near.sum()) >= STRAYS_SHARE * float(weight.sum())


LEAST_VOTES = 12


def fit_homography(
    start: Points, end: Points, confident: Bool[np.ndarray, " n"], size: tuple[int, int]
) -> Float64[np.ndarray, "3 3"] | None:
    """The homography that most confident matches agree on (RANSAC), None if there is none.

    It is the exact motion of a plane, and of anything under a camera that only turns (Hartley & Zisserman, Sec. 8.4).
    """
    at = np.flatnonzero(confident)
    at = at[:: max(1, len(at) // HOMOGRAPHY_MOST)]
    if len(at) < HOMOGRAPHY_LEAST:
        return None
    found = ransac_homography(start[at], end[at], tolerance_px=HOMOGRAPHY_TOLERANCE_PX, max_iters=500)
    if found is None:
        return None
    camera, agree = found
    if agree.mean() < HOMOGRAPHY_SUPPORT or abs(np.linalg.det(camera)) < 1e-6:
        return None
    # Far from the points it was fitted to, a plane may be seen edge on, and its motion has no bound.
    height, width = size
    rim = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float64)
    for way in (camera, np.linalg.inv(camera)):
        depth = rim @ way[2, :2] + way[2, 2]
        if not ((depth * depth[0] > 0).all() and (np.abs(camera_motion(way, rim)) < height + width).all()):
            return None
    return camera


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
