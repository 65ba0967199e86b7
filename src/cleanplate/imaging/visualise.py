"""What cannot be seen, made visible: where a pixel comes from, and which way it moves."""

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from cleanplate.imaging.frame import CARRIED, KNOWN, MADE_UP, PAINTED

GREY = {KNOWN: 0, CARRIED: 128, MADE_UP: 255, PAINTED: 192}
"""The grey value that pixels of a provenance are written as."""
EFFECT_GREY = 64
"""That of a carried pixel outside the mask, changed as an effect of the thing; one that is made up is as any other."""
TINTS = {CARRIED: (0, 114, 178), MADE_UP: (230, 159, 0), PAINTED: (0, 158, 115)}
"""Colour of each kind of filled pixel, 0..255: told apart by the colour-blind too (Okabe & Ito 2008)."""


def provenance_to_grey(
    provenance: UInt8[np.ndarray, "*shape"], effects: Bool[np.ndarray, "*shape"] | None = None
) -> UInt8[np.ndarray, "*shape"]:
    """A provenance as it is written.

    Args:
        provenance: KNOWN, CARRIED, MADE_UP or PAINTED.
        effects: where it is of an effect of the thing, outside the mask; None is nowhere.
    """
    grey = np.array([GREY[kind] for kind in (KNOWN, CARRIED, MADE_UP, PAINTED)], np.uint8)[provenance]
    return grey if effects is None else np.where(effects & (provenance == CARRIED), np.uint8(EFFECT_GREY), grey)


def grey_to_provenance(grey: UInt8[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """The provenance nearest to what was read: a lossy file may be off by a few values. An effect is carried too."""
    kinds = {**{level: kind for kind, level in GREY.items()}, EFFECT_GREY: CARRIED}
    nearest = np.abs(grey[..., None].astype(int) - list(kinds)).argmin(-1)
    return np.array(list(kinds.values()), np.uint8)[nearest]


def tint(
    picture: Float[np.ndarray, "*T H W 3"], provenance: UInt8[np.ndarray, "*T H W"]
) -> Float[np.ndarray, "*T H W 3"]:
    """A picture, or several, with carried pixels tinted blue, made-up ones orange and painted ones green."""
    out = picture
    for kind, colour in TINTS.items():
        paint = np.array(colour, picture.dtype) / 255
        out = np.where((provenance == kind)[..., None], 0.5 * out + 0.5 * paint, out)
    return out


def flow_picture(flow: Float[np.ndarray, "2 H W"], largest_px: float | None = None) -> Float[np.ndarray, "H W 3"]:
    """Flow as colour, as in Fig. 8 of the paper: hue is the direction, value the magnitude.

    Args:
        flow: (dx, dy) in pixels.
        largest_px: magnitude of full value; the largest of this flow if not given.
    """
    dx, dy = flow.astype(np.float32)
    size, degrees = cv2.cartToPolar(dx, dy, angleInDegrees=True)
    value = np.clip(size / (largest_px or max(float(np.max(size)), 1e-6)), 0, 1)
    cone = np.stack((degrees, np.ones_like(value), value), axis=-1).astype(np.float32)
    return np.asarray(cv2.cvtColor(cone, cv2.COLOR_HSV2RGB))
