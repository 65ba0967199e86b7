"""A frame on its way through the method: painted over, carried to, learned, and done.

Frames travel one by one, so that what is held at a time depends on the methods' windows and not on the video. A picture
stays in the bytes it was decoded to until somebody computes with a part of it.

A frame belongs to the stage that it is in, which may change it in place until it passes it on. What a stage wants to
keep of a frame beyond that is a copy.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float16, Int, Shaped, UInt8
from torch import Tensor

from cleanplate.imaging.pixels import to_float, to_like

KNOWN, CARRIED, MADE_UP = 0, 1, 2
"""Where a pixel comes from; MADE_UP also what is only filled smoothly so far."""

Region = tuple[int, int, int, int]
"""x, y, width, height in pixels."""


@dataclass(frozen=True)
class Effects:
    """What the thing does to a frame outside its mask: these pixels are hole too until the frame is done.

    Letters: n pixels are changed.
    """

    where: Bool[Tensor, "1 H W"]
    shown: Shaped[Tensor, "3 n"]
    """Their colours as they were, row by row, in the type of the picture."""
    light: Float16[Tensor, "3 n"]
    """Share of the light that is left there in a shadow; 0 where something else is shown, below 0 if nobody knows."""
    left: int = 0
    """Of how many pixels more it was seen that they are changed, and nothing could be put there."""


@dataclass
class Frame:
    """A picture, of each of its pixels where it comes from, and what it is a part of."""

    index: int
    picture: Tensor
    """(3, H, W) RGB, uint8 or a float type in 0..1. What its hole holds is the fill so far."""
    provenance: UInt8[Tensor, "1 H W"]
    """KNOWN, CARRIED or MADE_UP."""
    canvas: "Frame | None" = None
    """The frame that this is a region of, or a copy of on another device; None if it is that itself."""
    corner: tuple[int, int] = (0, 0)
    """x, y of the region on the canvas."""
    effects: Effects | None = None
    """What the thing does outside its mask; None if nothing, or if nobody has looked."""

    @property
    def hole(self) -> Bool[Tensor, "1 H W"]:
        """What is to be filled."""
        return self.provenance != KNOWN

    @property
    def unseen(self) -> Bool[Tensor, "1 H W"]:
        """What no frame shows."""
        return self.provenance == MADE_UP

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.picture.shape[1], self.picture.shape[2]

    def region(self, region: Region) -> "Frame":
        """A part of it to be worked on by itself. Outside it nothing is hole any more."""
        x, y, width, height = region
        inside = (slice(None), slice(y, y + height), slice(x, x + width))
        part = self.provenance[inside].clone()
        self.provenance.zero_()
        return Frame(self.index, self.picture[inside].clone(), part, self, (x, y))

    def on(self, device: torch.device) -> "Frame":
        """The frame where it is to be worked on."""
        if self.picture.device == device:
            return self
        return Frame(self.index, self.picture.to(device), self.provenance.to(device), self)

    def pasted(self) -> "Frame":
        """The whole frame, with what was done to this part of it."""
        if self.canvas is None:
            return self
        (x, y), (height, width) = self.corner, self.size
        for mine, theirs in ((self.picture, self.canvas.picture), (self.provenance, self.canvas.provenance)):
            theirs[:, y : y + height, x : x + width] = mine.to(theirs.device)
        if self.effects is not None:
            where = torch.zeros_like(self.canvas.provenance, dtype=torch.bool)
            where[:, y : y + height, x : x + width] = self.effects.where.to(where.device)
            self.canvas.effects = replace(self.effects, where=where)
        return self.canvas.pasted()

    def crop(self, rows: slice = slice(None), columns: slice = slice(None)) -> Tensor:
        """A part of the picture, (3, h, w) float32 in 0..1; not a copy if that is what it holds already."""
        return to_float(self.picture[:, rows, columns])

    def set_pixels(self, pixels: Int[Tensor, " n"], colours: Tensor) -> None:
        """Give these pixels, counted row by row, their colours: (n, 3) in 0..1."""
        width = self.picture.shape[2]
        self.picture[:, pixels // width, pixels % width] = to_like(colours.T, self.picture)

    def set_provenance(self, pixels: Int[Tensor, " n"], provenance: int) -> None:
        """Say where these pixels come from."""
        width = self.picture.shape[2]
        self.provenance[:, pixels // width, pixels % width] = provenance

    def add_effects(self, where: Bool[Tensor, "1 H W"], light: Float16[Tensor, "3 n"]) -> None:
        """Make known pixels hole that the thing has changed.

        Args:
            where: they are.
            light: see Effects.
        """
        self.effects = Effects(where, self.picture[:, where[0]], light)
        self.provenance[where] = MADE_UP

    def copy(self) -> "Frame":
        """Another frame with a picture and a provenance of its own."""
        return replace(self, picture=self.picture.clone(), provenance=self.provenance.clone())


def box_around(mask: Bool[Tensor, "H W"], margin_px: int) -> tuple[slice, slice]:
    """Rows and columns that hold what is marked and `margin_px` around it, within the picture; all where nothing is."""

    def span(marked: Tensor) -> slice:
        at = torch.nonzero(marked).flatten()
        if not len(at):
            return slice(0, len(marked))
        return slice(max(0, int(at[0]) - margin_px), min(len(marked), int(at[-1]) + 1 + margin_px))

    return span(mask.any(1)), span(mask.any(0))
