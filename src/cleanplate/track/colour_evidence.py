"""What the colours of a picture say along the border of a mask that is nearly right, in compiled loops.

With a the probability that is known so far, and densities p of colours, estimated by a kernel from pixels near by that
are decided already (the thing's and its surroundings'), Bayes' rule is

    a / (1 - a)  becomes  a / (1 - a) * p(colour | thing) / p(colour | surroundings).

The logarithm of the ratio is the evidence. It is 0 where both have the same colours. Over pixels that look alike it is
averaged, for it is noisy; so an edge is kept, and a texture does not fray the mask.
"""

from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from cleanplate.runtime.compiled import compiled

# Pixels are asked that are not surely the one or the other, of 255.
LEAST, MOST = 25, 230
# Densities are estimated from pixels so many px apart, so many of these each way, with weights of this sigma.
SPACING_PX, REACH, SIGMA_PX = 3, 3, 6.0
DECIDED = 0.6  # from |2 a - 1| of this on a pixel counts in a density, by as much
COLOUR_SIGMA = 20.0  # of the density's kernel, levels
FLOOR = 0.02  # is added to both densities, so that a colour that neither has says nothing
# What speaks against the thing counts less: what is masked for nothing is filled again, what is missed stays.
AGAINST = 0.7
# Evidence is averaged over pixels so near, and so alike.
AVERAGED_PX, AVERAGED_SIGMA_PX, AVERAGED_COLOUR_SIGMA = 2, 1.5, 50.0
FIRMEST = 0.99  # no probability is taken for surer than this
SHIFT = 3  # squared distances of colours are looked up in steps of 2 ** 3


def reconsidered(alpha: UInt8[np.ndarray, "H W"], picture: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W"]:
    """The probability that each pixel is the thing after what the colours say; 255 is 1.

    Args:
        alpha: what is known of it so far.
        picture: RGB.
    """
    at = cv2.findNonZero(cv2.inRange(alpha, np.array(LEAST), np.array(MOST)))
    if at is None:
        return alpha
    at, evidence, after = at.reshape(-1, 2), np.zeros(alpha.shape, np.float32), alpha.copy()
    near, like = _gaussian(SPACING_PX * np.arange(-REACH, REACH + 1), SIGMA_PX), _colour_kernel(COLOUR_SIGMA)
    _compare(picture, alpha, at, near, like, _say(), evidence)
    near = _gaussian(np.arange(-AVERAGED_PX, AVERAGED_PX + 1), AVERAGED_SIGMA_PX)
    _update(picture, alpha, at, near, _colour_kernel(AVERAGED_COLOUR_SIGMA), evidence, after)
    return after


def _gaussian(offsets_px: np.ndarray, sigma_px: float) -> Float32[np.ndarray, "n n"]:
    """Weights of a window."""
    line = np.exp(-np.square(offsets_px) / (2 * sigma_px**2))
    return np.outer(line, line).astype(np.float32)


def _colour_kernel(sigma: float) -> Float32[np.ndarray, " n"]:
    """Of the squared distance of two colours, in steps; beyond its end it is 0."""
    squared = (np.arange(int((3.5 * sigma) ** 2) >> SHIFT) + 0.5) * (1 << SHIFT)
    return np.exp(-squared / (2 * sigma**2)).astype(np.float32)


def _say() -> Float32[np.ndarray, " 256"]:
    """How much a pixel of this probability counts in a density: in the thing's above 0, in its surroundings' below."""
    say = np.arange(256) / 127.5 - 1
    return np.where(np.abs(say) > DECIDED, say, 0).astype(np.float32)


@no_type_check
@compiled
def _step(picture, y, x, v, u):
    """The squared distance of the colours at (x, y) and (u, v), in steps of `_colour_kernel`."""
    total = np.int32(0)
    for c in range(3):
        difference = np.int32(picture[y, x, c]) - np.int32(picture[v, u, c])
        total += difference * difference
    return total >> SHIFT


@no_type_check
@compiled
def _compare(picture, alpha, at, near, like, say, evidence):
    """Write the evidence of the pixels `at` (x, y)."""
    height, width = alpha.shape
    for k in range(at.shape[0]):
        x, y = at[k, 0], at[k, 1]
        thing = around = like_thing = like_around = np.float32(0)
        for i in range(-min(REACH, y // SPACING_PX), min(REACH, (height - 1 - y) // SPACING_PX) + 1):
            for j in range(-min(REACH, x // SPACING_PX), min(REACH, (width - 1 - x) // SPACING_PX) + 1):
                v, u = y + i * SPACING_PX, x + j * SPACING_PX
                weight = say[alpha[v, u]]
                if weight == 0:
                    continue
                weight *= near[i + REACH, j + REACH]
                step = _step(picture, y, x, v, u)
                same = like[step] if step < like.shape[0] else np.float32(0)
                if weight > 0:
                    thing += weight
                    like_thing += weight * same
                else:
                    around -= weight
                    like_around -= weight * same
        if thing > 0 and around > 0:
            ratio = np.log((like_thing / thing + FLOOR) / (like_around / around + FLOOR))
            evidence[y, x] = ratio if ratio > 0 else AGAINST * ratio


@no_type_check
@compiled
def _update(picture, alpha, at, near, like, evidence, after):
    """Write the probability of the pixels `at` (x, y) after the evidence, averaged."""
    height, width = alpha.shape
    for k in range(at.shape[0]):
        x, y = at[k, 0], at[k, 1]
        total = weights = np.float32(0)
        for v in range(max(0, y - AVERAGED_PX), min(height, y + AVERAGED_PX + 1)):
            for u in range(max(0, x - AVERAGED_PX), min(width, x + AVERAGED_PX + 1)):
                step = _step(picture, y, x, v, u)
                if step < like.shape[0]:
                    weight = like[step] * near[v - y + AVERAGED_PX, u - x + AVERAGED_PX]
                    weights += weight
                    total += weight * evidence[v, u]
        a = min(max(alpha[y, x] / 255, 1 - FIRMEST), FIRMEST)
        after[y, x] = np.uint8(255 / (1 + (1 - a) / a * np.exp(-total / weights)) + 0.5)
