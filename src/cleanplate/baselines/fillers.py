"""What a user would otherwise do: simple fillers to compare with."""

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cleanplate.imaging.smooth import paint_one

INPAINT_RADIUS_PX = 3
ROWS_AT_ONCE = 16  # of all frames: what is sorted is held in copies


def telea(frames: Float[Tensor, "T 3 H W"], hole: Bool[Tensor, "T 1 H W"]) -> Float[Tensor, "T 3 H W"]:
    """Every frame by itself, from the border of the hole inwards (Telea 2004; OpenCV)."""
    return _frame_by_frame(frames, hole, cv2.INPAINT_TELEA)


def navier_stokes(frames: Float[Tensor, "T 3 H W"], hole: Bool[Tensor, "T 1 H W"]) -> Float[Tensor, "T 3 H W"]:
    """Every frame by itself, its lines of equal brightness continued (Bertalmio et al. 2001; OpenCV)."""
    return _frame_by_frame(frames, hole, cv2.INPAINT_NS)


def temporal_median(frames: Float[Tensor, "T 3 H W"], hole: Bool[Tensor, "T 1 H W"]) -> Float[Tensor, "T 3 H W"]:
    """What each pixel is in the median of the frames that show it; where none does, Telea's fill."""
    out = telea(frames, hole)
    for rows in torch.arange(frames.shape[2]).split(ROWS_AT_ONCE):
        hidden, shown = hole[:, :, rows], (~hole[:, :, rows]).sum(0)
        rising = torch.where(hidden, torch.inf, frames[:, :, rows]).sort(dim=0).values
        middle = torch.stack(((shown - 1).clamp(min=0) // 2, shown // 2)).expand(-1, 3, -1, -1)
        median = rising.gather(0, middle).mean(0)
        out[:, :, rows] = torch.where(hidden & (shown > 0), median, out[:, :, rows])
    return out


def _frame_by_frame(frames: Tensor, hole: Tensor, how: int) -> Tensor:
    out = frames.clone()
    for index in torch.nonzero(hole.flatten(1).any(1)).flatten().tolist():
        # OpenCV reads what is hidden at the border of a frame, and leaves it in one that is hidden whole.
        painted = paint_one(frames[index], hole[index])
        picture = (painted * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
        mask = hole[index, 0].numpy().astype(np.uint8)
        filled = torch.from_numpy(cv2.inpaint(picture, mask, INPAINT_RADIUS_PX, how)).permute(2, 0, 1) / 255
        out[index] = torch.where(hole[index], filled, frames[index])
    return out
