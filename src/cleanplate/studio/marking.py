"""What a user marks on a shot: the thing, and what is painted in place of the effects that were found."""

import numpy as np
from jaxtyping import Bool

from cleanplate.errors import InputError
from cleanplate.studio import selection
from cleanplate.studio.finding import EFFECTS
from cleanplate.studio.marks import Marks
from cleanplate.studio.state import ProjectState
from cleanplate.studio.tasks import ShotInfo
from cleanplate.studio.things import Stretch
from cleanplate.studio.tracking import mask_folder
from cleanplate.track.predictors import available

LEAST_BOX_PX = 4
SMALL_SHARE = 0.002  # of the picture: what a click found is hardly the whole thing


class Marking(ProjectState):
    """A shot that is marked."""

    def mark_box(self, frame: int, box: tuple[int, int, int, int]) -> None:
        """Add the thing whose outline is found in a box (left, top, width, height), in pixels of the video."""
        with self.lock:
            info = self._marking(frame)
            height, width = info.size
            left, top = max(0, min(box[0], width - 1)), max(0, min(box[1], height - 1))
            box = left, top, min(box[0] + box[2], width) - left, min(box[1] + box[3], height) - top
            if min(box[2:]) < LEAST_BOX_PX:
                given = f"the box is {box[2]}x{box[3]} px"
                raise InputError(given, "a larger one is needed", "draw from corner to corner")
            beside = self.store.frames_beside(frame, info.total)
            self._add(frame, selection.in_box(self.store.frame(frame), box, info.size, beside))

    def mark_click(self, frame: int, x: int, y: int) -> None:
        """Add what is under a point, in pixels of the video."""
        with self.lock:
            info = self._marking(frame)
            beside = self.store.frames_beside(frame, info.total)
            found = selection.at_click(self.store.frame(frame), x, y, info.size, beside)
            self._add(frame, found)
            if found.mean() < SMALL_SHARE:
                self.changed("Only a small spot was found there. Draw a box around the thing, or paint it, instead.")

    def mark_painted(self, frame: int, address: str, *, erase: bool = False) -> None:
        """Paint or erase with a stroke, as a canvas sends it. If all was erased, it is not in this frame."""
        with self.lock:
            info = self._marking(frame)
            stroke = selection.from_canvas(address, info.small)
            marked = frame in self.marks.versions
            mask = mask_folder(self.things.chosen.number)
            before = self.marks.read(frame) if marked else self.store.tint(mask, frame, info.size)
            self._set(frame, selection.repainted(before, stroke, erase=erase))

    def mark_absent(self, frame: int) -> None:
        """Say that the thing is not in a frame: from there on it is not, up to the next mark."""
        with self.lock:
            self._set(frame, np.zeros(self._marking(frame).size, bool))

    def unmark(self, frame: int) -> None:
        """Forget what is marked on a frame."""
        with self.lock:
            self._marking(frame)
            self.marks.remove(frame)
            self.changed()

    def add_thing(self) -> None:
        """Another thing: what is marked from now on is of it."""
        with self.lock:
            self._idle()
            self.things.add()
            self.changed()

    def choose_thing(self, number: int) -> None:
        """Mark the thing of that number from now on."""
        with self.lock:
            if number != self.things.chosen.number:
                self.things.choose(number)
                self.changed()

    def rename_thing(self, name: str) -> None:
        """Give the thing that is chosen a name."""
        with self.lock:
            self.things.rename(name)
            self.changed()

    def forget_thing(self) -> None:
        """Forget the thing that is chosen, with its marks."""
        with self.lock:
            self._idle()
            self.things.forget()
            self.changed()

    def stand_still(self, still: bool, first: int | None = None, last: int | None = None) -> None:
        """Say whether the thing that is chosen does not move, and from which frame to which it is there."""
        with self.lock:
            self._idle()
            self.things.chosen.still = Stretch(first, last) if still else None

    def choose_tracker(self, tracker: str) -> None:
        """Say who follows the thing that is chosen.

        Raises:
            InputError: that tracker is not to be had here, or a job is running.
        """
        with self.lock:
            self._idle()
            if tracker == self.things.chosen.tracker:
                return
            if tracker not in ("flow", *available()):
                given = f"there is no tracker '{tracker}' here"
                raise InputError(given, "its package and its weights are needed", "choose another under Who follows it")
            self.things.chosen.tracker = tracker
            self.changed()

    def choose_soft(self, soft: bool) -> None:
        """Say whether the thing that is chosen has blurred edges.

        Raises:
            InputError: a job is running.
        """
        with self.lock:
            self._idle()
            if soft != self.things.chosen.soft:
                self.things.chosen.soft = soft
                self.changed()

    def undo(self) -> None:
        """Take back the last mark, or what was done to it."""
        with self.lock:
            self._idle()
            self._undo(self.marks)

    def paint_effects(self, frame: int, address: str, *, erase: bool = False) -> None:
        """Paint the effects of a frame or erase them with a stroke, as a canvas sends it."""
        with self.lock:
            info = self._marking_effects(frame)
            stroke = selection.from_canvas(address, info.small)
            edited = frame in self.effects.edits.versions
            before = self.effects.edits.read(frame) if edited else self.store.tint(EFFECTS, frame, info.size)
            self.effects.edits.set(frame, selection.repainted(before, stroke, erase=erase), self.version + 1)
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
            raise InputError("no effects are shown", "they are needed to be painted", "tick Its shadow too")
        return info

    def _undo(self, marks: Marks) -> None:
        if not marks.undoable:
            raise InputError("nothing is left to be undone", "a mark is needed", "go on")
        marks.undo(self.version + 1)
        self.changed()

    def _set(self, frame: int, area: Bool[np.ndarray, "H W"]) -> None:
        self.marks.set(frame, area, self.version + 1)
        self.changed()

    def _add(self, frame: int, found: Bool[np.ndarray, "H W"]) -> None:
        self.marks.add(frame, found, self.version + 1)
        self.changed()
