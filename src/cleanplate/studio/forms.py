"""The options of `cleanplate inpaint` as controls: made from the same dataclasses, read back as the same words."""

import ast
import dataclasses
import inspect
import textwrap
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Any, Literal

import gradio as gr

from cleanplate.commands.inpaint import Inpaint
from cleanplate.commands.parse import parse_inpaint
from cleanplate.commands.settings import Value, to_words
from cleanplate.config import METHODS, Encoding, Method, find_method
from cleanplate.errors import InputError

# Files are the studio's own business: nobody names a path here.
FILES = ("video", "mask", "output", "also", "provenance", "log_dir", "pictures", "settings_file")
NOT_HERE = frozenset({*FILES, "method", "settings", "encoding", "overwrite", "resume", "save_every_s"})
TITLES = {
    "": "Reading, budget and machine",
    "encoding": "How the result is written",
    "method": "What is done",
    "carry": "Carry",
    "learn": "Learn what no frame shows",
    "network": "Network",
    "loss": "Losses",
    "schedule": "Schedule",
    "fit": "Training",
}


@dataclass(frozen=True)
class Option:
    """One of the command's options."""

    name: str
    """As on the command line: carry.rounds."""
    group: str
    kind: Any
    help: str
    default: Any = None
    """Of an option that does not depend on the method."""

    def value(self, method: Method) -> Any:
        """What it is if nobody sets it."""
        if self.group not in METHOD_GROUPS:
            return self.default
        held: Any = method
        for part in self.name.replace("-", "_").split("."):
            held = getattr(held, part)
        return held


METHOD_GROUPS = ("method", "carry", "learn", "network", "loss", "schedule", "fit")


@cache
def options() -> tuple[Option, ...]:
    """All options that the page offers, in the command's order."""
    found = [
        *_options(Inpaint, ""),
        *_options(Encoding, "encoding"),
        *(one for one in _options(Method, "method") if not dataclasses.is_dataclass(one.kind)),
    ]
    for field, kind in typing.get_type_hints(Method).items():
        if dataclasses.is_dataclass(kind):
            found += _options(kind, field, f"{field}.")
    return tuple(found)


def _options(of: Any, group: str, before: str = "") -> Iterator[Option]:
    kinds, helps = typing.get_type_hints(of), docstrings(of)
    for field in dataclasses.fields(of):
        if field.name not in NOT_HERE:
            name = before + field.name.replace("_", "-")
            default = None if field.default is dataclasses.MISSING else field.default
            yield Option(name, group, kinds[field.name], helps.get(field.name, ""), default)


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


def control(option: Option, method: Method) -> Any:
    """The control for an option."""
    label = option.name.rpartition(".")[2].replace("-", " ").capitalize()
    shown, given = (
        shown_value(option, method),
        {"label": label, "info": option.help, "elem_id": f"option-{option.name}", "min_width": 220},
    )
    if option.kind is bool:
        return gr.Checkbox(shown, **given)
    if option.kind in (int, float):
        return gr.Number(shown, precision=0 if option.kind is int else None, **given)
    if typing.get_origin(option.kind) is Literal:
        return gr.Dropdown(list(typing.get_args(option.kind)), value=shown, **given)
    return gr.Textbox(shown, max_length=100, placeholder="not set" if _optional(option.kind) else None, **given)


def shown_value(option: Option, method: Method) -> Any:
    """Its value as the control shows it."""
    value = option.value(method)
    if option.kind in (bool, int, float) or typing.get_origin(option.kind) is Literal:
        return value
    return "" if value is None else " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def read(method: str, shown: Sequence[Any], prepared: str) -> tuple[Inpaint, dict[str, Value]]:
    """What was set, as the command has it, and as the settings that differ from the method's own.

    Args:
        method: its name.
        shown: the values of all controls, in the order of `options`.
        prepared: the method whose values those controls began with.

    Raises:
        InputError: a value that the command line would refuse as well.
    """
    preset = find_method(method)
    settings: dict[str, Value] = {}
    for option, value in zip(options(), shown, strict=True):
        if option.group in METHOD_GROUPS and prepared != method:  # another was chosen a moment ago
            continue
        before = shown_value(option, preset)
        if value in (None, "") or value == before:
            continue
        settings[option.name] = _as_value(option, value)
    settings = {"method": method} | settings
    return as_command(settings), settings


def as_command(settings: Mapping[str, Value]) -> Inpaint:
    """The command that has these settings, its files aside."""
    words = to_words({name: value for name, value in settings.items() if name != "method"})
    return parse_inpaint(["VIDEO", "MASK", str(settings["method"]), "-o", "OUT.mp4", *words])


def _as_value(option: Option, value: Any) -> Value:
    if option.kind is bool or not isinstance(value, str):
        return int(value) if option.kind is int and not isinstance(value, bool) else value
    if option.kind is str or _optional(option.kind) is str or typing.get_origin(option.kind) is Literal:
        parts: list[Value] = [value.strip()]
    else:
        parts = [_number(part) for part in value.replace(",", " ").split()]
    for part in parts:
        if isinstance(part, str) and part.startswith("-"):  # it would be an option of its own
            raise InputError(f"{option.name} is {part}", option.help.rstrip("."), "correct it")
    return parts[0] if len(parts) == 1 and not _is_tuple(option.kind) else tuple(parts)


def _number(word: str) -> Value:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def _optional(kind: Any) -> Any:
    """What it may be beside None; None if it may not be None."""
    if isinstance(kind, UnionType) and type(None) in typing.get_args(kind):
        return next(one for one in typing.get_args(kind) if one is not type(None))
    return None


def _is_tuple(kind: Any) -> bool:
    return typing.get_origin(_optional(kind) or kind) is tuple


def grouped() -> Mapping[str, list[Option]]:
    """The options by their group."""
    found: dict[str, list[Option]] = {group: [] for group in TITLES}
    for option in options():
        found[option.group].append(option)
    return found


__all__ = ["METHODS", "Option", "as_command", "control", "grouped", "options", "read", "shown_value"]
