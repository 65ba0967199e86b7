"""Shots that were stabilised, made here with their truth: a camera pans and shakes, and each frame is warped back."""

from dataclasses import dataclass

import cv2
import numpy as np

from tests.conftest import texture

MARGIN = 60


@dataclass(frozen=True)
class Stabilised:
    frames: np.ndarray
    """(T, H, W, 3) bytes."""
    truth: np.ndarray
    """The same without borders."""
    border: np.ndarray
    """(T, H, W) bool: what shows nothing, or something else than the picture alone."""


def stabilised(
    n_frames: int = 16, size: tuple[int, int] = (120, 160), shake_px: float = 5, pan_px: float = 2, seed: int = 0
) -> Stabilised:
    """A shot whose picture pans evenly, with the borders of a shake that was taken out of it."""
    rng = np.random.default_rng(seed)
    height, width = size
    wall = texture(height + 2 * MARGIN, width + 2 * MARGIN + int(n_frames * pan_px), seed) * 255
    truth, frames, borders = [], [], []
    for index in range(n_frames):
        even = np.array([[1, 0, -MARGIN - index * pan_px], [0, 1, -MARGIN], [0, 0, 1]], float)
        shake = np.eye(3)
        shake[:2] = cv2.getRotationMatrix2D((width / 2, height / 2), np.degrees(rng.normal(0, 0.012)), 1.0)
        shake[:2, 2] += rng.normal(0, shake_px, 2)
        seen = cv2.warpAffine(wall, (shake @ even)[:2], (width, height))
        back = np.linalg.inv(shake)[:2]
        frames.append(cv2.warpAffine(seen, back, (width, height)))
        truth.append(cv2.warpAffine(wall, even[:2], (width, height)))
        borders.append(cv2.warpAffine(np.ones(size, np.float32), back, (width, height)) < 0.999)
    return Stabilised(_as_bytes(frames), _as_bytes(truth), np.stack(borders))


def _as_bytes(pictures: list[np.ndarray]) -> np.ndarray:
    return np.clip(np.round(np.stack(pictures)), 0, 255).astype(np.uint8)
