"""The words of a command, looked at before they are read: what is wrong with them is said in the command's words."""

import difflib
import math
import typing
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cleanplate.commands.options import Option, options_of
from cleanplate.errors import InputError

NEEDED = {int: "a whole number", float: "a number"}
YES_OR_NO = ("yes", "no", "true", "false", "on", "off", "1", "0")


@dataclass(frozen=True)
class Given:
    """An option, or a word known by its place, with what was given for it."""

    option: Option
    shown: str
    """What the user knows it by: --seed, VIDEO."""
    values: tuple[str, ...] = ()

    def words(self) -> list[str]:
        """As words of a command, where no value can be taken for an option."""
        if len(self.values) == 1 and self.values[0].startswith("-"):
            return [f"{self.shown}={self.values[0]}"]
        return [self.shown, *self.values]


def checked_words(command: type, words: Sequence[str], prog: str, missing: Sequence[str] | None = None) -> list[str]:
    """The words of a command, options first, once nothing is wrong with them.

    Args:
        command: a dataclass of options.
        words: what stands behind its name.
        prog: its name: cleanplate inpaint.
        missing: the fields that must be given; None for those without a default.

    Raises:
        InputError: options or words that are not known, values that are missing or not what is needed.
    """
    options = options_of(command).values()
    given = list(_given(options, words, prog))
    for one in given:
        _check_values(one, prog)
    had = {one.option.field for one in given}
    needed = [option for option in options if (option.is_required if missing is None else option.field in missing)]
    if lacking := [option for option in needed if option.field not in had]:
        verb = "are" if len(lacking) > 1 else "is"
        hint = next((_if_output(one.values[0]) for one in given if one.option.field == "method"), "")
        needed_words = f"write {usage(options, prog)}"
        raise InputError(f"{listed(map(_name, lacking))} {verb} missing", needed_words, f"{hint}see {prog} --help")
    places = [word for one in given if one.option.is_positional for word in one.values]
    named = [word for one in given if not one.option.is_positional for word in one.words()]
    return [*named, "--", *places] if places else named


def words_in_place(command: type, words: Sequence[str], prog: str) -> dict[str, str]:
    """The words that are known by their place, by the command's fields; of no words that are looked at further.

    Raises:
        InputError: options or words that are not known.
    """
    given = _given(options_of(command).values(), words, prog)
    return {one.option.field: one.values[0] for one in given if one.option.is_positional}


def usage(options: Iterable[Option], prog: str) -> str:
    """How a command is called: cleanplate inpaint VIDEO MASK [METHOD] -o PATH."""
    placed = [option for option in options if option.is_positional]
    words = [_name(option) if option.is_required else f"[{_name(option)}]" for option in placed]
    words += [_name(option) for option in options if option.is_required and not option.is_positional]
    return " ".join([prog, *words])


def values_of(option: Option) -> str:
    """What the values of an option are called; nothing of a switch."""
    if option.metavar:
        return option.metavar
    values = option.values
    said = " ".join(
        "|".join(map(str, typing.get_args(kind)))
        if _is_choice(kind)
        else CALLED.get(kind, option.name.rpartition(".")[2].upper())
        for kind in values.kinds
    )
    return f"{said} ..." if values.any_number else said


def listed(words: Iterable[str], last: str = "and") -> str:
    """Words in a row: a, b and c."""
    *others, end = words
    return f"{', '.join(others)} {last} {end}" if others else end


CALLED = {int: "N", float: "NUMBER", Path: "PATH"}


def _if_output(word: str) -> str:
    return f"if {word} is the output, write -o {word}; "


def _name(option: Option) -> str:
    """What is to be written for it."""
    if option.is_positional:
        return values_of(option)
    first = option.aliases[0] if option.aliases else f"--{option.name}"
    return f"{first} {values_of(option)}".rstrip()


def _given(options: Collection[Option], words: Sequence[str], prog: str) -> Iterator[Given]:
    """What the words say, one after the other."""
    named, places = _by_name(options), [option for option in options if option.is_positional]
    rest, places_only = list(words), False
    while rest:
        word = rest.pop(0)
        if word == "--" and not places_only:
            places_only = True
            continue
        if places_only or not _is_option(word, named):
            if not places:
                hint = _if_output(word) if any(option.field == "output" for option in options) else ""
                fix = f"{hint}see {prog} --help"
                raise InputError(f"{word!r} is a word too many", f"write {usage(options, prog)}", fix)
            option = places.pop(0)
            yield Given(option, values_of(option), (word,))
            continue
        name, equals, value = word.partition("=")
        option = named.get(name.replace("_", "-"))
        if option is None:
            raise _unknown(name, options, prog)
        values, behind = option.values, 0
        while behind < len(rest) and rest[behind] != "--" and not _is_option(rest[behind], named):
            behind += 1
        if not values.kinds:
            said = value if equals else next((word for word in rest[:1] if word.lower() in YES_OR_NO), None)
            if said is not None:
                fix = f"write {name}, or --{option.off}"
                raise InputError(f"{name} is given {said!r}", "it is a switch and takes nothing", fix)
            yield Given(option, name)
            continue
        needed = sum(place.is_required for place in places)
        if values.any_number and needed and values.kinds[0] in NEEDED:  # what is no number has a place
            behind = next((at for at, one in enumerate(rest[:behind]) if not _is(one, values.kinds[0])), behind)
            needed = 0
        most = len(rest) - needed if values.any_number else len(values.kinds) - bool(equals)
        wanted = max(0, min(behind, most))
        if values.or_none and rest[:1] == ["None"]:
            wanted = 1
        yield Given(option, name, (*([value] if equals else ()), *rest[:wanted]))
        del rest[:wanted]


def _by_name(options: Iterable[Option]) -> Mapping[str, Option]:
    """Options by what is written for them."""
    named: dict[str, Option] = {}
    for option in options:
        if not option.is_positional:
            named |= dict.fromkeys([f"--{option.name}", *option.aliases], option)
            if not option.values.kinds:
                named[f"--{option.off}"] = option
    return named


def _is_option(word: str, named: Mapping[str, Option]) -> bool:
    """A number below 0 is none, and neither is a dash alone, or several words in one."""
    dashed = (word.startswith("-") and word[1:2].isalpha()) or (word.startswith("--") and len(word) > 2)
    return word in named or (dashed and " " not in word.partition("=")[0])


def _unknown(name: str, options: Iterable[Option], prog: str) -> InputError:
    """What is said of an option that is not there."""
    for option in options:
        if option.is_positional and name.lstrip("-").replace("_", "-") in (option.name, values_of(option).lower()):
            given = f"there is no option {name}: {values_of(option)} has its place and no name"
            return InputError(given, f"write {usage(options, prog)}", f"see {prog} --help")
    near = difflib.get_close_matches(name.replace("_", "-"), _by_name(options), n=1, cutoff=0.7)
    if near:
        return InputError(f"there is no option {name}", f"{prog} --help lists them", f"did you mean {near[0]}?")
    return InputError(f"there is no option {name}", f"write {usage(options, prog)}", f"see {prog} --help")


def _check_values(given: Given, prog: str) -> None:
    """Refuse values that are too few, or are not what is needed."""
    values, said = given.option.values, given.values
    see = f"see {prog} --help"
    if (values.or_none and said == ("None",)) or (values.any_number and not said):
        return
    if not values.any_number and len(said) != len(values.kinds):
        many = f"{len(said)} value{'s' * (len(said) > 1)} ({' '.join(said)})" if said else "no value"
        verb = "are" if len(values.kinds) > 1 else "is"
        wanted = given.option.metavar or next(map(NEEDED.get, values.kinds), None) or values_of(given.option)
        raise InputError(f"{given.shown} is given {many}", f"{wanted} {verb} needed", see)
    kinds = values.kinds * len(said) if values.any_number else values.kinds
    for word, kind in zip(said, kinds, strict=True):
        if kind is Path and not word:
            raise InputError(f"{given.shown} is given no name", "the name of a file or folder is needed", see)
        if _is_choice(kind):
            choices = [str(choice) for choice in typing.get_args(kind)]
            if word not in choices:
                raise InputError(f"{given.shown} is {word!r}", f"{listed(choices, 'or')} is needed", see)
        elif kind in NEEDED and not _is(word, kind):
            raise InputError(f"{given.shown} is {word!r}", f"{NEEDED[kind]} is needed", see)


def _is(word: str, kind: Any) -> bool:
    """Whether it is a number of that kind, and not one of those that no number is near to."""
    try:
        return math.isfinite(kind(word))
    except (ValueError, OverflowError):
        return False


def _is_choice(kind: Any) -> bool:
    return typing.get_origin(kind) is Literal
