"""Which batch is trained on next (Sec. 3.2, App. C). No torch.

A batch is N frames at a stride t, f, f + t, ..., f + (N - 1) t, and a direction: flow is used from each frame to the
next of the batch (1), or to the one before (-1), never both at a time.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from cleanplate.config import Schedule
from cleanplate.errors import InputError


@dataclass(frozen=True)
class Batch:
    """What one update sees."""

    frames: tuple[int, ...]
    """Indices, ascending."""
    stride: int
    direction: int
    """1: flow to the later frame; -1: to the earlier one."""


def all_batches(n_frames: int, schedule: Schedule) -> list[Batch]:
    """Every batch of a clip once: each start, stride and direction that fits into it.

    A clip shorter than a batch is one batch of all its frames at stride 1, and a single picture has no stride at all.

    Raises:
        InputError: no stride fits.
    """
    size, short = min(schedule.frames_per_batch, n_frames), n_frames < schedule.frames_per_batch
    out = [
        Batch(tuple(range(first, first + span + 1, stride)), stride, direction)
        for direction in schedule.directions
        for stride in (schedule.strides[:1] if n_frames == 1 else schedule.strides)
        if stride == 1 or size == 1 or not short
        for span in [(size - 1) * stride]
        for first in range(n_frames - span)
    ]
    if not out:
        strides, clip = ", ".join(map(str, schedule.strides)), f"{n_frames} frame{'s' * (n_frames != 1)}"
        most = 1 if short else (n_frames - 1) // (size - 1)
        raise InputError(
            f"no batch of {size} at strides {strides} fits into {clip}",
            f"strides of {most} at most do",
            f"add {most} to --schedule.strides",
        )
    return out


def batches(n_frames: int, schedule: Schedule, rng: random.Random) -> Iterator[Batch]:
    """The batches of all passes: in each pass all of them in a new order, or the first `batches_per_pass` of it.

    Each is to be trained on for `schedule.steps_per_batch` updates.
    """
    every = all_batches(n_frames, schedule)
    for _ in range(schedule.passes):
        rng.shuffle(every)
        yield from every[: schedule.batches_per_pass]


def n_steps(n_frames: int, schedule: Schedule) -> int:
    """How many updates the whole schedule is."""
    return schedule.passes * _in_a_pass(n_frames, schedule)


def n_passes(updates: int, n_frames: int, schedule: Schedule) -> int:
    """How many passes it takes to have so many updates."""
    return -(-updates // _in_a_pass(n_frames, schedule))


def _in_a_pass(n_frames: int, schedule: Schedule) -> int:
    return len(all_batches(n_frames, schedule)[: schedule.batches_per_pass]) * schedule.steps_per_batch
