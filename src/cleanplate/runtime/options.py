"""How a method is run, whatever the method: one value, passed whole."""

from dataclasses import dataclass, field

from cleanplate.errors import InputError
from cleanplate.progress import OnStep
from cleanplate.runtime.work_dir import WorkDir

SEEDS = 2**63
"""How many there are, from 0 on."""


@dataclass(frozen=True)
class RunOptions:
    """What a run depends on beside the clip and the method, where it is kept, and who is told of it.

    Raises:
        InputError: a seed that torch's generator would not take, a budget that is none.
    """

    seed: int = 0
    """Of everything random; of `carry` that is only which frame's grain is given back. What a network for large frames
    makes depends on the number of threads too."""
    device: str = "auto"
    """cpu, cuda, mps, or auto for the fastest there is."""
    max_steps: int | None = None
    """Learn for so many updates at most, at least 1; the best plate so far is the result."""
    max_seconds: float | None = None
    """Learn until so long after the start."""
    work_dir: WorkDir = field(default_factory=WorkDir)
    """Where to keep what is done, and what to go on from."""
    on_step: OnStep | None = None
    """Told of every step; raising `Cancelled` in it ends the run."""

    def __post_init__(self) -> None:
        if not 0 <= self.seed < SEEDS:
            raise InputError(f"the seed is {self.seed}", "0 to 2^63 - 1 is needed", "choose another")
        for name, value in (("max_steps", self.max_steps), ("max_seconds", self.max_seconds)):
            if value is not None and not value > 0:
                raise InputError(f"{name} is {value}", "a number above 0 is needed", "raise it")

    def seed_of(self, number: int) -> int:
        """Of one of several networks: they count on from the first, and from the largest to 0."""
        return (self.seed + number) % SEEDS


DEFAULT_RUN = RunOptions()
"""Nothing kept, nobody told."""
