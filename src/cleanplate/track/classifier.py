"""A per-shot pixel classifier, object or background: a small network trained on the user's marks and on tracked frames.

A pixel's features (`features`) are its appearance and where it lies in the mask that is expected, which is the last
frame's mask warped along the flow. That expectation is always somewhat wrong, so the network is trained
with randomly deformed masks in its place (after Khoreva et al. 2017, "Lucid data dreaming", and MaskTrack): it learns
how far to rely on it, and how far on the colours of this very shot.
"""

import copy

import cv2
import numpy as np
from jaxtyping import Float, Int

from cleanplate.track.features import mask_features
from cleanplate.track.fields import blur, bounding_window, size_px, warp
from cleanplate.track.network import Network, Samples, joined

HIDDEN, LEARNING_RATE, ONLINE_LEARNING_RATE = 48, 3e-3, 1e-3
STEPS, ONLINE_STEPS = 300, 20
# Deformed masks that a marked and a tracked frame are sampled with, and pixels sampled with each.
DEFORMATIONS, ONLINE_DEFORMATIONS, PIXELS = 12, 2, 2500
DEFORMATION_SHARES = (0.03, 0.08, 0.15)  # how far a mask is deformed, as a share of the object's size
MEMORY_FRAMES = 6  # the latest tracked frames are trained on, beside the marked ones
MARKED_SAMPLES = 15000  # samples of marked frames that are always among what is trained on


def deform(mask: Float[np.ndarray, "H W"], rng: np.random.Generator) -> Float[np.ndarray, "H W"]:
    """The mask as a tracker may get it wrong: a random similarity and elastic deformation, at times a blob too much."""
    height, width = mask.shape
    size, moments = size_px(mask), cv2.moments(mask)
    area = max(moments["m00"], 1e-6)
    amount = float(rng.choice(DEFORMATION_SHARES))
    similarity = cv2.getRotationMatrix2D(
        (moments["m10"] / area, moments["m01"] / area), 60 * amount * rng.normal(), float(np.exp(amount * rng.normal()))
    )
    similarity[:, 2] += 0.6 * amount * size * rng.normal(size=2)
    sigma_px = 0.15 * size
    factor = max(1, int(sigma_px / 2))
    noise = rng.normal(size=(height // factor + 3, width // factor + 3, 3)).astype(np.float32)
    waves = cv2.resize(blur(noise, sigma_px / factor), (width, height), interpolation=cv2.INTER_LINEAR)
    waves /= waves.std()
    displacement = waves[..., :2] * np.float32(0.7 * amount * size)
    deformed = warp(cv2.warpAffine(mask, similarity, (width, height)), displacement)
    if rng.random() < 0.5:
        deformed = np.where(waves[..., 2] > 1.8, np.float32(rng.random()), deformed)
    return cv2.GaussianBlur(deformed, (0, 0), 1 + 2 * rng.random())


def samples(
    features: Float[np.ndarray, "H W C"],
    mask: Float[np.ndarray, "H W"],
    rng: np.random.Generator,
    *,
    deformations: int,
    confidence: Float[np.ndarray, "H W"] | None = None,
) -> Samples:
    """Training samples of a frame whose mask is known, most of them in a band around the outline.

    Args:
        features: `appearance_features` of the frame.
        mask: 1 on the object, which is not empty.
        rng: draws the deformed masks and the pixels.
        deformations: how many deformed masks.
        confidence: weight with which each pixel is drawn; 1 if not given.
    """
    window = bounding_window(mask, 0.5, 0.8 * size_px(mask) + 8)
    assert window is not None, "an empty mask teaches nothing"
    features, mask = features[window], np.ascontiguousarray(mask[window])
    colours = np.ascontiguousarray(features[..., :3])
    sigma_px = 0.15 * size_px(mask)
    drawn, labels = [], []
    for _ in range(deformations):
        expected = deform(mask, rng)
        band = blur(np.maximum(mask, expected), sigma_px) * blur(1 - np.minimum(mask, expected), sigma_px)
        weight = 0.8 * band / max(float(band.sum()), 1e-6) + 0.1 * mask / mask.sum() + np.float32(0.1 / mask.size)
        weight = weight if confidence is None else weight * confidence[window]
        cumulative = np.cumsum(weight, dtype=np.float64)
        at = np.minimum(np.searchsorted(cumulative, rng.random(PIXELS) * cumulative[-1]), mask.size - 1)
        both = features[np.divmod(at, mask.shape[1])], mask_features(expected, colours, at)
        drawn.append(np.concatenate(both, axis=1))
        labels.append(mask.ravel()[at])
    return np.concatenate(drawn), np.concatenate(labels)


class Classifier:
    """The network, and what it is trained on: the marked frames always, the tracked ones while they are recent."""

    def __init__(self, marked: list[Samples], seed: int):
        features, labels = joined(marked)
        self._rng = np.random.default_rng(seed)
        shuffled = self._rng.permutation(len(features))
        self._marked = features[shuffled], labels[shuffled]
        self._tracked: list[Samples] = []
        self._network = Network((features.shape[1], HIDDEN, HIDDEN, 1), self._rng)
        self._network.train(self._marked, self._rng, steps=STEPS, learning_rate=LEARNING_RATE)
        self._network.forget_gradients()

    def copy(self) -> "Classifier":
        """One that has learned the same, and is trained independently from here on."""
        twin = copy.copy(self)
        twin._network, twin._rng = copy.deepcopy(self._network), copy.deepcopy(self._rng)
        twin._network.forget_gradients()
        return twin

    def update(self, new: Samples) -> None:
        """Go on training, online, with samples of a tracked frame among the others."""
        self._tracked = [*self._tracked, new][-MEMORY_FRAMES:]
        features, labels = self._marked
        samples = joined([(features[:MARKED_SAMPLES], labels[:MARKED_SAMPLES]), *self._tracked])
        self._network.train(samples, self._rng, steps=ONLINE_STEPS, learning_rate=ONLINE_LEARNING_RATE)

    def log_odds(
        self,
        features: Float[np.ndarray, "N C"],
        expected: Float[np.ndarray, "H W"],
        colours: Float[np.ndarray, "H W 3"],
        at: Int[np.ndarray, " N"],
    ) -> Float[np.ndarray, " N"]:
        """That some pixels are the object, from their `appearance_features` and the expected mask.

        Args:
            features: of these pixels.
            expected: the mask.
            colours: of all pixels, the first of their features.
            at: which pixels, counted row by row.
        """
        return self._network(np.concatenate((features, mask_features(expected, colours, at)), axis=1))
