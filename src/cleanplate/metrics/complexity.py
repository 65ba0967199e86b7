"""How hard a video is, by how much it changes and moves (Sec. 4.2)."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from cleanplate.errors import Undefined
from cleanplate.imaging.flow import estimate


class Complexity(NamedTuple):
    """The two terms of the paper's measure."""

    appearance: float
    """Standard deviation over frames of the mean pixel value, for values in 0..1."""
    motion: float
    """Mean magnitude of the gradient of the flow to the next frame, in pixels per pixel."""

    @property
    def total(self) -> float:
        """Their sum, by which videos are divided into complex and simple ones."""
        return self.appearance + self.motion


def complexity(frames: Float[Tensor, "T 3 H W"], *, estimator: str = "dis") -> Complexity:
    """The complexity of a video without a hole, here the truth.

    The paper does not give the units. With values in 0..1 both terms are of one order; in 0..255 the first would decide
    alone.

    Raises:
        Undefined: a single frame.
    """
    if len(frames) < 2:
        raise Undefined("there is one frame", "motion needs a next one", "give at least two frames")
    levels = frames.mean((1, 2, 3))
    flow = estimate(frames, torch.zeros_like(frames[:, :1], dtype=torch.bool), 1, 1, estimator).flow
    gradients = torch.stack(torch.gradient(flow, dim=(2, 3)))  # (2, P, 2, H, W): of u and v along y and x
    magnitude = gradients.square().sum((0, 2)).sqrt()
    return Complexity(float(levels.std(correction=0)), float(magnitude.mean()))
