"""What asks for the jobs of a batch: the rows of a table, or the shots of a folder, as cells by column."""

import csv
import difflib
import io
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from cleanplate.commands.options import Option, options
from cleanplate.commands.renamed import current_name
from cleanplate.errors import InputError
from cleanplate.video.images import is_image
from cleanplate.video.spans import is_spans

OURS = frozenset({"overwrite", "resume"})
"""Options that every job of a batch has."""
COLUMNS = ("video", "mask", "out")
"""What every job needs."""
SEPARATORS = ",;\t"
FILMS = frozenset(
    ".mp4 .mov .m4v .mkv .avi .webm .mpg .mpeg .mts .m2ts .ts .mxf .wmv .flv .ogv .3gp".split()  # noqa: SIM905
)
KEPT = frozenset({".mp4", ".mov", ".m4v"})
"""Suffixes of shots that their results have too; others become .mp4."""

Row = tuple[str, dict[str, str]]
"""What asks for a job, and its cells by column."""


# Tables


def rows_of(table: Path) -> list[Row]:
    """The rows of a table with a header: values separated by commas, semicolons or tabs, in UTF-8.

    Rows are counted as a spreadsheet does, the header being the first. Rows with nothing in them are passed over.

    Raises:
        InputError: naming the row.
    """
    records = list(_records(table))
    header = [current_name(name.strip().lower().replace("_", "-")) for name in records[0][1]]
    _check_header(table, header)
    rows = []
    for number, cells in records[1:]:
        where = f"row {number} of {table.name}"
        cells = [cell.strip() for cell in cells]
        if not any(cells):
            continue
        if len(cells) != len(header):
            needed = f"the header has {len(header)}"
            raise InputError(
                f"{where} has {len(cells)} cells", needed, "make it as many (quote cells with a separator in)"
            )
        filled = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
        for name in COLUMNS:
            if name not in filled and not (name == "mask" and "fill-borders" in filled):
                raise InputError(f"{where} has no {name}", f"{', '.join(COLUMNS)} are needed", "fill in the cell")
        rows.append((where, filled))
    if not rows:
        raise InputError(f"{table} has no jobs", "a row for each is needed", "add some")
    return rows


def _records(table: Path) -> Iterator[tuple[int, list[str]]]:
    """The records of a table that have any cells, with their numbers; the first is the header."""
    if not table.is_file():
        what = "is not a file" if table.exists() else "is not there"
        raise InputError(f"{table} {what}", "a CSV table or a folder of shots is needed", "check the name")
    try:
        data = table.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{table} cannot be read ({error.strerror})", "a CSV is needed", "check the file") from None
    except UnicodeDecodeError as error:
        number = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(f"row {number} of {table.name} is not UTF-8", "text is needed", "save it as UTF-8") from None
    if "\0" in text:
        number = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(f"row {number} of {table.name} has a NUL in it", "text is needed", "save it as UTF-8 CSV")
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(SEPARATORS, key=first.count)
    lines = csv.reader(io.StringIO(text, newline=None), delimiter=separator, strict=True)
    number, empty = 0, True
    while True:
        number += 1
        try:
            cells = next(lines)
        except StopIteration:
            break
        except csv.Error as error:
            needed = 'cells are separated by , or ; and quoted by "'
            fix = "save it as CSV from a spreadsheet"
            raise InputError(f"row {number} of {table.name} is broken ({error})", needed, fix) from None
        if cells:
            empty = False
            yield number, cells
    if empty:
        raise InputError(f"{table} is empty", f"a header with {', '.join(COLUMNS)} is needed", "add it")


def _check_header(table: Path, header: Sequence[str]) -> None:
    where, kinds = f"row 1 of {table.name}", columns()
    for number, name in enumerate(header, 1):
        if not name:
            raise InputError(f"{where}: column {number} has no name", "each column needs one", "name it or remove it")
        if header.count(name) > 1:
            raise InputError(f"{where}: the column {name} is there twice", "once is enough", "remove one")
        if name in OURS:
            raise InputError(
                f"{where}: {name} is no column", "it is said of all jobs", f"see cleanplate batch --{name}"
            )
        if name not in kinds and name not in COLUMNS:
            near = difflib.get_close_matches(name, [*kinds, *COLUMNS], n=1, cutoff=0.0)[0]
            needed = "columns are video, mask, out and the options of cleanplate inpaint"
            raise InputError(f"{where}: there is no column '{name}'", needed, f"did you mean '{near}'?")
    for name in COLUMNS:
        if name not in header:
            raise InputError(f"{where} has no column {name}", f"{', '.join(COLUMNS)} are needed", "add it")


@cache
def columns() -> Mapping[str, Option]:
    """The options that a table may have columns of, by their names; `out` is the output."""
    return {name: option for name, option in options().items() if name not in OURS | {"output"}}


# Folders


def shots_of(source: Path, folder: Path) -> list[Row]:
    """A row for every video NAME.* and folder of images NAME, with its mask NAME-mask*, NAME_mask* or masks/NAME*.

    Raises:
        InputError: shots that have no mask, or more than one.
    """
    beside = [path for path in sorted(source.iterdir()) if not path.name.startswith(".")]
    masks = source / "masks"
    apart = [path for path in sorted(masks.iterdir()) if not path.name.startswith(".")] if masks.is_dir() else []
    rows, without = [], []
    for shot in beside:
        if shot in (masks, folder) or shot.name.endswith(".work") or _stem(shot).endswith(("-mask", "_mask")):
            continue
        if not _has_images(shot) if shot.is_dir() else shot.suffix.lower() not in FILMS:
            continue
        stem = _stem(shot)
        found = [path for path in beside if _stem(path) in (f"{stem}-mask", f"{stem}_mask") and _is_mask(path)]
        found += [path for path in apart if _stem(path) == stem and _is_mask(path)]
        if len(found) > 1:
            names = " and ".join(str(path.relative_to(source)) for path in found)
            raise InputError(f"{shot.name} has the masks {names}", "one is needed", "move the other away")
        if not found:
            without.append(shot.name)
            continue
        suffix = "" if shot.is_dir() else shot.suffix.lower() if shot.suffix.lower() in KEPT else ".mp4"
        rows.append((f"shot {shot.name}", {"video": str(shot), "mask": str(found[0]), "out": stem + suffix}))
    if without:
        needed = "each needs NAME-mask.*, NAME_mask.* or masks/NAME.*"
        raise InputError(f"no mask is there for {', '.join(without)}", needed, "add them, or move these shots away")
    if not rows:
        raise InputError(f"{source} has no shots", "videos or folders of images are needed", "check the folder")
    return rows


def _stem(path: Path) -> str:
    return path.name if path.is_dir() else path.stem


def _has_images(folder: Path) -> bool:
    return any(is_image(path) for path in folder.iterdir())


def _is_mask(path: Path) -> bool:
    return _has_images(path) if path.is_dir() else path.suffix.lower() in FILMS or is_image(path) or is_spans(path)
