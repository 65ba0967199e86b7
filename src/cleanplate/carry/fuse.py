"""Fill what is hidden in a window of frames along the links between them."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from cleanplate.carry.motion import Motion
from cleanplate.carry.trajectories import LinkedFrame, Trajectories, boundary_pixels, follow, gather
from cleanplate.config import CarryConfig
from cleanplate.imaging.frame import CARRIED, Pixels
from cleanplate.runtime.threads import in_order

Mask = Bool[np.ndarray, "H W"]


def both_trajectories(
    window: list[LinkedFrame], count: int, sources: Trajectories | None = None
) -> list[tuple[Trajectories, Trajectories]]:
    """Where the boundary pixels of the first so many of these frames lead, into the future and into the past.

    Args:
        window: frames that follow each other.
        count: of how many.
        sources: what the pixels of the first of them count for, if they are sources.
    """
    ways = [
        (window[::-1], [one.forward for one in window[::-1]], None),
        (window[:count], [one.backward for one in window[:count]], sources),
    ]

    def followed(way: tuple[list[LinkedFrame], list[Motion | None], Trajectories | None]) -> list[Trajectories]:
        chain, motions, end = way
        numbers, boundary = [one.frame.index for one in chain], [one.boundary for one in chain]
        return follow(numbers, motions, boundary, chain[0].frame.size, end)

    futures, pasts = in_order(followed, ways)
    return list(zip(futures[::-1][:count], pasts, strict=True))


def fuse(
    window: list[LinkedFrame],
    block: list[LinkedFrame],
    trajectories: list[tuple[Trajectories, Trajectories]],
    wanted: Sequence[Mask],
    config: CarryConfig,
    *,
    sharp: bool = True,
) -> list[Pixels]:
    """Fill what is wanted of the frames of a block with colours from the window.

    Args:
        window: frames that follow each other.
        block: those to be filled.
        trajectories: of their boundary pixels, into the future and into the past.
        wanted: what to fill of each.
        config: see CarryConfig.
        sharp: see `gather`.

    Returns:
        the pixels of each that were reached, counted row by row.
    """
    pictures = {one.frame.index: one.frame.picture for one in window}

    def find(job: tuple[LinkedFrame, tuple[Trajectories, Trajectories], Mask]) -> tuple[Pixels, np.ndarray]:
        one, both, mine = job
        reached, colours = gather(pictures, both, mine.reshape(-1)[one.boundary], config, sharp=sharp)
        return one.boundary[reached], colours

    # All colours first: sources lie beside holes, and must not change meanwhile.
    found = list(in_order(find, zip(block, trajectories, wanted, strict=True)))
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
    trajectories = both_trajectories(left, block.stop)[block.start :]
    some = [left[number] for number in block]
    reached = fuse(window, some, trajectories, [unseen[number] for number in block], config)
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
    found = fuse(some, some, both_trajectories(some, len(some)), list(left), config)
    for mine, pixels in zip(left, found, strict=True):
        mine.reshape(-1)[pixels] = False
