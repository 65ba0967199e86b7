"""A network that completes one picture, on every frame: the place of Yu et al. 2018, the [48] of Table 2.

"Generative Image Inpainting with Contextual Attention" is a network trained on pictures, and knows nothing of time:
what it makes of neighbouring frames differs, and flickers. Neither it nor its weights are part of cleanplate: what is
run is a file of the user's, of one of the kinds that a painter has (`unseen.painters`).
"""

import cv2
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cleanplate.baselines import NO_NETWORK
from cleanplate.config import UnseenConfig
from cleanplate.imaging.pixels import channels_last, to_samples
from cleanplate.imaging.tensors import to_tensor
from cleanplate.unseen.painters import check_painter, painted_guide


def yu(
    frames: Float[Tensor, "T 3 H W"],
    hole: Bool[Tensor, "T 1 H W"],
    unseen: UnseenConfig = NO_NETWORK,
    device: str = "cpu",
) -> Float[Tensor, "T 3 H W"]:
    """Every frame by itself, as the user's network paints it; a large one halved until it has 640,000 pixels at most.

    Args:
        frames: of the clip.
        hole: what is to be painted.
        unseen: its `painter` is the network's file, and `painter_kind` says what that takes.
        device: where it runs.

    Raises:
        InputError: no network, or one that cannot be used.
    """
    check_painter(unseen, needed_by="yu")
    out = frames.clone()
    for index in torch.nonzero(hole.flatten(1).any(1)).flatten().tolist():
        where = hole[index, 0].numpy()
        made = painted_guide(to_samples(channels_last(frames[index])), where, unseen, device)
        if made.shape[:2] != where.shape:
            made = cv2.resize(made, where.shape[::-1], interpolation=cv2.INTER_CUBIC)
        out[index] = torch.where(hole[index], to_tensor(made), frames[index])
    return out
