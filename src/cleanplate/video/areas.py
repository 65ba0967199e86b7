"""Areas of the picture as people give them: a box, a polygon, a painted image."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from cleanplate.errors import InputError
from cleanplate.runtime.files import existing
from cleanplate.video.images import is_image, read_mask

WHITE = 127  # a painted pixel brighter than this is marked
SPECK_PX = 16  # in a mask of more than two grey values, as JPEG makes of them, spots of fewer pixels are dirt

Size = tuple[int, int]
"""(height, width) in pixels."""


def white_area(grey: UInt8[np.ndarray, "H W"], *, invert: bool = False) -> Bool[np.ndarray, "H W"]:
    """What is white in a mask, without specks of dirt; what is black, if it is inverted."""
    marked = (grey > WHITE) != invert
    if np.count_nonzero(grey) == np.count_nonzero(grey == grey.max()):  # of two levels
        return marked
    count, labels, stats, _ = cv2.connectedComponentsWithStats(marked.astype(np.uint8), connectivity=8)
    dirt = np.flatnonzero(stats[:, cv2.CC_STAT_AREA] < SPECK_PX)
    return marked & ~np.isin(labels, dirt) if count > 1 else marked


def box_area(box: Sequence[int], size: Size) -> Bool[np.ndarray, "H W"]:
    """The pixels of a box: left, top, width, height.

    Raises:
        InputError: a box without an inside, or not wholly in the picture.
    """
    left, top, width, height = box
    given = f"the box {left} {top} {width} {height}"
    if width < 1 or height < 1:
        needed = "X Y W H are its left, top, width and height"
        raise InputError(f"{given} has no inside", needed, "give a width and a height of 1 or more")
    if left < 0 or top < 0 or left + width > size[1] or top + height > size[0]:
        raise InputError(f"{given} is not in the picture", f"frames are {size[1]}x{size[0]}", _fitting(box, size))
    area = np.zeros(size, bool)
    area[top : top + height, left : left + width] = True
    return area


def _fitting(box: Sequence[int], size: Size) -> str:
    """How to mend a box that is not wholly in the picture."""
    left, top = max(0, box[0]), max(0, box[1])
    width, height = min(size[1], box[0] + box[2]) - left, min(size[0], box[1] + box[3]) - top
    if width < 1 or height < 1:
        return f"give a left from 0 to {size[1] - 1} and a top from 0 to {size[0] - 1}"
    return f"give {left} {top} {width} {height}, the part of it that is"


def polygon_area(numbers: Sequence[float], size: Size) -> Bool[np.ndarray, "H W"]:
    """The pixels whose middles are in a polygon: x, y of each corner; that of a box's corners has the box's pixels.

    Raises:
        InputError: fewer than three corners, half a corner, a corner outside, or nothing inside.
    """
    if len(numbers) % 2 or len(numbers) < 6:
        given = f"the polygon has {len(numbers)} numbers"
        raise InputError(given, "X Y of three corners or more are needed", "give the corners one after the other")
    corners = np.array(numbers, float).reshape(-1, 2)
    outside = ~np.all((corners >= 0) & (corners <= (size[1], size[0])), axis=1)
    if outside.any():
        x, y = corners[outside][0]
        given = f"the polygon's corner {x:g} {y:g} is not in the picture"
        fix = f"give X from 0 to {size[1]} and Y from 0 to {size[0]}"
        raise InputError(given, f"frames are {size[1]}x{size[0]}", fix)
    area = _inside(corners, size)
    if cv2.contourArea(corners.astype(np.float32)) < 1 or not area.any():
        raise InputError("the polygon has no inside", "its corners are in a line, or nearly", "move one of them off it")
    return area


def _inside(corners: Float[np.ndarray, "n 2"], size: Size) -> Bool[np.ndarray, "H W"]:
    """The pixels from whose middles an odd number of sides is to the left."""
    area, (y, x) = np.zeros(size, bool), (np.arange(length) + 0.5 for length in size)
    for (x_0, y_0), (x_1, y_1) in zip(corners, np.roll(corners, 1, axis=0), strict=True):
        rows = np.flatnonzero((y_0 <= y) != (y_1 <= y))
        side = x_0 + (x_1 - x_0) * (y[rows] - y_0) / (y_1 - y_0 or 1)
        area[rows] ^= x >= side[:, None]
    return area


def painted_area(path: Path, size: Size) -> Bool[np.ndarray, "H W"]:
    """The white pixels of a painted image (`images.read_mask`); none of one that is black: the thing is not there.

    Raises:
        InputError: no image, an image of another size, or one that is neither black nor has white.
    """
    if not is_image(existing(path)):
        needed, fix = "a painted mask is a PNG or the like", "give one image for each marked frame"
        raise InputError(f"{path} is not an image", needed, fix)
    grey = read_mask(path)
    if grey.shape != size:
        given = f"{path} is {grey.shape[1]}x{grey.shape[0]}"
        raise InputError(given, f"frames are {size[1]}x{size[0]}", "paint it in the size of the video")
    area = grey > WHITE
    if grey.any() and not area.any():
        given = f"{path} has no white: its brightest value is {grey.max()}"
        raise InputError(given, f"white (above {WHITE}) marks the thing", "paint the thing white, or all of it black")
    return area
