"""The whole method on one page."""

import contextlib
import hashlib
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import cv2
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from cleanplate.carry.rounds import carry, with_effects
from cleanplate.config import DEFAULT_METHOD, Method, find_method
from cleanplate.errors import InputError
from cleanplate.imaging.frame import MADE_UP, Frame
from cleanplate.imaging.paint import painted
from cleanplate.paper.methods import learn_all
from cleanplate.progress import OnStep
from cleanplate.runtime.devices import find_device
from cleanplate.runtime.options import RunOptions
from cleanplate.runtime.work_dir import WorkDir
from cleanplate.unseen.learn import learn_unseen
from cleanplate.version import __version__
from cleanplate.video.clip import Clip


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
    place = find_device(device)
    if run.work_dir.folder is not None:
        run.work_dir.begin(describe(digest(clip), method, run, place))
    nothing = torch.zeros_like(clip.hole)
    plate = Plate(clip.frames.clone(), nothing.to(torch.uint8), nothing, method, seed, 0.0)
    frames = (
        Frame(index, picture.clone(), (hole * MADE_UP).to(torch.uint8))
        for index, (picture, hole) in enumerate(zip(clip.frames, clip.hole, strict=True))
    )
    with enough_memory():
        for frame in map(Frame.pasted, fill(frames, method, run, total=len(clip.frames))):
            plate.frames[frame.index], plate.provenance[frame.index] = frame.picture, frame.provenance
            if frame.effects is not None:
                plate.effects[frame.index] = frame.effects.where
    return replace(plate, elapsed_s=time.perf_counter() - started + run.work_dir.earlier_s)


def fill(frames: Iterable[Frame], method: Method, run: RunOptions, *, total: int = 0) -> Iterator[Frame]:
    """Fill the holes of frames as they come: what other frames show is carried, the rest is learned, or either alone.

    Where everything is learned, as in the paper, all frames are held; otherwise a window of them.

    Args:
        frames: their pictures are changed in place.
        method: what to do.
        run: how; `begin` of its work folder was called.
        total: how many frames will come, if that is known.
    """
    if not method.carries:
        place = find_device(run.device)
        return learn_all(painted(frame.on(place) for frame in frames), method, run)
    carried = carry(frames, method.carry, run, effects=method.effects, total=total, to_be_learned=method.learns)
    if not method.learns:
        return (linked.frame for linked in carried)
    return learn_unseen(carried, method, run, total=total)


def find_effects(frames: Iterable[Frame], method: Method, run: RunOptions, *, total: int = 0) -> Iterator[Frame]:
    """Only find what goes with the thing outside its mask: the frames come back with it as their `effects`.

    Args:
        frames: their holes are painted over in place.
        method: how motion is found, and what is looked for.
        run: who is told of every frame.
        total: how many frames will come, if that is known.
    """
    return (linked.frame for linked in with_effects(frames, method.carry, method.effects, run, total=total))


@contextlib.contextmanager
def enough_memory() -> Iterator[None]:
    """Turn what Python, torch and OpenCV say when memory runs out into an InputError.

    Raises:
        InputError: it has run out.
    """
    try:
        yield
    except (MemoryError, RuntimeError, cv2.error) as error:
        if not (isinstance(error, MemoryError) or NO_MEMORY.search(str(error))):
            raise
        said = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        fix = "try a smaller --carry.window-mpx, a --region, a smaller --size, or --device cpu"
        raise InputError(
            f"memory has run out ({said})", "the frames of a window, and a network, must fit", fix
        ) from error


# Of a device (torch.OutOfMemoryError), of torch's CPU allocator, of OpenCV, and of Python.
NO_MEMORY = re.compile(
    "out of memory|(can't|cannot|failed to) allocate|(not enough|insufficient) memory|can't start new thread",
    re.IGNORECASE,
)


def digest(clip: Clip) -> str:
    """What the result of a clip depends on; what is under its hole does not belong to it."""
    seen = hashlib.blake2b(digest_size=16)
    for frame, hidden in zip(clip.frames, clip.hole, strict=True):
        seen.update(torch.where(hidden, 0.0, frame).numpy().tobytes())
        seen.update(hidden.numpy().tobytes())
    return f"{tuple(clip.frames.shape)} {seen.hexdigest()}"


def describe(clip: str, method: Method, run: RunOptions, device: torch.device) -> dict[str, str]:
    """What a result depends on, in words."""
    return {
        "clip": clip,
        "method": repr(method),
        "seed": str(run.seed),
        "device": str(device),
        "budget": f"{run.max_steps} {run.max_seconds}",
        "version": f"cleanplate {__version__}, torch {torch.__version__}",
    }
