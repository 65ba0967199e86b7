"""Segment the thing under a point that moves otherwise than the camera: by its motion, its colours, and edges.

What moves with the camera is surely not the thing. What moves like the point may be it, but flow runs over its border
into what has no texture, and water or a shadow moves along. So motion speaks much against a pixel and little for it,
and the colours decide: those around the point, of what hangs together with it, against all others. The mask is the
minimum cut through the sum of both log odds, along the edges of the picture.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy.ndimage import gaussian_filter

from cleanplate.track.outline import MIN_LOG_GAP, lightness_and_chroma, with_context

# Distances from the point, share of the shorter side: within the first is surely the thing, within the second is told
# how far it moves; the third is the standard deviation of the weights that its colours are learned with.
SURE, NEAR, COLOURS_NEAR = 0.01, 0.03, 0.07
PASSES = 2  # the second one learns colours from what the first has found
# On a scale of log residual motion from 0, the picture's median, to 1, that around the point: what its colours are
# learned from, where its motion says nothing, and from where on it may lie.
CORE, NEITHER, WITHIN = 0.75, 0.55, 0.35
LOG_ODDS_PER_MOTION, MIN_MOTION_LOG_ODDS, MAX_MOTION_LOG_ODDS = 8.0, -4.0, 0.5
COLOUR_WEIGHT, MAX_COLOUR_LOG_ODDS, MAX_LOG_ODDS = 2.0, 4.0, 6.0
# Bins of CIELAB (OpenCV's bytes); counts are blurred by one bin, and so small a share in each says nothing.
BIN_WIDTHS, UNSEEN_SHARE = (8, 2, 2), 1e-4
MARGIN_SHARE, MARGIN_PX = 0.5, 5  # what is looked at around where it may lie: share of its size, and pixels more
# GrabCut weighs an edge with 50; so much the surest log odds. They are in a channel of so many steps.
CUT_WEIGHT, CUT_STEPS = 60.0, 24.0


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
    bins = _colour_bins(picture[window])
    by_motion = (LOG_ODDS_PER_MOTION * (share[window] - NEITHER)).clip(MIN_MOTION_LOG_ODDS, MAX_MOTION_LOG_ODDS)
    sure = (distance <= max(SURE, 1.5 / min(motion.shape)))[window]
    near = np.exp(-0.5 * (distance[window] / COLOURS_NEAR) ** 2)
    for _ in range(PASSES):
        by_colour = _colour_log_odds(bins, near * found[window], ~found[window])
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


def minimum_cut(
    channels: Float[np.ndarray, "h w 2"], log_odds: Float[np.ndarray, "h w"], sure: Bool[np.ndarray, "h w"]
) -> Bool[np.ndarray, "h w"]:
    """The mask that agrees with log odds and has its border on edges: OpenCV's GrabCut, with models that are given.

    The log odds are a third channel, and the models two Gaussians which differ in that alone, so that the logarithm of
    their ratio is proportional to it.

    Args:
        channels: in which edges are seen, 0..255.
        log_odds: that a pixel is of the mask.
        sure: pixels that are.
    """
    steps = (log_odds.clip(-MAX_LOG_ODDS, MAX_LOG_ODDS) / MAX_LOG_ODDS + 1) / 2 * CUT_STEPS
    labels = np.where(log_odds > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[sure] = cv2.GC_FGD
    pictured = np.dstack((channels, steps)).clip(0, 255).astype(np.uint8)
    models = _gaussian(0.0), _gaussian(CUT_STEPS)
    cv2.grabCut(pictured, labels, (0, 0, 0, 0), *models, 1, cv2.GC_EVAL_FREEZE_MODEL)
    return np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))


def _gaussian(mean: float) -> Float[np.ndarray, "1 65"]:
    """A model of OpenCV's GrabCut: weights, means and covariances of five components, of which this has one."""
    model, unbounded = np.zeros((1, 65)), 1e8
    model[0, 0] = 1
    model[0, 5:8] = 128, 128, mean
    model[0, 20:29] = np.diag([unbounded, unbounded, CUT_STEPS**2 / (2 * CUT_WEIGHT)]).ravel()
    return model


def _colour_bins(picture: UInt8[np.ndarray, "h w 3"]) -> tuple[np.ndarray, ...]:
    """Of each pixel, where it is in a histogram of colours."""
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)
    return tuple(lab[..., channel] // width for channel, width in enumerate(BIN_WIDTHS))


def _colour_log_odds(
    bins: tuple[np.ndarray, ...], thing: Float[np.ndarray, "h w"], others: Bool[np.ndarray, "h w"]
) -> Float[np.ndarray, "h w"]:
    """Of each pixel, by how often its colour is the thing's and the others'; both are weights of pixels."""
    shape = tuple(-(-256 // width) for width in BIN_WIDTHS)
    places = np.ravel_multi_index(bins, shape)
    shares = []
    for weights in (thing, others):
        counts = np.bincount(places.ravel(), weights.ravel(), np.prod(shape)).reshape(shape)
        shares.append(gaussian_filter(counts, 1, mode="constant") / max(counts.sum(), 1e-9) + UNSEEN_SHARE)
    return np.log(shares[0] / shares[1]).clip(-MAX_COLOUR_LOG_ODDS, MAX_COLOUR_LOG_ODDS)[bins]
