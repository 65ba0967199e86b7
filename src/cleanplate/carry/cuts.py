"""Tell a cut: two pictures that are really different.

Where the texture is scarce few matches agree, over no cut at all: so that hardly any does is not enough. Pictures
differ if even the best motion leaves as much between them as they hold. Noise is another in every picture, and all that
they hold where a sky is plain: it is evened out in what is left, and counts in what they hold.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Shaped

from cleanplate.imaging.pixels import to_samples

# They are compared at about so many pixels a side.
COMPARED_PX = 96
# Share of their contrast that is left between them, from which two pictures are different.
LEFT = 0.4
# What is left is averaged over so many of these pixels a side: of noise less than 0.3 of it stays, of scenes most.
EVENED_PX = 5
# Levels of 255; of less nobody sees a cut, while codecs leave as much between pictures of a plain wall.
LEAST_CONTRAST = 2.5
LEAST_COMPARED = 50


def differ(
    pictures: Sequence[Shaped[np.ndarray, "h w 3"]],
    flow: Sequence[Float32[np.ndarray, "r c 2"]],
    known: Sequence[Bool[np.ndarray, "h w"]],
) -> bool:
    """Whether no motion makes one picture of the other, whatever the exposure.

    Args:
        pictures: the two, in bytes or in floats 0..1.
        flow: between them, there and back, in their pixels; it may be held at fewer of them.
        known: where they are compared.
    """
    return left_between(pictures, flow, known) > LEFT


def left_between(
    pictures: Sequence[Shaped[np.ndarray, "h w 3"]],
    flow: Sequence[Float32[np.ndarray, "r c 2"]],
    known: Sequence[Bool[np.ndarray, "h w"]],
) -> float:
    """What the better of no motion and flow leaves, evened out, in parts of the contrast of the first picture."""
    here, there = (to_samples(picture) for picture in pictures)
    step = max(1, min(here.shape[:2]) // COMPARED_PX)
    y, x = np.indices(here.shape[:2], np.float32)[:, ::step, ::step]
    moved = cv2.resize(flow[0], here.shape[1::-1])[::step, ::step]
    moved_x, moved_y = x + moved[..., 0], y + moved[..., 1]
    here = cv2.blur(here, (step, step))[::step, ::step].astype(np.float32)
    there = cv2.blur(there, (step, step))
    seen, theirs = known[0][::step, ::step], known[1].view(np.uint8)
    left = []
    for at in ((x, y), (moved_x, moved_y)):
        other = cv2.remap(there, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
        both = seen & (cv2.remap(theirs, *at, cv2.INTER_NEAREST) > 0)
        if both.sum() < LEAST_COMPARED:
            continue
        one, other = here[both], other[both]
        gain = float(one.mean() / max(other.mean(), 1.0))
        contrast = float(np.abs(one - one.mean(0)).mean())
        between = np.zeros_like(here)
        between[both] = one - gain * other
        left.append(float(np.abs(_evened(between, both)[both]).mean()) / max(contrast, LEAST_CONTRAST))
    return min(left, default=0.0)


def _evened(between: Float32[np.ndarray, "h w 3"], known: Bool[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w 3"]:
    """A difference, 0 where it is not known, averaged over what is known around every pixel."""
    side = (EVENED_PX, EVENED_PX)
    share = cv2.blur(known.astype(np.float32), side, borderType=cv2.BORDER_CONSTANT)
    return cv2.blur(between, side, borderType=cv2.BORDER_CONSTANT) / np.maximum(share, 1e-6)[..., None]
