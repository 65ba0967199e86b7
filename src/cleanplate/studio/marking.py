"""What a user marks on a shot: the thing, and what is painted in place of the effects that were found."""

import numpy as np
from jaxtyping import Bool

from cleanplate.errors import InputError
from cleanplate.studio import selection
from cleanplate.studio.marks import Marks
from cleanplate.studio.state import ProjectState
from cleanplate.studio.tasks import ShotInfo

LEAST_BOX_PX = 4
SMALL_SHARE = 0.002  # of the picture: what a click found is hardly the whole thing


class Marking(ProjectState):
    """A shot that is marked."""

    def mark_box(self, frame: int, box: tuple[int, int, int, int]) -> None:
        """Add what is in a box (left, top, width, height) of the small picture."""
        with self.lock:
            info = self._marking(frame)
            height, width = info.small
            left, top = max(0, min(box[0], width - 1)), max(0, min(box[1], height - 1))
            box = left, top, min(box[0] + box[2], width) - left, min(box[1] + box[3], height) - top
            if min(box[2:]) < LEAST_BOX_PX:
                given = f"the box is {box[2]}x{box[3]} px"
                raise InputError(given, "a larger one is needed", "draw from corner to corner")
            found = selection.in_box(self.store.frame(frame), box, self.store.frames_beside(frame, info.total))
            self._add(frame, found)

    def mark_click(self, frame: int, x: int, y: int) -> None:
        """Add what is under a point of the small picture."""
        with self.lock:
            total = self._marking(frame).total
            found = selection.at_click(self.store.frame(frame), x, y, self.store.frames_beside(frame, total))
            self._add(frame, found)
            if found.mean() < SMALL_SHARE:
                self.changed("Only a small spot was found there. Draw a box around the thing, or paint it, instead.")

    def mark_painted(self, frame: int, address: str) -> None:
        """Set what is marked on a frame, as a canvas sends it."""
        with self.lock:
            found = selection.from_canvas(address, self._marking(frame).small)
            if found.any():
                self.marks.set(frame, found, self.version + 1)
                self.changed()
            else:
                self.unmark(frame)

    def unmark(self, frame: int) -> None:
        """Forget what is marked on a frame."""
        with self.lock:
            self._marking(frame)
            self.marks.remove(frame)
            self.changed()

    def undo(self) -> None:
        """Take back the last mark, or what was done to it."""
        with self.lock:
            self._idle()
            self._undo(self.marks)

    def paint_effects(self, frame: int, address: str) -> None:
        """Set the effects of a frame, as a canvas sends them."""
        with self.lock:
            found = selection.from_canvas(address, self._marking_effects(frame).small)
            self.effects.edits.set(frame, found, self.version + 1)
            self.changed()

    def restore_effects(self, frame: int) -> None:
        """Take the effects of a frame as they were found."""
        with self.lock:
            self._marking_effects(frame)
            self.effects.edits.remove(frame)
            self.changed()

    def undo_effects(self) -> None:
        """Take back what was last done to the effects."""
        with self.lock:
            self._idle()
            self._undo(self.effects.edits)

    def _marking(self, frame: int) -> ShotInfo:
        info = self._idle()
        if info is None or not 0 <= frame < info.total:
            raise InputError(f"there is no frame {frame}", "a frame of the shot is needed", "reload the page")
        return info

    def _marking_effects(self, frame: int) -> ShotInfo:
        info = self._marking(frame)
        if not self.effects.shown:
            raise InputError("no effects are shown", "they are needed to be painted", "choose them below the picture")
        return info

    def _undo(self, marks: Marks) -> None:
        if not marks.undoable:
            raise InputError("nothing is left to be undone", "a mark is needed", "go on")
        marks.undo(self.version + 1)
        self.changed()

    def _add(self, frame: int, found: Bool[np.ndarray, "h w"]) -> None:
        self.marks.add(frame, found, self.version + 1)
        self.changed()
