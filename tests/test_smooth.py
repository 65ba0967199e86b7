import math

import cv2
import numpy as np
import pytest
import torch

from cleanplate.imaging.slow import slow
from cleanplate.imaging.smooth import dilate, paint, pull_push


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


def test_dilate_grows_by_the_radius() -> None:
    mask = torch.zeros(1, 1, 11, 11, dtype=torch.bool)
    mask[..., 5, 5] = True
    assert int(dilate(mask, 2).sum()) == 25
    assert torch.equal(dilate(mask, 0), mask)


@pytest.mark.parametrize("sigma_px", [1.0, 4.0, 20.0])
def test_slow_is_a_wide_mean(sigma_px: float) -> None:
    step = np.zeros((120, 150, 3), np.float32)
    step[:, 60:, 1], step[40:, :, 2] = 1, 1
    assert np.abs(slow(step, sigma_px) - cv2.GaussianBlur(step, (0, 0), sigma_px)).max() < 0.05
    assert np.allclose(slow(np.full((30, 40), 0.5, np.float32), sigma_px), 0.5, atol=1e-6)
