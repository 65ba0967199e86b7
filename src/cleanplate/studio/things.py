"""The things that are to be removed: each has a name, a colour, its marks, and its mask once it was tracked."""

from dataclasses import dataclass

from cleanplate.errors import InputError
from cleanplate.studio.marks import Marks
from cleanplate.studio.store import Store
from cleanplate.studio.thumbnails import THING_TINTS, Colour
from cleanplate.studio.tracking import TrackedThing, TrackJob

MOST_THINGS, MOST_NAME = 12, 40


@dataclass(frozen=True)
class Stretch:
    """The frames that a thing which stands still is removed from; None where it has no end."""

    first: int | None = None
    last: int | None = None

    def within(self, total: int) -> range:
        """Its frames in a shot of so many.

        Raises:
            InputError: there are none.
        """
        first = 0 if self.first is None else self.first
        last = total - 1 if self.last is None else self.last
        shot = f"the shot has frames 0 to {total - 1}"
        for frame in (first, last):
            if not 0 <= frame < total:
                raise InputError(f"there is no frame {frame}", shot, "give one of these, or leave it empty")
        if first > last:
            given = f"the first frame {first} comes after the last one {last}"
            raise InputError(given, "the thing is removed from the first to the last", "exchange them")
        return range(first, last + 1)


How = Stretch | tuple[str, bool]
"""How the mask of a thing is made: where it stands still; or who follows it, and whether its edges are soft."""


class Thing:
    """One of the things.

    Args:
        number: its own, never that of another.
        store: the files of the project.
    """

    def __init__(self, number: int, store: Store):
        self.number = number
        self.name = f"Thing {number}"
        self.colour: Colour = THING_TINTS[(number - 1) % len(THING_TINTS)]
        self.marks = Marks(store.marks(number, self.colour))
        self.still: Stretch | None = None
        """Where it stands still and is not to be followed."""
        self.tracker = "flow"
        """Who follows it otherwise: a name of `config.Tracker`."""
        self.soft = False
        """Whether its edges are blurred, so that all goes that has more than a tenth of it: for what is followed."""
        self.tracked: TrackedThing | None = None
        self.tracked_how: How | None = None
        """How that was done."""

    @property
    def how(self) -> How:
        """How its mask is to be made."""
        return (self.tracker, self.soft) if self.still is None else self.still

    @property
    def due(self) -> bool:
        """Whether it is marked, and its mask is not of what is marked now."""
        changed = self.marks.changed or self.tracked is None or self.tracked_how != self.how
        return self.marks.somewhere and changed

    def job(self, total: int, *, anew: bool) -> TrackJob:
        """What is to be done for its mask in a shot of so many frames; nothing if that is there already."""
        still = None if self.still is None else self.still.within(total)
        marks = tuple(sorted(self.marks.versions)) if anew else ()
        return TrackJob(self.number, self.colour, marks, still, self.tracker, self.soft)


class Things:
    """All of them; one is chosen, and what is marked is of that.

    Args:
        store: the files of the project.
    """

    def __init__(self, store: Store):
        self._store = store
        self.clear()

    def clear(self) -> None:
        """Begin with one; the files are gone."""
        self._count, self.all = 0, list[Thing]()
        self.add()

    @property
    def chosen(self) -> Thing:
        """The one that is marked."""
        return self.all[self.index]

    @property
    def marked(self) -> list[Thing]:
        """Those that are marked on any frame."""
        return [thing for thing in self.all if thing.marks.somewhere]

    def add(self) -> None:
        """Another one, which is chosen; it is followed as the one is that was chosen before.

        Raises:
            InputError: there are many already.
        """
        if len(self.all) == MOST_THINGS:
            given = f"there are {MOST_THINGS} things"
            raise InputError(given, "each is tracked by itself", "mark several as one, or forget one of these")
        self._count += 1
        thing = Thing(self._count, self._store)
        if self.all:
            thing.tracker, thing.soft = self.chosen.tracker, self.chosen.soft
        self.all.append(thing)
        self.index = len(self.all) - 1

    def choose(self, number: int) -> None:
        """Choose one by its number.

        Raises:
            InputError: it was forgotten.
        """
        numbers = [thing.number for thing in self.all]
        if number not in numbers:
            given = f"there is no thing {number} any more: it was forgotten, perhaps in another tab"
            raise InputError(given, "one that is there is needed", "choose one above the picture")
        self.index = numbers.index(number)

    def rename(self, name: str) -> None:
        """Give the chosen one a name."""
        name = " ".join(name.split())[:MOST_NAME]
        if not name:
            raise InputError("the name is empty", "a thing needs one", "type it beside its colour")
        self.chosen.name = name

    def forget(self) -> None:
        """Forget the chosen one with its marks; there is always one."""
        self._store.remove_thing(self.chosen.number)
        del self.all[self.index]
        self.index = max(0, self.index - 1)
        if not self.all:
            self.add()
