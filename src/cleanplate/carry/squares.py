"""Boundary pixels taken together in squares: a quarter or less to be followed, where the picture is for no eye.

Within a square, motion is a shift: its trajectory is that of its middle.
"""

from dataclasses import dataclass
from typing import no_type_check

import numpy as np

from cleanplate.carry.trajectories import SOURCE, Trajectories, X, Y, no_trajectories
from cleanplate.imaging.frame import Pixels
from cleanplate.runtime.compiled import compiled


@dataclass(frozen=True)
class Squares:
    """The squares that hold the boundary pixels of a frame; with a side of 1 the pixels themselves."""

    pixels: Pixels
    """Those boundary pixels, counted row by row."""
    width: int
    """Of the frame, in pixels."""
    side_px: int
    across: int
    """Squares in a row of the frame; the last may reach beyond it."""
    held: Pixels
    """The squares, counted row by row."""

    @classmethod
    def of(cls, pixels: Pixels, size: tuple[int, int], side_px: int) -> "Squares":
        """Those that hold these pixels of a frame of that (height, width)."""
        if side_px == 1:
            return cls(pixels, size[1], 1, size[1], pixels)
        down, across = in_squares(size, side_px)
        marked = np.zeros(down * across, bool)
        _mark(pixels, size[1], across, side_px, marked)
        return cls(pixels, size[1], side_px, across, np.flatnonzero(marked))

    def from_pixels(self, trajectories: Trajectories) -> Trajectories:
        """Those of the squares from those of the pixels: the last pixel of each that leads anywhere tells."""
        if self.side_px == 1:
            return trajectories
        out = no_trajectories(len(self.held))
        _from_pixels(trajectories.rows, self.pixels, self.width, self.held, self.across, self.side_px, out.rows)
        return out

    def to_pixels(self, trajectories: Trajectories) -> Trajectories:
        """Those of the pixels from those of the squares."""
        if self.side_px == 1:
            return trajectories
        out = no_trajectories(len(self.pixels))
        _to_pixels(trajectories.rows, self.held, self.across, self.pixels, self.width, self.side_px, out.rows)
        return out


def in_squares(size: tuple[int, int], side_px: int) -> tuple[int, int]:
    """Rows and columns of squares that a frame of that (height, width) has."""
    return -(-size[0] // side_px), -(-size[1] // side_px)


@compiled
@no_type_check
def _mark(pixels, width, across, side, held):
    for pixel in pixels:
        held[pixel // width // side * across + pixel % width // side] = True


@compiled
@no_type_check
def _from_pixels(of_pixels, pixels, width, squares, across, side, out):
    for index in range(len(pixels)):
        row, column = pixels[index] // width, pixels[index] % width
        at = np.searchsorted(squares, row // side * across + column // side)
        if of_pixels[index, SOURCE] >= 0:
            out[at] = of_pixels[index]
            out[at, X] += (column // side + 0.5) * side - 0.5 - column
            out[at, Y] += (row // side + 0.5) * side - 0.5 - row


@compiled
@no_type_check
def _to_pixels(of_squares, squares, across, pixels, width, side, out):
    number_of = np.zeros(squares[-1] + 1 if len(squares) else 0, np.int32)
    for number in range(len(squares)):
        number_of[squares[number]] = number
    for index in range(len(pixels)):
        row, column = pixels[index] // width, pixels[index] % width
        out[index] = of_squares[number_of[row // side * across + column // side]]
        out[index, X] += column - (column // side + 0.5) * side + 0.5
        out[index, Y] += row - (row // side + 0.5) * side + 0.5
