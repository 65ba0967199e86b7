"""Mattes: soft edges on pictures whose alpha is known."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from cleanplate import cli, write_video
from cleanplate.imaging.tensors import to_tensors
from cleanplate.track import tracker
from cleanplate.track.edges import refined
from cleanplate.track.matte import covered, matte, mattes, signed_distance
from cleanplate.track.tracked import Tracked, small_size
from cleanplate.video.areas import WHITE
from cleanplate.video.images import write_png
from cleanplate.video.reader import read_masks
from tests.conftest import texture

SIZE = (480, 700)


def ellipse(shift_px: float) -> np.ndarray:
    """What covers a pixel wholly, partly or not, 0..1; moved to the right."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    distance = np.hypot((x - SIZE[1] / 2 - shift_px) / 1.3, y - SIZE[0] / 2) - SIZE[0] / 4
    return np.clip(0.5 - distance, 0, 1)


def exposed(speed_px: float, shutter: float) -> np.ndarray:
    """The alpha of a frame in which the ellipse moves by so much, while the shutter is open for so much of it."""
    return np.mean([ellipse(speed_px * moment) for moment in np.linspace(-shutter / 2, shutter / 2, 33)], axis=0)


def shown(alpha: np.ndarray) -> np.ndarray:
    """A textured thing of that alpha over a texture of another colour."""
    wall, thing = (texture(*SIZE, seed=seed) * 60 + by for seed, by in ((3, [20, 70, 110]), (4, [150, 90, 40])))
    return np.round(alpha[..., None] * thing + (1 - alpha[..., None]) * wall).astype(np.uint8)


def small(mask: np.ndarray) -> np.ndarray:
    height, width = small_size(SIZE)
    return cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) > 0.5


def near(speed_px: float) -> list[np.ndarray]:
    return [small(ellipse(by) > 0.5) for by in (-speed_px, speed_px)]


def error(alpha: np.ndarray, truth: np.ndarray) -> float:
    """The mean difference where the truth is neither all nor nothing."""
    return float(np.abs(alpha - truth)[(truth > 0.02) & (truth < 0.98)].mean())


@pytest.mark.parametrize(("speed_px", "shutter"), [(24, 0.5), (40, 0.5), (24, 1.0)])
def test_a_border_that_moves_is_as_soft_as_the_shutter_makes_it(speed_px: float, shutter: float) -> None:
    truth = exposed(speed_px, shutter)
    mask = truth > 0.5
    found = matte(mask, shown(truth), near(speed_px)) / 255
    assert error(found, truth) < 0.45 * error(mask, truth)
    assert covered(np.uint8(255 * found))[truth > 0.2].mean() > 0.98
    assert not covered(np.uint8(255 * found))[truth == 0].mean() > 0.005


def test_a_short_shutter_leaves_a_fast_thing_sharp() -> None:
    """Its motion alone makes no edge soft: the picture must show it."""
    truth = exposed(30, 0.02)
    found = matte(truth > 0.5, shown(truth), near(30))
    assert error(found / 255, truth) < 0.2
    assert ((found > 0) & (found < 255)).sum() < 1.5 * (signed_distance(truth > 0.5) ** 2 < 2).sum()


def test_what_is_out_of_focus_is_soft_all_around() -> None:
    truth = cv2.blur(ellipse(0), (25, 25))
    mask = truth > 0.5
    found = matte(mask, shown(truth), near(0)) / 255
    assert error(found, truth) < 0.4 * error(mask, truth)


@pytest.mark.parametrize("speed_px", [0, 40])
def test_the_mask_is_what_is_more_than_half_the_things(speed_px: float) -> None:
    truth = exposed(speed_px, 0.5)
    mask = truth > 0.5
    found = matte(mask, shown(truth), near(speed_px))
    assert np.array_equal(found > WHITE, mask)
    assert covered(found)[mask].all()


def test_where_the_thing_is_behind_a_cut_does_not_count() -> None:
    truth = exposed(30, 0.5)
    mask, picture, before = truth > 0.5, shown(truth), near(30)[0]
    elsewhere = np.zeros_like(before)
    elsewhere[:12, :12] = True
    assert np.array_equal(matte(mask, picture, [before, elsewhere]), matte(mask, picture, [before]))


def test_nothing_and_everything_have_no_edge_and_the_edge_of_the_frame_is_none() -> None:
    picture = shown(ellipse(0))
    for whole in (np.zeros(SIZE, bool), np.ones(SIZE, bool)):
        assert np.array_equal(matte(whole, picture, near(0)), whole * np.uint8(255))
    half = np.zeros(SIZE, bool)
    half[:, : SIZE[1] // 2] = True
    found = matte(half, picture, [])
    assert np.array_equal(found[0], found[SIZE[0] // 2])
    assert (found[:, : SIZE[1] // 2 - 2] == 255).all()
    assert not found[:, SIZE[1] // 2 + 2 :].any()


def tracked_as(alphas: list[np.ndarray]) -> Tracked:
    return Tracked(
        np.stack([small(alpha > 0.5) * np.uint8(255) for alpha in alphas]), SIZE, np.ones(len(alphas)), (), {}
    )


def test_a_matte_is_of_the_refined_mask_and_of_the_frames_beside_it() -> None:
    alphas = [exposed(0, 0.5), *[np.roll(exposed(30, 0.5), 30 * index, axis=1) for index in range(3)]]
    frames, tracked = [shown(alpha) for alpha in alphas], tracked_as(alphas)
    masks, found = list(refined(tracked, frames)), list(mattes(tracked, frames))
    for index, (mask, alpha) in enumerate(zip(masks, found, strict=True)):
        beside = [tracked.probability[other] > WHITE for other in (index - 1, index + 1) if 0 <= other < 4]
        assert np.array_equal(alpha, matte(mask, frames[index], beside))
    soft = [((alpha > 0) & (alpha < 255)).sum() for alpha in found]
    assert soft[2] > 3 * soft[0]


def test_the_command_writes_the_matte_and_masks_all_that_has_any_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alphas = [np.roll(exposed(30, 0.5), 30 * index, axis=1) for index in range(4)]
    frames = [shown(alpha) for alpha in alphas]
    write_video(tmp_path / "shot.mkv", to_tensors(np.stack(frames)), fps=24)
    write_png(tmp_path / "first.png", np.repeat((alphas[1] > 0.5)[..., None] * np.uint8(255), 3, axis=2))
    lower = tracked_as([np.roll(alpha, 60, axis=0) for alpha in alphas[1:]])
    things = [tracked_as(alphas[1:]), replace(lower, confidence=np.full(3, 0.9))]
    monkeypatch.setattr(tracker, "track_things", lambda _, marks, **__: things[: len(marks)])
    mark = ["--paint", f"1:{tmp_path / 'first.png'}"]
    words = ["mask", str(tmp_path / "shot.mkv"), *mark, "--start", "1", "--matte", str(tmp_path / "matte.mkv")]
    output = ["-o", str(tmp_path / "masks.mkv")]
    assert cli.run([*words, *output]) == 0
    written, soft = read_masks(tmp_path / "masks.mkv") > WHITE, read_masks(tmp_path / "matte.mkv")
    assert not soft[0].any()
    assert not written[0].any()
    for index, alpha in enumerate(mattes(things[0], frames[1:]), 1):
        assert np.array_equal(soft[index], alpha)
        assert np.array_equal(written[index], covered(alpha))

    # Of several things it is of all together.
    each = ["--each", "--thing", "other", *mark, *output, "--overwrite"]
    assert cli.run([*words, *each]) == 0
    both = [list(mattes(thing, frames[1:])) for thing in things]
    assert np.array_equal(read_masks(tmp_path / "matte.mkv")[1:], np.maximum(*both))
    alone = [read_masks(tmp_path / f"masks.{name}.mkv") > WHITE for name in ("thing", "other")]
    assert np.array_equal(alone[0] | alone[1], read_masks(tmp_path / "masks.mkv") > WHITE)
    assert not (alone[0] & alone[1]).any()
    capsys.readouterr()

    # What cannot be is said, and what is there stays.
    before = (tmp_path / "matte.mkv").read_bytes()
    for more, said in (
        ([*words, "-o", str(tmp_path / "other.mkv")], "matte.mkv is already there"),
        ([*words, "--fixed", *output, "--overwrite"], "--matte is given with --fixed"),
        ([*words, "-o", str(tmp_path / "matte.mkv"), "--overwrite"], "matte.mkv"),
    ):
        assert cli.run(more) == 2
        error = capsys.readouterr().err
        assert said in error
        assert len(error.strip().splitlines()) == 1
        assert (tmp_path / "matte.mkv").read_bytes() == before
