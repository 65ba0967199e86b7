"""One update of `dip-vid-flow`, 5 frames of 384x192: a straightforward reading beside ours, in the same run.

'plain' is float32 in PyTorch's default layout, with the whole VGG16 on both sides at every step and gradients for all
of its parameters. 'ours' is the default of the method. 'fewer' takes the perceptual term on one frame of a batch, drawn
anew each step, which leaves the expectation of the gradient as it is.
"""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import vgg16

from benchmarks.carry import machine, peak_memory_mb
from cleanplate import METHODS
from cleanplate.data.demo import make_demo
from cleanplate.imaging.flow import both_known, estimate
from cleanplate.imaging.warp import inside, warp
from cleanplate.paper.losses import weighted_sum
from cleanplate.paper.model import Model
from cleanplate.paper.objective import Objective
from cleanplate.paper.perceptual import LEVELS, MEAN_RGB, known_features, read_trunk
from cleanplate.paper.schedule import Batch

BATCH = Batch(frames=(2, 3, 4, 5, 6), stride=1, direction=1)
TAPS = {3: 0, 8: 1, 15: 2}  # relu1_2, relu2_2, relu3_3 among VGG16's layers


def benchmark_step(out: Path, repeats: int) -> None:
    """Print and write the medians, their ratios, the loss values and the memory."""
    clip = make_demo(n_frames=12)
    hole = clip.mask
    method = METHODS["dip-vid-flow"]
    fewer = replace(method, loss=replace(method.loss, perceptual_frames=1))
    flows = {field: estimate(clip.frames, hole, *field) for field in method.schedule.fields}
    report: dict = {"machine": machine(), "frames": len(BATCH.frames), "size": list(clip.frames.shape[2:])}
    for name, kind in (("ours", method), ("fewer", fewer)):
        model = Model(clip.frames, kind, seed=0)
        objective = Objective(clip.frames, ~hole, flows, kind)

        def step(model: Model = model, objective: Objective = objective) -> dict[str, Tensor]:
            made, flow = model.make(BATCH.frames)
            with model.autocast():
                terms = objective.terms(BATCH, made, flow, model.generator)
            model.update(weighted_sum(terms, objective.weights), 0.01)
            return terms

        report[name] = measure(step, repeats) | {"peak_memory_mb": peak_memory_mb()}
        del model, objective, step
    report["plain"] = measure(plain(clip.frames, hole, flows), max(2, repeats // 3))
    report["plain"]["peak_memory_mb"] = peak_memory_mb()
    for name in ("plain", "ours", "fewer"):
        row = report[name]
        row["times_faster"] = report["plain"]["seconds"] / row["seconds"]
        losses = ", ".join(f"{term} {value:.5f}" for term, value in row["losses"].items())
        print(f"{name:6}{row['seconds']:8.3f} s {row['times_faster']:6.1f}x {row['peak_memory_mb']:6.0f} MB   {losses}")
    out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"memory is the most the process has held so far, in the order ours, fewer, plain; written to {out}")


def measure(step: Callable[[], dict[str, Tensor]], repeats: int) -> dict:
    """The losses of the first step, and the median time of those after it."""
    losses = {name: term.item() for name, term in step().items()}
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - started)
    return {"seconds": statistics.median(seconds), "fastest_s": min(seconds), "losses": losses}


def plain(frames: Tensor, hole: Tensor, flows: dict) -> Callable[[], dict[str, Tensor]]:
    """An update as a straightforward reading of the paper gives it; same network, same parameters, same losses."""
    method = METHODS["dip-vid-flow"]
    model = Model(frames, replace(method, fit=replace(method.fit, precision="float32")), seed=0)
    model.network.to(memory_format=torch.contiguous_format)  # type: ignore[reportCallIssue] - torch's overloads
    scale_px = Objective(frames, ~hole, flows, replace(method, loss=replace(method.loss, perceptual=0.0))).scale_px[1]
    features = full_vgg()
    index, known = list(BATCH.frames), ~hole
    target = torch.where(hole, 0.0, frames)[index]
    field = flows[BATCH.stride, BATCH.direction]
    pairs = slice(index[0], index[-1])

    def layers(x: Tensor) -> list[Tensor]:
        out, x = [], x - torch.tensor(MEAN_RGB).view(1, 3, 1, 1) / LEVELS
        for place, layer in enumerate(features):
            x = layer(x)
            if place in TAPS:
                out.append(x)
        return out

    def mean_square(a: Tensor, b: Tensor, mask: Tensor) -> Tensor:
        return ((a - b) * mask).square().mean()

    def step() -> dict[str, Tensor]:
        made, flow = model.network(model.noise[index])
        predicted = flow[:-1, :2]
        seen = both_known(known[index[:-1]], known[index[1:]], field.flow[pairs])
        inner = ~seen * inside(predicted.detach() * scale_px)
        masks = known_features(known[index])
        terms = {
            "image": mean_square(made, target, known[index]),
            "flow": mean_square(predicted, field.flow[pairs] / scale_px, field.valid[pairs]),
            "consistency": mean_square(warp(made[1:], predicted * scale_px), made[:-1].detach(), inner),
            "perceptual": torch.stack(
                [mean_square(a, b, m) for a, b, m in zip(layers(made), layers(target), masks, strict=True)]
            ).sum(),
        }
        weights = {"image": 1, "flow": 0.1, "consistency": 1, "perceptual": 0.01}
        for parameter in features.parameters():
            parameter.grad = None
        model.update(weighted_sum(terms, weights), 0.01)
        return terms

    return step


def full_vgg() -> nn.Sequential:
    """All of VGG16's convolutions, those up to conv3_3 with the real weights, every parameter with a gradient."""
    torch.manual_seed(0)
    features = vgg16(weights=None).features
    assert isinstance(features, nn.Sequential)
    state = read_trunk()
    names = [name.removesuffix(".weight") for name in state if name.endswith(".weight")]
    for name, layer in zip(names, [m for m in features if isinstance(m, nn.Conv2d)], strict=False):
        layer.load_state_dict({"weight": state[f"{name}.weight"], "bias": state[f"{name}.bias"] / LEVELS})
    for layer in features:
        if isinstance(layer, nn.ReLU):
            layer.inplace = False  # what is tapped must not be overwritten
    return features
