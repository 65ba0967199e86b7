import itertools
import json
import math
import random
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from cleanplate import METHODS, Cancelled, Clip, InputError, Method, Plate, Step, inpaint
from cleanplate.config import CanvasConfig, FitConfig, LossConfig, NetworkConfig, Schedule, UnseenConfig
from cleanplate.imaging.flow import estimate
from cleanplate.metrics import psnr_db
from cleanplate.paper.fit import Fit, fit
from cleanplate.paper.model import Model
from cleanplate.paper.objective import Objective
from cleanplate.paper.schedule import Batch
from cleanplate.runtime.options import RunOptions
from cleanplate.runtime.work_dir import WorkDir
from tests.conftest import panning, walking_hole

PAPERS = ("dip", "dip-vid", "dip-vid-3dcn", "dip-vid-flow")
FAST = "dip-vid-flow-fast"
ENOUGH = {"dip": 240, "dip-vid": 120, "dip-vid-3dcn": 80, "dip-vid-flow": 240}
FEW = {"dip": 4, "dip-vid": 30, "dip-vid-3dcn": 4, "dip-vid-flow": 30, FAST: 10}


WITH_NETWORKS = replace(METHODS["carry-learn"], unseen=UnseenConfig(networks=9))


def small(name: str) -> Method:
    """A method of the paper with a network for small clips, that needs no weights, and looks often."""
    method = METHODS[name]
    looks = replace(method.fit, eval_every=2) if name == "dip" else method.fit
    return replace(
        method,
        network=replace(method.network, channels=(8, 16, 16)),
        loss=replace(method.loss, perceptual=0.0),
        schedule=replace(method.schedule, steps_per_batch=min(4, method.schedule.steps_per_batch)),
        fit=looks,
    )


@pytest.fixture
def clip() -> Clip:
    return Clip(panning(7, (32, 48), step=(2, 1)), walking_hole(7, (32, 48), side=8, step=2))


@pytest.mark.parametrize("name", PAPERS)
def test_the_papers_methods_learn_the_known_pixels_and_touch_none(name: str, clip: Clip) -> None:
    method = small(name)
    if name == "dip":
        clip = Clip(clip.frames[:1], clip.hole[:1])
        method = replace(method, schedule=replace(method.schedule, steps_per_batch=120))
    method, made = replace(method, fit=replace(method.fit, eval_every=40)), []
    plate = inpaint(clip, method, max_steps=ENOUGH[name], device="cpu", on_step=lambda step: made.append(step.frames))
    known = clip.known.expand(-1, 3, -1, -1)
    assert torch.equal(plate.frames[known], clip.frames[known])
    assert torch.equal(plate.provenance == 2, clip.hole)
    grey = torch.full_like(clip.frames, float(clip.frames.mean()))
    # The network's own picture of what it was shown, and what of it goes on into the hole.
    for where, gain_db, frames in ((clip.known, 4, made[-1]), (clip.hole, 2.5, plate.frames)):
        assert psnr_db(frames, clip.frames, where) > psnr_db(grey, clip.frames, where) + gain_db


@pytest.mark.parametrize("name", [*PAPERS, FAST])
@pytest.mark.parametrize("lie", [1.0, float("nan")])
def test_what_is_under_the_hole_changes_nothing(name: str, lie: float, clip: Clip) -> None:
    spoilt = Clip(torch.where(clip.hole, lie, clip.frames), clip.hole)
    one, other = (inpaint(c, small(name), max_steps=FEW[name], device="cpu") for c in (clip, spoilt))
    assert torch.equal(one.frames, other.frames)


def test_what_is_learned_of_a_place_appears_where_it_is_hidden(clip: Clip) -> None:
    fast = small(FAST)
    moving, still = (replace(fast, canvas=canvas) for canvas in (fast.canvas, CanvasConfig()))
    filled = [inpaint(clip, method, max_steps=40, device="cpu").frames for method in (moving, still)]
    with_canvas, without = (psnr_db(frames, clip.frames, clip.hole) for frames in filled)
    assert with_canvas > without + 5


def test_the_loss_falls(clip: Clip) -> None:
    seen: list[float] = []
    schedule = Schedule(5, (1,), (1,), steps_per_batch=1, passes=50)
    done = fit(
        clip.frames,
        clip.known,
        {},
        replace(small("dip-vid"), schedule=schedule),
        RunOptions(on_step=lambda s: seen.append(s.losses["image"])),
    )
    assert done.steps == 150
    assert sum(seen[-20:]) < 0.5 * sum(seen[:20])
    assert psnr_db(done.frames, clip.frames, clip.known) > 18


def test_dip_keeps_the_look_of_lowest_known_loss(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    frames, known = clip.frames[:1], clip.known[:1]
    # What is hidden must not be looked at: the third is the worst there.
    looks = [torch.where(known, frames + off, off) for off in (0.3, 0.2, 0.1, 0.4)]
    looks[2] = torch.where(known, looks[2], 1e6)
    shown = iter(looks)
    monkeypatch.setattr(Model, "infer", lambda _: (next(shown), None))
    method = small("dip")
    method = replace(method, schedule=Schedule(1, (1,), (1,), 18, 1), fit=replace(method.fit, eval_every=5))
    done = fit(frames, known, {}, method)  # after 5, 10, 15 and, at the end, 18 steps
    assert torch.equal(done.frames, looks[2])
    assert next(shown, None) is None


def test_a_mean_is_of_the_last_fifth_of_the_steps(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Tensor] = []
    make = Model.make

    def record(self: Model, *args: object) -> object:
        out = make(self, *args)  # type: ignore[arg-type]
        if out[0].requires_grad:
            made.append(out[0].detach())
        return out

    monkeypatch.setattr(Model, "make", record)
    method = replace(
        small("dip"), schedule=Schedule(1, (1,), (1,), 20, 1), fit=FitConfig(output="mean", input_noise_std=0.03)
    )
    done = fit(clip.frames[:1], clip.known[:1], {}, method)
    torch.testing.assert_close(done.frames, torch.stack(made[16:]).mean(0))


def test_flow_is_measured_in_units_of_the_largest_and_given_in_pixels(clip: Clip) -> None:
    shown: list[Step] = []
    method = small("dip-vid-flow")
    method = replace(method, fit=replace(method.fit, eval_every=5))
    flows = {field: estimate(clip.frames, clip.hole, *field) for field in method.schedule.fields}
    objective = Objective(clip.frames, clip.known, flows, method)
    assert 1 <= objective.scale_px[1] < 4
    assert objective.scale_px[5] > 2 * objective.scale_px[1]
    channels = torch.arange(12.0).view(1, 12, 1, 1)
    assert [int(objective.head(channels, *field)[0, 0, 0, 0]) for field in method.schedule.fields] == [
        0,
        2,
        4,
        6,
        8,
        10,
    ]
    fit(clip.frames, clip.known, flows, method, RunOptions(max_steps=5, on_step=shown.append))
    assert shown[-1].flows[3, -1].shape == (7, 2, 32, 48)
    assert set(shown[-1].losses) == {"image", "flow", "consistency"}


@pytest.mark.parametrize("direction", [1, -1])
def test_frames_and_flow_that_agree_cost_nothing(direction: int, clip: Clip) -> None:
    method = small("dip-vid-flow")
    flows = {field: estimate(clip.frames, clip.hole, *field) for field in method.schedule.fields}
    objective = Objective(clip.frames, clip.known, flows, method)
    objective.scale_px[1] = 4.0
    batch = Batch((1, 2, 3, 4), 1, direction)
    head = torch.full((4, 12, 32, 48), 7.0)  # the other strides and the other direction must not be looked at
    first = 2 * method.schedule.fields.index((1, direction))
    head[:, first], head[:, first + 1] = -2 * direction / 4.0, -1 * direction / 4.0  # the camera pans by (2, 1)
    generator = torch.Generator()
    terms = objective.terms(batch, clip.frames[1:5], head, generator)
    assert terms["consistency"].item() < 1e-10
    assert terms["image"].item() == 0
    assert terms["flow"].item() < 0.01
    head[:, first] += 0.5
    worse = objective.terms(batch, clip.frames[1:5], head, generator)
    assert worse["consistency"].item() > 1e-4
    assert worse["flow"].item() > 0.05


def test_budgets_end_a_fit(clip: Clip) -> None:
    steps: list[Step] = []
    inpaint(clip, small("dip-vid"), max_steps=7, on_step=steps.append, device="cpu")
    assert (len(steps), steps[-1].done, steps[-1].total) == (7, 7, 7)
    plate = inpaint(clip, small("dip-vid"), max_seconds=1.5, device="cpu")
    assert plate.elapsed_s < 6
    assert inpaint(clip, small("dip-vid"), max_seconds=1e-6, device="cpu").elapsed_s < 6
    with pytest.raises(InputError, match="max_steps is 0; a number above 0 is needed"):
        inpaint(clip, small("dip-vid"), max_steps=0)
    with pytest.raises(InputError, match="max_seconds is -1"):
        inpaint(clip, small("dip-vid"), max_seconds=-1.0)


def test_strides_that_do_not_fit_are_refused_before_any_work(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cleanplate.paper.methods.known_flows", lambda *_: pytest.fail("it has begun"))
    method = small("dip-vid-flow")
    method = replace(method, schedule=replace(method.schedule, frames_per_batch=5, strides=(3, 5)))
    with pytest.raises(InputError, match=r"at strides 3, 5 fits into 7 frames; strides of 1 at most do"):
        inpaint(clip, method, device="cpu")


def test_a_budget_is_shared_by_the_frames_of_dip(clip: Clip) -> None:
    steps: list[Step] = []
    inpaint(clip, small("dip"), max_steps=21, on_step=steps.append, device="cpu")
    assert [step.fit for step in steps] == [f"frame-{i:05}" for i in range(7) for _ in range(3)]
    few = inpaint(clip, small("dip"), max_steps=2, device="cpu")  # the other frames are filled smoothly
    assert bool(few.frames.isfinite().all())


def test_the_seeds_of_dips_networks_count_on_from_the_largest_to_0(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []

    def made(frames: Tensor, known: Tensor, flows: Any, method: Method, run: RunOptions, **_: str) -> Fit:
        seeds.append(run.seed)
        return Fit(frames, 1, 0.0)

    monkeypatch.setattr("cleanplate.paper.methods.fit", made)
    inpaint(clip, small("dip"), seed=2**63 - 2, device="cpu")
    assert seeds == [2**63 - 2, 2**63 - 1, 0, 1, 2, 3, 4]


def test_dip_learns_frames_that_have_a_hole_only(clip: Clip) -> None:
    steps: list[Step] = []
    clip.hole[[0, 2, 5, 6]] = False
    inpaint(clip, small("dip"), max_steps=9, on_step=steps.append, device="cpu")
    assert [step.fit for step in steps] == [f"frame-{i:05}" for i in (1, 3, 4) for _ in range(3)]
    assert [round(9 * step.done / step.total) for step in steps] == list(range(1, 10))


def run(clip: Clip, name: str, work: WorkDir | None = None, stop_after: int | None = None) -> Plate:
    """A method with something to save in every step, or that is stopped after some."""
    method, told = WITH_NETWORKS if name == "carry-learn" else small(name), 0

    def on_step(step: Step) -> None:
        nonlocal told
        told += step.stage == "learn"
        if told == stop_after:
            raise Cancelled

    return inpaint(clip, method, max_steps=28, work_dir=work, on_step=on_step, device="cpu", seed=2)


@pytest.mark.parametrize("name", [*PAPERS, FAST, "carry-learn"])
def test_a_run_that_was_stopped_and_resumed_gives_the_same_plate(name: str, clip: Clip, tmp_path: Path) -> None:
    if name == "carry-learn":
        clip = Clip(clip.frames, clip.hole[3:4].expand(7, -1, -1, -1).contiguous())
        clip.hole[:, :, 4:30, 10:40] = True
    left_alone = run(clip, name, WorkDir(tmp_path / "alone"))
    rng = random.Random(name)
    for _ in range(3):
        with pytest.raises(Cancelled):
            run(clip, name, WorkDir(tmp_path / "work", resume=True, every_s=0), rng.randint(2, 7))
    resumed = run(clip, name, last := WorkDir(tmp_path / "work", resume=True, every_s=0))
    assert 0 < last.earlier_s < resumed.elapsed_s
    assert torch.equal(resumed.frames, left_alone.frames)
    alone, again = (
        [json.loads(line) for line in (tmp_path / folder / "steps.jsonl").read_text().splitlines()]
        for folder in ("alone", "work")
    )
    for line in (*alone, *again):
        del line["elapsed_s"]
    assert alone == again
    assert len(alone) == 28


@pytest.mark.parametrize(("output", "seconds", "rates"), [("last", 10.0, [0.4, 0.2]), ("best", 4.0, [])])
def test_a_run_with_a_time_goes_on_at_the_rate_that_it_had_come_to(
    output: Any, seconds: float, rates: list[float], clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second time the frames' flow may have taken longer, so that less is left than was spent."""
    ticks, seen, update = itertools.count(), [], Model.update
    monkeypatch.setattr("cleanplate.paper.fit.time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))

    def counted(self: Model, loss: Tensor, rate: float) -> None:
        seen.append(rate)
        update(self, loss, rate)

    def stop(step: Step) -> None:
        if step.update == 9:  # it is told of before it is saved
            raise Cancelled

    monkeypatch.setattr(Model, "update", counted)
    method = replace(small("dip-vid"), fit=FitConfig(1.0, eval_every=100, output=output, lr_decay_share=0.5))
    work = partial(WorkDir, tmp_path / "work", resume=True, overwrite=True, every_s=0)
    (first := work()).begin({"a": "b"})
    with pytest.raises(Cancelled):
        fit(clip.frames, clip.known, {}, method, RunOptions(max_seconds=10.0, work_dir=first, on_step=stop))
    assert seen == pytest.approx([1, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4])
    seen.clear()
    (second := work()).begin({"a": "b"})
    done = fit(clip.frames, clip.known, {}, method, RunOptions(max_seconds=seconds, work_dir=second))
    assert seen == pytest.approx(rates)
    assert done.steps == 8 + len(rates)
    assert psnr_db(done.frames, clip.frames, clip.known) > 10  # never the zeros that nothing was put into


def test_a_work_folder_is_of_one_run(clip: Clip, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    with pytest.raises(Cancelled):
        run(clip, "dip-vid", WorkDir(folder, every_s=0), 3)
    with pytest.raises(InputError, match="holds an unfinished run"):
        run(clip, "dip-vid", WorkDir(folder))
    with pytest.raises(InputError, match="holds a run of another method"):
        run(clip, "dip-vid-3dcn", WorkDir(folder, resume=True))
    other = Clip(clip.frames.flip(3), clip.hole)
    with pytest.raises(InputError, match="holds a run of another clip"):
        run(other, "dip-vid", WorkDir(folder, resume=True))
    (folder / "notes.txt").write_text("somebody's own")
    work = WorkDir(folder, overwrite=True)
    run(other, "dip-vid", work)
    assert work.resumable
    work.finish(tmp_path / "losses.jsonl")
    assert not work.resumable
    assert sorted(path.name for path in folder.iterdir()) == ["notes.txt"]
    assert len((tmp_path / "losses.jsonl").read_text().splitlines()) == 28


def test_no_folder_is_made_when_nothing_is_learned(moving_clip: Clip, tmp_path: Path) -> None:
    inpaint(moving_clip, work_dir=WorkDir(tmp_path / "work"), device="cpu")
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("name", ["dip", "dip-vid", "carry-learn"])
def test_training_that_diverges_is_told_and_is_no_result(name: str, clip: Clip, tmp_path: Path) -> None:
    method = WITH_NETWORKS if name == "carry-learn" else small(name)
    method = replace(method, fit=replace(method.fit, learning_rate=1e30))
    clip.hole[:, :, 4:30, 10:40] = True
    with pytest.raises(InputError, match=r"has diverged: after \d+ steps image is nan; finite .* which is 1e\+30"):
        inpaint(clip, method, device="cpu", max_steps=28, work_dir=WorkDir(tmp_path / "work", every_s=0))
    assert not list(tmp_path.glob("work/*-done.pt"))


def test_what_the_last_step_has_spoilt_is_told_too(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Model, "infer", lambda self: (torch.full_like(clip.frames, torch.nan), None))
    with pytest.raises(InputError, match="has diverged: after 1 step the result is nan"):
        fit(clip.frames, clip.known, {}, small("dip-vid"), RunOptions(max_steps=1))


@pytest.mark.parametrize(
    ("name", "changes"), [("dip", {}), ("carry-learn", {}), ("dip-vid", {"schedule": Schedule(frames_per_batch=1)})]
)
@pytest.mark.parametrize("term", ["flow", "consistency"])
def test_flow_is_of_frames_that_follow_each_other(name: str, term: str, changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=rf"loss\.{term} is 0\.1; 0, or one network for the whole clip and at least 2"):
        replace(small(name), loss=LossConfig(**{term: 0.1}), **changes)  # type: ignore[arg-type]


def test_a_single_frame_has_no_flow_to_be_learned_from(clip: Clip) -> None:
    one, method = Clip(clip.frames[:1], clip.hole[:1]), small("dip-vid-flow")
    inpaint(one, method, max_steps=1, device="cpu")
    with pytest.raises(InputError, match=r"loss\.image and loss\.perceptual are 0 and there is 1 frame; flow needs 2"):
        inpaint(one, replace(method, loss=replace(method.loss, image=0.0)), max_steps=1, device="cpu")


def test_what_makes_no_fit() -> None:
    for wrong in (
        {"learning_rate": 0.0},
        {"learning_rate": math.inf},
        {"input_noise_std": -1.0},
        {"input_noise_std": math.inf},
        {"lr_decay_share": 2.0},
        {"eval_every": -1},
        {"output": "best"},
    ):
        with pytest.raises(InputError, match=f"fit.{next(iter(wrong))} is"):
            FitConfig(**wrong)  # type: ignore[arg-type]
    for make, wrong in ((LossConfig, "image"), (NetworkConfig, "noise_level"), (CanvasConfig, "noise_level")):
        with pytest.raises(InputError, match=f"{wrong} is inf"):
            make(**{wrong: math.inf})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"network\.channels"):
        NetworkConfig(channels=())
    with pytest.raises(InputError, match=r"network\.decoder_kernels"):
        NetworkConfig(decoder_kernels=(-1, 3))
    with pytest.raises(InputError, match="carries, learns, both, or a baseline"):
        Method(carries=False, learns=False)


def test_float32_is_not_tf32_while_a_network_learns(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU torch rounds what goes into a convolution to ten bits otherwise."""
    for before in (True, False):
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", before)
        seen: list[bool] = []
        run = RunOptions(max_steps=1, on_step=lambda _, seen=seen: seen.append(torch.backends.cudnn.allow_tf32))
        fit(clip.frames, clip.known, {}, small("dip-vid"), run)
        assert seen == [False]
        assert torch.backends.cudnn.allow_tf32 is before


def test_a_small_network_keeps_to_one_thread_and_gives_the_others_back(clip: Clip) -> None:
    before, seen = torch.get_num_threads(), set()
    torch.set_num_threads(2)
    try:
        run = RunOptions(max_steps=3, on_step=lambda step: seen.add(torch.get_num_threads()))
        fit(clip.frames, clip.known, {}, small("dip-vid"), run)
        assert seen == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
