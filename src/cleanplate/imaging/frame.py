"""A frame on its way through the method: painted over, carried to, learned, and done.

Frames travel one by one, so that what is held at a time depends on the methods' windows and not on the video. A picture
stays in the bytes it was decoded to until somebody computes with a part of it.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from cleanplate.imaging.pixels import to_float, to_like

KNOWN, CARRIED, LEARNED = 0, 1, 2
"""Where a pixel comes from."""


@dataclass
class Frame:
    """A picture, and of each of its pixels where it comes from."""

    index: int
    picture: Tensor
    """(3, H, W) RGB, uint8 or a float type in 0..1. What its hole holds is the fill so far."""
    origin: UInt8[Tensor, "1 H W"]
    """KNOWN, CARRIED or LEARNED; LEARNED also for what is only filled smoothly so far."""
    motion: Float[Tensor, "3 H W"] | None = None
    """What to take the flow from instead of the picture, as if nothing were hidden in it (see `carry`)."""

    @property
    def hole(self) -> Bool[Tensor, "1 H W"]:
        """What is to be filled."""
        return self.origin != KNOWN

    @property
    def unseen(self) -> Bool[Tensor, "1 H W"]:
        """What no frame shows."""
        return self.origin == LEARNED

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.picture.shape[1], self.picture.shape[2]

    def part(self, rows: slice = slice(None), columns: slice = slice(None)) -> Float[Tensor, "3 h w"]:
        """A part of the picture in 0..1; not a copy if that is what it holds already."""
        return to_float(self.picture[:, rows, columns])

    def put(self, pixels: Int[Tensor, " n"], colours: Float[Tensor, "n 3"]) -> None:
        """Set these pixels, counted row by row."""
        width = self.picture.shape[2]
        self.picture[:, pixels // width, pixels % width] = to_like(colours.T, self.picture)

    def mark(self, pixels: Int[Tensor, " n"], origin: int) -> None:
        """Say where these pixels come from."""
        width = self.picture.shape[2]
        self.origin[:, pixels // width, pixels % width] = origin

    def copy(self, **changes: object) -> "Frame":
        """Another frame with a picture and origins of its own."""
        return replace(self, **({"picture": self.picture.clone(), "origin": self.origin.clone()} | changes))


def box_around(mask: Bool[Tensor, "H W"], margin_px: int) -> tuple[slice, slice]:
    """Rows and columns that hold what is marked and `margin_px` around it, within the picture; all where nothing is."""

    def span(marked: Tensor) -> slice:
        at = torch.nonzero(marked).flatten()
        if not len(at):
            return slice(0, len(marked))
        return slice(max(0, int(at[0]) - margin_px), min(len(marked), int(at[-1]) + 1 + margin_px))

    return span(mask.any(1)), span(mask.any(0))
