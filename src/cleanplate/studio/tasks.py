"""What is done in a process of its own, between files in a project's folder: read, track, find, clean, take out."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from cleanplate.commands.inpaint import Inpaint
from cleanplate.errors import InputError
from cleanplate.imaging.frame import Frame
from cleanplate.imaging.pixels import channels_last, narrow, to_samples
from cleanplate.progress import OnStep, Step, tell
from cleanplate.runtime.devices import check_torch
from cleanplate.runtime.work_dir import WorkDir
from cleanplate.studio import thumbnails
from cleanplate.studio.finding import Drawn, find_shown, write_drawn
from cleanplate.studio.overlays import find_shown_overlays
from cleanplate.studio.thumbnails import emptied
from cleanplate.studio.tracking import track_things
from cleanplate.video.images import write_png
from cleanplate.video.reader import fps_of, peek, stream_frames, stream_masks
from cleanplate.video.timecode import Span
from cleanplate.video.writer import write_video

MOST_FRAMES = 5000
PREVIEW_S = 2.0  # between two pictures of the middle frame
FRAMES, AFTER, PROVENANCE = "frames", "after", "provenance"
"""Folders of small pictures: the shot, the result, and its provenance."""
PROVENANCE_FILE, PREVIEW = "provenance.mkv", "preview.jpg"


@dataclass(frozen=True)
class ShotInfo:
    """What is known of a shot once it was read."""

    size: tuple[int, int]
    """(height, width)."""
    small: tuple[int, int]
    """Of the copies that are shown."""
    total: int
    fps: float


def read(video: Path, folder: Path, *, on_step: OnStep) -> ShotInfo:
    """Make small copies of all frames.

    Raises:
        InputError: no video that can be decoded, or one of too many frames.
    """
    emptied(folder / FRAMES)
    count, size, declared = 0, (0, 0), peek(video, Span())[2]
    for picture in stream_frames(video):
        if count == MOST_FRAMES:
            given = f"the video has more than {MOST_FRAMES} frames"
            raise InputError(
                given, "the studio shows them all", "cut it, or use cleanplate inpaint with --start, --end"
            )
        if count and picture.shape[:2] != size:
            raise InputError(
                "the picture changes its size in the video", "all frames need the same", "convert the video to one size"
            )
        size = picture.shape[:2]
        thumbnails.write_frame(folder / FRAMES, count, narrow(picture))
        count += 1
        tell(on_step, "read", count, max(count, declared))
    if not count:
        raise InputError("the video has no frames", "at least one is needed", "export it again")
    return ShotInfo(size, thumbnails.small_size(size), count, fps_of(video))


def make_demo_shot(video: Path, folder: Path, *, on_step: OnStep) -> ShotInfo:
    """Make the built-in shot, with its sound, and read it."""
    check_torch("the built-in shot")
    from cleanplate.data.demo import make_demo, write_tone  # torch takes seconds to load, and most runs do without

    demo = make_demo()
    tone = folder / "tone.m4a"
    write_tone(tone, len(demo.frames) / demo.fps)
    write_video(video, demo.frames, fps=demo.fps, sound=tone)
    tone.unlink()
    return read(video, folder, on_step=on_step)


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
    painted: float
    elapsed_s: float
    doubtful: float
    look_at: tuple[int, ...]


def clean_shot(options: Inpaint, saved: Path, info: ShotInfo, drawn: Drawn | None = None, *, on_step: OnStep) -> Result:
    """Remove what the mask marks, and make small copies of the result and of its provenance.

    Args:
        options: as the command line has them. What is made lies beside its output.
        saved: folder of what was learned, to go on from if the run is ended.
        info: of the shot.
        drawn: what the options' mask is to be made of first, if it is not there.
        on_step: told of every step.
    """
    folder = options.output.parent
    if drawn is not None:
        write_drawn(options, drawn, info.size, info.total)
    preview = Preview(folder / PREVIEW, info.total // 2, on_step, whole=not options.settings.carries)
    work_dir = WorkDir(saved, resume=True, overwrite=True, every_s=20.0)
    done = replace(options, provenance=folder / PROVENANCE_FILE).clean(work_dir, preview, preview.observe)
    work_dir.finish()
    emptied(folder / AFTER)
    emptied(folder / PROVENANCE)
    both = zip(stream_frames(options.output), stream_masks(folder / PROVENANCE_FILE), strict=True)
    for index, (picture, provenance) in enumerate(both):
        thumbnails.write_frame(folder / AFTER, index, narrow(picture))
        thumbnails.write_provenance(thumbnails.numbered(folder / PROVENANCE, index, ".png"), provenance)
        tell(on_step, "show", index + 1, done.frames)
    start = options.span().start
    first = start if isinstance(start, int) else round(start * Fraction(fps_of(options.video)))
    return Result(
        options.output.name,
        done.frames,
        first,
        done.size,
        done.hidden,
        done.carried,
        done.made_up,
        done.painted,
        done.elapsed_s,
        done.doubtful,
        done.look_at,
    )


def take_out(video: Path, frame: int, path: Path, *, on_step: OnStep) -> Path:
    """Write a frame as a PNG.

    Raises:
        InputError: the video has no such frame.
    """
    picture = next(stream_frames(video, Span(frame, frame + 1)), None)
    if picture is None:
        raise InputError(f"there is no frame {frame}", "a frame of the video is needed", "give a smaller number")
    path.parent.mkdir(exist_ok=True)
    write_png(path, picture)
    tell(on_step, "read", 1, 1)
    return path


class Preview:
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
        self.written_s = 0.0

    def observe(self, frame: Frame) -> None:
        """Keep the middle frame, and until it has come the one that is nearest to it."""
        if frame.index <= self.middle:
            self.frame = frame

    def __call__(self, step: Step) -> None:
        """Told of a step."""
        # While frames are being read, the hole may not be painted over yet.
        if self.frame is not None and step.stage != "read" and time.monotonic() - self.written_s >= PREVIEW_S:
            thumbnails.write_jpeg(self.path, self._now(self.frame, step))
            self.written_s = time.monotonic()
        self.on_step(step)

    def _now(self, frame: Frame, step: Step) -> UInt8[np.ndarray, "H W 3"]:
        if self.whole and step.preview is not None and not step.fit.startswith("frame-"):
            made = to_samples(channels_last(step.preview(frame.index).clamp(0, 1)))
            return np.where(frame.hole[..., None], made, to_samples(frame.picture))
        return to_samples(frame.picture)


Task = Callable[..., Any]
TASKS: Mapping[str, Task] = {
    "read": read,
    "demo": make_demo_shot,
    "track": track_things,
    "overlays": find_shown_overlays,
    "effects": find_shown,
    "clean": clean_shot,
    "take-out": take_out,
}
