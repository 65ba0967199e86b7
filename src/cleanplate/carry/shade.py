"""Tell a shadow by how it looks, where no other frame shows the ground lit.

As dark as the shadow around rather than as light as the ground around: only where nobody can be asked.
"""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from cleanplate.carry.light import LOGS
from cleanplate.carry.shapes import Mask, closed
from cleanplate.imaging.slow import slow

# Sigma of what is around, as a share of the frame's height.
AROUND = 0.1
# Of what is around, the share that must be known; the logarithm of light by which the two differ at least.
LEAST, APART = 0.02, 0.12
# How often what was told tells of more; holes in it that are closed, in pixels.
TIMES, CLOSING_PX = 3, 2

Map = Float32[np.ndarray, "h w"]


def levels_of(picture: UInt8[np.ndarray, "h w 3"]) -> Map:
    """Logarithm of how light a picture is, hardly smoothed."""
    grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (0, 0), 1.0)
    return LOGS[np.asarray(grey, np.uint8)]


def as_dark(levels: Map, shadow: Mask, lit: Mask, unseen: Mask, height: int) -> Mask:
    """Of what is unseen, what looks like the shadow around.

    Args:
        levels: of the frame, see `levels_of`.
        shadow: what is known to be shadow.
        lit: what is known to be none.
        unseen: what nobody tells of.
        height: of the frame, of which these may be a part.
    """
    told = shadow
    if not (shadow.any() and unseen.any()):
        return unseen & False
    light = _mean_around(levels, lit, height)
    for _ in range(TIMES):
        told = told | unseen & _darker(levels, _mean_around(levels, told, height), light)
    return closed(told, CLOSING_PX) & unseen


def _darker(levels: Map, dark: tuple[Map, Map], light: tuple[Map, Map]) -> Mask:
    """Where it is nearer to the dark than to the light, and both are known and differ."""
    (shadow, known), (lit, known_too) = dark, light
    told = (known > LEAST) & (known_too > LEAST) & (lit - shadow > APART)
    return told & (levels < (shadow + lit) / 2)


def _mean_around(levels: Map, part: Mask, height: int) -> tuple[Map, Map]:
    """The mean of a part, around every pixel, and how much of what is around it is."""
    total, share = cv2.split(slow(cv2.merge((levels * part, part.astype(np.float32))), AROUND * height))
    return total / np.maximum(share, 1e-6), share
