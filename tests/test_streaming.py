"""Frames in, frames out: `cleanplate.stream`."""

import asyncio
import itertools
import re
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cleanplate import METHODS, Cancelled, Clip, InputError, PlateFrame, Step, inpaint, stream
from tests.conftest import panning, to_bytes, walking_hole

FRAMES = to_bytes(panning(10))
MASKS = walking_hole(10, step=2)[:, 0].numpy()
WINDOW = 8
NARROW = replace(METHODS["carry-learn"], carry=replace(METHODS["carry-learn"].carry, window_frames=WINDOW))


def as_type(kind: type) -> np.ndarray:
    """FRAMES in another type; what is known goes beyond 0..1 in floats."""
    if kind == np.uint8:
        return FRAMES
    if kind == np.uint16:
        return FRAMES.astype(np.uint16) * 257 + 1 - (FRAMES == 255)
    frames = (FRAMES / 255).astype(kind)
    frames[:, :4, :4] = [-0.5, 3.0, 1e4]
    return frames


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float16, np.float32, np.float64])
def test_frames_come_out_in_their_type_and_bit_for_bit_where_nothing_was_to_be_removed(kind: type) -> None:
    frames = as_type(kind)
    before = frames.copy()
    plates = list(stream(frames, MASKS, "carry"))
    np.testing.assert_array_equal(frames, before)
    assert [plate.index for plate in plates] == list(range(10))
    for plate, frame, mask in zip(plates, frames, MASKS, strict=True):
        assert plate.picture.dtype == kind
        untouched = ~mask & ~plate.effects
        assert (plate.picture[untouched] == frame[untouched]).all()
        assert ((plate.provenance == 0) == untouched).all()
        most = np.iinfo(kind).max if np.issubdtype(kind, np.integer) else 1
        carried = plate.provenance == 1
        # It was painted over by nothing: what is carried there is what was there.
        assert np.abs(plate.picture[carried] / most - frame[carried] / most).mean() < 0.03


def test_it_gives_what_inpaint_gives() -> None:
    clip = Clip(panning(10), walking_hole(10, step=2))
    plate = inpaint(clip, "carry", device="cpu")
    for one in stream(to_bytes(clip.frames).astype(np.float32) / np.float32(255), MASKS, "carry", device="cpu"):
        np.testing.assert_array_equal(one.provenance, plate.provenance[one.index, 0])
        np.testing.assert_array_equal(one.picture.transpose(2, 0, 1), plate.frames[one.index])


@pytest.mark.parametrize("kind", [bool, np.uint8, np.uint16, np.float32])
def test_one_mask_for_all_frames_of_any_type_grown(kind: type) -> None:
    most = 1 if kind in (bool, np.float32) else np.iinfo(kind).max
    mask = (MASKS[0] * most).astype(kind)
    provenance = [plate.provenance for plate in stream(iter(FRAMES), mask, "telea", dilate_px=3)]
    assert len(provenance) == 10
    for one in provenance:
        assert 16 * 16 + 4 * 3 * 16 < np.count_nonzero(one) < 22 * 22
        assert (one[MASKS[0]] == 2).all()


def test_no_more_than_a_window_is_taken_before_the_first_frame_comes() -> None:
    taken = itertools.count()

    def endless() -> Iterator[np.ndarray]:
        while True:
            yield FRAMES[next(taken) % 10]

    plates = stream(endless(), MASKS[0], NARROW)
    for _ in range(10):
        next(plates)
    plates.close()
    assert next(taken) <= 6 * WINDOW
    assert list(plates) == []


def test_a_callback_is_told_and_can_cancel() -> None:
    steps: list[Step] = []

    def stop(step: Step) -> None:
        steps.append(step)
        if step.stage == "carry" and step.done == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        list(stream(FRAMES, MASKS, "carry", on_step=stop))
    assert steps[-1].total >= 10  # the length is known, as there is one


async def given(frames: np.ndarray, *, pause_s: float = 0.0) -> AsyncIterator[np.ndarray]:
    for frame in frames:
        yield frame
    await asyncio.sleep(pause_s)


def test_async_frames_are_the_same_and_the_loop_runs_on_meanwhile() -> None:
    async def watched() -> tuple[list[PlateFrame], int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.005)

        beside = asyncio.create_task(tick())
        plates = [plate async for plate in stream(given(FRAMES), given(MASKS), "carry")]
        beside.cancel()
        return plates, ticks

    plates, ticks = asyncio.run(watched())
    assert ticks > 5
    for one, other in zip(plates, stream(FRAMES, MASKS, "carry"), strict=True):
        np.testing.assert_array_equal(one.picture, other.picture)


def test_async_it_ends_soon_whether_it_is_closed_or_its_task_cancelled_while_it_waits() -> None:
    async def ended(close: bool) -> float:
        shown = np.tile(FRAMES, (4, 1, 1, 1)) if close else FRAMES[:3]
        plates = stream(given(shown, pause_s=60), MASKS[0], NARROW)
        started = time.monotonic()
        if close:
            assert (await anext(plates)).index == 0
        else:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(plates), 0.2)
        await plates.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(plates)
        await plates.aclose()
        return time.monotonic() - started

    assert asyncio.run(ended(False)) < 30
    assert asyncio.run(ended(True)) < 30


def test_async_a_thread_that_computes_stops_at_its_next_step() -> None:
    steps: list[Step] = []

    def slow(step: Step) -> None:
        steps.append(step)
        time.sleep(0.02)

    async def ended() -> None:
        plates = stream(FRAMES, MASKS, "carry", on_step=slow)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(plates), 0.1)
        before = len(steps)
        await plates.aclose()
        assert len(steps) <= before + 1

    asyncio.run(ended())


def test_async_frames_need_an_async_loop() -> None:
    with pytest.raises(InputError, match="asynchronous"):
        next(stream(given(FRAMES), MASKS, "carry"))


SMALL = np.zeros((3, 8, 8, 3), np.uint8)
HOLE = np.eye(8, dtype=bool)


@pytest.mark.parametrize(
    ("frames", "masks", "said"),
    [
        (FRAMES[..., 0], MASKS, r"frame 0 is uint8 of shape \(64, 96\); RGB"),
        (FRAMES.astype(np.int32), MASKS, "frame 0 is int32"),
        ([SMALL[0], SMALL[0, :4]], HOLE, r"frame 1 is uint8 of shape \(4, 8, 3\); frame 0 is uint8 of shape \(8"),
        ([SMALL[0], SMALL[0] / 1.0], HOLE, "frame 1 is float64"),
        (SMALL, [HOLE, HOLE], "there are 2 masks, and more frames"),
        (SMALL, [HOLE] * 4, "there are 3 frames, and more masks"),
        (SMALL, [HOLE[:, :4]] * 3, "mask 0 is 4x8; frame 0 is 8x8; resize"),
        (SMALL, HOLE.astype(np.int64), "the mask is int64"),
        (SMALL, HOLE & False, "the mask marks nothing"),
        (SMALL, HOLE | True, "the mask marks every pixel"),
        (np.full((3, 8, 8, 3), np.nan, np.float32), HOLE, "frame 0 has values that are not finite"),
    ],
)
def test_what_does_not_fit_is_said_in_a_line(frames: Any, masks: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        list(stream(frames, masks, "telea"))
    assert "\n" not in str(error.value)


def test_an_unknown_method_is_said_at_once() -> None:
    with pytest.raises(InputError, match="there is no method"):
        stream(FRAMES, MASKS, "cary")


def test_what_is_under_the_hole_may_be_anything() -> None:
    frames = (FRAMES / 255).astype(np.float32)
    spoilt = np.where(MASKS[..., None], np.float32(np.nan), frames)
    for one, other in zip(stream(frames, MASKS, "carry"), stream(spoilt, MASKS, "carry"), strict=True):
        np.testing.assert_array_equal(one.picture, other.picture)


def test_the_examples_in_the_docs_run() -> None:
    page = (Path(__file__).parents[1] / "docs/integrations.md").read_text(encoding="utf-8")
    examples = [one for one in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "cleanplate.stream" in one]
    assert len(examples) == 2
    for example in examples:
        shown: list[np.ndarray] = []
        exec(example, {"frames": FRAMES, "masks": MASKS, "show": shown.append, "camera": lambda: given(FRAMES)})
        assert len(shown) == 10
