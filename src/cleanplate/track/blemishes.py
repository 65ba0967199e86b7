"""What lies over a shot and is no thing with an outline: dead pixels, and bars at the border of the picture."""

import cv2
import numpy as np
from jaxtyping import Bool, UInt8


class Specks:
    """How far every pixel is from what is around it, and whether that stays: single pixels that do not work."""

    MAX_PX, MIN_LEVELS, MIN_STEADINESS, AROUND_PX = 12, 12.0, 0.7, 5

    def __init__(self, size: tuple[int, int]):
        self._count, self._sum, self._squares = 0, np.zeros((*size, 3), np.float32), np.zeros((*size, 3), np.float32)

    def add(self, frame: UInt8[np.ndarray, "H W 3"]) -> None:
        """Count a frame."""
        apart = cv2.subtract(frame, cv2.medianBlur(frame, self.AROUND_PX), dtype=cv2.CV_32F)
        self._sum += apart
        self._squares += apart * apart
        self._count += 1

    def dead(self) -> Bool[np.ndarray, "H W"]:
        """Specks of a few pixels that stay what they are."""
        mean, squares = self._sum / self._count, self._squares / self._count
        steady = (np.abs(mean) > self.MIN_LEVELS) & (mean * mean > self.MIN_STEADINESS * squares)
        found = np.asarray(steady.any(axis=2))
        _, labels, stats, _ = cv2.connectedComponentsWithStats(found.astype(np.uint8))
        # A row of them is an edge that stands still: a speck has nothing like it near.
        near = cv2.filter2D(found.astype(np.float32), -1, np.ones((15, 15), np.float32), borderType=cv2.BORDER_CONSTANT)
        small = stats[:, cv2.CC_STAT_AREA] <= self.MAX_PX
        small[0] = False
        return small[np.asarray(labels, np.intp)] & (near <= self.MAX_PX)


def bars(brightest: UInt8[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """Letterbox and pillarbox bars: rows and columns at the border that are never lit, and end in a straight line.

    Args:
        brightest: the most light that every pixel has had.
    """
    mask = np.zeros(brightest.shape, bool)
    for turns in range(4):
        mask |= np.rot90(_bar_above(np.rot90(brightest, turns)), -turns)
    return mask


def _bar_above(brightest: UInt8[np.ndarray, "H W"], black: float = 40, jump: float = 20) -> Bool[np.ndarray, "H W"]:
    """The bar at the upper border."""
    mask = np.zeros(brightest.shape, bool)
    dark = np.quantile(brightest, 0.7, axis=1) <= black
    rows = len(dark) if dark.all() else int(np.argmin(dark))
    if not 2 <= rows <= 0.4 * len(dark) or rows + 3 > len(dark):
        return mask
    above, beyond = brightest[: max(1, rows - 3)].astype(np.float32), brightest[rows + 2].astype(np.float32)
    if (beyond - above.max(0) > jump).mean() > 0.7 and float(np.quantile(above, 0.7) - np.quantile(above, 0.1)) < 16:
        mask[:rows] = True
    return mask
