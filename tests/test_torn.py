import numpy as np
import pytest

from cleanplate.carry.torn import forget_torn
from cleanplate.carry.trajectories import SOURCE, X, Y, no_trajectories

SIZE = 24, 30


def torn(x_of: np.ndarray, y_of: np.ndarray, source: np.ndarray | int = 3) -> np.ndarray:
    """Which pixels of a hole have no source any more, if they lead there."""
    rows, columns = np.mgrid[4:20, 5:25]
    pixels = (rows * SIZE[1] + columns).reshape(-1)
    trajectories = no_trajectories(len(pixels))
    trajectories.rows[:, SOURCE] = np.broadcast_to(source, rows.shape).reshape(-1)
    trajectories.rows[:, X], trajectories.rows[:, Y] = x_of.reshape(-1), y_of.reshape(-1)
    forget_torn([(pixels, trajectories)] * 2, SIZE)
    return (trajectories.source < 0).reshape(rows.shape)


ROWS, COLUMNS = np.mgrid[4:20, 5:25].astype(np.float32)


@pytest.mark.parametrize(
    ("x_of", "y_of"),
    [
        (COLUMNS + 7.3, ROWS - 2),
        (1.4 * COLUMNS, 0.7 * ROWS),
        (-ROWS, COLUMNS),  # turned by a quarter
        (COLUMNS + 0.4 * ROWS, ROWS),
    ],
)
def test_what_is_moved_turned_or_a_little_larger_is_whole(x_of: np.ndarray, y_of: np.ndarray) -> None:
    assert not torn(x_of, y_of).any()


@pytest.mark.parametrize(
    ("x_of", "y_of"),
    [
        (0.3 * COLUMNS, ROWS),
        (COLUMNS, 2.5 * ROWS),
        (COLUMNS + ROWS, COLUMNS + ROWS),  # all of it on a line
        (COLUMNS, -0.2 * ROWS),
    ],
)
def test_what_is_pulled_out_or_pushed_together_is_torn(x_of: np.ndarray, y_of: np.ndarray) -> None:
    assert torn(x_of, y_of)[2:-2, 2:-2].all()


def test_only_the_tear_is_forgotten_and_what_another_frame_shows_is_none() -> None:
    right = COLUMNS >= 15
    gap = torn(COLUMNS + 9 * right, ROWS)
    assert gap[:, 8:12].any()
    assert not gap[:, :5].any()
    assert not gap[:, 15:].any()
    assert not torn(COLUMNS + 9 * right, ROWS, np.where(right, 3, 7)).any()
