"""Run one cell: make what its method makes of its clip, or read it if it has been made, and measure it."""

import contextlib
import math
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from cleanplate.data.compose import Composed, read_composed, resized
from cleanplate.data.pairs import choose, identified, read_pairs
from cleanplate.experiments.make import make
from cleanplate.experiments.plan import SCALES, Cell
from cleanplate.experiments.results import Line, key_of, load_plate, measured_with, plate_path, save_plate, settings_of
from cleanplate.metrics import EXACT_DB, Comparison, complexity, measure, psnr_db, ssim
from cleanplate.runtime.devices import find_device
from cleanplate.runtime.work_dir import WorkDir
from cleanplate.version import __version__


def clip_of(cell: Cell, data: Path) -> Composed:
    """Its clip, at its scale.

    Raises:
        InputError: a clip that cannot be used, or not at this scale.
    """
    scale = SCALES[cell.scale]
    return resized(read_composed(data, choose(read_pairs(data), [cell.clip])[0]), scale.size, scale.n_frames)


def run_cell(cell: Cell, *, data: Path, out: Path, metrics: Sequence[str], device: str) -> Line:
    """The line of a cell.

    Raises:
        InputError: a clip, an external result or a folder that cannot be used.
    """
    scale, composed = SCALES[cell.scale], clip_of(cell, data)
    pair = choose(read_pairs(data), [cell.clip])[0]
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
        **key_of(cell),
        "n_frames": len(composed.truth),
        "hole_share": float(composed.clip.hole.float().mean()),
        "settings": settings,
        "measured_with": {name: measured_with(cell, name) for name in (*values, "complexity")},
        **record,
        "metrics": {name: EXACT_DB if value == math.inf else value for name, value in values.items()},
        "complexity": {"appearance": hard.appearance, "motion": hard.motion, "total": hard.total},
    }


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
