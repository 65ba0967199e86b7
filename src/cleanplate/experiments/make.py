"""Make what a cell's method makes of its clip: the whole clip at once, or piece by piece."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cleanplate.baselines.rivals import BASELINES, filler
from cleanplate.clip import Clip
from cleanplate.config import Method
from cleanplate.data.compose import Composed
from cleanplate.errors import InputError
from cleanplate.experiments.features import similarities
from cleanplate.experiments.plan import Cell, method_at
from cleanplate.experiments.results import Made, external_path
from cleanplate.experiments.sources import code_digest
from cleanplate.imaging.frame import KNOWN, MADE_UP
from cleanplate.imaging.tensors import all_samples, to_tensors
from cleanplate.paper.fit import finished, fit
from cleanplate.paper.methods import known_flows
from cleanplate.paper.schedule import n_passes
from cleanplate.pipeline import begin
from cleanplate.plate import digest, inpaint
from cleanplate.progress import Step
from cleanplate.runtime.devices import find_device
from cleanplate.runtime.files import writing
from cleanplate.runtime.options import RunOptions
from cleanplate.runtime.work_dir import WorkDir
from cleanplate.video.reader import read_frames


def make(cell: Cell, composed: Composed, out: Path, device: str) -> Made:
    """Run the cell's method."""
    clip = composed.clip
    if cell.external is not None:
        return Made(read_external(Path(cell.external), cell.clip, composed))
    if cell.method in BASELINES:
        fill = filler(cell.method, cell.unseen, device, cell.seed)
        started = time.perf_counter()
        frames = fill(clip.frames, clip.hole)
        return Made(frames, seconds=time.perf_counter() - started)
    if cell.features:
        return _look_into(cell, clip, out, device)
    return _in_windows(cell, clip, out, device)


def _in_windows(cell: Cell, clip: Clip, out: Path, device: str) -> Made:
    """The whole clip, or piece by piece, each with its share of the budget."""
    count = len(clip.frames)
    size = cell.window or count
    frames, provenance = clip.frames.clone(), torch.zeros_like(clip.hole, dtype=torch.uint8)
    generated = None if cell.window is None else clip.frames.clone()
    seconds, updates = 0.0, 0
    for first in range(0, count, size):
        part = slice(first, min(first + size, count))
        if not bool(clip.hole[part].any()):
            continue  # nothing to fill: these frames are what they are
        piece = Clip(clip.frames[part], clip.hole[part], clip.fps)
        method = method_at(cell.method, cell.budget, len(piece.frames), cell.evaluations)
        last: dict[str, Step] = {}

        def listen(step: Step, last: dict[str, Step] = last) -> None:
            if step.update:
                last[step.fit] = step

        work = _work(out, cell, str(first))
        budget = share_of(cell.updates(count), method, len(piece.frames), count)
        if budget is not None:  # a short piece has few batches, and needs more passes
            schedule = method.schedule
            passes = max(schedule.passes, n_passes(budget, len(piece.frames), schedule))
            method = replace(method, schedule=replace(schedule, passes=passes))
        plate = inpaint(piece, method, seed=cell.seed, device=device, max_steps=budget, work_dir=work, on_step=listen)
        frames[part], provenance[part] = plate.frames, plate.provenance
        seconds, updates = seconds + plate.elapsed_s, updates + sum(step.update for step in last.values())
        if generated is not None:
            (only,) = last  # one network made the piece
            fitted = finished(work, only, torch.device("cpu"))
            assert fitted is not None
            generated[part] = fitted.frames
    return Made(frames, provenance, seconds, updates or None, generated)


def _work(out: Path, cell: Cell, part: str) -> WorkDir:
    """Where a cell that is ended goes on; not with what other sources have begun."""
    folder = out / "work" / f"{cell.name}-{code_digest(cell.method, features=cell.features)[:8]}-{part}"
    with writing(folder.parent):
        folder.parent.mkdir(exist_ok=True)
    return WorkDir(folder, resume=True, overwrite=True)


Look = tuple[int, np.ndarray, np.ndarray]
"""Updates so far, the middle frame, (H, W, 3) bytes, and its flow to the next, (2, H, W) pixels."""


def _look_into(cell: Cell, clip: Clip, out: Path, device: str) -> Made:
    """Train a network on the whole clip, keep what it makes on the way, and compare its features (Figs. 8 and 9)."""
    place, middle = find_device(device), len(clip.frames) // 2
    method = method_at(cell.method, cell.budget, len(clip.frames), cell.evaluations)
    frames, hole = clip.frames.to(place), clip.hole.to(place)
    work = _work(out, cell, "looks")
    options = RunOptions(cell.seed, device, cell.updates(len(frames)), work_dir=work)
    begin(method, options, lambda: digest(clip))
    looks: list[Look] = [(update, frame, flow) for update, frame, flow in work.load("looks") or []]

    def listen(step: Step) -> None:
        if step.frames is not None and step.flows:  # of one that was found finished there is no flow, and it is here
            frame = all_samples(step.frames[middle : middle + 1])[0]
            # Of a run that goes on from before its last look, that one is taken again.
            looks[:] = [one for one in looks if one[0] < step.update]
            looks.append((step.update, frame, step.flows[1, 1][middle].cpu().numpy()))
            work.save("looks", looks)

    flows, options = known_flows(frames, hole, method), replace(options, on_step=listen)
    fitted = fit(frames, ~hole, flows, method, options)
    if fitted.model is None:  # ended between its last step and its line: the frames were saved, the network was not
        fitted = fit(frames, ~hole, flows, method, replace(options, work_dir=WorkDir()))
    assert fitted.model is not None
    made = torch.where(hole, fitted.frames, frames).cpu()
    arrays = evaluation_arrays(looks) | similarities(fitted.model, frames, hole)
    provenance = torch.where(clip.hole, MADE_UP, KNOWN).to(torch.uint8)
    return Made(made, provenance, fitted.elapsed_s, fitted.steps, arrays=arrays)


def share_of(updates: int | None, method: Method, n_frames: int, of_frames: int) -> int | None:
    """A piece's part of a budget: so that every frame is trained on as often, however short the piece."""
    if updates is None:
        return None
    size = method.schedule.frames_per_batch
    return max(1, round(updates * n_frames / of_frames * size / min(size, n_frames)))


def evaluation_arrays(looks: Sequence[Look]) -> dict[str, np.ndarray]:
    """What the network made of the middle frame on the way, (L, H, W, 3) bytes, and its flow to the next, in pixels."""
    updates, frames, flows = zip(*looks, strict=True)
    return {
        "evaluation_updates": np.array(updates),
        "evaluation_frames": np.stack(frames),
        "evaluation_flows": np.stack(flows),
    }


def read_external(folder: Path, clip: str, composed: Composed) -> Tensor:
    """A result made elsewhere; only its fill is taken.

    Raises:
        InputError: none there, or one of another size or length.
    """
    path = external_path(folder, clip)
    frames = to_tensors(read_frames(path)[0])
    if frames.shape != composed.truth.shape:
        (t, _, h, w), (n, _, height, width) = frames.shape, composed.truth.shape
        raise InputError(
            f"{path} has {t} frames of {w}x{h}",
            f"{n} of {width}x{height} are compared at this scale",
            "export it so, or choose another scale",
        )
    return torch.where(composed.clip.hole, frames, composed.clip.frames)
