"""Newson et al. 2014: patches of space and time."""

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from cleanplate.baselines.fillers import telea
from cleanplate.baselines.newson import affine_step, aligned, completed, newson, to_the_middle
from cleanplate.baselines.pyramid import ABSENT, HOLE, KNOWN, NothingKnown, coarse_to_fine, halved, textures_of
from cleanplate.baselines.volume import Volume
from cleanplate.errors import InputError

rng = np.random.default_rng(0)
PHOTO = cv2.GaussianBlur(rng.integers(0, 256, (160, 200, 3)).astype(np.float32), (0, 0), 2)
PHOTO = np.clip((PHOTO - 128) * 5 + 128, 0, 255).astype(np.uint8)
HEIGHT, WIDTH = 48, 64


def tensors(pictures: np.ndarray) -> Tensor:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255


def square_hole(frames: int, top: int = 16, left: int = 24, side: int = 12) -> Tensor:
    hole = torch.zeros(frames, 1, HEIGHT, WIDTH, dtype=torch.bool)
    hole[:, :, top : top + side, left : left + side] = True
    return hole


def psnr_db(filled: Tensor, truth: Tensor, hole: Tensor) -> float:
    return float(-10 * ((filled - truth)[hole.expand_as(truth)] ** 2).mean().log10())


def ripples(frames: int) -> np.ndarray:
    """Waves that run to the right, 16 px long, and come again every eight frames."""
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    waves = [128 + 100 * np.sin(2 * np.pi * (column / 16 - now / 8)) + 20 * np.sin(row / 5) for now in range(frames)]
    return np.repeat(np.stack(waves)[..., None], 3, -1).round().astype(np.uint8)


def test_what_moves_by_itself_goes_on_behind_the_hole() -> None:
    truth, hole = tensors(ripples(12)), square_hole(12)
    assert psnr_db(newson(truth, hole), truth, hole) > psnr_db(telea(truth, hole), truth, hole) + 6


def test_what_another_frame_shows_is_found_where_the_camera_has_put_it() -> None:
    pictures = np.stack([PHOTO[20 + k : 20 + k + HEIGHT, 10 + 4 * k : 10 + 4 * k + WIDTH] for k in range(20)])
    truth, hole = tensors(pictures), square_hole(20, side=8)
    assert psnr_db(newson(truth, hole), truth, hole) > 41  # 39 if nothing is looked for again at full size
    assert psnr_db(telea(truth, hole), truth, hole) < 20


def test_an_affine_motion_is_taken_out() -> None:
    motion = np.array([[1.02, 0.03, -2.5], [-0.02, 0.99, 1.5]])
    here = cv2.cvtColor(PHOTO, cv2.COLOR_RGB2GRAY)
    there = cv2.warpAffine(here, motion, here.shape[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    nothing = np.zeros(here.shape, bool)
    fitted = affine_step(here, there, nothing, nothing)
    corners = np.array([[20, 20, 1], [180, 20, 1], [20, 140, 1], [180, 140, 1]], float)
    assert np.abs(corners @ fitted[:2].T - corners @ motion.T).max() < 0.5
    for hidden in ((~nothing, nothing), (nothing, ~nothing)):
        assert np.array_equal(affine_step(here, there, *hidden), np.eye(3)), "nothing is seen, nothing is fitted"


def test_the_hole_has_no_part_in_the_motion_of_the_whole() -> None:
    pictures = np.stack([PHOTO[20 : 20 + HEIGHT, 10 + 3 * k : 10 + 3 * k + WIDTH] for k in range(5)])
    hidden = square_hole(5, side=20)[:, 0].numpy()
    maps = to_the_middle(pictures, hidden)
    shown = [pictures, np.where(hidden[..., None], np.uint8(0), pictures)]
    assert all(np.array_equal(*both) for both in zip(maps, to_the_middle(shown[1], hidden), strict=True))
    assert [one[0, 2] for one in maps] == pytest.approx([-6, -3, 0, 3, 6], abs=0.3)


def test_all_that_a_frame_shows_is_on_the_canvas() -> None:
    pictures = np.stack([PHOTO[:HEIGHT, 20 * k : 20 * k + WIDTH] for k in range(5)])
    hidden = square_hole(5)[:, 0].numpy()
    maps = [np.array([[1.0, 0, 20 * k - 40], [0, 1, 0], [0, 0, 1]]) for k in range(5)]
    colours, state, there = aligned(pictures, hidden, maps)
    assert state.shape == (5, HEIGHT, WIDTH + 80)
    assert [int(one[0, 2]) for one in there] == [0, 20, 40, 60, 80]
    for number, one in enumerate(state):
        inside = one[:, 20 * number : 20 * number + WIDTH]
        assert np.array_equal(inside == HOLE, hidden[number])
        assert not (inside == ABSENT).any()
        assert np.count_nonzero(one != ABSENT) == HEIGHT * WIDTH
        known = inside == KNOWN
        assert np.array_equal(colours[number, :, 20 * number : 20 * number + WIDTH][known], pictures[number][known])


def test_a_layer_is_filled_from_what_lies_around_it() -> None:
    state = np.zeros((3, 24, 24), np.uint8)
    state[:, 8:13, 8:13] = HOLE
    volume = Volume(np.zeros((3, 24, 24, 3), np.uint8), state, np.zeros((3, 24, 24, 2), np.float32), 50.0, seed=0)
    sizes = []
    while volume.next_layer():
        sizes.append(int(np.count_nonzero(volume.filling)))
    assert sizes == [3 * 16, 3 * 8, 3 * 1]


def test_texture_tells_what_colour_does_not() -> None:
    flat = np.full((1, 32, 32, 3), 100, np.uint8)
    striped = flat.copy()
    striped[0, :, ::2] = 140
    known = np.zeros((1, 32, 32), np.uint8)
    assert textures_of(flat, known, 4).max() == 0
    right, down = np.moveaxis(textures_of(striped, known, 4)[0, 8:24, 8:24], -1, 0)
    assert right == pytest.approx(40)
    assert down == pytest.approx(0)
    hidden = known.copy()
    hidden[:, 16:] = HOLE
    striped[:, 16:] = 255
    assert textures_of(striped, hidden, 4)[0, 8:18, :, 1].max() == 0, "what is hidden has no part in it"


def test_half_as_large_only_what_is_known_whole_is_known() -> None:
    colours, state = np.full((1, 9, 12, 3), 200, np.uint8), np.zeros((1, 9, 12), np.uint8)
    state[0, 3, 5], colours[0, 3, 5] = HOLE, 255
    state[0, :, 10:] = ABSENT
    half, states = halved(colours, state)
    assert states.shape == (1, 5, 6)
    assert np.argwhere(states[0] == HOLE).tolist() == [[1, 2]]
    assert (states[0, :, 5] == ABSENT).all()
    assert (half[0][states[0] == KNOWN] == 200).all(), "what is hidden has no part in what is beside it"


def test_the_seed_decides_what_chance_does() -> None:
    colours = np.ascontiguousarray(np.stack([PHOTO[:HEIGHT, :WIDTH]] * 3))
    state = np.zeros(colours.shape[:3], np.uint8)
    state[:, 16:28, 20:32] = HOLE
    one, again, other = (completed(colours, state, seed=seed).colours(1) for seed in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_clips_shorter_than_a_patch_have_shorter_patches(count: int) -> None:
    truth = tensors(np.stack([PHOTO[:HEIGHT, :WIDTH]] * count))
    hole = square_hole(count, side=5)
    filled = newson(torch.where(hole, 0.0, truth), hole)
    assert torch.equal(filled[~hole.expand_as(truth)], truth[~hole.expand_as(truth)])
    assert psnr_db(filled, truth, hole) > psnr_db(torch.where(hole, 0.0, truth), truth, hole)


def test_nothing_known_whole_is_told() -> None:
    truth = tensors(np.stack([PHOTO[:HEIGHT, :WIDTH]] * 5))
    hole = torch.zeros(5, 1, HEIGHT, WIDTH, dtype=torch.bool)
    hole[:, :, ::4] = True
    with pytest.raises(InputError, match="newson"):
        newson(truth, hole)
    assert torch.equal(newson(truth, torch.zeros_like(hole)), truth), "no hole, nothing to do"


def noise(seed: int, frames: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Colours that are like nothing else, and a hole."""
    colours = np.random.default_rng(seed).integers(0, 256, (frames, 30, 36, 3), np.uint8)
    state = np.zeros(colours.shape[:3], np.uint8)
    state[:, 12:18, 14:21] = HOLE
    return colours, state


def test_a_pixel_is_the_mean_of_what_the_patches_over_it_say_the_nearer_the_more() -> None:
    colours, state = noise(0)
    colours[:, :, :22] = 100 + 2 * np.arange(22, dtype=np.uint8)[:, None]  # near and far patches of what the hole holds
    volume = Volume(colours, state, np.zeros((*state.shape, 2), np.float32), 50.0, seed=0)
    volume.fill_all()
    volume.search(0)
    place = np.array([2, 15, 17]) + volume.radii
    said, far = [], []
    for step in np.ndindex(5, 5, 5):
        number = volume.number[tuple(place + step - 2)]
        here, to = volume.places[number], volume.match[number]
        around = [tuple(slice(one - 2, one + 3) for one in at) for at in (here, to)]
        there = volume.there[around[0]]
        apart = volume.values[around[0]].astype(float) - volume.values[around[1]]
        far.append((apart[there] ** 2).sum() / there.sum())
        said.append(volume.values[tuple(to - (np.array(step) - 2))][:3].astype(float))
        assert far[-1] == pytest.approx(volume.distance[number] / there.sum())
    spread = np.sort(far)[int(0.75 * 124)]
    weight = np.exp(-np.array(far) / (2 * spread))
    mean, best = (weight[:, None] * said).sum(0) / weight.sum(), said[int(np.argmin(far))]
    others = volume.values.copy()
    volume.reconstruct()
    assert volume.values[tuple(place)][:3] == pytest.approx(np.rint(mean), abs=1)
    assert np.abs(mean - np.mean(said, 0)).max() > 2, "all alike would not do"
    volume.values[:] = others
    volume.reconstruct(decided=True)
    assert volume.values[tuple(place)][:3].tolist() == best.tolist()


def test_in_the_end_every_pixel_is_a_copy() -> None:
    colours, state = noise(1)
    made = completed(colours, state)
    known = {tuple(one) for one in colours[state == KNOWN].tolist()}
    assert all(tuple(one) in known for one in made.colours(2)[state[2] == HOLE].tolist())


def test_a_search_finds_nearer_patches_each_time() -> None:
    colours, state = noise(2)
    smooth = cv2.GaussianBlur(colours.reshape(-1, 36, 3), (0, 0), 2.0).reshape(colours.shape)
    volume = Volume(smooth, state, np.zeros((*state.shape, 2), np.float32), 50.0, seed=0)
    volume.fill_all()
    volume.search(0)
    totals = [int(volume.distance.sum())]
    for _ in range(3):
        volume.search(1)
        totals.append(int(volume.distance.sum()))
    assert totals == sorted(totals, reverse=True)
    assert totals[-1] < 0.8 * totals[0]


def test_what_was_found_at_half_the_size_is_gone_on_from() -> None:
    colours, state = noise(3)
    half = halved(colours, state)
    coarse, fine = (
        Volume(*one, np.zeros((*one[1].shape, 2), np.float32), 50.0, seed=0) for one in (half, (colours, state))
    )
    coarse.fill_all()
    coarse.search(1)
    fine.begin_with(coarse)
    rim, kept = np.array(fine.radii), 0
    for place, to in zip(fine.places, fine.match, strict=True):
        at = (place - rim) // (1, 2, 2) + rim
        number = coarse.number[tuple(at)]
        wanted = place + (coarse.match[number] - at) * (1, 2, 2)
        inside = number >= 0 and (wanted >= 0).all() and (wanted < fine.state.shape).all()
        if inside and fine.able[tuple(wanted)]:
            assert to.tolist() == wanted.tolist()
            kept += 1
    assert kept > 0.5 * len(fine.places)


@pytest.mark.parametrize(
    ("known", "done"), [((3, 2, 1, 0), ["3", "2 after 3", "1 after 2", "0 after 1"]), ((0, 1), ["1", "0 after 1"])]
)
def test_a_level_so_coarse_that_nothing_is_known_is_left_out(known: tuple[int, ...], done: list[str]) -> None:
    def level_at(depth: int) -> int:
        if depth not in known:
            raise NothingKnown
        return depth

    levels = coarse_to_fine(4, level_at)
    assert [f"{one}" if coarser is None else f"{one} after {coarser}" for one, coarser in levels] == done
    with pytest.raises(NothingKnown):
        list(coarse_to_fine(4, lambda depth: level_at(depth - 4)))
