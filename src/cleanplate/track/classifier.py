"""Tell the pixels of a thing from those around it: a small network, taught by the user's marks and what was tracked.

A pixel is described by how it and its surroundings look, and by where the thing is expected: the mask of the frame
before, moved along the flow. That expectation is always somewhat wrong, so the network is taught with a mask that has
been deformed at random (after Khoreva et al. 2017, "Lucid data dreaming", and MaskTrack): it learns how far to believe
it, and how far the colours of this very shot.
"""

import copy
import itertools

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from cleanplate.track.fields import around, blur, move, size_px

HIDDEN, RATE, RATE_LATER, BATCH, DECAY, NOISE = 48, 3e-3, 1e-3, 1024, 1e-4, 0.03
STEPS, STEPS_LATER = 300, 20
# Deformed masks a marked and a tracked frame are seen with, and pixels taken with each.
VIEWS, VIEWS_LATER, PIXELS = 12, 2, 2500
# How far a mask is deformed, as a share of the thing's size.
AMOUNTS = (0.03, 0.08, 0.15)
REMEMBERED = 6  # tracked frames that are learned from, beside the marked ones
MARKED_PIXELS = 15000  # samples of marked frames that are always among what is learned

Samples = tuple[Float[Tensor, "N F"], Float[Tensor, " N"]]


def appearance(picture: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "H W 19"]:
    """How each pixel looks: its colour (Lab, first), mean and spread of colour around it, and edges by direction."""
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2Lab).astype(np.float32)
    lab = (lab - np.float32(127.5)) * np.array([1, 3, 3], np.float32) / np.float32(127.5)
    parts = [lab]
    for sigma_px in (2, 5):
        mean = blur(lab, sigma_px)
        parts += [mean, 2 * np.sqrt(np.maximum(blur(lab * lab, sigma_px) - mean * mean, 0))]
    light = np.ascontiguousarray(lab[..., 0])
    dx, dy = cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1)
    edges = np.abs(dx), np.abs(dy), np.sqrt(np.maximum(0, dx * dy)), np.sqrt(np.maximum(0, -dx * dy))
    return np.concatenate((*parts, blur(np.stack(edges, axis=-1), 3)), axis=2)


def expectation(mask: Float[np.ndarray, "H W"], colours: Float[np.ndarray, "H W 3"]) -> Float[np.ndarray, "H W 7"]:
    """Where the thing is expected: the mask, sharp and blurred, the place in it, and what is coloured like it."""
    moments = cv2.moments(mask)
    area = max(moments["m00"], 1e-6)
    size = size_px(mask)
    across, down = (
        np.tanh((np.arange(n, dtype=np.float32) - np.float32(moments[m] / area)) / np.float32(2 * size))
        for n, m in ((mask.shape[1], "m10"), (mask.shape[0], "m01"))
    )
    blurred = [blur(mask, max(1.0, share * size)) for share in (0.04, 0.12, 0.3)]
    place = np.broadcast_to(across, mask.shape), np.broadcast_to(down[:, None], mask.shape)
    return np.stack((mask, *blurred, *place, _coloured_like(mask, colours, 0.2 * size)), axis=-1)


def _coloured_like(
    mask: Float[np.ndarray, "H W"], colours: Float[np.ndarray, "H W 3"], sigma_px: float
) -> Float[np.ndarray, "H W"]:
    """Whether a pixel's colour is more like the thing's (1) or like the rest's (-1) in its neighbourhood.

    Each is a Gaussian in colour, with mean and variance of the pixels around.
    """
    powers = np.concatenate((np.ones_like(mask)[..., None], colours, colours * colours), axis=2)
    thing = blur(mask[..., None] * powers, sigma_px)
    rest = blur(powers, sigma_px) - thing

    def distance(sums: np.ndarray) -> np.ndarray:
        weight = np.maximum(sums[..., :1], 0) + np.float32(1e-3)
        mean = sums[..., 1:4] / weight
        variance = np.maximum(sums[..., 4:] / weight - mean * mean, 0) + np.float32(3e-3)
        return ((colours - mean) ** 2 / variance + np.log(variance)).sum(axis=2)

    return np.tanh((distance(rest) - distance(thing)) / 8)


def deform(mask: Float[np.ndarray, "H W"], rng: np.random.Generator) -> Float[np.ndarray, "H W"]:
    """The mask as a tracker may have got it wrong: moved, turned, scaled, bent, with pieces missing or too much."""
    height, width = mask.shape
    size, moments = size_px(mask), cv2.moments(mask)
    area = max(moments["m00"], 1e-6)
    amount = float(rng.choice(AMOUNTS))
    turn = cv2.getRotationMatrix2D(
        (moments["m10"] / area, moments["m01"] / area), 60 * amount * rng.normal(), float(np.exp(amount * rng.normal()))
    )
    turn[:, 2] += 0.6 * amount * size * rng.normal(size=2)
    sigma_px = 0.15 * size
    factor = max(1, int(sigma_px / 2))
    noise = rng.normal(size=(height // factor + 3, width // factor + 3, 3)).astype(np.float32)
    waves = cv2.resize(blur(noise, sigma_px / factor), (width, height), interpolation=cv2.INTER_LINEAR)
    waves /= waves.std()
    bend = waves[..., :2] * np.float32(0.7 * amount * size)
    bent = move(cv2.warpAffine(mask, turn, (width, height)), bend)
    if rng.random() < 0.5:
        bent = np.where(waves[..., 2] > 1.8, np.float32(rng.random()), bent)
    return cv2.GaussianBlur(bent, (0, 0), 1 + 2 * rng.random())


def samples(
    looks: Float[np.ndarray, "H W C"],
    mask: Float[np.ndarray, "H W"],
    rng: np.random.Generator,
    *,
    views: int,
    sure: Float[np.ndarray, "H W"] | None = None,
) -> Samples:
    """Pixels to learn from, most of them near the outline: what they look like, and whether they are the thing.

    Args:
        looks: `appearance` of the frame.
        mask: 1 on the thing.
        rng: of the deformed masks and the choice of pixels.
        views: how many deformed masks.
        sure: how often a pixel may be chosen.
    """
    window = around(mask, 0.5, 0.8 * size_px(mask) + 8)
    assert window is not None, "an empty mask teaches nothing"
    looks, mask = looks[window], np.ascontiguousarray(mask[window])
    colours = np.ascontiguousarray(looks[..., :3])
    sigma_px = 0.15 * size_px(mask)
    features, labels = [], []
    for _ in range(views):
        expected = deform(mask, rng)
        near = blur(np.maximum(mask, expected), sigma_px) * blur(1 - np.minimum(mask, expected), sigma_px)
        weight = 0.8 * near / max(float(near.sum()), 1e-6) + 0.1 * mask / mask.sum() + np.float32(0.1 / mask.size)
        weight = weight if sure is None else weight * sure[window]
        chances = np.cumsum(weight, dtype=np.float64)
        at = np.minimum(np.searchsorted(chances, rng.random(PIXELS) * chances[-1]), mask.size - 1)
        described = looks.reshape(mask.size, -1)[at], expectation(expected, colours).reshape(mask.size, -1)[at]
        features.append(np.concatenate(described, axis=1))
        labels.append(mask.ravel()[at])
    return torch.from_numpy(np.concatenate(features)), torch.from_numpy(np.concatenate(labels))


class Recogniser:
    """The network, and what it learns from: the marked frames always, the tracked ones while they are new."""

    def __init__(self, marked: list[Samples], seed: int):
        features, labels = (torch.cat(part) for part in zip(*marked, strict=True))
        self._generator = torch.Generator().manual_seed(seed)
        shuffled = torch.randperm(len(features), generator=self._generator)
        self._marked = features[shuffled], labels[shuffled]
        self._tracked: list[Samples] = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # a layer draws its first weights from the global generator
            sizes = features.shape[1], HIDDEN, HIDDEN
            layers = [layer for a, b in itertools.pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())]
            self._network = nn.Sequential(*layers, nn.Linear(HIDDEN, 1))
        self._optimiser = self._adam(RATE)
        self._learn(*self._marked, STEPS)
        self._optimiser = self._adam(RATE_LATER)

    def copy(self) -> "Recogniser":
        """One that has learned the same, and goes its own way from here."""
        twin = copy.copy(self)
        twin._network = copy.deepcopy(self._network)
        twin._optimiser = twin._adam(RATE_LATER)
        twin._tracked = list(self._tracked)
        twin._generator = torch.Generator()
        twin._generator.set_state(self._generator.get_state())
        return twin

    def _adam(self, rate: float) -> torch.optim.Optimizer:
        return torch.optim.Adam(self._network.parameters(), rate, weight_decay=DECAY)

    def learn(self, new: Samples) -> None:
        """Go on learning, with samples of a tracked frame."""
        self._tracked = [*self._tracked, new][-REMEMBERED:]
        marked = tuple(part[:MARKED_PIXELS] for part in self._marked)
        features, labels = (torch.cat(part) for part in zip(marked, *self._tracked, strict=True))
        self._learn(features, labels, STEPS_LATER)

    def _learn(self, features: Float[Tensor, "N F"], labels: Float[Tensor, " N"], steps: int) -> None:
        for _ in range(steps):
            chosen = torch.randint(len(features), (BATCH,), generator=self._generator)
            seen = features[chosen]
            # Noise, so that nothing hangs on exact colours: light changes.
            seen = seen + NOISE * torch.randn(seen.shape, generator=self._generator)
            loss = F.binary_cross_entropy_with_logits(self._network(seen)[:, 0], labels[chosen])
            self._optimiser.zero_grad()
            loss.backward()
            self._optimiser.step()

    def __call__(
        self, looks: Float[np.ndarray, "H W C"], expected: Float[np.ndarray, "H W"]
    ) -> Float[np.ndarray, "H W"]:
        """Log odds that each pixel is the thing."""
        colours = np.ascontiguousarray(looks[..., :3])
        features = np.concatenate((looks, expectation(expected, colours)), axis=2)
        with torch.no_grad():
            odds = self._network(torch.from_numpy(features.reshape(expected.size, -1)))
        return odds.numpy().reshape(expected.shape)
