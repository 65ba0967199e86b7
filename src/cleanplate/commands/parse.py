"""From words to the command `inpaint`: for the command line, the rows of a batch, the page and settings files."""

import contextlib
import dataclasses
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

import tyro

from cleanplate.commands.inpaint import Inpaint
from cleanplate.commands.settings import Value, read_settings, settings_path, to_words
from cleanplate.config import DEFAULT_METHOD, METHODS, Encoding, find_method
from cleanplate.errors import InputError


def parse_inpaint(words: Sequence[str]) -> Inpaint:
    """The command that these words (VIDEO MASK ... as behind `cleanplate inpaint`) ask for.

    Raises:
        InputError: words that make no command.
    """
    read = parse_as(inpaint_with(inpaint_defaults(words)), words, prog="cleanplate inpaint")
    # The class that was parsed is made at run time, and cannot go to another process.
    return Inpaint(**{field.name: getattr(read, field.name) for field in dataclasses.fields(Inpaint)})


def inpaint_defaults(words: Sequence[str]) -> dict[str, Any]:
    """The fields of Inpaint that depend on the words.

    A method's fields have that method's values as their defaults, so the words are read twice: first for its name. What
    a settings file holds are defaults too.

    Raises:
        InputError: words that make no command.
    """
    defaults: dict[str, Any] = {"settings": METHODS[DEFAULT_METHOD]}
    asks_help = any(word in HELP for word in words)
    try:
        plain = [word for word in words if word not in HELP]
        path = settings_path(plain)
        held = {} if path is None else read_settings(path)
        defaults |= _held(path, held, str(held.get("method", DEFAULT_METHOD)))
        method = parse_as(inpaint_with(defaults), plain, prog="cleanplate inpaint").method
        defaults |= {"settings": find_method(method)} | _held(path, held, method)
    except InputError:
        if not asks_help:
            raise
    return defaults


HELP = ("-h", "--help")


PLACES = ("video", "mask", "output", "method")
"""What is given to `inpaint` without a name, or must be given."""


def _held(path: Path | None, held: Mapping[str, Value], method: str) -> dict[str, Any]:
    """The fields of Inpaint that a settings file sets, if this is the method; checked like words of a command."""
    if not held:
        return {}
    places = {name: str(held.get(name, name)) for name in PLACES} | {"method": method}
    words = to_words({name: value for name, value in held.items() if name not in PLACES})
    try:
        preset: dict[str, Any] = {"settings": find_method(method)}
        given = [places["video"], places["mask"], method, "-o", places["output"]]
        read = parse_as(inpaint_with(preset), [*given, *words], prog="cleanplate inpaint")
    except InputError as error:
        given = f"the settings file {path} cannot be used ({error})"
        raise InputError(given, "the words of cleanplate inpaint are needed", "correct it") from None
    # A group like `carry` belongs to the method.
    names = {name.replace("-", "_").partition(".")[0] for name in held}
    fields = {field.name for field in dataclasses.fields(Inpaint)}
    encoding = {field.name for field in dataclasses.fields(Encoding)}
    named = {"encoding" if name in encoding else name if name in fields else "settings" for name in names}
    return {name: getattr(read, name) for name in named}


def inpaint_with(defaults: Mapping[str, Any]) -> type[Inpaint]:
    """The command with other defaults."""
    kinds = get_type_hints(Inpaint, include_extras=True)
    fields = [(name, kinds[name], value) for name, value in defaults.items()]
    made = dataclasses.make_dataclass("Inpaint", fields, bases=(Inpaint,), frozen=True, kw_only=True)
    made.__doc__ = Inpaint.__doc__
    return made


def parse_as(command: Any, words: Sequence[str], *, prog: str, description: str | None = None) -> Any:
    """The command, or one of a union of them, that these words ask for.

    Raises:
        InputError: words that make no command.
        SystemExit: help was asked for and printed.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(command, prog=prog, args=list(words), description=description)
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
