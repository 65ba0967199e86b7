"""Where the places of a scene are in each frame: motion for an input that moves with the picture.

The motion inside a hole is completed by carrying (the wing carry/). What it carried is looked at once more, for dense
flow between neighbours, and then forgotten: of carrying nothing but these positions gets as far as a network.

Letters: T frames. A *place* is a position in pixels (x, y) of the middle frame of its shot.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cleanplate.carry.cuts import differ
from cleanplate.carry.rounds import carry
from cleanplate.config import CarryConfig
from cleanplate.imaging.flow import both_ways
from cleanplate.imaging.frame import Frame
from cleanplate.imaging.pixels import channels_last
from cleanplate.imaging.tensors import to_tensor
from cleanplate.imaging.warp import pixel_grid, warp
from cleanplate.runtime.options import DEFAULT_RUN, RunOptions
from cleanplate.runtime.threads import in_order

Places = Float[Tensor, "T 2 H W"]
# So far apart shots lie on the canvas.
APART_PX = 64.0


def find_places(frames: Sequence[Frame], config: CarryConfig, run: RunOptions = DEFAULT_RUN) -> Places:
    """The place of every pixel of every frame, hidden ones too.

    Args:
        frames: what is under their holes is never read; they are left as they are.
        config: how motion is completed.
        run: told of what is carried; nothing is kept in its work folder.

    Raises:
        InputError: frames too small for flow, weights of its estimator missing.
    """
    quiet = replace(DEFAULT_RUN, seed=run.seed, on_step=run.on_step)
    plate = [one.frame for one in carry((frame.copy() for frame in frames), config, quiet, total=len(frames))]
    pictures = torch.stack([to_tensor(frame.picture) for frame in plate])
    pairs = [pictures[index : index + 2] for index in range(len(pictures) - 1)]
    flows = list(in_order(lambda pair: both_ways(pair, config.estimator), pairs))
    return chained(flows, [_is_cut(*both) for both in zip(pairs, flows, strict=True)], pictures.shape[2:])


def chained(flows: Sequence[Float[Tensor, "2 2 H W"]], cuts: Sequence[bool], size: tuple[int, ...]) -> Places:
    """Places from the flow between neighbours, followed from the middle of each shot to its ends.

    Args:
        flows: of each frame and the next, there and back, in pixels.
        cuts: whether a new shot begins between the two; it lies beside those before it.
        size: height and width.
    """
    grid = pixel_grid(size[0], size[1])
    places = grid.repeat(len(flows) + 1, 1, 1, 1)
    ends = [index + 1 for index, cut in enumerate(cuts) if cut] + [len(places)]
    for first, end in zip([0, *ends], ends, strict=False):
        middle = (first + end) // 2
        for index in range(middle + 1, end):
            places[index] = _moved(places[index - 1], flows[index - 1][1])
        for index in reversed(range(first, middle)):
            places[index] = _moved(places[index + 1], flows[index][0])
        if first:
            shot, before = places[first:end, 0], places[:first, 0]
            shot += before.max() - shot.min() + APART_PX
    return places


def _moved(places: Float[Tensor, "2 H W"], flow: Float[Tensor, "2 H W"]) -> Float[Tensor, "2 H W"]:
    """The places of a frame, from those of a neighbour and the flow to it; they go on as they are beyond its border."""
    grid = pixel_grid(flow.shape[1], flow.shape[2])
    return grid + flow + warp((places - grid)[None], flow[None])[0]


def _is_cut(pictures: Float[Tensor, "2 3 H W"], flow: Float[Tensor, "2 2 H W"]) -> bool:
    shown = [channels_last(picture) for picture in pictures]
    there = [np.ascontiguousarray(channels_last(way), np.float32) for way in flow]
    return differ(shown, there, [np.ones(shown[0].shape[:2], bool)] * 2)
