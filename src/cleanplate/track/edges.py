"""Fine edges: the tracker's small masks brought to the size of the frames, along the edges of the picture.

From size to size, each at most twice the one before, the mask is enlarged, and along its border asked again: is a pixel
of a colour that the thing has near it, or of one that is around the thing? With a the probability that is known so far,
and densities p of colours, estimated by a kernel from the pixels near it that are decided,

    a / (1 - a)  becomes  a / (1 - a) * p(colour | thing) / p(colour | surroundings).

Where both have the same colours the ratio is 1, and the mask stays as it was.
"""

from collections.abc import Iterable, Iterator
from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8

from cleanplate.runtime.compiled import compiled
from cleanplate.runtime.threads import in_order
from cleanplate.track.tracked import Tracked

REACH, SPACING_PX, SIGMA_PX = 3, 3, 6.0  # the pixels that a density is estimated from, and their weights
SMOOTH_RADIUS_PX, SMOOTH_SIGMA_PX = 2, 1.5  # over so many pixels of like colour evidence is averaged
COLOUR_SIGMA = 20.0  # of the kernel, in levels
FLOOR = 0.02  # added to both densities: a colour that is seen nowhere near says nothing
UNDECIDED = 8, 247  # of 255; between these, and so many pixels around, it is asked again
DECIDED = 0.6
TIMES=(1,1)
FINAL=127  # |2a - 1| from which a pixel counts in a density, by as much
LEVELS_SHIFT = 3  # squared distances of colours are looked up in steps of 8


def refined(tracked: Tracked, frames: Iterable[UInt8[np.ndarray, "H W 3"]]) -> Iterator[Bool[np.ndarray, "H W"]]:
    """The masks of frames that were tracked, in their size, with edges as the frames have them."""

    def mask(numbered: tuple[int, np.ndarray]) -> np.ndarray:
        index, frame = numbered
        if index in tracked.exact_masks or tracked.probability.shape[1:] == tracked.size:
            return tracked.mask(index)
        return refine(tracked.probability[index], frame, tracked.threshold(index))

    return in_order(mask, enumerate(frames))


def refine(
    probability: UInt8[np.ndarray, "h w"], picture: UInt8[np.ndarray, "H W 3"], threshold: float
) -> Bool[np.ndarray, "H W"]:
    """The mask of a picture, from a small probability that is masked above a threshold."""
    odds = np.arange(256, dtype=np.float32) / 255
    odds = odds * (1 - threshold) / (odds * (1 - threshold) + threshold * (1 - odds))
    alpha = cv2.LUT(probability, np.round(255 * odds).astype(np.uint8))  # now the border is at 0.5
    for level in pyramid(picture, probability.shape):
        if alpha.shape != level.shape[:2]:
            alpha = cv2.resize(alpha, level.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        for _ in range(TIMES[0] if level.shape[:2]==probability.shape else TIMES[1]): alpha = sharpened(alpha, level)
    return alpha > FINAL


def pyramid(picture: UInt8[np.ndarray, "H W 3"], small: tuple[int, ...]) -> list[UInt8[np.ndarray, "h w 3"]]:
    """A picture in a (height, width) and in sizes up to its own, each at most twice the one before."""
    levels = [picture]
    while min(levels[-1].shape[:2]) // 2 > min(small):
        height, width = levels[-1].shape[:2]
        levels.append(cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA))
    levels.append(cv2.resize(levels[-1], small[::-1], interpolation=cv2.INTER_AREA))
    return levels[::-1]


def sharpened(alpha: UInt8[np.ndarray, "H W"], picture: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W"]:
    """A probability after what colours say along its border; 255 is 1."""
    band = cv2.inRange(alpha, *UNDECIDED)
    at = cv2.findNonZero(band)
    if at is None:
        return alpha
    changed = alpha.copy()
    line = np.arange(-REACH, REACH + 1, dtype=np.float32) * SPACING_PX
    line = np.exp(-np.square(line) / (2 * SIGMA_PX**2))
    near = np.outer(line, line).astype(np.float32)
    _ask(picture, alpha, at.reshape(-1, 2), near, SPACING_PX, colour_kernel(), decided(), FLOOR, changed)
    return changed


def gaussian(radius_px: int, sigma_px: float) -> Float32[np.ndarray, "n n"]:
    line = np.exp(-np.square(np.arange(-radius_px, radius_px + 1, dtype=np.float32)) / (2 * sigma_px**2))
    return np.outer(line, line).astype(np.float32)


def colour_kernel() -> Float32[np.ndarray, " n"]:
    squared = np.arange(int((3.5 * COLOUR_SIGMA) ** 2) >> LEVELS_SHIFT, dtype=np.float32) + 0.5
    return np.exp(-squared * (1 << LEVELS_SHIFT) / (2 * COLOUR_SIGMA**2)).astype(np.float32)


def decided() -> Float32[np.ndarray, " 256"]:
    a = np.arange(256, dtype=np.float32) / np.float32(127.5) - 1
    return np.where(np.abs(a) > DECIDED, a, 0).astype(np.float32)


@no_type_check
@compiled
def _ask(picture, alpha, at, near, spacing, like, weights, floor, asked):
    height, width = alpha.shape
    reach = near.shape[0] // 2
    floor = np.float32(floor)
    for k in range(at.shape[0]):
        x, y = at[k, 0], at[k, 1]
        r, g, b = np.int32(picture[y, x, 0]), np.int32(picture[y, x, 1]), np.int32(picture[y, x, 2])
        like_thing = like_around = np.float32(0)
        thing = around = np.float32(0)
        for i in range(-min(reach, y // spacing), min(reach, (height - 1 - y) // spacing) + 1):
            v = y + i * spacing
            for j in range(-min(reach, x // spacing), min(reach, (width - 1 - x) // spacing) + 1):
                u = x + j * spacing
                weight = weights[alpha[v, u]]
                if weight == 0:
                    continue
                weight *= near[i + reach, j + reach]
                dr, dg, db = r - picture[v, u, 0], g - picture[v, u, 1], b - picture[v, u, 2]
                far = (dr * dr + dg * dg + db * db) >> LEVELS_SHIFT
                same = like[far] if far < like.shape[0] else np.float32(0)
                if weight > 0:
                    thing += weight
                    like_thing += weight * same
                else:
                    around -= weight
                    like_around -= weight * same
        if thing > 0 and around > 0:
            ratio = (like_thing / thing + floor) / (like_around / around + floor)
            a = min(max(np.float32(alpha[y, x]) / np.float32(255), np.float32(0.01)), np.float32(0.99))
            asked[y, x] = np.uint8(255 * a * ratio / (a * ratio + 1 - a) + np.float32(0.5))
