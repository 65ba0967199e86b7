"""Smooth completion: what is known at some pixels, carried on smoothly to the others.

Exact where the values are known, ever coarser the farther away they are. In torch, on any device, for what is learned;
imaging/pull_push.py does the same in compiled loops for what is carried.

Shapes: values are `(N, C, H, W)`, weights `(N, 1, H, W)`, not negative.
"""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

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


def dilate(mask: Bool[Tensor, "N 1 H W"], radius_px: int) -> Bool[Tensor, "N 1 H W"]:
    """Grow a mask by a square of that radius."""
    if radius_px < 1:
        return mask
    square = np.ones((2 * radius_px + 1, 2 * radius_px + 1), np.uint8)
    grown = [cv2.dilate(one.view(torch.uint8).cpu().numpy(), square) for one in mask[:, 0].contiguous()]
    return torch.from_numpy(np.stack(grown)).bool()[:, None].to(mask.device)
