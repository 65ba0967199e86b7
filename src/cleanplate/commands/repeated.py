"""Words of a command that are not as its parser wants them: options given twice, numbers with commas between.

Of options given twice those that take several values have all of them, of the others one must be meant.
"""

import re
from collections.abc import Sequence

from cleanplate.errors import InputError

ADDING = {
    "inpaint": ("--extra-mask", "--reference"),
    "mask": ("--frame", "--box", "--paint"),
    "evaluate": ("--metrics",),
    "reproduce": ("--seeds", "--methods", "--clips", "--metrics", "--external"),
}
"""By command, the options whose values are a list."""
NUMBERS = ("--frame", "--box", "--polygon", "--region", "--size")
"""Options of several numbers: 1,2,3,4 is meant as 1 2 3 4."""


def joined_words(words: Sequence[str], command: str) -> list[str]:
    """The words of a command (those behind its name) with every option once, and numbers apart.

    Raises:
        InputError: an option that takes one value is given twice.
    """
    parts: list[list[str]] = [[]]  # the words before any option, then every option with what follows it
    for word in words:
        if _is_option(word):
            name, equals, value = word.partition("=")
            parts.append([name, value] if equals else [name])
        else:
            parts[-1].append(word)
    first: dict[str, list[str]] = {}
    for part in parts[1:]:
        if part[0] in NUMBERS:
            part[1:] = [number for word in part[1:] for number in _numbers(word)]
        name = "--output" if part[0] == "-o" else part[0]
        if name not in first:
            first[name] = part
        elif name in ADDING.get(command, ()):
            first[name] += part[1:]
            part.clear()
        else:
            raise InputError(f"{name} is given twice", "it has one value", "leave one of them out")
    return [word for part in parts for word in part]


def _numbers(word: str) -> list[str]:
    """The numbers of a word that has commas between numbers; any other word as it is."""
    return re.findall(r"[^,]+", word) if re.fullmatch(r"(-?[\d.]+,)+(-?[\d.]+)?", word) else [word]


def _is_option(word: str) -> bool:
    """A number below 0 is none."""
    return word == "-o" or (word.startswith("--") and len(word) > 2)
