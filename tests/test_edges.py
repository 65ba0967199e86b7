"""Edges of tracked masks in the size of the frames: on pictures whose edges are known."""

import os
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from benchmarks.edges import border_of, distances, figures, uncertain

from cleanplate import InputError, cli, write_video
from cleanplate.imaging.tensors import to_tensors
from cleanplate.track import tracker
from cleanplate.track.edges import pyramid, refine, refined, without_specks
from cleanplate.track.tracked import Tracked, small_size
from cleanplate.video.areas import WHITE
from cleanplate.video.images import write_png
from cleanplate.video.reader import read_masks
from tests.conftest import texture
from tests.rolling_ball import iou

SIZE = (540, 800)


def disc(size: tuple[int, int] = SIZE) -> np.ndarray:
    y, x = np.mgrid[: size[0], : size[1]]
    return np.hypot(x - size[1] / 2, y - size[0] / 2) < size[0] / 4


def painted(truth: np.ndarray, *, blur_px: float = 0.7, difference: float = 90) -> np.ndarray:
    """A textured thing over the same texture in another colour, with an edge as soft as a lens makes it."""
    wall = texture(*truth.shape, seed=3) * 80 + 40
    alpha = cv2.GaussianBlur(truth.astype(np.float32), (0, 0), blur_px)[..., None]
    return np.clip(wall + alpha * np.array([difference, 0, -difference / 2]), 0, 255).astype(np.uint8)


def small_of(truth: np.ndarray, shift_px: int = 0) -> np.ndarray:
    """What a tracker would know of a mask, wrong by so many small pixels to the right."""
    height, width = small_size(truth.shape)
    area = cv2.resize(truth.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return np.round(255 * np.roll(cv2.GaussianBlur(area, (0, 0), 1.0), shift_px, axis=1)).astype(np.uint8)


def tracked_as(probability: np.ndarray, size: tuple[int, int], exact: dict[int, np.ndarray] | None = None) -> Tracked:
    return Tracked(probability, size, np.ones(len(probability)), (), exact or {})


def error_px(mask: np.ndarray, truth: np.ndarray) -> float:
    """The mean distance of each border from the other."""
    borders = border_of(mask), border_of(truth)
    return float(np.concatenate([distances(*borders), distances(*borders[::-1])]).mean())


@pytest.mark.parametrize(("shift_px", "before_px", "after_px"), [(0, 0.8, 0.2), (2, 4, 0.5), (3, 7, 4)])
def test_the_edge_is_found_where_the_mask_is_wrong_by_some_small_pixels(
    shift_px: int, before_px: float, after_px: float
) -> None:
    truth = disc((1080, 1600))
    small = small_of(truth, shift_px)
    mask = refine(small, painted(truth), 0.4)
    assert error_px(tracked_as(small[None], truth.shape).mask(0), truth) > before_px
    assert error_px(mask, truth) < after_px
    assert (mask & truth).sum() / truth.sum() > 0.99


def test_where_colours_tell_nothing_the_mask_stays() -> None:
    """All of it, and hardly more: what is partly the thing's is masked a little earlier."""
    truth = disc()
    small = uncertain(truth, np.random.default_rng(0))
    before = tracked_as(small[None], SIZE).mask(0)
    for picture in (np.full((*SIZE, 3), 90, np.uint8), painted(truth, difference=0)):
        mask = refine(small, picture, 0.4)
        assert (mask & before).sum() > 0.999 * before.sum()
        assert iou(mask, before) > 0.97


@pytest.mark.parametrize(("width_px", "at_most"), [(4, 1.1), (8, 1.6), (16, 1.05)])
def test_a_thin_thing_stays_whole(width_px: int, at_most: float) -> None:
    """Of one, two and four small pixels: the first is hardly masked by the tracker."""
    truth = disc((1080, 1600))
    truth[500 : 500 + width_px, 100:1500] = True
    mask = refine(small_of(truth), painted(truth), 0.4)
    bar = (slice(480, 540), slice(120, 350))
    assert (mask & truth)[bar].sum() > 0.99 * truth[bar].sum()
    assert mask[bar].sum() < at_most * truth[bar].sum()


@pytest.mark.parametrize("blur_px", [3.0, 6.0])
def test_a_soft_edge_is_masked_beyond_its_middle(blur_px: float) -> None:
    truth = disc()
    mask = refine(small_of(truth), painted(truth, blur_px=blur_px), 0.4)
    assert (mask & truth).sum() > 0.99 * truth.sum()
    assert error_px(mask, truth) < blur_px


def test_nothing_leaks_into_what_looks_alike_far_away() -> None:
    truth, beside = disc(), np.zeros(SIZE, bool)
    beside[200:340, 610:740] = True  # of the thing's colours, but not it
    mask = refine(small_of(truth), painted(truth | beside), 0.4)
    assert not mask[beside].any()


def test_the_less_a_mask_is_believed_the_more_is_masked() -> None:
    truth = disc()
    small = uncertain(truth, np.random.default_rng(0))
    sure, unsure = (refine(small, np.full((*SIZE, 3), 90, np.uint8), threshold) for threshold in (0.4, 0.2))
    assert unsure[sure].all()
    assert unsure.sum() > 1.01 * sure.sum()


def test_masks_are_the_same_on_any_number_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = disc()
    frames = np.stack([painted(truth, difference=by) for by in (20, 40, 60, 80)])
    tracked = tracked_as(np.stack([uncertain(truth, np.random.default_rng(seed)) for seed in range(4)]), SIZE)
    masks = []
    for cores in (1, 4):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        masks.append(np.stack(list(refined(tracked, iter(frames)))))
    assert np.array_equal(*masks)
    for index in range(4):  # in their order
        assert np.array_equal(masks[0][index], refine(tracked.probability[index], frames[index], 0.4))


def test_painted_masks_small_frames_and_empty_ones_stay_as_they_are() -> None:
    truth = disc()
    rough = cv2.dilate(truth.astype(np.uint8), np.ones((15, 15))) > 0
    small = np.stack([small_of(truth), np.zeros(small_size(SIZE), np.uint8)])
    masks = list(refined(tracked_as(small, SIZE, {0: rough}), [painted(truth)] * 2))
    assert np.array_equal(masks[0], rough)
    assert not masks[1].any()
    of_small = disc((200, 300))
    tracked = tracked_as(uncertain(of_small, np.random.default_rng(0))[None], of_small.shape)
    assert np.array_equal(next(refined(tracked, [painted(of_small)])), tracked.mask(0))


@pytest.mark.parametrize("size", [(271, 401), (481, 853), (853, 480), (1081, 1919), (700, 541)])
def test_any_size(size: tuple[int, int]) -> None:
    truth = disc(size)
    small = small_of(truth)
    levels = pyramid(painted(truth), small_size(size))
    assert levels[0].shape[:2] == small_size(size) == small.shape
    assert levels[-1].shape[:2] == size
    assert all(b.shape[0] / a.shape[0] < 2.02 for a, b in pairwise(levels))
    mask = refine(small, painted(truth), 0.4)
    assert mask.shape == size
    assert error_px(mask, truth) < 1


def test_specks_and_small_holes_go_unless_they_were_there() -> None:
    small = np.zeros((270, 400), np.uint8)
    small[50:200, 50:200] = 255
    small[60:62, 300:301] = 255
    alpha = cv2.resize(small, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    alpha[400:402, 600:603] = 255  # a speck
    alpha[150:152, 150:153] = 0  # a hole
    alpha[300:310, 150:160] = 0  # a large one
    cleaned = without_specks(alpha, small)
    assert not cleaned[400:402, 600:603].any()
    assert cleaned[150:152, 150:153].all()
    assert not cleaned[300:310, 150:160].any()
    assert cleaned[120:124, 600:602].all()  # as small, but the tracker's
    assert (cleaned != alpha).sum() == 12


def test_frames_that_were_not_tracked_are_refused() -> None:
    truth = disc()
    tracked = tracked_as(np.stack([small_of(truth)] * 2), SIZE)
    with pytest.raises(InputError, match=r"frame 1 is 300x200; the masks are 800x540; give the frames"):
        list(refined(tracked, iter([painted(truth), np.zeros((200, 300, 3), np.uint8)])))
    for count in (1, 3):
        with pytest.raises(InputError, match=rf"there are {count} frames for 2 masks; one for each"):
            list(refined(tracked, [painted(truth)] * count))


def test_figures_of_a_mask_beside_itself_and_a_shifted_one() -> None:
    truth = disc()
    same = figures(truth, truth)
    assert (same["mean_px"], same["p95_px"], same["within_2px"]) == (0, 0, 1)
    assert (same["iou"], same["boundary_f"], same["recall"]) == (1, 1, 1)
    shifted = figures(np.roll(truth, 3, axis=0), truth)
    assert shifted["p95_px"] == pytest.approx(3, abs=0.5)
    assert 1.5 < shifted["mean_px"] < 2.5  # at the sides nothing moves
    assert shifted["recall_dilated"] == 1
    assert figures(truth & False, truth)["mean_px"] == SIZE[1]


def test_the_command_writes_refined_masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truths = np.stack([np.roll(disc(), 12 * index, axis=1) for index in range(5)])
    frames = np.stack([painted(truth) for truth in truths])
    write_video(tmp_path / "shot.mkv", to_tensors(frames), fps=24)
    write_png(tmp_path / "first.png", np.repeat(truths[1][..., None] * np.uint8(255), 3, axis=2))
    small = np.stack([small_of(truth, shift) for truth, shift in zip(truths[1:4], (0, 2, -2), strict=True)])
    tracked = tracked_as(small, SIZE, {0: truths[1]})
    monkeypatch.setattr(tracker, "track_things", lambda frames, things, **_: [tracked])
    words = ["--paint", f"1:{tmp_path / 'first.png'}", "--start", "1", "--end", "4", "-o", str(tmp_path / "masks.mkv")]
    assert cli.run(["mask", str(tmp_path / "shot.mkv"), *words]) == 0
    written = read_masks(tmp_path / "masks.mkv") > WHITE
    assert not written[[0, 4]].any()
    for index, mask in enumerate(refined(tracked, iter(frames[1:4])), 1):
        assert np.array_equal(written[index], mask)
        assert error_px(mask, truths[index]) < 0.5
