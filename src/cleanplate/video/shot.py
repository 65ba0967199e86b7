"""A shot: a video and its masks, checked when it is opened and read frame by frame.

All that can be wrong with the files is looked for before any work is done: masks are read through once, which is quick,
and the first frame of the video. A shot as long as a film is never held whole.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import repeat, zip_longest
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Shaped

from cleanplate.config import DILATE_PX
from cleanplate.errors import InputError
from cleanplate.imaging.frame import MADE_UP, Frame, Region
from cleanplate.imaging.log_curve import NO_VALUE
from cleanplate.progress import OnStep, tell
from cleanplate.video.borders import Borders, find_borders, no_borders
from cleanplate.video.images import read_alpha
from cleanplate.video.masks import Mask, grow
from cleanplate.video.numbers import Gaps, check_gaps, matched, numbers_of, say_order
from cleanplate.video.pipes import PipedVideo
from cleanplate.video.reader import check_layer, check_same_size, count_frames, peek, stream_frames
from cleanplate.video.references import Painting, Reference, check_references
from cleanplate.video.resize import check_size, resize_and_crop
from cleanplate.video.sequences import find_stills, is_linear, is_still, is_stills, stamp
from cleanplate.video.spans import is_spans
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
    """Of the files, when they were opened (`sequences.stamp`)."""
    borders: Borders | None = None
    """That a stabiliser left, and that are filled; None if they are not asked for."""
    piped: PipedVideo | None = None
    """What the video comes through, if it is no file; it is called as `video` says, and read once."""

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
        borders = None if self.borders is None else self._borders(self.borders)
        painted = {one.index: one for one in self.references}
        shown = partial(stream_frames, self.video, self.span, layer=self.layer)
        pictures = self.piped.pictures(self.span) if self.piped else shown()
        together = zip_longest(pictures, *(holes[mask] for mask in moving))
        linear = self.piped is None and is_linear(self.video)
        for index, (picture, *hidden) in enumerate(together):
            for mask, hole in zip(moving, hidden, strict=True):
                if picture is None or hole is None:
                    self._check_unchanged()
                    raise self._unequal(mask.path, index)
            reference = None
            if index in painted:
                reference = painted[index].read(self.video_shape, picture.dtype, self.size).within(self.region)
            if self.size is not None:
                picture = resize_and_crop(picture, self.size)
            check_same_size(self.video, index, picture, self.shape)
            hidden += [next(borders)] if borders is not None else []
            frame = _frame(index, picture, np.logical_or.reduce(always + hidden), reference, linear=linear)
            yield frame if self.region is None else frame.region(self.region)
            tell(on_step, "read", index + 1, max(self.total, index + 1))
        self._check_unchanged()

    def _unequal(self, mask: Path, index: int) -> InputError:
        """That the mask or the video has ended, and the other has not; of a pipe nobody knows how many would follow."""
        if self.piped is None:
            return _unequal(mask, self.video, self.span)
        count = count_frames(mask, self.span)
        more = f"{index} frames" if count > index else "more"
        given = f"the mask {mask} has {count} frames and {self.video} has {more}"
        return InputError(
            given, "every frame needs its mask", "give one of the same length, or one image for all frames"
        )

    def _borders(self, borders: Borders) -> Iterator[Bool[np.ndarray, "H W"]]:
        """The borders of each frame as a mask gives its holes."""
        for index, alpha in zip(range(len(borders.lines)), _alphas(self.video, self.span), strict=False):
            hole = borders.hole(index, self.video_shape, alpha)
            if self.size is not None:
                hole = resize_and_crop(hole * np.uint8(255), self.size) > 127
            yield grow(hole, self.dilate_px)

    def called(self, index: int) -> int:
        """What --start, --end and --reference call one of the frames; these are counted from 0."""
        numbers = None if self.piped else numbers_of(self.video, self.span)
        if numbers is not None:
            return numbers[index]
        start = self.span.start
        return index + (start if isinstance(start, int) else round(start * Fraction(self.fps)))

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
    gaps: Gaps = "refuse",
    fill_borders: bool = False,
    layer: str = "",
    mask_channel: str = "",
) -> Shot:
    """Look a video and its masks through.

    Args:
        video: a video, images that follow each other (`sequences`), or one image.
        masks: videos, images that follow each other, one image for all frames, or files of areas. White in any of them
            marks the hole.
        span: the part of the video, and of its masks.
        size: (height, width) to resize and centre-crop to, as the paper does (App. B); None keeps the size.
        region: only this is looked at and filled; the rest comes out as it is.
        dilate_px: radius the hole is grown by.
        invert_mask: black marks the hole.
        references: frames whose hole an artist has painted.
        gaps: what to do where numbers are missing among the images.
        fill_borders: whether the borders that a stabiliser left are hole too; there need be no mask then.
        layer: which layer of OpenEXR files is cleaned; empty for the plain one.
        mask_channel: which channel of OpenEXR files marks the hole; A is the alpha of any images. Empty for their
            alpha, or white.

    Raises:
        InputError: what cannot be read, or does not fit together.
    """
    check_size(size)
    stamps = tuple(map(stamp, (video, *masks, *(one.path for one in references))))
    if not masks and not fill_borders:
        needed, fix = "white in a mask marks what to remove", "give MASK, or --fill-borders for those of a stabiliser"
        raise InputError("there is no mask", needed, fix)
    check_gaps(video, span, gaps)
    check_layer(video, layer)
    first, fps, declared = peek(video, span, layer)
    if is_linear(video):
        _check_linear(video, size, references)
    video_shape = (first.shape[0], first.shape[1])
    all_masks = [Mask(path, span, invert_mask, video, mask_channel) for path in masks]
    total = _check_masks(all_masks, video, video_shape, gaps, declared)
    borders = _borders_of(video, span, alone=not masks) if fill_borders else None
    if borders is not None:
        total = len(borders.lines)
    if references and not total:
        total = count_frames(video, span)
    check_references(references, video_shape, total)
    shape = size or video_shape
    if region is not None:
        _check_region(region, shape)
    return Shot(
        video, masks, span, size, region, dilate_px, invert_mask, references, layer, mask_channel,
        fps=fps, video_shape=video_shape, shape=shape, total=total, stamps=stamps, borders=borders,
    )  # fmt: skip


def open_piped(
    piped: PipedVideo,
    masks: tuple[Path, ...],
    span: Span = WHOLE,
    *,
    size: tuple[int, int] | None = None,
    region: Region | None = None,
    dilate_px: int = DILATE_PX,
    invert_mask: bool = False,
) -> Shot:
    """A shot whose video comes through a pipe; otherwise as `open_shot`.

    Raises:
        InputError: as there, and a file of areas: for its times the video would be read twice.
    """
    check_size(size)
    video, shape = Path(piped.name), size or piped.shape
    total = 0
    for path in masks:
        if is_spans(path):
            fix = "write its mask first: cleanplate mask VIDEO --spans FILE -o mask.mkv"
            raise InputError(f"{path} has areas in their times", f"a mask is needed for {video}", fix)
        length = Mask(path, span, invert_mask).check(piped.shape, video)
        total = total if is_still(path) else length
    if region is not None:
        _check_region(region, shape)
    stamps = tuple(map(stamp, (video, *masks)))
    return Shot(
        video, masks, span, size, region, dilate_px, invert_mask, (), "", "",
        fps=float(piped.header.fps), video_shape=piped.shape, shape=shape, total=total, stamps=stamps, piped=piped,
    )  # fmt: skip


def _check_masks(masks: Sequence[Mask], video: Path, shape: tuple[int, int], gaps: Gaps, declared: int) -> int:
    """Refuse masks that do not fit their video.

    Args:
        masks: they are read through.
        video: what they are of.
        shape: its height and width.
        gaps: what to do where numbers are missing among images.
        declared: how many frames the video has, as its file says.

    Returns:
        how many it has: counted, if a mask has another number.
    """
    total = declared
    for mask in masks:
        if mask.channel and is_spans(mask.path):
            given = f"--mask-channel {mask.channel} is given for {mask.path}"
            raise InputError(
                given, "of the masks in such a file alpha counts, or white", "name the mask itself instead"
            )
        if not matched(mask.path, numbers_of(video, mask.span), video):
            check_gaps(mask.path, mask.span, gaps)
            say_order(mask.path, video)
        length = mask.check(shape, video)
        if not mask.is_still and length != declared:
            total = count_frames(video, mask.span)  # files may not say, or say what is not so
            if length != total:
                raise _unequal(mask.path, video, mask.span)
    return total


def _borders_of(video: Path, span: Span, *, alone: bool) -> Borders:
    """The borders that a stabiliser left; without any a video is refused if it has no mask either (`alone`)."""
    borders = find_borders(zip(stream_frames(video, span, warn=False), _alphas(video, span), strict=False))
    if not borders:
        no_borders(video, borders, alone=alone)
    return borders


def _alphas(video: Path, span: Span) -> Iterator[Shaped[np.ndarray, "H W"] | None]:
    """The alpha of each frame, of images; None without end for a video."""
    return map(read_alpha, find_stills(video).within(span).files) if is_stills(video) else repeat(None)


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
