"""What is known of a shot, and the one job that works on it: how it begins, and what becomes of it when it ends."""

import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cleanplate.errors import InputError
from cleanplate.studio import tasks
from cleanplate.studio.effects import ShotEffects
from cleanplate.studio.marks import Marks
from cleanplate.studio.overlays import ShotOverlays
from cleanplate.studio.paintings import Paintings
from cleanplate.studio.queue import Job, JobQueue
from cleanplate.studio.store import Store
from cleanplate.studio.tasks import Result, ShotInfo
from cleanplate.studio.things import Things
from cleanplate.studio.tracking import TrackJob

Parts = tuple[frozenset[int], frozenset[int]]
FINDING = {"read": 0.1, "find": 0.8, "write": 0.1}
"""Shares of the time that the stages of finding effects take."""


class ProjectState:
    """A shot, and how far it has come. Several threads may ask at once.

    Args:
        token: its name, which nobody can guess.
        folder: its own, private.
        quick_jobs: the queue of reading, tracking and finding.
        long_jobs: the queue of cleaning.
    """

    def __init__(self, token: str, folder: Path, quick_jobs: JobQueue, long_jobs: JobQueue):
        self.token, self.quick_jobs, self.long_jobs = token, quick_jobs, long_jobs
        self.store = Store(folder)
        self.lock = threading.RLock()
        self.version = 0
        """Counts the changes of all that follows."""
        self.name = ""
        """Of the video, without its suffix: to be shown, never a path."""
        self.file_name = ""
        """Of the video, as its owner has it: settings name it, and it is never a path of ours."""
        self.video: Path | None = None
        self.info: ShotInfo | None = None
        self.things = Things(self.store)
        self.overlays = ShotOverlays()
        self.effects = ShotEffects(self.store)
        self.paintings = Paintings(self.store)
        self.versions = {"read": 0, "track": 0, "overlays": 0, "effects": 0, "clean": 0}
        """The versions in which the pictures of each job were made: part of their addresses."""
        self.made_of: Parts | None = None
        """What the mask was made of; None if there is none."""
        self.result: Result | None = None
        self.run: Path | None = None
        """Folder of the result."""
        self.job: Job | None = None
        self.choices: dict[str, Any] = {}
        """What was chosen of how it is removed, by control, for a page that is loaded again."""
        self.heard = 0.0
        """When the page said what was last done to a mark, by its own clock in ms: later strokes stay drawn."""
        self.message = ""
        """What went wrong last, or was cancelled."""
        self.touch()

    def touch(self) -> None:
        """Somebody looks at it."""
        self.visited_s = time.monotonic()

    @property
    def folder(self) -> Path:
        """Its own, private."""
        return self.store.root

    @property
    def marks(self) -> Marks:
        """What is marked of the thing that is chosen."""
        return self.things.chosen.marks

    @property
    def parts(self) -> Parts:
        """What the mask is to be made of: the numbers of the things that are marked, and of accepted overlays."""
        return frozenset(thing.number for thing in self.things.marked), self.overlays.accepted

    @property
    def stale(self) -> bool:
        """Whether what is to be removed has changed since the mask was made."""
        return self.made_of is not None and not self.cleanable

    @property
    def cleanable(self) -> bool:
        """Whether there is a mask of what is to be removed."""
        due = any(thing.due for thing in self.things.all)
        return self.made_of is not None and self.made_of == self.parts and not due and any(self.parts)

    @property
    def busy(self) -> bool:
        """Whether a job waits or runs."""
        return self.job is not None

    @property
    def preview(self) -> Path | None:
        """The middle frame as a run has it now."""
        job = self.job
        if job is None or job.task != "clean":
            return None
        path = job.arguments[0].output.parent / tasks.PREVIEW
        return path if path.exists() else None

    def changed(self, message: str = "") -> None:
        """Note that there is something new to show."""
        self.message = message
        self.version += 1

    def ahead(self) -> int:
        """How many jobs come before this one's."""
        job = self.job
        return 0 if job is None else self._queue(job.task).ahead(job)

    def cancel(self) -> None:
        """End what waits or runs."""
        job = self.job
        if job is not None:
            self._queue(job.task).cancel(job)

    def remove(self) -> None:
        """End what runs, and leave nothing behind."""
        self.cancel()
        self.store.remove()

    # For those who act on it

    def _idle(self) -> ShotInfo | None:
        """Refuse while a job waits or runs; what is known of the shot otherwise."""
        if self.busy:
            raise InputError("this shot is being worked on", "one thing at a time is done", "wait, or cancel it")
        return self.info

    def _queue(self, task: str) -> JobQueue:
        return self.long_jobs if task == "clean" else self.quick_jobs

    def _start(self, task: str, arguments: tuple, weights: Mapping[str, float]) -> None:
        self.job = Job(task, arguments, weights, self._ended)
        self.changed()
        self._queue(task).submit(self.job)

    def _look_for_effects(self) -> None:
        """Find what goes with the thing, if that is wanted, and nobody has looked since its mask was made."""
        if self.cleanable and not self.busy and self.effects.wanted and self.effects.found is None:
            assert self.info is not None
            self._start("effects", (self.video, self.folder, self.store.mask, self.info.total), FINDING)

    def _clear(self) -> None:
        """Begin anew."""
        self.store.clear()
        self.things.clear()
        self.overlays.clear()
        self.effects.clear()
        self.paintings.clear()
        self.video, self.info, self.made_of, self.result, self.run = None, None, None, None, None

    # When a job has ended

    def _ended(self, job: Job) -> None:
        """Told by the queue."""
        with self.lock:
            self.job = None
            self.store.remove_partials()
            if job.task == "clean":
                self._keep_run(job.arguments[0].output.parent if job.state == "done" else self.run)
            if job.state == "done":
                self._take_result(job)
                self.changed()
                self._look_for_effects()
                return
            words = "Cancelled." if job.state == "cancelled" else self._in_words(job.error)
            if job.task in ("read", "demo"):
                self._clear()
            elif job.task == "track":
                self._track_anew(job.arguments[4])
            elif job.task == "effects":
                self.effects.chosen = False  # what is not shown does not go
            self.changed(words)

    def _take_result(self, job: Job) -> None:
        """What a job has made is that of the project from now on."""
        if job.task == "track":
            self._take_masks(job)
        elif job.task == "overlays":
            self.overlays.take(job.result)
        elif job.task == "effects":
            self.effects.found = job.result
        elif job.task == "clean":
            self.result = job.result
        elif job.task == "take-out":
            self.paintings.taken_out = job.result
            return
        else:
            self.info = job.result
        self.versions["read" if job.task == "demo" else job.task] = self.version + 1

    def _take_masks(self, job: Job) -> None:
        *_, jobs, overlays = job.arguments
        for thing in self.things.all:
            if thing.number in job.result:
                thing.tracked, thing.marks.changed = job.result[thing.number], False
            elif not thing.marks.somewhere:
                thing.tracked = None
        self.made_of = frozenset(one.number for one in jobs), frozenset(number for number, _ in overlays)
        self.effects.found = None

    def _track_anew(self, jobs: Sequence[TrackJob]) -> None:
        """Those that were being tracked may have half a mask."""
        begun = {one.number for one in jobs if one.marks}
        for thing in self.things.all:
            if thing.number in begun:
                thing.marks.changed = True
        if not begun:  # only their union was being made
            self.made_of = None

    def _in_words(self, error: str) -> str:
        """An error in the names that the user knows."""
        if self.video is not None:
            error = error.replace(str(self.video), self.file_name)
        for folder in (self.folder, Path(os.environ.get("CLEANPLATE_WEIGHTS") or self.folder)):
            error = error.replace(f"{folder}/", "")
        return error

    def _keep_run(self, kept: Path | None) -> None:
        """Remove what all other runs have made."""
        self.run = kept
        self.store.remove_runs(kept)
