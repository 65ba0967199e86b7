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
from collections.abc import Sequence
from typing import Annotated

import tyro
from tyro.conf import arg

from cleanplate import __version__
from cleanplate.batch_command import Batch
from cleanplate.commands import Compose, Demo, Evaluate, Inpaint, Reproduce
from cleanplate.config import DEFAULT_METHOD, METHODS, Method, find_method
from cleanplate.errors import Cancelled, InputError
from cleanplate.interrupts import termination_interrupts
from cleanplate.mask_command import Mask

BAD_INPUT, INTERRUPTED = 2, 130


Command = Inpaint | Demo | Mask | Evaluate | Compose | Reproduce | Batch


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

    A method's fields have that method's values as their defaults, so the words are read twice: first for its name.

    Raises:
        InputError: words that make no command.
        SystemExit: help was asked for and printed.
    """
    words = list(argv) or ["--help"]
    method = METHODS[DEFAULT_METHOD]
    asks_help = any(word in ("-h", "--help") for word in words)
    try:
        first = _parse([word for word in words if word not in ("-h", "--help")], method)
        if isinstance(first, Inpaint):
            method = find_method(first.method)
    except InputError:
        if not asks_help:
            raise
    return _parse(words, method)


def _parse(words: list[str], method: Method) -> Command:
    settings = ("settings", Annotated[Method, arg(name="")], method)
    inpaint = dataclasses.make_dataclass("Inpaint", [settings], bases=(Inpaint,), frozen=True)
    inpaint.__doc__ = Inpaint.__doc__
    commands = (
        Annotated[inpaint, tyro.conf.subcommand("inpaint")]  # type: ignore[reportOperatorIssue] - made at run time
        | Annotated[Demo, tyro.conf.subcommand("demo")]
        | Annotated[Mask, tyro.conf.subcommand("mask")]
        | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
        | Annotated[Compose, tyro.conf.subcommand("compose")]
        | Annotated[Reproduce, tyro.conf.subcommand("reproduce")]
        | Annotated[Batch, tyro.conf.subcommand("batch")]
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
