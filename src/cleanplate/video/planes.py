"""Pixel formats: between RGB and the planes of a codec (luma, subsampled chroma, alpha), exact where nothing changed.

A picture that was decoded to RGB and encoded again is not quite what it was. So where a frame was not changed, the
samples of its source are restored, in its own pixel format, 8 bits or more.
"""

import re

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from jaxtyping import Bool, Shaped

UNSPECIFIED, BT601 = 2, 5  # colour matrices, in FFmpeg's numbering
LIMITED_RANGE, FULL_RANGE = 1, 2
# FFmpeg's default conversion darkens by one level each time and blurs colour; these flags cut its error to a third.
EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP


def bit_depth(frame_format: av.VideoFormat) -> int:
    """Bits of a sample."""
    return max(component.bits for component in frame_format.components)


def has_alpha(frame_format: av.VideoFormat) -> bool:
    """Whether it says how opaque a pixel is."""
    return any(component.is_alpha for component in frame_format.components)


def has_subsampled_chroma(frame_format: av.VideoFormat) -> tuple[bool, bool]:
    """Whether colour has half the width, and half the height, as in 4:2:0."""
    return frame_format.chroma_width(64) < 64, frame_format.chroma_height(64) < 64


def upright_rgb(frame: VideoFrame) -> Shaped[np.ndarray, "H W 3"]:
    """The picture in RGB, turned as its display matrix says: bytes, or 16 bits where the video has more than 8."""
    deep = bit_depth(frame.format) > 8
    picture = frame.to_ndarray(
        format="rgb48le" if deep else "rgb24", src_colorspace=matrix(frame.colorspace), interpolation=EXACT
    )
    return np.rot90(picture, k=turns(frame))


def turns(frame: VideoFrame) -> int:
    """Quarter turns to the left that bring it upright."""
    return round(frame.rotation / 90) % 4


def matrix(colorspace: int) -> int:
    """Decoding and encoding must agree on a matrix, or every untouched pixel changes colour."""
    return BT601 if colorspace in (0, UNSPECIFIED) else colorspace


def upright_size(frame: VideoFrame) -> tuple[int, int]:
    """Height and width as it is shown."""
    return (frame.width, frame.height) if turns(frame) % 2 else (frame.height, frame.width)


def to_codec(
    picture: Shaped[np.ndarray, "H W 3"],
    pix_fmt: str,
    *,
    colorspace: int = UNSPECIFIED,
    color_range: int = 0,
    source: VideoFrame | None = None,
    changed: Bool[np.ndarray, "H W"] | None = None,
) -> VideoFrame:
    """An RGB picture, of bytes or of 16 bits, in a codec's pixel format.

    Args:
        picture: upright.
        pix_fmt: the pixel format, in FFmpeg's words.
        colorspace: the colour matrix, in FFmpeg's numbering.
        color_range: 2 for the full range.
        source: the frame that the picture was made of. If it is of that format, its samples are kept where nothing was
            changed; its alpha is kept in any format that has one.
        changed: which pixels were changed; found by comparing if not given.
    """
    deep = picture.dtype == np.uint16
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb48le" if deep else "rgb24")
    if av.VideoFormat(pix_fmt).is_rgb:
        frame = frame.reformat(format=pix_fmt, interpolation=EXACT)
    else:
        frame = frame.reformat(
            format=pix_fmt,
            dst_colorspace=matrix(colorspace),
            dst_color_range=FULL_RANGE if color_range == FULL_RANGE else LIMITED_RANGE,
            interpolation=EXACT,
        )
    if source is None or upright_size(source) != picture.shape[:2]:
        return frame
    if _same_but_for_order(source.format, frame.format):
        colorspace, color_range = source.colorspace, source.color_range
        source = source.reformat(format=pix_fmt)
        source.colorspace, source.color_range = colorspace, color_range
    if _same_samples(source, frame):
        differs = (upright_rgb(source) != picture).any(-1) if changed is None else changed
        _restore(frame, source, turns(source), differs)
    elif has_alpha(frame.format) and has_alpha(source.format):
        _restore(frame, source.reformat(format=pix_fmt), turns(source), np.ones(picture.shape[:2], bool))
    return frame


def _same_but_for_order(source: av.VideoFormat, frame: av.VideoFormat) -> bool:
    """Whether two formats of luma and chroma hold the same samples, in other places: packed ones, or NV12."""
    return (
        source.name.replace("yuvj", "yuv") != frame.name.replace("yuvj", "yuv")
        and not (source.is_rgb or frame.is_rgb or source.has_palette)
        and len(source.components) == len(frame.components) == 3
        and bit_depth(source) == bit_depth(frame)
        and has_subsampled_chroma(source) == has_subsampled_chroma(frame)
    )


def _same_samples(source: VideoFrame, frame: VideoFrame) -> bool:
    """Whether samples of one can stand in the other: the same pixel format and range, turned or not."""
    alike = _name(source) == _name(frame) and _full(source) == _full(frame) and samples(frame) is not None
    square = all(
        component.width * frame.height == component.height * frame.width for component in frame.format.components
    )  # a plane halved in one direction only cannot be turned
    return alike and (turns(source) % 2 == 0 or square)


def _name(frame: VideoFrame) -> str:
    """Of the pixel format; the full range has names of its own, which say nothing of the samples."""
    return frame.format.name.replace("yuvj", "yuv")


def _full(frame: VideoFrame) -> bool:
    return frame.color_range == FULL_RANGE or frame.format.name.startswith("yuvj")


def _restore(frame: VideoFrame, source: VideoFrame, quarter_turns: int, changed: Bool[np.ndarray, "H W"]) -> None:
    """Samples of the source where nothing was changed; its alpha everywhere."""
    targets, originals = samples(frame) or [], samples(source) or []
    for component, target, lying in zip(frame.format.components, targets, originals, strict=True):
        original = np.rot90(lying, k=quarter_turns)
        if component.is_alpha:
            target[...] = original
        else:
            same = ~_subsampled(changed, target.shape)
            target[same] = original[same]


def _subsampled(changed: Bool[np.ndarray, "H W"], size: tuple[int, ...]) -> Bool[np.ndarray, "h w"]:
    """Which samples of a subsampled plane stand for a pixel that was changed."""
    if changed.shape == size:
        return changed
    down, across = -(-changed.shape[0] // size[0]), -(-changed.shape[1] // size[1])
    padded = np.zeros((size[0] * down, size[1] * across), bool)
    padded[: changed.shape[0], : changed.shape[1]] = changed
    return np.any(padded.reshape(size[0], down, size[1], across), axis=(1, 3))


def samples(frame: VideoFrame) -> list[np.ndarray] | None:
    """The samples of each component, as views to be written to; None of formats that are packed in odd ways."""
    format_, out = frame.format, []
    planes = [component.plane for component in format_.components]
    packed = PACKED.match(format_.name)
    for index, component in enumerate(format_.components):
        plane = frame.planes[component.plane]
        kind = np.dtype(np.uint8 if component.bits <= 8 else ">u2" if format_.is_big_endian else "<u2")
        across = plane.line_size // kind.itemsize
        rows = np.frombuffer(memoryview(plane), kind)[: plane.height * across].reshape(plane.height, across)
        if planes.count(component.plane) == 1:
            out.append(rows[:, : component.width])
        elif packed is None:
            return None
        else:
            order = packed[0]
            first = order.index("rgba"[index] if format_.is_rgb else "ya"[index])
            out.append(rows[:, : component.width * len(order)][:, first :: len(order)])
    return out


PACKED = re.compile("[rgb0]{3}a?0?|[arx0][rgb]{3}|ya")  # the order of samples in the names of packed formats
