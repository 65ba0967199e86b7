"""A part of a frame, or a copy of it on another device, is pasted back exactly where it belongs."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cleanplate.clean import clean
from cleanplate.config import METHODS, NetworkConfig
from cleanplate.imaging.frame import CARRIED, KNOWN, MADE_UP, Frame
from cleanplate.imaging.visualise import grey_to_provenance, provenance_to_grey
from cleanplate.runtime.options import RunOptions
from cleanplate.video.shot import open_shot
from tests.conftest import panning, to_bytes, walking_hole

SIZE = (12, 16)
REGION = (5, 2, 8, 6)  # x, y, width, height
INSIDE = (slice(None), slice(2, 8), slice(5, 13))


def frame(dtype: torch.dtype) -> Frame:
    """Random pixels; a hole that is partly in the region and partly not."""
    values = torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(0))
    picture = (values * 255).to(torch.uint8) if dtype == torch.uint8 else values.to(dtype)
    provenance = torch.zeros(1, *SIZE, dtype=torch.uint8)
    provenance[:, 1:6, 3:9] = MADE_UP
    return Frame(7, picture, provenance)


def copied(one: Frame) -> Frame:
    """As `Frame.on` makes it for another device."""
    return Frame(one.index, one.picture.clone(), one.provenance.clone(), one)


def filled(one: Frame) -> Frame:
    """All of its hole carried, in one colour."""
    pixels = torch.nonzero(one.hole.flatten()).flatten()
    one.set_pixels(pixels, torch.tensor([[1.0, 0.0, 1.0]]).expand(len(pixels), -1))
    one.set_provenance(pixels, CARRIED)
    return one


dtypes = pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.float32], ids=str)


@dtypes
@pytest.mark.parametrize("nesting", ["region", "copy", "copy of region", "region of copy"])
def test_what_was_done_to_a_part_is_done_to_the_whole(dtype: torch.dtype, nesting: str) -> None:
    whole, before = frame(dtype), frame(dtype)
    hole = before.hole.clone()
    part = whole
    for step in reversed(nesting.split(" of ")):
        part = part.region(REGION) if step == "region" else copied(part)
    if "region" in nesting:
        assert part.size == (6, 8)
        assert torch.equal(part.picture, before.picture[INSIDE])
        assert torch.equal(part.hole, hole[INSIDE])
        outside = torch.ones_like(hole)
        outside[INSIDE] = False
        hole &= ~outside  # what is not looked at comes out as it is
    result = filled(part).pasted()
    assert result is whole
    assert result.index == 7
    assert result.picture.dtype == dtype
    assert torch.equal(result.provenance, torch.where(hole, CARRIED, KNOWN).to(torch.uint8))
    known = ~hole[0]
    assert torch.equal(result.picture[:, known], before.picture[:, known])
    magenta = torch.tensor([1, 0, 1]) * (255 if dtype == torch.uint8 else 1)
    assert torch.equal(result.picture[:, ~known], magenta[:, None].expand(-1, int(hole.sum())).to(dtype))


@dtypes
def test_a_frame_that_is_whole_and_where_it_belongs_is_itself(dtype: torch.dtype) -> None:
    whole = frame(dtype)
    assert whole.pasted() is whole
    assert whole.on(torch.device("cpu")) is whole


@dtypes
def test_a_region_shares_nothing_with_its_canvas_until_it_is_pasted(dtype: torch.dtype) -> None:
    whole = frame(dtype)
    filled(whole.region(REGION))
    assert torch.equal(whole.picture, frame(dtype).picture)
    assert not whole.hole.any()


# What is only learned is learned on a device as a whole; carrying is done on the CPU.
LEARNS = replace(METHODS["dip-vid"], network=NetworkConfig(channels=(4, 8)))


@pytest.mark.parametrize("deep", [False, True], ids=["8 bits", "16 bits"])
@pytest.mark.parametrize("region", [None, (16, 8, 64, 48)], ids=["whole", "region"])
def test_clean_writes_the_same_files_where_frames_are_copied_to_a_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deep: bool, region: tuple[int, int, int, int] | None
) -> None:
    (tmp_path / "shot").mkdir()
    (tmp_path / "mask").mkdir()
    for index, (picture, hole) in enumerate(zip(to_bytes(panning(5)), walking_hole(5), strict=True)):
        samples = picture.astype(np.uint16) * 257 + 5 * index if deep else picture
        cv2.imwrite(str(tmp_path / f"shot/{index}.png"), samples)
        cv2.imwrite(str(tmp_path / f"mask/{index}.png"), hole[0].numpy() * np.uint8(255))

    def written(name: str) -> dict[str, bytes]:
        shot = open_shot(tmp_path / "shot", (tmp_path / "mask",), region=region)
        outputs = [tmp_path / name, tmp_path / f"{name}-provenance"]
        clean(shot, outputs[0], LEARNS, RunOptions(device="cpu", max_steps=2), provenance=outputs[1])
        return {f"{folder.name[1:]}/{file.name}": file.read_bytes() for folder in outputs for file in folder.iterdir()}

    without = written("a")
    copies = []

    def on(self: Frame, device: torch.device) -> Frame:
        copies.append(device)
        return copied(self)

    monkeypatch.setattr(Frame, "on", on)
    assert written("b") == without
    assert copies == [torch.device("cpu")] * 5
    provenance = cv2.imread(str(tmp_path / "a-provenance/00002.png"), cv2.IMREAD_GRAYSCALE)
    assert provenance is not None
    assert provenance.any()  # something was filled


def test_a_provenance_comes_back_from_its_grey_values_also_from_a_lossy_file() -> None:
    provenance = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    assert provenance_to_grey(provenance).tolist() == [[0, 128, 255], [255, 128, 0]]
    effects = np.array([[True, True, True], [False, False, False]])  # one that is known was left as it is
    grey = provenance_to_grey(provenance, effects)
    assert grey.tolist() == [[0, 64, 255], [255, 128, 0]]
    for off in (-30, 0, 30):
        lossy = np.clip(grey.astype(int) + off, 0, 255).astype(np.uint8)
        assert np.array_equal(grey_to_provenance(lossy), provenance)
