"""How fast whole shots go from files to files, and that memory does not grow with their length."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.carry import machine
from cleanplate.clean import Cleaned, clean
from cleanplate.config import EffectsConfig, Method, find_method
from cleanplate.runtime.options import RunOptions
from cleanplate.video.shot import Shot, open_shot
from cleanplate.video.timecode import Span
from cleanplate.video.writer import open_writer

# Height and width. With effects only the first two: what is looked at for them is small whatever the size.
SIZES = ((192, 384), (480, 854), (720, 1280), (1080, 1920))
WITH_EFFECTS = SIZES[:2]


def benchmark_speed(data: Path, out: Path, *, method: str, only: tuple[str, ...], frames: int, repeats: int) -> None:
    """Time decoding, filling and encoding of DAVIS shots with their masks, in a warm process.

    Looking for no effects and, in turn with that, as the method is: the difference is what they cost. DAVIS is 854x480
    large: other sizes are made while it is read, which is timed too.
    """
    names = [folder.name for folder in sorted((data / "davis/masks").iterdir()) if not only or folder.name in only]
    as_it_is = find_method(method)
    off = replace(as_it_is, effects=EffectsConfig("off"))
    rows: list[dict[str, Any]] = []
    print(f"{'shot':18}{'size':>10}{'frames':>8}{'hidden':>8}{'found':>8}{'frames/s':>10}{'off':>8}{'slowest':>9}")
    with tempfile.TemporaryDirectory() as folder:

        def cleaned(shot: Shot, method: Method) -> tuple[Cleaned, float]:
            """What was done, and the frames a second."""
            started = time.perf_counter()
            done = clean(shot, Path(folder) / "clean.mp4", method, RunOptions(device="cpu"))
            return done, done.frames / (time.perf_counter() - started)

        for size in SIZES:
            methods = {"off": off} | ({"fps": as_it_is} if size in WITH_EFFECTS else {})
            for name in names:
                shot = opened(data, name, size, frames)
                runs = [{key: cleaned(shot, method) for key, method in methods.items()} for _ in range(repeats)]
                rates = {key: sorted(run[key][1] for run in runs) for key in methods}
                done = runs[0]["off"][0]
                row = {"shot": name, "size": f"{size[1]}x{size[0]}", "frames": done.frames, "hidden": done.hidden}
                row |= {"off_fps": median(rates["off"]), "slowest_off_fps": rates["off"][0]}
                if "fps" in rates:
                    row |= {"effects": runs[0]["fps"][0].effects, "fps": median(rates["fps"])}
                rows.append(row)
                print(
                    f"{name:18}{row['size']:>10}{done.frames:8}{done.hidden:8.1%}{row.get('effects', np.nan):8.1%}"
                    f"{row.get('fps', np.nan):10.2f}{row['off_fps']:8.2f}{row['slowest_off_fps']:9.2f}",
                    flush=True,
                )
        means = {}
        for height, width in SIZES:
            of_size = [row["off_fps"] for row in rows if row["size"] == f"{width}x{height}"]
            means[f"{width}x{height}"] = float(np.mean(of_size))
            print(f"{'mean':18}{f'{width}x{height}':>10}{'':42}{np.mean(of_size):8.2f}")
        areas = time_against_area(rows)
        print(
            f"a frame takes {areas['seconds']:.4f} s, {areas['seconds_a_mpx']:.4f} s for a million pixels, and "
            f"{areas['seconds_a_hidden_mpx']:.4f} s for a million hidden ones (least squares, off)"
        )
        shots = [opened(data, name, (480, 854), frames) for name in names]
        alone = time_alone(lambda: [cleaned(shot, off) for shot in shots])
        print(f"all shots of 854x480, off, on one core and on all: {alone}")
    report = {"machine": machine(), "method": method, "shots": rows, "mean_off_fps": means, "areas": areas}
    out.write_text(json.dumps(report | {"cores": alone}, indent=1) + "\n")


def opened(data: Path, name: str, size: tuple[int, int], frames: int) -> Shot:
    """A part of a DAVIS shot, made that size."""
    video, masks = data / "davis/frames" / name, (data / "davis/masks" / name,)
    return open_shot(video, masks, Span(0, frames), size=size, dilate_px=4)


def time_against_area(rows: list[dict[str, Any]]) -> dict[str, float]:
    """What a frame takes: so much, and so much for its pixels, and for the hidden ones."""
    height, width = np.array([[int(side) for side in row["size"].split("x")] for row in rows]).T
    mpx = height * width / 1e6
    hidden_mpx = mpx * [row["hidden"] for row in rows]
    seconds = np.array([1 / row["off_fps"] for row in rows])
    # Relative errors: of a second a frame as of a hundredth.
    terms = np.stack((np.ones_like(mpx), mpx, hidden_mpx), 1) / seconds[:, None]
    found = np.linalg.lstsq(terms, np.ones_like(seconds), rcond=None)[0].tolist()
    return dict(zip(("seconds", "seconds_a_mpx", "seconds_a_hidden_mpx"), found, strict=True))


def time_alone(work: Callable[[], Any]) -> dict[str, float]:
    """Seconds on one core and on all, and the share of the work that more cores take part in (Amdahl's law)."""
    if not hasattr(os, "sched_setaffinity"):
        return {}
    cores = os.sched_getaffinity(0)
    seconds: dict[int, list[float]] = {1: [], len(cores): []}
    for count in (1, len(cores), 1, len(cores)):
        os.sched_setaffinity(0, set(sorted(cores)[:count]))  # and threads that are started from here on
        started = time.perf_counter()
        work()
        seconds[count].append(time.perf_counter() - started)
    one, all_of_them = min(seconds[1]), min(seconds[len(cores)])
    share = (1 - all_of_them / one) / (1 - 1 / len(cores)) if len(cores) > 1 else 0.0
    return {"one_s": one, "all_s": all_of_them, "cores": len(cores), "shared": share}


def benchmark_long(out: Path, lengths: tuple[int, ...], size: tuple[int, int]) -> None:
    """Peak memory of `cleanplate inpaint` on shots of different lengths that are made here, each in its own process."""
    rows = []
    print(f"{'frames':>8}{'seconds':>9}{'frames/s':>10}{'peak MB':>9}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for length in lengths:
            make_walk(folder, length, size)
            started = time.perf_counter()
            words = [
                sys.executable,
                "-c",
                RUN,
                str(folder / "shot.mp4"),
                str(folder / "mask.mp4"),
                str(folder / "clean.mp4"),
            ]
            said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
            seconds, peak_mb = time.perf_counter() - started, float(said.split()[-1])
            rows.append({"frames": length, "seconds": seconds, "peak_memory_mb": peak_mb})
            print(f"{length:8}{seconds:9.1f}{length / seconds:10.2f}{peak_mb:9.0f}", flush=True)
    report = {"machine": machine(), "size": f"{size[1]}x{size[0]}", "runs": rows}
    out.write_text(json.dumps(report, indent=1) + "\n")


RUN = """
import resource, sys
from cleanplate import cli
try:
    cli.main(["inpaint", *sys.argv[1:3], "carry", "-o", sys.argv[3], "--overwrite"])
except SystemExit as stop:
    assert not stop.code
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def make_walk(folder: Path, length: int, size: tuple[int, int], seed: int = 0) -> None:
    """A camera that pans to and fro over a textured wall, and a mask that walks across it."""
    height, width = size
    rng = np.random.default_rng(seed)
    wall = np.clip(128 + 40 * sum(_octave(rng, height + 40, width + 200, 2**k) for k in (2, 4, 6)), 0, 255).astype(
        np.uint8
    )
    side = height // 3
    with (
        open_writer(folder / "shot.mp4", fps=25) as shot,
        open_writer(folder / "mask.mp4", fps=25) as mask,
    ):
        for index in range(length):
            x, y = round(100 + 95 * np.sin(index / 40)), round(20 + 15 * np.sin(index / 23))
            picture = np.ascontiguousarray(wall[y : y + height, x : x + width])
            left = round((width - side) * (0.5 + 0.5 * np.sin(index / 15)))
            hole = np.zeros_like(picture)
            hole[side : 2 * side, left : left + side] = 255
            shot.write(np.where(hole > 0, np.uint8(200), picture))
            mask.write(hole)


def _octave(rng: np.random.Generator, height: int, width: int, cell: int) -> np.ndarray:
    noise = torch.from_numpy(rng.standard_normal((1, 3, height // cell + 2, width // cell + 2)).astype(np.float32))
    big = torch.nn.functional.interpolate(noise, scale_factor=cell, mode="bicubic", align_corners=False)
    return big[0, :, :height, :width].permute(1, 2, 0).numpy()
