"""What the tracker does with fields of numbers: blur, warp, find what is large in them."""

import cv2
import numpy as np
from jaxtyping import Float


def blur(field: Float[np.ndarray, "H W *C"], sigma_px: float) -> Float[np.ndarray, "H W *C"]:
    """Gaussian blur; a wide one is made at a reduced size, where it is cheap and looks the same."""
    if field.ndim == 3 and field.shape[2] > 4:  # more channels than OpenCV resizes at once
        parts = [blur(np.ascontiguousarray(field[..., i : i + 4]), sigma_px) for i in range(0, field.shape[2], 4)]
        return np.concatenate([part.reshape(*field.shape[:2], -1) for part in parts], axis=2)
    if sigma_px < 4:
        return cv2.GaussianBlur(field, (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT)
    factor, (height, width) = int(sigma_px / 2), field.shape[:2]
    small = cv2.resize(field, (max(1, width // factor), max(1, height // factor)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma_px / factor, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def size_px(mask: Float[np.ndarray, "H W"]) -> float:
    """The side of a square with the mask's area; never so small that nothing is left to look at."""
    return float(max(8.0, np.sqrt(mask.sum())))


def around(mask: Float[np.ndarray, "H W"], least: float, margin_px: float) -> tuple[slice, slice] | None:
    """Rows and columns of the window with everything above `least`, and a margin; None if there is nothing."""
    spans = []
    for axis in (1, 0):
        at = np.flatnonzero(mask.max(axis=axis) > least)
        if not len(at):
            return None
        spans.append(slice(max(0, int(at[0] - margin_px)), int(at[-1] + 1 + margin_px)))
    return spans[0], spans[1]


def move(
    field: Float[np.ndarray, "H W *C"], flow: Float[np.ndarray, "H W 2"], border: int = cv2.BORDER_REPLICATE
) -> Float[np.ndarray, "H W *C"]:
    """Backward warp: each pixel takes what is at the end of its vector."""
    height, width = flow.shape[:2]
    x = np.arange(width, dtype=np.float32) + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    return cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=border)
