"""`cleanplate reproduce`: run what a table or a figure needs, then make it."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cleanplate.baselines.rivals import check_network
from cleanplate.config import UnseenConfig
from cleanplate.data.pairs import choose, is_name, length_of, read_pairs
from cleanplate.errors import InputError
from cleanplate.experiments.cells import clip_of
from cleanplate.experiments.plan import NO_NETWORK, ONE_CLIP, Cell, methods_of, plan
from cleanplate.experiments.report import measured, table1, table2, write_table
from cleanplate.experiments.results import Line, load_plate, plate_path
from cleanplate.experiments.run import run
from cleanplate.imaging.tensors import all_samples
from cleanplate.metrics import METRICS, find_metrics, missing
from cleanplate.progress import OnStep
from cleanplate.runtime.options import RunOptions


def reproduce(
    experiment: str,
    data: Path,
    out: Path,
    *,
    scale: str,
    seeds: Sequence[int] = (0,),
    methods: Sequence[str] = (),
    clips: Sequence[str] = (),
    metrics: Sequence[str] = (),
    external: Sequence[str] = (),
    unseen: UnseenConfig = NO_NETWORK,
    wang: UnseenConfig = NO_NETWORK,
    on: str = "local",
    workers: int = 1,
    device: str = "auto",
    on_step: OnStep | None = None,
) -> list[Path]:
    """Run the cells of a table or figure that are not in `out/results.jsonl` yet, and write it.

    Args:
        experiment: table1, table2, or fig4 to fig10.
        data: folder of pairs (compose.py).
        out: where results, plates, tables and figures go.
        scale: tiny, small, medium or paper.
        seeds: repeat everything with each.
        methods: these rows only.
        clips: these pairs only.
        metrics: these only; all that can be had here if none.
        external: NAME=DIR, results made elsewhere, DIR/CLIP a folder of images or a video.
        unseen: its `painter` is the network of `yu`, which is a row without numbers otherwise.
        wang: the same of `wang`.
        on: "local" or "ray".
        workers: cells at a time.
        device: for every cell.
        on_step: told of every cell.

    Returns:
        the files of the table or figure.

    Raises:
        InputError: anything that cannot be used, before the first cell is run where it can be told.
    """
    seeds = tuple(dict.fromkeys(seeds))
    _check(experiment, seeds, clips, workers)
    folders = read_external_names(external)
    for name, network in (("yu", unseen), ("wang", wang)):
        if name in methods or network.painter is not None:
            check_network(name, network)
    wanted, absent = choose_metrics(metrics, SHOWN.get(experiment, ()))
    pairs = choose(read_pairs(data), clips)
    lengths = {pair["name"]: length_of(data, pair) for pair in pairs}
    chosen = {"named": bool(clips), "seeds": seeds, "methods": methods, "external": folders}
    cells = plan(experiment, scale, list(lengths), lengths=lengths, unseen=unseen, wang=wang, **chosen)
    options: dict[str, Any] = {"plates": experiment in ONE_CLIP, "on": on, "workers": workers, "device": device}
    lines = run(cells, data, out, wanted, on_step=on_step, **options)
    rows = [name for name in methods_of(experiment, folders) if not methods or name in methods]
    if not experiment.startswith("fig"):
        gone = [name for name in absent if name not in measured(lines)]
        said = [f"Not measured, for want of weights or libraries: {', '.join(gone)}."] if gone else []
        table = {"table1": table1, "table2": table2}[experiment](lines, rows, said)
        return write_table(table, out)
    return _figure(experiment, cells, lines, rows, data, out)


def _check(experiment: str, seeds: Sequence[int], clips: Sequence[str], workers: int) -> None:
    """Refuse before the work what cannot be run or shown."""
    if experiment.startswith("fig") and importlib.util.find_spec("matplotlib") is None:
        raise InputError("matplotlib is not installed", "figures need it", 'pip install "cleanplate[experiments]"')
    for seed in seeds:
        RunOptions(seed)
    if workers < 1:
        raise InputError(f"workers {workers}", "at least 1 is needed", "pass --workers 1 or more")
    if experiment in ONE_CLIP:
        for option, values in (("--clips", set(clips)), ("--seeds", seeds)):
            if len(values) > 1:
                raise InputError(f"{len(values)} {option}", f"{experiment} shows one", f"pass {option} with one value")


# What a figure shows must be measured, whatever else is.
SHOWN = {"fig7": ("psnr_db", "ssim"), "fig10": ("psnr_db", "ssim", "consistency_psnr_db", "hole_psnr_db")}


def _figure(
    experiment: str, cells: Sequence[Cell], lines: list[Line], rows: Sequence[str], data: Path, out: Path
) -> list[Path]:
    from cleanplate.experiments import figures

    if experiment == "fig7":
        made = figures.fig7(lines, [name for name in rows if any(line["method"] == name for line in lines)])
    elif experiment == "fig10":
        made = figures.fig10(lines)
    else:
        composed = clip_of(cells[0], data)
        plates = {line["method"]: _plate(out, cell, line) for cell, line in zip(cells, lines, strict=True)}
        if experiment in ("fig8", "fig9"):
            draw = {"fig8": figures.fig8, "fig9": figures.fig9}[experiment]
            made = draw(next(iter(plates.values())), composed, lines)
        else:
            draw = {"fig4": figures.fig4, "fig5": figures.fig5, "fig6": figures.fig6}[experiment]
            made = draw(plates, composed, lines)
    return figures.write_figure(made, experiment, out)


def _plate(out: Path, cell: Cell, line: Line) -> dict[str, np.ndarray]:
    made, _ = load_plate(plate_path(out, cell), line["settings"])
    if made is None:
        raise InputError(
            f"{plate_path(out, cell)} was changed while it was to be shown",
            "one run a folder is needed",
            "run the command again",
        )
    return {"frames": all_samples(made.frames), **(made.arrays or {})}


def choose_metrics(names: Sequence[str], shown: Sequence[str] = ()) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What to measure, and, of what was not asked for by name, what cannot be had here.

    Args:
        names: what was asked for.
        shown: what is needed in any case.

    Raises:
        InputError: a metric that is unknown, or asked for and not to be had.
    """
    if names:
        names = find_metrics(names)
        for name in names:
            if (why := missing(name)) is not None:
                raise why
        return tuple(dict.fromkeys((*names, *shown))), ()
    absent = tuple(name for name in METRICS if missing(name) is not None)
    return tuple(name for name in METRICS if name not in absent), absent


def read_external_names(external: Sequence[str]) -> dict[str, str]:
    """NAME=DIR to a dictionary of folders that are there.

    Raises:
        InputError: another form, a name that is taken, or no folder.
    """
    out: dict[str, str] = {}
    taken = set(methods_of("table1")) | set(methods_of("table2"))
    for text in external:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            raise InputError(
                f"--external {text}", "NAME=DIR is needed", "write it so, for example theirs=results/theirs"
            )
        if not is_name(name) or name in taken or name in out:
            raise InputError(f"--external names '{name}'", "a name of its own is needed", "choose another")
        if not Path(folder).is_dir():
            raise InputError(
                f"there is no folder {folder}",
                f"the results of {name} are needed",
                "name the folder that holds CLIP/ or CLIP.mp4",
            )
        out[name] = str(Path(folder).resolve())
    return out
