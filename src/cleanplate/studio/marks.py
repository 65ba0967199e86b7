"""What is marked on the frames of a shot, and how that is taken back."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, UInt8

from cleanplate.studio.store import Areas

MOST_UNDONE = 20


@dataclass(frozen=True)
class Earlier:
    """What was marked on a frame before it was changed."""

    frame: int
    size: tuple[int, int]
    """(height, width)."""
    packed: UInt8[np.ndarray, " bytes"] | None
    """The area, eight pixels in a byte; None if it was not marked."""
    changed: bool
    """Whether the marks had changed already since the shot was tracked."""

    @property
    def area(self) -> Bool[np.ndarray, "H W"] | None:
        """What was marked."""
        if self.packed is None:
            return None
        return np.unpackbits(self.packed, count=self.size[0] * self.size[1]).reshape(self.size).astype(bool)


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
        self.absent: set[int] = set()
        """The frames that are marked as those where the thing is not: their marks are empty."""

    @property
    def somewhere(self) -> bool:
        """Whether the thing is marked on any frame."""
        return bool(self.versions.keys() - self.absent)

    @property
    def undoable(self) -> bool:
        """Whether there is something to take back."""
        return bool(self._earlier)

    def read(self, frame: int) -> Bool[np.ndarray, "H W"]:
        """What is marked on a frame that is."""
        return self._areas.read(frame)

    def add(self, frame: int, area: Bool[np.ndarray, "H W"], version: int) -> None:
        """Mark an area beside what is marked already."""
        self.set(frame, area | self._areas.read(frame) if frame in self.versions else area, version)

    def set(self, frame: int, area: Bool[np.ndarray, "H W"], version: int) -> None:
        """Mark an area in place of what was marked; an empty one says that it is not there."""
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
        if (area := last.area) is None:
            self._drop(last.frame)
        else:
            self._write(last.frame, area, version)
        self.changed = last.changed

    def tracking(self) -> None:
        """Note that the shot is being tracked by them as they are: whatever was before is a change from now on."""
        self._earlier = [replace(earlier, changed=True) for earlier in self._earlier]

    def clear(self) -> None:
        """Forget all of them; their files are gone."""
        self._earlier, self.versions, self.changed, self.absent = [], {}, False, set()

    def _remember(self, frame: int) -> None:
        """What is marked now, to come back to."""
        area = self._areas.read(frame) if frame in self.versions else None
        size, packed = ((0, 0), None) if area is None else (area.shape, np.packbits(area))
        self._earlier = [*self._earlier[1 - MOST_UNDONE :], Earlier(frame, size, packed, self.changed)]

    def _write(self, frame: int, area: Bool[np.ndarray, "H W"], version: int) -> None:
        self._areas.write(frame, area)
        self.versions[frame] = version
        self.absent = self.absent - {frame} if area.any() else self.absent | {frame}

    def _drop(self, frame: int) -> None:
        self.versions.pop(frame, None)
        self.absent = self.absent - {frame}
        self._areas.remove(frame)
