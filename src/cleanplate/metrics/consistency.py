"""How steady a result is over time. Frames are `(T, 3, H, W)` in 0..1, rounded to 8 bits first."""

import math
import random
from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from cleanplate.errors import Undefined
from cleanplate.imaging.flow import estimate
from cleanplate.imaging.warp import warp
from cleanplate.metrics.fidelity import EXACT_DB, SSIM_WINDOW_PX, check, rounded
from cleanplate.runtime.threads import in_order

PATCH_PX, SEARCH_PX = 50, 20  # the paper's, at 384x192


class Consistency(NamedTuple):
    """Means over all sampled patches."""

    psnr_db: float
    ssim: float


def patch_consistency(
    frames: Float[Tensor, "*frames"],
    hole: Bool[Tensor, "*hole"],
    seed: int = 0,
    *,
    patch_px: int = PATCH_PX,
    search_px: int = SEARCH_PX,
    patches_per_frame: int = 5,
) -> Consistency:
    """How well patches of the hole are found again in the next frame (Sec. 4.1; Gupta et al. [10]).

    For patches sampled in the hole of frame t, the best PSNR with any patch of frame t + 1 within `search_px` each way,
    and, searched for by itself, the best SSIM (as `ssim`, windows inside the patch). A patch is centred on a pixel of
    the hole, drawn uniformly, and moved into the frame where it would leave it; so a hole may be smaller than a patch.
    Frames without a hole, and the last frame, have no patches. A patch found again exactly counts as 100 dB.

    Args:
        frames: what is judged, (T, 3, H, W).
        hole: where, (T, 1, H, W).
        seed: of the sampling.
        patch_px: side of a patch.
        search_px: farthest displacement, in x and in y.
        patches_per_frame: sampled in every frame with a hole, with replacement.

    Raises:
        InputError: shapes that disagree.
        Undefined: frames smaller than a patch, no frame but the last with a hole.
    """
    check(frames, frames, hole)
    height, width = frames.shape[2:]
    if min(height, width) < patch_px or patch_px < SSIM_WINDOW_PX:
        raise Undefined(
            f"frames are {width}x{height} and patches {patch_px}x{patch_px}",
            f"patches of {SSIM_WINDOW_PX} px or more that fit into the frames are needed",
            "use larger frames or another patch size",
        )
    if not bool(hole[:-1].any()):
        raise Undefined("no frame that has a next one has a hole", "consistency compares two frames", "add frames")
    rng = random.Random(seed)
    places = []
    for t in range(len(frames) - 1):
        pixels = torch.nonzero(hole[t, 0]).tolist()
        places += [(t, *place) for place in (rng.choices(pixels, k=patches_per_frame) if pixels else ())]

    def match(place: tuple[int, int, int]) -> tuple[float, float]:
        t, y, x = place
        top = min(max(y - patch_px // 2, 0), height - patch_px)
        left = min(max(x - patch_px // 2, 0), width - patch_px)
        rows = slice(max(top - search_px, 0), top + patch_px + search_px)
        columns = slice(max(left - search_px, 0), left + patch_px + search_px)
        patch = rounded(frames[t, :, top : top + patch_px, left : left + patch_px])
        return _best_match(patch, rounded(frames[t + 1, :, rows, columns]))

    found = list(in_order(match, places))
    psnrs, ssims = zip(*found, strict=True)
    return Consistency(sum(psnrs) / len(psnrs), sum(ssims) / len(ssims))


def _best_match(patch: Float[Tensor, "3 h w"], region: Float[Tensor, "3 H W"]) -> tuple[float, float]:
    """The best PSNR and the best SSIM of a patch with any of its size in a region."""
    _, height, width = patch.shape
    size = SSIM_WINDOW_PX
    unbiased = size**2 / (size**2 - 1)
    p, r = patch.permute(1, 2, 0).contiguous().numpy(), region.permute(1, 2, 0).contiguous().numpy()
    mean_p, mean_r = _window_means(p), _window_means(r)
    square_p, square_r = (_window_means(x * x) - mean * mean for x, mean in ((p, mean_p), (r, mean_r)))
    inner = mean_p.shape[:2]
    least, most = math.inf, -math.inf
    for top in range(r.shape[0] - height + 1):
        # All patches that begin in this row, one beside the other in the last axis: (h, w, 3, N).
        others = _patches(r[top : top + height], width)
        least = min(least, float(np.square(others - p[..., None]).mean((0, 1, 2)).min()))
        mean_o, square_o = (_patches(x[top : top + inner[0]], inner[1]) for x in (mean_r, square_r))
        products = others * p[..., None]
        means = mean_o * mean_p[..., None]
        cov = np.stack([_window_means(products[:, :, channel]) for channel in range(3)], axis=2) - means
        likeness = (2 * means + C1) * (2 * unbiased * cov + C2)
        likeness /= mean_o * mean_o + np.square(mean_p)[..., None] + C1
        likeness /= unbiased * (square_o + square_p[..., None]) + C2
        most = max(most, float(likeness.mean((0, 1, 2)).max()))
    return (EXACT_DB if least == 0 else min(EXACT_DB, -10 * math.log10(least))), most


C1, C2 = 0.01**2, 0.03**2  # of SSIM (Wang et al. 2004), for values in 0..1


def _patches(rows: Float[np.ndarray, "h W C"], width: int) -> Float[np.ndarray, "h w C N"]:
    """Every patch of this width in rows of its height."""
    return np.ascontiguousarray(sliding_window_view(rows, width, axis=1).transpose(0, 3, 2, 1))


def _window_means(x: Float[np.ndarray, "H W C"]) -> Float[np.ndarray, "h w C"]:
    """Over the windows of SSIM that lie inside."""
    edge = SSIM_WINDOW_PX // 2
    means = [
        cv2.boxFilter(np.ascontiguousarray(some), -1, (SSIM_WINDOW_PX, SSIM_WINDOW_PX)).reshape(some.shape)
        for some in np.split(x, range(MOST_CHANNELS, x.shape[2], MOST_CHANNELS), axis=2)
    ]
    return np.concatenate(means, axis=2)[edge:-edge, edge:-edge]


MOST_CHANNELS = 512  # of an OpenCV picture


def warp_error(
    frames: Float[Tensor, "*frames"],
    truth: Float[Tensor, "*truth"],
    where: Bool[Tensor, "*where"] | None = None,
    *,
    estimator: str = "dis",
) -> float:
    """E_warp (Lai et al. 2018): mean squared difference of a frame and the next one, warped to it.

    Along flow of the truth and where that is not occluded (Eq. 4's O), per pair of frames, then averaged over pairs.
    The noise of a camera is in it: the truth itself is not at 0, and a blurred result is below it.

    Args:
        frames: what is judged.
        truth: the same frames without a hole, for the flow.
        where: pixels that count, all if None.
        estimator: of the flow.

    Returns:
        the error for values in 0..1.

    Raises:
        InputError: shapes that disagree.
        Undefined: no pixel that counts, a single frame.
    """
    check(frames, truth, where)
    (value,) = _warp_errors(frames, truth, where, estimator=estimator)
    if value is None:
        raise Undefined("no pixel that counts has flow", "some must not be occluded", "give a longer clip")
    return value


def warp_error_of_hole_and_frames(
    frames: Float[Tensor, "*frames"], truth: Float[Tensor, "*truth"], hole: Bool[Tensor, "*hole"]
) -> dict[str, float | None]:
    """`warp_error` in the hole and on the full frames, along the same flow; None where no pixel counts."""
    check(frames, truth, hole if bool(hole.any()) else None)
    return dict(zip(("hole_warp_error", "warp_error"), _warp_errors(frames, truth, hole, None), strict=True))


def _warp_errors(frames: Tensor, truth: Tensor, *regions: Tensor | None, estimator: str = "dis") -> list[float | None]:
    """Of each region, the full frames if it is None; None where no pixel of a region counts."""
    if len(frames) < 2:
        raise Undefined("there is one frame", "warp error compares neighbours", "give at least two")
    field = estimate(truth, torch.zeros_like(truth[:, :1], dtype=torch.bool), 1, 1, estimator)
    found: list[list[float]] = [[] for _ in regions]
    for t in range(len(frames) - 1):
        pair = slice(t, t + 1)
        now, later = rounded(frames[pair]), rounded(frames[t + 1 : t + 2])
        error = (now - warp(later, field.flow[pair])).square().mean(1, keepdim=True)
        for errors, region in zip(found, regions, strict=True):
            counts = field.valid[pair] if region is None else field.valid[pair] & region[pair]
            if bool(counts.any()):
                errors.append(float(error[counts].mean(dtype=torch.float64)))
    return [sum(errors) / len(errors) if errors else None for errors in found]
