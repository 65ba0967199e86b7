"""What is made up: pieces of the frame at offsets at which it is like itself."""

from itertools import product
from typing import Any

import cv2
import numpy as np
import pytest

from cleanplate.runtime.chance import drawn, seeded
from cleanplate.unseen import shifts
from cleanplate.unseen.cut import _stays, labelled, shown_at
from cleanplate.unseen.offsets import frequent_offsets
from cleanplate.unseen.seams import level
from cleanplate.unseen.shifts import copies_for_hole


def tiled(height: int, width: int, period: tuple[int, int], seed: int = 0) -> np.ndarray:
    """One tile of noise again and again."""
    tile = np.random.default_rng(seed).integers(0, 256, (*period, 3)).astype(np.uint8)
    return np.tile(tile, (-(-height // period[0]), -(-width // period[1]), 1))[:height, :width].copy()


def holed(height: int, width: int, rows: slice, columns: slice) -> np.ndarray:
    hole = np.zeros((height, width), bool)
    hole[rows, columns] = True
    return hole


def filled(picture: np.ndarray, hole: np.ndarray, **more: Any) -> tuple[np.ndarray, np.ndarray]:
    """The picture with its hole filled, with copies alone and with levelled ones."""
    copies = copies_for_hole(picture, hole, 30, **{"seed": 0, **more})
    assert copies is not None
    assert not hole[tuple(copies.places.T)].any()
    raw, levelled = picture.copy(), picture.astype(np.float32)
    raw[hole] = picture[tuple(copies.places.T)]
    levelled[hole] = raw[hole] + copies.correction
    return raw, levelled


def test_what_repeats_lies_at_multiples_of_its_period() -> None:
    picture = tiled(80, 120, (11, 17))
    known = ~holed(80, 120, slice(30, 50), slice(40, 70))
    offsets = frequent_offsets(picture, known, 12, seed=0)
    assert len(offsets) == 12
    assert (offsets % (11, 17) == 0).all()
    assert (np.hypot(*offsets.T) > 120 / 15).all()


def test_what_is_alike_because_it_is_near_is_no_offset() -> None:
    """A smooth slope is like itself a pixel beside; that would only smear it."""
    rows, columns = np.mgrid[:90, :150]
    picture = np.stack([rows, columns, (rows + columns) / 2], -1).astype(np.uint8)
    offsets = frequent_offsets(picture, np.ones((90, 150), bool), 30, seed=0)
    assert len(offsets)
    assert np.hypot(*offsets.T).min() > 9


@pytest.mark.parametrize("known", [np.zeros((30, 40), bool), holed(30, 40, slice(0, 7), slice(0, 8))])
def test_where_too_little_is_known_there_is_no_offset_and_no_copy(known: np.ndarray) -> None:
    picture = tiled(30, 40, (5, 5))
    assert frequent_offsets(picture, known, 30, seed=0).shape == (0, 2)
    assert copies_for_hole(picture, ~known, 30, seed=0) is None


@pytest.mark.parametrize("seed", range(20))
def test_a_cut_is_the_best_of_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    change, apart = rng.integers(-50, 50, 7).astype(float), rng.integers(0, 40, 10).astype(float)
    here, there = (np.array(ends) for ends in zip(*[rng.choice(7, 2, False) for _ in apart], strict=True))

    def cost(changed: np.ndarray) -> float:
        return float(change[changed].sum() + apart[~changed[here] & changed[there]].sum())

    least = min(cost(np.array(one)) for one in product((False, True), repeat=7))
    assert cost(~_stays(change, here, there, apart)) == least


def seen(picture: np.ndarray, hole: np.ndarray, offsets: np.ndarray, label: np.ndarray) -> float:
    """What is seen of all seams and of the border, one pair of pixels after the other; much for what is not known."""
    total, height, width = 0.0, *hole.shape
    number = np.full(hole.shape, -1)
    number[hole] = label

    def shown(row: int, column: int, offset: np.ndarray) -> np.ndarray | None:
        row, column = row + offset[0], column + offset[1]
        known = 0 <= row < height and 0 <= column < width and not hole[row, column]
        return picture[row, column] if known else None

    for row, column in np.argwhere(hole):
        mine = offsets[number[row, column]]
        total += 0 if shown(row, column, mine) is not None else 1e9
        for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            if not (0 <= row + down < height and 0 <= column + right < width):
                continue
            if not hole[row + down, column + right]:
                here = shown(row + down, column + right, mine)
                off = 60000 if here is None else 2 * ((here - picture[row + down, column + right]) ** 2).sum()
                total += off
            elif down + right > 0 and number[row + down, column + right] != number[row, column]:
                other = offsets[number[row + down, column + right]]
                for at in ((row, column), (row + down, column + right)):
                    pair = shown(*at, mine), shown(*at, other)
                    total += 0 if pair[0] is None or pair[1] is None else ((pair[0] - pair[1]) ** 2).sum()
    return total


def test_pieces_are_seen_less_than_any_one_offset() -> None:
    picture = cv2.GaussianBlur(np.random.default_rng(1).random((24, 30, 3)).astype(np.float32) * 500, (0, 0), 1.5)
    hole = holed(24, 30, slice(9, 15), slice(12, 18))
    offsets = np.array([(8, 0), (-8, 2), (0, 9), (1, -10), (9, 9)])
    label = labelled(picture, hole, hole, offsets)
    least = min(seen(picture, hole, offsets, np.full(36, number)) for number in range(len(offsets)))
    assert len(np.unique(label)) > 1
    assert seen(picture, hole, offsets, label) < least


def test_what_costs_more_is_left_out() -> None:
    picture = tiled(24, 30, (4, 5)).astype(np.float32)
    hole = holed(24, 30, slice(9, 15), slice(12, 18))
    offsets = np.array([(8, 0), (-8, 0)])
    for dear in (0, 1):
        cost = np.zeros((2, 36))
        cost[dear] = 1.0
        assert (labelled(picture, hole, hole, offsets, cost) == 1 - dear).all()


def test_what_is_shown_beyond_the_picture_or_in_the_hole_is_not_known() -> None:
    picture = np.arange(4 * 5 * 3, dtype=np.float32).reshape(4, 5, 3)
    hole = holed(4, 5, slice(1, 2), slice(2, 4))
    shown, able = shown_at(picture, hole, np.array([(0, -1), (-2, 0), (1, 1)]), *np.nonzero(hole))
    assert able.tolist() == [[True, False], [False, False], [True, True]]
    np.testing.assert_array_equal(shown[2], picture[[2, 2], [3, 4]])


@pytest.mark.parametrize("cut_px", [10_000, 600])
def test_a_pattern_goes_on_and_what_is_hidden_is_never_read(cut_px: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the pixel, at whatever size it was decided: the period is no multiple of the coarse one's pixels."""
    monkeypatch.setattr(shifts, "CUT_PX", cut_px)
    truth = tiled(97, 131, (22, 26))
    # Something that does not repeat, or a hole could be anywhere.
    truth[:20] = truth[:20] // 2
    hole = holed(97, 131, slice(30, 66), slice(40, 85))
    results = [filled(np.where(hole[..., None], np.uint8(level), truth), hole) for level in (0, 255)]
    np.testing.assert_array_equal(results[0][1], results[1][1])
    np.testing.assert_array_equal(results[0][0], truth)
    np.testing.assert_allclose(results[0][1], truth, atol=1e-3)


def test_an_edge_goes_on_through_the_hole() -> None:
    """Of two textures, with bricks on one side of it."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:160, :240]
    light = (columns > 150) & ((rows % 16 < 13) | (columns % 24 > 2))
    truth = np.where(light[..., None], 170, 60) + rng.integers(-12, 12, (160, 240, 3))
    truth = truth.astype(np.uint8)
    hole = holed(160, 240, slice(50, 110), slice(110, 190))
    raw, _ = filled(np.where(hole[..., None], np.uint8(0), truth), hole)
    wrong = (raw.mean(2) > 115) != light
    assert wrong[hole].mean() < 0.03


def test_copies_are_levelled_along_seams_but_not_over_an_edge() -> None:
    """The right half is copied from where it is darker by 30; a black bar beside the hole does not bleed."""
    picture = tiled(60, 120, (10, 10)).astype(np.float32) / 4 + 100
    truth = picture.copy()
    picture[:, 90:] -= 30
    picture[28:32, 70:75] = 0
    hole = holed(60, 120, slice(20, 40), slice(40, 70))
    offset = np.zeros((60, 120, 2), np.int64)
    offset[hole] = 0, -30
    offset[:, 55:][hole[:, 55:]] = 0, 40
    added = np.zeros((60, 120, 3), np.float32)
    for _ in range(3):  # as at three sizes
        level(picture, hole, np.argwhere(hole), offset, picture, np.float32(0), 40, added)
    places = np.argwhere(hole)
    made = picture[tuple((places + offset[hole]).T)] + added[hole]
    assert np.abs(made - truth[hole]).max() < 15
    assert np.abs(made - truth[hole]).mean() < 1.5
    assert np.abs(added[20:40, 60:68].mean() - 30) < 1.5


def test_what_no_offset_reaches_is_filled_from_what_is_filled() -> None:
    """A hole so deep that what is known lies on one side, nearer than the hole is deep."""
    truth = tiled(60, 120, (10, 10))
    hole = holed(60, 120, slice(0, 60), slice(40, 120))
    raw, _ = filled(np.where(hole[..., None], np.uint8(0), truth), hole)
    np.testing.assert_array_equal(raw, truth)


@pytest.mark.parametrize("cut_px", [10_000, 800])
def test_a_guide_decides_where_surroundings_would_do_otherwise(cut_px: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Left black, right white: the hole between is what the guide says, in either case."""
    monkeypatch.setattr(shifts, "CUT_PX", cut_px)
    frame = tiled(96, 192, (8, 8)) // 12
    frame[:, 96:] += 230
    hole = holed(96, 192, slice(24, 72), slice(64, 128))
    for grey in (10, 240):
        guide = np.where(hole[..., None], np.uint8(grey), frame)[::2, ::2].copy()
        raw, levelled = filled(frame, hole, guide=guide, guide_weight=30.0)
        assert raw[hole].mean() == pytest.approx(grey, abs=20)
        assert levelled[hole].mean() == pytest.approx(grey, abs=12)


def test_the_same_seed_gives_the_same() -> None:
    picture = np.random.default_rng(3).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    hole = holed(60, 80, slice(20, 40), slice(30, 50))
    one, two = (copies_for_hole(picture, hole, 30, seed=4) for _ in range(2))
    assert one is not None
    assert two is not None
    np.testing.assert_array_equal(one.places, two.places)
    np.testing.assert_array_equal(one.correction, two.correction)


def test_there_is_chance_in_every_seed_that_a_run_takes() -> None:
    assert [int(seeded(seed)[0]) for seed in (0, 3)] == [88172645463325252, 88172645463325252 + 3 * 2654435761]
    to_zero = -88172645463325252 * pow(2654435761, -1, 2**64) % 2**64
    for seed in (6_916_185_993, to_zero, 2**63 - 1):
        chance = seeded(seed)
        assert len({int(drawn(chance)) for _ in range(100)}) == 100
