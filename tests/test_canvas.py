from dataclasses import replace

import pytest
import torch

from cleanplate import METHODS, Clip, InputError
from cleanplate.config import CanvasConfig, CarryConfig
from cleanplate.paper.canvas import Canvas
from cleanplate.paper.places import APART_PX, chained, find_places
from cleanplate.plate import frames_of
from tests.conftest import panning, walking_hole

SIZE = (32, 48)
GRID = torch.stack(torch.meshgrid(torch.arange(32.0), torch.arange(48.0), indexing="ij")[::-1])


def pan(count: int, step: tuple[int, int]) -> list[torch.Tensor]:
    """Flow there and back between frames whose picture moves by so many pixels to the right and down."""
    there = torch.tensor(step, dtype=torch.float32).view(2, 1, 1).expand(2, *SIZE)
    return [torch.stack((there, -there))] * (count - 1)


def test_a_place_goes_with_the_picture() -> None:
    places = chained(pan(5, (3, 1)), [False] * 4, SIZE)
    for index in range(5):
        shift = torch.tensor([3.0, 1.0]).view(2, 1, 1) * (index - 2)
        torch.testing.assert_close(places[index], GRID - shift)


def test_shots_lie_side_by_side() -> None:
    places = chained(pan(6, (3, 1)), [False, False, True, False, False], SIZE)
    torch.testing.assert_close(places[1], GRID)
    torch.testing.assert_close(places[4] - places[4, :, :1, :1], GRID)
    assert float(places[3:, 0].min() - places[:3, 0].max()) == APART_PX


def test_places_are_found_in_the_hole_too_and_not_by_what_is_in_it() -> None:
    clip = Clip(panning(5, SIZE, step=(2, 1)), walking_hole(5, SIZE, side=8, step=2))
    spoilt = Clip(torch.where(clip.hole, 1.0, clip.frames), clip.hole)
    frames = list(frames_of(clip))
    places = find_places(frames, CarryConfig())
    assert torch.equal(places, find_places(list(frames_of(spoilt)), CarryConfig()))
    assert all(
        (frame.picture == given.permute(1, 2, 0).numpy()).all()
        for frame, given in zip(frames, clip.frames, strict=True)
    )
    shift = torch.tensor([2.0, 1.0]).view(1, 2, 1, 1) * (torch.arange(5).view(5, 1, 1, 1) - 2)
    off_px = (places - (GRID + shift)).abs().amax(1, keepdim=True)  # a pan to the right moves the picture to the left
    assert float(off_px[clip.hole].mean()) < 0.3


def test_a_cut_is_seen() -> None:
    shots = torch.cat([panning(3, SIZE, step=(2, 1), seed=seed) for seed in (0, 1)])
    places = find_places(list(frames_of(Clip(shots, walking_hole(6, SIZE, side=8, step=2)))), CarryConfig())
    assert float(places[3:, 0].min()) > float(places[:3, 0].max())


def test_a_canvas_is_the_same_wherever_a_place_is_seen() -> None:
    places = chained(pan(3, (4, 2)), [False] * 2, SIZE)
    canvas = Canvas(places, CanvasConfig((1, 4), channels=3), torch.Generator().manual_seed(0))
    read = canvas([0, 2]).detach()
    assert read.shape == (2, 6, *SIZE)
    assert canvas.channels == 6
    torch.testing.assert_close(read[1, :, 4:, 8:], read[0, :, :-4, :-8])
    assert abs(float(read.mean())) < 0.01
    # At whole pixels it is what was drawn, not a mean of it.
    assert abs(float(read[0, :3].std()) - 0.2 / 12**0.5) < 0.005


def test_a_canvas_is_learned_or_stays_noise() -> None:
    places = chained(pan(3, (4, 2)), [False] * 2, SIZE)
    for learned in (True, False):
        config = CanvasConfig((1,), learned=learned)
        canvas = Canvas(places, config, torch.Generator())
        assert canvas([1]).requires_grad == learned


def test_a_canvas_has_no_more_cells_than_the_clip_has_pixels() -> None:
    places = 30 * GRID.repeat(2, 1, 1, 1)
    canvas = Canvas(places, CanvasConfig((1, 200), channels=1), torch.Generator())
    fine, coarse = canvas.noise
    assert fine.numel() < 1.2 * 2 * GRID[0].numel()
    assert coarse.shape[2:] == (2 + 31 * 30 // 200, 2 + 47 * 30 // 200)


def test_what_makes_no_canvas() -> None:
    for name in ("carry-learn", "dip"):
        with pytest.raises(InputError, match=r"canvas\.cells_px is \(1,\); one network for the whole clip"):
            replace(METHODS[name], canvas=CanvasConfig((1,)))
    for wrong in ({"cells_px": (0,)}, {"channels": 0}, {"noise_level": 0.0}):
        with pytest.raises(InputError, match=f"canvas.{next(iter(wrong))} is"):
            CanvasConfig(**wrong)  # type: ignore[reportArgumentType]
