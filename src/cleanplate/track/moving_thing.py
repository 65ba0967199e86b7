"""Segment the thing under a point that moves otherwise than the camera: by its motion, its colours, and edges.

What moves with the camera is surely not the thing. What moves like the point may be it, but flow runs over its border
into what has no texture, and water or a shadow moves along. So motion speaks much against a pixel and little for it,
and the colours decide: those around the point, of what hangs together with it, against all others. The mask is the
minimum cut through the sum of both log odds, along the edges of the picture.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from cleanplate.track.cut import (
    PASSES,
    colour_bins,
    colour_log_odds,
    lightness_and_chroma,
    minimum_cut,
    motion_log_odds,
)
from cleanplate.track.outline import MIN_LOG_GAP, with_context

# Distances from the point, share of the shorter side: within the first is surely the thing, within the second is told
# how far it moves; the third is the standard deviation of the weights that its colours are learned with.
SURE, NEAR, COLOURS_NEAR = 0.01, 0.03, 0.07
# On a scale of log residual motion from 0, the picture's median, to 1, that around the point: what its colours are
# learned from, and from where on it may lie.
CORE, WITHIN = 0.75, 0.35
COLOUR_WEIGHT = 0.8  # of its log odds, beside those of motion; chosen on four shots (docs/log.md)
MARGIN_SHARE, MARGIN_PX = 0.5, 5  # what is looked at around where it may lie: share of its size, and pixels more


def moving_thing(
    picture: UInt8[np.ndarray, "H W 3"], motion: Float[np.ndarray, "H W"], at: tuple[int, int]
) -> Bool[np.ndarray, "H W"] | None:
    """The mask of the thing under a point; None if that moves with the camera.

    Args:
        picture: small; see `tracked.small_size`.
        motion: the logarithm of the residual motion; see `outline.own_motion`.
        at: row and column of the point.
    """
    rows, columns = np.indices(motion.shape)
    distance = np.hypot(rows - at[0], columns - at[1]) / min(motion.shape)
    still, moved = np.median(motion), np.median(motion[distance <= max(NEAR, 1.5 / min(motion.shape))])
    if moved - still < MIN_LOG_GAP:
        return None
    share = (motion - still) / (moved - still)
    found = connected(share >= CORE, at)
    window = with_context(connected(share >= WITHIN, at), MARGIN_SHARE, MARGIN_PX)
    channels = lightness_and_chroma(picture[window])
    bins, by_motion = colour_bins(picture[window]), motion_log_odds(share[window])
    sure = (distance <= max(SURE, 1.5 / min(motion.shape)))[window]
    near = np.exp(-0.5 * (distance[window] / COLOURS_NEAR) ** 2)
    for _ in range(PASSES):
        by_colour = colour_log_odds(bins, near * found[window], ~found[window])
        whole = np.zeros_like(found)
        whole[window] = minimum_cut(channels, by_motion + COLOUR_WEIGHT * by_colour, sure)
        found = connected(whole, at)
    return found


def connected(mask: Bool[np.ndarray, "H W"], at: tuple[int, int]) -> Bool[np.ndarray, "H W"]:
    """What of a mask hangs together with a pixel, which is in it at least."""
    mask = mask.copy()
    mask[at] = True
    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    return parts == parts[at]
