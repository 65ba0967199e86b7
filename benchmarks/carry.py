"""`carry` on composed clips: quality in the hole beside Telea and the oracle, and speed."""

import json
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from cleanplate import METHODS, Clip, InputError, inpaint
from cleanplate.baselines.fillers import telea
from cleanplate.carry.rounds import carry
from cleanplate.data.compose import read_composed
from cleanplate.data.pairs import read_pairs
from cleanplate.imaging.pixels import channels_last
from cleanplate.imaging.tensors import to_tensor
from cleanplate.metrics import psnr_db, warp_error
from cleanplate.plate import frames_of
from cleanplate.version import __version__

COLUMNS = (
    "hole_psnr_db",
    "psnr_db",
    "unsteadiness",
    "s_per_frame",
    "telea_hole_psnr_db",
    "telea_psnr_db",
    "oracle_hole_psnr_db",
)


def benchmark_carry(data: Path, pairs: Path | None, out: Path, *, oracle: bool, only: tuple[str, ...]) -> None:
    """Print a row per pair and their mean, and write them with the machine to `out`."""
    chosen = [pair for pair in read_pairs(data, pairs) if not only or pair["name"] in only]
    if not chosen:
        raise InputError(f"no pair is named {', '.join(only)}", "a name in the list of pairs", "see composed.json")
    rows = []
    print(f"{'pair':28}{'frames':>7}{'hole %':>8}" + "".join(f"{heading:>9}" for heading in HEADINGS))
    for pair in chosen:
        composed = read_composed(data, pair)
        clip, truth = composed.clip, composed.truth
        # What lies under the hole is not known to a user, so it is not there.
        seen = torch.where(clip.hole, 0.0, clip.frames)
        plate, seconds = timed(lambda clip=clip: inpaint(clip, "carry", device="cpu").frames)
        painted = telea(seen, clip.hole)
        row = {
            "pair": composed.name,
            "frames": len(truth),
            "hole_share": float(clip.hole.float().mean()),
            "hole_psnr_db": psnr_db(plate, truth, clip.hole),
            "psnr_db": psnr_db(plate, truth),
            "unsteadiness": warp_error(plate, truth, clip.hole) / warp_error(truth, truth, clip.hole),
            "s_per_frame": seconds / len(truth),
            "telea_hole_psnr_db": psnr_db(painted, truth, clip.hole),
            "telea_psnr_db": psnr_db(painted, truth),
        }
        if oracle:
            row["oracle_hole_psnr_db"] = psnr_db(oracle_plate(seen, clip.hole, truth), truth, clip.hole)
        rows.append(row)
        show(row)
    mean = {name: sum(row[name] for row in rows) / len(rows) for name in ("hole_share", *COLUMNS) if name in rows[0]}
    show({"pair": "mean", "frames": sum(row["frames"] for row in rows), **mean})
    report = {"machine": machine(), "peak_memory_mb": peak_memory_mb(), "pairs": rows, "mean": mean}
    out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"peak memory {report['peak_memory_mb']:.0f} MB; written to {out}")


HEADINGS = ("hole dB", "full dB", "warp err", "s/frame", "Telea", "full", "oracle")


def oracle_plate(seen: Tensor, hole: Tensor, truth: Tensor) -> Tensor:
    """The same carrying along flow that was estimated on the truth."""
    config, known = replace(METHODS["carry"].carry, rounds=1), [channels_last(one) for one in truth]
    carried = carry(frames_of(Clip(seen, hole)), config, known_pictures=known.__getitem__)
    return torch.stack([to_tensor(one.frame.picture) for one in carried])


def show(row: dict) -> None:
    """One line of the table."""
    figures = "".join(
        f"{row[name]:9.3f}" if name == "s_per_frame" else f"{row[name]:9.2f}" for name in COLUMNS if name in row
    )
    print(f"{row['pair']:28}{row['frames']:7}{row['hole_share']:8.1%}{figures}", flush=True)


def timed(run: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """What it returns, and the seconds it took."""
    started = time.perf_counter()
    return run(), time.perf_counter() - started


def machine() -> dict:
    """What a figure in seconds depends on."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cleanplate": __version__,
    }


def peak_memory_mb() -> float:
    """Most memory this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
