"""The method `wang`: a trained network makes one frame after the other."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from cleanplate.baselines import NO_NETWORK
from cleanplate.baselines.wang.network import next_frame, painted_over
from cleanplate.baselines.wang.weights import load_weights
from cleanplate.config import UnseenConfig
from cleanplate.runtime.devices import find_device

# A clip is halved until its frames have no more pixels than so many times those of what was trained on.
MOST_TIMES = 2


def wang(
    frames: Float[Tensor, "T 3 H W"],
    hole: Bool[Tensor, "T 1 H W"],
    unseen: UnseenConfig = NO_NETWORK,
    device: str = "cpu",
) -> Float[Tensor, "T 3 H W"]:
    """The clip, its hole filled from the first frame to the last: none sees a later one.

    The network knows motion as it was trained on: frames that are far larger than those are filled in a halved size,
    and what was made is enlarged.

    Args:
        frames: RGB, 0..1; what is hidden is never looked at.
        hole: what is to be filled.
        unseen: its `painter` is the file of a trained network.
        device: where it runs.

    Raises:
        InputError: no file, or none of a trained network.
    """
    trained, place = load_weights(unseen.painter), find_device(device)
    size = _halved((frames.shape[2], frames.shape[3]), MOST_TIMES * trained.size[0] * trained.size[1])
    small, hidden = torch.where(hole, 0.0, frames), hole
    if size != tuple(frames.shape[2:]):
        small = F.interpolate(small, size, mode="area")
        hidden = F.adaptive_max_pool2d(hole.float(), size) > 0
    generator = trained.generator().to(place)
    small, hidden = painted_over(small[None], hidden[None]).to(place), hidden[None].to(place)
    results: list[Tensor] = []
    out = frames.clone()
    with torch.inference_mode():
        for index in range(len(frames)):
            first = max(0, index + 1 - generator.window)
            result = small[:, index]
            if bool(hidden[:, index].any()):
                seen = slice(first, index + 1)
                made = next_frame(generator, small[:, seen], hidden[:, seen], results[first:]).made
                result = torch.where(hidden[:, index], made.clamp(0, 1), result)
                shown = result if size == tuple(out.shape[2:]) else _enlarged(result, (out.shape[2], out.shape[3]))
                out[index] = torch.where(hole[index], shown[0].to(out.device), frames[index])
            results.append(result)
    return out


def _halved(size: tuple[int, int], most_px: int) -> tuple[int, int]:
    while size[0] * size[1] > most_px:
        size = (-(-size[0] // 2), -(-size[1] // 2))
    return size


def _enlarged(result: Float[Tensor, "1 3 h w"], size: tuple[int, int]) -> Float[Tensor, "1 3 H W"]:
    return F.interpolate(result, size, mode="bicubic", align_corners=False).clamp(0, 1)
