"""Masks of small pictures, grown, closed, and taken apart into their connected parts."""

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

Mask = Bool[np.ndarray, "_ _"]


def grown(mask: Mask, radius_px: int) -> Mask:
    """Dilated by a disc."""
    return cv2.dilate(mask.astype(np.uint8), disc(radius_px)).view(bool)


def closed(mask: Mask, radius_px: int) -> Mask:
    """Its gaps of up to that radius filled."""
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, disc(radius_px)).view(bool)


def square(radius_px: int) -> UInt8[np.ndarray, "s s"]:
    """What `cv2.dilate` grows a mask by a square of that radius with."""
    return np.ones((2 * radius_px + 1, 2 * radius_px + 1), np.uint8)


def disc(radius_px: int) -> UInt8[np.ndarray, "d d"]:
    """What to dilate with."""
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius_px + 1,) * 2)


def joined(mask: Mask, seeds: Mask) -> Mask:
    """The connected parts of a mask that hold a seed."""
    labels = np.asarray(cv2.connectedComponents(mask.astype(np.uint8))[1], np.intp)
    held = np.zeros(labels.max() + 1, bool)
    held[labels[seeds & mask]] = True
    held[0] = False
    return held[labels]


def parts(mask: Mask, least: float, most: float) -> Mask:
    """The connected parts of a mask that have so many pixels."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    area = stats[:, cv2.CC_STAT_AREA]
    good = (area >= least) & (area <= most)
    good[0] = False
    return good[np.asarray(labels, np.intp)]


def enclosed(found: Mask, hole: Mask, most: float) -> Mask:
    """What is enclosed by what was found, or by it and the hole, and has so many pixels at most.

    Not a gap of the hole alone, which is there on purpose.
    """
    outside = np.pad(~(found | hole), 1, constant_values=True)
    return joined(parts(outside, 1, most)[1:-1, 1:-1], grown(found, 1))
