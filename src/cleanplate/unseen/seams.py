"""What is seen of the seams between copies, in compiled loops: offsets moved by a pixel, seams moved, colours levelled.

A pixel's offset is (rows, columns) to the known pixel that it is a copy of, and 0 outside the hole. What is seen
between two neighbours is how unlike their two offsets show them, squared and summed over both and over colours.
"""

from typing import no_type_check

import numpy as np

from cleanplate.runtime.compiled import compiled

# Apart like that is what cannot be compared; what must never be.
FAR, NEVER = 3 * 100.0**2, 1e12
# Differences of colour that are levelled count a quarter at this, in levels of bytes; and how far a sweep goes
# (successive over-relaxation).
EDGE_LEVELS, OVER = 30.0, 1.8


@compiled
@no_type_check
def _is_known(hole, row, column):
    return 0 <= row < hole.shape[0] and 0 <= column < hole.shape[1] and not hole[row, column]


@compiled
@no_type_check
def _unlike(picture, hole, row, column, down, right, other_down, other_right):
    """What two offsets show at a pixel, apart: squared, summed over colours."""
    row, column, other_row, other_column = row + down, column + right, row + other_down, column + other_right
    if not (_is_known(hole, row, column) and _is_known(hole, other_row, other_column)):
        return np.float32(FAR)
    total = np.float32(0)
    for channel in range(3):
        difference = picture[row, column, channel] - picture[other_row, other_column, channel]
        total += difference * difference
    return total


@compiled
@no_type_check
def _seen_around(picture, hole, offset, row, column, down, right, label_down, label_right):
    """What is seen along the sides of a pixel, if that is its offset; not beside pixels of the offset of its label."""
    height, width = hole.shape
    total = np.float64(0)
    for side in range(4):
        to_row, to_column = row + (side == 0) - (side == 1), column + (side == 2) - (side == 3)
        if not (0 <= to_row < height and 0 <= to_column < width):
            continue
        other_down, other_right = offset[to_row, to_column]
        if not hole[to_row, to_column]:  # both sides are as unlike: the other one is not known
            total += 2 * _unlike(picture, hole, to_row, to_column, down, right, 0, 0)
        elif other_down != label_down or other_right != label_right:
            total += _unlike(picture, hole, row, column, down, right, other_down, other_right)
            total += _unlike(picture, hole, to_row, to_column, down, right, other_down, other_right)
    return total


@compiled
@no_type_check
def seen_when_moved(picture, hole, offset, labels, seen):
    """What is seen where a label ends if its offset were up to a pixel more or less each way; added to `seen`."""
    height, width = hole.shape
    for row in range(height):
        for column in range(width):
            if not hole[row, column]:
                continue
            label, (down, right) = labels[row, column], offset[row, column]
            inside = 0 < row < height - 1 and 0 < column < width - 1
            if inside:  # a label's, most often
                for side in range(4):
                    beside = labels[row + (side == 0) - (side == 1), column + (side == 2) - (side == 3)]
                    inside = inside and beside == label
            for more_down in range(-1, 2):
                for more_right in range(-1, 2):
                    moved = down + more_down, right + more_right
                    if not _is_known(hole, row + moved[0], column + moved[1]):
                        seen[label, more_down + 1, more_right + 1] += NEVER
                    elif not inside:
                        seen[label, more_down + 1, more_right + 1] += _seen_around(
                            picture, hole, offset, row, column, moved[0], moved[1], down, right
                        )


@compiled
@no_type_check
def move_seams(picture, hole, offset, backwards):
    """Every pixel takes the offset of a neighbour if less is seen then."""
    height, width = hole.shape
    for line in range(height):
        row = height - 1 - line if backwards else line
        for place in range(width):
            column = width - 1 - place if backwards else place
            if not hole[row, column]:
                continue
            down, right = offset[row, column]
            least = np.float64(-1)
            for side in range(4):
                to_row, to_column = row + (side == 0) - (side == 1), column + (side == 2) - (side == 3)
                if not (0 <= to_row < height and 0 <= to_column < width and hole[to_row, to_column]):
                    continue
                other_down, other_right = offset[to_row, to_column]
                if other_down == down and other_right == right:
                    continue
                if not _is_known(hole, row + other_down, column + other_right):
                    continue
                if least < 0:
                    least = _seen_around(picture, hole, offset, row, column, down, right, down, right)
                seen = _seen_around(
                    picture, hole, offset, row, column, other_down, other_right, other_down, other_right
                )
                if seen < least:
                    least, down, right = seen, other_down, other_right
            offset[row, column, 0], offset[row, column, 1] = down, right


@compiled
@no_type_check
def level(picture, hole, places, offset, look, drawn, sweeps, added):
    """Even out what is seen along seams, from what was added at half the size.

    Least squares: every two neighbours ask that what is added differs by as much as their copies do too little.
    """
    count, (height, width) = len(places), hole.shape
    asked, weights = np.zeros((count, 4, 3), np.float32), np.zeros((count, 4), np.float32)
    for index in range(count):
        row, column = places[index]
        down, right = offset[row, column]
        for side in range(4):
            to_row, to_column = row + (side == 0) - (side == 1), column + (side == 2) - (side == 3)
            if not (0 <= to_row < height and 0 <= to_column < width):
                continue
            weights[index, side] = 1
            other_down, other_right = offset[to_row, to_column]
            if other_down == down and other_right == right:
                continue
            ends = 2 if hole[to_row, to_column] else 1  # what is known there is compared there alone
            total = np.float32(0)
            for end in range(ends):
                at_row, at_column = (to_row, to_column) if end == 0 else (row, column)
                if not (
                    _is_known(hole, at_row + down, at_column + right)
                    and _is_known(hole, at_row + other_down, at_column + other_right)
                ):
                    total = np.float32(FAR)
                    continue
                for channel in range(3):
                    mine = picture[at_row + down, at_column + right, channel]
                    theirs = picture[at_row + other_down, at_column + other_right, channel]
                    asked[index, side, channel] += (theirs - mine) / ends
            for channel in range(3):
                total += asked[index, side, channel] ** 2
            weights[index, side] = 1 / (1 + total / np.float32(3 * EDGE_LEVELS**2)) ** 2
    for sweep in range(sweeps):
        for one in range(count):
            index = count - 1 - one if sweep % 2 else one
            row, column = places[index]
            down, right = offset[row, column]
            for channel in range(3):
                copy = picture[row + down, column + right, channel]
                mean, weight = drawn * (look[row, column, channel] - copy), drawn
                for side in range(4):
                    counts = weights[index, side]
                    if counts > 0:
                        to_row, to_column = row + (side == 0) - (side == 1), column + (side == 2) - (side == 3)
                        weight += counts
                        mean += counts * (added[to_row, to_column, channel] + asked[index, side, channel])
                change = mean / weight - added[row, column, channel]
                added[row, column, channel] += np.float32(OVER) * change
