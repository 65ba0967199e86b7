"""Refuse outputs before any work is done: what cannot be written, and what would take the place of something else."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from pathlib import Path

from cleanplate.config import Encoding
from cleanplate.errors import InputError
from cleanplate.runtime.files import check_replaceable, partial_folder, writing
from cleanplate.video.codecs import VIDEO_SUFFIXES, find_codec
from cleanplate.video.film_formats import film_format
from cleanplate.video.images import IMAGE_SUFFIXES, PICTURE_SUFFIX, is_image
from cleanplate.video.numbers import in_the_way, ranges
from cleanplate.video.sequences import NUMBERED, find_stills, image_files, is_still, is_stills, pattern_of
from cleanplate.video.timecode import Span


def check_output(
    path: Path,
    *,
    overwrite: bool,
    sources: Sequence[Path] = (),
    encoding: Encoding | None = None,
    span: Span | None = None,
) -> None:
    """Refuse, before any work is done, an output that could not be written.

    Args:
        path: the output.
        overwrite: whether what is already there may be replaced.
        sources: what is read; the first one is what it comes from.
        encoding: codec and quality.
        span: the part of that.

    Raises:
        InputError: unknown suffix, missing folder, file in the way, output over its own source, unwritable disk.
    """
    check_kind(path, sources[0] if sources else None, encoding)
    check_place(path, overwrite=overwrite, sources=sources, span=span)


def check_kind(path: Path, source: Path | None, encoding: Encoding | None = None) -> None:
    """Refuse an output of a name that nothing of this source can be written under.

    Raises:
        InputError: unknown suffix, a picture of what is none, a codec that its container cannot hold.
    """
    suffix = path.suffix.lower()
    is_picture = suffix in (PICTURE_SUFFIX, suffix_from(source).lower())
    if is_picture and pattern_of(path) is None and not (source and is_still(source)):
        given, needed = f"{path} is one picture", "what it comes from is one too, by its name"
        several = f"{path.with_suffix('')} for a folder of PNGs, {path.with_suffix('')}.####.png for numbered ones"
        raise InputError(given, needed, f"choose {several}, or a video")
    if suffix and not is_picture and suffix not in VIDEO_SUFFIXES:
        raise InputError(
            f"{path} ends in {path.suffix}",
            f"an output is {', '.join(VIDEO_SUFFIXES)}, a folder of PNGs (no suffix), PNGs with numbers (.####.png), "
            "or the .png of a picture",
            "choose one of these",
        )
    if suffix and path.is_dir():
        raise InputError(f"{path} is a folder", "it is to be a file", "choose another name")
    encoding = encoding or Encoding()
    if suffix and not is_picture:
        find_codec(suffix, encoding)
    elif encoding.codec != "auto" or encoding.quality is not None:
        given, needed = f"a codec or a quality is given, and {path} is images", "they are of videos"
        raise InputError(given, needed, "leave it out, or name a video")


def is_written(name: str) -> bool:
    """Whether a file in a folder may be of images that were written there."""
    return NUMBERED.fullmatch(name) is not None and Path(name).suffix.lower() in IMAGE_SUFFIXES


def check_place(
    path: Path,
    *,
    overwrite: bool,
    sources: Sequence[Path] = (),
    span: Span | None = None,
    is_written: Callable[[str], bool] = is_written,
) -> None:
    """Refuse a file, a folder or images of a pattern, whatever they are called, that could not be written.

    Args:
        path: the output.
        overwrite: whether what is already there may be replaced.
        sources: what is read; the first one is what it comes from.
        span: the part of that.
        is_written: whether a file of that name in the folder may be of an earlier run.

    Raises:
        InputError: missing folder, file in the way, output over its own source, over what no run has written or over
            the folder one is in, unwritable disk.
    """
    if path.name in ("", "..") or path.resolve() in (here := Path.cwd().resolve(), *here.parents):
        given, needed = f"{path} is the folder you are in, or one around it", "an output is what is new in it"
        raise InputError(given, needed, "name a folder in it, like clean")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent}", f"{path.name} is to be written there", "make the folder")
    with writing(path), partial_folder(path):  # puts back what a run that was killed had in its hands
        pass
    there = in_the_way(path, sources[0] if sources else None, span or Span())
    if there:
        if any(_is_of(file, source) for source in sources for file in there):
            raise InputError(f"{path} is also the input", "another file is needed", "choose another output name")
        if path.is_dir():
            with writing(path):
                check_replaceable(path, is_written)
        if not overwrite:
            pattern = pattern_of(path)
            numbers = [pattern.number(file.name) or 0 for file in there] if pattern else []
            given = f"{path} is already there" + (f" ({ranges(numbers)})" if numbers else "")
            needed = "nothing is replaced unasked"
            raise InputError(given, needed, "choose another name or pass --overwrite")


def _is_of(file: Path, source: Path) -> bool:
    """Whether a file or folder that is to be replaced is a source, or holds or is an image of it."""
    if pattern_of(source) is None and source.exists() and file.samefile(source):
        return True
    if file.is_dir():
        return file.resolve() in source.resolve().parents
    return (
        file.is_file() and is_stills(source) and not is_still(source) and any(map(file.samefile, image_files(source)))
    )


def check_apart(outputs: Mapping[str, Path | None], others: Mapping[str, Path | None] | None = None) -> None:
    """Refuse outputs of which one would be, or lie in, another.

    Args:
        outputs: by what names them (--provenance), each a file, a folder that is replaced, or images of a pattern.
        others: the same of folders that others may lie in.

    Raises:
        InputError: naming both.
    """
    every = {name: path for name, path in {**outputs, **(others or {})}.items() if path is not None}
    for (name, path), (other, place) in permutations(every.items(), 2):
        if other in outputs and (_place(path) == _place(place) or place.resolve() in path.resolve().parents):
            given = f"{name} is {path}, and {other} is {place}"
            raise InputError(given, "each output has a place of its own, in none of the others", "rename one")


def _place(path: Path) -> tuple[Path, str, str]:
    """What is the same of two outputs in one place: images of two patterns differ by more than their digits."""
    pattern, folder = pattern_of(path), path.parent.resolve()
    return (folder, pattern.before, pattern.after) if pattern else (folder, path.name, "")


def check_png(path: Path) -> None:
    """Refuse an image of another kind for a mask.

    Raises:
        InputError: it ends in anything else.
    """
    if is_image(path) and path.suffix.lower() != PICTURE_SUFFIX:
        raise InputError(f"{path.name} is to be an image", "masks are written as PNG", "call it .png")


def suffix_from(source: Path | None) -> str:
    """Of the images that are made of a source: its own if those are images of film, and .png otherwise."""
    if source is not None and is_stills(source) and (source.exists() or pattern_of(source)):
        with contextlib.suppress(InputError):  # who reads it says what is wrong with it
            first = find_stills(source).files[0]
            return first.suffix if film_format(first) is not None else PICTURE_SUFFIX
    return PICTURE_SUFFIX
