import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from cleanplate.imaging.smooth import Cells, dilate, local_fit, paint, pull_push
from cleanplate.imaging.warp import pixel_grid


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


def everywhere(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A (C, H, W) field as values at the (x, y) of all its pixels."""
    return values.flatten(1).T, pixel_grid(values.shape[1], values.shape[2]).flatten(1).T.contiguous()


def test_local_fit_without_outliers_is_a_normalised_gaussian() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((64, 64)).astype(np.float32)
    weight = rng.random((64, 64)).astype(np.float32)
    sigma = 4.0
    measured, xy = everywhere(torch.from_numpy(values)[None])
    fit = local_fit(
        measured, xy, torch.from_numpy(weight).flatten(), (64, 64), sigma_px=sigma, tolerance=1, iterations=1
    )
    theirs = gaussian_filter(values * weight, sigma, mode="constant", truncate=3)
    theirs /= gaussian_filter(weight, sigma, mode="constant", truncate=3)
    np.testing.assert_allclose(fit.at(xy)[:, 0].view(64, 64).numpy(), theirs, atol=1e-4)


def test_local_fit_does_not_depend_on_where_there_are_more_measurements() -> None:
    """Four times as many, of a quarter of the trust each: the same fit, and the same say beside what is unknown."""
    rng = np.random.default_rng(0)
    xy = torch.from_numpy(rng.uniform(0, 63, (500, 2)).astype(np.float32))
    values, weight = torch.sin(xy[:, :1] / 9), torch.ones(500)
    options = {"size": (64, 64), "sigma_px": 8, "tolerance": 0.25}
    one = local_fit(values, xy, weight, **options)
    four = local_fit(values.repeat(4, 1), xy.repeat(4, 1), weight.repeat(4) / 4, **options)
    torch.testing.assert_close(one.values, four.values, atol=1e-4, rtol=0)


def test_local_fit_ignores_a_minority() -> None:
    truth = ramp()[0]
    values = truth.clone()
    values[..., 20:40, 30:50] += 9  # something else that moves
    measured, xy = everywhere(values)
    settings = {"size": (60, 80), "sigma_px": 16, "tolerance": 0.25}
    fits = [
        local_fit(measured, xy, torch.ones(4800), iterations=n, **settings).at(xy).T.view(2, 60, 80) for n in (4, 1)
    ]
    middle = (..., slice(25, 35), slice(35, 45))
    fitted, plain = (float((fit - truth)[middle].abs().mean()) for fit in fits)
    assert plain > 2
    assert fitted < 0.5


def test_local_fit_reaches_into_a_hole_and_never_reads_it() -> None:
    values = torch.full((2, 200, 200), 1.5)
    values[..., 40:160, 40:160] = math.nan  # far beyond the window
    measured, xy = everywhere(values)
    weight = (~measured.isnan().any(1)).float()
    fitted = local_fit(measured, xy, weight, (200, 200), sigma_px=8, tolerance=0.25)
    torch.testing.assert_close(fitted.at(xy), torch.full((40000, 2), 1.5), atol=1e-4, rtol=0)


def test_cells_are_read_between_their_middles() -> None:
    cells = Cells(torch.tensor([[[0.0, 10.0], [20.0, 30.0]]]), 10)
    xy = torch.tensor([[4.5, 4.5], [14.5, 4.5], [9.5, 9.5], [-3.0, 40.0]])
    assert cells.at(xy)[:, 0].tolist() == pytest.approx([0, 10, 15, 20])


def test_dilate_grows_by_the_radius() -> None:
    mask = torch.zeros(1, 1, 11, 11, dtype=torch.bool)
    mask[..., 5, 5] = True
    assert int(dilate(mask, 2).sum()) == 25
    assert torch.equal(dilate(mask, 0), mask)
