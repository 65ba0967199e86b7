"""The options of `cleanplate inpaint` as a table.

It is made of the dataclasses that the command line is made of. Whatever else has options (columns of a batch's table,
the controls of the page, settings files) takes their names, types and defaults from here, and makes words of them here.
"""

import ast
import dataclasses
import inspect
import re
import textwrap
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any

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

    def value(self, method: Method) -> Any:
        """What it is with this method, if nobody sets it."""
        return attrgetter(self.field)(method) if self.group in METHOD_GROUPS else self.default

    def takes(self, wanted: Any) -> bool:
        """Whether its values are, or hold, values of that type: `tuple[Path, ...] | None` takes tuple and Path."""
        return _within(self.type, wanted)


def _within(kind: Any, wanted: Any) -> bool:
    parts = typing.get_args(kind) if typing.get_origin(kind) is not typing.Literal else ()
    return wanted in (kind, typing.get_origin(kind)) or any(_within(part, wanted) for part in parts)


@cache
def options() -> Mapping[str, Option]:
    """All options by their names, in the command's order."""
    return {option.name: option for option in _options(Inpaint, "", "", "")}


def _options(of: type, group: str, before: str, place: str) -> Iterator[Option]:
    types, marked = typing.get_type_hints(of), typing.get_type_hints(of, include_extras=True)
    helps = docstrings(of)
    for field in dataclasses.fields(of):
        kind, path = types[field.name], place + field.name
        names = (getattr(mark, "name", None) for mark in typing.get_args(marked[field.name])[1:])
        name = next((name for name in names if name is not None), field.name.replace("_", "-"))
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            inside = ("method", "") if kind is Method else (field.name, f"{path}.")
            yield from _options(kind, inside[0], f"{before}{name}." if name else before, inside[1])
        else:
            default = None if field.default is dataclasses.MISSING else field.default
            yield Option(before + name, group, kind, helps.get(field.name, ""), path, default)


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


def to_words(settings: Mapping[str, Value]) -> list[str]:
    """The options as words of a command line, where no value can be taken for another option.

    Raises:
        InputError: one of several values that begins as an option does.
    """
    words: list[str] = []
    for name, value in settings.items():
        if isinstance(value, bool):
            group, dot, last = name.rpartition(".")
            words.append(f"--{name}" if value else f"--{group}{dot}no-{last}")
        elif isinstance(value, tuple):
            if any(re.match(r"-[^\d.]", str(part)) for part in value):
                given = f"{name} is {' '.join(map(str, value))!r}"
                raise InputError(given, "values are needed", "leave out what begins with a dash")
            words += [f"--{name}", *map(str, value)]
        else:
            words.append(f"--{name}={value}")
    return words
