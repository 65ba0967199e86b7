"""Complete in the hole what is smooth outside it: the motion between two frames, and their difference in brightness.

Both are wanted at hidden pixels only, and both are smooth there: so they are measured at scattered points around the
hole, where the picture has something to hold on to, and fitted. What it costs grows with the hole, not with the frame.

Letters: n points are matched from frame i to frame j of a pair.
"""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Shaped, UInt8
from torch import Tensor

from cleanplate.imaging.homography import ransac_homography
from cleanplate.imaging.pixels import to_float
from cleanplate.imaging.smooth import Cells, cell_size, local_fit
from cleanplate.imaging.warp import pixel_grid, read

# A homography is fitted to so many matches at most, and believed if a third of them agree on it.
HOMOGRAPHY_MOST, HOMOGRAPHY_LEAST, HOMOGRAPHY_TOLERANCE_PX, HOMOGRAPHY_SUPPORT = 1000, 50, 1.0, 1 / 3
# Forward-backward error at which the confidence in a match has fallen to 1/e.
CONFIDENCE_SCALE_PX = 0.5
# Confidence from which a match may vote for the homography: forward and backward flow agree to within a pixel or so.
VOTES_FROM = 0.02
# Matches that the support of a pair of frames is judged by, at least.
LEAST_KNOWN = 50
# Points are the best corners of squares of half a cell of the fit: flow is best where there is texture.
POINTS_PER_CELL = 2
# Side of the patches that flow is estimated by, and the error in pixels at which a match counts half.
PATCH_PX, TEXTURE_SCALE_PX = 8, 0.5
# Beside 1 of a match: that the motion is the camera's where nothing is measured, once in every cell.
CAMERA_WEIGHT = 0.02
# The window of the parallax, as a share of that of the fit; beside 1 of a match, that there is none, as often as there
# are matches. From how far from a hole on it is measured, and in full: the first fit is for what is nearer.
PARALLAX_REACH, NO_PARALLAX, PARALLAX_FROM, PARALLAX_FULL = 0.25, 0.25, 0.05, 0.15
# It is no more than this share of the motion.
MOST_PARALLAX = 0.3
# A pair is still if the middle of its matches moves less than that in pixels, and nine of ten less than the second.
STILL_PX, STRAYS_PX, STRAYS_SHARE = 0.03, 0.35, 0.9
# Colours are compared over squares of this side. Smaller than the margin that is kept from a hole.
COLOUR_PX = 5


@dataclass(frozen=True)
class Matches:
    """Points of frame i, and where they are in frame j."""

    start: Float[Tensor, "n 2"]
    end: Float[Tensor, "n 2"]
    confidence: Float[Tensor, " n"]
    """0..1, falling with the forward-backward error; 0 if it leaves the picture."""
    known: Bool[Tensor, " n"]
    """Neither end is near a hole."""
    brightness: Float[Tensor, "n 3"]
    """By how much i is brighter than j there."""
    texture: Float[Tensor, " n"]
    """0..1: how much there is to hold on to at the start, beside the noise."""

    @property
    def support(self) -> float:
        """Share of what is known and has texture that agrees both ways, 1 if there is hardly any.

        Above 0.5 within a shot, near 0 over a cut. Where nothing has texture nothing disagrees.
        """
        texture = self.texture * self.known
        total = float(texture.sum())
        return float((self.confidence * self.known).sum()) / total if total >= LEAST_KNOWN else 1.0

    @property
    def back(self) -> "Matches":
        """From j to i."""
        return replace(self, start=self.end, end=self.start, brightness=-self.brightness)


def corners(gray: UInt8[np.ndarray, "h w"], spacing_px: int) -> tuple[Float[Tensor, "n 2"], Float[Tensor, " n"]]:
    """In every square of that side, the pixel with the most texture around it (Shi & Tomasi 1994).

    Returns:
        where it is, and 0..1: how well flow can be measured there. A patch of m pixels under noise of s levels that
        rises by g levels a pixel tells its shift to within sqrt(2 / m) s / g pixels.
    """
    height, width = gray.shape
    rows, columns = -(-height // spacing_px), -(-width // spacing_px)
    score = np.full((rows * spacing_px, columns * spacing_px), -1, np.float32)
    score[:height, :width] = cv2.cornerMinEigenVal(gray, 5)
    squares = score.reshape(rows, spacing_px, columns, spacing_px).transpose(0, 2, 1, 3).reshape(rows, columns, -1)
    best = squares.argmax(-1)
    # OpenCV sums (Sobel / 4 / block / 255)^2 over a block, and Sobel is 8 times the rise.
    rise_sq = np.maximum(squares.max(-1), 0) * (4 * 255 / 8) ** 2
    error_sq = 2 / PATCH_PX**2 * noise_level(gray) ** 2 / np.maximum(rise_sq, 1e-9)
    y, x = np.divmod(best, spacing_px)
    y, x = y + spacing_px * np.arange(rows)[:, None], x + spacing_px * np.arange(columns)
    xy = np.stack((x, y), -1).reshape(-1, 2).astype(np.float32)
    return torch.from_numpy(xy), torch.from_numpy((1 / (1 + error_sq / TEXTURE_SCALE_PX**2)).ravel().astype(np.float32))


def noise_level(gray: UInt8[np.ndarray, "h w"]) -> float:
    """Standard deviation of the noise of a picture, in levels (Immerkaer 1996, with a median for its mean)."""
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
    return 1.4826 * float(np.median(np.abs(cv2.filter2D(gray, cv2.CV_32F, kernel))))


def match(
    frames: Shaped[Tensor, "2 3 h w"],
    flow: Float[Tensor, "2 2 h w"],
    near: Bool[Tensor, "2 1 h w"],
    points: Float[Tensor, "n 2"],
    texture: Float[Tensor, " n"],
) -> Matches:
    """Follow points along the flow of a pair of frames, both ways.

    Args:
        frames: the pair.
        flow: from the first to the second, and back.
        near: hole, grown to where flow has seen what was painted into it.
        points: in the first.
        texture: how well they can be followed (`corners`).
    """
    end = points + read(flow[0], points)
    error = (end + read(flow[1], end) - points).norm(dim=1)
    last = end.new_tensor([flow.shape[3] - 1, flow.shape[2] - 1])
    inside = ((end >= 0) & (end <= last)).all(1)
    touches = (read(near[0].float(), points) > 1e-4) | (read(near[1].float(), end) > 1e-4)
    first, second = (to_float(_local_means(frame)) for frame in frames)
    return Matches(
        start=points,
        end=end,
        confidence=texture * inside * torch.exp(-(error / CONFIDENCE_SCALE_PX).square()),
        known=~touches[:, 0],
        brightness=read(first, points) - read(second, end),
        texture=texture,
    )


def _local_means(picture: Shaped[Tensor, "3 h w"]) -> Shaped[Tensor, "3 h w"]:
    """Means over small squares."""
    pixels = picture if picture.dtype == torch.uint8 else picture.float()  # OpenCV blurs no half floats
    pixels = np.ascontiguousarray(pixels.permute(1, 2, 0).cpu().numpy())
    return torch.from_numpy(cv2.blur(pixels, (COLOUR_PX, COLOUR_PX))).permute(2, 0, 1).to(picture.device)


@dataclass(frozen=True)
class Field:
    """What was fitted, from a frame to its neighbour, anywhere."""

    camera: Float[Tensor, "3 3"] | None
    rest: Cells
    """The motion beside that of the camera, and the difference in brightness: 5 channels."""

    def at(self, xy: Float[Tensor, "n 2"]) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "n 3"]]:
        """The motion in pixels, and what is to be added to the colours of the neighbour."""
        rest = self.rest.at(xy)
        return camera_motion(self.camera, xy) + rest[:, :2], rest[:, 2:]

    def to(self, device: torch.device | str) -> "Field":
        """On a device."""
        camera = None if self.camera is None else self.camera.to(device)
        return Field(camera, Cells(self.rest.values.to(device), self.rest.cell_px))


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

    def to(self, device: torch.device | str) -> "Motion":
        """On a device. The parallax is only used on the CPU."""
        return replace(self, there=self.there.to(device), back=self.back.to(device))

    @classmethod
    def load(cls, state: dict[str, Any], device: torch.device) -> "Motion":
        """Of what `dataclasses.asdict` had made of it."""
        there, back = (Field(way["camera"], Cells(**way["rest"])).to(device) for way in (state["there"], state["back"]))
        parallax = state["parallax"]
        if parallax is not None:
            parallax = Cells(**parallax[0]), Cells(**parallax[1])
        return cls(there, back, state["corner"], state["size"], state["still"], parallax)


def fit_both_ways(
    matches: Matches,
    size: tuple[int, int],
    *,
    filled_weight: float,
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
        reach_px: width of the window of the local fits.
        flow_tolerance_px: deviation from the local motion at which the weight of a match halves (Cauchy scale).
        brightness_tolerance: the same from the local brightness change.
    """
    known = matches.confidence * matches.known
    weight = torch.maximum(known, filled_weight * matches.confidence)
    still = stands_still(matches, known)
    camera = None if still else fit_homography(matches.start, matches.end, known > VOTES_FROM, size)

    def fit(way: Matches, camera: Tensor | None) -> Field:
        options = {"size": size, "sigma_px": reach_px}
        brightness = local_fit(
            way.brightness, way.start, known, tolerance=brightness_tolerance, iterations=3, **options
        )
        if still:  # what was measured is noise
            return Field(camera, Cells(torch.cat((brightness.values[:2] * 0, brightness.values)), brightness.cell_px))
        rest = way.end - way.start - camera_motion(camera, way.start)
        middles = cell_middles(size, cell_size(reach_px), rest)
        motion = local_fit(
            torch.cat((rest, torch.zeros_like(middles))),
            torch.cat((way.start, middles)),
            torch.cat((weight, torch.full_like(middles[:, 0], CAMERA_WEIGHT))),
            tolerance=flow_tolerance_px,
            **options,
        )
        return Field(camera, Cells(torch.cat((motion.values, brightness.values)), motion.cell_px))

    back = None if camera is None else torch.linalg.inv(camera)
    return fit(matches, camera), fit(matches.back, back), still


def fit_parallax(
    matches: Matches,
    fitted: Field,
    away: Float[Tensor, " n"],
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
    counts = ((away - PARALLAX_FROM) / (PARALLAX_FULL - PARALLAX_FROM)).clamp(0, 1)
    # A shadow goes with the thing, which is seldom so near to the motion of the ground.
    counts = counts * (measured.norm(dim=1) <= MOST_PARALLAX * motion.norm(dim=1))
    sigma_px = PARALLAX_REACH * reach_px
    middles = cell_middles(size, cell_size(sigma_px), measured)
    none = torch.full_like(middles[:, 0], NO_PARALLAX * len(measured) / len(middles))
    fine = local_fit(
        torch.cat((measured, torch.zeros_like(middles))),
        torch.cat((matches.start, middles)),
        torch.cat((matches.confidence * matches.known * counts, none)),
        size,
        sigma_px=sigma_px,
        tolerance=tolerance_px,
        iterations=3,
    )
    return coarser(fine)


def coarser(field: Cells) -> Cells:
    """The same in cells of twice the side."""
    odd = [side % 2 for side in field.values.shape[1:]]
    whole = F.pad(field.values[None], (0, odd[1], 0, odd[0]), mode="replicate")
    return Cells(F.avg_pool2d(whole, 2)[0], 2 * field.cell_px)


def added(field: Cells, finer: Cells) -> Cells:
    """The sum of two fields, in the cells of the second."""
    rows, columns = finer.values.shape[1:]
    middles = (pixel_grid(rows, columns, finer.values.device).flatten(1).T + 0.5) * finer.cell_px - 0.5
    return Cells(field.at(middles).T.reshape(finer.values.shape) + finer.values, finer.cell_px)


def cell_middles(size: tuple[int, int], cell_px: int, like: Tensor) -> Float[Tensor, "c 2"]:
    """X and y of the middle of every cell."""
    y, x = (torch.arange(cell_px / 2, side, cell_px, device=like.device, dtype=like.dtype) for side in size)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).reshape(-1, 2)


def stands_still(matches: Matches, known: Float[Tensor, " n"]) -> bool:
    """Whether nothing moves but what hardly any of the matches follow. Where nothing has texture nothing disagrees.

    Args:
        matches: from one frame to the other.
        known: how much each is believed.
    """
    votes = known > VOTES_FROM
    if int(votes.sum()) < LEAST_VOTES:
        return True
    moved, weight = (matches.end - matches.start)[votes], known[votes]
    near = weight * (moved.norm(dim=1) < STRAYS_PX)
    middle = float(moved.median(0).values.abs().max())
    return middle < STILL_PX and float(near.sum()) >= STRAYS_SHARE * float(weight.sum())


LEAST_VOTES = 12


def fit_homography(
    start: Float[Tensor, "n 2"], end: Float[Tensor, "n 2"], confident: Bool[Tensor, " n"], size: tuple[int, int]
) -> Float[Tensor, "3 3"] | None:
    """The homography that most confident matches agree on (RANSAC), None if there is none.

    It is the exact motion of a plane, and of anything under a camera that only turns (Hartley & Zisserman, Sec. 8.4).
    """
    at = torch.nonzero(confident).flatten()
    at = at[:: max(1, len(at) // HOMOGRAPHY_MOST)]
    if len(at) < HOMOGRAPHY_LEAST:
        return None
    from_, to = start[at].cpu().numpy(), end[at].cpu().numpy()
    found = ransac_homography(from_, to, tolerance_px=HOMOGRAPHY_TOLERANCE_PX, max_iters=500)
    if found is None:
        return None
    matrix, agree = found
    if agree.mean() < HOMOGRAPHY_SUPPORT or abs(np.linalg.det(matrix)) < 1e-6:
        return None
    camera = torch.from_numpy(matrix).float().to(start.device)
    # Far from the points it was fitted to, a plane may be seen edge on, and its motion has no bound.
    height, width = size
    rim = start.new_tensor([[0, 0], [width, 0], [0, height], [width, height]])
    for way in (camera, torch.linalg.inv(camera)):
        depth = way[2] @ torch.cat((rim, torch.ones_like(rim[:, :1])), 1).T
        bounded = (depth * depth[0] > 0).all() and (camera_motion(way, rim).abs() < height + width).all()
        if not bool(bounded):
            return None
    return camera


def camera_motion(camera: Float[Tensor, "3 3"] | None, xy: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
    """How far a homography moves each position; not at all if there is none."""
    if camera is None:
        return torch.zeros_like(xy)
    moved = torch.addmm(camera[:, 2], xy, camera[:, :2].T)
    return moved[:, :2] / moved[:, 2:] - xy


def spacing(reach_px: float) -> int:
    """Side of the squares that `corners` are looked for in."""
    return max(1, cell_size(reach_px) // POINTS_PER_CELL)
