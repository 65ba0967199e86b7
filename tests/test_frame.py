"""A part of a frame is pasted back exactly where it belongs."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from cleanplate.clean import clean
from cleanplate.imaging.frame import CARRIED, KNOWN, MADE_UP, Frame
from cleanplate.imaging.visualise import grey_to_provenance, provenance_to_grey
from cleanplate.video.shot import open_shot
from tests.conftest import panning, to_bytes, walking_hole

SIZE = (12, 16)
REGION = (5, 2, 8, 6)  # x, y, width, height
INSIDE = (slice(2, 8), slice(5, 13))
MAGENTA = np.array([1, 0, 1], np.float32)


def frame(dtype: type) -> Frame:
    """Random pixels; a hole that is partly in the region and partly not."""
    values = np.random.default_rng(0).random((*SIZE, 3))
    picture = (values * (255 if dtype == np.uint8 else 1)).astype(dtype)
    provenance = np.zeros(SIZE, np.uint8)
    provenance[1:6, 3:9] = MADE_UP
    return Frame(7, picture, provenance)


def filled(one: Frame) -> Frame:
    """All of its hole carried, in one colour."""
    pixels = np.flatnonzero(one.hole)
    one.set_pixels(pixels, np.repeat(MAGENTA[None], len(pixels), 0))
    one.set_provenance(pixels, CARRIED)
    return one


dtypes = pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32])


@dtypes
def test_what_was_done_to_a_part_is_done_to_the_whole(dtype: type) -> None:
    whole, before = frame(dtype), frame(dtype)
    part = whole.region(REGION)
    assert part.size == (6, 8)
    np.testing.assert_array_equal(part.picture, before.picture[INSIDE])
    np.testing.assert_array_equal(part.hole, before.hole[INSIDE])
    hole = np.zeros(SIZE, bool)
    hole[INSIDE] = before.hole[INSIDE]  # what is not looked at comes out as it is
    result = filled(part).pasted()
    assert result is whole
    assert result.index == 7
    assert result.picture.dtype == dtype
    np.testing.assert_array_equal(result.provenance, np.where(hole, CARRIED, KNOWN))
    np.testing.assert_array_equal(result.picture[~hole], before.picture[~hole])
    assert (result.picture[hole] == MAGENTA * (255 if dtype == np.uint8 else 1)).all()


@dtypes
def test_a_region_of_a_region_is_pasted_into_the_whole(dtype: type) -> None:
    whole, before = frame(dtype), frame(dtype)
    part = whole.region(REGION).region((1, 2, 3, 3))
    effects = np.zeros((3, 3), bool)
    effects[0, 0] = True
    part.provenance[0, 0] = KNOWN
    part.add_effects(effects, np.zeros((1, 3), np.float16))
    assert filled(part).pasted() is whole
    hole = np.zeros(SIZE, bool)
    hole[4:6, 6:9] = True  # what of the hole is in the inner one
    np.testing.assert_array_equal(whole.provenance == CARRIED, hole)
    np.testing.assert_array_equal(whole.picture[~hole], before.picture[~hole])
    assert whole.effects is not None
    assert np.argwhere(whole.effects.where).tolist() == [[4, 6]]


@dtypes
def test_a_frame_that_is_whole_is_itself(dtype: type) -> None:
    whole = frame(dtype)
    assert whole.pasted() is whole


@dtypes
def test_a_region_shares_nothing_with_its_canvas_until_it_is_pasted(dtype: type) -> None:
    whole = frame(dtype)
    filled(whole.region(REGION))
    np.testing.assert_array_equal(whole.picture, frame(dtype).picture)
    assert not whole.hole.any()


@pytest.mark.parametrize("deep", [False, True], ids=["8 bits", "16 bits"])
def test_of_a_region_what_is_not_filled_is_written_bit_for_bit(tmp_path: Path, deep: bool) -> None:
    (tmp_path / "shot").mkdir()
    (tmp_path / "mask").mkdir()
    x, y, width, height = region = (16, 8, 64, 48)
    shown, holes = [], walking_hole(5)[:, 0].numpy()
    for index, (picture, hole) in enumerate(zip(to_bytes(panning(5)), holes, strict=True)):
        shown.append(picture.astype(np.uint16) * 257 + 5 * index if deep else picture)
        cv2.imwrite(str(tmp_path / f"shot/{index}.png"), shown[-1])
        cv2.imwrite(str(tmp_path / f"mask/{index}.png"), hole * np.uint8(255))
    shot = open_shot(tmp_path / "shot", (tmp_path / "mask",), region=region, dilate_px=0)
    clean(shot, tmp_path / "out", "carry", provenance=tmp_path / "kinds")
    for index, hole in enumerate(holes):
        mine = np.zeros_like(hole)
        mine[y : y + height, x : x + width] = hole[y : y + height, x : x + width]
        out = cv2.imread(str(tmp_path / f"out/{index}.png"), cv2.IMREAD_UNCHANGED)
        kinds = cv2.imread(str(tmp_path / f"kinds/{index}.png"), cv2.IMREAD_GRAYSCALE)
        assert out is not None
        assert out.dtype == shown[index].dtype
        np.testing.assert_array_equal(out[~mine], shown[index][~mine])
        np.testing.assert_array_equal(kinds == 0, ~mine)


def test_a_provenance_comes_back_from_its_grey_values_also_from_a_lossy_file() -> None:
    provenance = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    assert provenance_to_grey(provenance).tolist() == [[0, 128, 255], [255, 128, 0]]
    effects = np.array([[True, True, True], [False, False, False]])  # one that is known was left as it is
    grey = provenance_to_grey(provenance, effects)
    assert grey.tolist() == [[0, 64, 255], [255, 128, 0]]
    for off in (-30, 0, 30):
        lossy = np.clip(grey.astype(int) + off, 0, 255).astype(np.uint8)
        assert np.array_equal(grey_to_provenance(lossy), provenance)
