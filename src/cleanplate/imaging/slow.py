"""What is slow in a picture: a wide mean, taken on few pixels, where it is seen as well."""

import math

import cv2
import numpy as np
from jaxtyping import Float32

# So many deviations of the Gaussian, in pixels of the picture that it is taken on, at least.
LEAST_SIGMA_PX = 1.5


def slow(values: Float32[np.ndarray, "h w *c"], sigma_px: float) -> Float32[np.ndarray, "h w *c"]:
    """The mean under a Gaussian, nearly.

    Args:
        values: of a picture.
        sigma_px: of the Gaussian.
    """
    height, width = values.shape[:2]
    fewer = max(1, math.floor(sigma_px / LEAST_SIGMA_PX))
    few = (-(-width // fewer), -(-height // fewer))
    small = cv2.resize(values, few, interpolation=cv2.INTER_AREA) if fewer > 1 else values
    small = cv2.GaussianBlur(small, (0, 0), sigma_px / fewer)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR) if fewer > 1 else small
