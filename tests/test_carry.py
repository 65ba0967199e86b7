import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from cleanplate import METHODS, Clip, inpaint
from cleanplate.carry.linking import nowhere
from cleanplate.carry.motion import Field, Matches, corners, fit_both_ways, fit_homography, match
from cleanplate.carry.rounds import carry
from cleanplate.carry.trajectories import FlowLink, LinkedFrame, boundary_pixels, follow, gather, link
from cleanplate.config import CarryConfig
from cleanplate.imaging.frame import CARRIED, MADE_UP, Frame, box_around
from cleanplate.imaging.paint import painted
from cleanplate.imaging.smooth import Cells, dilate
from cleanplate.imaging.warp import pixel_grid
from cleanplate.metrics import psnr_db, warp_error
from tests.conftest import panning, texture, walking_hole


def constant(step: tuple[float, float], level: float = 0.0) -> Field:
    """The same motion and brightness change everywhere."""
    return Field(None, Cells(torch.tensor([*step, level, level, level]).view(5, 1, 1), 1))


def links(boundary: list[torch.Tensor], size: tuple[int, int], step: tuple[float, float], level: float = 0.0) -> tuple:
    """The forward and the backward links of frames between which everything moves by `step`."""
    there, back = constant(step, level), constant((-step[0], -step[1]), -level)
    forward = [link(mine, size[1], (0, 0), there, back, size) for mine in boundary[:-1]]
    backward = [link(mine, size[1], (0, 0), back, there, size) for mine in boundary[1:]]
    return [*forward, None], [None, *backward]


def into_the_future(
    boundary: list[torch.Tensor], size: tuple[int, int], step: tuple[float, float], level: float = 0.0
) -> list:
    """The trajectories of all frames."""
    forward, _ = links(boundary, size, step, level)
    return follow(range(len(boundary))[::-1], forward[::-1], boundary[::-1], size)[::-1]


def test_whole_pixels_followed_along_the_true_flow_are_copied_exactly() -> None:
    frames, hole = panning(8), walking_hole(8)
    boundary = [boundary_pixels(one) for one in hole]
    futures = into_the_future(boundary, (64, 96), (-3.0, -1.0))
    _, backward = links(boundary, (64, 96), (-3.0, -1.0))
    pasts = follow(range(8), backward, boundary, (64, 96))
    spoilt = dict(enumerate(torch.where(hole, 0.0, frames)))
    for i in range(8):
        hidden = hole[i].flatten()[boundary[i]]
        reached, colours = gather(spoilt, (futures[i], pasts[i]), hidden, CarryConfig())
        assert torch.equal(reached, hidden)
        torch.testing.assert_close(colours.T, frames[i].flatten(1)[:, boundary[i][reached]], atol=1e-6, rtol=0)


def test_trajectories_know_their_source_and_distance() -> None:
    hole = torch.zeros(4, 1, 32, 32, dtype=torch.bool)
    hole[1:3, 0, 10:20, 10:20] = True  # hidden in frames 1 and 2, nothing moves
    boundary = [torch.nonzero(one.flatten()).flatten() for one in hole]
    futures = into_the_future(boundary, (32, 32), (0.0, 0.0), level=0.1)
    assert set(futures[1].source.tolist()) == {3}
    assert set(futures[1].distance.tolist()) == {2.0}
    assert set(futures[2].distance.tolist()) == {1.0}
    torch.testing.assert_close(
        futures[1].brightness_offset, torch.full_like(futures[1].brightness_offset, 0.2), atol=1e-3, rtol=0
    )


def test_positions_add_up_between_the_pixels() -> None:
    hole = torch.zeros(3, 1, 32, 32, dtype=torch.bool)
    hole[:2, 0, 10:20, 10:20] = True  # known only in frame 2
    boundary = [torch.nonzero(one.flatten()).flatten() for one in hole]
    futures = into_the_future(boundary, (32, 32), (0.3, -0.4))
    y, x = boundary[0] // 32, boundary[0] % 32
    torch.testing.assert_close(futures[0].xy, torch.stack((x + 0.6, y - 0.8), 1))


def test_the_worst_error_on_the_way_counts_and_leaving_the_picture_ends_it() -> None:
    boundary = [torch.tensor([5]), torch.tensor([5, 6]), torch.tensor([], dtype=torch.long)]
    xy, level = torch.tensor([[6.0, 0.0], [7.0, 0.0]]), torch.zeros(2, 3).half()
    ways = [
        FlowLink(xy[:1], torch.tensor([2.0]).half(), level[:1]),
        FlowLink(xy, torch.tensor([0.5, 1.0]).half(), level),
        None,
    ]
    far = follow((2, 1, 0), ways[::-1], boundary[::-1], (4, 16))[-1]
    assert (far.source.tolist(), far.error.tolist(), far.distance.tolist()) == ([2.0], [2.0], [2.0])
    out = replace(ways[1], xy=xy + 20)
    assert follow((2, 1, 0), [None, out, ways[0]], boundary[::-1], (4, 16))[-1].source.tolist() == [-1.0]


def test_a_box_is_around_what_is_marked_and_stays_in_the_picture() -> None:
    marked = torch.zeros(60, 80, dtype=torch.bool)
    marked[20:40, 5:50] = True
    assert box_around(marked, 8) == (slice(12, 48), slice(0, 58))
    assert box_around(torch.zeros(60, 80, dtype=torch.bool), 8) == (slice(0, 60), slice(0, 80))


def test_a_link_of_a_window_is_that_of_the_frame() -> None:
    generator = torch.Generator().manual_seed(0)
    fields = torch.randn(2, 5, 40, 50, generator=generator)
    pixels = torch.tensor([12 * 50 + 9, 20 * 50 + 30])

    def field(i: int, *window: slice) -> Field:
        return Field(None, Cells(fields[(i, slice(None), *window)], 1))

    window = slice(8, 30), slice(4, 40)
    whole = link(pixels, 50, (0, 0), field(0), field(1), (40, 50))
    part = link(pixels, 50, (8, 4), field(0, *window), field(1, *window), (22, 36))
    torch.testing.assert_close(whole.xy, part.xy)
    torch.testing.assert_close(whole.error, part.error, atol=2e-3, rtol=0)
    torch.testing.assert_close(whole.brightness_offset, part.brightness_offset, atol=2e-3, rtol=0)


def test_the_fit_reaches_over_a_share_of_the_frame_whatever_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    reaches: set[float] = set()

    def spy(matches: Matches, size: tuple[int, int], *, reach_px: float, **more: object) -> tuple[Field, Field, bool]:
        reaches.add(reach_px)
        return constant((0.0, 0.0)), constant((0.0, 0.0)), False

    monkeypatch.setattr("cleanplate.carry.linking.fit_both_ways", spy)
    hole = torch.zeros(2, 1, 200, 240, dtype=torch.bool)
    hole[:, 0, 4:8, 4:8] = True  # the window ends long before the frame
    list(carry(moving(panning(2, (200, 240)), hole), CarryConfig(reach=0.1)))
    assert reaches == {20.0}


def moving(frames: torch.Tensor, hole: torch.Tensor) -> Iterator[Frame]:
    """The frames of a clip as they come."""
    return painted(Frame(i, f.clone(), (h * MADE_UP).byte()) for i, (f, h) in enumerate(zip(frames, hole, strict=True)))


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
    wall, other = panning(6, step=(2, 0)), panning(6, step=(1, 0), seed=7)
    frames, hole = torch.cat((wall, other)), torch.zeros(12, 1, 64, 96, dtype=torch.bool)
    hole[..., 20:40, 40:60] = True
    both = inpaint(Clip(torch.where(hole, 0.0, frames), hole), "carry", device="cpu")
    for part in (slice(0, 6), slice(6, 12)):
        alone = inpaint(Clip(torch.where(hole[part], 0.0, frames[part]), hole[part]), "carry", device="cpu")
        assert torch.equal(both.provenance[part], alone.provenance)
        torch.testing.assert_close(both.frames[part], alone.frames, atol=1e-5, rtol=0)


def test_support_is_high_within_a_shot_and_next_to_nothing_over_a_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    support = Matches.support.fget
    assert support is not None
    monkeypatch.setattr(Matches, "support", property(lambda self: seen.append(support(self)) or seen[-1]))
    frames, hole = torch.cat((panning(3), panning(3, seed=5))), walking_hole(6)
    list(carry(moving(frames, hole), CarryConfig(rounds=1)))
    across, *within = sorted(seen)  # pairs are looked at in any order
    assert across < 0.1
    assert len(within) == 4
    assert within[0] > 0.5


def test_frames_that_hide_nothing_cost_no_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(
        "cleanplate.carry.linking.both_ways", lambda seen, _: calls.append(1) or torch.zeros(2, 2, *seen.shape[2:])
    )
    hole = torch.zeros(9, 1, 64, 96, dtype=torch.bool)
    hole[0, 0, 30:34, 30:34] = True
    list(carry(moving(panning(9), hole), CarryConfig(rounds=1)))
    assert len(calls) == 1


def test_corners_are_where_the_texture_is() -> None:
    gray = 40 + np.random.default_rng(0).normal(0, 2, (40, 60))
    gray[17:, 23:] += 160  # one corner
    points, held = corners(gray.astype(np.uint8), 20)
    assert len(points) == len(held) == 6
    nearest = (points - torch.tensor([23.0, 17.0])).norm(dim=1).argmin()
    assert float((points[nearest] - torch.tensor([23.0, 17.0])).norm()) < 3
    # There is something to hold on to there; elsewhere is noise, which looks a little like texture.
    assert float(held[nearest]) > 0.99
    assert float(held.sort().values[-2]) < 0.85
    assert bool(((points >= 0) & (points < torch.tensor([60.0, 40.0]))).all())


def matched(flow: torch.Tensor, near: torch.Tensor, frames: torch.Tensor | None = None) -> Matches:
    size = near.shape[2], near.shape[3]
    points = pixel_grid(*size)[:, ::2, ::2].flatten(1).T.contiguous()
    frames = torch.zeros(2, 3, *size) if frames is None else frames
    return match(frames, flow, near, points, torch.ones(len(points)))


def test_matches_know_what_they_touch_and_how_sure_they_are() -> None:
    flow = torch.zeros(2, 2, 40, 40)
    flow[0, 0], flow[1, 0] = 3.0, -3.0
    flow[0, 0, :, 20:] = 3.5  # back by 3 only: half a pixel of error
    near = torch.zeros(2, 1, 40, 40, dtype=torch.bool)
    near[0, 0, 10], near[1, 0, :, 9] = True, True
    levels = torch.stack((torch.full((3, 40, 40), 0.6), torch.full((3, 40, 40), 0.5)))
    found = matched(flow, near, levels)
    x, y = found.start.unbind(1)
    assert torch.equal(found.known, ~((y == 10) | ((x > 5) & (x < 7)) | ((x + 3 > 8) & (x + 3 < 10))))
    assert found.confidence[(x < 20)].min() == pytest.approx(1)
    assert found.confidence[(x >= 22) & (x < 34)].max() == pytest.approx(math.exp(-1), abs=1e-4)
    assert float(found.confidence[x > 36].max()) == 0  # out of the picture
    torch.testing.assert_close(found.brightness, torch.full_like(found.brightness, 0.1), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.back.brightness, -found.brightness)


def test_a_pan_is_carried() -> None:
    frames, hole = panning(8), walking_hole(8)
    plate = inpaint(Clip(torch.where(hole, 0.0, frames), hole), "carry", device="cpu")
    assert bool((plate.provenance[hole] == 1).all())
    assert psnr_db(plate.frames, frames, hole) > 45


def test_a_turning_camera_is_a_homography() -> None:
    xy = pixel_grid(64, 96).flatten(1).T.contiguous()
    projective = torch.tensor([[1.01, -0.02, 1.0], [0.015, 0.99, -2.0], [1e-4, 5e-5, 1.0]])
    moved = torch.cat((xy, torch.ones(len(xy), 1)), 1) @ projective.T
    end = moved[:, :2] / moved[:, 2:]
    noisy = end.clone()
    noisy[1000:2200] += 7  # something that moves by itself
    everything = torch.ones(len(xy), dtype=torch.bool)
    found = fit_homography(xy, noisy, everything, (64, 96))
    assert found is not None
    torch.testing.assert_close(found / found[2, 2], projective, atol=1e-3, rtol=0)
    assert fit_homography(xy, noisy, ~everything, (64, 96)) is None
    scattered = xy + 30 * torch.rand(len(xy), 2, generator=torch.Generator().manual_seed(0))
    assert fit_homography(xy, scattered, everything, (64, 96)) is None


def test_motion_in_the_hole_is_completed_from_around_it_both_ways() -> None:
    near = dilate(walking_hole(2), 3)
    truth = torch.tensor([2.5, -0.5])
    flow = torch.stack((truth.view(2, 1, 1).expand(2, 64, 96), -truth.view(2, 1, 1).expand(2, 64, 96))).clone()
    flow[near.expand(-1, 2, -1, -1)] = 11.0
    settings = {"filled_weight": 0.0, "reach_px": 11, "flow_tolerance_px": 0.25, "brightness_tolerance": 0.025}
    there, back, still = fit_both_ways(matched(flow, near), (64, 96), **settings)
    assert not still
    hidden = torch.nonzero(near[0, 0]).flip(1).float()
    assert float((there.at(hidden)[0] - truth).abs().max()) < 0.05
    assert float((back.at(hidden)[0] + truth).abs().max()) < 0.05


def test_a_cut_leads_nowhere() -> None:
    assert not bool(
        (
            follow((1, 0), [None, nowhere(torch.tensor([3]))], [torch.tensor([3])] * 2, (4, 4))[1].weight(CarryConfig())
            > 0
        ).any()
    )


def test_links_are_kept_where_nothing_was_reached() -> None:
    frames = torch.from_numpy(texture(48, 64)).permute(2, 0, 1).expand(3, -1, -1, -1)
    hole = torch.zeros(3, 1, 48, 64, dtype=torch.bool)
    hole[..., 20:30, 20:40] = True
    held: list[LinkedFrame] = list(carry(moving(frames, hole), CarryConfig()))
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
