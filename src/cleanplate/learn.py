"""Learn what is hidden: all of it, as the paper does, or only what no frame shows.

After carrying, most of a hole is filled with real pixels. What is left is learned in one frame, the one with most of
it, and then carried to the others as if that frame had shown it; then in the next frame, until nothing is left. What is
made up is made up once, so it holds together over time.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from cleanplate.carry import Carried, carry_on
from cleanplate.checkpoint import Work
from cleanplate.config import Method, OnStep, Step
from cleanplate.detail import add_detail
from cleanplate.fit import Fit, fit
from cleanplate.flow import estimate
from cleanplate.objective import Flows
from cleanplate.smooth import dilate, paint, shrink
from cleanplate.weights import find_weights


@dataclass
class Budget:
    """How much learning may still be done; None: as much as the schedule says."""

    steps: int | None = None
    seconds: float | None = None

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        return (self.steps is not None and self.steps < 1) or (self.seconds is not None and self.seconds <= 0)

    def share(self, parts: int) -> dict[str, Any]:
        """One of so many equal parts of what is left, at least a step, as arguments of `fit`."""
        return {
            "max_steps": None if self.steps is None else max(1, self.steps // parts),
            "max_seconds": None if self.seconds is None else max(1e-3, self.seconds / parts),
        }

    def spend(self, done: Fit) -> None:
        """Take off what a fit took."""
        if self.steps is not None:
            self.steps -= done.steps
        if self.seconds is not None:
            self.seconds -= done.elapsed_s


def learn_all(
    frames: Float[Tensor, "T 3 H W"],
    hole: Bool[Tensor, "T 1 H W"],
    method: Method,
    *,
    seed: int = 0,
    budget: Budget | None = None,
    work: Work | None = None,
    on_step: OnStep | None = None,
) -> Float[Tensor, "T 3 H W"]:
    """The paper's methods: a network for the clip, or for each frame, makes the frames.

    Frames that the budget does not reach are filled smoothly.

    Raises:
        InputError: frames too small, weights missing.
    """
    if method.loss.perceptual:
        find_weights("vgg16")  # before the work of estimating flow, not after
    budget = budget or Budget()
    flows = known_flows(frames, hole, method)
    if not method.schedule.each_frame_alone:
        return fit(frames, ~hole, flows, method, seed=seed, work=work, on_step=on_step, **budget.share(1)).frames
    out = paint(frames, hole)
    for index in range(len(frames)):
        if budget.spent:
            break
        one, left = slice(index, index + 1), len(frames) - index
        told = part_of(on_step, index / len(frames), (index + 1) / len(frames))
        share, name = budget.share(left), f"frame-{index:05}"
        done = fit(frames[one], ~hole[one], {}, method, seed=seed + index, work=work, name=name, on_step=told, **share)
        budget.spend(done)
        out[one] = done.frames
    return out


def known_flows(frames: Float[Tensor, "T 3 H W"], hole: Bool[Tensor, "T 1 H W"], method: Method) -> Flows:
    """The flow that a method's terms need, by stride and direction."""
    fields = method.schedule.fields if method.needs_flow else ()
    return {field: estimate(frames, hole, *field, estimator=method.carry.estimator) for field in fields}


def learn_unseen(
    carried: Carried,
    unseen: Bool[Tensor, "T 1 H W"],
    method: Method,
    *,
    seed: int = 0,
    budget: Budget | None = None,
    work: Work | None = None,
    on_step: OnStep | None = None,
) -> Float[Tensor, "T 3 H W"]:
    """Fill what no frame shows.

    Args:
        carried: everything else known or carried, the unseen filled smoothly. Its frames are changed in place.
        unseen: what to learn.
        method: all of it is read.
        seed: of the first network; those of other frames count on from it.
        budget: of all networks together; what it does not reach stays smooth.
        work: where to save, and what to go on from.
        on_step: told of every step.
    """
    frames, links, budget, left = carried.frames, carried.links, budget or Budget(), unseen.clone()
    assert links is not None
    most = float(unseen.sum())
    number = 0
    while not budget.spent and (key := key_frame(left, method.learn.thin_px)) is not None:
        one = slice(key, key + 1)
        before, name = 1 - float(left.sum()) / most, f"key-{number:03}"
        told = part_of(on_step, before, before + float(left[one].sum()) / most)
        frames[one] = learn_frame(
            frames[one], left[one], method, seed=seed + number, budget=budget, work=work, name=name, on_step=told
        )
        number += 1
        left[one] = False
        if bool(left.any()):
            left &= ~carry_on(frames, left, links, method.carry)
    return frames


def key_frame(left: Bool[Tensor, "T 1 H W"], thin_px: int) -> int | None:
    """The frame with the most to learn, of those with nearly as much the one in the middle; None if all is thin."""
    # What is left when the seen has grown by thin_px from all sides; a border of the frame is no side.
    deep = ~dilate(~left, thin_px)
    size = torch.where(deep.flatten(1).any(1), left.flatten(1).sum(1), 0)
    if not bool(size.any()):
        return None
    best = torch.nonzero(size >= NEARLY * size.max()).flatten().tolist()
    return min(best, key=lambda index: abs(index - (len(left) - 1) / 2))


NEARLY = 0.95


def learn_frame(
    frame: Float[Tensor, "1 3 H W"],
    unseen: Bool[Tensor, "1 1 H W"],
    method: Method,
    *,
    seed: int,
    budget: Budget,
    work: Work | None = None,
    name: str = "key",
    on_step: OnStep | None = None,
) -> Float[Tensor, "1 3 H W"]:
    """Fill one frame: a network decides what goes where, on a small crop; patches of the frame bring the detail."""
    config = method.learn
    rows, columns = crop_around(unseen[0, 0], config.margin)
    picture, hole = frame[:, :, rows, columns], unseen[:, :, rows, columns]
    small, small_hole = picture, hole
    while small.shape[2] * small.shape[3] > config.network_px and min(small.shape[2:]) >= 2 * LEAST_PX:
        small, small_hole = shrink(small, small_hole)
    made = paint(small, small_hole)
    if int(unseen.sum()) >= config.small * unseen[0, 0].numel():
        many, known = (one.expand(config.copies, -1, -1, -1).contiguous() for one in (small, ~small_hole))
        done = fit(many, known, {}, method, seed=seed, work=work, name=name, on_step=on_step, **budget.share(1))
        budget.spend(done)
        made = torch.lerp(made, done.frames.mean(0, keepdim=True), config.boldness)
    if config.patch_px:
        settings = {"patch_px": config.patch_px, "texture": config.texture, "guidance": config.guidance}
        filled = add_detail(picture, hole, made, **settings)
    else:
        filled = F.interpolate(made, picture.shape[2:], mode="bicubic", align_corners=False)
    out = frame.clone()
    out[:, :, rows, columns] = torch.where(hole, filled.clamp(0, 1), picture)
    return out


LEAST_PX = 32  # a crop is not made smaller than this: the network needs it


def crop_around(unseen: Bool[Tensor, "H W"], margin: float) -> tuple[slice, slice]:
    """Rows and columns of the unseen region and of what is around it, `margin` of its size or enough to learn from."""
    at = torch.nonzero(unseen)
    first, last = at.amin(0).tolist(), at.amax(0).tolist()
    grow = max(LEAST_MARGIN_PX, round(margin * max(last[0] - first[0], last[1] - first[1])))

    def span(axis: int) -> slice:
        return slice(max(0, first[axis] - grow), min(unseen.shape[axis], last[axis] + 1 + grow))

    return span(0), span(1)


LEAST_MARGIN_PX = 48


def part_of(on_step: OnStep | None, first: float, last: float) -> OnStep | None:
    """A callback that reports a part of the whole, from one share of it to another."""
    if on_step is None:
        return None

    def told(step: Step) -> Any:
        share = first + (last - first) * step.done / step.total
        return on_step(replace(step, done=round(share * PARTS), total=PARTS))

    return told


PARTS = 100_000
