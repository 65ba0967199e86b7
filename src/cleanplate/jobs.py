"""The jobs of a batch: rows of a table, or the shots of a folder, as commands of `cleanplate inpaint`.

A job is the words of one such command, and is parsed as one: whatever option `inpaint` has may be a column. What a job
writes lies in the batch's folder, each in a place of its own.
"""

import contextlib
import csv
import dataclasses
import difflib
import hashlib
import io
import re
import shlex
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cleanplate.cli import parse
from cleanplate.commands import Inpaint
from cleanplate.errors import InputError
from cleanplate.video_io import check_output, is_image

READ = frozenset({"video", "mask"})
WRITTEN = frozenset({"output", "provenance", "log_dir", "pictures"})
"""Options of `inpaint` that are paths, by what becomes of them; one that is in neither is taken as written."""
OURS = frozenset({"overwrite", "resume"})
"""Options that every job of a batch has."""
COLUMNS = ("video", "mask", "out")
"""What every job needs."""
SEPARATORS = ",;\t"
FILMS = frozenset(
    ".mp4 .mov .m4v .mkv .avi .webm .mpg .mpeg .mts .m2ts .ts .mxf .wmv .flv .ogv .3gp".split()  # noqa: SIM905
)
KEPT = frozenset({".mp4", ".mov", ".m4v"})
"""Suffixes of shots that their results have too; others become .mp4."""


@dataclass(frozen=True)
class Job:
    """One shot to clean."""

    name: str
    """The output, from the batch's folder."""
    where: str
    """What asks for it: 'row 3 of jobs.csv'."""
    words: tuple[str, ...]
    """Of the command line."""
    inputs: Mapping[str, Path]
    """What is read."""
    outputs: Mapping[str, Path]
    """What is written, and is there when the job is done."""
    written: tuple[Path, ...]
    """Everything that is written, what is only needed to go on too."""
    settings: str
    """Digest of everything but the inputs that the outputs depend on."""

    @property
    def output(self) -> Path:
        """The inpainted video, or the folder of its frames."""
        return self.outputs["output"]


Row = tuple[str, dict[str, str]]
"""What asks for a job, and its cells by column."""


def read_jobs(source: Path, folder: Path, each: str = "") -> list[Job]:
    """The jobs of a table, or of a folder of shots.

    Args:
        source: the table or folder; paths in it are relative to where it is.
        folder: what the outputs are relative to, and stay in.
        each: words of `cleanplate inpaint` for all jobs; what a row says comes before them.

    Raises:
        InputError: a table or a row that makes no command, shots without masks, jobs that are in each other's way.
    """
    source, folder = source.absolute(), folder.absolute()
    rows = shots_of(source, folder) if source.is_dir() else rows_of(source)
    base = source if source.is_dir() else source.parent
    try:
        common = shlex.split(each)
    except ValueError as error:
        raise InputError(f"--each {each!r} ({error})", "words of cleanplate inpaint are needed", "correct it") from None
    jobs = []
    for where, cells in rows:
        with row(where):
            jobs.append(_job(where, cells, base, folder, common))
    _check_apart(jobs)
    return jobs


@contextlib.contextmanager
def row(where: str) -> Iterator[None]:
    """Say of an error which job it is about."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error.given}", error.needed, error.fix) from None
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise InputError(f"{where}: {error}", "paths that can be used are needed", "correct it") from None


# Tables


def rows_of(table: Path) -> list[Row]:
    """The rows of a table with a header: values separated by commas, semicolons or tabs, in UTF-8.

    Rows are counted as a spreadsheet does, the header being the first. Rows with nothing in them are passed over.

    Raises:
        InputError: naming the row.
    """
    records = list(_records(table))
    header = [name.strip().lower().replace("_", "-") for name in records[0][1]]
    _check_header(table, header)
    rows = []
    for number, cells in records[1:]:
        where = f"row {number} of {table.name}"
        cells = [cell.strip() for cell in cells]
        if not any(cells):
            continue
        if len(cells) != len(header):
            needed = f"the header has {len(header)}"
            raise InputError(f"{where} has {len(cells)} cells", needed, "correct it (quote cells with a separator in)")
        filled = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
        for name in COLUMNS:
            if name not in filled:
                raise InputError(f"{where} has no {name}", f"{', '.join(COLUMNS)} are needed", "fill in the cell")
        rows.append((where, filled))
    if not rows:
        raise InputError(f"{table} has no jobs", "a row for each is needed", "add some")
    return rows


def _records(table: Path) -> Iterator[tuple[int, list[str]]]:
    """The records of a table that have any cells, with their numbers; the first is the header."""
    if not table.is_file():
        what = "is not a file" if table.exists() else "is not there"
        raise InputError(f"{table} {what}", "a CSV table or a folder of shots is needed", "check the name")
    try:
        data = table.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{table} cannot be read ({error.strerror})", "a CSV is needed", "check the file") from None
    except UnicodeDecodeError as error:
        number = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(f"row {number} of {table.name} is not UTF-8", "text is needed", "save it as UTF-8") from None
    if "\0" in text:
        number = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(f"row {number} of {table.name} has a NUL in it", "text is needed", "save it as UTF-8 CSV")
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(SEPARATORS, key=first.count)
    lines = csv.reader(io.StringIO(text, newline=None), delimiter=separator, strict=True)
    number, empty = 0, True
    while True:
        number += 1
        try:
            cells = next(lines)
        except StopIteration:
            break
        except csv.Error as error:
            needed = 'cells are separated by , or ; and quoted by "'
            raise InputError(f"row {number} of {table.name} is broken ({error})", needed, "correct it") from None
        if cells:
            empty = False
            yield number, cells
    if empty:
        raise InputError(f"{table} is empty", f"a header with {', '.join(COLUMNS)} is needed", "add it")


def _check_header(table: Path, header: Sequence[str]) -> None:
    where, kinds = f"row 1 of {table.name}", options()
    for number, name in enumerate(header, 1):
        if not name:
            raise InputError(f"{where}: column {number} has no name", "each column needs one", "name it or remove it")
        if header.count(name) > 1:
            raise InputError(f"{where}: the column {name} is there twice", "once is enough", "remove one")
        if name.replace("-", "_") in OURS:
            raise InputError(
                f"{where}: {name} is no column", "it is said of all jobs", f"see cleanplate batch --{name}"
            )
        if name not in kinds and name not in COLUMNS:
            near = difflib.get_close_matches(name, [*kinds, *COLUMNS], n=1, cutoff=0.0)[0]
            needed = "columns are video, mask, out and the options of cleanplate inpaint"
            raise InputError(f"{where}: there is no column '{name}'", needed, f"did you mean '{near}'?")
    for name in COLUMNS:
        if name not in header:
            raise InputError(f"{where} has no column {name}", f"{', '.join(COLUMNS)} are needed", "add it")


def options(kind: type = Inpaint, prefix: str = "") -> dict[str, Any]:
    """The type of each option of a command, by its name on the command line without dashes; `out` is not one."""
    out: dict[str, Any] = {}
    hints, marked = typing.get_type_hints(kind), typing.get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(kind):
        hint, name = hints[field.name], prefix + field.name.replace("_", "-")
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            nameless = any(getattr(mark, "name", None) == "" for mark in typing.get_args(marked[field.name])[1:])
            out |= options(hint, "" if nameless else f"{name}.")
        elif field.name not in OURS | {"output"}:
            out[name] = hint
    return out


# Folders


def shots_of(source: Path, folder: Path) -> list[Row]:
    """A row for every video NAME.* and folder of images NAME, with its mask NAME-mask*, NAME_mask* or masks/NAME*.

    Raises:
        InputError: shots that have no mask, or more than one.
    """
    beside = [path for path in sorted(source.iterdir()) if not path.name.startswith(".")]
    masks = source / "masks"
    apart = [path for path in sorted(masks.iterdir()) if not path.name.startswith(".")] if masks.is_dir() else []
    rows, without = [], []
    for shot in beside:
        if shot in (masks, folder) or shot.name.endswith(".work") or _stem(shot).endswith(("-mask", "_mask")):
            continue
        if not _has_images(shot) if shot.is_dir() else shot.suffix.lower() not in FILMS:
            continue
        stem = _stem(shot)
        found = [path for path in beside if _stem(path) in (f"{stem}-mask", f"{stem}_mask") and _is_mask(path)]
        found += [path for path in apart if _stem(path) == stem and _is_mask(path)]
        if len(found) > 1:
            names = " and ".join(str(path.relative_to(source)) for path in found)
            raise InputError(f"{shot.name} has the masks {names}", "one is needed", "move the other away")
        if not found:
            without.append(shot.name)
            continue
        suffix = "" if shot.is_dir() else shot.suffix.lower() if shot.suffix.lower() in KEPT else ".mp4"
        rows.append((f"shot {shot.name}", {"video": str(shot), "mask": str(found[0]), "out": stem + suffix}))
    if without:
        needed = "each needs NAME-mask.*, NAME_mask.* or masks/NAME.*"
        raise InputError(f"no mask is there for {', '.join(without)}", needed, "add them, or move these shots away")
    if not rows:
        raise InputError(f"{source} has no shots", "videos or folders of images are needed", "check the folder")
    return rows


def _stem(path: Path) -> str:
    return path.name if path.is_dir() else path.stem


def _has_images(folder: Path) -> bool:
    return any(is_image(path) for path in folder.iterdir())


def _is_mask(path: Path) -> bool:
    return _has_images(path) if path.is_dir() else path.suffix.lower() in FILMS or is_image(path)


# Commands


def _job(where: str, cells: Mapping[str, str], base: Path, folder: Path, each: Sequence[str]) -> Job:
    """The command that a row asks for, parsed and checked."""
    places = {VIDEO: base / cells["video"], MASK: base / cells["mask"], OUT: folder / _relative(cells["out"])}
    asked = tuple(_words(cells, base, folder, each))
    command = _placed(_parsed(asked), places)
    words = tuple(str(places.get(Path(word), word)) for word in asked)
    paths: dict[str, Path] = {}
    for field in dataclasses.fields(command):
        value = getattr(command, field.name)
        if isinstance(value, Path) and field.name not in READ:
            paths[field.name] = _inside(value, folder)
    output = paths["output"]
    check_output(_existing_parent(output) / output.name, overwrite=True)
    work = _inside(output.with_name(f"{output.name}.work"), folder)
    kept = {name: path for name, path in paths.items() if name in ("output", "provenance")}
    name = output.relative_to(folder).as_posix()
    inputs = {name: getattr(command, name).absolute() for name in sorted(READ)}
    for field in dataclasses.fields(command):  # several paths in one option are inputs
        value = getattr(command, field.name)
        if isinstance(value, tuple):
            inputs |= {f"{field.name} {i}": path for i, path in enumerate(value) if isinstance(path, Path)}
    settings = _digest(command, paths, folder)
    return Job(name, where, (*words, "--resume", "--overwrite"), inputs, kept, (*paths.values(), work), settings)


# In the place of what each job has for itself, so that words that are the same are parsed once.
VIDEO, MASK, OUT = Path("<video>"), Path("<mask>"), Path("<out>")


@lru_cache(maxsize=256)
def _parsed(words: tuple[str, ...]) -> Inpaint:
    command = parse(words)
    assert isinstance(command, Inpaint)
    return command


def _placed(value: Any, places: Mapping[Path, Path]) -> Any:
    """A command, or a value of it, with the paths of a job."""
    if isinstance(value, Inpaint):
        fields = [field.name for field in dataclasses.fields(value)]
        return dataclasses.replace(value, **{name: _placed(getattr(value, name), places) for name in fields})
    if isinstance(value, tuple):
        return tuple(_placed(part, places) for part in value)
    return places.get(value, value) if isinstance(value, Path) else value


def _words(cells: Mapping[str, str], base: Path, folder: Path, each: Sequence[str]) -> list[str]:
    """A row as words of a command. What a cell holds is the value of its option and never another option."""
    rest, method = list(each), cells.get("method")
    if rest and not rest[0].startswith("-"):
        first = rest.pop(0)
        method = method or first
    if method is not None and method.startswith("-"):
        raise InputError(f"method is {method!r}", "the name of a method is needed", "correct it")
    words = ["inpaint", str(VIDEO), str(MASK), *([method] if method else []), *rest, "--output", str(OUT)]
    kinds = options()
    for name, cell in cells.items():
        if name in (*COLUMNS, "method"):
            continue
        kind = kinds[name]
        if _has(kind, bool):
            words.append(_flag(name, cell))
        elif _has(kind, tuple):
            values = cell.split()
            if any(re.match(r"-\D", value) for value in values):
                raise InputError(f"{name} is {cell!r}", "values are needed", "correct it")
            words += [f"--{name}", *(str(base / value) if _has(kind, Path) else value for value in values)]
        elif _has(kind, Path):
            words.append(f"--{name}={folder / _relative(cell)}")
        else:
            words.append(f"--{name}={cell}")
    return words


def _has(kind: Any, wanted: type) -> bool:
    """Whether values of this type may be of the wanted one."""
    return wanted in (kind, typing.get_origin(kind)) or any(_has(part, wanted) for part in typing.get_args(kind))


def _flag(name: str, cell: str) -> str:
    """--name or --no-name; --group.name or --group.no-name."""
    group, dot, last = name.rpartition(".")
    if cell.lower() in ("yes", "true", "1", "on"):
        return f"--{name}"
    if cell.lower() in ("no", "false", "0", "off"):
        return f"--{group}{dot}no-{last}"
    raise InputError(f"{name} is {cell!r}", "yes or no is needed", "correct it")


def _relative(cell: str) -> Path:
    path = Path(cell)
    if path.is_absolute() or path.drive or ".." in path.parts or path == Path():
        raise InputError(f"{cell} is not in the batch's folder", "a name in it is needed", "correct it")
    if any(part.startswith(".") for part in path.parts):
        raise InputError(f"{cell} is a hidden name", "those are for what is half-written", "choose another")
    return path


def _inside(path: Path, folder: Path) -> Path:
    """The path, if following its links does not lead out of the folder."""
    try:
        real, root = path.resolve(), folder.resolve()
    except (OSError, RuntimeError) as error:  # links that go in circles
        raise InputError(
            f"{path} leads nowhere ({error})", "a path that can be followed is needed", "correct"
        ) from None
    if root not in real.parents or folder not in path.parents:
        raise InputError(f"{path} is not in {folder}", "a batch writes into its own folder only", "choose a name in it")
    return path


def _existing_parent(path: Path) -> Path:
    return next(parent for parent in path.parents if parent.is_dir())


def _digest(command: Inpaint, paths: Mapping[str, Path], folder: Path) -> str:
    """Of everything that is set, but for where the job lies and how often it is saved."""
    values = {field.name: getattr(command, field.name) for field in dataclasses.fields(command)}
    values |= {name: path.relative_to(folder).as_posix() for name, path in paths.items()}
    for name in READ | OURS | {"output", "save_every_s"}:
        del values[name]
    return hashlib.sha256(repr(sorted(values.items())).encode()).hexdigest()[:16]


def _check_apart(jobs: Sequence[Job]) -> None:
    """Refuse jobs that write what another writes or reads.

    Raises:
        InputError: naming both rows.
    """
    owners: dict[Path, Job] = {}
    for job in jobs:
        for path in job.written:
            other = owners.setdefault(path.resolve(), job)
            if other is not job:
                raise InputError(
                    f"{job.where}: {path.name} is also written by {other.where}", "each needs its own", "rename one"
                )
    inside = {parent for path in owners for parent in path.parents}
    for path, owner in owners.items():
        for parent in path.parents:
            if parent in owners and owners[parent] is not owner:
                given = f"{owner.where}: {path.name} lies in what {owners[parent].where} writes"
                raise InputError(given, "each needs a place of its own", "rename one")
    for job in jobs:
        for source in (path.resolve() for path in job.inputs.values()):
            if source in inside or any(place in owners for place in (source, *source.parents)):
                raise InputError(
                    f"{job.where}: {source} is an input, and this batch writes there",
                    "outputs apart from inputs are needed",
                    "choose another folder or name",
                )
