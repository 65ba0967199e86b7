"""Backward warping, where it is valid, and how far forward and backward flow disagree.

A flow is `(N, 2, H, W)` in pixels, (dx, dy): `warp(frames[j], flow[i->j])` looks like `frames[i]`. Pixel centres are at
whole numbers, so a flow of whole pixels copies without interpolating.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def pixel_grid(height: int, width: int, device: torch.device | None = None) -> Float[Tensor, "2 H W"]:
    """The (x, y) of every pixel."""
    y, x = torch.meshgrid(
        torch.arange(height, device=device, dtype=torch.float32),
        torch.arange(width, device=device, dtype=torch.float32),
        indexing="ij",
    )
    return torch.stack((x, y))


def landing(flow: Float[Tensor, "N 2 H W"]) -> Float[Tensor, "N 2 H W"]:
    """The (x, y) that every pixel's flow points to."""
    return pixel_grid(flow.shape[2], flow.shape[3], flow.device) + flow


def inside(flow: Float[Tensor, "N 2 H W"]) -> Bool[Tensor, "N 1 H W"]:
    """Where the flow points into the image."""
    x, y = landing(flow).split(1, dim=1)
    return (x >= 0) & (x <= flow.shape[3] - 1) & (y >= 0) & (y <= flow.shape[2] - 1)


def warp(frames: Float[Tensor, "N C H W"], flow: Float[Tensor, "N 2 H W"]) -> Float[Tensor, "N C H W"]:
    """Bilinear samples of the frames where the flow points; beyond the border, the border's colour."""
    height, width = flow.shape[2:]
    # grid_sample's -1..1 spans the outer pixel centres (align_corners): the scale is size - 1.
    scale = flow.new_tensor([2 / max(width - 1, 1), 2 / max(height - 1, 1)]).view(1, 2, 1, 1)
    grid = (landing(flow) * scale - 1).permute(0, 2, 3, 1)
    return F.grid_sample(frames, grid.to(frames.dtype), mode="bilinear", padding_mode="border", align_corners=True)


def round_trip_error(flow: Float[Tensor, "N 2 H W"], back: Float[Tensor, "N 2 H W"]) -> Float[Tensor, "N 1 H W"]:
    """|f + b(f)|: how far from its start a pixel is after going there and back, in pixels."""
    return (flow + warp(back, flow)).square().sum(1, keepdim=True).sqrt()


def consistent(flow: Float[Tensor, "N 2 H W"], back: Float[Tensor, "N 2 H W"]) -> Bool[Tensor, "N 1 H W"]:
    """The occlusion map O of Eq. 4: where exp(-|f + b(f)|^2 / 2) > 0.5 and the flow stays in the image."""
    return (torch.exp(-round_trip_error(flow, back).square() / 2) > 0.5) & inside(flow)
