"""The thing's shadow, and what its mask has missed, go with it; nothing else does."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cleanplate import METHODS, Plate, inpaint
from cleanplate.carry.effects import EffectsStage, Finding, as_hole, settle
from cleanplate.carry.rounds import carry
from cleanplate.carry.scene import factor_of
from cleanplate.config import NO_EFFECTS, EffectsConfig, Method
from cleanplate.errors import Cancelled
from cleanplate.imaging.frame import CARRIED, KNOWN, MADE_UP, Frame
from cleanplate.imaging.pixels import channels_last
from cleanplate.metrics import psnr_db
from cleanplate.plate import frames_of
from cleanplate.progress import Step
from cleanplate.runtime.work_dir import WorkDir
from tests.shadowed import OFF, QUICK, Shot, grown, red, shot, with_bystander, with_leaves, with_limb, with_posts

# Around a shadow its penumbra is found too: so many pixels.
PENUMBRA_PX = 4


def share(part: torch.Tensor, whole: torch.Tensor) -> float:
    return float((part & whole).sum() / whole.sum())


def checked(plate: Plate, it: Shot) -> Plate:
    """What holds of any plate."""
    effects = plate.effects
    assert effects.dtype == torch.bool
    assert effects.shape == it.mask.shape
    assert not (effects & it.mask).any()
    kept = ~(effects | it.mask)
    assert torch.equal(torch.where(kept, plate.frames, 0.0), torch.where(kept, it.frames, 0.0))
    assert torch.equal(plate.provenance == KNOWN, kept)
    assert bool((plate.provenance[effects] == CARRIED).all())
    return plate


def same(one: Plate, other: Plate) -> bool:
    parts = ("frames", "provenance", "effects")
    return all(torch.equal(getattr(one, part), getattr(other, part)) for part in parts)


def removed(it: Shot, method: Method = QUICK) -> Plate:
    """The shadow is found, and hardly anything else."""
    plate = checked(it.plate(method), it)
    assert share(plate.effects, it.shadow) > 0.8
    others = plate.effects & ~grown(it.shadow, PENUMBRA_PX) & ~it.thing
    assert share(others, ~it.mask) < 0.001
    assert share(plate.effects & ~it.shadow, ~it.mask) < 0.015
    return plate


def untouched(it: Shot) -> None:
    """Nothing is found, and nothing is other than if nobody had looked."""
    plate = checked(it.plate(), it)
    assert not plate.effects.any()
    assert same(plate, it.plate(OFF))


# The shadow


@pytest.mark.parametrize(("pan", "seed"), [(0, 0), (2, 1)])
def test_the_shadow_is_found_and_gone(pan: int, seed: int) -> None:
    it, method = shot(pan=pan, seed=seed), METHODS["carry"]
    plate, told = removed(it, method), it.told().plate(replace(method, effects=NO_EFFECTS))
    assert psnr_db(it.frames, it.truth, it.shadow) < 16
    # As good as if the mask had told. (In a single round a pan costs 3 dB: its motion was found with the shadow in it.)
    for where in (it.shadow, it.mask):
        assert psnr_db(plate.frames, it.truth, where) > psnr_db(told.frames, it.truth, where) - 1


def test_the_camera_follows_the_thing() -> None:
    it = shot(20, pan=6, step=0)
    plate = removed(it)
    # The first frames' ground leaves the picture on the left: hardly a frame shows it lit.
    assert share(plate.effects[:3], it.shadow[:3]) > 0.8


def test_a_thing_that_stands_before_it_walks() -> None:
    """As long as it stands, its shadow is in the scene as much as with the thing."""
    it = shot(strength=0.45)
    order = [0] * 12 + list(range(16))
    it = Shot(*(getattr(it, one.name)[order] for one in fields(Shot)))
    assert share(removed(it).effects[:12], it.shadow[:12]) > 0.8


def test_a_faint_shadow() -> None:
    it = shot(strength=0.15)
    plate = checked(it.plate(), it)
    assert share(plate.effects, it.shadow) > 0.8
    assert psnr_db(plate.frames, it.truth, it.shadow) > psnr_db(it.frames, it.truth, it.shadow) + 8


def test_a_mask_that_covers_the_shadow_leaves_nothing_to_find() -> None:
    untouched(shot().told())


def test_a_thing_without_a_shadow() -> None:
    untouched(shot(strength=0, pan=2))


def test_a_still_thing_before_a_still_camera() -> None:
    """Its shadow may as well be a stain: no frame shows the ground without it."""
    untouched(shot(step=0))


# A reflection


def test_a_reflection_goes_by_name_only() -> None:
    it = shot(strength=0.0)
    below = torch.roll(it.thing, 32, dims=2)
    it = replace(it, frames=torch.where(below, (it.frames * 1.3).clamp(0, 1), it.frames))
    assert not it.plate().effects.any()
    plate = checked(it.plate(replace(QUICK, effects=EffectsConfig("all"))), it)
    assert share(plate.effects, below) > 0.8
    assert share(plate.effects & ~grown(below, PENUMBRA_PX), ~it.mask) < 0.01


# What the mask misses


@pytest.mark.parametrize(
    ("missed", "strength", "pan"),
    [
        ("a rim", 0.0, 0),
        ("a limb", 0.0, 0),
        ("a limb", 0.45, 0),
        ("a limb", 0.0, 2),
        ("a rim", 0.45, 0),
        ("a rim", 0.45, 2),
    ],
)
def test_of_what_the_mask_misses_no_colour_is_left(missed: str, strength: float, pan: int) -> None:
    it = miss(shot(strength=strength, pan=pan), missed)
    assert not red(it.truth).any()
    plate = checked(it.plate(), it)
    assert not red(plate.frames).any()
    assert share(plate.effects, it.thing & ~it.mask) > 0.99
    assert psnr_db(plate.frames, it.truth, it.thing) > 36


@pytest.mark.parametrize("missed", ["a rim", "a limb"])
def test_most_of_what_the_mask_misses_is_found_under_a_pan(missed: str) -> None:
    it = miss(shot(strength=0, pan=2), missed)
    assert share(checked(it.plate(), it).effects, it.thing & ~it.mask) > 0.98


@pytest.mark.parametrize(("pan", "least"), [(0, 0.95), (2, 0.85)])
def test_a_limb_that_swings_goes_too(pan: int, least: float) -> None:
    """Under a pan not all of it: in the first frames few others show its place away from the thing."""
    it = with_limb(shot(24, strength=0.0, pan=pan, step=4))
    plate = checked(it.plate(), it)
    assert share(plate.effects, it.thing & ~it.mask) > least


def miss(it: Shot, what: str) -> Shot:
    """With a mask that misses a rim of 3 pixels, or a corner."""
    if what == "a rim":
        return it.masked(~grown(~it.mask, 3))
    mask = it.mask.clone()
    for one in mask[:, 0]:
        y, x = torch.nonzero(one, as_tuple=True)
        one[int(y.min()) : int(y.min()) + 10, int(x.min()) : int(x.min()) + 7] = False
    return it.masked(mask)


# Strange shots


def test_effects_stop_at_a_cut() -> None:
    method = replace(QUICK, carry=replace(QUICK.carry, grain=False))  # grain is drawn by the number of the frame
    parts = shot(12), shot(12, seed=9)
    plate = removed(parts[0].then(parts[1]), method)
    for part, which in zip(parts, (slice(0, 12), slice(12, 24)), strict=True):
        alone = part.plate(method)
        assert torch.equal(plate.effects[which], alone.effects)
        assert torch.equal(plate.frames[which], alone.frames)
        assert torch.equal(plate.provenance[which], alone.provenance)


@pytest.mark.filterwarnings("error")
def test_a_frame_between_two_cuts_is_looked_at_quietly() -> None:
    plate = shot(12).then(shot(1, seed=9)).plate()
    assert plate.effects[:12].any()
    assert not plate.effects[12:].any()


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_frames_to_tell(count: int) -> None:
    untouched(shot(count))


def test_a_thing_that_fills_the_frame_for_a_while() -> None:
    it = shot()
    mask = it.mask.clone()
    mask[8:11] = True
    it = it.masked(mask)
    plate = checked(it.plate(), it)
    assert not plate.effects[8:11].any()
    assert share(plate.effects, it.shadow & ~it.mask) > 0.8


@pytest.mark.parametrize(("pan", "level", "noise"), [(0, 0.04, 0.015), (2, 0.06, 0.008)])
def test_noise_at_night_is_no_shadow(pan: int, level: float, noise: float) -> None:
    untouched(shot(strength=0, level=level, noise=noise, pan=pan))


@pytest.mark.parametrize(("changes", "pan"), [("a flash", 0), ("a flash", 2), ("drift", 0)])
def test_light_that_changes_is_no_shadow_and_hides_none(changes: str, pan: int) -> None:
    gains = torch.linspace(1, 0.88, 16)
    if changes == "a flash":
        gains = torch.ones(16)
        gains[8] = 2
    untouched(shot(strength=0, level=0.5, pan=pan).lit(gains))
    it = shot(level=0.5, pan=pan).lit(gains)
    # In two rounds, as a user has it: a single one, which knows the shadow as hidden, gives less after a flash.
    assert psnr_db(removed(it, METHODS["carry"]).frames, it.truth, it.shadow) > 35.5


@pytest.mark.parametrize("size", [(480, 854), (1080, 1920)])
def test_a_shadow_that_is_lit_again_has_no_bright_rim(size: tuple[int, int]) -> None:
    """Its light is known in a picture several times smaller, and is none beside the shadow."""
    factor = factor_of(size)
    found = np.zeros((-(-size[0] // factor), -(-size[1] // factor)), bool)
    found[100:130, 200:240] = True
    light = np.where(found[..., None], np.float32(0.7), np.float32(0)).repeat(3, -1)
    picture, provenance = np.full((*size, 3), 160, np.uint8), np.zeros(size, np.uint8)
    picture[found.repeat(factor, 0).repeat(factor, 1)[: size[0], : size[1]]] = 112
    provenance[:50, :50] = MADE_UP
    frame = as_hole(Frame(0, picture, provenance), Finding(found, light)).frame
    settle(frame)
    assert frame.provenance[100 * factor + 9, 200 * factor + 9] == CARRIED
    assert frame.picture.max() == 160


def test_leaves_that_move_by_themselves_stay() -> None:
    it, leaves = with_leaves(shot(pan=2))
    assert not (removed(it).effects & leaves).any()


@pytest.mark.parametrize(
    ("top", "strength", "pan", "most"),
    [(8, 0.45, 0, 0.0), (8, 0.45, 2, 0.0), (40, 0.0, 2, 0.1), (40, 0.45, 0, 0.2)],
)
def test_somebody_who_walks_past_stays(top: int, strength: float, pan: int, most: float) -> None:
    """Of him who passes above the thing, all; of him who touches it, a part goes in the frames in which he does."""
    it, him = with_bystander(shot(strength=strength, pan=pan), top)
    lost = checked(it.plate(), it).effects & him
    assert share(lost, him) <= most
    assert share(lost, him & ~grown(it.thing | it.shadow, 6)) < 0.015


def test_what_parallax_moves_stays() -> None:
    """Posts pass faster than the ground: of those near the thing and its shadow hardly anything goes."""
    it, posts = with_posts(shot(20, pan=3), 62, pan=3)
    effects = checked(it.plate(), it).effects
    assert share(effects, it.shadow) > 0.9
    assert share(effects, posts) < 0.1


# How it is run


def test_off_is_as_if_there_were_no_such_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    it = shot(10)
    looked = it.plate()
    assert looked.effects.any()

    def none(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(EffectsStage, "__init__", none)
    off = checked(it.plate(OFF), it)
    assert not off.effects.any()
    alone = carry(frames_of(it.clip), QUICK.carry)
    for one, frame, provenance in zip(alone, off.frames, off.provenance, strict=True):
        np.testing.assert_array_equal(one.frame.picture, channels_last(frame))
        np.testing.assert_array_equal(one.frame.provenance, provenance[0])


WINDOWED = replace(QUICK, carry=replace(QUICK.carry, window_frames=15))
COUNT = 24


@pytest.fixture(scope="module")
def long() -> Shot:
    return shot(COUNT, step=4, pan=1)


@pytest.fixture(scope="module")
def whole(long: Shot) -> Plate:
    return checked(long.plate(WINDOWED), long)


def test_a_window_finds_what_the_whole_shot_finds(long: Shot, whole: Plate) -> None:
    assert share(whole.effects, long.shadow) > 0.8
    assert psnr_db(whole.frames, long.truth, long.shadow) > 34


@pytest.mark.parametrize("window", [2, 5])
def test_a_window_may_be_as_short_as_can_be(window: int) -> None:
    it = shot(8)
    checked(it.plate(replace(QUICK, carry=replace(QUICK.carry, window_frames=window))), it)


@pytest.mark.parametrize("end", [14, 28, 2 * COUNT - 1])
def test_a_run_that_was_ended_goes_on_to_the_same_plate(long: Shot, whole: Plate, tmp_path: Path, end: int) -> None:
    """The first blocks are found, all are found, and what was found is carried to, when it ends."""
    told: list[Step] = []

    def listen(step: Step) -> None:
        told.append(step)
        if len(told) == end:
            raise Cancelled("enough")

    def run(work: WorkDir) -> Plate:
        return inpaint(long.clip, WINDOWED, device="cpu", work_dir=work, on_step=listen)

    with pytest.raises(Cancelled):
        run(WorkDir(tmp_path / "work"))
    assert bool(list((tmp_path / "work").glob("effects-*-*.npz"))) == (end > 14)
    told.clear()
    end = 0
    work = WorkDir(tmp_path / "work", resume=True)
    assert same(run(work), whole)
    assert [step.done for step in told] == list(range(1, 2 * COUNT + 1))
    assert {step.total for step in told} == {2 * COUNT}
    work.finish()
