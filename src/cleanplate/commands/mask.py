"""The command `mask`: mark a thing once and write its mask for the whole shot."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from cleanplate.commands.console import End, Output, Start, progress, span_of
from cleanplate.commands.written import Written
from cleanplate.config import DILATE_PX, METHODS, EffectsConfig, Tracker, WhichEffects
from cleanplate.errors import InputError
from cleanplate.progress import OnStep, tell

if TYPE_CHECKING:
    import numpy as np

    from cleanplate.track.marks import Mark
    from cleanplate.track.overlays import Overlay


@dataclass(frozen=True)
class Mask:
    """Mark a thing once, by a box, a polygon or a painted image, and get its mask through the shot.

    The outline of what is in a box or polygon is found; what is painted is taken as it is, and a frame painted black
    says that the thing is not there. Several frames may be marked: one box for each of --frame, or several painted
    images. A mark holds up to the next cut. With --fixed nothing is tracked: it is for subtitles and logos. With --find
    nothing is marked.
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
    """The mark holds still: it is the mask of every frame from --start to --end."""
    find: Literal["overlays"] | None = None
    """overlays: find what lies over a shot that moves (logos, text, captions, bars, dead pixels), without a mark."""
    start: Start = "0"
    """Where to begin: a frame (120), a time (2.5s, 1:05) or a timecode (00:01:05:12)."""
    end: End = None
    """Where to end, in the same words; that frame is not masked any more."""
    shown_first: Annotated[str | None, arg(name="from", metavar="MOMENT")] = None
    """Word of an earlier version for --start: begins with the frame that is shown then."""
    shown_last: Annotated[str | None, arg(name="to", metavar="MOMENT")] = None
    """Word of an earlier version for --end: ends with the frame that is shown then, which is masked too."""
    over_cuts: bool = False
    """Look for the thing beyond cuts too; otherwise every shot that shows it must be marked."""
    method: Tracker = "flow"
    """flow, or sam2 if its package and weights are there ($CLEANPLATE_WEIGHTS)."""
    effects: WhichEffects = "off"
    """Mask too what goes with the thing beside it. shadows: its shadow, and what the mask has missed of it; all: also
    reflections, smoke and the like; off: only the thing. inpaint looks for shadows by itself."""
    seed: int = 0
    """The same video, marks and seed give the same mask."""
    device: str = "auto"
    """For sam2 and --effects: cpu, cuda, mps, or auto."""
    overwrite: bool = False
    """Replace an output that is already there."""

    def run(self) -> None:
        """Read, track, write, and say which frames to look at."""
        import numpy as np

        from cleanplate.runtime.files import existing
        from cleanplate.video.reader import peek
        from cleanplate.video.timecode import Span
        from cleanplate.video.writer import check_output

        check_output(self.output, overwrite=self.overwrite, sources=(existing(self.video),))
        picture, fps, _ = peek(self.video, Span())
        times_s, (height, width) = frame_times_s(self.video, fps), picture.shape[:2]
        part = self._part(times_s, fps)
        if self.find is not None:
            self._find(part, len(times_s))
            return
        marks = self._marks((height, width), len(times_s))
        nothing = np.zeros((height, width), bool)
        with progress() as on_step:
            masks, seen = self._masks(marks, part, on_step)
            added = Added()
            if self.effects != "off":
                masks = self._with_effects(masks, part, added, on_step)
            written = Written()
            every = (next(masks) if index in part else nothing for index in range(len(times_s)))
            write_masks(self.output, written.passing(every), self.video, len(times_s), on_step)
        said = f"{self.output}: {len(times_s)} frames of {width}x{height}; {written.said()}"
        if self.effects != "off":
            said += f", and {added.pixels / max(1, written.frames * width * height):.1%} more that goes with it"
        print(said)
        for shot in seen.unmarked_shots:
            first, last = part[0] + shot[0], part[0] + shot[-1]
            print(f"nothing is masked in frames {first} to {last}, behind a cut: mark it there too, or --over-cuts")
        if seen.frames_to_review:
            shown = ", ".join(str(part[0] + index) for index in seen.frames_to_review)
            print(f"look at frames {shown}: unsure there, or resting on an outline that was found")
        elif not self.fixed:
            print("no frame is unsure")

    def _find(self, part: range, length: int) -> None:
        """Find overlays, say what was found, and write where it is."""
        from cleanplate.imaging.pixels import narrow
        from cleanplate.track.overlays import look_for_overlays, masks_of
        from cleanplate.video.reader import stream_frames

        options = {"--box": self.box, "--polygon": self.polygon, "--paint": self.paint, "--fixed": self.fixed}
        options |= {"--frame": self.frame != (0,), "--effects": self.effects != "off", "--over-cuts": self.over_cuts}
        if given := [name for name, value in options.items() if value]:
            needed = "what is found needs no mark"
            raise InputError(f"--find is given with {', '.join(given)}", needed, "give the one or the other")
        with progress() as on_step:
            pictures = islice(stream_frames(self.video), part.start, part.stop)
            found, moves = look_for_overlays(map(narrow, pictures), total=len(part), on_step=on_step)
            if not found:
                raise InputError(*self._nothing(part, moves=moves))
            found = [replace(one, first=one.first + part[0], end=one.end + part[0]) for one in found]
            write_masks(self.output, masks_of(found, length), self.video, length, on_step)
        for one in found:
            print(_line(one))
        print(f"{self.output}: {length} frames; {len(found)} overlay{'s' if len(found) > 1 else ''} found")

    def _nothing(self, part: range, *, moves: bool) -> tuple[str, str, str]:
        """Why no overlay was found, in the three parts of an `InputError`."""
        given = f"no overlay was found in frames {part[0]} to {part[-1]} of {self.video}"
        if moves:
            return given, "nothing stands still that is not of the scene", "mark it with --fixed and --box or --paint"
        needed = "the shot does not move enough, or is too short, so nothing can be told apart"
        return given, needed, "give a part in which the camera moves, or mark it with --fixed and --box or --paint"

    def _part(self, times_s: Sequence[float], fps: float) -> range:
        """The frames to mask.

        Args:
            times_s: when each frame of the video is shown.
            fps: of the frames that a timecode counts within a second.
        """
        from cleanplate.track.marks import frame_at

        span, length = span_of(self.video, self.start, self.end), len(times_s)
        first = next((index for index, time_s in enumerate(times_s) if span.begins(index, time_s)), length)
        end = next((index for index, time_s in enumerate(times_s) if span.ends(index, time_s)), length)
        if self.shown_first is not None:
            first = frame_at(self.shown_first, times_s, fps)
        if self.shown_last is not None:
            end = frame_at(self.shown_last, times_s, fps) + 1
        if first >= end:
            given = f"no frame is between the start (frame {first}) and the end (frame {end})"
            needed = f"{self.video} has {length} frames, {times_s[-1] + 1 / fps:.2f} s"
            raise InputError(given, needed, "give a --start within it, and an --end after that")
        return range(first, end)

    def _masks(
        self, marks: "Sequence[Mark]", part: range, on_step: OnStep | None
    ) -> "tuple[Iterator[np.ndarray], Seen]":
        """The masks of these frames, and what is to be said of them."""
        import numpy as np

        from cleanplate.imaging.pixels import narrow
        from cleanplate.track.edges import refined
        from cleanplate.track.tracker import track
        from cleanplate.video.reader import stream_frames

        if self.fixed:
            mask = np.logical_or.reduce([mark.area for mark in marks])
            return repeat(mask), Seen()
        for mark in marks:
            if mark.frame not in part:
                needed = f"--start and --end take frames {part[0]} to {part[-1]}"
                raise InputError(f"frame {mark.frame} is marked", needed, "mark one of these")
        marks = [replace(mark, frame=mark.frame - part[0]) for mark in marks]
        pictures = islice(stream_frames(self.video), part.start, part.stop)
        options = {"method": self.method, "seed": self.seed, "device": self.device, "over_cuts": self.over_cuts}
        tracked = track(map(narrow, pictures), marks, **options, on_step=on_step)
        again = islice(stream_frames(self.video), part.start, part.stop)
        return refined(tracked, map(narrow, again)), Seen(tracked.frames_to_review, tracked.unmarked_shots)

    def _with_effects(
        self, masks: "Iterator[np.ndarray]", part: range, added: "Added", on_step: OnStep | None
    ) -> "Iterator[np.ndarray]":
        """The masks of these frames with what goes with the thing; how much that is, is counted."""
        import numpy as np

        from cleanplate.imaging.frame import MADE_UP, Frame
        from cleanplate.imaging.pixels import narrow
        from cleanplate.pipeline import find_effects
        from cleanplate.runtime.options import RunOptions
        from cleanplate.video.masks import grow
        from cleanplate.video.reader import stream_frames

        waiting = deque[np.ndarray]()

        def frames() -> Iterator[Frame]:
            pictures = islice(stream_frames(self.video), part.start, part.stop)
            for index, (picture, mask) in enumerate(zip(pictures, masks, strict=False)):  # a fixed one never ends
                waiting.append(mask)
                hole = grow(mask, DILATE_PX).astype(np.uint8) * np.uint8(MADE_UP)
                yield Frame(index, narrow(picture).copy(), hole)

        method = replace(METHODS["carry"], effects=EffectsConfig(self.effects))
        run = RunOptions(self.seed, self.device, on_step=on_step)
        for frame in find_effects(frames(), method, run, total=len(part)):
            mask = waiting.popleft()
            if frame.effects is not None:
                more = frame.effects.where & ~mask
                added.pixels += int(more.sum())
                mask = mask | more
            yield mask

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
        if not any(mark.area.any() for mark in marks):
            raise InputError("nothing is marked", "--box, --polygon or --paint is needed", "mark the thing on a frame")
        for mark in marks:
            if mark.frame >= length:
                needed = f"{self.video} has {length} frames, counted from 0"
                raise InputError(f"frame {mark.frame} is marked", needed, f"give a frame from 0 to {length - 1}")
        return marks


@dataclass(frozen=True)
class Seen:
    """What is to be said of the frames that were tracked, counted from the first of them."""

    frames_to_review: tuple[int, ...] = ()
    unmarked_shots: tuple[range, ...] = ()


def _line(overlay: "Overlay") -> str:
    """What was found, in a line."""
    left, top, width, height = overlay.box
    where = f"box {left} {top} {width} {height}, frames {overlay.first} to {overlay.end - 1}"
    return f"{overlay.kind}: {where}, certainty {overlay.certainty:.2f}"


@dataclass
class Added:
    """How much was added to masks, as far as they are written."""

    pixels: int = 0


def frame_times_s(video: Path, fps: float) -> list[float]:
    """When each frame of a video or folder is shown, from the first one.

    Raises:
        InputError: no frames, or none that can be decoded.
    """
    from cleanplate.video.container import decode
    from cleanplate.video.images import is_image
    from cleanplate.video.reader import count_frames

    if video.is_dir() or is_image(video):
        return [index / fps for index in range(count_frames(video))]
    times_s: list[float] = []
    for frame in decode(video):
        times_s.append(float(frame.time) if frame.time is not None else len(times_s) / fps)
    return [time_s - times_s[0] for time_s in times_s]


def write_masks(path: Path, masks: "Iterable[np.ndarray]", video: Path, total: int, on_step: OnStep | None) -> None:
    """Write masks one by one, in the time of the video and without its sound.

    Args:
        path: what to write.
        masks: (H, W) bool, one a frame.
        video: what they are of.
        total: how many there are.
        on_step: told of every mask.
    """
    import numpy as np

    from cleanplate.video.reader import fps_of
    from cleanplate.video.writer import open_writer

    with open_writer(path, like=video, fps=fps_of(video), keep_source=False) as writer:
        for index, mask in enumerate(masks):
            writer.write(np.repeat(mask[..., None].astype(np.uint8) * np.uint8(255), 3, axis=2))
            tell(on_step, "write", index + 1, total)
