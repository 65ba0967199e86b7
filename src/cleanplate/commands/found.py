"""What `mask --find` looks for: found without a mark, listed, and written."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from cleanplate.commands.written import write_masks
from cleanplate.errors import InputError
from cleanplate.progress import OnStep

if TYPE_CHECKING:
    from cleanplate.track.overlays import Overlay


def overlays_in(video: Path, part: range, on_step: OnStep | None) -> "list[Overlay]":
    """What lies over these frames of a video, its frames counted from the first of the video.

    Raises:
        InputError: nothing does, or the shot does not move.
    """
    from cleanplate.imaging.pixels import narrow
    from cleanplate.track.overlays import look_for_overlays
    from cleanplate.video.reader import stream_frames

    pictures = islice(stream_frames(video), part.start, part.stop)
    found, moves = look_for_overlays(map(narrow, pictures), total=len(part), on_step=on_step)
    if not found:
        raise _nothing(video, part, moves=moves)
    return [replace(one, first=one.first + part[0], end=one.end + part[0]) for one in found]


def write_overlays(path: Path, found: "Sequence[Overlay]", video: Path, length: int, on_step: OnStep | None) -> None:
    """Write their masks."""
    from cleanplate.track.overlays import masks_of

    write_masks(path, masks_of(found, length), video, length, on_step)


def line(overlay: "Overlay") -> str:
    """What was found, in a line."""
    left, top, width, height = overlay.box
    where = f"box {left} {top} {width} {height}, frames {overlay.first} to {overlay.end - 1}"
    return f"{overlay.kind}: {where}, certainty {overlay.certainty:.2f}"


def _nothing(video: Path, part: range, *, moves: bool) -> InputError:
    """Why no overlay was found."""
    given = f"no overlay was found in frames {part[0]} to {part[-1]} of {video}"
    if moves:
        fix = "mark it with --fixed and --box or --paint"
        return InputError(given, "nothing stands still that is not of the scene", fix)
    needed = "the shot does not move enough, or is too short, so nothing can be told apart"
    fix = "give a part in which the camera moves, or mark it with --fixed and --box or --paint"
    return InputError(given, needed, fix)
