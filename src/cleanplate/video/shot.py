"""A shot: a video and its masks, checked when it is opened and read frame by frame.

All that can be wrong with the files is looked for before any work is done: masks are read through once, which is quick,
and the first frame of the video. A shot as long as a film is never held whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Shaped

from cleanplate.config import DILATE_PX
from cleanplate.errors import InputError
from cleanplate.imaging.frame import MADE_UP, Frame, Region
from cleanplate.imaging.log_curve import NO_VALUE
from cleanplate.progress import OnStep, tell
from cleanplate.runtime.files import stamp
from cleanplate.video.images import is_image, is_linear
from cleanplate.video.masks import Mask
from cleanplate.video.reader import check_same_size, count_frames, peek, stream_frames
from cleanplate.video.references import Painting, Reference, check_references
from cleanplate.video.resize import check_size, resize_and_crop
from cleanplate.video.timecode import Span

WHOLE = Span()


@dataclass(frozen=True)
class Shot:
    """A video and what to remove from it, as `open_shot` has found them."""

    video: Path
    masks: tuple[Path, ...]
    span: Span
    size: tuple[int, int] | None
    region: Region | None
    dilate_px: int
    invert_mask: bool
    references: tuple[Reference, ...]
    layer: str
    """Of OpenEXR files; empty for the plain one."""
    mask_channel: str
    """As `masks.Mask` has it."""

    fps: float
    video_shape: tuple[int, int]
    """Height and width of the video."""
    shape: tuple[int, int]
    """Height and width of what is filled and written: those of `size`, if one is given."""
    total: int
    """How many frames there are, as far as the files say before they are read; 0 if they do not."""
    stamps: tuple[str, ...]
    """Of the files, when they were opened (`files.stamp`)."""

    def frames(self, on_step: OnStep | None = None) -> Iterator[Frame]:
        """The frames to be filled; those of a region hold the whole ones that they are to be pasted into.

        Args:
            on_step: told of every frame.

        Raises:
            InputError: a frame that cannot be read, or masks that end before the video or after it.
        """
        masks = [Mask(path, self.span, self.invert_mask, self.video, self.mask_channel) for path in self.masks]
        holes = {mask: mask.holes(self.video_shape, self.size, self.dilate_px) for mask in masks}
        always = [next(holes[mask]) for mask in masks if mask.is_still]
        moving = [mask for mask in masks if not mask.is_still]
        painted = {one.index: one for one in self.references}
        pictures = stream_frames(self.video, self.span, layer=self.layer)
        together = zip_longest(pictures, *(holes[mask] for mask in moving))
        linear = is_linear(self.video)
        for index, (picture, *hidden) in enumerate(together):
            for mask, hole in zip(moving, hidden, strict=True):
                if picture is None or hole is None:
                    self._check_unchanged()
                    raise _unequal(mask.path, self.video, self.span)
            reference = None
            if index in painted:
                reference = painted[index].read(self.video_shape, picture.dtype, self.size).within(self.region)
            if self.size is not None:
                picture = resize_and_crop(picture, self.size)
            check_same_size(self.video, index, picture, self.shape)
            frame = _frame(index, picture, np.logical_or.reduce(always + hidden), reference, linear=linear)
            yield frame if self.region is None else frame.region(self.region)
            tell(on_step, "read", index + 1, max(self.total, index + 1))
        self._check_unchanged()

    def _check_unchanged(self) -> None:
        paths = self.video, *self.masks, *(one.path for one in self.references)
        for path, before in zip(paths, self.stamps, strict=True):
            if stamp(path) != before:
                given = f"{path} has {'changed' if path.exists() else 'gone'} while it was read"
                raise InputError(given, "what is read must stay as it is until all is done", "start again")


def open_shot(
    video: Path,
    masks: tuple[Path, ...],
    span: Span = WHOLE,
    *,
    size: tuple[int, int] | None = None,
    region: Region | None = None,
    dilate_px: int = DILATE_PX,
    invert_mask: bool = False,
    references: tuple[Reference, ...] = (),
    layer: str = "",
    mask_channel: str = "",
) -> Shot:
    """Look a video and its masks through.

    Args:
        video: a video, a folder of images, or one image.
        masks: videos, folders of images, one image for all frames, or files of areas. White in any of them marks
            the hole.
        span: the part of the video, and of its masks.
        size: (height, width) to resize and centre-crop to, as the paper does (App. B); None keeps the size.
        region: only this is looked at and filled; the rest comes out as it is.
        dilate_px: radius the hole is grown by.
        invert_mask: black marks the hole.
        references: frames whose hole an artist has painted.
        layer: which layer of OpenEXR files is cleaned; empty for the plain one.
        mask_channel: which channel of OpenEXR files marks the hole; A is the alpha of any images. Empty for their
            alpha, or white.

    Raises:
        InputError: what cannot be read, or does not fit together.
    """
    check_size(size)
    stamps = tuple(map(stamp, (video, *masks, *(one.path for one in references))))
    if not masks:
        raise InputError("there is no mask", "white in a mask marks what to remove", "give one")
    if layer and not is_linear(video):
        raise InputError(f"--layer {layer} is given, and {video} has no layers", "OpenEXR files have", "leave it out")
    first, fps, declared = peek(video, span, layer)
    if is_linear(video):
        _check_linear(video, size, references)
    video_shape = (first.shape[0], first.shape[1])
    total = declared
    for path in masks:
        length = Mask(path, span, invert_mask, video, mask_channel).check(video_shape, video)
        if not is_image(path) and length != declared:
            total = count_frames(video, span)  # files may not say, or say what is not so
            if length != total:
                raise _unequal(path, video, span)
    check_references(references, video_shape, total)
    shape = size or video_shape
    if region is not None:
        _check_region(region, shape)
    return Shot(
        video, masks, span, size, region, dilate_px, invert_mask, references, layer, mask_channel,
        fps=fps, video_shape=video_shape, shape=shape, total=total, stamps=stamps,
    )  # fmt: skip


def _check_linear(video: Path, size: tuple[int, int] | None, references: tuple[Reference, ...]) -> None:
    """Refuse what cannot be done to scene-linear images."""
    if size is not None:
        needed = "scene-linear images are written in their own size"
        raise InputError(f"--size is given, and {video} is scene-linear", needed, "leave it out, or resize them before")
    for one in references:
        if not is_linear(one.path):
            needed = "what is painted must be scene-linear as the frame is"
            raise InputError(f"{one.path} is not scene-linear, and {video} is", needed, "export it as EXR")


def _check_region(region: Region, shape: tuple[int, int]) -> None:
    """Refuse a region that is not within the picture."""
    x, y, width, height = region
    if min(x, y) < 0 or min(width, height) < 1 or x + width > shape[1] or y + height > shape[0]:
        raise InputError(
            f"the region is {width}x{height} at {x}, {y}, and the picture is {shape[1]}x{shape[0]}",
            "a region within the picture is needed",
            f"give X Y WIDTH HEIGHT with X + WIDTH up to {shape[1]} and Y + HEIGHT up to {shape[0]}",
        )


def _frame(
    index: int,
    picture: Shaped[np.ndarray, "H W 3"],
    hole: Bool[np.ndarray, "H W"],
    reference: Painting | None,
    *,
    linear: bool,
) -> Frame:
    """A frame to be filled. What is no number is hole too, to be worked around, but for what an artist has painted."""
    painted, unknown = None, None
    if linear and (no_value := (picture == NO_VALUE).any(-1)).any():
        unknown = no_value & ~hole
        hole = hole | unknown
    if reference is not None:
        painted = reference.over(picture, hole)
        picture, hole = np.where(painted[..., None], reference.picture, picture), hole & ~painted
        unknown = unknown if unknown is None else unknown & ~painted
    if picture.dtype == np.uint16:
        picture = (picture.astype(np.float32) / 65535).astype(np.float16)  # 11 bits: enough for video of 10
    elif not (picture.flags.writeable and picture.flags.owndata):
        picture = picture.copy()
    return Frame(index, picture, hole.astype(np.uint8) * np.uint8(MADE_UP), painted=painted, unknown=unknown)


def _unequal(mask: Path, video: Path, span: Span) -> InputError:
    has, needs = count_frames(mask, span), count_frames(video, span)
    return InputError(
        f"the mask {mask} has {has} frames and {video} has {needs}",
        "every frame needs its mask",
        "give a mask of the same length, or one image for all frames",
    )
