"""Elsewhere: what Windows and macOS lack is taken away, from the program and from the processes that it starts."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from cleanplate import InputError, write_video
from cleanplate.runtime import files
from tests.conftest import panning, walking_hole

LACKING = """
import ctypes, multiprocessing, os, pathlib, signal, sys
for module, names in ((signal, ("SIGHUP", "pthread_sigmask")), (os, ("nice",))):
    for name in names:
        delattr(module, name)
for name in [name for name in dir(os) if name.startswith("sched_")]:
    delattr(os, name)
sys.modules["resource"] = sys.modules["multiprocessing.forkserver"] = None
multiprocessing.get_all_start_methods = lambda: ["spawn"]

def no_proc(known):
    def asked(path, *more, **options):
        if str(path).startswith("/proc"):
            raise FileNotFoundError(2, "there is no such file", str(path))
        return known(path, *more, **options)
    return asked

for name in ("iterdir", "read_text", "write_text"):
    setattr(pathlib.Path, name, no_proc(getattr(pathlib.Path, name)))

library = ctypes.CDLL.__init__
def no_c_library(self, name, *more, **options):
    if name is None:
        raise OSError("there is no such library")
    library(self, name, *more, **options)
ctypes.CDLL.__init__ = no_c_library
"""
"""Read by every Python that starts with it on its path, before anything else."""


def elsewhere(folder: Path, *words: str) -> str:
    """What a command says in a system that lacks all that."""
    (folder / "sitecustomize.py").write_text(LACKING)
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_batch_runs_without_what_others_lack(tmp_path: Path) -> None:
    hole = walking_hole(4, (32, 48))
    write_video(tmp_path / "shot.mp4", panning(4, (32, 48)).where(~hole, 0.9), fps=24)
    write_video(tmp_path / "mask.mkv", hole.float().expand(-1, 3, -1, -1))
    (tmp_path / "jobs.csv").write_text("video,mask,out,method\nshot.mp4,mask.mkv,clean.mp4,telea\n")
    assert "done" in elsewhere(tmp_path, "-m", "cleanplate", "batch", "jobs.csv", "-o", "done", "--workers", "2")
    assert (tmp_path / "done/clean.mp4").stat().st_size


def test_the_page_and_the_measurements_do_without(tmp_path: Path) -> None:
    program = """
from cleanplate.experiments.cells import memory_before_mb, peak_memory_mb
from cleanplate.runtime.threads import ordinary_priority
from cleanplate.studio.queue import JobQueue
with ordinary_priority():
    queue = JobQueue({})
print(memory_before_mb(), peak_memory_mb(), queue._method)
queue.close()
"""
    assert elsewhere(tmp_path, "-c", program) == "None None spawn\n"


def test_what_a_killed_run_left_is_removed_though_an_open_file_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows: the lock that is held is a file that is open."""
    remove = shutil.rmtree

    def rmtree(folder: Path, ignore_errors: bool = False) -> None:
        try:
            FileLock(folder / files.LOCK, blocking=False).acquire().lock.release()
        except Timeout:
            for path in folder.iterdir():
                if path.name != files.LOCK:
                    path.unlink()
        else:
            remove(folder, ignore_errors=ignore_errors)

    monkeypatch.setattr(files.shutil, "rmtree", rmtree)
    left = tmp_path / ".out.mp4.partialx"
    left.mkdir()
    (left / "out.mp4").touch()
    files.remove_forsaken(left)
    assert not left.exists()
    left.mkdir()
    with FileLock(left / files.LOCK):  # one that goes on is left alone
        files.remove_forsaken(left)
        assert left.exists()


def test_an_output_that_somebody_holds_open_is_said_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def replace(*_: object) -> None:
        raise PermissionError(13, "The process cannot access the file because it is being used by another process")

    (tmp_path / "clean.mp4").write_text("before")
    monkeypatch.setattr(Path, "replace", replace)
    said = r"clean.mp4 cannot be written \(The process cannot access"
    with pytest.raises(InputError, match=said), files.whole(tmp_path / "clean.mp4") as partial:
        partial.write_text("after")
    assert (tmp_path / "clean.mp4").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["clean.mp4"]
