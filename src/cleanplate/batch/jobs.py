"""The jobs of a batch: rows of a table, or the shots of a folder, as commands of `cleanplate inpaint`.

A job is the words of one such command, and is parsed as one: whatever option `inpaint` has may be a column. What a job
writes lies in the batch's folder, each in a place of its own.
"""

import contextlib
import dataclasses
import hashlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cleanplate.batch.table import COLUMNS, OURS, columns, rows_of, shots_of
from cleanplate.commands.inpaint import Inpaint, named_frames, parted
from cleanplate.commands.options import Option, to_words
from cleanplate.commands.parse import parse_inpaint
from cleanplate.commands.renamed import current_words
from cleanplate.commands.repeated import without_options
from cleanplate.commands.settings import Value
from cleanplate.config import METHODS
from cleanplate.errors import InputError
from cleanplate.runtime.files import partial_folder, writing
from cleanplate.video.codecs import VIDEO_SUFFIXES
from cleanplate.video.outputs import check_apart, check_kind, check_place

READ = frozenset({"settings_file", "video", "mask"})
WRITTEN = frozenset({"output", "provenance", "effects_mask", "log_dir", "pictures"})
"""Options of `inpaint` that are paths, by what becomes of them; one that is in neither is taken as written."""


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


def read_jobs(source: Path, folder: Path, options: str = "") -> list[Job]:
    """The jobs of a table, or of a folder of shots.

    Args:
        source: the table or folder; paths in it are relative to where it is.
        folder: what the outputs are relative to, and stay in.
        options: words of `cleanplate inpaint` for all jobs; what a row says comes before them.

    Raises:
        InputError: a table or a row that makes no command, shots without masks, jobs that are in each other's way.
    """
    source, folder = source.absolute(), folder.absolute()
    rows = shots_of(source, folder) if source.is_dir() else rows_of(source)
    base = source if source.is_dir() else source.parent
    try:
        common = current_words(shlex.split(options))
    except ValueError as error:
        needed = "words of cleanplate inpaint, quoted as in a shell, are needed"
        raise InputError(f"--options {options!r} ({error})", needed, "quote them in pairs") from None
    if len(without_options(common, ["--output"])) < len(common):
        raise InputError(f"--options {options!r} names an output", "each job has its own", "leave it out")
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
        raise InputError(
            f"{where}: {error}",
            "paths that can be used are needed",
            "choose a shorter name, or one that may be looked at",
        ) from None


# Commands


def _job(where: str, cells: Mapping[str, str], base: Path, folder: Path, common: Sequence[str]) -> Job:
    """The command that a row asks for, parsed and checked."""
    places = {VIDEO: base / cells["video"], OUT: folder / _relative(cells["out"])}
    if _has_mask_file(cells, base):
        places[MASK] = base / cells["mask"]
    asked = tuple(_words(cells, base, folder, common))
    command = _placed(_parsed(asked), places)
    words = tuple(str(places.get(Path(word), word)) for word in asked)
    paths: dict[str, Path] = {}
    for field in dataclasses.fields(command):
        value = getattr(command, field.name)
        if isinstance(value, Path) and field.name not in READ:
            paths[field.name] = _inside(value, folder)
    output = paths["output"]
    check_kind(output, command.video, command.encoding)
    check_apart(command.outputs(), {"--log-dir": command.log_dir, "--pictures": command.pictures})
    if output.parent.is_dir():
        check_place(output, overwrite=True)
    else:
        with writing(output), partial_folder(_existing_parent(output) / output.name):
            pass
    work = _inside(output.with_name(f"{output.name}.work"), folder)
    kept = {name: path for name, path in paths.items() if name in ("output", "provenance", "effects_mask")}
    name = output.relative_to(folder).as_posix()
    settings, inputs = _digest(command, paths, folder), _inputs(command)
    return Job(name, where, (*words, "--resume", "--overwrite"), inputs, kept, (*paths.values(), work), settings)


def _has_mask_file(cells: Mapping[str, str], base: Path) -> bool:
    """Borders can be filled without, and alpha is a word."""
    return "mask" in cells and (cells["mask"] != "alpha" or (base / cells["mask"]).exists())


def _inputs(command: Inpaint) -> dict[str, Path]:
    """All that a command reads, by what it is read for."""
    read = {name: getattr(command, name) for name in sorted(READ)}
    read["painter"] = command.settings.unseen.painter and Path(command.settings.unseen.painter)
    for field in dataclasses.fields(command):  # several paths in one option are inputs
        value = getattr(command, field.name)
        if isinstance(value, tuple):
            read |= {f"{field.name} {i}": path for i, path in enumerate(value) if isinstance(path, Path)}
    with contextlib.suppress(InputError):  # what is not there is said when the job is run
        read |= {f"reference {i}": path for i, (_, path) in enumerate(named_frames(command.reference))}
    with contextlib.suppress(InputError):
        read |= {f"mask file {i}": file for i, file in enumerate(command.mask_files())}
    return {name: path.absolute() for name, path in read.items() if path is not None}


OF_VIDEOS = ("--codec", "--quality")
"""Words for every job that say nothing of those which write images."""

# In the place of what each job has for itself, so that words that are the same are parsed once.
VIDEO, MASK, OUT = Path("<video>"), Path("<mask>"), Path("<out>")


@lru_cache(maxsize=256)
def _parsed(words: tuple[str, ...]) -> Inpaint:
    return parse_inpaint(words[1:])


def _placed(value: Any, places: Mapping[Path, Path]) -> Any:
    """A command, or a value of it, with the paths of a job."""
    if isinstance(value, Inpaint):
        fields = [field.name for field in dataclasses.fields(value)]
        return dataclasses.replace(value, **{name: _placed(getattr(value, name), places) for name in fields})
    if isinstance(value, tuple):
        return tuple(_placed(part, places) for part in value)
    return places.get(value, value) if isinstance(value, Path) else value


def _words(cells: Mapping[str, str], base: Path, folder: Path, common: Sequence[str]) -> list[str]:
    """A row as words of a command. What a cell holds is the value of its option and never another option."""
    rest, method = list(common), cells.get("method")
    if rest and not rest[0].startswith("-"):
        first = rest.pop(0)
        method = method or first
    if method is not None and method.startswith("-"):
        raise InputError(f"method is {method!r}", "the name of a method is needed", f"give one of {', '.join(METHODS)}")
    if Path(cells["out"]).suffix.lower() not in VIDEO_SUFFIXES:
        rest = without_options(rest, OF_VIDEOS)
    given = [columns()[name] for name in cells if name not in (*COLUMNS, "method")]
    said = to_words({option.name: _value(option, cells[option.name], base, folder) for option in given})
    mask = [str(MASK) if _has_mask_file(cells, base) else cells["mask"]] if "mask" in cells else []
    words = ["inpaint", str(VIDEO), *mask, *([method] if method else [])]
    return [*words, *without_options(rest, said), "--output", str(OUT), *said]


def _value(option: Option, cell: str, base: Path, folder: Path) -> Value:
    """What a cell says; what is read lies beside the table, what is written in the batch's folder."""
    if option.takes(bool):
        if cell.lower() not in FLAGS:
            raise InputError(f"{option.name} is {cell!r}", "yes or no is needed", "write one of them")
        return FLAGS[cell.lower()]
    if option.name == "reference":
        return tuple(f"{when}:{base / path}" if when else str(base / path) for when, path in map(parted, cell.split()))
    if option.name == "unseen.painter":
        return str(base / cell)
    if option.takes(tuple):
        return tuple(str(base / part) if option.takes(Path) else part for part in cell.split())
    if option.takes(Path):
        read = option.name.replace("-", "_") in READ
        return str(base / cell if read else folder / _relative(cell))
    return cell


FLAGS = {"yes": True, "true": True, "1": True, "on": True, "no": False, "false": False, "0": False, "off": False}


def _relative(cell: str) -> Path:
    path = Path(cell)
    if path.is_absolute() or path.drive or ".." in path.parts or path == Path():
        needed = "a name in it is needed"
        raise InputError(f"{cell} is not in the batch's folder", needed, "give one like a.mp4 or b/a.mp4")
    if any(part.startswith(".") for part in path.parts):
        raise InputError(f"{cell} is a hidden name", "those are for what is half-written", "choose another")
    return path


def _inside(path: Path, folder: Path) -> Path:
    """The path, if following its links does not lead out of the folder."""
    try:
        real, root = path.resolve(), folder.resolve()
    except (OSError, RuntimeError) as error:  # links that go in circles
        raise InputError(
            f"{path} leads nowhere ({error})", "a path that can be followed is needed", "remove the link"
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
