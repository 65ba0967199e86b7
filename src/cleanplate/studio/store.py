"""The private folder of a project: which files lie in it, and how they are read, written and removed."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8

from cleanplate.studio import finding, tasks, thumbnails, tracking
from cleanplate.studio.thumbnails import AREA, EFFECTS_TINT, Colour, Size
from cleanplate.track.outline import NEIGHBOUR_OFFSETS

SETTINGS_FILE, WORK, PAINTINGS = "settings.toml", "work", "paintings"


class Areas:
    """Areas of frames in full size, each with a small tint that the page shows.

    Args:
        folder: of the files; it need not be there yet.
        colour: of the tint.
    """

    def __init__(self, folder: Path, colour: Colour):
        self.folder, self.colour = folder, colour

    def read(self, index: int) -> Bool[np.ndarray, "H W"]:
        """That of a frame."""
        return thumbnails.read_area(self.folder, index)

    def write(self, index: int, area: Bool[np.ndarray, "H W"]) -> None:
        """Set that of a frame."""
        self.folder.mkdir(exist_ok=True)
        thumbnails.write_area(self.folder, index, area, self.colour)

    def remove(self, index: int) -> None:
        """Forget that of a frame."""
        for suffix in (AREA, ".png"):
            thumbnails.numbered(self.folder, index, suffix).unlink(missing_ok=True)


class Store:
    """The files of a project.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path):
        self.root = root
        self.mask, self.work_dir = root / tracking.MASK_FILE, root / WORK
        self.paintings = root / PAINTINGS
        """Folder of the frames that were painted elsewhere."""
        self.edits = Areas(root / finding.EDITS, EFFECTS_TINT)
        """What is painted in place of the effects that were found."""

    def marks(self, number: int, colour: Colour) -> Areas:
        """What is marked of a thing."""
        return Areas(self.root / tracking.marks_folder(number), colour)

    def remove_thing(self, number: int) -> None:
        """Remove what there is of a thing."""
        for name in (tracking.marks_folder(number), tracking.mask_folder(number), tracking.thing_file(number)):
            _remove(self.root / name)

    def frame(self, index: int) -> UInt8[np.ndarray, "h w 3"]:
        """The small copy of a frame of the shot."""
        return thumbnails.read_jpeg(thumbnails.numbered(self.root / tasks.FRAMES, index, ".jpg"))

    def tint(self, folder: str, index: int, size: Size) -> Bool[np.ndarray, "H W"]:
        """What a folder of tints shows on a frame, enlarged to this size; nothing if it has none."""
        path = thumbnails.numbered(self.root / folder, index, ".png")
        return thumbnails.read_mask_as(path, size) if path.exists() else np.zeros(size, bool)

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
