"""The homography that most of some matches agree on."""

import cv2
import numpy as np
from jaxtyping import Bool, Float


def ransac_homography(
    start: Float[np.ndarray, "n 2"], end: Float[np.ndarray, "n 2"], *, tolerance_px: float, max_iters: int
) -> tuple[Float[np.ndarray, "3 3"], Bool[np.ndarray, " n"]] | None:
    """The homography from start to end, and which matches agree on it (RANSAC); None if there is none.

    It is the exact motion of a plane, and of anything under a camera that only turns (Hartley & Zisserman, Sec. 8.4).
    """
    matrix, agree = cv2.findHomography(start, end, cv2.RANSAC, tolerance_px, maxIters=max_iters)
    return None if matrix is None else (matrix, agree[:, 0] > 0)
