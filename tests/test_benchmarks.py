"""What the benchmarks are made of."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks import gpu
from benchmarks.edit import EDIT, edit_of_ten, hole_of_edit
from benchmarks.effects import CONDITIONS, EXPOSURES, cases, exposed, mean, share
from benchmarks.twins import beside, best_candidates, figures, moved

from cleanplate import METHODS, Clip, InputError, inpaint
from cleanplate.config import NO_EFFECTS, Method
from cleanplate.data.compose import Composed, read_composed, resized
from cleanplate.data.pairs import read_pairs
from cleanplate.imaging.frame import CARRIED
from tests.conftest import panning, walking_hole


def test_a_mean_is_over_the_rows_that_have_the_figure() -> None:
    names = ("found", "told", "off", "drop", "false", "found_s", "told_s", "off_s", "ratio")
    rows = [dict.fromkeys(names, value) for value in (1, 3)]
    both = mean([row | {"recall": recall, "missed": None} for row, recall in zip(rows, (None, 0.5), strict=True)])
    assert (both["found"], both["recall"], both["missed"]) == (2, 0.5, None)


def test_a_share_of_nothing_is_none() -> None:
    half = torch.tensor([True, False])
    assert share(half, torch.tensor([True, True])) == 0.5
    assert share(half, torch.tensor([False, False])) is None


def test_exposure_is_in_the_truth_too_and_noise_is_not(shots: Path) -> None:
    composed = read_composed(shots, read_pairs(shots)[0])
    halved = exposed(composed, np.full(8, 0.5), 0, seed=0)
    assert torch.equal(halved.truth, composed.truth * 0.5)
    known = ~composed.mask.expand(-1, 3, -1, -1)
    assert (halved.clip.frames - halved.truth)[known].abs().max() <= 0.5 / 255 + 1e-6
    noisy = exposed(composed, np.full(8, 0.5), 2, seed=0)
    assert torch.equal(noisy.truth, halved.truth)
    assert float((noisy.clip.frames - noisy.truth)[known].std() * 255) == pytest.approx(2, abs=0.15)
    assert len(set(CONDITIONS)) == 6
    assert EXPOSURES["stepping"].min() == pytest.approx(0.92**2)


def test_every_pair_has_its_cases(shots: Path) -> None:
    made = list(cases(shots, read_pairs(shots)[:1]))
    assert [case.kind for case in made] == ["shadows"] * 2 + ["rough"] * 3 + ["both", "neither"]
    for case in made:
        assert (case.made.shadow is not None) == (case.kind in ("shadows", "both"))
        assert (case.made.rough is not None) == (case.kind in ("rough", "both"))
    assert made[0].made.shadow != made[1].made.shadow


@pytest.mark.data
def test_an_edit_of_ten_shots(data: Path) -> None:
    frames, cuts = edit_of_ten(data)
    assert frames.shape == (sum(count for _, _, count in EDIT), 192, 384, 3)
    assert hole_of_edit().shape == (len(frames), 1, 192, 384)
    assert len(EDIT) == 10
    assert all(one[0] != other[0] for one, other in pairwise(EDIT))
    assert all(8 <= b - a <= 14 for a, b in pairwise([0, *cuts, len(frames)]))


def test_a_second_hole_is_as_wide_as_the_thing_away_and_on_the_side_that_shows_more() -> None:
    hole = np.zeros((3, 20, 60), bool)
    for index in range(3):
        hole[index, 5:12, 8 + index : 18 + index] = True
    assert beside(hole) == 10
    assert beside(hole[:, :, ::-1]) == -10
    np.testing.assert_array_equal(moved(hole, 10)[:, :, 10:], hole[:, :, :50])
    assert not moved(hole, 10)[:, :, :10].any()
    np.testing.assert_array_equal(moved(hole, -10)[:, :, :50], hole[:, :, 10:])
    assert not moved(hole, -10)[:, :, 50:].any()


def test_figures_of_a_twin_are_of_what_is_judged() -> None:
    truth = torch.from_numpy(np.random.default_rng(0).integers(0, 200, (2, 3, 24, 32)).astype(np.float32)) / 255
    judged, carried = torch.zeros(2, 1, 24, 32, dtype=torch.bool), torch.zeros(2, 1, 24, 32, dtype=torch.bool)
    judged[0, :, 4:14, 4:14], judged[1, :, 4:14, 4:24] = True, True
    carried[:, :, 4:14, 4:14] = True
    filled = truth.clone()
    filled[0] += 25 / 255
    filled[1] += 2 / 255
    filled[1, :, :, 14:] = truth[1, :, :, 14:] + 50 / 255  # made up, half of what is judged in the second frame
    found = figures(filled, truth, judged, carried)
    assert found["share"] == pytest.approx(2 / 3)
    assert found["carried"] == pytest.approx(-10 * np.log10(25 * 2 / 255**2), abs=1e-3)  # the mean of both frames
    second = -10 * np.log10((2**2 + 50**2) / 2 / 255**2)
    assert found["all"] == pytest.approx((-20 * np.log10(25 / 255) + second) / 2, abs=1e-3)
    assert found["worst"] == pytest.approx(second, abs=1e-3)
    assert figures(truth, truth, judged, carried)["sharpness"] == 1
    flat = figures(truth * 0.5, truth, judged, carried)
    assert flat["sharpness"] == pytest.approx(0.25, abs=1e-4)


def test_the_best_of_what_was_looked_at_is_between_the_plate_and_the_truth() -> None:
    """A step of light half-way: what is before it and what comes after differ, and one of them is right."""
    frames, hole = 0.8 * panning(10, step=(2, 0)), walking_hole(10)
    frames[5:] *= 1.2
    spoilt = Clip(torch.where(hole, 0.0, frames), hole, 24.0)
    method = replace(METHODS["carry"], effects=NO_EFFECTS)
    with best_candidates(frames) as best:
        plate = inpaint(spoilt, method, device="cpu")
    assert torch.equal(plate.frames, inpaint(spoilt, method, device="cpu").frames)
    looked = ~best.isnan().any(1, keepdim=True)
    assert not (looked & ~hole).any()
    carried = hole & (plate.provenance == CARRIED)
    assert float((looked & carried).sum() / carried.sum()) > 0.99
    errors = [(one - frames).square().sum(1, keepdim=True)[looked & carried] for one in (best, plate.frames)]
    assert float(errors[0].mean()) < 0.9 * float(errors[1].mean())


LITTLE = gpu.Schedule(frames=8, size=(48, 96), passes=1, batches_per_pass=3, steps_per_batch=2)


@pytest.mark.usefixtures("weights")
def test_the_benchmark_of_a_gpu_goes_on_until_all_is_done(
    shots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for fewer in ("COMPARED", "WARM", "TIMED"):
        monkeypatch.setattr(gpu, fewer, 1)
    monkeypatch.setattr(gpu, "SAVE_S", 0.0)
    learn = METHODS["carry-learn"]
    few = replace(learn.schedule, steps_per_batch=20)
    less = replace(learn, network=replace(learn.network, channels=(8, 16, 16)), schedule=few)
    monkeypatch.setitem(METHODS, "carry-learn", less)
    pair, out = read_pairs(shots)[0]["name"], tmp_path / "gpu.json"

    def run(minutes: float, device: str = "cpu", pair: str = pair) -> bool:
        return gpu.benchmark_gpu(shots, out, pair=pair, device=device, minutes=minutes, schedule=LITTLE)

    assert not run(0)
    assert "0 of 6 updates" in capsys.readouterr().out
    assert not out.exists()

    # The time is up in the middle of the schedule: nothing of what is done is done again.
    with monkeypatch.context() as patch:
        trained = gpu.train

        def stopped(composed: Composed, place: torch.device, method: Method, folder: Path, ends: float) -> dict:
            return trained(composed, place, method, folder, min(ends, 0))

        patch.setattr(gpu, "train", stopped)
        assert not run(5)
    held = json.loads(out.read_text())
    assert 0 < held["so_far"] < 6
    for done in ("compare_updates", "compare_plates", "time_updates"):
        monkeypatch.setattr(gpu, done, None)
    made, update = [], gpu.Model.update

    def counted(self: gpu.Model, *given: Any) -> None:
        made.append(given)
        update(self, *given)

    monkeypatch.setattr(gpu.Model, "update", counted)
    assert run(5)
    report = json.loads(out.read_text())
    assert report["result"]["updates"] == 6
    assert len(made) < 6  # all but what was done since the last save is kept
    assert report["result"]["compile"] == "off"
    assert report["updates"] == held["updates"]
    assert not out.with_suffix(".work").exists()

    # A CPU is like itself.
    assert set(report["updates"]["largest_difference"]["float32"].values()) == {0.0}
    assert report["plates"]["cpu_db"] == report["plates"]["device_db"]
    for part, said in (("updates", "float32_agrees"), ("updates", "default_agrees"), ("plates", "agree")):
        assert report[part][said] is True

    with pytest.raises(InputError, match="of another pair"):
        run(5, pair=read_pairs(shots)[1]["name"])


@pytest.mark.usefixtures("weights")
def test_updates_that_differ_are_told(shots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    composed = resized(read_composed(shots, read_pairs(shots)[0]), LITTLE.size, LITTLE.frames)
    monkeypatch.setattr(gpu, "COMPARED", 1)
    made, begin = [], gpu.Model

    def off(*given: Any, **options: Any) -> gpu.Model:
        model = begin(*given, **options)
        made.append(model)
        if len(made) == 2:  # float32 on the device
            model.noise = model.noise * 1.5
        return model

    monkeypatch.setattr(gpu, "Model", off)
    found = gpu.compare_updates(composed, torch.device("cpu"), LITTLE)
    assert not found["float32_agrees"]
    assert found["default_agrees"]
