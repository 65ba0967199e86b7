"""What a click finds: a thing that moves, whole; one that stands still, by its colours."""

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cleanplate.errors import InputError
from cleanplate.studio.selection import at_click
from cleanplate.track.cut import minimum_cut
from cleanplate.track.moving_thing import connected, moving_thing
from tests.conftest import texture
from tests.rolling_ball import iou

SIZE = (120, 200)
BESIDE = (-2, -1, 1, 2)


def thing(at: int, *, step: int = 2) -> np.ndarray:
    """A long thing, larger than what is around a click."""
    left = 40 + step * at
    mask = np.zeros(SIZE, bool)
    mask[40:80, left : left + 110] = True
    mask[20:100, left + 80 : left + 100] = True
    return mask


def frame(at: int, *, step: int = 2) -> np.ndarray:
    """It is red, and moves over a ground that the camera pans across."""
    ground = np.ascontiguousarray((texture(SIZE[0], 260, 1) * 255).astype(np.uint8)[:, 20 + at : 20 + at + SIZE[1]])
    ripple = (texture(SIZE[0], 260, 2)[..., :1] * 70).astype(np.uint8)[:, 20 - step * at : 20 - step * at + SIZE[1]]
    coloured = np.array([170, 20, 40], np.uint8) + ripple
    place = thing(at, step=step)
    ground[place] = coloured[place]
    return ground


@pytest.mark.parametrize("point", [(60, 60), (120, 60), (130, 30)])
def test_a_moving_thing_is_found_whole_wherever_it_is_clicked(point: tuple[int, int]) -> None:
    found = at_click(frame(0), *point, SIZE, [frame(at) for at in BESIDE])
    assert iou(found, thing(0)) > 0.9


def test_what_moves_along_but_looks_otherwise_is_not_the_thing() -> None:
    """Water around a swan."""

    def with_wake(at: int) -> np.ndarray:
        picture, wake = frame(at), np.roll(wake_at_rest, 2 * at, 1)
        picture[wake] = np.roll(grey, 2 * at, 1)[wake]
        return picture

    wake_at_rest = np.zeros(SIZE, bool)
    wake_at_rest[80:110, 20:110] = True
    grey = np.repeat(120 + (texture(*SIZE, 3)[..., :1] * 100).astype(np.uint8), 3, axis=2)
    found = at_click(with_wake(0), 60, 60, SIZE, [with_wake(at) for at in BESIDE])
    assert found[thing(0)].mean() > 0.9
    assert found[wake_at_rest & ~thing(0)].mean() < 0.1


def test_a_thing_with_the_camera_is_not_found_by_motion_but_by_its_colours() -> None:
    still, at = frame(0), (60, 60)
    motion = gaussian_filter(np.random.default_rng(0).normal(-2, 0.1, SIZE), 2).astype(np.float32)
    assert moving_thing(still, motion, at) is None
    motion[thing(0)] += 2
    found = moving_thing(still, motion, at)
    assert found is not None
    assert iou(found, thing(0)) > 0.95
    disc = cv2.circle(np.zeros(SIZE, np.uint8), (60, 60), 15, (1,), -1) > 0
    picture = (texture(*SIZE, 1) * 90).astype(np.uint8)
    picture[disc] = (250, 240, 230)
    assert iou(at_click(picture, 60, 60, SIZE, [picture, picture]), disc) > 0.95
    with pytest.raises(InputError, match="the point 200 5 is not in the picture"):
        at_click(picture, 200, 5, SIZE)


def test_the_cut_weighs_log_odds_and_edges() -> None:
    left = np.broadcast_to(np.arange(60) < 30, (40, 60))
    channels = np.where(left[..., None], np.float32(60), np.float32(160)) * np.ones(2, np.float32)
    nothing = np.zeros(left.shape, bool)
    assert np.array_equal(minimum_cut(channels, np.where(left, 3.0, -3.0), nothing), left)
    assert not minimum_cut(channels, np.full(left.shape, -3.0), nothing).any()
    # The border is drawn to the edge, though the log odds change sign elsewhere.
    shifted = np.where(np.arange(60) < 27, 3.0, np.where(np.arange(60) < 33, -0.1, -3.0)) * np.ones(left.shape)
    assert np.array_equal(minimum_cut(channels, shifted, nothing), left)
    # A pixel that is sure is in it, whatever is said of it.
    sure = nothing.copy()
    sure[20, 50] = True
    assert minimum_cut(channels, np.full(left.shape, -3.0), sure)[20, 50]


def test_what_hangs_together_with_a_pixel() -> None:
    mask = np.zeros((5, 7), bool)
    mask[:, 2] = mask[:, 5] = True
    assert np.array_equal(np.argwhere(connected(mask, (1, 2)).any(0)).ravel(), [2])
    alone = connected(mask, (0, 0))
    assert alone[0, 0]
    assert alone.sum() == 1
