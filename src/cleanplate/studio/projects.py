"""All projects of a studio: they lie in one private folder, each is found by its token, and is removed in time."""

import contextlib
import logging
import secrets
import shutil
import tempfile
import threading
import time
from pathlib import Path

from filelock import FileLock, Timeout

from cleanplate.studio.project import Project
from cleanplate.studio.queue import JobQueue

log = logging.getLogger(__name__)

PREFIX, LOCK = "cleanplate-studio-", ".lock"
MOST_PROJECTS = 200


class Projects:
    """The projects of a studio.

    Args:
        keep_s: how long one is kept that nobody looks at and nothing runs for.
        parent: folder to make the private one in; the system's for temporary files if not given.
    """

    def __init__(self, keep_s: float, parent: Path | None = None):
        self.keep_s = keep_s
        parent = Path(tempfile.gettempdir()) if parent is None else parent
        _sweep(parent)
        self.root = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent)).resolve()  # only for this user
        self._held = FileLock(self.root / LOCK)
        self._held.acquire()
        self.folder, self.uploads = self.root / "projects", self.root / "uploads"
        self.folder.mkdir()
        self.uploads.mkdir()
        self.quick_jobs = JobQueue()
        """Of reading and tracking."""
        self.long_jobs = JobQueue()
        """Of cleaning."""
        self._projects: dict[str, Project] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._tidying = threading.Thread(target=self._tidy, daemon=True, name="studio tidy")
        self._tidying.start()

    def find(self, token: str) -> Project | None:
        """The project of that token, if there is one."""
        with self._lock:
            project = self._projects.get(token)
        if project is not None:
            project.touch()
        return project

    def begin(self) -> Project:
        """A new project."""
        token = secrets.token_urlsafe(16)
        folder = self.folder / token
        folder.mkdir()
        project = Project(token, folder, self.quick_jobs, self.long_jobs)
        with self._lock:
            self._projects[token] = project
            idle = sorted((one for one in self._projects.values() if not one.busy), key=lambda one: one.visited_s)
            dropped = idle[: max(0, len(self._projects) - MOST_PROJECTS)]
            for one in dropped:
                del self._projects[one.token]
        for one in dropped:
            one.remove()
        return project

    def close(self) -> None:
        """End everything, and remove the folder."""
        self._closed.set()
        self._tidying.join(5)
        self.long_jobs.close()
        self.quick_jobs.close()
        self._held.release()
        shutil.rmtree(self.root, ignore_errors=True)

    def _tidy(self) -> None:
        """Remove what nobody looks at any more."""
        while not self._closed.wait(min(5.0, self.keep_s / 2)):
            with self._lock:
                now = time.monotonic()
                old = [one for one in self._projects.values() if not one.busy and now - one.visited_s > self.keep_s]
                for one in old:
                    del self._projects[one.token]
            for one in old:
                one.remove()
            now = time.time()
            for path in self.uploads.iterdir():  # what was sent but never taken
                with contextlib.suppress(OSError):
                    if now - path.stat().st_mtime > self.keep_s:
                        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _sweep(parent: Path) -> None:
    """Remove what a studio has left that was killed."""
    for root in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError, Timeout):
            if (root / LOCK).is_file():
                with FileLock(root / LOCK, timeout=0):
                    shutil.rmtree(root, ignore_errors=True)
                shutil.rmtree(root, ignore_errors=True)  # Windows removes no file that is open, as the lock was
                log.info("removed %s, which an earlier studio had left", root)
