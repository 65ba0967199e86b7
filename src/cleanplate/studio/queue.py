"""A queue of jobs, one at a time, each in a process of its own: ending that ends the work and frees its memory."""

import logging
import multiprocessing
import os
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from cleanplate.errors import InputError
from cleanplate.progress import Step
from cleanplate.runtime.processes import Send, Worker
from cleanplate.studio.tasks import TASKS, Task

log = logging.getLogger(__name__)

POLL_S = 0.05  # how often a job is asked whether it is still wanted
TELL_S = 0.1  # how often a process tells of its progress
PATIENCE_S = 0.5  # from being asked to end until being made to
MOST_SOCKET_PATH = 100  # bytes; systems take 103 or more
LEAST_SHARE, LEAST_S = 0.02, 2.0  # of a job, before its end is estimated
NICENESS = 5  # of a job's process: the page answers at once beside one that takes all cores

State = Literal["waiting", "running", "done", "failed", "cancelled"]


@dataclass
class Job:
    """Something to be done: a name in the queue's tasks and what that takes."""

    task: str
    arguments: tuple
    weights: Mapping[str, float]
    """How much of the whole each of its stages is."""
    on_end: Callable[["Job"], None]
    """Told, mostly in the queue's thread, when it is done, failed or cancelled."""
    state: State = "waiting"
    stage: str = ""
    result: Any = None
    error: str = ""
    started_s: float = 0.0
    shares: dict[str, float] = field(default_factory=dict)
    spent_s: dict[str, float] = field(default_factory=dict)
    """On each stage so far."""
    told_s: float = 0.0
    """When it was last told of."""
    unwanted: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def share(self) -> float:
        """How much of it is done."""
        done = sum(weight * self.shares.get(stage, 0.0) for stage, weight in self.weights.items())
        return done / max(sum(self.weights.values()), 1e-9)

    @property
    def left_s(self) -> float | None:
        """Seconds to go, once there is something to tell that from.

        Each stage goes on at the pace that it has had; one that has hardly begun takes its weight, at the pace of all.
        """
        if self.state != "running" or self.share < LEAST_SHARE or time.monotonic() - self.started_s < LEAST_S:
            return None
        begun = {stage: share for stage, share in self.shares.items() if stage in self.weights and share >= LEAST_SHARE}
        if not begun:
            return None
        each = sum(self.spent_s[stage] for stage in begun) / sum(self.weights[stage] * begun[stage] for stage in begun)
        whole = {stage: each * weight for stage, weight in self.weights.items()}
        whole |= {stage: self.spent_s[stage] / share for stage, share in begun.items()}
        return sum(seconds * (1 - self.shares.get(stage, 0.0)) for stage, seconds in whole.items())

    def tell(self, stage: str, done: int, total: int) -> None:
        """Note how far it has come."""
        now = time.monotonic()
        self.spent_s[stage] = self.spent_s.get(stage, 0.0) + now - max(self.told_s, self.started_s)
        self.told_s = now
        self.stage = stage
        self.shares[stage] = done / max(total, 1)


class JobQueue:
    """Jobs wait here for their turn.

    Args:
        tasks: what a job may name.
    """

    def __init__(self, tasks: Mapping[str, Task] = TASKS) -> None:
        self.tasks = tasks
        self._waiting: deque[Job] = deque()
        self._running: Job | None = None
        self._changed = threading.Condition()
        self._closed = False
        # Forked from a process that has loaded everything and done nothing: quick to start, and safe.
        self._method = "forkserver" if _has_forkserver() else "spawn"
        if self._method == "forkserver":
            from multiprocessing import forkserver  # not everywhere

            multiprocessing.set_forkserver_preload([__name__])
            forkserver.ensure_running()  # it loads while the page is being opened
        self._thread = threading.Thread(target=self._work, daemon=True, name="studio queue")
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Put it at the end."""
        with self._changed:
            self._waiting.append(job)
            self._changed.notify()

    def ahead(self, job: Job) -> int:
        """How many come before it."""
        with self._changed:
            waiting = list(self._waiting)
            return (waiting.index(job) if job in waiting else 0) + (self._running not in (None, job))

    def cancel(self, job: Job, wait_s: float = 2.0) -> None:
        """End it, whether it waits or runs, and wait until that is so."""
        job.unwanted.set()
        with self._changed:
            waited = job in self._waiting
            if waited:
                self._waiting.remove(job)
        if waited:  # told without the lock: who is told may be asking for the place of another job
            _end(job, "cancelled")
        job.ended.wait(wait_s)

    def close(self) -> None:
        """End all of them."""
        with self._changed:
            self._closed = True
            jobs = [*self._waiting, *([self._running] if self._running else [])]
            self._changed.notify()
        for job in jobs:
            self.cancel(job)
        self._thread.join(5)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                job = self._running = self._waiting.popleft()
            try:
                state = self._run(job)
            except Exception as error:
                log.exception("a job could not be run")
                job.error, state = f"the run failed ({error})", "failed"
            with self._changed:
                self._running = None
            _end(job, state)

    def _run(self, job: Job) -> State:
        """Run it in a process, and look after that."""
        job.state, job.started_s = "running", time.monotonic()
        worker = Worker(partial(_do, self.tasks[job.task], job.arguments), self._method, NICENESS)
        try:
            while not job.unwanted.is_set():
                if not worker.pipe.poll(POLL_S):
                    continue
                kind, content = worker.receive()
                if kind == "message":
                    job.tell(*content)
                elif kind == "done":
                    job.result = content
                    return "done"
                else:
                    code = worker.process.exitcode
                    job.error = _words(content) if kind == "failed" else ENDED.format(code)
                    return "failed"
            return "cancelled"
        finally:
            worker.end(PATIENCE_S)


ENDED = "the system ended the run (exit code {}); is there enough memory?"


def _has_forkserver() -> bool:
    """Whether there is such a way to start a process, and its socket's path fits into what systems allow."""
    path = f"{tempfile.gettempdir()}/pymp-12345678/listener-12345678"  # as multiprocessing names it
    there = "forkserver" in multiprocessing.get_all_start_methods()
    return there and len(os.fsencode(path)) <= MOST_SOCKET_PATH


def _end(job: Job, state: State) -> None:
    job.state = state
    try:
        job.on_end(job)
    except Exception:  # the jobs behind it are to run all the same
        log.exception("the end of a job could not be told")
    job.ended.set()


def _words(error: Exception) -> str:
    """What a user is told of what a task raised."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, MemoryError):
        return "there is not enough memory; try a smaller size, or a part of the shot"
    return f"the run failed ({type(error).__name__}: {error})"


def _do(task: Task, arguments: tuple, send: Send) -> Any:
    """In the process: do it, and tell of it."""
    told: tuple[str, float] = ("", 0.0)

    def on_step(step: Step) -> None:
        nonlocal told
        if step.stage == told[0] and step.done < step.total and time.monotonic() - told[1] < TELL_S:
            return
        told = step.stage, time.monotonic()
        send((step.stage, step.done, step.total))

    try:
        return task(*arguments, on_step=on_step)
    except InputError:
        raise
    except Exception:
        log.exception("the task failed")
        raise
