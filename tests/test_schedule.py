import random
from collections import Counter
from dataclasses import replace

import pytest

from cleanplate import METHODS, InputError
from cleanplate.config import Schedule
from cleanplate.paper.schedule import Batch, all_batches, batches, n_passes, n_steps

PAPER = METHODS["dip-vid-flow"].schedule


def test_the_papers_numbers() -> None:
    assert (PAPER.frames_per_batch, PAPER.strides, PAPER.steps_per_batch, PAPER.passes) == (5, (1, 3, 5), 100, 20)
    assert n_steps(60, PAPER) == 20 * 2 * (56 + 48 + 40) * 100 == 576_000
    assert n_steps(60, Schedule(batches_per_pass=51)) == 102_000  # the authors' program
    assert n_steps(60, METHODS["dip-vid"].schedule) == 20 * 56 * 100
    assert n_steps(1, METHODS["dip"].schedule) == 5000
    few = Schedule(steps_per_batch=3, batches_per_pass=4)
    assert [n_passes(updates, 60, few) for updates in (1, 12, 13, 240)] == [1, 1, 2, 20]


def test_a_pass_is_every_batch_once() -> None:
    one = list(batches(60, Schedule(passes=1), random.Random(0)))
    assert Counter((b.stride, b.direction) for b in one) == {
        (stride, direction): 60 - 4 * stride for stride in (1, 3, 5) for direction in (1, -1)
    }
    assert len(set(one)) == len(one)
    for batch in one:
        assert len(batch.frames) == 5
        steps = {b - a for a, b in zip(batch.frames, batch.frames[1:], strict=False)}
        assert steps == {batch.stride}
        assert batch.frames[0] >= 0
        assert batch.frames[-1] < 60
    assert {frame for batch in one for frame in batch.frames} == set(range(60))
    assert {frame for batch in one if batch.stride == 1 for frame in batch.frames} == set(range(60))


def test_each_pass_has_an_order_of_its_own_given_by_the_rng() -> None:
    two = list(batches(20, Schedule(passes=2), random.Random(1)))
    first, second = two[: len(two) // 2], two[len(two) // 2 :]
    assert sorted(map(str, first)) == sorted(map(str, second))
    assert first != second
    assert two == list(batches(20, Schedule(passes=2), random.Random(1)))
    assert two != list(batches(20, Schedule(passes=2), random.Random(2)))


def test_passes_can_be_cut_short() -> None:
    cut = list(batches(60, Schedule(passes=3, batches_per_pass=50), random.Random(0)))
    assert len(cut) == 150
    assert len(list(batches(6, Schedule(passes=1, batches_per_pass=50), random.Random(0)))) == 4


def test_strides_that_do_not_fit_are_left_out() -> None:
    assert {batch.stride for batch in all_batches(14, PAPER)} == {1, 3}
    assert {batch.stride for batch in all_batches(12, PAPER)} == {1}


def test_a_clip_shorter_than_a_batch_is_one_batch() -> None:
    assert {batch.frames for batch in all_batches(3, PAPER) if batch.stride == 1} == {(0, 1, 2)}
    assert [batch.frames for batch in all_batches(1, METHODS["dip"].schedule)] == [(0,)]
    assert all_batches(1, PAPER) == [Batch((0,), 1, 1), Batch((0,), 1, -1)]
    assert all_batches(1, replace(PAPER, strides=(3, 5))) == [Batch((0,), 3, 1), Batch((0,), 3, -1)]
    assert n_steps(1, PAPER) == n_steps(4, PAPER) == 4000


@pytest.mark.parametrize(
    ("n_frames", "strides", "said"),
    [
        (6, (3, 5), "no batch of 5 at strides 3, 5 fits into 6 frames; strides of 1 at most do; add 1 to"),
        (14, (4,), "no batch of 5 at strides 4 fits into 14 frames; strides of 3 at most do"),
        (3, (2,), "no batch of 3 at strides 2 fits into 3 frames; strides of 1 at most do"),
    ],
)
def test_strides_of_which_none_fits(n_frames: int, strides: tuple[int, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        n_steps(n_frames, Schedule(strides=strides))
    assert n_steps(n_frames, Schedule(strides=(*strides, int(said[said.index("strides of ") + 11]))))


@pytest.mark.parametrize(
    ("field", "value"),
    [("frames_per_batch", 0), ("steps_per_batch", 0), ("passes", 0), ("batches_per_pass", 0), ("strides", ()),
     ("strides", (0,)), ("directions", (2,)), ("directions", ())],
)  # fmt: skip
def test_what_makes_no_schedule(field: str, value: object) -> None:
    with pytest.raises(InputError, match=f"schedule.{field}"):
        Schedule(**{field: value})  # type: ignore[arg-type]
