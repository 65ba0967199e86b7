"""Find what lies over a shot, without a mark: logos, burnt-in text, captions, letterbox bars, dead pixels.

What stands still in the picture while the shot moves is no part of the scene (`stillness`). It is looked for in the
whole shot, in windows of 40 frames for what fades in and out, and in windows of 16 for captions, which must look like
lines of letters as well. In which frames a thing is there is read off the signs of the gradients, which are kept small
for every frame. Where the shot does not move nothing can be told apart, and nothing is found.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Bool, Float16, Float32, Int32, UInt8

from cleanplate.progress import OnStep, tell
from cleanplate.track.stillness import SignHistory, Still, Sums

Kind = Literal["still", "caption"]
Box = tuple[int, int, int, int]
"""Left, top, width, height."""

WORK_PX = 480  # rows, or columns of an upright picture, that are worked on at most
BLOCK, CAPTION_BLOCKS, WINDOW_BLOCKS = 8, 2, 5  # frames whose sums are kept; how many blocks make up a window
MIN_FRAMES = 14  # shorter ones are not told from chance; a caption is shown for 0.7 s at least
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
# What is so far around a dead pixel must move: R at most; and it is round.
SPECK_RING_PX, MAX_SPECK_RING_R, MIN_SPECK_ISOTROPY = (5, 14), 0.3, 0.6
MIN_SIGNS = 6  # so many signs of gradients are needed to say in which frames a thing is there


@dataclass(frozen=True)
class Overlay:
    """Something that lies over a shot."""

    kind: Kind
    """still: a logo, text, bars, dead pixels, dust. caption: text that comes and goes."""
    box: Box
    first: int
    """The first frame that it is in."""
    end: int
    """The first one that it is not in any more."""
    certainty: float
    """0..1."""
    mask: Bool[np.ndarray, "H W"]


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


def find_overlays(frames: Iterable[UInt8[np.ndarray, "H W 3"]], *, on_step: OnStep | None = None) -> list[Overlay]:
    """What lies over the frames of a shot, from the first to appear to the last; empty if nothing does.

    Args:
        frames: RGB. They are read once, and of each only small signs are held.
        on_step: told of every frame.
    """
    return look_for_overlays(frames, on_step=on_step)[0]


def look_for_overlays(
    frames: Iterable[UInt8[np.ndarray, "H W 3"]], *, total: int = 0, on_step: OnStep | None = None
) -> tuple[list[Overlay], bool]:
    """`find_overlays`, and whether the shot moves at all: if not, nothing could be told apart.

    Args:
        frames: RGB.
        total: how many there are, if that is known.
        on_step: told of every frame.
    """
    watch: Watch | None = None
    for index, frame in enumerate(frames):
        watch = watch or Watch(frame.shape[:2])
        watch.add(frame)
        tell(on_step, "look", index + 1, max(total, index + 1))
    return watch.found() if watch else ([], False)


def masks_of(overlays: Sequence[Overlay], length: int) -> Iterator[Bool[np.ndarray, "H W"]]:
    """The mask of each of so many frames: of all overlays that are there."""
    nothing = np.zeros_like(overlays[0].mask)
    for index in range(length):
        there = [one.mask for one in overlays if one.first <= index < one.end]
        yield np.logical_or.reduce(there) if there else nothing


class Watch:
    """What has been seen of a shot so far."""

    def __init__(self, size: tuple[int, int]):
        self.size, scale = size, min(1.0, WORK_PX / min(size))
        self.work = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
        self.count, self.moved = 0, False
        self._total, self._block, self._blocks = Sums(self.work), Sums(self.work), deque[Sums](maxlen=WINDOW_BLOCKS)
        self._full = Sums(size, light=False) if size != self.work else None
        self._specks, self._history = Specks(size), SignHistory(size)
        self._brightest = np.zeros(size, np.uint8)
        self._things: list[Thing] = []

    def add(self, frame: UInt8[np.ndarray, "H W 3"]) -> None:
        """Look at the next frame."""
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        small = grey if self._full is None else cv2.resize(grey, self.work[::-1], interpolation=cv2.INTER_AREA)
        if self._block.count == 0:
            self._block_begins = small.copy()
        self._block.add(small)
        if self._full is not None:
            self._full.add(grey)
        np.maximum(self._brightest, grey, out=self._brightest)
        self._specks.add(frame)
        self._history.add(grey)
        self.count += 1
        if self._block.count == BLOCK:
            self._block.compare(self._block_begins, small)
            self._blocks.append(self._block)
            self._total += self._block
            self._block = Sums(self.work)
            for blocks in (CAPTION_BLOCKS, WINDOW_BLOCKS):
                self._look_at_window(blocks)

    def _look_at_window(self, blocks: int) -> None:
        """Find what stands still in the last frames."""
        if len(self._blocks) < blocks:
            return
        parts = list(self._blocks)[-blocks:]
        still = sum(parts[1:], parts[0]).still()
        if not still.moves():
            return
        self.moved = True
        found = pieces(still, self.count - still.count, self._bar_lines())
        self._take(one for one in found if one.looks_like_text or blocks == WINDOW_BLOCKS)

    def _take(self, found: Iterable[Piece]) -> None:
        """Add pieces to the things that they are of."""
        for piece in found:
            if not any(thing.takes(piece) for thing in self._things):
                self._things.append(Thing(piece))

    def _bar_lines(self) -> Bool[np.ndarray, "h w"]:
        """Where the edges of letterbox bars are, in the size that is worked at: they are no things of their own."""
        edges = cv2.dilate(bars(self._brightest).astype(np.uint8), np.ones((3, 3), np.uint8))
        small = cv2.resize(edges, self.work[::-1], interpolation=cv2.INTER_AREA)
        reach = np.ones((7, 7), np.uint8)
        return (cv2.dilate(small, reach) - cv2.erode(small, reach, borderValue=1)) > 0

    def found(self) -> tuple[list[Overlay], bool]:
        """The overlays, and whether the shot moves."""
        if self.count < MIN_FRAMES:
            return [], False
        still, overlays = (self._total + self._block).still(), list[Overlay]()
        if still.moves():
            self.moved = True
            self._take(pieces(still, 0, self._bar_lines()))
        found = (self._overlay(thing.united()) for thing in self._things)
        overlays += without_doubles([one for one in found if one is not None])
        if still.moves():
            overlays += self._specks_found(still, overlays) + self._bars_found()
        return sorted(overlays, key=lambda one: (one.first, one.box)), self.moved

    def _overlay(self, thing: Piece) -> Overlay | None:
        """A piece with the frames that it is there in, in the size of the frames; None if it is in too few."""
        presence = present(self._history, thing)
        if presence is None:
            return None
        first, end, flatness = presence
        certainty = thing.certainty * min(1.0, flatness)
        comes_and_goes = first > 0 or end < self.count
        if certainty < MIN_CERTAINTY or end - first < MIN_FRAMES:
            return None
        kind: Kind = "caption" if comes_and_goes and thing.looks_like_text else "still"
        return overlay_of(kind, self._at_full_size(thing, end - first), first, end, certainty)

    def _at_full_size(self, thing: Piece, length: int) -> Bool[np.ndarray, "H W"]:
        """The area of a piece in the size of the frames; where it is there for most of them, with its edges there."""
        _, area, _ = thing.laid_out()
        if self._full is None:
            return area
        upscaled = cv2.resize(area.astype(np.uint8), self.size[::-1], interpolation=cv2.INTER_NEAREST)
        if length < 0.6 * self.count:
            return upscaled > 0
        still, side = self._full.still(), 2 * round(self.size[0] / self.work[0]) + 1
        edges = (still.steadiness > WEAK_R) & (still.strength > WEAK_LEVELS) & (upscaled > 0)
        sure = cv2.erode(upscaled, np.ones((side, side), np.uint8)) > 0
        return filled(edges | sure, np.zeros(self.size, np.float32), 0.0)

    def _bars_found(self) -> list[Overlay]:
        """Letterbox bars, as one."""
        mask = bars(self._brightest)
        return [overlay_of("still", mask, 0, self.count, 0.95)] if mask.any() else []

    def _specks_found(self, still: Still, others: Sequence[Overlay]) -> list[Overlay]:
        """Dead pixels, where nothing else was found and the scene moves."""
        taken = dilated(bars(self._brightest), 3)
        for left, top, width, height in (one.box for one in others):
            taken[max(0, top - 4) : top + height + 4, max(0, left - 4) : left + width + 4] = True
        scene = cv2.resize(still.around(SPECK_RING_PX), self.size[::-1], interpolation=cv2.INTER_LINEAR)
        count, labels = components(self._specks.dead() & ~taken)
        spots = [labels == index for index in range(1, count)]
        spots = [spot for spot in spots if scene[spot].mean() < MAX_SPECK_RING_R and self._stays(still, spot)]
        return [overlay_of("still", spot, 0, self.count, 0.9) for spot in spots]

    def _stays(self, still: Still, spot: Bool[np.ndarray, "H W"]) -> bool:
        """Whether a speck does not move with the camera, and is no part of a line."""
        small = cv2.resize(dilated(spot, 1).astype(np.float32), self.work[::-1], interpolation=cv2.INTER_AREA) > 0
        return still.stays(small) > MIN_STAYS and still.isotropy(small) > MIN_SPECK_ISOTROPY


class Specks:
    """How far every pixel is from what is around it, and whether that stays: single pixels that do not work."""

    MAX_PX, MIN_LEVELS, MIN_STEADINESS, AROUND_PX = 12, 12.0, 0.7, 5

    def __init__(self, size: tuple[int, int]):
        self._count, self._sum, self._squares = 0, np.zeros((*size, 3), np.float32), np.zeros((*size, 3), np.float32)

    def add(self, frame: UInt8[np.ndarray, "H W 3"]) -> None:
        """Count a frame."""
        apart = cv2.subtract(frame, cv2.medianBlur(frame, self.AROUND_PX), dtype=cv2.CV_32F)
        self._sum += apart
        self._squares += apart * apart
        self._count += 1

    def dead(self) -> Bool[np.ndarray, "H W"]:
        """Specks of a few pixels that stay what they are."""
        mean, squares = self._sum / self._count, self._squares / self._count
        steady = (np.abs(mean) > self.MIN_LEVELS) & (mean * mean > self.MIN_STEADINESS * squares)
        found = np.asarray(steady.any(axis=2))
        _, labels, stats, _ = cv2.connectedComponentsWithStats(found.astype(np.uint8))
        # A row of them is an edge that stands still: a speck has nothing like it near.
        near = cv2.filter2D(found.astype(np.float32), -1, np.ones((15, 15), np.float32), borderType=cv2.BORDER_CONSTANT)
        small = stats[:, cv2.CC_STAT_AREA] <= self.MAX_PX
        small[0] = False
        return small[np.asarray(labels, np.intp)] & (near <= self.MAX_PX)


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
    count, labels = components(weak)
    seeded = np.bincount(labels[seeds], minlength=count) > 0
    edges = seeded[labels] & weak
    groups, labels = components(dilated(edges, JOIN_SHARE * height))
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
    near = dilated(core, JOIN_SHARE * height)
    if sure < 0.06 * height or near.mean() > MAX_COVER or still.isotropy(core) < MIN_ISOTROPY:
        return None
    if still.stays(core) < MIN_STAYS:
        return None
    ring = dilated(near, RING_SHARE * height) & ~dilated(edges, 2)
    capped = np.float32(400)
    energy = np.minimum(still.energy, capped)[ring].sum()
    moving = float(np.minimum(still.strength**2, capped)[ring].sum() / (energy + 4 * ring.sum() + 1))
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
        rim = dilated(region, 4) & ~dilated(region, 2) & ~core
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


def present(history: SignHistory, thing: Piece) -> tuple[int, int, float] | None:
    """In which frames a thing is there: first, end, and how even it is between; None if that cannot be told.

    A thing over the picture is there or not; a piece of the scene that moves on slowly is less and less there.
    """
    core, _, _ = thing.laid_out()
    where = cv2.resize(core.astype(np.float32), history.size[::-1], interpolation=cv2.INTER_AREA) > 0.2
    y, x = np.nonzero(where)
    if not len(y):
        return None
    template = np.mean([history.signs(index)[:, y, x] for index in range(thing.first, thing.end)], axis=0)
    template = np.sign(template) * (np.abs(template) > 0.5)
    if np.abs(template).sum() < MIN_SIGNS:
        return None
    scores = [(history.signs(index)[:, y, x] * template).sum() for index in range(len(history))]
    score = cv2.medianBlur(np.array(scores, np.float32)[:, None], 5).ravel() / np.abs(template).sum()
    level = float(np.quantile(score[thing.first : thing.end], 0.7))
    middle = thing.first + int(np.argmax(score[thing.first : thing.end]))
    first, end = _run(score > 0.5 * level, middle)
    return first, end, float(score[first:end].mean() / max(level, 1e-6))


def _run(there: Bool[np.ndarray, " n"], middle: int, gap: int = 3) -> tuple[int, int]:
    """The first and end of a run of frames around one, with short gaps."""
    first, end = middle, middle + 1
    while there[max(0, first - gap) : first].any():
        first = max(0, first - gap) + int(np.argmax(there[max(0, first - gap) : first]))
    while there[end : end + gap].any():
        end = end + gap - int(np.argmax(there[end : end + gap][::-1])) if end + gap <= len(there) else len(there)
    return (0 if first <= gap else first), (len(there) if end >= len(there) - gap else end)


def bars(brightest: UInt8[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """Letterbox and pillarbox bars: rows and columns at the border that are never lit, and end in a straight line.

    Args:
        brightest: the most light that every pixel has had.
    """
    mask = np.zeros(brightest.shape, bool)
    for turns in range(4):
        mask |= np.rot90(_bar_above(np.rot90(brightest, turns)), -turns)
    return mask


def _bar_above(brightest: UInt8[np.ndarray, "H W"], black: float = 40, jump: float = 20) -> Bool[np.ndarray, "H W"]:
    """The bar at the upper border."""
    mask = np.zeros(brightest.shape, bool)
    dark = np.quantile(brightest, 0.7, axis=1) <= black
    rows = len(dark) if dark.all() else int(np.argmin(dark))
    if not 2 <= rows <= 0.4 * len(dark) or rows + 3 > len(dark):
        return mask
    above, beyond = brightest[: max(1, rows - 3)].astype(np.float32), brightest[rows + 2].astype(np.float32)
    if (beyond - above.max(0) > jump).mean() > 0.7 and float(np.quantile(above, 0.7) - np.quantile(above, 0.1)) < 16:
        mask[:rows] = True
    return mask


def without_doubles(found: Sequence[Overlay]) -> list[Overlay]:
    """Those that do not lie within one that is surer, or there for longer, in all of their frames."""
    kept: list[Overlay] = []
    for one in sorted(found, key=lambda one: -(one.end - one.first) * one.certainty):
        inside = (
            other.first <= one.first + BLOCK
            and one.end <= other.end + BLOCK
            and (one.mask & other.mask).sum() > 0.5 * one.mask.sum()
            for other in kept
        )
        if not any(inside):
            kept.append(one)
    return kept


def overlay_of(kind: Kind, mask: Bool[np.ndarray, "H W"], first: int, end: int, certainty: float) -> Overlay:
    """An overlay with the box that its mask has."""
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return Overlay(kind, (left, top, width, height), first, end, round(certainty, 2), mask)


def dilated(mask: Bool[np.ndarray, "h w"], radius_px: float) -> Bool[np.ndarray, "h w"]:
    """All that is within so many pixels of it."""
    side = 2 * max(1, round(radius_px)) + 1
    return cv2.dilate(mask.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))) > 0


def components(mask: Bool[np.ndarray, "h w"]) -> tuple[int, Int32[np.ndarray, "h w"]]:
    """How many there are, with what is around them; and the number of that of each pixel."""
    return cv2.connectedComponents(mask.astype(np.uint8))
