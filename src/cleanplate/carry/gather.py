"""Read many frames at the places of one: the loops that take most of the time of finding.

Displacements are known at nodes `NODE_PX` apart, and are linear between them.
"""

from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Float32, Int, UInt8

from cleanplate.carry.fields import between, cells_around, moved_by
from cleanplate.runtime.compiled import compiled

# Motion is smooth: it is followed at nodes so far apart, in pixels of the small picture.
NODE_PX = 8
# A gain so near to 1 changes no level.
SAME_GAIN = 0.002
# Where nothing of the picture is, not even its rim.
FAR_AWAY = np.float32(-99)
# Weights are of this many parts.
PARTS = np.float32(255)

# Numbers that leave others as short as they are.
ZERO, ONE, HALF, FULL = np.float32(0), np.float32(1), np.float32(0.5), np.float32(255)

Nodes = Float32[np.ndarray, "n r c 2"]


def colours_at(
    sources: UInt8[np.ndarray, "t h w 4"],
    numbers: Int[np.ndarray, " n"],
    moved: Nodes,
    corner: tuple[int, int],
    size: tuple[int, int],
) -> UInt8[np.ndarray, "n i j 4"]:
    """What some frames show of the pixels in a box of another, between pixels; 0 outside the picture.

    Args:
        sources: all frames of the window, and in a fourth channel how far each pixel is from what is no source.
        numbers: of those that are read.
        moved: how far the nodes of the box have moved to each of them, x and y in pixels.
        corner: row and column of the first pixel of the box.
        size: of the box, rows and columns.
    """
    out = np.empty((len(numbers), *size, 4), np.uint8)
    if 0 in size:  # OpenCV refuses to read nothing
        return out
    x, y = np.empty((2, *size), np.float32)
    for number, nodes, read in zip(numbers, moved, out, strict=True):
        _places_inside(nodes, corner, sources.shape[1:3], x, y)
        cv2.remap(sources[number], x, y, cv2.INTER_LINEAR, dst=read, borderMode=cv2.BORDER_CONSTANT)
    return out


def exposed(
    shown: UInt8[np.ndarray, "n h w 4"], needed: UInt8[np.ndarray, "h w"], gains: Float32[np.ndarray, "n 3"]
) -> tuple[UInt8[np.ndarray, "n h w 3"], UInt8[np.ndarray, "h w"]]:
    """What frames show in another exposure, and how many of them are far enough from what is no source.

    What is not is made 255: behind all others when they are sorted.
    """
    out, count = np.empty((*shown.shape[:3], 3), np.uint8), np.zeros(needed.shape, np.uint8)
    _exposed(shown, needed, gains, out, count)
    return out, count


def shares_at(
    marks: UInt8[np.ndarray, "t h w 2"],
    numbers: Int[np.ndarray, " n"],
    moved: Nodes,
    corner: tuple[int, int],
    size: tuple[int, int],
) -> tuple[Float32[np.ndarray, "i j"], Float32[np.ndarray, "i j"]]:
    """In how many frames what is at the place of a pixel is marked, and how many have told; see `colours_at`.

    Args:
        marks: of every pixel of every frame, whether it is marked, and by how much it counts, of `PARTS`.
        numbers: of those that are read.
        moved: see `colours_at`.
        corner: the same.
        size: the same.
    """
    marked, told = np.zeros((2, *size), np.float32)
    _shares_at(marks, numbers, moved, *corner, marked, told)
    return marked, told


@compiled
@no_type_check
def step(x, y, camera, rest, cell_px, scale, left, top, out):
    """From positions to where they are in the next frame; see `Steps`.

    Args:
        x: of the positions, any number of them in two dimensions.
        y: the same.
        camera: (3, 3), what moves all of them.
        rest: (r, c, 2), what is added, x and y, by cells.
        cell_px: height and width of a cell.
        scale: pixels of the field in one of the positions.
        left: x in the field of position 0.
        top: y in the field of position 0.
        out: (2, h, w), the new x and y.
    """
    for row in range(x.shape[0]):
        for column in range(x.shape[1]):
            u, v = x[row, column] * scale + left, y[row, column] * scale + top
            at, shares = cells_around(rest.shape[:2], cell_px, u, v)
            moved_x, moved_y = moved_by(camera, u, v)
            out[0, row, column] = (moved_x + between(rest, 0, at, shares) - left) / scale
            out[1, row, column] = (moved_y + between(rest, 1, at, shares) - top) / scale


@compiled
@no_type_check
def _places(nodes, row, top, left, x, y):
    """Where the pixels of one row of the box are."""
    above = row // NODE_PX
    below = min(above + 1, nodes.shape[0] - 1)
    share = np.float32(row - above * NODE_PX) / np.float32(NODE_PX)
    columns = len(x)
    for axis in range(2):
        out, start = (x, np.float32(left)) if axis == 0 else (y, np.float32(top + row))
        along = ONE if axis == 0 else ZERO
        for node in range((columns + NODE_PX - 1) // NODE_PX):
            after = min(node + 1, nodes.shape[1] - 1)
            first = nodes[above, node, axis] + (nodes[below, node, axis] - nodes[above, node, axis]) * share
            second = nodes[above, after, axis] + (nodes[below, after, axis] - nodes[above, after, axis]) * share
            slope = (second - first) / np.float32(NODE_PX)
            for column in range(node * NODE_PX, min((node + 1) * NODE_PX, columns)):
                there = start + first + slope * np.float32(column - node * NODE_PX)
                out[column] = there + along * np.float32(column)


@compiled
@no_type_check
def _places_inside(nodes, corner, size, x, y):
    """Where the pixels of the box are: far outside for those that are outside the picture."""
    down_most, across_most = np.float32(size[0] - 1), np.float32(size[1] - 1)
    for row in range(len(x)):
        _places(nodes, row, *corner, x[row], y[row])
        for column in range(x.shape[1]):
            across, down = x[row, column], y[row, column]
            if not (across >= 0 and down >= 0 and across <= across_most and down <= down_most):
                x[row, column] = FAR_AWAY


@compiled
@no_type_check
def _exposed(shown, needed, gains, out, count):
    frames, rows, columns = shown.shape[:3]
    for index in range(frames):
        same = True
        for colour in range(3):
            same &= abs(gains[index, colour] - 1) <= SAME_GAIN
        for row in range(rows):
            for column in range(columns):
                near = shown[index, row, column, 3] < needed[row, column]
                count[row, column] += 0 if near else 1
                for colour in range(3):
                    value = shown[index, row, column, colour]
                    if not same:
                        value = np.uint8(min(value * gains[index, colour] + HALF, FULL))
                    out[index, row, column, colour] = 255 if near else value


@compiled
@no_type_check
def _shares_at(marks, numbers, moved, top, left, marked, told):
    height, width = marks.shape[1:3]
    rows, columns = told.shape
    across, down = np.empty((2, columns), np.float32)
    for index in range(len(numbers)):
        mark = marks[numbers[index]]
        for row in range(rows):
            _places(moved[index], row, top, left, across, down)
            for column in range(columns):
                x, y = across[column] + HALF, down[column] + HALF
                if x >= 0 and y >= 0 and x < width and y < height:
                    x0, y0 = np.uint32(x), np.uint32(y)
                    counts = np.float32(mark[y0, x0, 1])
                    told[row, column] += counts
                    if mark[y0, x0, 0]:
                        marked[row, column] += counts
    marked /= PARTS
    told /= PARTS
