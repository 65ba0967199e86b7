"""The motion in a hole, corrected by what past and future show of the same place."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from cleanplate.carry.fields import Cells
from cleanplate.carry.fuse import both_ways
from cleanplate.carry.motion import Motion
from cleanplate.carry.refine import MEASURED_EVERY, Rate, corrected, refined
from cleanplate.carry.trajectories import LinkedFrame, Pixels, boundary_pixels
from cleanplate.config import CarryConfig
from cleanplate.imaging.frame import MADE_UP, Frame
from tests.conftest import texture
from tests.motions import constant, grid, pan

SIZE, COUNT, STEP = (120, 160), 9, (-3.0, 1.0)
HOLE = slice(40, 90), slice(50, 110)


def linked(
    told: tuple[float, float], hidden: range, *, step: tuple[float, float] = STEP, scale: int = 1
) -> list[LinkedFrame]:
    """Frames that pan by a step (times the scale), a square of some of them hidden; their motion said to be `told`."""
    height, width = (side * scale for side in SIZE)
    wide = cv2.resize(texture(SIZE[0] + 40, SIZE[1] + 60, seed=3), None, fx=scale, fy=scale)
    window = []
    for at in range(COUNT):
        top, left = (round(start + at * by * scale) for start, by in ((10 * scale, -step[1]), (10 * scale, -step[0])))
        provenance = np.zeros((height, width), np.uint8)
        picture = wide[top : top + height, left : left + width].copy()
        if at in hidden:
            rows, columns = (slice(part.start * scale, part.stop * scale) for part in HOLE)
            provenance[rows, columns] = MADE_UP
            picture[rows, columns] = 0.5
        window.append(LinkedFrame(Frame(at, picture, provenance), boundary_pixels(provenance)))
    motions = [pan((told[0] * scale, told[1] * scale), (height, width))] * (COUNT - 1)
    ways = zip([*motions, None], [None, *(one.reversed for one in motions)], strict=True)
    return [replace(one, forward=to, backward=back) for one, (to, back) in zip(window, ways, strict=True)]


def in_cells(window: list[LinkedFrame]) -> list[LinkedFrame]:
    """The same motion in cells small enough to be corrected in a part of the frame only."""

    def finer(values: np.ndarray, size: tuple[int, int]) -> Cells:
        return Cells(np.tile(values, (size[0] // 5, size[1] // 5, 1)), 5)

    def of(motion: Motion | None) -> Motion | None:
        if motion is None:
            return None
        there, back = (
            replace(field, rest=finer(field.rest.values, motion.size)) for field in (motion.there, motion.back)
        )
        return replace(motion, there=there, back=back)

    return [replace(one, forward=of(one.forward), backward=of(one.backward)) for one in window]


def inside(scale: int = 1) -> np.ndarray:
    """Places well within the hole."""
    return (grid(30, 40, 4) + np.array([60, 50], np.float32)) * scale


@pytest.mark.parametrize("scale", [1, 2])
def test_a_motion_that_is_a_little_wrong_is_put_right_both_ways(scale: int) -> None:
    wrong = (STEP[0] + 0.4, STEP[1] - 0.3)
    window = refined(in_cells(linked(wrong, range(2, 7), scale=scale)), COUNT, None, CarryConfig())
    for one in window[2:6]:
        assert one.forward is not None
        np.testing.assert_allclose(
            one.forward.there.at(inside(scale))[0] / scale, np.tile(STEP, (len(inside()), 1)), atol=0.06
        )
        np.testing.assert_allclose(
            one.forward.back.at(inside(scale))[0] / scale, -np.tile(STEP, (len(inside()), 1)), atol=0.06
        )
        far = one.forward.there.at(np.array([[8.0, 8.0]]) * scale)[0] / scale
        np.testing.assert_allclose(far, [wrong], atol=1e-6)  # nothing was measured there


def test_a_right_motion_stays() -> None:
    window = refined(in_cells(linked(STEP, range(2, 7))), COUNT, None, CarryConfig())
    for one in window[2:6]:
        assert one.forward is not None
        np.testing.assert_allclose(one.forward.there.at(inside())[0], np.tile(STEP, (len(inside()), 1)), atol=0.02)


@pytest.mark.parametrize("hidden", [range(COUNT), range(5), range(4, COUNT)])
def test_what_one_side_shows_or_none_corrects_nothing(hidden: range) -> None:
    window = in_cells(linked((0.2, 0.0), hidden, step=(0.0, 0.0)))
    for one, before in zip(refined(window, COUNT, None, CarryConfig()), window, strict=True):
        for new, old in ((one.forward, before.forward), (one.backward, before.backward)):
            assert (new is None) == (old is None)
            if new is not None and old is not None:
                np.testing.assert_array_equal(new.there.rest.values, old.there.rest.values)


def test_a_camera_that_stands_still_is_not_corrected() -> None:
    moving = in_cells(linked((0.4, 0.0), range(2, 7), step=(0.0, 0.0)))
    window = [replace(one, forward=one.forward and replace(one.forward, still=one.frame.index != 4)) for one in moving]
    found = refined(window, COUNT, None, CarryConfig())
    for one, before in zip(found, window, strict=True):
        assert (one.forward is before.forward) == (one.frame.index != 4)


def test_where_nothing_moves_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cleanplate.carry.refine.rate_of", lambda *_: pytest.fail("it was measured"))
    window = [
        replace(one, forward=one.forward and replace(one.forward, still=True))
        for one in linked((0.0, 0.0), range(2, 7), step=(0.0, 0.0))
    ]
    assert refined(window, COUNT, None, CarryConfig()) is window


def test_which_frames_are_measured_does_not_depend_on_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr("cleanplate.carry.refine.rate_of", lambda one, *_: seen.append(one.frame.index))
    window = linked(STEP, range(2, 7))
    refined(window, COUNT, None, CarryConfig())
    all_of_them = sorted(seen)
    seen.clear()
    refined(window[2:], COUNT, None, CarryConfig())
    assert sorted(seen) == [index for index in all_of_them if index >= 2]
    assert all_of_them == [0, 3, 4, 7, 8]
    assert MEASURED_EVERY == 4


def test_what_is_far_ahead_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cleanplate.carry.refine.AHEAD", 2)
    window = in_cells(linked((STEP[0] + 0.4, STEP[1]), range(2, 7)))
    found = refined(window, 2, None, CarryConfig())
    changed = [
        new.forward is not None and old.forward is not None and new.forward.there is not old.forward.there
        for new, old in zip(found, window, strict=True)
    ]
    assert changed[3]
    assert not any(changed[7:])


def test_a_rate_goes_along_with_what_it_was_measured_on() -> None:
    """Frame 3 is measured; frames 2 and 4 take its rate from where its place is in them."""
    none: Pixels = np.zeros(0, int)
    frames = [Frame(at, np.zeros((*SIZE, 3), np.float32), np.zeros(SIZE, np.uint8)) for at in range(COUNT)]
    there = pan((10.0, -5.0), SIZE)
    window = in_cells([LinkedFrame(frame, none, there, there.reversed) for frame in frames])
    rate = Rate(Cells(np.full((4, 4, 2), 0.5, np.float32), 10), 40, 60, (40, 40))
    found = corrected(window, {3: rate})
    for number, (x, y) in {2: (70, 65), 3: (80, 60), 4: (90, 55)}.items():
        motion = found[number].forward
        assert motion is not None
        np.testing.assert_allclose(motion.there.at(np.array([[x, y]], float))[0], [[10.5, -4.5]], atol=1e-5)
        outside = np.array([[x - 26, y], [x + 26, y], [x, y - 26], [x, y + 26]], float)
        np.testing.assert_allclose(motion.there.at(outside)[0], [[10.0, -5.0]] * 4, atol=1e-5)
        backward = found[number].backward
        assert backward is not None
        np.testing.assert_allclose(backward.there.at(np.array([[x, y]], float))[0], [[-10.5, 4.5]], atol=1e-5)


def test_a_rate_beyond_the_window_of_the_motion_changes_nothing() -> None:
    field = constant((1.0, 2.0))
    rate = Rate(Cells(np.ones((2, 2, 2), np.float32), 4), 500, 500, (8, 8))
    np.testing.assert_array_equal(rate.added_to(field, (0, 0), 1).rest.values, field.rest.values)


@pytest.mark.parametrize("side_px", [2, 3])
def test_squares_lead_where_their_pixels_lead(side_px: int) -> None:
    """The motion is not whole, and the sides of the frame are no multiple of that of a square."""
    window = linked((-2.4, 1.2), range(2, 6))
    sources = both_ways(window[:3], 3)[2].trajectories[1]
    exact = both_ways(window[2:], COUNT - 2, sources)
    for one, fine, coarse in zip(
        window[2:], exact, both_ways(window[2:], COUNT - 2, sources, side_px=side_px), strict=True
    ):
        for true, near in zip(fine.trajectories, coarse.trajectories, strict=True):
            assert len(true.rows) == len(near.rows) == len(one.boundary)
            same = true.source == near.source  # at the edge of what is known a square leads on
            assert np.count_nonzero(same) >= 0.8 * len(same)
            np.testing.assert_allclose(near.xy[same], true.xy[same], atol=1e-3)
            np.testing.assert_array_equal(near.distance[same], true.distance[same])
            assert (near.source >= 0).sum() >= 0.95 * (true.source >= 0).sum()
