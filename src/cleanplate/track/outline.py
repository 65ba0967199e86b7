"""Segment the object inside a region that was drawn around it: by its colours, and by its motion.

GrabCut (Rother et al. 2004, OpenCV's) segments what is in the region by the colours that are not around it. That fails
where an object has the colours of its background, and takes background in the region for object if nothing outside
looks like it. So where the object moves otherwise than the camera, the residual motion is one of the three channels
that GrabCut is given, and its initial labels. Its mixtures of a few Gaussians still take much of the background along:
what it has found is cut once more, by histograms of the colours in it and around it, and by the motion.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from skimage.filters import threshold_otsu

from cleanplate.imaging.dis import dis
from cleanplate.track.background import camera_flow
from cleanplate.track.cut import (
    MAX_LOG_ODDS,
    PASSES,
    colour_bins,
    colour_log_odds,
    lightness_and_chroma,
    minimum_cut,
    motion_log_odds,
)
from cleanplate.track.fields import lengths

NEIGHBOUR_OFFSETS = (-4, -2, -1, 1, 2, 4)
"""Frames, counted from the marked one, that show how an object moves."""
# GrabCut is given so much of what is around a region, share of its size: enough to learn the background's colours.
CONTEXT_SHARE = 0.5
# GrabCut has failed if what it finds covers less of the region.
MIN_AREA_SHARE = 0.1
# Motion tells the object if most of what is around the region moves with the camera, and the object e times as far.
MIN_STILL_SHARE, MIN_LOG_GAP = 0.5, 1.0
AGREEMENT_IOU = 0.8  # of what is found by colour and by motion: from here on they found the same
FLOW_NOISE_PX = 0.1
MOTION_RANGE = 128  # of the 256 values of a channel


def outline(
    picture: UInt8[np.ndarray, "H W 3"],
    area: Bool[np.ndarray, "H W"],
    neighbours: Sequence[UInt8[np.ndarray, "H W 3"]] = (),
) -> Bool[np.ndarray, "H W"]:
    """The mask of the object inside a region that was drawn around it.

    What is outside is background. Where no outline is found, it is the region itself: better too much than too little.

    Args:
        picture: small; see `tracked.small_size`.
        area: the region that was drawn.
        neighbours: frames before and after it (`NEIGHBOUR_OFFSETS`), as far as there are any.
    """
    rows, columns = with_context(area)
    inside = area[rows, columns]
    if inside.all():  # no background to learn from
        return area
    crop = picture[rows, columns]
    found, by_motion = _segment(crop, inside, inside), np.zeros(inside.shape)
    motion = own_motion(picture, neighbours, ~area)
    if motion is not None and (moves := moving(motion[rows, columns], inside)) is not None:
        motion = motion[rows, columns]
        moved = _segment(with_motion(crop, motion), inside, inside & moves)
        # Where both find the same, colours know its edge better: flow is wrong where the background is uncovered.
        if (found & moved).sum() < AGREEMENT_IOU * (found | moved).sum():
            found = moved
        still, thing = np.median(motion[~inside]), np.median(motion[inside & moves])
        by_motion = motion_log_odds((motion - still) / max(thing - still, MIN_LOG_GAP))
    found = _cut_again(crop, inside, found, by_motion)
    mask = np.zeros_like(area)
    mask[rows, columns] = found
    return mask if mask.sum() >= MIN_AREA_SHARE * area.sum() else area


def _cut_again(
    crop: UInt8[np.ndarray, "h w 3"],
    inside: Bool[np.ndarray, "h w"],
    found: Bool[np.ndarray, "h w"],
    by_motion: Float[np.ndarray, "h w"],
) -> Bool[np.ndarray, "h w"]:
    """What was found inside a region, cut by the histograms of its colours and by log odds of motion."""
    channels, bins = lightness_and_chroma(crop), colour_bins(crop)
    for _ in range(PASSES):
        log_odds = by_motion + colour_log_odds(bins, found.astype(float), ~found)
        found = minimum_cut(channels, np.where(inside, log_odds, -MAX_LOG_ODDS), np.zeros_like(inside)) & inside
    return found


def with_context(area: Bool[np.ndarray, "H W"], share: float = CONTEXT_SHARE, more_px: int = 1) -> tuple[slice, slice]:
    """Rows and columns of a region and of what is looked at around it: a share of its size, and some pixels more."""
    left, top, width, height = cv2.boundingRect(area.astype(np.uint8))
    margin = round(share * max(width, height)) + more_px
    rows = slice(max(0, top - margin), top + height + margin)
    return rows, slice(max(0, left - margin), left + width + margin)


def _segment(
    channels: UInt8[np.ndarray, "h w 3"], inside: Bool[np.ndarray, "h w"], initial: Bool[np.ndarray, "h w"]
) -> Bool[np.ndarray, "h w"]:
    """What GrabCut finds inside a region, from an initial mask."""
    labels = np.where(initial, cv2.GC_PR_FGD, np.where(inside, cv2.GC_PR_BGD, cv2.GC_BGD)).astype(np.uint8)
    return grab_cut(channels, labels)


def grab_cut(channels: UInt8[np.ndarray, "h w 3"], labels: UInt8[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The mask that GrabCut finds, from initial labels (OpenCV's); these are changed."""
    cv2.setRNGSeed(0)  # its colour models are initialised at random
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(np.ascontiguousarray(channels), labels, (0, 0, 0, 0), *models, 5, cv2.GC_INIT_WITH_MASK)
    return np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))


def own_motion(
    picture: UInt8[np.ndarray, "H W 3"],
    neighbours: Sequence[UInt8[np.ndarray, "H W 3"]],
    background: Bool[np.ndarray, "H W"],
) -> Float[np.ndarray, "H W"] | None:
    """The logarithm of how far each pixel's flow is from the camera's (px), mean over the frames before and after.

    None where no camera motion is found in what may be background.
    """
    here, residuals = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), []
    for neighbour in neighbours:
        flow = dis(here, cv2.cvtColor(neighbour, cv2.COLOR_RGB2GRAY))
        if (camera := camera_flow(flow, background)) is not None:
            residuals.append(np.log(lengths(flow - camera) + FLOW_NOISE_PX))
    return cv2.blur(np.stack(residuals).mean(0), (3, 3)) if residuals else None


def moving(motion: Float[np.ndarray, "h w"], inside: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"] | None:
    """Where the residual motion is large (Otsu's threshold); None if that does not tell object from background.

    Args:
        motion: `own_motion`, around the region.
        inside: the region that was drawn.
    """
    moves = motion > threshold_otsu(motion[inside])
    if not (inside & moves).any() or inside.all():
        return None
    log_gap = motion[inside & moves].mean() - motion[inside & ~moves].mean()
    return moves if (~moves[~inside]).mean() >= MIN_STILL_SHARE and log_gap >= MIN_LOG_GAP else None


def with_motion(picture: UInt8[np.ndarray, "h w 3"], motion: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """Lightness, the principal component of chroma, and motion: GrabCut takes three channels of bytes."""
    lowest, highest = np.percentile(motion, (2, 98))
    scaled = (motion - lowest) / max(highest - lowest, 0.5) * MOTION_RANGE
    return np.dstack((lightness_and_chroma(picture), scaled)).clip(0, 255).astype(np.uint8)
