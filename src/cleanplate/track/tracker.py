"""Track marked things through a shot: a mask on every frame, from one mark or several.

A tracker is a function in a file of its own (flow.py, sam2.py) that gives a `Tracked` for each thing. Add one here, and
its name to `config.Tracker`; a predictor with the interface of SAM 2 is an entry of predictors.py and that name.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from jaxtyping import UInt8

from cleanplate.config import Tracker
from cleanplate.errors import InputError
from cleanplate.progress import OnStep
from cleanplate.track.flow import track_with_flow
from cleanplate.track.marks import Mark
from cleanplate.track.predictors import PROJECTS
from cleanplate.track.tracked import Tracked


def track(frames: Iterable[UInt8[np.ndarray, "H W 3"]], marks: Sequence[Mark], **options: Any) -> Tracked:
    """Track one thing: `track_things` with the marks of just one, and the same options."""
    return track_things(frames, [marks], **options)[0]


def track_things(
    frames: Iterable[UInt8[np.ndarray, "H W 3"]],
    things: Sequence[Sequence[Mark]],
    *,
    tracker: str = "flow",
    weights: Path | None = None,
    seed: int = 0,
    over_cuts: bool = False,
    device: str = "auto",
    scratch: Path | None = None,
    on_step: OnStep | None = None,
) -> list[Tracked]:
    """Track each thing from the frames it is marked on to all others.

    Args:
        frames: RGB. They are read once, and only a small copy is held.
        things: the marks of each, on one frame or several; marks of one frame are united. An empty one says that it is
            not there, and nothing is followed beyond it.
        tracker: "flow", or "sam2" or "efficienttam" if its package and weights are there.
        weights: a checkpoint of sam2 or efficienttam; None looks for the best in $CLEANPLATE_WEIGHTS.
        seed: the same frames, marks and seed give the same masks.
        over_cuts: whether a mark holds in other shots too; sam2 and efficienttam do not ask.
        device: for sam2 and efficienttam.
        scratch: where sam2 and efficienttam keep the frames while they run, in a folder named `.frames.partial-*`; None
            for the system's temporary folder.
        on_step: told of every frame.

    Raises:
        InputError: a thing without a mark or with only empty ones, one beyond the frames or of another size, an unknown
            tracker, or one without its weights.
        Cancelled: raised by `on_step` to end it.
    """
    if not things or not all(any(mark.area.any() for mark in marks) for marks in things):
        raise InputError("nothing is marked", "a box, a polygon or a painted image is needed", "mark the thing")
    if tracker == "flow":
        if weights is not None:
            fix = f"leave it out, or name the tracker that it is of: {', '.join(PROJECTS)}"
            raise InputError(f"weights ({weights}) are given for the tracker flow", "it has none", fix)
        return track_with_flow(frames, things, seed=seed, over_cuts=over_cuts, on_step=on_step)
    if tracker in PROJECTS:
        from cleanplate.track.sam2 import track_with_predictor

        return track_with_predictor(
            frames, things, tracker=tracker, weights=weights, device=device, scratch=scratch, on_step=on_step
        )
    known = ", ".join(get_args(Tracker))
    raise InputError(f"there is no tracker '{tracker}'", f"known are {known}", "choose one of them")
