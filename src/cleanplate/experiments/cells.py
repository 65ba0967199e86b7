"""Run one cell: make what its method makes of its clip, or read it if it has been made, and measure it."""

import contextlib
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cleanplate.baselines.fillers import BASELINES
from cleanplate.config import Method
from cleanplate.data.compose import Composed, choose, identified, read_composed, read_pairs, resized
from cleanplate.errors import InputError
from cleanplate.experiments.features import similarities
from cleanplate.experiments.plan import SCALES, Cell, method_at
from cleanplate.experiments.results import (
    KEY,
    Line,
    Made,
    code_digest,
    external_path,
    load_plate,
    measuring_digest,
    plate_path,
    save_plate,
    settings_of,
)
from cleanplate.imaging.frame import KNOWN, MADE_UP
from cleanplate.imaging.pixels import all_samples, to_tensor
from cleanplate.metrics import EXACT_DB, Comparison, complexity, measure, psnr_db, ssim
from cleanplate.paper.fit import fit
from cleanplate.paper.methods import known_flows
from cleanplate.pipeline import find_device, inpaint
from cleanplate.progress import Step
from cleanplate.runtime.checkpoint import WorkDir
from cleanplate.runtime.files import writing
from cleanplate.runtime.options import RunOptions
from cleanplate.version import __version__
from cleanplate.video.clip import Clip
from cleanplate.video.reader import read_frames


def run_cell(cell: Cell, *, data: Path, out: Path, metrics: Sequence[str], device: str) -> Line:
    """The line of a cell.

    Raises:
        InputError: a clip, an external result or a folder that cannot be used.
    """
    scale = SCALES[cell.scale]
    pair = choose(read_pairs(data), [cell.clip])[0]
    composed = resized(read_composed(data, pair), scale.size, scale.n_frames)
    hard = complexity(composed.truth)
    settings = settings_of(cell, identified(data, pair), len(composed.truth))
    kept = plate_path(out, cell)
    made, record = load_plate(kept, settings)
    if made is None:
        before = memory_before_mb()
        made = make(cell, composed, out, device)
        record = machine(device) | {"version": __version__, "seconds": made.seconds, "updates": made.updates}
        record |= {"memory_before_mb": before, "peak_memory_mb": peak_memory_mb()}
        save_plate(kept, settings, made, record)
        for folder in (out / "work").glob(f"{cell.name}-*"):  # not before: what is saved there is all there is
            WorkDir(folder).finish()
    judged = Comparison(
        made.frames, composed.truth, composed.clip.hole, made.provenance, scale.patch_px, scale.search_px
    )
    values = measure(judged, metrics)
    if made.generated is not None:
        # Of frames with a hole: others are in no piece that was learned where pieces are short.
        known = composed.clip.known & composed.clip.hole.flatten(1).any(1).view(-1, 1, 1, 1)
        values["generated_known_psnr_db"] = psnr_db(made.generated, composed.truth, known)
        values["generated_known_ssim"] = ssim(made.generated, composed.truth, known)
    return {
        **{name: getattr(cell, name) for name in KEY},
        "n_frames": len(composed.truth),
        "hole_share": float(composed.clip.hole.float().mean()),
        "settings": settings,
        "measured_with": measuring_digest(),
        **record,
        "metrics": {name: EXACT_DB if value == math.inf else value for name, value in values.items()},
        "complexity": {"appearance": hard.appearance, "motion": hard.motion, "total": hard.total},
    }


def make(cell: Cell, composed: Composed, out: Path, device: str) -> Made:
    """Run the cell's method."""
    clip = composed.clip
    if cell.external is not None:
        return Made(read_external(Path(cell.external), cell.clip, composed))
    if cell.method in BASELINES:
        started = time.perf_counter()
        frames = BASELINES[cell.method](clip.frames, clip.hole)
        return Made(frames, seconds=time.perf_counter() - started)
    if cell.features:
        return _compare(cell, clip, device)
    return _in_windows(cell, clip, out, device)


def _in_windows(cell: Cell, clip: Clip, out: Path, device: str) -> Made:
    """The whole clip, or piece by piece, each with its share of the budget."""
    count = len(clip.frames)
    size = cell.window or count
    frames, provenance = clip.frames.clone(), torch.zeros_like(clip.hole, dtype=torch.uint8)
    generated = None if cell.window is None else clip.frames.clone()
    seconds, updates, looks = 0.0, 0, []
    for first in range(0, count, size):
        part = slice(first, min(first + size, count))
        if not bool(clip.hole[part].any()):
            continue  # nothing to fill: these frames are what they are
        piece = Clip(clip.frames[part], clip.hole[part], clip.fps)
        method = method_at(cell.method, SCALES[cell.scale], len(piece.frames), cell.looks)
        last: dict[str, Step] = {}

        def listen(step: Step, last: dict[str, Step] = last) -> None:
            if step.update:
                last[step.fit] = step
            if step.frames is not None and cell.looks > 1:
                looks.append(step)

        # What was seen on the way is not saved: a run that is to show it begins anew.
        # Nor does one go on with what other sources have begun.
        work = WorkDir() if cell.looks > 1 else _work(out / "work" / f"{cell.name}-{code_digest()[:8]}-{first}")
        budget = share_of(cell.updates(count), method, len(piece.frames), count)
        plate = inpaint(piece, method, seed=cell.seed, device=device, max_steps=budget, work_dir=work, on_step=listen)
        frames[part], provenance[part] = plate.frames, plate.provenance
        seconds, updates = seconds + plate.elapsed_s, updates + sum(step.update for step in last.values())
        if generated is not None:
            (only,) = last.values()  # one network made the piece, and was looked at when it was done
            generated[part] = only.frames.cpu()
    return Made(frames, provenance, seconds, updates or None, generated, look_arrays(looks) if looks else {})


def _work(folder: Path) -> WorkDir:
    with writing(folder.parent):
        folder.parent.mkdir(exist_ok=True)
    return WorkDir(folder, resume=True, overwrite=True)


def _compare(cell: Cell, clip: Clip, device: str) -> Made:
    """Train the network, and compare its features with those of VGG16 (Sec. 5.1)."""
    method = method_at(cell.method, SCALES[cell.scale], len(clip.frames))
    place, started = find_device(device), time.perf_counter()
    frames, hole = clip.frames.to(place), clip.hole.to(place)
    flows = known_flows(frames, hole, method)
    fitted = fit(frames, ~hole, flows, method, RunOptions(cell.seed, device, cell.updates(len(frames))))
    assert fitted.model is not None  # there is no work folder that it could have been found in
    made = torch.where(hole, fitted.frames, frames).cpu()
    arrays = similarities(fitted.model, frames, hole)
    provenance = torch.where(clip.hole, MADE_UP, KNOWN).to(torch.uint8)
    return Made(made, provenance, time.perf_counter() - started, fitted.steps, arrays=arrays)


def share_of(updates: int | None, method: Method, n_frames: int, of_frames: int) -> int | None:
    """A piece's part of a budget: so that every frame is trained on as often, however short the piece."""
    if updates is None:
        return None
    size = method.schedule.frames_per_batch
    return max(1, round(updates * n_frames / of_frames * size / min(size, n_frames)))


def look_arrays(looks: Sequence[Step]) -> dict[str, np.ndarray]:
    """What the network made of the middle frame on the way, (L, H, W, 3) bytes, and its flow to the next, in pixels."""
    middle = len(looks[0].frames) // 2
    return {
        "look_updates": np.array([step.update for step in looks]),
        "look_frames": np.concatenate([all_samples(step.frames[middle : middle + 1]) for step in looks]),
        "look_flows": np.stack([step.flows[1, 1][middle].cpu().numpy() for step in looks]),
    }


def read_external(folder: Path, clip: str, composed: Composed) -> Tensor:
    """A result made elsewhere; only its fill is taken.

    Raises:
        InputError: none there, or one of another size or length.
    """
    path = external_path(folder, clip)
    frames = to_tensor(read_frames(path)[0])
    if frames.shape != composed.truth.shape:
        (t, _, h, w), (n, _, height, width) = frames.shape, composed.truth.shape
        raise InputError(
            f"{path} has {t} frames of {w}x{h}",
            f"{n} of {width}x{height} are compared at this scale",
            "export it so, or choose another scale",
        )
    return torch.where(composed.clip.hole, frames, composed.clip.frames)


# Where it ran


def machine(device: str) -> dict[str, Any]:
    """What the seconds were taken on, and what was run."""
    place = find_device(device)
    return {
        "commit": _commit(),
        "device": torch.cuda.get_device_name(place) if place.type == "cuda" else place.type,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _commit() -> str | None:
    """Of the checkout this runs from, with a + if it was changed; None if it is none."""
    ask = partial(subprocess.run, cwd=Path(__file__).parent, capture_output=True, text=True, check=True, timeout=10)
    try:
        ask(["git", "ls-files", "--error-unmatch", Path(__file__).name])
        commit = ask(["git", "rev-parse", "--short=12", "HEAD"]).stdout.strip()
        changed = ask(["git", "status", "--porcelain", "--untracked-files=no"]).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + "+" * bool(changed)


def memory_before_mb() -> int | None:
    """What this process holds, imports and the clip; its peak is taken from here on. None where that cannot be."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return _status_mb("VmRSS")
    except OSError:
        return None


def peak_memory_mb() -> int | None:
    """The most that this process has held since `memory_before_mb`, or at all where that is None; None if unknown."""
    with contextlib.suppress(OSError):
        return _status_mb("VmHWM")
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10))


def _status_mb(name: str) -> int:
    """Of Linux, which counts in kB."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return round(int(fields[name].split()[0]) / 2**10)
