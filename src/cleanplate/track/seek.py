"""Seek an object that was lost: by its looks and its own motion, near where it should be, or in the whole frame."""

import cv2
import numpy as np
from jaxtyping import Float

from cleanplate.track.fields import blur, probability_of
from cleanplate.track.looks import Looks

STRIDE = 2  # pixels: where it is need not be known to the pixel
# What is found has at least this share of the object's area, and pixels are part of it from this probability on.
MIN_FOUND_SHARE, MIN_PROBABILITY = 0.25, 0.3
DENSITY_SHARE = 0.35  # the width of the blur in which most must be found, share of the object's size


def seek(
    looks: Looks,
    features: Float[np.ndarray, "H W C"],
    motion_log_odds: Float[np.ndarray, "H W"],
    area: float,
    place: tuple[Float[np.ndarray, "2"], float] | None,
) -> Float[np.ndarray, "H W"]:
    """Where the object may be, as probabilities: the place with the most that looks and moves like it; 0 elsewhere.

    Args:
        looks: what was learned of it.
        features: `features.appearance_features` of the frame.
        motion_log_odds: what its own motion says of each pixel (`background.Evidence`).
        area: that it had, in pixels.
        place: where it should be, (x, y), and how far from there it may be, in pixels; None if it may be anywhere.
    """
    few = np.ascontiguousarray(features[::STRIDE, ::STRIDE])
    log_odds = looks.log_odds(few.reshape(-1, few.shape[2])).reshape(few.shape[:2])
    probability = probability_of(log_odds + motion_log_odds[::STRIDE, ::STRIDE])
    y, x = np.mgrid[: few.shape[0], : few.shape[1]].astype(np.float32)
    if place is not None:
        (centre_x, centre_y), reach_px = place[0] / STRIDE, place[1] / STRIDE
        probability *= np.exp(-0.5 * ((x - centre_x) ** 2 + (y - centre_y) ** 2) / reach_px**2)
    size = float(np.sqrt(area)) / STRIDE
    density = blur(probability, DENSITY_SHARE * size)
    top, left = np.unravel_index(int(density.argmax()), density.shape)
    close = np.hypot(x - left, y - top) < size
    found = probability * close * (blur(probability, 1.5) > MIN_PROBABILITY)
    if found.sum() * STRIDE**2 < MIN_FOUND_SHARE * area:
        return np.zeros(features.shape[:2], np.float32)
    return cv2.resize(blur(found, 1.5), features.shape[1::-1], interpolation=cv2.INTER_LINEAR)
