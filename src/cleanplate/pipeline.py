"""The whole method on one page."""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version

import cv2
import numpy as np

from cleanplate.carry.journal import FORMAT
from cleanplate.carry.rounds import carry, with_effects
from cleanplate.config import Method
from cleanplate.errors import InputError
from cleanplate.imaging.frame import Frame
from cleanplate.imaging.paint import painted
from cleanplate.runtime.devices import check_name, check_torch, find_device
from cleanplate.runtime.options import RunOptions
from cleanplate.unseen.learn import learn_unseen
from cleanplate.version import __version__


def fill(frames: Iterable[Frame], method: Method, run: RunOptions, *, total: int = 0) -> Iterator[Frame]:
    """Fill the holes of frames as they come: what other frames show is carried, the rest is learned, or either alone.

    Where everything is learned, as in the paper, or filled by a rival, all frames are held; otherwise a window of them.

    Args:
        frames: their pictures are changed in place.
        method: what to do.
        run: how; `begin` of its work folder was called.
        total: how many frames will come, if that is known.
    """
    if method.baseline is not None:
        from cleanplate.baselines.rivals import fill_all  # torch, which carrying does without

        return fill_all(frames, method, run)
    if not method.carries:
        from cleanplate.paper.methods import learn_all  # torch, which carrying does without

        if not method.canvas.cells_px:
            return learn_all(painted(frames), method, run)
        from cleanplate.paper.places import find_places

        return learn_all(painted(frames), method, run, find_places=find_places)
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
        fix = "try fewer --carry.window-frames, a --region, a smaller --size, or --device cpu"
        raise InputError(
            f"memory has run out ({said})", "the frames of a window, and a network, must fit", fix
        ) from error


# Of a device (torch.OutOfMemoryError), of torch's CPU allocator, of OpenCV, and of Python.
NO_MEMORY = re.compile(
    "out of memory|(can't|cannot|failed to) allocate|(not enough|insufficient) memory|can't start new thread",
    re.IGNORECASE,
)


def begin(method: Method, run: RunOptions, digest: Callable[[], str]) -> None:
    """What comes before any work: is there what the method needs, and is the work folder one of this run?

    Args:
        method: what will be done.
        run: how.
        digest: what the result depends on beside these; only asked for if something is kept.

    Raises:
        InputError: torch is needed and not installed, the device is not there, a network of the user's cannot be used,
            or the folder holds another run.
    """
    check_name(run.device)
    place = run.device
    if method.baseline is not None:
        check_torch(f"the method {method.baseline}")
    if method.has_networks:
        check_torch("a method that learns")
        if not method.carries or run.device not in ("auto", "cpu"):  # else torch is loaded once there is work for it
            place = str(find_device(run.device))
    painter = ""
    if method.baseline is not None and method.needs_painter:
        from cleanplate.baselines.rivals import check_network  # torch

        painter = check_network(method.baseline, method.unseen)
    elif method.has_networks and method.unseen.painter is not None:
        from cleanplate.unseen.painters import check_painter  # torch

        painter = check_painter(method.unseen)
    if run.work_dir.folder is not None:
        run.work_dir.begin(describe(f"{digest()} {painter}".strip(), method, run, place))


def describe(digest: str, method: Method, run: RunOptions, device: str) -> dict[str, str]:
    """What a result depends on, in words."""
    with_these = [
        f"cleanplate {__version__} (kept as {FORMAT})",
        f"numpy {np.__version__}",
        f"opencv {cv2.__version__}",
    ]
    return {
        "clip": digest,
        "method": repr(method),
        "seed": str(run.seed),
        "device": device,
        "budget": f"{run.max_steps} {run.max_seconds}",
        "version": ", ".join(with_these + ([f"torch {version('torch')}"] if method.has_networks else [])),
    }
