"""Find crumbs of the thing: a pixel or two of its outline that stand beside a hole that is too narrow.

They are too thin for what `suspects.py` looks at. So a ring around every hole is hole too in the first round, which
carries to it at full size, and what a frame shows there is compared with that. Crumbs stay hole in the rounds that
follow, and are no source meanwhile; the rest of the ring is put back.

What is carried may be wrong itself, beside near things and on water, and is so farther out as well: a crumb contradicts
more than the outer part of the ring does nearby.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import cv2
import numpy as np
from jaxtyping import Bool, Shaped, UInt8

from cleanplate.carry.evidence import foreign_of
from cleanplate.carry.scene import distance_to, factor_of
from cleanplate.carry.shapes import Mask, disc, grown, joined
from cleanplate.carry.trajectories import LinkedFrame, boundary_pixels
from cleanplate.imaging.frame import CARRIED, KNOWN, Effects, Frame, box_around
from cleanplate.imaging.pixels import to_samples
from cleanplate.imaging.slow import slow
from cleanplate.runtime.threads import in_order

# Widths in small pixels (`scene.py`): of the ring, and of its inner part, where crumbs begin.
RING_PX, INNER_PX = 5.0, 2.5
# Of smaller frames a ring is too large a part, and what lies in its outer part too little to tell what is usual.
LEAST_LINES_PX = 128
# A ring may have so many times the pixels of the holes, and this share of the frame: not around every one of a thousand
# drops, of which most of the frame would be made hole.
MOST_TIMES, MOST_SHARE = 4.0, 0.02
# Sigma of what is nearby, in small pixels; of the outer part there must be so much nearby for it to tell.
NEARBY_PX, LEAST_NEARBY = 6.0, 0.02
# A crumb contradicts by so many levels at least, and by so many times what is usual nearby; pixels that touch it and
# contradict by this share of that are of the crumb too. More levels than the last are not more wrong.
LEAST_LEVELS, TIMES, SHARE, MOST_LEVELS = 12.0, 3.0, 0.6, 60.0
# Shares of the outer part: if not so much of it is right, nothing is told; what contradicts more than nearly all of it
# counts. By how much it does, in levels, a mean of the inner part nearby must be more: so many times, and this.
MOST, NEARLY_ALL, MORE, LEAST_BEYOND = 0.8, 0.95, 2.0, 0.3
# So near to crumbs, in small pixels, the outline is as deep as they are: what is alike by chance is not seen.
GAP_PX = 1.5
# By how much what is found is grown: an edge is soft.
EDGE_PX = 1
# Frames that are worked on together; a stream waits for them.
AT_ONCE = 2
# In place of the share of the light, while it is not known whether a pixel is a crumb; of a crumb there is none.
ASKED, NO_LIGHT = np.float16(-2), np.float16(0)


def with_rings(frames: Iterable[LinkedFrame]) -> Iterator[LinkedFrame]:
    """The frames, a ring around their holes made hole, as if the thing had changed it there."""
    return _each(_with_ring, frames)


def without_rings(frames: Iterable[LinkedFrame]) -> Iterator[LinkedFrame]:
    """The frames after a round that has carried to their rings: of these, only crumbs are hole any more."""
    return _each(_without_ring, frames)


def _each(work: Callable[[LinkedFrame], LinkedFrame], frames: Iterable[LinkedFrame]) -> Iterator[LinkedFrame]:
    passing = iter(frames)
    while some := list(islice(passing, AT_ONCE)):
        yield from list(in_order(work, some))


def _with_ring(one: LinkedFrame) -> LinkedFrame:
    frame = one.frame
    hole, factor = _masked(frame), factor_of(frame.size)
    if min(frame.size) < LEAST_LINES_PX or not hole.any():
        return one
    width_px = round(RING_PX * factor)
    box, ring = box_around(hole, width_px), np.zeros(frame.size, bool)
    ring[box] = (distance_to(hole[box]) <= width_px) & ~frame.hole[box]
    count = np.count_nonzero(ring)
    if count > MOST_TIMES * np.count_nonzero(hole) + MOST_SHARE * hole.size:
        return one
    frame.add_effects(ring, np.full((count, 3), ASKED))
    return one.at(boundary_pixels(frame.provenance))


def _without_ring(one: LinkedFrame) -> LinkedFrame:
    frame, effects = one.frame, one.frame.effects
    if effects is None:
        return one
    rows, columns = np.nonzero(effects.where)
    asked = effects.light[:, 0] == ASKED
    crumbs = _crumbs(frame, (rows[asked], columns[asked]), effects.shown[asked])
    stays = ~asked
    stays[asked] = crumbs
    back = rows[~stays], columns[~stays]
    where = effects.where.copy()
    where[back] = False
    frame.picture[back], frame.provenance[back] = effects.shown[~stays], KNOWN
    light = np.where(asked[:, None], NO_LIGHT, effects.light)[stays]
    frame.effects = Effects(where, effects.shown[stays], light) if stays.any() else None
    return one.at(boundary_pixels(frame.provenance))


def _masked(frame: Frame) -> Mask:
    """The holes that somebody wants filled."""
    return frame.hole if frame.unknown is None else frame.hole & ~frame.unknown


def _crumbs(
    frame: Frame, pixels: tuple[np.ndarray, np.ndarray], shown: Shaped[np.ndarray, "n 3"]
) -> Bool[np.ndarray, " n"]:
    """Which pixels of the ring of a frame contradict what was carried to them.

    Args:
        frame: the frame.
        pixels: rows and columns of the ring.
        shown: what the frame shows there.
    """
    ring = np.zeros(frame.size, np.uint8)
    ring[pixels] = 1
    box = box_around(ring, EDGE_PX)
    rows, columns = (side - part.start for side, part in zip(pixels, box, strict=True))
    inside, carried = ring[box].view(bool), frame.picture[box]
    before = carried.copy()
    before[rows, columns] = shown
    hole, reached = _masked(frame)[box] & ~inside, inside & (frame.provenance[box] == CARRIED)
    found = _contradicting(to_samples(before), to_samples(carried), hole, reached, factor_of(frame.size))
    return grown(found, EDGE_PX)[rows, columns]


def _contradicting(
    shown: UInt8[np.ndarray, "h w 3"],
    carried: UInt8[np.ndarray, "h w 3"],
    hole: Bool[np.ndarray, "h w"],
    reached: Bool[np.ndarray, "h w"],
    factor: int,
) -> Mask:
    """Where the inner part of a ring contradicts more than the outer part does nearby.

    Args:
        shown: what the frame shows, in bytes.
        carried: what was carried to the ring; around it, as `shown`.
        hole: what the ring is around.
        reached: the pixels of the ring that something was carried to.
        factor: how many pixels a small one is wide.
    """
    distance = distance_to(hole)
    inner = reached & (distance <= INNER_PX * factor)
    outer = (reached & ~inner).astype(np.float32)
    levels = foreign_of(shown, carried, np.ones(3, np.float32), reached)
    most, nearly_all = np.quantile(levels[outer > 0], (MOST, NEARLY_ALL)) if outer.any() else (np.inf, 0)
    if most > LEAST_LEVELS:  # what is carried is wrong there, or there is nothing to compare with
        return inner & False
    wrong, sigma = np.minimum(levels, MOST_LEVELS) * outer, NEARBY_PX * factor
    told = slow(outer, sigma)
    usual = slow(wrong, sigma) / np.maximum(told, LEAST_NEARBY)
    usual = np.where(told > LEAST_NEARBY, usual, np.float32(wrong.sum() / outer.sum()))
    least = np.maximum(np.float32(max(LEAST_LEVELS, nearly_all)), np.float32(TIMES) * usual)
    beyond = np.clip(levels - least, 0, MOST_LEVELS)
    here = slow(beyond * inner, sigma) / np.maximum(slow(inner.astype(np.float32), sigma), LEAST_NEARBY)
    by_chance = (beyond * outer).sum() / outer.sum()
    strong = inner & (beyond > 0) & (here > LEAST_BEYOND + MORE * by_chance)
    crumbs = joined(reached & (levels > SHARE * least), strong)
    depth = cv2.dilate(distance * crumbs, disc(round(GAP_PX * factor)))
    return crumbs | inner & (distance <= depth)
