"""The options of `cleanplate inpaint` as controls: made from the same dataclasses, read back as the same words."""

import typing
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal

from cleanplate.commands.inpaint import Inpaint
from cleanplate.commands.options import METHOD_GROUPS, Option, to_words
from cleanplate.commands.options import options as all_options
from cleanplate.commands.parse import parse_inpaint
from cleanplate.commands.settings import Value
from cleanplate.config import METHODS, Method, find_method
from cleanplate.errors import InputError

# Files are the studio's own business: nobody names a path here.
FILES = (
    "video",
    "mask",
    "output",
    "extra-mask",
    "reference",
    "provenance",
    "effects-mask",
    "log-dir",
    "pictures",
    "settings-file",
)
NOT_HERE = frozenset(
    {
        *FILES,
        "baseline",
        "unseen.painter",
        "unseen.painter-kind",
        "unseen.painted-frames",
        "fill-borders",
        "gaps",
        "method",
        "overwrite",
        "resume",
        "save-every-s",
    }
)
TITLES = {
    "": "Reading, budget and machine",
    "encoding": "How the result is written",
    "method": "What is done",
    "carry": "Carry: how other frames are looked through",
    "effects": "What goes with the thing",
    "unseen": "Make up what no frame shows",
    "network": "Network: how large, of methods that learn",
    "canvas": "Input that moves with the picture, of dip-vid-flow-fast",
    "loss": "Losses: what counts as wrong while it learns",
    "schedule": "Schedule: which frames are learned when",
    "fit": "Training: steps, rate, and what is taken of them",
}


@cache
def options() -> tuple[Option, ...]:
    """All options that the page offers, in the command's order."""
    return tuple(option for option in all_options().values() if option.name not in NOT_HERE)


def control(option: Option, method: Method) -> Any:
    """The control for an option."""
    import gradio as gr  # takes seconds to load, and only a page needs it

    label = option.name.rpartition(".")[2].replace("-", " ").capitalize()
    shown = shown_value(option, method)
    given = {"label": label, "info": option.help, "elem_id": f"option-{option.name}", "min_width": 220}
    if option.type is bool:
        return gr.Checkbox(shown, **given)
    if option.type in (int, float):
        return gr.Number(shown, precision=0 if option.type is int else None, **given)
    if typing.get_origin(option.type) is Literal:
        return gr.Dropdown(list(typing.get_args(option.type)), value=shown, **given)
    return gr.Textbox(shown, max_length=100, placeholder="not set" if option.takes(type(None)) else None, **given)


def shown_value(option: Option, method: Method) -> Any:
    """Its value as the control shows it."""
    value = option.value(method)
    if option.type in (bool, int, float) or typing.get_origin(option.type) is Literal:
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
    """What a control holds. It may be anything, for it comes from outside; what does not fit the command refuses."""
    if isinstance(value, float) and option.takes(int) and value.is_integer():
        return int(value)
    if isinstance(value, bool | int | float):
        return value
    if not isinstance(value, str):
        raise InputError(f"{option.name} is {value!r:.40}", "a number or words are needed", "reload the page")
    if option.takes(str) or typing.get_origin(option.type) is Literal:
        parts: list[Value] = [value.strip()]
    else:
        parts = [_number(part) for part in value.replace(",", " ").split()]
    for part in parts:
        if isinstance(part, str) and part.startswith("-"):  # it would be an option of its own
            raise InputError(f"{option.name} is {part}", option.help.rstrip("."), "leave out the dash")
    return parts[0] if len(parts) == 1 and not option.takes(tuple) else tuple(parts)


def _number(word: str) -> Value:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def grouped() -> Mapping[str, list[Option]]:
    """The options by their group."""
    found: dict[str, list[Option]] = {group: [] for group in TITLES}
    for option in options():
        found[option.group].append(option)
    return found


__all__ = ["METHODS", "Option", "as_command", "control", "grouped", "options", "read", "shown_value"]
