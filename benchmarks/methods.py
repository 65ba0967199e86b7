"""The paper's methods side by side on one small composed clip, under equal budgets: hole PSNR as they learn (Sec. 4.1).

A step of a method that takes the clip together trains on N frames; DIP's trains on one. The budget is in frames trained
on: DIP, which has a network for each frame, gets N steps for every step of the others.
"""

import json
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F

from benchmarks.carry import machine
from cleanplate import METHODS, Clip, InputError, Step, inpaint
from cleanplate.data.compose import read_composed
from cleanplate.data.pairs import read_pairs
from cleanplate.metrics import psnr_db

PAPERS = ("dip", "dip-vid", "dip-vid-3dcn", "dip-vid-flow")


def benchmark_methods(
    data: Path,
    name: str,
    out: Path,
    *,
    methods: tuple[str, ...],
    frames: int,
    steps: int,
    steps_per_batch: int,
    looks: int,
) -> None:
    """Print and write a curve for each method."""
    pair = next((pair for pair in read_pairs(data) if pair["name"] == name), None)
    if pair is None:
        raise InputError(f"no pair is named {name}", "a name in composed.json", "correct it")
    pair = {**pair, "background": {**pair["background"], "count": frames}}
    composed = read_composed(data, pair)
    truth, hole = F.avg_pool2d(composed.truth, 2), F.max_pool2d(composed.clip.hole.float(), 2) > 0
    clip = Clip(torch.where(hole, 0.0, truth), hole)
    report = {"machine": machine(), "pair": name, "frames": frames, "size": list(truth.shape[2:]), "steps": steps}
    report |= {"steps_per_batch": steps_per_batch, "curves": {}}
    for method_name in methods:
        method = METHODS[method_name]
        alone = method.schedule.each_frame_alone
        total = steps * METHODS["dip-vid"].schedule.frames_per_batch // frames if alone else steps
        schedule = (
            replace(method.schedule, steps_per_batch=total)
            if alone
            else replace(method.schedule, steps_per_batch=steps_per_batch, passes=steps)
        )
        method = replace(method, schedule=schedule, fit=replace(method.fit, eval_every=max(1, total // looks)))
        seen: dict[int, list[torch.Tensor]] = {}

        def look(step: Step, seen: dict[int, list[torch.Tensor]] = seen) -> None:
            if step.frames is not None:
                seen.setdefault(step.update, []).extend(step.frames)

        plate = inpaint(clip, method, device="cpu", max_steps=total * frames if alone else steps, on_step=look)
        curve = {at: psnr_db(torch.stack(made), truth, hole) for at, made in sorted(seen.items())}
        report["curves"][method_name] = {
            "at": curve,
            "result_db": psnr_db(plate.frames, truth, hole),
            "seconds": plate.elapsed_s,
        }
        print(f"{method_name:14}" + " ".join(f"{at}:{value:.2f}" for at, value in curve.items()), flush=True)
        print(f"{'':14}result {psnr_db(plate.frames, truth, hole):.2f} dB after {plate.elapsed_s:.0f} s", flush=True)
    out.write_text(json.dumps(report, indent=1) + "\n")
