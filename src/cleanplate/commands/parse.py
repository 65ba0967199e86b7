"""From words to the command `inpaint`: for the command line, the rows of a batch, the page and settings files."""

import contextlib
import dataclasses
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import tyro

from cleanplate.commands.inpaint import Inpaint
from cleanplate.commands.options import to_words
from cleanplate.commands.renamed import current_words
from cleanplate.commands.settings import Value, read_settings, settings_path
from cleanplate.commands.words import checked_words, words_in_place
from cleanplate.config import DEFAULT_METHOD, METHODS, find_method
from cleanplate.errors import InputError

PROG = "cleanplate inpaint"
PLACES = ("video", "mask", "output")
"""What is given to `inpaint`."""
UNSAID = {"video": tyro.MISSING, "mask": None, "output": tyro.MISSING}
"""What these are where no word says; there may be no mask (`Inpaint.masks`)."""

UNHELPFUL = (tyro.conf.HelptextFromCommentsOff,)
"""Nothing of what tyro says is shown (`commands.help`), so it need not read our sources for it."""


def parse_inpaint(words: Sequence[str]) -> Inpaint:
    """The command that these words (VIDEO MASK ... as behind `cleanplate inpaint`) ask for.

    A method's options have that method's values as their defaults, so the words are looked at for a method before they
    are read, and read again if it was another after all.

    Raises:
        InputError: words that make no command.
    """
    words = current_words(words)
    path = settings_path(words)
    held = {} if path is None else read_settings(path)
    method = words_in_place(Inpaint, words, PROG).get("method")
    default = _with_settings(method if method in METHODS else str(held.get("method", DEFAULT_METHOD)), held, path)
    read = parse_as(Inpaint, words, prog=PROG, default=default)
    method = str(read.mask) if _has_no_mask(read) else read.method
    if method != default.method:
        find_method(method)
        read = parse_as(Inpaint, words, prog=PROG, default=_with_settings(method, held, path))
    return dataclasses.replace(read, mask=None) if _has_no_mask(read) else read


def _has_no_mask(read: Inpaint) -> bool:
    """Whether what stands where a mask may be is the method: VIDEO METHOD --fill-borders."""
    return read.fill_borders and read.mask is not None and str(read.mask) in METHODS and not read.mask.exists()


def _default(method: str, fields: Mapping[str, Any] = MappingProxyType({})) -> Inpaint:
    """What the command is with a method where no word says otherwise; what must be given is missing from it."""
    given = {field.name: field.default for field in dataclasses.fields(Inpaint)} | UNSAID
    default = object.__new__(Inpaint)  # no `Inpaint(...)`: what is missing is no path
    vars(default).update(given | {"method": method, "settings": find_method(method), **fields})
    return default


def _with_settings(method: str, held: Mapping[str, Value], path: Path | None) -> Inpaint:
    """The same with what a settings file holds, which is checked like words of a command."""
    for name in PLACES:
        if not isinstance(held.get(name, ""), str):
            given = f"{name} in {path} is {held[name]}"
            raise InputError(given, "the name of a file or folder is needed", "put it in quotes")
    places = {name: Path(str(held[name])) for name in PLACES if name in held}
    given = {name: value for name, value in held.items() if name not in (*PLACES, "method")}
    try:
        if not given:
            return _default(method, places)
        words = ["VIDEO", "MASK", "-o", "OUT", *to_words(given)]
        read = parse_as(Inpaint, words, prog=PROG, default=_default(method))
        return _default(method, vars(read) | UNSAID | places)
    except InputError as error:
        said = f"the settings file {path} cannot be used ({error})"
        needed = "options of cleanplate inpaint are needed, as in dilate-px = 4"
        raise InputError(said, needed, "change that line, or remove it") from None


def parse_as(command: type, words: Sequence[str], *, prog: str, default: Any = None) -> Any:
    """The command that these words ask for.

    Args:
        command: a dataclass of options.
        words: of the command line.
        prog: what stands before them.
        default: a command whose values are taken where no word says otherwise; None for those of its class.

    Raises:
        InputError: words that make no command.
    """
    missing = None if default is None else [name for name, value in vars(default).items() if value is tyro.MISSING]
    words = checked_words(command, words, prog, missing)
    said, defaults = io.StringIO(), {} if default is None else {"default": default}
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(command, prog=prog, args=words, add_help=False, config=UNHELPFUL, **defaults)
    except SystemExit:
        raise _in_one_line(said.getvalue(), prog) from None


def _in_one_line(box: str, prog: str) -> InputError:
    """What tyro says in a box, as one line: of what `checked_words` has let pass, so that nothing is lost."""
    text = " ".join(re.sub(r"[\u2500-\u257f]+|-{5,}", " ", box).split())
    return InputError("these words make no command", text, f"see {prog} --help")
