"""Connected components of a mask: how many an object has, and which of those found belong to it."""

import cv2
import numpy as np
from jaxtyping import Bool, Float

# A component counts that has at least this share of the largest one's area.
MIN_COMPONENT_SHARE = 0.1
# Soft masks: what is a component, and how wide the soft edge around one is.
COMPONENT_PROBABILITY, SOFT_EDGE_PX = 0.4, 6


def count_components(mask: Bool[np.ndarray, "H W"]) -> int:
    """How many connected components a mask has, specks (`MIN_COMPONENT_SHARE`) not counted; at least 1."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    areas = stats[1:, cv2.CC_STAT_AREA]
    return int((areas >= MIN_COMPONENT_SHARE * areas.max()).sum()) if count > 1 else 1


def main_components(
    mask: Float[np.ndarray, "H W"], expected: Float[np.ndarray, "H W"], count: int, gap_px: float
) -> Bool[np.ndarray, "H W"]:
    """The connected components that belong to the object, and their soft edge.

    These are the `count` largest, measured by how much of each is expected, and all that come close to them. What has
    leaked into the background sooner or later becomes a component of its own, and is left behind.

    Args:
        mask: the probability of each pixel.
        expected: the mask that was expected.
        count: how many components the object has.
        gap_px: how close others must come to belong to it.
    """
    found, labels, _, _ = cv2.connectedComponentsWithStats((mask > COMPONENT_PROBABILITY).astype(np.uint8))
    labels = np.asarray(labels, np.int32)
    belongs = np.arange(found) > 0  # of each label; 0 is what is no component
    if found > 2:
        overlap = np.bincount(labels.ravel(), (expected * mask).ravel(), found)[1:]
        main = np.zeros(found, bool)
        main[1 + np.argsort(-overlap, kind="stable")[:count]] = True
        close = _distance_px(main[labels]) < gap_px
        belongs[1:] = np.bincount(labels[close], minlength=found)[1:] > 0
    return _distance_px(belongs[labels]) < SOFT_EDGE_PX


def _distance_px(mask: Bool[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
    """To the nearest pixel of the mask."""
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3)


def centroid(mask: Float[np.ndarray, "H W"]) -> Float[np.ndarray, "2"]:
    """(x, y) of the centre of mass."""
    moments = cv2.moments(mask)
    area = max(moments["m00"], 1e-6)
    return np.array((moments["m10"] / area, moments["m01"] / area), np.float32)
