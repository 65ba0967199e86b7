"""THE loop: train a network from scratch on a clip, and take what it makes of it (Sec. 3, App. C).

The four methods of the paper, and the learning of `carry-learn`, are this loop with other settings.
"""

import math
import random
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice, repeat
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cleanplate.config import Method, Schedule
from cleanplate.paper.losses import check_finite, image_loss, weighted_sum
from cleanplate.paper.model import Model, exact_convolutions
from cleanplate.paper.objective import Flows, Objective
from cleanplate.paper.schedule import Batch, batches, n_steps
from cleanplate.progress import tell
from cleanplate.runtime.options import DEFAULT_RUN, RunOptions
from cleanplate.runtime.threads import one_thread_each
from cleanplate.runtime.work_dir import WorkDir

MEAN_OVER = 0.2  # of the steps, the last, when a mean is kept


@dataclass(frozen=True)
class Fit:
    """What a network made of a clip."""

    frames: Float[Tensor, "T 3 H W"]
    steps: int
    elapsed_s: float
    model: Model | None = None
    """The trained network; None if the frames were found finished in a work folder."""


SMALL_PX = 100_000


def fit(
    frames: Float[Tensor, "T 3 H W"],
    known: Bool[Tensor, "T 1 H W"],
    flows: Flows,
    method: Method,
    run: RunOptions = DEFAULT_RUN,
    *,
    places: Float[Tensor, "T 2 H W"] | None = None,
    name: str = "fit",
) -> Fit:
    """Train a network on the known pixels, and let it make all frames.

    Args:
        frames: the clip; what is not known is never read.
        known: the paper's M.
        flows: known flow by stride and direction, empty if no term needs it.
        method: its network, canvas, loss, schedule and fit are read.
        run: its seed is of the parameters, the input, the order of the batches and the noise added to the input; its
            budget is that of this network; its device is that of the frames.
        places: of the pixels in the scene, for a method that has a canvas (places.py).
        name: what to save it as.

    Raises:
        InputError: frames too small, weights missing, strides that do not fit into the clip, training that diverged.
        Cancelled: the callback said so.
    """
    if (made := finished(run.work_dir, name, frames.device)) is not None:
        run.work_dir.resumed(made.elapsed_s)
        # The frames themselves become the plate: who listens gets his own.
        tell(run.on_step, "learn", made.steps, made.steps, fit=name, update=made.steps, frames=made.frames.clone())
        return made
    if (places is None) != (not method.canvas.cells_px):
        given = "missing" if places is None else "given"
        raise ValueError(f"canvas.cells_px is {method.canvas.cells_px}, and places are {given}")
    # To a small network a second thread gains nothing, and on a busy machine they wait for each other.
    batch_px = min(len(frames), method.schedule.frames_per_batch) * frames[0, 0].numel()
    with exact_convolutions(), one_thread_each() if batch_px < SMALL_PX else nullcontext():
        model = Model(frames, method, run.seed, places)
        return _train(model, Objective(frames, known, flows, method), method, run, name)


def finished(work_dir: WorkDir, name: str, device: torch.device) -> Fit | None:
    """A fit that was done and saved; without its network."""
    done = work_dir.load_tensors(f"{name}-done", device)
    return None if done is None else Fit(**done)


def _train(model: Model, objective: Objective, method: Method, run: RunOptions, name: str) -> Fit:
    frames, settings, work = objective.frames, method.fit, run.work_dir
    total, most_s = min(n_steps(len(frames), method.schedule), run.max_steps or math.inf), run.max_seconds or math.inf
    step, before_s, output = 0, 0.0, Output(settings.output, frames)
    if (saved := work.load_tensors(name, frames.device)) is not None:
        step, before_s, output.state = saved["step"], saved["elapsed_s"], saved["kept"]
        model.load(saved["model"])
        work.resumed(before_s)
    started = time.perf_counter() - before_s
    elapsed_s, share = before_s, max(step / total, before_s / most_s)  # share of what may be spent that is spent
    for batch in islice(_each_step(len(frames), method.schedule, run.seed), step, None):
        if share >= 1:
            break
        made, flow = model.make(batch.frames, settings.input_noise_std)
        with model.autocast():
            terms = objective.terms(batch, made, flow, model.generator)
        falling = (1 - share) / settings.lr_decay_share if settings.lr_decay_share else 1.0
        model.update(weighted_sum(terms, objective.weights), settings.learning_rate * min(1.0, falling))

        step += 1
        elapsed_s = time.perf_counter() - started
        share = max(step / total, elapsed_s / most_s)
        losses = {term: value.item() for term, value in terms.items()}
        check_finite(losses, step, settings.learning_rate)
        work.log({"fit": name, "step": step, "elapsed_s": elapsed_s, **vars(batch), **losses})
        news: dict[str, Any] = {"fit": name, "update": step, "losses": losses, "preview": model.preview}
        if share > 1 - MEAN_OVER:
            output.add_batch(batch, made)
        if settings.eval_every and (step % settings.eval_every == 0 or share >= 1):
            now, flow = model.infer()
            output.add_evaluation(now, float(image_loss(now, frames, objective.known)))
            news |= {"frames": now, "flows": {} if flow is None else objective.in_pixels(flow)}
        tell(run.on_step, "learn", step, round(step / min(share, 1)), **news)
        if work.due():
            work.save_tensors(
                name, {"step": step, "elapsed_s": elapsed_s, "kept": output.state, "model": model.state()}
            )
    result = output.frames(model)
    check_finite({"the result": float(result.mean())}, step, settings.learning_rate)
    work.save_tensors(f"{name}-done", {"frames": result, "steps": step, "elapsed_s": elapsed_s})
    if saved is not None and step == saved["step"]:  # it was ended after its last step: nobody was told of one here
        tell(run.on_step, "learn", step, step, fit=name, update=step, frames=result.clone())
    return Fit(result, step, elapsed_s, model)


class Output:
    """What is taken of all that a network makes while it is trained: see `FitConfig.output`."""

    def __init__(self, kind: str, like: Float[Tensor, "T 3 H W"]):
        self.kind = kind
        self.state = {"frames": torch.zeros_like(like), "count": like.new_zeros(len(like)), "loss": math.inf}

    def add_batch(self, batch: Batch, made: Float[Tensor, "N 3 H W"]) -> None:
        """What was made in one of the last steps."""
        if self.kind == "mean":
            self.state["frames"][list(batch.frames)] += made.detach()
            self.state["count"][list(batch.frames)] += 1

    def add_evaluation(self, made: Float[Tensor, "T 3 H W"], loss: float) -> None:
        """All frames, and their loss on the known pixels."""
        if self.kind == "best" and loss < self.state["loss"]:
            self.state |= {"frames": made, "loss": loss}

    def frames(self, model: Model) -> Float[Tensor, "T 3 H W"]:
        """The result."""
        if self.kind == "best" and self.state["loss"] < math.inf:
            return self.state["frames"]
        last = model.infer()[0]
        if self.kind != "mean":  # of best, time may end before there was an evaluation
            return last
        count = self.state["count"].view(-1, 1, 1, 1)
        return torch.where(count > 0, self.state["frames"] / count.clamp(min=1), last)


def _each_step(n_frames: int, schedule: Schedule, seed: int) -> Iterator[Batch]:
    """The batch of every step."""
    for batch in batches(n_frames, schedule, random.Random(seed)):
        yield from repeat(batch, schedule.steps_per_batch)
