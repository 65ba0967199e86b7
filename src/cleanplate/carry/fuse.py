"""Fill what is hidden in a window of frames along the links between them."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from cleanplate.carry.trajectories import FlowLink, LinkedFrame, Trajectories, boundary_pixels, follow, gather
from cleanplate.config import CarryConfig
from cleanplate.imaging.frame import CARRIED
from cleanplate.runtime.threads import in_order


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

    def followed(way: tuple[list[LinkedFrame], list[FlowLink | None], Trajectories | None]) -> list[Trajectories]:
        chain, links, end = way
        numbers, boundary = [one.frame.index for one in chain], [one.boundary for one in chain]
        return follow(numbers, links, boundary, chain[0].frame.size, end)

    futures, pasts = in_order(followed, ways)
    return list(zip(futures[::-1][:count], pasts, strict=True))


def fuse(
    window: list[LinkedFrame],
    block: list[LinkedFrame],
    trajectories: list[tuple[Trajectories, Trajectories]],
    wanted: Sequence[Bool[Tensor, "1 H W"]],
    config: CarryConfig,
) -> list[Int[Tensor, " _"]]:
    """Fill what is wanted of the frames of a block with colours from the window.

    Returns:
        the pixels of each that were reached, counted row by row.
    """
    pictures = {one.frame.index: one.frame.picture for one in window}

    def find(job: tuple[LinkedFrame, tuple[Trajectories, Trajectories], Tensor]) -> tuple[Tensor, Tensor]:
        one, both, mine = job
        reached, colours = gather(pictures, both, mine.flatten()[one.boundary], config)
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
    left = [one.at(torch.nonzero(one.frame.unseen.flatten()).flatten()) for one in window]
    if not any(len(left[number].boundary) for number in block):
        return
    trajectories = both_trajectories(left, block.stop)[block.start :]
    some = [left[number] for number in block]
    reached = fuse(window, some, trajectories, [one.frame.unseen for one in some], config)
    for one, pixels in zip(some, reached, strict=True):
        one.frame.set_provenance(pixels, CARRIED)


def carry_on(window: list[LinkedFrame], left: Bool[Tensor, "T 1 H W"], config: CarryConfig) -> Bool[Tensor, "T 1 H W"]:
    """Carry to what is left from what has been filled since, along the links of `carry`.

    Args:
        window: frames that follow each other; everything but `left` counts as known.
        left: what to fill; nothing that `carry` has reached.
        config: see CarryConfig.

    Returns:
        the pixels that were reached.
    """
    some = [one.at(boundary_pixels(mine)) for one, mine in zip(window, left, strict=True)]
    reached = torch.zeros_like(left)
    found = fuse(some, some, both_trajectories(some, len(some)), list(left), config)
    for mine, pixels in zip(reached, found, strict=True):
        mine.view(-1)[pixels] = True
    return reached
