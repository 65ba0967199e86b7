"""What effects are found by: places in other frames, what most of these show, and what is put there in the end."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from cleanplate.carry.consensus import Consensus, consensus, exposure, in_size_order, quantiles
from cleanplate.carry.cuts import LEFT, left_between
from cleanplate.carry.effects import Finding, settle
from cleanplate.carry.evidence import evidence
from cleanplate.carry.fields import Field
from cleanplate.carry.journal import pack, unpack
from cleanplate.carry.motion import Motion
from cleanplate.carry.scene import Scene, Small, distance_to, factor_of, small_of
from cleanplate.carry.shapes import enclosed
from cleanplate.imaging.frame import CARRIED, KNOWN, MADE_UP, Frame
from tests.conftest import panning, texture
from tests.motions import constant

SIZE = (48, 64)
BOX = slice(4, 40), slice(10, 50)


def pan_of(step: tuple[float, float], *, as_camera: bool = False) -> Motion:
    """Everything moves by that much in a frame."""

    def field(x: float, y: float) -> Field:
        camera = np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]]) if as_camera else None
        return replace(constant((0.0, 0.0) if as_camera else (x, y)), camera=camera)

    return Motion(field(*step), field(-step[0], -step[1]), (3, 5), SIZE)


def smalls(count: int, step: int = 0) -> list[Small]:
    """A texture that pans to the right under a camera, nothing hidden."""
    pictures = (panning(count, SIZE, (step, 0)) * 255).byte().permute(0, 2, 3, 1).numpy()
    hole = np.zeros(SIZE, bool)
    return [Small(index, one, hole, distance_to(hole)) for index, one in enumerate(pictures)]


# Small pictures


@pytest.mark.parametrize("factor", [2, 3])
def test_a_rim_of_one_pixel_is_seen_in_a_small_picture(factor: int) -> None:
    height, width = 5 * factor - 1, 6 * factor  # the last row of small pixels is not whole
    picture, hole = np.full((height, width, 3), 40, np.uint8), np.zeros((height, width), bool)
    hole[2 * factor + 1 : 4 * factor, factor + 1 : 4 * factor] = True  # all but a column and a row of small pixels
    picture[hole] = 200
    frame = Frame(0, picture, hole.astype(np.uint8) * np.uint8(CARRIED))
    seen, blind = small_of(frame, factor, rim=True), small_of(frame, factor)
    assert (seen.picture[~seen.hole] == 40).all()
    assert seen.hole.sum() == 2 * 1
    assert blind.hole.sum() == 3 * 2
    assert (blind.distance >= 1).sum() == (~blind.hole).sum()
    np.testing.assert_array_equal(seen.distance, distance_to(seen.hole))
    np.testing.assert_array_equal(seen.picture[seen.hole], 200)


def test_of_a_small_pixel_that_is_nearly_all_hole_too_little_is_known() -> None:
    hole = np.ones((9, 9), bool)
    hole[0, :2] = False
    frame = Frame(0, np.zeros((9, 9, 3), np.uint8), hole.astype(np.uint8) * np.uint8(CARRIED))
    assert small_of(frame, 3, rim=True).hole.all()


# Places


@pytest.mark.parametrize("as_camera", [False, True])
@pytest.mark.parametrize("factor", [1, 2])
def test_a_place_is_followed_along_a_pan(factor: int, as_camera: bool) -> None:
    scene = Scene(smalls(7), [pan_of((-3.0, 1.0), as_camera=as_camera)] * 6, factor)
    places = scene.places(2, (1, 2, 4), BOX)
    assert set(places.moved) == {-2, -1, 1, 2, 4}
    y, x = np.mgrid[BOX].astype(np.float32)
    for offset in places.moved:
        there = places.at(offset)
        np.testing.assert_allclose(there[0], x - 3 * offset / factor, atol=1e-3)
        np.testing.assert_allclose(there[1], y + offset / factor, atol=1e-3)


def test_the_last_frame_of_a_shot_stands_for_those_that_are_missing() -> None:
    motion = pan_of((-1.0, 0.0))
    scene = Scene(smalls(9), [motion, motion, None, motion, motion, motion, motion, motion], 1)
    assert set(scene.places(4, (2, 5), BOX).moved) == {-1, 2, 4}  # a cut before frame 3; 8 is the last
    assert set(Scene(smalls(1), [], 1).places(0, (2, 5), BOX).moved) == set()


def test_frames_between_stand_for_those_that_a_short_shot_has_not() -> None:
    scene = Scene(smalls(9), [pan_of((-1.0, 0.0))] * 8, 1)
    assert set(scene.places(0, (2, 48), BOX, between=(4, 9, 5)).moved) == {2, 4, 5, 8}
    wanted = (1, 2, 3, 4, 5, 6, 7)
    assert set(scene.places(4, wanted, BOX, between=wanted).moved) == {-4, -3, -2, -1, 1, 2, 3, 4}


def test_what_is_enclosed_by_what_was_found_is_found() -> None:
    found, hole, inside = np.zeros((3, 12, 30), bool)
    hole[2:8, 1:7], hole[4:6, 3:5] = True, False  # a gap of the mask
    found[2:8, 10:16], found[4:6, 12:14] = True, False
    hole[2:8, 19:23], found[2:8, 23:25], found[4:6, 23] = True, True, False
    found[9:12, 27:30], found[10:12, 28:30] = True, False  # open to the edge of the picture
    inside[4:6, 12:14] = inside[4:6, 23] = True
    np.testing.assert_array_equal(enclosed(found, hole, 4), inside)
    assert not enclosed(found, hole, 1).any()


def test_frames_are_looked_at_small() -> None:
    sizes = ((96, 160), (270, 480), (480, 854), (1080, 1920), (1920, 1080), (2160, 4096))
    assert [factor_of(size) for size in sizes] == [1, 1, 2, 4, 4, 8]


# What most show


def test_exposure_gives_a_gain_back() -> None:
    rng = np.random.default_rng(0)
    there = rng.integers(40, 160, (96, 128, 3), np.uint8)
    gains = np.array([1.25, 0.8, 1.1], np.float32)
    here = np.rint(there * gains).astype(np.uint8)
    far = np.full(there.shape[:2], 255, np.uint8)
    np.testing.assert_allclose(exposure(here, there, far, far), gains, atol=0.01)
    # Not from what lies at a hole, is burnt out or hardly lit.
    here[:, :30], near = 100, far.copy()
    near[:, :30] = 1
    here[:15, 30:], here[15:24, 30:] = 255, 2
    np.testing.assert_allclose(exposure(here, there, near, far), gains, atol=0.02)
    np.testing.assert_array_equal(exposure(here, there, far * 0, far), 1)


@pytest.mark.parametrize("count", range(1, 15))
def test_pictures_are_put_in_size_order(count: int) -> None:
    stack = np.random.default_rng(count).integers(0, 256, (count, 6, 7, 3), np.uint8)
    np.testing.assert_array_equal(np.stack(in_size_order(list(stack))), np.sort(stack, 0))


@pytest.mark.parametrize("like", [np.uint8, np.float32])
@pytest.mark.parametrize("most", [1, 2, 5, 12])
def test_quantiles_are_those_of_what_is_shown(most: int, like: type) -> None:
    rng = np.random.default_rng(most)
    stack = rng.integers(0, 255, (most, 9, 11, 3)).astype(like)
    shown = rng.random((most, 9, 11)) < 0.7
    stack[~shown] = 255
    count = shown.sum(0).astype(np.uint8)
    given = quantiles(list(stack), count)
    ordered = np.sort(stack, 0)
    for y, x in np.argwhere(count > 0):
        last = int(count[y, x]) - 1
        for got, rank in zip(given, (last // 4, last // 2, last - last // 4), strict=True):
            np.testing.assert_array_equal(got[y, x], ordered[rank, y, x])


def test_what_most_frames_show_is_seen_through_who_stands_there_in_some() -> None:
    several = smalls(9, step=2)
    truth = several[4].picture.copy()
    for index in (1, 6):
        several[index].picture[10:30, 20:40] = (250, 10, 10)
    scene = Scene(several, [pan_of((-2.0, 0.0))] * 8, 1)
    seen = consensus(scene, 4, scene.places(4, (1, 2, 3, 4), BOX), farther_px=4, far_px=20)
    assert int(seen.count.max()) == 8
    assert np.abs(seen.picture.astype(int) - truth[BOX])[seen.count > 6].mean() < 1.5
    assert all(np.abs(gain - 1).max() < 0.02 for gain in seen.gains.values())


# What contradicts it


def seen_with(shown: np.ndarray, ground: np.ndarray) -> Consensus:
    distance = np.full(ground.shape[:2], 40, np.uint8)
    return Consensus(shown, distance, ground, ground, ground, np.full_like(distance, 6), {})


def test_a_shadow_is_dark_and_another_colour_is_foreign() -> None:
    ground = (texture(64, 96) * 200 + 20).astype(np.uint8)
    shadow, thing, moved = (ground.copy() for _ in range(3))
    shadow[20:44, 30:60] = np.rint(ground[20:44, 30:60] * np.array([0.6, 0.62, 0.65])).astype(np.uint8)
    thing[20:44, 30:60] = (230, 30, 20)
    moved[:, 1:] = ground[:, :-1]
    inside, outside = (slice(24, 40), slice(34, 56)), (slice(0, 12), slice(0, 96))
    dark = evidence(seen_with(shadow, ground), 270)
    assert np.median(dark.dark[inside]) == pytest.approx(-np.log(0.62), abs=0.05)
    assert float(dark.dark[outside].max()) < 0.02
    np.testing.assert_allclose(np.exp(np.median(dark.light[inside], (0, 1))), [0.6, 0.62, 0.65], atol=0.04)
    foreign = evidence(seen_with(thing, ground), 270)
    assert np.median(foreign.foreign[inside]) > 1
    assert float(foreign.foreign[outside].max()) == 0
    parallax = evidence(seen_with(moved, ground), 270)
    assert float(np.quantile(parallax.foreign, 0.99)) < 0.4
    assert float(np.quantile(parallax.dark, 0.99)) < 0.05


def test_a_shadow_on_ground_of_a_deep_colour_is_dark() -> None:
    saucer = (150, 30, 12)
    ground = np.rint((texture(64, 96) * 0.2 + 0.9) * np.array(saucer)).astype(np.uint8)
    for share, least, most in ((np.full(3, 0.55), 0.35, 0.6), (np.array([0.55, 1.0, 1.0]), 0.0, 0.0)):
        shown = ground.copy()
        shown[20:44, 30:60] = np.rint(ground[20:44, 30:60] * share).astype(np.uint8)
        dark = evidence(seen_with(shown, ground), 270).dark[24:40, 34:56]
        assert least <= float(np.median(dark)) <= most


def left(one: torch.Tensor, other: torch.Tensor, flow: tuple[float, float] = (0.0, 0.0)) -> float:
    there = np.broadcast_to(np.array(flow, np.float32), (*one.shape[1:], 2))
    return left_between(as_arrays(one, other), (there, -there), [np.ones(one.shape[1:], bool)] * 2)


def as_arrays(*pictures: torch.Tensor) -> list[np.ndarray]:
    return [picture.permute(1, 2, 0).numpy() for picture in pictures]


def test_a_cut_is_told_by_what_the_best_motion_leaves() -> None:
    one, other = panning(2, (64, 96), (4, 0))
    assert left(one, one) == 0
    assert left(one, 0.7 * one) < 0.05
    assert left(one, 0.7 * other, (-4.0, 0.0)) < 0.05
    for seed in range(1, 6):
        assert left(one, panning(1, (64, 96), seed=seed)[0], (2.0, 1.0)) > LEFT
        assert left(one, 0.7 * panning(1, (64, 96), seed=seed)[0]) > LEFT
    known, still = [np.zeros((64, 96), bool)] * 2, [np.zeros((64, 96, 2), np.float32)] * 2
    assert left_between(as_arrays(one, other), still, known) == 0  # nothing tells


# What is put there


def found_frame(dtype: type) -> Frame:
    """The first row is known, the last hole; of the eight pixels between it was found that they are changed."""
    scale = 255 if dtype == np.uint8 else 1
    frame = Frame(3, np.full((3, 8, 3), 0.4 * scale, dtype), np.zeros((3, 8), np.uint8))
    frame.provenance[2] = MADE_UP
    where = np.zeros((3, 8), bool)
    where[1] = True
    light = np.array([0.5, 0.98, 0.88, 0.5, 0.0, 0.0, 0.1, -1.0], np.float16)
    frame.add_effects(where, np.repeat(light[:, None], 3, 1))
    reached = np.array([True, True, True, False, True, False, False, False])
    frame.picture[1:] = 0.9 * scale
    frame.provenance[1, reached] = CARRIED
    return frame


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_what_was_carried_and_what_is_lit_again_are_blended_by_the_strength(dtype: type) -> None:
    frame = found_frame(dtype)
    settle(frame)
    scale = 255 if dtype == np.uint8 else 1
    # Deep: carried. Faint: lit again. Between: half of both. Not reached: lit again. No shadow: carried, or still to be
    # filled. Too dark, and not reached: still to be filled. Nobody knows, and not reached: left.
    expected = [0.9, 0.4 / 0.98, (0.9 + 0.4 / 0.88) / 2, 0.8, 0.9, 0.9, 0.9, 0.4]
    for colour in frame.picture[1].T / scale:
        assert colour.tolist() == pytest.approx(expected, abs=0.004)
    assert frame.provenance.tolist() == [[KNOWN] * 8, [CARRIED] * 5 + [MADE_UP, MADE_UP, KNOWN], [MADE_UP] * 8]
    assert frame.effects is not None
    assert frame.effects.where[1].tolist() == [True] * 7 + [False]
    assert frame.effects.left == 1
    assert not frame.effects.where[[0, 2]].any()
    before = frame.picture.copy()
    settle(frame)  # once is enough
    np.testing.assert_array_equal(frame.picture, before)


@pytest.mark.parametrize("settled", [False, True])
def test_a_frame_with_effects_is_packed_and_unpacked(settled: bool) -> None:
    """Put back where it was kept from: before it is settled, or after."""
    frame, again = found_frame(np.uint8), found_frame(np.uint8)
    if settled:
        settle(frame)
        settle(again)
        again.picture[again.hole] = 7
        again.provenance[again.hole] = MADE_UP
    unpack(again, pack(frame))
    np.testing.assert_array_equal(again.picture, frame.picture)
    np.testing.assert_array_equal(again.provenance, frame.provenance)
    assert frame.effects is not None
    assert again.effects is not None
    np.testing.assert_array_equal(again.effects.where, frame.effects.where)
    assert again.effects.left == frame.effects.left
    for one in (frame, again):
        settle(one)
    np.testing.assert_array_equal(again.picture, frame.picture)


def test_a_finding_is_packed_and_loaded() -> None:
    found = np.zeros((7, 11), bool)
    found[2:5, 3:9] = True
    light = cv2.GaussianBlur(np.random.default_rng(0).random((7, 11, 3)).astype(np.float32), (0, 0), 1)
    light[~found] = 0
    loaded = Finding.load(Finding(found, light).packed())
    np.testing.assert_array_equal(loaded.found, found)
    np.testing.assert_array_equal(loaded.light, light)
