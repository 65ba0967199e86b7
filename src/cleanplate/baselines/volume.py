"""A clip as a volume of space and time whose hole is filled with patches of it: what patch-based rivals do at a level.

The search is PatchMatch (Barnes et al. 2009) in three dimensions. A place is (frame, row, column).
"""

from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Bool, Int16, Int64, Integer, Shaped, UInt8

from cleanplate.baselines.pyramid import ABSENT, HOLE, KNOWN, Colours, Features, NothingKnown, States
from cleanplate.carry.shapes import square
from cleanplate.runtime.chance import drawn, seeded
from cleanplate.runtime.compiled import compiled

RADIUS = 2
"""Of patches, in pixels, and in frames if nothing else is said: 5 x 5 x 5."""
# Patches count exp(-d / 2s), d their squared distance, and s that of three quarters of those over a pixel.
QUANTILE = 0.75
FARTHEST = 1 << 60

Steps = Int16[np.ndarray, "t h w 2 2"]


class Volume:
    """A volume at one size, the matches of its patches, and what is filled so far."""

    def __init__(
        self,
        colours: Colours,
        state: States,
        features: Features,
        feature_weight: float,
        *,
        seed: int,
        reach_frames: int = RADIUS,
    ) -> None:
        """Nothing is filled, nothing looked for.

        Args:
            colours: in the hole they are of no account.
            state: KNOWN, HOLE or ABSENT.
            features: what patches are compared by beside colours (`textures_of`, or motion); filled as colours are.
            feature_weight: of their squared differences, beside those of colours.
            seed: of what is tried by chance.
            reach_frames: of a patch, before its middle frame and after it.

        Raises:
            NothingKnown: no patch is known whole.
        """
        # A rim that is in no frame: no patch leaves the arrays. A clip shorter than a patch has shorter ones.
        self.radii = (min(reach_frames, (len(state) - 1) // 2), RADIUS, RADIUS)
        self.rim = [(radius, radius) for radius in self.radii]
        self.feature_scale = feature_weight**0.5
        values = np.concatenate((colours, np.rint(features * self.feature_scale)), -1).astype(np.int16)
        self.values: Int16[np.ndarray, "t h w 5"] = np.pad(values, [*self.rim, (0, 0)])
        self.state: States = np.pad(state, self.rim, constant_values=ABSENT)
        self.there = self.state == KNOWN
        """What is known, or filled so far."""
        self.filling = np.zeros(self.state.shape, bool)
        """What is filled next."""
        self.able = ~self._any_near(self.state != KNOWN)
        self.known = np.argwhere(self.able).astype(np.int32)
        if not len(self.known):
            raise NothingKnown
        self.places = np.argwhere(self._any_near(self.state == HOLE) & (self.state != ABSENT)).astype(np.int32)
        """The middles of all patches that touch the hole, in order."""
        self.number = np.full(self.state.shape, -1, np.int32)
        """Of the patch with its middle there; -1 if that does not touch the hole."""
        self.number[tuple(self.places.T)] = np.arange(len(self.places))
        self.match = np.full(self.places.shape, -1, np.int32)
        """For every patch a known one; -1 where none was looked for yet."""
        self.distance = np.zeros(len(self.places), np.int64)
        """Between them: squared differences of all that is there, summed."""
        self.chance = seeded(seed)
        self.steps: Steps = np.zeros((0, 0, 0, 2, 2), np.int16)
        """How many rows and columns each voxel moves to the frame before and to the next; nothing moves if empty."""

    def colours(self, number: int) -> UInt8[np.ndarray, "h w 3"]:
        """Of a frame, as far as it is filled."""
        return self._inside(self.values)[number, ..., :3].astype(np.uint8)

    def all_colours(self) -> Colours:
        """Of all frames, as far as they are filled."""
        return self._inside(self.values)[..., :3].astype(np.uint8)

    def fill(self, colours: Colours, features: Features, steps: Steps) -> None:
        """Give the hole these colours and features, and all of it this motion (`steps`)."""
        values, hole = self._inside(self.values), self._inside(self.state) == HOLE
        values[hole, :3] = colours[hole]
        values[hole, 3:] = np.rint(features[hole] * self.feature_scale)
        self.steps = np.pad(steps, [*self.rim, (0, 0), (0, 0)])

    def take_as_there(self, filled: Bool[np.ndarray, "t i j"]) -> None:
        """Take a part of the hole as filled: `next_layer` goes on from its border too."""
        self._inside(self.there)[filled] = True

    def next_layer(self) -> bool:
        """Take what touches what is there as what is filled next; false if all is there."""
        if self.filling.any():
            self.there |= self.filling
        left = (self.state == HOLE) & ~self.there
        touching = left & _near(self.there, (1, 1, 1))
        self.filling = touching if touching.any() else left
        return bool(left.any())

    def fill_all(self) -> None:
        """Take all of the hole as what is filled next, again."""
        self.filling = self.state == HOLE
        self.there = self.state != ABSENT

    def begin_with(self, coarser: "Volume") -> None:
        """Take what was found and filled at half the size, and fill all with it."""
        self.fill_all()
        half = self._halved(self.places, coarser)
        number = coarser.number[tuple(half.T)]
        there = self.places + (coarser.match[number] - half) * (1, 2, 2)
        found = (number >= 0) & ((there >= 0) & (there < self.state.shape)).all(1)
        found[found] = self.able[tuple(there[found].T)]
        self.match[found] = there[found]
        hole = np.argwhere(self.filling)
        self.values[tuple(hole.T)] = coarser.values[tuple(self._halved(hole, coarser).T)]
        self._measure()

    def search(self, sweeps: int) -> None:
        """Look for nearer patches, for all that touch what is filled next."""
        active = self._measure()
        for sweep in range(sweeps):
            _search(
                self.values, self.there, self.places, active, self.number, self.able, self.steps, self.radii,
                bool(sweep % 2), self.match, self.distance, self.chance,
            )  # fmt: skip

    def reconstruct(self, *, decided: bool = False) -> float:
        """Fill what is to be filled next.

        Args:
            decided: with a copy of the patch that fits best, not a mean of all.

        Returns:
            By how much a colour has changed in the mean.
        """
        self._measure()
        before = self.values[self.filling][:, :3]
        _reconstruct(
            self.values, self.there | self.filling, self.filling, self.number, self.match,
            self.distance / np.maximum(self._count(), 1), self.radii, QUANTILE, decided,
        )  # fmt: skip
        return float(np.abs(self.values[self.filling][:, :3] - before).mean())

    def _measure(self) -> Bool[np.ndarray, " n"]:
        """How far matches are now, of the patches that touch what is filled next; which these are."""
        active = self._any_near(self.filling)[tuple(self.places.T)]
        _measure(
            self.values, self.there, self.places, active, self.known, self.radii, self.match, self.distance,
            self.chance,
        )  # fmt: skip
        return active

    def _count(self) -> Int64[np.ndarray, " n"]:
        """How many voxels of each patch are there."""
        sums = self.there.astype(np.int64)
        for axis, radius in enumerate(self.radii):
            sums = np.sum([np.roll(sums, step, axis) for step in range(-radius, radius + 1)], axis=0)
        return sums[tuple(self.places.T)]

    def _halved(self, places: Integer[np.ndarray, "k 3"], coarser: "Volume") -> Integer[np.ndarray, "k 3"]:
        """Where these are at half the size."""
        rim = np.array(self.radii)
        return np.minimum((places - rim) // (1, 2, 2), np.array(coarser.state.shape) - 2 * rim - 1) + rim

    def _inside(self, values: Shaped[np.ndarray, "t h w *C"]) -> Shaped[np.ndarray, "i j k *C"]:
        """Without the rim, as a view."""
        sides = zip(self.radii, self.state.shape, strict=True)
        return values[tuple(slice(radius, size - radius) for radius, size in sides)]

    def _any_near(self, voxels: Bool[np.ndarray, "t h w"]) -> Bool[np.ndarray, "t h w"]:
        return _near(voxels, self.radii)


def _near(voxels: Bool[np.ndarray, "t h w"], radii: tuple[int, int, int]) -> Bool[np.ndarray, "t h w"]:
    """What has one of these voxels in a box of these radii around it; beyond the arrays there is none."""
    flat = np.stack([cv2.dilate(one.view(np.uint8), square(radii[1])) > 0 for one in voxels])
    out = flat.copy()
    for step in range(1, radii[0] + 1):
        out[step:] |= flat[:-step]
        out[:-step] |= flat[step:]
    return out


@compiled
@no_type_check
def _apart(values, there, place, to, radii, most):
    """Squared distance of a patch, as far as it is there, to a known one; `most` if it is more."""
    total, across = 0, radii[2]
    rows, columns = there.shape[1], there.shape[2]
    flat, flat_there = values.reshape(-1), there.reshape(-1)  # a patch's line is one run of numbers
    for later in range(-radii[0], radii[0] + 1):
        for down in range(-radii[1], radii[1] + 1):
            here = ((place[0] + later) * rows + place[1] + down) * columns + place[2] - across
            other = ((to[0] + later) * rows + to[1] + down) * columns + to[2] - across
            line = 0
            for pixel in range(2 * across + 1):
                if flat_there[here + pixel]:
                    for channel in range(5):
                        index, to_index = 5 * (here + pixel) + channel, 5 * (other + pixel) + channel
                        difference = np.int32(flat[index]) - np.int32(flat[to_index])
                        line += difference * difference
            total += line
            if total >= most:
                return most
    return total


@compiled
@no_type_check
def _measure(values, there, places, active, known, radii, match, distance, chance):
    """How far matches are now; a match at random where there is none."""
    for index in range(len(places)):
        if active[index]:
            if match[index, 0] < 0:
                match[index] = known[drawn(chance) % len(known)]
            distance[index] = _apart(values, there, places[index], match[index], radii, FARTHEST)


@compiled
@no_type_check
def _search(values, there, places, active, number, able, steps, radii, backwards, match, distance, chance):
    """One sweep: what the neighbours have found, shifted; then chance, ever nearer to the best so far.

    The neighbour in time is where what is there moves to, and what it has found is followed as it moves.
    """
    size = able.shape
    farthest = max(size[0], size[1], size[2])
    step = -1 if backwards else 1
    best, to, before = np.empty(3, np.int64), np.empty(3, np.int64), np.empty(3, np.int64)
    for turn in range(len(places)):
        index = len(places) - 1 - turn if backwards else turn
        if not active[index]:
            continue
        place, least = places[index], distance[index]
        best[:] = match[index]
        reach, tried = farthest, 0
        while reach >= 1:
            if tried < 3:
                before[:] = place
                before[tried] -= step
                in_time = tried == 0 and len(steps) > 0
                if in_time:
                    before[1] += steps[place[0], place[1], place[2], int(backwards), 0]
                    before[2] += steps[place[0], place[1], place[2], int(backwards), 1]
                tried += 1
                if not (0 <= before[0] < size[0] and 0 <= before[1] < size[1] and 0 <= before[2] < size[2]):
                    continue
                near = number[before[0], before[1], before[2]]
                if near < 0 or not active[near]:
                    continue
                if in_time:
                    to[:] = match[near]
                    on = steps[to[0], to[1], to[2], 1 - int(backwards)]
                    to[0] += step
                    to[1] += on[0]
                    to[2] += on[1]
                else:
                    for axis in range(3):
                        to[axis] = match[near, axis] + place[axis] - before[axis]
            else:
                for axis in range(3):
                    to[axis] = best[axis] + drawn(chance) % (2 * reach + 1) - reach
                to[0] = min(max(to[0], radii[0]), size[0] - 1 - radii[0])
                reach //= 2
            if not (0 <= to[0] < size[0] and 0 <= to[1] < size[1] and 0 <= to[2] < size[2]):
                continue
            if not able[to[0], to[1], to[2]]:
                continue
            apart = _apart(values, there, place, to, radii, least)
            if apart < least:
                least = apart
                best[:] = to
        distance[index] = least
        match[index] = best


@compiled
@no_type_check
def _reconstruct(values, usable, filling, number, match, distance, radii, quantile, decided):
    """Every voxel that is filled becomes the weighted mean of what the patches over it say, or what the best says."""
    size = filling.shape
    most = (2 * radii[0] + 1) * (2 * radii[1] + 1) * (2 * radii[2] + 1)
    far, said = np.empty(most, np.float64), np.empty((most, 5), np.float64)
    for first in range(size[0]):
        for row in range(size[1]):
            for column in range(size[2]):
                if not filling[first, row, column]:
                    continue
                count = 0
                for later in range(-radii[0], radii[0] + 1):
                    for down in range(-radii[1], radii[1] + 1):
                        for right in range(-radii[2], radii[2] + 1):
                            near = number[first + later, row + down, column + right]
                            if near < 0 or not usable[first + later, row + down, column + right]:
                                continue
                            to = match[near]
                            far[count] = distance[near]
                            said[count] = values[to[0] - later, to[1] - down, to[2] - right]
                            count += 1
                spread = np.sort(far[:count])[int(quantile * (count - 1))] + 1e-6
                least = far[:count].min()
                total = 0.0
                mean = np.zeros(5, np.float64)
                for index in range(count):
                    weight = 1.0 if far[index] == least else 0.0
                    if not decided:
                        # From the least on: the same shares, and never nothing.
                        weight = np.exp((least - far[index]) / (2 * spread))
                    total += weight
                    mean += weight * said[index]
                    if decided and weight > 0:
                        break
                for channel in range(5):
                    values[first, row, column, channel] = np.int16(np.rint(mean[channel] / total))
