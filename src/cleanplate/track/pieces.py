"""Pieces of overlays: edges that stand still in some frames while what is around them moves, and what they enclose.

Where several windows of frames show the same piece, it is of one thing.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float16, Float32, Int32

from cleanplate.carry.shapes import grown, joined
from cleanplate.track.stillness import FAINT, Still

BLOCK = 8  # frames whose sums are kept
# R of a pixel on the edge of an overlay, at the least, and how much of the way from the scene's (`Still.scene`) to 1;
# of others near it, at the least, and how much more than the scene's.
SEED_R, SEED_SHARE, SEED_LEVELS = 0.55, 0.5, 5.0
WEAK_R, WEAK_MORE, WEAK_LEVELS = 0.3, 0.17, 3.0
MIN_ISOTROPY, TEXT_ISOTROPY = 0.25, 0.4  # edges of one direction only stand still wherever the picture moves along them
JOIN_SHARE = 0.02  # edges closer than this share of the picture's height are of one thing
RING_SHARE = 0.06  # width of its surroundings, which must move, likewise
MAX_RING_R, CALM_RING_R = 0.4, 0.15  # R of the surroundings: nothing is told above the first, all below the other
MIN_STAYS = 0.35  # how many times more it differs along the camera's motion than at the same pixels (`Still.stays`)
MAX_COVER = 0.2  # a thing that covers more of the picture is the scene
FILL_SHARE = 0.02  # a hole of less of the picture than this is a part of the thing
# Where the light stays beside the edges: its spread at most, of that around and in levels; their area in boxes
# of the edges at most; how many times the spread is that beyond; how much of its convex hull it fills.
PLAIN_SHARE, MAX_PLAIN_LEVELS, MAX_PLAIN_BOXES, PLAIN_STEP, MIN_SOLIDITY = 0.35, 6.0, 4, 3.0, 0.85
MIN_CERTAINTY = 0.6

Box = tuple[int, int, int, int]
"""Left, top, width, height."""


@dataclass(frozen=True)
class Piece:
    """What stands still in some of the frames: edges that belong together, in the size that is worked at."""

    first: int
    end: int
    size: tuple[int, int]
    box: Box
    core: Bool[np.ndarray, "b c"]
    """Its edges, in the box."""
    area: Bool[np.ndarray, "b c"]
    """With what they enclose."""
    gradients: Float16[np.ndarray, "2 b c"]
    """m at its edges, times R: what was there for a part of the time hardly counts."""
    certainty: float
    looks_like_text: bool

    @property
    def weight(self) -> float:
        """How much it counts beside others."""
        return (self.end - self.first) * self.certainty

    def laid_out(self) -> tuple[Bool[np.ndarray, "h w"], Bool[np.ndarray, "h w"], Float32[np.ndarray, "2 h w"]]:
        """Edges, area and gradients in the picture."""
        core, area, gradients = np.zeros(self.size, bool), np.zeros(self.size, bool), np.zeros((2, *self.size), "f4")
        left, top, width, height = self.box
        at = slice(top, top + height), slice(left, left + width)
        core[at], area[at], gradients[:, *at] = self.core, self.area, self.gradients
        return core, area, gradients


def piece_of(
    first: int,
    end: int,
    core: Bool[np.ndarray, "h w"],
    area: Bool[np.ndarray, "h w"],
    gradients: Float32[np.ndarray, "2 h w"],
    certainty: float,
    looks_like_text: bool,
) -> Piece:
    """A piece of what is given for the whole picture."""
    left, top, width, height = cv2.boundingRect((core | area).astype(np.uint8))
    at = slice(top, top + height), slice(left, left + width)
    crops = core[at].copy(), area[at].copy(), gradients[:, *at].astype(np.float16)
    return Piece(first, end, core.shape, (left, top, width, height), *crops, certainty, looks_like_text)


def pieces(still: Still, first: int, left_out: Bool[np.ndarray, "h w"]) -> list[Piece]:
    """What stands still in some frames while its surroundings move.

    Args:
        still: of these frames.
        first: the index of the first of them.
        left_out: edges that are known to be something else.
    """
    height = still.energy.shape[0]
    scene = still.scene()
    least, sure = max(WEAK_R, scene + WEAK_MORE), max(SEED_R, scene + SEED_SHARE * (1 - scene))
    weak = (still.steadiness > least) & (still.strength > WEAK_LEVELS) & ~left_out
    seeds = weak & (still.steadiness > sure) & (still.strength > SEED_LEVELS)
    edges = joined(weak, seeds)
    groups, labels = components(grown(edges, at_least_one(JOIN_SHARE * height)))
    return [
        piece
        for index in range(1, groups)
        if (piece := _piece(still, first, edges & (labels == index), seeds, edges)) is not None
    ]


def _piece(
    still: Still,
    first: int,
    core: Bool[np.ndarray, "h w"],
    seeds: Bool[np.ndarray, "h w"],
    edges: Bool[np.ndarray, "h w"],
) -> Piece | None:
    """Edges that belong together, and how sure they are an overlay; None if they are not."""
    height = core.shape[0]
    sure = int((core & seeds).sum())
    near = grown(core, at_least_one(JOIN_SHARE * height))
    if sure < 0.06 * height or near.mean() > MAX_COVER or still.isotropy(core) < MIN_ISOTROPY:
        return None
    if still.stays(core) < MIN_STAYS:
        return None
    ring = grown(near, at_least_one(RING_SHARE * height)) & ~grown(edges, 2)
    squared, energy = (float(one[ring].sum()) for one in still.capped)
    moving = squared / (energy + FAINT * ring.sum() + 1)
    weight = still.strength[core]
    steady = float((still.steadiness[core] * weight).sum() / weight.sum())
    scores = (
        np.clip((MAX_RING_R - moving) / (MAX_RING_R - CALM_RING_R), 0, 1),
        np.clip((steady - 0.45) / 0.2, 0, 1),
        np.clip(sure / (0.15 * height), 0, 1),
    )
    certainty = float(np.prod(scores) ** (1 / 3))
    if certainty < MIN_CERTAINTY:
        return None
    around = float(np.median(still.spread[ring])) if ring.any() else 0.0
    area = filled(core | _plain(core, still.spread, around), still.spread, around)
    gradients = np.stack((still.right, still.down)) * still.steadiness * core
    text = looks_like_text(core, still.strength) and still.isotropy(core) > TEXT_ISOTROPY
    return piece_of(first, first + still.count, core, area, gradients, certainty, text)


def filled(core: Bool[np.ndarray, "h w"], spread: Float32[np.ndarray, "h w"], around: float) -> Bool[np.ndarray, "h w"]:
    """Edges with what is between them: gaps of a stroke, small holes, and larger ones in which less changes.

    Args:
        core: the edges.
        spread: of the light over time.
        around: the same, of what is around them.
    """
    side = 2 * max(1, round(0.008 * core.shape[0])) + 1
    closed = cv2.morphologyEx(core.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(1 - closed, connectivity=4)
    means = np.bincount(labels.ravel(), spread.ravel(), count) / np.maximum(1, stats[:, cv2.CC_STAT_AREA])
    share = stats[:, cv2.CC_STAT_AREA] / core.size
    left, top, right, below = (stats[:, i] for i in (0, 1, 2, 3))
    beyond = (left == 0) | (top == 0) | (left + right == core.shape[1]) | (top + below == core.shape[0])
    inside = ~beyond & ((share < FILL_SHARE) | ((share < MAX_COVER) & (means < 0.5 * around)))
    return (closed > 0) | inside[labels]


def _plain(core: Bool[np.ndarray, "h w"], spread: Float32[np.ndarray, "h w"], around: float) -> Bool[np.ndarray, "h w"]:
    """What hides the moving scene beside the edges, as the disc does that a letter is on: there the light stays."""
    stays = (spread < PLAIN_SHARE * around) & (spread < MAX_PLAIN_LEVELS)
    stays = cv2.morphologyEx(stays.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    count, labels = components(stays)
    hits, sizes = np.bincount(labels[core], minlength=count), np.bincount(labels.ravel(), minlength=count)
    _, _, wide, high = cv2.boundingRect(core.astype(np.uint8))
    belongs = (hits > 0.02 * sizes) & (sizes < MAX_PLAIN_BOXES * wide * high)
    plain = np.zeros_like(core)
    for index in np.flatnonzero(belongs[1:]) + 1:
        region = labels == index
        rim = grown(region, 4) & ~grown(region, 2) & ~core
        # An even part of the scene has no shape of its own, and its spread grows little by little beyond it.
        steep = not rim.any() or np.median(spread[rim]) > PLAIN_STEP * np.median(spread[region])
        if steep and solidity(region) > MIN_SOLIDITY:
            plain |= region
    return plain


def solidity(region: Bool[np.ndarray, "h w"]) -> float:
    """How much of its convex hull a region fills; 0 for one that the picture's border cuts."""
    if region[[0, -1]].any() or region[:, [0, -1]].any():
        return 0.0
    outline = cv2.convexHull(cv2.findNonZero(region.astype(np.uint8)))
    hull = cv2.fillConvexPoly(np.zeros(region.shape, np.uint8), outline, (1,))
    return float(region.sum() / hull.sum())


def looks_like_text(core: Bool[np.ndarray, "h w"], strength: Float32[np.ndarray, "h w"]) -> bool:
    """Whether edges are those of letters in a line or two: many, alike, of high contrast, wider than high."""
    height = core.shape[0]
    _, top, wide, high = cv2.boundingRect(core.astype(np.uint8))
    middle = (top + high / 2) / height
    if not (0.03 * height < high < 0.3 * height and wide > 2 * high and abs(middle - 0.5) > 0.12):
        return False
    columns = core[top : top + high].any(axis=0)
    letters = int((np.diff(columns.astype(np.int8)) == 1).sum())
    count, _, stats, _ = cv2.connectedComponentsWithStats(core.astype(np.uint8))
    specks = int((stats[1:, cv2.CC_STAT_AREA] >= 4).sum()) if count > 1 else 0
    return max(letters, specks) >= 4 and float(np.median(strength[core])) > 10


class Thing:
    """What was found of one thing in windows that follow each other; of the pieces only the best are kept."""

    MOST_PIECES, MIN_CORRELATION = 8, 0.8

    def __init__(self, piece: Piece):
        self.pieces, self.end = [piece], piece.end

    def takes(self, piece: Piece) -> bool:
        """Whether this is of the same thing, and if so, keep it: the same edges at the same pixels."""
        if piece.first > self.end + BLOCK or not self._same(piece, self.pieces[0]):
            return False
        self.end = max(self.end, piece.end)
        self.pieces = sorted([*self.pieces, piece], key=lambda one: -one.weight)[: self.MOST_PIECES]
        return True

    def _same(self, one: Piece, other: Piece) -> bool:
        """Whether the gradients of two pieces are alike at the edges of the smaller of them."""
        (core, _, a), (other_core, _, b) = one.laid_out(), other.laid_out()
        where = core if core.sum() < other_core.sum() else other_core
        a, b = a[:, where], b[:, where]
        return float((a * b).sum()) > self.MIN_CORRELATION * float(np.sqrt((a * a).sum() * (b * b).sum()))

    def united(self) -> "Piece":
        """The piece that has what most windows, weighted by their length and certainty, have, and all of the best."""
        best = self.pieces[0]
        core, area, gradients = best.laid_out()
        for which, own in enumerate((core, area)):
            votes = sum(np.float32(one.weight) * one.laid_out()[which] for one in self.pieces)
            own |= votes > 0.5 * sum(one.weight for one in self.pieces)
        certainty = max(one.certainty for one in self.pieces)
        return piece_of(best.first, best.end, core, area, gradients, certainty, best.looks_like_text)


def components(mask: Bool[np.ndarray, "h w"]) -> tuple[int, Int32[np.ndarray, "h w"]]:
    """How many there are, with what is around them; and the number of that of each pixel."""
    return cv2.connectedComponents(mask.astype(np.uint8))


def at_least_one(length_px: float) -> int:
    """A length in whole pixels."""
    return max(1, round(length_px))
