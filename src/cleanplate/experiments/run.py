"""Run cells that have no line yet, each in a process of its own, here or wherever Ray puts it.

What a cell makes is kept beside the results, for figures and for other eyes. A cell that was ended while it learned
goes on where it was, from `work/NAME`.
"""

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from cleanplate.config import METHODS
from cleanplate.data.pairs import choose, identified, length_of, read_pairs
from cleanplate.errors import InputError
from cleanplate.experiments.cells import clip_of, run_cell
from cleanplate.experiments.plan import Cell, method_at
from cleanplate.experiments.results import (
    RESULTS,
    Line,
    added,
    external_path,
    find_line,
    load_plate,
    plate_path,
    read_results,
)
from cleanplate.progress import OnStep, tell
from cleanplate.runtime.devices import find_device
from cleanplate.runtime.processes import Report, here
from cleanplate.runtime.ray import on_ray
from cleanplate.runtime.records import sole_run, write_records
from cleanplate.weights import find_weights

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
    lengths = {name: length_of(data, pair) for name, pair in pairs.items()}

    def line_of(cell: Cell) -> Line | None:
        return find_line(lines, cell, pairs[cell.clip], lengths[cell.clip], metrics)

    for cell in cells:
        if cell.external is not None:
            external_path(Path(cell.external), cell.clip)  # rather now than after an hour
    if on == "local":
        find_device(device)
    read_results(out / RESULTS)
    with sole_run(out):
        lines = read_results(out / RESULTS)
        done = {cell: line_of(cell) for cell in cells}
        todo = [cell for cell, line in done.items() if line is None or (plates and _is_lost(out, cell, line))]
        if needing := [cell.name for cell in todo if needs_vgg16(cell)]:
            find_weights("vgg16", needed_by=needing[0])
        for cell in {cell.clip: cell for cell in todo}.values():
            clip_of(cell, data)  # one that cannot be used is refused now, too
        work = partial(run_cell, data=data.resolve(), out=out.resolve(), metrics=tuple(metrics), device=device)
        tell(on_step, "cells", len(cells) - len(todo), len(cells))
        made = _here(work, todo, workers) if on == "local" else _on_ray(work, todo, workers, device)
        with closing(made):
            for number, line in enumerate(made, len(cells) - len(todo) + 1):
                lines = added(lines, line)
                write_records(out / RESULTS, lines)
                log.info("%s", summary(line))
                tell(on_step, "cells", number, len(cells))
    found = list(map(line_of, cells))
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
    return cell.features or (runs and bool(method_at(cell.method, cell.budget, 1).loss.perceptual))


def summary(line: Line) -> str:
    """A line in short, to see that it goes on."""
    seconds = "" if line["seconds"] is None else f", {line['seconds']:.1f} s"
    value = line["metrics"].get("hole_psnr_db")
    window = "" if line["window"] is None else f" k={line['window']}"
    return f"{line['clip']} {line['method']}{window}{'' if value is None else f': hole PSNR {value:.2f} dB'}{seconds}"


def _here(work: Callable[[Cell], Line], cells: Sequence[Cell], workers: int) -> Generator[Line, None, None]:
    with closing(here(work, cells, workers=workers)) as reports:
        yield from _lines(reports)


def _on_ray(
    work: Callable[[Cell], Line], cells: Sequence[Cell], workers: int, device: str
) -> Generator[Line, None, None]:
    with closing(on_ray(work, cells, workers=workers, retries=RETRIES, device=device)) as reports:
        yield from _lines(reports)


def _lines(reports: Iterable[Report[Cell, Line]]) -> Iterator[Line]:
    """Of the cells that are done; one that failed, or is lost for good, ends the run."""
    for report in reports:
        if report.state == "lost" and not report.again:
            raise InputError(
                f"a run was ended by the system ({report.message})",
                "enough memory for every worker is needed",
                "take fewer --workers",
            )
        if report.error is not None:
            raise report.error
        if report.result is not None:
            yield report.result


RETRIES = 3
"""Of a cell whose worker a cluster has lost."""
