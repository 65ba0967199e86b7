"""Clean many shots: each in a process of its own, with a status table that survives.

`batch.jsonl` has a line for every job: what became of it, and of which inputs, with which settings. It is written whole
at every change, so the same command goes on wherever it was ended, and runs again only what has changed.
"""

import contextlib
import glob
import io
import logging
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from cleanplate.batch.jobs import Job, row
from cleanplate.errors import Cancelled, InputError
from cleanplate.progress import OnStep, tell
from cleanplate.runtime.files import remove_forsaken, writing
from cleanplate.runtime.interrupts import termination_interrupts
from cleanplate.runtime.processes import Report, Reports
from cleanplate.runtime.records import Line, check_kinds, read_records, sole_run, write_records
from cleanplate.video.sequences import stamp

log = logging.getLogger(__name__)

BATCH = "batch.jsonl"
FIELDS = {
    **dict.fromkeys(("out", "state", "message", "settings"), str),
    **dict.fromkeys(("inputs", "outputs"), dict),
    "seconds": (int, float, type(None)),
    "tries": int,
}

Pool = Callable[[Callable[[Job], Line], Sequence[Job]], Reports[Job, Line]]


def run_batch(
    jobs: Sequence[Job], folder: Path, pool: Pool, *, overwrite: bool = False, on_step: OnStep | None = None
) -> list[Line]:
    """Run the jobs that are not done yet; the lines of all, in their order.

    Args:
        jobs: what to run.
        folder: where the outputs and `batch.jsonl` go; made if it is not there.
        pool: runs a function on each job (`processes.here`, `ray.on_ray`).
        overwrite: replace outputs that no earlier run of this batch has made.
        on_step: told of every job that is over.

    Raises:
        InputError: outputs in the way, a folder in use or that cannot be written, Ray that cannot be used.
        Cancelled: it was interrupted; what is over stays over.
    """
    with termination_interrupts(), sole_run(folder):
        lines = {line["out"]: line for line in read_records(folder / BATCH, _check, "job")}
        for job in jobs:
            with row(job.where):
                lines[job.name] = planned(job, lines.get(job.name), overwrite=overwrite)
        write_records(folder / BATCH, list(lines.values()))
        todo = [job for job in jobs if lines[job.name]["state"] != "done"]
        if len(todo) < len(jobs):
            log.info("%d of %d are done already", len(jobs) - len(todo), len(jobs))
        over = len(jobs) - len(todo)
        tell(on_step, "jobs", over, len(jobs))
        try:
            with closing(pool(attempt, todo)) as reports:
                started = {}
                for report in reports:
                    job = report.item
                    if report.state == "running":
                        started[job.name] = time.monotonic()
                    line = news(lines[job.name], report, time.monotonic() - started.get(job.name, time.monotonic()))
                    lines[job.name] = line
                    write_records(folder / BATCH, list(lines.values()))
                    _say(line, again=report.again)
                    if report.state != "running" and not report.again:
                        over += 1
                        tell(on_step, "jobs", over, len(jobs))
        except (Cancelled, KeyboardInterrupt):
            raise Cancelled(_not_run(jobs, lines)) from None
        finally:
            _tidy(todo, folder, lines)
            write_records(folder / BATCH, list(lines.values()))
        return [lines[job.name] for job in jobs]


def _check(line: Line) -> None:
    check_kinds(line, FIELDS)


# What is to be done


def planned(job: Job, line: Line | None, *, overwrite: bool) -> Line:
    """The line of a job before it is run: done, if its outputs are there and made of these inputs and settings.

    An output is ours if it is as the line says, or if the run that was making it could not say what became of it.

    Raises:
        InputError: an output that no earlier run of the batch has made, and that may not be replaced.
    """
    inputs = {name: stamp(path) for name, path in job.inputs.items()}
    there = stamps(job.outputs)
    known = {} if line is None else line["outputs"]
    unsaid = line is not None and line["state"] == "running"
    foreign = [name for name, value in there.items() if known.get(name) != value and not unsaid]
    made_of = line and (line["state"], line["settings"], line["inputs"])
    if line and made_of == ("done", job.settings, inputs) and not foreign and set(there) == set(job.outputs):
        return line
    if foreign and not overwrite:
        raise InputError(
            f"{job.outputs[foreign[0]]} is already there, and not as this batch has made it",
            "nothing is replaced unasked",
            "move it away, or pass --overwrite",
        )
    work = job.output.with_name(f"{job.output.name}.work")
    if line is None and (work / "run.json").exists() and not overwrite:
        given = f"{work} holds an unfinished run that is not of this batch"
        raise InputError(given, "it is not thrown away unasked", "move it away, or pass --overwrite")
    return {
        "out": job.name,
        "state": "waiting",
        "seconds": None,
        "message": "",
        "settings": job.settings,
        "inputs": inputs,
        "outputs": there,
        "tries": 0,
    }


def stamps(outputs: Mapping[str, Path]) -> dict[str, str]:
    """Of those that are there."""
    return {name: value for name, path in outputs.items() if (value := stamp(path))}


# What becomes of a job


def attempt(job: Job) -> Line:
    """Run a job in this process: what is new in its line. What it says is kept, for it is one of many."""
    from cleanplate.commands.parse import parse_inpaint

    said, asides = io.StringIO(), io.StringIO()
    line: Line = {"state": "failed"}
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(asides):
            with writing(job.output):
                for path in job.written:
                    path.parent.mkdir(parents=True, exist_ok=True)
            parse_inpaint(job.words[1:]).run()
        line |= {"state": "done", "message": " ".join(said.getvalue().removeprefix(f"{job.output}: ").split())}
    except InputError as error:
        line["message"] = str(error)
    except Cancelled:  # told to end, and has saved what it learned
        raise KeyboardInterrupt from None
    except Exception as error:
        line["message"] = _in_short(error)
        line["traceback"] = traceback.format_exc()
    if asides.getvalue():
        line["asides"] = asides.getvalue()
    return line


def _in_short(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def news(line: Line, report: Report[Job, Line], seconds: float) -> Line:
    """The line after a report."""
    line = {name: value for name, value in line.items() if name not in ("traceback", "asides")}
    line |= {"state": report.state, "message": report.message}
    if report.state == "running":
        return line | {"tries": line["tries"] + 1, "seconds": None}
    if report.result is not None:
        line |= report.result
    elif report.error is not None:
        line["message"] = _in_short(report.error)
    return line | {"seconds": round(seconds, 1), "outputs": stamps(report.item.outputs)}


def _say(line: Line, *, again: bool) -> None:
    """One line of a job that is over."""
    for text in line.get("asides", "").splitlines():
        log.warning("%s: %s", line["out"], text)
    if line["state"] == "done":
        log.info("%s: done in %.1f s", line["out"], line["seconds"])
    elif line["state"] != "running":
        log.error("%s: %s: %s%s", line["out"], line["state"], line["message"], "; it is tried again" * again)


def _not_run(jobs: Sequence[Job], lines: Mapping[str, Line]) -> str:
    rest = [job.name for job in jobs if lines[job.name]["state"] in ("running", "waiting")]
    return f"{len(rest)} of {len(jobs)} jobs were not run to their end ({', '.join(rest)}); the same command goes on"


def _tidy(jobs: Sequence[Job], folder: Path, lines: dict[str, Line]) -> None:
    """After all processes have ended: nothing is running, and what one that was killed left half-written is removed."""
    for job in jobs:
        line = lines[job.name]
        if line["state"] == "running":
            lines[job.name] = line | {"state": "waiting", "message": "interrupted", "outputs": stamps(job.outputs)}
    for path in (folder / BATCH, *(path for job in jobs for path in job.outputs.values())):
        for partial in path.parent.glob(f".{glob.escape(path.name)}.partial*"):
            remove_forsaken(partial)


# What is shown


def as_table(lines: Sequence[Line]) -> Iterator[str]:
    """A row for each job: output, state, seconds, and what was said of it."""
    width = max(len("out"), *(len(line["out"]) for line in lines))
    yield f"{'out':{width}}  state    seconds  message"
    for line in lines:
        seconds = "-" if line["seconds"] is None else f"{line['seconds']:.1f}"
        yield f"{line['out']:{width}}  {line['state']:7}  {seconds:>7}  {line['message']}".rstrip()
