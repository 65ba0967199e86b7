"""Put the fill and the known pixels together, and show which is which."""

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor


def composite(
    frames: Float[Tensor, "T 3 H W"], filled: Float[Tensor, "T 3 H W"], hole: Bool[Tensor, "T 1 H W"]
) -> Float[Tensor, "T 3 H W"]:
    """Known pixels of `frames`, bit for bit; `filled` in the hole, clamped to 0..1.

    It is put together in `filled`, which is returned: a second copy of a video is worth avoiding.
    """
    for index in range(len(frames)):
        filled[index] = torch.where(hole[index], filled[index].clamp(0, 1), frames[index])
    return filled


TINTS = {1: (0, 114, 178), 2: (230, 159, 0)}
"""Colour of each kind of filled pixel, 0..255: told apart by the colour-blind too (Okabe & Ito 2008)."""


def tint(frames: Float[Tensor, "T 3 H W"], provenance: UInt8[Tensor, "T 1 H W"]) -> Float[Tensor, "T 3 H W"]:
    """The frames with carried pixels tinted blue and made-up ones orange."""
    out = frames
    for kind, colour in TINTS.items():
        paint = torch.tensor(colour, dtype=frames.dtype).view(1, 3, 1, 1) / 255
        out = torch.where(provenance == kind, 0.5 * out + 0.5 * paint, out)
    return out
