"""Keep rigid what would be sheared or torn on its way.

Where what is near and what is far meet in a hole, the motion between them is a guess: it passes smoothly from the one
to the other, and over many frames that pulls a few source pixels out over many. It shows as fans and streaks, and what
is upright is bent. In truth there is an edge, somewhere; so each such pixel goes by as much as the nearest one that is
not sheared. What is torn and cannot do so is forgotten: what is made up is easier to look at than that.
"""

from collections.abc import Sequence
from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float32

from cleanplate.carry.trajectories import SOURCE, Trajectories, X, Y
from cleanplate.imaging.frame import Pixels
from cleanplate.runtime.compiled import compiled

# Stretched so many times more in one direction than in another, a picture is sheared. A zoom is not, and planes seen at
# an angle seldom are: those are not to be taken apart.
SHEARED = 1.4
# Shrunk or stretched by that, in any direction, it is torn.
SHRUNK, STRETCHED = 0.5, 2.0
# Both are measured over so many pixels each way, at every so many-th; so far around all is torn, and so far sheared.
HALF_PX = 2
SHEARED_PX = 6


def keep_rigid(
    chain: Sequence[int], boundary: Sequence[Pixels], found: Sequence[Trajectories], size: tuple[int, int]
) -> None:
    """Change, in place, trajectories of pixels whose neighbours' in the same source lie otherwise than theirs.

    Args:
        chain: indices of frames that were followed one to the other, the one where it ends first.
        boundary: the boundary pixels of each.
        found: where they lead. What is known of the first is not changed.
        size: height and width of the frames.
    """
    row_of = np.full(size[0] * size[1], -1, np.int32)
    hidden = dict(zip(chain, boundary, strict=True))
    hidden[chain[0]] = boundary[0][found[0].source < 0]
    for pixels, trajectories in zip(boundary[1:], found[1:], strict=True):
        rows, numbers = trajectories.rows, np.arange(len(pixels), dtype=np.int32)
        sheared, torn = np.zeros((2, len(pixels)), np.bool_)
        row_of[pixels] = numbers
        _measure(pixels, rows, *size, row_of, sheared, torn)
        if sheared.any():
            like = np.where(sheared | (rows[:, SOURCE] < 0), np.int32(-1), numbers)
            _spread(pixels, *size, row_of, like)
            some = np.flatnonzero(sheared & (rows[:, SOURCE] >= 0) & (like >= 0))
            moved = rows[like[some]]
            moved[:, X] += pixels[some] % size[1] - pixels[like[some]] % size[1]
            moved[:, Y] += pixels[some] // size[1] - pixels[like[some]] // size[1]
            seen = _are_seen(moved, hidden, size)
            rows[some[seen]] = moved[seen]
            torn[some[seen]] = False
            rows[torn, SOURCE] = -1
        row_of[pixels] = -1


def _are_seen(
    rows: Float32[np.ndarray, "n 8"], hidden: dict[int, Pixels], size: tuple[int, int]
) -> Bool[np.ndarray, " n"]:
    """Which of these trajectories end at a pixel that is known in their source."""
    column, row = np.rint(rows[:, X]).astype(np.int64), np.rint(rows[:, Y]).astype(np.int64)
    seen = (column >= 0) & (row >= 0) & (column < size[1]) & (row < size[0])
    for source in np.unique(rows[:, SOURCE]):
        mine = np.flatnonzero(seen & (rows[:, SOURCE] == source))
        seen[mine] = ~_are_in(row[mine] * size[1] + column[mine], hidden[int(source)])
    return seen


def _are_in(pixels: Pixels, held: Pixels) -> Bool[np.ndarray, " n"]:
    """Which of some pixels are among others, which are sorted."""
    if not len(held):
        return np.zeros(len(pixels), bool)
    return held[np.minimum(np.searchsorted(held, pixels), len(held) - 1)] == pixels


@compiled
@no_type_check
def _measure(pixels, rows, height, width, row_of, sheared, torn):
    """Mark the pixels around which neighbours' trajectories shear, and where they tear. `row_of` is -1 outside."""
    half, reach = HALF_PX, SHEARED_PX
    for index in range(len(pixels)):
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
        most, least = sum_ + difference, abs(sum_ - difference)
        tears = least < SHRUNK or most > STRETCHED
        if not tears and most <= SHEARED * least:
            continue
        for down in range(max(-reach, -row), min(reach, height - 1 - row) + 1):
            for across in range(max(-reach, -column), min(reach, width - 1 - column) + 1):
                near = row_of[pixels[index] + down * width + across]
                if near >= 0:
                    sheared[near] = True
                    torn[near] |= tears and max(abs(down), abs(across)) <= half


@compiled
@no_type_check
def _spread(pixels, height, width, row_of, like):
    """Give each pixel the nearest one that has a number in `like`, going through pixels only; -1 where none is reached.

    Sweeps in reading order and back, in which what was nearest to a neighbour is tried (Danielsson 1980).
    """
    count = len(pixels)
    for sweep in range(4):
        ahead = 1 - 2 * (sweep % 2)
        for step in range(count):
            index = step if ahead > 0 else count - 1 - step
            row, column = pixels[index] // width, pixels[index] % width
            best = np.int64(height) ** 2 + np.int64(width) ** 2
            if like[index] >= 0:
                best = (pixels[like[index]] // width - row) ** 2 + (pixels[like[index]] % width - column) ** 2
            for down, across in ((0, -1), (-1, -1), (-1, 0), (-1, 1)):
                i, j = row + ahead * down, column + ahead * across
                if not (0 <= i < height and 0 <= j < width):
                    continue
                near = row_of[i * width + j]
                if near < 0 or like[near] < 0:
                    continue
                far = (pixels[like[near]] // width - row) ** 2 + (pixels[like[near]] % width - column) ** 2
                if far < best:
                    best, like[index] = far, like[near]
