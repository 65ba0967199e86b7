"""The command `mask`: mark a thing once and write its mask for the whole shot."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from cleanplate.commands.console import Output, progress
from cleanplate.errors import InputError
from cleanplate.progress import OnStep, tell

if TYPE_CHECKING:
    import numpy as np

    from cleanplate.track.marks import Mark


@dataclass(frozen=True)
class Mask:
    """Mark a thing once, by a box, a polygon or a painted image, and get its mask through the shot.

    The outline of what is in a box or polygon is found; what is painted is taken as it is. Several frames may be
    marked: one box for each of --frame, or several painted images. With --fixed nothing is tracked: it is for subtitles
    and logos.
    """

    video: Annotated[Positional[Path], arg(metavar="VIDEO")]
    """A video, or a folder of images."""
    output: Output
    """The mask: .mkv (lossless), .mp4 or .mov (H.264), or a name without a suffix (a folder of PNGs)."""
    frame: Annotated[tuple[int, ...], arg(metavar="N")] = (0,)
    """The frame that --box or --polygon is of, counted from 0; with several boxes, the frame of each."""
    box: Annotated[tuple[int, ...], arg(metavar="X Y W H")] = ()
    """Left, top, width and height in pixels; so for each of --frame."""
    polygon: Annotated[tuple[float, ...], arg(metavar="X Y")] = ()
    """The corners of a polygon, one after the other."""
    paint: Annotated[tuple[str, ...], arg(metavar="FRAME:IMAGE")] = ()
    """Painted masks, white on the thing, in the size of the video. With --fixed just IMAGE."""
    fixed: bool = False
    """The mark holds still: it is the mask of every frame from --from to --to."""
    start: Annotated[str | None, arg(name="from", metavar="WHEN")] = None
    """First frame to mask: a frame (120), seconds (4.5s), a clock (1:02.5) or a timecode (00:01:02:12)."""
    end: Annotated[str | None, arg(name="to", metavar="WHEN")] = None
    """Last frame to mask."""
    method: Literal["flow", "sam2"] = "flow"
    """flow, or sam2 if its package and weights are there ($CLEANPLATE_WEIGHTS)."""
    seed: int = 0
    """The same video, marks and seed give the same mask."""
    device: str = "auto"
    """For sam2: cpu, cuda, mps, or auto."""
    overwrite: bool = False
    """Replace an output that is already there."""

    def run(self) -> None:
        """Read, track, write, and say which frames to look at."""
        import numpy as np

        from cleanplate.runtime.files import existing
        from cleanplate.track.marks import frame_at
        from cleanplate.track.tracker import track
        from cleanplate.video.writer import check_output

        check_output(self.output, overwrite=self.overwrite, sources=(existing(self.video),))
        shot = look_through(self.video)
        first = 0 if self.start is None else frame_at(self.start, shot.times_s, shot.fps)
        last = len(shot.times_s) - 1 if self.end is None else frame_at(self.end, shot.times_s, shot.fps)
        if first > last:
            given = f"--from {self.start} is frame {first} and --to {self.end} is frame {last}"
            raise InputError(given, "the first frame comes before the last", "swap them")
        marks = self._marks(shot.size, len(shot.times_s))
        nothing = np.zeros(shot.size, bool)
        with progress() as on_step:
            if self.fixed:
                mark = np.logical_or.reduce([mark.area for mark in marks])
                inside, look_at = (mark for _ in range(first, last + 1)), ()
                covered = float(mark.mean())
            else:
                marks = [self._within(mark, first, last) for mark in marks]
                pictures = (picture for index, picture in enumerate(read(self.video)) if first <= index <= last)
                options = {"method": self.method, "seed": self.seed, "device": self.device, "on_step": on_step}
                tracked = track(pictures, marks, **options)
                inside, look_at = iter(tracked), tuple(first + index for index in tracked.frames_to_review)
                covered = float(tracked.probability.mean()) / 255
            masks = (next(inside) if first <= index <= last else nothing for index in range(len(shot.times_s)))
            write_masks(self.output, masks, shot, on_step)
        height, width = shot.size
        print(
            f"{self.output}: {len(shot.times_s)} frames of {width}x{height}; frames {first} to {last} are masked, "
            f"{covered:.1%} of the picture"
        )
        if look_at:
            print(
                f"look at frames {', '.join(map(str, look_at))}: unsure there, or resting on an outline that was found"
            )
        elif not self.fixed:
            print("no frame is unsure")

    def _marks(self, size: tuple[int, int], length: int) -> "list[Mark]":
        """What was marked, on which frames."""
        from cleanplate.track.marks import Mark, box_area, painted_area, polygon_area

        marks = []
        if self.box:
            if len(self.box) != 4 * len(self.frame):
                given = f"--box has {len(self.box)} numbers for {len(self.frame)} of --frame"
                raise InputError(given, "X Y W H are needed for each", "give four numbers a frame")
            boxes = zip(self.frame, zip(*[iter(self.box)] * 4, strict=True), strict=True)
            marks += [Mark(frame, box_area(box, size), is_exact=False) for frame, box in boxes]
        if self.polygon:
            if len(self.frame) != 1:
                given = f"--polygon is of one frame, and --frame names {len(self.frame)}"
                raise InputError(given, "one is needed", "mark the others by --paint")
            marks.append(Mark(self.frame[0], polygon_area(self.polygon, size), is_exact=False))
        for word in self.paint:
            number, colon, name = word.partition(":")
            if number.isdigit() and colon:
                frame, path = int(number), Path(name)
            elif self.fixed:
                frame, path = 0, Path(word)
            else:
                raise InputError(f"--paint {word} names no frame", "FRAME:IMAGE is needed", f"write 0:{word}")
            marks.append(Mark(frame, painted_area(path, size)))
        if not marks:
            raise InputError("nothing is marked", "--box, --polygon or --paint is needed", "mark the thing on a frame")
        for mark in marks:
            if mark.frame >= length:
                raise InputError(
                    f"frame {mark.frame} is marked", f"{self.video} has {length} frames, counted from 0", "correct it"
                )
        return marks

    def _within(self, mark: "Mark", first: int, last: int) -> "Mark":
        """The mark with its frame counted from the first one that is tracked."""
        import dataclasses

        if not first <= mark.frame <= last:
            given = f"frame {mark.frame} is marked"
            raise InputError(given, f"--from and --to take frames {first} to {last}", "mark one of these")
        return dataclasses.replace(mark, frame=mark.frame - first)


@dataclass(frozen=True)
class Shot:
    """What is known of a video once it has been gone through."""

    path: Path
    size: tuple[int, int]
    """(height, width)."""
    times_s: list[float]
    """When each frame is shown."""
    fps: float


def look_through(path: Path) -> Shot:
    """The size and the times of all frames; nothing is kept of the pictures."""
    from cleanplate.video.container import decode
    from cleanplate.video.images import image_files, is_image, read_image
    from cleanplate.video.planes import upright_size
    from cleanplate.video.reader import fps_of

    fps = fps_of(path)
    if path.is_dir() or is_image(path):
        files = image_files(path) if path.is_dir() else [path]
        return Shot(path, read_image(files[0]).shape[:2], [index / fps for index in range(len(files))], fps)
    times_s: list[float] = []
    size = (0, 0)
    for frame in decode(path):
        size = size if times_s else upright_size(frame)
        times_s.append(float(frame.time) if frame.time is not None else len(times_s) / fps)
    if not times_s:
        raise InputError(f"{path} has no frames", "at least one is needed", "check the file")
    return Shot(path, size, [time - times_s[0] for time in times_s], fps)


def read(path: Path) -> "Iterator[np.ndarray]":
    """The frames in RGB, one after the other."""
    from cleanplate.imaging.pixels import narrow
    from cleanplate.video.reader import stream_frames

    return map(narrow, stream_frames(path))


def write_masks(path: Path, masks: "Iterable[np.ndarray]", shot: Shot, on_step: OnStep | None) -> None:
    """Write masks one by one, in the time of the shot and without its sound."""
    import numpy as np

    from cleanplate.video.writer import open_writer

    with open_writer(path, like=shot.path, fps=shot.fps, keep_source=False) as writer:
        for index, mask in enumerate(masks):
            writer.write(np.repeat(mask[..., None].astype(np.uint8) * np.uint8(255), 3, axis=2))
            tell(on_step, "write", index + 1, len(shot.times_s))
