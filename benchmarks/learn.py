"""`carry-learn` where something is never shown: composed clips whose hole does not move, as behind a logo.

The mask of the object's middle frame covers all frames of the truth. What the camera does not uncover in time is
unseen; only there the figures are taken, of the same pixels for all.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import skimage.data
import torch

from benchmarks.carry import machine, peak_memory_mb, timed
from cleanplate import Clip, inpaint
from cleanplate.baselines.fillers import telea
from cleanplate.data.compose import Composed, read_composed
from cleanplate.data.pairs import read_pairs
from cleanplate.imaging.frame import MADE_UP
from cleanplate.imaging.pixels import channels_last
from cleanplate.imaging.tensors import to_tensors
from cleanplate.imaging.visualise import tint
from cleanplate.metrics import psnr_db
from cleanplate.video.images import write_png

LEAST_UNSEEN = 50  # pixels; fewer say nothing
COLUMNS = ("ours_db", "telea_db", "smooth_db")


def benchmark_learn(
    data: Path | None, out: Path, pictures: Path | None, *, lengths: tuple[int, ...], only: tuple[str, ...]
) -> None:
    """Print a row per clip and the mean gain, write them to `out`, and pictures of the middle frames.

    Without `data`, the clips are photographs of scikit-image's wheel, with an ellipse that never moves.
    """
    rows = []
    print(f"{'clip':28}{'frames':>7}{'unseen':>8}{'ours':>8}{'Telea':>8}{'smooth':>8}{'seconds':>9}")
    for composed in photographs() if data is None else pairs(data, lengths, only):
        row = measure(composed, pictures)
        if row is None:
            continue
        rows.append(row)
        figures = "".join(f"{row[name]:8.2f}" for name in COLUMNS)
        print(f"{row['clip']:28}{row['frames']:7}{row['unseen_share']:8.1%}{figures}{row['seconds']:9.1f}", flush=True)
    gains = {name: sum(row["ours_db"] - row[name] for row in rows) / len(rows) for name in COLUMNS[1:]}
    print(f"mean gain: {gains['telea_db']:.2f} dB over Telea, {gains['smooth_db']:.2f} dB over the smooth fill")
    report = {"machine": machine(), "peak_memory_mb": peak_memory_mb(), "clips": rows, "mean_gain": gains}
    out.write_text(json.dumps(report, indent=1) + "\n")


def pairs(data: Path, lengths: tuple[int, ...], only: tuple[str, ...]) -> Iterator[Composed]:
    """The pairs of composed.json, their holes held still."""
    for length in lengths:
        for pair in read_pairs(data):
            if not only or pair["name"] in only:
                yield static(read_composed(data, pair), length)


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
