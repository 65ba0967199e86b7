"""Complete in the hole what is smooth outside it: the motion between two frames, and their difference in brightness.

All of it is for a pair of frames, both ways: index 0 is the way from the first to the second, 1 the way back.
"""

import cv2
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cleanplate.smooth import local_fit
from cleanplate.warp import inside, pixel_grid, round_trip_error, warp

# A homography is fitted to a grid of so many rows of vectors, and believed if a third of them agree on it.
HOMOGRAPHY_ROWS, HOMOGRAPHY_TOLERANCE_PX, HOMOGRAPHY_SUPPORT, HOMOGRAPHY_LEAST = 48, 1.0, 1 / 3, 50
# Forward-backward error at which trust in a vector has fallen to 1/e.
TRUSTED_ERROR_PX = 0.5
# Trust at which a vector may vote for the homography: forward and backward flow agree to within a pixel or so.
SURE = 0.02


def trust_in(flow: Float[Tensor, "2 2 H W"], unknown: Bool[Tensor, "2 1 H W"]) -> Float[Tensor, "2 2 H W"]:
    """How far a vector of a pair of frames, both ways, is to be believed: if it is known, and if it is not.

    Returns:
        two channels in 0..1, both falling with the forward-backward error. The first is 0 where the vector is unknown
        (`touches`); the second is 0 only where it leaves the image.
    """
    confidence = inside(flow) * torch.exp(-(round_trip_error(flow, flow.flip(0)) / TRUSTED_ERROR_PX).square())
    return torch.cat((confidence * ~unknown, confidence), dim=1)


def touches(flow: Float[Tensor, "2 2 H W"], near: Bool[Tensor, "2 1 H W"]) -> Bool[Tensor, "2 1 H W"]:
    """Where a vector of a pair of frames, both ways, starts or ends near a hole."""
    return near | (warp(near.flip(0).float(), flow) > 1e-4)


def complete(
    flow: Float[Tensor, "2 2 H W"],
    unknown: Bool[Tensor, "2 1 H W"],
    trust: Float[Tensor, "2 2 H W"],
    trust_filled: float,
    *,
    reach_px: float,
    tolerance_px: float,
) -> Float[Tensor, "2 2 H W"]:
    """Replace the flow where it is unknown by the motion around, fitted over `reach_px` (sigma)."""
    known, any_ = trust.split(1, dim=1)
    weight = torch.maximum(known, trust_filled * any_)
    camera = torch.stack([fit_homography(f, k[0] > SURE) for f, k in zip(flow, known, strict=True)])
    rest = local_fit(flow - camera, weight, sigma_px=reach_px, tolerance=tolerance_px)
    return torch.where(unknown, camera + rest, flow)


def fit_homography(flow: Float[Tensor, "2 H W"], reliable: Bool[Tensor, "H W"]) -> Float[Tensor, "2 H W"]:
    """The flow of the homography that most reliable vectors agree on (RANSAC), zero if there is none.

    It is the exact motion of a plane, and of anything under a camera that only turns (Hartley & Zisserman, Sec. 8.4).
    """
    height, width = reliable.shape
    grid = pixel_grid(height, width, flow.device)
    step = max(1, min(height, width) // HOMOGRAPHY_ROWS)
    at = reliable[::step, ::step]
    start = grid[:, ::step, ::step][:, at].T.cpu().numpy()
    end = start + flow[:, ::step, ::step][:, at].T.cpu().numpy()
    if len(start) < HOMOGRAPHY_LEAST:
        return torch.zeros_like(flow)
    matrix, agree = cv2.findHomography(start, end, cv2.RANSAC, HOMOGRAPHY_TOLERANCE_PX, maxIters=500)
    if matrix is None or agree.mean() < HOMOGRAPHY_SUPPORT:
        return torch.zeros_like(flow)
    x, y = grid[0, :1], grid[1, :, :1]
    across, down, depth = (a * x + b * y + c for a, b, c in matrix.tolist())
    motion = torch.stack((across / depth, down / depth)) - grid
    # Far from the vectors it was fitted to, a plane may be seen edge on, and its motion has no bound.
    return motion if bool((motion.abs() < height + width).all()) else torch.zeros_like(flow)


def fit_level(
    frames: Float[Tensor, "2 3 H W"],
    flow: Float[Tensor, "2 2 H W"],
    trust: Float[Tensor, "2 2 H W"],
    *,
    reach_px: float,
    tolerance: float,
) -> Float[Tensor, "2 3 H W"]:
    """By how much each frame of a pair is brighter than the other, along the flow, from what both show.

    Exposure and light drift, and a pixel carried over many frames would stand out of its new surroundings.
    """
    difference = frames - warp(frames.flip(0), flow)
    return local_fit(difference, trust[:, :1], sigma_px=reach_px, tolerance=tolerance, iterations=3)
