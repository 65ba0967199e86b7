"""What the commands share: the name of an output, the part of a video, and the progress bar."""

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from cleanplate.progress import OnStep, Step

if TYPE_CHECKING:
    from cleanplate.video.timecode import Span

Output = Annotated[Path, arg(aliases=["-o"])]
Start = Annotated[str, arg(metavar="MOMENT")]
End = Annotated[str | None, arg(metavar="MOMENT")]


def span_of(video: Path, start: str, end: str | None) -> "Span":
    """The part of a video from --start up to, but without, --end.

    Raises:
        InputError: no video, no moments, or nothing between them.
    """
    from cleanplate.video.numbers import numbers_of, span_between
    from cleanplate.video.reader import fps_of
    from cleanplate.video.timecode import moment

    fps = fps_of(video)
    moments = moment(start, fps), None if end is None else moment(end, fps)
    return span_between(*moments, numbers_of(video), video)


@contextlib.contextmanager
def progress() -> Iterator[OnStep | None]:
    """A bar with the time left, on a terminal, once a run has taken two seconds."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description:>6}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    started, tasks = time.monotonic(), {}
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:

        def on_step(step: Step) -> None:
            if time.monotonic() - started < PATIENCE_S:
                return
            if step.stage not in tasks:
                tasks[step.stage] = bar.add_task(step.stage, total=step.total)
            bar.update(tasks[step.stage], completed=step.done, total=step.total)

        yield on_step


PATIENCE_S = 2
