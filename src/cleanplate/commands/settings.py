"""A file of settings: the options of `cleanplate inpaint` as TOML, in the command's own words."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cleanplate.commands.renamed import current_name
from cleanplate.errors import InputError
from cleanplate.runtime.toml import read_toml, toml_lines

Value = bool | int | float | str | tuple
"""Of an option. `carry.rounds` is the name of one, as on the command line without its dashes."""


def settings_path(words: Sequence[str]) -> Path | None:
    """The file that `--settings-file` names among the words of a command."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--settings-file", "--settings_file", type=Path)
    try:
        return parser.parse_known_args(list(words))[0].settings_file
    except argparse.ArgumentError:  # no name behind it: the command line's own parser says so
        return None


def read_settings(path: Path) -> dict[str, Value]:
    """The options in a file, by name.

    Raises:
        InputError: no such file, or one that is not TOML of options.
    """
    needed, fix = "lines like carry.rounds = 2 are needed", "quote words, and put [ ] around several values"
    held = read_toml(path, "settings file", needed, fix)
    found: dict[str, Value] = {}

    def collect(table: Mapping[str, Any], before: str) -> None:
        for key, value in table.items():
            name = before + key.replace("_", "-")
            if isinstance(value, dict):
                collect(value, f"{name}.")
                continue
            name = current_name(name)
            if name in found:
                raise InputError(f"{name} is given twice in {path}", "once is enough", "remove one of them")
            if name == "settings-file":
                raise InputError(f"{path} names another settings file", "it is one itself", "put all lines into one")
            if isinstance(value, list) and all(isinstance(part, int | float | str) for part in value):
                found[name] = tuple(value)
            elif isinstance(value, bool | int | float | str):
                found[name] = value
            else:
                given = f"{name} in {path} is {value!r:.40}"
                raise InputError(given, "a number, a word, true, false or a list of such is needed", "quote it")

    collect(held, "")
    return found


def write_settings(path: Path, settings: Mapping[str, Value]) -> None:
    """Write options so that `read_settings` reads them."""
    path.write_text(toml_lines(settings), encoding="utf-8")
