import math

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from cleanplate.smooth import dilate, local_fit, paint, pull_push


def ramp(height: int = 60, width: int = 80) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack((x * 0.02 + 1, y * -0.03))[None].float()


def test_pull_push_keeps_what_is_known_and_a_constant_everywhere() -> None:
    weight = (torch.rand(1, 1, 37, 53, generator=torch.Generator().manual_seed(0)) > 0.7).float()
    values = torch.rand(1, 3, 37, 53, generator=torch.Generator().manual_seed(1))
    filled = pull_push(values, weight)
    assert torch.equal(filled * weight, values * weight)
    torch.testing.assert_close(pull_push(torch.full_like(values, 0.3), weight), torch.full_like(values, 0.3))


def test_pull_push_stays_within_what_is_known_and_never_reads_the_rest() -> None:
    values = torch.rand(1, 1, 40, 40, generator=torch.Generator().manual_seed(0))
    weight = torch.ones(1, 1, 40, 40)
    weight[..., 10:30, 10:30] = 0
    spoilt = torch.where(weight > 0, values, math.nan)
    filled = pull_push(spoilt, weight)
    assert torch.equal(filled, pull_push(values, weight))
    assert float(filled.min()) >= float(values.min())
    assert float(filled.max()) <= float(values.max())


def test_paint_of_a_wholly_hidden_frame_is_black() -> None:
    frames = torch.rand(2, 3, 16, 16)
    hole = torch.zeros(2, 1, 16, 16, dtype=torch.bool)
    hole[1] = True
    painted = paint(frames, hole)
    assert torch.equal(painted[0], frames[0])
    assert float(painted[1].abs().max()) == 0


def test_local_fit_without_outliers_is_a_normalised_gaussian() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((64, 64)).astype(np.float32)
    weight = rng.random((64, 64)).astype(np.float32)
    sigma = 4.0
    ours = local_fit(
        torch.from_numpy(values)[None, None],
        torch.from_numpy(weight)[None, None],
        sigma_px=sigma,
        tolerance=1,
        iterations=1,
    )
    theirs = gaussian_filter(values * weight, sigma, mode="constant", truncate=3)
    theirs /= gaussian_filter(weight, sigma, mode="constant", truncate=3)
    np.testing.assert_allclose(ours[0, 0].numpy(), theirs, atol=1e-4)


def test_local_fit_ignores_a_minority() -> None:
    truth = ramp()
    weight = torch.ones(1, 1, 60, 80)
    values = truth.clone()
    values[..., 20:40, 30:50] += 9  # something else that moves
    fitted = local_fit(values, weight, sigma_px=16, tolerance=0.25, iterations=4)
    plain = local_fit(values, weight, sigma_px=16, tolerance=0.25, iterations=1)
    middle = (..., slice(25, 35), slice(35, 45))
    assert float((plain - truth)[middle].abs().mean()) > 2
    assert float((fitted - truth)[middle].abs().mean()) < 0.5


def test_local_fit_reaches_into_a_hole_and_never_reads_it() -> None:
    weight = torch.ones(1, 1, 200, 200)
    weight[..., 40:160, 40:160] = 0  # far beyond the window
    values = torch.full((1, 2, 200, 200), 1.5)
    fitted = local_fit(torch.where(weight > 0, values, math.nan), weight, sigma_px=8, tolerance=0.25)
    torch.testing.assert_close(fitted, values, atol=1e-4, rtol=0)


def test_dilate_grows_by_the_radius() -> None:
    mask = torch.zeros(1, 1, 11, 11, dtype=torch.bool)
    mask[..., 5, 5] = True
    assert int(dilate(mask, 2).sum()) == 25
    assert torch.equal(dilate(mask, 0), mask)
