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


BLACK = 40  # up to this level a bar is


class Bars:
    """The most light that every pixel has had, of the frames that may have bars: a flash lights them up too."""

    MAX_FLASHES, MAX_FLASHED_SHARE = 3, 0.1

    def __init__(self, size: tuple[int, int]):
        self._count, self._flashes, self._brightest = 0, 0, np.zeros(size, np.uint8)

    def add(self, grey: UInt8[np.ndarray, "H W"]) -> None:
        """Count a frame."""
        self._count += 1
        if min(np.median(side) for side in (grey[:2], grey[-2:], grey[:, :2], grey[:, -2:])) > BLACK:
            self._flashes += 1
        else:
            np.maximum(self._brightest, grey, out=self._brightest)

    def mask(self) -> Bool[np.ndarray, "H W"]:
        """`bars`; none where too many frames have none."""
        if self._flashes > max(self.MAX_FLASHES, self.MAX_FLASHED_SHARE * self._count):
            return np.zeros(self._brightest.shape, bool)
        return bars(self._brightest)


def bars(brightest: UInt8[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """Letterbox and pillarbox bars: rows and columns at the border that are never lit, and end in a straight line.

    Subtitles may be on them, on less than half of each of these rows or columns.

    Args:
        brightest: the most light that every pixel has had.
    """
    mask = np.zeros(brightest.shape, bool)
    for turns in range(4):
        mask |= np.rot90(_bar_above(np.rot90(brightest, turns)), -turns)
    return mask


def _bar_above(brightest: UInt8[np.ndarray, "H W"], jump: float = 20) -> Bool[np.ndarray, "H W"]:
    """The bar at the upper border."""
    mask = np.zeros(brightest.shape, bool)
    for share in (0.7, 0.5):  # of a row that is never lit; letters may be on the rest
        levels = np.quantile(brightest, share, axis=1)
        dark = levels <= BLACK
        rows = len(dark) if dark.all() else int(np.argmin(dark))
        if not 2 <= rows <= 0.4 * len(dark) or rows + 3 > len(dark):
            continue
        end = max(1, rows - 3)
        steps = brightest[rows + 2] - levels[:end].max() > jump
        if steps.mean() > 0.7 and float(np.ptp(np.quantile(brightest[:end], (0.1, 0.7)))) < 16:
            mask[:rows] = True
            break
    return mask
