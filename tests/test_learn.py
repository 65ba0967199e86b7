from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from cleanplate import METHODS, Clip, InputError, Step, inpaint
from cleanplate.config import UnseenConfig
from cleanplate.imaging.frame import Frame
from cleanplate.imaging.pixels import channels_last
from cleanplate.imaging.smooth import paint
from cleanplate.metrics import psnr_db
from cleanplate.paper.budget import Budget
from cleanplate.runtime.options import RunOptions
from cleanplate.unseen.frame import crop_around, fill_frame
from cleanplate.unseen.learn import key_frame
from cleanplate.unseen.patches import copies_for_hole, frames_to_look_in
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


def found(picture: np.ndarray, hole: np.ndarray, **more: Any) -> np.ndarray:
    """The picture with its hole filled from itself, or from what else is given in front of it."""
    pictures, unseen = picture[None], hole[None]
    copies = copies_for_hole(pictures, unseen, **{"patch_px": 7, "seed": 0, **more})
    assert copies is not None
    out = picture.copy()
    out[hole] = np.clip(np.rint(pictures[tuple(copies.places.T)] + copies.correction), 0, 255)
    return out


def striped(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Stripes in bytes, and a hole in them."""
    truth = np.rint(255 * channels_last(stripes(height, width)[0].numpy())).astype(np.uint8)
    hole = np.zeros((height, width), bool)
    hole[20:44, 30:62] = True
    return truth, hole


def test_patches_continue_a_pattern_and_what_is_hidden_is_never_read() -> None:
    truth, hole = striped(64, 96)
    filled = [found(np.where(hole[..., None], np.uint8(level), truth), hole) for level in (0, 255)]
    np.testing.assert_array_equal(filled[0], filled[1])
    np.testing.assert_array_equal(filled[0][~hole], truth[~hole])
    error = (filled[0].astype(float) - truth)[hole]
    assert (error**2).mean() < 65


def test_every_pixel_is_a_copy_of_a_known_one() -> None:
    truth, hole = striped(65, 97)
    unseen = np.stack([hole, np.roll(hole, 9, 1)])
    copies = copies_for_hole(np.stack([truth, truth[::-1]]), unseen, patch_px=5, seed=1)
    assert copies is not None
    places = copies.places
    assert places.shape == (hole.sum(), 3)
    assert not unseen[tuple(places.T)].any()
    assert set(places[:, 0]) <= {0, 1}


def test_what_only_another_frame_shows_is_found_there() -> None:
    """A disc is half hidden; another frame shows a whole one, elsewhere."""
    ground = np.random.default_rng(0).integers(90, 110, (2, 96, 128, 3)).astype(np.uint8)
    pictures = np.stack(
        [cv2.circle(one, at, 15, (250, 40, 40), -1) for one, at in zip(ground, ((64, 48), (50, 40)), strict=True)]
    )
    unseen = np.zeros((2, 96, 128), bool)
    unseen[0, 50:66, 46:82] = True
    errors = []
    for count in (1, 2):
        copies = copies_for_hole(pictures[:count], unseen[:count], patch_px=7, seed=0)
        assert copies is not None
        wrong = pictures[tuple(copies.places.T)].astype(float) - pictures[0][unseen[0]]
        errors.append((wrong**2).mean())
    assert errors[1] < 0.5 * errors[0]


def test_a_guide_decides_where_surroundings_would_do_otherwise() -> None:
    """Left black, right white: the hole between is what the guide says, in either case."""
    frame = np.zeros((48, 96, 3), np.uint8)
    frame[:, 48:] = 255
    hole = np.zeros((48, 96), bool)
    hole[12:36, 32:64] = True
    for level in (0, 255):
        guide = np.where(hole[..., None], np.uint8(level), frame)[::2, ::2].copy()
        filled = found(frame, hole, guide=guide, guide_weight=30.0)
        assert filled[hole].mean() == pytest.approx(level, abs=50)


def test_where_no_patch_is_known_whole_there_is_no_source() -> None:
    hole = np.ones((1, 8, 8), bool)
    hole[..., 0] = False
    assert copies_for_hole(np.zeros((1, 8, 8, 3), np.uint8), hole, patch_px=7, seed=0) is None


def test_a_frame_that_hides_everything_stays_as_it_was_painted() -> None:
    hole = box(2, (48, 64), slice(2, 48), slice(0, 64))
    plate = inpaint(Clip(torch.full((2, 3, 48, 64), 0.5), hole), device="cpu")
    assert bool((plate.provenance[hole] == 2).all())
    assert float((plate.frames - 0.5).abs().max()) < 0.01


def test_the_frame_itself_is_looked_in_first_and_others_are_spread() -> None:
    assert list(frames_to_look_in(41, 20, 4)) == [20, 0, 13, 27]
    assert list(frames_to_look_in(2, 1, 4)) == [1, 0]
    assert list(frames_to_look_in(9, 0, 1)) == [0]


def test_frames_of_more_than_8_bits_are_copied_from_as_they_are() -> None:
    """What is compared is bytes, what is copied is not: all of this is one level of them."""
    picture = (0.5 + np.random.default_rng(0).random((64, 80, 3)) / 600).astype(np.float16)
    frame = Frame(0, picture, np.zeros((64, 80), np.uint8))
    left = np.zeros((1, 64, 80), bool)
    left[0, 20:40, 30:50] = True
    known = {tuple(one) for one in picture[~left[0]].tolist()}
    fill_frame([frame], left, 0, METHODS["carry-learn"], RunOptions(), Budget(), name=None)
    copied = {tuple(one) for one in frame.picture[left[0]].tolist()}
    assert copied <= known
    assert len(copied) > 30


@pytest.mark.parametrize("patch_px", [0, 5])
def test_a_network_decides_what_goes_where_if_it_is_asked(patch_px: int) -> None:
    truth = stripes(160, 224, period=16)
    hole = box(1, (160, 224), slice(50, 110), slice(70, 150))
    method = METHODS["carry-learn"]
    unseen = replace(method.unseen, patch_px=patch_px, network_px=2000, networks=1)
    steps: list[Step] = []
    plate = inpaint(
        Clip(torch.where(hole, 0.0, truth), hole), replace(method, unseen=unseen), max_steps=150, device="cpu",
        on_step=steps.append,
    )  # fmt: skip
    assert "key-000" in {step.fit for step in steps}
    gain = psnr_db(plate.frames, truth, hole) - psnr_db(paint(truth, hole), truth, hole)
    assert gain > (6 if patch_px else 1)


def test_what_makes_no_learning() -> None:
    for wrong in (
        {"margin": 0.0},
        {"patch_px": 4},
        {"ensemble_size": 1},
        {"min_area_share": 2.0},
        {"networks": -1},
        {"frames": 0},
        {"guide_weight": -1.0},
        {"thin_px": -1},
    ):
        with pytest.raises(InputError, match=f"unseen.{next(iter(wrong))} is"):
            UnseenConfig(**wrong)  # type: ignore[arg-type]
