"""Fill what is hidden in a window of frames along the links between them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from cleanplate.carry.colours import gather
from cleanplate.carry.doubt import count_doubtful
from cleanplate.carry.motion import Motion
from cleanplate.carry.rigid import keep_rigid
from cleanplate.carry.squares import Squares, in_squares
from cleanplate.carry.trajectories import LinkedFrame, Trajectories, boundary_pixels, follow
from cleanplate.config import CarryConfig
from cleanplate.imaging.frame import CARRIED, Pixels
from cleanplate.runtime.threads import in_order

Mask = Bool[np.ndarray, "H W"]


@dataclass(frozen=True)
class Followed:
    """Where a frame's boundary pixels lead, as it was found for squares of them."""

    squares: Squares
    ways: tuple[Trajectories, Trajectories]
    """Of the squares, into the future and into the past."""

    @property
    def trajectories(self) -> tuple[Trajectories, Trajectories]:
        """Of the boundary pixels, into the future and into the past."""
        future, past = map(self.squares.to_pixels, self.ways)
        return future, past


def both_ways(
    window: list[LinkedFrame], count: int, sources: Trajectories | None = None, *, side_px: int = 1
) -> list[Followed]:
    """Where the boundary pixels of the first so many of these frames lead, into the future and into the past.

    Args:
        window: frames that follow each other.
        count: of how many.
        sources: what the pixels of the first of them count for, if they are sources.
        side_px: follow squares of pixels, of that side: less exact at their edges, and faster.
    """
    size = window[0].frame.size
    squares = [Squares.of(one.boundary, size, side_px) for one in window]
    ways = [
        (slice(None, None, -1), [one.forward for one in window[::-1]], None),
        (slice(count), [one.backward for one in window[:count]], sources and squares[0].from_pixels(sources)),
    ]

    def followed(way: tuple[slice, list[Motion | None], Trajectories | None]) -> list[Trajectories]:
        part, motions, end = way
        numbers, boundary = [one.frame.index for one in window[part]], [one.held for one in squares[part]]
        found = follow(numbers, motions, boundary, in_squares(size, side_px), end, side_px=side_px)
        if side_px == 1:  # it is to be looked at; what the first frame counts for is known already
            keep_rigid(numbers, boundary, found, size)
        return found

    futures, pasts = in_order(followed, ways)
    return [Followed(mine, (future, past)) for mine, future, past in zip(squares, futures[::-1], pasts, strict=False)]


def fuse(
    window: list[LinkedFrame],
    block: list[LinkedFrame],
    followed: Sequence[Followed],
    wanted: Sequence[Mask],
    config: CarryConfig,
    *,
    sharp: bool = True,
    doubts: bool = False,
) -> list[Pixels]:
    """Fill what is wanted of the frames of a block with colours from the window.

    Args:
        window: frames that follow each other.
        block: those to be filled.
        followed: where their boundary pixels lead.
        wanted: what to fill of each.
        config: see CarryConfig.
        sharp: see `gather`.
        doubts: count for each frame of how many pixels past and future show different things.

    Returns:
        the pixels of each that were reached, counted row by row.
    """
    pictures = {one.frame.index: one.frame.picture for one in window}

    def find(job: tuple[LinkedFrame, Followed, Mask]) -> tuple[Pixels, np.ndarray]:
        one, leading, mine = job
        asked, apart = mine.reshape(-1)[one.boundary], np.empty(len(one.boundary), np.float32) if doubts else None
        reached, colours = gather(pictures, leading.trajectories, asked, config, sharp=sharp, apart=apart)
        if apart is not None:
            one.frame.doubtful = count_doubtful(one.frame, one.boundary, apart)
        return one.boundary[reached], colours

    # All colours first: sources lie beside holes, and must not change meanwhile.
    found = list(in_order(find, zip(block, followed, wanted, strict=True)))
    for one, (pixels, colours) in zip(block, found, strict=True):
        one.frame.set_pixels(pixels, colours)
    return [pixels for pixels, _ in found]


def second_choice(window: list[LinkedFrame], block: range, config: CarryConfig) -> None:
    """Fill what only pixels beside a hole show: they are better than none.

    Args:
        window: frames that follow each other.
        block: numbers of those to be filled.
        config: see CarryConfig.
    """
    unseen = [one.frame.unseen for one in window]
    left = [one.at(np.flatnonzero(mine)) for one, mine in zip(window, unseen, strict=True)]
    if not any(len(left[number].boundary) for number in block):
        return
    followed = both_ways(left, block.stop)[block.start :]
    some = [left[number] for number in block]
    reached = fuse(window, some, followed, [unseen[number] for number in block], config)
    for one, pixels in zip(some, reached, strict=True):
        one.frame.set_provenance(pixels, CARRIED)


def carry_on(window: list[LinkedFrame], left: Bool[np.ndarray, "T H W"], config: CarryConfig) -> None:
    """Carry to what is left from what has been filled since, along the motion of `carry`.

    Args:
        window: frames that follow each other; everything but `left` counts as known.
        left: what to fill; nothing that `carry` has reached. What is reached is taken out of it.
        config: see CarryConfig.
    """
    some = [one.at(boundary_pixels(mine)) for one, mine in zip(window, left, strict=True)]
    found = fuse(some, some, both_ways(some, len(some)), list(left), config)
    for mine, pixels in zip(left, found, strict=True):
        mine.reshape(-1)[pixels] = False
