"""A file of settings: the options of `cleanplate inpaint` as TOML, in the command's own words."""

import argparse
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cleanplate.commands.renamed import current_name
from cleanplate.errors import InputError

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
    try:
        held = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        given = f"the settings file {path} cannot be read ({error.strerror})"
        raise InputError(given, "a TOML file is needed", "name one that is there and may be read") from None
    except ValueError as error:  # of TOML, or of UTF-8
        given = f"the settings file {path} is not TOML ({error})"
        raise InputError(
            given, "lines like carry.rounds = 2 are needed", "quote words, and put [ ] around several values"
        ) from None
    found: dict[str, Value] = {}

    def collect(table: Mapping[str, Any], before: str) -> None:
        for key, value in table.items():
            name = before + key.replace("_", "-")
            if isinstance(value, dict):
                collect(value, f"{name}.")
                continue
            name = current_name(name)
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
    # A JSON value is a TOML value: neither null nor tables come up here.
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in settings.items()]
    path.write_text("".join(lines), encoding="utf-8")
