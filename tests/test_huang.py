"""Huang et al. 2016: colour and flow together."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from cleanplate.baselines.fillers import telea
from cleanplate.baselines.flows import Flows, Way, disagreement, read
from cleanplate.baselines.huang import HIDDEN_WEIGHT, KNOWN_WEIGHT, Level, completed, huang
from cleanplate.baselines.pyramid import HOLE, KNOWN, pyramid_of
from cleanplate.baselines.volume import Volume
from cleanplate.errors import InputError

rng = np.random.default_rng(0)
PHOTO = cv2.GaussianBlur(rng.integers(0, 256, (160, 200, 3)).astype(np.float32), (0, 0), 2)
PHOTO = np.clip((PHOTO - 128) * 5 + 128, 0, 255).astype(np.uint8)
HEIGHT, WIDTH = 48, 64


def panning(frames: int, *, faster: bool = False) -> np.ndarray:
    """By 3 px a frame to the right, so that what is seen moves to the left; or by 1, then 2, then 3, and so on."""
    left = [10 + (k * (k + 1) // 2 if faster else 3 * k) for k in range(frames)]
    return np.stack([PHOTO[20 : 20 + HEIGHT, one : one + WIDTH] for one in left])


def square_hole(frames: int, side: int = 12) -> np.ndarray:
    hidden = np.zeros((frames, HEIGHT, WIDTH), bool)
    hidden[:, 16 : 16 + side, 24 : 24 + side] = True
    return hidden


def tensors(pictures: np.ndarray, hidden: np.ndarray) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255, torch.from_numpy(hidden)[:, None]


def psnr_db(filled: Tensor, truth: Tensor, hole: Tensor) -> float:
    return float(-10 * ((filled - truth)[hole.expand_as(truth)] ** 2).mean().log10())


def test_what_another_frame_shows_is_brought_along_the_flow() -> None:
    truth, hole = tensors(panning(8, faster=True), square_hole(8))
    filled = huang(torch.where(hole, 0.0, truth), hole)
    assert psnr_db(filled, truth, hole) > 35
    assert psnr_db(telea(truth, hole), truth, hole) < 20
    assert torch.equal(filled[~hole.expand_as(truth)], truth[~hole.expand_as(truth)])


def test_flow_is_known_around_the_hole_and_goes_on_in_it() -> None:
    pictures, hidden = panning(3), square_hole(3)
    flows = Flows.estimated(pictures, hidden)
    for way, right in ((flows.there, -3), (flows.back, 3)):
        assert np.abs(way.flow[:, 10:34, 18:42] - (right, 0)).max() < 0.5
        assert way.unknown[:, 13:31, 21:39].all(), "the hole, and what is near it"
        assert not way.unknown[:, :, :12].any()
        ends = slice(36 - right, 39 - right) if right < 0 else slice(24 - right - 3, 21)
        assert way.unknown[:, 16:28, ends].all(), "and what leads there"
    spoilt = np.where(hidden[..., None], np.uint8(255), pictures)
    other = Flows.estimated(spoilt, hidden)
    assert np.array_equal(other.there.flow, flows.there.flow), "what is hidden has no part in it"
    assert np.array_equal(other.back.flow, flows.back.flow)


def test_flow_is_found_again_on_what_is_filled() -> None:
    pictures, hidden = panning(3), square_hole(3)
    flows = Flows.estimated(pictures, hidden)
    for way in (flows.there, flows.back):
        way.flow[way.unknown] += 0.8
    known = flows.there.flow[~flows.there.unknown].copy()
    for _ in range(8):
        flows.refine(pictures)
    for way, right in ((flows.there, -3), (flows.back, 3)):
        assert np.abs(way.flow[way.unknown] - (right, 0)).mean() < 0.3
    assert np.array_equal(flows.there.flow[~flows.there.unknown], known)


def test_flow_of_another_size() -> None:
    flow, unknown = np.zeros((1, 20, 24, 2), np.float32), np.zeros((1, 20, 24), bool)
    flow[:], unknown[0, 8:12, 8:12] = (4, -2), True
    way = Way(flow, unknown)
    half = way.smaller(2)
    assert half.flow.shape == (1, 10, 12, 2)
    assert np.allclose(half.flow, (2, -1))
    assert half.unknown[0, 4:6, 4:6].all()
    assert np.count_nonzero(half.unknown) < 20
    found = replace(half, flow=half.flow + np.float32(0.5))
    again = way.completed_from(found)
    assert np.allclose(again.flow[unknown], (5, -1))
    assert np.allclose(again.flow[~unknown], (4, -2))


def test_going_there_and_back() -> None:
    there, back = np.zeros((2, 10, 12, 2), np.float32)
    there[..., 0], back[..., 0] = 2, -2
    back[5, 8] = (-1, 1)
    far = disagreement(there, back)
    assert far[5, 6] == pytest.approx(2**0.5)
    assert np.count_nonzero(far) == 1
    values = np.arange(12, dtype=np.float32)[None].repeat(10, 0)
    assert np.array_equal(read(values, there), np.minimum(values + 2, 11)), "beyond the border, the border's"


def moved_twins() -> tuple[Volume, np.ndarray]:
    """What the hole hides is there twice; in the hole it moves to the right by 3 px, the other one to the left by 2."""
    colours = np.random.default_rng(1).integers(0, 256, (2, 60, 200, 3), np.uint8)
    colours[0, :, 36:56] = colours[1, :, 39:59] = colours[1, :, 13:33] = colours[0, :, 15:35]
    state = np.full(colours.shape[:3], KNOWN, np.uint8)
    state[0, 10:14, 44:48], state[1, 10:14, 47:51] = HOLE, HOLE
    steps = np.zeros((*state.shape, 2, 2), np.int16)
    steps[0, :, :36, 1, 1], steps[0, :, 36:, 1, 1] = -2, 3
    steps[1, :, :36, 0, 1], steps[1, :, 36:, 0, 1] = 2, -3
    volume = Volume(colours, state, np.zeros((*state.shape, 2), np.float32), 10.0, seed=0, reach_frames=0)
    volume.fill_all()
    return volume, steps


@pytest.mark.parametrize(("first", "sweeps"), [(0, 1), (1, 2)])  # the first sweep goes on in time, the second back
def test_what_is_found_in_a_frame_is_followed_to_the_next_as_both_move(first: int, sweeps: int) -> None:
    for moves in (True, False):
        volume, steps = moved_twins()
        if moves:
            volume.fill(volume.all_colours(), np.zeros((*steps.shape[:3], 2), np.float32), steps)
        volume.search(0)
        here = volume.places[:, 0] == first
        volume.match[here] = volume.places[here] - (0, 0, 21 + 5 * first)
        volume.search(sweeps)
        found = np.count_nonzero((volume.distance == 0) & ~here)
        assert (found == np.count_nonzero(~here)) == moves, "by chance not all are found"


def test_what_is_taken_as_there_is_gone_on_from() -> None:
    state = np.full((1, 20, 20), KNOWN, np.uint8)
    state[0, 6:14, 6:14] = HOLE
    nothing = np.zeros((1, 20, 20, 2), np.float32)
    volume = Volume(np.zeros((1, 20, 20, 3), np.uint8), state, nothing, 10.0, seed=0, reach_frames=0)
    filled = np.zeros((1, 20, 20), bool)
    filled[0, 6:14, 6:13] = True
    volume.take_as_there(filled)
    assert volume.next_layer()
    assert np.count_nonzero(volume.filling) == 8
    assert not volume.next_layer()


def still(level_of: np.ndarray, hidden: np.ndarray) -> Level:
    """Frames of one colour each that do not move."""
    colours = np.broadcast_to(level_of[:, None, None, None], (*hidden.shape, 3)).astype(np.uint8)
    state, size = np.where(hidden, HOLE, KNOWN).astype(np.uint8), (len(hidden) - 1, *hidden.shape[1:])
    ways = [Way(np.zeros((*size, 2), np.float32), np.zeros(size, bool)) for _ in range(2)]
    return Level(colours, state, Flows(*ways), 1, seed=0)


def test_a_known_colour_counts_beside_what_patches_say_the_less_the_farther_it_is() -> None:
    hidden = np.zeros((4, 16, 16), bool)
    hidden[1:, 6:10, 6:10] = True
    level = still(np.array([200, 100, 100, 100]), hidden)
    level._mix(np.full((4, 16, 16, 3), 100, np.float32))
    for distance in (1, 2, 3):
        weight = KNOWN_WEIGHT * np.exp(-distance / 5)
        assert level.colours[distance, 8, 8] == pytest.approx((100 + weight * 200) / (1 + weight), abs=0.51)
        assert (level.colours[distance][~hidden[distance]] == 100).all()


def test_what_no_frame_shows_is_a_mean_with_its_neighbours() -> None:
    hidden = np.zeros((2, 16, 16), bool)
    hidden[:, 6:10, 6:10] = True
    level, weight = still(np.array([0, 0]), hidden), HIDDEN_WEIGHT
    level._mix(np.stack([np.full((16, 16, 3), value, np.float32) for value in (100, 200)]))
    first = (100 + weight * 200) / (1 + weight)
    second = (200 + weight * first) / (1 + weight)
    first = (100 + weight * second) / (1 + weight)
    assert level.colours[:, 8, 8, 0] == pytest.approx([first, second], abs=0.51)
    assert (level.colours[~hidden] == 0).all()


def test_patches_of_any_frame_fill_what_flow_cannot() -> None:
    """Stripes go on behind a hole that never moves, in frames that stand still."""
    pictures = np.full((3, HEIGHT, WIDTH, 3), 60, np.uint8)
    pictures[:, ::6] = pictures[:, 1::6] = 200
    truth, hole = tensors(pictures, square_hole(3))
    assert psnr_db(huang(torch.where(hole, 0.5, truth), hole), truth, hole) > 25
    assert psnr_db(telea(truth, hole), truth, hole) < 18


def test_it_goes_from_coarse_to_fine_and_comes_out_the_same_again() -> None:
    pictures, hidden = panning(4), square_hole(4, side=20)
    state = np.where(hidden, HOLE, KNOWN).astype(np.uint8)
    assert [one.shape[1:] for _, one in pyramid_of(pictures, state)] == [(48, 64), (24, 32)]
    one, again, other = (completed(pictures, state, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert np.array_equal(one[~hidden], pictures[~hidden])


@pytest.mark.parametrize("side", [6, 16])  # of a deep hole there is a smaller level too
def test_a_single_frame_is_filled_with_its_own_patches(side: int) -> None:
    truth, hole = tensors(panning(1), square_hole(1, side=side))
    filled = huang(torch.where(hole, 0.0, truth), hole)
    assert psnr_db(filled, truth, hole) > psnr_db(torch.where(hole, 0.5, truth), truth, hole)


def test_what_cannot_be_done_is_told_in_a_line() -> None:
    truth, hole = tensors(panning(2), np.zeros((2, HEIGHT, WIDTH), bool))
    assert torch.equal(huang(truth, hole), truth), "no hole, nothing to do"
    hole[:, :, ::4] = True
    with pytest.raises(InputError, match="huang needs some to fill it with"):
        huang(truth, hole)
    with pytest.raises(InputError, match="at least 16x16"):
        huang(truth[..., :12], hole[..., :12])
