"""The paper's methods on the frames of a clip: a network for all of them, or one for each (Sec. 3, 4.1)."""

from collections.abc import Iterable, Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cleanplate.config import Method
from cleanplate.imaging.flow import estimate
from cleanplate.imaging.frame import Frame
from cleanplate.paper.budget import Budget, part_of
from cleanplate.paper.fit import fit
from cleanplate.paper.objective import Flows
from cleanplate.progress import OnStep
from cleanplate.runtime.checkpoint import Work
from cleanplate.weights import find_weights


def learn_all(
    frames: Iterable[Frame],
    method: Method,
    *,
    seed: int = 0,
    budget: Budget | None = None,
    work: Work | None = None,
    on_step: OnStep | None = None,
) -> Iterator[Frame]:
    """The paper's methods: a network for the clip, or for each frame, makes the frames.

    Frames that the budget does not reach are filled smoothly.

    Args:
        frames: painted over. All of them are held.
        method: all of it is read but `carry` and `learn`.
        seed: of the first network; those of other frames count on from it.
        budget: of all networks together.
        work: where to save, and what to go on from.
        on_step: told of every step.

    Raises:
        InputError: frames too small, weights missing.
    """
    if method.loss.perceptual:
        find_weights("vgg16")  # before the work of estimating flow, not after
    held = list(frames)
    pictures, hole = torch.stack([one.part() for one in held]), torch.stack([one.hole for one in held])
    budget, options = budget or Budget(), {"work": work, "on_step": on_step}
    made: dict[int, Tensor] = {}
    if not bool(hole.any()):
        pass
    elif not method.schedule.each_frame_alone:
        flows = budget.waited(lambda: known_flows(pictures, hole, method))
        done = fit(pictures, ~hole, flows, method, seed=seed, **options, **budget.share(1))
        made = dict(enumerate(done.frames))
    else:
        for index in range(len(held)):
            if budget.spent:
                break
            one, left = slice(index, index + 1), len(held) - index
            options["on_step"] = part_of(on_step, index / len(held), (index + 1) / len(held))
            options |= {"name": f"frame-{index:05}", **budget.share(left)}
            done = fit(pictures[one], ~hole[one], {}, method, seed=seed + index, **options)
            budget.spend(done)
            made[index] = done.frames[0]
    for index, picture in made.items():
        pixels = torch.nonzero(hole[index].flatten()).flatten()
        held[index].put(pixels, picture.flatten(1)[:, pixels].T.clamp(0, 1))
    yield from held


def known_flows(frames: Float[Tensor, "T 3 H W"], hole: Bool[Tensor, "T 1 H W"], method: Method) -> Flows:
    """The flow that a method's terms need, by stride and direction."""
    fields = method.schedule.fields if method.needs_flow else ()
    return {field: estimate(frames, hole, *field, estimator=method.carry.estimator) for field in fields}
