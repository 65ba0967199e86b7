"""A file of areas, each with the part of a video that it is in: logos, captions, dead pixels.

It is TOML:

    [[span]]
    box = [640, 20, 90, 40]    # left, top, width and height; or polygon = [x, y, ...], or image = "logo.png"
    start = "0:12"             # a frame, a time or a timecode, as --start; without it, the beginning
    end = "0:20"               # as --end: that frame is not in it any more; without it, the end
    name = "station logo"

An image is looked for beside the file, and is white where the area is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from cleanplate.errors import InputError
from cleanplate.runtime.files import whole
from cleanplate.runtime.toml import read_toml, toml_lines
from cleanplate.video.areas import Size, box_area, painted_area, polygon_area
from cleanplate.video.reader import fps_of, frame_times_s, peek
from cleanplate.video.timecode import Moment, Span, moment

SUFFIX = ".toml"
AREAS, OTHERS = ("box", "polygon", "image"), ("start", "end", "name")


@dataclass(frozen=True)
class AreaSpan:
    """An area, and the frames of a video that it is in."""

    area: Bool[np.ndarray, "H W"]
    frames: range
    name: str


def is_spans(path: Path) -> bool:
    """Whether it is a file of areas by its name."""
    return path.suffix.lower() == SUFFIX


def read_spans(path: Path, size: Size, times_s: Sequence[float], fps: float) -> list[AreaSpan]:
    """The areas of a file.

    Args:
        path: of the file.
        size: (height, width) of the video.
        times_s: when each frame of it is shown.
        fps: of the frames that a timecode counts within a second.

    Raises:
        InputError: a mistake in the file: it names the file and which [[span]] it is in, counted from 1.
    """
    found = []
    for number, table in enumerate(_tables(path), 1):
        try:
            area = _area(table, path.parent, size)
            if not area.any():
                raise InputError(f"{table['image']} has no white", "white is the area", "paint it, or remove the span")
            span = Span(_moment(table, "start", fps) or 0, _moment(table, "end", fps))
            inside = [index for index, time_s in enumerate(times_s) if _within(span, index, time_s)]
            if not inside:
                needed = f"the video has {len(times_s)} frames, {times_s[-1] + 1 / fps:.2f} s"
                raise InputError("no frame is in it", needed, "change its start or end")
            name = table.get("name", f"span {number}")
            if not isinstance(name, str):
                raise InputError(f"its name is {name!r}", "words in quotes are needed", 'write name = "logo"')
        except InputError as error:
            raise InputError(f"{path}, span {number}: {error.given}", error.needed, error.fix) from None
        found.append(AreaSpan(area, range(inside[0], inside[-1] + 1), name))
    return found


def masks_of_spans(spans: Sequence[AreaSpan], length: int) -> Iterator[Bool[np.ndarray, "H W"]]:
    """The mask of each of so many frames: of all areas that are in it."""
    nothing = np.zeros_like(spans[0].area)
    for index in range(length):
        there = [one.area for one in spans if index in one.frames]
        yield np.logical_or.reduce(there) if there else nothing


def stream_spans(path: Path, video: Path, part: Span) -> Iterator[UInt8[np.ndarray, "H W"]]:
    """The same as grey values, white on the areas, of the frames in a part of a video."""
    (picture, fps, _), times_s = peek(video, Span()), frame_times_s(video, fps_of(video))
    masks = masks_of_spans(read_spans(path, picture.shape[:2], times_s, fps), len(times_s))
    for index, (time_s, mask) in enumerate(zip(times_s, masks, strict=True)):
        if _within(part, index, time_s):
            yield mask * np.uint8(255)


def write_spans(path: Path, tables: Sequence[Mapping[str, Any]], comment: str) -> None:
    """Write tables of `read_spans` so that a person can change them.

    Args:
        path: what to write.
        tables: numbers, words and lists of numbers.
        comment: what is said at the top, in lines.
    """
    text = "".join(f"# {line}\n" for line in comment.splitlines())
    text += "".join(f"\n[[span]]\n{toml_lines(table)}" for table in tables)
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _tables(path: Path) -> list[Mapping[str, Any]]:
    """The [[span]] tables of a file, with no other keys than are known."""
    needed, fix = "[[span]] with a box, a polygon or an image is needed", "see docs/how-to/logo.md, A logo or a caption"
    held = read_toml(path, "spans file", needed, "put times in quotes")
    if others := sorted(held.keys() - {"span"}):
        raise InputError(f"{path} has {', '.join(others)} outside of a span", needed, fix)
    tables = held.get("span", [])
    if not (isinstance(tables, list) and tables and all(isinstance(table, dict) for table in tables)):
        raise InputError(f"{path} has no [[span]]", needed, fix)
    for number, table in enumerate(tables, 1):
        given = f"{path}, span {number}: "
        if others := sorted(table.keys() - {*AREAS, *OTHERS}):
            known = f"a span has {', '.join((*AREAS, *OTHERS))}"
            raise InputError(given + f"there is no {', '.join(others)}", known, "rename or remove it")
        if len(areas := [name for name in AREAS if name in table]) != 1:
            given += f"it has {' and '.join(areas) or 'no area'}"
            raise InputError(given, f"one of {', '.join(AREAS)} is needed", "write box = [x, y, width, height]")
    return tables


def _area(table: Mapping[str, Any], folder: Path, size: Size) -> Bool[np.ndarray, "H W"]:
    """The area of a table, which has one."""
    if "image" in table:
        if not isinstance(table["image"], str):
            raise InputError(f"its image is {table['image']!r}", "a file is needed", 'write image = "logo.png"')
        return painted_area(folder / table["image"], size)
    (name,) = {"box", "polygon"} & table.keys()
    kinds, numbers = (int,) if name == "box" else (int, float), table[name]
    right = isinstance(numbers, list) and all(type(number) in kinds for number in numbers)
    if not right or (name == "box" and len(numbers) != 4):
        needed = "[left, top, width, height] in pixels is needed" if name == "box" else "[x, y, x, y, ...] is needed"
        raise InputError(f"its {name} is {numbers!r:.60}", needed, f"write {name} = [10, 20, 90, 40]")
    return box_area(numbers, size) if name == "box" else polygon_area(numbers, size)


def _moment(table: Mapping[str, Any], name: str, fps: float) -> Moment | None:
    """The start or the end of a table; None if it has none."""
    value = table.get(name)
    if value is None:
        return None
    if type(value) is not int and not isinstance(value, str):
        needed = "a frame, or a time or timecode in quotes, is needed"
        raise InputError(f"its {name} is {value}", needed, f'write {name} = 120, or {name} = "2.5s"')
    return moment(str(value), fps)


def _within(span: Span, index: int, time_s: float) -> bool:
    return span.begins(index, time_s) and not span.ends(index, time_s)
