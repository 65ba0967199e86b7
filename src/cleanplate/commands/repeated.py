"""Words of a command that are not as its parser wants them: options given twice, numbers with commas between.

Of options given twice those that take several values have all of them; of the others one must be meant. What marks a
thing of `mask` behind its --thing becomes one word with its name.
"""

import re
import shlex
from collections.abc import Sequence

from cleanplate.errors import InputError

ADDING = {
    "inpaint": ("--extra-mask", "--reference"),
    "mask": ("--frame", "--box", "--paint", "--thing"),
    "evaluate": ("--metrics",),
    "reproduce": ("--seeds", "--methods", "--clips", "--metrics", "--external"),
}
"""By command, the options whose values are a list."""
NUMBERS = ("--frame", "--box", "--polygon", "--region", "--size")
"""Options of several numbers: 1,2,3,4 is meant as 1 2 3 4."""
MARKS = ("--frame", "--box", "--polygon", "--paint")
"""Options of a thing, where --thing begins one."""


def joined_words(words: Sequence[str], command: str) -> list[str]:
    """The words of a command (those behind its name) with every option once, and numbers apart.

    Raises:
        InputError: an option that takes one value is given twice, with two.
    """
    parts = _parts(_with_things(words) if command == "mask" else words)
    first: dict[str, tuple[list[str], list[str]]] = {}
    for part in parts[1:]:
        name, values = _option(part)
        adds = name in ADDING.get(command, ())
        if adds or name in NUMBERS:
            part[:] = [name, *values]
        if name not in first:
            first[name] = part, values
        elif adds:
            first[name][0].extend(values)
            part.clear()
        elif values in ([], first[name][1]):  # a switch, or the same again
            part.clear()
        else:
            raise InputError(f"{name} is given twice", "it has one value", "leave one of them out")
    return [word for part in parts for word in part]


def _with_things(words: Sequence[str]) -> list[str]:
    """The words with all that marks a thing in the one word that follows its --thing."""
    before, *parts = _parts(words)
    kept, things = [*before], list[list[str]]()
    for part in parts:
        name, values = _option(part)
        if name == "--thing":
            if len(values) != 1 or values[0].startswith("-"):
                given = f"--thing is given {' '.join(values) or 'no name'}"
                raise InputError(given, "NAME is needed, and then its marks", "write --thing bike --box X Y W H")
            things.append(values)
        elif things and name in MARKS:
            things[-1] += part
        else:
            kept += part
    joined = [shlex.join([thing[0], *joined_words(thing[1:], "mask")]) for thing in things]
    return [*kept, *(word for thing in joined for word in ("--thing", thing))]


def without_options(words: Sequence[str], others: Sequence[str]) -> list[str]:
    """The words of a command but for the options that others of its words name."""
    named = {_option(part)[0] for part in _parts(others)[1:]}
    before, *parts = _parts(words)
    return [*before, *(word for part in parts if _option(part)[0] not in named for word in part)]


def _parts(words: Sequence[str]) -> list[list[str]]:
    """The words before any option, then every option with what follows it."""
    parts: list[list[str]] = [[]]
    for word in words:
        if _is_option(word):
            parts.append([word])
        else:
            parts[-1].append(word)
    return parts


def _option(part: Sequence[str]) -> tuple[str, list[str]]:
    """The name of an option and its values; --name=value is --name value."""
    name, equals, value = part[0].partition("=")
    values = [*([value] if equals else []), *part[1:]]
    if name in NUMBERS:
        values = [number for word in values for number in _numbers(word)]
    return "--output" if name == "-o" else name, values


def _numbers(word: str) -> list[str]:
    """The numbers of a word that has commas between numbers; any other word as it is."""
    return re.findall(r"[^,]+", word) if re.fullmatch(r"(-?[\d.]+,)+(-?[\d.]+)?", word) else [word]


def _is_option(word: str) -> bool:
    """A number below 0 is none, and neither are several words in one."""
    name = word.partition("=")[0]
    return name == "-o" or (name.startswith("--") and len(name) > 2 and " " not in name)
