"""A per-shot pixel classifier, object or background: a small network trained on the user's marks and on tracked frames.

A pixel's features are its appearance (colour, texture around it) and where it lies in the mask that is expected, which
is the last frame's mask warped along the flow. That expectation is always somewhat wrong, so the network is trained
with randomly deformed masks in its place (after Khoreva et al. 2017, "Lucid data dreaming", and MaskTrack): it learns
how far to rely on it, and how far on the colours of this very shot.
"""

import copy

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from cleanplate.track.fields import blur, bounding_window, size_px, warp
from cleanplate.track.network import Network, Samples, joined

HIDDEN, LEARNING_RATE, ONLINE_LEARNING_RATE = 48, 3e-3, 1e-3
STEPS, ONLINE_STEPS = 300, 20
# Deformed masks that a marked and a tracked frame are sampled with, and pixels sampled with each.
DEFORMATIONS, ONLINE_DEFORMATIONS, PIXELS = 12, 2, 2500
DEFORMATION_SHARES = (0.03, 0.08, 0.15)  # how far a mask is deformed, as a share of the object's size
MEMORY_FRAMES = 6  # the latest tracked frames are trained on, beside the marked ones
MARKED_SAMPLES = 15000  # samples of marked frames that are always among what is trained on


def appearance_features(picture: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "H W 19"]:
    """Of each pixel its colour (CIELAB, comes first), mean and deviation of colour around it, oriented gradients."""
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2Lab).astype(np.float32)
    lab = (lab - np.float32(127.5)) * np.array([1, 3, 3], np.float32) / np.float32(127.5)
    parts = [lab]
    for sigma_px in (2, 5):
        mean = blur(lab, sigma_px)
        parts += [mean, 2 * np.sqrt(np.maximum(blur(lab * lab, sigma_px) - mean * mean, 0))]
    lightness = np.ascontiguousarray(lab[..., 0])
    dx, dy = cv2.Sobel(lightness, cv2.CV_32F, 1, 0), cv2.Sobel(lightness, cv2.CV_32F, 0, 1)
    gradients = np.abs(dx), np.abs(dy), np.sqrt(np.maximum(0, dx * dy)), np.sqrt(np.maximum(0, -dx * dy))
    return np.concatenate((*parts, blur(np.stack(gradients, axis=-1), 3)), axis=2)


def mask_features(
    expected: Float[np.ndarray, "H W"], colours: Float[np.ndarray, "H W 3"], at: Int[np.ndarray, " N"]
) -> Float[np.ndarray, "N 7"]:
    """Of some pixels the expected mask, sharp and blurred, the position relative to it, and their colour likelihood.

    Args:
        expected: the mask.
        colours: of all pixels.
        at: which pixels, counted row by row.
    """
    moments = cv2.moments(expected)
    area = max(moments["m00"], 1e-6)
    size, (rows, columns) = size_px(expected), np.divmod(at, expected.shape[1])
    masks = [expected, *(blur(expected, max(1.0, share * size)) for share in (0.04, 0.12, 0.3))]
    position = [
        np.tanh((where - np.float32(moments[moment] / area)) / np.float32(2 * size))
        for where, moment in ((columns.astype(np.float32), "m10"), (rows.astype(np.float32), "m01"))
    ]
    likelihood = _colour_likelihood(expected, colours, 0.2 * size, at)
    return np.stack((*(mask.ravel()[at] for mask in masks), *position, likelihood), axis=-1)


def _colour_likelihood(
    mask: Float[np.ndarray, "H W"], colours: Float[np.ndarray, "H W 3"], sigma_px: float, at: Int[np.ndarray, " N"]
) -> Float[np.ndarray, " N"]:
    """Whether a pixel's colour is likelier the object's (1) or the background's (-1) in its neighbourhood.

    Each is a Gaussian in colour, with mean and variance of the pixels around.
    """
    powers = np.concatenate((np.ones_like(mask)[..., None], colours, colours * colours), axis=2)
    foreground, every = (blur(field, sigma_px).reshape(-1, 7)[at] for field in (mask[..., None] * powers, powers))
    own = colours.reshape(-1, 3)[at]

    def distance(sums: np.ndarray) -> np.ndarray:
        weight = np.maximum(sums[:, :1], 0) + np.float32(1e-3)
        mean = sums[:, 1:4] / weight
        variance = np.maximum(sums[:, 4:] / weight - mean * mean, 0) + np.float32(3e-3)
        return ((own - mean) ** 2 / variance + np.log(variance)).sum(axis=1)

    return np.tanh((distance(every - foreground) - distance(foreground)) / 8)


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
        both = features.reshape(mask.size, -1)[at], mask_features(expected, colours, at)
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
        self, features: Float[np.ndarray, "H W C"], expected: Float[np.ndarray, "H W"], at: Int[np.ndarray, " N"]
    ) -> Float[np.ndarray, " N"]:
        """That some pixels are the object, from `appearance_features` and the expected mask.

        Args:
            features: of all pixels.
            expected: the mask.
            at: which pixels, counted row by row.
        """
        own, colours = features.reshape(expected.size, -1)[at], np.ascontiguousarray(features[..., :3])
        return self._network(np.concatenate((own, mask_features(expected, colours, at)), axis=1))
