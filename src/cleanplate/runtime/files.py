"""Files and folders: found when they are read, whole when they are written, and nothing left of what was given up.

What is written lies in a folder beside it, `.NAME.partial*`, until it is whole. A run holds a lock in that folder; the
system lets go of it when the run is killed, and whoever writes the same name next removes what was left.
"""

import contextlib
import errno
import glob
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av.error
from filelock import FileLock, Timeout

from cleanplate.errors import InputError

LOCK = ".lock"
MADE, REPLACED, MOVING = "made", "replaced", "moving.json"
"""In a partial folder: what is new, what it takes the place of, and what is being exchanged."""


def existing(path: str | Path) -> Path:
    """The path, if there is a file or a folder at it.

    Raises:
        InputError: nothing, or a pipe or a device: those cannot be read twice, and may never end.
    """
    path = Path(path)
    try:
        there = path.exists()
    except (OSError, ValueError) as error:  # a name that no file can have
        given = f"{path!s:.200} cannot be looked for ({error!s:.80})"
        raise InputError(given, "a name that a file can have is needed", "name the file that you mean") from None
    if not there:
        raise InputError(
            f"there is no file {path}",
            "a video, a folder of images or an image is needed",
            "correct the name, or put the file there",
        )
    if not (path.is_file() or path.is_dir()):
        raise InputError(f"{path} is not a file", "what is read is read more than once", "write it to a file first")
    return path


def sha256(path: Path) -> str:
    """Of a file's content.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with existing(path).open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror})", "a file is needed", "allow reading it, or name another"
        ) from None


def stamp(path: Path) -> str:
    """Name, size and time of change of a file, or of all files in a folder; empty if there is nothing."""
    try:
        if not path.is_dir():
            return _stamp(path)
        files = sorted(file for file in path.iterdir() if file.is_file())
        digest = hashlib.sha256("\n".join(map(_stamp, files)).encode("utf-8", "surrogateescape")).hexdigest()
        return f"{path.name} {len(files)} files {digest[:16]}"
    except OSError:
        return ""


def _stamp(file: Path) -> str:
    about = file.stat()
    return f"{file.name} {about.st_size} {about.st_mtime_ns}"


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system says of a disk into an InputError; that there is no memory is no fault of a disk."""
    try:
        yield
    except (OSError, av.error.FFmpegError) as error:
        if error.errno in (errno.ENOMEM, errno.EAGAIN):  # the latter where an encoder's threads have no room
            raise MemoryError(error.strerror) from error
        raise InputError(
            f"{path} cannot be written ({error.strerror or error})",
            "a writable disk with room is needed",
            "choose another place",
        ) from error


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A name to write under, which becomes `path` when the block ends and is removed when it fails."""
    with writing(path), _making(path) as made:
        partial = made / path.name
        yield partial
        if path.is_dir() and not partial.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if path.exists() and (path.is_dir() or partial.is_dir()):  # folders cannot be replaced in one move
            _exchange(made, [path.name], path.parent)
        else:
            partial.replace(path)


@contextlib.contextmanager
def whole_files(path: Path) -> Iterator[Path]:
    """A folder to write several files in: all of them go beside `path` when the block ends, over what is called so.

    All or none: where one cannot be moved, or the run is killed, those that were there are put back, in the latter case
    when `path` is written again.
    """
    with writing(path), _making(path) as made:
        yield made
        names = sorted(file.name for file in made.iterdir())
        if folders := [name for name in names if (path.parent / name).is_dir()]:
            raise IsADirectoryError(errno.EISDIR, f"{folders[0]} is a folder")
        _exchange(made, names, path.parent)


@contextlib.contextmanager
def _making(path: Path) -> Iterator[Path]:
    """The folder, in a partial one, of what is to become `path` or lie beside it."""
    with partial_folder(path) as work:
        (work / MADE).mkdir()
        yield work / MADE


def _exchange(made: Path, names: Sequence[str], folder: Path) -> None:
    """Move what was made into a folder; what is called so there goes, or all of it stays."""
    work = made.parent
    (work / REPLACED).mkdir()
    (work / MOVING).write_text(json.dumps(names))
    try:
        for name in names:
            if (folder / name).exists():
                (folder / name).rename(work / REPLACED / name)
        for name in names:
            (made / name).rename(folder / name)
    except BaseException:
        _put_back(work)
        raise
    (work / MOVING).unlink()


def _put_back(work: Path) -> None:
    """Undo what was begun to be exchanged."""
    if not (work / MOVING).is_file():
        return
    for name in json.loads((work / MOVING).read_text()):
        here, new, old = work.parent / name, work / MADE / name, work / REPLACED / name
        if not new.exists():
            here.rename(new)
        if old.exists():
            old.rename(here)
    (work / MOVING).unlink()


LEFT_BY_SYSTEMS = (".DS_Store", "Thumbs.db")
"""Files that systems put into folders they show."""


def check_replaceable(folder: Path, is_written: Callable[[str], bool]) -> None:
    """Refuse a folder that is to be replaced, with all that is in it, and holds something else than a run writes.

    Args:
        folder: what is there.
        is_written: whether a file of that name may be of an earlier run.

    Raises:
        InputError: naming what it holds.
    """
    for path in sorted(folder.iterdir()):
        if path.is_dir() or not (is_written(path.name) or path.name in LEFT_BY_SYSTEMS):
            given, needed = f"{folder} is a folder and holds {path.name}", "only what a run has written is replaced"
            raise InputError(given, needed, "choose another name, or move it away")


@contextlib.contextmanager
def partial_folder(path: Path) -> Iterator[Path]:
    """A folder for what is to become `path`; those that killed runs have left there are removed first."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.partial*"):
        remove_forsaken(left)
    work = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.partial"))
    try:
        with FileLock(work / LOCK):
            work.mkdir(exist_ok=True)  # if it was taken for forsaken before it was locked
            yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def remove_forsaken(folder: Path) -> None:
    """Remove a partial folder, unless a run that is going on holds it."""
    with contextlib.suppress(Timeout, OSError, NotImplementedError):
        with FileLock(folder / LOCK, blocking=False):
            _put_back(folder)
            shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)  # Windows removes no file that is open, as the lock was
