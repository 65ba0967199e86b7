"""The command `mask`: mark a thing once and write its mask for the whole shot."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from cleanplate.commands.console import End, Output, Start, progress, span_of
from cleanplate.commands.marked import Marked
from cleanplate.commands.with_effects import Added, with_effects
from cleanplate.commands.written import Written, write_masks
from cleanplate.config import Tracker, WhichEffects
from cleanplate.errors import InputError
from cleanplate.progress import OnStep

if TYPE_CHECKING:
    import numpy as np

    from cleanplate.track.marks import Mark

MARKED = Marked()


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
    marked: Annotated[Marked, arg(name="")] = MARKED
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
    tracker: Tracker = "flow"
    """flow, or sam2 or efficienttam if its package and weights are there."""
    weights: Annotated[Path | None, arg(metavar="FILE")] = None
    """A checkpoint of sam2 or efficienttam, under the name it was published; otherwise the best in
    $CLEANPLATE_WEIGHTS."""
    effects: WhichEffects = "off"
    """Mask too what goes with the thing beside it. shadows: its shadow, and what the mask has missed of it; all: also
    reflections, smoke and the like; off: only the thing. inpaint looks for shadows by itself."""
    seed: int = 0
    """The same video, marks and seed give the same mask."""
    device: str = "auto"
    """For sam2, efficienttam and --effects: cpu, cuda, mps, or auto."""
    overwrite: bool = False
    """Replace an output that is already there."""

    def run(self) -> None:
        """Read, track, write, and say which frames to look at."""
        import numpy as np

        from cleanplate.runtime.files import existing
        from cleanplate.runtime.options import RunOptions
        from cleanplate.video.reader import frame_times_s, peek
        from cleanplate.video.timecode import Span
        from cleanplate.video.writer import check_output

        check_output(self.output, overwrite=self.overwrite, sources=(existing(self.video),))
        picture, fps, _ = peek(self.video, Span())
        times_s, (height, width) = frame_times_s(self.video, fps), picture.shape[:2]
        part = self._part(times_s, fps)
        if self.find is not None:
            self._find(part, len(times_s))
            return
        marks = self.marked.marks(self.video, (height, width), len(times_s), fixed=self.fixed)
        nothing = np.zeros((height, width), bool)
        with progress() as on_step:
            masks, seen = self._masks(marks, part, on_step)
            added = Added()
            if self.effects != "off":
                run = RunOptions(self.seed, self.device, on_step=on_step)
                masks = with_effects(masks, self.video, part, self.effects, run, added)
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
        from cleanplate.commands.found import line, overlays_in, write_overlays

        options = {"--fixed": self.fixed, "--effects": self.effects != "off", "--over-cuts": self.over_cuts}
        if given := [*self.marked.given(), *(name for name, value in options.items() if value)]:
            needed = "what is found needs no mark"
            raise InputError(f"--find is given with {', '.join(given)}", needed, "give the one or the other")
        with progress() as on_step:
            found = overlays_in(self.video, part, on_step)
            write_overlays(self.output, found, self.video, length, on_step)
        for one in found:
            print(line(one))
        print(f"{self.output}: {length} frames; {len(found)} overlay{'s' if len(found) > 1 else ''} found")

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
        options = {
            "tracker": self.tracker,
            "weights": self.weights,
            "seed": self.seed,
            "device": self.device,
            "over_cuts": self.over_cuts,
        }
        tracked = track(map(narrow, pictures), marks, **options, on_step=on_step)
        return iter(tracked), Seen(tracked.frames_to_review, tracked.unmarked_shots)


@dataclass(frozen=True)
class Seen:
    """What is to be said of the frames that were tracked, counted from the first of them."""

    frames_to_review: tuple[int, ...] = ()
    unmarked_shots: tuple[range, ...] = ()
