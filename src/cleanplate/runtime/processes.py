"""Work in processes of their own: one (`Worker`), or one for each of many items (`here`).

A process that the system ends (a crash, no memory left) takes nothing else with it: its item is lost, and may be tried
again. A process that is still running when the caller has had enough is ended, and it ends by itself when the caller is
killed.
"""

import contextlib
import multiprocessing
import os
import pickle
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from cleanplate.runtime.threads import set_threads, threads_now

Item = TypeVar("Item")
Result = TypeVar("Result")

Send = Callable[[Any], None]
"""Sends a message (anything that can be pickled) from the process to its parent."""

GRACE_S = 10.0
"""What a process that is told to end has to tidy up."""


class Message(NamedTuple):
    """What a process says: any number of messages, then how its work ended."""

    kind: Literal["message", "done", "failed", "lost"]
    content: Any
    """What was sent; the result; what was raised; how the process was ended, in words."""


class Worker:
    """A process that does one piece of work.

    It minds no interrupt from the terminal. Told to end, the work is interrupted (KeyboardInterrupt) and may tidy up.

    Args:
        work: called with a `Send` in the process; can be pickled.
        method: how the process is started: "spawn", or "forkserver" (from a process that has loaded everything).
        niceness: how far it steps back for other processes, 0 to 19, where the system knows of that.
    """

    def __init__(self, work: Callable[[Send], Any], method: str = "spawn", niceness: int = 0):
        context: Any = multiprocessing.get_context(method)
        self.pipe, theirs = context.Pipe(duplex=False)
        self.process = context.Process(target=_run, args=(theirs, work, niceness))
        with _interrupts_held():
            self.process.start()
        theirs.close()

    def receive(self) -> Message:
        """What it says next; waits for that. The process ends by itself once its work has."""
        try:
            return Message(*self.pipe.recv())
        except (EOFError, OSError):
            self.process.join(GRACE_S)
            return Message("lost", f"its process was ended by {_cause(self.process.exitcode)}")

    def end(self, grace_s: float = GRACE_S) -> None:
        """End it, and free its memory."""
        self.process.terminate()
        self.join(grace_s)

    def join(self, grace_s: float = GRACE_S) -> None:
        """Wait until the process has ended, and make it end after so many seconds."""
        self.process.join(grace_s)
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _cause(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {-code} ({signal.strsignal(-code)}{'; out of memory?' * (code == -9)})"
    return f"exit code {code}"


def _run(pipe: Connection, work: Callable[[Send], Any], niceness: int) -> None:
    """All that the process does."""
    if hasattr(os, "nice"):  # Windows has no such call
        os.nice(niceness)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        last = attempt(work, lambda content: pipe.send(("message", content)))
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    except KeyboardInterrupt:  # what was half-written has been removed
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
        return
    pipe.send(last)


def attempt(work: Callable[[Any], Any], given: Any) -> Message:
    """How `work(given)` ends, fit to be sent to another process."""
    try:
        return Message("done", work(given))
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # some cannot be made again elsewhere
            return Message("failed", RuntimeError(f"{type(error).__name__}: {error}"))
        return Message("failed", error)


def _end_with_parent() -> None:
    """However it ends: what it leaves would go on by itself beside the run that takes its place."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """A process started meanwhile never gets the terminal's Ctrl-C; this one gets it afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# Many items


@dataclass(frozen=True)
class Report(Generic[Item, Result]):
    """What has become of an item; of each there are several, one after the other."""

    item: Item
    state: Literal["running", "done", "failed", "lost"]
    result: Result | None = None
    """Of one that is done."""
    error: Exception | None = None
    """Of one that failed: what the work raised."""
    message: str = ""
    """Of one that is running: its machine and process; of one that is lost: how its process ended."""
    again: bool = False
    """Of one that is lost: it is tried again."""


Reports = Generator[Report[Item, Result], None, None]


def here(
    work: Callable[[Item], Result], items: Sequence[Item], *, workers: int, retries: int = 0
) -> Reports[Item, Result]:
    """`work(item)` for each item, in processes of this machine; reports as they come.

    Args:
        work: a function that can be pickled.
        items: what can be pickled.
        workers: processes at a time, which share the cores.
        retries: how often an item that is lost is tried again.
    """
    threads = max(1, threads_now() // workers)
    queue = deque((item, retries) for item in items)
    running: dict[Any, tuple[Worker, Item, int]] = {}
    try:
        while queue or running:
            while queue and len(running) < workers:
                item, left = queue.popleft()
                worker = Worker(partial(_one, work, item, threads))
                running[worker.pipe] = worker, item, left
                yield Report(item, "running", message=place(worker.process.pid))
            for pipe in wait(list(running)):
                worker, item, left = running[pipe]
                report = outcome(item, worker.receive(), again=left > 0)
                worker.join()
                del running[pipe]
                if report.again:
                    queue.append((item, left - 1))
                yield report
    finally:
        _end_all([worker for worker, *_ in running.values()])


def _one(work: Callable[[Item], Result], item: Item, threads: int, send: Send) -> Result:
    set_threads(threads)
    return work(item)


def outcome(item: Item, message: Message, *, again: bool) -> Report[Item, Any]:
    """The report of how an item's work ended; `again` if one that is lost is tried again."""
    if message.kind == "done":
        return Report(item, "done", result=message.content)
    if message.kind == "failed":
        return Report(item, "failed", error=message.content)
    return Report(item, "lost", message=message.content, again=again)


def _end_all(workers: Sequence[Worker]) -> None:
    """Ask all of them to end before waiting for the first."""
    for worker in workers:
        worker.process.terminate()
    until = time.monotonic() + GRACE_S
    for worker in workers:
        worker.join(max(0.0, until - time.monotonic()))


def place(pid: int | None) -> str:
    """A process, in words."""
    return f"process {pid} on {socket.gethostname()}"
