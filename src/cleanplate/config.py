"""Everything that can be set, as frozen dataclasses, and the named methods made of them. No torch here.

A method is data: `dataclasses.replace(METHODS["carry"], ...)` makes a new one, and the command line offers the same
fields. Lengths are in pixels of the frames as they are processed unless a name says otherwise.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from cleanplate.errors import Cancelled, InputError

Estimator = Literal["dis", "raft_small", "raft_large"]


@dataclass(frozen=True)
class CarryConfig:
    """How hidden pixels are carried in from frames that show them (carry.py)."""

    estimator: Estimator = "dis"
    """Optical flow: OpenCV DIS (CPU, nothing to download) or torchvision RAFT (needs its weights)."""
    rounds: int = 2
    """Times flow is estimated: first on the painted-over frames, then again on the filled ones."""
    margin_px: int = 3
    """Flow this near to a hole has seen what was painted into it, and is not trusted."""
    reach: float = 0.17
    """Width (sigma) of the window that motion is completed from, as a share of the frame's shorter side."""
    flow_tolerance_px: float = 0.25
    """Deviation from the local motion at which a flow vector loses half its say."""
    trust_filled: float = 0.2
    """Say of a flow vector estimated on filled pixels, beside 1 for one on known pixels (rounds after the first)."""
    level_tolerance: float = 0.025
    """Deviation from the local brightness change at which a pixel loses half its say."""
    max_error_px: float = 3.0
    """A trajectory whose forward and backward flow disagree by more than this is given up."""
    fade_frames: float = 5.0
    """Distance in time at which a source's weight has fallen to 1/e."""

    def __post_init__(self) -> None:
        for name, least in (("rounds", 1), ("margin_px", 0)):
            if getattr(self, name) < least:
                raise InputError(f"carry.{name} is {getattr(self, name)}", f"at least {least} is needed", "raise it")
        for name in ("reach", "flow_tolerance_px", "level_tolerance", "max_error_px", "fade_frames"):
            if not getattr(self, name) > 0:
                raise InputError(f"carry.{name} is {getattr(self, name)}", "a number above 0 is needed", "raise it")


@dataclass(frozen=True)
class Method:
    """One way to fill a hole."""

    carry: CarryConfig = field(default_factory=CarryConfig)


METHODS: dict[str, Method] = {
    "carry": Method(),
}
"""The methods by name. `carry`: along completed optical flow from frames that show the pixel."""

DEFAULT_METHOD = "carry"


def find_method(name: str) -> Method:
    """The method of that name; an InputError names the nearest one otherwise."""
    if name in METHODS:
        return METHODS[name]
    near = difflib.get_close_matches(name, METHODS, n=1, cutoff=0.0)[0]
    raise InputError(f"there is no method '{name}'", f"known are {', '.join(METHODS)}", f"did you mean '{near}'?")


@dataclass(frozen=True)
class Step:
    """What a run tells its `on_step` callback: `done` of `total` units of `stage` are finished."""

    stage: str
    done: int
    total: int


OnStep = Callable[[Step], Any]


def tell(on_step: OnStep | None, stage: str, done: int, total: int) -> None:
    """Report progress; ends the run by `Cancelled` when the callback raises or returns that."""
    if on_step is None:
        return
    answer = on_step(Step(stage, done, total))
    if answer is Cancelled or isinstance(answer, Cancelled):
        raise Cancelled
