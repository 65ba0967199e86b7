"""What the frames of a shot are called: by the numbers of its images, or counted from 0 where they have none.

Here numbers that people give become indices, gaps are named, masks are matched to frames, and outputs get their names.
"""

import logging
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count, islice, pairwise
from pathlib import Path
from typing import Literal

from cleanplate.errors import InputError
from cleanplate.video.sequences import (
    NUMBERED,
    Pattern,
    Stills,
    find_stills,
    is_stills,
    pattern_of,
    shortened,
)  # fmt: skip
from cleanplate.video.timecode import Moment, Span

log = logging.getLogger(__name__)

Numbers = Sequence[int] | None
"""What each frame is called, rising; None if frames are counted from 0."""
Gaps = Literal["refuse", "keep"]
"""What to do where numbers are missing: refuse, or take the frames that are there for neighbours."""
PLAIN_DIGITS = 5  # of the names of images where the source has no numbers


def numbers_of(path: Path, span: Span | None = None) -> Numbers:
    """What the frames in a part of a shot are called."""
    return find_stills(path).within(span or Span()).numbers if is_stills(path) else None


def called(index: int, numbers: Numbers) -> int:
    """What a frame is called."""
    return index if numbers is None else numbers[index]


def index_of(number: int, numbers: Numbers) -> int:
    """The index of the first frame that has this number or a higher one."""
    return number if numbers is None else bisect_left(numbers, number)


def span_between(start: Moment, end: Moment | None, numbers: Numbers, what: str | Path) -> Span:
    """The part of a shot from one moment up to, but without, another; frames are called as `numbers` say.

    Args:
        start: a time, or a number of a frame; 0 is the beginning.
        end: the same; None is the end.
        numbers: of all frames.
        what: what to call the shot.

    Raises:
        InputError: no frame is between them.
    """
    if numbers is None:
        return Span(start, end)
    first = index_of(start, numbers) if isinstance(start, int) else start
    last = index_of(end, numbers) if isinstance(end, int) else end
    nothing = isinstance(first, int) and first >= (last if isinstance(last, int) else len(numbers))
    if nothing or last == 0:
        which = f"{start} or more" if end is None else f"from {start} up to, but without, {end}"
        fix = "give a start among these, and an end after it"
        raise InputError(f"no frame is numbered {which}", f"{what} has {ranges(numbers)}", fix)
    return Span(first, last)


def ranges(numbers: Iterable[int]) -> str:
    """Rising numbers in words: 1004, 1010-1012."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return _in_words(runs)


def gaps(numbers: Sequence[int]) -> str:
    """The numbers that are missing between rising ones, in words; empty if none is."""
    return _in_words([before + 1, after - 1] for before, after in pairwise(numbers) if after > before + 1)


def _in_words(runs: Iterable[Sequence[int]]) -> str:
    return shortened(f"{first}-{last}" if last > first else f"{first}" for first, last in runs)


def check_gaps(path: Path, span: Span, what_to_do: Gaps) -> None:
    """Refuse a sequence with gaps in a part of it, unless they are to be kept.

    Raises:
        InputError: naming them.
    """
    numbers = find_stills(path).within(span).numbers if is_stills(path) and what_to_do == "refuse" else None
    if numbers and (missing := gaps(numbers)):
        verb = "is" if missing.isdecimal() else "are"
        fix = "put them there, or pass --gaps keep to take the frames that are there for neighbours"
        raise InputError(f"{missing} {verb} missing in {path}", "a sequence without gaps is needed", fix)


def matched(mask: Path, numbers: Numbers, video: str | Path) -> tuple[Path, ...] | None:
    """The images of a mask for some frames of a shot, by their numbers; None if they go by their order.

    They do so where not both of them have numbers, and where a mask of as many images as the shot is counted from 0 or
    1, and the shot from elsewhere.

    Args:
        mask: any mask.
        numbers: of the frames.
        video: the shot, or what to call a part of it.

    Raises:
        InputError: frames that have no mask.
    """
    there = find_stills(mask) if numbers and is_stills(mask) else None
    if not numbers or there is None or there.numbers is None:
        return None
    files = dict(zip(there.numbers, there.files, strict=True))
    if without := [number for number in numbers if number not in files]:
        if isinstance(video, Path) and _by_order(there.numbers, numbers_of(video) or ()):
            return None
        given = f"the mask {mask} has {ranges(there.numbers)}, and {video} has {ranges(numbers)}"
        where = "" if len(without) == len(numbers) else f" at {ranges(without)}"
        fix = "renumber the mask, or clean only what it has (--start, --end)"
        raise InputError(f"{given}: they do not meet{where}", "every frame needs the mask of its number", fix)
    return tuple(files[number] for number in numbers)


def _by_order(mask: Sequence[int], shot: Sequence[int]) -> bool:
    """Whether a mask has a number of its own for each frame, from 0 or 1 on, or is the shot's but ends before it."""
    return list(mask) == list(shot[: len(mask)]) or (
        len(mask) == len(shot) and mask[0] in (0, 1) and not set(mask) & set(shot)
    )


def say_order(mask: Path, video: Path) -> None:
    """Warn of a mask that has numbers of its own, and goes by its order."""
    own, numbers = numbers_of(mask), numbers_of(video)
    if own and numbers and own[0] != numbers[0]:
        log.warning("%s is numbered from %d, and %s from %d: they go by their order", mask, own[0], video, numbers[0])


# Names of outputs


def output_names(path: Path, like: Path | None, span: Span, suffix: str) -> Iterator[str]:
    """The names of the images that are made of the frames of a shot, one by one without end.

    Args:
        path: where they go: a pattern, or a folder. In a folder they have its name and the number, parted as in the
            names of the shot, or the number alone if that is all that those have.
        like: the shot, whose numbers they have; None, or one without numbers, if they are counted from 0.
        span: the part of it.
        suffix: of those in a folder.
    """
    pattern = pattern_of(path)
    shot = find_stills(like) if like is not None and is_stills(like) else None
    return map((pattern or _within_folder(path, shot, suffix)).name, _numbers(pattern, shot, span))


def _numbers(pattern: Pattern | None, shot: Stills | None, span: Span) -> Iterator[int]:
    part = shot and shot.within(span)
    if part and part.numbers:
        return chain(part.numbers, count(part.numbers[-1] + 1))
    if pattern and part and len(part.files) == 1 and (own := NUMBERED.fullmatch(part.files[0].name)):
        return count(int(own[2]))  # one image is no sequence, but where a number is asked for it may have one
    return count(part.first if part else span.start if isinstance(span.start, int) else 0)


def _within_folder(folder: Path, shot: Stills | None, suffix: str) -> Pattern:
    """How images are called in a folder."""
    if shot is None or shot.pattern is None:
        return Pattern(folder, "", PLAIN_DIGITS, suffix)
    before = shot.pattern.before
    parting = before[-1] if before.endswith((".", "_", "-", " ")) else "."
    return Pattern(folder, f"{folder.name}{parting}" if before else "", shot.pattern.digits, suffix)


def in_the_way(path: Path, like: Path | None, span: Span) -> list[Path]:
    """What is already there of an output: the file or folder, or images of its pattern that are to be written.

    Args:
        path: the output.
        like: the shot; None, or one that is not there or does not say how many frames it has, if any number may come.
        span: the part of it.
    """
    pattern = pattern_of(path)
    if pattern is None:
        return [path] if path.exists() else []
    there = {number: file for file in path.parent.iterdir() if (number := pattern.number(file.name)) is not None}
    if there and like is not None and is_stills(like) and (like.exists() or pattern_of(like)):
        shot = find_stills(like)
        coming = set(islice(_numbers(pattern, shot, span), len(shot.within(span).files)))
        return [file for number, file in sorted(there.items()) if number in coming]
    return [file for _, file in sorted(there.items())]


def beside(path: Path, name: str) -> Path:
    """The output of something of its own beside that of all: masks.bike.mkv beside masks.mkv."""
    pattern = pattern_of(path)
    if pattern is None:
        return path.with_name(f"{path.stem}.{name}{path.suffix}")
    before = pattern.before
    at = len(before.rstrip("._- "))
    parting = "." if at else ""
    return path.with_name(f"{before[:at]}{parting}{name}{before[at:] or '.'}{path.name[len(before) :]}")
