"""The command line: results on stdout, progress and one-line errors on stderr.

Exit 0 done, 1 some jobs of a batch failed, 2 bad input, 130 interrupted. Only what a command needs is imported, when it
is needed.
"""

import contextlib
import ctypes
import logging
import sys
from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Annotated, Any

from tyro.conf import subcommand

from cleanplate.batch.command import Batch
from cleanplate.commands.compose import Compose
from cleanplate.commands.demo import Demo
from cleanplate.commands.evaluate import Evaluate
from cleanplate.commands.inpaint import Inpaint
from cleanplate.commands.mask import Mask
from cleanplate.commands.parse import parse_as, parse_inpaint
from cleanplate.commands.renamed import current_words
from cleanplate.commands.repeated import joined_words
from cleanplate.commands.reproduce import Reproduce
from cleanplate.commands.train import Train
from cleanplate.errors import Cancelled, InputError
from cleanplate.runtime.devices import no_torch
from cleanplate.runtime.interrupts import termination_interrupts
from cleanplate.studio.command import Studio
from cleanplate.version import __version__

BAD_INPUT, INTERRUPTED = 2, 130
DESCRIPTION = (
    "Remove things from video: what a mask covers is filled with what the video shows elsewhere. "
    "cleanplate --version prints the version."
)

COMMANDS = (Inpaint, Demo, Mask, Evaluate, Compose, Reproduce, Train, Batch, Studio)
"""A dataclass of options with a `run` each; its name in small letters is the command's."""


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
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "torchvision"):
            raise
        print(f"cleanplate: {no_torch('what you asked for')}", file=sys.stderr)
        return BAD_INPUT
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
        SystemExit: help was asked for and printed.
    """
    words = list(argv) or ["--help"]
    if words[0] == "inpaint":
        return parse_inpaint(joined_words(words[1:], words[0]))
    commands = reduce(or_, (Annotated[command, subcommand(command.__name__.lower())] for command in COMMANDS))
    words = [words[0], *joined_words(current_words(words[1:], words[0]), words[0])]
    return parse_as(commands, words, prog="cleanplate", description=DESCRIPTION)
