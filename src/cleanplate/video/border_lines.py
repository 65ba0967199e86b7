"""The straight lines that black at the sides of a frame ends in: one frame of what `borders` looks for.

Letters: seen from a side (top, bottom, left, right) black is d = a x + b pixels deep at x; n columns are looked at.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Shaped, UInt8

SIDES = 4
# Brightest sample of a border: black of limited range taken for full range, and what compression makes of it; and where
# the picture itself is that dark, black as it should be.
BLACKS = (24, 6)
FLAT, FLAT_SHARE = 6, 0.9  # by how much samples inside a border may differ from their median, and how many must not
DEEPEST = 0.25  # of the frame
BEYOND_PX, LIT_SHARE = 6, 0.6  # so far beyond a border, so much of the picture is not black
STEEPEST = 0.3  # slope of the line that a border ends in
NEAR_PX = 2.0  # from a line; ringing moves where black ends
SURE = 0.6  # share of a line at which black ends
LIKELY = 0.35  # the same where another frame has more
FEWEST, FEWEST_IN_CORNER = 12, 3  # columns that a line is seen at; the less if its slope is known
MOST_COLUMNS = 400  # that are looked at
TRIES = 200  # lines through two of them
LEAST_PX = 0.5  # depth of a border


@dataclass(frozen=True)
class Line:
    """What a border ends in."""

    a: float
    b: float
    share: float
    """Of it, at which black ends."""

    def depth(self, length: int) -> Float32[np.ndarray, " length"]:
        """Of the border, along a side; 0 or less where there is none."""
        return (self.a * np.arange(length) + self.b).astype(np.float32)


def from_side(picture: Shaped[np.ndarray, "H W *channels"], side: int) -> np.ndarray:
    """A view of it with that side on top."""
    if side >= 2:
        picture = picture.swapaxes(0, 1)
    return picture[::-1] if side % 2 else picture


def lines_of(picture: UInt8[np.ndarray, "H W 3"]) -> tuple[Line | None, ...]:
    """The lines that black at the four sides of a picture ends in; None where it does not."""
    views = [from_side(picture, side) for side in range(SIDES)]
    lines = [line_of(view) for view in views]
    sure = [side for side, line in enumerate(lines) if line is not None and line.share >= SURE]
    if not sure:
        return tuple(lines)
    # What was turned was turned as a whole: of a corner, too small for a line of its own, the slope is known.
    turned = np.median([TURNS[side] * line.a for side in sure if (line := lines[side]) is not None])
    return tuple(line or line_of(views[side], TURNS[side] * turned) for side, line in enumerate(lines))


TURNS = (1, -1, -1, 1)
"""How the slopes of the sides of a picture follow from that of the upper one when it is turned."""


def line_of(picture: UInt8[np.ndarray, "H W 3"], slope: float | None = None) -> Line | None:
    """The line that black at the top of a picture ends in; None if it is not straight, not flat, or not there.

    Args:
        picture: any.
        slope: of the line; it may be short then. None if it is not known.
    """
    limit = int(picture.shape[0] * DEEPEST)
    if not limit:
        return None
    x = np.arange(0, picture.shape[1], max(1, picture.shape[1] // MOST_COLUMNS))
    top = picture[: limit + BEYOND_PX, x].max(axis=2)
    found = (_line(x, top, limit, black, slope) for black in BLACKS)
    return max((line for line in found if line is not None), key=lambda line: line.share, default=None)


def _line(x: np.ndarray, top: UInt8[np.ndarray, "h n"], limit: int, most: int, slope: float | None) -> Line | None:
    """The same of the columns at `x` of the upper part of a picture, in which samples up to `most` are black."""
    black = top[:limit] <= most
    depths = np.where(black.all(axis=0), limit, np.argmin(black, axis=0)).astype(np.float32)
    line = _fit(x, depths, limit, slope)
    if line is None or line.share < (LIKELY if slope is None else SURE):
        return None
    inside = line.a * x + line.b
    there = np.flatnonzero((inside >= LEAST_PX) & (depths > 0))
    samples = top[(inside[there] / 2).astype(int), there].astype(int)
    flat = np.abs(samples - np.median(samples)) <= FLAT
    lit = top[inside[there].astype(int) + BEYOND_PX, there] > most
    return line if flat.mean() >= FLAT_SHARE and lit.mean() >= LIT_SHARE else None


def _fit(x: np.ndarray, depths: Float32[np.ndarray, " n"], limit: int, slope: float | None) -> Line | None:
    """The line that most depths are on."""
    ending = (depths > 0) & (depths < limit)
    ends = np.flatnonzero(ending)
    fewest = max(FEWEST, len(x) // 16) if slope is None else FEWEST_IN_CORNER
    if len(ends) < fewest:
        return None
    first, second = np.random.default_rng(len(ends)).choice(ends, (2, TRIES))
    run = x[second] - x[first]
    a = np.where(run == 0, 0.0, (depths[second] - depths[first]) / np.where(run == 0, 1, run))
    a = a if slope is None else np.full(TRIES, slope)
    b = depths[first] - a * x[first]
    lines = a[:, None] * x + b[:, None]
    on_it = np.where(np.abs(depths - lines) <= NEAR_PX, 1.0, -0.5)
    scores = np.where(lines >= LEAST_PX, on_it, 0).sum(axis=1)
    scores[np.abs(a) > STEEPEST] = -np.inf
    a, b = a[scores.argmax()], b[scores.argmax()]
    for _ in range(2):
        near = ending & (np.abs(depths - a * x - b) <= NEAR_PX)
        if slope is not None and near.any():
            b = np.median(depths[near] - a * x[near])
        elif near.any() and np.ptp(x[near]):
            a, b = np.polyfit(x[near], depths[near], 1)
        else:
            return None
    line = a * x + b
    there = line >= LEAST_PX
    if np.count_nonzero(there) < fewest or abs(a) > STEEPEST or line.max() >= limit:
        return None
    near = np.abs(depths - np.maximum(line, 0)) <= NEAR_PX
    # Where there should be no border either: a dark picture is black in many places.
    return Line(float(a), float(b), float(min(near[there].mean(), near.mean())))
