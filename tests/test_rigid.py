import numpy as np
import pytest

from cleanplate.carry.rigid import keep_rigid
from cleanplate.carry.trajectories import SOURCE, Trajectories, X, Y, no_trajectories

SIZE = 24, 40
ROWS, COLUMNS = np.mgrid[4:20, 5:35].astype(np.float32)
HOLE = (ROWS * SIZE[1] + COLUMNS).astype(np.int64).reshape(-1)
NONE = HOLE[:0]


def leading(x_of: np.ndarray, y_of: np.ndarray, source: np.ndarray | int = 3) -> Trajectories:
    """Of the hole's pixels."""
    trajectories = no_trajectories(len(HOLE))
    trajectories.rows[:, SOURCE] = np.broadcast_to(source, ROWS.shape).reshape(-1)
    trajectories.rows[:, X], trajectories.rows[:, Y] = x_of.reshape(-1), y_of.reshape(-1)
    return trajectories


def kept(
    x_of: np.ndarray, y_of: np.ndarray, source: np.ndarray | int = 3, hidden: np.ndarray = NONE
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where they lead when they are kept rigid, and which have no source any more; `hidden` is the hole of frame 3."""
    trajectories = leading(x_of, y_of, source)
    found = [no_trajectories(0), no_trajectories(len(hidden)), trajectories]
    keep_rigid([7, 3, 4], [NONE, hidden, HOLE], found, SIZE)
    x, y, source = (trajectories.rows[:, column].reshape(ROWS.shape) for column in (X, Y, SOURCE))
    return x, y, source < 0


@pytest.mark.parametrize(
    ("x_of", "y_of"),
    [
        (COLUMNS + 7.3, ROWS - 2),
        (1.9 * COLUMNS, 1.9 * ROWS),  # a zoom
        (-ROWS, COLUMNS),  # turned by a quarter
        (COLUMNS + 0.3 * ROWS, ROWS),  # the ground, from a camera that moves
        (1.4 * COLUMNS, 0.7 * ROWS),  # sheared, and nothing is there that is not
    ],
)
def test_what_is_moved_turned_or_a_little_larger_is_left_as_it_is(x_of: np.ndarray, y_of: np.ndarray) -> None:
    x, y, gone = kept(x_of, y_of)
    np.testing.assert_array_equal(x, x_of.astype(np.float32))
    np.testing.assert_array_equal(y, y_of.astype(np.float32))
    assert not gone.any()


@pytest.mark.parametrize(
    ("x_of", "y_of"),
    [
        (0.3 * COLUMNS, ROWS),
        (COLUMNS, 2.5 * ROWS),
        (COLUMNS + ROWS, COLUMNS + ROWS),  # all of it on a line
        (COLUMNS, -0.2 * ROWS),
    ],
)
def test_what_is_torn_all_over_is_forgotten(x_of: np.ndarray, y_of: np.ndarray) -> None:
    assert kept(x_of, y_of)[2][2:-2, 2:-2].all()


@pytest.mark.parametrize("step", [(3, 0), (0, 3), (-2, 2)])
def test_between_near_and_far_there_is_an_edge_and_no_fan(step: tuple[int, int]) -> None:
    share = np.clip((COLUMNS - 16) / 6, 0, 1)
    x, y, gone = kept(COLUMNS + share * step[0], ROWS + share * step[1])
    assert not gone.any()
    far = (x == COLUMNS) & (y == ROWS)
    near = (x == COLUMNS + step[0]) & (y == ROWS + step[1])
    assert (far | near).all()
    assert far[:, :12].all()
    assert near[:, -12:].all()
    np.testing.assert_array_equal(far.sum(1), far[0].sum())  # the edge is straight


def test_it_goes_nowhere_that_the_source_does_not_show() -> None:
    share = np.clip((COLUMNS - 16) / 2, 0, 1)
    x_of = COLUMNS + 9 * share
    hidden = np.arange(SIZE[0] * SIZE[1]).reshape(SIZE)[:, 10:32].reshape(-1)
    x, _, gone = kept(x_of, ROWS, hidden=hidden)
    assert gone[2:-2, 11:13].all()  # it is torn, and where its neighbours would lead is hidden
    torn_or_same = gone | (x == x_of.astype(np.float32))
    assert torn_or_same.all()


def test_it_goes_where_what_came_before_is_known() -> None:
    share = np.clip((COLUMNS - 16) / 6, 0, 1)
    for known in (True, False):
        trajectories, first = leading(COLUMNS + 3 * share, ROWS, 3), leading(COLUMNS, ROWS, 3 if known else -1)
        keep_rigid([3, 4], [HOLE, HOLE], [first, trajectories], SIZE)
        moved = trajectories.rows[:, X] != (COLUMNS + 3 * share).reshape(-1)
        assert moved.any() == known


def test_only_the_tear_is_forgotten_and_what_another_frame_shows_is_none() -> None:
    right = COLUMNS >= 20
    hidden = np.arange(SIZE[0] * SIZE[1])  # nothing is to be had but where they lead
    x, _, gap = kept(COLUMNS + 9 * right, ROWS, hidden=hidden)
    assert gap[:, 13:17].any()
    assert not gap[:, :10].any()
    assert not gap[:, 20:].any()
    np.testing.assert_array_equal(x, COLUMNS + 9 * right)
    assert not kept(COLUMNS + 9 * right, ROWS, np.where(right, 3, 7), hidden)[2].any()
