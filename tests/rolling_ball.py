"""A small shot whose masks are known: what the tests of tracking look at."""

import numpy as np

from tests.conftest import texture

SIZE = (96, 144)
Shot = tuple[np.ndarray, np.ndarray]
"""Frames (T, H, W, 3) and masks (T, H, W)."""


def ball_shot(n_frames: int = 12, step: float = 4.0, gap: slice | None = None) -> Shot:
    """A striped ball that rolls over a texture the camera pans across; behind a post if there is a `gap`."""
    height, width = SIZE
    wall = (texture(height, width + 2 * n_frames) * 255).astype(np.uint8)
    y, x = np.mgrid[:height, :width]
    frames, masks = [], []
    for index in range(n_frames):
        frame = wall[:, 2 * index : 2 * index + width].copy()
        dx, dy = x - (30 + step * index), y - 50
        mask = np.hypot(dx, dy) <= 20
        stripes = (np.sin(0.5 * dx + 0.3 * dy) > 0)[..., None]
        frame[mask] = np.where(stripes, [220, 60, 40], [250, 230, 90])[mask]
        if gap is not None:
            frame[:, gap] = (20, 60, 160)
            mask[:, gap] = False
        frames.append(frame)
        masks.append(mask)
    return np.stack(frames), np.stack(masks)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))
