"""Masks are written one by one, and it is said which frames have one."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cleanplate.progress import OnStep, tell

if TYPE_CHECKING:
    import numpy as np

    from cleanplate.video.numbers import Numbers

MOST_NAMED = 4  # stretches of frames


@dataclass
class Written:
    """Which frames have a mask, of those that were written, and how much of them it covers."""

    spans: list[list[int]] = field(default_factory=list)
    """First and last of each stretch."""
    covered: float = 0.0

    def passing(self, masks: "Iterable[np.ndarray]") -> "Iterator[np.ndarray]":
        """The masks, looked at."""
        for index, mask in enumerate(masks):
            self.add(index, mask)
            yield mask

    def add(self, index: int, mask: "np.ndarray") -> None:
        """Look at the mask of a frame; they come in order."""
        if not mask.any():
            return
        self.covered += float(mask.mean())
        if self.spans and self.spans[-1][1] == index - 1:
            self.spans[-1][1] = index
        else:
            self.spans.append([index, index])

    @property
    def frames(self) -> int:
        """How many have a mask."""
        return sum(last - first + 1 for first, last in self.spans)

    def said(self, numbers: "Numbers" = None) -> str:
        """In words: which, as they are called, and what share of the picture it is in them."""
        from cleanplate.video.numbers import called

        if not self.spans:
            return "no frame is masked"
        ends = [[called(index, numbers) for index in span] for span in self.spans]
        named = [f"{first} to {last}" if last > first else f"{first}" for first, last in ends]
        if len(named) > MOST_NAMED:
            named = [*named[: MOST_NAMED - 1], f"{len(named) - MOST_NAMED + 1} stretches more"]
        listed = " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)
        return f"frames {listed} are masked, {self.covered / self.frames:.1%} of the picture"


def write_masks(path: Path, masks: "Iterable[np.ndarray]", video: Path, total: int, on_step: OnStep | None) -> None:
    """Write masks one by one, in the time of the video and without its sound.

    Args:
        path: what to write.
        masks: (H, W) bool, one a frame.
        video: what they are of.
        total: how many there are.
        on_step: told of every mask.
    """
    write_masks_together([path], ([mask] for mask in masks), video, total, on_step)


def write_masks_together(
    paths: Sequence[Path],
    masks: "Iterable[Sequence[np.ndarray]]",
    video: Path,
    total: int,
    on_step: OnStep | None,
    matte: "tuple[Path, Iterator[np.ndarray]] | None" = None,
) -> list[Written]:
    """The same for several files of one kind, all of them or none: of every frame a mask for each.

    Args:
        paths: what to write.
        masks: (H, W) bool, of every frame one for each path.
        video: what they are of.
        total: how many frames there are.
        on_step: told of every frame.
        matte: what else to write, of a kind of its own, and its greys (H, W) as bytes, one a frame.

    Returns:
        What each has.
    """
    import numpy as np

    from cleanplate.video.reader import fps_of
    from cleanplate.video.writer import open_writer, open_writers

    written, options = [Written() for _ in paths], {"like": video, "fps": fps_of(video), "keep_source": False}
    with contextlib.ExitStack() as opened:
        beside = opened.enter_context(open_writer(matte[0], **options)) if matte is not None else None
        writers = opened.enter_context(open_writers(paths, **options))
        for index, of_frame in enumerate(masks):
            for writer, mask, had in zip(writers, of_frame, written, strict=True):
                writer.write(np.repeat(mask[..., None].astype(np.uint8) * np.uint8(255), 3, axis=2))
                had.add(index, mask)
            if beside is not None and matte is not None:
                beside.write(np.repeat(next(matte[1])[..., None], 3, axis=2))
            tell(on_step, "write", index + 1, total)
    return written
