"""The network of Wang et al. [42], reduced: what it makes and of what, its file, its training, its commands."""

import csv
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cleanplate import METHODS, Cancelled, Clip, InputError, cli, inpaint, write_video
from cleanplate.baselines.wang import samples
from cleanplate.baselines.wang.fill import wang
from cleanplate.baselines.wang.network import FLOW_UNIT_PX, REACH, Generator, fit, next_frame, painted_over
from cleanplate.baselines.wang.samples import Footage, draw
from cleanplate.baselines.wang.settings import GeneratorConfig, TrainConfig, TrainLoss
from cleanplate.baselines.wang.train import Training, loss_terms, mean_difference, train
from cleanplate.baselines.wang.weights import Trained, load_weights, save_weights
from cleanplate.config import UnseenConfig
from cleanplate.experiments import run as running
from cleanplate.experiments.results import read_results
from cleanplate.imaging.warp import warp
from cleanplate.progress import Step
from cleanplate.runtime.work_dir import WorkDir
from tests.conftest import panning, refused, to_bytes, walking_hole

SMALL = GeneratorConfig(channels=(4, 8))
PLAIN = TrainLoss(perceptual=0)
CONFIG = TrainConfig(SMALL, PLAIN, size=(32, 48), lead=2, learning_rate=2e-3)
CPU = torch.device("cpu")


def network(config: GeneratorConfig = SMALL, seed: int = 0) -> Generator:
    made = Generator(config.channels, config.window, generator=torch.Generator().manual_seed(seed))
    return made.requires_grad_(False)


def saved(path: Path, made: Generator | None = None, size: tuple[int, int] = (64, 96), **about: Any) -> UnseenConfig:
    parameters = {name: value for name, value in (made or network()).state_dict().items()}
    save_weights(path, Trained(SMALL, parameters, {"size": list(size), "steps": 7, "clips": ["a"], **about}))
    return UnseenConfig(painter=str(path))


class Motion(nn.Module):
    """Says the same flow and the same mask everywhere."""

    def __init__(self, dx: float, dy: float, mask: float) -> None:
        super().__init__()
        self.said = (dx / FLOW_UNIT_PX, dy / FLOW_UNIT_PX, mask)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        return torch.tensor(self.said).view(1, 3, 1, 1).expand(len(features[0]), 3, *features[0].shape[2:])


ALL_WARPED, ALL_HALLUCINATED = -1e4, 1e4


# What it makes


@pytest.mark.parametrize("size", [(64, 96), (51, 45)])
def test_with_the_true_flow_what_the_last_frame_showed_is_there_exactly(size: tuple[int, int]) -> None:
    frames = panning(3, size, step=(3, 1)).unsqueeze(0)
    hole = torch.ones(1, 3, 1, *size, dtype=torch.bool)
    told = network()
    told.motion = Motion(3, 1, ALL_WARPED)  # type: ignore[assignment]
    made = next_frame(told, frames, hole, [frames[:, 0], frames[:, 1]])
    inner = (..., slice(0, -2), slice(0, -4))
    torch.testing.assert_close(made.made[inner], frames[:, 2][inner], atol=2e-5, rtol=0)
    assert float((made.made - frames[:, 2]).abs().max()) > 0.05  # what comes into the picture it cannot know


def test_the_mask_is_the_share_of_the_hallucinated() -> None:
    frames, hole = panning(2).unsqueeze(0), walking_hole(2).unsqueeze(0)
    told = network()
    for logit, share in ((ALL_WARPED, 0.0), (0.0, 0.5), (ALL_HALLUCINATED, 1.0)):
        told.motion = Motion(2, 0, logit)  # type: ignore[assignment]
        made = next_frame(told, frames, hole, [frames[:, 0]])
        expected = (1 - share) * warp(frames[:, 0], made.flow) + share * made.hallucinated
        torch.testing.assert_close(made.made, expected)
    told.motion = Motion(2, 0, ALL_WARPED)  # type: ignore[assignment]
    first = next_frame(told, frames, hole, [])
    assert torch.equal(first.made, first.hallucinated), "before the first frame there is nothing to warp"


def test_each_frame_comes_of_the_window_before_it(tmp_path: Path) -> None:
    frames, hole = panning(6), walking_hole(6)
    of = saved(tmp_path / "w.pt")
    made = wang(frames, hole, of)
    for changed, first in ((3, 3), (5, 5)):
        other = frames.clone()
        other[changed] = 1 - other[changed]
        again = wang(other, hole, of)
        assert torch.equal(again[:first], made[:first]), "no frame hangs on a later one"
        assert not torch.equal(again[first][hole[first].expand(3, -1, -1)], made[first][hole[first].expand(3, -1, -1)])
    # A frame may be made of the last of the window alone, as `wang` does.
    generator, results = network(), [one.unsqueeze(0) for one in made[:4]]
    whole = next_frame(generator, frames[None, :5], hole[None, :5], results).made
    part = next_frame(generator, frames[None, 2:5], hole[None, 2:5], results[2:]).made
    assert torch.equal(whole, part)
    before = next_frame(generator, frames[None, 2:5], hole[None, 2:5], [1 - one for one in results[2:]]).made
    assert not torch.equal(before, part), "what was made before is looked at"


@pytest.mark.parametrize("size", [(64, 96), (130, 190)])
def test_known_pixels_stay_and_hidden_ones_are_never_seen(size: tuple[int, int], tmp_path: Path) -> None:
    frames, hole = panning(5, size), walking_hole(5, size)
    hole[2] = False
    of = saved(tmp_path / "w.pt")
    made = wang(frames, hole, of)
    known = ~hole.expand_as(frames)
    assert torch.equal(made[known], frames[known])
    assert torch.equal(made[2], frames[2])
    assert bool((made[~known] != frames[~known]).float().mean() > 0.9)
    spoilt = torch.where(hole, torch.nan, frames)
    assert torch.equal(wang(spoilt, hole, of), made)
    seen, again = (painted_over(one[None], hole[None]) for one in (frames, spoilt))
    assert torch.equal(seen, again), "nor in training"


def test_a_clip_far_larger_than_what_it_was_trained_on_is_filled_halved(tmp_path: Path) -> None:
    large = torch.full((2, 3, 128, 192), 0.25)
    large[:, 0] = 0.75
    hole = walking_hole(2, (128, 192), side=30)
    shapes: list[tuple[int, ...]] = []
    seen = Generator.forward

    def forward(self: Generator, frames: Tensor, *more: Any) -> Any:
        shapes.append(tuple(frames.shape[3:]))
        return seen(self, frames, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Generator, "forward", forward)
        wang(large, hole, saved(tmp_path / "w.pt", size=(64, 96)))
        wang(large, hole, saved(tmp_path / "v.pt", size=(128, 192)))
    assert shapes == [(64, 96)] * 2 + [(128, 192)] * 2


def test_the_method_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = Clip(panning(3), walking_hole(3))
    write_video(tmp_path / "shot", clip.frames)
    write_video(tmp_path / "mask", clip.hole.float().expand(-1, 3, -1, -1))
    of = saved(tmp_path / "wang.pt")
    words = f"inpaint {tmp_path}/shot {tmp_path}/mask wang -o {tmp_path}/out --dilate-px 0 --device cpu"
    assert cli.run([*words.split(), "--unseen.painter", str(of.painter)]) == 0
    assert "100.0% made up" in capsys.readouterr().out
    first = cv2.imread(str(min((tmp_path / "out").iterdir())))
    assert first is not None
    plate = inpaint(clip, replace(METHODS["wang"], unseen=of), device="cpu")
    assert np.array_equal(first[..., ::-1], to_bytes(plate.frames)[0])
    assert torch.equal(plate.provenance == 2, clip.hole)
    words = words.replace("/out", "/other")
    refused(words, "wang is given no network", capsys)
    refused(f"{words} --unseen.painter {tmp_path}/none.pt", "none.pt", capsys)
    assert not (tmp_path / "other").exists()


def test_places_fit_where_they_have_gone() -> None:
    here = torch.rand(1, 5, 12, 14, generator=torch.Generator().manual_seed(0)) - 0.5
    there = here.roll((1, -2), (2, 3))  # what was in a place is a row lower and two columns to the left
    fits = fit(here, there)
    assert fits.shape == (1, (2 * REACH + 1) ** 2, 12, 14)
    best = fits.argmax(1)[0, REACH:-REACH, REACH:-REACH]
    assert bool((best == (REACH + 1) * (2 * REACH + 1) + REACH - 2).all())
    torch.testing.assert_close(fits.amax(1)[0, REACH:-REACH, REACH:-REACH], torch.ones(12 - 2 * REACH, 14 - 2 * REACH))
    assert float(fits[0, 0, 0, 0]) == 0, "beyond the picture nothing fits"


# Its file


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    of = saved(tmp_path / "w.pt", network(seed=5), seconds=3)
    read = load_weights(of.painter)
    assert (read.config, read.size, read.about["seconds"]) == (SMALL, (64, 96), 3)
    expected = network(seed=5).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in read.generator().state_dict().items())
    saved(tmp_path / "w.pt", network(seed=6))
    assert load_weights(of.painter).sha256 != read.sha256, "one that was written anew is read again"


class Evil:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("it was run",))


def _damaged(change: Callable[[dict], Any]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        content = torch.load(path, weights_only=True)
        torch.save(change(content) or content, path)

    return write


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda path: path.unlink(), "there is no file"),
        (lambda path: (path.unlink(), path.mkdir()), "is not a file"),
        (lambda path: path.write_bytes(b""), "cannot be read"),
        (lambda path: path.write_bytes(path.read_bytes()[:-2000]), "cannot be read"),
        (lambda path: torch.save(Evil(), path), "cannot be read"),
        (lambda path: torch.save(network().state_dict(), path), "it holds something else"),
        (lambda path: torch.save([1], path), "it holds something else"),
        (_damaged(lambda content: content.update(version=2)), "is of version 2; this program reads version 1"),
        (_damaged(lambda content: content.pop("about") and None), "its parts do not fit"),
        (_damaged(lambda content: content["config"].update(window=99)), "window is 99"),
        (_damaged(lambda content: content["config"].update(depth=3)), "its parts do not fit"),
        (_damaged(lambda content: content["about"].update(steps=8)), "its content is not what was written"),
        (
            _damaged(lambda content: content["parameters"].update({"motion.head.bias": torch.ones(3)})),
            "its content is not what was written",
        ),
        (
            _damaged(lambda content: content["parameters"].update({"motion.head.bias": torch.full((3,), torch.nan)})),
            "its parts do not fit",
        ),
    ],
)
def test_another_file_is_refused_in_one_line(write: Callable[[Path], Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    of = saved(path)
    write(path)
    with pytest.raises(InputError, match=said) as error:
        load_weights(of.painter)
    assert "w.pt" in str(error.value) or "window" in said
    assert "\n" not in str(error.value)


def test_parameters_of_another_network_are_refused(tmp_path: Path) -> None:
    other = Generator((4, 8, 16), 3).state_dict()
    save_weights(tmp_path / "w.pt", Trained(SMALL, other, {"size": [64, 96]}))
    with pytest.raises(InputError, match="its parts do not fit, RuntimeError"):
        load_weights(str(tmp_path / "w.pt"))


# What it is trained on


def footage(frames: int = 8, step: tuple[int, int] = (3, 1), size: tuple[int, int] = (64, 96)) -> list[Footage]:
    mask = walking_hole(frames, size)[:, 0].numpy()
    return [Footage("wall", to_bytes(panning(frames, size, step)), mask)]


def test_a_sample_is_moving_pictures_with_moving_holes() -> None:
    drawn = draw(footage(), 3, seed=0, size=(32, 48), batch=3, frames=4)
    assert (drawn.truth.shape, drawn.hole.shape) == ((3, 4, 3, 32, 48), (3, 4, 1, 32, 48))
    share = drawn.hole.float().mean((1, 2, 3, 4))
    assert bool(((share > 0.01) & (share < 0.6)).all())
    assert bool(drawn.hole[:, -1].flatten(1).any(1).all())
    assert not bool(drawn.valid[:, 0].any())
    again, other = (draw(footage(), step, seed=0, size=(32, 48), batch=3, frames=4) for step in (3, 4))
    assert all(torch.equal(a, b) for a, b in zip(vars(drawn).values(), vars(again).values(), strict=True))
    assert not torch.equal(drawn.truth, other.truth)


def test_the_flow_of_a_sample_leads_to_the_frame_before() -> None:
    for step in range(6):
        drawn = draw(footage(12, (2, 1), (96, 144)), step, seed=1, size=(48, 64), batch=1, frames=3)
        for index in (1, 2):
            moved = warp(drawn.truth[:, index - 1], drawn.flow[:, index])
            error = mean_difference(moved, drawn.truth[:, index], drawn.valid[:, index])
            still = mean_difference(drawn.truth[:, index - 1], drawn.truth[:, index], drawn.valid[:, index])
            assert float(error) < 0.02 + 0.3 * float(still)
            assert float(drawn.valid[:, index].float().mean()) > 0.5


def test_windows_stay_within_the_clip_and_objects_within_reason() -> None:
    for number in range(60):
        rng = random.Random(number)
        window = samples._window(footage()[0].truth, rng, (64, 96), 8)
        assert window.shape == (8, 64, 96, 3)
        hole = samples._hole(footage(), rng, (32, 40), 8)
        assert hole[-1].any()
        assert 0.005 < hole.mean() < 0.6
    empty = [Footage("empty", footage()[0].truth, np.zeros((8, 64, 96), bool))]
    assert samples._hole(empty, random.Random(0), (32, 40), 3)[:, 10:20, 13:26].all()


# How it is trained


def test_terms_are_zero_of_what_is_right() -> None:
    drawn = draw(footage(), 0, seed=0, size=(48, 64), batch=2, frames=2)
    told = network()
    made = next_frame(told, drawn.truth, drawn.hole, [drawn.truth[:, 0]])
    truth, flow = drawn.truth[:, 1], drawn.flow[:, 1]
    right = replace(made, made=truth, hallucinated=truth, flow=flow)
    terms = loss_terms(right, drawn, 1, [drawn.truth[:, 0]], PLAIN)
    assert set(terms) == set(vars(PLAIN)) - {"perceptual"}
    assert [float(terms[name]) for name in ("hidden", "known", "hallucinated", "flow")] == [0, 0, 0, 0]
    assert float(terms["warp"]) < 0.05
    wrong = loss_terms(replace(right, flow=flow + 1), drawn, 1, [1 - drawn.truth[:, 0]], PLAIN)
    assert float(wrong["flow"]) == pytest.approx(1)
    assert float(wrong["warp"]) > 1.5 * float(terms["warp"])
    assert float(wrong["temporal"]) > float(terms["temporal"])
    first = loss_terms(right, drawn, 0, [], PLAIN)
    assert set(first) == {"hidden", "known", "hallucinated"}
    assert set(loss_terms(right, drawn, 1, [truth], replace(PLAIN, warp=0, known=0))) == set(terms) - {"warp", "known"}


def test_mean_difference_counts_what_is_asked_for() -> None:
    a, b = torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 0.5)
    b[..., 0, 0] = torch.nan
    where = torch.tensor([[[[False, True], [False, False]]]])
    assert float(mean_difference(a, b, where)) == 0.5
    assert float(mean_difference(a, b, ~where & False)) == 0


def test_it_learns() -> None:
    training = Training(CONFIG, CPU)
    losses = [training.update(footage(), 0) for _ in range(40)]  # the same sample again and again
    for name in ("hidden", "known", "hallucinated", "flow"):
        assert losses[-1][name] < 0.8 * losses[0][name], name


def test_training_that_diverges_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Training, "update", lambda *_: {"hidden": float("inf"), "known": 0.1})
    with pytest.raises(InputError, match="has diverged: after 1 step hidden is inf; finite losses are needed; lower"):
        train(footage(), CONFIG, steps=2, device=CPU, work=WorkDir())


def test_every_step_is_told_of_and_draws_anew() -> None:
    told: list[Step] = []
    trained = train(footage(), CONFIG, steps=4, device=CPU, work=WorkDir(), on_step=told.append)
    assert [(step.stage, step.fit, step.update, step.total) for step in told] == [
        ("learn", "wang", number, 4) for number in (1, 2, 3, 4)
    ]
    assert len({step.losses["known"] for step in told}) == 4
    assert (trained.about["steps"], trained.about["clips"], trained.size) == (4, ["wall"], (32, 48))


def test_the_perceptual_term_looks_at_the_hole(weights: Path) -> None:
    assert weights.is_dir()
    training = Training(replace(CONFIG, loss=TrainLoss()), CPU)
    drawn = draw(footage(), 0, seed=0, size=(48, 64), batch=2, frames=1)
    made = next_frame(training.network, drawn.truth, drawn.hole, [])

    def term(part: Tensor) -> float:
        return float(training._perceptual(replace(made, made=part), drawn, 0, random.Random(0)).detach())

    truth, hole = drawn.truth[:, 0], drawn.hole[:, 0]
    assert term(truth) == 0
    assert term(torch.where(hole, truth, 1 - truth)) == 0, "outside the hole the frame itself is the result"
    assert term(torch.where(hole, 1 - truth, truth)) > 0
    assert "perceptual" in training.update(footage(), 0)


def test_the_result_is_the_mean_of_the_last_parameters() -> None:
    training, expected = Training(CONFIG, CPU), torch.zeros(12)
    for step in range(8):
        training.update(footage(), step)
        now = training.network.state_dict()["picture.head.bias"]
        expected = now.clone() if step < 5 else (expected + now) / 2
    torch.testing.assert_close(training.mean["picture.head.bias"], expected)
    assert not torch.equal(training.mean["picture.head.bias"], training.network.state_dict()["picture.head.bias"])


def test_a_run_that_goes_on_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    whole = train(footage(), CONFIG, steps=8, device=CPU, work=WorkDir())
    again = train(footage(), CONFIG, steps=8, device=CPU, work=WorkDir())
    other = train(footage(), replace(CONFIG, seed=1), steps=8, device=CPU, work=WorkDir())

    def run(steps: int, stop: int | None) -> Trained:
        work = WorkDir(tmp_path / "work", resume=True, every_s=0)
        work.begin({"it": "is one"})

        def on_step(step: Step) -> None:
            if step.update == stop:
                raise Cancelled

        return train(footage(), CONFIG, steps=steps, device=CPU, work=work, on_step=on_step)

    with pytest.raises(Cancelled):
        run(8, stop=7)
    resumed = run(8, stop=None)
    longer = run(9, stop=None)

    def same(a: Trained, b: Trained) -> bool:
        return all(torch.equal(value, b.parameters[name]) for name, value in a.parameters.items())

    assert same(whole, again)
    assert same(whole, resumed)
    assert not same(whole, other)
    assert longer.about["steps"] == 9
    assert not same(whole, longer)
    lines = (tmp_path / "work/steps.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, 10))


# Its commands

TINY = "--size 32 48 --network.channels 4 8 --lead 1 --loss.perceptual 0 --device cpu --save-every-s 0"


def test_training_by_command_interrupted_and_gone_on_with(
    shots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = f"train {shots} --steps 4 {TINY} -o".split()
    assert cli.run([*words, f"{tmp_path}/whole.pt", "--log-dir", f"{tmp_path}/log"]) == 0
    said = capsys.readouterr().out
    assert "whole.pt: 4 steps on 2 clips at 48x32, without the perceptual term" in said
    assert len((tmp_path / "log/steps.jsonl").read_text().splitlines()) == 4
    update = Training.update

    def interrupted(self: Training, footage: Sequence[Footage], step: int) -> dict[str, float]:
        if step == 2:
            raise KeyboardInterrupt
        return update(self, footage, step)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "update", interrupted)
        assert cli.run([*words, f"{tmp_path}/w.pt"]) == 130
    assert "w.pt.work; the same command with --resume goes on" in capsys.readouterr().err
    assert not (tmp_path / "w.pt").exists()
    assert cli.run([*words, f"{tmp_path}/w.pt"]) == 2
    assert "holds an unfinished run" in capsys.readouterr().err
    assert cli.run([*words, f"{tmp_path}/w.pt", "--resume", "--seed", "1"]) == 2
    assert "holds a run of another options" in capsys.readouterr().err
    assert cli.run([*words, f"{tmp_path}/w.pt", "--resume"]) == 0
    whole, resumed = (load_weights(f"{tmp_path}/{name}.pt") for name in ("whole", "w"))
    assert all(torch.equal(value, whole.parameters[name]) for name, value in resumed.parameters.items())
    assert {path.name for path in tmp_path.iterdir()} == {"whole.pt", "w.pt", "log"}
    # Of the clips, those that are named.
    assert cli.run([*words, f"{tmp_path}/w.pt", "--overwrite", "--clips", "empty-a+ball-b"]) == 0
    assert load_weights(f"{tmp_path}/w.pt").about["clips"] == ["empty-a+ball-b"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("nowhere", "there is no folder nowhere"),
        (".", "there is no file composed.json"),
        ("{shots} --clips none", "no pair is named none"),
        ("{shots} --steps 0", "--steps is 0"),
        ("{shots} --size 64 96", "empty-a+ball-b is 96x48; clips of 96x64 at least are needed"),
        ("{shots} --size 8 96", "size is 8 96"),
        ("{shots} --lead 7", "empty-a+ball-b has 8 frames; 9 are needed"),
        ("{shots} --lead -1", "lead is -1"),
        ("{shots} --batch 0", "batch is 0"),
        ("{shots} --learning-rate 0", "learning_rate is 0"),
        ("{shots} --seed -1", "the seed is -1"),
        ("{shots} --network.window 1", "window is 1"),
        ("{shots} --network.channels 4", "channels is (4,)"),
        ("{shots} --loss.flow -1", "loss.flow is -1"),
        ("{shots} --loss.hidden 0 --loss.known 0", "loss is no term of the picture"),
        ("{shots} --device tpu", "there is no device 'tpu'"),
        ("{shots} --steps many", "many"),
        ("{shots} --loss.perceptual 1", "the weights of vgg16"),
        ("{shots} -o {tmp}/no/w.pt", "there is no folder"),
        ("{shots} -o {tmp}/there.pt", "is already there"),
    ],
)
def test_bad_input_is_one_line(
    words: str,
    said: str,
    shots: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLEANPLATE_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.pt").write_bytes(b"it stays")
    words = words.replace("{shots}", str(shots)).replace("{tmp}", str(tmp_path))
    for option in f"-o {tmp_path}/w.pt --steps 1 {TINY}".replace(" --", "\n--").splitlines():
        if option.split()[0] not in words.split():
            words += f" {option}"
    refused(f"train {words}", said, capsys)
    assert not (tmp_path / "w.pt").exists()
    assert (tmp_path / "there.pt").read_bytes() == b"it stays"
    assert not list(tmp_path.glob("*.work"))


def in_this_process(work: Callable[[Any], Any], cells: Sequence[Any], workers: int) -> Iterator[Any]:
    yield from map(work, cells)


def test_it_has_a_row_in_both_tables(
    shots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_here", in_this_process)
    of = saved(tmp_path / "mine.pt", size=(48, 96))
    for name, column in (("table1", "PSNR"), ("table2", "all: PSNR")):
        words = f"reproduce {name} --scale tiny --data {shots} -o {tmp_path}/out --methods wang --metrics psnr_db"
        assert cli.run(f"{words} --device cpu --wang {of.painter}".split()) == 0
        with (tmp_path / f"out/{name}.csv").open() as text:
            header, *rows = csv.reader(text)
        row = next(row for row in rows if row[0] == "Wang et al. [42], as read here, with mine.pt (7 steps on a)")
        assert 10 < float(row[header.index(column)]) < 60
    made = read_results(tmp_path / "out/results.jsonl")
    painter = {"file": "mine.pt", "sha256": load_weights(of.painter).sha256, "steps": 7, "clips": ["a"]}
    assert [line["settings"]["painter"] for line in made] == [painter, painter]
    capsys.readouterr()
    refused(words, "wang is given no network", capsys)
    refused(f"{words} --wang {tmp_path}/none.pt", "none.pt", capsys)
    saved(tmp_path / "mine.pt", network(seed=1), size=(48, 96))
    assert cli.run(f"{words} --device cpu --wang {of.painter}".split()) == 0
    again = read_results(tmp_path / "out/results.jsonl")
    assert again[0]["settings"]["painter"]["sha256"] != painter["sha256"], "another network is another result"
    assert again[0]["metrics"] != made[0]["metrics"]
