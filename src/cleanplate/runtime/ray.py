"""The same work for many items, each a task of a Ray cluster."""

import contextlib
import importlib.util
import io
import logging
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cleanplate.errors import InputError
from cleanplate.runtime.processes import GRACE_S, Item, Message, Report, Reports, Result, attempt, outcome, place
from cleanplate.weights import PATIENCE_S


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
        if gpus is None:  # Ray hides GPUs from tasks that do not ask for one
            gpus = int(device.startswith("cuda") or (device == "auto" and ray.cluster_resources().get("GPU", 0) > 0))
        memory = int((memory_gb or 0) * 1e9)
        needs = {"CPU": cpus, "GPU": gpus, "memory": memory}
        _check_fits(needs, [node["Resources"] for node in ray.nodes() if node["Alive"]])

        def each(item: Item) -> Iterator[str | Message]:  # the first word tells that its turn has come
            yield place(os.getpid())
            yield attempt(work, item)

        # Lost items are tried again by us: what was said of them is then known to be of an earlier try.
        options: dict[str, Any] = {"max_calls": 1, "max_retries": 0, "num_returns": "streaming"}
        options |= {"memory": memory} if memory else {}
        yield from _reports(ray, ray.remote(num_cpus=cpus, num_gpus=gpus, **options)(each), items, retries)


def _reports(ray: Any, task: Any, items: Sequence[Item], retries: int) -> Reports[Item, Any]:
    """Run a task for each item; end those that still run when the caller has had enough."""
    from ray.exceptions import RayError, RayTaskError

    running: dict[Any, tuple[Item, int]] = {task.remote(item): (item, retries) for item in items}
    try:
        while running:
            (ready, *_), _ = ray.wait(list(running), num_returns=1)
            item, left = running[ready]
            try:
                said = ray.get(next(ready))
                if isinstance(said, str):
                    report = Report(item, "running", message=said)
                else:
                    report = outcome(item, said, again=False)
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
            f"Ray cannot be reached at {address} ({error})",
            "a running cluster is needed",
            "start it, or correct RAY_ADDRESS",
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
