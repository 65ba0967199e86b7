"""A frame on its way through the method: painted over, carried to, learned, and done.

Frames travel one by one, so that what is held at a time depends on the methods' windows and not on the video. A picture
stays in the bytes it was decoded to until somebody computes with a part of it.

A frame belongs to the stage that it is in, which may change it in place until it passes it on. What a stage wants to
keep of a frame beyond that is a copy.
"""

from dataclasses import dataclass, replace
from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Bool, Float16, Float32, Int64, Shaped, UInt8

from cleanplate.runtime.compiled import compiled

KNOWN, CARRIED, MADE_UP, PAINTED = 0, 1, 2, 3
"""Where a pixel comes from; MADE_UP also what is only filled smoothly so far. PAINTED by an artist is told of a result
only: while a frame is worked on it is KNOWN."""

Region = tuple[int, int, int, int]
"""x, y, width, height in pixels."""
Picture = Shaped[np.ndarray, "_ _ 3"]
"""RGB; uint8, or a float type in 0..1."""
Pixels = Int64[np.ndarray, " _"]
"""Counted row by row."""
ALL = slice(None)


@dataclass(frozen=True)
class Effects:
    """What the thing does to a frame outside its mask: these pixels are hole too until the frame is done.

    Letters: n pixels are changed.
    """

    where: Bool[np.ndarray, "H W"]
    shown: Shaped[np.ndarray, "n 3"]
    """Their colours as they were, row by row, in the type of the picture."""
    light: Float16[np.ndarray, "n 3"]
    """Share of the light that is left there in a shadow; 0 where something else is shown, below 0 if nobody knows."""
    left: int = 0
    """Of how many pixels more it was seen that they are changed, and nothing could be put there."""


@dataclass
class Frame:
    """A picture, of each of its pixels where it comes from, and what it is a part of."""

    index: int
    picture: Shaped[np.ndarray, "H W 3"]
    """RGB, uint8 or a float type in 0..1. What its hole holds is the fill so far."""
    provenance: UInt8[np.ndarray, "H W"]
    """KNOWN, which is 0, CARRIED or MADE_UP."""
    canvas: "Frame | None" = None
    """The frame that this is a region of; None if it is that itself."""
    corner: tuple[int, int] = (0, 0)
    """x, y of the region on the canvas."""
    painted: Bool[np.ndarray, "H W"] | None = None
    """What an artist has painted, in the hole and beyond it: it is known, and was not so in the video."""
    effects: Effects | None = None
    """What the thing does outside its mask; None if nothing, or if nobody has looked."""
    doubtful: int = 0
    """Of how many pixels that were carried the frames before and after show different things."""
    unknown: Bool[np.ndarray, "H W"] | None = None
    """What is no number outside the mask (NaN, of scene-linear images): hole while it is worked on, and then left as it
    is; None if there is none."""

    @property
    def hole(self) -> Bool[np.ndarray, "H W"]:
        """What is to be filled."""
        return self.provenance != KNOWN

    @property
    def unseen(self) -> Bool[np.ndarray, "H W"]:
        """What no frame shows."""
        return self.provenance == MADE_UP

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.picture.shape[0], self.picture.shape[1]

    def region(self, region: Region) -> "Frame":
        """A part of it to be worked on by itself. Outside it nothing is hole any more."""
        x, y, width, height = region
        inside = (slice(y, y + height), slice(x, x + width))
        part = self.provenance[inside].copy()
        self.provenance[:] = KNOWN
        painted, unknown = (None if mask is None else mask[inside] for mask in (self.painted, self.unknown))
        return Frame(self.index, self.picture[inside].copy(), part, self, (x, y), painted, unknown=unknown)

    def pasted(self) -> "Frame":
        """The whole frame, with what was done to this part of it."""
        if self.canvas is None:
            return self
        (x, y), (height, width) = self.corner, self.size
        inside = (slice(y, y + height), slice(x, x + width))
        self.canvas.picture[inside], self.canvas.provenance[inside] = self.picture, self.provenance
        if self.effects is not None:
            where = np.zeros(self.canvas.size, bool)
            where[inside] = self.effects.where
            self.canvas.effects = replace(self.effects, where=where)
        self.canvas.doubtful = self.doubtful
        return self.canvas.pasted()

    def crop(self, rows: slice = ALL, columns: slice = ALL) -> Picture:
        """A part of the picture to compute with: in bytes as it is held, in floats of 32 bits otherwise."""
        picture = self.picture[rows, columns]
        return picture.astype(np.float32) if picture.dtype == np.float16 else picture

    def set_pixels(self, pixels: Pixels, colours: Float32[np.ndarray, "n 3"]) -> None:
        """Give these pixels, counted row by row, their colours, 0..1."""
        if self.picture.dtype == np.uint8:
            _put_bytes(self.picture, pixels, colours)
        else:
            self.picture[pixels // self.size[1], pixels % self.size[1]] = colours

    def set_provenance(self, pixels: Pixels, provenance: int) -> None:
        """Say where these pixels come from."""
        self.provenance[pixels // self.size[1], pixels % self.size[1]] = provenance

    def add_effects(self, where: Bool[np.ndarray, "H W"], light: Float16[np.ndarray, "n 3"]) -> None:
        """Make known pixels hole that the thing has changed.

        Args:
            where: they are.
            light: see Effects.
        """
        if self.painted is not None:  # what was painted stays
            light, where = light[~self.painted[where]], where & ~self.painted
        shown = self.picture[where]
        self.provenance[where] = MADE_UP
        if self.effects is not None:
            together = where | self.effects.where
            new = where[together]
            light, shown = (
                _in_turn(new, *parts) for parts in ((light, self.effects.light), (shown, self.effects.shown))
            )
            where = together
        self.effects = Effects(where, shown, light)

    def copy(self) -> "Frame":
        """Another frame with a picture and a provenance of its own."""
        return replace(self, picture=self.picture.copy(), provenance=self.provenance.copy())


def box_around(mask: Shaped[np.ndarray, "H W"], margin_px: int) -> tuple[slice, slice]:
    """Rows and columns that hold what is marked and `margin_px` around it, within the picture; all where nothing is."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8) if mask.dtype == bool else mask)
    if not width:
        return slice(0, mask.shape[0]), slice(0, mask.shape[1])
    return (
        slice(max(0, y - margin_px), min(mask.shape[0], y + height + margin_px)),
        slice(max(0, x - margin_px), min(mask.shape[1], x + width + margin_px)),
    )


def _in_turn(
    first: Bool[np.ndarray, " n"], ones: Shaped[np.ndarray, "k 3"], others: Shaped[np.ndarray, "m 3"]
) -> Shaped[np.ndarray, "n 3"]:
    """Rows of the one where `first` says so, and of the other between them."""
    out = np.empty((len(first), 3), ones.dtype)
    out[first], out[~first] = ones, others
    return out


@compiled
@no_type_check
def _put_bytes(picture, pixels, colours):
    width = picture.shape[1]
    for index in range(len(pixels)):
        pixel = picture[pixels[index] // width, pixels[index] % width]
        for channel in range(3):
            value = min(max(colours[index, channel], np.float32(0)), np.float32(1))
            pixel[channel] = np.uint8(np.rint(value * np.float32(255)))
