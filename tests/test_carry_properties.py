"""Any flow, holes, cuts, sizes and windows: no traceback, no NaN, provenance and known pixels right."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cleanplate import METHODS, Clip, InputError, inpaint
from cleanplate.carry.colours import gather
from cleanplate.carry.trajectories import X, Y, boundary_pixels, follow
from cleanplate.config import CarryConfig
from cleanplate.imaging.frame import CARRIED, KNOWN, MADE_UP
from tests.conftest import texture
from tests.motions import grid, of_each_pixel

QUIET = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], derandomize=True
)


def picture_of(height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(texture(height, width, seed)).permute(2, 0, 1).float()


def moved(picture: torch.Tensor, matrix: np.ndarray) -> torch.Tensor:
    """The picture under an affine motion about its middle, the border repeated."""
    grid = F.affine_grid(torch.from_numpy(matrix[None]).float(), [1, *picture.shape], align_corners=False)
    return F.grid_sample(picture[None], grid, padding_mode="reflection", align_corners=False)[0]


@st.composite
def clips(draw: st.DrawFn) -> Clip:
    """A camera that pans, turns and zooms at random, with cuts, and holes of any size that jump."""
    height, width = draw(st.integers(16, 30)), draw(st.integers(16, 30))
    count, seed = draw(st.integers(1, 16)), draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    zoom, turn, pan = (draw(st.sampled_from(some)) for some in ((0, 0, 0.03, -0.03), (0, 0.02), (0, 0.05, 0.3)))
    cuts = set(draw(st.lists(st.integers(0, count), max_size=3)))
    hole = torch.zeros(count, 1, height, width, dtype=torch.bool)
    frames, pose, shot = [], np.eye(2, 3), 0
    sides = draw(st.sampled_from((0.2, 0.6, 1.1)))
    for index in range(count):
        if index in cuts:
            pose, shot = np.eye(2, 3), shot + 1
        frames.append(moved(picture_of(height, width, seed + shot), pose))
        step = np.array([[1 + zoom, turn, pan * rng.normal()], [-turn, 1 + zoom, pan * rng.normal()]])
        pose = np.concatenate((pose[:, :2] @ step[:, :2], pose[:, :2] @ step[:, 2:] + pose[:, 2:]), 1)
        for _ in range(int(rng.integers(0, 3))):
            top, left = rng.integers(-8, height), rng.integers(-8, width)
            bottom, right = (
                top + 1 + rng.integers(0, 1 + int(sides * height)),
                left + 1 + rng.integers(0, 1 + int(sides * width)),
            )
            hole[index, 0, max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = True
    if not hole.any():
        hole[0, 0, 5:8, 5:8] = True
    if hole.all():
        hole[0, 0, 5:8, 5:8] = False
    return Clip(torch.stack(frames).clamp(0, 1), hole, 24.0)


@settings(QUIET, max_examples=10)
@given(clips(), st.integers(2, 12), st.integers(1, 3), st.sampled_from((0.0, 0.1)))
def test_any_clip_is_filled(clip: Clip, window: int, rounds: int, least_support: float) -> None:
    config = replace(CarryConfig(), window_frames=window, rounds=rounds, least_support=least_support)
    plate = inpaint(clip, replace(METHODS["carry"], carry=config), device="cpu")
    assert bool(torch.isfinite(plate.frames).all())
    assert float(plate.frames.min()) >= 0
    assert float(plate.frames.max()) <= 1
    assert not (plate.effects & clip.hole).any()
    kept = clip.known & ~plate.effects
    assert torch.equal(plate.provenance == KNOWN, kept)
    assert bool((plate.provenance[plate.effects] == CARRIED).all())
    assert set(plate.provenance.unique().tolist()) <= {KNOWN, CARRIED, MADE_UP}
    assert torch.equal(torch.where(kept, plate.frames, 0.0), torch.where(kept, clip.frames, 0.0))
    # What is under the hole is never looked at.
    lie = Clip(torch.where(clip.hole, 1 - clip.frames, clip.frames), clip.hole)
    assert torch.equal(inpaint(lie, replace(METHODS["carry"], carry=config), device="cpu").frames, plate.frames)
    # A frame that no other resembles cannot have been carried to.
    if len(clip.frames) == 1:
        assert not (plate.provenance == CARRIED).any()


@settings(QUIET, max_examples=100)
@given(
    st.integers(2, 12), st.integers(2, 9), st.integers(2, 9), st.integers(0, 2**16), st.sampled_from((0.4, 3.0, 1e4))
)
def test_any_flow_is_followed(count: int, height: int, width: int, seed: int, speed: float) -> None:
    rng = np.random.default_rng(seed)
    hole = rng.random((count, height, width)) < 0.5
    hole[0] = False  # everything may end there
    boundary = [boundary_pixels(one) for one in hole]
    motions = []
    for _ in boundary:
        flow = speed * rng.standard_normal((height, width, 2))
        motions.append(of_each_pixel(flow, rng.standard_normal((height, width, 2)) - flow.mean((0, 1))))
    trajectories = follow(range(count), motions, boundary, (height, width))
    pictures = dict(enumerate(rng.random((count, height, width, 3)).astype(np.float32)))
    for index, (pixels, found) in enumerate(zip(boundary, trajectories, strict=True)):
        good = found.source >= 0
        assert (found.source[good] < index).all()
        wanted = hole[index].ravel()[pixels]
        reached, colours = gather(pictures, (found, found), wanted, CarryConfig())
        assert np.isfinite(colours).all()
        np.testing.assert_array_equal(reached, wanted & good & (found.error <= CarryConfig().max_error_px))


@pytest.mark.parametrize("drift", [(-0.45, 0.0), (0.45, 0.0), (0.0, -0.45), (0.0, 0.45)])
def test_a_position_that_drifts_out_of_the_picture_means_the_border(drift: tuple[float, float]) -> None:
    """Rounding errors of a zoom add up, and after some frames they point out of the picture."""
    size, count = 12, 20
    hole = np.ones((count, size, size), bool)
    hole[0] = False
    boundary = [boundary_pixels(one) for one in hole]
    at = grid(size, size)
    flow = (np.clip(at + np.array(drift, np.float32), 0, size - 1) - at).reshape(size, size, 2)
    motion = of_each_pixel(flow, np.zeros_like(flow))
    found = follow(range(count), [motion] * count, boundary, (size, size))[count - 1]
    assert ((found.xy > -2) & (found.xy < size + 1)).all()
    found.rows[:, X : Y + 1] += 10 * np.array(drift, np.float32)
    picture = np.random.default_rng(0).random((size, size, 3)).astype(np.float32)
    far = (found.xy < -2) | (found.xy > size + 1)
    assert far.any()
    for dtype in (np.float32, np.float16):
        shown = picture.astype(dtype)
        for rows in (np.ones(len(at), bool), far[:, 0] | far[:, 1]):  # among others, and alone
            reached, colours = gather({0: shown}, (found,), rows, CarryConfig(fade_frames=1e3))
            np.testing.assert_array_equal(reached, rows)
            border = np.clip(found.xy[rows], 0, size - 1)
            on_edge = (far[rows] & (border == np.rint(border))).any(1) & (border == np.rint(border)).all(1)
            x, y = border[on_edge].astype(int).T
            np.testing.assert_allclose(colours[on_edge], shown[y, x], atol=1e-5)


@pytest.mark.parametrize(("beyond", "lands"), [(0.4, True), (0.6, False)])
def test_a_pixel_reaches_half_a_pixel_beyond_its_middle(beyond: float, lands: bool) -> None:
    pixel = np.zeros(1, int)
    for xy in ((-beyond, 0.0), (0.0, -beyond), (3 + beyond, 0.0), (0.0, 2 + beyond)):
        motion = of_each_pixel(np.broadcast_to(np.array(xy, np.float32), (3, 4, 2)))
        found = follow([0, 1], [None, motion], [pixel[:0], pixel], (3, 4))[1]
        assert bool(found.source[0] == 0) == lands


def test_what_is_seen_beside_a_hole_only_is_better_than_made_up() -> None:
    """The halves take turns: the columns between them are seen one or two pixels beside the hole, or never."""
    still = picture_of(32, 32).expand(8, -1, -1, -1).contiguous()
    hole = torch.zeros(8, 1, 32, 32, dtype=torch.bool)
    hole[::2, :, 8:24, 6:16] = True
    hole[1::2, :, 8:24, 16:26] = True
    plate = inpaint(Clip(torch.where(hole, 0.0, still), hole, 24.0), "carry", device="cpu")
    assert not (plate.provenance == MADE_UP).any()
    assert float((plate.frames - still).abs().max()) < 0.02


def test_frames_that_are_all_hole_between_known_ones_are_carried_to_or_said_to_be_made_up() -> None:
    frames = picture_of(32, 32).expand(9, -1, -1, -1).clone()
    hole = torch.zeros(9, 1, 32, 32, dtype=torch.bool)
    hole[3:6] = True
    plate = inpaint(Clip(frames, hole, 24.0), "carry", device="cpu")
    assert torch.equal(plate.provenance != KNOWN, hole)
    with pytest.raises(InputError, match="covers every pixel"):
        Clip(frames, torch.ones_like(hole), 24.0)
