"""Run cells that have no line yet, each in a process of its own, here or wherever Ray puts it.

What a cell makes is kept beside the results, for figures and for other eyes. A cell that was ended while it learned
goes on where it was, from `work/NAME`; one whose looks are to be shown (Fig. 8) or whose features are compared (Fig. 9)
begins anew.
"""

import importlib.util
import logging
import multiprocessing
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from cleanplate.compose import choose, identified, read_pairs
from cleanplate.config import METHODS, OnStep, tell
from cleanplate.errors import InputError
from cleanplate.experiments.cells import run_cell
from cleanplate.experiments.plan import SCALES, Cell, method_at
from cleanplate.experiments.results import (
    RESULTS,
    Line,
    added,
    external_path,
    find_line,
    load_plate,
    plate_path,
    read_results,
    write_results,
)
from cleanplate.pipeline import find_device
from cleanplate.video_io import writing
from cleanplate.weights import PATIENCE_S, find_weights

log = logging.getLogger(__name__)


def run(
    cells: Sequence[Cell],
    data: Path,
    out: Path,
    metrics: Sequence[str],
    *,
    plates: bool = False,
    on: str = "local",
    workers: int = 1,
    device: str = "auto",
    on_step: OnStep | None = None,
) -> list[Line]:
    """Run the cells that have no line yet; the lines of all, in their order.

    Args:
        cells: what to run.
        data: folder of pairs.
        out: folder of results, made if it is not there.
        metrics: names of what to measure.
        plates: whether what was made is needed too, and is made again where it is lost.
        on: "local", in processes here, or "ray", as tasks of a Ray cluster.
        workers: cells at a time; of Ray, the CPUs of a cluster that is started here.
        device: for every cell.
        on_step: told of every finished cell.

    Raises:
        InputError: clips or results that cannot be used, a folder in use, Ray that is not installed.
    """
    pairs = {pair["name"]: identified(data, pair) for pair in choose(read_pairs(data), {cell.clip for cell in cells})}
    for cell in cells:
        if cell.external is not None:
            external_path(Path(cell.external), cell.clip)  # rather now than after an hour
    if on == "local":
        find_device(device)
    read_results(out / RESULTS)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out / ".lock", blocking=False):
            lines = read_results(out / RESULTS)
            done = {cell: find_line(lines, cell, pairs[cell.clip], metrics) for cell in cells}
            todo = [cell for cell, line in done.items() if line is None or (plates and _is_lost(out, cell, line))]
            if any(needs_vgg16(cell) for cell in todo):
                find_weights("vgg16")
            work = partial(run_cell, data=data.resolve(), out=out.resolve(), metrics=tuple(metrics), device=device)
            tell(on_step, "cells", len(cells) - len(todo), len(cells))
            made = _here(work, todo, workers) if on == "local" else _on_ray(work, todo, workers, device)
            for number, line in enumerate(made, len(cells) - len(todo) + 1):
                lines = added(lines, line)
                write_results(out / RESULTS, lines)
                log.info("%s", summary(line))
                tell(on_step, "cells", number, len(cells))
    except Timeout:
        raise InputError(f"{out} is in use by another run", "one run at a time is needed", "wait for it") from None
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error})", "a writable disk is needed", "choose another") from None
    found = [find_line(lines, cell, pairs[cell.clip], metrics) for cell in cells]
    if None in found:
        raise InputError(
            "a run came back with other settings", "the same version on every machine is needed", "install it there"
        )
    return [line for line in found if line is not None]


def _is_lost(out: Path, cell: Cell, line: Line) -> bool:
    return load_plate(plate_path(out, cell), line["settings"])[0] is None


def needs_vgg16(cell: Cell) -> bool:
    """Whether a cell trains or compares with VGG16's features."""
    runs = cell.external is None and cell.method in METHODS
    return cell.features or (runs and bool(method_at(cell.method, SCALES[cell.scale], 1).loss.perceptual))


def summary(line: Line) -> str:
    """A line in short, to see that it goes on."""
    seconds = "" if line["seconds"] is None else f", {line['seconds']:.1f} s"
    value = line["metrics"].get("hole_psnr_db")
    window = "" if line["window"] is None else f" k={line['window']}"
    return f"{line['clip']} {line['method']}{window}{'' if value is None else f': hole PSNR {value:.2f} dB'}{seconds}"


def _here(work: Callable[[Cell], Line], cells: Sequence[Cell], workers: int) -> Iterator[Line]:
    if not cells:
        return
    threads = max(1, torch.get_num_threads() // workers)
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), _prepare, (threads,), max_tasks_per_child=1
    )
    try:
        for future in as_completed([pool.submit(work, cell) for cell in cells]):
            yield future.result()
    except BrokenProcessPool:
        raise InputError(
            "a run was ended by the system", "enough memory for every worker is needed", "take fewer --workers"
        ) from None
    except BaseException:  # an interrupt too: what is running is saved every minute, and goes on from there
        for process in list(pool._processes.values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare(threads: int) -> None:
    """Of a process for a cell: its share of the cores; it minds no interrupt, but ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)


def _end_with_parent() -> None:
    """However it ends: what it leaves would go on by itself beside the run that takes its place."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _on_ray(work: Callable[[Cell], Line], cells: Sequence[Cell], workers: int, device: str) -> Iterator[Line]:
    if importlib.util.find_spec("ray") is None:
        raise InputError("ray is not installed", "--on ray needs it", 'pip install "cleanplate[ray]"')
    import ray
    from ray.exceptions import RayError, RayTaskError

    # RAY_ADDRESS names a cluster; without it one of so many workers is started here.
    address = os.environ.get("RAY_ADDRESS")
    options: dict[str, Any] = {} if address else {"num_cpus": workers}
    try:
        if at := re.fullmatch(r"(?:ray://)?\[?([^/\[\]]+)\]?:(\d+)", address or ""):
            # Ray itself would wait for minutes, and then end the process.
            socket.create_connection((at[1], int(at[2])), timeout=PATIENCE_S).close()
        ray.init(address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, **options)
    except (ValueError, OSError, OverflowError, RuntimeError) as error:
        raise InputError(
            f"Ray cannot be reached at {address} ({error})", "a running cluster is needed", "correct RAY_ADDRESS"
        ) from None

    def one(cell: Cell) -> Line:  # it takes functions, not partial ones
        return work(cell)

    # Ray hides GPUs from tasks that do not ask for one.
    gpu = device.startswith("cuda") or (device == "auto" and ray.cluster_resources().get("GPU", 0) > 0)
    task: Any = ray.remote(num_cpus=1, num_gpus=int(gpu), max_calls=1)(one)
    waiting = [task.remote(cell) for cell in cells]
    try:
        while waiting:
            ready, waiting = ray.wait(waiting)
            try:
                yield ray.get(ready[0])
            except RayTaskError as error:
                raise error.cause from None
            except RayError as error:
                raise InputError(
                    f"a run was ended by Ray ({error})", "machines that stay, with enough memory", "run it again"
                ) from None
    finally:
        for rest in waiting:  # of an interrupted run: a cluster would go on
            ray.cancel(rest, force=True)
        ray.shutdown()
