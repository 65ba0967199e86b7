"""Borders that a stabiliser left: found, and nothing that is none, and filled from other frames."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from cleanplate import cli, write_video
from cleanplate.imaging.pixels import channels_last
from cleanplate.imaging.tensors import to_tensors
from cleanplate.video.border_lines import line_of
from cleanplate.video.borders import find_borders, transparent_border
from cleanplate.video.masks import grow
from cleanplate.video.reader import read_frames
from cleanplate.video.shot import open_shot
from tests.conftest import panning, refused, texture
from tests.stabilised import MARGIN, stabilised

SIZE = (120, 160)


def holes(frames: np.ndarray) -> np.ndarray:
    borders = find_borders((frame, None) for frame in frames)
    return np.stack([borders.hole(index, frames.shape[1:3]) for index in range(len(frames))])


@pytest.mark.parametrize("seed", range(4))
def test_the_borders_of_a_stabilised_shot_are_found_and_little_else(seed: int) -> None:
    shot = stabilised(seed=seed)
    found = holes(shot.frames)
    near = np.stack([grow(border, 3) for border in shot.border])
    assert found[shot.border].mean() > 0.94
    assert (found & ~near).sum() < 0.03 * found.sum()
    black = shot.border & (shot.frames.max(axis=-1) < 24)
    grown = np.stack([grow(hole, 4) for hole in found])  # as --dilate-px does, if nothing is said
    assert (black & ~grown).sum() < 0.002 * black.sum()


def test_what_compression_makes_of_their_rim_hides_none(tmp_path: Path) -> None:
    shot = stabilised(size=(240, 320), shake_px=8, seed=1)
    write_video(tmp_path / "shot.mp4", to_tensors(shot.frames))
    read, _ = read_frames(tmp_path / "shot.mp4")
    black = shot.border & (read.max(axis=-1) < 24)
    assert (black & (read.max(axis=-1) > 0)).any(), "nothing was lost: the test is none"
    found, near = holes(read), np.stack([grow(border, 3) for border in shot.border])
    assert (black & ~np.stack([grow(hole, 4) for hole in found])).sum() < 0.005 * black.sum()
    assert (found & ~near).sum() < 0.03 * found.sum()


def walls(paint: Callable[[np.ndarray], None], shake_px: float, pan_px: int = 2, n_frames: int = 16) -> np.ndarray:
    """A camera that pans and shakes over a painted wall: no borders."""
    rng = np.random.default_rng(5)
    wall = texture(SIZE[0] + 2 * MARGIN, SIZE[1] + 2 * MARGIN + n_frames * pan_px) * 255
    paint(wall)
    corners = [
        (MARGIN + i * pan_px + rng.normal(0, shake_px), MARGIN + rng.normal(0, shake_px)) for i in range(n_frames)
    ]
    frames = [cv2.warpAffine(wall, np.array([[1, 0, -x], [0, 1, -y]]), SIZE[::-1]) for x, y in corners]
    noisy = np.stack(frames) + rng.normal(0, 1.5, (n_frames, *SIZE, 1)) * (np.stack(frames) > 0)
    return np.clip(np.round(noisy), 0, 255).astype(np.uint8)


def nothing(_: np.ndarray) -> None:
    """A wall as it is."""


def night(wall: np.ndarray) -> None:
    np.clip(wall - 200, 0, None, out=wall)


def dusk(wall: np.ndarray) -> None:
    np.clip(wall - 120, 0, None, out=wall)


def ceiling(wall: np.ndarray) -> None:
    wall[: MARGIN + 15] = 0


def roof(wall: np.ndarray) -> None:
    cv2.fillPoly(wall, [np.array([(0, 0), (wall.shape[1], 0), (wall.shape[1], MARGIN + 25), (0, MARGIN)])], (0, 0, 0))


def curtain(wall: np.ndarray) -> None:
    wall[:, : MARGIN + 20] = 0


def stage(wall: np.ndarray) -> None:
    y, x = np.mgrid[: wall.shape[0], : wall.shape[1]]
    wall *= np.clip(1.6 - np.hypot(y - 110, x - 140) / 60, 0, 1)[..., None]


@pytest.mark.parametrize("shake_px", [0, 3])
@pytest.mark.parametrize("paint", [nothing, night, dusk, ceiling, roof, curtain, stage])
def test_a_dark_picture_has_no_borders(paint: Callable[[np.ndarray], None], shake_px: float) -> None:
    assert not holes(walls(paint, shake_px)).any()


def test_black_bars_that_stand_still_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = walls(nothing, 3)
    frames[:, :12] = frames[:, -12:] = 0
    assert not holes(frames).any()
    write_video(tmp_path / "shot", to_tensors(frames))
    said = "shot has no borders that a stabiliser left; black or transparent ones that move over the shot are filled"
    refused(f"inpaint {tmp_path}/shot --fill-borders -o {tmp_path}/out", said, capsys)
    refused(f"inpaint {tmp_path}/shot --fill-borders -o {tmp_path}/out", "its black bars stand still", capsys)


def test_frames_that_fade_out_and_frames_of_a_pixel() -> None:
    frames = walls(nothing, 0)
    faded = np.stack([frame * (1 - index / 15) for index, frame in enumerate(frames)]).astype(np.uint8)
    assert not holes(faded).any()
    assert not holes(np.zeros((3, 40, 50, 3), np.uint8)).any()
    assert not holes(np.zeros((2, 1, 1, 3), np.uint8)).any()


def test_a_line_is_found_where_it_is() -> None:
    picture = np.full((100, 200, 3), 200, np.uint8)
    y, x = np.mgrid[:100, :200]
    picture[y < 0.05 * x + 3] = 2
    line = line_of(picture)
    assert line is not None
    assert (line.a, line.b) == (pytest.approx(0.05, abs=0.003), pytest.approx(3.5, abs=0.6))
    assert line.share > 0.95
    picture[y < 0.05 * x + 3] = np.random.default_rng(0).integers(0, 24, (100, 200, 3))[y < 0.05 * x + 3]
    assert line_of(picture) is None, "noise is not flat"


def test_what_is_transparent_up_to_the_edge_is_border() -> None:
    alpha = np.full((20, 30), 65535, np.uint16)
    alpha[:3] = alpha[:, 28:] = 0
    alpha[10:12, 10:12] = 0
    alpha[5, 5] = 30000
    border = transparent_border(alpha)
    assert border.sum() == 3 * 30 + 17 * 2
    assert not border[10, 10]


def psnr_db(result: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((result.astype(float) - truth)[where] ** 2)))


def test_they_are_carried_in_from_other_frames(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shot = stabilised(12, pan_px=1)
    write_video(tmp_path / "shot", to_tensors(shot.frames))
    words = f"inpaint {tmp_path}/shot carry --fill-borders -o {tmp_path}/out --provenance {tmp_path}/kinds"
    assert cli.run(words.split()) == 0
    result, _ = read_frames(tmp_path / "out")
    kinds, _ = read_frames(tmp_path / "kinds")
    known = kinds[..., 0] == 0
    np.testing.assert_array_equal(result[known], shot.frames[known])
    assert (kinds[shot.border & (shot.frames.max(axis=-1) < 24)] > 0).mean() > 0.99
    assert (kinds[..., 0][shot.border] == 128).mean() > 0.9  # carried
    assert psnr_db(result, shot.truth, shot.border) > psnr_db(shot.frames, shot.truth, shot.border) + 15
    assert ", of it " in capsys.readouterr().out


def test_they_are_filled_with_what_a_mask_marks_and_the_method_may_be_named(tmp_path: Path) -> None:
    shot = stabilised(8)
    write_video(tmp_path / "shot", to_tensors(shot.frames))
    mask = np.zeros(SIZE, np.uint8)
    mask[50:70, 60:90] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    both = open_shot(tmp_path / "shot", (tmp_path / "mask.png",), dilate_px=0, fill_borders=True)
    alone = open_shot(tmp_path / "shot", (), dilate_px=0, fill_borders=True)
    for frame, border in zip(both.frames(), alone.frames(), strict=True):
        np.testing.assert_array_equal(frame.hole, border.hole | (mask > 0))
    small = open_shot(tmp_path / "shot", (), size=(60, 80), dilate_px=0, fill_borders=True)
    for frame, border in zip(small.frames(), alone.frames(), strict=True):
        assert abs(frame.hole.mean() - border.hole.mean()) < 0.02


def test_transparent_borders_are_filled_and_can_be_seen(tmp_path: Path) -> None:
    (tmp_path / "shot").mkdir()
    frames = (channels_last(frame) for frame in panning(6, (64, 96)) * 255)
    for index, frame in enumerate(frames):
        alpha = np.full((64, 96), 255, np.uint8)
        alpha[:, : 3 + 2 * (index % 3)] = 0
        rgba = np.dstack((frame.round().astype(np.uint8)[..., ::-1] * (alpha > 0)[..., None], alpha))
        cv2.imwrite(str(tmp_path / f"shot/a.{index:02}.png"), rgba)
    words = f"inpaint {tmp_path}/shot carry --fill-borders -o {tmp_path}/out"
    assert cli.run(words.split()) == 0
    for index in range(6):
        made = cv2.imread(str(tmp_path / f"out/out.{index:02}.png"), cv2.IMREAD_UNCHANGED)
        assert made is not None
        assert (made[..., 3] == 255).all()
        assert (made[:, :2, :3].max(axis=2) > 0).mean() > 0.9


def test_without_a_mask_and_without_borders_there_is_nothing_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    write_video(tmp_path / "shot", panning(6))
    refused(f"inpaint {tmp_path}/shot -o {tmp_path}/out", "there is no mask; white in a mask marks", capsys)
    refused(f"inpaint {tmp_path}/shot --fill-borders -o {tmp_path}/out", "has no borders that a stabiliser", capsys)
    mask = np.zeros((64, 96), np.uint8)
    mask[20:30, 20:30] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    shot = open_shot(tmp_path / "shot", (tmp_path / "mask.png",), dilate_px=0, fill_borders=True)
    assert "has no borders that a stabiliser left" in caplog.text
    assert all(np.array_equal(frame.hole, mask > 0) for frame in shot.frames())
