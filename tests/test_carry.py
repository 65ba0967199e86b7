import math
import weakref
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from cleanplate import METHODS, Clip, InputError, inpaint
from cleanplate.carry.colours import gather
from cleanplate.carry.fields import Cells, Field
from cleanplate.carry.fuse import Followed, both_ways
from cleanplate.carry.linking import Linker
from cleanplate.carry.matches import Matches, corners, match, noise_level
from cleanplate.carry.motion import Motion, fit_both_ways, fit_homography
from cleanplate.carry.rounds import carry
from cleanplate.carry.trajectories import (
    DISTANCE,
    RED,
    SOURCE,
    LinkedFrame,
    Trajectories,
    X,
    Y,
    boundary_pixels,
    follow,
    no_trajectories,
)
from cleanplate.config import CarryConfig
from cleanplate.imaging.dis import LEAST_SIZE
from cleanplate.imaging.frame import CARRIED, Frame, box_around
from cleanplate.imaging.smooth import dilate
from cleanplate.metrics import psnr_db, warp_error
from cleanplate.plate import Plate, frames_of
from tests.conftest import panning, texture, walking_hole
from tests.motions import constant, grid, of_each_pixel, pan


def into_the_future(
    boundary: list[np.ndarray], size: tuple[int, int], step: tuple[float, float], level: float = 0.0
) -> list[Trajectories]:
    """The trajectories of all frames, between which everything moves by `step`."""
    motions = [pan(step, size, level)] * len(boundary)
    return follow(range(len(boundary))[::-1], motions, boundary[::-1], size)[::-1]


def test_whole_pixels_followed_along_the_true_flow_are_copied_exactly() -> None:
    frames, hole = panning(8), walking_hole(8)
    boundary = [boundary_pixels(one[0].numpy()) for one in hole]
    futures = into_the_future(boundary, (64, 96), (-3.0, -1.0))
    pasts = follow(range(8), [pan((3.0, 1.0), (64, 96))] * 8, boundary, (64, 96))
    spoilt = dict(enumerate(torch.where(hole, 0.0, frames).permute(0, 2, 3, 1).numpy()))
    for i in range(8):
        hidden = hole[i].flatten().numpy()[boundary[i]]
        reached, colours = gather(spoilt, (futures[i], pasts[i]), hidden, CarryConfig())
        np.testing.assert_array_equal(reached, hidden)
        truth = frames[i].flatten(1).numpy()[:, boundary[i][reached]]
        np.testing.assert_allclose(colours.T, truth, atol=1e-6)


def hidden_in_the_middle(count: int, frames: slice) -> list[np.ndarray]:
    """The pixels of a square that is hidden in some of so many frames."""
    hole = np.zeros((count, 32, 32), bool)
    hole[frames, 10:20, 10:20] = True
    return [np.flatnonzero(one) for one in hole]


def test_trajectories_know_their_source_and_distance() -> None:
    futures = into_the_future(hidden_in_the_middle(4, slice(1, 3)), (32, 32), (0.0, 0.0), level=0.1)
    assert set(futures[1].source.tolist()) == {3}
    assert set(futures[1].distance.tolist()) == {2.0}
    assert set(futures[2].distance.tolist()) == {1.0}
    np.testing.assert_allclose(futures[1].rows[:, RED:], 0.2, atol=1e-6)


def test_positions_add_up_between_the_pixels() -> None:
    boundary = hidden_in_the_middle(3, slice(0, 2))  # known only in frame 2
    futures = into_the_future(boundary, (32, 32), (0.3, -0.4))
    y, x = np.divmod(boundary[0], 32)
    inner = (x < 18) & (y > 11)  # others may land beside the hole in frame 1
    np.testing.assert_allclose(futures[0].xy[inner], np.stack((x + 0.6, y - 0.8), 1)[inner], atol=1e-4)


@pytest.mark.parametrize("moved", [(-0.3, 0.0), (-0.45, 0.2), (-0.55, -0.45), (0.4, 0.0), (0.7, 0.49)])
def test_slow_motion_leads_to_the_frame_that_shows_it_and_not_into_its_hole(moved: tuple[float, float]) -> None:
    """A hole of 24 px that stands still before what moves by less than a pixel a frame, exactly."""
    size, count = (60, 100), 60
    hole = np.zeros(size, bool)
    hole[20:44, 40:64] = True
    pixels = boundary_pixels(hole)
    found = into_the_future([pixels] * count, size, moved)[0]
    rows, columns = np.divmod(pixels, size[1])
    at = np.stack((columns, rows), 1) + np.arange(count)[:, None, None] * np.array(moved)  # (frame, pixel, x and y)
    right, below = np.rint(at).astype(int).transpose(2, 0, 1)
    known = ~np.isin(below * size[1] + right, pixels)
    first = np.where(known.any(0), known.argmax(0), -1)
    seen, reached = first >= 0, found.source >= 0
    assert np.mean(seen != reached) < 0.06, "a row at the edge may be led out a little too early or too late"
    both = seen & reached
    assert (found.source - first)[both].max() <= 3 / max(np.abs(moved))
    there = np.rint(found.xy[both]).astype(int)
    assert hole[there[:, 1], there[:, 0]].mean() < 0.03
    # Wherever it ends, the position is exact.
    np.testing.assert_allclose(
        found.xy[both], at[found.source.astype(int), np.arange(len(pixels))][both], rtol=0, atol=1e-3
    )


@pytest.mark.parametrize(("first", "then"), [(2.0, 1.0), (1.0, 2.0)])
def test_the_worst_error_on_the_way_counts_and_leaving_the_picture_ends_it(first: float, then: float) -> None:
    """Pixels 5 and 6 of a row go one to the right; the way back differs from that."""
    boundary = [np.array([5]), np.array([5, 6]), np.array([], int)]
    right = np.zeros((4, 16, 2))
    right[..., 0] = 1

    def back(*errors: float) -> np.ndarray:
        out = -right
        for at, error in enumerate(errors, 6):
            out[0, at, 0] += error
        return out

    ways = [of_each_pixel(right, back(first)), of_each_pixel(right, back(0.5, then)), None]
    far = follow((2, 1, 0), ways[::-1], boundary[::-1], (4, 16))[-1]
    assert (far.source.tolist(), far.error.tolist(), far.distance.tolist()) == ([2.0], [2.0], [2.0])
    out = of_each_pixel(20 * right)
    assert follow((2, 1, 0), [None, out, ways[0]], boundary[::-1], (4, 16))[-1].source.tolist() == [-1.0]


def test_colours_of_short_floats_are_read_where_they_are() -> None:
    rng = np.random.default_rng(0)
    picture, ends = rng.random((40, 60, 3)).astype(np.float16), no_trajectories(50)
    ends.rows[:, SOURCE], ends.rows[:, X], ends.rows[:, Y] = 0, rng.uniform(20, 50, 50), rng.uniform(15, 35, 50)
    everywhere = np.ones(50, bool)
    short, long = (
        gather({0: shown}, (ends,), everywhere, CarryConfig())[1] for shown in (picture, picture.astype(np.float32))
    )
    np.testing.assert_allclose(short, long, atol=1e-5)


@pytest.mark.parametrize(("sharp", "how"), [(True, cv2.INTER_CUBIC), (False, cv2.INTER_LINEAR)])
def test_colours_are_read_as_opencv_reads_them_and_bilinearly_if_for_no_eyes(sharp: bool, how: int) -> None:
    rng = np.random.default_rng(0)
    picture, ends = rng.random((40, 60, 3)).astype(np.float32), no_trajectories(50)
    ends.rows[:, SOURCE], ends.rows[:, X], ends.rows[:, Y] = 0, rng.uniform(0, 59, 50), rng.uniform(0, 39, 50)
    reached, colours = gather({0: picture}, (ends,), np.ones(50, bool), CarryConfig(), sharp=sharp)
    x, y = ends.rows[:, None, X].copy(), ends.rows[:, None, Y].copy()
    theirs = np.clip(cv2.remap(picture, x, y, how, borderMode=cv2.BORDER_REPLICATE)[:, 0], 0, 1)
    assert reached.all()
    np.testing.assert_allclose(colours, theirs, atol=0.02)  # OpenCV counts in 32nds of a pixel


@pytest.mark.parametrize(
    ("other", "heavier", "least", "most"),
    [(0.42, 3, 0.74, 0.77), (0.9, 3, 0.99, 1), (0.9, 1 / 3, 0, 0.01), (0.9, 1, 0.49, 0.51)],
)
def test_what_two_ways_agree_about_is_averaged_and_the_rest_is_of_the_heavier(
    other: float, heavier: float, least: float, most: float
) -> None:
    pictures = {0: np.full((8, 8, 3), 0.4, np.float32), 1: np.full((8, 8, 3), other, np.float32)}
    ways = [no_trajectories(1), no_trajectories(1)]
    for number, way in enumerate(ways):
        way.rows[:, SOURCE], way.rows[:, X : Y + 1], way.rows[:, DISTANCE] = number, 4, 20
    config = CarryConfig()
    ways[1].rows[:, DISTANCE] -= config.fade_frames * np.log(heavier)
    _, colours = gather(pictures, ways, np.ones(1, bool), config)
    assert least <= (colours[0, 0] - 0.4) / (other - 0.4) <= most + 1e-5


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32])
def test_colours_are_put_where_they_belong_in_what_the_frame_holds(dtype: type) -> None:
    frame = Frame(0, np.zeros((4, 5, 3), dtype), np.zeros((4, 5), np.uint8))
    levels = np.array([[0.6, 99.4, 254.7], [12.5, 3.2, 300.0]], np.float32)
    frame.set_pixels(np.array([7, 19]), levels / 255)
    scale = 1 if dtype == np.uint8 else 255
    wanted = np.clip(np.rint(levels), 0, 255) if dtype == np.uint8 else levels
    for row, (y, x) in zip(wanted, ((1, 2), (3, 4)), strict=True):
        np.testing.assert_allclose(frame.picture[y, x].astype(np.float32) * scale, row, atol=0 if scale == 1 else 0.2)
    assert (frame.picture != 0).any(-1).sum() == 2


def test_a_box_is_around_what_is_marked_and_stays_in_the_picture() -> None:
    marked = np.zeros((60, 80), bool)
    marked[20:40, 5:50] = True
    assert box_around(marked, 8) == (slice(12, 48), slice(0, 58))
    assert box_around(np.zeros((60, 80), bool), 8) == (slice(0, 60), slice(0, 80))


def test_a_window_of_the_motion_is_that_of_the_frame() -> None:
    fields = np.random.default_rng(0).standard_normal((2, 40, 50, 5)).astype(np.float32)
    pixels = np.array([12 * 50 + 9, 20 * 50 + 30])

    def led_to(*window: slice) -> np.ndarray:
        there, back = (Field(None, Cells(np.ascontiguousarray(one[window]), 1)) for one in fields)
        corner, size = tuple(one.start or 0 for one in window), there.rest.values.shape[:2]
        motion = Motion(there, back, corner, size)  # type: ignore[arg-type]
        return follow((1, 0), [None, motion], [pixels[:0], pixels], (40, 50))[1].rows

    np.testing.assert_allclose(led_to(slice(8, 30), slice(4, 40)), led_to(slice(None), slice(None)), atol=1e-5)


@pytest.mark.parametrize(("flow_px", "reach_px"), [(480, 10.0), (100, 20.0)])
def test_the_fit_reaches_as_far_as_it_is_told_whatever_the_window(
    monkeypatch: pytest.MonkeyPatch, flow_px: int, reach_px: float
) -> None:
    reaches: set[float] = set()

    def spy(matches: Matches, size: tuple[int, int], *, reach_px: float, **more: object) -> tuple[Field, Field, bool]:
        reaches.add(reach_px)
        return constant((0.0, 0.0)), constant((0.0, 0.0)), False

    monkeypatch.setattr("cleanplate.carry.linking.fit_both_ways", spy)
    monkeypatch.setattr("cleanplate.carry.linking.FLOW_PX", flow_px)
    hole = torch.zeros(2, 1, 200, 240, dtype=torch.bool)
    hole[:, 0, 4:8, 4:8] = True  # the window ends long before the frame
    list(carry(frames_of(Clip(panning(2, (200, 240)), hole)), CarryConfig(reach_px=10)))
    assert reaches == {reach_px}  # more where flow is estimated on smaller pictures


def test_the_fit_reaches_over_a_share_of_a_small_frame_at_most() -> None:
    linker = Linker(CarryConfig(reach_px=30), 0.0)
    assert [linker._reach_px(side) for side in (64, 192, 480, 1080)] == pytest.approx([10.88, 30, 30, 60])


def windowed(window: int) -> object:
    """`carry` with so many frames at once."""
    method = METHODS["carry"]
    return replace(method, carry=replace(method.carry, window_frames=window))


@pytest.mark.parametrize("window", [2, 4, 7, 12])
def test_a_window_gives_what_the_whole_clip_gives(window: int) -> None:
    frames, hole = panning(24, (64, 96), (2, 0)), walking_hole(24, side=14, step=2)
    clip = Clip(torch.where(hole, 0.0, frames), hole)
    whole = inpaint(clip, "carry", device="cpu")
    parts = inpaint(clip, windowed(window), device="cpu")  # type: ignore[arg-type]
    # Every hidden pixel is shown 4 to 8 frames later, and as many earlier. The least window looks one frame ahead: what
    # the first frames hide is not seen so soon, but from then on what was seen once is kept.
    assert bool((whole.provenance[hole] == CARRIED).all())
    late = slice(8 if window < 16 else 0, None)
    assert bool((parts.provenance[late][hole[late]] == CARRIED).all())
    best, ours = (psnr_db(plate.frames[late], frames[late], hole[late]) for plate in (whole, parts))
    assert ours > min(best, 48) - (3 if window == 2 else 0.5)  # beyond 48 dB nobody sees a difference


def test_what_a_window_shows_is_carried_on_for_as_long_as_it_is_hidden() -> None:
    still = torch.from_numpy(texture(64, 96)).permute(2, 0, 1).expand(30, -1, -1, -1).contiguous()
    hole = torch.zeros(30, 1, 64, 96, dtype=torch.bool)
    hole[1:, :, 20:40, 30:60] = True  # shown in the first frame only
    clip = Clip(torch.where(hole, 0.0, still), hole)
    plate = inpaint(clip, windowed(6), device="cpu")  # type: ignore[arg-type]
    assert bool((plate.provenance[hole] == CARRIED).all())
    assert psnr_db(plate.frames, still, hole) > 45


def test_nothing_is_carried_over_a_cut() -> None:
    wall, other, third = panning(6, step=(2, 0)), panning(6, step=(1, 0), seed=7), panning(6, step=(0, 2), seed=3)
    hole = torch.zeros(12, 1, 64, 96, dtype=torch.bool)
    hole[..., 20:40, 40:60] = True

    def plate(*shots: Tensor) -> Plate:
        return inpaint(Clip(torch.where(hole, 0.0, torch.cat(shots)), hole), "carry", device="cpu")

    both = plate(wall, other)
    for part, changed in ((slice(0, 6), plate(wall, third)), (slice(6, 12), plate(third, other))):
        assert torch.equal(both.provenance[part], changed.provenance[part])
        torch.testing.assert_close(both.frames[part], changed.frames[part], atol=1e-5, rtol=0)


def test_support_is_high_within_a_shot_and_next_to_nothing_over_a_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    support = Matches.support.fget
    assert support is not None
    monkeypatch.setattr(Matches, "support", property(lambda self: seen.append(support(self)) or seen[-1]))
    frames, hole = torch.cat((panning(3), panning(3, seed=5))), walking_hole(6)
    list(carry(frames_of(Clip(frames, hole)), CarryConfig(rounds=1)))
    across, *within = sorted(seen)  # pairs are looked at in any order
    assert across < 0.1
    assert len(within) == 4
    assert within[0] > 0.5


def test_trajectories_are_gone_before_what_is_left_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[weakref.ref[Followed]] = []
    alive: list[int] = []

    def spy(*given: Any) -> list[Followed]:
        followed = both_ways(*given)
        held.extend(map(weakref.ref, followed))
        return followed

    def count(*_: object) -> None:
        alive.append(sum(one() is not None for one in held))

    monkeypatch.setattr("cleanplate.carry.rounds.both_ways", spy)
    monkeypatch.setattr("cleanplate.carry.rounds.second_choice", count)
    list(carry(frames_of(Clip(panning(9), walking_hole(9))), CarryConfig(rounds=1)))
    assert len(held) == 9
    assert alive == [1]  # the last frame is a source of the next block


@pytest.mark.parametrize("size", [(10, 640), (640, 10)])
def test_frames_that_are_too_small_are_called_by_their_size(size: tuple[int, int]) -> None:
    hole = torch.zeros(2, 1, *size, dtype=torch.bool)
    hole[:, 0, 2:5, 2:5] = True
    with pytest.raises(InputError, match=rf"^frames are {size[1]}x{size[0]}; flow needs at least 16x16"):
        list(carry(frames_of(Clip(panning(2, size), hole)), CarryConfig()))


@pytest.mark.parametrize("size", [(16, 120), (120, 16), (30, 40)])
@pytest.mark.parametrize("row", [0, 7, -1])
@pytest.mark.parametrize("column", [0, 7, -1])
def test_a_window_is_large_enough_for_flow_if_the_frames_are(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], row: int, column: int
) -> None:
    sides: list[int] = []

    def still(pictures: list[np.ndarray], greys: list[np.ndarray], *_: object) -> tuple[np.ndarray, ...]:
        sides.extend(greys[0].shape)
        return tuple(np.zeros((*picture.shape[:2], 2), np.float32) for picture in pictures)

    monkeypatch.setattr("cleanplate.carry.linking._estimated", still)
    hole = torch.zeros(2, 1, *size, dtype=torch.bool)
    hole[:, 0, row, column] = True
    list(carry(frames_of(Clip(panning(2, size), hole)), CarryConfig(margin_px=0, reach_px=1, rounds=1)))
    assert min(sides) >= LEAST_SIZE


def test_frames_that_hide_nothing_cost_no_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def still(pictures: list[np.ndarray], *_: object) -> tuple[np.ndarray, ...]:
        calls.append(1)
        return tuple(np.zeros((*picture.shape[:2], 2), np.float32) for picture in pictures)

    monkeypatch.setattr("cleanplate.carry.linking._estimated", still)
    hole = torch.zeros(9, 1, 64, 96, dtype=torch.bool)
    hole[0, 0, 30:34, 30:34] = True
    list(carry(frames_of(Clip(panning(9), hole)), CarryConfig(rounds=1)))
    assert len(calls) == 1


def test_corners_are_where_the_texture_is() -> None:
    gray = 40 + np.random.default_rng(0).normal(0, 2, (40, 60))
    gray[17:, 23:] += 160  # one corner
    points, held = corners(gray.astype(np.uint8), 20)
    assert len(points) == len(held) == 6
    apart = np.hypot(*(points - [23, 17]).T)
    nearest = int(apart.argmin())
    assert apart[nearest] < 3
    # There is something to hold on to there; elsewhere is noise, which looks a little like texture.
    assert held[nearest] > 0.99
    assert np.sort(held)[-2] < 0.85
    assert ((points >= 0) & (points < [60, 40])).all()


@pytest.mark.parametrize("sigma", [1.0, 3.0, 9.0])
def test_noise_is_measured_beside_texture(sigma: float) -> None:
    rng, smooth = np.random.default_rng(0), 30 + 150 * texture(200, 300).mean(-1)
    noisy = cv2.GaussianBlur(smooth, (0, 0), 4) + sigma * rng.standard_normal(smooth.shape)
    assert noise_level(np.clip(np.rint(noisy), 0, 255).astype(np.uint8)) == pytest.approx(sigma, rel=0.15)


def matched(flow: tuple[np.ndarray, np.ndarray], near: np.ndarray, levels: tuple[float, float] = (0, 0)) -> Matches:
    """Every second pixel of every second row, between two pictures of nothing."""
    points = grid(*near.shape[1:], step=2)
    pictures = [np.full((*near.shape[1:], 3), level, np.float32) for level in levels]
    return match((pictures[0], pictures[1]), flow, (near[0], near[1]), points, np.ones(len(points), np.float32))


def test_matches_know_what_they_touch_and_how_sure_they_are() -> None:
    flow = np.zeros((2, 40, 40, 2), np.float32)
    flow[0, ..., 0], flow[1, ..., 0] = 3.0, -3.0
    flow[0, :, 20:, 0] = 3.5  # back by 3 only: half a pixel of error
    near = np.zeros((2, 40, 40), np.uint8)
    near[0, 10], near[1, :, 9] = 1, 1
    found = matched((flow[0], flow[1]), near, (0.6, 0.5))
    x, y = found.start.T
    np.testing.assert_array_equal(found.known, ~((y == 10) | ((x > 5) & (x < 7)) | ((x + 3 > 8) & (x + 3 < 10))))
    assert found.confidence[(x < 20)].min() == pytest.approx(1)
    assert found.confidence[(x >= 22) & (x < 34)].max() == pytest.approx(math.exp(-1), abs=1e-4)
    assert float(found.confidence[x > 36].max()) == 0  # out of the picture
    np.testing.assert_allclose(found.brightness, 0.1, atol=1e-6)
    np.testing.assert_allclose(found.back.brightness, -found.brightness)


def test_a_pan_is_carried() -> None:
    frames, hole = panning(8), walking_hole(8)
    plate = inpaint(Clip(torch.where(hole, 0.0, frames), hole), "carry", device="cpu")
    assert bool((plate.provenance[hole] == 1).all())
    assert psnr_db(plate.frames, frames, hole) > 45


def test_a_turning_camera_is_a_homography() -> None:
    xy = grid(64, 96)
    projective = np.array([[1.01, -0.02, 1.0], [0.015, 0.99, -2.0], [1e-4, 5e-5, 1.0]])
    moved = np.concatenate((xy, np.ones((len(xy), 1))), 1) @ projective.T
    end = (moved[:, :2] / moved[:, 2:]).astype(np.float32)
    noisy = end.copy()
    noisy[1000:2200] += 7  # something that moves by itself
    everything = np.ones(len(xy), bool)
    found = fit_homography(xy, noisy, everything, (64, 96))
    assert found is not None
    np.testing.assert_allclose(found / found[2, 2], projective, atol=1e-3)
    assert fit_homography(xy, noisy, ~everything, (64, 96)) is None
    scattered = xy + 30 * np.random.default_rng(0).random((len(xy), 2)).astype(np.float32)
    assert fit_homography(xy, scattered, everything, (64, 96)) is None


def test_motion_in_the_hole_is_completed_from_around_it_both_ways() -> None:
    near = np.asarray(dilate(walking_hole(2), 3)[:, 0]).astype(np.uint8)
    truth = np.array([2.5, -0.5], np.float32)
    flow = np.broadcast_to(np.stack((truth, -truth))[:, None, None], (2, 64, 96, 2)).copy()
    flow[near > 0] = 11.0
    settings = {
        "filled_weight": 0.0,
        "camera_weight": 0.1,
        "reach_px": 11,
        "flow_tolerance_px": 0.25,
        "brightness_tolerance": 0.025,
    }
    there, back, still = fit_both_ways(matched((flow[0], flow[1]), near), (64, 96), **settings)
    assert not still
    hidden = np.argwhere(near[0] > 0)[:, ::-1].astype(np.float32)
    assert float(np.abs(there.at(hidden)[0] - truth).max()) < 0.05
    assert float(np.abs(back.at(hidden)[0] + truth).max()) < 0.05


def test_a_cut_leads_nowhere() -> None:
    led = follow((1, 0), [None, None], [np.array([3])] * 2, (4, 4))[1]
    assert not (led.weight(CarryConfig()) > 0).any()


def test_links_are_kept_where_nothing_was_reached() -> None:
    frames = torch.from_numpy(texture(48, 64)).permute(2, 0, 1).expand(3, -1, -1, -1)
    hole = torch.zeros(3, 1, 48, 64, dtype=torch.bool)
    hole[..., 20:30, 20:40] = True
    held: list[LinkedFrame] = list(carry(frames_of(Clip(frames, hole)), CarryConfig()))
    for one, before, after in zip(held, (False, True, True), (True, True, False), strict=True):
        assert len(one.boundary) == 14 * 24
        assert [link is not None for link in (one.backward, one.forward)] == [before, after]


def test_a_lighter_surrounding_leaves_no_seam() -> None:
    """What is uncovered later is brighter then: carried back, it must fit what is around it now."""
    frames, hole = panning(12, step=(2, 0)), walking_hole(12, step=4)
    ramp = torch.linspace(0.5, 1.0, 12).view(-1, 1, 1, 1)
    truth = ((frames * 0.8 * ramp) * 255).round() / 255
    plate = inpaint(Clip(torch.where(hole, 0.0, truth), hole), "carry", device="cpu").frames
    ring = dilate(hole, 2) & ~hole  # known, beside the hole
    inner = hole & dilate(~hole, 2)
    for one, around, within, real in zip(plate, ring, inner, truth, strict=True):
        step = one.mean(0)[within[0]].mean() - one.mean(0)[around[0]].mean()
        true_step = real.mean(0)[within[0]].mean() - real.mean(0)[around[0]].mean()
        assert abs(float(step - true_step)) < 0.01


def test_carried_texture_is_as_steady_as_the_shot() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = (panning(10, step=(2, 1)) + 0.01 * torch.randn(10, 3, 64, 96, generator=generator)).clamp(0, 1)
    hole = walking_hole(10)
    plate = inpaint(Clip(torch.where(hole, 0.0, truth), hole), "carry", device="cpu")
    assert warp_error(plate.frames, truth, hole) < 1.3 * warp_error(truth, truth, hole)


def test_exposure_that_drifts_leaves_no_step() -> None:
    frames, hole = panning(10, step=(2, 0)), walking_hole(10, step=3)
    ramp = torch.linspace(0.6, 1.0, 10).view(-1, 1, 1, 1)
    truth = ((frames * 0.8 * ramp) * 255).round() / 255
    plate = inpaint(Clip(torch.where(hole, 0.0, truth), hole), "carry", device="cpu")
    assert bool((plate.provenance[hole] == 1).all())
    bias = (plate.frames - truth).mean(1, keepdim=True)[hole].mean()
    assert abs(float(bias)) < 1 / 255
    assert psnr_db(plate.frames, truth, hole) > 38


def test_what_no_frame_shows_is_filled_smoothly_and_said_to_be_made_up() -> None:
    still = torch.from_numpy(texture(48, 64)).permute(2, 0, 1).expand(5, -1, -1, -1).contiguous()
    hole = torch.zeros(5, 1, 48, 64, dtype=torch.bool)
    hole[..., 20:30, 20:40] = True
    plate = inpaint(Clip(still, hole), "carry", device="cpu")
    assert bool((plate.provenance[hole] == 2).all())
    fill, around = plate.frames[..., 20:30, 20:40], still[..., 12:38, 12:48]
    assert float(fill.std()) < 0.7 * float(still.std())
    # It is made of the colours around it, and nearer to the truth than any one colour.
    least, most = around.amin((2, 3), keepdim=True), around.amax((2, 3), keepdim=True)
    assert bool(((fill >= least) & (fill <= most)).all())
    constant = still.mean((2, 3), keepdim=True).expand_as(still)
    assert psnr_db(plate.frames, still, hole) > psnr_db(constant, still, hole) + 1


def test_a_single_frame_is_filled_smoothly() -> None:
    clip = Clip(panning(1), walking_hole(1))
    plate = inpaint(clip, "carry", device="cpu")
    assert set(plate.provenance[clip.hole].tolist()) == {2}


def test_a_frame_that_is_hidden_whole_comes_from_its_neighbours() -> None:
    frames = panning(7, step=(1, 0))
    hole = torch.zeros(7, 1, 64, 96, dtype=torch.bool)
    hole[3] = True
    plate = inpaint(Clip(torch.where(hole, math.nan, frames), hole), "carry", device="cpu")
    assert float((plate.provenance[3] == 1).float().mean()) > 0.9
    assert bool(plate.frames.isfinite().all())


def test_nothing_jumps_where_one_window_ends_and_the_next_begins() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = (panning(33, step=(2, 0)) + 0.01 * torch.randn(33, 3, 64, 96, generator=generator)).clamp(0, 1)
    hole = walking_hole(33, side=14, step=2)
    plate = inpaint(Clip(torch.where(hole, 0.0, truth), hole), windowed(16), device="cpu").frames  # type: ignore[arg-type]
    errors = [warp_error(plate[i : i + 2], truth[i : i + 2], hole[i : i + 2]) for i in range(32)]
    seams = [7, 15, 23]  # blocks of 8 frames
    others = [error for i, error in enumerate(errors) if i not in seams]
    assert max(errors[i] for i in seams) < 1.3 * max(others)
    assert np.mean([errors[i] for i in seams]) < 1.3 * np.mean(others)
