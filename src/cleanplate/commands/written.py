"""What is said of masks that were written: which frames have one."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

MOST_NAMED = 4  # stretches of frames


@dataclass
class Written:
    """Which frames have a mask, of those that were written, and how much of them it covers."""

    spans: list[list[int]] = field(default_factory=list)
    """First and last of each stretch."""
    covered: float = 0.0

    def passing(self, masks: "Iterable[np.ndarray]") -> "Iterator[np.ndarray]":
        """The masks, looked at."""
        for index, mask in enumerate(masks):
            if mask.any():
                self.covered += float(mask.mean())
                if self.spans and self.spans[-1][1] == index - 1:
                    self.spans[-1][1] = index
                else:
                    self.spans.append([index, index])
            yield mask

    @property
    def frames(self) -> int:
        """How many have a mask."""
        return sum(last - first + 1 for first, last in self.spans)

    def said(self) -> str:
        """In words: which, and what share of the picture it is in them."""
        if not self.spans:
            return "no frame is masked"
        named = [f"{first} to {last}" if last > first else f"{first}" for first, last in self.spans]
        if len(named) > MOST_NAMED:
            named = [*named[: MOST_NAMED - 1], f"{len(named) - MOST_NAMED + 1} stretches more"]
        listed = " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)
        return f"frames {listed} are masked, {self.covered / self.frames:.1%} of the picture"
