"""The command line as pages of the documentation: made from the options, so that it says what they are."""

import inspect
from collections.abc import Iterable, Iterator

from cleanplate.commands.examples import EXAMPLES, FIRST
from cleanplate.commands.help import groups_of, option_help, option_name
from cleanplate.commands.options import options_of
from cleanplate.commands.words import usage, values_of
from cleanplate.config import DEFAULT_METHOD, METHODS


def reference(commands: Iterable[type]) -> str:
    """All commands with their options and examples, as Markdown."""
    return "\n".join(line for command in commands for line in _of(command))


def _of(command: type) -> Iterator[str]:
    name, options = command.__name__.lower(), options_of(command)
    yield from (f"## {name}", "", "```", f"{usage(options.values(), f'cleanplate {name}')} [options]", "```", "")
    yield from (inspect.getdoc(command) or "", "")
    places = [option for option in options.values() if option.is_positional]
    yield from _table([(values_of(option), option_help(option)) for option in places])
    for title, group in groups_of(command, everything=True).items():
        yield from ("" if title == "Options" else f"**{title}**", "")
        values = METHODS[DEFAULT_METHOD] if name in FIRST else None
        yield from _table([(option_name(option), option_help(option, values)) for option in group])
    yield from ("Examples:", "", "```")
    yield from (f"{words}    # {what}" for words, what in EXAMPLES[name])
    yield from ("```", "")


def _table(rows: list[tuple[str, str]]) -> Iterator[str]:
    """Names and what they mean; nothing of no rows."""
    if not rows:
        return
    yield from ("| | |", "|---|---|")
    for name, text in rows:
        said = text.replace("|", "\\|").replace("<", "&lt;")
        yield f"| `{name}` | {said} |".replace(f"`{name}`", "`" + name.replace("|", "\\|") + "`")
    yield ""
