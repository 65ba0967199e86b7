"""Shadows and rough masks of composed clips."""

import json
import random
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cleanplate import InputError, cli
from cleanplate.config import RoughMask
from cleanplate.data.compose import Composed, compose, read_composed
from cleanplate.data.disturb import disturb, read_disturbed
from cleanplate.data.pairs import files_of, identified, read_pairs, sha256_of_clip
from cleanplate.data.rough import roughen, shifted, shrunk, without_limb
from cleanplate.data.shadows import Shadow, cast_shadow, draw_shadow, shade
from cleanplate.video.masks import grow
from cleanplate.video.reader import read_frames, read_masks
from tests.conftest import refused

HEIGHT, WIDTH, FOOT = 90, 200, 69
SHADOW = Shadow(strength=0.5, shear=1.0, flattening=0.3, softness=0.04)


def walker(n_frames: int = 4, step: int = 7) -> np.ndarray:
    """A body on two legs with an arm that goes to the right, `step` px a frame; (T, H, W)."""
    mask = np.zeros((n_frames, HEIGHT, WIDTH), bool)
    for index, frame in enumerate(mask):
        left = 40 + step * index
        frame[20:50, left : left + 16] = True
        frame[50 : FOOT + 1, left : left + 5] = frame[50 : FOOT + 1, left + 11 : left + 16] = True
        frame[25:31, left + 16 : left + 34] = True
    return mask


def walking() -> Composed:
    """The walker in red over a grey ground, with bright and dark in it."""
    mask = walker()
    ground = np.random.default_rng(0).integers(60, 250, (1, HEIGHT, WIDTH, 3), dtype=np.uint8).repeat(len(mask), 0)
    return compose(ground, np.full_like(ground, (200, 30, 40)), mask)


# Shadows


def test_a_pole_casts_a_line_to_where_light_and_shear_say() -> None:
    pole = np.zeros((1, 90, 120), bool)
    pole[0, 30:71, 50:53] = True  # 40 px above its foot
    density = cast_shadow(pole, Shadow(strength=0.4, shear=0.5, flattening=0.5, softness=0))[0]
    for height in (0, 10, 20, 30):
        assert density[70 - height // 2, 51 + height // 2] == pytest.approx(0.4, abs=1e-6)
        assert density[70 - height // 2, 51 - height // 2 - 5] == 0
    assert density[71:].max() == 0  # nothing below the foot
    assert density[:48].max() == 0  # nothing above its tip


def test_a_shadow_hangs_together_with_the_object_at_its_foot() -> None:
    mask = walker()
    mask[:, 80:82, 100:102] = True  # a speck below it is nothing to stand on
    for seed in range(8):
        density = cast_shadow(mask, draw_shadow(random.Random(seed)))
        for frame, shade_there in zip(mask, density, strict=True):
            count, _ = cv2.connectedComponents(((shade_there > 0.1) | frame).astype(np.uint8))
            assert count == 3  # the ground, the walker with its shadow, and the speck, which has none
            at_the_foot = frame[FOOT]
            assert (shade_there[FOOT][at_the_foot] > 0.3).all()
            assert shade_there[: FOOT - 35].max() == 0


def test_far_from_the_foot_its_edge_is_softer() -> None:
    wall = np.zeros((1, 120, 240), bool)
    wall[0, 20:101, 60:100] = True
    density = cast_shadow(wall, SHADOW)[0]
    soft = [int(((row > 0.02) & (row < 0.48)).sum()) for row in density]
    assert soft[99] < soft[92] < soft[85] < soft[80]
    assert density.max() == pytest.approx(0.5, abs=0.01)


def test_a_frame_without_object_has_no_shadow() -> None:
    mask = walker()
    mask[1] = False
    density = cast_shadow(mask, SHADOW)
    assert density[1].max() == 0
    assert density[0].max() > 0.4


def test_a_shadow_is_bluish_and_darkens_as_much_as_its_strength_says() -> None:
    red, green, blue = shade(torch.full((1, 3, 1, 1), 0.8), torch.full((1, 1, 1, 1), 0.5))[0, :, 0, 0].tolist()
    assert red == pytest.approx(0.4)
    assert red < green < blue < 0.5
    frames = torch.rand(2, 3, 4, 5)
    assert torch.equal(shade(frames, torch.zeros(2, 1, 4, 5)), frames)


def test_what_is_drawn_is_of_the_seed_and_within_bounds() -> None:
    drawn = [draw_shadow(random.Random(seed)) for seed in range(50)]
    assert drawn == [draw_shadow(random.Random(seed)) for seed in range(50)]
    assert all(0.35 <= shadow.strength <= 0.65 for shadow in drawn)
    assert {shadow.shear > 0 for shadow in drawn} == {True, False}


def test_the_light_is_the_same_on_all_frames() -> None:
    density = cast_shadow(walker(), SHADOW)  # the same thing, 7 px further in each frame
    for index, frame in enumerate(density):
        assert np.allclose(np.roll(density[0], 7 * index, axis=1), frame, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"strength": 1.5}, "the strength of a shadow is 1.5; 0 to 1 is needed"),
        ({"strength": float("nan")}, "the strength"),
        ({"shear": 99}, "the shear"),
        ({"flattening": 0}, "the flattening"),
        ({"softness": -1}, "the softness"),
    ],
)
def test_a_shadow_that_none_casts(change: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        replace(SHADOW, **change)


# Rough masks


def test_a_shrunk_mask_lacks_what_is_near_its_edge() -> None:
    mask = walker()
    for px in (0, 3):
        to_the_edge = (cv2.distanceTransform(one, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for one in mask.astype(np.uint8))
        inner = np.stack(list(to_the_edge))
        rough = shrunk(mask, px)
        assert not (rough & (inner <= px)).any()
        assert rough[inner > px + 1].all()
    assert np.array_equal(shrunk(np.ones((1, 9, 9), bool), 3), np.ones((1, 9, 9), bool))  # cut off by the border


def test_a_shifted_mask_is_the_same_elsewhere() -> None:
    mask = walker()
    rough = shifted(mask, 6, -2)
    assert np.array_equal(rough, np.roll(mask, (-2, 6), axis=(1, 2)))
    assert rough.sum() == mask.sum()
    assert shifted(np.ones((1, 9, 9), bool), -6, 0).sum() == 27
    for seed in range(20):
        facts = roughen(mask, "shifted", random.Random(seed))[1]
        assert np.hypot(facts["right_px"], facts["down_px"]) == pytest.approx(6, abs=0.8)


def test_a_limb_is_a_sixth_in_one_piece_and_goes_with_the_object() -> None:
    mask = walker()
    for seed in range(8):
        rough, facts = roughen(mask, "limb", random.Random(seed))
        limb = mask & ~rough
        assert not (rough & ~mask).any()
        for index, frame in enumerate(limb):
            assert 1 / 8 <= frame.sum() / mask[index].sum() <= 1 / 5
            assert cv2.connectedComponents(frame.astype(np.uint8))[0] == 2
            assert np.array_equal(frame, np.roll(limb[0], 7 * index, axis=1))
        assert facts["area_share"] == pytest.approx(limb.sum() / mask.sum())
    arm = mask & ~without_limb(mask, 0)
    assert arm[0].nonzero()[1].min() > 55  # to the right is the arm


def test_any_kind_is_one_of_three_and_of_the_seed() -> None:
    kinds = [roughen(walker(), "any", random.Random(seed))[1] for seed in range(20)]
    assert {facts["kind"] for facts in kinds} == {"shrunk", "shifted", "limb"}
    assert kinds == [roughen(walker(), "any", random.Random(seed))[1] for seed in range(20)]
    assert {facts["px"] for facts in kinds if "px" in facts} <= set(range(3, 9))


@pytest.mark.parametrize("kind", ["shrunk", "shifted", "limb"])
def test_an_object_that_is_too_small(kind: RoughMask) -> None:
    with pytest.raises(InputError, match=f"nothing is left of a mask of 0 px in 2 frames that is {kind}"):
        roughen(np.zeros((2, 9, 9), bool), kind, random.Random(0))
    with pytest.raises(InputError, match="shrink by -1 px; 0 or more"):
        shrunk(walker(), -1)


def test_a_rough_mask_is_not_the_right_one() -> None:
    speck = np.zeros((3, 20, 20), bool)
    speck[:, 5, 5] = True
    wrong: list[tuple[RoughMask, np.ndarray]] = [("limb", speck), ("shrunk", ~speck | True)]
    for kind, mask in wrong:
        with pytest.raises(InputError, match=f"that is {kind} .* is as right as it was; an object of more than a few"):
            roughen(mask, kind, random.Random(0))


# Both, of a composed clip


def test_the_shadow_is_on_the_background_only_and_the_truth_is_without() -> None:
    composed = walking()
    made = disturb(composed, rng=random.Random(1), shadow=True)
    frames, where = made.composed.clip.frames, made.density.expand(-1, 3, -1, -1)
    object_ = composed.mask.expand(-1, 3, -1, -1)
    assert torch.equal(frames[object_], composed.clip.frames[object_])
    assert torch.equal(frames[where == 0], composed.clip.frames[where == 0])
    assert torch.equal(made.composed.truth, composed.truth)
    assert torch.equal(made.composed.clip.hole, composed.clip.hole)
    deep = (where > 0.3) & ~object_
    assert (frames[deep] < composed.truth[deep]).all()
    lost = 1 - frames / composed.truth
    red, green, blue = (float(lost[:, channel][deep[:, channel]].mean()) for channel in range(3))
    assert red == pytest.approx(float(where[deep].mean()), abs=0.01)
    assert red > green > blue


def test_a_rough_mask_makes_the_hole_and_the_right_one_is_kept() -> None:
    composed = walking()
    made = disturb(composed, rng=random.Random(1), rough="limb", dilate_px=2)
    given = made.composed.mask[:, 0].numpy()
    assert torch.equal(made.right_mask, composed.mask)
    assert np.array_equal(made.composed.clip.hole[:, 0].numpy(), np.stack([grow(one, 2) for one in given]))
    assert torch.equal(made.composed.clip.frames, composed.clip.frames)
    assert made.density.max() == 0


def test_shadow_and_mask_of_a_seed_do_not_depend_on_each_other() -> None:
    composed = walking()
    shadow = disturb(composed, rng=random.Random(5), shadow=True)
    rough = disturb(composed, rng=random.Random(5), rough="any")
    both = disturb(composed, rng=random.Random(5), shadow=True, rough="any")
    assert torch.equal(both.density, shadow.density)
    assert torch.equal(both.composed.mask, rough.composed.mask)
    assert disturb(composed, rng=random.Random(5)).composed is composed


def three(shots: Path) -> str:
    return f"{shots}/davis/frames/empty-a {shots}/davis/frames/ball-b {shots}/davis/masks/ball-b"


def test_what_is_written_is_what_was_made(shots: Path, tmp_path: Path) -> None:
    words = f"compose {three(shots)} -o {tmp_path} --name a --shadow --rough-mask shrunk --seed 4 --dilate-px 2"
    assert cli.run(words.split()) == 0
    (pair,) = read_pairs(tmp_path)
    truth, things = (read_frames(shots / "davis/frames" / name)[0] for name in ("empty-a", "ball-b"))
    composed = compose(truth, things, read_masks(shots / "davis/masks/ball-b") > 127, dilate_px=2)
    made = disturb(composed, rng=random.Random("4 a"), shadow=True, rough="shrunk", dilate_px=2)
    read = read_disturbed(tmp_path, pair)
    for one, other in (
        (read.composed.clip.frames, made.composed.clip.frames),
        (read.composed.clip.hole, made.composed.clip.hole),
        (read.composed.truth, composed.truth),
        (read.composed.mask, made.composed.mask),
        (read.density, made.density),
        (read.right_mask, composed.mask),
    ):
        assert torch.equal(one, other)
    assert (pair["shadow"], pair["rough_mask"]) == (read.shadow, read.rough) == (made.shadow, made.rough)
    assert 0.35 <= pair["shadow"]["strength"] <= 0.65
    assert 3 <= pair["rough_mask"]["px"] <= 8
    assert pair["recipe"]["seed"] == 4

    files = {part: f"davis/{part}/a" for part in ("frames", "masks", "truth", "density", "right_masks")}
    assert {part: pair[part] for part in files} == files
    assert set(files_of(pair)) == set(files.values()) == set(identified(tmp_path, pair)["files"])
    assert pair["sha256"]["outputs"] == {path: sha256_of_clip(tmp_path / path) for path in files.values()}
    for part in ("density", "right_masks"):
        file = tmp_path / files[part] / "00000.png"
        before = file.read_bytes()
        file.write_bytes((tmp_path / files["frames"] / "00000.png").read_bytes())
        with pytest.raises(InputError, match="has changed since it was composed"):
            read_composed(tmp_path, pair)
        file.write_bytes(before)


def test_only_what_is_asked_for_is_written(shots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, words in (("a", ""), ("b", "--shadow"), ("c", "--rough-mask limb")):
        assert cli.run(f"compose {three(shots)} -o {tmp_path} --name {name} {words}".split()) == 0
    plain, shadow, rough = read_pairs(tmp_path)
    assert not {"density", "right_masks", "shadow", "rough_mask"} & set(plain)
    assert not {"right_masks", "rough_mask"} & set(shadow)
    assert not {"density", "shadow"} & set(rough)
    read = read_disturbed(tmp_path, plain)
    assert read.density.max() == 0
    assert torch.equal(read.right_mask, read.composed.mask)
    capsys.readouterr()
    words = f"compose {three(shots)} -o {tmp_path} --name"
    refused(f"{words} b", "already there", capsys)
    assert cli.run(f"{words} b --shadow --seed 1 --overwrite".split()) == 0
    assert read_disturbed(tmp_path, read_pairs(tmp_path)[-1]).shadow != shadow["shadow"]


def test_a_dataset_with_shadows_and_rough_masks(shots: Path, tmp_path: Path) -> None:
    words = f"compose {shots} --masks-per-background 1 --frames 3 --seed 2"
    more = "--shadow --rough-mask any"
    for folder, added in (("plain", ""), ("one", more), ("two", more)):
        assert cli.run(f"{words} -o {tmp_path / folder} {added}".split()) == 0
    plain, one, two = (read_pairs(tmp_path / folder) for folder in ("plain", "one", "two"))
    assert [pair["name"] for pair in plain] == [pair["name"] for pair in one]
    assert [pair["sha256"]["outputs"] for pair in one] == [pair["sha256"]["outputs"] for pair in two]
    assert one[0]["shadow"] != one[1]["shadow"]  # each clip has its own
    for pair in one:
        made = read_disturbed(tmp_path / "one", pair)
        assert made.density.max() > 0.3
        assert not torch.equal(made.right_mask, made.composed.mask)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"density": 3}, "density of a is 3; a path is needed"),
        ({"right_masks": ""}, "right_masks of a is ''"),
        ({"shadow": "dark"}, "shadow of a is 'dark'"),
        ({"rough_mask": []}, r"rough_mask of a is \[\]"),
        ({"density": "davis/none"}, "there is no file"),
        ({"right_masks": "davis/masks/b"}, r"davis/masks/b has 2 frames of 96x64; 3 frames of 96x64 are needed"),
    ],
)
def test_a_pair_with_something_else_in_it(shots: Path, tmp_path: Path, change: dict, said: str) -> None:
    for name, frames in (("a", 3), ("b", 2)):
        words = f"compose {three(shots)} -o {tmp_path} --name {name} --frames {frames} --shadow --rough-mask limb"
        assert cli.run(words.split()) == 0
    document = json.loads((tmp_path / "composed.json").read_text())
    document["pairs"][0] |= change
    (tmp_path / "composed.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=said):
        read_disturbed(tmp_path, read_pairs(tmp_path)[0])


def test_an_object_of_which_nothing_is_left_is_told_before_anything_is_written(
    shots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"compose {three(shots)} -o {tmp_path / 'out'} --size 8 12 --rough-mask shrunk"
    refused(words, "nothing is left of a mask", capsys)
    assert not (tmp_path / "out").exists()


def test_a_kind_that_there_is_not(shots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(f"compose {three(shots)} -o {tmp_path} --rough-mask odd".split()) == 2
    assert "rough-mask" in capsys.readouterr().err
