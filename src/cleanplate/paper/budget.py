"""How much learning may still be done, and how far it is."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from cleanplate.paper.fit import Fit
from cleanplate.progress import OnStep, Step


@dataclass
class Budget:
    """How much learning may still be done; None: as much as the schedule says."""

    steps: int | None = None
    seconds: float | None = None
    learned_s: float = 0.0
    """What was spent on learning alone."""

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        return (self.steps is not None and self.steps < 1) or (self.seconds is not None and self.seconds <= 0)

    def waited(self, work: Callable[[], Any]) -> Any:
        """Do something else, and take off the time it took."""
        started = time.perf_counter()
        out = work()
        if self.seconds is not None:
            self.seconds -= time.perf_counter() - started
        return out

    def share(self, parts: int) -> dict[str, Any]:
        """One of so many equal parts of what is left, at least a step, as arguments of `fit`."""
        return {
            "max_steps": None if self.steps is None else max(1, self.steps // parts),
            "max_seconds": None if self.seconds is None else max(1e-3, self.seconds / parts),
        }

    def spend(self, done: Fit) -> None:
        """Take off what a fit took."""
        self.learned_s += done.elapsed_s
        if self.steps is not None:
            self.steps -= done.steps
        if self.seconds is not None:
            self.seconds -= done.elapsed_s


def part_of(on_step: OnStep | None, first: float, last: float) -> OnStep | None:
    """A callback that reports a part of the whole, from one share of it to another."""
    if on_step is None:
        return None

    def told(step: Step) -> Any:
        share = first + (last - first) * step.done / step.total
        return on_step(replace(step, done=round(share * PARTS), total=PARTS))

    return told


PARTS = 100_000
