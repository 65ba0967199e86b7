"""The private folder of a project: which files lie in it, and how they are read, written and removed."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8

from cleanplate.studio import finding, tasks, thumbnails
from cleanplate.studio.thumbnails import EFFECTS_TINT, MASK_TINT, Colour
from cleanplate.track.outline import NEIGHBOUR_OFFSETS

SETTINGS_FILE, WORK, PAINTINGS = "settings.toml", "work", "paintings"


class Areas:
    """Areas of frames, each in a file that the page shows as a tint.

    Args:
        folder: of the files; it need not be there yet.
        colour: of the tint.
    """

    def __init__(self, folder: Path, colour: Colour):
        self.folder, self.colour = folder, colour

    def read(self, index: int) -> Bool[np.ndarray, "h w"]:
        """That of a frame."""
        return thumbnails.read_mask(self._path(index))

    def write(self, index: int, area: Bool[np.ndarray, "h w"]) -> None:
        """Set that of a frame."""
        self.folder.mkdir(exist_ok=True)
        thumbnails.write_mask(self._path(index), area, self.colour)

    def remove(self, index: int) -> None:
        """Forget that of a frame."""
        self._path(index).unlink(missing_ok=True)

    def _path(self, index: int) -> Path:
        return thumbnails.numbered(self.folder, index, ".png")


class Store:
    """The files of a project.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path):
        self.root = root
        self.mask, self.work_dir = root / tasks.MASK_FILE, root / WORK
        self.paintings = root / PAINTINGS
        """Folder of the frames that were painted elsewhere."""
        self.marks = Areas(root / tasks.MARKS, MASK_TINT)
        """What is marked."""
        self.edits = Areas(root / finding.EDITS, EFFECTS_TINT)
        """What is painted in place of the effects that were found."""

    def frame(self, index: int) -> UInt8[np.ndarray, "h w 3"]:
        """The small copy of a frame of the shot."""
        return thumbnails.read_jpeg(thumbnails.numbered(self.root / tasks.FRAMES, index, ".jpg"))

    def frames_beside(self, index: int, total: int) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        """Frames that show how what is on this one moves."""
        return (self.frame(at) for by in NEIGHBOUR_OFFSETS if 0 <= (at := index + by) < total)

    def new_run(self, number: int) -> Path:
        """A new folder for a result."""
        run = self.root / f"run-{number}"
        run.mkdir()
        return run

    def remove_runs(self, but: Path | None) -> None:
        """Remove the folders of all results but one."""
        for run in self.root.glob("run-*"):
            if run != but:
                _remove(run)

    def remove_partials(self) -> None:
        """Remove what a job that was ended has left half-written."""
        for partial in self.root.glob(".*.partial*"):
            _remove(partial)

    def clear(self) -> None:
        """Remove what lies in the folder."""
        for path in self.root.glob("*"):
            _remove(path)

    def remove(self) -> None:
        """Remove the folder."""
        _remove(self.root)


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
