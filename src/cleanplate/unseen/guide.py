"""What a network makes of a frame whose hole nobody has seen: a small picture that decides what goes where."""

import numpy as np
import torch
from jaxtyping import Bool, Shaped, UInt8

from cleanplate.config import Method
from cleanplate.imaging.pixels import channels_last, to_samples
from cleanplate.imaging.smooth import paint, shrink
from cleanplate.imaging.tensors import to_tensor
from cleanplate.paper.budget import Budget
from cleanplate.paper.fit import fit
from cleanplate.runtime.devices import find_device
from cleanplate.runtime.options import RunOptions

LEAST_PX = 32  # a picture is not made smaller than this: the network needs it


def learned_guide(
    picture: Shaped[np.ndarray, "h w 3"],
    hole: Bool[np.ndarray, "h w"],
    method: Method,
    run: RunOptions,
    budget: Budget,
    *,
    name: str,
) -> UInt8[np.ndarray, "i j 3"]:
    """All of the picture, halved some times, with its hole filled by a network that was fitted to what is known of it.

    Args:
        picture: what is in its hole is not read.
        hole: what to fill.
        method: its network, schedule and fit are read, and `learn`.
        run: see `fit`.
        budget: what is left of it may be spent, and is taken off.
        name: what to save the network as.
    """
    config = method.unseen
    small, small_hole = to_tensor(picture)[None], torch.from_numpy(hole)[None, None]
    while small.shape[2] * small.shape[3] > config.network_px and min(small.shape[2:]) >= 2 * LEAST_PX:
        small, small_hole = shrink(small, small_hole)
    place, copies = find_device(run.device), (config.ensemble_size, -1, -1, -1)
    many, known = (one.expand(copies).contiguous().to(place) for one in (small, ~small_hole))
    done = fit(many, known, {}, method, budget.share(run, 1), name=name)
    budget.spend(done)
    made = torch.lerp(paint(small, small_hole), done.frames.mean(0, keepdim=True).cpu(), config.network_blend)
    return to_samples(channels_last(made[0].clamp(0, 1)))
