"""Operations on fields, (H, W) or (H, W, C): Gaussian blur, backward warp, guided filter, bounding window."""

import cv2
import numpy as np
from jaxtyping import Bool, Float

GUIDED_RADIUS_PX, GUIDED_EPSILON = 4, 1e-3


def blur(field: Float[np.ndarray, "H W *C"], sigma_px: float) -> Float[np.ndarray, "H W *C"]:
    """Gaussian blur; a wide one is made at a reduced size, where it is cheap and looks the same."""
    if field.ndim == 3 and field.shape[2] > 4:  # more channels than OpenCV resizes at once
        parts = [blur(np.ascontiguousarray(field[..., i : i + 4]), sigma_px) for i in range(0, field.shape[2], 4)]
        return np.concatenate([part.reshape(*field.shape[:2], -1) for part in parts], axis=2)
    if narrower(sigma_px) == 1:
        return cv2.GaussianBlur(field, (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT)
    factor, (height, width) = narrower(sigma_px), field.shape[:2]
    small = cv2.resize(field, (max(1, width // factor), max(1, height // factor)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma_px / factor, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def narrower(sigma_px: float) -> int:
    """How many times smaller a field may be made before it is blurred."""
    return max(1, int(sigma_px / 2))


def warp(
    field: Float[np.ndarray, "H W *C"], flow: Float[np.ndarray, "H W 2"], border: int = cv2.BORDER_REPLICATE
) -> Float[np.ndarray, "H W *C"]:
    """Backward warp, bilinear: each pixel takes what is at the end of its flow vector.

    Args:
        field: what is sampled.
        flow: (dx, dy) in pixels.
        border: OpenCV's constant for what is beyond the edge; BORDER_CONSTANT is 0 there.
    """
    height, width = flow.shape[:2]
    x = np.arange(width, dtype=np.float32) + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    return cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=border)


def lengths(vectors: Float[np.ndarray, "H W C"]) -> Float[np.ndarray, "H W"]:
    """Of the vector at every pixel; NumPy's own norm takes several times as long."""
    out = np.einsum("ijc,ijc->ij", vectors, vectors)
    return np.sqrt(out, out=out)


def guided_filter(guide: Float[np.ndarray, "H W"], field: Float[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
    """Smooth a field, but not over the edges of a picture, the guide (He et al. 2013)."""

    def mean(values: np.ndarray) -> np.ndarray:
        side = 2 * GUIDED_RADIUS_PX + 1
        return cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT)

    guide_mean, field_mean = mean(guide), mean(field)
    covariance = mean(guide * field) - guide_mean * field_mean
    slope = covariance / (mean(guide * guide) - guide_mean * guide_mean + GUIDED_EPSILON)
    return mean(slope) * guide + mean(field_mean - slope * guide_mean)


def probability_of(log_odds: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """The logistic function, within what is sure enough."""
    return 1 / (1 + np.exp(-np.clip(log_odds, -12, 12)))


def size_px(mask: Float[np.ndarray, "H W"]) -> float:
    """The side of a square with the mask's area; 8 at least, so that windows and blurs made of it are not empty."""
    return float(max(8.0, np.sqrt(mask.sum())))


def bounding_window(mask: Float[np.ndarray, "H W"], above: float, margin_px: float) -> tuple[slice, slice] | None:
    """Rows and columns of the bounding box of all that is above a value, with a margin; None if nothing is."""
    spans = []
    for axis in (1, 0):
        at = np.flatnonzero(mask.max(axis=axis) > above)
        if not len(at):
            return None
        spans.append(slice(max(0, int(at[0] - margin_px)), int(at[-1] + 1 + margin_px)))
    return spans[0], spans[1]


def sparse(where: Bool[np.ndarray, "H W"], dense: Bool[np.ndarray, "H W"], spacing_px: int) -> Bool[np.ndarray, "H W"]:
    """Of some pixels those that are dense, and of the others the ones on rows and columns so far apart."""
    few = dense.copy()
    few[::spacing_px, ::spacing_px] = True
    return few & where


def filled_up(
    field: Float[np.ndarray, "H W"], dense: Bool[np.ndarray, "H W"], spacing_px: int
) -> Float[np.ndarray, "H W"]:
    """A field known at `sparse` pixels: the others take the value of the one above and left of them."""
    height, width = field.shape
    few = field[::spacing_px, ::spacing_px]
    return np.where(dense, field, few.repeat(spacing_px, axis=0).repeat(spacing_px, axis=1)[:height, :width])
