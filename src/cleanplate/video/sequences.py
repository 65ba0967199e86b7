"""Images that follow each other, and the numbers in their names.

They are given as a folder, or as a pattern: shot.####.png or shot.%04d.png. The number of an image is what its name
ends in before the suffix, or what stands for the #### of a pattern.
"""

import contextlib
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from cleanplate.errors import InputError
from cleanplate.runtime import files as disk
from cleanplate.video.container import DEFAULT_FPS
from cleanplate.video.film_formats import is_scene_linear
from cleanplate.video.images import IMAGE_SUFFIXES, is_image
from cleanplate.video.timecode import Span

PLACE = re.compile(r"#+|%(?:0(\d{1,2}))?d")
"""Where the number stands in a pattern."""
NUMBERED = re.compile(r"(.*?)([0-9]+)(\.[^.]+)", re.DOTALL)
"""The name of a numbered image: what is before the number, the number, and the suffix."""
MINUS = re.compile(r"(.*[._ ])?-", re.DOTALL)
"""Before a number that is below 0: a dash that parts nothing. In shot-01.png it parts the name from the number."""
MOST_NAMED = 8  # gaps, or sequences, in one line


@dataclass(frozen=True)
class Pattern:
    """The names of the images of a sequence."""

    folder: Path
    before: str
    digits: int
    """Of the number at least, with zeros before it."""
    after: str
    """With the suffix."""

    def name(self, number: int) -> str:
        """Of the image with that number; one with more digits has them all."""
        return f"{self.before}{number:0{self.digits}d}{self.after}"

    def number(self, name: str) -> int | None:
        """What that image is numbered; None if it is not of this pattern."""
        digits = name[len(self.before) : len(name) - len(self.after)]
        right = name.startswith(self.before) and name.lower().endswith(self.after.lower())
        if not (right and re.fullmatch("[0-9]+", digits)):
            return None
        return int(digits) if len(digits) == self.digits or (len(digits) > self.digits and digits[0] != "0") else None

    @property
    def hashed(self) -> str:
        """As a name: shot.####.png."""
        return f"{self.before}{'#' * self.digits}{self.after}"

    def __str__(self) -> str:
        return str(self.folder / self.hashed)


def pattern_of(path: Path) -> Pattern | None:
    """The pattern that a path is; None if it has no place for a number, is of no image, or is that of a file.

    Raises:
        InputError: it has several places, or one for numbers below 0.
    """
    places = list(PLACE.finditer(path.name))
    if not places or path.suffix.lower() not in IMAGE_SUFFIXES or _is_there(path):
        return None
    if len(places) > 1:
        given = f"{path} has {len(places)} places for a number"
        raise InputError(given, "one is needed, like #### or %04d", "write the other numbers as they are")
    (place,) = places
    digits = len(place[0]) if place[0].startswith("#") else int(place[1] or 1)
    before, after = path.name[: place.start()], path.name[place.end() :]
    return _above_0(Pattern(path.parent, before, max(1, digits), after))


def _is_there(path: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):  # a name that no file can have
        return path.exists()
    return False


def _above_0(pattern: Pattern) -> Pattern:
    """Refuse a pattern of numbers below 0."""
    if MINUS.fullmatch(pattern.before):
        given, needed = f"{pattern} has numbers below 0", "frames are numbered from 0 on"
        raise InputError(given, needed, "renumber the images, or rename them without that dash")
    return pattern


@dataclass(frozen=True)
class Stills:
    """Images in the order of their frames."""

    files: tuple[Path, ...]
    numbers: tuple[int, ...] | None = None
    """Of each, rising; None if they are not numbered."""
    pattern: Pattern | None = None
    """Of their names, if they are."""
    first: int = 0
    """Index of the first one in the sequence that they are a part of."""

    def within(self, span: Span) -> "Stills":
        """Those in a part; they follow each other at the default frame rate."""
        times_s = [index / Fraction(DEFAULT_FPS) for index in range(len(self.files))]
        start = next((i for i, time_s in enumerate(times_s) if span.begins(i, time_s)), len(times_s))
        end = next((i for i, time_s in enumerate(times_s) if span.ends(i, time_s)), len(times_s))
        kept = slice(start, max(start, end))
        numbers = None if self.numbers is None else self.numbers[kept]
        return replace(self, files=self.files[kept], numbers=numbers, first=start)


def is_stills(path: Path) -> bool:
    """Whether it is an image, a pattern of images, or a folder, which is taken to be one of images."""
    return path.is_dir() or is_image(path)  # a pattern ends as an image does


def is_still(path: Path) -> bool:
    """Whether it is one image."""
    return is_image(path) and pattern_of(path) is None


def is_linear(path: Path) -> bool:
    """Whether images, by the first of them, are scene-linear: what is handed out are codes of a log curve."""
    return is_stills(path) and is_scene_linear(find_stills(path).files[0])


def find_stills(path: Path) -> Stills:
    """The images of a folder or a pattern in the order of their numbers; of an image only itself, without a number.

    Images of a folder that have no numbers are in natural order, frame2a before frame10a.

    Raises:
        InputError: no images, several sequences, two images of one number, or a folder that cannot be read.
    """
    pattern = pattern_of(path)
    if pattern is None and is_image(path):
        return Stills((path,))
    folder = path if pattern is None else pattern.folder
    try:
        images = [file for file in folder.iterdir() if is_image(file) and not file.name.startswith(".")]
    except OSError as error:
        given = f"{folder} cannot be read ({error.strerror})"
        raise InputError(given, "a folder of images", "allow reading it, or name another folder") from None
    if pattern is None:
        return _of_folder(path, images)
    numbered = [(number, file) for file in images if (number := pattern.number(file.name)) is not None]
    if not numbered:
        there = shortened(one.hashed for one in _patterns(images))
        fix = f"its folder has {there}" if there else "check the name and the folder"
        raise InputError(f"there is no image {path}", "images with a number in that place are needed", fix)
    return _in_order(pattern, numbered)


def image_files(path: Path) -> list[Path]:
    """The files of `find_stills`."""
    return list(find_stills(path).files)


def _of_folder(folder: Path, images: list[Path]) -> Stills:
    if not images:
        needed = f"images ({', '.join(sorted(IMAGE_SUFFIXES))}) are needed"
        raise InputError(f"the folder {folder} has no images", needed, "name the folder that they lie in")
    found = {pattern: files for pattern, files in _patterns(images).items() if len(files) > 1 or len(images) == 1}
    if not found:  # what the names end in numbers no frames
        return Stills(tuple(sorted(images, key=_natural)))
    pattern, numbered = next(iter(found.items()))
    if len(numbered) < len(images):
        sequences = {file for files in found.values() for _, file in files}
        named = shortened([*(one.hashed for one in found), *sorted({file.name for file in {*images} - sequences})])
        given, needed = f"the folder {folder} has {named}", "the images of one sequence are needed"
        raise InputError(given, needed, f"name the one that is meant, as in {pattern}")
    return _in_order(_above_0(pattern), numbered)


def _natural(file: Path) -> list[int | str]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", file.name)]


def _patterns(images: Iterable[Path]) -> dict[Pattern, list[tuple[int, Path]]]:
    """The patterns of names that end in a number, and the images of each with their numbers."""
    found: dict[tuple[str, str], list[tuple[str, Path]]] = {}
    for file in sorted(images):
        if parts := NUMBERED.fullmatch(file.name):
            found.setdefault((parts[1], parts[3].lower()), []).append((parts[2], file))
    patterns = {}
    for (before, _), files in found.items():
        fewest = min(len(digits) for digits, _ in files)
        pattern = Pattern(files[0][1].parent, before, fewest, files[0][1].suffix)
        patterns[pattern] = [(int(digits), file) for digits, file in files]
    return patterns


def _in_order(pattern: Pattern, numbered: Iterable[tuple[int, Path]]) -> Stills:
    files: dict[int, Path] = {}
    for number, file in numbered:
        if number in files:
            given = f"{files[number]} and {file.name} have the same number"
            raise InputError(given, "a frame is one image", "move one of them away")
        files[number] = file
    numbers = tuple(sorted(files))
    return Stills(tuple(files[number] for number in numbers), numbers, pattern)


def shortened(names: Iterable[str]) -> str:
    """Some names in words; of many the first ones."""
    listed = list(names)
    more = len(listed) - MOST_NAMED
    return ", ".join(listed) if more < 1 else f"{', '.join(listed[:MOST_NAMED])} and {more} more"


def existing(path: str | Path) -> Path:
    """The path, if there is a file, a folder or an image of the pattern at it.

    Raises:
        InputError: nothing, or what cannot be read twice (`runtime.files.existing`).
    """
    if pattern_of(Path(path)) is None:
        return disk.existing(path)
    find_stills(Path(path))
    return Path(path)


def stamp(path: Path) -> str:
    """Name, size and time of change of a file, of all files in a folder or all images of a pattern; empty if none."""
    try:
        if pattern_of(path) is None:
            return disk.stamp(path)
        files = find_stills(path).files
    except InputError:
        return ""
    digest = hashlib.sha256("\n".join(map(disk.stamp, files)).encode("utf-8", "surrogateescape")).hexdigest()
    return f"{path.name} {len(files)} files {digest[:16]}"
