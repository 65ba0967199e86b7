"""What the tracker's networks are told of a pixel: its appearance, and where it lies in the mask that is expected."""

from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from cleanplate.runtime.compiled import compiled
from cleanplate.track.fields import blur, narrower, size_px

LAB_SCALES = np.array([1, 3, 3], np.float32) / np.float32(127.5)  # of CIELAB in bytes, from the middle
NEAR_PX, FAR_PX, TEXTURE_PX = 2, 5, 3  # sigmas of what is around a pixel
LIKELIHOOD_SHARE = 0.2  # sigma in which colours are likely or not, as a share of the object's size
# Of a Gaussian of colours: how much of it there must be to count, and its variance at least.
LEAST_WEIGHT, LEAST_VARIANCE = np.float32(1e-3), np.float32(3e-3)
N_POWERS = 7  # a colour to the power of 0 (once), 1 and 2 (for each channel)


def appearance_features(picture: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "H W 19"]:
    """Of each pixel its colour (CIELAB, comes first), mean and deviation of colour around it, oriented gradients."""
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2Lab).astype(np.float32)
    lab -= np.float32(127.5)
    lab *= LAB_SCALES
    squares = lab * lab
    near, near_squares = blur(lab, NEAR_PX), blur(squares, NEAR_PX)
    far, far_squares = blur(lab, FAR_PX), blur(squares, FAR_PX)
    lightness = np.ascontiguousarray(lab[..., 0])
    dx, dy = cv2.Sobel(lightness, cv2.CV_32F, 1, 0), cv2.Sobel(lightness, cv2.CV_32F, 0, 1)
    gradients = np.empty((*lightness.shape, 4), np.float32)
    _orient(dx, dy, gradients)
    features = np.empty((*lightness.shape, 19), np.float32)
    _put_together(lab, near, near_squares, far, far_squares, blur(gradients, TEXTURE_PX), features)
    return features


@no_type_check
@compiled
def _orient(dx, dy, gradients):
    """Write |dx|, |dy|, and the square roots of dx dy where it is above 0, and of -dx dy where it is below."""
    for y in range(dx.shape[0]):
        for x in range(dx.shape[1]):
            both = dx[y, x] * dy[y, x]
            gradients[y, x, 0], gradients[y, x, 1] = abs(dx[y, x]), abs(dy[y, x])
            gradients[y, x, 2], gradients[y, x, 3] = np.sqrt(max(both, 0)), np.sqrt(max(-both, 0))


@no_type_check
@compiled
def _put_together(lab, near, near_squares, far, far_squares, gradients, features):
    """Write the features of all pixels."""
    two = np.float32(2)
    for y in range(lab.shape[0]):
        for x in range(lab.shape[1]):
            for c in range(3):
                features[y, x, c] = lab[y, x, c]
                mean = near[y, x, c]
                features[y, x, 3 + c] = mean
                features[y, x, 6 + c] = two * np.sqrt(max(near_squares[y, x, c] - mean * mean, 0))
                mean = far[y, x, c]
                features[y, x, 9 + c] = mean
                features[y, x, 12 + c] = two * np.sqrt(max(far_squares[y, x, c] - mean * mean, 0))
            for c in range(4):
                features[y, x, 15 + c] = gradients[y, x, c]


def mask_features(
    expected: Float[np.ndarray, "H W"], colours: Float[np.ndarray, "H W 3"], at: Int[np.ndarray, " N"]
) -> Float[np.ndarray, "N 7"]:
    """Of some pixels the expected mask, sharp and blurred, the position relative to it, and their colour likelihood.

    Args:
        expected: the mask.
        colours: of all pixels.
        at: which pixels, counted row by row.
    """
    moments = cv2.moments(expected)
    area = max(moments["m00"], 1e-6)
    size, (rows, columns) = size_px(expected), np.divmod(at, expected.shape[1])
    masks = [expected, *(blur(expected, max(1.0, share * size)) for share in (0.04, 0.12, 0.3))]
    position = [
        np.tanh((where - np.float32(moments[moment] / area)) / np.float32(2 * size))
        for where, moment in ((columns.astype(np.float32), "m10"), (rows.astype(np.float32), "m01"))
    ]
    likelihood = _colour_likelihood(expected, colours, LIKELIHOOD_SHARE * size, at)
    return np.stack((*(mask.ravel()[at] for mask in masks), *position, likelihood), axis=-1)


def _colour_likelihood(
    mask: Float[np.ndarray, "H W"], colours: Float[np.ndarray, "H W 3"], sigma_px: float, at: Int[np.ndarray, " N"]
) -> Float32[np.ndarray, " N"]:
    """Whether a pixel's colour is likelier the object's (1) or the background's (-1) in its neighbourhood.

    Each is a Gaussian in colour, with mean and variance of the pixels around. Around a large object that is far, and
    made for cells of several pixels.
    """
    side = narrower(sigma_px)
    cells = [-(-length // side) for length in mask.shape]
    powers, likelihood = np.zeros((*cells, 2 * N_POWERS), np.float32), np.empty(len(at), np.float32)
    _sum_powers(mask, colours, side, powers)
    powers = cv2.GaussianBlur(powers, (0, 0), sigma_px / side, borderType=cv2.BORDER_REPLICATE)
    _compare(powers, colours, side, at, likelihood)
    return likelihood


@no_type_check
@compiled
def _sum_powers(mask, colours, side, powers):
    """Write the means over cells of the powers of colours, of the object's first and then of the background's."""
    height, width = mask.shape
    for y in range(height):
        for x in range(width):
            row, column = y // side, x // side
            for kind in range(2):
                first = kind * N_POWERS
                weight = mask[y, x] if kind == 0 else np.float32(1) - mask[y, x]
                powers[row, column, first] += weight
                for c in range(3):
                    weighted = weight * colours[y, x, c]
                    powers[row, column, first + 1 + c] += weighted
                    powers[row, column, first + 4 + c] += weighted * colours[y, x, c]
    for row in range(powers.shape[0]):
        rows = min(side, height - row * side)
        for column in range(powers.shape[1]):
            share = np.float32(1) / np.float32(rows * min(side, width - column * side))
            for i in range(powers.shape[2]):
                powers[row, column, i] *= share


@no_type_check
@compiled
def _compare(powers, colours, side, at, likelihood):
    """Write the colour likelihood of some pixels, with powers taken from the four cells around each."""
    rows, columns, width = powers.shape[0], powers.shape[1], colours.shape[1]
    one, half = np.float32(1), np.float32(0.5)
    taken = np.empty(2 * N_POWERS, np.float32)
    for k in range(at.shape[0]):
        y, x = at[k] // width, at[k] % width
        v = min(max((np.float32(y) + half) / np.float32(side) - half, np.float32(0)), np.float32(rows - 1))
        u = min(max((np.float32(x) + half) / np.float32(side) - half, np.float32(0)), np.float32(columns - 1))
        top, left = int(v), int(u)
        below, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
        down, across = v - np.float32(top), u - np.float32(left)
        for i in range(2 * N_POWERS):
            above = (one - across) * powers[top, left, i] + across * powers[top, right, i]
            under = (one - across) * powers[below, left, i] + across * powers[below, right, i]
            taken[i] = (one - down) * above + down * under
        difference = np.float32(0)  # of how far the colour is from either, as minus twice the logarithm of a density
        for kind in range(2):
            first = kind * N_POWERS
            weight = max(taken[first], np.float32(0)) + LEAST_WEIGHT
            distance, volume = np.float32(0), one
            for c in range(3):
                mean = taken[first + 1 + c] / weight
                variance = max(taken[first + 4 + c] / weight - mean * mean, np.float32(0)) + LEAST_VARIANCE
                off = colours[y, x, c] - mean
                distance += off * off / variance
                volume *= variance
            distance += np.log(volume)
            difference += distance if kind == 1 else -distance
        likelihood[k] = np.tanh(difference / np.float32(8))
