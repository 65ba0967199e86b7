"""What is marked on the frames of a shot, and how that is taken back."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from cleanplate.studio.store import Areas

MOST_UNDONE = 20


@dataclass(frozen=True)
class Earlier:
    """What was marked on a frame before it was changed."""

    frame: int
    area: Bool[np.ndarray, "h w"] | None
    """None if it was not marked."""
    changed: bool
    """Whether the marks had changed already since the shot was tracked."""


class Marks:
    """The marked areas of a shot, by frame.

    Args:
        areas: the files that hold them.
    """

    def __init__(self, areas: Areas):
        self._areas = areas
        self._earlier: list[Earlier] = []
        self.versions: dict[int, int] = {}
        """Of each frame that is marked: the version of the project in which it was; part of its picture's address."""
        self.changed = False
        """Since the shot was tracked."""

    @property
    def undoable(self) -> bool:
        """Whether there is something to take back."""
        return bool(self._earlier)

    def add(self, frame: int, area: Bool[np.ndarray, "h w"], version: int) -> None:
        """Mark an area beside what is marked already."""
        self.set(frame, area | self._areas.read(frame) if frame in self.versions else area, version)

    def set(self, frame: int, area: Bool[np.ndarray, "h w"], version: int) -> None:
        """Mark an area in place of what was marked."""
        self._remember(frame)
        self._write(frame, area, version)
        self.changed = True

    def remove(self, frame: int) -> None:
        """Forget what is marked on a frame, if anything is."""
        if frame in self.versions:
            self._remember(frame)
            self._drop(frame)
            self.changed = True

    def undo(self, version: int) -> None:
        """Take back the last change."""
        last = self._earlier.pop()
        if last.area is None:
            self._drop(last.frame)
        else:
            self._write(last.frame, last.area, version)
        self.changed = last.changed

    def tracking(self) -> None:
        """Note that the shot is being tracked by them as they are: whatever was before is a change from now on."""
        self._earlier = [replace(earlier, changed=True) for earlier in self._earlier]

    def clear(self) -> None:
        """Forget all of them; their files are gone."""
        self._earlier, self.versions, self.changed = [], {}, False

    def _remember(self, frame: int) -> None:
        """What is marked now, to come back to."""
        area = self._areas.read(frame) if frame in self.versions else None
        self._earlier = [*self._earlier[1 - MOST_UNDONE :], Earlier(frame, area, self.changed)]

    def _write(self, frame: int, area: Bool[np.ndarray, "h w"], version: int) -> None:
        self._areas.write(frame, area)
        self.versions[frame] = version

    def _drop(self, frame: int) -> None:
        self.versions.pop(frame, None)
        self._areas.remove(frame)
