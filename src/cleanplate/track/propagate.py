"""Propagate the mask of an object from frame to frame: warp it along the flow, then correct it by what is observed.

An object that is hidden is waited for where it should be, and sought around there by its looks; one that does not come
back, and one that was taken over a cut, is sought in the whole frame (`seek`).
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from cleanplate.imaging.dis import dis
from cleanplate.track.background import Background, Evidence, camera_flow
from cleanplate.track.classifier import ONLINE_DEFORMATIONS, Classifier, samples
from cleanplate.track.components import centroid, count_components, main_components
from cleanplate.track.features import appearance_features
from cleanplate.track.fields import (
    blur,
    bounding_window,
    filled_up,
    guided_filter,
    probability_of,
    size_px,
    sparse,
    warp,
)
from cleanplate.track.looks import Looks
from cleanplate.track.seek import seek
from cleanplate.track.tracked import MAX_THRESHOLD

UPDATE_EVERY = 4  # frames
# Around the expected mask, a window with this margin is classified; and the object may be where a blur of the mask, so
# wide, is above the last value. Margin and width are shares of the object's size.
WINDOW_MARGIN, REACH_SIGMA, MIN_REACH = 0.6, 0.25, 0.02
OUTLINE_SIGMA_PX = 2.0  # width of the outline in which every pixel is asked about
# Elsewhere pixels are asked about that are so far apart, as a share of the object's size, and at most.
SPACING_SHARE, MAX_SPACING_PX = 0.125, 4
NEVER = -20.0  # log odds of what is too far from where the object is expected
COMPONENT_GAP = 0.2  # share of the object's size; see `main_components`
# An object is being occluded when less than this share of its area is left. For so many frames it is waited for where
# it should be; then what is left is the object, unless that is less than the second share: then it is lost.
OCCLUDED_SHARE, MAX_OCCLUDED_FRAMES, LOST_SHARE = 0.6, 40, 0.1
# While it is occluded, what is seen of it may be something else. Weights of what the flow says, of what is remembered.
LEFT_WEIGHT, MEMORY_WEIGHT = 0.7, 0.6
# It may be so far from where it should be, in sizes of it: at once, and more with every frame.
REACH_SIZES, REACH_GROWTH, FOUND_GAIN = 1.5, 0.3, 1.3
# Weight of log odds by the looks alone, and how much they may speak for the object at most: they tell what is not the
# object, but a shadow or a mirror image of it looks like it.
LOOKS_WEIGHT, MAX_FOR_BY_LOOKS = 0.5, 1.0
UNLIKE_WEIGHT = 0.05  # of what looks like anything but the object, where pieces are compared
VELOCITY_MOMENTUM, AREA_MOMENTUM = 0.7, 0.9
NEAR = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))  # an outline may move so far without anything being let go


@dataclass(frozen=True)
class Observation:
    """What can be said of a frame without knowing the object, and the flow to the neighbour observed before it."""

    features: Float[np.ndarray, "H W C"]
    """See `appearance_features`."""
    blurred_colours: Float[np.ndarray, "H W 3"]
    """The first three of them (CIELAB, scaled), slightly blurred."""
    flow: Float[np.ndarray, "H W 2"]
    """(dx, dy) in pixels."""


def observe(picture: UInt8[np.ndarray, "H W 3"], before: UInt8[np.ndarray, "H W 3"]) -> Observation:
    """Appearance features of a frame, and the flow from it to the one before (or after, on the way back)."""
    here, there = (cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in (picture, before))
    features = appearance_features(picture)
    return Observation(features, blur(np.ascontiguousarray(features[..., :3]), 1), dis(here, there))


class Propagator:
    """Propagates a mask frame by frame from a marked one."""

    def __init__(self, mask: Float[np.ndarray, "H W"], classifier: Classifier, looks: Looks, seed: int):
        self._mask, self._classifier, self._looks = mask, classifier, looks
        self._rng = np.random.default_rng(seed)
        self._background = Background()
        self._components = count_components(mask > 0.5)
        # What is remembered of the object while it is occluded: mask, area, velocity (x, y) relative to the camera's.
        self._memory, self._area, self._velocity = mask, float(mask.sum()), np.zeros(2, np.float32)
        self._occluded_frames = self._observed_frames = 0
        self.drift = 0.0
        """How much of the object has been let go since its mark, summed over the steps: see `let_go`."""

    def step(self, observation: Observation, *, is_cut: bool = False) -> tuple[Float[np.ndarray, "H W"], float]:
        """The mask of the next frame, as probabilities, and the confidence in it, 0..1.

        Args:
            observation: of that frame.
            is_cut: whether it is of another shot than the frame before, so nothing is where it was.
        """
        if is_cut:
            self._lose()
        warped = warp(self._mask, observation.flow)
        camera = None if is_cut else camera_flow(observation.flow, warped < 0.1)
        evidence = self._background.evidence(observation.blurred_colours, observation.flow, camera)
        expected = self._expect(warped, camera)
        if self._occluded_frames:
            expected = np.maximum(expected, self._seek(observation.features, evidence))
        mask = self._classify(observation.features, expected, evidence)
        self._remember(mask, camera)
        # What is occluded may reappear any moment: meanwhile its place is not learned as background.
        occupied = np.maximum(mask, self._memory) if self._occluded_frames else mask
        self._background.observe(observation.blurred_colours, occupied, evidence)
        self._update(observation.features, mask)
        self._mask = mask
        self.drift += let_go(mask, warped)
        return mask, step_confidence(mask, warped)

    @property
    def _is_lost(self) -> bool:
        """Whether it has been waited for in vain."""
        return self._occluded_frames > MAX_OCCLUDED_FRAMES

    def _lose(self) -> None:
        """Forget where the object is, and what is behind it."""
        self._background, self._mask, self._memory = Background(), 0 * self._mask, 0 * self._memory
        self._velocity, self._occluded_frames = np.zeros(2, np.float32), MAX_OCCLUDED_FRAMES + 1
        self.drift += 1

    def _expect(
        self, warped: Float[np.ndarray, "H W"], camera: Float[np.ndarray, "H W 2"] | None
    ) -> Float[np.ndarray, "H W"]:
        """Where the object should be: where the flow takes it and, while it is occluded, where its velocity would."""
        if camera is not None:
            self._memory = warp(self._memory, camera - self._velocity)
        if not self._occluded_frames:
            return warped
        uncertainty_px = 1 + 0.02 * self._occluded_frames * np.sqrt(self._area)
        return np.maximum(LEFT_WEIGHT * warped, MEMORY_WEIGHT * blur(self._memory, uncertainty_px))

    def _seek(self, features: Float[np.ndarray, "H W C"], evidence: Evidence) -> Float[np.ndarray, "H W"]:
        """Where the object may be again, around where it should be, or anywhere once it is lost."""
        reach_px = np.sqrt(self._area) * (REACH_SIZES + REACH_GROWTH * self._occluded_frames)
        place = None if self._is_lost else (centroid(self._memory), float(reach_px))
        found = seek(self._looks, features, evidence.motion_log_odds, self._area, place)
        return MEMORY_WEIGHT * np.minimum(1, FOUND_GAIN * found)

    def _classify(
        self,
        features: Float[np.ndarray, "H W C"],
        expected: Float[np.ndarray, "H W"],
        evidence: Evidence,
    ) -> Float[np.ndarray, "H W"]:
        """The probability that each pixel is the object, near where it is expected; 0 elsewhere."""
        mask, size = np.zeros_like(expected), size_px(expected)
        window = bounding_window(expected, 0.1, WINDOW_MARGIN * size + 8)
        if window is None:
            return mask
        here, features = np.ascontiguousarray(expected[window]), features[window]
        colours = np.ascontiguousarray(features[..., :3])
        # Away from the outline that is expected, a pixel answers for its neighbours too.
        outline = np.abs(blur(here, OUTLINE_SIGMA_PX) - 0.5) < 0.49
        spacing_px = int(np.clip(SPACING_SHARE * size, 1, MAX_SPACING_PX))
        at = np.flatnonzero(sparse(blur(here, REACH_SIGMA * size) > MIN_REACH, outline, spacing_px))
        own = features[np.divmod(at, here.shape[1])]
        by_looks = self._looks.log_odds(own)
        by_all = self._classifier.log_odds(own, here, colours, at)
        by_all += LOOKS_WEIGHT * np.minimum(by_looks, MAX_FOR_BY_LOOKS)
        if evidence.unlike_log_odds is not None:
            by_all += probability_of(by_looks) * evidence.unlike_log_odds[window].ravel()[at]
        log_odds, alike = np.full_like(here, NEVER), np.zeros_like(here)
        np.put(log_odds, at, by_all)
        np.put(alike, at, probability_of(by_looks))
        probability = probability_of(filled_up(log_odds, outline, spacing_px) + evidence.log_odds[window])
        found = np.clip(guided_filter(colours[..., 0] / 2 + 0.5, probability), 0, 1)
        worth = here * (UNLIKE_WEIGHT + filled_up(alike, outline, spacing_px))
        mask[window] = found * main_components(found, worth, self._components, COMPONENT_GAP * size)
        return mask

    def _remember(self, mask: Float[np.ndarray, "H W"], camera: Float[np.ndarray, "H W 2"] | None) -> None:
        """Update what is remembered of the object, unless it is occluded."""
        area = float(mask.sum())
        if area <= (LOST_SHARE if self._is_lost else OCCLUDED_SHARE) * self._area:
            self._occluded_frames += 1
            if self._is_lost:
                self._memory = 0 * self._memory
            return
        if not self._occluded_frames and camera is not None:
            still = warp(self._mask, camera)
            if still.sum() > 10:
                displacement = centroid(mask) - centroid(still)
                self._velocity = VELOCITY_MOMENTUM * self._velocity + (1 - VELOCITY_MOMENTUM) * displacement
        self._area = area if self._is_lost else AREA_MOMENTUM * self._area + (1 - AREA_MOMENTUM) * area
        self._memory, self._occluded_frames = mask, 0

    def _update(self, features: Float[np.ndarray, "H W C"], mask: Float[np.ndarray, "H W"]) -> None:
        """Train the classifier online on every few frames, with pixels drawn by how decided they are."""
        self._observed_frames += 1
        labels = (mask > 0.5).astype(np.float32)
        if self._observed_frames % UPDATE_EVERY or labels.sum() <= 20:
            return
        confidence = np.square(2 * blur(mask, 1.5) - 1) + np.float32(0.02)
        drawn = samples(features, labels, self._rng, deformations=ONLINE_DEFORMATIONS, confidence=confidence)
        self._classifier.update(drawn)
        self._looks.learn_surroundings(features, mask)


def step_confidence(mask: Float[np.ndarray, "H W"], warped: Float[np.ndarray, "H W"]) -> float:
    """Confidence in a step, 0..1: how decided its probabilities are, times the IoU of the mask before and after it.

    On real shots it came out close to the IoU with the truth, so it can be read as the IoU to expect.
    """
    total = float(mask.sum())
    if total < 1:
        return 0.0
    undecided = float(np.minimum(mask, 1 - mask).sum()) / total
    now, then = mask > 0.5, warped > 0.5
    iou = (now & then).sum() / max(1, (now | then).sum())
    return float(max(0.0, 1 - undecided) * iou)


def let_go(mask: Float[np.ndarray, "H W"], warped: Float[np.ndarray, "H W"]) -> float:
    """The share of what the flow took along that is not masked any more, nor is close to what is: 0..1.

    Confidence is about a step, errors add up: where much was let go on the way from the mark, most often something of
    the object is missing, though every step by itself was decided.
    """
    taken_along, kept = warped > 0.5, cv2.dilate(mask, NEAR) > MAX_THRESHOLD
    return float((taken_along & ~kept).sum() / max(1, taken_along.sum()))
