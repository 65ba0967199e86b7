"""How an object looks, wherever it is: a small network that was taught its pixels, and those of all that is around it.

The classifier asks where the object is expected too, so what it has taken for the object once it goes on taking for it.
This one does not: it tells which of several pieces is the object, and where in a frame one that was lost may be again.
"""

import copy
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8

from cleanplate.track.features import appearance_features
from cleanplate.track.fields import blur
from cleanplate.track.network import Network, Samples, joined

HIDDEN, LEARNING_RATE, ONLINE_LEARNING_RATE = 32, 3e-3, 1e-3
STEPS, ONLINE_STEPS = 300, 10
MARKED_PIXELS, TRACKED_PIXELS = 6000, 900
"""Of the object, and of what is around it; on a tracked frame only of the latter: what is tracked may be wrong."""
KEPT_FRAMES = 16  # tracked frames that are learned from, drawn from all so far
MAX_LOG_ODDS = 3.0

Mask = Bool[np.ndarray, "H W"]


class Looks:
    """Log odds that a pixel is the object's, by `features.appearance_features` alone.

    Args:
        marked: picture and mask of each marked frame; the features of one are held at a time.
        seed: of the weights, and of the pixels that are drawn.
    """

    def __init__(self, marked: Sequence[tuple[UInt8[np.ndarray, "H W 3"], Float[np.ndarray, "H W"]]], seed: int):
        self._rng = np.random.default_rng(seed)
        self._marked: list[Samples] = []
        for picture, mask in marked:
            features = appearance_features(picture)
            self._marked.append(self._drawn(features, mask > 0.5, MARKED_PIXELS // len(marked), is_object=True))
            self._marked.append(self._drawn(features, _around(mask), MARKED_PIXELS // len(marked), is_object=False))
        self._tracked: list[Samples] = []
        self._observed_frames = 0
        self._network = Network((self._marked[0][0].shape[1], HIDDEN, HIDDEN, 1), self._rng)
        self._train(STEPS, LEARNING_RATE)
        self._network.forget_gradients()

    def copy(self) -> "Looks":
        """One that has learned the same, and learns independently from here on."""
        twin = copy.copy(self)
        twin._network, twin._rng = copy.deepcopy(self._network), copy.deepcopy(self._rng)
        twin._tracked = list(self._tracked)
        twin._network.forget_gradients()
        return twin

    def log_odds(self, features: Float[np.ndarray, "N F"]) -> Float[np.ndarray, " N"]:
        """Of each pixel, within `MAX_LOG_ODDS`."""
        return np.clip(self._network(features), -MAX_LOG_ODDS, MAX_LOG_ODDS)

    def learn_surroundings(self, features: Float[np.ndarray, "H W C"], mask: Float[np.ndarray, "H W"]) -> None:
        """Learn what is around the object on a tracked frame; every frame so far is as likely to be remembered."""
        self._observed_frames += 1
        new = self._drawn(features, _around(mask), TRACKED_PIXELS, is_object=False)
        if len(self._tracked) < KEPT_FRAMES:
            self._tracked.append(new)
        elif (replaced := int(self._rng.integers(self._observed_frames))) < KEPT_FRAMES:
            self._tracked[replaced] = new
        else:
            return
        self._train(ONLINE_STEPS, ONLINE_LEARNING_RATE)

    def _drawn(
        self, features: Float[np.ndarray, "H W C"], where: np.ndarray, count: int, *, is_object: bool
    ) -> Samples:
        at = np.flatnonzero(where)
        at = self._rng.choice(at, count) if len(at) else at
        return features.reshape(where.size, -1)[at], np.full(len(at), is_object, np.float32)

    def _train(self, steps: int, learning_rate: float) -> None:
        samples = joined([*self._marked, *self._tracked])
        self._network.train(samples, self._rng, steps=steps, learning_rate=learning_rate)


def _around(mask: Float[np.ndarray, "H W"]) -> Mask:
    """What is surely not the object."""
    return blur(mask, 2) < 0.05
