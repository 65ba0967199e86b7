"""Frames that an artist has painted: what their hole hides is known there, as it was painted, and carried to others.

An image with transparency says itself where it was painted, and may go beyond the mask: over what the mask has missed.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Shaped

from cleanplate.errors import InputError
from cleanplate.imaging.frame import Region
from cleanplate.imaging.pixels import narrow
from cleanplate.video.images import read_alpha, read_image
from cleanplate.video.resize import resize_and_crop, same_aspect

log = logging.getLogger(__name__)

OPAQUE = 0.5  # share of the alpha from which a pixel counts as painted
# Levels of bytes by which a pixel outside the mask must differ from the frame: less is what an export has changed.
TOUCHED = 8


@dataclass(frozen=True)
class Painting:
    """What was painted in a frame."""

    picture: Shaped[np.ndarray, "H W 3"]
    where: Bool[np.ndarray, "H W"]
    beyond: bool
    """Whether it says itself where it was painted, so that outside the mask it counts too."""

    def within(self, region: Region | None) -> "Painting":
        """What of it lies in a region; all of it if there is none."""
        if region is None:
            return self
        x, y, width, height = region
        where = np.zeros_like(self.where)
        where[y : y + height, x : x + width] = self.where[y : y + height, x : x + width]
        return replace(self, where=where)

    def over(self, frame: Shaped[np.ndarray, "H W 3"], hole: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
        """Where it is to be put into a frame."""
        if not self.beyond:
            return self.where & hole
        touched = np.abs(narrow(frame).astype(np.int16) - narrow(self.picture)).max(-1) > TOUCHED
        return self.where & (hole | touched)


@dataclass(frozen=True)
class Reference:
    """A painted frame."""

    index: int
    """Of the frame, in the part of the video that is read."""
    path: Path
    """An image; where it is transparent, nothing was painted."""

    def check(self, shape: tuple[int, int]) -> None:
        """Refuse what cannot be put into frames of that (height, width).

        Raises:
            InputError: no image, of another shape, or wholly transparent.
        """
        self.read(shape, np.dtype(np.uint8), None)

    def read(self, shape: tuple[int, int], dtype: np.dtype, size: tuple[int, int] | None) -> Painting:
        """What was painted, and where.

        Args:
            shape: height and width of the video.
            dtype: of its pictures: bytes or 16 bits.
            size: (height, width) to resize and centre-crop to; None keeps the size.
        """
        picture, alpha = read_image(self.path), read_alpha(self.path)
        where = np.ones(picture.shape[:2], np.uint8)
        if alpha is not None and alpha.shape == where.shape:
            where = (alpha >= OPAQUE * np.iinfo(alpha.dtype).max).astype(np.uint8)
        opaque = bool(where.all())
        if not where.any():
            needed = "what is opaque in it is taken as painted"
            raise InputError(
                f"{self.path} is wholly transparent", needed, "paint what the hole hides, and keep it opaque"
            )
        if picture.shape[:2] != shape:
            given = f"{self.path} is {picture.shape[1]}x{picture.shape[0]} and frames are {shape[1]}x{shape[0]}"
            if not same_aspect(where.shape, shape):
                raise InputError(given, "a painted frame is a frame of the video", "export it in the video's size")
            log.warning("%s; it is resized", given)
            picture = cv2.resize(picture, shape[::-1], interpolation=cv2.INTER_AREA)
            where = cv2.resize(where, shape[::-1], interpolation=cv2.INTER_NEAREST)
        picture = narrow(picture) if dtype == np.uint8 else _widened(picture)
        if size is not None:
            picture, where = resize_and_crop(picture, size), resize_and_crop(where * np.uint8(255), size) // 128
        return Painting(picture, where > 0, beyond=alpha is not None and not opaque)


def _widened(picture: Shaped[np.ndarray, "H W 3"]) -> Shaped[np.ndarray, "H W 3"]:
    return picture.astype(np.uint16) * np.uint16(257) if picture.dtype == np.uint8 else picture


def check_references(references: tuple[Reference, ...], shape: tuple[int, int], total: int) -> None:
    """Refuse painted frames that cannot be used.

    Args:
        references: all of them.
        shape: height and width of the video.
        total: how many frames are read; 0 if that is not known.

    Raises:
        InputError: two for one frame, one for a frame that is not read, or an image that `Reference.check` refuses.
    """
    seen: dict[int, Path] = {}
    for one in references:
        if one.index in seen:
            given = f"{seen[one.index]} and {one.path} are for the same frame"
            raise InputError(given, "a frame is painted once", "leave one of them out, or put both into one image")
        if one.index < 0 or (total and one.index >= total):
            given = f"{one.path} is for a frame outside the part that is cleaned"
            raise InputError(given, f"it has {total} frames", "give --start and --end around it, or another frame")
        seen[one.index] = one.path
        one.check(shape)
