"""Files of one JSON record a line, and folders that are written by one run at a time."""

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from cleanplate.errors import InputError
from cleanplate.runtime.files import whole, writing

Line = dict[str, Any]


def read_records(path: Path, check: Callable[[Line], None], of: str) -> list[Line]:
    """The records of a file, none if there is none.

    Args:
        path: the file.
        check: raises a ValueError, KeyError or TypeError for what is no record.
        of: what a record is of, in a word.

    Raises:
        InputError: a line that is no record.
    """
    if not path.exists():
        return []
    if not path.is_file():
        raise InputError(f"{path} is a folder", "results are kept in a file of that name", "choose another folder")
    lines = []
    for number, text in enumerate(path.read_text(errors="replace").splitlines(), 1):
        try:
            line = json.loads(text)
            json.dumps(line, allow_nan=False)  # json reads Infinity and NaN, but they are no numbers
            check(line)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(
                f"line {number} of {path} is broken ({type(error).__name__}: {error})",
                f"each line is the record of one {of}",
                f"remove that line, and its {of} is run again",
            ) from None
        lines.append(line)
    return lines


def check_kinds(line: Line, kinds: dict[str, Any], within: str = "") -> None:
    """Raise a KeyError or TypeError unless the record has these fields, each of its kind."""
    for name, kind in kinds.items():
        value = line[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise TypeError(f"{within}{name} is {value!r:.40}")


def write_records(path: Path, lines: Sequence[Line]) -> None:
    """All lines, or none: a run may be killed at any moment."""
    with whole(path) as partial_file:
        partial_file.write_text("".join(json.dumps(line, allow_nan=False) + "\n" for line in lines))


@contextlib.contextmanager
def sole_run(folder: Path) -> Iterator[None]:
    """Make the folder and hold it: another run that wants it is refused.

    Raises:
        InputError: it is held by another run, or cannot be written.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder / ".lock", blocking=False):
                yield
        except Timeout:
            raise InputError(
                f"{folder} is in use by another run",
                "one run at a time is needed",
                "wait until it has ended, or name another folder",
            ) from None
