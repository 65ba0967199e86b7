"""The methods to compare with, by their names; and the one that runs the user's own network."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from cleanplate import METHODS, Clip, InputError, cli, inpaint, write_video
from cleanplate.baselines.rivals import BASELINES, fill_all
from cleanplate.baselines.yu import yu
from cleanplate.config import NO_EFFECTS, Baseline, Method, UnseenConfig
from cleanplate.imaging.frame import Frame
from cleanplate.progress import Step
from cleanplate.runtime.options import RunOptions
from cleanplate.unseen import painters
from tests.test_painters import Lama, saved


def textured(frames: int = 3) -> Clip:
    pictures = torch.rand(frames, 3, 40, 56, generator=torch.Generator().manual_seed(0))
    hole = torch.zeros(frames, 1, 40, 56, dtype=torch.bool)
    hole[:, :, 14:22, 20:30] = True
    hole[-1] = False
    return Clip(pictures, hole)


def test_every_rival_is_a_method() -> None:
    assert set(BASELINES) == set(get_args(Baseline))
    for name in BASELINES:
        method = METHODS[name]
        assert (method.baseline, method.carries, method.learns, method.effects) == (name, False, False, NO_EFFECTS)
        assert method.needs_painter == (name in ("yu", "wang")) == method.has_networks


@pytest.mark.parametrize("name", ["temporal-median", "huang"])
def test_inpaint_gives_what_the_rival_makes_and_counts_it_as_made_up(name: str) -> None:
    clip = textured()
    plate = inpaint(clip, name)
    assert torch.equal(plate.frames, BASELINES[name](clip.frames, clip.hole))
    assert torch.equal(plate.provenance == 2, clip.hole)
    assert not plate.effects.any()


def test_on_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = textured()
    write_video(tmp_path / "shot", clip.frames)
    write_video(tmp_path / "mask", clip.hole.float().expand(-1, 3, -1, -1))
    words = f"inpaint {tmp_path}/shot {tmp_path}/mask huang -o {tmp_path}/out --dilate-px 0"
    assert cli.run(words.split()) == 0
    assert "100.0% made up" in capsys.readouterr().out
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_a_rival_neither_carries_nor_learns() -> None:
    with pytest.raises(InputError, match="baseline is huang of a method that carries or learns"):
        replace(METHODS["carry"], baseline="huang")
    with pytest.raises(InputError, match="a baseline is needed"):
        Method(carries=False, learns=False, effects=NO_EFFECTS)


@pytest.mark.parametrize("name", ["newson", "huang"])
def test_what_is_tried_by_chance_hangs_on_the_seed(name: str) -> None:
    clip = textured(5)
    one, again, other = (inpaint(clip, name, seed=seed).frames for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_bytes_are_filled_too() -> None:
    told: list[Step] = []
    hole = np.zeros((20, 30), np.uint8)
    hole[8:12, 10:16] = 2
    frames = [Frame(index, np.full((20, 30, 3), 40 + 60 * index, np.uint8), hole * (index < 2)) for index in range(3)]
    held = [one.picture.copy() for one in frames]
    done = list(fill_all(iter(frames), METHODS["temporal-median"], RunOptions(on_step=told.append)))
    assert [one.index for one in done] == [0, 1, 2]
    assert [(step.stage, step.done, step.total) for step in told] == [("fill", k, 3) for k in range(4)]
    assert (done[0].picture[hole > 0] == 160).all()
    assert all(np.array_equal(one.picture[hole == 0], was[hole == 0]) for one, was in zip(done, held, strict=True))
    assert not list(fill_all(iter([]), METHODS["telea"], RunOptions()))


# Yu et al.


def test_the_users_network_paints_every_frame_that_has_a_hole(tmp_path: Path) -> None:
    clip = textured()
    method = replace(METHODS["yu"], unseen=UnseenConfig(painter=saved(tmp_path, Lama()), painter_kind="lama"))
    plate = inpaint(clip, method, device="cpu")
    red = plate.frames.permute(0, 2, 3, 1)[clip.hole[:, 0]]
    torch.testing.assert_close(red, torch.tensor([0.8, 0.0, 0.0]).expand_as(red), atol=0.003, rtol=0)
    known = ~clip.hole.expand_as(clip.frames)
    assert torch.equal(plate.frames[known], clip.frames[known])
    spoilt = Clip(torch.where(clip.hole, 0.123, clip.frames), clip.hole)
    assert torch.equal(inpaint(spoilt, method, device="cpu").frames, plate.frames), "what is hidden is never seen"


def test_a_large_frame_is_painted_small_and_made_larger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(painters, "MOST_PX", 1000)
    clip = textured(2)
    made = yu(clip.frames, clip.hole, UnseenConfig(painter=saved(tmp_path, Lama()), painter_kind="lama"))
    known = ~clip.hole.expand_as(clip.frames)
    assert torch.equal(made[known], clip.frames[known])
    middle = made[0, :, 17:19, 24:26]
    torch.testing.assert_close(middle, torch.tensor([0.8, 0, 0]).view(3, 1, 1).expand_as(middle), atol=0.01, rtol=0)


def test_without_weights_it_is_told_what_is_needed_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = textured()
    monkeypatch.setattr("cleanplate.plate.fill", lambda *_, **__: pytest.fail("it has begun"))
    for call in (lambda: inpaint(clip, "yu"), lambda: yu(clip.frames, clip.hole)):
        with pytest.raises(InputError, match=r"yu is given no network; .*TorchScript.*; name yours with --unseen"):
            call()
    write_video(tmp_path / "shot", clip.frames)
    assert cli.run(f"inpaint {tmp_path}/shot {tmp_path}/shot yu -o {tmp_path}/out".split()) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()
