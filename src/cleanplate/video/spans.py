"""A file of areas, each with the part of a video that it is in: logos, captions, dead pixels; and of masks in parts.

It is TOML:

    [[span]]                   # or [[mask]], which is the same
    box = [640, 20, 90, 40]    # left, top, width and height; or polygon = [x, y, ...], or image = "logo.png"
    start = "0:12"             # a frame, a time or a timecode, as --start; without it, the beginning
    end = "0:20"               # as --end: that frame is not in it any more; without it, the end
    name = "station logo"

    [[mask]]
    path = "roto.####.png"     # an image, or a mask that moves: a video, or images that follow each other
    start = 1020
    end = 1040

Files are looked for beside this one, and are white where the area is. A mask that moves has a frame for each in its
span, or for each of the video; numbered images are matched by their numbers.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from cleanplate.errors import InputError
from cleanplate.runtime.files import whole
from cleanplate.runtime.toml import read_toml, toml_lines
from cleanplate.video.areas import Size, box_area, painted_area, polygon_area, white_area
from cleanplate.video.images import read_mask
from cleanplate.video.numbers import Numbers, matched, numbers_of, ranges, span_between
from cleanplate.video.reader import count_frames, fps_of, frame_times_s, peek, stream_masks
from cleanplate.video.sequences import existing, is_still
from cleanplate.video.timecode import Moment, Span, moment

SUFFIX = ".toml"
TABLES = ("span", "mask")
AREAS, OTHERS = ("box", "polygon", "image", "path"), ("start", "end", "name")
FILES = ("image", "path")


@dataclass(frozen=True)
class AreaSpan:
    """An area, and the frames of a video that it is in."""

    area: Bool[np.ndarray, "H W"]
    """In all of them; nothing, of a mask that moves."""
    frames: range
    name: str
    moving: "Moving | None" = None

    def areas(self) -> Iterator[Bool[np.ndarray, "H W"]]:
        """In each of its frames, one by one."""
        if self.moving is None:
            return repeat(self.area, len(self.frames))
        return self.moving.areas(self.frames.start, self.area.shape)


@dataclass(frozen=True)
class Moving:
    """A mask that moves."""

    path: Path
    since: int
    """Index of the frame of the video that its first one is of."""
    files: tuple[Path, ...] | None = None
    """The images of it, if they were matched by their numbers."""

    def areas(self, frame: int, size: tuple[int, ...]) -> Iterator[Bool[np.ndarray, "H W"]]:
        """Of the frames of the video from that one on.

        Raises:
            InputError: frames of another size than the video's.
        """
        first = frame - self.since
        grey = stream_masks(self.path, Span(first)) if self.files is None else map(read_mask, self.files[first:])
        for one in grey:
            if one.shape != size:
                given, needed = f"{self.path} is {one.shape[1]}x{one.shape[0]}", f"frames are {size[1]}x{size[0]}"
                raise InputError(given, needed, "make it in the size of the video")
            yield white_area(one)


def is_spans(path: Path) -> bool:
    """Whether it is a file of areas by its name."""
    return path.suffix.lower() == SUFFIX


def read_spans(path: Path, size: Size, times_s: Sequence[float], fps: float, numbers: Numbers = None) -> list[AreaSpan]:
    """The areas of a file.

    Args:
        path: of the file.
        size: (height, width) of the video.
        times_s: when each frame of it is shown.
        fps: of the frames that a timecode counts within a second.
        numbers: what its frames are called.

    Raises:
        InputError: a mistake in the file: it names the file and which [[span]] it is in, counted from 1.
    """
    found = []
    for label, table in _tables(path):
        with _in_table(path, label):
            span = span_between(_moment(table, "start", fps) or 0, _moment(table, "end", fps), numbers, "the video")
            inside = [index for index, time_s in enumerate(times_s) if _within(span, index, time_s)]
            if not inside:
                needed = f"the video has {len(times_s)} frames, {times_s[-1] + 1 / fps:.2f} s"
                raise InputError("no frame is in it", needed, "change its start or end")
            frames, moves = range(inside[0], inside[-1] + 1), None
            if "path" in table and not is_still(file := _file(table, "path", path.parent)):
                area, moves = np.zeros(size, bool), _moving(file, frames, len(times_s), numbers)
                next(moves.areas(frames[0], size))  # can it be read, and has it the size?
            else:
                area = _area(table, path.parent, size)
                if not area.any():
                    given = f"{table.get('image', table.get('path'))} has no white"
                    raise InputError(given, "white is the area", "paint it, or remove the span")
            name = table.get("name", label)
            if not isinstance(name, str):
                raise InputError(f"its name is {name!r}", "words in quotes are needed", 'write name = "logo"')
        found.append(AreaSpan(area, frames, name, moves))
    return found


def masks_of_spans(spans: Sequence[AreaSpan], length: int) -> Iterator[Bool[np.ndarray, "H W"]]:
    """The mask of each of so many frames: of all areas that are in it."""
    nothing, areas = np.zeros_like(spans[0].area), [one.areas() for one in spans]
    for index in range(length):
        there = [next(mine) for one, mine in zip(spans, areas, strict=True) if index in one.frames]
        yield np.logical_or.reduce(there) if there else nothing


def stream_spans(path: Path, video: Path, part: Span) -> Iterator[UInt8[np.ndarray, "H W"]]:
    """The same as grey values, white on the areas, of the frames in a part of a video."""
    (picture, fps, _), times_s = peek(video, Span()), frame_times_s(video, fps_of(video))
    masks = masks_of_spans(read_spans(path, picture.shape[:2], times_s, fps, numbers_of(video)), len(times_s))
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


def files_of_spans(path: Path) -> list[Path]:
    """A file of areas, and what it names."""
    files = [path]
    for label, table in _tables(path):
        with _in_table(path, label):
            files += [_file(table, key, path.parent) for key in FILES if key in table]
    return files


@contextlib.contextmanager
def _in_table(path: Path, label: str) -> Iterator[None]:
    """Say of an error which table of a file it is about."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}, {label}: {error.given}", error.needed, error.fix) from None


def _tables(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """The [[span]] and [[mask]] tables of a file, with no other keys than are known, and what to call each."""
    needed, fix = "[[span]] with a box, a polygon or an image is needed", "see docs/how-to/logo.md, A logo or a caption"
    held = read_toml(path, "spans file", needed, "put times in quotes")
    if others := sorted(held.keys() - {*TABLES}):
        raise InputError(f"{path} has {', '.join(others)} outside of a span", needed, fix)
    lists = [held.get(kind, []) for kind in TABLES]
    right = all(isinstance(tables, list) and all(isinstance(table, dict) for table in tables) for tables in lists)
    if not (right and any(lists)):
        raise InputError(f"{path} has no [[span]]", needed, fix)
    found = [
        (f"{kind} {number}", table)
        for kind, tables in zip(TABLES, lists, strict=True)
        for number, table in enumerate(tables, 1)
    ]
    for label, table in found:
        given = f"{path}, {label}: "
        if others := sorted(table.keys() - {*AREAS, *OTHERS}):
            known = f"a span has {', '.join((*AREAS, *OTHERS))}"
            raise InputError(given + f"there is no {', '.join(others)}", known, "rename or remove it")
        if len(areas := [name for name in AREAS if name in table]) != 1:
            given += f"it has {' and '.join(areas) or 'no area'}"
            raise InputError(given, f"one of {', '.join(AREAS)} is needed", "write box = [x, y, width, height]")
    return found


def _file(table: Mapping[str, Any], key: str, folder: Path) -> Path:
    """A file that a table names, beside the one that it is in."""
    if not isinstance(table[key], str) or not table[key]:
        raise InputError(f"its {key} is {table[key]!r}", "a file is needed", f'write {key} = "logo.png"')
    if is_spans(folder / table[key]):
        raise InputError(f"its {key} is {table[key]}", "a mask or an image is needed", "copy its spans here")
    return existing(folder / table[key])


def _moving(path: Path, frames: range, length: int, numbers: Numbers) -> Moving:
    """A mask that moves, for some frames of a video."""
    own = numbers and [numbers[index] for index in frames]
    if files := matched(path, own, f"this span of the video ({ranges(own)})" if own else ""):
        return Moving(path, frames[0], files)
    has = count_frames(path)
    if has not in (len(frames), length):
        given = f"{path} has {has} frames, its span {len(frames)} and the video {length}"
        raise InputError(given, "it needs a frame for each in its span, or in the video", "change start or end")
    return Moving(path, frames[0] if has == len(frames) else 0)


def _area(table: Mapping[str, Any], folder: Path, size: Size) -> Bool[np.ndarray, "H W"]:
    """The area of a table, which has one."""
    for key in FILES:
        if key in table:
            return painted_area(_file(table, key, folder), size)
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
