"""What an observed value says for the object: likelihood ratios, measured in the shot itself."""

from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Float

from cleanplate.runtime.compiled import compiled

# Bounds of the log odds of one observation: it may speak much against the object, and little for it. What looks
# unlike the background is more often a foreground with parallax, or a misaligned plate, than the object.
MIN_LOG_ODDS, MAX_LOG_ODDS = -2.5, 0.3


class LikelihoodRatio:
    """Log odds that an observed value is the object's: two histograms over its logarithm, learned online.

    Args:
        smallest: values up to this are in the first bin.
        largest: values from this on are in the last.
    """

    BINS, DECAY = 24, 0.8

    def __init__(self, smallest: float, largest: float):
        self._smallest, self._bins_each = np.float32(np.log(smallest)), self.BINS / np.log(largest / smallest)
        self._counts = np.ones((2, self.BINS))  # background, object

    def log_odds(self, values: Float[np.ndarray, "H W"], most: float = MAX_LOG_ODDS) -> Float[np.ndarray, "H W"]:
        """Of each value (above 0), from `MIN_LOG_ODDS` to `most`."""
        counts = self._counts + 0.01 * self._counts.sum(axis=1, keepdims=True) + 1
        counts = cv2.GaussianBlur(counts, (5, 1), 1)
        counts /= counts.sum(axis=1, keepdims=True)
        odds = np.clip(np.log(counts[1] / counts[0]), MIN_LOG_ODDS, most).astype(np.float32)
        out = np.empty(values.shape, np.float32)
        _look_up(values, self._smallest, np.float32(self._bins_each), odds, out)
        return out

    def update(
        self, values: Float[np.ndarray, "H W"], mask: Float[np.ndarray, "H W"], weight: Float[np.ndarray, "H W"]
    ) -> None:
        """Count the values of a frame whose mask is known; older counts decay.

        Args:
            values: what was observed, above 0.
            mask: 1 on the object.
            weight: of each pixel.
        """
        self._counts *= self.DECAY
        _count(values, self._smallest, np.float32(self._bins_each), mask, weight, self._counts)


@no_type_check
@compiled
def _bin(value, smallest, bins_each, bins):
    """Which of the bins a value falls into."""
    return min(max(int((np.log(value) - smallest) * bins_each), 0), bins - 1)


@no_type_check
@compiled
def _look_up(values, smallest, bins_each, odds, out):
    """Write what is said of the bin that each value falls into."""
    for y in range(values.shape[0]):
        for x in range(values.shape[1]):
            out[y, x] = odds[_bin(values[y, x], smallest, bins_each, odds.shape[0])]


@no_type_check
@compiled
def _count(values, smallest, bins_each, mask, weight, counts):
    """Add the weights of all pixels to the bins that their values fall into: of the background, and of the object."""
    for y in range(values.shape[0]):
        for x in range(values.shape[1]):
            if weight[y, x] == 0:
                continue
            bin = _bin(values[y, x], smallest, bins_each, counts.shape[1])
            counts[0, bin] += (np.float32(1) - mask[y, x]) * weight[y, x]
            counts[1, bin] += mask[y, x] * weight[y, x]
