"""Cells that run, are skipped, resume; tables and figures of their lines. All on clips made here, at tiny scale."""

import ast
import csv
import hashlib
import itertools
import json
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import ray
import ray.exceptions
import torch
from filelock import FileLock

from cleanplate import METHODS, Clip, InputError, Method, Plate, cli, write_video
from cleanplate.baselines import NAMES
from cleanplate.baselines.rivals import BASELINES, filler
from cleanplate.config import UnseenConfig
from cleanplate.data.compose import each_composed, read_composed, resized
from cleanplate.data.pairs import identified, read_pairs
from cleanplate.experiments import cells, make
from cleanplate.experiments import run as running
from cleanplate.experiments.cells import run_cell
from cleanplate.experiments.features import reference_patch
from cleanplate.experiments.figures import fig4
from cleanplate.experiments.make import share_of
from cleanplate.experiments.plan import PAPERS, SCALES, Cell, method_at, methods_of, plan
from cleanplate.experiments.report import TITLES, caption, mean, partition, table1, table2, write_table
from cleanplate.experiments.reproduce import choose_metrics, reproduce
from cleanplate.experiments.results import (
    added,
    find_line,
    load_plate,
    measured_with,
    plate_path,
    read_results,
    save_plate,
)
from cleanplate.experiments.sources import DEFINED_IN, OF_PIECES, PACKAGE, code_digest, measuring_digest, reached_from
from cleanplate.imaging.tensors import all_samples
from cleanplate.metrics import METRICS, psnr_db
from cleanplate.paper.model import Model
from cleanplate.paper.schedule import n_steps
from cleanplate.runtime.processes import Report
from cleanplate.runtime.records import write_records
from cleanplate.runtime.work_dir import WorkDir
from tests.conftest import panning, refused, walking_hole
from tests.test_painters import Lama, saved
from tests.test_wang import saved as saved_wang

FAST = ("psnr_db", "ssim", "hole_psnr_db", "consistency_psnr_db", "consistency_ssim", "carried_psnr_db")


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch, on_one_thread: None) -> None:
    """Cells are run here, one after the other: what is tested is not the processes."""
    monkeypatch.setattr(running, "_here", _in_this_process)


def _in_this_process(work: Any, cells: Sequence[Cell], workers: int) -> Iterator[dict]:
    yield from map(work, cells)


@pytest.fixture
def on_one_thread() -> Iterator[None]:
    """Pictures this small do not fill two."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


LEARNS = "carry-learn"
MOVES = "dip-vid-flow-fast"  # its input moves with the picture


# What to run


@pytest.mark.parametrize(("scale_name", "n_frames"), [("small", 24), ("medium", 30)])
def test_budgets_are_equal_in_frames_trained_on(scale_name: str, n_frames: int) -> None:
    scale = SCALES[scale_name]
    assert scale.updates is not None
    frames = {}
    for name in ("dip", "dip-vid", "dip-vid-3dcn", "dip-vid-flow"):
        schedule = method_at(name, scale, n_frames).schedule
        steps = n_steps(n_frames, schedule) if name != "dip" else n_frames * n_steps(1, schedule)
        budget = Cell("clip", name, 0, scale_name).updates(n_frames)
        assert budget is not None
        frames[name] = schedule.frames_per_batch * min(steps, budget)
    assert max(frames.values()) - min(frames.values()) <= n_frames


def test_a_pieces_share_is_as_many_updates_of_every_frame() -> None:
    flow = METHODS["dip-vid-flow"]
    pieces = [share_of(240, flow, k, 24) for k in (1, 3, 5, 12)]
    assert pieces == [50, 50, 50, 120]  # 50 frames of each, 5 at a time where there are 5


@pytest.mark.parametrize(("method", "scale"), [("dip-vid-flow", "tiny"), (MOVES, "small")])
def test_every_frame_is_learned_as_often_however_short_the_pieces(
    method: str, scale: str, shots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []
    real = make.inpaint

    def counted(piece: Clip, at: Method, *, max_steps: int, **others: Any) -> Plate:
        asked.append((len(piece.frames), max_steps))
        assert n_steps(len(piece.frames), at.schedule) >= max_steps
        return real(piece, replace(at, network=replace(at.network, channels=(4, 4))), max_steps=2, **others)

    monkeypatch.setattr(make, "inpaint", counted)
    monkeypatch.setattr(cells, "resized", lambda composed, *_: resized(composed, (48, 96), 8))  # as large as they are
    for window in (1, 2, 5, 8):
        asked.clear()
        cell = Cell("empty-a+ball-b", method, 0, scale, window=window, evaluations=1)
        run_cell(
            cell,
            data=shots, out=tmp_path, metrics=["psnr_db"], device="cpu",
        )  # fmt: skip
        size = METHODS[method].schedule.frames_per_batch
        shown = {round(steps * min(size, length) / length, 6) for length, steps in asked}
        assert max(shown) - min(shown) <= 1.0
        assert shown.pop() == pytest.approx((cell.updates(8) or 0) * size / 8, abs=1)


def test_the_papers_scale_is_the_papers_method() -> None:
    for name in METHODS:
        assert method_at(name, SCALES["paper"], 60) == METHODS[name]
        assert Cell("clip", name, 0, "paper").updates(60) is None
    assert SCALES["paper"].size == (192, 384)
    assert (SCALES["paper"].patch_px, SCALES["paper"].search_px) == (50, 20)


def test_medium_is_the_papers_methods_on_three_clips_for_ten_thousand_updates() -> None:
    there = ["goat+camel", "golf+breakdance", "blackswan+breakdance", "parkour+car-roundabout", "blackswan+parkour"]
    cells = [cell for cell in plan("table1", "medium", there) if cell.method in PAPERS]
    assert {cell.clip for cell in cells} == set(there[1:4])
    assert (len(cells), SCALES["medium"].size, SCALES["medium"].n_frames) == (12, (96, 192), 30)
    for cell in cells:
        settings, paper = cell.settings(30), METHODS[cell.method]
        long = (cell.method, cell.clip) == ("dip-vid-flow", "blackswan+breakdance")
        # DIP: 1,666 single frames for each of 30 networks are as many as 10,000 batches of five, but for the rest.
        assert settings["updates"] == {"dip": 49_980}.get(cell.method, 30_000 if long else 10_000)
        method = method_at(cell.method, cell.budget, 30)
        assert replace(method.loss, perceptual_frames=None) == paper.loss
        assert method.network == paper.network
        if cell.method != "dip":
            assert method.schedule.steps_per_batch == 10
            assert n_steps(30, method.schedule) >= settings["updates"]
    # Where a figure looks on the way, or a clip is cut into pieces, every clip has the same budget.
    figures = [*plan("fig8", "medium", there[2:3]), *plan("fig9", "medium", there[2:3])]
    assert {cell.updates(30) for cell in figures} == {10_000}
    windows = plan("fig10", "medium", there)
    assert len(windows) == 2 * 2 * 4  # clips, methods, k
    assert {(cell.method, cell.updates(30)) for cell in windows} == {("dip-vid-flow", 2500), (MOVES, 300)}
    assert [cell.clip for cell in plan("table1", "medium", ["a", "b"], named=True)][-1] == "b"
    assert {cell.clip for cell in plan("table1", "medium", list("abcd"))} == set("abc")
    long, other = ({**line("dip-vid-flow", clip), "scale": "medium"} for clip in (there[2], there[1]))
    assert "DIP-Vid-Flow on blackswan+breakdance: 30000" in caption("x", [long])
    assert "30000" not in caption("x", [other])


def test_cells_of_the_experiments() -> None:
    clips = ["a", "b", "c"]
    assert [cell.method for cell in plan("table1", "paper", clips)[:8]] == [
        name for name in methods_of("table1") if name not in ("yu", "wang")
    ]
    assert len(plan("table2", "paper", clips, seeds=(0, 1), external={"theirs": "x"})) == 3 * 2 * 10
    assert set(plan("fig7", "small", clips)) == set(plan("table2", "small", clips))
    windows = plan("fig10", "paper", clips, lengths=dict.fromkeys(clips, 37))
    assert {cell.window for cell in windows} == {1, 3, 5, 10, 15, 25, 37}
    assert {cell.window for cell in plan("fig10", "medium", clips)} == {1, 5, 10, 25}
    assert {cell.clip for cell in plan("fig10", "tiny", clips)} != {cell.clip for cell in windows}
    assert len({cell.clip for cell in plan("fig10", "tiny", clips, seeds=(0, 1, 2, 3))}) == 1
    assert len({cell.clip for cell in plan("table1", "tiny", clips)}) == 2
    assert len({cell.clip for cell in plan("table1", "tiny", clips, named=True)}) == 3
    assert len({cell.name for cell in windows}) == len(windows)


@pytest.mark.parametrize("name", PAPERS)
def test_settings_of_the_papers_methods_are_those_they_read(name: str) -> None:
    fields = Cell("a", name, 0, "paper").settings(30)["fields"]
    assert set(fields) == {"carries", "learns", "network", "loss", "schedule", "fit"}


def test_a_canvas_is_among_the_settings_of_the_method_that_has_one() -> None:
    fast, carry = (set(Cell("a", name, 0, "paper").settings(30)["fields"]) for name in (MOVES, "carry"))
    assert fast - {"carries", "learns", "network", "loss", "schedule", "fit"} == {"canvas", "carry"}
    assert "canvas" not in carry


def test_no_method_has_more_updates_than_by_itself() -> None:
    cell = Cell("blackswan+breakdance", MOVES, 0, "medium")
    assert cell.updates(30) == n_steps(30, METHODS[MOVES].schedule) == 300
    assert method_at(MOVES, cell.budget, 30) == METHODS[MOVES]
    said = caption(
        "x",
        [
            {**line(name, cell.clip), "scale": "medium", "updates": of}
            for name, of in ((MOVES, 300), ("dip-vid", 10_000))
        ],
    )
    assert "10000 updates" in said
    assert "moves with the picture (ours): 300, its whole schedule" in said
    assert "DIP-Vid:" not in said
    few = replace(SCALES["medium"], updates=40, steps_per_batch=2)
    assert n_steps(30, method_at(MOVES, few, 30).schedule) >= 40


# Running


def test_a_metric_may_be_asked_for_by_its_old_name() -> None:
    assert choose_metrics(["learned_psnr_db"]) == (("made_up_psnr_db",), ())


def test_table1_through_files_and_again(
    shots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = f"reproduce table1 --scale tiny --data {shots} -o {tmp_path / 'out'} --workers 2 --clips empty-a+ball-b"
    end = f"--metrics {' '.join(FAST)}"
    assert cli.run(f"{begin} --methods dip carry {end}".split()) == 0
    assert "carry: hole PSNR" in capsys.readouterr().err
    words = f"{begin} --methods dip dip-vid-flow carry {end}"
    with monkeypatch.context() as patch:  # one more, which needs no process of its own to be seen here
        patch.setattr(running, "_here", _in_this_process)
        assert cli.run(words.split()) == 0
    said = capsys.readouterr()
    assert "| DIP-Vid-Flow |" in said.out
    assert said.err.count("hole PSNR") == said.err.count("dip-vid-flow: hole PSNR") == 1
    lines = read_results(tmp_path / "out/results.jsonl")
    assert {line["method"] for line in lines} == {"dip", "dip-vid-flow", "carry"}
    for line in lines:
        assert line["seconds"] > 0
        assert line["peak_memory_mb"] > 50
        assert line["torch"] == torch.__version__
        assert line["settings"]["size"] == [48, 96]
        assert set(line["metrics"]) == set(FAST)
    assert {line["updates"] for line in lines} == {4, 16, None}  # DIP: two of each of eight frames
    by_hand = resized(next(each_composed(shots)), (48, 96), 8)
    with np.load(tmp_path / "out/plates/tiny_empty-a+ball-b_carry_seed0.npz") as plate:
        frames = torch.from_numpy(plate["frames"]).permute(0, 3, 1, 2) / 255
    measured = next(line["metrics"] for line in lines if line["method"] == "carry")
    assert measured["hole_psnr_db"] == pytest.approx(psnr_db(frames, by_hand.truth, by_hand.clip.hole))
    assert torch.equal(frames[by_hand.clip.known.expand_as(frames)].round(decimals=2), _known(by_hand))

    before = (tmp_path / "out/results.jsonl").read_bytes()
    plates = {path: path.stat().st_mtime_ns for path in (tmp_path / "out/plates").iterdir()}
    assert cli.run(words.split()) == 0
    assert "hole PSNR" not in capsys.readouterr().err
    assert (tmp_path / "out/results.jsonl").read_bytes() == before
    # Another metric is measured on what was made, which is not made again.
    monkeypatch.setattr(running, "_here", _in_this_process)
    assert cli.run([*words.removesuffix(" ".join(FAST)).split(), "hole_ssim"]) == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out/plates").iterdir()} == plates
    assert all({"hole_ssim", *FAST} == set(line["metrics"]) for line in read_results(tmp_path / "out/results.jsonl"))


def _known(composed: Any) -> torch.Tensor:
    frames = (composed.clip.frames * 255).round() / 255
    return frames[composed.clip.known.expand_as(frames)].round(decimals=2)


def test_killed_and_run_again(shots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [sys.executable, "-m", "cleanplate", "reproduce", "table1", "--scale", "tiny", "--data", str(shots)]
    words += ["--output", str(tmp_path), "--methods", "dip-vid", "carry", "--metrics", "psnr_db"]
    results = tmp_path / "results.jsonl"
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        for _ in range(1200):
            if results.is_file() or first.poll() is not None:
                break
            time.sleep(0.1)
        children = Path(f"/proc/{first.pid}/task/{first.pid}/children")
        workers = [int(pid) for pid in children.read_text().split()] if children.is_file() else []
        first.kill()
    done = results.read_text().splitlines()
    assert 1 <= len(done) < 4
    for _ in range(100):  # what it started ends with it
        if not any(Path(f"/proc/{pid}").exists() for pid in workers):
            break
        time.sleep(0.1)
    else:
        pytest.fail(f"{workers} are still running")
    monkeypatch.setattr(running, "_here", _in_this_process)
    assert cli.run(words[3:]) == 0
    assert results.read_text().splitlines()[: len(done)] == done
    assert len(read_results(results)) == 4


@pytest.mark.slow
def test_on_ray(shots: Path, tmp_path: Path) -> None:
    """A cluster of two workers on this machine makes what is made here; test_batch has what a cluster does always."""
    words = [sys.executable, "-m", "cleanplate", "reproduce", "table2", "--scale", "tiny", "--data", str(shots)]
    words += ["--methods", "telea", "carry", "--metrics", "psnr_db", "--clips", "empty-a+ball-b"]
    words += ["--workers", "2", "--output", str(tmp_path / "ray"), "--on", "ray"]
    subprocess.run(words, check=True, capture_output=True, timeout=300)
    lines = {line["method"]: line for line in read_results(tmp_path / "ray/results.jsonl")}
    assert set(lines) == {"telea", "carry"}
    composed = resized(next(each_composed(shots)), (48, 96), 8)
    painted = BASELINES["telea"](composed.clip.frames, composed.clip.hole)
    assert lines["telea"]["metrics"]["psnr_db"] == pytest.approx(psnr_db(painted, composed.truth))
    assert (tmp_path / "ray/table2.md").is_file()


@pytest.mark.usefixtures("in_this_process")
def test_a_line_counts_only_for_the_same_settings(shots: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "scale": "tiny",
        "methods": ["telea"],
        "metrics": ["psnr_db"],
        "clips": [],
        "seeds": (0,),
    }
    reproduce("table2", shots, tmp_path, **options)
    lines = read_results(tmp_path / "results.jsonl")
    cell = Cell("empty-a+ball-b", "telea", 0, "tiny")
    pair = identified(shots, read_pairs(shots)[0])
    assert find_line(lines, cell, pair, 8, ["psnr_db"]) == lines[0]
    assert find_line(lines, cell, pair, 8, ["ssim"]) is None
    assert find_line(lines, cell, pair, 9, ["psnr_db"]) == lines[0]  # no more than the scale has
    assert find_line(lines, cell, pair, 7, ["psnr_db"]) is None
    assert measured_with(cell, "consistency_ssim").endswith(", 12 px within 5 px")  # it is not the same with others
    assert find_line(lines, cell, pair | {"object": "ball-a"}, 8, ["psnr_db"]) is None
    assert find_line(lines, Cell("empty-a+ball-b", "telea", 1, "tiny"), pair, 8, ["psnr_db"]) is None
    assert find_line([{**lines[0], "settings": {}}], cell, pair, 8, ["psnr_db"]) is None
    other_code = lines[0]["settings"] | {"code": "0"}
    assert find_line([{**lines[0], "settings": other_code}], cell, pair, 8, ["psnr_db"]) is None
    assert find_line([{**lines[0], "measured_with": "0"}], cell, pair, 8, ["psnr_db"]) is None
    assert find_line([{k: v for k, v in lines[0].items() if k != "measured_with"}], cell, pair, 8) is None
    for name in ("psnr_db", "complexity"):
        other_metric = lines[0]["measured_with"] | {name: "0"}
        assert find_line([{**lines[0], "measured_with": other_metric}], cell, pair, 8, ["psnr_db"]) is None
    # A metric whose code has changed does not count, nor does one that is no more; others do.
    more = {"metrics": {"psnr_db": 1.0, "ssim": 0.5, "gone": 2.0}}
    more["measured_with"] = lines[0]["measured_with"] | {"ssim": "0", "gone": "0"}
    found = find_line([{**lines[0], **more}], cell, pair, 8, ["psnr_db"])
    assert found is not None
    assert found["metrics"] == {"psnr_db": 1.0}


@pytest.mark.usefixtures("in_this_process")
def test_a_clip_that_cannot_be_used_is_named_before_any_is_run(
    shots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = shutil.copytree(shots, tmp_path / "data")
    for mask in sorted((data / "davis/masks/ball-a").iterdir())[:6]:  # it comes into the picture later
        cv2.imwrite(str(mask), np.zeros((64, 96, 3), np.uint8))
    options: dict[str, Any] = {"methods": ["telea"], "metrics": ["psnr_db"]}
    monkeypatch.setitem(SCALES, "tiny", replace(SCALES["tiny"], n_frames=6))
    for scale, said in (("tiny", r"first 6 frames of empty-b\+ball-a"), ("small", r"empty-a\+ball-b is 96x48; 192x96")):
        with pytest.raises(InputError, match=said):
            reproduce("table2", data, tmp_path / scale, scale=scale, **options)
        assert read_results(tmp_path / scale / "results.jsonl") == []
    reproduce("table2", data, tmp_path / "tiny", scale="tiny", clips=["empty-a+ball-b"], **options)


@pytest.mark.usefixtures("in_this_process")
def test_other_pixels_in_the_same_files_are_another_clip(shots: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(shots, data)
    options: dict[str, Any] = {"scale": "tiny", "methods": ["telea"], "metrics": ["psnr_db"]}
    reproduce("table2", data, tmp_path, **options)
    before = read_results(tmp_path / "results.jsonl")
    first = sorted((data / "davis/frames/empty-a").iterdir())[0]
    shutil.copy(data / "davis/frames/empty-b" / first.name, first)
    reproduce("table2", data, tmp_path, **options)
    after = {line["clip"]: line["metrics"] for line in read_results(tmp_path / "results.jsonl")}
    same = {line["clip"]: line["metrics"] == after[line["clip"]] for line in before}
    assert same == {"empty-a+ball-b": False, "empty-b+ball-a": True}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this package's sources, to be edited."""
    package = tmp_path_factory.mktemp("sources") / "cleanplate"
    return shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))


OURS, FILLERS = {"carry", LEARNS, MOVES}, {"telea", "navier-stokes", "temporal-median"}


@pytest.mark.parametrize(
    ("path", "voided"),
    [
        *((path, set()) for path in ("track/tracker.py", "studio/server.py", "video/reader.py", "runtime/threads.py")),
        ("runtime/chance.py", {"newson", "huang", LEARNS}),
        *((path, set()) for path in ("config.py", "weights.py", "experiments/report.py", "metrics/consistency.py")),
        ("carry/trajectories.py", OURS | {"huang"}),
        ("paper/network.py", {*PAPERS, LEARNS, MOVES}),
        ("paper/places.py", {MOVES}),
        ("unseen/shifts.py", {LEARNS}),
        ("imaging/warp.py", {*PAPERS, *OURS, "wang"}),
        ("imaging/homography.py", OURS | {"huang"}),
        ("imaging/visualise.py", set()),
        ("baselines/fillers.py", FILLERS),
        ("baselines/volume.py", {"newson", "huang"}),
        ("baselines/newson.py", {"newson"}),
        ("baselines/yu.py", {"yu"}),
        ("baselines/wang/network.py", {"wang"}),
        ("baselines/wang/train.py", set()),
        ("unseen/painters.py", {"yu", LEARNS}),
        ("experiments/features.py", {"dip-vid-flow with features"}),
        *((path, {*PAPERS, *OURS, *BASELINES}) for path in ("experiments/make.py", "data/compose.py")),
        *((path, {*PAPERS, *OURS, *BASELINES}) for path in ("video/masks.py", "video/resize.py")),
    ],
)
def test_what_is_made_depends_on_the_code_that_its_method_runs_through(
    path: str, voided: set[str], sources: Path
) -> None:
    methods = {name: (name, False) for name in (*METHODS, *BASELINES)}
    methods |= {"dip-vid-flow with features": ("dip-vid-flow", True)}

    def digests() -> dict[str, str]:
        of = code_digest.__wrapped__
        return {name: of(method, features=features, package=sources) for name, (method, features) in methods.items()}

    if "dip-vid-flow" in voided:
        voided = voided | {"dip-vid-flow with features"}
    assert _changed(digests, sources / path) == voided


@pytest.mark.parametrize(
    ("path", "voided"),
    [
        ("metrics/consistency.py", {"consistency_psnr_db", "consistency_ssim", "warp_error", "hole_warp_error"}),
        ("metrics/complexity.py", {"complexity"}),
        ("metrics/__init__.py", set(DEFINED_IN)),
        ("experiments/cells.py", {"generated_known_psnr_db", "generated_known_ssim"}),
        ("metrics/deep.py", {"fid", "frechet_vgg16", "lpips", "hole_lpips"}),
        ("metrics/fidelity.py", {*METRICS, "generated_known_psnr_db", "generated_known_ssim"}),
        ("imaging/warp.py", {"consistency_psnr_db", "consistency_ssim", "warp_error", "hole_warp_error", "complexity"}),
        ("paper/perceptual.py", {"fid", "frechet_vgg16", "lpips", "hole_lpips"}),
        *((path, set()) for path in ("paper/fit.py", "carry/motion.py", "track/tracker.py", "experiments/make.py")),
    ],
)
def test_what_is_measured_depends_on_the_code_of_its_metric(path: str, voided: set[str], sources: Path) -> None:
    def digests() -> dict[str, str]:
        return {name: measuring_digest.__wrapped__(name, package=sources) for name in DEFINED_IN}

    assert _changed(digests, sources / path) == voided


def test_an_import_from_outside_may_move_and_one_of_what_makes_pixels_may_not(sources: Path) -> None:
    def moved(path: str, old: str, new: str) -> bool:
        file = sources / path
        before, content = code_digest.__wrapped__("dip-vid", package=sources), file.read_text()
        assert old in content
        file.write_text(content.replace(old, new))
        after = code_digest.__wrapped__("dip-vid", package=sources)
        file.write_text(content)
        return before != after

    assert not moved(
        "paper/fit.py", "from cleanplate.runtime.options import", "from cleanplate.runtime.elsewhere import"
    )
    assert moved("paper/fit.py", "from cleanplate.paper.losses import", "from cleanplate.paper.model import")


def _changed(digests: Callable[[], dict[str, str]], path: Path) -> set[str]:
    """What an edit of a file changes; to word it anew changes nothing."""
    before, content = digests(), path.read_text()
    tree = ast.parse(content)
    assert ast.get_docstring(tree) is not None
    worded = re.sub(r'"""(?=\S)', '"""Reworded. ', content) + "\n\n# And a remark.\n"
    try:
        path.write_text(worded)
        assert digests() == before
        path.write_text(content + "\nEDITED = True\n")
        after = digests()
    finally:
        path.write_text(content)
    return {name for name in before if before[name] != after[name]}


def test_imports_are_followed_wherever_and_however_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    modules = {
        "a/__init__.py": "from . import late\n",
        "a/start.py": "from cleanplate.a import one, two as second\nimport cleanplate.b.elsewhere\nimport os\n",
        "a/one.py": "def f():\n    from .inner import g\n    return g\n",
        "a/two.py": "from cleanplate import a, errors\n",
        "a/inner.py": "import cleanplate.a.start  # a circle\n",
        "a/late.py": "",
        "a/never.py": "",
        "b/elsewhere.py": "import cleanplate.a.never\n",
    }
    for name, text in modules.items():
        (tmp_path / name).write_text(text)
    found = reached_from({"cleanplate.a.start"}, ["a"], tmp_path)
    assert found == {f"cleanplate.a{name}" for name in (".start", ".one", ".two", ".inner", ".late", "")}


@pytest.mark.usefixtures("in_this_process")
def test_a_folder_is_of_one_run_at_a_time(shots: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"scale": "tiny", "methods": ["telea"], "metrics": ["psnr_db"]}
    with FileLock(tmp_path / ".lock"), pytest.raises(InputError, match="in use by another run"):
        reproduce("table2", shots, tmp_path, **options)
    assert not (tmp_path / "results.jsonl").exists()
    reproduce("table2", shots, tmp_path, **options)
    assert len(read_results(tmp_path / "results.jsonl")) == 2


@pytest.mark.usefixtures("in_this_process")
def test_what_is_broken_is_made_again(shots: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "scale": "tiny",
        "methods": ["telea"],
        "metrics": ["psnr_db"],
        "clips": ["empty-a+ball-b"],
    }
    reproduce("table2", shots, tmp_path, **options)
    done = read_results(tmp_path / "results.jsonl")
    (plate,) = (tmp_path / "plates").iterdir()
    good = plate.read_bytes()
    middle = len(good) // 2
    for content in (b"", b"PK", b"text", good[:200], good[:middle] + bytes(50) + good[middle + 50 :]):
        plate.write_bytes(content)
        (tmp_path / "results.jsonl").unlink()
        reproduce("table2", shots, tmp_path, **options)
        again = read_results(tmp_path / "results.jsonl")
        assert [line["metrics"] for line in again] == [line["metrics"] for line in done]


@pytest.mark.usefixtures("in_this_process")
def test_a_figure_makes_again_what_is_lost(shots: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"scale": "tiny", "methods": ["carry"], "metrics": ["psnr_db"]}
    reproduce("fig5", shots, tmp_path, **options)
    (plate,) = (tmp_path / "plates").iterdir()
    settings = read_results(tmp_path / "results.jsonl")[0]["settings"]
    made, record = load_plate(plate, settings)
    assert made is not None
    for spoil in (plate.unlink, lambda: plate.write_bytes(b"PK"), lambda: save_plate(plate, {}, made, record)):
        spoil()
        _check_figure("fig5", reproduce("fig5", shots, tmp_path, **options))
        assert load_plate(plate, settings)[0] is not None


LOOKED_INTO = Cell("empty-a+ball-b", "dip-vid-flow", 0, "tiny", evaluations=20, features=True)


@pytest.fixture(scope="module")
def run_alone(shots: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Cell], tuple[Path, dict]]:
    """The folder and the line of a cell that nothing ends; each is run once."""

    @cache
    def run(cell: Cell) -> tuple[Path, dict]:
        out = tmp_path_factory.mktemp("alone")
        return out, run_cell(cell, data=shots, out=out, metrics=FAST, device="cpu")

    return run


@pytest.mark.usefixtures("on_one_thread")
@pytest.mark.parametrize(
    ("cell", "ended"),
    [
        (Cell("empty-a+ball-b", "dip-vid-flow", 0, "tiny", window=5, evaluations=1), "before its plate is saved"),
        (Cell("empty-a+ball-b", "dip-vid-flow", 0, "tiny", window=5, evaluations=1), "before its first fit is done"),
        (Cell("empty-a+ball-b", "dip", 0, "tiny"), "before its first fit is done"),
        (LOOKED_INTO, "before its plate is saved"),
        (LOOKED_INTO, "before its first fit is done"),
    ],
)
def test_a_cell_ended_between_its_last_step_and_its_line(
    cell: Cell,
    ended: str,
    shots: Path,
    run_alone: Callable[[Cell], tuple[Path, dict]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    if cell.features:
        request.getfixturevalue("weights")
    options: dict[str, Any] = {"data": shots, "metrics": FAST, "device": "cpu"}
    out, alone = run_alone(cell)
    (tmp_path / "ended").mkdir()
    save = WorkDir.save_tensors

    def end(*_: Any) -> None:
        raise KeyboardInterrupt

    def end_before_done(self: WorkDir, name: str, state: Any) -> None:
        end() if name.endswith("-done") else save(self, name, state)

    with monkeypatch.context() as patch:
        if "plate" in ended:
            patch.setattr(cells, "save_plate", end)
        else:
            patch.setattr(WorkDir, "due", lambda self: self.folder is not None)  # after every step
            patch.setattr(WorkDir, "save_tensors", end_before_done)
        with pytest.raises(KeyboardInterrupt):
            run_cell(cell, out=tmp_path / "ended", **options)
    again = run_cell(cell, out=tmp_path / "ended", **options)
    assert again["metrics"] == alone["metrics"]
    assert again["updates"] == alone["updates"] is not None
    plates = [plate_path(folder, cell) for folder in (out, tmp_path / "ended")]
    with np.load(plates[0]) as one, np.load(plates[1]) as other:
        arrays = [name for name in one.files if name not in ("settings", "record")]
        assert len(arrays) == (9 if cell.features else 3 if cell.window else 2)
        assert all(np.array_equal(one[name], other[name]) for name in arrays)
    left = [path for path in (tmp_path / "ended").rglob("work/*/*") if path.name != "steps.jsonl"]
    assert left == []


@pytest.mark.usefixtures("on_one_thread")
def test_pieces_that_are_done_are_not_learned_again(
    shots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = Cell("empty-a+ball-b", "dip-vid-flow", 0, "tiny", window=3, evaluations=1)
    options: dict[str, Any] = {"data": shots, "out": tmp_path, "metrics": ["psnr_db"], "device": "cpu"}
    updates, begun, update, inpaint = [], [], Model.update, make.inpaint

    def counted(*args: Any) -> None:
        updates.append(args)
        update(*args)

    def ends_at_the_third(*args: Any, **others: Any) -> Any:
        begun.append(args)
        if len(begun) == 3:
            raise KeyboardInterrupt
        return inpaint(*args, **others)

    monkeypatch.setattr(Model, "update", counted)
    monkeypatch.setattr(make, "inpaint", ends_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        run_cell(cell, **options)
    line = run_cell(cell, **options)
    assert len(updates) == line["updates"]


@pytest.mark.usefixtures("on_one_thread")
@pytest.mark.parametrize("other", ["clip", "method"])
def test_a_figure_goes_on_with_nothing_that_another_clip_or_method_has_begun(
    other: str, shots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channels, real, updates = [(4, 4)], Model.update, []

    def ends_at_the_third(*args: Any) -> None:
        updates.append(args)
        if len(updates) == 3:
            raise KeyboardInterrupt
        real(*args)

    def small(*args: Any) -> Method:
        method = method_at(*args)
        return replace(method, network=replace(method.network, channels=channels[-1]))

    monkeypatch.setattr(make, "method_at", small)
    monkeypatch.setattr(make, "similarities", lambda *_: {})
    monkeypatch.setattr(Model, "update", ends_at_the_third)
    monkeypatch.setattr(WorkDir, "due", lambda self: self.folder is not None)  # after every step
    clips = [resized(composed, (48, 96), 8) for composed in each_composed(shots)]
    with pytest.raises(KeyboardInterrupt):
        make.make(LOOKED_INTO, clips[0], tmp_path, "cpu")
    channels.append((4, 8) if other == "method" else channels[0])
    make.make(LOOKED_INTO, clips[other == "clip"], tmp_path, "cpu")
    assert len(updates) == 3 + 4


@pytest.mark.usefixtures("on_one_thread")
@pytest.mark.parametrize("spoil", ["*.pt", "run.json"])
def test_a_cell_whose_work_is_broken_begins_anew(
    spoil: str, shots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = Cell("empty-a+ball-b", "dip-vid", 0, "tiny")
    options: dict[str, Any] = {"data": shots, "out": tmp_path, "metrics": ["psnr_db"], "device": "cpu"}

    def end(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cells, "save_plate", end)
        with pytest.raises(KeyboardInterrupt):
            run_cell(cell, **options)
    for path in (spoilt := list(tmp_path.glob(f"work/*/{spoil}"))):
        path.write_bytes(path.read_bytes()[:100])
    assert spoilt
    assert run_cell(cell, **options)["updates"] == 4


@pytest.mark.usefixtures("on_one_thread")
def test_known_pixels_as_generated_are_those_of_frames_that_were_learned(
    shots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing is hidden there is no network: its frames are the input's, and would count as exact."""

    def hidden_in_four(*args: Any) -> Any:
        made = resized(*args)
        frames, hole = made.clip.frames.clone(), made.clip.hole.clone()
        frames[4:], hole[4:] = made.truth[4:], False
        return replace(made, clip=replace(made.clip, frames=frames, hole=hole))

    monkeypatch.setattr(cells, "resized", hidden_in_four)
    cell = Cell("empty-a+ball-b", "dip-vid-flow", 0, "tiny", window=1, evaluations=1)
    values = run_cell(cell, data=shots, out=tmp_path, metrics=["psnr_db"], device="cpu")["metrics"]
    assert 5 < values["generated_known_psnr_db"] < 40
    assert values["generated_known_ssim"] < 0.9


def test_memory_is_counted_from_where_the_method_begins(tmp_path: Path) -> None:
    before = cells.memory_before_mb()
    if before is None:
        pytest.skip("this system does not let its peak be begun anew")
    held = np.ones(200 * 2**17)  # 200 MB
    assert held[0] == 1
    assert (cells.peak_memory_mb() or 0) - before == pytest.approx(200, abs=40)
    del held
    assert cells.memory_before_mb() == pytest.approx(before, abs=40)
    assert cells.peak_memory_mb() == pytest.approx(before, abs=40)


@pytest.mark.usefixtures("in_this_process")
def test_results_made_elsewhere_are_a_row(shots: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    truths = {composed.name: resized(composed, (48, 96), 8) for composed in each_composed(shots)}
    for name, composed in truths.items():
        # Known pixels of another program's output do not count: only its fill is taken.
        spoilt = torch.where(composed.clip.hole, (composed.truth + 10 / 255).clamp(0, 1), 0.0)
        write_video(theirs / name, spoilt)
    options: dict[str, Any] = {"scale": "tiny", "metrics": ["psnr_db", "hole_psnr_db", "ssim"]}
    written = reproduce("table2", shots, tmp_path, methods=["theirs"], external=[f"theirs={theirs}"], **options)
    row = next(row for row in _csv(written[2]) if row[0] == "theirs")
    header = _csv(written[2])[0]
    expected = [
        psnr_db(torch.where(c.clip.hole, ((c.truth * 255 + 10).clamp(0, 255).round()) / 255, c.clip.frames), c.truth)
        for c in truths.values()
    ]
    assert float(row[header.index("all: PSNR")]) == pytest.approx(statistics.fmean(expected), abs=0.02)
    papers = next(row for row in _csv(written[2]) if row[0] == TITLES["wang"])
    assert float(papers[header.index("paper, all: PSNR")]) == 26.0
    # Other files under the same name are measured again.
    for name, composed in truths.items():
        write_video(theirs / name, composed.truth)
    written = reproduce("table2", shots, tmp_path, methods=["theirs"], external=[f"theirs={theirs}"], **options)
    row = next(row for row in _csv(written[2]) if row[0] == "theirs")
    assert float(row[header.index("all: PSNR")]) > 45


class Red(Lama):
    """Does the same, and is another file."""


@pytest.mark.usefixtures("in_this_process")
def test_a_network_of_the_users_has_a_row_that_says_whose_it_is(shots: Path, tmp_path: Path) -> None:
    path = saved(tmp_path, Lama())
    words = f"reproduce table1 --scale tiny --data {shots} -o {tmp_path / 'out'} --methods yu --metrics psnr_db"
    words += f" --clips empty-a+ball-b --unseen.painter {path} --unseen.painter-kind lama"
    assert cli.run(words.split()) == 0
    (made,) = read_results(tmp_path / "out/results.jsonl")
    painter = made["settings"]["painter"]
    assert painter == {"file": "lama.pt", "md5": hashlib.md5(Path(path).read_bytes()).hexdigest(), "kind": "lama"}
    title = f"Yu et al. [48], with the user's lama.pt (md5 {painter['md5'][:8]})"
    assert [row[0] for row in _csv(tmp_path / "out/table1.csv")][1:] == [title]
    with np.load(tmp_path / "out/plates/tiny_empty-a+ball-b_yu_seed0.npz") as plate:
        hole = resized(next(each_composed(shots)), (48, 96), 8).clip.hole[:, 0].numpy()
        assert {tuple(colour) for colour in plate["frames"][hole]} == {(204, 0, 0)}
    # Another network is another result.
    saved(tmp_path, Red())
    Path(tmp_path / "red.pt").replace(path)
    assert cli.run(words.split()) == 0
    (again,) = read_results(tmp_path / "out/results.jsonl")
    assert again["settings"]["painter"]["md5"] != painter["md5"]


def test_without_a_network_it_is_a_row_without_numbers() -> None:
    assert not [cell for name in ("table1", "table2") for cell in plan(name, "small", ["a"]) if cell.method == "yu"]
    cells = plan("table1", "small", ["a"], unseen=UnseenConfig(painter="mine.pt"))
    assert [cell.method for cell in cells if cell.unseen.painter] == ["yu"]
    for name, table in (("table1", table1), ("table2", table2)):
        rows = dict(table([line("carry", "a", psnr_db=30.0)], methods_of(name)).rows)
        numbers = rows["Yu et al. [48]: no weights were given"]
        assert numbers[0].value is None
        assert rows[TITLES["carry"]][0].value == 30
        assert TITLES["huang"] in rows


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("table1 --scale tiny --data {shots} --methods yu", "yu is given no network"),
        ("table1 --scale tiny --data {shots} --unseen.painter none.pt", "none.pt"),
        ("table1 --scale tiny --data {shots} --methods wang", "wang is given no network"),
        ("table1 --scale tiny --data {shots} --wang none.pt", "none.pt"),
        ("table1 --scale tiny --data {shots} --external wang=.", "a name of its own"),
        ("table1 --scale tiny --data nowhere", "there is no folder nowhere"),
        ("table1 --scale tiny --data .", "there is no file composed.json"),
        ("table1 --scale tiny --data {shots} --metrics psnr", "did you mean 'psnr_db'"),
        ("table1 --scale tiny --data {shots} --metrics fid", "the weights of inception"),
        ("table1 --scale tiny --data {shots} --methods telea", "table1 has no method 'telea'"),
        ("table1 --scale tiny --data {shots} --clips none", "no pair is named none"),
        ("table1 --scale tiny --data {shots} --workers 0", "workers 0"),
        ("table1 --scale tiny --data {shots} --external theirs", "NAME=DIR is needed"),
        ("table1 --scale tiny --data {shots} --external theirs=nowhere", "there is no folder nowhere"),
        ("table1 --scale tiny --data {shots} --external carry=.", "a name of its own"),
        ("table2 --scale tiny --data {shots} --external theirs=. --methods theirs", "has no empty-a+ball-b"),
        ("table1 --scale tiny --data {shots} --output cut", "line 2 of cut/results.jsonl is broken"),
        ("table1 --scale tiny --data {shots} --output other", "line 2 of other/results.jsonl is broken"),
        ("table1 --scale tiny --data {shots} --output odd", "seed is 'x'"),
        ("table1 --scale tiny --data {shots} --output hard", "line 2 of hard/results.jsonl is broken"),
        ("table1 --scale tiny --data {shots} --output text", "metrics.ssim is 'x'"),
        ("table1 --scale tiny --data {shots} --output endless", "line 2 of endless/results.jsonl is broken"),
        ("table1 --scale tiny --data {shots} --output truth", "seed is True"),
        ("fig5 --scale tiny --data {shots} --clips empty-a+ball-b empty-b+ball-a", "fig5 shows one"),
        ("fig8 --scale tiny --data {shots} --seeds 0 1", "fig8 shows one"),
        ("table1 --scale tiny --data {shots} --output folder", "folder/results.jsonl is a folder"),
        ("table2 --scale tiny --data {shots} --external a/b=.", "a name of its own"),
        (
            "table1 --scale tiny --data {shots} --methods dip-vid --seeds 9223372036854775808",
            "the seed is 9223372036854775808",
        ),
        ("table1 --scale small --data {shots} --methods dip-vid-flow", "the weights of vgg16"),
        ("table1 --scale tiny --data {shots} --device tpu", "the device 'tpu' is not available"),
        ("table1 --scale huge --data {shots}", "huge"),
        ("table9 --scale tiny --data {shots}", "table9"),
    ],
)
def test_bad_input_is_one_line(
    words: str,
    said: str,
    shots: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLEANPLATE_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    good = {"clip": "a", "method": "dip", "seed": 0, "scale": "tiny", "settings": {}, "metrics": {}}
    good |= {"complexity": {"total": 0.1}}
    good |= {"n_frames": 8, "looks": 0, "features": False, "window": None, "seconds": 1.0}
    bad = {"cut": '{"clip": "a", "meth', "other": "[1, 2]", "odd": json.dumps({**good, "seed": "x"})}
    bad |= {"hard": json.dumps({**good, "complexity": {}}), "text": json.dumps({**good, "metrics": {"ssim": "x"}})}
    bad |= {"endless": json.dumps({**good, "hole_share": float("inf")}), "truth": json.dumps({**good, "seed": True})}
    (tmp_path / "folder/results.jsonl").mkdir(parents=True)
    for name, second in bad.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.jsonl").write_text(f"{json.dumps(good)}\n{second}\n")
    refused(f"reproduce {words.format(shots=shots)}", said, capsys)


@pytest.mark.usefixtures("in_this_process")
def test_a_table_is_not_written_over_a_folder(shots: Path, tmp_path: Path) -> None:
    (tmp_path / "table2.md/mine").mkdir(parents=True)
    with pytest.raises(InputError, match="it is a folder"):
        reproduce("table2", shots, tmp_path, scale="tiny", methods=["telea"], metrics=["ssim"])
    assert (tmp_path / "table2.md/mine").is_dir()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "nonsense", "127.0.0.1:99999", "http://x"])
def test_a_cluster_that_is_not_there(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(InputError, match=f"Ray cannot be reached at {address}"):
        next(running._on_ray(lambda cell: {}, [CELL], 1, "cpu"))


CELL = Cell("a", "telea", 0, "tiny")


@pytest.mark.parametrize(
    ("device", "there", "asked"), [("auto", 2, 1), ("auto", 0, 0), ("cuda:0", 2, 1), ("cuda:0", 0, None), ("cpu", 2, 0)]
)
def test_a_task_asks_for_the_gpu_that_it_is_to_use(
    device: str, there: int, asked: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What starts a cluster does nothing here; a GPU that no machine has is not waited for."""

    def remote(**options: Any) -> None:
        raise InputError(f"{options['num_gpus']} asked for", "", "")

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    resources = {"CPU": 2.0, "GPU": float(there)}
    for name in ("init", "shutdown"):
        monkeypatch.setattr(ray, name, lambda *_, **__: None)
    monkeypatch.setattr(ray, "cluster_resources", lambda: resources)
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True, "Resources": resources}])
    monkeypatch.setattr(ray, "remote", remote)
    said = f"{asked} asked for" if asked is not None else "no machine of the Ray cluster has 1 CPU, 1 GPU"
    with pytest.raises(InputError, match=said):
        next(running._on_ray(lambda cell: {}, [CELL], 1, device))


def test_a_cell_that_is_lost_for_good_is_one_line() -> None:
    done = Report(CELL, "done", result={"clip": "a"})
    assert list(running._lines([Report(CELL, "lost", again=True), Report(CELL, "running"), done])) == [{"clip": "a"}]
    with pytest.raises(InputError, match=r"a run was ended by the system \(its worker was lost\)"):
        list(running._lines([Report(CELL, "lost", message="its worker was lost")]))


@pytest.mark.usefixtures("in_this_process")
def test_external_results_of_another_size(shots: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    write_video(tmp_path / "theirs/empty-a+ball-b.mkv", panning(8))
    options: dict[str, Any] = {
        "scale": "tiny",
        "metrics": ["psnr_db"],
        "methods": ["other"],
        "clips": ["empty-a+ball-b"],
    }
    with pytest.raises(InputError, match=r"has 8 frames of 96x64; 8 of 96x48 are compared at this scale"):
        reproduce("table2", shots, tmp_path, external=[f"other={tmp_path / 'theirs'}"], **options)


def _csv(path: Path) -> list[list[str]]:
    return list(csv.reader(path.read_text().splitlines()))


# Showing


def line(method: str, clip: str, *, seed: int = 0, complexity: float = 0.0, **metrics: Any) -> dict:
    where = {"machine": "one", "device": "cpu", "torch": "2", "commit": "abc", "n_frames": 24, "scale": "small"}
    where |= {"window": None, "looks": 0, "features": False}
    return {
        "method": method,
        "clip": clip,
        "seed": seed,
        "metrics": metrics,
        "complexity": {"total": complexity},
        **where,
    }


def test_means_are_over_clips_then_over_seeds() -> None:
    lines = [line("dip", clip, seed=seed, psnr_db=20 + seed + i) for seed in (0, 1) for i, clip in enumerate("abc")]
    number = mean(lines, "psnr_db")
    assert (number.value, number.deviation) == (21.5, pytest.approx(statistics.stdev([21, 22])))
    assert str(number) == "21.50 ± 0.71"
    assert (
        mean([line("dip", "a", carried_psnr_db=None), line("dip", "b", carried_psnr_db=3.0)], "carried_psnr_db").value
        == 3
    )
    assert str(mean([line("dip", "a", ssim=None)], "ssim")) == "-"


def test_results_of_earlier_versions_are_read_in_todays_words(tmp_path: Path) -> None:
    """The file in docs/results is one; nothing in it is written anew."""
    path = Path(shutil.copy(Path(__file__).parents[1] / "docs/results/results.jsonl", tmp_path))
    lines = read_results(path)
    assert len(lines) == 60
    assert all("made_up_psnr_db" in line["metrics"] and "learned_psnr_db" not in line["metrics"] for line in lines)
    number = mean([line for line in lines if line["method"] == "carry-learn"], "made_up_psnr_db")
    assert str(number) == "30.39"  # of docs/results/table1.md


def test_a_line_takes_the_place_of_its_cells_and_keeps_metrics_of_the_same_result() -> None:
    def made(settings: dict, **metrics: Any) -> dict:
        key = {"scale": "small", "window": None, "looks": 0, "features": False}
        return {
            **line("dip", "a", **metrics),
            **key,
            "settings": settings,
            "measured_with": dict.fromkeys(metrics, "0"),
        }

    old = [made({"x": 1}, psnr_db=1.0), {**made({"x": 1}), "clip": "b"}]
    assert added(old, made({"x": 1}, ssim=0.5))[1]["metrics"] == {"psnr_db": 1.0, "ssim": 0.5}
    assert added(old, made({"x": 1}, ssim=0.5))[1]["measured_with"] == {"psnr_db": "0", "ssim": "0"}
    assert added(old, made({"x": 2}, ssim=0.5))[1]["metrics"] == {"ssim": 0.5}
    assert len(added(old, made({"x": 2}))) == 2


def test_complex_and_simple_are_the_halves() -> None:
    lines = [
        line("carry", clip, complexity=value, psnr_db=10 * value)
        for clip, value in zip("abcd", (3, 1, 4, 2), strict=True)
    ]
    assert partition(lines) == ({"a", "c"}, {"b", "d"})
    assert partition([*lines, line("carry", "e", complexity=2.5)])[0] == {"a", "c", "e"}
    # Of another machine, whose last digit differs.
    assert partition([*lines, line("dip", "a", complexity=3 + 1e-9)]) == ({"a", "c"}, {"b", "d"})
    table = table2(lines, ["carry"])
    values = {title: number.value for title, number in zip(table.header[1:], table.rows[-1][1], strict=True)}
    assert values["all: PSNR"] == 25
    assert values["complex: PSNR"] == 35
    assert values["simple: PSNR"] == 15
    assert [title for title, _ in table.rows[:4]] == [TITLES[name] for name in ("yu", "wang", "newson", "huang")]
    assert "complex a, c; simple b, d" in table.caption


def test_table1_in_three_formats(tmp_path: Path) -> None:
    lines = [line("dip", "a", psnr_db=25.123, ssim=0.9, frechet_vgg16=1234.5, hole_warp_error=0.001)]
    lines += [line("carry", "a", psnr_db=40.0, ssim=0.99, frechet_vgg16=10.0, hole_warp_error=0.0)]
    written = write_table(table1(lines, ["dip", "carry"], ["Not measured: fid."]), tmp_path)
    text = {path.suffix: path.read_text() for path in written}
    assert (
        text[".md"].splitlines()[2] == "| DIP | 1234 | 25.12 | 0.900 | 0.00100 | 22.3 | 18.8 | 0.532 | 25.2 | 0.926 |"
    )
    assert "not FID" in text[".md"]
    assert "Not measured: fid" in text[".md"]
    assert "1000 updates of 5 frames" in text[".md"]
    assert "commit abc" in text[".md"]
    assert r"DIP & 1234 & 25.12" in text[".tex"]
    assert text[".tex"].count("&") == 3 * 9
    rows = [dict(zip(_csv(written[2])[0], row, strict=True)) for row in _csv(written[2])[1:]]
    assert float(rows[0]["PSNR"]) == 25.123
    assert rows[1]["paper: FID"] == ""
    assert "FID" in table1([line("dip", "a", fid=3.0)], ["dip"]).header


def test_the_caption_says_what_the_budget_was() -> None:
    windows = [{**line("dip-vid-flow", "a", psnr_db=1.0), "scale": "medium", "window": k} for k in (1, 5)]
    assert "2500 updates of 5 frames for all pieces" in caption("x", windows)
    assert "10000" not in caption("x", windows)
    longer = {**line("dip-vid-flow", "blackswan+breakdance"), "scale": "medium", "updates": 30_000}
    assert "on blackswan+breakdance: 30000" in caption("x", [longer])
    for looked_into in ({"looks": 20}, {"features": True}):  # it is the others' budget then: see `Cell.budget`
        assert "30000" not in caption("x", [{**longer, **looked_into, "updates": 10_000}])
    lines = [line("dip", "a", psnr_db=1.0)]
    assert "the paper's whole schedule" in caption("x", [{**lines[0], "scale": "paper"}])
    assert "no perceptual term" in caption("x", [{**lines[0], "scale": "tiny"}])
    assert "perceptual term on 1 frame" in caption("x", lines)


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("figure", ["fig5", "fig6", "fig7", "fig10"])
def test_figures(figure: str, shots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_windows = ["dip-vid-flow", MOVES]
    methods = {"fig5": ["dip", "carry"], "fig6": ["carry", "carry-learn"], "fig7": ["telea", "carry"]}.get(
        figure, of_windows
    )
    written = reproduce(figure, shots, tmp_path, scale="tiny", methods=methods, metrics=FAST)
    _check_figure(figure, written)
    if figure == "fig5":  # another picture of the same results
        before = (tmp_path / "results.jsonl").read_bytes()
        _check_figure("fig4", reproduce("fig4", shots, tmp_path, scale="tiny", methods=methods, metrics=FAST))
        assert (tmp_path / "results.jsonl").read_bytes() == before
    if figure == "fig10":
        made = read_results(tmp_path / "results.jsonl")
        assert [(line["window"], line["method"]) for line in made] == list(itertools.product([1, 5], of_windows))
        known = [line["metrics"]["generated_known_psnr_db"] for line in made]
        assert all(5 < value < 40 for value in known)
        # Of which the code has changed since: measured again, and nothing is made again.
        voided = [{**line, "measured_with": line["measured_with"] | dict.fromkeys(OF_PIECES, "0")} for line in made]
        write_records(tmp_path / "results.jsonl", voided)
        monkeypatch.setattr(cells, "make", lambda *_: pytest.fail("it is made again"))
        _check_figure(figure, reproduce(figure, shots, tmp_path, scale="tiny", methods=methods, metrics=FAST))
        assert read_results(tmp_path / "results.jsonl") == made


def test_a_figure_leaves_alone_what_it_shows(shots: Path) -> None:
    composed = resized(read_composed(shots, read_pairs(shots)[0]), (48, 96), 8)
    plate = {"frames": np.ascontiguousarray(all_samples(composed.truth))}
    before = plate["frames"].copy()
    fig4({"dip": plate, "carry": plate}, composed, [line("dip", "a", psnr_db=1.0)])
    np.testing.assert_array_equal(plate["frames"], before)


@pytest.mark.usefixtures("in_this_process", "weights")
def test_figures_8_and_9_look_into_one_run(shots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _check_figure("fig8", reproduce("fig8", shots, tmp_path, scale="tiny", metrics=FAST))
    with monkeypatch.context() as patch:
        patch.setattr(cells, "make", None)  # it has been
        _check_figure("fig9", reproduce("fig9", shots, tmp_path, scale="tiny", metrics=FAST))
    (path,) = (tmp_path / "plates").iterdir()
    with np.load(path) as plate:
        assert plate["evaluation_updates"].tolist() == [1, 2, 3, 4]
        assert plate["evaluation_frames"].shape == (4, 48, 96, 3)
        assert plate["evaluation_flows"].shape == (4, 2, 48, 96)
        row, column, patch_px = plate["reference"].tolist()
        assert patch_px == 8
        for name in ("similarity_ours", "similarity_vgg16"):
            assert plate[name].shape == (5, 6, 12)
            assert plate[name][2, row, column] == pytest.approx(1, abs=1e-5)
            assert plate[name].max() <= 1 + 1e-5
            assert plate[name].std() > 0.001


def _check_figure(name: str, written: list[Path]) -> None:
    assert [path.name for path in written] == [f"{name}.png", f"{name}.pdf"]
    assert written[0].read_bytes()[:4] == b"\x89PNG"
    assert written[1].read_bytes()[:4] == b"%PDF"
    assert written[0].stat().st_size > 5000


def test_the_reference_is_the_liveliest_known_patch() -> None:
    frame, hole = torch.full((3, 32, 48), 0.5), torch.zeros(1, 32, 48, dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)
    frame[:, 8:16, 8:16] = torch.rand(3, 8, 8, generator=generator)
    frame[:, 16:24, 32:40] = 0.5 + 0.1 * torch.rand(3, 8, 8, generator=generator)
    frame[:, :8, :8] = torch.rand(3, 8, 8, generator=generator) * 2  # at the border
    assert reference_patch(frame, hole, 8, (4, 6)) == (1, 1)
    hole[0, 10, 10] = True
    assert reference_patch(frame, hole, 8, (4, 6)) == (2, 4)


# Baselines


def test_every_baseline_has_its_row() -> None:
    assert tuple(BASELINES) == NAMES == tuple(name for name in methods_of("table2") if name in NAMES)


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_keep_the_known_and_never_see_the_hidden(name: str, tmp_path: Path) -> None:
    of = (
        saved_wang(tmp_path / "w.pt")
        if name == "wang"
        else UnseenConfig(painter=saved(tmp_path, Lama()), painter_kind="lama")
    )
    fill = filler(name, of, "cpu", 0)
    frames, hole = panning(6), walking_hole(6)
    filled = fill(frames, hole)
    assert torch.equal(filled[~hole.expand_as(frames)], frames[~hole.expand_as(frames)])
    other = torch.where(hole, torch.rand(frames.shape, generator=torch.Generator().manual_seed(0)), frames)
    assert torch.equal(fill(other, hole), filled)
    assert bool(filled.isfinite().all())


@pytest.mark.parametrize("name", sorted(FILLERS))
@pytest.mark.parametrize("lie", [0.9, float("nan")])
def test_simple_fillers_see_nothing_hidden_at_the_border_or_in_a_frame_that_is_all_hole(name: str, lie: float) -> None:
    frames, hole = panning(3), walking_hole(3)
    hole[0, :, :20, :30], hole[1, :, 40:, 50:] = True, True  # at a corner
    hole[2] = True
    filled = BASELINES[name](frames, hole)
    assert torch.equal(BASELINES[name](torch.where(hole, lie, frames), hole), filled)


def test_temporal_median_of_a_still_camera_is_the_truth() -> None:
    truth, hole = panning(1).expand(6, -1, -1, -1).contiguous(), walking_hole(6, step=10)
    assert torch.equal(BASELINES["temporal-median"](torch.where(hole, 0.9, truth), hole), truth)


def test_temporal_median_is_numpys_of_what_is_shown() -> None:
    rng = np.random.default_rng(0)
    frames, hole = rng.random((6, 3, 35, 20), np.float32), rng.random((6, 1, 35, 20)) < 0.4
    hole[0] = True
    hole[1] = False  # every pixel is shown once at least, and by an even number of frames as often as by an odd one
    made = BASELINES["temporal-median"](torch.from_numpy(frames), torch.from_numpy(hole)).numpy()
    expected = np.broadcast_to(np.nanmedian(np.where(hole, np.nan, frames), 0), frames.shape)
    np.testing.assert_allclose(made, np.where(hole, expected, frames), atol=1e-6)
