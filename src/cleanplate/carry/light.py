"""How much light one picture has beside another, and where some is missing: in logarithms, by colour.

Loops are compiled: a pass of numpy over three colours costs as much as all that is done with a pixel.
"""

from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from cleanplate.runtime.compiled import compiled

# Shadows are looked for in means under a Gaussian of this sigma, in pixels.
LIGHT_SIGMA_PX = 2.0
# Added to both sides of a ratio, so that noise in the dark is none.
DARK_LEVELS = np.float32(8)
# How the ratios of a shadow's colours may differ: so much, and this share of it.
COLOUR_LEAST, COLOUR_SHARE = np.float32(0.04), np.float32(0.35)
# A mean over less than that is one over this.
LEAST_TOTAL = np.float32(1e-3)

LEVELS = np.arange(256, dtype=np.float32)
LOGS = np.log(LEVELS + DARK_LEVELS)
# By how much the logarithm of a level changes with that of the level and DARK_LEVELS; where it is darker, not more.
MADE_UP_FOR = 1 + DARK_LEVELS / np.maximum(LEVELS, DARK_LEVELS)

ZERO, THREE = np.float32(0), np.float32(3)

Picture = UInt8[np.ndarray, "h w 3"]
Mask = Bool[np.ndarray, "h w"]
Colours = Float32[np.ndarray, "h w 3"]
Map = Float32[np.ndarray, "h w"]


def light_of(shown: Picture, picture: Picture, asked: Mask, sigma_px: float = LIGHT_SIGMA_PX) -> Colours:
    """Logarithm of the ratio of two pictures, the mean under a Gaussian of what can be asked."""
    ratio = np.empty(shown.shape, np.float32)
    _ratio(shown, picture, asked, LOGS, ratio)
    light = cv2.GaussianBlur(ratio, (0, 0), sigma_px)
    _divide(light, cv2.GaussianBlur(asked.astype(np.float32), (0, 0), sigma_px))
    return light


def mean_of(picture: Colours) -> Map:
    """Of the three colours."""
    out = np.empty(picture.shape[:2], np.float32)
    _mean(picture, out)
    return out


def dark_of(light: Colours, asked: Mask, picture: Picture) -> Map:
    """How much light is missing, where it is in all colours alike.

    A colour that the ground has little of loses less of it in these logarithms, which may be made up for.
    """
    out = np.empty(asked.shape, np.float32)
    _dark(light, asked, cv2.blur(picture, (5, 5)), MADE_UP_FOR, out)
    return out


@compiled
@no_type_check
def _ratio(shown, picture, asked, logs, out):
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            for colour in range(3):
                here, there = shown[row, column, colour], picture[row, column, colour]
                out[row, column, colour] = logs[here] - logs[there] if asked[row, column] else ZERO


@compiled
@no_type_check
def _divide(light, total):
    for row in range(light.shape[0]):
        for column in range(light.shape[1]):
            by = max(total[row, column], LEAST_TOTAL)
            for colour in range(3):
                light[row, column, colour] /= by


@compiled
@no_type_check
def _mean(picture, out):
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            out[row, column] = (picture[row, column, 0] + picture[row, column, 1] + picture[row, column, 2]) / THREE


@compiled
@no_type_check
def _alike(red, green, blue, most):
    """Whether all colours lose light, and hardly one more than another."""
    lightest = max(red, green, blue)
    return lightest < 0 and lightest - min(red, green, blue) < most


@compiled
@no_type_check
def _dark(light, asked, around, made_up_for, out):
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            out[row, column] = ZERO
            if not asked[row, column]:
                continue
            red, green, blue = light[row, column]
            mean = (red + green + blue) / THREE
            most = COLOUR_LEAST - COLOUR_SHARE * mean
            alike = _alike(red, green, blue, most)
            if not alike:
                r, g, b = around[row, column]
                alike = _alike(red * made_up_for[r], green * made_up_for[g], blue * made_up_for[b], most)
            if alike:
                out[row, column] = -mean
