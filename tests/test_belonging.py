"""What is believed of what contradicts: that it lasts, that a short mask has a rim, and how a shadow looks."""

from dataclasses import replace

import numpy as np
import pytest

from cleanplate.carry.belonging import SHORT, Judge, Looked
from cleanplate.carry.effects import UNKNOWN, _finding
from cleanplate.carry.evidence import Evidence
from cleanplate.carry.scene import Places, Scene, Small, distance_to
from cleanplate.carry.shade import as_dark, levels_of
from cleanplate.carry.suspects import lasting
from cleanplate.config import EffectsConfig
from tests.test_evidence import SIZE, pan_of

COUNT, STEP = 12, 3


def evidence_of(asked: np.ndarray) -> Evidence:
    """Of a frame that contradicts nowhere."""
    nothing = np.zeros(SIZE, np.float32)
    light = np.zeros((*SIZE, 3), np.float32)
    return Evidence(asked, asked, nothing, nothing, nothing, nothing, light, nothing, 0.01, 1.0)


def looked_at(number: int, reach: np.ndarray, asked: np.ndarray | None = None) -> Looked:
    told = evidence_of(np.ones(SIZE, bool) if asked is None else asked)
    return Looked(number, Places((slice(0, SIZE[0]), slice(0, SIZE[1])), {}), told, reach, reach, 0.0, 0)


def shot(cut: int | None = None) -> Scene:
    """A thing that walks to the right before a still camera."""
    picture, smalls = np.zeros((*SIZE, 3), np.uint8), []
    for index in range(COUNT):
        hole = np.zeros(SIZE, bool)
        hole[20:30, 5 + STEP * index : 12 + STEP * index] = True
        smalls.append(Small(index, picture, hole, distance_to(hole)))
    motions = [None if index + 1 == cut else pan_of((0.0, 0.0)) for index in range(COUNT - 1)]
    return Scene(smalls, motions, 1)


def shadow(index: int) -> np.ndarray:
    """Below the thing, and as wide."""
    out = np.zeros(SIZE, bool)
    out[30:34, 5 + STEP * index : 12 + STEP * index] = True
    return out


# What lasts


def test_what_walks_with_the_thing_lasts() -> None:
    looked = {index: looked_at(index, shadow(index)) for index in range(COUNT)}
    for one in looked.values():
        np.testing.assert_array_equal(lasting(one, shot(), looked), one.reach)


@pytest.mark.parametrize("number", [0, 6, COUNT - 1])
def test_a_speck_in_one_frame_does_not(number: int) -> None:
    looked = {index: looked_at(index, shadow(index)) for index in range(COUNT)}
    looked[number].reach = shadow(number)
    looked[number].reach[5:8, 50:54] = True
    np.testing.assert_array_equal(lasting(looked[number], shot(), looked), shadow(number))
    nothing = np.zeros(SIZE, bool)
    alone = {index: looked_at(index, shadow(index) if index == number else nothing) for index in range(COUNT)}
    assert not lasting(alone[number], shot(), alone).any()


def test_frames_beyond_a_cut_are_not_asked_whether_it_lasts() -> None:
    nothing = np.zeros(SIZE, bool)
    looked = {index: looked_at(index, shadow(index) if index <= 5 else nothing) for index in range(COUNT)}
    assert lasting(looked[5], shot(), looked).any()
    assert not lasting(looked[5], shot(cut=5), looked).any()


# The rim of a short mask


def test_all_of_the_rim_goes_where_it_can_be_told() -> None:
    small, asked = shot().smalls[2], np.ones(SIZE, bool)
    asked[:, :12] = False
    one = looked_at(2, shadow(2), asked).with_rim(small)
    assert one.short
    rim = one.found & ~shadow(2)
    assert (rim <= (small.distance == 1)).all()
    assert not rim[:, :12].any()
    assert rim[19, 13:17].all()


@pytest.mark.parametrize(("share", "taken"), [(0.9, True), (0.6, False)])
def test_as_deep_as_most_of_it_is_missed_all_of_it_goes(share: float, taken: bool) -> None:
    small, asked = shot().smalls[4], np.ones(SIZE, bool)
    asked[:, :15] = False  # nobody tells of the left side
    missed = (small.distance >= 1) & (small.distance <= 3) & asked & (np.random.default_rng(0).random(SIZE) < share)
    found = looked_at(4, missed, asked).with_rim(small).found
    assert (found >= missed).all()
    for depth in (2, 3):  # the first goes in any case, where it can be told
        np.testing.assert_array_equal(found[small.distance == depth].all(), taken)
    assert not found[small.distance > 3].any()
    nobody = looked_at(4, missed & False, asked & False).with_rim(small)
    assert not nobody.found.any()


def test_a_dark_rim_all_around_is_a_thing_and_one_below_is_a_shadow() -> None:
    small, asked = shot().smalls[4], np.ones(SIZE, bool)
    dark = np.full(SIZE, 0.5, np.float32)
    told = replace(evidence_of(asked), dark_unmoved=dark, dark=dark)
    rim = small.distance == 1
    below = rim & (np.arange(SIZE[0]) >= 30)[:, None]
    judge = Judge(shot(), [], [], [one.distance for one in shot().smalls], EffectsConfig("shadows"), [None] * COUNT)
    assert judge._missed(told, rim, small.distance) == 1
    assert judge._missed(told, below, small.distance) == 0  # though it looks like a part of it


@pytest.mark.parametrize(
    ("where", "known", "short"),
    [
        ("at the rim", "ground", True),
        ("all over", "ground", False),  # a crowd, leaves: it differs like this everywhere
        ("at the rim", "a shadow", False),  # its edge beside the thing looks like a part of it
        ("at the rim, and beyond it what was found", "ground", True),
    ],
)
def test_a_mask_is_short_if_its_rim_differs_as_nothing_beside_it_does(where: str, known: str, short: bool) -> None:
    small = shot().smalls[4]
    now_and_then = np.random.default_rng(0).random(SIZE) < 0.3
    beyond = (small.distance > 1) & ("beyond" in where)
    beyond[: SIZE[0] // 2] = False
    differs = now_and_then & ((small.distance == 1) | (where == "all over")) | beyond
    dark = np.full(SIZE, 0.5 if known == "a shadow" else 0.0, np.float32)
    told = replace(evidence_of(np.ones(SIZE, bool)), foreign=np.where(differs, 2, 0).astype(np.float32))
    judge = Judge(shot(), [], [], [one.distance for one in shot().smalls], EffectsConfig("shadows"), [None] * COUNT)
    missed = judge._missed(replace(told, dark_unmoved=dark), beyond, small.distance)
    assert bool(missed > SHORT) is short
    assert missed == 0 or missed == pytest.approx(now_and_then[small.distance == 1].mean())


@pytest.mark.parametrize("short", [False, True])
def test_what_nobody_has_seen_lit_stays_as_it_is_unless_a_short_mask_has_missed_it(short: bool) -> None:
    one = looked_at(4, shadow(4), np.zeros(SIZE, bool))
    one.short = short
    finding = _finding(one, shot().smalls[4].hole)
    assert (finding.light[shadow(4)] == (0 if short else UNKNOWN)).all()


# What was found earlier


def test_what_was_found_earlier_stands_where_nobody_can_be_asked_any_more() -> None:
    scene, earlier = shot(), [shadow(index) for index in range(COUNT)]
    for asked in (np.zeros(SIZE, bool), np.ones(SIZE, bool)):
        looked = [looked_at(index, earlier[index] & False, asked) for index in range(COUNT)]
        distances = [small.distance for small in scene.smalls]
        judge = Judge(scene, [], looked, distances, EffectsConfig("shadows"), earlier)
        found, reach, missed = judge.decide(looked[3])
        expected = earlier[3] & ~asked & ~scene.smalls[3].hole
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(reach, expected)
        assert missed == 0
        for never in ([None] * COUNT, [earlier[0] & False] * COUNT):
            assert not Judge(scene, [], looked, distances, EffectsConfig("shadows"), never).decide(looked[3])[0].any()


# How a shadow looks


def test_what_nobody_tells_of_is_shadow_if_it_is_as_dark() -> None:
    rng = np.random.default_rng(0)
    light = rng.normal(150, 6, SIZE)
    dark = np.zeros(SIZE, bool)
    dark[20:30, 8:56] = True
    picture = np.repeat(np.where(dark, light * 0.5, light)[..., None], 3, 2).clip(0, 255).astype(np.uint8)
    unseen = np.zeros(SIZE, bool)
    unseen[15:35, 32:] = True
    found = as_dark(levels_of(picture), dark & ~unseen, ~dark & ~unseen, unseen, SIZE[0])
    assert (found & dark & unseen).sum() > 0.9 * (dark & unseen).sum()
    assert (found & ~dark).sum() < 0.1 * (unseen & ~dark).sum()


def test_nothing_is_as_dark_as_no_shadow_or_as_one_that_is_hardly_darker() -> None:
    rng = np.random.default_rng(0)
    dark = np.zeros(SIZE, bool)
    dark[20:30, 8:56] = True
    unseen = np.zeros(SIZE, bool)
    unseen[15:35, 32:] = True
    level = rng.normal(150, 6, SIZE) * np.where(dark, 0.95, 1)
    levels = levels_of(np.repeat(level[..., None], 3, 2).astype(np.uint8))
    assert not as_dark(levels, dark & ~unseen, ~dark & ~unseen, unseen, SIZE[0]).any()
    assert not as_dark(levels, dark & False, ~unseen, unseen, SIZE[0]).any()
