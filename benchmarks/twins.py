"""Real shots as their own truth: a second hole of the thing's own shape beside it, where the shot is known.

Motion, blur and parallax are the shot's own; what the thing itself hides stays unknown and is not judged. Nothing is
looked for beside the holes: the thing's shadow is a part of the truth.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from benchmarks.carry import machine, peak_memory_mb
from benchmarks.hard import HARD
from cleanplate import Clip, InputError, inpaint
from cleanplate.carry import rounds
from cleanplate.carry.colours import gather
from cleanplate.carry.fuse import Followed
from cleanplate.carry.trajectories import LinkedFrame
from cleanplate.config import NO_EFFECTS, CarryConfig, Method
from cleanplate.imaging.frame import CARRIED
from cleanplate.metrics import psnr_db
from cleanplate.video.masks import grow
from cleanplate.video.reader import read_frames, read_masks

HELD_BACK = ("car-roundabout", "breakdance", "goat")
"""Shots that are reported by themselves too: no setting is chosen by what they give."""
GROWN_PX = 4
COLUMNS = {
    "all": ".2f",
    "carried": ".2f",
    "oracle": ".2f",
    "share": ".1%",
    "sharpness": ".2f",
    "worst": ".2f",
    "s_per_frame": ".3f",
}


def benchmark_twins(data: Path, out: Path, *, method: Method, only: tuple[str, ...], frames: int) -> None:
    """Print a row per shot and means, and write them with the machine to `out`."""
    if unknown := set(only) - set(HARD):
        raise InputError(f"no shot is named {unknown.pop()}", f"there are {', '.join(HARD)}", "name some of these")
    print(f"{'shot':18}{'frames':>7}{'moved':>7}" + "".join(f"{name:>12}" for name in COLUMNS))
    quiet = replace(method, effects=NO_EFFECTS)
    rows = [measured(data, name, quiet, frames) for name in only or HARD]
    report: dict = {"machine": machine(), "peak_memory_mb": peak_memory_mb(), "shots": rows}
    halves = {"mean of held back": (True,), "mean of others": (False,), "mean": (True, False)}
    for name, held_back in halves.items():
        if some := [row for row in rows if (row["shot"] in HELD_BACK) in held_back]:
            report[name] = {column: sum(row[column] for row in some) / len(some) for column in COLUMNS}
            show({"shot": name, "frames": sum(row["frames"] for row in some), "moved_px": "", **report[name]})
    out.write_text(json.dumps(report, indent=1) + "\n")


def measured(data: Path, name: str, method: Method, frames: int) -> dict:
    """One shot."""
    pictures, _ = read_frames(data / "davis/frames" / name, frames=frames)
    levels = read_masks(data / "davis/masks" / name, frames=frames)
    hole = np.stack([grow(one > 127, GROWN_PX) for one in levels])
    aside = beside(hole)
    truth = torch.from_numpy(np.ascontiguousarray(np.stack(list(pictures)).transpose(0, 3, 1, 2))).float() / 255
    thing, twin = (torch.from_numpy(part)[:, None] for part in (hole, moved(hole, aside)))
    every = thing | twin
    with best_candidates(truth) as best:
        plate = inpaint(Clip(torch.where(every, 0.0, truth), every, 24.0), method, device="cpu")
    best = torch.where(best.isnan(), plate.frames, best)
    judged = twin & ~thing
    row = {
        "shot": name,
        "frames": len(truth),
        "moved_px": aside,
        **figures(plate.frames, truth, judged, plate.provenance == CARRIED),
        "oracle": psnr_db(best, truth, judged & (plate.provenance == CARRIED)),
        "s_per_frame": plate.elapsed_s / len(truth),
    }
    show(row)
    return row


@contextlib.contextmanager
def best_candidates(truth: Float[Tensor, "T 3 H W"]) -> Iterator[Float[Tensor, "T 3 H W"]]:
    """Frames that hold, of what carrying has looked at for each pixel, what is nearest to the truth: the limit of any
    choice between them; NaN where it has looked at nothing. What carrying makes of it stays the same.
    """
    best, fuse = torch.full_like(truth, torch.nan), rounds.fuse

    def look(
        window: list[LinkedFrame],
        block: list[LinkedFrame],
        followed: list[Followed],
        wanted: list,
        config: CarryConfig,
        *,
        sharp: bool,
        doubts: bool,
    ) -> list[np.ndarray]:
        pictures = {one.frame.index: one.frame.picture for one in window}
        for one, leading, mine in zip(block, followed, wanted, strict=True):
            true = truth[one.frame.index].flatten(1).numpy()[:, one.boundary].T
            nearest, error = np.full(true.shape, np.nan, np.float32), np.full(len(true), np.inf, np.float32)
            for way in leading.trajectories:
                reached, colours = gather(pictures, (way,), mine.reshape(-1)[one.boundary], config)
                apart = ((colours - true[reached]) ** 2).sum(1)
                better = apart < error[reached]
                at = np.flatnonzero(reached)[better]
                error[at], nearest[at] = apart[better], colours[better]
            best[one.frame.index].view(3, -1)[:, one.boundary] = torch.from_numpy(nearest.T.copy())
        return fuse(window, block, followed, wanted, config, sharp=sharp, doubts=doubts)

    with mock.patch.object(rounds, "fuse", look):
        yield best


def show(row: dict) -> None:
    """As a line of the table."""
    said = "".join(f"{row[name]:>12{form}}" for name, form in COLUMNS.items())
    print(f"{row['shot']:18}{row['frames']:7}{row['moved_px']:>7}{said}", flush=True)


def beside(hole: Bool[np.ndarray, "t h w"]) -> int:
    """By how many pixels to the right a second hole is moved: the thing's width, to where more of it is seen."""
    columns = [np.flatnonzero(one.any(0)) for one in hole if one.any()]
    width = round(float(np.median([one[-1] - one[0] + 1 for one in columns])))
    right, left = (int((moved(hole, way * width) & ~hole).sum()) for way in (1, -1))
    return width if right >= left else -width


def moved(hole: Bool[np.ndarray, "t h w"], right_px: int) -> Bool[np.ndarray, "t h w"]:
    """The same, so many pixels farther to the right; what leaves the picture is gone."""
    out = np.zeros_like(hole)
    if right_px >= 0:
        out[:, :, right_px:] = hole[:, :, : hole.shape[2] - right_px]
    else:
        out[:, :, :right_px] = hole[:, :, -right_px:]
    return out


def figures(
    filled: Float[Tensor, "T 3 H W"],
    truth: Float[Tensor, "T 3 H W"],
    judged: Bool[Tensor, "T 1 H W"],
    carried: Bool[Tensor, "T 1 H W"],
) -> dict[str, float]:
    """PSNR in dB of all pixels that are judged, of those that were carried, and of all in the worst frame; the share
    carried; and the energy of the gradient of what was carried, as a ratio to the truth's.
    """
    both = judged & carried
    parts = zip(filled.split(1), truth.split(1), judged.split(1), strict=True)
    energy = [float(gradient_energy(one)[both].sum()) for one in (filled, truth)]
    return {
        "all": psnr_db(filled, truth, judged),
        "carried": psnr_db(filled, truth, both),
        "share": float(both.sum() / judged.sum()),
        "sharpness": energy[0] / max(energy[1], 1e-9),
        "worst": min(psnr_db(*one) for one in parts if one[2].sum() >= LEAST_PX),
    }


LEAST_PX = 100  # of a frame that may be the worst


def gradient_energy(frames: Float[Tensor, "T 3 H W"]) -> Float[Tensor, "T 1 H W"]:
    """Squared length of the gradient of how light a frame is, under a 3x3 Sobel operator."""
    grey = (frames.mean(1) * 255).numpy()
    across, down = (np.stack([cv2.Sobel(one, cv2.CV_32F, *way) for one in grey]) for way in ((1, 0), (0, 1)))
    return torch.from_numpy(across**2 + down**2)[:, None]
