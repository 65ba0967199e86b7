"""What has been run: a line for each cell in `results.jsonl`, and what it made beside it, `plates/NAME.npz`.

A line or a plate counts only for the settings it was made with, and these have everything in them that a result depends
on: the method's fields, the pair and its files, the code that the method runs through. A metric of a line counts only
for the code that it was measured with, too (sources.py).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cleanplate.baselines.wang.weights import load_weights
from cleanplate.data.pairs import Pair, sha256_of_clip
from cleanplate.errors import InputError
from cleanplate.experiments.plan import SCALES, Cell
from cleanplate.experiments.sources import DEFINED_IN, OF_PIECES, code_digest, measuring_digest
from cleanplate.imaging.tensors import all_samples, to_tensors
from cleanplate.metrics import OLD_NAMES
from cleanplate.runtime.files import existing, whole, writing
from cleanplate.runtime.records import Line, check_kinds, read_records
from cleanplate.unseen.painters import check_painter
from cleanplate.video.codecs import VIDEO_SUFFIXES

RESULTS = "results.jsonl"
# What tells a cell's line from others, and what it is called in `Cell` ...
KEY = {name: name for name in ("clip", "method", "seed", "scale", "window", "features")} | {"looks": "evaluations"}
# ... and what its line must have to be found again and shown.
NUMBER, NUMBER_OR_NONE = (int, float), (int, float, type(None))
FIELDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("clip", "method", "scale"), str),
    **dict.fromkeys(("settings", "metrics", "complexity"), dict),
    **dict.fromkeys(("seed", "n_frames", "looks"), int),
    "features": bool,
    "window": (int, type(None)),
    "seconds": NUMBER_OR_NONE,
}
MEASURED = ("metrics", "complexity", "measured_with")


@dataclass(frozen=True)
class Made:
    """What a method made of a clip."""

    frames: Tensor
    """(T, 3, H, W) in 0..1."""
    provenance: Tensor | None = None
    """(T, 1, H, W) uint8."""
    seconds: float | None = None
    updates: int | None = None
    generated: Tensor | None = None
    """What the network made, known pixels too, (T, 3, H, W)."""
    arrays: dict[str, np.ndarray] | None = None
    """What else is kept: evaluations, features."""


def read_results(path: Path) -> list[Line]:
    """The lines of a results file, none if there is none; metrics are called as they are now.

    Raises:
        InputError: a line that is not a cell's.
    """
    lines = read_records(path, _check_fields, "cell")
    for line in lines:
        line["metrics"] = {OLD_NAMES.get(name, name): value for name, value in line["metrics"].items()}
    return lines


def _check_fields(line: Line) -> None:
    check_kinds(line, FIELDS)
    check_kinds(line["complexity"], {"total": NUMBER}, "complexity.")
    check_kinds(line["metrics"], dict.fromkeys(line["metrics"], NUMBER_OR_NONE), "metrics.")


def key_of(cell: Cell) -> Line:
    """What tells a cell's line from others."""
    return {name: getattr(cell, field) for name, field in KEY.items()}


def added(lines: Sequence[Line], line: Line) -> list[Line]:
    """The lines with this one in the place of its cell's; other metrics of the same result are kept.

    It is the same if nothing but what was measured differs: a plate that was lost and made again has other seconds.
    """
    out = []
    for other in lines:
        if any(other[name] != line[name] for name in KEY):
            out.append(other)
        elif all(other.get(name) == line.get(name) for name in (other | line).keys() - set(MEASURED)):
            both = {name: other[name] | line[name] for name in ("metrics", "measured_with") if name in line}
            line = {**line, **both}
    return [*out, line]


def find_line(lines: Sequence[Line], cell: Cell, pair: Pair, length: int, names: Sequence[str] = ()) -> Line | None:
    """The cell's line with those of its metrics that are measured as today, if all of these names are.

    There is none if the cell was made with other settings or by other code.

    Args:
        lines: all there are.
        cell: the one to find.
        pair: its clip, `identified`.
        length: of the clip in frames.
        names: of metrics.
    """
    n_frames = min(SCALES[cell.scale].n_frames, length)
    for line in lines:
        if all(line[name] == value for name, value in key_of(cell).items()):
            by = line.get("measured_with")
            if line["settings"] != settings_of(cell, pair, n_frames) or not isinstance(by, dict):
                return None
            current = {
                name for name, digest in by.items() if name in DEFINED_IN and digest == measured_with(cell, name)
            }
            if not current.issuperset({*names, "complexity", *(() if cell.window is None else OF_PIECES)}):
                return None
            return {**line, "metrics": {name: value for name, value in line["metrics"].items() if name in current}}
    return None


def measured_with(cell: Cell, metric: str) -> str:
    """What the value of a metric depends on: a digest of its code, and what it is set to at the cell's scale."""
    if not metric.startswith("consistency"):
        return measuring_digest(metric)
    scale = SCALES[cell.scale]
    return f"{measuring_digest(metric)}, {scale.patch_px} px within {scale.search_px} px"


def settings_of(cell: Cell, pair: Pair, n_frames: int) -> dict[str, Any]:
    """All that what a cell makes depends on, but for other packages and the machine. The pair is `identified`."""
    out = cell.settings(n_frames) | {"pair": pair}
    if cell.external is not None:
        return out | {"external": sha256_of_clip(external_path(Path(cell.external), cell.clip))}
    if cell.unseen.painter is not None:
        out["painter"] = {"file": Path(cell.unseen.painter).name, **_network_of(cell)}
    return out | {"code": code_digest(cell.method, features=cell.features)}


def _network_of(cell: Cell) -> dict[str, Any]:
    """What is known of the network that it was given."""
    if cell.method != "wang":
        return {"md5": check_painter(cell.unseen), "kind": cell.unseen.painter_kind}
    trained = load_weights(cell.unseen.painter)
    return {"sha256": trained.sha256, "steps": trained.about["steps"], "clips": trained.about["clips"]}


def external_path(folder: Path, clip: str) -> Path:
    """Where the result of a clip lies that was made elsewhere: FOLDER/CLIP with images, or a video FOLDER/CLIP.*.

    Raises:
        InputError: there is none.
    """
    for path in sorted(existing(folder).iterdir()):
        if (path.is_dir() and path.name == clip) or (path.stem == clip and path.suffix.lower() in VIDEO_SUFFIXES):
            return path
    raise InputError(
        f"{folder} has no {clip}", "a folder of images or a video of each clip is needed", f"add {clip}/ or {clip}.mp4"
    )


# Plates


def plate_path(out: Path, cell: Cell) -> Path:
    """Where what a cell has made is kept."""
    return out / "plates" / f"{cell.name}.npz"


def save_plate(path: Path, settings: dict, made: Made, record: dict) -> None:
    """Everything that a cell has made, in one file."""
    arrays: dict[str, Any] = {"frames": all_samples(made.frames), **(made.arrays or {})}
    if made.provenance is not None:
        arrays["provenance"] = made.provenance.cpu().numpy()
    if made.generated is not None:
        arrays["generated"] = all_samples(made.generated)
    with writing(path.parent):
        path.parent.mkdir(exist_ok=True)
    with whole(path) as partial_file, partial_file.open("wb") as stream:
        np.savez_compressed(stream, settings=json.dumps(settings), record=json.dumps(record), **arrays)


def load_plate(path: Path, settings: dict) -> tuple[Made | None, dict]:
    """What a cell has made with the same settings, and the record of it; nothing if there is none, or it is broken."""
    try:
        with path.open("rb") as stream, np.load(stream) as held:
            arrays = {name: held[name] for name in held.files}
        if json.loads(str(arrays.pop("settings"))) != settings:
            return None, {}
        record = json.loads(str(arrays.pop("record")))
        generated, provenance = arrays.pop("generated", None), arrays.pop("provenance", None)
        made = Made(
            to_tensors(arrays.pop("frames")),
            None if provenance is None else torch.from_numpy(provenance),
            record["seconds"],
            record["updates"],
            None if generated is None else to_tensors(generated),
            arrays,
        )
    except Exception:  # a broken file fails in more ways than can be told: zipfile, zlib, numpy's header, JSON
        return None, {}
    return made, record
