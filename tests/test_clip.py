import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cleanplate import Clip, InputError, read_clip, write_video
from cleanplate.video.masks import grow
from tests.conftest import panning, to_bytes, walking_hole

Write = Callable[..., Path]


def levels(n_frames: int = 4) -> np.ndarray:
    return to_bytes(walking_hole(n_frames).float())[..., 0]


@pytest.fixture
def frames(write_pngs: Write) -> Path:
    return write_pngs(to_bytes(panning(4)), "frames")


def test_a_mask_can_be_a_folder_a_video_or_one_image(frames: Path, write_pngs: Write, tmp_path: Path) -> None:
    folder = write_pngs(levels(), "masks")
    write_video(tmp_path / "mask.mkv", walking_hole(4).float().expand(-1, 3, -1, -1))
    for mask in (folder, tmp_path / "mask.mkv"):
        clip = read_clip(frames, mask, dilate_px=0)
        assert torch.equal(clip.hole, walking_hole(4))
        assert np.array_equal(to_bytes(clip.frames), to_bytes(panning(4)))
        assert torch.equal(clip.known, ~clip.hole)
    clip = read_clip(frames, folder / "0.png", dilate_px=0)
    assert torch.equal(clip.hole, walking_hole(1).expand(4, -1, -1, -1))


def test_the_hole_is_grown_by_a_disc(frames: Path, write_pngs: Write) -> None:
    dot = np.zeros((4, 64, 96), np.uint8)
    dot[:, 30, 40] = 255
    clip = read_clip(frames, write_pngs(dot, "dots"), dilate_px=4)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9)).astype(bool)
    assert np.array_equal(clip.hole[0, 0, 26:35, 36:45].numpy(), disc)
    assert int(clip.hole[0].sum()) == disc.sum()
    assert np.array_equal(grow(dot[0] > 0, 0), dot[0] > 0)


def test_size_scales_until_covered_and_cuts_the_centre(frames: Path, write_pngs: Write) -> None:
    clip = read_clip(frames, write_pngs(levels(), "masks"), size=(32, 32), dilate_px=0)
    assert clip.frames.shape == (4, 3, 32, 32)
    whole = cv2.resize(to_bytes(panning(4))[0], (48, 32), interpolation=cv2.INTER_AREA)
    assert np.array_equal(to_bytes(clip.frames)[0], whole[:, 8:40])


def test_a_mask_of_another_size_is_resized_only_if_its_shape_agrees(
    frames: Path, write_pngs: Write, caplog: pytest.LogCaptureFixture
) -> None:
    half = np.stack([cv2.resize(level, (48, 32), interpolation=cv2.INTER_AREA) for level in levels()])
    clip = read_clip(frames, write_pngs(half, "half"), dilate_px=0)
    assert "is 48x32" in caplog.text
    assert float((clip.hole == walking_hole(4)).float().mean()) > 0.98
    with pytest.raises(InputError, match=r"is 48x40 and .* is 96x64"):
        read_clip(frames, write_pngs(np.full((4, 40, 48), 255, np.uint8), "other"))


def test_masks_that_do_not_fit_say_both_lengths(frames: Path, write_pngs: Write) -> None:
    with pytest.raises(InputError, match=r"has 3 frames and .* has 4"):
        read_clip(frames, write_pngs(levels(3), "short"))


def test_masks_without_a_hole_and_without_anything_known(frames: Path, write_pngs: Write) -> None:
    with pytest.raises(InputError, match="its brightest value is 1;"):
        read_clip(frames, write_pngs((levels() > 0).astype(np.uint8), "ones"))
    with pytest.raises(InputError, match=r"covers every pixel of every frame; .* --invert-mask"):
        read_clip(frames, write_pngs(np.full((4, 64, 96), 255, np.uint8), "full"))
    one_full = levels()
    one_full[2] = 255
    assert bool(read_clip(frames, write_pngs(one_full, "one")).hole[2].all())


def test_a_clip_checks_its_shapes() -> None:
    with pytest.raises(InputError, match=r"\(4, 3, 64, 96\) and the hole has \(3, 1, 64, 96\)"):
        Clip(panning(4), walking_hole(3))
    with pytest.raises(InputError, match="no hole"):
        Clip(panning(4), torch.zeros(4, 1, 64, 96, dtype=torch.bool))
    with pytest.raises(InputError, match="no frames"):
        Clip(torch.zeros(0, 3, 8, 8), torch.zeros(0, 1, 8, 8, dtype=torch.bool))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_known_pixel_is_a_colour_and_a_hidden_one_may_be_anything(value: float) -> None:
    frames, hole = panning(4), walking_hole(4)
    hidden = torch.where(hole, value, frames)
    assert torch.equal(Clip(hidden, hole).frames.isfinite(), ~hole.expand_as(frames))
    hidden[2, 1, 0, 0] = value
    with pytest.raises(InputError, match=r"^frame 2 has values that are not finite outside the hole; .* mask them"):
        Clip(hidden, hole)
