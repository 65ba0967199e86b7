"""Masks: what of a mask file is a hole. Change here what counts as white, as dirt, or as too much."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from cleanplate.errors import InputError
from cleanplate.video.areas import WHITE, white_area
from cleanplate.video.images import read_mask
from cleanplate.video.numbers import matched, numbers_of
from cleanplate.video.reader import stream_masks
from cleanplate.video.resize import resize_and_crop, same_aspect
from cleanplate.video.sequences import is_still
from cleanplate.video.spans import is_spans, stream_spans
from cleanplate.video.timecode import Span

log = logging.getLogger(__name__)

MOST_HIDDEN = 0.9  # share of all pixels; a mask of more is black where it should be white


@dataclass(frozen=True)
class Mask:
    """A video, images that follow each other, one image for all frames, or a file of areas (`spans`).

    White marks the hole. Numbered images are matched to those of a shot by their numbers.
    """

    path: Path
    span: Span
    """The part of the video."""
    invert: bool = False
    """Black marks the hole."""
    video: Path | None = None
    """What it is of: when its frames are, for a file of areas, and their numbers."""
    channel: str = ""
    """The one that marks the hole, of OpenEXR files; A is the alpha of any images."""

    @property
    def is_still(self) -> bool:
        """Whether it is one image for all frames."""
        return is_still(self.path)

    def check(self, shape: tuple[int, int], video: Path) -> int:
        """How many frames it has.

        Args:
            shape: height and width of the video.
            video: what to call it.

        Raises:
            InputError: another shape than the video's, or a mask that marks all or nothing.
        """
        count, hidden, brightest, first = 0, 0.0, 0, (0, 0)
        for count, grey in enumerate(self._grey(warn=True), 1):
            if count == 1:
                first = grey.shape[0], grey.shape[1]
                _check_shape(first, shape, self.path, video)
            if grey.shape != first:
                given = f"image {count} of the mask {self.path} is {grey.shape[1]}x{grey.shape[0]}"
                needed = f"the first one is {first[1]}x{first[0]}"
                raise InputError(given, needed, "make all of them in the size of the video")
            hidden += float(white_area(grey, invert=self.invert).mean())
            brightest = max(brightest, int(grey.max()))
        if not hidden:
            given = f"{self.path} has no hole: its brightest value is {brightest}"
            needed, fix = f"white (above {WHITE}) marks what to remove", "paint that white"
            if self.invert:
                given = f"{self.path} has no hole: all of it is white"
                needed, fix = "black marks it", "drop --invert-mask"
            elif is_spans(self.path):
                given = f"{self.path} has no area in this part of {video}"
                needed, fix = "one of its spans must be in it", "change what they are, or --start and --end"
            raise InputError(given, needed, fix)
        if (share := hidden / count) > MOST_HIDDEN:
            marked = "covers every pixel of every frame" if share == 1 else f"covers {share:.0%} of the picture"
            raise InputError(
                f"the mask {self.path} {marked}",
                "a hole is filled from what is known around it",
                "mark less, or swap black and white with --invert-mask: white marks what to remove",
            )
        return count

    def holes(
        self, shape: tuple[int, int], size: tuple[int, int] | None, dilate_px: int
    ) -> Iterator[Bool[np.ndarray, "H W"]]:
        """The hole of each frame.

        Args:
            shape: height and width of the video, which the mask is brought to.
            size: (height, width) to resize and centre-crop to; None keeps the size.
            dilate_px: radius the hole is grown by, after that.
        """
        for grey in self._grey(warn=False):
            marked = white_area(grey, invert=self.invert)
            if marked.shape != shape:
                marked = cv2.resize(marked * np.uint8(255), shape[::-1], interpolation=cv2.INTER_LINEAR) > WHITE
            if size is not None:
                marked = resize_and_crop(marked * np.uint8(255), size) > WHITE
            yield grow(marked, dilate_px)

    def _grey(self, *, warn: bool) -> Iterator[UInt8[np.ndarray, "H W"]]:
        if is_spans(self.path) and self.video is not None:
            return stream_spans(self.path, self.video, self.span)
        if self.video is not None and (files := matched(self.path, numbers_of(self.video, self.span), self.video)):
            return (read_mask(file, self.channel) for file in files)
        return stream_masks(self.path, Span() if self.is_still else self.span, warn=warn, channel=self.channel)


def _check_shape(mask_shape: tuple[int, ...], shape: tuple[int, ...], mask: Path, video: Path) -> None:
    """Refuse a mask of another shape than the frames; say so if it is only of another size."""
    if mask_shape == shape:
        return
    given = f"the mask {mask} is {mask_shape[1]}x{mask_shape[0]} and {video} is {shape[1]}x{shape[0]}"
    if not same_aspect(mask_shape, shape):
        raise InputError(given, "they must show the same picture", "make the mask from the video, in its size")
    log.warning("%s; the mask is resized", given)


def grow(hole: Bool[np.ndarray, "H W"], radius_px: int) -> Bool[np.ndarray, "H W"]:
    """Dilate by a disc.

    Raises:
        InputError: a radius below 0, or beyond the frame.
    """
    if not 0 <= radius_px <= max(hole.shape):
        size = f"frames are {hole.shape[1]}x{hole.shape[0]}"
        raise InputError(
            f"dilate_px is {radius_px}, and {size}",
            "a radius within the frame is needed",
            f"give a number from 0 to {max(hole.shape)}",
        )
    if radius_px == 0:
        return hole
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius_px + 1, 2 * radius_px + 1))
    return cv2.dilate(hole.astype(np.uint8), disc) > 0
