"""Masks without a mark: of overlays that are found (`mask --find`), and of areas that a file lists (`mask --spans`)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cleanplate.commands.console import progress
from cleanplate.commands.written import write_masks, write_masks_together
from cleanplate.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from cleanplate.track.overlays import Overlay
    from cleanplate.video.numbers import Numbers


def find_overlays(output: Path, video: Path, pictures: "Iterator[np.ndarray]", part: range, length: int) -> list[str]:
    """Find what lies over these frames of a video, write it, and say what it is, in lines.

    Args:
        output: the masks; or, as a file of areas and times, the boxes, to be changed and given to --spans.
        video: the video.
        pictures: the frames of it to look at, (H, W, 3) bytes.
        part: which they are.
        length: how many frames it has.

    Raises:
        InputError: nothing lies over it, or the shot does not move.
    """
    from cleanplate.track.overlays import look_for_overlays, masks_of
    from cleanplate.video.numbers import numbers_of
    from cleanplate.video.spans import is_spans

    numbers = numbers_of(video)
    with progress() as on_step:
        found, moves = look_for_overlays(pictures, total=len(part), on_step=on_step)
        if not found:
            raise _nothing(video, part, numbers, moves=moves)
        found = [replace(one, first=one.first + part[0], end=one.end + part[0]) for one in found]
        if is_spans(output):
            write_boxes(output, found, numbers)
        else:
            write_masks(output, masks_of(found, length), video, length, on_step)
    count = f"{len(found)} overlay{'s' if len(found) > 1 else ''} found"
    return [*(_line(one, numbers) for one in found), f"{output}: {length} frames; {count}"]


def write_boxes(path: Path, found: "Sequence[Overlay]", numbers: "Numbers") -> None:
    """Write the boxes of overlays as a file of areas and times, by what the frames are called."""
    from cleanplate.video.spans import write_spans

    said = "What was found. Take out what is to stay, and give this file to cleanplate mask --spans,\n"
    tables = [
        {"name": f"{one.kind}, certainty {one.certainty:.2f}", "box": box, "start": first, "end": last + 1}
        for one in found
        for first, last in [_frames(one, numbers)]
        for box in boxes_of(one)
    ]
    write_spans(path, tables, said + "or to cleanplate inpaint as its mask.")


def boxes_of(overlay: "Overlay") -> list[tuple[int, ...]]:
    """The box around an overlay; of letterbox bars, whose box is all of the picture, one for each bar."""
    height, width = overlay.mask.shape
    top, bottom = _depth(overlay.mask), _depth(overlay.mask[::-1])
    left, right = _depth(overlay.mask.T), _depth(overlay.mask.T[::-1])
    sides = {
        (0, 0, width, top): top,
        (0, height - bottom, width, bottom): bottom,
        (0, 0, left, height): left,
        (width - right, 0, right, height): right,
    }
    return [box for box, depth in sides.items() if depth] or [overlay.box]


def _depth(mask: "np.ndarray") -> int:
    """How many rows from the first on are covered from side to side."""
    return next((depth for depth, row in enumerate(mask) if not row.all()), len(mask))


def cover_spans(
    spans: Path, output: Path, video: Path, part: range, size: tuple[int, int], times_s: Sequence[float], fps: float
) -> list[str]:
    """Write the masks of the areas of a file, and say what they are, in lines.

    Args:
        spans: the file.
        output: the masks.
        video: what they are of.
        part: the frames to mask.
        size: (height, width) of the video.
        times_s: when each frame of it is shown.
        fps: of the frames that a timecode counts within a second.

    Raises:
        InputError: a mistake in the file, or no area in this part.
    """
    from cleanplate.video.numbers import called, numbers_of
    from cleanplate.video.spans import masks_of_spans, read_spans

    numbers = numbers_of(video)
    found, length = read_spans(spans, size, times_s, fps, numbers), len(times_s)
    covered = [
        replace(one, frames=range(max(one.frames[0], part[0]), min(one.frames.stop, part.stop))) for one in found
    ]
    if not any(one.frames for one in covered):
        frames = " to ".join(str(called(index, numbers)) for index in (part[0], part[-1]))
        given = f"{spans} has no area in frames {frames} of {video}"
        raise InputError(given, "one of its spans must be in them", "change what they are, or --start and --end")
    masks = ([mask] for mask in masks_of_spans(covered, length))
    with progress() as on_step:
        (written,) = write_masks_together([output], masks, video, length, on_step)
    ends = [(one.name, one.frames[0], one.frames[-1]) for one in covered if one.frames]
    named = [f"{name}: frames {called(first, numbers)} to {called(last, numbers)}" for name, first, last in ends]
    return [*named, f"{output}: {length} frames of {size[1]}x{size[0]}; {written.said(numbers)}"]


def _frames(overlay: "Overlay", numbers: "Numbers") -> tuple[int, int]:
    """What the first and the last frame are called that it lies over."""
    from cleanplate.video.numbers import called

    return called(overlay.first, numbers), called(overlay.end - 1, numbers)


def _line(overlay: "Overlay", numbers: "Numbers") -> str:
    """What was found, in a line."""
    (left, top, width, height), (first, last) = overlay.box, _frames(overlay, numbers)
    where = f"box {left} {top} {width} {height}, frames {first} to {last}"
    return f"{overlay.kind}: {where}, certainty {overlay.certainty:.2f}"


def _nothing(video: Path, part: range, numbers: "Numbers", *, moves: bool) -> InputError:
    """Why no overlay was found."""
    from cleanplate.video.numbers import called

    given = f"no overlay was found in frames {called(part[0], numbers)} to {called(part[-1], numbers)} of {video}"
    if moves:
        fix = "mark it with --fixed and --box or --paint"
        return InputError(given, "nothing stands still that is not of the scene", fix)
    needed = "the shot does not move enough, or is too short, so nothing can be told apart"
    fix = "give a part in which the camera moves, or mark it with --fixed and --box or --paint"
    return InputError(given, needed, fix)
