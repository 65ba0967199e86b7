"""Video containers through PyAV: decode pictures upright; encode them with the sound, times and tags of a source."""

import contextlib
import itertools
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from jaxtyping import UInt8

from cleanplate.errors import InputError

log = logging.getLogger(__name__)

DEFAULT_FPS = 24.0  # of pictures that do not say
UNSPECIFIED, BT601 = 2, 5  # colour matrices, in FFmpeg's numbering
# Constant rate factor 12 is about 48 dB on natural video: an editor sees no loss, and files stay reasonable.
H264 = {"crf": "12", "preset": "medium"}
# FFmpeg's default conversion darkens by one level each time and blurs colour; these flags cut its error to a third.
EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
LOSSLESS = "bgr0"  # what FFV1 calls 8-bit RGB
COLOUR_TAGS = ("colorspace", "color_primaries", "color_trc", "color_range")


@contextlib.contextmanager
def open_container(path: Path) -> Iterator[Any]:
    """An open container of any streams."""
    try:
        # Only local files: a playlist must not make us fetch what it names.
        container = av.open(str(path.absolute()), options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        raise _not_a_video(path) from error
    with container:
        # FFmpeg's "tty" reader makes pictures of any text file.
        if container.format.name == "tty":
            raise _not_a_video(path)
        yield container


@contextlib.contextmanager
def open_video(path: Path) -> Iterator[Any]:
    """An open container that has pictures in it."""
    with open_container(path) as container:
        if not container.streams.video:
            raise _not_a_video(path)
        yield container


def decode(path: Path) -> Iterator[VideoFrame]:
    """The frames of a video as FFmpeg gives them, in the order of their timestamps."""
    with open_video(path) as container:
        container.streams.video[0].thread_type = "AUTO"
        count = 0
        try:
            for frame in container.decode(video=0):
                yield frame
                count += 1
        except av.error.FFmpegError as error:
            if count == 0:
                raise _not_a_video(path) from error
            raise InputError(
                f"frame {count} of {path} cannot be decoded ({error.strerror})",
                "every frame is needed",
                "repair the file, or take only the frames before it",
            ) from error


def _not_a_video(path: Path) -> InputError:
    return InputError(
        f"{path} is not a video that can be decoded",
        "any video FFmpeg reads, or a folder of images, is needed",
        "check that the file is complete",
    )


def upright_rgb(frame: VideoFrame) -> UInt8[np.ndarray, "H W 3"]:
    """The picture in RGB, turned as its display matrix says."""
    picture = frame.to_ndarray(format="rgb24", src_colorspace=_matrix(frame.colorspace), interpolation=EXACT)
    return np.rot90(picture, k=round(frame.rotation / 90) % 4)


def _matrix(colorspace: int) -> int:
    # Decoding and encoding must agree on a matrix, or every untouched pixel changes colour.
    return BT601 if colorspace in (0, UNSPECIFIED) else colorspace


@dataclass(frozen=True)
class Timing:
    """When each frame is shown: pts and duration in units of `time_base` seconds; `origin`, the pts of our first."""

    pts: list[int]
    duration: list[int]
    time_base: Fraction
    rate: Fraction
    origin: int = 0
    end_s: float | None = None

    @property
    def start_s(self) -> float:
        """When our first frame was shown in the source."""
        return float(self.origin * self.time_base)


def encode(
    path: Path,
    pictures: Iterator[np.ndarray],
    *,
    size: tuple[int, int],
    length: int,
    like: Path | None,
    sound: Path | None,
    fps: float | None,
    start: int,
) -> None:
    """Encode `length` RGB pictures of `size` (height, width) in the time of `like`, with the sound of `sound`."""
    timing, tags = _source(like, start, length) if like is not None else (_constant(length, fps), {})
    # The index before the pictures, so that a player on the web need not load all of it first.
    options = {} if path.suffix.lower() == ".mkv" else {"movflags": "+faststart"}
    with av.open(str(path), "w", options=options) as out:
        video = _video_stream(out, path, size, timing, tags)
        with _Sound(out, sound, timing) as track:
            for index, picture in enumerate(pictures):
                frame = _to_codec(picture, video, tags)
                frame.pts = timing.pts[index] - timing.origin
                frame.duration = timing.duration[index]
                frame.time_base = timing.time_base
                track.copy_until(float(timing.pts[index] * timing.time_base))
                out.mux(video.encode(frame))
            out.mux(video.encode())
            track.copy_until(timing.end_s)


def _frame_rate(fps: float | None) -> Fraction:
    """The rate as a ratio small enough for every container."""
    return Fraction(fps or DEFAULT_FPS).limit_denominator(1001)


def _constant(length: int, fps: float | None) -> Timing:
    rate = _frame_rate(fps)
    return Timing(list(range(length)), [1] * length, 1 / rate, rate)


def _source(like: Path, start: int, length: int) -> tuple[Timing, dict[str, int]]:
    """Timing and colour tags of frames start..start+length of the source."""
    shown: list[tuple[int, int]] = []
    tags: dict[str, int] = {}
    with open_video(like) as container:
        stream = container.streams.video[0]
        time_base, rate = stream.time_base, stream.average_rate or stream.guessed_rate
    rate = rate or _frame_rate(None)
    step = max(1, round(1 / (rate * time_base)))
    for frame in itertools.islice(decode(like), start + length + 1):
        tags = tags or {tag: getattr(frame, tag) for tag in COLOUR_TAGS}
        expected = shown[-1][0] + step if shown else 0
        # A few containers give no timestamp, or the same one twice; an encoder needs rising ones.
        pts = frame.pts if frame.pts is not None and (not shown or frame.pts > shown[-1][0]) else expected
        shown.append((pts, frame.duration or step))
    if len(shown) < start + length:
        raise InputError(
            f"{like} has {len(shown)} frames",
            f"frames {start} to {start + length - 1} are to be written in its time",
            "give the video these frames come from, or a frame rate instead",
        )
    ours = shown[start : start + length]
    partial = start > 0 or len(shown) > start + length
    end = ours[-1][0] + ours[-1][1]
    timing = Timing(
        pts=[pts for pts, _ in ours],
        duration=[duration for _, duration in ours],
        time_base=time_base,
        rate=rate,
        origin=ours[0][0] if start else 0,
        end_s=float(end * time_base) if partial else None,
    )
    return timing, tags


def _video_stream(out: Any, path: Path, size: tuple[int, int], timing: Timing, tags: dict[str, int]) -> Any:
    height, width = size
    if path.suffix.lower() == ".mkv":
        stream = out.add_stream("ffv1", rate=timing.rate)
        stream.pix_fmt = LOSSLESS  # RGB: no conversion, no loss
    else:
        stream = out.add_stream("libx264", rate=timing.rate, options=H264)
        # 4:2:0 halves the colour's size, which an odd picture does not have.
        stream.pix_fmt = "yuv420p" if height % 2 == width % 2 == 0 else "yuv444p"
    for tag, value in tags.items():
        # What FFV1 holds is RGB: the matrix and the range are those of the source no more.
        if stream.pix_fmt != LOSSLESS or tag in ("color_primaries", "color_trc"):
            setattr(stream.codec_context, tag, value)
    stream.height, stream.width = height, width
    stream.codec_context.time_base = timing.time_base
    stream.time_base = timing.time_base
    return stream


def _to_codec(picture: np.ndarray, video: Any, tags: dict[str, int]) -> VideoFrame:
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    if video.pix_fmt == LOSSLESS:
        return frame.reformat(format=LOSSLESS)
    full = tags.get("color_range") == 2
    return frame.reformat(
        format=video.pix_fmt,
        dst_colorspace=_matrix(tags.get("colorspace", UNSPECIFIED)),
        dst_color_range=2 if full else 1,
        interpolation=EXACT,
    )


class _Sound:
    """Copies the sound of a video packet by packet, re-encoding only what the new container cannot hold."""

    def __init__(self, out: Any, path: Path | None, timing: Timing):
        self._out, self._timing, self._pending = out, timing, None
        self._routes: dict[int, tuple[Any, bool]] = {}
        self._context = None if path is None else open_container(path)

    def __enter__(self) -> "_Sound":
        if self._context is None:
            return self
        self._source = self._context.__enter__()
        self._out.metadata.update(self._source.metadata)
        for stream in self._source.streams.audio:
            copied = stream.codec_context.codec.canonical_name in self._out.supported_codecs
            if copied:
                target = self._out.add_stream_from_template(stream)
            else:
                log.warning("%s sound cannot be kept in this container; it becomes AAC", stream.codec_context.name)
                target = self._out.add_stream("aac", rate=stream.codec_context.sample_rate)
            self._routes[stream.index] = (target, copied)
        self._packets = self._source.demux(self._source.streams.audio) if self._routes else iter(())
        return self

    def __exit__(self, *error: Any) -> None:
        if self._context is not None:
            self._context.__exit__(*error)

    def copy_until(self, end_s: float | None) -> None:
        """Copy what sounds before `end_s` (all that is left if None)."""
        while self._routes:
            packet = self._pending or next(self._packets, None)
            self._pending = None
            if packet is None:
                break
            if packet.pts is not None and end_s is not None and float(packet.pts * packet.time_base) >= end_s:
                self._pending = packet
                break
            self._copy(packet)
        if end_s is None or end_s == self._timing.end_s:
            self._flush()

    def _copy(self, packet: Any) -> None:
        target, copied = self._routes[packet.stream.index]
        if packet.pts is None:
            return  # the demuxer's end mark
        # What ends before our first frame: not of our part, or, where times cannot be negative, an encoder's priming.
        early = (packet.pts + (packet.duration or 0)) * packet.time_base <= self._timing.start_s
        if early and (self._timing.origin or self._out.format.name == "matroska"):
            return
        shift = round(self._timing.start_s / packet.time_base)
        if copied:
            packet.pts -= shift
            packet.dts = packet.pts if packet.dts is None else packet.dts - shift
            packet.stream = target
            self._out.mux(packet)
        else:
            for frame in packet.decode():
                frame.pts = None if frame.pts is None else frame.pts - shift
                self._out.mux(target.encode(frame))

    def _flush(self) -> None:
        for target, copied in self._routes.values():
            if not copied:
                self._out.mux(target.encode(None))
        self._routes = {}
