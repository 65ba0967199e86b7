"""The compiled loops give, to the last bit, what plain numpy gives."""

import cv2
import numpy as np
import pytest

from cleanplate.carry.light import DARK_LEVELS, LIGHT_SIGMA_PX, dark_of, light_of, mean_of

SIZE = (40, 56)
LEVELS = np.arange(256, dtype=np.float32)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def pictures(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """What a frame shows, in a box of its picture, and the ground: grey, and of a deep colour."""
    ground = cv2.blur(rng.integers(0, 256, (*SIZE, 3), np.uint8), (5, 5))
    ground[:, : SIZE[1] // 2, 1:] //= 8
    shown = np.zeros((SIZE[0] + 3, SIZE[1] + 5, 3), np.uint8)
    shown[3:, 5:] = np.clip(ground * cv2.resize(rng.uniform(0.4, 1.3, (4, 5)), SIZE[::-1])[..., None], 0, 255)
    return shown[3:, 5:], ground


def logarithm(picture: np.ndarray) -> np.ndarray:
    return np.log(LEVELS + np.float32(8))[picture]


def dark_in_numpy(light: np.ndarray, asked: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """`dark_of`."""
    mean = mean_in_numpy(light)
    made_up_for = (1 + np.float32(8) / np.maximum(LEVELS, np.float32(8)))[
        np.asarray(cv2.blur(picture, (5, 5)), np.uint8)
    ]
    alike = np.zeros(asked.shape, bool)
    for of_each in (light, light * made_up_for):
        alike |= (of_each.max(2) < 0) & (np.ptp(of_each, 2) < np.float32(0.04) - np.float32(0.35) * mean)
    return np.where(asked & alike, -mean, np.float32(0))


def mean_in_numpy(picture: np.ndarray) -> np.ndarray:
    return (picture[..., 0] + picture[..., 1] + picture[..., 2]) / 3


@pytest.mark.parametrize("sigma_px", [0.8, LIGHT_SIGMA_PX])
def test_light_is_the_mean_ratio_of_what_can_be_asked(rng: np.random.Generator, sigma_px: float) -> None:
    shown, ground = pictures(rng)
    asked = rng.random(SIZE) < 0.7
    asked[:, -25:] = False  # so far away that nothing is told
    weight = asked.astype(np.float32)
    ratio = (logarithm(shown) - logarithm(ground)) * weight[..., None]
    total = np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma_px), np.float32(1e-3))
    expected = cv2.GaussianBlur(ratio, (0, 0), sigma_px) / total[..., None]
    np.testing.assert_array_equal(light_of(shown, ground, asked, sigma_px), expected)
    assert not expected[:, -5:].any()


def test_the_mean_of_three_colours(rng: np.random.Generator) -> None:
    picture = rng.normal(size=(*SIZE, 3)).astype(np.float32)
    np.testing.assert_array_equal(mean_of(picture), mean_in_numpy(picture))


def test_dark_is_what_all_colours_lose_alike(rng: np.random.Generator) -> None:
    shown, ground = pictures(rng)
    asked = rng.random(SIZE) < 0.8
    light = light_of(shown, ground, asked)
    light += rng.normal(0, 0.03, light.shape).astype(np.float32)
    for turned, picture in ((light, ground), (-light, shown)):
        expected = dark_in_numpy(turned, asked, picture)
        np.testing.assert_array_equal(dark_of(turned, asked, picture), expected)
        assert 0.05 < (expected > 0).mean() < 0.95
    plainly = dark_in_numpy(light, asked, np.full_like(ground, 255)) > 0
    assert (dark_in_numpy(light, asked, ground) > 0)[~plainly].any()  # what is made up for counts


def test_a_flat_shadow_is_as_dark_as_it_is() -> None:
    ground = np.full((*SIZE, 3), 120, np.uint8)
    light = light_of(ground // 2, ground, np.ones(SIZE, bool))
    expected = np.log((120 + DARK_LEVELS) / (60 + DARK_LEVELS))
    np.testing.assert_allclose(dark_of(light, np.ones(SIZE, bool), ground), expected, rtol=1e-5)
