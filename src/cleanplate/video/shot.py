"""A shot: a video and its masks, read frame by frame.

All that can be wrong with the files is looked for before any work is done: masks are read through once, which is quick,
and the first frame of the video. A shot as long as a film is never held whole.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, UInt8

from cleanplate.errors import InputError
from cleanplate.imaging.frame import KNOWN, MADE_UP, Frame, Region
from cleanplate.progress import OnStep, tell
from cleanplate.runtime.files import stamp
from cleanplate.video import reader
from cleanplate.video.timecode import Span

log = logging.getLogger(__name__)

WHITE = 127  # a mask pixel brighter than this is a hole
SAME_ASPECT = 0.01  # a mask of another size is resized if the aspect ratios differ by less than this share
SPECK_PX = 16  # in a mask of more than two levels, as JPEG makes of them, spots of fewer pixels are dirt
MOST_HIDDEN = 0.9  # share of all pixels; a mask of more is black where it should be white


@dataclass(frozen=True)
class Shot:
    """A video and what to remove from it.

    Raises:
        InputError: what cannot be read, or does not fit together.
    """

    video: Path
    """A video, a folder of images, or one image."""
    masks: tuple[Path, ...]
    """Videos, folders of images, or one image for all frames. White in any of them marks the hole."""
    span: Span = field(default_factory=Span)
    """The part of the video, and of its masks."""
    size: tuple[int, int] | None = None
    """(height, width) to resize and centre-crop to, as the paper does (App. B); None keeps the size."""
    region: Region | None = None
    """Only this is looked at and filled; the rest comes out as it is."""
    dilate_px: int = 4
    """Radius the hole is grown by: masks are seldom drawn wide enough."""
    invert_mask: bool = False
    """Black marks the hole."""
    fps: float = field(init=False)
    shape: tuple[int, int] = field(init=False)
    """Height and width of what is filled and written."""
    _before_resizing: tuple[int, int] = field(init=False)
    total: int = field(init=False)
    """How many frames there are, as far as the files say before they are read; 0 if they do not."""

    _stamps: tuple[str, ...] = field(init=False, repr=False)
    """Of the files, when they were looked through."""

    def __post_init__(self) -> None:
        reader.check_size(self.size)
        object.__setattr__(self, "_stamps", tuple(map(stamp, (self.video, *self.masks))))
        if not self.masks:
            raise InputError("there is no mask", "white in a mask marks what to remove", "give one")
        first, fps, declared = reader.peek(self.video, self.span)
        total = declared
        for mask in self.masks:
            length = self._look_through(mask, first.shape[:2])
            if not reader.is_image(mask) and length != declared:
                total = reader.count_frames(self.video, self.span)  # files may not say, or say what is not so
                if length != total:
                    raise self._unequal(mask)
        height, width = first.shape[:2] if self.size is None else self.size
        if self.region is not None:
            x, y, w, h = self.region
            if min(x, y) < 0 or min(w, h) < 1 or x + w > width or y + h > height:
                given = f"the region is {w}x{h} at {x}, {y}, and the picture is {width}x{height}"
                raise InputError(given, "a region within the picture is needed", "correct it")
        found = {"fps": fps, "shape": (height, width), "total": total, "_before_resizing": first.shape[:2]}
        for name, value in found.items():
            object.__setattr__(self, name, value)

    def _look_through(self, mask: Path, shape: tuple[int, ...]) -> int:
        """How many frames a mask has; refused if it is of another shape than the picture, or marks all or nothing."""
        length, hidden, brightest = 0, 0.0, 0
        for length, levels in enumerate(reader.stream_masks(mask, self._span_of(mask)), 1):
            if length == 1:
                _check_shape(levels.shape, shape, mask, self.video)
            hidden += float(self._marked(levels).mean())
            brightest = max(brightest, int(levels.max()))
        if not hidden:
            given = f"{mask} has no hole: its brightest value is {brightest}"
            needed, fix = f"white (above {WHITE}) marks what to remove", "paint that white"
            if self.invert_mask:
                given, needed, fix = f"{mask} has no hole: all of it is white", "black marks it", "drop --invert-mask"
            raise InputError(given, needed, fix)
        if (share := hidden / length) > MOST_HIDDEN:
            marked = "covers every pixel of every frame" if share == 1 else f"covers {share:.0%} of the picture"
            raise InputError(
                f"the mask {mask} {marked}",
                "a hole is filled from what is known around it",
                "mark less, or swap black and white with --invert-mask: white marks what to remove",
            )
        return length

    def _span_of(self, mask: Path) -> Span:
        return Span() if reader.is_image(mask) else self.span

    def _marked(self, levels: UInt8[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
        """What a mask marks, without specks of dirt."""
        marked = (levels > WHITE) != self.invert_mask
        if np.isin(levels, (0, levels.max())).all():
            return marked
        count, labels, stats, _ = cv2.connectedComponentsWithStats(marked.astype(np.uint8), connectivity=8)
        dirt = np.flatnonzero(stats[:, cv2.CC_STAT_AREA] < SPECK_PX)
        return marked & ~np.isin(labels, dirt) if count > 1 else marked

    def _holes(self, mask: Path) -> Iterator[Bool[np.ndarray, "H W"]]:
        """What a mask marks in each frame, at the size of the frames, grown."""
        for levels in reader.stream_masks(mask, self._span_of(mask), warn=False):
            marked = self._marked(levels)
            if marked.shape != self._before_resizing:
                height, width = self._before_resizing
                marked = cv2.resize(marked * np.uint8(255), (width, height), interpolation=cv2.INTER_LINEAR) > WHITE
            if self.size is not None:
                marked = reader.resize_and_crop(marked * np.uint8(255), self.size) > WHITE
            yield grow(marked, self.dilate_px)

    def frames(self, on_step: OnStep | None = None) -> Iterator[Frame]:
        """The frames to be filled; those of a region hold the whole ones that they are to be pasted into.

        Args:
            on_step: told of every frame.

        Raises:
            InputError: a frame that cannot be read, or masks that end before the video or after it.
        """
        always = [next(self._holes(mask)) for mask in self.masks if reader.is_image(mask)]
        moving = [mask for mask in self.masks if not reader.is_image(mask)]
        together = zip_longest(reader.stream_frames(self.video, self.span), *map(self._holes, moving))
        for index, (picture, *marked) in enumerate(together):
            for mask, hole in zip(moving, marked, strict=True):
                if picture is None or hole is None:
                    raise self._unequal(mask)
            assert picture is not None
            if self.size is not None:
                picture = reader.resize_and_crop(picture, self.size)
            if picture.shape[:2] != self.shape:
                (h, w), (first_h, first_w) = picture.shape[:2], self.shape
                raise InputError(
                    f"frame {index} of {self.video} is {w}x{h} and frame 0 is {first_w}x{first_h}",
                    "all frames must have one size",
                    "resize them, or set a size",
                )
            yield self._frame(index, picture, np.logical_or.reduce(always + marked))
            tell(on_step, "read", index + 1, max(self.total, index + 1))
        self._check_unchanged()

    def _check_unchanged(self) -> None:
        for path, before in zip((self.video, *self.masks), self._stamps, strict=True):
            if stamp(path) != before:
                given = f"{path} has {'changed' if path.exists() else 'gone'} while it was read"
                raise InputError(given, "what is read must stay as it is until all is done", "start again")

    def _frame(self, index: int, picture: np.ndarray, hole: Bool[np.ndarray, "H W"]) -> Frame:
        planes = np.ascontiguousarray(picture.transpose(2, 0, 1))
        if planes.dtype == np.uint16:
            planes = (planes.astype(np.float32) / 65535).astype(np.float16)  # 11 bits: enough for video of 10
        provenance = torch.from_numpy(np.where(hole, MADE_UP, KNOWN).astype(np.uint8)[None])
        frame = Frame(index, torch.from_numpy(planes), provenance)
        return frame if self.region is None else frame.region(self.region)

    def _unequal(self, mask: Path) -> InputError:
        self._check_unchanged()
        has, needs = reader.count_frames(mask, self.span), reader.count_frames(self.video, self.span)
        return InputError(
            f"the mask {mask} has {has} frames and {self.video} has {needs}",
            "every frame needs its mask",
            "give a mask of the same length, or one image for all frames",
        )


def _check_shape(mask_shape: tuple[int, ...], shape: tuple[int, ...], mask: Path, video: Path) -> None:
    """Refuse a mask of another shape than the frames; say so if it is only of another size."""
    if mask_shape == shape:
        return
    given = f"the mask {mask} is {mask_shape[1]}x{mask_shape[0]} and {video} is {shape[1]}x{shape[0]}"
    if abs(mask_shape[1] * shape[0] / (mask_shape[0] * shape[1]) - 1) > SAME_ASPECT:
        raise InputError(given, "they must show the same picture", "make the mask in the video's size")
    log.warning("%s; the mask is resized", given)


def grow(hole: Bool[np.ndarray, "H W"], radius_px: int) -> Bool[np.ndarray, "H W"]:
    """Dilate by a disc.

    Raises:
        InputError: a radius below 0, or beyond the frame.
    """
    if not 0 <= radius_px <= max(hole.shape):
        size = f"frames are {hole.shape[1]}x{hole.shape[0]}"
        raise InputError(
            f"dilate_px is {radius_px}, and {size}", "0 or more, within the frame, is needed", "correct it"
        )
    if radius_px == 0:
        return hole
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius_px + 1, 2 * radius_px + 1))
    return cv2.dilate(hole.astype(np.uint8), disc) > 0
