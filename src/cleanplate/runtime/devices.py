"""Where to learn: carrying is done on the CPU in any case."""

import torch

from cleanplate.errors import InputError


def find_device(name: str) -> torch.device:
    """The device of that name, if torch has it here.

    Raises:
        InputError: it has not.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(device for device in ("cuda", "mps", "cpu") if available[device])
    if not available.get(name.partition(":")[0], False):
        here = ", ".join(device for device, there in available.items() if there)
        raise InputError(f"the device '{name}' is not available", f"there is {here} here", "choose one, or auto")
    return torch.device(name)
