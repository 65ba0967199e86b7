"""The whole method on one page."""

import time
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from cleanplate.carry import carry
from cleanplate.clip import Clip
from cleanplate.composite import composite
from cleanplate.config import DEFAULT_METHOD, Method, OnStep, find_method
from cleanplate.errors import InputError

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


def inpaint(
    clip: Clip,
    method: str | Method = DEFAULT_METHOD,
    *,
    seed: int = 0,
    device: str = "auto",
    on_step: OnStep | None = None,
) -> Plate:
    """Fill the hole of a clip.

    Args:
        clip: see `read_clip`. What is under its hole is never looked at.
        method: a name in METHODS, or a Method.
        seed: of everything random; `carry` has nothing random in it.
        device: "cpu", "cuda", "mps", or "auto" for the fastest there is.
        on_step: told of every step; ends the run by returning or raising `Cancelled`.

    Raises:
        InputError: an unknown method or device, frames too small, missing weights.
        Cancelled: the callback said so.
    """
    started = time.perf_counter()
    method = find_method(method) if isinstance(method, str) else method
    place = find_device(device)
    frames, hole = clip.frames.to(place), clip.hole.to(place)
    with torch.no_grad():
        carried = carry(frames, hole, method.carry, on_step=on_step)
        provenance = torch.full(hole.shape, KNOWN, dtype=torch.uint8, device=place)
        provenance[hole] = LEARNED
        provenance[carried.reached] = CARRIED
        plate = composite(frames, carried.frames, hole)
    return Plate(plate.cpu(), provenance.cpu(), method, seed, time.perf_counter() - started)


def find_device(name: str) -> torch.device:
    """The device of that name, if torch has it here."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(device for device in ("cuda", "mps", "cpu") if available[device])
    if not available.get(name.partition(":")[0], False):
        here = ", ".join(device for device, there in available.items() if there)
        raise InputError(f"the device '{name}' is not available", f"there is {here} here", "choose one, or auto")
    return torch.device(name)
