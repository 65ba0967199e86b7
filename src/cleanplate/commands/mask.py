"""The command `mask`: mark a thing once and write its mask for the whole shot."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, repeat, tee
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from cleanplate.commands.console import End, Output, Start, progress, span_of
from cleanplate.commands.marked import Marked
from cleanplate.commands.things import Thing, lines, named, things_of
from cleanplate.commands.unmarked import cover_spans, find_overlays
from cleanplate.commands.with_effects import Added, with_effects
from cleanplate.commands.written import write_masks_together
from cleanplate.config import Tracker, WhichEffects
from cleanplate.errors import InputError
from cleanplate.progress import OnStep

if TYPE_CHECKING:
    import numpy as np

    from cleanplate.track.marks import Mark
    from cleanplate.track.tracked import Tracked
    from cleanplate.video.numbers import Numbers

MARKED = Marked()


@dataclass(frozen=True)
class Mask:
    """Mark a thing once, or several, by a box, a polygon or a painted image, and get its mask through the shot.

    The outline of what is in a box or polygon is found; what is painted is taken as it is, and a frame painted black
    says that the thing is not there. Several frames may be marked: one box for each of --frame, or several painted
    images. A mark holds up to the next cut. With --fixed nothing is tracked: it is for subtitles and logos. With --find
    or --spans nothing is marked.
    """

    video: Annotated[Positional[Path], arg(metavar="VIDEO")]
    """A video, a folder of images, or shot.####.png: images with numbers, by which all options call their frames."""
    output: Output
    """The mask: .mkv (lossless), .mp4 or .mov (H.264), a name without a suffix (a folder of PNGs), mask.####.png (PNGs
    with the numbers of the shot), or the .png of a picture."""
    marked: Annotated[Marked, arg(name="")] = MARKED
    thing: Annotated[tuple[str, ...], arg(metavar="NAME")] = ()
    """Begins another thing: the --frame, --box, --polygon and --paint behind it are of that one, up to the next
    --thing. What stands before the first is called thing."""
    each: bool = False
    """Write the mask of each thing alone too, beside that of all: masks.bike.mkv beside masks.mkv. What would be in two
    of them is of the one that it is more probable of."""
    matte: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write beside the mask how much of each pixel is the thing's, in greys, where motion or focus make its edge soft,
    for compositing: of all things together, and without --effects. The mask then covers what has more than a tenth of
    it, also around what was painted; inpaint takes the mask."""
    fixed: bool = False
    """The mark holds still: it is the mask of every frame from --start to --end."""
    find: Literal["overlays"] | None = None
    """overlays: find what lies over a shot that moves (logos, text, captions, bars, dead pixels), without a mark."""
    spans: Annotated[Path | None, arg(metavar="FILE")] = None
    """A file of boxes and times, of logos and captions, without a mark (TOML; see docs/how-to/logo.md). --find overlays
    -o FILE.toml writes what it finds so."""
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
    layer: Annotated[str, arg(metavar="NAME")] = ""
    """Of OpenEXR files: the part or layer to look at (beauty), if it is not the one that is plain RGB."""
    gaps: Literal["refuse", "keep"] = "refuse"
    """Where numbers are missing among images: keep takes those that are there for neighbours, and keeps the gap."""
    overwrite: bool = False
    """Replace an output that is already there."""

    def run(self) -> None:
        """Read, track, write, and say which frames to look at."""
        from cleanplate.runtime.devices import check_name
        from cleanplate.runtime.options import RunOptions
        from cleanplate.video.numbers import check_gaps
        from cleanplate.video.reader import check_layer, frame_times_s, peek
        from cleanplate.video.sequences import existing
        from cleanplate.video.timecode import Span

        check_name(self.device)
        RunOptions(self.seed)  # refuses a seed that is none
        check_gaps(existing(self.video), Span(), self.gaps)
        check_layer(self.video, self.layer)
        things = self._things()
        self._check_outputs(things)
        picture, fps, _ = peek(self.video, Span(), self.layer)
        times_s = frame_times_s(self.video, fps)
        part = self._part(times_s, fps)
        if self.find is not None:
            print(*find_overlays(self.output, self.video, self._pictures(part), part, len(times_s)), sep="\n")
        elif self.spans is not None:
            self._check_images(part)
            size = picture.shape[:2]
            print(*cover_spans(self.spans, self.output, self.video, part, size, times_s, fps), sep="\n")
        else:
            if self.fixed and self.effects == "off":
                self._check_images(part)
            self._track(things, part, picture.shape[:2], len(times_s))

    def _things(self) -> list[Thing]:
        """The things that are marked; none where nothing is to be marked."""
        if self.find is not None:
            self._refuse_marks("--find", "what is found needs no mark", "--spans" if self.spans else "")
            return []
        if self.spans is not None:
            self._refuse_marks("--spans", "the file says where all is")
            return []
        if self.each and self.effects != "off":
            given = f"--each is given with --effects {self.effects}"
            raise InputError(given, "effects are looked for beside all things together", "leave one of them out")
        if self.matte is not None and self.fixed:
            raise InputError("--matte is given with --fixed", "a matte is of what is tracked", "leave one of them out")
        return things_of(self.marked, self.thing)

    def _refuse_marks(self, option: str, needed: str, other: str = "") -> None:
        """Refuse what belongs to marks, or another option, where there are none."""
        options = {other: other, "--thing": self.thing, "--fixed": self.fixed, "--effects": self.effects != "off"}
        options |= {"--over-cuts": self.over_cuts, "--each": self.each}
        options |= {"--matte": self.matte is not None}
        if given := [*self.marked.given(), *(name for name, value in options.items() if value)]:
            raise InputError(f"{option} is given with {', '.join(given)}", needed, "give the one or the other")

    def _check_outputs(self, things: Sequence[Thing]) -> None:
        """Refuse outputs that could not be written."""
        from cleanplate.video.outputs import check_apart, check_output, check_place, check_png
        from cleanplate.video.spans import files_of_spans, is_spans

        spans = () if self.spans is None else files_of_spans(self.spans)
        sources = self.video, *spans, *(path for thing in things for _, path in thing.marked.painted())
        beside = {f"--thing {thing.name}": thing.file(self.output) for thing in things} if self.each else {}
        check_apart({"--output": self.output, **beside, "--matte": self.matte})
        check = check_place if self.find is not None and is_spans(self.output) else check_output
        check(self.output, overwrite=self.overwrite, sources=sources)
        check_png(self.output)
        for path in beside.values():
            check_place(path, overwrite=self.overwrite, sources=sources)
        if self.matte is None:
            return
        check_output(self.matte, overwrite=self.overwrite, sources=sources)
        check_png(self.matte)

    def _track(self, things: Sequence[Thing], part: range, size: tuple[int, int], length: int) -> None:
        """Track the things, write their masks, and say what is to be looked at."""
        import numpy as np

        from cleanplate.runtime.options import RunOptions
        from cleanplate.video.numbers import numbers_of

        numbers = numbers_of(self.video)
        names = [thing.name if len(things) > 1 else "" for thing in things]
        marks, added = list[list["Mark"]](), Added()
        for thing, name in zip(things, names, strict=True):
            with named(name):
                marks.append(thing.marked.marks(self.video, size, length, fixed=self.fixed, numbers=numbers))
                self._check_part(marks[-1], part, numbers)
        with progress() as on_step:
            tracked = [] if self.fixed else self._tracked(marks, part, on_step)
            greys, matte = None, None
            if self.matte is not None:
                # Effects read a window ahead, which tee would hold.
                mattes, matte = tee(self._mattes(tracked, part)) if self.effects == "off" else (
                    self._mattes(tracked, part), self._mattes(tracked, part)
                )  # fmt: skip
                black = np.zeros(size, np.uint8)
                greys = self.matte, (next(mattes) if index in part else black for index in range(length))
            masks = repeat(self._fixed(marks)) if self.fixed else self._masks(tracked, part, matte)
            if self.effects != "off":
                run = RunOptions(self.seed, self.device, on_step=on_step)
                together = (mask for (mask,) in masks)
                masks = (
                    [mask] for mask in with_effects(together, self._pictures(part), len(part), self.effects, run, added)
                )
            paths = [self.output, *((thing.file(self.output) for thing in things) if self.each else ())]
            nothing = [np.zeros(size, bool)] * len(paths)
            frames = (next(masks) if index in part else nothing for index in range(length))
            written = write_masks_together(paths, frames, self.video, length, on_step, greys)
        said = f"{self.output}: {length} frames of {size[1]}x{size[0]}; {written[0].said(numbers)}"
        if self.effects != "off":
            share = added.pixels / max(1, written[0].frames * size[0] * size[1])
            said += f", and {share:.1%} more that goes with it"
        print(said)
        for path, had in zip(paths[1:], written[1:], strict=True):
            print(f"{path}: {had.said(numbers)}")
        if self.matte is not None:
            print(f"{self.matte}: how much of each pixel is the thing's")
        for name, one in zip(names, tracked, strict=not self.fixed):
            for line in lines(one, part[0], numbers):
                print(f"{name}: {line}" if name else line)

    def _part(self, times_s: Sequence[float], fps: float) -> range:
        """The frames to mask.

        Args:
            times_s: when each frame of the video is shown.
            fps: of the frames that a timecode counts within a second.
        """
        from cleanplate.track.marks import frame_at
        from cleanplate.video.numbers import numbers_of

        numbers = numbers_of(self.video)
        span, length = span_of(self.video, self.start, self.end), len(times_s)
        first = next((index for index, time_s in enumerate(times_s) if span.begins(index, time_s)), length)
        end = next((index for index, time_s in enumerate(times_s) if span.ends(index, time_s)), length)
        if self.shown_first is not None:
            first = frame_at(self.shown_first, times_s, fps, numbers)
        if self.shown_last is not None:
            end = frame_at(self.shown_last, times_s, fps, numbers) + 1
        if first >= end:
            given = f"no frame is between the start (frame {first}) and the end (frame {end})"
            needed = f"{self.video} has {length} frames, {times_s[-1] + 1 / fps:.2f} s"
            raise InputError(given, needed, "give a --start within it, and an --end after that")
        return range(first, end)

    def _pictures(self, part: range) -> "Iterator[np.ndarray]":
        """These frames, (H, W, 3) bytes; refuse one of another size than the first."""
        from cleanplate.imaging.pixels import narrow
        from cleanplate.track.tracked import check_frame
        from cleanplate.video.numbers import numbers_of
        from cleanplate.video.reader import stream_frames

        size, numbers = (), numbers_of(self.video)
        for index, picture in enumerate(islice(stream_frames(self.video, layer=self.layer), part.stop)):
            size = size or picture.shape[:2]
            check_frame(index, picture.shape[:2], size, numbers)
            if index in part:
                yield narrow(picture)

    def _check_images(self, part: range) -> None:
        """Read images of which nothing but the size counts, to refuse those of several sizes."""
        from cleanplate.video.sequences import is_stills

        if is_stills(self.video):
            deque(self._pictures(part), maxlen=0)

    def _check_part(self, marks: "Sequence[Mark]", part: range, numbers: "Numbers") -> None:
        """Refuse marks on frames that are not to be masked, unless they are of all frames."""
        from cleanplate.video.numbers import called

        for mark in () if self.fixed else marks:
            if mark.frame not in part:
                frame, first, last = (called(index, numbers) for index in (mark.frame, part[0], part[-1]))
                needed = f"--start and --end take frames {first} to {last}"
                raise InputError(f"frame {frame} is marked", needed, "mark one of these")

    def _tracked(self, things: "Sequence[Sequence[Mark]]", part: range, on_step: OnStep | None) -> "list[Tracked]":
        """The things, tracked through these frames."""
        from cleanplate.track.tracker import track_things

        return track_things(
            self._pictures(part),
            [[replace(mark, frame=mark.frame - part[0]) for mark in marks] for marks in things],
            tracker=self.tracker,
            weights=self.weights,
            seed=self.seed,
            over_cuts=self.over_cuts,
            device=self.device,
            on_step=on_step,
        )

    def _masks(
        self, things: "Sequence[Tracked]", part: range, matte: "Iterator[np.ndarray] | None"
    ) -> "Iterator[list[np.ndarray]]":
        """Of every frame the mask of all things, with its edges; and of each, if it is written alone.

        Args:
            things: as they were tracked.
            part: the frames.
            matte: of all things, if one is asked for: the mask covers it.
        """
        import numpy as np

        from cleanplate.track.edges import refined
        from cleanplate.track.matte import covered, mattes
        from cleanplate.track.tracked import masks_apart

        if matte is not None and not self.each:
            yield from ([covered(alpha)] for alpha in matte)
            return
        pairs = zip(things, tee(self._pictures(part), len(things)), strict=True)
        if matte is None:
            every = [refined(thing, mine) for thing, mine in pairs]
        else:  # edges that are soft only as those of all are not of a thing alone
            every = [map(covered, mattes([thing], mine)) for thing, mine in pairs]
        for index, (alpha, *masks) in enumerate(zip(matte or repeat(None, len(part)), *every, strict=True)):
            both = masks if alpha is None else [*masks, covered(alpha)]
            yield [np.logical_or.reduce(both), *(masks_apart(things, masks, index) if self.each else ())]

    def _fixed(self, things: "Sequence[Sequence[Mark]]") -> "list[np.ndarray]":
        """The same of things that hold still, on any frame."""
        import numpy as np

        masks = [np.logical_or.reduce([mark.area for mark in marks]) for marks in things]
        return [np.logical_or.reduce(masks), *(masks if self.each else ())]

    def _mattes(self, things: "Sequence[Tracked]", part: range) -> "Iterator[np.ndarray]":
        """Of every frame the matte of all things."""
        from cleanplate.track.matte import mattes

        return mattes(things, self._pictures(part))
