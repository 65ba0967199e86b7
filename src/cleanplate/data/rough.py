"""Masks that are wrong as drawn and tracked masks are: too small, beside the object, or without a limb."""

import math
import random
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool

from cleanplate.config import RoughMask
from cleanplate.data.shadows import largest_part
from cleanplate.errors import InputError

SHRUNK_PX = (3, 8)  # from, to
SHIFTED_PX = 6
LIMB_SHARE = 1 / 6  # of the object's area
LEAST_LIMB_SHARE = 1 / 8
DIRECTIONS = 12  # in which a limb is looked for

Masks = Bool[np.ndarray, "T H W"]


def roughen(mask: Masks, kind: RoughMask, rng: random.Random) -> tuple[Masks, dict[str, Any]]:
    """A wrong mask, and in words for the manifest how it is wrong.

    Args:
        mask: the right one.
        kind: shrunk by 3 to 8 px, shifted by 6 px, limb: without a sixth of its area; any: one of these at random.
        rng: draws what is not said.

    Raises:
        InputError: nothing is left of the mask, it is as right as it was, or nothing was in it.
    """
    kind = rng.choice(("shrunk", "shifted", "limb")) if kind == "any" else kind
    if kind == "limb":
        rough, facts = _without_some_limb(mask, rng)
    elif kind == "shifted":
        angle = rng.uniform(0, 2 * math.pi)
        right_px, down_px = (round(SHIFTED_PX * part) for part in (math.cos(angle), math.sin(angle)))
        rough, facts = shifted(mask, right_px, down_px), {"right_px": right_px, "down_px": down_px}
    else:
        px = rng.randint(*SHRUNK_PX)
        rough, facts = shrunk(mask, px), {"px": px}
    if not rough.any():
        given = f"nothing is left of a mask of {int(mask.sum())} px in {len(mask)} frames that is {kind} {facts}"
        raise InputError(given, "an object that is larger is needed", "choose another object or kind of rough mask")
    if np.array_equal(rough, mask):
        given = f"a mask of {int(mask.sum())} px in {len(mask)} frames that is {kind} {facts} is as right as it was"
        needed = "an object of more than a few pixels, and not as large as the frame, is needed"
        raise InputError(given, needed, "choose another object or kind of rough mask")
    return rough, {"kind": kind, **facts}


def shrunk(mask: Masks, px: int) -> Masks:
    """Eroded by a disc; what the frame's border cuts off stays cut off there.

    Raises:
        InputError: less than 0 px.
    """
    if px < 0:
        raise InputError(f"a mask is to shrink by {px} px", "0 or more are needed", "give a number of pixels")
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * px + 1, 2 * px + 1))
    return np.stack([cv2.erode(one.astype(np.uint8), disc) > 0 for one in mask])


def shifted(mask: Masks, right_px: int, down_px: int) -> Masks:
    """Moved by whole pixels; what comes in over the frame's border is no object."""
    move = np.array([[1, 0, right_px], [0, 1, down_px]], np.float32)
    size = mask.shape[:0:-1]
    return np.stack([cv2.warpAffine(one.astype(np.uint8), move, size, flags=cv2.INTER_NEAREST) > 0 for one in mask])


def without_limb(mask: Masks, direction_deg: float) -> Masks:
    """Without what of the object is farthest in a direction, a sixth of its area in each frame at most.

    The line that cuts it off moves and grows with the object, as it is the area that is measured. Of what lies beyond
    that line the largest connected part is missing.

    Args:
        mask: the right one.
        direction_deg: 0 is to the right, 90 down.
    """
    towards = math.cos(math.radians(direction_deg)), math.sin(math.radians(direction_deg))
    return np.stack([one & ~_limb(one, towards) for one in mask])


def _limb(mask: Bool[np.ndarray, "H W"], towards: tuple[float, float]) -> Bool[np.ndarray, "H W"]:
    out = np.zeros_like(mask)
    rows, columns = np.nonzero(mask)
    if len(rows):
        along_px = columns * towards[0] + rows * towards[1]
        beyond = along_px > np.quantile(along_px, 1 - LIMB_SHARE)
        out[rows[beyond], columns[beyond]] = True
    return largest_part(out) if out.any() else out


def _without_some_limb(mask: Masks, rng: random.Random) -> tuple[Masks, dict[str, Any]]:
    """In the first direction where what is cut off hangs together, or else in the best one."""
    first = rng.uniform(0, 360)
    directions = [round((first + 360 * number / DIRECTIONS) % 360, 1) for number in range(DIRECTIONS)]
    rng.shuffle(directions)
    area, best = max(int(mask.sum()), 1), (mask, {"direction_deg": 0.0, "area_share": 0.0})
    for direction_deg in directions:
        rough = without_limb(mask, direction_deg)
        share = 1 - int(rough.sum()) / area
        if share > best[1]["area_share"]:
            best = rough, {"direction_deg": direction_deg, "area_share": share}
        if share >= LEAST_LIMB_SHARE:
            break
    return best
