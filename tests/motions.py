"""Motions that are the same everywhere, or another at every pixel."""

import numpy as np

from cleanplate.carry.fields import Cells, Field
from cleanplate.carry.motion import Motion


def constant(step: tuple[float, float], level: float = 0.0) -> Field:
    """The same motion and brightness change everywhere."""
    return Field(None, Cells(np.array([*step, level, level, level], np.float32).reshape(1, 1, 5), 1))


def pan(step: tuple[float, float], size: tuple[int, int], level: float = 0.0) -> Motion:
    """From a frame to the next, and back."""
    return Motion(constant(step, level), constant((-step[0], -step[1]), -level), (0, 0), size)


def of_each_pixel(motion: np.ndarray, back: np.ndarray | None = None) -> Motion:
    """A motion (h, w, 2), and the way back from where it leads; the opposite of it if not given."""
    size = motion.shape[:2]
    ways = (motion, -motion if back is None else back)
    there, again = (
        Field(None, Cells(np.concatenate((way, np.zeros((*size, 3))), 2).astype(np.float32), 1)) for way in ways
    )
    return Motion(there, again, (0, 0), size)


def grid(height: int, width: int, step: int = 1) -> np.ndarray:
    """The (x, y) of every so many pixels, row by row."""
    x, y = np.meshgrid(np.arange(0, width, step, dtype=np.float32), np.arange(0, height, step, dtype=np.float32))
    return np.stack((x, y), -1).reshape(-1, 2)
