"""The paper's methods on the frames of a clip: a network for all of them, or one for each (Sec. 3, 4.1)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cleanplate.config import CarryConfig, Method
from cleanplate.imaging.flow import estimate
from cleanplate.imaging.frame import Frame
from cleanplate.imaging.pixels import channels_last
from cleanplate.imaging.tensors import to_tensor
from cleanplate.paper.budget import Budget, part_of
from cleanplate.paper.fit import fit
from cleanplate.paper.objective import Flows
from cleanplate.paper.schedule import n_steps
from cleanplate.runtime.devices import find_device
from cleanplate.runtime.options import RunOptions
from cleanplate.weights import PERCEPTUAL_TERM, find_weights

FindPlaces = Callable[[Sequence[Frame], CarryConfig, RunOptions], Float[Tensor, "T 2 H W"]]


def learn_all(
    frames: Iterable[Frame],
    method: Method,
    run: RunOptions,
    *,
    find_places: FindPlaces | None = None,
) -> Iterator[Frame]:
    """The paper's methods: a network for the clip, or for each frame that has a hole, makes the frames.

    Frames that the budget does not reach are filled smoothly.

    Args:
        frames: painted over. All of them are held.
        method: all of it is read but `unseen`, and of `carry` all but the estimator only if it has a canvas.
        run: its seed is of the first network, those of other frames count on from it; its budget is of all together.
        find_places: says where a canvas is read; None if the method has none.

    Raises:
        InputError: frames too small, weights missing, strides that do not fit into the clip.
    """
    if method.loss.perceptual:
        find_weights("vgg16", needed_by=PERCEPTUAL_TERM)  # before the work of estimating flow, not after
    held, place, alone = list(frames), find_device(run.device), method.schedule.each_frame_alone
    n_steps(1 if alone else len(held), method.schedule)  # refuses strides before that work too
    pictures = torch.stack([to_tensor(one.picture) for one in held]).to(place)
    hole = torch.stack([torch.from_numpy(one.hole)[None] for one in held]).to(place)
    budget = Budget(run.max_steps, run.max_seconds)
    made: dict[int, Tensor] = {}
    if not bool(hole.any()):
        pass
    elif not alone:
        flows = budget.waited(lambda: known_flows(pictures, hole, method))
        places = None
        if find_places is not None:
            places = budget.waited(lambda: find_places(held, method.carry, run)).to(place)
        done = fit(pictures, ~hole, flows, method, budget.share(run, 1), places=places)
        made = dict(enumerate(done.frames))
    else:
        holed = [index for index, one in enumerate(held) if one.hole.any()]
        for number, index in enumerate(holed):
            if budget.spent:
                break
            one, left = slice(index, index + 1), len(holed) - number
            on_step = part_of(run.on_step, number / len(holed), (number + 1) / len(holed))
            mine = replace(budget.share(run, left), seed=run.seed_of(index), on_step=on_step)
            done = fit(pictures[one], ~hole[one], {}, method, mine, name=f"frame-{index:05}")
            budget.spend(done)
            made[index] = done.frames[0]
    for index, picture in made.items():
        where = held[index].hole
        held[index].set_pixels(np.flatnonzero(where), channels_last(picture.clamp(0, 1))[where])
    yield from held


def known_flows(frames: Float[Tensor, "T 3 H W"], hole: Bool[Tensor, "T 1 H W"], method: Method) -> Flows:
    """The flow that a method's terms need, by stride and direction."""
    fields = method.schedule.fields if method.needs_flow else ()
    return {field: estimate(frames, hole, *field, estimator=method.carry.estimator) for field in fields}
