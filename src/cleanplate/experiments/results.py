"""What has been run: a line for each cell in `results.jsonl`, and what it made beside it, `plates/NAME.npz`.

A line or a plate counts only for the settings it was made with, and these have everything in them that a result depends
on: the method's fields, the pair and its files, the sources of this package. A line counts only for the sources that it
was measured with, too.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import cleanplate
from cleanplate.data.compose import Pair
from cleanplate.errors import InputError
from cleanplate.experiments.plan import Cell
from cleanplate.imaging.pixels import all_samples, to_tensor
from cleanplate.runtime.files import existing, sha256, whole, writing
from cleanplate.runtime.records import Line, check_kinds, read_records
from cleanplate.video.codecs import VIDEO_SUFFIXES

RESULTS = "results.jsonl"
# What tells a cell from others ...
KEY = ("clip", "method", "seed", "scale", "window", "looks", "features")
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
# Modules that no result depends on; and those below the package's folder on which that depends which is made.
FRONT = frozenset(
    {"__main__", "batch", "batch_command", "cli", "commands", "dataset", "demo", "jobs", "logs", "pictures", "records"}
    | {"rows", "workers"}
)
MAKERS = ("experiments/cells.py", "experiments/features.py")


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
    """What else is kept: looks, features."""


def read_results(path: Path) -> list[Line]:
    """The lines of a results file, none if there is none.

    Raises:
        InputError: a line that is not a cell's.
    """
    return read_records(path, _check_fields, "cell")


def _check_fields(line: Line) -> None:
    check_kinds(line, FIELDS)
    check_kinds(line["complexity"], {"total": NUMBER}, "complexity.")
    check_kinds(line["metrics"], dict.fromkeys(line["metrics"], NUMBER_OR_NONE), "metrics.")


def added(lines: Sequence[Line], line: Line) -> list[Line]:
    """The lines with this one in the place of its cell's; other metrics of the same result are kept.

    It is the same if nothing but metrics differs: a plate that was lost and made again has other seconds.
    """
    out = []
    for other in lines:
        if all(other[name] == line[name] for name in KEY):
            if {**other, "metrics": {}} == {**line, "metrics": {}}:
                line = {**line, "metrics": other["metrics"] | line["metrics"]}
        else:
            out.append(other)
    return [*out, line]


def find_line(lines: Sequence[Line], cell: Cell, pair: Pair, names: Sequence[str] = ()) -> Line | None:
    """The cell's line, if it has all these metrics and was made and measured with today's settings and sources.

    The pair is an `identified` one.
    """
    for line in lines:
        if all(line[name] == getattr(cell, name) for name in KEY):
            same = line["settings"] == settings_of(cell, pair, line["n_frames"])
            same = same and line.get("measured_with") == measuring_digest()
            return line if same and all(name in line["metrics"] for name in names) else None
    return None


def settings_of(cell: Cell, pair: Pair, n_frames: int) -> dict[str, Any]:
    """All that what a cell makes depends on, but for other packages and the machine. The pair is `identified`."""
    out = cell.settings(n_frames) | {"pair": pair}
    if cell.external is not None:
        return out | {"external": sha256(external_path(Path(cell.external), cell.clip))}
    return out | {"code": code_digest()}


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Of the modules of this package on which depends what is made."""
    package = Path(cleanplate.__file__).parent
    return _digest([path for path in package.glob("*.py") if path.stem not in FRONT] + [package / it for it in MAKERS])


@lru_cache(maxsize=1)
def measuring_digest() -> str:
    """Of the modules of this package on which depends what is measured of what was made."""
    package = Path(cleanplate.__file__).parent
    return _digest([path for path in (*package.glob("*.py"), *package.glob("metrics/*.py")) if path.stem not in FRONT])


def _digest(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def external_path(folder: Path, clip: str) -> Path:
    """Where the result of a clip lies that was made elsewhere: FOLDER/CLIP with images, or a video FOLDER/CLIP.*.

    Raises:
        InputError: there is none.
    """
    for path in sorted(existing(folder).iterdir()):
        if (path.is_dir() and path.name == clip) or (path.stem == clip and path.suffix.lower() in VIDEO_SUFFIXES):
            return path
    raise InputError(f"{folder} has no {clip}", "a folder of images or a video of each clip is needed", "add it")


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
            to_tensor(arrays.pop("frames")),
            None if provenance is None else torch.from_numpy(provenance),
            record["seconds"],
            record["updates"],
            None if generated is None else to_tensor(generated),
            arrays,
        )
    except Exception:  # a broken file fails in more ways than can be told: zipfile, zlib, numpy's header, JSON
        return None, {}
    return made, record
