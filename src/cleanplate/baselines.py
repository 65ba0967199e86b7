"""What a user would otherwise do: simple fillers to compare with."""

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

TELEA_RADIUS_PX = 3


def telea(frames: Float[Tensor, "T 3 H W"], hole: Bool[Tensor, "T 1 H W"]) -> Float[Tensor, "T 3 H W"]:
    """Every frame by itself, from the border of the hole inwards (Telea 2004; OpenCV)."""
    out = frames.clone()
    for index in torch.nonzero(hole.flatten(1).any(1)).flatten().tolist():
        picture = (frames[index] * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
        mask = hole[index, 0].numpy().astype(np.uint8)
        filled = cv2.inpaint(picture, mask, TELEA_RADIUS_PX, cv2.INPAINT_TELEA)
        out[index] = torch.from_numpy(filled).permute(2, 0, 1) / 255
    return out
