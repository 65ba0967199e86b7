"""Where a video is cut: what is marked in one shot is not looked for in another."""

from functools import lru_cache
from itertools import pairwise, product

import cv2
import numpy as np
from jaxtyping import UInt8

from cleanplate.carry.cuts import differ
from cleanplate.imaging.dis import LEAST_SIZE, quick_dis
from cleanplate.runtime.threads import in_order

COMPARED_PX = 90  # the shorter side of the pictures that are compared
KEPT = 64  # small pictures that are remembered
FLASH = 3  # frames that something may light up, or block, all of the picture


def shots_of(pictures: UInt8[np.ndarray, "T H W 3"]) -> list[range]:
    """The frames of every shot, in order."""
    scale = min(1.0, COMPARED_PX / min(pictures[0].shape[:2]))
    height, width = (max(LEAST_SIZE, round(length * scale)) for length in pictures[0].shape[:2])
    known = np.ones((height, width), bool)

    @lru_cache(KEPT)  # each is compared with a few around it
    def small(index: int) -> UInt8[np.ndarray, "h w 3"]:
        return cv2.resize(pictures[index], (width, height), interpolation=cv2.INTER_AREA)

    def apart(before: int, after: int) -> bool:
        one, other = small(before), small(after)
        greys = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (one, other)]
        there, back = quick_dis(*greys)
        # A black picture has nothing that another could lack: it is the other that says so.
        ways = ((one, other), (there, back)), ((other, one), (back, there))
        return any(differ(pictures, flow, (known, known)) for pictures, flow in ways)

    def is_cut(index: int) -> bool:
        """What is the same again a moment later was a flash."""
        if not apart(index - 1, index):
            return False
        before, after = range(max(0, index - FLASH), index), range(index, min(len(pictures), index + FLASH))
        return all(apart(*pair) for pair in product(before, after))

    numbers = list(range(1, len(pictures)))
    cuts = [index for index, cut in zip(numbers, in_order(is_cut, numbers), strict=True) if cut]
    return [range(first, end) for first, end in pairwise([0, *cuts, len(pictures)])]
