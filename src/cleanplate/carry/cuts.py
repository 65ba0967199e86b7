"""Tell a cut: two pictures that are really different.

Where the texture is scarce few matches agree, over no cut at all: so that hardly any does is not enough. Pictures
differ if even the best motion leaves as much between them as they hold.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from cleanplate.imaging.pixels import narrow, to_samples

# They are compared at about so many pixels a side.
COMPARED_PX = 96
# Share of their contrast that is left between them, from which two pictures are different.
LEFT = 0.4


def differ(frames: Shaped[Tensor, "2 3 h w"], flow: Float[Tensor, "2 2 h w"], known: Bool[Tensor, "2 1 h w"]) -> bool:
    """Whether no motion makes one picture of the other, whatever the exposure.

    Args:
        frames: the two.
        flow: between them, there and back.
        known: where they are compared.
    """
    return left_between(frames, flow, known) > LEFT


def left_between(
    frames: Shaped[Tensor, "2 3 h w"], flow: Float[Tensor, "2 2 h w"], known: Bool[Tensor, "2 1 h w"]
) -> float:
    """Mean difference that the better of no motion and flow leaves, in parts of the contrast of the first picture."""
    here, there = (narrow(to_samples(frame)) for frame in frames)
    step = max(1, min(here.shape[:2]) // COMPARED_PX)
    y, x = np.indices(here.shape[:2], np.float32)[:, ::step, ::step]
    moved_x, moved_y = (x + flow[0, 0, ::step, ::step].cpu().numpy(), y + flow[0, 1, ::step, ::step].cpu().numpy())
    here = cv2.blur(here, (step, step))[::step, ::step].astype(np.float32)
    there = cv2.blur(there, (step, step))
    seen = known[0, 0, ::step, ::step].cpu().numpy()
    theirs = known[1, 0].cpu().numpy().view(np.uint8)
    left = []
    for at in ((x, y), (moved_x, moved_y)):
        other = cv2.remap(there, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
        both = seen & (cv2.remap(theirs, *at, cv2.INTER_NEAREST) > 0)
        if both.sum() < LEAST_COMPARED:
            continue
        one, other = here[both], other[both]
        gain = float(one.mean() / max(other.mean(), 1.0))
        contrast = float(np.abs(one - one.mean(0)).mean())
        left.append(float(np.abs(one - gain * other).mean()) / max(contrast, 1.0))
    return min(left, default=0.0)


LEAST_COMPARED = 50
