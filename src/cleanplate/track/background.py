"""A model of the background, and the log odds by which it corrects whether a pixel is the object.

Two observations tell background: it moves as the camera makes it move, and it has the colour that was seen at that
place before (a background plate). How much either tells depends on the shot, so its likelihood ratio is measured in the
shot: how often a value was observed on the object, and how often around it, in the frames tracked so far.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float

from cleanplate.imaging.homography import ransac_homography
from cleanplate.track.fields import blur, lengths, size_px, warp

# A homography is fitted to one vector in each cell of this size, and believed if this share of them are inliers.
GRID_PX, TOLERANCE_PX, MIN_INLIER_SHARE, MIN_VECTORS = 6, 1.0, 0.3, 50
# Bounds of the log odds of one observation: it may speak much for the background, and little for the object. What looks
# unlike the background is more often a foreground with parallax, or a misaligned plate, than the object.
MIN_LOG_ODDS, MAX_LOG_ODDS = -2.5, 0.3
MAX_UNLIKE_LOG_ODDS = 3.0  # the second bound for a colour, where the pixel also looks like the object
# What motion said of a pixel counts on, so much from one frame to the next: what has moved with the camera for a while
# is surely background, and flow is wrong now and then.
MOTION_MOMENTUM, MIN_MOTION_LOG_ODDS = 0.6, -6.0
BAND_SHARE = 0.3  # width of the band around the object that the background is learned in, share of the object's size
_CELL = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class Evidence:
    """What was observed of a frame, and what it says."""

    log_odds: Float[np.ndarray, "H W"]
    """To add to those of each pixel being the object, most of them negative."""
    motion_log_odds: Float[np.ndarray, "H W"]
    """What the motion of this frame alone says."""
    motion_residual_px: Float[np.ndarray, "H W"] | None = None
    """How far the flow is from the camera's; None if no camera motion was found."""
    colour_residual: Float[np.ndarray, "H W"] | None = None
    """How far the colour is from the background plate's; None if there is no plate."""
    unlike_log_odds: Float[np.ndarray, "H W"] | None = None
    """What a colour that the plate has not says for the object beyond `MAX_LOG_ODDS`, 0 or more. It counts as far as
    the pixel looks like the object too: so a limb that the flow left behind is found. None if there is no plate."""


class LikelihoodRatio:
    """Log odds that an observed value is the object's: two histograms over its logarithm, learned online."""

    BINS, DECAY = 24, 0.8

    def __init__(self, smallest: float, largest: float):
        self._smallest, self._span = np.log(smallest), np.log(largest / smallest)
        self._counts = np.ones((2, self.BINS))  # background, object

    def _bins(self, values: Float[np.ndarray, "H W"]) -> np.ndarray:
        return ((np.log(values) - self._smallest) / self._span * self.BINS).astype(int).clip(0, self.BINS - 1)

    def log_odds(self, values: Float[np.ndarray, "H W"], most: float = MAX_LOG_ODDS) -> Float[np.ndarray, "H W"]:
        """Of each value, from `MIN_LOG_ODDS` to `most`."""
        counts = self._counts + 0.01 * self._counts.sum(axis=1, keepdims=True) + 1
        counts = cv2.GaussianBlur(counts, (5, 1), 1)
        counts /= counts.sum(axis=1, keepdims=True)
        odds = np.clip(np.log(counts[1] / counts[0]), MIN_LOG_ODDS, most).astype(np.float32)
        return odds[self._bins(values)]

    def update(
        self, values: Float[np.ndarray, "H W"], mask: Float[np.ndarray, "H W"], weight: Float[np.ndarray, "H W"]
    ) -> None:
        """Count the values of a frame whose mask is known; older counts decay.

        Args:
            values: what was observed.
            mask: 1 on the object.
            weight: of each pixel.
        """
        bins = self._bins(values).ravel()
        for row, share in enumerate((1 - mask, mask)):
            observed = np.bincount(bins, (share * weight).ravel(), self.BINS)
            self._counts[row] = self.DECAY * self._counts[row] + observed


class Background:
    """The background plate as far as it has been seen, aligned with the last frame, and what to make of residuals."""

    def __init__(self) -> None:
        self._plate: Float[np.ndarray, "H W 3"] | None = None
        self._known: Float[np.ndarray, "H W"] | None = None  # 1 where the plate is
        self._motion_log_odds: Float[np.ndarray, "H W"] | None = None  # of the frames so far
        self._colour_ratio, self._motion_ratio = LikelihoodRatio(0.01, 1.5), LikelihoodRatio(0.05, 8.0)

    def evidence(
        self,
        colours: Float[np.ndarray, "H W 3"],
        flow: Float[np.ndarray, "H W 2"],
        camera: Float[np.ndarray, "H W 2"] | None,
    ) -> Evidence:
        """Align the plate with the next frame, and compare the two.

        Args:
            colours: of the frame, slightly blurred.
            flow: from this frame to the one observed before.
            camera: the part of it that the camera makes, if that is known.
        """
        if camera is None:  # the plate cannot be aligned any more
            self._plate = self._known = self._motion_log_odds = None
            nothing = np.zeros(colours.shape[:2], np.float32)
            return Evidence(nothing, nothing)
        motion_residual_px = cv2.blur(lengths(flow - camera), (3, 3)) + np.float32(0.05)
        by_motion = self._motion_ratio.log_odds(motion_residual_px)
        before, self._motion_log_odds = self._motion_log_odds, by_motion
        if before is not None:
            self._motion_log_odds = by_motion + MOTION_MOMENTUM * warp(before, camera, cv2.BORDER_CONSTANT)
        log_odds = np.maximum(self._motion_log_odds, MIN_MOTION_LOG_ODDS)
        if self._plate is None or self._known is None:
            return Evidence(log_odds, by_motion, motion_residual_px)
        self._plate = warp(self._plate, camera, cv2.BORDER_CONSTANT)
        self._known = warp(self._known, camera, cv2.BORDER_CONSTANT)
        # A misalignment of less than a pixel is none: what counts is how far a colour is outside the range of those
        # that the plate has around it.
        darkest, brightest = cv2.erode(self._plate, _CELL), cv2.dilate(self._plate, _CELL)
        outside = np.maximum(0, np.maximum(colours - brightest, darkest - colours))
        colour_residual = cv2.blur(lengths(outside), (3, 3)) + np.float32(0.01)
        by_colour = self._colour_ratio.log_odds(colour_residual, MAX_UNLIKE_LOG_ODDS) * (self._known > 0.5)
        log_odds = log_odds + np.minimum(by_colour, MAX_LOG_ODDS)
        unlike = np.maximum(by_colour - MAX_LOG_ODDS, 0)
        return Evidence(log_odds, by_motion, motion_residual_px, colour_residual, unlike)

    def observe(
        self, colours: Float[np.ndarray, "H W 3"], mask: Float[np.ndarray, "H W"], evidence: Evidence | None = None
    ) -> None:
        """Learn from a frame whose mask is known now.

        Args:
            colours: of the frame, slightly blurred.
            mask: 1 on the object.
            evidence: what was observed of this frame before its mask was known.
        """
        band = (blur(mask, BAND_SHARE * size_px(mask)) > 0.02).astype(np.float32)
        if evidence is not None and evidence.motion_residual_px is not None:
            self._motion_ratio.update(evidence.motion_residual_px, mask, band)
        if evidence is not None and evidence.colour_residual is not None and self._known is not None:
            self._colour_ratio.update(evidence.colour_residual, mask, band * (self._known > 0.5))
        uncovered = blur(mask, 1.5) < 0.1
        if self._plate is None or self._known is None:
            self._plate, self._known = colours.copy(), uncovered.astype(np.float32)
            return
        share = np.where(self._known > 0.5, np.float32(0.5), np.float32(1)) * uncovered
        self._plate += share[..., None] * (colours - self._plate)
        self._known = np.maximum(self._known, uncovered)


def camera_flow(
    flow: Float[np.ndarray, "H W 2"], background: Bool[np.ndarray, "H W"]
) -> Float[np.ndarray, "H W 2"] | None:
    """The flow that the camera makes: that of a plane which most vectors agree on (RANSAC), None if there is none.

    Args:
        flow: (dx, dy) in pixels.
        background: where vectors may be those of the background.
    """
    height, width = background.shape
    y, x = (GRID_PX * at for at in np.nonzero(background[::GRID_PX, ::GRID_PX]))
    if len(x) < MIN_VECTORS:
        return None
    start = np.stack((x, y), axis=1).astype(np.float32)
    found = ransac_homography(start, start + flow[y, x], tolerance_px=TOLERANCE_PX, max_iters=300)
    if found is None or found[1].mean() < MIN_INLIER_SHARE:
        return None
    matrix, _ = found
    grid = np.stack(np.meshgrid(*(np.arange(side, dtype=np.float32) for side in (width, height))), axis=-1)
    motion = cv2.perspectiveTransform(grid.reshape(1, -1, 2), matrix).reshape(height, width, 2) - grid
    return motion if np.abs(motion).max() < height + width else None
