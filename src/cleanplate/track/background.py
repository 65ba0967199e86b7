"""A model of the background, and the log odds by which it corrects whether a pixel is the object.

Two observations tell background: it moves as the camera makes it move, and it has the colour that was seen at that
place before (a background plate). How much either tells depends on the shot, so its likelihood ratio is measured in the
shot: how often a value was observed on the object, and how often around it, in the frames tracked so far.
"""

from dataclasses import dataclass
from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Bool, Float

from cleanplate.imaging.homography import ransac_homography
from cleanplate.runtime.compiled import compiled
from cleanplate.track.fields import blur, lengths, size_px, warp
from cleanplate.track.likelihood import MAX_LOG_ODDS, LikelihoodRatio

# A homography is fitted to one vector in each cell of this size, and believed if this share of them are inliers.
GRID_PX, TOLERANCE_PX, MIN_INLIER_SHARE, MIN_VECTORS = 6, 1.0, 0.3, 50
# The most that a colour may say for the object, in place of `MAX_LOG_ODDS`, where the pixel also looks like it.
MAX_UNLIKE_LOG_ODDS = 3.0
# What motion said of a pixel counts on, so much from one frame to the next: what has moved with the camera for a while
# is surely background, and flow is wrong now and then.
MOTION_MOMENTUM, MIN_MOTION_LOG_ODDS = 0.6, -6.0
BAND_SHARE = 0.3  # width of the band around the object that the background is learned in, share of the object's size
_CELL = np.ones((3, 3), np.uint8)
_KNOWN = np.float32(0.5)  # the plate is known from this on


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
        outside = np.empty(self._known.shape, np.float32)
        _how_far_outside(colours, darkest, brightest, outside)
        colour_residual = cv2.blur(outside, (3, 3)) + np.float32(0.01)
        by_colour = self._colour_ratio.log_odds(colour_residual, MAX_UNLIKE_LOG_ODDS) * (self._known > _KNOWN)
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
            self._colour_ratio.update(evidence.colour_residual, mask, band * (self._known > _KNOWN))
        uncovered = blur(mask, 1.5) < 0.1
        if self._plate is None or self._known is None:
            self._plate, self._known = colours.copy(), uncovered.astype(np.float32)
            return
        _show(colours, uncovered, self._plate, self._known)


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
    motion = np.empty((height, width, 2), np.float32)
    _move(matrix, motion)
    return motion if np.abs(motion).max() < height + width else None


@no_type_check
@compiled
def _how_far_outside(colours, darkest, brightest, out):
    """Write how far each colour is outside a range of each channel."""
    for y in range(colours.shape[0]):
        for x in range(colours.shape[1]):
            squares = np.float32(0)
            for c in range(colours.shape[2]):
                colour = colours[y, x, c]
                off = max(colour - brightest[y, x, c], darkest[y, x, c] - colour, np.float32(0))
                squares += off * off
            out[y, x] = np.sqrt(squares)


@no_type_check
@compiled
def _show(colours, uncovered, plate, known):
    """Take uncovered colours into a plate: as they are where it is not known, and half of them where it is."""
    for y in range(known.shape[0]):
        for x in range(known.shape[1]):
            if uncovered[y, x]:
                share = np.float32(0.5) if known[y, x] > _KNOWN else np.float32(1)
                for c in range(plate.shape[2]):
                    plate[y, x, c] += share * (colours[y, x, c] - plate[y, x, c])
                known[y, x] = 1


@no_type_check
@compiled
def _move(matrix, motion):
    """Write how far a homography moves each pixel, (dx, dy)."""
    for y in range(motion.shape[0]):
        for x in range(motion.shape[1]):
            w = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
            scale = 1 / w if w != 0 else 0.0
            motion[y, x, 0] = (matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]) * scale - x
            motion[y, x, 1] = (matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]) * scale - y
