"""What needs a GPU: does it compute what the CPU does, how fast, and what comes of the whole schedule on one clip.

Each part is kept in the output as it ends, and the schedule goes on where the time was up: the same command is given
again until it says that all is done.
"""

import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import torch

from benchmarks.carry import machine
from benchmarks.learn import static
from cleanplate import METHODS, Cancelled, Step, inpaint
from cleanplate.config import Method
from cleanplate.data.compose import Composed, read_composed, resized
from cleanplate.data.pairs import choose, read_pairs
from cleanplate.errors import InputError
from cleanplate.experiments.plan import SCALES
from cleanplate.imaging.flow import FlowField
from cleanplate.metrics import Comparison, measure, psnr_db
from cleanplate.paper.losses import weighted_sum
from cleanplate.paper.methods import known_flows
from cleanplate.paper.model import Model, exact_convolutions
from cleanplate.paper.objective import Objective
from cleanplate.paper.schedule import Batch, all_batches, batches, n_steps
from cleanplate.runtime.devices import find_device
from cleanplate.runtime.files import whole
from cleanplate.runtime.work_dir import WorkDir

COMPARED = 12
"""Updates that are made on both, from the same parameters each."""
WARM, TIMED = 5, 20
"""Updates that are made first, and that are timed, for each way to run them."""
FLOAT32_DIFFERS = 1e-3
"""Of a loss from the CPU's, at most, as a share of it: sums in another order."""
BFLOAT16_DIFFERS = 2.0**-8
"""In the mean over losses and updates: what a number is rounded by. One loss of one update may be eight times that."""
PLATES_DIFFER_DB = 0.1
SAVE_S = 20.0


@dataclass(frozen=True)
class Schedule:
    """What the authors' program runs on a clip (20 passes of 51 batches, 100 updates each), or less of it."""

    frames: int = 60
    size: tuple[int, int] = (192, 384)
    passes: int = 20
    batches_per_pass: int = 51
    steps_per_batch: int = 100

    def method(self, **fit: Any) -> Method:
        """DIP-Vid-Flow with it."""
        method = METHODS["dip-vid-flow"]
        names = ("passes", "batches_per_pass", "steps_per_batch")
        schedule = replace(method.schedule, **{name: getattr(self, name) for name in names})
        return replace(method, schedule=schedule, fit=replace(method.fit, **fit))


def benchmark_gpu(
    data: Path, out: Path, *, pair: str, device: str, minutes: float, schedule: Schedule = Schedule()
) -> bool:
    """Do what is not done yet for so many minutes, print it, and write it to `out`; whether all is done.

    Args:
        data: folder with composed.json and what it names.
        out: the figures so far, JSON; what the schedule needs to go on lies beside it, in NAME.work.
        pair: the clip.
        device: cuda, mps; cpu tries this program.
        minutes: after so long nothing new is begun, and the schedule is interrupted.
        schedule: what is trained in the end.

    Raises:
        InputError: no such pair or device, or `out` is of another pair, device or schedule.
    """
    ends = time.monotonic() + 60 * minutes
    place = find_device(device)
    composed = resized(read_composed(data, choose(read_pairs(data), [pair])[0]), schedule.size, schedule.frames)
    asked = {"pair": pair, "device": _named(place), "schedule": [*vars(schedule).values()], "machine": machine()}
    report = _begun(out, json.loads(json.dumps(asked)))
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "updates": lambda: compare_updates(composed, place, schedule),
        "plates": lambda: compare_plates(composed, place),
        "seconds_an_update": lambda: time_updates(composed, place, schedule),
    }
    for name, part in parts.items():
        if name not in report and time.monotonic() < ends:
            report[name] = part()
            print(f"{name}: {json.dumps(report[name])}", flush=True)
            _write(out, report)
    if all(name in report for name in parts) and "result" not in report:
        fastest = min(report["seconds_an_update"], key=report["seconds_an_update"].__getitem__)
        work = out.with_suffix(".work")
        run = schedule.method(compile=fastest)
        report |= train(composed, place, run, work, ends)
        _write(out, report)
    done = "result" in report
    if not done:
        so_far = report.get("so_far", 0)
        whole_schedule = n_steps(len(composed.truth), schedule.method().schedule)
        print(f"{so_far} of {whole_schedule} updates; give the same command again to go on", flush=True)
    return done


def compare_updates(composed: Composed, place: torch.device, schedule: Schedule) -> dict[str, Any]:
    """Losses of the same updates on the CPU in float32 and on the device, each from the CPU's parameters before it.

    Returns:
        for each term how far it is from the CPU's, as a share of that, the largest over the updates; the mean over all
        of them; and whether these are within FLOAT32_DIFFERS and BFLOAT16_DIFFERS. By default a device computes in
        bfloat16 if it can.
    """
    clip, method = composed.clip, schedule.method()
    flows = known_flows(clip.frames, clip.hole, method)
    reference = _Side(composed, flows, schedule.method(precision="float32"), torch.device("cpu"))
    sides = {
        name: _Side(composed, flows, schedule.method(precision=precision), place)
        for name, precision in (("float32", "float32"), ("default", "auto"))
    }
    away: dict[str, dict[str, list[float]]] = {name: {} for name in sides}
    with exact_convolutions():
        for batch in islice(batches(len(clip.frames), method.schedule, Random(0)), COMPARED):
            for side in sides.values():
                side.model.load(reference.model.state())
            right = reference.update(batch)
            for name, side in sides.items():
                for term, value in side.update(batch).items():
                    away[name].setdefault(term, []).append(abs(value - right[term]) / max(abs(right[term]), 1e-12))
    most = {name: {term: max(each) for term, each in terms.items()} for name, terms in away.items()}
    means = {name: statistics.fmean(x for each in terms.values() for x in each) for name, terms in away.items()}
    highest = max(most["default"].values())
    return {
        "bfloat16": sides["default"].model.half,
        "largest_difference": most,
        "mean_difference": means,
        "float32_agrees": max(most["float32"].values()) <= FLOAT32_DIFFERS,
        "default_agrees": means["default"] <= BFLOAT16_DIFFERS and highest <= 8 * BFLOAT16_DIFFERS,
    }


class _Side:
    """A model and its objective on one device."""

    def __init__(
        self, composed: Composed, flows: Mapping[tuple[int, int], FlowField], method: Method, place: torch.device
    ):
        clip = composed.clip
        frames, hole = clip.frames.to(place), clip.hole.to(place)
        here = {key: FlowField(field.flow.to(place), field.valid.to(place)) for key, field in flows.items()}
        self.model, self.rate = Model(frames, method, seed=0), method.fit.learning_rate
        self.objective = Objective(frames, ~hole, here, method)

    def update(self, batch: Batch) -> dict[str, float]:
        """Make one, and give the losses before it."""
        made, flow = self.model.make(batch.frames)
        with self.model.autocast():
            terms = self.objective.terms(batch, made, flow, self.model.generator)
        self.model.update(weighted_sum(terms, self.objective.weights), self.rate)
        return {name: term.item() for name, term in terms.items()}


def compare_plates(composed: Composed, place: torch.device) -> dict[str, Any]:
    """Hole PSNR of `carry-learn`, with a network, on the CPU and on the device; the hole does not move."""
    still = static(composed, 10)
    method = METHODS["carry-learn"]
    method = replace(method, unseen=replace(method.unseen, offsets=0, networks=1))
    out: dict[str, Any] = {}
    for name, where in (("cpu", torch.device("cpu")), ("device", place)):
        plate = inpaint(still.clip, method, device=str(where))
        out |= {f"{name}_db": psnr_db(plate.frames, still.truth, still.clip.hole), f"{name}_s": plate.elapsed_s}
    return out | {"agree": abs(out["cpu_db"] - out["device_db"]) <= PLATES_DIFFER_DB}


def time_updates(composed: Composed, place: torch.device, schedule: Schedule) -> dict[str, float]:
    """Seconds of an update as it is by default, and with torch.compile and CUDA graphs where there is a GPU."""
    clip, method = composed.clip, schedule.method()
    flows, batch = known_flows(clip.frames, clip.hole, method), all_batches(len(clip.frames), method.schedule)[0]
    out = {}
    for mode in ("off", "default", "reduce-overhead") if place.type == "cuda" else ("off",):
        side = _Side(composed, flows, schedule.method(compile=mode), place)
        for _ in range(WARM):
            side.update(batch)
        started = time.perf_counter()
        for _ in range(TIMED):
            side.update(batch)  # its losses are read, so it has ended
        out[mode] = (time.perf_counter() - started) / TIMED
    return out


def train(composed: Composed, place: torch.device, method: Method, folder: Path, ends: float) -> dict[str, Any]:
    """Run the schedule until its end or until the time is up."""
    reached = 0

    def listen(step: Step) -> None:
        nonlocal reached
        reached = step.update or reached
        if time.monotonic() >= ends and work.resumable:
            raise Cancelled

    work = WorkDir(folder, resume=True, every_s=SAVE_S)
    try:
        plate = inpaint(composed.clip, method, device=str(place), work_dir=work, on_step=listen)
    except Cancelled:
        return {"so_far": reached}
    scale = replace(SCALES["paper"], size=tuple(plate.frames.shape[2:]))
    judged = Comparison(
        plate.frames, composed.truth, composed.clip.hole, plate.provenance, scale.patch_px, scale.search_px
    )
    result = {
        "updates": reached,
        "compile": method.fit.compile,
        "seconds": plate.elapsed_s,
        **measure(judged, ("hole_psnr_db", "psnr_db", "consistency_psnr_db")),
    }
    print(f"result: {json.dumps(result)}", flush=True)
    work.finish()
    return {"result": result}


# What was done


def _begun(out: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """What is there of the same benchmark, or its beginning."""
    report = json.loads(out.read_text()) if out.is_file() else asked
    if differ := [key for key in asked if report.get(key) != asked[key]]:
        given = f"{out} is of another {' and '.join(differ)}"
        raise InputError(given, "only the same benchmark goes on", "name another file with --json, or remove it")
    return report


def _write(out: Path, report: dict[str, Any]) -> None:
    with whole(out) as partial:
        partial.write_text(json.dumps(report, indent=1) + "\n")


def _named(place: torch.device) -> str:
    return torch.cuda.get_device_name(place) if place.type == "cuda" else place.type
