"""Several things in one run of `mask`: their names and marks, the file of each, and what is said of it."""

import contextlib
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cleanplate.commands.marked import Marked
from cleanplate.commands.parse import parse_as
from cleanplate.errors import InputError

if TYPE_CHECKING:
    from cleanplate.track.tracked import Tracked
    from cleanplate.video.numbers import Numbers

UNNAMED = "thing"
"""What stands before the first --thing."""
MOST_LETTERS = 80


@dataclass(frozen=True)
class Thing:
    """A thing and where it was marked."""

    name: str
    marked: Marked

    def file(self, output: Path) -> Path:
        """Where its own mask is written, beside that of all: masks.bike.mkv beside masks.mkv."""
        from cleanplate.video.numbers import beside

        return beside(output, self.name)


def things_of(first: Marked, words: Sequence[str]) -> list[Thing]:
    """The things that are marked.

    Args:
        first: what stands before the first --thing.
        words: of each other one its name and its marks (`repeated.joined_words`).

    Raises:
        InputError: names that cannot be a part of a file's name, or of two things.
    """
    things = [Thing(UNNAMED, first)] if first.given() or not words else []
    for word in words:
        name, *marks = shlex.split(word)
        things.append(Thing(name, parse_as(Marked, marks, prog="cleanplate mask")))
    names = [thing.name.casefold() for thing in things]
    for thing in things:
        if re.search(r'[<>:"/\\|?*\x00-\x1f]|^[\s.-]|[\s.]$|^$', thing.name) or len(thing.name) > MOST_LETTERS:
            needed = "a name is a part of a file's name"
            raise InputError(f"{thing.name[:MOST_LETTERS]!r} is no name of a thing", needed, "use letters and digits")
        if names.count(thing.name.casefold()) > 1:
            given = f"two things are called {thing.name}"
            fix = "rename one (what stands before the first --thing is called thing), or give all its marks together"
            raise InputError(given, "each needs a name of its own", fix)
    return things


@contextlib.contextmanager
def named(name: str) -> Iterator[None]:
    """Say whose mistake it is; of no name, nothing."""
    try:
        yield
    except InputError as error:
        given = f"{name}: {error.given}" if name else error.given
        raise InputError(given, error.needed, error.fix) from None


def lines(tracked: "Tracked", first: int, numbers: "Numbers" = None) -> Iterator[str]:
    """What is to be looked at after tracking, a line each.

    Args:
        tracked: the thing.
        first: the frame of the video that it begins with.
        numbers: what the frames of the video are called.
    """
    from cleanplate.video.numbers import called

    for shot in tracked.unmarked_shots:
        frames = f"{called(first + shot[0], numbers)} to {called(first + shot[-1], numbers)}"
        yield f"nothing is masked in frames {frames}, behind a cut: mark it there too, or --over-cuts"
    if tracked.frames_to_review:
        shown = ", ".join(str(called(first + index, numbers)) for index in tracked.frames_to_review)
        yield f"look at frames {shown}: unsure there, or resting on an outline that was found"
    else:
        yield "no frame is unsure"
