"""What is done in a process of its own, between files in a project's folder: read, track, clean."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from cleanplate.commands.inpaint import Inpaint
from cleanplate.commands.mask import write_masks
from cleanplate.data.demo import make_demo, write_tone
from cleanplate.errors import InputError
from cleanplate.imaging.frame import Frame
from cleanplate.imaging.pixels import narrow, to_float, to_samples
from cleanplate.progress import OnStep, Step, tell
from cleanplate.runtime.checkpoint import WorkDir
from cleanplate.studio import thumbnails as pictures
from cleanplate.track.marks import Mark
from cleanplate.track.tracker import track
from cleanplate.video.reader import fps_of, peek, stream_frames, stream_masks
from cleanplate.video.timecode import Span
from cleanplate.video.writer import write_video

MOST_FRAMES = 5000
PREVIEW_S = 2.0  # between two looks at the middle frame
FRAMES, MARKS, MASK, AFTER, WHERE = "frames", "marks", "mask", "after", "where"
"""Folders of small pictures: the shot, its marks, its mask, the result, and where that comes from."""
MASK_FILE, PROVENANCE_FILE, PREVIEW = "mask.mkv", "provenance.mkv", "preview.jpg"


@dataclass(frozen=True)
class Facts:
    """What is known of a shot once it was read."""

    size: tuple[int, int]
    """(height, width)."""
    small: tuple[int, int]
    """Of the copies that are shown."""
    total: int
    fps: float


@dataclass(frozen=True)
class Tracked:
    """What became of the marks."""

    look_at: tuple[int, ...]
    covered: float
    """Share of all pixels."""


def read(video: Path, folder: Path, *, on_step: OnStep) -> Facts:
    """Make small copies of all frames.

    Raises:
        InputError: no video that can be decoded, or one of too many frames.
    """
    _emptied(folder / FRAMES)
    count, size, declared = 0, (0, 0), peek(video, Span())[2]
    for picture in stream_frames(video):
        if count == MOST_FRAMES:
            given = f"the video has more than {MOST_FRAMES} frames"
            raise InputError(
                given, "the studio shows them all", "cut it, or use cleanplate inpaint with --start, --end"
            )
        if count and picture.shape[:2] != size:
            raise InputError("the picture changes its size in the video", "all frames must have one", "convert it")
        size = picture.shape[:2]
        pictures.write_frame(folder / FRAMES, count, narrow(picture))
        count += 1
        tell(on_step, "read", count, max(count, declared))
    if not count:
        raise InputError("the video has no frames", "at least one is needed", "check the file")
    return Facts(size, pictures.small_size(size), count, fps_of(video))


def make_demo_shot(video: Path, folder: Path, *, on_step: OnStep) -> Facts:
    """Make the built-in shot, with its sound, and read it."""
    demo = make_demo()
    tone = folder / "tone.m4a"
    write_tone(tone, len(demo.frames) / demo.fps)
    write_video(video, demo.frames, fps=demo.fps, sound=tone)
    tone.unlink()
    return read(video, folder, on_step=on_step)


def track_marks(
    video: Path, folder: Path, facts: Facts, marks: tuple[int, ...], still: bool, *, on_step: OnStep
) -> Tracked:
    """Write the mask of all frames.

    Args:
        video: the shot.
        folder: of the project.
        facts: of the shot.
        marks: the frames that are marked, at least one.
        still: the thing does not move: what is marked is its mask everywhere.
        on_step: told of every frame.
    """
    given = [Mark(index, _mark(folder, index, facts)) for index in marks]
    look_at: tuple[int, ...] = ()
    masks: Iterator[np.ndarray]
    if still:
        everywhere = np.logical_or.reduce([mark.area for mark in given])
        masks = (everywhere for _ in range(facts.total))
    else:
        tracked = track((narrow(frame) for frame in stream_frames(video)), given, on_step=on_step)
        masks, look_at = iter(tracked), tracked.look_at
    _emptied(folder / MASK)
    covered = 0.0

    def passing() -> Iterator[np.ndarray]:
        nonlocal covered
        for index, mask in enumerate(masks):
            pictures.write_mask(pictures.numbered(folder / MASK, index, ".png"), mask)
            covered += float(mask.mean()) / facts.total
            yield mask

    write_masks(folder / MASK_FILE, passing(), video, facts.total, on_step)
    return Tracked(look_at, covered)


def _mark(folder: Path, index: int, facts: Facts) -> Bool[np.ndarray, "H W"]:
    """What is marked on a frame, in the size of the video."""
    level = pictures.read_mask(pictures.numbered(folder / MARKS, index, ".png")).astype(np.uint8) * 255
    return cv2.resize(level, facts.size[::-1], interpolation=cv2.INTER_LINEAR) > 127


@dataclass(frozen=True)
class Result:
    """What was made, in shares and seconds."""

    name: str
    """Of the file."""
    frames: int
    first: int
    """Which frame of the shot its first one is."""
    size: tuple[int, int]
    hidden: float
    carried: float
    made_up: float
    elapsed_s: float


def clean_shot(options: Inpaint, saved: Path, facts: Facts, *, on_step: OnStep) -> Result:
    """Remove what the mask marks, and make small copies of the result and of where it comes from.

    Args:
        options: as the command line has them. What is made lies beside its output.
        saved: folder of what was learned, to go on from if the run is ended.
        facts: of the shot.
        on_step: told of every step.
    """
    folder = options.output.parent
    watch = Watch(folder / PREVIEW, facts.total // 2, on_step, whole=not options.settings.carries)
    work_dir = WorkDir(saved, resume=True, overwrite=True, every_s=20.0)
    done = replace(options, provenance=folder / PROVENANCE_FILE).clean(work_dir, watch, watch.see)
    work_dir.finish()
    _emptied(folder / AFTER)
    _emptied(folder / WHERE)
    both = zip(stream_frames(options.output), stream_masks(folder / PROVENANCE_FILE), strict=True)
    for index, (picture, where) in enumerate(both):
        pictures.write_frame(folder / AFTER, index, narrow(picture))
        pictures.write_provenance(pictures.numbered(folder / WHERE, index, ".png"), where)
        tell(on_step, "show", index + 1, done.frames)
    start = options.span().start
    first = start if isinstance(start, int) else round(start * Fraction(fps_of(options.video)))
    return Result(
        options.output.name, done.frames, first, done.size, done.hidden, done.carried, done.made_up, done.elapsed_s
    )


class Watch:
    """Passes steps on, and keeps a picture of the middle frame as it is now.

    Args:
        path: of that picture.
        middle: index of the frame.
        on_step: who is told.
        whole: a network makes the whole frame, and can be asked for it.
    """

    def __init__(self, path: Path, middle: int, on_step: OnStep, *, whole: bool):
        self.path, self.middle, self.on_step, self.whole = path, middle, on_step, whole
        self.frame: Frame | None = None
        self.seen_s = 0.0

    def see(self, frame: Frame) -> None:
        """Keep the middle frame, and until it has come the one that is nearest to it."""
        if frame.index <= self.middle:
            self.frame = frame

    def __call__(self, step: Step) -> None:
        """Told of a step."""
        # While frames are being read, the hole may not be painted over yet.
        if self.frame is not None and step.stage != "read" and time.monotonic() - self.seen_s >= PREVIEW_S:
            pictures.write_jpeg(self.path, self._now(self.frame, step))
            self.seen_s = time.monotonic()
        self.on_step(step)

    def _now(self, frame: Frame, step: Step) -> UInt8[np.ndarray, "H W 3"]:
        picture = to_float(frame.picture.cpu())
        if self.whole and step.preview is not None and not step.fit.startswith("frame-"):
            picture = picture.where(~frame.hole.cpu(), step.preview(frame.index).cpu().clamp(0, 1))
        return to_samples(picture)


def _emptied(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()


Task = Callable[..., Any]
TASKS: Mapping[str, Task] = {"read": read, "demo": make_demo_shot, "track": track_marks, "clean": clean_shot}
