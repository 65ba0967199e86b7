"""How a run says how far it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Step:
    """What a run tells its `on_step` callback: `done` of `total` units of `stage` are finished."""

    stage: str
    done: int
    total: int
    fit: str = ""
    """Of a step that learns: which network."""
    update: int = 0
    """Of a step that learns: how many updates that network has had."""
    losses: Mapping[str, float] = field(default_factory=dict)
    """Of a step that learns: the terms of Eq. 2, before they are weighted."""
    frames: Any = None
    """At an evaluation (`fit.eval_every`): all frames as the network makes them now, (T, 3, H, W)."""
    flows: Mapping[tuple[int, int], Any] = field(default_factory=dict)
    """At an evaluation: the flow that the network makes, (T, 2, H, W) in pixels, by stride and direction."""
    preview: Callable[[int], Any] | None = None
    """Of a step that learns: what the network makes of a frame now, (3, H, W), for a preview."""


OnStep = Callable[[Step], Any]


def tell(on_step: OnStep | None, stage: str, done: int, total: int, **more: Any) -> None:
    """Report progress. A callback ends the run by raising `Cancelled`."""
    if on_step is not None:
        on_step(Step(stage, done, total, **more))
