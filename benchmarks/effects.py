"""What goes with a thing although its mask does not cover it: shadows and wrong masks, locked-off cameras, an edit.

pairs: the pairs of composed.json with shadows and rough masks. `found` is `carry` as it is; `told` is given the right
hole and the shadow, the most that finding can give, in the time that so large a hole takes; `off` looks for nothing.
All are measured in the same pixels.
locked: one frame of each background, held, under three exposures and two levels of noise.
edit: ten shots cut together, and which of the cuts are found (edit.py).
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.carry import machine, peak_memory_mb
from benchmarks.edit import measured_edit
from cleanplate import METHODS, Clip, InputError, inpaint
from cleanplate.config import DILATE_PX, CarryConfig, EffectsConfig
from cleanplate.data.compose import Composed, compose, fit_object, read_composed
from cleanplate.data.disturb import Disturbed, disturb
from cleanplate.data.pairs import FRAMES, MASKS, Pair, choose, read_pairs
from cleanplate.data.rough import shrunk
from cleanplate.metrics import psnr_db
from cleanplate.video.masks import grow
from cleanplate.video.reader import read_frames, read_masks

PARTS = ("pairs", "locked", "edit")
FOUND = METHODS["carry"]
OFF = replace(FOUND, effects=EffectsConfig("off"))
NO_GRAIN = {"grain": False} if "grain" in {field.name for field in fields(CarryConfig)} else {}


def benchmark_effects(data: Path, out: Path, *, only: tuple[str, ...], parts: tuple[str, ...]) -> None:
    """Print a row per run and means of them, and write them with the machine to `out`."""
    if unknown := set(parts) - set(PARTS):
        raise InputError(f"no part is named {unknown.pop()}", f"there are {', '.join(PARTS)}", "name some of these")
    pairs = choose(read_pairs(data), only)
    report: dict = {"machine": machine()}
    if "pairs" in parts:
        show(dict.fromkeys(COLUMNS), COLUMNS)
        report["pairs"] = [measured(case) for case in cases(data, pairs)]
        report["means"] = means(report["pairs"])
    if "locked" in parts:
        show(dict.fromkeys(LOCKED_COLUMNS), LOCKED_COLUMNS)
        report["locked"] = [measured_locked(case) for case in locked_off(data, pairs)]
    if "edit" in parts:
        report["edit"] = measured_edit(data)
    report["peak_memory_mb"] = peak_memory_mb()
    out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"peak memory {report['peak_memory_mb']:.0f} MB; written to {out}")


# Pairs

HELD_BACK = ("golf+breakdance", "bmx-trees+blackswan", "blackswan+parkour")
"""Pairs that are reported by themselves too: no setting is chosen by what they give."""
SHADOW, FAINT = 0.1, 0.02
"""Density above the first is a shadow that is to be found; up to the second there is none."""
WARM_UP = 3
"""Frames that are cleaned before anything is timed."""
COLUMNS = {"clip": "26", "kind": "9", "variant": "9"} | {
    **dict.fromkeys(("found", "told", "off", "drop"), "8.2f"),
    **dict.fromkeys(("recall", "missed", "false"), "8.1%"),
    **dict.fromkeys(("found_s", "told_s", "off_s", "ratio"), "8.2f"),
}


@dataclass(frozen=True)
class Case:
    """A clip to clean, and what was done to it."""

    clip: str
    kind: str
    """shadows, rough, both or neither."""
    variant: str
    made: Disturbed


def cases(data: Path, pairs: list[Pair]) -> Iterator[Case]:
    """Of each pair: two shadows, three rough masks, one of both, and neither."""
    for pair in pairs:
        composed = read_composed(data, pair)
        name = composed.name

        def rng(variant: str, name: str = name) -> random.Random:
            return random.Random(f"{variant} {name}")

        for seed in ("0", "1"):
            yield Case(name, "shadows", seed, disturb(composed, rng=rng(seed), shadow=True))
        for rough in ("shrunk", "shifted", "limb"):
            yield Case(name, "rough", rough, disturb(composed, rng=rng(rough), rough=rough))
        yield Case(name, "both", "2", disturb(composed, rng=rng("2"), shadow=True, rough="any"))
        yield Case(name, "neither", "", disturb(composed, rng=rng("")))


def measured(case: Case) -> dict:
    """PSNR in the right hole and the shadow, what was found of the rest, and seconds."""
    made, truth = case.made, case.made.composed.truth
    given, right = made.composed.clip.hole, grown(made.right_mask)
    shadow = (made.density > SHADOW) & ~right
    missed = made.right_mask & ~given
    known = ~(given | right | (made.density > FAINT))
    clip = hidden(made.composed.clip, given)
    larger = hidden(made.composed.clip, right | (made.density > FAINT))
    inpaint(Clip(clip.frames[:WARM_UP], clip.hole[:WARM_UP], clip.fps), FOUND, device="cpu")
    runs = (larger, OFF), (clip, FOUND), (clip, OFF)
    told, found, off = (inpaint(one, method, device="cpu") for one, method in runs)
    psnr = {
        name: psnr_db(plate.frames, truth, right | shadow)
        for name, plate in (("found", found), ("told", told), ("off", off))
    }
    row = {
        "clip": case.clip,
        "kind": case.kind,
        "variant": case.variant,
        **psnr,
        "drop": psnr["told"] - psnr["found"],
        "recall": share(found.effects, shadow),
        "missed": share(found.effects, missed),
        "false": share(found.effects, known),
        "found_s": found.elapsed_s,
        "told_s": told.elapsed_s,
        "off_s": off.elapsed_s,
        "ratio": found.elapsed_s / off.elapsed_s,
        **made.facts,
    }
    show(row, COLUMNS)
    return row


def means(rows: list[dict]) -> list[dict]:
    """Of each kind: over the pairs that are held back, the others, and all."""
    out = []
    for kind in dict.fromkeys(row["kind"] for row in rows):
        halves = {"mean of held back": (True,), "mean of others": (False,), "mean": (True, False)}
        for name, held_back in halves.items():
            some = [row for row in rows if row["kind"] == kind and (row["clip"] in HELD_BACK) in held_back]
            if some:
                out.append({"clip": name, "kind": kind, "variant": "", **mean(some)})
                show(out[-1], COLUMNS)
    return out


def mean(rows: list[dict]) -> dict[str, float | None]:
    """Of every figure, over the rows that have it."""
    out: dict[str, float | None] = {}
    for name, form in COLUMNS.items():
        if "." in form:
            values = [row[name] for row in rows if row[name] is not None]
            out[name] = sum(values) / len(values) if values else None
    return out


def share(found: Tensor, of: Tensor) -> float | None:
    """How much of something is found; None if there is nothing of it."""
    return float((found & of).sum() / of.sum()) if bool(of.any()) else None


def grown(mask: Tensor) -> Tensor:
    """By the pixels that a mask is grown by if nothing is said, (T, 1, H, W)."""
    return torch.from_numpy(np.stack([grow(one, DILATE_PX) for one in mask[:, 0].numpy()])).unsqueeze(1)


def hidden(clip: Clip, hole: Tensor) -> Clip:
    """What lies under the hole is not known to a user, so it is not there."""
    return Clip(torch.where(hole, 0.0, clip.frames), hole, clip.fps)


# Locked-off cameras

LOCKED_FRAMES = 40
SHORT_PX = 3  # a mask shrunk by this and not grown is 7 px short of the right hole
EXPOSURES = {
    "steady": np.ones(LOCKED_FRAMES),
    "drifting": np.linspace(1, 0.88, LOCKED_FRAMES),
    "stepping": 0.92 ** (np.arange(LOCKED_FRAMES) * 3 // LOCKED_FRAMES),
}
CONDITIONS = [(exposure, noise) for noise in (0.0, 2.0) for exposure in EXPOSURES]
LOCKED_COLUMNS = {"clip": "26", "exposure": "10", "noise": "7", "mask": "8"} | dict.fromkeys(
    ("found", "off", "seen", "found_s"), "8.2f"
)


@dataclass(frozen=True)
class Locked:
    """A still picture with something that moves before it, and how it was exposed."""

    composed: Composed
    """With the right mask and hole."""
    exposure: str
    noise: float
    """Standard deviation in levels of 255."""


def locked_off(data: Path, pairs: list[Pair]) -> Iterator[Locked]:
    """Of each pair: the first frame of its background, held; each pair under other conditions."""
    order = [pair["name"] for pair in read_pairs(data)]
    for pair in pairs:
        if "background" not in pair:
            given = f"{pair['name']} is ready"
            raise InputError(given, "a recipe is needed for a locked-off clip", "name other pairs, or --parts pairs")
        first = read_composed(data, pair | {"background": {**pair["background"], "count": 1}})
        held = np.repeat(bytes_of(first.truth), LOCKED_FRAMES, axis=0)
        frames, _ = read_frames(data / FRAMES / pair["object"], frames=LOCKED_FRAMES)
        levels = read_masks(data / MASKS / pair["object"], frames=LOCKED_FRAMES)
        things, mask = fit_object(frames, levels, held.shape[1:3], pair["object"])
        number = order.index(pair["name"])
        exposure, noise = CONDITIONS[number % len(CONDITIONS)]
        composed = compose(held, things, mask, name=pair["name"])
        yield Locked(exposed(composed, EXPOSURES[exposure], noise, seed=number), exposure, noise)


def exposed(composed: Composed, exposure: np.ndarray, noise: float, *, seed: int) -> Composed:
    """Each frame times its exposure, also of the truth; noise on the frames only, which are rounded to bytes."""
    factor = torch.from_numpy(exposure).float().view(-1, 1, 1, 1)
    added = np.random.default_rng(seed).normal(0, noise, tuple(composed.truth.shape))
    levels = composed.clip.frames * factor * 255 + torch.from_numpy(added)
    frames = levels.round().clamp(0, 255).float() / 255
    return replace(composed, clip=replace(composed.clip, frames=frames), truth=composed.truth * factor)


def measured_locked(case: Locked) -> dict:
    """PSNR in the right hole, and in what of it some frame shows, of the right mask and of one that is short of it."""
    composed, row = case.composed, {}
    seen = composed.clip.hole & ~composed.clip.hole.all(dim=0)
    short = torch.from_numpy(shrunk(composed.mask[:, 0].numpy(), SHORT_PX)).unsqueeze(1)
    for mask, hole in (("right", composed.clip.hole), ("short", short)):
        clip = hidden(composed.clip, hole)
        found, off = (
            inpaint(clip, replace(method, carry=replace(method.carry, **NO_GRAIN)), device="cpu")
            for method in (FOUND, OFF)
        )
        figures = {
            "found": psnr_db(found.frames, composed.truth, composed.clip.hole),
            "off": psnr_db(off.frames, composed.truth, composed.clip.hole),
            "seen": psnr_db(found.frames, composed.truth, seen),
            "found_s": found.elapsed_s,
        }
        row[mask] = figures
        names = {"clip": composed.name, "exposure": case.exposure, "noise": str(case.noise), "mask": mask}
        show(names | figures, LOCKED_COLUMNS)
    return {"clip": composed.name, "exposure": case.exposure, "noise": case.noise, **row}


def bytes_of(frames: Tensor) -> np.ndarray:
    """(T, 3, H, W) in 0..1 to (T, H, W, 3) in bytes."""
    return (frames * 255).round().byte().permute(0, 2, 3, 1).numpy()


# Tables


def show(row: dict, columns: dict[str, str]) -> None:
    """One line of a table; its head, where a row has no figures at all; a dash where it has none."""
    head = not any(value is not None for value in row.values())
    line = ""
    for name, form in columns.items():
        width, value = form.split(".")[0], row.get(name)
        text = name if head else "-" if value is None else value
        line += f"{text:{'>' if '.' in form else '<'}{width}}" if isinstance(text, str) else f"{text:{form}}"
    print(line, flush=True)
