"""One shot on its way: what a user does with it."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cleanplate.commands.inpaint import Inpaint
from cleanplate.commands.settings import Value, write_settings
from cleanplate.errors import InputError
from cleanplate.studio.marking import Marking
from cleanplate.studio.store import SETTINGS_FILE
from cleanplate.studio.tasks import PROVENANCE_FILE
from cleanplate.studio.tracking import MASK_FILE

VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".wmv", ".flv")
RESULT_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm")
MOST_NAME = 80  # characters, before what is put to it: "-clean.mp4"
# Shares of the time that the stages of a job take; of cleaning, by whether it carries and whether it learns.
READING = {"read": 1.0}
LOOKING = {"look": 1.0}
TRACKING = {"track": 0.85, "write": 0.15}
CLEANING = {
    (True, False): {"read": 0.05, "carry": 0.75, "write": 0.1, "show": 0.1},
    (True, True): {"read": 0.05, "carry": 0.45, "learn": 0.3, "write": 0.1, "show": 0.1},
    (False, True): {"read": 0.01, "learn": 0.95, "write": 0.02, "show": 0.02},
}


class Project(Marking):
    """A shot and what is done to it, from the video to the result."""

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
            self.name, self.file_name = shown_name(Path(name).stem)[:MOST_NAME], Path(name).name
            self._start("read", (self.video, self.folder), READING)

    def take_demo(self) -> None:
        """Begin with the built-in shot."""
        with self.lock:
            self._idle()
            self._clear()
            self.video, self.name, self.file_name = self.folder / "source.mp4", "demo", "demo.mp4"
            self._start("demo", (self.video, self.folder), READING)

    def begin_anew(self) -> None:
        """Forget the shot."""
        with self.lock:
            self._idle()
            self._clear()
            self.changed()

    def track(self, still: bool, first: int | None = None, last: int | None = None) -> None:
        """Follow what is marked through the shot.

        Args:
            still: the thing that is chosen does not move: what is marked is its mask on every frame.
            first: the first of these; from the beginning if not given.
            last: the last of these; to the end if not given.
        """
        with self.lock:
            info = self._idle()
            if info is None or not any(self.parts):
                raise InputError("nothing is marked yet", "the thing to remove is needed", "draw a box around it")
            self.stand_still(still, first, last)
            chosen = self.things.chosen
            jobs = [thing.job(info.total, anew=thing.due) for thing in self.things.marked]
            if self.cleanable:  # nothing has changed: once more
                jobs = [thing.job(info.total, anew=thing is chosen) for thing in self.things.marked]
            for thing in self.things.marked:
                thing.marks.tracking()
                thing.tracked_how = thing.how
            follows = any(one.marks and one.still is None for one in jobs)
            arguments = (self.video, self.folder, info.size, info.total, jobs, self.overlays.removed)
            self._start("track", arguments, TRACKING if follows else {"write": 1.0})

    def find_overlays(self) -> None:
        """Look for what lies over the shot: logos, captions."""
        with self.lock:
            info = self._idle()
            if info is None:
                raise InputError("there is no shot", "one is needed to look at", "reload the page")
            self._start("overlays", (self.video, self.folder, info.total), LOOKING)

    def accept_overlay(self, number: int, wanted: bool) -> None:
        """Make what was found a part of the mask, or take that back."""
        with self.lock:
            self._idle()
            self.overlays.accept(number, wanted)
            self.changed()

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
            self.paintings.add(file, Path(name).name, info)
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
            ends = {"mask": "-mask.mkv", "output": f"-clean{suffix}"}
            files = {"video": self.file_name} | {name: f"{self.name}{end}" for name, end in ends.items()}
            options, settings = self.paintings.passed_on(options, settings)
            options, settings, drawn = self.effects.passed_on(options, settings, run)
            if drawn is None:  # the mask of this result, whatever is tracked later
                shutil.copyfile(self.store.mask, run / MASK_FILE)
            write_settings(run / SETTINGS_FILE, files | settings)
            weights = CLEANING[options.settings.carries, options.settings.learns]
            self._start("clean", (options, self.store.work_dir, info, drawn), weights)

    def downloads(self) -> list[tuple[str, Path, str]]:
        """What there is to keep: what it is, where it lies, and the name to keep it under."""
        if self.result is None or self.run is None:
            return [("Mask", self.store.mask, f"{self.name}-mask.mkv")] if self.cleanable else []
        output = self.run / self.result.name
        return [
            ("Download the result", output, f"{self.name}-clean{output.suffix}"),
            ("Mask", self.run / MASK_FILE, f"{self.name}-mask.mkv"),
            ("Provenance: where pixels come from", self.run / PROVENANCE_FILE, f"{self.name}-provenance.mkv"),
            ("Settings of this run", self.run / SETTINGS_FILE, f"{self.name}-settings.toml"),
        ]


def shown_name(name: str) -> str:
    """A name from elsewhere, fit to be shown and kept under: without anything that a path or a page is made of."""
    words = re.sub(r"[^\w .()+-]", "_", name.replace("\\", "/").rpartition("/")[2])
    return words.strip(" .") or "shot"
