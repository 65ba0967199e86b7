"""Fill a hole of a frame with patches of the shot.

What is filled looks like the shot wherever it is looked at closely: every patch that touches the hole is like a known
patch (Wexler, Shechtman & Irani 2007). From coarse to fine, every such patch looks for the known one most like it, in
this frame and in others, and every pixel of the hole becomes a mean of what the patches over it say, the most alike
counting most; this is repeated a few times at every size. In the end every pixel is a copy of one known pixel, that of
the patch over it which fits best: a mean of many would be soft, and look knitted. Only what is slow in it, over some
pixels' width, is that of the mean, and beside the hole of what is known: where copies from different places meet, and
where they meet what is known, there is no seam.

The search is PatchMatch (Barnes et al. 2009): good matches are few and spread to neighbours; the rest is chance.

Letters: t frames of h x w pixels at one level of the pyramid. A place is (frame, row, column).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64, UInt8, UInt64

from cleanplate.carry.shapes import square
from cleanplate.imaging.pull_push import pull_push
from cleanplate.runtime.chance import drawn, seeded
from cleanplate.runtime.compiled import compiled

# The coarsest level is that where no pixel of the hole is farther from what is known, in pixels, unless its frame were
# smaller than the second.
COARSEST_DEPTH_PX, LEAST_PX = 5.0, 24
# Repetitions at the coarsest level, at the next, ...; the last for all finer ones. Sweeps of the search in each, and in
# the very first, which begins with nothing.
REPEATS, SWEEPS, FIRST_SWEEPS = (12, 6, 4, 3), 2, 6
# At the coarsest level so many places are tried anywhere, beside those that PatchMatch tries.
RESTARTS = 2
# A hole's pixel counts so much less for every pixel that it is farther from what is known.
CONFIDENCE = 1.3
# Matches count exp(-d / 2s), d their squared distance, and s that of this quantile; the last time of a level a tenth of
# it: the best nearly alone.
QUANTILE, DECIDED = 0.75, 0.1
# Farther from a patch's middle a pixel is less of it: two hundredths for every two pixels.
OFF_CENTRE = 5
# What is slow: wider than that (sigma).
SLOW_PX = 2.0
FARTHEST = 1 << 60

Picture = UInt8[np.ndarray, "h w 3"]
Pictures = UInt8[np.ndarray, "t h w 3"]
Places = Int32[np.ndarray, "h w 3"]


@dataclass(frozen=True)
class Copies:
    """What the pixels of a hole are made of, row by row."""

    places: Int64[np.ndarray, "n 3"]
    """Picture, row and column of the pixel that each is a copy of."""
    correction: Float32[np.ndarray, "n 3"]
    """In levels of bytes: what is to be added to the copy, so that there are no seams."""


def copies_for_hole(
    pictures: Pictures,
    unseen: Bool[np.ndarray, "t h w"],
    *,
    patch_px: int,
    seed: int,
    guide: UInt8[np.ndarray, "i j 3"] | None = None,
    guide_weight: float = 0.0,
) -> Copies | None:
    """What each pixel of the hole of the first picture is to be made of; None if no known patch is whole.

    Args:
        pictures: the frame to be filled, and others of the shot.
        unseen: what is not known of them, and is never read.
        patch_px: side of a patch, odd.
        seed: of what is tried by chance.
        guide: what the first picture should look like, halved some times; all of it.
        guide_weight: of its colour in the middle of a patch, beside 1 for those of all pixels of the patch.
    """
    pyramid = [(np.ascontiguousarray(pictures), np.ascontiguousarray(unseen))]
    while _halve(pyramid[-1][1][0], guide):
        pyramid.append(_halved(*pyramid[-1]))
    weight = 0.0 if guide is None else guide_weight
    filled = guide = _smooth(pyramid[-1][0][0], pyramid[-1][1][0]) if guide is None else guide
    lows = pyramid[-1][0]
    state = seeded(seed)
    finer: Level | None = None
    for depth, (shown, hidden) in enumerate(reversed(pyramid)):
        size = hidden.shape[1:]
        if depth > 0:
            filled, guide = (_doubled(one, size) for one in (filled, guide))
            lows = np.stack([_doubled(low, size) for low in lows]) if weight else shown
        coarser, finer = finer, Level.of(shown, hidden, filled, (guide, lows), patch_px, weight, state)
        if finer is None:
            filled = np.where(hidden[0, ..., None], filled, shown[0])
            continue
        if coarser is not None:
            finer.begin_with(coarser)
        finer.improve(REPEATS[min(depth, len(REPEATS) - 1)], first=coarser is None)
        filled = finer.filled
    return finer and finer.copies()


def _halve(hole: Bool[np.ndarray, "h w"], guide: UInt8[np.ndarray, "i j 3"] | None) -> bool:
    """Whether there is to be a coarser level than this."""
    if guide is not None:
        return hole.shape[0] > guide.shape[0]
    return min(hole.shape) >= 2 * LEAST_PX and float(_depth(hole).max()) > COARSEST_DEPTH_PX


def _depth(hole: Bool[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """Distance of a hole's pixels from what is known, in pixels."""
    if hole.all():
        return np.full(hole.shape, float(max(hole.shape)), np.float32)
    return cv2.distanceTransform(hole.view(np.uint8), cv2.DIST_L2, 5)


def _halved(
    pictures: Pictures, unseen: Bool[np.ndarray, "t h w"]
) -> tuple[UInt8[np.ndarray, "t i j 3"], Bool[np.ndarray, "t i j"]]:
    """Means of what is known of two by two pixels; known is only what is known whole."""
    each = [_halved_one(*one) for one in zip(pictures, unseen, strict=True)]
    return np.stack([picture for picture, _ in each]), np.stack([hidden for _, hidden in each])


def _halved_one(
    picture: Picture, hidden: Bool[np.ndarray, "h w"]
) -> tuple[UInt8[np.ndarray, "i j 3"], Bool[np.ndarray, "i j"]]:
    edge = (0, hidden.shape[0] % 2, 0, hidden.shape[1] % 2)
    known = cv2.copyMakeBorder((~hidden).astype(np.float32), *edge, cv2.BORDER_REPLICATE)
    picture = cv2.copyMakeBorder(picture, *edge, cv2.BORDER_REPLICATE)
    size = (known.shape[1] // 2, known.shape[0] // 2)
    share = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    total = cv2.resize(picture * known[..., None], size, interpolation=cv2.INTER_AREA)
    return _bytes(total / np.maximum(share, np.float32(0.25))[..., None]), share < 1


def _doubled(picture: UInt8[np.ndarray, "i j 3"], size: tuple[int, ...]) -> Picture:
    height, width = picture.shape[:2]
    large = cv2.resize(picture, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(large[: size[0], : size[1]])


def _smooth(picture: Picture, hole: Bool[np.ndarray, "h w"]) -> Picture:
    return _bytes(pull_push(picture, (~hole).astype(np.float32)))


def _bytes(values: Float32[np.ndarray, "h w 3"]) -> Picture:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


@dataclass
class Level:
    """The pictures at one size, the hole of the first filled for now, and what its patches are alike to."""

    pictures: Pictures
    hole: Bool[np.ndarray, "h w"]
    filled: Picture
    guide: Picture
    """What the first is to look like, and under `lows` what all pictures look like as coarsely."""
    lows: Pictures
    guide_weight: int
    radius: int
    touching: Bool[np.ndarray, "h w"]
    """The middles of patches that touch the hole."""
    able: Bool[np.ndarray, "t h w"]
    """The middles of those that are known whole."""
    known: Int32[np.ndarray, "k 3"]
    """The places of these."""
    confidence: Float32[np.ndarray, "h w"]
    state: UInt64[np.ndarray, "1"]
    """Of the generator of chance."""
    match: Places
    """For every touching patch the known one; -1 where none was looked for yet."""
    distance: Int64[np.ndarray, "h w"]
    """Between them, squared and summed over pixels and colours."""

    @classmethod
    def of(
        cls,
        pictures: Pictures,
        unseen: Bool[np.ndarray, "t h w"],
        filled: Picture,
        guides: tuple[Picture, Pictures],
        patch_px: int,
        guide_weight: float,
        state: UInt64[np.ndarray, "1"],
    ) -> "Level | None":
        """A level; None if no patch is known whole."""
        radius, size = patch_px // 2, unseen.shape[1:]
        whole = np.zeros(size, bool)
        whole[radius : size[0] - radius, radius : size[1] - radius] = True
        grown = np.stack([cv2.dilate(one.view(np.uint8), square(radius)) > 0 for one in unseen])
        able = whole & ~grown
        known = np.argwhere(able).astype(np.int32)
        hole = unseen[0]
        if not len(known) or not (whole & grown[0]).any():
            return None
        return cls(
            pictures,
            hole,
            np.where(hole[..., None], filled, pictures[0]),
            *guides,
            round(guide_weight * patch_px**2),
            radius,
            whole & grown[0],
            able,
            known,
            (CONFIDENCE ** -_depth(hole)).astype(np.float32),
            state,
            np.full((*size, 3), -1, np.int32),
            np.zeros(size, np.int64),
        )

    def begin_with(self, coarser: "Level") -> None:
        """Take what was found at half the size, and vote."""
        row, column = np.nonzero(self.touching)
        height, width = coarser.hole.shape
        half = np.minimum(row // 2, height - 1), np.minimum(column // 2, width - 1)
        theirs = coarser.match[half].astype(np.int64)
        there = np.stack((theirs[:, 0], row + 2 * (theirs[:, 1] - half[0]), column + 2 * (theirs[:, 2] - half[1])), 1)
        inside = (there >= 0).all(1) & (there[:, 1] < self.hole.shape[0]) & (there[:, 2] < self.hole.shape[1])
        inside[inside] = self.able[tuple(there[inside].T)]
        self.match[row[inside], column[inside]] = there[inside]
        self._measure()
        self._vote(decided=False)

    def improve(self, repeats: int, *, first: bool) -> None:
        """Search and vote in turn.

        Args:
            repeats: how often.
            first: whether nothing was found at a coarser level.
        """
        for repeat in range(repeats):
            self._measure()
            for sweep in range(FIRST_SWEEPS if first and not repeat else SWEEPS):
                _search(
                    *self._compared(), self.touching, self.able, self.known, RESTARTS if first else 0, bool(sweep % 2),
                    self.match, self.distance, self.state,
                )  # fmt: skip
            self._vote(decided=repeat == repeats - 1)

    def copies(self) -> Copies:
        """What the hole is to be made of."""
        self._measure()
        # Beside the hole too, where it is known how far off the copies are.
        around = cv2.dilate(self.hole.view(np.uint8), square(self.radius)) > 0
        places = np.zeros((*self.hole.shape, 3), np.int64)
        _best(self.touching, around, self.match, self.distance, self.radius, places)
        self._vote(decided=False)
        off = np.zeros((*self.hole.shape, 3), np.float32)
        off[around] = self.filled[around].astype(np.float32) - self.pictures[tuple(places[around].T)]
        mean, share = (cv2.GaussianBlur(one, (0, 0), SLOW_PX) for one in (off, around.astype(np.float32)))
        return Copies(places[self.hole], mean[self.hole] / share[self.hole, None])

    def _compared(self) -> tuple[Picture, Picture, Pictures, Pictures, int, int]:
        return self.filled, self.guide, self.pictures, self.lows, self.guide_weight, self.radius

    def _measure(self) -> None:
        _measure(*self._compared(), self.touching, self.known, self.match, self.distance, self.state)

    def _vote(self, *, decided: bool) -> None:
        some = self.distance[self.touching]
        spread = (np.quantile(some, QUANTILE) + 1e-3) * (DECIDED if decided else 1)
        weight = np.zeros(self.hole.shape, np.float32)
        weight[self.touching] = np.exp(-some / (2 * spread)) * self.confidence[self.touching] + 1e-12
        _vote(self.filled, self.pictures, self.touching, self.hole, self.match, weight, self.radius)


def frames_to_look_in(count: int, key: int, most: int) -> Sequence[int]:
    """The frame to be filled first, and others spread over the window."""
    spread = np.linspace(0, count - 1, most).round().astype(int).tolist()
    return [key, *dict.fromkeys(number for number in spread if number != key)][:most]


@compiled
@no_type_check
def _apart(filled, guide, picture, low, guide_weight, radius, row, column, to_row, to_column, most):
    """Squared distance of two patches, `most` if it is more."""
    total = 0
    for down in range(-radius, radius + 1):
        here = filled[row + down, column - radius : column + radius + 1].reshape(-1)
        there = picture[to_row + down, to_column - radius : to_column + radius + 1].reshape(-1)
        line = 0
        for index in range(len(here)):
            difference = np.int32(here[index]) - np.int32(there[index])
            line += difference * difference
        total += line
        if total >= most:
            return most
    if guide_weight > 0:
        for channel in range(3):
            difference = np.int64(guide[row, column, channel]) - np.int64(low[to_row, to_column, channel])
            total += guide_weight * difference * difference
    return min(total, most)


@compiled
@no_type_check
def _measure(filled, guide, pictures, lows, guide_weight, radius, touching, known, match, distance, state):
    """How far matches are now; a match at random where there is none."""
    for row in range(touching.shape[0]):
        for column in range(touching.shape[1]):
            if not touching[row, column]:
                continue
            if match[row, column, 0] < 0:
                match[row, column] = known[drawn(state) % len(known)]
            frame, to_row, to_column = match[row, column]
            low = lows[frame]
            distance[row, column] = _apart(
                filled, guide, pictures[frame], low, guide_weight, radius, row, column, to_row, to_column, FARTHEST
            )


@compiled
@no_type_check
def _search(
    filled, guide, pictures, lows, guide_weight, radius, touching, able, known, restarts, backwards, match, distance,
    state,
):  # fmt: skip
    """One sweep: what the neighbours have found, shifted; then chance, ever nearer to the best so far."""
    height, width = touching.shape
    step = -1 if backwards else 1
    for line in range(height):
        row = height - 1 - line if backwards else line
        for place in range(width):
            column = width - 1 - place if backwards else place
            if not touching[row, column]:
                continue
            least = distance[row, column]
            best_frame, best_row, best_column = match[row, column]
            reach, tried = max(height, width), 0
            while reach >= 1 or tried < 2 + restarts:
                if tried < 2:
                    near_row, near_column = (row - step, column) if tried == 0 else (row, column - step)
                    tried += 1
                    if not (0 <= near_row < height and 0 <= near_column < width and touching[near_row, near_column]):
                        continue
                    frame, to_row, to_column = match[near_row, near_column]
                    to_row, to_column = to_row + row - near_row, to_column + column - near_column
                elif tried < 2 + restarts:
                    tried += 1
                    frame, to_row, to_column = known[drawn(state) % len(known)]
                else:
                    frame = best_frame
                    if drawn(state) % 2 == 0:
                        frame = np.int32(drawn(state) % len(pictures))
                    to_row = np.int32(best_row + drawn(state) % (2 * reach + 1) - reach)
                    to_column = np.int32(best_column + drawn(state) % (2 * reach + 1) - reach)
                    reach //= 2
                if not (0 <= to_row < height and 0 <= to_column < width and able[frame, to_row, to_column]):
                    continue
                low = lows[frame]
                apart = _apart(
                    filled, guide, pictures[frame], low, guide_weight, radius, row, column, to_row, to_column, least
                )
                if apart < least:
                    least, best_frame, best_row, best_column = apart, frame, to_row, to_column
            distance[row, column] = least
            match[row, column, 0], match[row, column, 1], match[row, column, 2] = best_frame, best_row, best_column


@compiled
@no_type_check
def _vote(filled, pictures, touching, hole, match, weight, radius):
    """Every pixel of the hole becomes the weighted mean of what the patches over it say."""
    height, width = hole.shape
    total = np.zeros((height, width, 4), np.float32)
    for row in range(height):
        for column in range(width):
            if not touching[row, column]:
                continue
            frame, to_row, to_column = match[row, column]
            counts = weight[row, column]
            for down in range(-radius, radius + 1):
                for right in range(-radius, radius + 1):
                    if hole[row + down, column + right]:
                        said = pictures[frame, to_row + down, to_column + right]
                        out = total[row + down, column + right]
                        for channel in range(3):
                            out[channel] += counts * np.float32(said[channel])
                        out[3] += counts
    for row in range(height):
        for column in range(width):
            if hole[row, column] and total[row, column, 3] > 0:
                for channel in range(3):
                    mean = total[row, column, channel] / total[row, column, 3]
                    filled[row, column, channel] = np.uint8(np.rint(mean))


@compiled
@no_type_check
def _best(touching, hole, match, distance, radius, out):
    """The place of every pixel of the hole in the match over it that fits best."""
    height, width = hole.shape
    for row in range(height):
        for column in range(width):
            if not hole[row, column]:
                continue
            least = np.int64(FARTHEST)
            for down in range(max(-radius, -row), min(radius, height - 1 - row) + 1):
                for right in range(max(-radius, -column), min(radius, width - 1 - column) + 1):
                    if not touching[row + down, column + right]:
                        continue
                    far = distance[row + down, column + right] * (1000 + OFF_CENTRE * (down**2 + right**2)) // 1000
                    if far < least:
                        least = far
                        frame, to_row, to_column = match[row + down, column + right]
                        out[row, column, 0] = frame
                        out[row, column, 1] = to_row - down
                        out[row, column, 2] = to_column - right
