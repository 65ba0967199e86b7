"""The work folder of a run: what it needs to go on after it was ended, and what it has measured.

A run fills block after block of a long shot (see journal.py), and makes one or more fits, one after the other. What a
fit has reached is saved every so often, what is finished at once. Every file is written beside its name and then
renamed, so a run may be killed at any moment. The losses of every step go to `steps.jsonl`, one line a step; a run that
goes on first cuts off the lines after its last save.
"""

import contextlib
import io
import json
import shutil
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cleanplate.errors import InputError
from cleanplate.runtime.archive import packed, unpacked
from cleanplate.runtime.files import writing

if TYPE_CHECKING:
    import torch

STEPS, RUN = "steps.jsonl", "run.json"
ARRAYS, TENSORS = ".npz", ".pt"
"""Of what a stage has filled, and of what a fit has learned: only the latter needs torch."""

T = TypeVar("T")


class WorkDir:
    """A work folder; with `folder=None` there is none: nothing is saved, nothing is found.

    Args:
        folder: made when there is something to save.
        resume: go on from what it holds, if it holds anything.
        overwrite: start anew, if what it holds cannot be continued or is not to be.
        every_s: time between saves.
    """

    def __init__(
        self, folder: Path | None = None, *, resume: bool = False, overwrite: bool = False, every_s: float = 60.0
    ):
        self.folder, self.resume, self.overwrite, self.every_s = folder, resume, overwrite, every_s
        self.earlier_s = 0.0
        """What earlier runs have learned for, as far as this one goes on from them (`resumed`)."""
        self._run: dict[str, str] = {}
        self._saved_s = time.monotonic()
        self._fresh = True
        self._logged: int | None = None

    def begin(self, run: Mapping[str, str]) -> None:
        """Say what the result depends on, in words. Only the same run may be continued.

        Raises:
            InputError: an unfinished run that is neither continued nor given up, or another run than this one.
        """
        if self.folder is None:
            return
        path = self.folder / RUN
        held = _read_run(path) if path.is_file() else None
        fresh = held is None or (self.overwrite and not (self.resume and held == run))
        if not fresh and not self.resume:
            raise InputError(
                f"{self.folder} holds an unfinished run",
                "it is not thrown away unasked",
                "pass --resume to go on with it, or --overwrite to start anew",
            )
        if held is not None and not fresh and held != run:
            other = ", ".join(key for key in held | dict(run) if held.get(key) != run.get(key))
            raise InputError(
                f"{self.folder} holds a run of another {other}",
                "only the same run can be continued",
                "give what was given then, or pass --overwrite to start anew",
            )
        self._run, self._fresh = dict(run), fresh

    @property
    def resumable(self) -> bool:
        """Whether this run has left something to go on from."""
        return bool(self.folder and self._run and not self._fresh and any(_saved_in(self.folder)))

    def _made(self) -> Path:
        """The folder, with this run's name on it."""
        assert self.folder is not None
        if self._fresh:
            with writing(self.folder):
                self.folder.mkdir(exist_ok=True)
                self._clear()  # of an earlier run only: whatever else lies there is not ours
                (self.folder / STEPS).write_bytes(b"")
                unfinished = self.folder / f"{RUN}.partial"
                unfinished.write_text(json.dumps(self._run, indent=1) + "\n")
                unfinished.replace(self.folder / RUN)
            self._fresh = False
        return self.folder

    def load(self, name: str) -> Any:
        """What was saved under this name; None if nothing was.

        Whoever goes on from it says so with `resumed`, if time was spent on it.

        Raises:
            InputError: it is damaged.
        """
        return self._load(f"{name}{ARRAYS}", lambda path: unpacked(path.read_bytes()))

    def load_tensors(self, name: str, device: "torch.device") -> Any:
        """What was saved by `save_tensors`, on that device; as `load`."""
        import torch

        return self._load(f"{name}{TENSORS}", partial(torch.load, map_location=device, weights_only=True))

    def _load(self, name: str, read: Callable[[Path], dict[str, Any]]) -> Any:
        if self.folder is None or self._fresh or not (path := self.folder / name).is_file():
            return None

        def opened() -> tuple[Any, int]:
            held = read(path)
            return held["state"], int(held["logged"])

        try:
            state, logged = _whole(path, opened)
        except InputError:
            if self.overwrite:
                return None
            raise
        self._logged = max(self._logged or 0, logged)
        return state

    def resumed(self, elapsed_s: float) -> None:
        """Count the time that earlier runs have spent on what was loaded."""
        self.earlier_s += elapsed_s

    def save(self, name: str, state: Any) -> None:
        """Save arrays (see archive.py) under this name, whole or not at all."""
        if self.folder is not None:
            self._write(f"{name}{ARRAYS}", packed(self._dated(state)))

    def save_tensors(self, name: str, state: Any) -> None:
        """Save what holds tensors under this name, whole or not at all."""
        if self.folder is not None:
            import torch

            held = io.BytesIO()  # torch has an error of its own for a full disk, and does not say which it is
            torch.save(self._dated(state), held)
            self._write(f"{name}{TENSORS}", held.getbuffer())

    def _dated(self, state: Any) -> dict[str, Any]:
        """With how much was logged until now."""
        self._saved_s = time.monotonic()
        return {"state": state, "logged": (self._made() / STEPS).stat().st_size}

    def names(self, pattern: str) -> list[str]:
        """Of what was saved."""
        if self.folder is None or self._fresh:
            return []
        return [path.stem for path in self.folder.glob(f"{pattern}{ARRAYS}")]

    def piece(self, name: str) -> list[Any]:
        """A part of something that is too large to be loaded at once."""
        assert self.folder is not None
        path = self.folder / f"{name}{ARRAYS}"
        return _whole(path, lambda: list(unpacked(path.read_bytes())))

    def save_piece(self, name: str, piece: list[Any]) -> None:
        """Save a part; the whole says later that it has it."""
        if self.folder is not None:
            self._write(f"{name}{ARRAYS}", packed(piece))

    def forget(self, name: str) -> None:
        """Remove what was saved under this name."""
        if self.folder is not None:
            (self.folder / f"{name}{ARRAYS}").unlink(missing_ok=True)

    def _write(self, name: str, data: memoryview) -> None:
        path = self._made() / name
        unfinished = path.with_suffix(".partial")
        with writing(path):
            unfinished.write_bytes(data)
            unfinished.replace(path)

    def due(self) -> bool:
        """Whether it is time to save."""
        return self.folder is not None and time.monotonic() - self._saved_s >= self.every_s

    def log(self, line: Mapping[str, Any]) -> None:
        """Add a line to steps.jsonl."""
        if self.folder is None:
            return
        path = self._made() / STEPS
        with writing(path), path.open("r+b") as lines:
            if self._logged is not None:  # the first line of a run that goes on: those after its last save are cut off
                lines.truncate(self._logged)
                self._logged = None
            lines.seek(0, io.SEEK_END)
            lines.write(json.dumps(line).encode() + b"\n")

    def discard(self) -> None:
        """Remove what this run has left, if nothing of it can be gone on from: its name and losses alone."""
        if self._run and not self._fresh and not self.resumable:
            self.finish()

    def finish(self, losses: Path | None = None) -> None:
        """Remove what was only needed to go on.

        Args:
            losses: where the losses of all steps go, if they are wanted.
        """
        if self.folder is None or not (self.folder / RUN).is_file():
            return
        if losses is not None:
            with writing(losses):
                shutil.copyfile(self.folder / STEPS, losses)
        self._clear()
        with contextlib.suppress(OSError):  # something else lies there
            self.folder.rmdir()

    def _clear(self) -> None:
        assert self.folder is not None
        ours = (self.folder / RUN, self.folder / STEPS, *_saved_in(self.folder), *self.folder.glob("*.partial"))
        for path in ours:
            path.unlink(missing_ok=True)


def _saved_in(folder: Path) -> list[Path]:
    """What was saved there."""
    return [*folder.glob(f"*{ARRAYS}"), *folder.glob(f"*{TENSORS}")]


def _whole(path: Path, read: Callable[[], T]) -> T:
    """What a file that was saved holds.

    Raises:
        InputError: it is damaged.
    """
    try:
        return read()
    except MemoryError:
        raise
    except Exception as error:  # a pickle that is damaged may raise anything
        needed, fix = "a whole file is needed", "pass --overwrite to start anew"
        raise InputError(f"{path} is broken ({type(error).__name__})", needed, fix) from None


def _read_run(path: Path) -> dict[str, str]:
    """What an earlier run depended on; nothing that another could be the same as, if the file is broken."""
    try:
        held = json.loads(path.read_text())
    except (ValueError, RecursionError):
        return {}
    return held if isinstance(held, dict) else {}
