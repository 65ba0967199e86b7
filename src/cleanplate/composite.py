"""Put the fill and the known pixels together."""

import torch
from jaxtyping import Bool, Float
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
