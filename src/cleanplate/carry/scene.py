"""A window of frames, small, and where the places of one of them are in the others.

A *place* is a point of the scene, not of the picture: it is followed from frame to frame along the motion that was
fitted around the holes, and on through what is known, as far as the shot goes. What many frames show of a place is what
`consensus.py` asks for.

Small pictures are (h, w, 3) bytes, `factor` times smaller than the frames; positions are of their pixels.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from cleanplate.carry.fields import NO_CAMERA, Cells, Field
from cleanplate.carry.gather import NODE_PX, colours_at, shares_at, step
from cleanplate.carry.motion import Motion, added
from cleanplate.imaging.frame import Frame
from cleanplate.imaging.pixels import to_samples

# Shorter side of a small picture, at most.
WORK_PX = 270
# So many other frames are enough.
ENOUGH = 12

Grid = Float32[np.ndarray, "h w"]
Offsets = Sequence[int]
Box = tuple[slice, slice]
"""Rows and columns."""


@dataclass(frozen=True)
class Small:
    """A frame, as small as it is looked at."""

    index: int
    picture: UInt8[np.ndarray, "h w 3"]
    hole: Bool[np.ndarray, "h w"]
    distance: UInt8[np.ndarray, "h w"]
    """From the hole, in pixels; 255 is far."""


def factor_of(size: tuple[int, int]) -> int:
    """How many times smaller frames of that (height, width) are looked at."""
    return max(1, round(min(size) / WORK_PX))


def small_of(frame: Frame, factor: int, *, rim: bool = False) -> Small:
    """A frame that is `factor` times smaller.

    Args:
        frame: at its size.
        factor: how many times smaller.
        rim: whether a pixel that is partly hole is what is known of it. Otherwise it is hole, with what that holds.
    """
    picture = to_samples(frame.picture)
    hole = frame.hole.view(np.uint8)
    if factor == 1:
        return Small(frame.index, picture, hole > 0, distance_to(hole > 0))
    height, width = -(-hole.shape[0] // factor), -(-hole.shape[1] // factor)
    edge = (0, height * factor - hole.shape[0], 0, width * factor - hole.shape[1])
    large, hole = (cv2.copyMakeBorder(one, *edge, cv2.BORDER_REPLICATE) for one in (picture, hole))
    picture = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)
    known = 1 - cv2.resize(hole.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    small = known < (LEAST_KNOWN if rim else 1)
    if rim:
        at = np.nonzero(~small & (known < 1))
        colours, weights = (
            one.reshape(height, factor, width, factor, -1)[at[0], :, at[1]] for one in (large, 1 - hole)
        )
        picture[at] = np.rint((colours * weights).sum((1, 2)) / weights.sum((1, 2), dtype=np.float32))
    return Small(frame.index, picture, small, distance_to(small))


# Share of a small pixel that must be known.
LEAST_KNOWN = 0.25


def halved(small: Small) -> Small:
    """The same frame at half the size."""
    picture, hole = (halved_picture(one) for one in (small.picture, small.hole.astype(np.uint8) * 255))
    return Small(small.index, picture, hole > 0, distance_to(hole > 0))


def halved_picture(picture: UInt8[np.ndarray, "h w *c"]) -> UInt8[np.ndarray, "i j *c"]:
    """Means of two by two pixels; an odd edge is repeated."""
    height, width = picture.shape[:2]
    picture = cv2.copyMakeBorder(picture, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return cv2.resize(picture, (picture.shape[1] // 2, picture.shape[0] // 2), interpolation=cv2.INTER_AREA)


def distance_to(mask: Bool[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """Of every pixel, from what is marked, in pixels; 255 is as far or farther."""
    if not mask.any():
        return np.full(mask.shape, 255, np.uint8)
    distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3)
    return np.minimum(np.ceil(distance), 255).astype(np.uint8)


class Steps:
    """From the places of a frame to where they are in the next, anywhere: a fitted field, in small pixels."""

    def __init__(self, field: Field, parallax: Cells | None, corner: tuple[int, int], factor: int):
        top, left = corner
        # From small pixels to those of the field's window, and back: a scale and a shift.
        self.scale, self.left, self.top = factor, (factor - 1) / 2 - float(left), (factor - 1) / 2 - float(top)
        self.camera = NO_CAMERA if field.camera is None else field.camera
        rest = Cells(np.ascontiguousarray(field.rest.values[..., :2]), field.rest.cell_px)
        if parallax is not None:
            rest = added(rest, parallax)
        self.cell_px = rest.sides_px
        self.rest = rest.values

    def __call__(self, x: Grid, y: Grid) -> tuple[Grid, Grid]:
        """Where these positions are in the next frame."""
        out = np.empty((2, *x.shape), np.float32)
        step(x, y, self.camera, self.rest, self.cell_px, float(self.scale), self.left, self.top, out)
        return out[0], out[1]


class Scene:
    """Small frames that follow each other, and the motion between neighbours; None over a cut."""

    def __init__(self, smalls: Sequence[Small], motions: Sequence[Motion | None], factor: int):
        self.smalls, self.motions, self.factor = smalls, motions, factor
        parallax = [(None, None) if motion is None else motion.parallax or (None, None) for motion in motions]
        both = list(zip(motions, parallax, strict=True))
        self.forward = [one and Steps(one.there, there, one.corner, factor) for one, (there, _) in both]
        self.backward = [one and Steps(one.back, back, one.corner, factor) for one, (_, back) in both]

    @cached_property
    def centres(self) -> list[tuple[float, float] | None]:
        """X and y of the middle of each hole."""
        return [_centre(small.hole) for small in self.smalls]

    @cached_property
    def sources(self) -> UInt8[np.ndarray, "t h w 4"]:
        """What all frames show, and how far each pixel is from what is no source."""
        return np.stack([cv2.merge((small.picture, small.distance)) for small in self.smalls])

    def without(self, barred: Sequence[Bool[np.ndarray, "h w"] | None]) -> "Scene":
        """The same, but what is marked in each frame is no source."""
        other = copy(self)
        other.sources = self.sources.copy()
        for source, mask in zip(other.sources, barred, strict=True):
            if mask is not None:
                source[..., 3][mask] = 0
        return other

    def halved(self) -> "Scene":
        """The same at half the size."""
        return Scene([halved(small) for small in self.smalls], self.motions, 2 * self.factor)

    def end(self, number: int, way: int) -> int:
        """How many frames the shot goes on in one direction."""
        count = 0
        while 0 <= (there := number + way * (count + 1)) < len(self.smalls):
            if (self.forward if way > 0 else self.backward)[min(there, there - way)] is None:
                break
            count += 1
        return count

    def around(self, number: int, count: int) -> slice:
        """So many frames before and after one, as far as the shot goes."""
        before, after = (min(count, self.end(number, way)) for way in (-1, 1))
        return slice(number - before, number + after + 1)

    def places(self, number: int, offsets: Offsets, box: Box, *, between: Offsets = ()) -> "Places":
        """Where the pixels in a box of one frame are in others.

        Args:
            number: of the frame in this window.
            offsets: which others, in frames; each is looked for before and after, as far as the shot goes. Its ends
                stand for those beyond them.
            box: rows and columns.
            between: further offsets, the most wanted first, for a shot that is too short for so many.
        """
        rows, columns = box
        y, x = (np.arange(side.start, side.stop + NODE_PX, NODE_PX, dtype=np.float32) for side in (rows, columns))
        nodes = np.meshgrid(x, y)
        ends = {way: self.end(number, way) for way in (1, -1)}
        asked = {way * min(offset, ends[way]) for way in (1, -1) for offset in offsets} - {0}
        more = [way * offset for offset in between for way in (1, -1) if offset < ends[way]]
        asked.update(more[: max(0, ENOUGH - len(asked))])
        moved: dict[int, Float32[np.ndarray, "r c 2"]] = {}
        for way in (1, -1):
            here, (x, y) = number, nodes
            for count in range(1, max((way * offset for offset in asked), default=0) + 1):
                steps = self.forward[here] if way > 0 else self.backward[here - 1]
                assert steps is not None  # `end` stops before a cut
                (x, y), here = steps(x, y), here + way
                if way * count in asked:
                    moved[way * count] = np.stack((x - nodes[0], y - nodes[1]), -1)
        return Places(box, moved)


def _centre(hole: Bool[np.ndarray, "h w"]) -> tuple[float, float] | None:
    """X and y of the middle of a hole."""
    y, x = np.nonzero(hole)
    return (float(x.mean()), float(y.mean())) if len(x) else None


@dataclass(frozen=True)
class Places:
    """Where the pixels in a box of a frame are in others."""

    box: Box
    moved: Mapping[int, Float32[np.ndarray, "r c 2"]]
    """By how many frames later the other is: how far they have moved, at nodes."""

    def colours(self, scene: Scene, number: int) -> UInt8[np.ndarray, "n i j 4"]:
        """What the others show of the pixels in the box, in the order of `moved`; see `Scene.sources`.

        Args:
            scene: the window.
            number: of the frame in it.
        """
        return colours_at(scene.sources, *self._read(number, list(self.moved)))

    def shares(self, marks: UInt8[np.ndarray, "t H W 2"], number: int, offsets: Offsets) -> tuple[Grid, Grid]:
        """In how many of some others what is at the place is marked, and how many have told; see `shares_at`."""
        return shares_at(marks, *self._read(number, offsets))

    def only(self, offsets: Offsets) -> "Places":
        """The same in some of the others."""
        return Places(self.box, {offset: self.moved[offset] for offset in offsets})

    def within(self, box: Box) -> "Places":
        """The same of what the box has in common with another, and up to a node around it."""
        rows, columns = (
            slice(side.start + max(0, part.start - side.start) // NODE_PX * NODE_PX, min(side.stop, part.stop))
            for side, part in zip(self.box, box, strict=True)
        )
        top, left = ((part.start - side.start) // NODE_PX for side, part in zip(self.box, (rows, columns), strict=True))
        return Places((rows, columns), {offset: one[top:, left:] for offset, one in self.moved.items()})

    def _read(self, number: int, offsets: Offsets) -> tuple[np.ndarray, np.ndarray, tuple[int, int], tuple[int, int]]:
        rows, columns = self.box
        moved = np.stack([self.moved[offset] for offset in offsets])
        size = rows.stop - rows.start, columns.stop - columns.start
        return number + np.asarray(offsets), moved, (rows.start, columns.start), size

    def at(self, offset: int) -> tuple[Grid, Grid]:
        """The x and the y of every pixel in the box in the frame that is so many later."""
        rows, columns = self.box
        x, y = np.meshgrid(
            np.arange(columns.stop - columns.start, dtype=np.float32),
            np.arange(rows.stop - rows.start, dtype=np.float32),
        )
        return self.of(offset, x + columns.start, y + rows.start)

    def of(self, offset: int, x: Grid, y: Grid) -> tuple[Grid, Grid]:
        """The same of some positions in the box; any array of them has its x and y in two dimensions."""
        rows, columns = self.box
        at = ((x - columns.start) / NODE_PX, (y - rows.start) / NODE_PX)
        moved = cv2.remap(self.moved[offset], *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return x + moved[..., 0], y + moved[..., 1]
