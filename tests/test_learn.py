from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from cleanplate import METHODS, Clip, InputError, Step, inpaint
from cleanplate.config import LearnConfig
from cleanplate.imaging.smooth import paint, shrink
from cleanplate.metrics import psnr_db
from cleanplate.unseen.frame import crop_around
from cleanplate.unseen.learn import key_frame
from cleanplate.unseen.patches import PyramidLevel, add_detail
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
    assert {step.fit for step in steps if step.stage == "learn"} == {"key-000"}
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
    plate = inpaint(Clip(panning(2, (96, 128), step=(0, 0)), hole), device="cpu", on_step=steps.append)
    assert not any(step.stage == "learn" for step in steps)
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


def test_detail_continues_a_pattern_that_the_network_made_soft() -> None:
    truth = stripes(64, 96)
    hole = box(1, (64, 96), slice(20, 44), slice(30, 62))
    soft = paint(torch.where(hole, float("nan"), truth), hole)
    made, _ = shrink(soft, torch.zeros_like(hole))
    out = add_detail(
        torch.where(hole, float("nan"), truth), hole, made, patch_px=7, texture_weight=1.0, guide_weight=0.0
    )
    assert torch.equal(torch.where(hole, 0.0, out), torch.where(hole, 0.0, truth))
    assert psnr_db(out, truth, hole) > psnr_db(soft, truth, hole) + 10


def test_detail_follows_the_network_where_surroundings_would_do_otherwise() -> None:
    """Left black, right white: the hole between is what the network says, in either case."""
    frame = torch.zeros(1, 3, 48, 96)
    frame[..., 48:] = 1
    hole = box(1, (48, 96), slice(12, 36), slice(32, 64))
    for level in (0.0, 1.0):
        made = torch.where(hole, level, frame)
        out = add_detail(frame, hole, made, patch_px=7, texture_weight=0.0, guide_weight=1.0)
        assert float(out[hole.expand_as(out)].mean()) == pytest.approx(level, abs=0.1)


def test_the_liveliness_of_the_surroundings_has_a_say() -> None:
    frame = panning(1, (64, 120))
    frame[..., :40] = 0.5
    hole = box(1, (64, 120), slice(20, 44), slice(66, 94))
    smooth = paint(frame, hole)

    def spread(texture: float) -> float:
        out = add_detail(frame, hole, smooth, patch_px=7, texture_weight=texture, guide_weight=0.0)
        return float(out[hole.expand_as(out)].std())

    assert spread(30.0) > 1.02 * spread(0.0)  # the flattest patches are not taken


def test_of_patches_that_look_alike_the_one_with_the_networks_colour_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    levels: list[PyramidLevel] = []
    vote = PyramidLevel.vote
    monkeypatch.setattr(
        PyramidLevel, "vote", lambda self, *args, **more: levels.append(self) or vote(self, *args, **more)
    )
    frame, hole = torch.full((1, 3, 40, 80), 0.5), box(1, (40, 80), slice(12, 28), slice(30, 46))
    made = torch.where(hole, 0.9, torch.linspace(0, 1, 80).expand(1, 3, 40, 80))
    add_detail(frame, hole, made, patch_px=5, texture_weight=0.0, guide_weight=1.0)
    level = levels[0]
    inner = (
        (level.targets % 80 > 32) & (level.targets % 80 < 43) & (level.targets // 80 > 14) & (level.targets // 80 < 25)
    )
    columns = level.anywhere()[0][inner] % 80
    assert len(columns) == 100
    assert float((columns - 0.9 * 79).abs().max()) <= 1


def test_detail_without_a_whole_known_patch_is_the_networks_picture() -> None:
    frame, made = torch.rand(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.25)
    hole = torch.ones(1, 1, 8, 8, dtype=torch.bool)
    hole[..., 0] = False
    out = add_detail(frame, hole, made, patch_px=7, texture_weight=1.0, guide_weight=1.0)
    assert torch.equal(out, torch.where(hole, made, frame))


@pytest.mark.parametrize("patch_px", [0, 5])
def test_large_regions_are_searched_near_what_the_coarser_size_found(
    patch_px: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cleanplate.unseen.patches.ALL_PAIRS", 200_000)
    truth = stripes(160, 224, period=16)
    hole = box(1, (160, 224), slice(50, 110), slice(70, 150))
    method = METHODS["carry-learn"]
    learn = replace(method.learn, patch_px=patch_px, network_px=2000)
    plate = inpaint(
        Clip(torch.where(hole, 0.0, truth), hole), replace(method, learn=learn), max_steps=150, device="cpu"
    )
    smooth = paint(truth, hole)
    gain = psnr_db(plate.frames, truth, hole) - psnr_db(smooth, truth, hole)
    assert gain > (6 if patch_px else 1)


def test_what_makes_no_learning() -> None:
    for wrong in (
        {"margin": 0.0},
        {"patch_px": 4},
        {"ensemble_size": 1},
        {"min_area_share": 2.0},
        {"texture_weight": -1.0},
        {"thin_px": -1},
    ):
        with pytest.raises(InputError, match=f"learn.{next(iter(wrong))} is"):
            LearnConfig(**wrong)  # type: ignore[arg-type]
