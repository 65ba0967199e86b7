"""In a process of its own: each thing is tracked from its marks, and all their masks become one."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from cleanplate.commands.written import write_masks
from cleanplate.imaging.pixels import narrow
from cleanplate.progress import OnStep, Step, tell
from cleanplate.runtime.files import whole
from cleanplate.studio import thumbnails
from cleanplate.studio.overlays import OVERLAYS, FoundOverlay
from cleanplate.studio.thumbnails import Colour, Size, emptied
from cleanplate.track.edges import refined
from cleanplate.track.marks import Mark
from cleanplate.track.matte import covered, mattes
from cleanplate.track.tracker import track
from cleanplate.video.areas import WHITE
from cleanplate.video.reader import stream_frames, stream_masks

MASK_FILE = "mask.mkv"


def marks_folder(number: int) -> str:
    """Of the small pictures of what is marked of a thing."""
    return f"marks-{number}"


def mask_folder(number: int) -> str:
    """Of the small pictures of a thing's mask."""
    return f"mask-{number}"


def thing_file(number: int) -> str:
    """The mask of a thing."""
    return f"thing-{number}.mkv"


@dataclass(frozen=True)
class TrackedThing:
    """What became of the marks of a thing."""

    frames_to_review: tuple[int, ...] = ()
    """Those that the tracker is least sure of."""
    unmarked_shots: tuple[range, ...] = ()
    """The frames of shots, behind a cut, that no mark reaches: nothing is masked in them."""


@dataclass(frozen=True)
class TrackJob:
    """What is to be done for a thing."""

    number: int
    colour: Colour
    marks: tuple[int, ...]
    """The frames that are marked; none if its mask is there already."""
    still: range | None = None
    """The frames that it is in, where it does not move: what is marked is its mask in all of them."""
    tracker: str = "flow"
    """Who follows it otherwise."""
    soft: bool = False
    """Whether what has more than a tenth of it is its mask then, where motion or focus have blurred its edge."""


def track_things(
    video: Path,
    folder: Path,
    size: Size,
    total: int,
    jobs: Sequence[TrackJob],
    overlays: Sequence[tuple[int, FoundOverlay]],
    *,
    on_step: OnStep,
) -> dict[int, TrackedThing]:
    """Write the mask of each thing, and the one mask of all of them.

    Args:
        video: the shot.
        folder: of the project.
        size: (height, width) of the shot.
        total: how many frames it has.
        jobs: what is to be done for each thing.
        overlays: those that were accepted, with their numbers.
        on_step: told of every frame.

    Returns:
        by its number, what became of each thing that was to be tracked.
    """
    due = [job for job in jobs if job.marks]
    parts = {"track": sum(job.still is None for job in due), "write": len(due) + 1}
    done = dict.fromkeys(parts, 0)
    found = {}
    for job in due:
        found[job.number] = _track_thing(video, folder, total, job, _part_of(on_step, dict(done), parts))
        done["track"] += job.still is None
        done["write"] += 1
    files = [folder / thing_file(job.number) for job in jobs]
    last = _part_of(on_step, done, parts)
    if len(files) == 1 and not overlays:  # it is the one mask
        with whole(folder / MASK_FILE) as partial:
            shutil.copyfile(files[0], partial)
        tell(last, "write", total, total)
    else:
        write_masks(folder / MASK_FILE, _united(folder, size, total, files, overlays), video, total, last)
    return found


def _track_thing(video: Path, folder: Path, total: int, job: TrackJob, on_step: OnStep) -> TrackedThing:
    marks = [Mark(index, thumbnails.read_area(folder / marks_folder(job.number), index)) for index in job.marks]
    found = TrackedThing()
    masks: Iterator[tuple[np.ndarray, np.ndarray | None]]  # with what has a tenth of it, if its edges are soft
    if job.still is not None:
        everywhere = np.logical_or.reduce([mark.area for mark in marks])
        masks = ((everywhere if index in job.still else np.zeros_like(everywhere), None) for index in range(total))
    else:
        pictures = (narrow(frame) for frame in stream_frames(video))
        tracked = track(pictures, marks, tracker=job.tracker, scratch=folder, on_step=on_step)
        pictures = (narrow(frame) for frame in stream_frames(video))
        if job.soft:
            masks = ((alpha > WHITE, covered(alpha)) for alpha in mattes([tracked], pictures))
        else:
            masks = ((mask, None) for mask in refined(tracked, pictures))
        found = TrackedThing(tracked.frames_to_review, tracked.unmarked_shots)
    tints = emptied(folder / mask_folder(job.number))

    def passing() -> Iterator[np.ndarray]:
        for index, (mask, edge) in enumerate(masks):
            thumbnails.write_mask(thumbnails.numbered(tints, index, ".png"), mask, job.colour, edge)
            yield mask if edge is None else edge

    write_masks(folder / thing_file(job.number), passing(), video, total, on_step)
    return found


def _united(
    folder: Path, size: Size, total: int, files: Sequence[Path], overlays: Sequence[tuple[int, FoundOverlay]]
) -> Iterator[Bool[np.ndarray, "H W"]]:
    """The masks of all frames: where any thing is, or an overlay."""
    areas = [(one, thumbnails.read_area(folder / OVERLAYS, number)) for number, one in overlays]
    things = [stream_masks(path) for path in files]
    for index in range(total):
        mask = np.zeros(size, bool)
        for grey in things:
            mask |= next(grey) > 127
        for one, area in areas:
            if one.first <= index <= one.last:
                mask |= area
        yield mask


def _part_of(on_step: OnStep, before: Mapping[str, int], parts: Mapping[str, int]) -> Callable[[Step], None]:
    """Tell of the steps of one part as of those of all parts of a stage, so many of which were done before."""

    def told(step: Step) -> None:
        done = before.get(step.stage, 0) * step.total + step.done
        on_step(replace(step, done=done, total=parts.get(step.stage, 1) * step.total))

    return told
