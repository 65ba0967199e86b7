"""One shot on its way: what a user does with it, and how far it has come. Several threads may ask at once."""

import re
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from cleanplate.commands.inpaint import Inpaint
from cleanplate.commands.settings import Value, write_settings
from cleanplate.errors import InputError
from cleanplate.studio import selection, tasks
from cleanplate.studio.effects import ShotEffects
from cleanplate.studio.marks import Marks
from cleanplate.studio.paintings import Paintings
from cleanplate.studio.queue import Job, JobQueue
from cleanplate.studio.store import SETTINGS_FILE, Store
from cleanplate.studio.tasks import MASK_FILE, PROVENANCE_FILE, Result, ShotInfo, TrackedShot

VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".wmv", ".flv")
RESULT_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm")
LEAST_BOX_PX = 4
SMALL_SHARE = 0.002  # of the picture: what a click found is hardly the whole thing
MOST_NAME = 80  # characters
# Shares of the time that the stages of a job take; of cleaning, by whether it carries and whether it learns.
READING = {"read": 1.0}
TRACKING = {"track": 0.85, "write": 0.15}
FINDING = {"read": 0.1, "find": 0.8, "write": 0.1}
CLEANING = {
    (True, False): {"read": 0.05, "carry": 0.75, "write": 0.1, "show": 0.1},
    (True, True): {"read": 0.05, "carry": 0.45, "learn": 0.3, "write": 0.1, "show": 0.1},
    (False, True): {"read": 0.01, "learn": 0.95, "write": 0.02, "show": 0.02},
}


class Project:
    """A shot and what is done to it.

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
        self.video: Path | None = None
        self.info: ShotInfo | None = None
        self.marks = Marks(self.store.marks)
        self.effects = ShotEffects(self.store)
        self.paintings = Paintings(self.store)
        self.versions = {"read": 0, "track": 0, "effects": 0, "clean": 0}
        """The versions in which the pictures of each job were made: part of their addresses."""
        self.tracked: TrackedShot | None = None
        self.result: Result | None = None
        self.run: Path | None = None
        """Folder of the result."""
        self.job: Job | None = None
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
    def stale(self) -> bool:
        """Whether marks have changed since it was tracked."""
        return self.tracked is not None and self.marks.changed

    @property
    def cleanable(self) -> bool:
        """Whether what is marked is tracked."""
        return self.tracked is not None and not self.marks.changed

    @property
    def busy(self) -> bool:
        """Whether a job waits or runs."""
        return self.job is not None

    def changed(self, message: str = "") -> None:
        """Note that there is something new to show."""
        self.message = message
        self.version += 1

    def ahead(self) -> int:
        """How many jobs come before this one's."""
        job = self.job
        return 0 if job is None else self._queue(job.task).ahead(job)

    # What a user does

    def take(self, file: Path, name: str) -> None:
        """Begin with a video: it is moved into the folder.

        Raises:
            InputError: a name without the suffix of a video, or a job is running.
        """
        suffix = Path(name).suffix.lower()
        with self.lock:
            self._idle()
            if suffix not in VIDEO_SUFFIXES:
                file.unlink(missing_ok=True)
                given = f"{shown_name(name)} is not a video by its name"
                raise InputError(given, f"{', '.join(VIDEO_SUFFIXES)} are taken", "choose a video")
            self._clear()
            self.video = self.folder / f"source{suffix}"
            shutil.move(file, self.video)
            self.name = shown_name(Path(name).stem)
            self._start("read", (self.video, self.folder), READING)

    def take_demo(self) -> None:
        """Begin with the built-in shot."""
        with self.lock:
            self._idle()
            self._clear()
            self.video, self.name = self.folder / "source.mp4", "demo"
            self._start("demo", (self.video, self.folder), READING)

    def begin_anew(self) -> None:
        """Forget the shot."""
        with self.lock:
            self._idle()
            self._clear()
            self.changed()

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

    def track(self, still: bool) -> None:
        """Follow what is marked through the shot."""
        with self.lock:
            info = self._idle()
            if not self.marks.versions:
                raise InputError("nothing is marked yet", "the thing to remove is needed", "draw a box around it")
            arguments = (self.video, self.folder, info, tuple(sorted(self.marks.versions)), still)
            self.marks.tracking()
            self._start("track", arguments, {"write": 1.0} if still else TRACKING)

    def begin_page(self) -> None:
        """A page begins to show it, with the method that its controls begin with."""
        self.touch()
        self.choose_method(carries=True)

    def choose_method(self, *, carries: bool) -> None:
        """Another method is to remove it: the effects too, if it carries and nothing else was said."""
        with self.lock:
            before = self.effects.wanted
            self.effects.carries = carries
            if self.effects.wanted != before:
                self._look_for_effects()
                self.changed(self.message)

    def choose_effects(self, wanted: bool) -> None:
        """Say whether the effects are to be removed too."""
        with self.lock:
            self._idle()
            self.effects.chosen = wanted
            self._look_for_effects()
            self.changed()

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

    def take_out(self, frame: int) -> None:
        """Make a picture of a frame as it stands: of the result, if there is one and it has that frame."""
        with self.lock:
            self._marking(frame)
            video, index = self.video, frame
            if self.result is not None and self.run is not None and 0 <= frame - self.result.first < self.result.frames:
                video, index = self.run / self.result.name, frame - self.result.first
            path = self.store.paintings / f"{self.name}-{frame:05d}.png"
            self._start("take-out", (video, index, path), READING)

    def paint_frame(self, file: Path, name: str) -> None:
        """Take a painted frame: its name ends in its number."""
        with self.lock:
            info = self._idle()
            if info is None:
                raise InputError("there is no shot", "a painted frame is one of its frames", "reload the page")
            self.paintings.add(file, shown_name(name), info)
            self.changed()

    def forget_paintings(self) -> None:
        """Forget all painted frames."""
        with self.lock:
            self._idle()
            self.paintings.forget()
            self.changed()

    def clean(self, options: Inpaint, settings: Mapping[str, Value], suffix: str) -> None:
        """Remove it.

        Args:
            options: what the command line would have; its files are set here.
            settings: the same as a file, without the files.
            suffix: of the result.
        """
        with self.lock:
            info = self._idle()
            if not self.cleanable:
                raise InputError("the marks are not tracked yet", "a mask of every frame is needed", "press Track")
            assert self.video is not None
            if suffix not in RESULT_SUFFIXES:
                raise InputError(f"a result cannot be {suffix}", f"{', '.join(RESULT_SUFFIXES)} can", "choose one")
            # An earlier result stays until this one is there.
            run = self.store.new_run(self.version)
            options = replace(options, video=self.video, mask=self.store.mask, output=run / f"clean{suffix}")
            ends = {"video": self.video.suffix, "mask": "-mask.mkv", "output": f"-clean{suffix}"}
            files = {name: f"{self.name}{end}" for name, end in ends.items()}
            options, settings = self.paintings.passed_on(options, settings)
            options, settings, drawn = self.effects.passed_on(options, settings, run)
            write_settings(run / SETTINGS_FILE, files | settings)
            weights = CLEANING[options.settings.carries, options.settings.learns]
            self._start("clean", (options, self.store.work_dir, info, drawn), weights)

    def cancel(self) -> None:
        """End what waits or runs."""
        job = self.job
        if job is not None:
            self._queue(job.task).cancel(job)

    @property
    def preview(self) -> Path | None:
        """The middle frame as a run has it now."""
        job = self.job
        if job is None or job.task != "clean":
            return None
        path = job.arguments[0].output.parent / tasks.PREVIEW
        return path if path.exists() else None

    def downloads(self) -> list[tuple[str, Path, str]]:
        """What there is to keep: what it is, where it lies, and the name to keep it under."""
        files: list[tuple[str, Path, str]] = []
        if self.cleanable:
            drawn = None if self.run is None else self.run / MASK_FILE
            mask = drawn if drawn is not None and drawn.exists() else self.store.mask
            files.append(("Mask", mask, f"{self.name}-mask.mkv"))
        if self.result is not None and self.run is not None:
            output = self.run / self.result.name
            result = ("Download the result", output, f"{self.name}-clean{output.suffix}")
            files = [
                result,
                *files,
                ("Provenance: where pixels come from", self.run / PROVENANCE_FILE, f"{self.name}-provenance.mkv"),
                ("Settings of this run", self.run / SETTINGS_FILE, f"{self.name}-settings.toml"),
            ]
        return files

    # How that is done

    def _idle(self) -> ShotInfo | None:
        """Refuse while a job waits or runs; what is known of the shot otherwise."""
        if self.busy:
            raise InputError("this shot is being worked on", "one thing at a time is done", "wait, or cancel it")
        return self.info

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

    def _look_for_effects(self) -> None:
        """Find what goes with the thing, if that is wanted, and nobody has looked since its mask was made."""
        if self.cleanable and not self.busy and self.effects.wanted and self.effects.found is None:
            assert self.info is not None
            self._start("effects", (self.video, self.folder, self.store.mask, self.info.total), FINDING)

    def _add(self, frame: int, found: Bool[np.ndarray, "h w"]) -> None:
        self.marks.add(frame, found, self.version + 1)
        self.changed()

    def _queue(self, task: str) -> JobQueue:
        return self.long_jobs if task == "clean" else self.quick_jobs

    def _start(self, task: str, arguments: tuple, weights: Mapping[str, float]) -> None:
        self.job = Job(task, arguments, weights, self._ended)
        self.changed()
        self._queue(task).submit(self.job)

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
                self.marks.changed = True
            elif job.task == "effects":
                self.effects.chosen = False  # what is not shown does not go
            self.changed(words)

    def _take_result(self, job: Job) -> None:
        """What a job has made is that of the project from now on."""
        if job.task == "track":
            self.tracked, self.marks.changed = job.result, False
            self.effects.found, self.result = None, None
            self._keep_run(None)
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

    def _in_words(self, error: str) -> str:
        """An error in the names that the user knows."""
        if self.video is not None:
            error = error.replace(str(self.video), self.name + self.video.suffix)
        return error.replace(f"{self.folder}/", "")

    def _keep_run(self, kept: Path | None) -> None:
        """Remove what all other runs have made."""
        self.run = kept
        self.store.remove_runs(kept)

    def _clear(self) -> None:
        """Begin anew."""
        self.store.clear()
        self.marks.clear()
        self.effects.clear()
        self.paintings.clear()
        self.video, self.info, self.tracked, self.result, self.run = None, None, None, None, None

    def remove(self) -> None:
        """End what runs, and leave nothing behind."""
        self.cancel()
        self.store.remove()


def shown_name(name: str) -> str:
    """A name from elsewhere, fit to be shown and kept under: without anything that a path or a page is made of."""
    words = re.sub(r"[^\w .()+-]", "_", name.replace("\\", "/").rpartition("/")[2])
    return words.strip(" .")[:MOST_NAME] or "shot"
