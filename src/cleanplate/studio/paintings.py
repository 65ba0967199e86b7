"""Frames that the user paints elsewhere: taken out as they stand, given back, and passed on."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cleanplate.commands.inpaint import Inpaint
from cleanplate.commands.settings import Value
from cleanplate.errors import InputError
from cleanplate.studio.store import Store
from cleanplate.studio.tasks import ShotInfo
from cleanplate.video.images import IMAGE_SUFFIXES
from cleanplate.video.reader import fps_of
from cleanplate.video.references import Reference

OPTION = "reference"
"""What names them on the command line."""


@dataclass(frozen=True)
class Painted:
    """A frame that came back."""

    path: Path
    name: str
    """It had."""


class Paintings:
    """The painted frames of a shot.

    Args:
        store: the files of the project.
    """

    def __init__(self, store: Store):
        self.store = store
        self.clear()

    def clear(self) -> None:
        """Begin anew; the files are gone."""
        self.by_frame: dict[int, Painted] = {}
        self.taken_out: Path | None = None
        """The picture of the frame that was taken out last."""

    def add(self, file: Path, name: str, info: ShotInfo) -> int:
        """Take a picture that is named after its frame, in place of an earlier one of it; which frame that is.

        Args:
            file: it is moved into the folder.
            name: it ends in the number of the frame, or has it as it was taken out (`frame_in`).
            info: of the shot.

        Raises:
            InputError: a name without a number of the shot, or no image that fits into its frames.
        """
        suffix, frame = Path(name).suffix.lower(), frame_in(Path(name).stem)
        if suffix not in IMAGE_SUFFIXES:
            known = ", ".join(sorted(IMAGE_SUFFIXES))
            raise InputError(f"{name} is not an image by its name", f"{known} are taken", "save it as PNG")
        if frame is None or frame >= info.total:
            needed = f"it must end in the number of its frame, 0 to {info.total - 1}"
            raise InputError(f"{name} does not tell its frame", needed, f"call it frame-00040{suffix}")
        trial = self.store.paintings / f"new{suffix}"
        trial.parent.mkdir(exist_ok=True)
        shutil.move(file, trial)
        try:
            Reference(frame, trial).check(info.size)
        except InputError as error:
            trial.unlink(missing_ok=True)
            raise InputError(error.given.replace(str(trial), name), error.needed, error.fix) from None
        if frame in self.by_frame:  # its suffix may have been another
            self.by_frame[frame].path.unlink(missing_ok=True)
        self.by_frame[frame] = Painted(trial.replace(trial.with_name(f"{frame:05d}{suffix}")), name)
        return frame

    def forget(self) -> None:
        """Remove all."""
        for one in self.by_frame.values():
            one.path.unlink(missing_ok=True)
        self.by_frame = {}

    def passed_on(self, options: Inpaint, settings: Mapping[str, Value]) -> tuple[Inpaint, dict[str, Value]]:
        """Options, and the same as a file, with the painted frames that lie in the part that is cleaned."""
        settings, inside = dict(settings), self._within(options)
        if not inside:
            return options, settings
        settings[OPTION] = tuple(f"{frame}:{one.name}" for frame, one in inside.items())
        return replace(options, reference=tuple(f"{frame}:{one.path}" for frame, one in inside.items())), settings

    def _within(self, options: Inpaint) -> dict[int, Painted]:
        if not self.by_frame:
            return {}
        fps, span = fps_of(options.video), options.span()
        return {
            frame: one
            for frame, one in sorted(self.by_frame.items())
            if span.begins(frame, frame / fps) and not span.ends(frame, frame / fps)
        }


def frame_in(stem: str) -> int | None:
    """The frame that a name is of: the five digits that it was taken out with, or else the number that it ends in.

    A browser puts a number behind a name that is there already.
    """
    numbers = re.findall(r"(?<!\d)0\d{4}(?!\d)", stem) or re.findall(r"\d+$", stem)
    return int(numbers[-1]) if numbers else None
