"""What was carried is doubtful where the frames before and after show different things; which frames to look at."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cleanplate import METHODS, Clip, write_video
from cleanplate.carry.colours import gather
from cleanplate.carry.doubt import APART, count_doubtful
from cleanplate.carry.journal import pack, unpack
from cleanplate.carry.trajectories import SOURCE, Trajectories, X, Y, no_trajectories
from cleanplate.clean import APART_FRAMES, LEAST_UNSURE, MOST_NAMED, worth_a_look
from cleanplate.config import NO_EFFECTS, CarryConfig
from cleanplate.imaging.frame import Frame
from cleanplate.pipeline import fill
from cleanplate.plate import frames_of
from cleanplate.runtime.options import RunOptions
from cleanplate.video.shot import open_shot
from cleanplate.video.timecode import Span
from tests.conftest import panning, texture

SIZE, COUNT, BEHIND = (96, 128), 12, 6


def changed_behind() -> tuple[torch.Tensor, torch.Tensor]:
    """A shot that pans past a picture on a wall; while a square hides a part of that, it is taken down."""
    frames, step = panning(COUNT, SIZE, (1, 0)), 1
    other = torch.from_numpy(texture(*SIZE, seed=9)).permute(2, 0, 1)
    hole = torch.zeros(COUNT, 1, *SIZE, dtype=torch.bool)
    hole[3:9, :, 32:64, 50:82] = True
    for index in range(BEHIND, COUNT):
        left = 62 - step * index
        frames[index, :, 32:64, left : left + 24] = other[:, 32:64, 40:64]
    return frames, hole


def doubts(frames: torch.Tensor, hole: torch.Tensor) -> list[int]:
    clip = Clip(torch.where(hole, 0.0, frames), hole, 24.0)
    filled = fill(frames_of(clip), replace(METHODS["carry"], effects=NO_EFFECTS), RunOptions(), total=COUNT)
    return [one.doubtful for one in filled]


def test_what_past_and_future_contradict_is_doubtful_and_what_they_agree_about_is_not() -> None:
    found = doubts(*changed_behind())
    assert all(100 < count <= 32 * 32 for count in found[4:8])
    assert found[:3] == found[9:] == [0, 0, 0]
    frames, hole = panning(COUNT, SIZE, (1, 0)), changed_behind()[1]
    assert doubts(frames, hole) == [0] * COUNT


def test_a_run_that_goes_on_knows_what_was_doubtful() -> None:
    frame = Frame(0, np.zeros((*SIZE, 3), np.uint8), np.ones(SIZE, np.uint8), doubtful=17)
    other = Frame(0, np.zeros((*SIZE, 3), np.uint8), np.ones(SIZE, np.uint8))
    unpack(other, pack(frame))
    assert other.doubtful == 17
    whole = Frame(0, np.zeros((*SIZE, 3), np.uint8), np.ones(SIZE, np.uint8))
    part = whole.region((8, 8, 16, 16))
    part.doubtful = 5
    assert part.pasted().doubtful == 5


def ends(source: int, x: np.ndarray, y: np.ndarray) -> Trajectories:
    made = no_trajectories(len(x))
    made.rows[:, SOURCE], made.rows[:, X], made.rows[:, Y] = source, x, y
    return made


def test_how_far_apart_two_ways_are_is_the_colour_that_differs_most() -> None:
    pictures = {0: np.full((8, 8, 3), 0.2, np.float32), 1: np.full((8, 8, 3), 0.25, np.float32)}
    pictures[1][..., 2] = 0.5
    x, y = np.array([2.0, 3.0, 4.0]), np.array([2.0, 3.0, 4.0])
    one, other = ends(0, x, y), ends(1, x, y)
    other.rows[2, SOURCE] = -1
    apart = np.empty(3, np.float32)
    reached, _ = gather(pictures, (one, other), np.array([True, False, True]), CarryConfig(), apart=apart)
    assert reached.tolist() == [True, False, True]
    assert apart[0] == pytest.approx(0.3, abs=1e-5)
    assert np.isnan(apart[1:]).all()


@pytest.mark.parametrize(("level", "share", "doubtful"), [(1.2, 1.0, True), (0.8, 1.0, False), (1.2, 0.05, False)])
def test_a_patch_is_doubtful_not_a_pixel(level: float, share: float, doubtful: bool) -> None:
    frame = Frame(0, np.zeros((*SIZE, 3), np.uint8), np.zeros(SIZE, np.uint8))
    rng = np.random.default_rng(0)
    square = np.zeros(SIZE, bool)
    square[30:60, 40:80] = True
    pixels = np.flatnonzero(square)
    apart = np.where(rng.random(len(pixels)) < share, level * APART, np.nan).astype(np.float32)
    assert (count_doubtful(frame, pixels, apart) > 0.5 * share * len(pixels)) == doubtful
    lone = np.zeros(len(pixels), np.float32)
    lone[len(lone) // 2 + 10] = 0.5  # one pixel is noise
    assert count_doubtful(frame, pixels, lone) == 0


def test_frames_worth_a_look_are_few_far_apart_and_the_worst() -> None:
    unsure = np.zeros(200)
    unsure[40:60] = np.concatenate((np.linspace(0.01, 0.2, 10), np.linspace(0.19, 0.01, 10)))
    unsure[100] = 0.05
    unsure[150] = LEAST_UNSURE / 2
    assert worth_a_look(unsure.tolist()) == (49, 100)
    assert worth_a_look([0.0] * 30) == worth_a_look([]) == ()
    everywhere = worth_a_look([0.5] * 200)
    assert len(everywhere) == MOST_NAMED
    assert min(np.diff(everywhere)) >= APART_FRAMES


def test_they_are_called_as_the_shot_calls_them(tmp_path: Path) -> None:
    """For --reference takes a frame of the shot, whatever part of it was cleaned."""
    frames, hole = panning(6, SIZE), np.zeros(SIZE, np.uint8)
    hole[30:60, 40:80] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), hole)
    write_video(tmp_path / "film.mkv", frames, fps=24)
    write_video(tmp_path / "plates.####.png", frames)
    (tmp_path / "plates").mkdir()
    for index, file in enumerate(sorted(tmp_path.glob("plates.*.png"))):
        file.rename(tmp_path / f"plates/shot.{1001 + index}.png")
    for name, span, called in (
        ("film.mkv", Span(2), 5),
        ("film.mkv", Span(Fraction(1, 12)), 5),
        ("plates", Span(2), 1006),
    ):
        shot = open_shot(tmp_path / name, (tmp_path / "mask.png",), span)
        assert shot.called(3) == called
