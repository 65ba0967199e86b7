"""How fast whole shots go from files to files, and that memory does not grow with their length."""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.carry import machine
from cleanplate.clean import Cleaned, clean
from cleanplate.config import EffectsConfig, Method, find_method
from cleanplate.runtime.options import RunOptions
from cleanplate.video.shot import Shot, open_shot
from cleanplate.video.timecode import Span
from cleanplate.video.writer import open_writer

SIZES = ((192, 384), (480, 854))


def benchmark_speed(data: Path, out: Path, *, method: str, only: tuple[str, ...], frames: int, repeats: int) -> None:
    """Time decoding, filling and encoding of DAVIS shots with their masks, in a warm process.

    As the method is and, in turn with that, looking for no effects: the difference is what they cost.
    """
    names = [folder.name for folder in sorted((data / "davis/masks").iterdir()) if not only or folder.name in only]
    as_it_is = find_method(method)
    off = replace(as_it_is, effects=EffectsConfig("off"))
    rows = []
    print(f"{'shot':18}{'size':>10}{'frames':>8}{'hidden':>8}{'found':>8}{'frames/s':>10}{'slowest':>9}{'off':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            for name in names:
                shot = open_shot(
                    data / "davis/frames" / name,
                    (data / "davis/masks" / name,),
                    Span(0, frames),
                    size=size,
                    dilate_px=4,
                )

                def cleaned(method: Method, shot: Shot = shot) -> tuple[Cleaned, float]:
                    """What was done, and the frames a second."""
                    started = time.perf_counter()
                    done = clean(shot, Path(folder) / "clean.mp4", method, RunOptions(device="cpu"))
                    return done, done.frames / (time.perf_counter() - started)

                runs = [(cleaned(as_it_is), cleaned(off)) for _ in range(repeats)]
                done = runs[0][0][0]
                rates, off_rates = (sorted(run[way][1] for run in runs) for way in (0, 1))
                row = {
                    "shot": name,
                    "size": f"{size[1]}x{size[0]}",
                    "frames": done.frames,
                    "hidden": done.hidden,
                    "effects": done.effects,
                    "fps": rates[len(rates) // 2],
                    "slowest_fps": rates[0],
                    "off_fps": off_rates[len(off_rates) // 2],
                }
                rows.append(row)
                print(
                    f"{name:18}{row['size']:>10}{done.frames:8}{done.hidden:8.1%}{done.effects:8.1%}"
                    f"{row['fps']:10.2f}{row['slowest_fps']:9.2f}{row['off_fps']:8.2f}",
                    flush=True,
                )
    out.write_text(json.dumps({"machine": machine(), "method": method, "shots": rows}, indent=1) + "\n")


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
