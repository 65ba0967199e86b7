"""How much learning may still be done, and how far it is."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from cleanplate.progress import OnStep, Step
from cleanplate.runtime.options import RunOptions

if TYPE_CHECKING:
    from cleanplate.paper.fit import Fit

Result = TypeVar("Result")


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

    def waited(self, work: Callable[[], Result]) -> Result:
        """Do something else, and take off the time it took."""
        started = time.perf_counter()
        out = work()
        if self.seconds is not None:
            self.seconds -= time.perf_counter() - started
        return out

    def share(self, run: RunOptions, parts: int) -> RunOptions:
        """The run with one of so many equal parts of what is left, at least a step."""
        return replace(
            run,
            max_steps=None if self.steps is None else max(1, self.steps // parts),
            max_seconds=None if self.seconds is None else max(1e-3, self.seconds / parts),
        )

    def spend(self, done: "Fit") -> None:
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

    def told(step: Step) -> None:
        share = first + (last - first) * step.done / step.total
        on_step(replace(step, done=round(share * PARTS), total=PARTS))

    return told


PARTS = 100_000
