"""TOML files that people write: read with mistakes said in one line, and written so that a person can change them."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cleanplate.errors import InputError


def read_toml(path: Path, called: str, needed: str, fix: str) -> dict[str, Any]:
    """What is in a file.

    Args:
        path: of the file.
        called: what it is called where it cannot be read.
        needed: what is to be in it.
        fix: what to do where it is not TOML.

    Raises:
        InputError: no such file, or it is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        given = f"the {called} {path} cannot be read ({error.strerror})"
        raise InputError(given, "a TOML file is needed", "name one that is there and may be read") from None
    except UnicodeDecodeError:
        raise InputError(f"the {called} {path} is not text", "a TOML file is needed", fix) from None
    except ValueError as error:
        raise InputError(f"the {called} {path} is not TOML ({error})", needed, fix) from None


def toml_lines(values: Mapping[str, Any]) -> str:
    """Numbers, words and lists of such by their names, a line each."""
    # Their JSON is TOML: neither null nor tables come up here.
    return "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items())
