"""How far what was carried is to be trusted: do the frames before and those after show the same of a place?

Where they do not, something moves there by itself (water, leaves, somebody who walks past), or the motion was found
wrong. docs/log.md has how well this difference tells the error that is really made.
"""

import cv2
import numpy as np
from jaxtyping import Float32

from cleanplate.imaging.frame import Frame, Pixels, box_around

# Of 0..1, in the colour that differs most, as a mean over a patch.
APART = 0.08
# The side of a patch is this share of the frame's height, and so much of it must be seen from both sides.
PATCH, LEAST_SEEN = 1 / 32, 0.2


def count_doubtful(frame: Frame, pixels: Pixels, apart: Float32[np.ndarray, " n"]) -> int:
    """Of how many of these pixels the frames before and after show different things.

    Args:
        frame: they are of.
        pixels: counted row by row.
        apart: how different it is, 0..1; NaN where only one side shows it.
    """
    both = ~np.isnan(apart)
    if not both.any():
        return 0
    seen, differing = np.zeros((2, *frame.size), np.float32)
    seen.reshape(-1)[pixels[both]] = 1
    differing.reshape(-1)[pixels[both]] = apart[both]
    side = max(3, round(PATCH * frame.size[0]))
    box = box_around(seen > 0, side)
    share, mean = (cv2.blur(one[box], (side, side), borderType=cv2.BORDER_CONSTANT) for one in (seen, differing))
    return int(np.count_nonzero((seen[box] > 0) & (share >= LEAST_SEEN) & (mean > APART * share)))
