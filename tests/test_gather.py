"""The compiled loops against what OpenCV and plain numpy say."""

import subprocess
import sys

import cv2
import numpy as np
import pytest

from cleanplate.carry.gather import NODE_PX, PARTS, colours_at, exposed, shares_at

HEIGHT, WIDTH, FRAMES = 40, 56, 5
CORNER, SIZE = (7, 11), (21, 30)
NUMBERS = np.array([4, 0, 2])


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def sources(rng: np.random.Generator) -> np.ndarray:
    return (
        cv2.blur(rng.integers(0, 256, (HEIGHT, WIDTH, 4 * FRAMES), dtype=np.uint8), (5, 5))
        .reshape(HEIGHT, WIDTH, FRAMES, 4)
        .transpose(2, 0, 1, 3)
        .copy()
    )


@pytest.fixture
def moved(rng: np.random.Generator) -> np.ndarray:
    nodes = -(-SIZE[0] // NODE_PX) + 1, -(-SIZE[1] // NODE_PX) + 1
    return rng.uniform(-20, 20, (len(NUMBERS), *nodes, 2)).astype(np.float32)


def places(moved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """X and y of every pixel of the box."""
    y, x = np.indices(SIZE, dtype=np.float32)
    by = cv2.remap(moved, x / NODE_PX, y / NODE_PX, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return x + by[..., 0] + CORNER[1], y + by[..., 1] + CORNER[0]


def test_colours_between_pixels(sources: np.ndarray, moved: np.ndarray) -> None:
    read = colours_at(sources, NUMBERS, moved, CORNER, SIZE)
    for number, nodes, mine in zip(NUMBERS, moved, read, strict=True):
        x, y = places(nodes)
        theirs = cv2.remap(sources[number], x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        inside = (x > 0.1) & (y > 0.1) & (x < WIDTH - 1.1) & (y < HEIGHT - 1.1)
        outside = (x < -0.1) | (y < -0.1) | (x > WIDTH - 0.9) | (y > HEIGHT - 0.9)
        assert inside.sum() > 200
        assert outside.any()
        assert cv2.absdiff(mine, theirs)[inside].max() <= 4  # a place is read to 1/32 of a pixel
        assert np.abs(mine.astype(float) - theirs)[inside].mean() < 0.5
        assert not mine[outside].any()


@pytest.mark.parametrize("size", [(0, 4), (4, 0)])
def test_nothing_of_a_box_without_pixels(sources: np.ndarray, size: tuple[int, int]) -> None:
    nodes = np.zeros((1, 2, 2, 2), np.float32)
    assert colours_at(sources, np.array([1]), nodes, (0, 0), size).shape == (1, *size, 4)


def test_a_place_in_the_last_row_and_column_is_inside(sources: np.ndarray) -> None:
    still = np.zeros((1, 2, 2, 2), np.float32)
    read = colours_at(sources, np.array([3]), still, (HEIGHT - 5, WIDTH - 6), (5, 6))
    np.testing.assert_array_equal(read[0], sources[3, -5:, -6:])


def test_shares_are_those_of_the_nearest_pixels(rng: np.random.Generator, moved: np.ndarray) -> None:
    marks = rng.integers(0, 256, (FRAMES, HEIGHT, WIDTH, 2), dtype=np.uint8)
    marks[..., 0] &= 1
    marked, told = shares_at(marks, NUMBERS, moved, CORNER, SIZE)
    theirs = np.zeros((2, *SIZE), np.float32)
    for number, nodes in zip(NUMBERS, moved, strict=True):
        x, y = places(nodes)
        row, column = np.floor(y + 0.5).astype(int), np.floor(x + 0.5).astype(int)
        inside = (row >= 0) & (column >= 0) & (row < HEIGHT) & (column < WIDTH)
        mark = marks[number, row.clip(0, HEIGHT - 1), column.clip(0, WIDTH - 1)].astype(np.float32) * inside[..., None]
        theirs += np.stack((mark[..., 0] * mark[..., 1], mark[..., 1])) / PARTS
    # Where a place is all but halfway between two pixels, either is nearest.
    for mine, other in zip((marked, told), theirs, strict=True):
        assert (np.abs(mine - other) < 1e-3).mean() > 0.97


def test_what_is_no_source_is_behind_all_others(rng: np.random.Generator) -> None:
    shown = rng.integers(0, 200, (2, 3, 4, 4), dtype=np.uint8)
    needed = np.full((3, 4), 100, np.uint8)
    gains = np.array([[1, 1, 1], [1.5, 1.0, 0.5]], np.float32)
    colours, count = exposed(shown, needed, gains)
    far = shown[..., 3] >= 100
    np.testing.assert_array_equal(count, far.sum(0))
    assert (colours[~far] == 255).all()
    np.testing.assert_array_equal(colours[0][far[0]], shown[0][far[0], :3])
    expected = np.minimum(np.floor(shown[1, ..., :3] * gains[1] + 0.5), 255)
    np.testing.assert_array_equal(colours[1][far[1]], expected[far[1]])


NO_CACHE = """
import numba
from numba.core import caching
caching.CacheImpl._locator_classes = []
from cleanplate.runtime.compiled import compiled
print(compiled(lambda one: one + 1)(2))
"""


def test_it_goes_without_a_folder_to_write_to() -> None:
    done = subprocess.run([sys.executable, "-c", NO_CACHE], capture_output=True, text=True, check=True)
    assert done.stdout == "3\n"
