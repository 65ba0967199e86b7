import math

import pytest
import torch

from cleanplate import Clip, inpaint
from cleanplate.carry import around, carry, follow, fuse, link
from cleanplate.complete import complete, fit_homography, trust_in
from cleanplate.config import CarryConfig
from cleanplate.metrics import psnr_db
from cleanplate.smooth import dilate
from tests.conftest import panning, texture, walking_hole


def exact_flow(size: tuple[int, int] = (64, 96), step: tuple[float, float] = (3, 1)) -> torch.Tensor:
    one = -torch.tensor(step, dtype=torch.float32).view(2, 1, 1).expand(2, *size)
    return torch.stack((one, -one))


def test_whole_pixels_followed_along_the_true_flow_are_copied_exactly() -> None:
    frames, hole = panning(8), walking_hole(8)
    unsafe = [torch.nonzero(one.flatten()).flatten() for one in dilate(hole, 2)]
    links = [link(exact_flow(), torch.zeros(2, 3, 64, 96), (unsafe[i], unsafe[i + 1]), (0, 0), 96) for i in range(7)]
    futures = follow({i: pair[0] for i, pair in enumerate(links)}, 1, unsafe, (64, 96))
    pasts = follow({i + 1: pair[1] for i, pair in enumerate(links)}, -1, unsafe, (64, 96))
    spoilt = torch.where(hole, 0.0, frames)
    reached = fuse(spoilt, hole, unsafe, futures, pasts, CarryConfig())
    assert bool(reached[hole].all())
    torch.testing.assert_close(spoilt, frames, atol=1e-6, rtol=0)


def test_trails_know_their_source_and_distance() -> None:
    hole = torch.zeros(4, 1, 32, 32, dtype=torch.bool)
    hole[1:3, 0, 10:20, 10:20] = True  # hidden in frames 1 and 2, nothing moves
    unsafe = [torch.nonzero(one.flatten()).flatten() for one in hole]
    still = torch.zeros(2, 2, 32, 32)
    level = torch.full((2, 3, 32, 32), 0.1)
    links = [link(still, level, (unsafe[i], unsafe[i + 1]), (0, 0), 32) for i in range(3)]
    futures = follow({i: pair[0] for i, pair in enumerate(links)}, 1, unsafe, (32, 32))
    assert set(futures[1].source.tolist()) == {3}
    assert set(futures[1].distance.tolist()) == {2.0}
    assert set(futures[2].distance.tolist()) == {1.0}
    torch.testing.assert_close(futures[1].level, torch.full_like(futures[1].level, 0.2), atol=1e-3, rtol=0)


def test_positions_add_up_between_the_pixels() -> None:
    hole = torch.zeros(3, 1, 32, 32, dtype=torch.bool)
    hole[:2, 0, 10:20, 10:20] = True  # known only in frame 2
    unsafe = [torch.nonzero(one.flatten()).flatten() for one in hole]
    drift = exact_flow((32, 32), step=(-0.3, 0.4))
    links = [link(drift, torch.zeros(2, 3, 32, 32), (unsafe[i], unsafe[i + 1]), (0, 0), 32) for i in range(2)]
    futures = follow({i: pair[0] for i, pair in enumerate(links)}, 1, unsafe, (32, 32))
    y, x = unsafe[0] // 32, unsafe[0] % 32
    torch.testing.assert_close(futures[0].xy, torch.stack((x + 0.6, y - 0.8), 1))


def test_the_window_is_around_both_holes() -> None:
    near = torch.zeros(2, 1, 60, 80, dtype=torch.bool)
    near[0, 0, 20:30, 5:10] = True
    near[1, 0, 25:40, 50] = True
    assert around(near, 8) == (slice(12, 48), slice(0, 59))


def test_a_link_of_a_window_is_that_of_the_frame() -> None:
    generator = torch.Generator().manual_seed(0)
    flow, level = (torch.randn(2, c, 40, 50, generator=generator) for c in (2, 3))
    pixels = torch.tensor([12 * 50 + 9, 20 * 50 + 30])
    whole = link(flow, level, (pixels, pixels), (0, 0), 50)
    window = link(flow[..., 8:30, 4:40], level[..., 8:30, 4:40], (pixels, pixels), (8, 4), 50)
    for one, other in zip(whole, window, strict=True):
        torch.testing.assert_close(one.xy, other.xy)
        assert torch.equal(one.level, other.level)


def test_the_fit_reaches_over_a_share_of_the_frame_whatever_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    reaches: set[float] = set()

    def spy(values: torch.Tensor, *rest: object, sigma_px: float, **more: object) -> torch.Tensor:
        reaches.add(sigma_px)
        return torch.zeros_like(values)

    monkeypatch.setattr("cleanplate.complete.local_fit", spy)
    hole = torch.zeros(2, 1, 200, 240, dtype=torch.bool)
    hole[:, 0, 4:8, 4:8] = True  # the window ends long before the frame
    carry(panning(2, (200, 240)), hole, CarryConfig(reach=0.1))
    assert reaches == {20.0}


def test_a_pan_is_carried() -> None:
    frames, hole = panning(8), walking_hole(8)
    plate = inpaint(Clip(torch.where(hole, 0.0, frames), hole), "carry", device="cpu")
    assert bool((plate.provenance[hole] == 1).all())
    assert psnr_db(plate.frames, frames, hole) > 45


def test_a_turning_camera_is_a_homography() -> None:
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(96.0), indexing="ij")
    turned = torch.stack((0.02 * x - 0.01 * y + 1e-5 * x * x + 1e-5 * x * y, 0.01 * x + 0.03 * y))
    projective = torch.tensor([[1.01, -0.02, 1.0], [0.015, 0.99, -2.0], [1e-4, 5e-5, 1.0]])
    points = torch.stack((x, y, torch.ones_like(x))).flatten(1)
    moved = projective @ points
    flow = (moved[:2] / moved[2:] - points[:2]).view(2, 64, 96)
    noisy = flow.clone()
    noisy[:, 10:30, 20:60] = turned[:, 10:30, 20:60] + 7  # something that moves by itself
    torch.testing.assert_close(fit_homography(noisy, torch.ones(64, 96, dtype=torch.bool)), flow, atol=0.02, rtol=0)
    assert float(fit_homography(noisy, torch.zeros(64, 96, dtype=torch.bool)).abs().max()) == 0


def test_flow_in_the_hole_is_completed_from_around_it() -> None:
    hole = walking_hole(2)
    truth = exact_flow(step=(2.5, -0.5))
    near = dilate(hole, 3)
    guess = torch.where(near, 11.0, truth)
    trust = trust_in(guess, near)
    completed = complete(guess, near, trust, 0.0, reach_px=11, tolerance_px=0.25)
    assert float((completed - truth).abs()[near.expand(-1, 2, -1, -1)].max()) < 0.05


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
    assert float(plate.frames[hole.expand(-1, 3, -1, -1)].std()) < float(still.std())


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
