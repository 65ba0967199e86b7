"""The methods to compare with by their names, and how the frames of a shot pass through one."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from cleanplate.baselines.fillers import navier_stokes, telea, temporal_median
from cleanplate.baselines.huang import huang
from cleanplate.baselines.newson import newson
from cleanplate.baselines.yu import yu
from cleanplate.config import Method, UnseenConfig
from cleanplate.imaging.frame import Frame
from cleanplate.imaging.pixels import channels_last
from cleanplate.imaging.tensors import to_tensor

Filler = Callable[[Tensor, Tensor], Tensor]

BASELINES: dict[str, Filler] = {
    "telea": telea,
    "navier-stokes": navier_stokes,
    "temporal-median": temporal_median,
    "yu": yu,
    "newson": newson,
    "huang": huang,
}
"""By name: frames (T, 3, H, W) and hole (T, 1, H, W) to frames. What lies in the hole is never looked at."""


def filler(name: str, painter: UnseenConfig, device: str) -> Filler:
    """The method of that name; `yu` is given its network, and where to run it."""
    return partial(yu, painter=painter, device=device) if name == "yu" else BASELINES[name]


def fill_all(frames: Iterable[Frame], method: Method, device: str) -> Iterator[Frame]:
    """The frames, filled by the method's baseline. All of them are held; what is filled counts as made up.

    Raises:
        InputError: what the baseline refuses.
    """
    held = list(frames)
    if not held or method.baseline is None:
        return
    pictures = torch.stack([to_tensor(one.picture) for one in held])
    hole = torch.stack([torch.from_numpy(one.hole)[None] for one in held])
    made = filler(method.baseline, method.unseen, device)(pictures, hole)
    for frame, picture in zip(held, made, strict=True):
        where = frame.hole
        frame.set_pixels(np.flatnonzero(where), channels_last(picture.clamp(0, 1))[where])
        yield frame
