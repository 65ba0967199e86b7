"""At which offsets a picture is like itself.

Patches that are alike lie at few offsets from each other: those of the courses of a wall, of a row of windows, of one
bush and the next. What is hidden goes on like that, so a few dozen offsets say nearly all that it can be made of (He &
Sun, Statistics of Patch Offsets for Image Completion, 2012).
"""

from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Bool, Int64, UInt8

from cleanplate.carry.shapes import square
from cleanplate.runtime.chance import drawn, seeded
from cleanplate.runtime.compiled import compiled

RADIUS = 3  # of a patch
# Patches that are nearer to each other than this share of the picture are alike because they are one place.
NEAR = 1 / 15
SWEEPS = 6
# Offsets are counted under a Gaussian of that sigma, and are peaks among so many neighbours each way.
SIGMA_PX, PEAK_PX = 2**0.5, 4


def frequent_offsets(
    picture: UInt8[np.ndarray, "h w 3"], known: Bool[np.ndarray, "h w"], most: int, *, seed: int
) -> Int64[np.ndarray, "k 2"]:
    """The offsets, rows and columns, at which most patches have the patch most like them; none if none is known whole.

    Args:
        picture: is read where it is known.
        known: what patches may be of.
        most: so many offsets at most, the most frequent first.
        seed: of what is tried by chance.
    """
    whole = cv2.erode(known.view(np.uint8), square(RADIUS), borderValue=0) > 0
    places = np.argwhere(whole).astype(np.int32)
    height, width = known.shape
    near = max(height, width) * NEAR
    # The farthest patches of a box's corners: else there may be none that is far enough.
    if not len(places) or np.hypot(*(np.ptp(places, 0))) <= 2 * near:
        return np.zeros((0, 2), np.int64)
    match = np.zeros((height, width, 2), np.int32)
    _nearest(np.ascontiguousarray(picture), whole, places, near**2, SWEEPS, match, seeded(seed))
    found = match[whole] - places
    found = found[(found != 0).any(1)]
    count = np.zeros((2 * height - 1, 2 * width - 1), np.float32)
    np.add.at(count, (found[:, 0] + height - 1, found[:, 1] + width - 1), 1)
    count = cv2.GaussianBlur(count, (0, 0), SIGMA_PX)
    peaks = np.argwhere((count == cv2.dilate(count, square(PEAK_PX))) & (count > 0))
    order = np.argsort(-count[tuple(peaks.T)], kind="stable")[:most]
    return peaks[order] - (height - 1, width - 1)


@compiled
@no_type_check
def _apart(picture, row, column, to_row, to_column, least):
    """Squared distance of two patches, `least` if it is more."""
    total = 0
    for down in range(-RADIUS, RADIUS + 1):
        for right in range(-RADIUS, RADIUS + 1):
            for channel in range(3):
                here = np.int32(picture[row + down, column + right, channel])
                difference = here - np.int32(picture[to_row + down, to_column + right, channel])
                total += difference * difference
        if total >= least:
            return least
    return total


@compiled
@no_type_check
def _nearest(picture, whole, places, near, sweeps, match, state):
    """For every patch one most like it that is not nearer than the root of `near` (PatchMatch, Barnes et al. 2009)."""
    height, width = whole.shape
    count = len(places)
    distance = np.full((height, width), 1 << 60, np.int64)
    for index in range(count):
        row, column = places[index]
        match[row, column] = row, column  # of none so far
    for sweep in range(sweeps):
        step = -1 if sweep % 2 else 1
        for index in range(count):
            row, column = places[count - 1 - index if sweep % 2 else index]
            least = distance[row, column]
            best_row, best_column = match[row, column]
            reach, tried = max(height, width), 0
            while reach >= 1 or tried < 3:
                if tried < 2:
                    near_row, near_column = (row - step, column) if tried == 0 else (row, column - step)
                    tried += 1
                    if not (0 <= near_row < height and 0 <= near_column < width and whole[near_row, near_column]):
                        continue
                    to_row, to_column = match[near_row, near_column]
                    to_row, to_column = to_row + row - near_row, to_column + column - near_column
                elif tried == 2:
                    tried += 1
                    to_row, to_column = places[drawn(state) % count]
                else:
                    to_row = np.int32(best_row + drawn(state) % (2 * reach + 1) - reach)
                    to_column = np.int32(best_column + drawn(state) % (2 * reach + 1) - reach)
                    reach //= 2
                if not (0 <= to_row < height and 0 <= to_column < width and whole[to_row, to_column]):
                    continue
                if (to_row - row) ** 2 + (to_column - column) ** 2 <= near:
                    continue
                apart = _apart(picture, row, column, to_row, to_column, least)
                if apart < least:
                    least, best_row, best_column = apart, to_row, to_column
            distance[row, column] = least
            match[row, column, 0], match[row, column, 1] = best_row, best_column
