"""The command line: results on stdout, progress and one-line errors on stderr.

Exit 0 done, 1 some jobs of a batch failed, 2 bad input, 130 interrupted. Only what a command needs is imported, when it
is needed.
"""

import contextlib
import ctypes
import dataclasses
import io
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import tyro

from cleanplate import __version__
from cleanplate.batch_command import Batch
from cleanplate.commands import Compose, Demo, Evaluate, Inpaint, Reproduce
from cleanplate.config import DEFAULT_METHOD, METHODS, Encoding, find_method
from cleanplate.errors import Cancelled, InputError
from cleanplate.interrupts import termination_interrupts
from cleanplate.mask_command import Mask
from cleanplate.settings import Value, read_settings, settings_path, to_words
from cleanplate.studio_command import Studio

BAD_INPUT, INTERRUPTED = 2, 130


Command = Inpaint | Demo | Mask | Evaluate | Compose | Reproduce | Batch | Studio


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code."""
    share_memory()
    sys.exit(run(sys.argv[1:] if argv is None else argv))


def share_memory() -> None:
    """Let the threads share memory that was freed: glibc keeps a store for each, a fifth of what we need in all."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


M_ARENA_MAX = -8  # of glibc's malloc.h


def run(argv: Sequence[str]) -> int:
    """Run a command; its exit code."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("cleanplate: %(levelname)s: %(message)s"))
    logging.getLogger("cleanplate").addHandler(handler)
    try:
        if list(argv) == ["--version"]:
            print(f"cleanplate {__version__}")
        else:
            with termination_interrupts():
                return parse(argv).run() or 0
    except InputError as error:
        print(f"cleanplate: {error}", file=sys.stderr)
        return BAD_INPUT
    except (Cancelled, KeyboardInterrupt) as stop:
        print(f"cleanplate: interrupted; {str(stop) or 'nothing was left half-written'}", file=sys.stderr)
        return INTERRUPTED
    finally:
        logging.getLogger("cleanplate").removeHandler(handler)
    return 0


def parse(argv: Sequence[str]) -> Command:
    """The command that these words ask for.

    A method's fields have that method's values as their defaults, so the words are read twice: first for its name. What
    a settings file holds are defaults too.

    Raises:
        InputError: words that make no command.
        SystemExit: help was asked for and printed.
    """
    words = list(argv) or ["--help"]
    defaults: dict[str, Any] = {"settings": METHODS[DEFAULT_METHOD]}
    asks_help = any(word in ("-h", "--help") for word in words)
    try:
        plain = [word for word in words if word not in ("-h", "--help")]
        path = settings_path(plain) if plain[:1] == ["inpaint"] else None
        held = {} if path is None else read_settings(path)
        defaults |= _held(path, held, str(held.get("method", DEFAULT_METHOD)))
        first = _parse(plain, defaults)
        if isinstance(first, Inpaint):
            defaults |= {"settings": find_method(first.method)} | _held(path, held, first.method)
    except InputError:
        if not asks_help:
            raise
    return _parse(words, defaults)


PLACES = ("video", "mask", "output", "method")
"""What is given to `inpaint` without a name, or must be given."""


def _held(path: Path | None, held: Mapping[str, Value], method: str) -> dict[str, Any]:
    """The fields of Inpaint that a settings file sets, if this is the method; checked like words of a command."""
    if not held:
        return {}
    places = {name: str(held.get(name, name)) for name in PLACES} | {"method": method}
    words = to_words({name: value for name, value in held.items() if name not in PLACES})
    try:
        preset: dict[str, Any] = {"settings": find_method(method)}
        given = ["inpaint", places["video"], places["mask"], method, "-o", places["output"]]
        read = _parse([*given, *words], preset)
    except InputError as error:
        given = f"the settings file {path} cannot be used ({error})"
        raise InputError(given, "the words of cleanplate inpaint are needed", "correct it") from None
    # A group like `carry` belongs to the method.
    names = {name.replace("-", "_").partition(".")[0] for name in held}
    fields = {field.name for field in dataclasses.fields(Inpaint)}
    encoding = {field.name for field in dataclasses.fields(Encoding)}
    named = {"encoding" if name in encoding else name if name in fields else "settings" for name in names}
    return {name: getattr(read, name) for name in named}


def _parse(words: list[str], defaults: Mapping[str, Any]) -> Command:
    kinds = get_type_hints(Inpaint, include_extras=True)
    fields = [(name, kinds[name], value) for name, value in defaults.items()]
    inpaint = dataclasses.make_dataclass("Inpaint", fields, bases=(Inpaint,), frozen=True, kw_only=True)
    inpaint.__doc__ = Inpaint.__doc__
    commands = (
        Annotated[inpaint, tyro.conf.subcommand("inpaint")]  # type: ignore[reportOperatorIssue] - made at run time
        | Annotated[Demo, tyro.conf.subcommand("demo")]
        | Annotated[Mask, tyro.conf.subcommand("mask")]
        | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
        | Annotated[Compose, tyro.conf.subcommand("compose")]
        | Annotated[Reproduce, tyro.conf.subcommand("reproduce")]
        | Annotated[Batch, tyro.conf.subcommand("batch")]
        | Annotated[Studio, tyro.conf.subcommand("studio")]
    )
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(commands, prog="cleanplate", args=words, description=DESCRIPTION)  # type: ignore[arg-type]
    except SystemExit as stop:
        if not stop.code:
            raise
        raise _in_one_line(said.getvalue()) from None


def _in_one_line(box: str) -> InputError:
    """What tyro says in a box with a title and sections between rules, as one line."""
    sections = [""]
    for line in box.splitlines():
        if "\u2500\u2500" in line or "-----" in line:
            sections += [line.strip(RULES), ""]
        else:
            sections[-1] += " " + line.strip(" \u2502")
    title, *said = [" ".join(section.split()) for section in sections if section.strip()]
    said = [part.removesuffix(":") for part in said if not part.startswith(("Argument helptext", "For full helptext"))]
    return InputError(title.lower(), "; ".join(said), "see cleanplate --help")


RULES = " -\u2500\u2502\u256d\u256e\u2570\u256f"


DESCRIPTION = "Remove things from video: what a mask covers is filled with what the video shows elsewhere."
