"""Run cells, one line of `results.jsonl` each; a cell that has its line is not run again.

What a cell makes is kept beside the results (`plates/NAME.npz`, bytes), for figures and for other eyes. A cell that was
ended while it learned goes on where it was, from `work/NAME`. Every cell runs in a process of its own, here or wherever
Ray puts it, so that its peak of memory is its own.
"""

import importlib.metadata
import importlib.util
import json
import logging
import multiprocessing
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cleanplate import __version__
from cleanplate.baselines import BASELINES
from cleanplate.checkpoint import Work
from cleanplate.clip import Clip, to_tensor
from cleanplate.compose import Composed, Pair, choose, read_composed, read_pairs, resized, sha256
from cleanplate.config import METHODS, Method, OnStep, Step, tell
from cleanplate.errors import InputError
from cleanplate.experiments.features import similarities
from cleanplate.experiments.plan import SCALES, Cell, method_at
from cleanplate.fit import fit
from cleanplate.learn import known_flows
from cleanplate.metrics import Judged, complexity, measure, psnr_db, ssim
from cleanplate.pipeline import KNOWN, LEARNED, find_device, inpaint
from cleanplate.video_io import existing, read_frames, whole, writing
from cleanplate.weights import find_weights

log = logging.getLogger(__name__)

RESULTS = "results.jsonl"
# What the line of a cell must have for it to be found again and shown.
LINE: dict[str, type | tuple[type, ...]] = {name: str for name in ("clip", "method", "scale")}
LINE |= {name: dict for name in ("settings", "metrics", "complexity")}
LINE |= {"seed": int, "n_frames": int, "looks": int, "features": bool}
LINE |= {"window": (int, type(None)), "seconds": (int, float, type(None))}
Line = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """What a method made of a clip."""

    frames: Tensor
    provenance: Tensor | None = None
    seconds: float | None = None
    updates: int | None = None
    generated: Tensor | None = None
    """What the network made, known pixels too."""
    arrays: dict[str, np.ndarray] | None = None
    """What else is kept: looks, features."""


# Results


def read_results(path: Path) -> list[Line]:
    """The lines of a results file, none if there is none.

    Raises:
        InputError: a line that is not a cell's.
    """
    if not path.is_file():
        return []
    lines = []
    for number, text in enumerate(path.read_text(errors="replace").splitlines(), 1):
        try:
            line = json.loads(text)
            for name, kind in LINE.items():
                if not isinstance(line[name], kind):
                    raise TypeError(f"{name} is {line[name]!r:.40}")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(
                f"line {number} of {path} is broken ({type(error).__name__}: {error})",
                "each line is the record of one cell",
                "remove that line, and its cell is run again",
            ) from None
        lines.append(line)
    return lines


def is_of(line: Line, cell: Cell) -> bool:
    """Whether a line is this cell's, whatever its settings."""
    return all(
        line.get(name) == getattr(cell, name)
        for name in ("clip", "method", "seed", "scale", "window", "looks", "features")
    )


def settings_of(cell: Cell, pair: Pair, n_frames: int) -> dict[str, Any]:
    """All that a cell's result depends on, but for the version."""
    out = cell.settings(n_frames) | {"pair": pair}
    if cell.external is not None:
        out["external"] = sha256(external_path(Path(cell.external), cell.clip))
    return out


def find_line(lines: Sequence[Line], cell: Cell, pair: Pair, names: Sequence[str] = ()) -> Line | None:
    """The cell's line, if it has all these metrics and was run with today's settings."""
    for line in reversed(lines):
        if is_of(line, cell):
            same = line["settings"] == settings_of(cell, pair, line["n_frames"])
            return line if same and all(name in line["metrics"] for name in names) else None
    return None


# Running


def run(
    cells: Sequence[Cell],
    data: Path,
    out: Path,
    metrics: Sequence[str],
    *,
    on: str = "local",
    workers: int = 1,
    device: str = "auto",
    on_step: OnStep | None = None,
) -> list[Line]:
    """Run the cells that have no line yet; all lines of the cells.

    Args:
        cells: what to run.
        data: folder of pairs.
        out: folder of results, made if it is not there.
        metrics: names of what to measure.
        on: "local", in processes here, or "ray", as tasks of a Ray cluster.
        workers: cells at a time; of Ray, the CPUs of a cluster that is started here.
        device: for every cell.
        on_step: told of every finished cell.

    Raises:
        InputError: clips or results that cannot be used, Ray that is not installed.
    """
    lines = read_results(out / RESULTS)
    pairs = {pair["name"]: pair for pair in choose(read_pairs(data), {cell.clip for cell in cells})}
    for cell in cells:
        if cell.external is not None:
            external_path(Path(cell.external), cell.clip)  # rather now than after an hour
    todo = [cell for cell in cells if find_line(lines, cell, pairs[cell.clip], metrics) is None]
    find_device(device)
    if any(needs_vgg16(cell) for cell in todo):
        find_weights("vgg16")
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    work = partial(run_cell, data=data.resolve(), out=out.resolve(), metrics=tuple(metrics), device=device)
    done = len(cells) - len(todo)
    tell(on_step, "cells", done, len(cells))
    for line in {"local": _here, "ray": _on_ray}[on](work, todo, workers):
        for before in lines:
            if cell_key(before) == cell_key(line) and before["settings"] == line["settings"]:
                line["metrics"] = before["metrics"] | line["metrics"]
        lines = [other for other in lines if cell_key(other) != cell_key(line)] + [line]
        write_results(out / RESULTS, lines)
        done += 1
        log.info("%s", summary(line))
        tell(on_step, "cells", done, len(cells))
    return [line for cell in cells if (line := find_line(lines, cell, pairs[cell.clip], metrics)) is not None]


def needs_vgg16(cell: Cell) -> bool:
    """Whether a cell trains or compares with VGG16's features."""
    runs = cell.external is None and cell.method in METHODS
    return cell.features or (runs and bool(method_at(cell.method, SCALES[cell.scale], 1).loss.perceptual))


def cell_key(line: Line) -> tuple:
    """What a line is told apart by."""
    return tuple(line.get(name) for name in ("clip", "method", "seed", "scale", "window", "looks", "features"))


def write_results(path: Path, lines: Sequence[Line]) -> None:
    """All lines, or none: a run may be killed at any moment."""
    with whole(path) as partial_file:
        partial_file.write_text("".join(json.dumps(line) + "\n" for line in lines))


def summary(line: Line) -> str:
    """A line in short, to see that it goes on."""
    seconds = "" if line["seconds"] is None else f", {line['seconds']:.1f} s"
    value = line["metrics"].get("hole_psnr_db")
    window = "" if line["window"] is None else f" k={line['window']}"
    return f"{line['clip']} {line['method']}{window}{'' if value is None else f': hole PSNR {value:.2f} dB'}{seconds}"


def _here(work: Callable[[Cell], Line], cells: Sequence[Cell], workers: int) -> Iterator[Line]:
    if not cells:
        return
    threads = max(1, torch.get_num_threads() // workers)
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), _prepare, (threads,), max_tasks_per_child=1
    )
    try:
        for future in as_completed([pool.submit(work, cell) for cell in cells]):
            yield future.result()
    except BrokenProcessPool:
        raise InputError(
            "a run was ended by the system", "enough memory for every worker is needed", "take fewer --workers"
        ) from None
    except BaseException:  # an interrupt too: what is running is saved every minute, and goes on from there
        for process in list(pool._processes.values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare(threads: int) -> None:
    """Of a process for a cell: its share of the cores; it minds no interrupt, but ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)


def _end_with_parent() -> None:
    """However it ends: what it leaves would go on by itself beside the run that takes its place."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _on_ray(work: Callable[[Cell], Line], cells: Sequence[Cell], workers: int) -> Iterator[Line]:
    if importlib.util.find_spec("ray") is None:
        raise InputError("ray is not installed", "--on ray needs it", 'pip install "cleanplate[ray]"')
    import ray
    from ray.exceptions import RayTaskError

    if ours := not ray.is_initialized():
        # RAY_ADDRESS names a cluster; without it one of so many workers is started here.
        address = os.environ.get("RAY_ADDRESS")
        options: dict[str, Any] = {} if address else {"num_cpus": workers}
        ray.init(address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, **options)

    def one(cell: Cell) -> Line:  # it takes functions, not partial ones
        return work(cell)

    task: Any = ray.remote(num_cpus=1, max_calls=1)(one)
    waiting = [task.remote(cell) for cell in cells]
    try:
        while waiting:
            ready, waiting = ray.wait(waiting)
            try:
                yield ray.get(ready[0])
            except RayTaskError as error:
                raise error.cause from None
    finally:
        for rest in waiting:  # of an interrupted run: a cluster would go on
            ray.cancel(rest, force=True)
        if ours:
            ray.shutdown()


def run_cell(cell: Cell, *, data: Path, out: Path, metrics: Sequence[str], device: str) -> Line:
    """Make what the cell makes, or read it if it has been made, and measure it."""
    scale = SCALES[cell.scale]
    pair = choose(read_pairs(data), [cell.clip])[0]
    composed = resized(read_composed(data, pair), scale.size, scale.n_frames)
    settings = settings_of(cell, pair, len(composed.truth))
    kept = out / "plates" / f"{cell.name}.npz"
    head = {"cell": cell.name, "settings": settings, "version": __version__}
    made, record = load_plate(kept, head)
    if made is None:
        made = make(cell, composed, out, device)
        record = machine(device) | {
            "seconds": made.seconds,
            "updates": made.updates,
            "peak_memory_mb": peak_memory_mb(),
        }
        save_plate(kept, head, made, record)
    judged = Judged(made.frames, composed.truth, composed.clip.hole, made.provenance, scale.patch_px, scale.search_px)
    values = measure(judged, metrics)
    if made.generated is not None:
        values["generated_known_psnr_db"] = psnr_db(made.generated, composed.truth, composed.clip.known)
        values["generated_known_ssim"] = ssim(made.generated, composed.truth, composed.clip.known)
    hard = complexity(composed.truth)
    return {
        "clip": cell.clip,
        "method": cell.method,
        "seed": cell.seed,
        "scale": cell.scale,
        "window": cell.window,
        "looks": cell.looks,
        "features": cell.features,
        "n_frames": len(composed.truth),
        "hole_share": float(composed.clip.hole.float().mean()),
        "settings": settings,
        "version": __version__,
        **record,
        "metrics": values,
        "complexity": {"appearance": hard.appearance, "motion": hard.motion, "total": hard.total},
    }


def make(cell: Cell, composed: Composed, out: Path, device: str) -> Made:
    """Run the cell's method."""
    if cell.external is not None:
        return Made(read_external(Path(cell.external), cell.clip, composed))
    clip = composed.clip
    if cell.method in BASELINES:
        started = time.perf_counter()
        frames = BASELINES[cell.method](clip.frames, clip.hole)
        return Made(frames, seconds=time.perf_counter() - started)
    if cell.features:
        method = method_at(cell.method, SCALES[cell.scale], len(clip.frames))
        return compare(clip, method, cell, out, device)
    return _in_windows(cell, clip, out, device)


def _in_windows(cell: Cell, clip: Clip, out: Path, device: str) -> Made:
    """The whole clip, or piece by piece, each with its share of the budget."""
    count = len(clip.frames)
    size = cell.window or count
    frames, provenance = clip.frames.clone(), torch.zeros_like(clip.hole, dtype=torch.uint8)
    generated = clip.frames.clone() if cell.looks else None
    seconds, updates, looks = 0.0, 0, []
    for first in range(0, count, size):
        part = slice(first, min(first + size, count))
        if not bool(clip.hole[part].any()):
            continue  # nothing to fill: these frames are what they are
        piece = Clip(clip.frames[part], clip.hole[part], clip.fps)
        method = method_at(cell.method, SCALES[cell.scale], len(piece.frames), cell.looks)
        done: dict[str, int] = {}
        seen: list[Step] = []

        def listen(step: Step, done: dict[str, int] = done, seen: list[Step] = seen) -> None:
            if step.update:
                done[step.fit] = step.update
            if step.frames is not None and cell.looks:
                seen.append(step)

        work = Work(out / "work" / f"{cell.name}-{first}", resume=True, overwrite=True)
        (out / "work").mkdir(exist_ok=True)
        budget = share_of(cell.updates(count), method, len(piece.frames), count)
        plate = inpaint(piece, method, seed=cell.seed, device=device, max_steps=budget, work=work, on_step=listen)
        work.finish()
        frames[part], provenance[part] = plate.frames, plate.provenance
        seconds, updates = seconds + plate.elapsed_s, updates + sum(done.values())
        looks += seen
        if generated is not None and seen:
            generated[part] = seen[-1].frames.cpu()
    return Made(frames, provenance, seconds, updates or None, generated, look_arrays(looks) if cell.looks > 1 else {})


def compare(clip: Clip, method: Method, cell: Cell, out: Path, device: str) -> Made:
    """Train the network, and compare its features with those of VGG16 (Sec. 5.1)."""
    place, started = find_device(device), time.perf_counter()
    frames, hole = clip.frames.to(place), clip.hole.to(place)
    flows = known_flows(frames, hole, method)
    fitted = fit(frames, ~hole, flows, method, seed=cell.seed, max_steps=cell.updates(len(frames)))
    assert fitted.model is not None  # there is no work folder that it could have been found in
    made = torch.where(hole, fitted.frames, frames).cpu()
    arrays = similarities(fitted.model, frames, hole)
    provenance = torch.where(clip.hole, LEARNED, KNOWN).to(torch.uint8)
    return Made(made, provenance, time.perf_counter() - started, fitted.steps, fitted.frames.cpu(), arrays)


def share_of(updates: int | None, method: Method, n_frames: int, of_frames: int) -> int | None:
    """A piece's part of a budget: so that every frame is trained on as often, however short the piece."""
    if updates is None:
        return None
    size = method.schedule.frames_per_batch
    return max(1, round(updates * n_frames / of_frames * size / min(size, n_frames)))


def look_arrays(looks: Sequence[Step]) -> dict[str, np.ndarray]:
    """What the network made of the middle frame on the way, and its flow to the next one."""
    middle = len(looks[0].frames) // 2
    return {
        "look_updates": np.array([step.update for step in looks]),
        "look_frames": np.concatenate([as_bytes(step.frames[middle : middle + 1]) for step in looks]),
        "look_flows": np.stack([step.flows[1, 1][middle].cpu().numpy() for step in looks]),
    }


def read_external(folder: Path, clip: str, composed: Composed) -> Tensor:
    """A result made elsewhere: a folder of images or a video, FOLDER/CLIP or FOLDER/CLIP.*.

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


def external_path(folder: Path, clip: str) -> Path:
    """Where the result of a clip lies."""
    found = [folder / clip] if (folder / clip).is_dir() else sorted(existing(folder).glob(f"{clip}.*"))
    if not found:
        raise InputError(f"{folder} has no {clip}", "a folder of images or a video of each clip is needed", "add it")
    return found[0]


# What is kept


def as_bytes(frames: Tensor) -> np.ndarray:
    """(T, 3, H, W) in 0..1 to (T, H, W, 3) bytes."""
    return (frames.detach().cpu() * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy()


def save_plate(path: Path, head: dict, made: Made, record: dict) -> None:
    """Everything that a cell has made, in one file."""
    arrays: dict[str, Any] = {"frames": as_bytes(made.frames), **(made.arrays or {})}
    if made.provenance is not None:
        arrays["provenance"] = made.provenance.cpu().numpy()
    if made.generated is not None:
        arrays["generated"] = as_bytes(made.generated)
    path.parent.mkdir(exist_ok=True)
    with whole(path) as partial_file, partial_file.open("wb") as stream:
        np.savez_compressed(stream, head=json.dumps(head), record=json.dumps(record), **arrays)


def load_plate(path: Path, head: dict) -> tuple[Made | None, dict]:
    """What a cell has made with the same settings, if anything."""
    if not path.is_file():
        return None, {}
    with np.load(path) as held:
        if json.loads(str(held["head"])) != head:
            return None, {}
        record = json.loads(str(held["record"]))
        known = {"head", "record", "frames", "provenance", "generated"}
        made = Made(
            to_tensor(held["frames"]),
            torch.from_numpy(held["provenance"]) if "provenance" in held else None,
            record["seconds"],
            record["updates"],
            to_tensor(held["generated"]) if "generated" in held else None,
            {name: held[name] for name in held.files if name not in known},
        )
    return made, record


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
    folder = Path(__file__).parent
    try:
        ask = partial(subprocess.run, cwd=folder, capture_output=True, text=True, check=True, timeout=10)
        tracked = ask(["git", "ls-files", "--error-unmatch", Path(__file__).name])
        commit = ask(["git", "rev-parse", "--short=12", "HEAD"]).stdout.strip()
        changed = ask(["git", "status", "--porcelain", "--untracked-files=no"]).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + "+" * bool(changed) if tracked else None


def peak_memory_mb() -> int | None:
    """Of this process so far; None where the system does not say."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10))
