"""A clip goes in, its plate comes out: for a program, and for clips that memory holds whole; see clean.py for files."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from cleanplate.clip import Clip
from cleanplate.config import DEFAULT_METHOD, Method, find_method
from cleanplate.imaging.frame import MADE_UP, Frame
from cleanplate.imaging.pixels import channels_last
from cleanplate.imaging.tensors import to_tensor
from cleanplate.pipeline import begin, enough_memory, fill
from cleanplate.progress import OnStep
from cleanplate.runtime.options import RunOptions
from cleanplate.runtime.work_dir import WorkDir


@dataclass(frozen=True)
class Plate:
    """The result: what was filled, where it comes from, what was run and how long it took."""

    frames: Float[Tensor, "T 3 H W"]
    """Bit-exact outside the hole and the effects."""
    provenance: UInt8[Tensor, "T 1 H W"]
    """0 known, 1 carried from another frame, 2 made up."""
    effects: Bool[Tensor, "T 1 H W"]
    """What was changed outside the hole, because of what the thing does there: its shadow, and what the mask missed."""
    method: Method
    seed: int
    elapsed_s: float
    """With the time that earlier runs have learned for, if it went on from them."""


def inpaint(
    clip: Clip,
    method: str | Method = DEFAULT_METHOD,
    *,
    seed: int = 0,
    device: str = "auto",
    max_steps: int | None = None,
    max_seconds: float | None = None,
    work_dir: WorkDir | None = None,
    on_step: OnStep | None = None,
) -> Plate:
    """Fill the hole of a clip.

    Args:
        clip: see `read_clip`. What is under its hole is never looked at.
        method: a name in METHODS, or a Method.
        seed: see `RunOptions`, as for all that follow.
        device: where to compute.
        max_steps: learn for so many updates at most.
        max_seconds: learn until so long after the start.
        work_dir: where to keep what is done, and what to go on from.
        on_step: told of every step.

    Raises:
        InputError: an unknown method or device, frames too small, missing weights, a work folder of another run.
        Cancelled: `on_step` has raised it.
    """
    started = time.perf_counter()
    method = find_method(method) if isinstance(method, str) else method
    run = RunOptions(seed, device, max_steps, max_seconds, work_dir or WorkDir(), on_step)
    begin(method, run, lambda: digest(clip))
    nothing = torch.zeros_like(clip.hole)
    plate = Plate(clip.frames.clone(), nothing.to(torch.uint8), nothing, method, seed, 0.0)
    with enough_memory():
        for frame in fill(frames_of(clip), method, run, total=len(clip.frames)):
            plate.frames[frame.index] = to_tensor(frame.picture)
            plate.provenance[frame.index, 0] = torch.from_numpy(frame.provenance)
            if frame.effects is not None:
                plate.effects[frame.index, 0] = torch.from_numpy(frame.effects.where)
    return replace(plate, elapsed_s=time.perf_counter() - started + run.work_dir.earlier_s)


def frames_of(clip: Clip) -> Iterator[Frame]:
    """Its frames to be filled, in copies."""
    for index, (picture, hole) in enumerate(zip(clip.frames, clip.hole, strict=True)):
        provenance = hole[0].numpy().astype(np.uint8) * np.uint8(MADE_UP)
        yield Frame(index, channels_last(picture).copy(), provenance)


def digest(clip: Clip) -> str:
    """What the result of a clip depends on; what is under its hole does not belong to it."""
    seen = hashlib.blake2b(digest_size=16)
    for frame, hidden in zip(clip.frames, clip.hole, strict=True):
        seen.update(torch.where(hidden, 0.0, frame).numpy().tobytes())
        seen.update(hidden.numpy().tobytes())
    return f"{tuple(clip.frames.shape)} {seen.hexdigest()}"
