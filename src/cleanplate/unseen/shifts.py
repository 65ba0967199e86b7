"""Fill the hole of a frame with pieces of it that are shifted there.

What is hidden mostly goes on as it does beside it: the wall's next course, the slope's next bush. So every pixel of the
hole is a copy of the pixel at one of a few offsets, those at which the frame is like itself (offsets.py), and
neighbours share an offset wherever a change of it could be seen (cut.py). That is decided on a small picture; from
size to size the offsets become finer and the seams move to where they are seen least. In the end the copies' colours
are levelled: over every seam, and along the border of the hole, as much is added on both sides as makes them meet
(Pérez et al., Poisson Image Editing, 2003), but not where they are so far apart that an edge is the truth.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int64, Shaped, UInt8

from cleanplate.unseen.cut import labelled, shown_at
from cleanplate.unseen.offsets import frequent_offsets
from cleanplate.unseen.seams import level, move_seams, seen_when_moved

# A picture is halved until no more than so many pixels of it are to be filled, and it has no more than so many.
CUT_PX, PICTURE_PX = 10_000, 400_000
# Times that seams may move by a pixel, at every size.
MOVES = 4
# Colours are levelled by so many sweeps at the coarsest size, and at every finer one.
FIRST_SWEEPS, SWEEPS = 40, 10
# What is to look like a guide is drawn to its colours by this, beside 1 for each neighbour.
DRAWN = 0.1


@dataclass(frozen=True)
class Copies:
    """What the pixels of a hole are made of, row by row."""

    places: Int64[np.ndarray, "n 2"]
    """Row and column of the pixel that each is a copy of."""
    correction: Float32[np.ndarray, "n 3"]
    """In levels of bytes: what is to be added to the copy, so that there are no seams."""


@dataclass(frozen=True)
class Size:
    """A picture at one size."""

    picture: Float32[np.ndarray, "h w 3"]
    """In levels of bytes."""
    hole: Bool[np.ndarray, "h w"]


def copies_for_hole(
    picture: UInt8[np.ndarray, "h w 3"],
    unseen: Bool[np.ndarray, "h w"],
    most: int,
    *,
    seed: int,
    guide: UInt8[np.ndarray, "i j 3"] | None = None,
    guide_weight: float = 0.0,
) -> Copies | None:
    """What each pixel of a hole is to be made of; None if so little is known that no offset is.

    Args:
        picture: what is in its hole is never read.
        unseen: its hole.
        most: so many offsets at most.
        seed: of what is tried by chance.
        guide: what it should look like, at any size; all of it.
        guide_weight: of the guide's colour, beside 1 for what is seen of a seam.
    """
    sizes = [Size(np.where(unseen[..., None], 0, picture).astype(np.float32), unseen)]
    while np.count_nonzero(sizes[-1].hole) > CUT_PX or sizes[-1].hole.size > PICTURE_PX:
        sizes.append(_halved(sizes[-1]))
    looks = [None if guide is None else _resized(guide, size.hole.shape) for size in sizes]
    offset = _decided(sizes[-1], looks[-1], guide_weight, most, seed)
    if offset is None:
        return None
    added = np.zeros(sizes[-1].picture.shape, np.float32)
    for depth in reversed(range(len(sizes))):
        size, look = sizes[depth], looks[depth]
        sweeps, places = FIRST_SWEEPS, np.argwhere(size.hole)
        if depth < len(sizes) - 1:
            sweeps, offset, added = SWEEPS, _finer(size, offset), _doubled(added, size.hole.shape)
            added[~size.hole] = 0
        drawn = 0.0 if guide is None else DRAWN * min(1.0, guide[..., 0].size / size.hole.size)
        look = size.picture if look is None else look
        level(size.picture, size.hole, places, offset, look, np.float32(drawn), sweeps, added)
    return Copies(np.argwhere(unseen) + offset[unseen], added[unseen])


def _decided(
    size: Size, look: Float32[np.ndarray, "h w 3"] | None, weight: float, most: int, seed: int
) -> Int64[np.ndarray, "h w 2"] | None:
    """The offset of every pixel of a hole, 0 elsewhere; None if there is none for some.

    What no offset reaches is filled after the rest, from the rest.
    """
    picture, left = size.picture.copy(), size.hole.copy()
    offsets = frequent_offsets(_bytes(picture), ~left, most, seed=seed)
    out = np.zeros((*left.shape, 2), np.int64)
    while left.any():
        places = np.argwhere(left)
        shown, able = shown_at(picture, left, offsets, *places.T)
        reached = able.any(0)
        if not reached.any():
            return None
        cost = None
        if look is not None:
            cost = weight * ((shown - look[left])[:, reached] ** 2).sum(2).astype(np.float64)
        part = np.zeros_like(left)
        part[left] = reached
        chosen = offsets[labelled(picture, left, part, offsets, cost)]
        source = tuple((places[reached] + chosen).T)
        out[part] = chosen + out[source]
        picture[part] = picture[source]
        left &= ~part
    return out


def _halved(size: Size) -> Size:
    """Means of what is known of two by two pixels; known is only what is known whole."""
    height, width = size.hole.shape
    edge = (0, height % 2, 0, width % 2)
    known = cv2.copyMakeBorder((~size.hole).astype(np.float32), *edge, cv2.BORDER_REPLICATE)
    picture = cv2.copyMakeBorder(size.picture, *edge, cv2.BORDER_REPLICATE)
    half = (known.shape[1] // 2, known.shape[0] // 2)
    share = cv2.resize(known, half, interpolation=cv2.INTER_AREA)
    total = cv2.resize(picture * known[..., None], half, interpolation=cv2.INTER_AREA)
    return Size(total / np.maximum(share, np.float32(0.25))[..., None], share < 1)


def _resized(guide: UInt8[np.ndarray, "i j 3"], shape: tuple[int, ...]) -> Float32[np.ndarray, "h w 3"]:
    smaller = guide.shape[0] >= shape[0]
    how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return cv2.resize(guide.astype(np.float32), shape[1::-1], interpolation=how)


def _bytes(values: Float32[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _doubled(values: Shaped[np.ndarray, "i j c"], shape: tuple[int, ...]) -> Shaped[np.ndarray, "h w c"]:
    return values.repeat(2, 0).repeat(2, 1)[: shape[0], : shape[1]].copy()


def _finer(size: Size, coarse: Int64[np.ndarray, "i j 2"]) -> Int64[np.ndarray, "h w 2"]:
    """Offsets at twice the size: each fits its surroundings best, and seams are where they are seen least."""
    shape = size.hole.shape
    offset = 2 * _doubled(coarse, shape)
    offset[~size.hole] = 0
    # A picture of an odd size ends within a pixel of the coarser one.
    rows, columns = np.nonzero(size.hole)
    target = np.stack((rows, columns), 1) + offset[size.hole]
    offset[size.hole] += target.clip(0, np.array(shape) - 1) - target
    span = 2 * shape[1]  # of columns, so that one number is an offset
    codes, label = np.unique(offset[size.hole] @ (span, 1), return_inverse=True)
    down = (codes + shape[1]) // span
    unique = np.stack((down, codes - down * span), 1)
    labels = np.full(shape, -1)
    labels[size.hole] = label
    seen = np.zeros((len(unique), 3, 3))
    seen_when_moved(size.picture, size.hole, offset, labels, seen)
    best = seen.reshape(len(unique), 9).argmin(1)
    best[seen[:, 1, 1] <= seen.reshape(len(unique), 9).min(1)] = 4
    offset[size.hole] = (unique + np.stack((best // 3 - 1, best % 3 - 1), 1))[label]
    for move in range(MOVES):
        move_seams(size.picture, size.hole, offset, bool(move % 2))
    return offset
