"""The outline of a thing inside an area that was drawn around it: by its colours, and by how it moves.

GrabCut (Rother et al. 2004, OpenCV's) tells what is in the area from what is around it by colour. That fails where a
thing has the colours of what is behind it, and holds what moves with the camera for a part of the thing if nothing
outside looks like it. So where the thing moves otherwise than the camera, how far is one of the three channels that
GrabCut sees, and where it begins.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from skimage.filters import threshold_otsu

from cleanplate.track.background import camera_flow

BESIDE = (-4, -2, -1, 1, 2, 4)
"""How far away, in frames, the pictures are that show how a thing moves."""
# GrabCut sees so much of what is around an area, as a share of the area's size: enough to learn what the thing is not.
CONTEXT = 0.5
# An outline that covers less of its area is no outline, but GrabCut that found nothing to hold on to.
LEAST_SHARE = 0.1
# Motion is believed where most of what is around the area moves with the camera, and the thing e times as far.
LEAST_STILL, LEAST_GAP = 0.5, 1.0
AGREE = 0.8  # intersection over union of what colours find, and motion
NOISE_PX = 0.1  # of flow
MOTION_LEVELS = 128  # of the 256 of a channel


def outline(
    picture: UInt8[np.ndarray, "H W 3"],
    area: Bool[np.ndarray, "H W"],
    beside: Sequence[UInt8[np.ndarray, "H W 3"]] = (),
) -> Bool[np.ndarray, "H W"]:
    """The thing inside an area that was drawn around it.

    What is outside is not the thing. Where no outline is to be found, the area itself: better too much than too little.

    Args:
        picture: small; see `track.small_size`.
        area: what was drawn.
        beside: frames before and after it (`BESIDE`), as far as there are any.
    """
    left, top, width, height = cv2.boundingRect(area.astype(np.uint8))
    margin = round(CONTEXT * max(width, height)) + 1
    rows = slice(max(0, top - margin), top + height + margin)
    columns = slice(max(0, left - margin), left + width + margin)
    inside = area[rows, columns]
    if inside.all():  # nothing to tell it from
        return area
    around = picture[rows, columns]
    cut_out = _cut(around, inside, inside)
    motion = own_motion(picture, beside, ~area)
    if motion is not None and (moves := moving(motion[rows, columns], inside)) is not None:
        by_motion = _cut(with_motion(around, motion[rows, columns]), inside, inside & moves)
        # Where both find the same, colours know its edge better: flow is wrong where what is behind is uncovered.
        if (cut_out & by_motion).sum() < AGREE * (cut_out | by_motion).sum():
            cut_out = by_motion
    found = np.zeros_like(area)
    found[rows, columns] = cut_out
    return found if found.sum() >= LEAST_SHARE * area.sum() else area


def _cut(
    channels: UInt8[np.ndarray, "h w 3"], inside: Bool[np.ndarray, "h w"], begin: Bool[np.ndarray, "h w"]
) -> Bool[np.ndarray, "h w"]:
    """What GrabCut finds inside, if it begins there."""
    labels = np.where(begin, cv2.GC_PR_FGD, np.where(inside, cv2.GC_PR_BGD, cv2.GC_BGD)).astype(np.uint8)
    return grab_cut(channels, labels)


def grab_cut(channels: UInt8[np.ndarray, "h w 3"], labels: UInt8[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """What is the thing, surely or probably, after GrabCut has begun with these labels (OpenCV's, which change)."""
    cv2.setRNGSeed(0)  # its colour models begin at random
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(np.ascontiguousarray(channels), labels, (0, 0, 0, 0), *models, 5, cv2.GC_INIT_WITH_MASK)
    return np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))


def own_motion(
    picture: UInt8[np.ndarray, "H W 3"], beside: Sequence[UInt8[np.ndarray, "H W 3"]], still: Bool[np.ndarray, "H W"]
) -> Float[np.ndarray, "H W"] | None:
    """The logarithm of how many pixels each pixel moves otherwise than the camera, mean over the frames beside it.

    None where no camera can be made out in what may stand still.
    """
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    here, found = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), []
    unset: np.ndarray = None  # type: ignore[assignment] - OpenCV's way to say "make the output"
    for other in beside:
        flow = search.calc(here, cv2.cvtColor(other, cv2.COLOR_RGB2GRAY), unset)
        if (camera := camera_flow(flow, still)) is not None:
            found.append(np.log(np.linalg.norm(flow - camera, axis=2) + NOISE_PX))
    return cv2.blur(np.stack(found).mean(0), (3, 3)) if found else None


def moving(motion: Float[np.ndarray, "h w"], inside: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"] | None:
    """What moves otherwise than the camera; None where that does not tell what is inside from what is around it."""
    moves = motion > threshold_otsu(motion[inside])
    if not (inside & moves).any() or inside.all():
        return None
    gap = motion[inside & moves].mean() - motion[inside & ~moves].mean()
    return moves if (~moves[~inside]).mean() >= LEAST_STILL and gap >= LEAST_GAP else None


def with_motion(picture: UInt8[np.ndarray, "h w 3"], motion: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """Lightness, the chroma that varies most (CIELAB), and motion: GrabCut takes three channels of bytes."""
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB).astype(np.float32)
    chroma = lab[..., 1:].reshape(-1, 2) - lab[..., 1:].mean((0, 1))
    _, axes = np.linalg.eigh(chroma.T @ chroma)
    least, most = np.percentile(motion, (2, 98))
    level = (motion - least) / max(most - least, 0.5) * MOTION_LEVELS
    channels = lab[..., 0], (chroma @ axes[:, 1]).reshape(motion.shape) * 2 + 128, level
    return np.dstack(channels).clip(0, 255).astype(np.uint8)
