"""What is lost is found again: by its looks, wherever it is."""

import tracemalloc

import numpy as np
import pytest

from cleanplate.runtime.threads import one_thread_each
from cleanplate.track.features import appearance_features
from cleanplate.track.flow import _read_small
from cleanplate.track.looks import MAX_LOG_ODDS, Looks
from cleanplate.track.marks import Mark
from cleanplate.track.seek import seek
from cleanplate.track.spool import spooled
from cleanplate.track.tracker import track
from tests.conftest import texture
from tests.rolling_ball import SIZE, ball_shot, iou

NOTHING = np.zeros(SIZE, np.float32)


@pytest.fixture(scope="module")
def looks() -> Looks:
    frames, masks = ball_shot(1)
    with one_thread_each():
        return Looks([(frames[0], masks[0].astype(np.float32))], 0)


def test_looks_tell_the_object_wherever_it_is(looks: Looks) -> None:
    frames, masks = ball_shot(12)
    features = appearance_features(frames[-1])
    odds = looks.log_odds(features.reshape(-1, features.shape[2])).reshape(SIZE)
    assert iou(odds > 0, masks[-1]) > 0.8
    assert np.abs(odds).max() <= MAX_LOG_ODDS
    twin = looks.copy()
    with one_thread_each():
        for _ in range(20):  # what surrounds it looks like the ball now
            twin.learn_surroundings(np.roll(features, 40, axis=1), np.zeros(SIZE, np.float32))
    assert np.array_equal(looks.log_odds(features.reshape(-1, features.shape[2])).reshape(SIZE), odds)
    less = twin.log_odds(features.reshape(-1, features.shape[2])).reshape(SIZE)
    assert less[masks[-1]].mean() < odds[masks[-1]].mean() - 0.5


def test_it_is_sought_near_where_it_should_be_or_anywhere(looks: Looks) -> None:
    frames, masks = ball_shot(16)
    features, area = appearance_features(frames[-1]), float(masks[0].sum())
    assert iou(seek(looks, features, NOTHING, area, None) > 0.3, masks[-1]) > 0.7
    here, far = np.array((90, 50), np.float32), np.array((20, 50), np.float32)
    assert iou(seek(looks, features, NOTHING, area, (here, 30.0)) > 0.3, masks[-1]) > 0.7
    assert not seek(looks, features, NOTHING, area, (far, 15.0)).any()
    still = np.where(masks[-1], np.float32(-6), np.float32(0))
    assert not seek(looks, features, still, area, None).any()  # it moves with the camera, so it is not the object
    assert not seek(looks, features, NOTHING, 5 * area, None).any()  # a fifth of it is too little
    ground = appearance_features((texture(*SIZE, seed=5) * 255).astype(np.uint8))
    assert not seek(looks, ground, NOTHING, area, None).any()


def with_a_gap(gone: slice) -> tuple[np.ndarray, np.ndarray]:
    """The rolling ball, not there for a while."""
    frames, masks = ball_shot(20, step=0.0)
    there, _ = ball_shot(20, step=200.0)  # rolled out of the picture: the same ground without it
    frames[gone], masks[gone] = there[gone], False
    return frames, masks


def test_found_where_nobody_would_have_waited() -> None:
    """It goes at the left, and is there at once at the right, on ground that moved meanwhile."""
    frames, masks = ball_shot(20, step=0.0)
    empty, _ = ball_shot(20, step=200.0)
    empty[0] = frames[0]  # there the ball is in view still
    y, x = np.nonzero(masks[0])
    for index in range(8, 20):
        frames[index] = empty[index]
        masks[index] = False
        if index >= 12:
            frames[index][y, x + 70] = ball_shot(20, step=0.0)[0][index][y, x]
            masks[index][y, x + 70] = True
    tracked = track(frames, [Mark(0, masks[0])])
    assert min(iou(tracked.mask(index), masks[index]) for index in range(8)) > 0.8
    assert not tracked.mask(11).any()
    assert min(iou(tracked.mask(index), masks[index]) for index in range(14, 20)) > 0.6


def test_what_is_gone_is_not_found() -> None:
    frames, masks = with_a_gap(slice(6, 20))
    tracked = track(frames, [Mark(0, masks[0])])
    assert not any(tracked.mask(index).any() for index in range(8, 20))


def test_sought_beyond_cuts_if_asked_also_after_a_shot_without_it() -> None:
    frames, masks = ball_shot(6)
    other, theirs = ball_shot(6)
    other, theirs = np.roll(other, 60, axis=2), np.roll(theirs, 60, axis=2)
    between = np.stack([(texture(*SIZE, seed=9) * 255).astype(np.uint8)] * 3)
    edited = np.concatenate([frames, between, other])
    tracked = track(edited, [Mark(0, masks[0])], over_cuts=True)
    assert not any(tracked.mask(index).any() for index in range(6, 9))
    assert min(iou(tracked.mask(9 + index), theirs[index]) for index in range(1, 6)) > 0.7
    assert tracked.confidence[9] < 0.5  # it was found, not followed
    back = track(edited, [Mark(14, theirs[5])], over_cuts=True)
    assert min(iou(back.mask(index), masks[index]) for index in range(5)) > 0.7


def test_pictures_are_kept_on_disk() -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (4, 6, 3), np.uint8) for _ in range(5)]
    kept = spooled(iter(pictures))
    assert np.array_equal(kept, np.stack(pictures))
    assert isinstance(kept, np.memmap)
    kept[2] = 7
    assert (kept[2] == 7).all()
    assert len(spooled(iter([]))) == 0


def test_reading_a_long_shot_takes_no_more_memory() -> None:
    wall = (texture(180, 320) * 255).astype(np.uint8)
    mask = np.zeros((180, 320), bool)
    mask[40:80, 40:80] = True

    def most_mb(count: int) -> float:
        tracemalloc.start()
        pictures, _ = _read_small((np.roll(wall, index, axis=1) for index in range(count)), [Mark(0, mask)], None)
        assert len(pictures) == count
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most / 2**20

    assert most_mb(400) < most_mb(20) + 5 < 400 * wall.nbytes / 2**20 / 4
