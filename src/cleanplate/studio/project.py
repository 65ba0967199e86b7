"""One shot on its way: its private folder, what is marked, how far it has come. Several threads may ask at once."""

import contextlib
import re
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from cleanplate.commands.inpaint import Inpaint
from cleanplate.commands.settings import Value, write_settings
from cleanplate.errors import InputError
from cleanplate.studio import tasks
from cleanplate.studio import thumbnails as pictures
from cleanplate.studio.queue import Job, Lane
from cleanplate.studio.tasks import MARKS, MASK_FILE, PROVENANCE_FILE, Facts, Result, Tracked
from cleanplate.track.outline import NEIGHBOUR_OFFSETS

VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".wmv", ".flv")
RESULT_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm")
SETTINGS_FILE, WORK = "settings.toml", "work"
READING = {"read": 1.0}
TRACKING = {"track": 0.85, "write": 0.15}
MOST_NAME = 80


@dataclass(frozen=True)
class Earlier:
    """What was marked on a frame before it was changed."""

    frame: int
    found: Bool[np.ndarray, "h w"] | None
    """None if it was not marked."""
    stale: bool
    """Whether the marks had changed already since the shot was tracked."""


class Project:
    """A shot and what is done to it.

    Args:
        token: its name, which nobody can guess.
        folder: its own, private.
        look: the lane of what is quick (reading, tracking).
        work: the lane of what is not.
    """

    def __init__(self, token: str, folder: Path, look: Lane, work: Lane):
        self.token, self.folder, self.look, self.work = token, folder, look, work
        self.lock = threading.RLock()
        self.version = 0
        """Counts the changes of all that follows."""
        self.name = ""
        """Of the video, without its suffix: to be shown, never a path."""
        self.video: Path | None = None
        self.facts: Facts | None = None
        self.marks: dict[int, int] = {}
        self._earlier: list[Earlier] = []
        """The frames that are marked, and the versions in which they were."""
        self.stamps = {"read": 0, "track": 0, "clean": 0}
        """The versions in which the pictures of each job were made: part of their addresses."""
        self.tracked: Tracked | None = None
        self.stale = False
        """Marks have changed since it was tracked."""
        self.result: Result | None = None
        self.run: Path | None = None
        """Folder of the result."""
        self.job: Job | None = None
        self.message = ""
        """What went wrong last, or was cancelled."""
        self.touch()

    def touch(self) -> None:
        """Somebody looks at it."""
        self.seen_s = time.monotonic()

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
        return 0 if job is None else (self.work if job.task == "clean" else self.look).ahead(job)

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
            self._start(self.look, "read", (self.video, self.folder), READING)

    def take_demo(self) -> None:
        """Begin with the built-in shot."""
        with self.lock:
            self._idle()
            self._clear()
            self.video, self.name = self.folder / "source.mp4", "demo"
            self._start(self.look, "demo", (self.video, self.folder), READING)

    def begin_anew(self) -> None:
        """Forget the shot."""
        with self.lock:
            self._idle()
            self._clear()
            self.changed()

    def mark_box(self, frame: int, box: tuple[int, int, int, int]) -> None:
        """Add what is in a box (left, top, width, height) of the small picture."""
        with self.lock:
            height, width = self._marking(frame).small
            left, top = max(0, min(box[0], width - 1)), max(0, min(box[1], height - 1))
            box = left, top, min(box[0] + box[2], width) - left, min(box[1] + box[3], height) - top
            if min(box[2:]) < LEAST_BOX_PX:
                given = f"the box is {box[2]}x{box[3]} px"
                raise InputError(given, "a larger one is needed", "draw from corner to corner")
            self._add(frame, pictures.boxed(self._picture(frame), box, self._beside(frame)))

    def mark_click(self, frame: int, x: int, y: int) -> None:
        """Add what is under a point of the small picture."""
        with self.lock:
            self._marking(frame)
            found = pictures.clicked(self._picture(frame), x, y, self._beside(frame))
            self._add(frame, found)
            if found.mean() < SMALL_SHARE:
                self.changed("Only a small spot was found there. Draw a box around the thing, or paint it, instead.")

    def mark_painted(self, frame: int, address: str) -> None:
        """Set what is marked on a frame, as a canvas sends it."""
        with self.lock:
            found = pictures.painted(address, self._marking(frame).small)
            if found.any():
                self._mark(frame, found)
            else:
                self.unmark(frame)

    def unmark(self, frame: int) -> None:
        """Forget what is marked on a frame."""
        with self.lock:
            self._marking(frame)
            if frame in self.marks:
                self._remember(frame)
                self._drop(frame)
                self.stale = self.tracked is not None
            self.changed()

    def undo(self) -> None:
        """Take back the last mark, or what was done to it."""
        with self.lock:
            self._idle()
            if not self._earlier:
                raise InputError("nothing is left to be undone", "a mark is needed", "go on")
            last = self._earlier.pop()
            if last.found is None:
                self._drop(last.frame)
            else:
                self._write(last.frame, last.found)
            self.stale = last.stale and self.tracked is not None
            self.changed()
            if last.found is not None:
                self.marks[last.frame] = self.version

    @property
    def undoable(self) -> bool:
        """Whether there is something to take back."""
        return bool(self._earlier)

    def track(self, still: bool) -> None:
        """Follow what is marked through the shot."""
        with self.lock:
            facts = self._idle()
            if not self.marks:
                raise InputError("nothing is marked yet", "the thing to remove is needed", "draw a box around it")
            arguments = (self.video, self.folder, facts, tuple(sorted(self.marks)), still)
            self._earlier = [replace(earlier, stale=True) for earlier in self._earlier]  # what is tracked has these
            self._start(self.look, "track", arguments, {"write": 1.0} if still else TRACKING)

    def clean(self, options: Inpaint, settings: Mapping[str, Value], suffix: str) -> None:
        """Remove it.

        Args:
            options: what the command line would have; its files are set here.
            settings: the same as a file, without the files.
            suffix: of the result.
        """
        with self.lock:
            facts = self._idle()
            if self.tracked is None or self.stale:
                raise InputError("the marks are not tracked yet", "a mask of every frame is needed", "press Track")
            assert self.video is not None
            if suffix not in RESULT_SUFFIXES:
                raise InputError(f"a result cannot be {suffix}", f"{', '.join(RESULT_SUFFIXES)} can", "choose one")
            # An earlier result stays until this one is there.
            run = self.folder / f"run-{self.version}"
            run.mkdir()
            options = replace(options, video=self.video, mask=self.folder / MASK_FILE, output=run / f"clean{suffix}")
            ends = {"video": self.video.suffix, "mask": "-mask.mkv", "output": f"-clean{suffix}"}
            files = {name: f"{self.name}{end}" for name, end in ends.items()}
            write_settings(run / SETTINGS_FILE, files | dict(settings))
            weights = CLEANING[options.settings.carries, options.settings.learns]
            self._start(self.work, "clean", (options, self.folder / WORK, facts), weights)

    def cancel(self) -> None:
        """End what waits or runs."""
        job = self.job
        if job is not None:
            (self.work if job.task == "clean" else self.look).cancel(job)

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
        if self.tracked is not None and not self.stale:
            files.append(("Mask", self.folder / MASK_FILE, f"{self.name}-mask.mkv"))
        if self.result is not None and self.run is not None:
            output = self.run / self.result.name
            result = ("Download the result", output, f"{self.name}-clean{output.suffix}")
            where = ("Provenance: where pixels come from", self.run / PROVENANCE_FILE, f"{self.name}-provenance.mkv")
            files = [
                result,
                *files,
                where,
                ("Settings of this run", self.run / SETTINGS_FILE, f"{self.name}-settings.toml"),
            ]
        return files

    # How that is done

    def _idle(self) -> Any:
        """Refuse while a job waits or runs, or this is gone; the facts of the shot otherwise."""
        if self.busy:
            raise InputError("this shot is being worked on", "one thing at a time is done", "wait, or cancel it")
        return self.facts

    def _marking(self, frame: int) -> Facts:
        facts = self._idle()
        if facts is None or not 0 <= frame < facts.total:
            raise InputError(f"there is no frame {frame}", "a frame of the shot is needed", "reload the page")
        return facts

    def _picture(self, frame: int) -> np.ndarray:
        return pictures.read_jpeg(pictures.numbered(self.folder / tasks.FRAMES, frame, ".jpg"))

    def _beside(self, frame: int) -> Iterator[np.ndarray]:
        """Frames that show how what is on this one moves."""
        total = self.facts.total if self.facts else 0
        return (self._picture(at) for by in NEIGHBOUR_OFFSETS if 0 <= (at := frame + by) < total)

    def _shown(self, frame: int) -> np.ndarray:
        return pictures.read_mask(pictures.numbered(self.folder / MARKS, frame, ".png"))

    def _add(self, frame: int, found: np.ndarray) -> None:
        self._mark(frame, found | self._shown(frame) if frame in self.marks else found)

    def _mark(self, frame: int, found: np.ndarray) -> None:
        self._remember(frame)
        self._write(frame, found)
        self.stale = self.tracked is not None
        self.changed()
        self.marks[frame] = self.version

    def _write(self, frame: int, found: np.ndarray) -> None:
        (self.folder / MARKS).mkdir(exist_ok=True)
        pictures.write_mask(pictures.numbered(self.folder / MARKS, frame, ".png"), found)

    def _drop(self, frame: int) -> None:
        self.marks.pop(frame, None)
        pictures.numbered(self.folder / MARKS, frame, ".png").unlink(missing_ok=True)

    def _remember(self, frame: int) -> None:
        """What is marked now, to come back to."""
        found = self._shown(frame) if frame in self.marks else None
        self._earlier = [*self._earlier[1 - MOST_UNDONE :], Earlier(frame, found, self.stale)]

    def _start(self, lane: Lane, task: str, arguments: tuple, weights: Mapping[str, float]) -> None:
        self.job = Job(task, arguments, weights, self._ended)
        self.changed()
        lane.submit(self.job)

    def _ended(self, job: Job) -> None:
        """Told by the lane."""
        with self.lock:
            self.job = None
            for partial in self.folder.glob(".*.partial*"):
                _remove(partial)
            if job.task == "clean":
                self._keep_run(job.arguments[0].output.parent if job.state == "done" else self.run)
            if job.state == "done":
                if job.task in ("read", "demo"):
                    self.stamps["read"] = self.version + 1
                    self.facts = job.result
                elif job.task == "track":
                    self.stamps["track"] = self.version + 1
                    self.tracked, self.stale = job.result, False
                    self.result = None
                    self._keep_run(None)
                else:
                    self.stamps["clean"] = self.version + 1
                    self.result = job.result
                self.changed()
                return
            words = "Cancelled." if job.state == "cancelled" else self._in_words(job.error)
            if job.task in ("read", "demo"):
                self._clear()
            elif job.task == "track":
                self.stale = self.tracked is not None
            self.changed(words)

    def _in_words(self, error: str) -> str:
        """An error in the names that the user knows."""
        if self.video is not None:
            error = error.replace(str(self.video), self.name + self.video.suffix)
        return error.replace(f"{self.folder}/", "")

    def _keep_run(self, kept: Path | None) -> None:
        """Remove what all other runs have made."""
        self.run = kept
        for run in self.folder.glob("run-*"):
            if run != kept:
                _remove(run)

    def _clear(self) -> None:
        """Begin anew."""
        for path in self.folder.iterdir():
            _remove(path)
        self.video, self.facts, self.tracked, self.result, self.run = None, None, None, None, None
        self.marks, self.stale, self._earlier = {}, False, []

    def remove(self) -> None:
        """End what runs, and leave nothing behind."""
        self.cancel()
        _remove(self.folder)


LEAST_BOX_PX, MOST_UNDONE = 4, 20
SMALL_SHARE = 0.002  # of the picture: what a click found is hardly the whole thing
# Shares of the time, by whether it carries and whether it learns.
CLEANING = {
    (True, False): {"read": 0.05, "carry": 0.75, "write": 0.1, "show": 0.1},
    (True, True): {"read": 0.05, "carry": 0.45, "learn": 0.3, "write": 0.1, "show": 0.1},
    (False, True): {"read": 0.01, "learn": 0.95, "write": 0.02, "show": 0.02},
}


def shown_name(name: str) -> str:
    """A name from elsewhere, fit to be shown and kept under: without anything that a path or a page is made of."""
    words = re.sub(r"[^\w .()+-]", "_", name.replace("\\", "/").rpartition("/")[2])
    return words.strip(" .")[:MOST_NAME] or "shot"


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
