"""THE loop: train a network from scratch on a clip, and take what it makes of it (Sec. 3, App. C).

The four methods of the paper, and the learning of `carry-learn`, are this loop with other settings.
"""

import math
import random
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import wraps
from itertools import islice, repeat
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cleanplate.config import Method, Schedule
from cleanplate.paper.losses import image_loss, weighted_sum
from cleanplate.paper.model import Model
from cleanplate.paper.objective import Flows, Objective
from cleanplate.paper.schedule import Batch, batches, n_steps
from cleanplate.progress import OnStep, tell
from cleanplate.runtime.checkpoint import Work
from cleanplate.runtime.threads import one_thread_each

MEAN_OVER = 0.2  # of the steps, the last, when a mean is kept


@dataclass(frozen=True)
class Fit:
    """What a network made of a clip."""

    frames: Float[Tensor, "T 3 H W"]
    steps: int
    elapsed_s: float
    model: Model | None = None
    """The trained network; None if the frames were found finished in a work folder."""


def with_threads_it_can_use(run: Callable[..., Fit]) -> Callable[..., Fit]:
    """Keep a small network to one thread: a second gains nothing, and on a busy machine they wait for each other."""

    @wraps(run)
    def fit(frames: Tensor, known: Tensor, flows: Flows, method: Method, **options: Any) -> Fit:
        batch_px = min(len(frames), method.schedule.frames_per_batch) * frames[0, 0].numel()
        with one_thread_each() if batch_px < SMALL_PX else nullcontext():
            return run(frames, known, flows, method, **options)

    return fit


SMALL_PX = 100_000


@with_threads_it_can_use
def fit(
    frames: Float[Tensor, "T 3 H W"],
    known: Bool[Tensor, "T 1 H W"],
    flows: Flows,
    method: Method,
    *,
    seed: int = 0,
    max_steps: int | None = None,
    max_seconds: float | None = None,
    work: Work | None = None,
    name: str = "fit",
    on_step: OnStep | None = None,
) -> Fit:
    """Train a network on the known pixels, and let it make all frames.

    Args:
        frames: the clip; what is not known is never read.
        known: the paper's M.
        flows: known flow by stride and direction, empty if no term needs it.
        method: its network, loss, schedule and fit are read.
        seed: of the parameters, the input, the order of the batches and the jitter.
        max_steps: end after so many updates, at least 1.
        max_seconds: end after so long.
        work: where to save, and what to go on from.
        name: what to save it as.
        on_step: told of every step.

    Raises:
        InputError: frames too small, weights missing.
        Cancelled: the callback said so.
    """
    work, settings = work or Work(), method.fit
    if (done := work.load(f"{name}-done", frames.device)) is not None:
        made = Fit(**done)
        # The frames themselves become the plate: who listens gets his own.
        tell(on_step, "learn", made.steps, made.steps, fit=name, update=made.steps, frames=made.frames.clone())
        return made
    model, objective = Model(frames, method, seed), Objective(frames, known, flows, method)
    total = min(n_steps(len(frames), method.schedule), max_steps or math.inf)
    step, before_s = 0, 0.0
    kept = {"frames": torch.zeros_like(frames), "count": frames.new_zeros(len(frames)), "loss": math.inf}
    if (saved := work.load(name, frames.device)) is not None:
        step, before_s, kept = saved["step"], saved["elapsed_s"], saved["kept"]
        model.load(saved["model"])
    started = time.perf_counter() - before_s
    elapsed_s, share = before_s, step / total  # share of what may be spent that is spent
    for batch in islice(_each_step(len(frames), method.schedule, seed), step, None):
        if share >= 1:
            break
        made, flow = model.make(batch.frames, settings.jitter)
        with model.autocast():
            terms = objective.terms(batch, made, flow, model.generator)
        rate = settings.learning_rate * min(1.0, (1 - share) / settings.decay if settings.decay else 1.0)
        model.update(weighted_sum(terms, objective.weights), rate)

        step += 1
        elapsed_s = time.perf_counter() - started
        share = max(step / total, elapsed_s / (max_seconds or math.inf))
        losses = {term: value.item() for term, value in terms.items()}
        work.log({"fit": name, "step": step, "elapsed_s": elapsed_s, **vars(batch), **losses})
        news: dict[str, Any] = {"fit": name, "update": step, "losses": losses, "look": model.look}
        if settings.keep == "mean" and share > 1 - MEAN_OVER:
            kept["frames"][list(batch.frames)] += made.detach()
            kept["count"][list(batch.frames)] += 1
        if settings.look_every and (step % settings.look_every == 0 or share >= 1):
            now, flow = model.infer()
            loss = float(image_loss(now, objective.frames, known))
            if settings.keep == "best" and loss < kept["loss"]:
                kept |= {"frames": now, "loss": loss}
            news |= {"frames": now, "flows": {} if flow is None else objective.in_pixels(flow)}
        tell(on_step, "learn", step, round(step / min(share, 1)), **news)
        if work.due():
            work.save(name, {"step": step, "elapsed_s": elapsed_s, "kept": kept, "model": model.state()})
    result = kept["frames"] if settings.keep == "best" else model.infer()[0]
    if settings.keep == "mean":
        count = kept["count"].view(-1, 1, 1, 1)
        result = torch.where(count > 0, kept["frames"] / count.clamp(min=1), result)
    work.save(f"{name}-done", {"frames": result, "steps": step, "elapsed_s": elapsed_s})
    if saved is not None and step == saved["step"]:  # it was ended after its last step: nobody was told of one here
        tell(on_step, "learn", step, step, fit=name, update=step, frames=result.clone())
    return Fit(result, step, elapsed_s, model)


def _each_step(n_frames: int, schedule: Schedule, seed: int) -> Iterator[Batch]:
    """The batch of every step."""
    for batch in batches(n_frames, schedule, random.Random(seed)):
        yield from repeat(batch, schedule.steps_per_batch)
