"""Where to learn: carrying is done on the CPU in any case, and without torch."""

import importlib.util
from typing import TYPE_CHECKING

from cleanplate.errors import InputError

if TYPE_CHECKING:
    import torch


KINDS = ("auto", "cpu", "cuda", "mps")


def check_name(name: str) -> None:
    """Refuse what names no device, whether it is here or not.

    Raises:
        InputError: it names none.
    """
    kind, colon, number = name.partition(":")
    if kind not in KINDS or (colon and not number.isdecimal()):
        raise InputError(f"there is no device '{name}'", f"known are {', '.join(KINDS)}", "choose one")


def check_torch(what: str) -> None:
    """Refuse what needs torch where it is not installed.

    Raises:
        InputError: it is not.
    """
    if importlib.util.find_spec("torch") is None:
        raise no_torch(what)


def no_torch(what: str) -> InputError:
    """That something cannot be done without torch."""
    return InputError("torch is not installed", f"{what} needs it", TO_INSTALL)


TO_INSTALL = "pip install 'cleanplate[learn]', or name the method carry"


def find_device(name: str) -> "torch.device":
    """The device of that name, if torch has it here.

    Raises:
        InputError: it has not.
    """
    import torch

    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(device for device in ("cuda", "mps", "cpu") if available[device])
    if not available.get(name.partition(":")[0], False):
        here = ", ".join(device for device, there in available.items() if there)
        raise InputError(f"the device '{name}' is not available", f"there is {here} here", "choose one, or auto")
    return torch.device(name)
