"""The same work for many items on all cores, results in order, memory bounded.

One thread a core, and every library kept to one thread inside it: small pictures do not fill the cores by themselves,
and results do not depend on how many cores there are (OpenCV's DIS splits the picture by threads and shows it).
"""

import contextlib
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import cv2
from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`work(item)` for each item, in the order of the items, at most a few ahead of what has been taken."""
    workers = os.cpu_count() or 1
    waiting: deque[Future[Result]] = deque()
    with one_thread_each(), ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > 2 * workers:  # enough to keep the workers busy
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


@contextlib.contextmanager
def one_thread_each() -> Iterator[None]:
    """Keep the libraries to one thread: OpenCV, the linear algebra below NumPy and SciPy, and torch if it is loaded.

    A small product of matrices takes ten times as long on several threads as soon as anything else wants a core: all
    wait for the last. Whoever asks for it may leave in any order: the last one to leave puts all back.
    """
    _held.enter()
    try:
        yield
    finally:
        _held.leave()


class _Held:
    """What the libraries are to have again, once nobody wants one thread any more."""

    def __init__(self) -> None:
        self._lock, self._users, self._n_modules = threading.Lock(), 0, 0
        self._before = contextlib.ExitStack()
        self._here = threading.local()  # torch has a number for each thread that computes

    def enter(self) -> None:
        with self._lock:
            self._users += 1
            if cv2.getNumThreads() != 1:
                self._before.callback(cv2.setNumThreads, cv2.getNumThreads())
            cv2.setNumThreads(1)
            if self._users == 1 or len(sys.modules) != self._n_modules:  # what was loaded since is not limited yet
                self._n_modules = len(sys.modules)
                self._before.enter_context(_libraries(self._n_modules).limit(limits=1, user_api="blas"))
        self._here.users = getattr(self._here, "users", 0) + 1
        if torch := sys.modules.get("torch"):
            if getattr(self._here, "torch", None) is None:
                self._here.torch = torch.get_num_threads()
            torch.set_num_threads(1)

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._before.close()
        self._here.users -= 1
        if not self._here.users and getattr(self._here, "torch", None) is not None:  # last: it shares threads with BLAS
            sys.modules["torch"].set_num_threads(self._here.torch)
            self._here.torch = None


_held = _Held()


@lru_cache(maxsize=1)
def _libraries(n_modules: int) -> ThreadpoolController:
    """Those that are loaded. To look takes milliseconds, so it is done anew only where a module was loaded since."""
    return ThreadpoolController()


def threads_now() -> int:
    """How many threads torch computes with, or would if it were loaded."""
    torch = sys.modules.get("torch")
    if torch:
        return torch.get_num_threads()
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # others are for loops within loops
    return int(first) if first.isdecimal() and int(first) else os.cpu_count() or 1


def set_threads(count: int) -> None:
    """Let torch compute with so many in this process, whether it is loaded yet or not."""
    os.environ["OMP_NUM_THREADS"] = str(count)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)


@contextlib.contextmanager
def ordinary_priority() -> Iterator[None]:
    """Let no library make this process more urgent than all others.

    SVT-AV1 makes the thread that opens it, and all that it starts, real-time ones of the highest priority where that is
    allowed (as root, so in most containers). Every process that is started later inherits this, and where two of them
    compute, nothing else in the system gets a turn.
    """
    if not hasattr(os, "sched_setscheduler"):
        yield
        return
    before = {thread: _scheduling(thread) for thread in _threads()}
    own = _scheduling(0)
    try:
        yield
    finally:
        for thread in _threads():
            if own is not None and (wanted := before.get(thread, own)) != _scheduling(thread) and wanted is not None:
                with contextlib.suppress(OSError):  # it has ended
                    os.sched_setscheduler(thread, wanted[0], os.sched_param(wanted[1]))


def _threads() -> list[int]:
    """Of this process, as the system counts them; 0, the calling one, where it does not list them."""
    try:
        return [int(path.name) for path in Path("/proc/self/task").iterdir()]
    except OSError:
        return [0]


def _scheduling(thread: int) -> tuple[int, int] | None:
    """Policy and priority; None of a thread that has ended."""
    try:
        return os.sched_getscheduler(thread), os.sched_getparam(thread).sched_priority
    except OSError:
        return None
