"""A window of frames, small, and where the places of one of them are in the others.

A *place* is a point of the scene, not of the picture: it is followed from frame to frame along the motion that was
fitted around the holes, and on through what is known, as far as the shot goes. What many frames show of a place is what
`consensus.py` asks for.

Small pictures are (h, w, 3) bytes, `factor` times smaller than the frames; positions are of their pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from cleanplate.carry.motion import Field, Motion
from cleanplate.imaging.frame import Frame
from cleanplate.imaging.pixels import narrow, to_samples

# Shorter side of a small picture, at most.
WORK_PX = 270
# Motion is smooth: it is followed at nodes so far apart, in pixels of the small picture.
NODE_PX = 8
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


def small_of(frame: Frame, factor: int) -> Small:
    """A frame that is `factor` times smaller. What is partly hole is hole."""
    picture = narrow(to_samples(frame.picture))
    hole = frame.hole[0].cpu().numpy().view(np.uint8)
    if factor > 1:
        height, width = -(-hole.shape[0] // factor), -(-hole.shape[1] // factor)
        edge = (0, height * factor - hole.shape[0], 0, width * factor - hole.shape[1])
        picture = cv2.copyMakeBorder(picture, *edge, cv2.BORDER_REPLICATE)
        hole = cv2.copyMakeBorder(hole, *edge, cv2.BORDER_REPLICATE)
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        hole = cv2.resize(hole * 255, (width, height), interpolation=cv2.INTER_AREA) > 0
    hole = hole > 0
    return Small(frame.index, picture, hole, distance_to(hole))


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

    def __init__(self, field: Field, corner: tuple[int, int], factor: int):
        top, left = corner
        # From small pixels to those of the field's window, and back: a scale and a shift.
        self.scale, self.left, self.top = factor, (factor - 1) / 2 - left, (factor - 1) / 2 - top
        self.camera = None if field.camera is None else field.camera.double().cpu().numpy()
        self.cell_px = field.rest.cell_px
        self.rest = np.ascontiguousarray(field.rest.values[:2].permute(1, 2, 0).cpu().numpy())

    def __call__(self, x: Grid, y: Grid) -> tuple[Grid, Grid]:
        """Where these positions are in the next frame."""
        x, y = x * self.scale + self.left, y * self.scale + self.top
        at = (((x + 0.5) / self.cell_px - 0.5).astype(np.float32), ((y + 0.5) / self.cell_px - 0.5).astype(np.float32))
        rest = cv2.remap(self.rest, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        if self.camera is not None:
            h = self.camera
            depth = h[2, 0] * x + h[2, 1] * y + h[2, 2]
            x, y = (h[0, 0] * x + h[0, 1] * y + h[0, 2]) / depth, (h[1, 0] * x + h[1, 1] * y + h[1, 2]) / depth
        x, y = x + rest[..., 0] - self.left, y + rest[..., 1] - self.top
        return (x / self.scale).astype(np.float32), (y / self.scale).astype(np.float32)


class Scene:
    """Small frames that follow each other, and the motion between neighbours; None over a cut."""

    def __init__(self, smalls: Sequence[Small], motions: Sequence[Motion | None], factor: int):
        self.smalls, self.motions, self.factor = smalls, motions, factor
        self.forward = [motion and Steps(motion.there, motion.corner, factor) for motion in motions]
        self.backward = [motion and Steps(motion.back, motion.corner, factor) for motion in motions]

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
                step = self.forward[here] if way > 0 else self.backward[here - 1]
                assert step is not None  # _end stops before a cut
                (x, y), here = step(x, y), here + way
                if way * count in asked:
                    moved[way * count] = np.stack((x - nodes[0], y - nodes[1]), -1)
        return Places(box, moved)


@dataclass(frozen=True)
class Places:
    """Where the pixels in a box of a frame are in others."""

    box: Box
    moved: Mapping[int, Float32[np.ndarray, "r c 2"]]
    """By how many frames later the other is: how far they have moved, at nodes."""

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
