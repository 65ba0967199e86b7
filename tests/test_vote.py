"""What was carried is put to the vote of the frames that show the place, if there are enough of them."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from cleanplate import METHODS, stream
from cleanplate.carry.trajectories import LinkedFrame, boundary_pixels
from cleanplate.carry.vote import vote
from cleanplate.config import NO_EFFECTS, CarryConfig
from cleanplate.imaging.frame import CARRIED, KNOWN, Frame
from tests.conftest import texture
from tests.test_evidence import SIZE, pan_of

HOLE = (slice(16, 30), slice(24, 40))
HERE = 2


def window(count: int, carried: str, others: float = 1.0, hidden_from: int = 99) -> list[LinkedFrame]:
    """A still picture. In one of its frames a place was hidden, where others show so much of its light, or nothing."""
    right, wrong = (np.float32(0.8) * texture(*SIZE, seed=seed) for seed in (0, 1))
    frames = []
    for index in range(count):
        provenance, shown = np.zeros(SIZE, np.uint8), right.copy()
        if index == HERE:
            provenance[*HOLE] = CARRIED
            shown[*HOLE] = {"right": right, "wrong": wrong}[carried][*HOLE]
        else:
            shown[*HOLE] *= others
            provenance[*HOLE] = CARRIED if index >= hidden_from else KNOWN
        frames.append(Frame(index, shown, provenance))
    return [LinkedFrame(frame, boundary_pixels(frame.provenance)) for frame in frames]


def outvoted_in(shot: list[LinkedFrame]) -> tuple[np.ndarray, np.ndarray]:
    motions = [pan_of((0.0, 0.0))] * (len(shot) - 1)
    ((pixels, colours),) = vote(shot, motions, range(HERE, HERE + 1), CarryConfig(), seed=0)
    return pixels, colours


@pytest.mark.parametrize("count", [4, 6])
def test_what_most_frames_contradict_is_replaced(count: int) -> None:
    shot = window(count, "wrong")
    pixels, colours = outvoted_in(shot)
    hidden = np.flatnonzero(shot[HERE].frame.hole)
    assert set(pixels.tolist()) <= set(hidden.tolist())
    assert len(pixels) > 0.7 * len(hidden)
    np.testing.assert_allclose(colours, shot[0].frame.picture.reshape(-1, 3)[pixels], atol=1 / 255)


@pytest.mark.parametrize(
    ("count", "carried", "others", "hidden_from"),
    [
        (3, "wrong", 1.0, 99),  # of two, one is as likely to be right as the other
        (3, "right", 1.0, 99),
        (6, "right", 1.0, 99),
        (12, "right", 0.75, 5),  # the thing's shadow lies there in the few that do not hide it
    ],
)
def test_nothing_is_replaced(count: int, carried: str, others: float, hidden_from: int) -> None:
    assert not len(outvoted_in(window(count, carried, others, hidden_from))[0])


def test_what_is_lighter_than_nearly_all_frames_show_is_replaced() -> None:  # the nearest was a flash
    shot = window(12, "right", 0.75)
    assert len(outvoted_in(shot)[0]) > 0.7 * int(shot[HERE].frame.hole.sum())


def test_a_shadow_that_was_carried_is_replaced() -> None:
    shot = window(6, "right")
    shot[HERE].frame.picture[*HOLE] *= 0.75
    assert len(outvoted_in(shot)[0]) > 0.7 * int(shot[HERE].frame.hole.sum())


def test_frames_that_disagree_among_themselves_outvote_nothing() -> None:  # parallax: their places are others
    shot = window(8, "right")
    for linked in shot:
        if linked.frame.index != HERE:
            linked.frame.picture[*HOLE] *= 1.0 + 0.2 * linked.frame.index
    assert len(outvoted_in(shot)[0]) < 0.05 * int(shot[HERE].frame.hole.sum())


def test_of_a_noisy_shot_that_stands_still_grain_and_no_black_is_given_back() -> None:
    """Of 480 lines: what is asked is half as large, and has half of the noise."""
    size, sigma, rng = (480, 640), 8, np.random.default_rng(0)
    scene = cv2.resize(rng.uniform(60, 200, (60, 80, 3)), size[::-1], interpolation=cv2.INTER_CUBIC)
    shot = np.clip(np.rint(scene + rng.normal(0, sigma, (6, *scene.shape))), 0, 255).astype(np.uint8)
    mask = np.zeros((6, *size), bool)
    for index in range(6):
        mask[index, 240:320, 64 + 80 * index : 144 + 80 * index] = True
    made = list(stream(shot, mask, replace(METHODS["carry"], effects=NO_EFFECTS)))
    for one, hole in zip(made, mask, strict=True):
        off = one.picture[hole] - scene[hole]
        assert (one.provenance[hole] == CARRIED).all()
        assert np.abs(off).max() < 7 * sigma
        assert 0.8 * sigma < off.std() < 1.1 * sigma
