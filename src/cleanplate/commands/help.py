"""What --help says: how a command is called, its options with what they mean, and examples.

`--help` of `inpaint` shows what is used first, `--help-all` everything, with the fields of the method that is named.
"""

import inspect
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cleanplate.commands.examples import EXAMPLES, FIRST, GROUPS
from cleanplate.commands.options import Option, options_of
from cleanplate.commands.words import usage, values_of
from cleanplate.config import DEFAULT_METHOD, METHODS, Method

HELP, HELP_ALL = ("-h", "--help"), "--help-all"
ABOUT = "Remove things from video: what a mask covers is filled with what the video shows elsewhere."
COLUMN, WIDEST = 24, 100


def help_of_all(commands: Iterable[type]) -> str:
    """What `cleanplate --help` says."""
    rows = [(command.__name__.lower(), first_sentence(command)) for command in commands]
    more = [
        ("COMMAND --help", "The options of a command, and examples."),
        ("--version", "Print the version."),
    ]
    lines = ["usage: cleanplate COMMAND ...", "", ABOUT, "", *_rows(rows), "", *_rows(more), ""]
    return "\n".join([*lines, "Begin with", *(f"  {words}" for words, _ in EXAMPLES[""])])


def help_of(command: type, *, everything: bool = False, method: str = DEFAULT_METHOD) -> str:
    """What `cleanplate COMMAND --help` says.

    Args:
        command: a dataclass of options.
        everything: not only what is used first.
        method: the one whose values are the defaults.
    """
    name = command.__name__.lower()
    options = options_of(command)
    said = [f"usage: {usage(options.values(), f'cleanplate {name}')} [options]", ""]
    said += [*_wrapped(inspect.getdoc(command) or ""), ""]
    places = [option for option in options.values() if option.is_positional]
    said += [*_rows((values_of(option), option_help(option)) for option in places), ""] if places else []
    values = METHODS[method] if name in FIRST else None
    for title, group in groups_of(command, everything=everything).items():
        said += [title, *_rows((option_name(option), option_help(option, values)) for option in group), ""]
    said += ["Examples", *(line for words, what in EXAMPLES[name] for line in (f"  {words}", f"      {what}"))]
    if name in FIRST and not everything:
        said += ["", f"cleanplate {name} {HELP_ALL} shows all options, with those of the methods."]
    return "\n".join(said)


def groups_of(command: type, *, everything: bool) -> Mapping[str, list[Option]]:
    """The options of a command that are named, under their titles: those that are used first, then the others."""
    options = {name: option for name, option in options_of(command).items() if not option.is_positional}
    first = FIRST.get(command.__name__.lower(), {})
    groups = {title: [options.pop(name) for name in names] for title, names in first.items()}
    if everything or not first:
        for option in options.values():
            groups.setdefault(GROUPS.get(option.group, "More options") if first else "Options", []).append(option)
    return groups


def option_name(option: Option) -> str:
    """An option with its short name and what its values are called."""
    return f"{', '.join([*option.aliases, f'--{option.name}'])} {values_of(option)}".rstrip()


def option_help(option: Option, method: Method | None = None) -> str:
    """What an option means, and what it is if nobody sets it."""
    value = option.default if method is None or option.is_positional else option.value(method)
    if option.type is bool:
        return f"{option.help} (--{option.off} switches it off.)" if value else option.help
    if value in (None, (), "") or option.is_positional:
        return option.help
    shown = " ".join(map(str, value)) if isinstance(value, tuple) else value
    return f"{option.help} (default {shown})"


def first_sentence(of: Any) -> str:
    """The first sentence of its docstring."""
    paragraph = " ".join((inspect.getdoc(of) or "").split("\n\n")[0].split())
    return paragraph.split(". ")[0].rstrip(".") + "."


def _rows(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Names at the left, what they mean at the right."""
    for name, text in rows:
        lines = textwrap.wrap(text, _width() - COLUMN) or [""]
        if len(name) > COLUMN - 4:
            yield f"  {name}"
        else:
            yield f"  {name:{COLUMN - 2}}{lines.pop(0)}"
        yield from (f"{'':{COLUMN}}{line}" for line in lines)


def _wrapped(text: str) -> Iterator[str]:
    for index, paragraph in enumerate(text.split("\n\n")):
        yield from [""] * bool(index)
        yield from textwrap.wrap(" ".join(paragraph.split()), _width())


def _width() -> int:
    return max(60, min(WIDEST, shutil.get_terminal_size().columns))
