"""How the generator is trained: frame after frame of composed clips, each made of what it has made before.

Wang et al. train with discriminators of pictures and videos, features of these and of VGG, and flow: here are L1, flow
and the features of VGG16. What is kept is the mean of the parameters over the last steps, so a run may be ended, or go
on, at any step.
"""

import logging
import random
import time
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cleanplate.baselines.wang.network import Generated, Generator, next_frame, painted_over
from cleanplate.baselines.wang.samples import Footage, Sample, draw
from cleanplate.baselines.wang.settings import TrainConfig, TrainLoss
from cleanplate.baselines.wang.weights import Trained
from cleanplate.imaging.warp import inside, warp
from cleanplate.paper.losses import check_finite, perceptual_loss, weighted_sum
from cleanplate.paper.perceptual import Trunk, read_trunk
from cleanplate.progress import OnStep, tell
from cleanplate.runtime.threads import one_thread_each
from cleanplate.runtime.work_dir import WorkDir

log = logging.getLogger(__name__)

Scalar = Float[Tensor, ""]

NAME = "wang"
MEAN_OVER = 0.2, 1000  # the kept parameters are a mean over this share of the steps, the last, at most so many
LARGEST_GRADIENT = 1.0
PATCH_PX = 64  # side of what the perceptual term looks at


def train(
    footage: Sequence[Footage],
    config: TrainConfig,
    *,
    steps: int,
    device: torch.device,
    work: WorkDir,
    on_step: OnStep | None = None,
) -> Trained:
    """A generator, trained for so many steps in all.

    Args:
        footage: what `samples.draw` takes, as long as `config` has frames and lead.
        config: all that the result depends on, beside the clips and the number of steps.
        steps: with those of earlier runs that the work folder holds.
        device: where to train.
        work: where it is saved, and gone on from; `begin` was called.
        on_step: told of every step.

    Raises:
        InputError: VGG16's weights are needed and missing, or training has diverged.
        Cancelled: the callback said so.
    """
    training = Training(config, device)
    step, before_s = 0, 0.0
    if (saved := work.load_tensors(NAME, device)) is not None:
        step, before_s = saved["step"], saved["elapsed_s"]
        training.load(saved["training"])
        work.resumed(before_s)
    started, elapsed_s = time.perf_counter() - before_s, before_s
    first = step
    while step < steps:
        losses = training.update(footage, step)
        step += 1
        check_finite(losses, step, config.learning_rate)
        elapsed_s = time.perf_counter() - started
        work.log({"fit": NAME, "step": step, "elapsed_s": elapsed_s, **losses})
        tell(on_step, "learn", step, steps, fit=NAME, update=step, losses=losses)
        if work.due() or (step == steps > first):
            work.save_tensors(NAME, {"step": step, "elapsed_s": elapsed_s, "training": training.state()})
    about = {
        "size": list(config.size),
        "steps": step,
        "seconds": round(elapsed_s),
        "seed": config.seed,
        "clips": [clip.name for clip in footage],
        "loss": vars(config.loss),
    }
    return Trained(config.generator, {name: value.cpu() for name, value in training.mean.items()}, about)


class Training:
    """Everything that changes while a generator is trained.

    Args:
        config: how it is trained.
        device: where.

    Raises:
        InputError: VGG16's weights are needed and missing.
    """

    def __init__(self, config: TrainConfig, device: torch.device):
        self.config, self.device = config, device
        parameters = torch.Generator().manual_seed(config.seed)
        self.network = Generator(config.generator.channels, config.generator.window, generator=parameters)
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.mean = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=config.learning_rate)
        self.trunk = None
        if config.loss.perceptual:
            self.trunk = Trunk(read_trunk()).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def update(self, footage: Sequence[Footage], step: int) -> dict[str, float]:
        """Learn from the sample of a step; the means of the terms over its frames."""
        config = self.config
        rng = random.Random(f"{config.seed} {step}")
        lead = rng.randint(0, config.lead)
        with one_thread_each():  # the picture is small, and OpenCV's flow hangs on the number of threads
            sample = draw(
                footage,
                step,
                seed=config.seed,
                size=config.size,
                batch=config.batch,
                frames=lead + config.frames,
            )
        sample = Sample(*(part.to(self.device) for part in vars(sample).values()))
        painted = painted_over(sample.truth, sample.hole)
        self.optimiser.zero_grad()
        results: list[Tensor] = []
        sums: dict[str, float] = {}
        for index in range(lead + config.frames):
            # No gradient goes back to the frame before, as in theirs.
            with torch.set_grad_enabled(index >= lead), self._autocast():
                made = next_frame(self.network, painted, sample.hole, results)
            if index >= lead:
                terms = loss_terms(made, sample, index, results, config.loss)
                if self.trunk is not None and index == lead:
                    terms["perceptual"] = self._perceptual(made, sample, index, rng)
                (weighted_sum(terms, vars(config.loss)) / config.frames).backward()
                for name, value in terms.items():
                    sums[name] = sums.get(name, 0.0) + value.item() / config.frames
            results.append(torch.where(sample.hole[:, index], made.made.detach().clamp(0, 1), painted[:, index]))
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT)
        self.optimiser.step()
        share = 1 / min(1 + int(MEAN_OVER[0] * step), MEAN_OVER[1])
        for name, value in self.network.state_dict().items():
            self.mean[name].lerp_(value, share)
        return sums

    def _perceptual(self, made: Generated, sample: Sample, index: int, rng: random.Random) -> Scalar:
        """Of one clip, around a pixel of its hole (Eq. 6 of the paper; here all features are of known pixels)."""
        assert self.trunk is not None
        clip = rng.randrange(len(made.made))
        hole, truth = sample.hole[clip, index], sample.truth[clip, index]
        result = torch.where(hole, made.made[clip], truth)
        hidden = torch.nonzero(hole[0]).tolist()
        middle = rng.choice(hidden) if hidden else [0, 0]
        cut = []
        for at, whole in zip(middle, hole.shape[1:], strict=True):
            side = min(PATCH_PX, whole)
            start = min(max(0, at - side // 2), whole - side)
            cut.append(slice(start, start + side))
        with self._autocast():
            features = self.trunk(result[None, :, cut[0], cut[1]])
            with torch.no_grad():
                targets = self.trunk(truth[None, :, cut[0], cut[1]])
        counts = [torch.ones_like(layer[:, :1], dtype=torch.bool) for layer in targets]
        # One term for each step: as many times as frames, for it is divided by these.
        return self.config.frames * perceptual_loss(features, targets, counts)

    def _autocast(self) -> Any:
        """In half precision on CUDA; most CPUs only imitate it, twenty times slower."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda")

    def state(self) -> dict[str, Any]:
        """Everything that has changed since the beginning."""
        return {"network": self.network.state_dict(), "mean": self.mean, "optimiser": self.optimiser.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.mean = state["mean"]


def loss_terms(
    made: Generated, sample: Sample, index: int, results: Sequence[Float[Tensor, "B 3 H W"]], weights: TrainLoss
) -> dict[str, Scalar]:
    """The terms of a frame by name, those of a weight and a meaning: a first frame has no motion.

    Args:
        made: of the frame.
        sample: its truth.
        index: its number.
        results: of the frames before it.
        weights: a term of zero weight is left out.
    """
    truth, hole = sample.truth[:, index], sample.hole[:, index]
    terms = {"hidden": (made.made, truth, hole), "known": (made.made, truth, ~hole)}
    terms["hallucinated"] = (made.hallucinated, truth, hole)
    if index > 0:
        flow, valid = sample.flow[:, index], sample.valid[:, index]
        terms["flow"] = (made.flow, flow, valid)
        before = sample.truth[:, index - 1]
        # Where the flow leaves the picture, or the truth's flow cannot be believed, nothing has to agree.
        terms["warp"] = (warp(before, made.flow), truth, valid & inside(made.flow.detach()))
        terms["temporal"] = (made.made, warp(results[-1], flow), hole & valid)
    return {name: mean_difference(*term) for name, term in terms.items() if getattr(weights, name)}


def mean_difference(a: Float[Tensor, "B C H W"], b: Float[Tensor, "B C H W"], where: Bool[Tensor, "B 1 H W"]) -> Scalar:
    """L1 over what counts; 0 if nothing does."""
    total = torch.where(where, a - b, 0.0).abs().sum()
    return total / (where.sum() * a.shape[1]).clamp(min=1)
