"""A queue of jobs, one at a time, each in a process of its own: ending that ends the work and frees its memory."""

import logging
import multiprocessing
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Any, Literal

from cleanplate.errors import InputError
from cleanplate.progress import Step

log = logging.getLogger(__name__)

LOOK_S = 0.05  # how often a job is looked after
TELL_S = 0.1  # how often a process tells of its progress
PATIENCE_S = 0.5  # from being asked to end until being made to
LEAST_SHARE, LEAST_S = 0.02, 2.0  # of a job, before its end is estimated

State = Literal["waiting", "running", "done", "failed", "cancelled"]


@dataclass
class Job:
    """Something to be done: a name in `tasks.TASKS` and what that takes."""

    task: str
    arguments: tuple
    weights: Mapping[str, float]
    """How much of the whole each of its stages is."""
    on_end: Callable[["Job"], None]
    """Told, in the lane's thread, when it is done, failed or cancelled."""
    state: State = "waiting"
    stage: str = ""
    result: Any = None
    error: str = ""
    started_s: float = 0.0
    shares: dict[str, float] = field(default_factory=dict)
    unwanted: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def share(self) -> float:
        """How much of it is done."""
        done = sum(weight * self.shares.get(stage, 0.0) for stage, weight in self.weights.items())
        return done / max(sum(self.weights.values()), 1e-9)

    @property
    def left_s(self) -> float | None:
        """Seconds to go, once there is something to tell that from."""
        elapsed_s, share = time.monotonic() - self.started_s, self.share
        if self.state != "running" or share < LEAST_SHARE or elapsed_s < LEAST_S:
            return None
        return elapsed_s * (1 - share) / share

    def tell(self, stage: str, done: int, total: int) -> None:
        """Note how far it has come."""
        self.stage = stage
        self.shares[stage] = done / max(total, 1)


class Lane:
    """Jobs wait here for their turn."""

    def __init__(self) -> None:
        self._waiting: deque[Job] = deque()
        self._running: Job | None = None
        self._changed = threading.Condition()
        self._closed = False
        # Forked from a process that has loaded everything and done nothing: quick to start, and safe.
        methods = multiprocessing.get_all_start_methods()
        self._context: Any = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        if "forkserver" in methods:
            multiprocessing.set_forkserver_preload(["cleanplate.studio.tasks"])
            forkserver.ensure_running()  # it loads while the page is being opened
        self._thread = threading.Thread(target=self._run, daemon=True, name="studio lane")
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
            if job in self._waiting:
                self._waiting.remove(job)
                self._end(job, "cancelled")
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

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                job = self._running = self._waiting.popleft()
            try:
                state = self._do(job)
            except Exception as error:
                log.exception("a job could not be run")
                job.error, state = f"the run failed ({error})", "failed"
            with self._changed:
                self._running = None
            self._end(job, state)

    def _end(self, job: Job, state: State) -> None:
        job.state = state
        job.on_end(job)
        job.ended.set()

    def _do(self, job: Job) -> State:
        """Run it in a process, and look after that."""
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_work, args=(theirs, job.task, job.arguments), daemon=True)
        job.state, job.started_s = "running", time.monotonic()
        process.start()
        theirs.close()
        try:
            while not job.unwanted.is_set():
                if not ours.poll(LOOK_S):
                    continue
                try:
                    kind, content = ours.recv()
                except EOFError:
                    process.join(PATIENCE_S)
                    job.error = f"the system ended the run (exit code {process.exitcode}); is there enough memory?"
                    return "failed"
                if kind == "step":
                    job.tell(*content)
                elif kind == "done":
                    job.result = content
                    return "done"
                else:
                    job.error = content
                    return "failed"
            return "cancelled"
        finally:
            process.terminate()
            process.join(PATIENCE_S)
            if process.is_alive():
                process.kill()
                process.join(PATIENCE_S)
            ours.close()


def _work(pipe: Connection, task: str, arguments: tuple) -> None:
    """In the process: do it, and tell of it."""
    from cleanplate.studio.tasks import TASKS

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the studio ends us itself
    told: tuple[str, float] = ("", 0.0)

    def on_step(step: Step) -> None:
        nonlocal told
        if step.stage == told[0] and step.done < step.total and time.monotonic() - told[1] < TELL_S:
            return
        told = step.stage, time.monotonic()
        pipe.send(("step", (step.stage, step.done, step.total)))  # fails, and ends us, when nobody is there any more

    try:
        pipe.send(("done", TASKS[task](*arguments, on_step=on_step)))
    except InputError as error:
        pipe.send(("refused", str(error)))
    except BrokenPipeError:
        pass
    except MemoryError:
        pipe.send(("failed", "there is not enough memory; try a smaller size, or a part of the shot"))
    except Exception as error:
        log.exception("the task %s failed", task)
        pipe.send(("failed", f"the run failed ({type(error).__name__}: {error})"))
