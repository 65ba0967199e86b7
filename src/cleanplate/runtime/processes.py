"""The same work for many items, each in a process of its own: here, or wherever Ray puts it.

An item whose process is ended by the system (a crash, no memory left, a machine that is gone) is lost, and may be tried
again; the others go on. What is still running when the caller has had enough is ended; it ends by itself when the
caller is killed.
"""

import contextlib
import importlib.util
import io
import logging
import multiprocessing
import os
import re
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, Literal, TypeVar

import torch

from cleanplate.errors import InputError
from cleanplate.weights import PATIENCE_S

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

GRACE_S = 10.0
"""What a process that is told to end has to tidy up."""


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
    context = multiprocessing.get_context("spawn")
    threads = max(1, torch.get_num_threads() // workers)
    queue = deque((item, retries) for item in items)
    running: dict[Any, tuple[BaseProcess, Item, int]] = {}
    try:
        while queue or running:
            while queue and len(running) < workers:
                item, left = queue.popleft()
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(theirs, work, item, threads))
                with _interrupts_held():
                    process.start()
                theirs.close()
                running[ours] = process, item, left
                yield Report(item, "running", message=_place(process.pid))
            for ours in wait(list(running)):
                process, item, left = running[ours]
                report = _received(ours, process, item, left)
                del running[ours]
                if report.again:
                    queue.append((item, left - 1))
                yield report
    finally:
        _end([process for process, *_ in running.values()])


def _received(ours: Any, process: BaseProcess, item: Any, left: int) -> Report[Any, Any]:
    """What a process has sent; it has ended if it sent nothing."""
    try:
        state, value = ours.recv()
    except (EOFError, OSError):
        process.join()
        return Report(item, "lost", message=f"its process was ended by {_name(process.exitcode)}", again=left > 0)
    finally:
        ours.close()
    process.join(GRACE_S)
    process.kill()
    return _report(item, state, value)


def _report(item: Any, state: Any, value: Any) -> Report[Any, Any]:
    return Report(
        item, state, **{"running": {"message": value}, "done": {"result": value}}.get(state, {"error": value})
    )


def _name(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {-code} ({signal.strsignal(-code)}{'; out of memory?' * (code == -9)})"
    return f"exit code {code}"


def _end(processes: Sequence[BaseProcess]) -> None:
    """Ask them to end, and see that they do."""
    for process in processes:
        process.terminate()
    until = time.monotonic() + GRACE_S
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
        process.kill()
        process.join()


def _work(theirs: Connection, work: Callable[[Item], Any], item: Item, threads: int) -> None:
    """All that a process here does: it minds no interrupt, but ends when told to by its parent, and with it."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    torch.set_num_threads(threads)
    try:
        said = _said(work, item)
    except KeyboardInterrupt:  # what was half-written has been removed
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
        return
    theirs.send(said)


def _said(work: Callable[[Item], Any], item: Item) -> tuple[str, Any]:
    try:
        return "done", work(item)
    except Exception as error:
        return "failed", error


def _end_with_parent() -> None:
    """However it ends: what it leaves would go on by itself beside the run that takes its place."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _place(pid: int | None) -> str:
    return f"process {pid} on {socket.gethostname()}"


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


# Ray


def on_ray(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    workers: int,
    retries: int = 0,
    cpus: float = 1,
    gpus: float | None = None,
    memory_gb: float | None = None,
    device: str = "auto",
) -> Reports[Item, Result]:
    """`work(item)` for each item, as tasks of a Ray cluster; reports as they come.

    Args:
        work: a function that can be pickled; files must have the same paths on every machine.
        items: what can be pickled.
        workers: tasks at a time on a cluster that is started here.
        retries: how often an item that is lost is tried again.
        cpus: of a task.
        gpus: of a task; None: one if `device` may use one and the cluster has any.
        memory_gb: of a task; a task waits until a machine has it.
        device: what the work is told to run on.

    Raises:
        InputError: Ray is not installed, cannot be reached, or no machine has what a task needs.
    """
    check_ray()
    if not items:
        return
    with _cluster(max(1, round(workers * cpus))) as ray:
        from ray.exceptions import RayError, RayTaskError

        if gpus is None:  # Ray hides GPUs from tasks that do not ask for one
            gpus = int(device.startswith("cuda") or (device == "auto" and ray.cluster_resources().get("GPU", 0) > 0))
        needs = {"CPU": cpus, "GPU": gpus, "memory": (memory_gb or 0) * 1e9}
        _check_fits(needs, [node["Resources"] for node in ray.nodes() if node["Alive"]])

        def each(item: Item) -> Iterator[tuple[str, Any]]:  # the first word tells that its turn has come
            yield "running", _place(os.getpid())
            yield _said(work, item)

        # Lost items are tried again by us: what was said of them is then known to be of an earlier try.
        options: dict[str, Any] = {"max_calls": 1, "max_retries": 0, "num_returns": "streaming"}
        options |= {"memory": int(needs["memory"])} if memory_gb else {}
        task: Any = ray.remote(num_cpus=cpus, num_gpus=gpus, **options)(each)
        running: dict[Any, tuple[Item, int]] = {task.remote(item): (item, retries) for item in items}
        try:
            while running:
                (ready, *_), _ = ray.wait(list(running), num_returns=1)
                item, left = running[ready]
                try:
                    report = _report(item, *ray.get(next(ready)))
                except RayTaskError as error:  # not of the work: its machine has other software, or none
                    report = Report(item, "failed", error=error.cause)
                except RayError as error:
                    message = f"its worker was lost ({type(error).__name__})"
                    report = Report(item, "lost", message=message, again=left > 0)
                if report.state != "running":
                    del running[ready]
                if report.again:
                    running[task.remote(item)] = item, left - 1
                yield report
        finally:
            _cancel(ray, list(running))


def check_ray() -> None:
    """Refuse to go on without Ray."""
    if importlib.util.find_spec("ray") is None:
        raise InputError("ray is not installed", "--on ray needs it", 'pip install "cleanplate[ray]"')


@contextlib.contextmanager
def _cluster(cpus: int) -> Iterator[Any]:
    """The cluster that RAY_ADDRESS names; without it one of so many CPUs is started here, and ended afterwards.

    Meanwhile nothing gets to stdout, which is for results: Ray writes paragraphs there about workers that it lost.
    """
    import ray

    address = os.environ.get("RAY_ADDRESS")
    options: dict[str, Any] = {} if address else {"num_cpus": cpus}
    terminated = signal.getsignal(signal.SIGTERM)
    try:
        if at := re.fullmatch(r"(?:ray://)?\[?([^/\[\]]+)\]?:(\d+)", address or ""):
            # Ray itself would wait for minutes, and then end the process.
            socket.create_connection((at[1], int(at[2])), timeout=PATIENCE_S).close()
        ray.init(address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, **options)
    except (ValueError, OSError, OverflowError, RuntimeError) as error:
        raise InputError(
            f"Ray cannot be reached at {address} ({error})", "a running cluster is needed", "correct RAY_ADDRESS"
        ) from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, terminated)  # Ray has put its own in its place
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            yield ray
        finally:
            ray.shutdown()


def _check_fits(needs: dict[str, float], machines: Sequence[dict[str, float]]) -> None:
    """Refuse what no machine has: it would wait for ever."""
    if not any(all(machine.get(name, 0) >= amount for name, amount in needs.items()) for machine in machines):
        asked = ", ".join(f"{amount:g} {name}" for name, amount in needs.items() if amount)
        raise InputError(
            f"no machine of the Ray cluster has {asked}", "each job runs on one machine", "ask for less per job"
        )


def _cancel(ray: Any, tasks: list[Any]) -> None:
    """End what is still running: a cluster would go on with it."""
    for task in tasks:
        ray.cancel(task, force=True)
    until = time.monotonic() + GRACE_S
    for task in tasks:
        with contextlib.suppress(ray.exceptions.RayError):
            ray.wait([task], timeout=max(0.0, until - time.monotonic()))
