"""Smooth fields: fitted to what was measured, extended to where nothing was, and read anywhere."""

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cleanplate.carry.fields import Cells, Field, local_fit, pull_push
from tests.motions import grid


def ramp(height: int = 60, width: int = 80) -> np.ndarray:
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.stack((x * np.float32(0.02) + 1, y * np.float32(-0.03)), -1)


def test_pull_push_keeps_what_is_known_and_a_constant_everywhere() -> None:
    rng = np.random.default_rng(0)
    weight, values = (rng.random((37, 53)) > 0.7).astype(np.float32), rng.random((37, 53, 3)).astype(np.float32)
    filled = pull_push(values, weight)
    np.testing.assert_array_equal(filled[weight > 0], values[weight > 0])
    np.testing.assert_allclose(pull_push(np.full_like(values, 0.3), weight), 0.3, atol=1e-6)


def test_pull_push_stays_within_what_is_known_and_never_reads_the_rest() -> None:
    values = np.random.default_rng(0).random((40, 40, 1)).astype(np.float32)
    weight = np.ones((40, 40), np.float32)
    weight[10:30, 10:30] = 0
    filled = pull_push(np.where(weight[..., None] > 0, values, np.float32(math.nan)), weight)
    np.testing.assert_array_equal(filled, pull_push(values, weight))
    assert filled.min() >= values.min()
    assert filled.max() <= values.max()


def test_pull_push_goes_from_one_side_to_the_other_evenly() -> None:
    values, weight = np.zeros((8, 64, 1), np.float32), np.zeros((8, 64), np.float32)
    values[:, 48:], weight[:, :16], weight[:, 48:] = 1, 1, 1
    filled = pull_push(values, weight)[..., 0]
    assert (np.diff(filled.mean(0)) > -0.02).all()
    assert filled[:, 31:33].mean() == pytest.approx(0.5, abs=0.05)


def test_local_fit_without_outliers_is_a_normalised_gaussian() -> None:
    rng = np.random.default_rng(0)
    values, weight = rng.standard_normal((64, 64)).astype(np.float32), rng.random((64, 64)).astype(np.float32)
    sigma, xy = 2.0, grid(64, 64)  # of which cells are single pixels
    fit = local_fit(values.reshape(-1, 1), xy, weight.ravel(), (64, 64), sigma_px=sigma, tolerance=1, iterations=1)
    theirs = gaussian_filter(values * weight, sigma, mode="constant", truncate=3)
    theirs /= gaussian_filter(weight, sigma, mode="constant", truncate=3)
    np.testing.assert_allclose(fit.at(xy)[:, 0].reshape(64, 64), theirs, atol=1e-4)


def test_local_fit_does_not_depend_on_where_there_are_more_measurements() -> None:
    """Four times as many, of a quarter of the trust each: the same fit, and the same say beside what is unknown."""
    xy = np.random.default_rng(0).uniform(0, 63, (500, 2)).astype(np.float32)
    values, weight = np.sin(xy[:, :1] / 9), np.ones(500, np.float32)
    options = {"size": (64, 64), "sigma_px": 8, "tolerance": 0.25}
    one = local_fit(values, xy, weight, **options)
    four = local_fit(np.tile(values, (4, 1)), np.tile(xy, (4, 1)), np.tile(weight, 4) / 4, **options)
    np.testing.assert_allclose(one.values, four.values, atol=1e-4)


def test_local_fit_ignores_a_minority() -> None:
    truth = ramp()
    values = truth.copy()
    values[20:40, 30:50] += 10  # something else that moves
    settings = {"size": (60, 80), "sigma_px": 16, "tolerance": 0.25}
    xy, trust = grid(60, 80), np.ones(4800, np.float32)
    fits = [
        local_fit(values.reshape(-1, 2), xy, trust, iterations=n, **settings).at(xy).reshape(60, 80, 2) for n in (4, 1)
    ]
    middle = (slice(25, 35), slice(35, 45))
    fitted, plain = (float(np.abs(fit - truth)[middle].mean()) for fit in fits)
    assert plain > 2
    assert fitted < 0.5


def test_local_fit_reaches_into_a_hole_and_never_reads_it() -> None:
    values = np.full((200, 200, 2), 1.5, np.float32)
    values[40:160, 40:160] = math.nan  # far beyond the window
    measured, xy = values.reshape(-1, 2), grid(200, 200)
    weight = np.asarray(~np.isnan(measured).any(1), np.float32)
    fitted = local_fit(measured, xy, weight, (200, 200), sigma_px=8, tolerance=0.25)
    np.testing.assert_allclose(fitted.at(xy), 1.5, atol=1e-4)


def test_cells_are_read_between_their_middles() -> None:
    cells = Cells(np.array([[[0.0], [10.0]], [[20.0], [30.0]]], np.float32), 10)
    xy = np.array([[4.5, 4.5], [14.5, 4.5], [9.5, 9.5], [-3.0, 40.0]])
    assert cells.at(xy)[:, 0].tolist() == pytest.approx([0, 10, 15, 20])


def test_a_field_adds_the_camera_and_the_rest() -> None:
    camera = np.array([[1.0, 0, 3], [0, 1, -2], [0.001, 0, 1]])
    rest = Cells(np.array([[[0.5, 0.25, 0.1, 0.2, 0.3]]], np.float32), 4)
    motion, brightness = Field(camera, rest).at(np.array([[10.0, 20.0]]))
    np.testing.assert_allclose(motion, [[13 / 1.01 - 10 + 0.5, 18 / 1.01 - 20 + 0.25]], atol=1e-5)
    np.testing.assert_allclose(brightness, [[0.1, 0.2, 0.3]], atol=1e-6)
