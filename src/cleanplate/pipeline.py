"""The whole method on one page."""

import hashlib
import time
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from cleanplate import __version__
from cleanplate.carry import Carried, carry
from cleanplate.checkpoint import Work
from cleanplate.clip import Clip
from cleanplate.composite import composite
from cleanplate.config import DEFAULT_METHOD, Method, OnStep, find_method
from cleanplate.errors import InputError
from cleanplate.learn import Budget, learn_all, learn_unseen

KNOWN, CARRIED, LEARNED = 0, 1, 2
"""Values of `Plate.provenance`."""


@dataclass(frozen=True)
class Plate:
    """The result: what was filled, where it comes from, what was run and how long it took."""

    frames: Float[Tensor, "T 3 H W"]
    """Bit-exact outside the hole."""
    provenance: UInt8[Tensor, "T 1 H W"]
    """0 known, 1 carried from another frame, 2 made up."""
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
    work: Work | None = None,
    on_step: OnStep | None = None,
) -> Plate:
    """Fill the hole of a clip.

    Args:
        clip: see `read_clip`. What is under its hole is never looked at.
        method: a name in METHODS, or a Method.
        seed: of everything random; `carry` has nothing random in it.
        device: "cpu", "cuda", "mps", or "auto" for the fastest there is.
        max_steps: learn for so many updates at most, at least 1; the best plate so far is the result.
        max_seconds: learn until so long after the start.
        work: a folder to save in while learning, and to go on from.
        on_step: told of every step; ends the run by returning or raising `Cancelled`.

    Raises:
        InputError: an unknown method or device, frames too small, missing weights, a work folder of another run.
        Cancelled: the callback said so.
    """
    started = time.perf_counter()
    method = find_method(method) if isinstance(method, str) else method
    check_budget(max_steps, max_seconds)
    check_seed(seed)
    place = find_device(device)
    frames, hole = clip.frames.to(place), clip.hole.to(place)
    work = work or Work()
    if method.learns:
        work.begin(describe(frames, hole, method, seed, place, max_steps, max_seconds))

    carried = Carried(frames, torch.zeros_like(hole))
    if method.carries:
        carried = carry(frames, hole, method.carry, keep_links=method.learns, on_step=on_step)
    unseen = hole & ~carried.reached
    filled = carried.frames
    if method.learns and bool(unseen.any()):
        rest_s = None if max_seconds is None else max_seconds - (time.perf_counter() - started)
        settings = {"seed": seed, "budget": Budget(max_steps, rest_s), "work": work, "on_step": on_step}
        if method.carries:
            filled = learn_unseen(carried, unseen, method, **settings)
        else:
            filled = learn_all(frames, hole, method, **settings)

    provenance = torch.where(unseen, LEARNED, KNOWN).to(torch.uint8)
    provenance[carried.reached] = CARRIED
    plate = composite(frames, filled, hole)
    elapsed_s = time.perf_counter() - started + work.earlier_s
    return Plate(plate.cpu(), provenance.cpu(), method, seed, elapsed_s)


def check_seed(seed: int) -> None:
    """Refuse a seed that torch's generator would not take."""
    if not 0 <= seed < 2**63:
        raise InputError(f"the seed is {seed}", "0 to 2^63 - 1 is needed", "choose another")


def check_budget(max_steps: int | None, max_seconds: float | None) -> None:
    """Refuse a budget that is none."""
    for name, value in (("max_steps", max_steps), ("max_seconds", max_seconds)):
        if value is not None and not value > 0:
            raise InputError(f"{name} is {value}", "a number above 0 is needed", "raise it")


def describe(
    frames: Tensor, hole: Tensor, method: Method, seed: int, device: torch.device, *budget: object
) -> dict[str, str]:
    """What a result depends on, in words."""
    digest = hashlib.blake2b(digest_size=16)
    for frame, hidden in zip(frames, hole, strict=True):
        digest.update(torch.where(hidden, 0.0, frame).cpu().numpy().tobytes())
        digest.update(hidden.cpu().numpy().tobytes())
    return {
        "clip": f"{tuple(frames.shape)} {digest.hexdigest()}",
        "method": repr(method),
        "seed": str(seed),
        "device": str(device),
        "budget": " ".join(map(str, budget)),
        "version": f"cleanplate {__version__}, torch {torch.__version__}",
    }


def find_device(name: str) -> torch.device:
    """The device of that name, if torch has it here."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(device for device in ("cuda", "mps", "cpu") if available[device])
    if not available.get(name.partition(":")[0], False):
        here = ", ".join(device for device, there in available.items() if there)
        raise InputError(f"the device '{name}' is not available", f"there is {here} here", "choose one, or auto")
    return torch.device(name)
