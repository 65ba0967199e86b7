"""Say for every pixel of a hole at which of some offsets the pixel lies that it is a copy of.

Two neighbours with different offsets are seen as little as the two offsets show the same there. The sum of what is seen
is made small by cuts (Boykov, Veksler & Zabih, Fast Approximate Energy Minimization via Graph Cuts, 2001): in turn for
every offset, the pixels that are better off with it change to it, all at once.
"""

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

# All offsets are tried so often, or until that gives less than this share.
CYCLES, LEAST_GAIN = 1, 1e-3
# What is impossible: a copy of what is not known.
IMPOSSIBLE = 1e8
# A capacity is a whole number of 31 bits: squared differences of bytes are.
LARGEST = 2**30

Nodes = Int64[np.ndarray, " n"]


def labelled(
    picture: Float32[np.ndarray, "h w 3"],
    hole: Bool[np.ndarray, "h w"],
    part: Bool[np.ndarray, "h w"],
    offsets: Int64[np.ndarray, "k 2"],
    cost: Float64[np.ndarray, "k n"] | None = None,
) -> Int64[np.ndarray, " n"]:
    """The number of the offset of every pixel of a part of the hole, row by row.

    Args:
        picture: is read where it is known.
        hole: what is not known.
        part: of the hole; for each of its pixels at least one offset leads to what is known.
        offsets: rows and columns.
        cost: what every offset costs at every pixel, beside what is seen.
    """
    height, width = hole.shape
    row, column = np.nonzero(part)
    count, every = len(row), np.arange(len(row))
    index = np.full((height + 2, width + 2), -1)
    index[1:-1, 1:-1][part] = every
    shown, able = shown_at(picture, hole, offsets, row, column)
    alone = np.where(able, 0.0 if cost is None else cost, IMPOSSIBLE)
    pairs = []
    for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        beside = index[row + 1 + down, column + 1 + right]
        if down + right > 0:
            pairs.append(np.stack((every[beside >= 0], beside[beside >= 0])))
        inside = (row + down >= 0) & (row + down < height) & (column + right >= 0) & (column + right < width)
        border = np.flatnonzero((beside < 0) & inside)
        border = border[~hole[row[border] + down, column[border] + right]]
        known_row, known_column = row[border] + down, column[border] + right
        other, there = shown_at(picture, hole, offsets, known_row, known_column)
        # Both sides of the border are as unlike: the other one is not known.
        unlike = 2 * ((other - picture[known_row, known_column]) ** 2).sum(2)
        alone[:, border] += np.where(there, unlike, UNKNOWN)
    here, there = np.concatenate(pairs, 1)
    label = alone.argmin(0)

    def seam(one: Nodes, other: Nodes) -> Float64[np.ndarray, " m"]:
        """What is seen between each pair of neighbours with these labels."""
        unlike = [((shown[one, node] - shown[other, node]) ** 2).sum(1) for node in (here, there)]
        return (unlike[0] + unlike[1]).astype(np.float64)

    def energy(label: Nodes) -> float:
        return float(alone[label, every].sum() + seam(label[here], label[there]).sum())

    least = energy(label)
    for _ in range(CYCLES):
        before = least
        for number in range(len(offsets)):
            new = np.full(len(here), number)
            stay, first, second = seam(label[here], label[there]), seam(label[here], new), seam(new, label[there])
            change = alone[number] - alone[label, every]
            change += np.bincount(here, second - stay, count) - np.bincount(there, second, count)
            stays = _stays(change, here, there, np.maximum(first + second - stay, 0))
            tried = np.where(stays, label, number)
            if (now := energy(tried)) < least:
                label, least = tried, now
        if before - least <= LEAST_GAIN * before:
            break
    return label


# As unlike as what is 100 levels off: what the border of a picture costs.
UNKNOWN = 2 * 3 * 100.0**2


def shown_at(
    picture: Float32[np.ndarray, "h w 3"],
    hole: Bool[np.ndarray, "h w"],
    offsets: Int64[np.ndarray, "k 2"],
    row: Nodes,
    column: Nodes,
) -> tuple[Float32[np.ndarray, "k n 3"], Bool[np.ndarray, "k n"]]:
    """What is shown at these pixels plus every offset, and whether it is known."""
    height, width = hole.shape
    to_row, to_column = row + offsets[:, :1], column + offsets[:, 1:]
    inside = (to_row >= 0) & (to_row < height) & (to_column >= 0) & (to_column < width)
    to_row, to_column = to_row.clip(0, height - 1), to_column.clip(0, width - 1)
    return picture[to_row, to_column], inside & ~hole[to_row, to_column]


def _stays(
    change: Float64[np.ndarray, " n"],
    here: Int64[np.ndarray, " m"],
    there: Int64[np.ndarray, " m"],
    apart: Float64[np.ndarray, " m"],
) -> Bool[np.ndarray, " n"]:
    """Which nodes do not change, so that the sum is least.

    Args:
        change: what it costs that a node changes.
        here: a node of every pair,
        there: and the other,
        apart: what it costs that this one changes and the other does not.
    """
    count = len(change)
    source, sink, costs = count, count + 1, change > 0
    begin = np.concatenate((np.full(int(costs.sum()), source), np.flatnonzero(~costs), here))
    end = np.concatenate((np.flatnonzero(costs), np.full(int((~costs).sum()), sink), there))
    capacity = np.concatenate((change[costs], -change[~costs], apart)).clip(max=LARGEST).round().astype(np.int32)
    graph = csr_array((capacity, (begin, end)), shape=(count + 2, count + 2))
    left = graph - maximum_flow(graph, source, sink).flow
    left.data[left.data < 0] = 0
    left.eliminate_zeros()
    stays = np.zeros(count + 2, bool)
    stays[breadth_first_order(left, source, return_predecessors=False)] = True
    return stays[:count]
