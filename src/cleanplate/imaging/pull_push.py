"""Fill the gaps of a picture or a field from coarse to fine, in compiled loops.

imaging/smooth.py does the same in torch, on any device, for what is learned.
"""

from typing import no_type_check

import numpy as np
from jaxtyping import Float32, Shaped

from cleanplate.runtime.compiled import compiled


def pull_push(values: Shaped[np.ndarray, "h w C"], weight: Float32[np.ndarray, "h w"]) -> Shaped[np.ndarray, "h w C"]:
    """Fill where the weight is below 1 from a pyramid of weighted means (Gortler et al., The Lumigraph, Sec. 3.4.2).

    Pixels of weight 1 or more come out unchanged; values at pixels of weight 0 are never read.
    """
    if (weight >= 1).all():
        return values
    weight = np.minimum(weight, np.float32(1))
    weighted = np.empty(values.shape, np.float32)
    _weighted(values, weight, weighted)
    pulled: list[tuple[np.ndarray, np.ndarray]] = [(weighted, weight)]
    while max(weight.shape) > 1 and (weight < 1).any():
        weighted, weight = _pulled(*pulled[-1])
        pulled.append((weighted, weight))
    weighted, weight = pulled.pop()
    out = weighted / np.maximum(weight, np.float32(1e-12))[..., None]
    for weighted, weight in reversed(pulled):
        out = _pushed(out, weighted, weight)
    return out


@compiled
@no_type_check
def _weighted(values, weight, out):
    height, width, channels = values.shape
    for row in range(height):
        for column in range(width):
            share = weight[row, column]
            for channel in range(channels):
                out[row, column, channel] = share * values[row, column, channel] if share > 0 else 0


@compiled
@no_type_check
def _pulled(weighted, weight):
    """Sums over 2x2 cells; an odd edge is padded with nothing.

    Cells never weigh more than one pixel: four poor guesses must not outvote a good one.
    """
    height, width, channels = weighted.shape
    rows, columns = (height + 1) // 2, (width + 1) // 2
    out, total = np.zeros((rows, columns, channels), np.float32), np.zeros((rows, columns), np.float32)
    for row in range(height):
        for column in range(width):
            total[row // 2, column // 2] += weight[row, column]
            for channel in range(channels):
                out[row // 2, column // 2, channel] += weighted[row, column, channel]
    for row in range(rows):
        for column in range(columns):
            if total[row, column] > 1:
                for channel in range(channels):
                    out[row, column, channel] /= total[row, column]
                total[row, column] = 1
    return out, total


@compiled
@no_type_check
def _pushed(coarse, weighted, weight):
    """What is missing to a weight of 1 is taken from what is twice as coarse, bilinearly."""
    height, width, channels = weighted.shape
    out = np.empty_like(weighted)
    near, far = np.float32(0.75), np.float32(0.25)
    rows, columns = coarse.shape[:2]
    for row in range(height):
        y0 = row // 2
        y1 = min(max(y0 + (1 if row % 2 else -1), 0), rows - 1)
        for column in range(width):
            missing = 1 - weight[row, column]
            if missing <= 0:
                for channel in range(channels):
                    out[row, column, channel] = weighted[row, column, channel]
                continue
            x0 = column // 2
            x1 = min(max(x0 + (1 if column % 2 else -1), 0), columns - 1)
            for channel in range(channels):
                first = near * coarse[y0, x0, channel] + far * coarse[y0, x1, channel]
                second = near * coarse[y1, x0, channel] + far * coarse[y1, x1, channel]
                out[row, column, channel] = weighted[row, column, channel] + missing * (near * first + far * second)
    return out
