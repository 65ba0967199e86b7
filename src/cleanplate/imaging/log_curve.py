"""Scene-linear light as code values, and back: what the pictures of OpenEXR and of float TIFF are worked on as.

In linear light most of a picture lies in a few levels near 0, and one lamp outweighs it all. Methods that compare,
average and interpolate want steps that look alike, as those of video do. So scene-linear values are worked on through
ACEScct (Academy S-2016-001), made whole: it goes on below 0 as its own mirror image, and where it leaves what pictures
hold, beyond `BENDS`, straight pieces bring every finite float of 32 bits into 0..1.

    ACEScct(x) = 10.5402377416545 x + 0.0729055341958355    for x up to 2^-7
                 (log2 x + 9.72) / 17.52                    above
    ACEScct(-x) = 2 ACEScct(0) - ACEScct(x)                 ours

Middle grey, 0.18, is 0.41, and a stop is 0.057. From 0.004 below 0 up to 66, six stops above white, it is ACEScct
itself.
"""

from functools import cache

import numpy as np
from jaxtyping import Bool, Float32, Shaped, UInt16

SLOPE, ZERO, LINEAR_UP_TO, STOPS, OFFSET = 10.5402377416545, 0.0729055341958355, 2.0**-7, 17.52, 9.72
BENDS = 0.03, 0.9
"""Between these the curve is ACEScct."""
_MOST, _MOST_HALF = ((np.log2(value) + OFFSET) / STOPS for value in (float(np.finfo(np.float32).max), 65504.0))
# The least and the most float of 32 bits, those of 16, and the bends: in ACEScct, and as they are held.
_ACESCCT = (2 * ZERO - _MOST, 2 * ZERO - _MOST_HALF, *BENDS, _MOST_HALF, _MOST)
_HELD = (0.0, 0.01, *BENDS, 0.99, 1.0)

NO_VALUE = 0
"""The code of what is no number: NaN, and infinities, which no neighbour can be told from."""
CODES = 65535


def encode(linear: Shaped[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """Finite scene-linear values, of any float type, in 0..1."""
    size = np.abs(linear, dtype=np.float64)
    curved = np.where(
        size <= LINEAR_UP_TO, SLOPE * size + ZERO, (np.log2(np.maximum(size, LINEAR_UP_TO)) + OFFSET) / STOPS
    )
    return np.interp(np.where(linear < 0, 2 * ZERO - curved, curved), _ACESCCT, _HELD).astype(np.float32)


def decode(held: Shaped[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """The inverse of `encode`: 0..1 in scene-linear values."""
    curved = np.interp(held.astype(np.float64), _HELD, _ACESCCT)
    up = np.maximum(curved, 2 * ZERO - curved)  # of the size of the value
    bend = SLOPE * LINEAR_UP_TO + ZERO
    size = np.where(up <= bend, (up - ZERO) / SLOPE, np.exp2(np.maximum(up, bend) * STOPS - OFFSET))
    most = float(np.finfo(np.float32).max)  # what is rounded may lie a hair above it
    return np.clip(np.where(curved < ZERO, -size, size), -most, most).astype(np.float32)


def to_codes(linear: Shaped[np.ndarray, "*shape"]) -> UInt16[np.ndarray, "*shape"]:
    """Scene-linear values, floats of 16 or 32 bits, as codes of 16: NO_VALUE, or 1 to 65535.

    A step is 0.0003 stops, finer than those of a float of 16 bits, between 2^-7 and 66.
    """
    if linear.dtype == np.float16:
        return _codes_of_halves()[np.ascontiguousarray(linear).view(np.uint16)]
    finite = np.isfinite(linear)
    codes = np.maximum(np.rint(encode(np.where(finite, linear, 0)) * np.float32(CODES)), NO_VALUE + 1)
    return np.where(finite, codes, NO_VALUE).astype(np.uint16)


def from_codes(codes: UInt16[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """Codes as scene-linear values; those of NO_VALUE as of the code next to it."""
    return _values_of_codes()[codes]


def fill_values(
    codes: UInt16[np.ndarray, "H W C"], source: UInt16[np.ndarray, "H W C"], changed: Bool[np.ndarray, "H W"]
) -> Float32[np.ndarray, "n C"]:
    """What changed pixels are in scene-linear light, where nothing is brighter or darker than can be.

    Where values are squeezed, beyond the bends of the curve, interpolation that goes a little too far (beside an edge)
    would go too far by stops. So a fill goes there only as far as the frame itself does where it is known.

    Args:
        codes: the frame as it was filled.
        source: the same frame as it came.
        changed: which pixels were filled.
    """
    least, most = (np.full(codes.shape[2], round(bend * CODES)) for bend in BENDS)
    known = source[~changed & (source != NO_VALUE).all(-1)]
    if len(known):
        least, most = np.minimum(least, known.min(0)), np.maximum(most, known.max(0))
    return from_codes(np.clip(codes[changed], least, most).astype(np.uint16))


@cache
def _codes_of_halves() -> UInt16[np.ndarray, " 65536"]:
    return to_codes(np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float32))


@cache
def _values_of_codes() -> Float32[np.ndarray, " 65536"]:
    codes = np.maximum(np.arange(CODES + 1), NO_VALUE + 1)
    return decode(codes / CODES)
