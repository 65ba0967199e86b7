"""The options of a command as a table.

It is made of the dataclasses that the command line is made of. Whatever else has options (help, what is said of wrong
words, the reference in the docs, columns of a batch's table, the controls of the page, settings files) takes their
names, types and defaults from here, and makes words of them here.
"""

import ast
import dataclasses
import inspect
import re
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any

from tyro.conf import Positional

from cleanplate.commands.inpaint import Inpaint
from cleanplate.commands.settings import Value
from cleanplate.config import Method
from cleanplate.errors import InputError

METHOD_GROUPS = ("method", "carry", "effects", "unseen", "network", "canvas", "loss", "schedule", "fit")
"""Groups of options whose defaults are the method's."""


@dataclass(frozen=True)
class Option:
    """One option of the command."""

    name: str
    """As on the command line, without its dashes: carry.rounds."""
    group: str
    """What it belongs to: "" (the command itself), encoding, or one of METHOD_GROUPS."""
    type: Any
    help: str
    field: str
    """Where a method of METHOD_GROUPS has it: carry.rounds."""
    default: Any = None
    """Of an option that does not depend on the method; None if it must be given."""
    is_required: bool = False
    is_positional: bool = False
    """Known by its place, and not by its name."""
    metavar: str = ""
    """What its values are called: X Y WIDTH HEIGHT."""
    aliases: tuple[str, ...] = ()
    """Short names, with their dash."""

    @property
    def values(self) -> "Values":
        """What it takes."""
        return Values.of(self.type)

    @property
    def off(self) -> str:
        """The name that switches it off, if it is a switch: carry.no-grain."""
        return off(self.name)

    def value(self, method: Method) -> Any:
        """What it is with this method, if nobody sets it."""
        return attrgetter(self.field)(method) if self.group in METHOD_GROUPS else self.default

    def takes(self, wanted: Any) -> bool:
        """Whether its values are, or hold, values of that type: `tuple[Path, ...] | None` takes tuple and Path."""
        return _within(self.type, wanted)


@dataclass(frozen=True)
class Values:
    """What an option takes."""

    kinds: tuple[Any, ...]
    """Of each value; of an option that takes any number of them, of every one. None of a switch."""
    any_number: bool = False
    or_none: bool = False

    @classmethod
    def of(cls, kind: Any) -> "Values":
        """What values of that type are: int, Literal[...], tuple[Path, ...], float | None."""
        members = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)
        kind = next(member for member in members if member is not type(None))
        inside = typing.get_args(kind) if typing.get_origin(kind) is tuple else ()
        any_number = Ellipsis in inside
        kinds = inside[:1] if any_number else inside or (() if kind is bool else (kind,))
        return cls(kinds, any_number, or_none=type(None) in members)


def _within(kind: Any, wanted: Any) -> bool:
    parts = typing.get_args(kind) if typing.get_origin(kind) is not typing.Literal else ()
    return wanted in (kind, typing.get_origin(kind)) or any(_within(part, wanted) for part in parts)


def options() -> Mapping[str, Option]:
    """All options of `cleanplate inpaint` by their names, in its order."""
    return options_of(Inpaint)


@cache
def options_of(command: type) -> Mapping[str, Option]:
    """All options of a command by their names, in its order."""
    return {option.name: option for option in _options(command, "", "", "")}


def _options(of: type, group: str, before: str, place: str) -> Iterator[Option]:
    kinds, marked = typing.get_type_hints(of), typing.get_type_hints(of, include_extras=True)
    helps = docstrings(of)
    for field in dataclasses.fields(of):
        kind, path = kinds[field.name], place + field.name
        marks = typing.get_args(marked[field.name])[1:] if marked[field.name] is not kind else ()

        def said(what: str, marks: tuple = marks) -> Any:
            return next((mark for mark in (getattr(mark, what, None) for mark in marks) if mark is not None), None)

        name = said("name") if said("name") is not None else field.name.replace("_", "-")
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            inside = ("method", "") if kind is Method else (field.name, f"{path}.")
            yield from _options(kind, inside[0], f"{before}{name}." if name else before, inside[1])
        else:
            is_required = field.default is field.default_factory is dataclasses.MISSING
            yield Option(
                before + name,
                group,
                kind,
                helps.get(field.name, ""),
                path,
                None if is_required else field.default,
                is_required,
                Positional in marks,
                said("metavar") or "",
                tuple(said("aliases") or ()),
            )


def docstrings(of: type) -> dict[str, str]:
    """The string below each field, in one line: what the command's --help says too."""
    (made,) = ast.parse(textwrap.dedent(inspect.getsource(of))).body
    assert isinstance(made, ast.ClassDef)
    found = {}
    for field, below in zip(made.body, made.body[1:], strict=False):
        if not (isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)):
            continue
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            found[field.target.id] = " ".join(str(below.value.value).split())
    return found


def off(name: str) -> str:
    """The name that switches off what a name switches on: carry.no-grain."""
    group, dot, last = name.rpartition(".")
    return f"{group}{dot}no-{last}"


def to_words(settings: Mapping[str, Value]) -> list[str]:
    """The options as words of a command line, where no value can be taken for another option.

    Raises:
        InputError: one of several values that begins as an option does.
    """
    words: list[str] = []
    for name, value in settings.items():
        if isinstance(value, bool):
            words.append(f"--{name}" if value else f"--{off(name)}")
        elif isinstance(value, tuple):
            if any(re.match(r"-[^\d.]", str(part)) for part in value):
                given = f"{name} is {' '.join(map(str, value))!r}"
                raise InputError(given, "values are needed", "leave out what begins with a dash")
            words += [f"--{name}", *map(str, value)]
        else:
            words.append(f"--{name}={value}")
    return words
