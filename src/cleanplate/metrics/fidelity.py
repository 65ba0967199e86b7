"""How near a result is to the truth, pixel by pixel. Frames are `(T, 3, H, W)` in 0..1, rounded to 8 bits first."""

import math
from statistics import fmean
from typing import Any

import torch
from jaxtyping import Bool, Float, UInt8
from skimage.metrics import structural_similarity
from torch import Tensor

from cleanplate.errors import InputError, Undefined
from cleanplate.imaging.frame import CARRIED, MADE_UP

SSIM_WINDOW_PX = 7
EXACT_DB = 100.0  # the most that a frame or a patch counts


def psnr_by_provenance(
    result: Float[Tensor, "T 3 H W"], truth: Float[Tensor, "T 3 H W"], provenance: UInt8[Tensor, "T 1 H W"]
) -> dict[str, float | None]:
    """PSNR of what was carried and of what was made up apart, as `psnr_db`; None where there is no such pixel."""
    where = {"carried_psnr_db": provenance == CARRIED, "made_up_psnr_db": provenance == MADE_UP}
    return {name: psnr_db(result, truth, of) if bool(of.any()) else None for name, of in where.items()}


def psnr_db(
    result: Float[Tensor, "*result"],
    truth: Float[Tensor, "*truth"],
    where: Bool[Tensor, "*where"] | None = None,
) -> float:
    """Peak signal-to-noise ratio in dB, per frame, then averaged over frames (Sec. 4.1).

    No frame counts more than `EXACT_DB`: one that is exact, such as one without a hole, would make the mean infinite.

    Args:
        result: what is judged.
        truth: what it should be.
        where: pixels that count, all if None; frames where none counts are left out.

    Returns:
        dB; infinity if no frame differs.

    Raises:
        InputError: shapes that disagree, or no pixel that counts.
    """
    check(result, truth, where)

    each = []
    for i in range(len(truth)):
        if where is None or bool(where[i].any()):
            error = (rounded(result[i]) - rounded(truth[i])).square().mean(0, keepdim=True)
            mse = float((error if where is None else error[where[i].cpu()]).mean(dtype=torch.float64))
            each.append(math.inf if mse == 0 else -10 * math.log10(mse))
    return fmean(min(value, EXACT_DB) for value in each) if min(each) < math.inf else math.inf


def ssim(
    result: Float[Tensor, "*result"],
    truth: Float[Tensor, "*truth"],
    where: Bool[Tensor, "*where"] | None = None,
) -> float:
    """Structural similarity (Wang et al. 2004), per frame, then averaged over frames; arguments as `psnr_db`.

    scikit-image's, with its uniform window of 7x7 pixels and the unbiased covariance, as a mean over RGB. With `where`
    it is the mean of the map there, windows reaching over the border of the region.
    """
    check(result, truth, where)
    (value,) = _ssims(result, truth, where)
    assert value is not None  # `check` has refused an empty mask
    return value


def ssim_of_hole_and_frames(
    result: Float[Tensor, "*result"], truth: Float[Tensor, "*truth"], hole: Bool[Tensor, "*hole"]
) -> dict[str, float | None]:
    """`ssim` in the hole and on the full frames, from one map; None in a hole that is empty."""
    check(result, truth, hole if bool(hole.any()) else None)
    return dict(zip(("hole_ssim", "ssim"), _ssims(result, truth, hole, None), strict=True))


def _ssims(result: Tensor, truth: Tensor, *regions: Tensor | None) -> list[float | None]:
    """Of each region, the full frames if it is None; None where a region is empty."""
    if min(result.shape[2:]) < SSIM_WINDOW_PX:
        size = f"{result.shape[3]}x{result.shape[2]}"
        raise Undefined(f"frames are {size}", f"SSIM needs a window of {SSIM_WINDOW_PX} px", "use larger frames")
    found: list[list[float]] = [[] for _ in regions]
    for i in range(len(truth)):
        if not any(region is None or bool(region[i].any()) for region in regions):
            continue
        a, b = (rounded(frames[i]).numpy() for frames in (result, truth))
        answer: Any = structural_similarity(a, b, win_size=SSIM_WINDOW_PX, channel_axis=0, data_range=1.0, full=True)
        mean, similarity = answer
        for values, region in zip(found, regions, strict=True):
            if region is None:
                values.append(float(mean))
            elif bool(region[i].any()):
                values.append(float(similarity.mean(0, keepdims=True)[region[i].cpu().numpy()].mean()))
    return [fmean(values) if values else None for values in found]


def rounded(frames: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """As they are looked at: in 8 bits."""
    return (frames.detach().cpu().float() * 255).round().clamp(0, 255) / 255


def _said(frames: Tensor) -> str:
    """How many frames there are, and of what size; of other tensors their shape."""
    if frames.ndim != 4:
        return f"the shape {tuple(frames.shape)}"
    return f"{len(frames)} frame{'s' * (len(frames) != 1)} of {frames.shape[3]}x{frames.shape[2]}"


def check(result: Tensor, truth: Tensor, where: Tensor | None) -> None:
    """Refuse what cannot be compared."""
    if result.shape != truth.shape:
        given = f"the result has {_said(result)} and the truth has {_said(truth)}"
        raise InputError(given, "they must have the same frames and size", "cut or resize one")
    if where is not None and where.shape != (len(truth), 1, *truth.shape[2:]):
        given = f"the mask has {_said(where)} and the truth has {_said(truth)}"
        raise InputError(given, "one mask for each frame, of its size, is needed", "cut or resize it")
    if where is not None and not bool(where.any()):
        raise Undefined("the mask is empty", "at least one pixel must count", "give the mask of the hole")
