"""What speaks against a pixel being the thing.

It moves as the camera makes the background move, or it looks as the background looked there before. How much either
says depends on the shot, so it is measured in the shot: how often a value has been met on the thing, and how often on
what surrounds it, in the frames tracked so far.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float

from cleanplate.imaging.homography import ransac_homography
from cleanplate.track.fields import blur, move, size_px

# A homography is fitted to every so many-th vector, and believed if so large a share agrees on it to a pixel.
GRID_PX, TOLERANCE_PX, SUPPORT, LEAST_VECTORS = 6, 1.0, 0.3, 50
# Log odds that a value may speak with: much against the thing, little for it. What looks unlike the background is
# more often a foreground that moves by parallax, or a picture that is not aligned, than the thing.
AGAINST, FOR = 2.5, 0.3
MOTION_WEIGHT, PLATE_WEIGHT = 1.0, 1.0
SPREAD = 0.3  # of the surroundings, as a share of the thing's size
_CELL = np.ones((3, 3), np.uint8)


class Odds:
    """Log odds of a value between those met on the thing and around it: two histograms over its logarithm."""

    BINS, FORGET = 24, 0.8

    def __init__(self, least: float, most: float):
        self._least, self._span = np.log(least), np.log(most / least)
        self._counts = np.ones((2, self.BINS))

    def _bins(self, values: Float[np.ndarray, "H W"]) -> np.ndarray:
        return ((np.log(values) - self._least) / self._span * self.BINS).astype(int).clip(0, self.BINS - 1)

    def of(self, values: Float[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
        """The log odds of each value."""
        counts = self._counts + 0.01 * self._counts.sum(axis=1, keepdims=True) + 1
        counts = cv2.GaussianBlur(counts, (5, 1), 1)
        counts /= counts.sum(axis=1, keepdims=True)
        odds = np.clip(np.log(counts[1] / counts[0]), -AGAINST, FOR).astype(np.float32)
        return odds[self._bins(values)]

    def add(
        self, values: Float[np.ndarray, "H W"], thing: Float[np.ndarray, "H W"], weight: Float[np.ndarray, "H W"]
    ) -> None:
        """Count what was met; what was met long ago counts less."""
        bins = self._bins(values).ravel()
        for row, share in enumerate((1 - thing, thing)):
            met = np.bincount(bins, (share * weight).ravel(), self.BINS)
            self._counts[row] = self.FORGET * self._counts[row] + met


class Background:
    """The background as far as it has been seen, in the place where the camera now shows it."""

    def __init__(self) -> None:
        self._plate: Float[np.ndarray, "H W 3"] | None = None
        self._seen: Float[np.ndarray, "H W"] | None = None
        self._by_look, self._by_motion = Odds(0.01, 1.5), Odds(0.05, 8.0)
        self._off: Float[np.ndarray, "H W"] | None = None
        self._moving: Float[np.ndarray, "H W"] | None = None

    def against(
        self,
        colours: Float[np.ndarray, "H W 3"],
        flow: Float[np.ndarray, "H W 2"],
        camera: Float[np.ndarray, "H W 2"] | None,
        expected: Float[np.ndarray, "H W"],
    ) -> Float[np.ndarray, "H W"]:
        """Log odds to add for each pixel of the next frame, most of them negative.

        Args:
            colours: of the frame, slightly blurred.
            flow: from this frame to the one seen before.
            camera: what of it the camera makes, if that is known.
            expected: where the thing is expected.
        """
        self._off = self._moving = None
        evidence = np.zeros_like(expected)
        if camera is None:  # no camera to be made out: what was seen is nowhere
            self._plate = self._seen = None
            return evidence
        moving = cv2.blur(np.linalg.norm(flow - camera, axis=2), (3, 3)) + np.float32(0.05)
        evidence += MOTION_WEIGHT * self._by_motion.of(moving)
        self._moving = moving
        if self._plate is not None and self._seen is not None:
            self._plate = move(self._plate, camera, cv2.BORDER_CONSTANT)
            self._seen = move(self._seen, camera, cv2.BORDER_CONSTANT)
            # Off by less than a pixel is not off: how far a colour is outside what the plate shows around it.
            least, most = cv2.erode(self._plate, _CELL), cv2.dilate(self._plate, _CELL)
            beyond = np.maximum(0, np.maximum(colours - most, least - colours))
            off = cv2.blur(np.linalg.norm(beyond, axis=2), (3, 3)) + np.float32(0.01)
            evidence += PLATE_WEIGHT * self._by_look.of(off) * (self._seen > 0.5)
            self._off = off
        return evidence

    def see(self, colours: Float[np.ndarray, "H W 3"], thing: Float[np.ndarray, "H W"]) -> None:
        """Learn from a frame whose mask is known, the one that was asked about last."""
        near = (blur(thing, SPREAD * size_px(thing)) > 0.02).astype(np.float32)
        if self._moving is not None:
            self._by_motion.add(self._moving, thing, near)
        if self._off is not None and self._seen is not None:
            self._by_look.add(self._off, thing, near * (self._seen > 0.5))
        free = blur(thing, 1.5) < 0.1
        if self._plate is None or self._seen is None:
            self._plate, self._seen = colours.copy(), free.astype(np.float32)
            return
        share = np.where(self._seen > 0.5, np.float32(0.5), np.float32(1)) * free
        self._plate += share[..., None] * (colours - self._plate)
        self._seen = np.maximum(self._seen, free)


def camera_flow(flow: Float[np.ndarray, "H W 2"], still: Bool[np.ndarray, "H W"]) -> Float[np.ndarray, "H W 2"] | None:
    """The motion of a plane that most vectors agree on (RANSAC), None if there is none.

    Args:
        flow: in pixels.
        still: where vectors may be those of the background.
    """
    height, width = still.shape
    y, x = (GRID_PX * at for at in np.nonzero(still[::GRID_PX, ::GRID_PX]))
    if len(x) < LEAST_VECTORS:
        return None
    start = np.stack((x, y), axis=1).astype(np.float32)
    found = ransac_homography(start, start + flow[y, x], tolerance_px=TOLERANCE_PX, max_iters=300)
    if found is None or found[1].mean() < SUPPORT:
        return None
    matrix, _ = found
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
    motion = cv2.perspectiveTransform(grid.reshape(1, -1, 2), matrix).reshape(height, width, 2) - grid
    return motion if np.abs(motion).max() < height + width else None
