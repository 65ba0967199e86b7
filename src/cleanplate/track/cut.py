"""The minimum cut through what motion and colours say of each pixel, along the edges of the picture."""

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy.ndimage import gaussian_filter

PASSES = 2
"""The second one learns colours from what the first has found."""
# On a scale of log residual motion from 0, that of what stands still, to 1, that of the thing: where it says nothing.
NEITHER = 0.55
LOG_ODDS_PER_MOTION, MIN_MOTION_LOG_ODDS, MAX_MOTION_LOG_ODDS = 8.0, -4.0, 0.5
MAX_COLOUR_LOG_ODDS, MAX_LOG_ODDS = 4.0, 6.0
# Bins of CIELAB (OpenCV's bytes); counts are blurred by one bin, and so small a share in each says nothing.
BIN_WIDTHS, UNSEEN_SHARE = (8, 2, 2), 1e-4
# GrabCut weighs an edge with 50; so much the surest log odds. They are in a channel of so many steps.
CUT_WEIGHT, CUT_STEPS = 60.0, 24.0


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


def motion_log_odds(share: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """That a pixel is the thing's, by its motion between what stands still (0) and the thing (1).

    Flow runs over the thing's border, and water or a shadow moves along: motion speaks much against, and little for it.
    """
    return (LOG_ODDS_PER_MOTION * (share - NEITHER)).clip(MIN_MOTION_LOG_ODDS, MAX_MOTION_LOG_ODDS)


def lightness_and_chroma(picture: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 2"]:
    """Lightness, and the principal component of chroma (CIELAB, OpenCV's bytes; about 0..255)."""
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB).astype(np.float32)
    chroma = lab[..., 1:].reshape(-1, 2) - lab[..., 1:].mean((0, 1))
    _, axes = np.linalg.eigh(chroma.T @ chroma)
    return np.dstack((lab[..., 0], (chroma @ axes[:, 1]).reshape(lab.shape[:2]) * 2 + 128))


def colour_bins(picture: UInt8[np.ndarray, "h w 3"]) -> tuple[np.ndarray, ...]:
    """Of each pixel, where it is in a histogram of colours."""
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)
    return tuple(lab[..., channel] // width for channel, width in enumerate(BIN_WIDTHS))


def colour_log_odds(
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
