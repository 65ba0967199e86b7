"""`carry-learn` where something is never shown: composed clips whose hole does not move, as behind a logo.

The mask of the object's middle frame covers all frames of the truth, or a quarter of the picture is hidden in ten of
them. What the camera does not uncover in time is unseen; only there the figures are taken, of the same pixels for all.

And real shots, from files to files: how long it takes, beside carrying alone.
"""

import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import skimage.data
import torch

from benchmarks.carry import machine, peak_memory_mb, timed
from cleanplate import Clip, inpaint
from cleanplate.baselines.fillers import telea
from cleanplate.clean import Cleaned, clean
from cleanplate.config import METHODS, NO_EFFECTS, Method
from cleanplate.data.compose import Composed, read_composed
from cleanplate.data.pairs import read_pairs
from cleanplate.imaging.frame import MADE_UP
from cleanplate.imaging.pixels import channels_last
from cleanplate.imaging.tensors import to_tensors
from cleanplate.imaging.visualise import tint
from cleanplate.metrics import psnr_db
from cleanplate.video.images import write_png
from cleanplate.video.shot import open_shot
from cleanplate.video.timecode import Span

LEAST_UNSEEN = 50  # pixels; fewer say nothing
LARGE_FRAMES, LARGE_SHARE = 10, 0.25  # how long the clips of large holes are, and what these hide of the picture
REAL, REAL_FRAMES = ("goat", "camel", "blackswan"), 40
TIMES, MORE_S = 3, 20  # what making up may take: so many times what carrying alone takes, and so many seconds
COLUMNS = ("ours_db", "telea_db", "smooth_db")


def benchmark_learn(
    data: Path | None, out: Path, pictures: Path | None, *, lengths: tuple[int, ...], only: tuple[str, ...]
) -> None:
    """Print a row per clip and the mean gain, write them to `out`, and pictures of the middle frames.

    Without `data`, the clips are photographs of scikit-image's wheel, with an ellipse that never moves.
    """
    rows = []
    print(f"{'clip':28}{'frames':>7}{'unseen':>8}{'ours':>8}{'Telea':>8}{'smooth':>8}{'seconds':>9}")
    for composed in photographs() if data is None else [*pairs(data, lengths, only), *large(data, only)]:
        row = measure(composed, pictures)
        if row is None:
            continue
        rows.append(row)
        figures = "".join(f"{row[name]:8.2f}" for name in COLUMNS)
        print(f"{row['clip']:28}{row['frames']:7}{row['unseen_share']:8.1%}{figures}{row['seconds']:9.1f}", flush=True)
    gains = {name: sum(row["ours_db"] - row[name] for row in rows) / len(rows) for name in COLUMNS[1:]}
    print(f"mean gain: {gains['telea_db']:.2f} dB over Telea, {gains['smooth_db']:.2f} dB over the smooth fill")
    real = [measure_real(data, name) for name in REAL] if data is not None and not only else []
    report = {"machine": machine(), "peak_memory_mb": peak_memory_mb(), "clips": rows, "mean_gain": gains, "real": real}
    out.write_text(json.dumps(report, indent=1) + "\n")


def pairs(data: Path, lengths: tuple[int, ...], only: tuple[str, ...]) -> Iterator[Composed]:
    """The pairs of composed.json, their holes held still."""
    for length in lengths:
        for pair in read_pairs(data):
            if not only or pair["name"] in only:
                yield static(read_composed(data, pair), length)


def large(data: Path, only: tuple[str, ...]) -> Iterator[Composed]:
    """The same behind a rectangle in the middle."""
    for pair in read_pairs(data):
        if not only or pair["name"] in only:
            composed = read_composed(data, pair)
            truth = composed.truth[:LARGE_FRAMES]
            (height, width), side = truth.shape[2:], LARGE_SHARE**0.5
            top, left = (round(length * (1 - side) / 2) for length in (height, width))
            hole = torch.zeros(len(truth), 1, height, width, dtype=torch.bool)
            hole[..., top : height - top, left : width - left] = True
            name = f"{composed.name}, a quarter"
            yield Composed(name, Clip(torch.where(hole, 0.0, truth), hole, composed.clip.fps), truth, hole)


def measure_real(data: Path, name: str) -> dict[str, object]:
    """Seconds for a part of a DAVIS shot, as the default does it and carrying alone."""
    frames, masks = data / "davis/frames" / name, (data / "davis/masks" / name,)
    shot = open_shot(frames, masks, Span(0, REAL_FRAMES))

    def done(method: Method) -> tuple[Cleaned, float]:
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            return clean(shot, Path(folder) / "clean.mp4", method), time.perf_counter() - started

    _, alone = done(replace(METHODS["carry"], effects=NO_EFFECTS))
    cleaned, seconds = done(METHODS["carry-learn"])
    within = seconds <= TIMES * alone + MORE_S
    print(
        f"{name}, {cleaned.frames} frames: {cleaned.made_up:.1%} made up; {seconds:.1f} s, carrying alone {alone:.1f}: "
        f"{'within' if within else 'over'} {TIMES} times that and {MORE_S} s",
        flush=True,
    )
    return {"shot": name, "made_up": cleaned.made_up, "seconds": seconds, "carry_s": alone, "within": within}


def photographs() -> Iterator[Composed]:
    """Still cameras before a cup, a cat and a rocket; something oval is in the way."""
    for name in ("coffee", "chelsea", "rocket"):
        picture = cv2.resize(getattr(skimage.data, name)(), (384, 256), interpolation=cv2.INTER_AREA)[32:224]
        oval = cv2.ellipse(np.zeros((192, 384), np.uint8), (215, 100), (62, 38), -20, 0, 360, 1, -1) > 0
        truth = to_tensors(np.stack([picture] * 3))
        hole = torch.from_numpy(oval).expand(3, 1, -1, -1).contiguous()
        yield Composed(name, Clip(torch.where(hole, 0.0, truth), hole), truth, hole)


def static(composed: Composed, length: int) -> Composed:
    """The first `length` frames (0: all) of the truth, behind the mask of the object's middle frame."""
    count = min(length or len(composed.truth), len(composed.truth))
    truth, middle = composed.truth[:count], composed.clip.hole[count // 2 : count // 2 + 1]
    hole = middle.expand(count, -1, -1, -1).contiguous()
    return Composed(composed.name, Clip(torch.where(hole, 0.0, truth), hole, composed.clip.fps), truth, hole)


def measure(composed: Composed, pictures: Path | None) -> dict | None:
    """Figures at the unseen pixels; None if there are next to none."""
    clip, truth = composed.clip, composed.truth
    carried = inpaint(clip, "carry", device="cpu")
    unseen = carried.provenance == MADE_UP
    if int(unseen.sum()) < LEAST_UNSEEN:
        return None
    ours, seconds = timed(lambda: inpaint(clip, "carry-learn", device="cpu").frames)
    painted = telea(clip.frames, clip.hole)
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        index = len(truth) // 2
        of_all = clip.frames, painted, carried.frames, ours, truth
        shown, *others = (channels_last(frames[index]) for frames in of_all)
        row = np.hstack((tint(shown, carried.provenance[index, 0].numpy()), *others))
        write_png(pictures / f"{composed.name}-{len(truth)}.png", row)
    return {
        "clip": composed.name,
        "frames": len(truth),
        "unseen_share": float(unseen.sum() / clip.hole.sum()),
        "ours_db": psnr_db(ours, truth, unseen),
        "telea_db": psnr_db(painted, truth, unseen),
        "smooth_db": psnr_db(carried.frames, truth, unseen),
        "seconds": seconds,
    }
