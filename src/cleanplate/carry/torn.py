"""Forget trajectories along which the picture would be torn.

Where what is near and what is far meet in a hole, the motion between them is a guess; over many frames it pulls a few
source pixels out over many, which shows as streaks. What was made up is easier to look at than that.
"""

from collections.abc import Iterable
from typing import no_type_check

import numpy as np

from cleanplate.carry.trajectories import SOURCE, Trajectories, X, Y
from cleanplate.imaging.frame import Pixels
from cleanplate.runtime.compiled import compiled

# Shrunk or stretched by that, in any direction, a picture is torn; it is measured over so many pixels each way, at
# every so many-th, and so far around all is forgotten.
SHRUNK, STRETCHED = 0.5, 2.0
HALF_PX = 2


def forget_torn(frames: Iterable[tuple[Pixels, Trajectories]], size: tuple[int, int]) -> None:
    """Take their source from trajectories of pixels whose neighbours' in the same source lie otherwise than theirs.

    Args:
        frames: the boundary pixels of each, and where they lead; changed in place.
        size: height and width of the frames.
    """
    row_of = np.full(size[0] * size[1], -1, np.int32)
    for pixels, trajectories in frames:
        _forget_torn(pixels, trajectories.rows, *size, row_of)


@compiled
@no_type_check
def _forget_torn(pixels, rows, height, width, row_of):
    """`row_of` is -1 everywhere before and after."""
    count, half = len(pixels), HALF_PX
    for index in range(count):
        row_of[pixels[index]] = index
    torn = np.zeros(count, np.bool_)
    for index in range(count):
        row, column = pixels[index] // width, pixels[index] % width
        if row % half or column % half or not (half <= row < height - half and half <= column < width - half):
            continue
        left, right = row_of[pixels[index] - half], row_of[pixels[index] + half]
        above, below = row_of[pixels[index] - half * width], row_of[pixels[index] + half * width]
        if min(left, right, above, below) < 0:
            continue
        source = rows[index, SOURCE]
        if source < 0 or not (
            rows[left, SOURCE] == source
            and rows[right, SOURCE] == source
            and rows[above, SOURCE] == source
            and rows[below, SOURCE] == source
        ):
            continue
        x_x, x_y = (rows[right, X] - rows[left, X]) / (2 * half), (rows[below, X] - rows[above, X]) / (2 * half)
        y_x, y_y = (rows[right, Y] - rows[left, Y]) / (2 * half), (rows[below, Y] - rows[above, Y]) / (2 * half)
        # Half the sum and half the difference of the singular values of that matrix.
        sum_, difference = np.hypot(x_x + y_y, y_x - x_y) / 2, np.hypot(x_x - y_y, y_x + x_y) / 2
        if abs(sum_ - difference) >= SHRUNK and sum_ + difference <= STRETCHED:
            continue
        for down in range(-half, half + 1):
            for across in range(-half, half + 1):
                near = row_of[pixels[index] + down * width + across]
                if near >= 0:
                    torn[near] = True
    for index in range(count):
        row_of[pixels[index]] = -1
        if torn[index]:
            rows[index, SOURCE] = -1
