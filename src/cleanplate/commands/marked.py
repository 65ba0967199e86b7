"""Marks of a thing in words: a box, a polygon, painted images, and the frames that they are of."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from cleanplate.errors import InputError

if TYPE_CHECKING:
    from cleanplate.track.marks import Mark
    from cleanplate.video.areas import Size
    from cleanplate.video.numbers import Numbers

MOST_DIGITS = 9  # of a frame


@dataclass(frozen=True)
class Marked:
    """Where a thing was marked."""

    frame: Annotated[tuple[int, ...], arg(metavar="N")] = (0,)
    """The frame that --box or --polygon is of, counted from 0, or the number of its image; with several boxes, the
    frame of each."""
    box: Annotated[tuple[int, ...], arg(metavar="X Y W H")] = ()
    """Left, top, width and height in pixels; so for each of --frame."""
    polygon: Annotated[tuple[float, ...], arg(metavar="X Y")] = ()
    """The corners of a polygon, one after the other."""
    paint: Annotated[tuple[str, ...], arg(metavar="FRAME:IMAGE")] = ()
    """Painted masks, white on the thing, in the size of the video. With --fixed just IMAGE."""

    def given(self) -> list[str]:
        """The options that say something."""
        options = {"--box": self.box, "--polygon": self.polygon, "--paint": self.paint, "--frame": self.frame != (0,)}
        return [name for name, value in options.items() if value]

    def painted(self) -> Iterator[tuple[int | None, Path]]:
        """The images of --paint, and the frame of each; None if none is named.

        Raises:
            InputError: a frame of absurdly many digits.
        """
        for word in self.paint:
            named = re.fullmatch("(-?[0-9]+):(.*)", word, re.DOTALL)
            if named is not None and len(named[1]) > MOST_DIGITS:
                given = f"--paint names frame {named[1][:MOST_DIGITS]}..."
                raise InputError(given, "no video has as many frames", "give the number of a frame that it has")
            yield (int(named[1]), Path(named[2])) if named is not None else (None, Path(word))

    def marks(
        self, video: Path, size: "Size", length: int, *, fixed: bool = False, numbers: "Numbers" = None
    ) -> "list[Mark]":
        """The marks of the thing.

        Args:
            video: what to call it.
            size: (height, width) of its frames.
            length: how many it has.
            fixed: they are of all frames, so none need be named.
            numbers: what its frames are called.

        Raises:
            InputError: words that make no mark, marks that do not fit the video, or none but empty ones.
        """
        from cleanplate.track.marks import Mark
        from cleanplate.video.areas import painted_area

        marks = self._drawn(size)
        for frame, path in self.painted():
            if frame is None and not fixed:
                fix = f"write {self.frame[0]}:{path}"
                raise InputError(f"--paint {path} names no frame", "FRAME:IMAGE is needed", fix)
            marks.append(Mark(frame or 0, painted_area(path, size)))
        if self.paint and self.frame != (0,) and not (self.box or self.polygon):
            given = f"--frame {' '.join(map(str, self.frame))} is given with --paint {self.paint[0]}"
            raise InputError(given, "--frame is of --box and --polygon; what is painted names its own", "leave it out")
        if not any(mark.area.any() for mark in marks):
            raise InputError("nothing is marked", "--box, --polygon or --paint is needed", "mark the thing on a frame")
        if numbers is not None:
            return [replace(mark, frame=_index(mark.frame, numbers, video)) for mark in marks]
        for mark in marks:
            if mark.frame >= length:
                needed = f"{video} has {length} frames, counted from 0"
                raise InputError(f"frame {mark.frame} is marked", needed, f"give a frame from 0 to {length - 1}")
        return marks

    def _drawn(self, size: "Size") -> "list[Mark]":
        """Boxes and polygons, whose outlines are to be found."""
        from cleanplate.track.marks import Mark
        from cleanplate.video.areas import box_area, polygon_area

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
        return marks


def _index(frame: int, numbers: Sequence[int], video: Path) -> int:
    """Which of the numbered frames is meant; 0, which is also what is not said, is the first."""
    from cleanplate.video.numbers import ranges

    if frame in numbers:
        return numbers.index(frame)
    if frame:
        raise InputError(f"frame {frame} is marked", f"{video} has frames {ranges(numbers)}", "give one of these")
    return 0
