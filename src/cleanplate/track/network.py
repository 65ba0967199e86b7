"""A small network of fully connected layers that tells two kinds apart, on arrays.

It has a few thousand weights and is trained for some hundred steps: a library that would do it takes longer to load.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Float32

BATCH, NOISE_STD = 1024, 0.03  # samples that are learned from at a time, and what is added to them
MAX_EXPONENT = 80.0  # exp does not overflow
PART = 4096  # samples that are asked about at a time
# Adam's (Kingma & Ba 2015), with its defaults; weights are drawn towards 0 a little.
BETAS, EPSILON, WEIGHT_DECAY = (0.9, 0.999), 1e-8, 1e-4


Samples = tuple[Float[np.ndarray, "N F"], Float[np.ndarray, " N"]]
"""Features and labels (1 is the object) of N pixels."""


def joined(parts: Iterable[tuple[np.ndarray, np.ndarray]]) -> Samples:
    """All of several `Samples`, each of which has an N of its own."""
    features, labels = zip(*parts, strict=True)
    return np.concatenate(features), np.concatenate(labels)


class Network:
    """Layers with ReLU between them, and one output: the log-odds of the first kind.

    Args:
        sizes: of the input, of each hidden layer, and 1.
        rng: draws the first weights.
    """

    def __init__(self, sizes: Sequence[int], rng: np.random.Generator):
        self.parameters: list[Float32[np.ndarray, ...]] = []
        for before, after in pairwise(sizes):
            most = 1 / np.sqrt(before)
            self.parameters += [
                rng.uniform(-most, most, shape).astype(np.float32) for shape in ((before, after), (after,))
            ]
        self.forget_gradients()

    def forget_gradients(self) -> None:
        """Begin to average gradients anew."""
        self._steps = 0
        self._moments = [[np.zeros_like(one) for one in self.parameters] for _ in BETAS]

    def __call__(self, features: Float[np.ndarray, "N F"]) -> Float32[np.ndarray, " N"]:
        """The log-odds of each; a part after the other, so that what the layers make of it stays near the processor."""
        parts = range(0, len(features), PART)
        return np.concatenate([self._layers(features[at : at + PART])[-1][:, 0] for at in parts] or [features[:, 0]])

    def _layers(self, features: Float[np.ndarray, "N F"]) -> list[Float32[np.ndarray, "N _"]]:
        """The features, what every hidden layer makes of them, and the log-odds."""
        out = [features.astype(np.float32, copy=False)]
        for index in range(0, len(self.parameters), 2):
            weights, offsets = self.parameters[index : index + 2]
            made = out[-1] @ weights
            made += offsets
            out.append(made if index + 2 == len(self.parameters) else np.maximum(made, 0, out=made))
        return out

    def gradients(
        self, features: Float[np.ndarray, "N F"], labels: Float[np.ndarray, " N"]
    ) -> list[Float32[np.ndarray, "..."]]:
        """Of the mean cross-entropy, by each of the parameters."""
        *inputs, odds = self._layers(features)
        probability = 1 / (1 + np.exp(np.minimum(-odds, MAX_EXPONENT)))
        error = (probability - labels[:, None].astype(np.float32)) / np.float32(len(labels))
        out: list[np.ndarray] = []
        for layer in reversed(range(len(inputs))):
            out = [inputs[layer].T @ error, error.sum(0), *out]
            error = (error @ self.parameters[2 * layer].T) * (inputs[layer] > 0)
        return out

    def train(self, samples: Samples, rng: np.random.Generator, *, steps: int, learning_rate: float) -> None:
        """Learn from samples, drawn at random.

        Args:
            samples: all there are.
            rng: draws them, and noise, so that nothing hangs on exact features: light changes.
            steps: how often.
            learning_rate: how large each step is.
        """
        features, labels = samples
        for _ in range(steps):
            chosen = rng.integers(len(features), size=BATCH)
            batch = features[chosen]
            noise = rng.standard_normal(batch.shape, np.float32) * np.float32(NOISE_STD)
            self.learn(batch + noise, labels[chosen], learning_rate)

    def learn(self, features: Float[np.ndarray, "N F"], labels: Float[np.ndarray, " N"], learning_rate: float) -> None:
        """Take a step of Adam.

        Args:
            features: of N samples.
            labels: 1 of the first kind, 0 of the other.
            learning_rate: how large a step.
        """
        self._steps += 1
        rate = learning_rate * np.sqrt(1 - BETAS[1] ** self._steps) / (1 - BETAS[0] ** self._steps)
        epsilon = EPSILON * np.sqrt(1 - BETAS[1] ** self._steps)
        for parameter, gradient, mean, square in zip(
            self.parameters, self.gradients(features, labels), *self._moments, strict=True
        ):
            gradient = gradient + np.float32(WEIGHT_DECAY) * parameter
            mean += np.float32(1 - BETAS[0]) * (gradient - mean)
            square += np.float32(1 - BETAS[1]) * (gradient * gradient - square)
            parameter -= np.float32(rate) * mean / (np.sqrt(square) + np.float32(epsilon))
