"""Track a marked object through a shot: its mask on every frame, from one mark or several.

A tracker is a function in a file of its own (flow.py, sam2.py) that gives a `Tracked`. Add one here, and its name to
`config.Tracker`.
"""

from collections.abc import Iterable, Sequence
from typing import get_args

import numpy as np
from jaxtyping import UInt8

from cleanplate.config import Tracker
from cleanplate.errors import InputError
from cleanplate.progress import OnStep
from cleanplate.track.flow import track_with_flow
from cleanplate.track.marks import Mark
from cleanplate.track.tracked import Tracked


def track(
    frames: Iterable[UInt8[np.ndarray, "H W 3"]],
    marks: Sequence[Mark],
    *,
    method: str = "flow",
    seed: int = 0,
    over_cuts: bool = False,
    device: str = "auto",
    on_step: OnStep | None = None,
) -> Tracked:
    """Track an object from the frames it is marked on to all others.

    Args:
        frames: RGB. They are read once, and only a small copy is held.
        marks: of the same object, on one frame or several; marks of one frame are united. An empty one says that it is
            not there, and from there on it is not, to the next mark.
        method: "flow", or "sam2" if its package and weights are there.
        seed: the same frames, marks and seed give the same masks.
        over_cuts: whether a mark holds in other shots too; sam2 does not ask.
        device: for sam2.
        on_step: told of every frame.

    Raises:
        InputError: no mark or only empty ones, one beyond the frames or of another size, an unknown method, or one
            without its weights.
        Cancelled: raised by `on_step` to end it.
    """
    if not any(mark.area.any() for mark in marks):
        raise InputError("nothing is marked", "a box, a polygon or a painted image is needed", "mark the thing")
    if method == "flow":
        return track_with_flow(frames, marks, seed=seed, over_cuts=over_cuts, on_step=on_step)
    if method == "sam2":
        from cleanplate.track.sam2 import track_with_sam2

        return track_with_sam2(frames, marks, device=device, on_step=on_step)
    known = ", ".join(get_args(Tracker))
    raise InputError(f"there is no tracker '{method}'", f"known are {known}", "choose one of them")
