"""Complete in the hole what is smooth outside it: the motion between two frames, and their difference in brightness.

Both are wanted at hidden pixels only, and both are smooth there: so they are measured at scattered points around the
hole, where the picture has something to hold on to, and fitted. What it costs grows with the hole, not with the frame.

Letters: n points are matched from frame i to frame j of a pair.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64

from cleanplate.carry.fields import Cells, Field, camera_motion, cell_size, local_fit
from cleanplate.carry.matches import Matches, Points
from cleanplate.imaging.homography import ransac_homography

# A homography is fitted to so many matches at most, and believed if a third of them agree on it.
HOMOGRAPHY_MOST, HOMOGRAPHY_LEAST, HOMOGRAPHY_TOLERANCE_PX, HOMOGRAPHY_SUPPORT = 1000, 50, 1.0, 1 / 3
# Confidence from which a match may vote for the homography: forward and backward flow agree to within a pixel or so.
VOTES_FROM = 0.02
# The window of the parallax, as a share of that of the fit; beside 1 of a match, that there is none, as often as there
# are matches. From how far from a hole on it is measured, and in full: the first fit is for what is nearer.
PARALLAX_REACH, NO_PARALLAX, PARALLAX_FROM, PARALLAX_FULL = 0.25, 0.25, 0.05, 0.15
# It is no more than this share of the motion.
MOST_PARALLAX = 0.3
# A pair is still if the middle of its matches moves less than that in pixels, and nine of ten less than the second.
STILL_PX, STRAYS_PX, STRAYS_SHARE = 0.03, 0.35, 0.9


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
