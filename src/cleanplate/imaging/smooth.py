"""Smooth completion: what is known at some pixels, carried on smoothly to the others.

Two tools for the same question. `pull_push` interpolates: exact where the values are known, ever coarser the farther
away they are. `local_fit` regresses: at every pixel the robust mean of what is known around it, for quantities that are
smooth in truth but noisy where they were measured (motion, change of brightness).

Shapes: values are `(N, C, H, W)`, weights `(N, 1, H, W)`, not negative.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from cleanplate.imaging.warp import read
from cleanplate.runtime.threads import in_order


def pull_push(values: Float[Tensor, "N C H W"], weight: Float[Tensor, "N 1 H W"]) -> Float[Tensor, "N C H W"]:
    """Fill where the weight is below 1 from a pyramid of weighted means (Gortler et al., The Lumigraph, Sec. 3.4.2).

    Pixels of weight 1 or more come out unchanged; values at pixels of weight 0 are never read.
    """
    weight = weight.clamp(0, 1)
    weighted = torch.where(weight > 0, values * weight, 0.0)
    pulled = [(weighted, weight)]
    while max(weight.shape[-2:]) > 1 and bool((weight < 1).any()):
        weighted, weight = _halve(weighted), _halve(weight)
        # Cells never weigh more than one pixel: four poor guesses must not outvote a good one.
        shrink = weight.clamp(max=1) / weight.clamp(min=1e-12)
        weighted, weight = weighted * shrink, weight * shrink
        pulled.append((weighted, weight))
    weighted, weight = pulled.pop()
    out = weighted / weight.clamp(min=1e-12)
    for weighted, weight in reversed(pulled):
        height, width = weighted.shape[-2:]
        coarse = F.interpolate(out, scale_factor=2, mode="bilinear", align_corners=False)[..., :height, :width]
        out = weighted + (1 - weight) * coarse
    return out


def _halve(x: Tensor) -> Tensor:
    """Sums over 2x2 cells; an odd edge is padded with nothing."""
    height, width = x.shape[-2:]
    return 4 * F.avg_pool2d(F.pad(x, (0, width % 2, 0, height % 2)), 2)


def paint(frames: Float[Tensor, "N C H W"], hole: Bool[Tensor, "N 1 H W"]) -> Float[Tensor, "N C H W"]:
    """The frames with their holes painted over from the surroundings; a frame that is all hole becomes black."""
    out, holed = frames.clone(), torch.nonzero(hole.flatten(1).any(1)).flatten().tolist()

    each = in_order(lambda index: paint_one(frames[index], hole[index]), holed)  # a few at a time: they take memory
    for index, painted in zip(holed, each, strict=True):
        out[index] = painted
    return out


def paint_one(frame: Float[Tensor, "C H W"], hole: Bool[Tensor, "1 H W"]) -> Float[Tensor, "C H W"]:
    """The same of one frame."""
    return pull_push(frame[None], (~hole[None]).to(frame.dtype))[0]


def shrink(
    frames: Float[Tensor, "N C H W"], hole: Bool[Tensor, "N 1 H W"]
) -> tuple[Float[Tensor, "N C h w"], Bool[Tensor, "N 1 h w"]]:
    """Half the size, from known pixels only. A pixel is known if half of what it is made of is."""
    known = (~hole).to(frames.dtype)
    sums, count = _halve(torch.where(hole, 0.0, frames)), _halve(known)
    return sums / count.clamp(min=1), count < 0.5 * _halve(torch.ones_like(known))


# What follows down to `_gaussian` has moved to carry/fields.py, and `read_sharply` of imaging/warp.py to
# carry/trajectories.py. It stays here until the next change that voids the results of docs/results/medium/ anyway: they
# name the code that they were made by, of which this file is a part.
@dataclass(frozen=True)
class Cells:
    """A smooth field, held as its values in the middles of square cells."""

    values: Float[Tensor, "C h w"]
    cell_px: int

    def at(self, xy: Float[Tensor, "n 2"]) -> Float[Tensor, "n C"]:
        """Its values at some positions, bilinearly; beyond the outermost middles, theirs."""
        return read(self.values, (xy + 0.5) / self.cell_px - 0.5)


def cell_size(sigma_px: float) -> int:
    """Side of the cells that a fit under a window of that width is computed on: a smooth result does not miss more."""
    return max(1, int(sigma_px / CELLS_PER_SIGMA))


def local_fit(
    values: Float[Tensor, "n C"],
    xy: Float[Tensor, "n 2"],
    weight: Float[Tensor, " n"],
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
    column, row = (xy / cell).long().unbind(-1)
    into = row.clamp(0, rows - 1) * columns + column.clamp(0, columns - 1)
    trusted = torch.where(weight[:, None] > 0, values * weight[:, None], 0.0)
    sums = values.new_zeros(rows * columns, values.shape[1] + 1)
    sums = sums.index_add_(0, into, torch.cat((trusted, weight[:, None]), 1)).T.view(1, -1, rows, columns)
    weight = sums[:, -1:] * (rows * columns / max(1, len(values)))  # 1: as many as there are in the mean, all trusted
    values = sums[:, :-1] / sums[:, -1:].clamp(min=1e-12)
    down, across = (_gaussian(sigma_px / cell, length, values) for length in (rows, columns))
    said, fit, total = weight, values, weight
    for iteration in range(iterations):
        if iteration > 0:
            distance_sq = (values - fit).square().sum(1, keepdim=True)
            said = weight / (1 + distance_sq / tolerance**2)
        sums = down @ torch.cat((values * said, said), 1) @ across
        total = sums[:, -1:]
        fit = sums[:, :-1] / total.clamp(min=1e-12)
    return Cells(pull_push(fit, total / ENOUGH)[0], cell)


CELLS_PER_SIGMA = 4
ENOUGH = 1e-4  # share of the window that must be measured for its mean to stand alone


def _gaussian(sigma: float, length: int, like: Tensor) -> Float[Tensor, "L L"]:
    """What every place of a row gets from every other under a Gaussian window; nothing is assumed beyond the ends.

    A matrix, because rows of cells are short: a product takes a tenth of the time of a convolution.
    """
    at = torch.arange(length, device=like.device, dtype=like.dtype)
    distance, radius = (at[:, None] - at).abs(), max(1, math.ceil(3 * sigma))
    window = torch.exp(-(distance**2) / (2 * sigma**2)) * (distance <= radius)
    offsets = torch.arange(-radius, radius + 1, device=like.device, dtype=like.dtype)
    return window / torch.exp(-(offsets**2) / (2 * sigma**2)).sum()


def dilate(mask: Bool[Tensor, "N 1 H W"], radius_px: int) -> Bool[Tensor, "N 1 H W"]:
    """Grow a mask by a square of that radius."""
    if radius_px < 1:
        return mask
    square = np.ones((2 * radius_px + 1, 2 * radius_px + 1), np.uint8)
    grown = [cv2.dilate(one.view(torch.uint8).cpu().numpy(), square) for one in mask[:, 0].contiguous()]
    return torch.from_numpy(np.stack(grown)).bool()[:, None].to(mask.device)
