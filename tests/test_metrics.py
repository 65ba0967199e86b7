import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from cleanplate import InputError
from cleanplate.metrics import psnr_db, ssim
from tests.conftest import panning, to_bytes, walking_hole


def pair() -> tuple[torch.Tensor, torch.Tensor]:
    truth = panning(3)
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(0)) * 0.05
    return ((truth + noise).clamp(0, 1) * 255).round() / 255, truth


def test_psnr_and_ssim_agree_with_skimage() -> None:
    result, truth = pair()
    frames = list(zip(to_bytes(result), to_bytes(truth), strict=True))
    theirs = np.mean([peak_signal_noise_ratio(b, a) for a, b in frames])
    assert psnr_db(result, truth) == pytest.approx(theirs, abs=1e-3)
    similar = np.mean([structural_similarity(a, b, channel_axis=2, data_range=255) for a, b in frames])
    assert ssim(result, truth) == pytest.approx(similar, abs=1e-3)


def test_known_values() -> None:
    truth = torch.zeros(2, 3, 16, 16)
    hole = torch.zeros(2, 1, 16, 16, dtype=torch.bool)
    hole[0, 0, :4, :4] = True  # the other frame does not count
    result = torch.where(hole, 0.2, truth)
    assert psnr_db(result, truth, hole) == pytest.approx(-20 * math.log10(0.2), abs=1e-4)
    assert psnr_db(truth, truth) == math.inf
    assert ssim(truth, truth) == pytest.approx(1)
    assert ssim(result, truth, hole) < 0.1


def test_symmetry() -> None:
    result, truth = pair()
    hole = walking_hole(3)
    assert psnr_db(result, truth, hole) == psnr_db(truth, result, hole)
    assert ssim(result, truth, hole) == pytest.approx(ssim(truth, result, hole))


def test_bad_input() -> None:
    truth = panning(3)
    with pytest.raises(InputError, match=r"\(2, 3, 64, 96\)"):
        psnr_db(truth[:2], truth)
    with pytest.raises(InputError, match="mask has the shape"):
        psnr_db(truth, truth, walking_hole(2))
    with pytest.raises(InputError, match="mask is empty"):
        ssim(truth, truth, torch.zeros(3, 1, 64, 96, dtype=torch.bool))
