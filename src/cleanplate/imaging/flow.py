"""Optical flow behind one function, whatever estimates it.

What is under the hole is unknown, and an estimate that has seen it would leak it: flow is estimated on frames whose
hole has been painted over, and a vector that starts or ends in the hole is never valid.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from cleanplate.errors import InputError
from cleanplate.imaging.dis import check_size, quick_dis
from cleanplate.imaging.pixels import channels_last, to_samples
from cleanplate.imaging.smooth import paint
from cleanplate.imaging.tensors import to_float
from cleanplate.imaging.warp import consistent, warp
from cleanplate.runtime.threads import in_order
from cleanplate.weights import find_weights

Pair = tuple[int, int]


@dataclass(frozen=True)
class FlowField:
    """Flow of P pairs of frames i -> j = i + direction * stride, in the order of i."""

    flow: Float[Tensor, "P 2 H W"]
    """(dx, dy) in pixels."""
    valid: Bool[Tensor, "P 1 H W"]
    """Not occluded (O of Eq. 4), and both ends known (M^f)."""


def frame_pairs(n_frames: int, stride: int, direction: int) -> list[Pair]:
    """The (i, j) at that stride and direction, in the order of i."""
    if stride < 1 or direction not in (1, -1):
        raise InputError(
            f"stride {stride}, direction {direction}",
            "a stride of 1 or more, and 1 or -1, are needed",
            "change these two",
        )
    step = stride * direction
    return [(i, i + step) for i in range(n_frames) if 0 <= i + step < n_frames]


def estimate(
    frames: Float[Tensor, "T 3 H W"],
    hole: Bool[Tensor, "T 1 H W"],
    stride: int,
    direction: int,
    estimator: str = "dis",
) -> FlowField:
    """Flow from every frame to the one `stride` frames later (direction 1) or earlier (-1) (Sec. 3.1).

    Raises:
        InputError: a stride below 1, another direction, an unknown estimator, or weights that are missing.
    """
    pairs = frame_pairs(len(frames), stride, direction)
    painted = paint(frames, hole)
    flow, valid = frames.new_zeros(len(pairs), 2, *frames.shape[2:]), hole.new_zeros(len(pairs), 1, *hole.shape[2:])
    flows = in_order(lambda pair: both_ways(painted[list(pair)], estimator), pairs)
    for p, ((i, j), both) in enumerate(zip(pairs, flows, strict=True)):
        flow[p] = both[0]
        known = both_known(~hole[i : i + 1], ~hole[j : j + 1], both[:1])
        valid[p] = (consistent(both[:1], both[1:]) & known)[0]
    return FlowField(flow, valid)


def both_known(
    known_i: Bool[Tensor, "N 1 H W"], known_j: Bool[Tensor, "N 1 H W"], flow: Float[Tensor, "N 2 H W"]
) -> Bool[Tensor, "N 1 H W"]:
    """M^f = M_i and M_j(F_ij) of Eq. 4: i is known, and all four pixels that the sample in j is made of."""
    return known_i & (warp(known_j.float(), flow) > 1 - 1e-4)


def both_ways(frames: Shaped[Tensor, "2 3 H W"], estimator: str) -> Float[Tensor, "2 2 H W"]:
    """The flow from the first of two pictures to the second, and back; nothing is hidden in them any more."""
    check_size(frames.shape[2], frames.shape[3])
    if estimator == "dis":
        greys = [cv2.cvtColor(to_samples(channels_last(frame)), cv2.COLOR_RGB2GRAY) for frame in frames]
        return torch.from_numpy(np.stack(quick_dis(*greys))).permute(0, 3, 1, 2).to(frames.device)
    if estimator in RAFT:
        return _raft(to_float(frames), estimator)
    raise InputError(f"there is no flow estimator '{estimator}'", f"known are dis, {', '.join(RAFT)}", "choose one")


RAFT = ("raft_small", "raft_large")


def _raft(frames: Float[Tensor, "2 3 H W"], estimator: str) -> Float[Tensor, "2 2 H W"]:
    """RAFT (Teed & Deng 2020), torchvision's, from weights the user has."""
    network = _load_raft(estimator, frames.device)
    height, width = frames.shape[2:]
    # RAFT wants a multiple of 8 and features of at least 16 cells.
    pad = (0, max(-width % 8, 128 - width), 0, max(-height % 8, 128 - height))
    with torch.no_grad():
        both = F.pad(frames * 2 - 1, pad, mode="replicate")
        flow = network(both, both.flip(0))[-1]
    return flow[..., :height, :width]


@lru_cache(maxsize=1)
def _load_raft(estimator: str, device: torch.device) -> torch.nn.Module:
    from torchvision.models import optical_flow

    network = getattr(optical_flow, estimator)(weights=None, progress=False)
    path = find_weights(estimator, needed_by=f"the flow estimator {estimator}")
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval().requires_grad_(False).to(device)
