import dataclasses
import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from cleanplate import METHODS, Cancelled, Clip, InputError, Step, inpaint
from cleanplate.imaging.frame import CARRIED, Frame
from cleanplate.imaging.pixels import channels_last
from cleanplate.imaging.visualise import flow_picture, tint
from cleanplate.pipeline import fill
from cleanplate.plate import frames_of
from cleanplate.runtime.options import RunOptions
from tests.conftest import panning, to_bytes


def test_known_pixels_are_bit_exact_and_provenance_is_zero_exactly_there(moving_clip: Clip) -> None:
    plate = inpaint(moving_clip, device="cpu")
    known = moving_clip.known.expand(-1, 3, -1, -1)
    assert torch.equal(plate.frames[known], moving_clip.frames[known])
    assert torch.equal(plate.provenance == 0, moving_clip.known)
    assert plate.provenance.dtype == torch.uint8
    assert float(plate.frames.min()) >= 0
    assert float(plate.frames.max()) <= 1


@pytest.mark.parametrize("lie", [0.0, 1.0, math.nan])
def test_what_is_under_the_hole_changes_nothing(moving_clip: Clip, lie: float) -> None:
    honest = inpaint(moving_clip, device="cpu")
    spoilt = Clip(torch.where(moving_clip.hole, lie, moving_clip.frames), moving_clip.hole)
    plate = inpaint(spoilt, device="cpu")
    assert torch.equal(plate.frames, honest.frames)
    assert torch.equal(plate.provenance, honest.provenance)


def test_the_same_seed_gives_the_same_plate(moving_clip: Clip) -> None:
    one, other = (inpaint(moving_clip, seed=3, device="cpu") for _ in range(2))
    assert torch.equal(one.frames, other.frames)


def test_a_reversed_clip_gives_nearly_the_reversed_plate(moving_clip: Clip) -> None:
    forward = inpaint(moving_clip, device="cpu")
    backward = inpaint(Clip(moving_clip.frames.flip(0), moving_clip.hole.flip(0)), device="cpu")
    assert torch.equal(backward.provenance.flip(0), forward.provenance)
    # Nearly: motion is measured at corners of the earlier frame of a pair.
    torch.testing.assert_close(backward.frames.flip(0), forward.frames, atol=0.02, rtol=0)


def test_a_method_is_data(moving_clip: Clip) -> None:
    carry = METHODS["carry"]
    once = dataclasses.replace(carry, carry=dataclasses.replace(carry.carry, rounds=1))
    assert inpaint(moving_clip, once, device="cpu").method == once
    with pytest.raises(dataclasses.FrozenInstanceError):
        once.carry.rounds = 2  # type: ignore[misc]
    with pytest.raises(InputError, match=r"carry\.rounds is 0"):
        dataclasses.replace(carry.carry, rounds=0)


def test_progress_is_told_to_the_end(moving_clip: Clip) -> None:
    steps: list[Step] = []
    inpaint(moving_clip, device="cpu", on_step=steps.append)
    assert steps[-1].done == steps[-1].total
    assert [step.done for step in steps] == sorted(step.done for step in steps)


def test_a_callback_can_cancel(moving_clip: Clip) -> None:
    told: list[Step] = []

    def stop(step: Step) -> None:
        told.append(step)
        if len(told) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        inpaint(moving_clip, device="cpu", on_step=stop)
    assert len(told) == 3


def test_unknown_names_say_what_is_known(moving_clip: Clip) -> None:
    with pytest.raises(InputError, match="did you mean 'carry'"):
        inpaint(moving_clip, "cary")
    with pytest.raises(InputError, match="there is no device 'tpu'; known are auto, cpu"):
        inpaint(moving_clip, device="tpu")


@pytest.mark.parametrize("like", [np.uint8, np.float16, np.float32])
def test_colours_are_put_where_they_belong_also_in_a_part_of_a_picture(like: type) -> None:
    whole, origin, colours = (
        np.zeros((6, 8, 3), like),
        np.zeros((6, 8), np.uint8),
        np.array([[0.2, 0.6, 1.0]], np.float32),
    )
    part = Frame(0, whole[2:5, 3:8], origin[2:5, 3:8])
    part.set_pixels(np.array([7]), colours)  # row 1, column 2 of 5
    part.set_pixels(np.array([11]), np.ones((1, 3), np.float32))  # row 2, column 1
    assert whole[4, 4].tolist() == [255 if like == np.uint8 else 1] * 3
    whole[4, 4] = 0
    part.set_provenance(np.array([7]), CARRIED)
    wanted = [51, 153, 255] if like == np.uint8 else [0.2, 0.6, 1]
    assert whole[3, 5].tolist() == pytest.approx(wanted, abs=1e-3)
    crop = part.crop(slice(1, 2), slice(2, 3))
    assert crop.dtype == (np.uint8 if like == np.uint8 else np.float32)
    assert crop.ravel().tolist() == pytest.approx(wanted, abs=1e-3)
    assert (whole != 0).sum() == 3
    assert origin.sum() == origin[3, 5] == CARRIED


def test_bytes_give_the_plate_that_floats_give_and_are_not_touched_elsewhere(moving_clip: Clip) -> None:
    plate = inpaint(moving_clip, "carry", device="cpu")
    pictures = to_bytes(moving_clip.frames)
    frames = [replace(one, picture=pictures[one.index].copy()) for one in frames_of(moving_clip)]
    for frame in fill(frames, METHODS["carry"], RunOptions(), total=len(frames)):
        known = moving_clip.known[frame.index, 0].numpy()
        np.testing.assert_array_equal(frame.picture[known], pictures[frame.index][known])
        np.testing.assert_array_equal(frame.provenance, plate.provenance[frame.index, 0])
        np.testing.assert_allclose(frame.picture / 255, channels_last(plate.frames[frame.index]), atol=0.02)


def test_the_callers_frames_are_left_alone(moving_clip: Clip) -> None:
    before = moving_clip.frames.clone()
    inpaint(moving_clip, device="cpu")
    assert torch.equal(moving_clip.frames, before)


@pytest.mark.parametrize("seed", range(24))
def test_what_must_always_hold_on_small_and_strange_clips(seed: int) -> None:
    rng = random.Random(seed)
    n_frames, height, width = rng.randint(1, 5), rng.randint(16, 48), rng.randint(16, 48)
    step = rng.randint(-4, 4), rng.randint(0, 4)
    hole = torch.zeros(n_frames, 1, height, width, dtype=torch.bool)
    for one in hole[:, 0]:
        y, x = rng.randrange(height), rng.randrange(width)
        holes = (slice(0, 0), slice(0, 0)), (y, x), (slice(y, None), slice(x, None)), (slice(None), slice(x)), ...
        one[rng.choice(holes)] = True
    hole[0, 0, -1, -1], hole[0, 0, 0, 0] = True, False
    frames = panning(n_frames, (height, width), (abs(step[0]), step[1]), seed)
    plate = inpaint(Clip(torch.where(hole, math.nan, frames), hole), device="cpu", max_steps=3)
    assert torch.equal(torch.where(hole, 0.0, plate.frames), torch.where(hole, 0.0, frames))
    assert torch.equal(plate.provenance == 0, ~hole)
    assert 0 <= float(plate.frames.min()) <= float(plate.frames.max()) <= 1


def test_flow_as_colour_is_hue_for_direction_and_value_for_magnitude() -> None:
    flow = np.array([[[4, 2, -4, 0, 0]], [[0, 0, 0, 4, 0]]], np.float32)
    right, half, left, down, still = flow_picture(flow)[0]
    assert right.tolist() == [1, 0, 0]
    assert half.tolist() == [0.5, 0, 0]
    assert left.tolist() == pytest.approx([0, 1, 1], abs=1e-6)
    assert down.tolist() == pytest.approx([0.5, 1, 0], abs=0.01)
    assert still.tolist() == [0, 0, 0]
    assert float(flow_picture(flow, largest_px=8).max()) == 0.5


def test_tints_tell_the_kinds_apart() -> None:
    known, carried, made_up = tint(np.zeros((1, 3, 3), np.float32), np.array([[0, 1, 2]], np.uint8))[0]
    assert known.tolist() == [0, 0, 0]
    assert carried[2] > carried[0]  # blue
    assert made_up[0] > made_up[2]  # orange
