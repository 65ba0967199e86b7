"""The command line: results on stdout, progress and one-line errors on stderr.

Exit 0 done, 1 some jobs of a batch failed, 2 bad input, 130 interrupted, 141 nobody reads what is written to a pipe.
Only what a command needs is imported, when it is needed.
"""

import contextlib
import ctypes
import difflib
import io
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cleanplate.batch.command import Batch
from cleanplate.commands.compose import Compose
from cleanplate.commands.demo import Demo
from cleanplate.commands.evaluate import Evaluate
from cleanplate.commands.help import HELP, HELP_ALL, help_of, help_of_all
from cleanplate.commands.inpaint import Inpaint
from cleanplate.commands.mask import Mask
from cleanplate.commands.parse import parse_as, parse_inpaint
from cleanplate.commands.renamed import current_words
from cleanplate.commands.repeated import joined_words
from cleanplate.commands.reproduce import Reproduce
from cleanplate.commands.train import Train
from cleanplate.config import DEFAULT_METHOD, METHODS
from cleanplate.errors import Cancelled, InputError, Unread
from cleanplate.runtime.devices import no_torch
from cleanplate.runtime.interrupts import termination_interrupts
from cleanplate.studio.command import Studio
from cleanplate.version import __version__

BAD_INPUT, INTERRUPTED, UNREAD = 2, 130, 141
COMMANDS = (Inpaint, Demo, Mask, Evaluate, Compose, Reproduce, Train, Batch, Studio)
"""A dataclass of options with a `run` each; its name in small letters is the command's."""
NAMED = {command.__name__.lower(): command for command in COMMANDS}
FILMS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".mxf", ".m4v", ".gif", ".png", ".jpg", ".exr")


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code."""
    share_memory()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that cannot be shown is no reason to fail
    try:
        code = run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except BrokenPipeError:  # of `cleanplate --help | head`: nobody reads on, and that is no mistake
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


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
        if (said := help_asked_for(argv)) is not None:
            print(said)
        else:
            with termination_interrupts():
                return parse(argv).run() or 0
    except InputError as error:
        print(f"cleanplate: {error}", file=sys.stderr)
        return BAD_INPUT
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "torchvision"):
            raise
        print(f"cleanplate: {no_torch('what you asked for')}", file=sys.stderr)
        return BAD_INPUT
    except Unread:
        return UNREAD
    except (Cancelled, KeyboardInterrupt) as stop:
        print(f"cleanplate: interrupted; {str(stop) or 'nothing was left half-written'}", file=sys.stderr)
        return INTERRUPTED
    finally:
        logging.getLogger("cleanplate").removeHandler(handler)
    return 0


def parse(argv: Sequence[str]) -> Any:
    """The command that these words ask for.

    Raises:
        InputError: words that make no command.
    """
    name, words = argv[0], argv[1:]
    if name not in NAMED:
        raise no_command(argv)
    if name == "inpaint":
        return parse_inpaint(joined_words(words, name))
    return parse_as(NAMED[name], joined_words(current_words(words, name), name), prog=f"cleanplate {name}")


def help_asked_for(argv: Sequence[str]) -> str | None:
    """What is to be said, if help or the version was asked for: -h, --help, --help-all, help COMMAND, --version."""
    words = list(argv) or ["--help"]
    if words[0] in ("--version", "-V"):
        return f"cleanplate {__version__}"
    if words[0] == "help":
        words = [*words[1:], "--help"]
    if not {*HELP, HELP_ALL} & set(words):
        return None
    command = NAMED.get(words[0])
    if command is None:
        return help_of_all(COMMANDS) if words[0].startswith("-") else None
    method = next((word for word in words[1:] if command is Inpaint and word in METHODS), DEFAULT_METHOD)
    return help_of(command, everything=HELP_ALL in words, method=method)


def no_command(argv: Sequence[str]) -> InputError:
    """What is said where no command is named."""
    given, known = argv[0], ", ".join(NAMED)
    if Path(given).suffix in FILMS or Path(given).is_dir():
        return InputError(
            f"no command stands before {given}", f"known are {known}", f"write cleanplate inpaint {shlex.join(argv)}"
        )
    near = difflib.get_close_matches(given.lstrip("-"), [*NAMED, "--version"], n=1, cutoff=0.75)
    fix = f"did you mean {near[0]}?" if near else "see cleanplate --help"
    return InputError(
        f"there is no {'option' if given.startswith('-') else 'command'} {given}", f"known are {known}", fix
    )
