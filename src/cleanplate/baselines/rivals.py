"""The methods to compare with by their names, and how the frames of a shot pass through one."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from cleanplate.baselines.fillers import navier_stokes, telea, temporal_median
from cleanplate.baselines.huang import huang
from cleanplate.baselines.newson import newson
from cleanplate.baselines.wang.fill import wang
from cleanplate.baselines.wang.weights import check_weights
from cleanplate.baselines.yu import yu
from cleanplate.config import Method, UnseenConfig
from cleanplate.imaging.frame import Frame
from cleanplate.imaging.pixels import channels_last
from cleanplate.imaging.tensors import to_tensor
from cleanplate.progress import tell
from cleanplate.runtime.options import RunOptions
from cleanplate.unseen.painters import check_painter

Filler = Callable[[Tensor, Tensor], Tensor]
"""Frames (T, 3, H, W) and hole (T, 1, H, W) to frames."""

BASELINES: dict[str, Filler] = {
    "telea": telea,
    "navier-stokes": navier_stokes,
    "temporal-median": temporal_median,
    "yu": yu,
    "wang": wang,
    "newson": newson,
    "huang": huang,
}
"""By name. What lies in the hole is never looked at."""


def filler(name: str, unseen: UnseenConfig, device: str, seed: int) -> Filler:
    """The method of that name; with its network and where to run it, or its seed, if it has one."""
    networks = {"yu": yu, "wang": wang}
    if name in networks:
        return partial(networks[name], unseen=unseen, device=device)
    by_chance = {"newson": newson, "huang": huang}
    return partial(by_chance[name], seed=seed) if name in by_chance else BASELINES[name]


def check_network(name: str, unseen: UnseenConfig) -> str:
    """A hash of the network that the method of that name is nothing without; it can be loaded.

    Raises:
        InputError: no file, or none that can be used.
    """
    return check_weights(unseen.painter) if name == "wang" else check_painter(unseen, needed_by=name)


def fill_all(frames: Iterable[Frame], method: Method, run: RunOptions) -> Iterator[Frame]:
    """The frames, filled by the method's baseline. All of them are held; what is filled counts as made up.

    Args:
        frames: their pictures are changed in place.
        method: with a baseline.
        run: its seed, its device, and who is told of every frame. A baseline itself tells of nothing, and knows no
            budget.

    Raises:
        InputError: what the baseline refuses.
    """
    held = list(frames)
    if not held or method.baseline is None:
        return
    pictures = torch.stack([to_tensor(one.picture) for one in held])
    hole = torch.stack([torch.from_numpy(one.hole)[None] for one in held])
    tell(run.on_step, "fill", 0, len(held))
    made = filler(method.baseline, method.unseen, run.device, run.seed)(pictures, hole)
    for done, (frame, picture) in enumerate(zip(held, made, strict=True), 1):
        where = frame.hole
        frame.set_pixels(np.flatnonzero(where), channels_last(picture.clamp(0, 1))[where])
        tell(run.on_step, "fill", done, len(held))
        yield frame
