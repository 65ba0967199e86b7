from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from cleanplate import METHODS, Clip, InputError, Step, inpaint
from cleanplate.carry.trajectories import LinkedFrame, boundary_pixels
from cleanplate.config import UnseenConfig
from cleanplate.imaging.frame import MADE_UP, Frame
from cleanplate.imaging.smooth import paint
from cleanplate.metrics import psnr_db
from cleanplate.paper.budget import Budget
from cleanplate.runtime.options import RunOptions
from cleanplate.unseen.frame import crop_around, fill_frame, is_deep, regions_of
from cleanplate.unseen.learn import key_frame, learn_unseen
from tests.conftest import panning


def box(n_frames: int, size: tuple[int, int], rows: slice, columns: slice) -> Tensor:
    hole = torch.zeros(n_frames, 1, *size, dtype=torch.bool)
    hole[:, :, rows, columns] = True
    return hole


def stripes(height: int, width: int, period: int = 8) -> Tensor:
    """Upright stripes, with a slow change of colour, (1, 3, H, W)."""
    x, y = torch.arange(width), torch.arange(height)
    wave = 0.5 + 0.3 * torch.sin(2 * torch.pi * x / period)
    return (wave.view(1, 1, 1, -1) + 0.1 * torch.stack([y / height, -y / height, 0 * y]).view(1, 3, -1, 1)).clamp(0, 1)


def test_a_logo_before_a_camera_that_stands_still_is_learned_once_and_stays_still() -> None:
    wall = panning(1, (96, 128))
    noise = 0.01 * torch.randn(9, 3, 96, 128, generator=torch.Generator().manual_seed(0))
    hole = box(9, (96, 128), slice(40, 60), slice(50, 80))
    steps: list[Step] = []
    plate = inpaint(Clip((wall + noise).clamp(0, 1), hole), max_steps=40, device="cpu", on_step=steps.append)
    assert torch.equal(plate.provenance == 2, hole)
    assert [step.done / step.total for step in steps if step.stage == "learn"] == [1.0]  # one frame, the others follow
    inside = torch.where(hole, plate.frames, 0.0)
    moves = (inside[1:] - inside[:-1]).abs().sum() / hole[1:].expand(-1, 3, -1, -1).sum()
    assert float(moves) < 0.01  # the noise of the shot itself is 0.011


def test_where_everything_is_seen_nothing_is_learned(moving_clip: Clip) -> None:
    stages: list[str] = []
    plate = inpaint(moving_clip, "carry-learn", device="cpu", on_step=lambda step: stages.append(step.stage))
    assert set(stages) == {"carry"}
    assert torch.equal(plate.frames, inpaint(moving_clip, "carry", device="cpu").frames)


def test_what_is_learned_is_better_than_smooth_and_takes_up_the_pattern() -> None:
    truth = stripes(96, 128).expand(3, -1, -1, -1).contiguous()
    hole = box(3, (96, 128), slice(30, 66), slice(40, 88))
    clip = Clip(torch.where(hole, 0.0, truth), hole)
    learned, carried = (inpaint(clip, name, device="cpu", max_steps=100).frames for name in ("carry-learn", "carry"))
    assert psnr_db(learned, truth, hole) > psnr_db(carried, truth, hole) + 6


def test_seeds_differ_and_the_same_seed_does_not() -> None:
    hole = box(1, (64, 64), slice(20, 44), slice(20, 44))
    clip = Clip(panning(1, (64, 64)), hole)
    one, same, other = (inpaint(clip, seed=seed, max_steps=10, device="cpu").frames for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_small_regions_need_no_network() -> None:
    hole = box(2, (96, 128), slice(40, 47), slice(50, 57))
    steps: list[Step] = []
    method = replace(METHODS["carry-learn"], unseen=UnseenConfig(networks=1))
    plate = inpaint(Clip(panning(2, (96, 128), step=(0, 0)), hole), method, device="cpu", on_step=steps.append)
    assert not any(step.fit for step in steps)
    assert torch.equal(plate.provenance == 2, hole)


def test_the_key_frame_has_the_most_to_learn_and_is_in_the_middle() -> None:
    left = box(9, (40, 40), slice(10, 20), slice(10, 20))[:, 0].numpy()
    assert key_frame(left, 2) == 4
    left[2, 5:25] = True
    assert key_frame(left, 2) == 2
    thin = box(9, (40, 40), slice(10, 14), slice(0, 40))[:, 0].numpy()
    assert key_frame(thin, 2) is None
    assert key_frame(thin, 1) == 4
    assert key_frame(np.zeros_like(left), 2) is None
    # At the border of the frame, nothing is seen beyond it.
    assert key_frame(box(1, (40, 40), slice(0, 4), slice(0, 40))[:, 0].numpy(), 2) == 0


def test_a_crop_goes_around_the_region_and_stays_in_the_frame() -> None:
    unseen = box(1, (200, 300), slice(80, 140), slice(250, 280))[0, 0].numpy()
    assert crop_around(unseen, 1.0) == (slice(21, 199), slice(191, 300))
    assert crop_around(unseen, 0.1) == (slice(32, 188), slice(202, 300))


def test_a_frame_that_hides_everything_stays_as_it_was_painted() -> None:
    hole = box(2, (48, 64), slice(2, 48), slice(0, 64))
    plate = inpaint(Clip(torch.full((2, 3, 48, 64), 0.5), hole), device="cpu")
    assert bool((plate.provenance[hole] == 2).all())
    assert float((plate.frames - 0.5).abs().max()) < 0.01


def test_frames_of_more_than_8_bits_are_copied_from_as_they_are() -> None:
    """What is compared is bytes, what is copied is not: all of this is one level of them."""
    picture = (0.5 + np.random.default_rng(0).random((64, 80, 3)) / 600).astype(np.float16)
    frame = Frame(0, picture, np.zeros((64, 80), np.uint8))
    left = np.zeros((64, 80), bool)
    left[20:40, 30:50] = True
    known = {tuple(one) for one in picture[~left].tolist()}
    fill_frame(frame, left, METHODS["carry-learn"], RunOptions(), Budget(), name=None)
    copied = {tuple(one) for one in frame.picture[left].tolist()}
    assert copied <= known
    assert len(copied) > 30


@pytest.mark.parametrize("offsets", [0, 30])
def test_a_network_decides_what_goes_where_if_it_is_asked(offsets: int) -> None:
    truth = stripes(160, 224, period=16)
    hole = box(1, (160, 224), slice(50, 110), slice(70, 150))
    method = METHODS["carry-learn"]
    unseen = replace(method.unseen, offsets=offsets, network_px=2000, networks=1)
    steps: list[Step] = []
    plate = inpaint(
        Clip(torch.where(hole, 0.0, truth), hole), replace(method, unseen=unseen), max_steps=75, device="cpu",
        on_step=steps.append,
    )  # fmt: skip
    assert "key-000" in {step.fit for step in steps}
    gain = psnr_db(plate.frames, truth, hole) - psnr_db(paint(truth, hole), truth, hole)
    assert gain > (6 if offsets else 1)


def test_how_much_is_made_up_is_known_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures that have nothing in common, a logo over each: nothing is carried from one to another."""
    filled: list[int] = []

    def fill(frame: Frame, unseen: np.ndarray, *_: object, **__: object) -> None:
        filled.append(frame.index)

    monkeypatch.setattr("cleanplate.unseen.learn.fill_frame", fill)
    monkeypatch.setattr("cleanplate.unseen.learn.carry_on", lambda *_: None)

    def key_frames(n_frames: int, side: int, **options: float) -> int:
        filled.clear()
        hole = np.zeros((60, 80), np.uint8)
        hole[:side, :side] = MADE_UP
        method = METHODS["carry-learn"]
        method = replace(method, unseen=replace(method.unseen, **options))
        frames = (Frame(index, np.zeros((60, 80, 3), np.uint8), hole.copy()) for index in range(n_frames))
        linked = (LinkedFrame(frame, boundary_pixels(frame.unseen)) for frame in frames)
        assert len(list(learn_unseen(linked, method, RunOptions(), total=n_frames))) == n_frames
        return len(filled)

    assert key_frames(3, 40) == 3  # a short shot may be made up wholly
    assert key_frames(48, 40) == 8  # a third of the picture, in every sixth frame
    assert key_frames(48, 6) == 30  # less is less work
    assert key_frames(48, 40, frames_per_key_frame=1.0) == 48


def test_what_makes_no_learning() -> None:
    for wrong in (
        {"margin": 0.0},
        {"offsets": -1},
        {"ensemble_size": 1},
        {"min_area_share": 2.0},
        {"networks": -1},
        {"guide_weight": -1.0},
        {"thin_px": -1},
        {"frames_per_key_frame": 0.0},
    ):
        with pytest.raises(InputError, match=f"unseen.{next(iter(wrong))} is"):
            UnseenConfig(**wrong)  # type: ignore[arg-type]


def test_regions_far_apart_go_on_as_their_own_surroundings_and_thin_ones_stay() -> None:
    """Black noise left, white right, a hole in each, and a line that is thin."""
    picture = np.random.default_rng(0).integers(0, 20, (120, 400, 3)).astype(np.uint8)
    picture[:, 200:] += 230
    truth, left = picture.copy(), np.zeros((120, 400), bool)
    left[50:70, 60:80] = left[40:70, 320:350] = True
    left[10:13, 180:220] = True
    picture[left] = 128
    fill_frame(
        Frame(0, picture, left.astype(np.uint8)), left, METHODS["carry-learn"], RunOptions(), Budget(), name=None
    )
    assert np.abs(picture[50:70, 60:80].astype(int) - truth[50:70, 60:80]).max() < 25
    assert np.abs(picture[40:70, 320:350].astype(int) - truth[40:70, 320:350]).max() < 25
    assert (picture[10:13, 180:220] == 128).all()


def test_regions_are_in_order_of_size_and_near_ones_are_one() -> None:
    unseen = box(1, (200, 300), slice(10, 20), slice(10, 20))[0, 0].numpy()
    unseen[120:150, 200:230] = unseen[10:20, 50:55] = True
    one, two = regions_of(unseen, 2)
    assert one.sum() == 900
    assert one[120:150, 200:230].all()
    np.testing.assert_array_equal(one | two, unseen)
    assert not (one & two).any()


def test_specks_are_not_looked_at_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (300, 300, 3)).astype(np.uint8)
    unseen = np.zeros((300, 300), bool)
    unseen[::60, ::60] = True  # farther from each other than what is one region
    unseen[130:140, 130:140] = unseen[280:290, 280:290] = True
    asked: list[int] = []
    monkeypatch.setattr("cleanplate.unseen.frame.is_deep", lambda left, px: asked.append(1) or is_deep(left, px))
    filled = picture.copy()
    fill_frame(
        Frame(0, filled, unseen.astype(np.uint8)), unseen, METHODS["carry-learn"], RunOptions(), Budget(), name=None
    )
    assert len(asked) == 2
    assert (filled != picture).any(2).sum() > 150


@pytest.mark.parametrize("seed", range(5))
def test_regions_that_are_given_are_those_that_are_deep_by_themselves(seed: int) -> None:
    unseen = np.zeros((150, 200), bool)
    for row, column, side in np.random.default_rng(seed).integers(1, (150, 200, 12), (6, 3)):
        unseen[row : row + side, column : column + side] = True
    every = list(regions_of(unseen, 0))
    assert np.array_equal(np.sum(every, 0), unseen)
    deep = [one for one in every if is_deep(one, 2)]
    for found, expected in zip(regions_of(unseen, 2), deep, strict=True):
        assert np.array_equal(found, expected)
