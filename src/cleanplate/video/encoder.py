"""Encode pictures as a video, in the pixel format, the time, the colours and with the sound of their source."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import Bool, Shaped

from cleanplate.config import Encoding
from cleanplate.errors import InputError
from cleanplate.runtime.threads import ordinary_priority
from cleanplate.video.codecs import (
    CONTAINERS,
    Codec,
    choose_pixel_format,
    encoder_options,
    find_codec,
    is_kept,
    what_changes,
)
from cleanplate.video.container import as_rate, decode, frame_rate, open_video
from cleanplate.video.images import frame_of
from cleanplate.video.planes import BT601, LIMITED_RANGE, UNSPECIFIED, has_alpha, to_codec, upright_size
from cleanplate.video.streams import StreamCopier, kept_tags
from cleanplate.video.timecode import Span

log = logging.getLogger(__name__)

IN_THE_STREAM = ("libx264", "libx265")  # codecs that say the shape of samples by themselves
COLOUR_TAGS = ("colorspace", "color_primaries", "color_trc", "color_range")


@dataclass(frozen=True)
class StreamFormat:
    """What a stream of pictures says of all of them."""

    time_base: Fraction
    """Seconds that a timestamp counts."""
    rate: Fraction
    """Frames a second."""
    aspect: Fraction | None = None
    """Of a sample, as the source holds it: not turned."""
    metadata: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, video: Path | None, fps: float | None) -> "StreamFormat":
        """That of a video, or of pictures at a rate."""
        if video is None:
            return cls(1 / as_rate(fps), as_rate(fps))
        with open_video(video) as container:
            stream = container.streams.video[0]
            return cls(stream.time_base, frame_rate(stream), stream.sample_aspect_ratio, kept_tags(stream))

    @property
    def frame_duration(self) -> int:
        """How long a frame is shown, in units of the time base."""
        return max(1, round(1 / (self.rate * self.time_base)))


def codec_of(video: Path) -> str:
    """What FFmpeg calls the codec of a video."""
    with open_video(video) as container:
        return container.streams.video[0].codec_context.codec.canonical_name


class VideoWriter:
    """A video that is written picture by picture. To be closed by `finish`, or given up by leaving the context.

    Args:
        path: what to write; its suffix says the container.
        like: the video the pictures come from: its timestamps and colour tags are kept. It is decoded again as they
            come, so that no more than a frame of it is held.
        span: which part of `like` they are.
        sound: a file to take the sound from.
        fps: frame rate where there is no `like`.
        encoding: codec and quality.
        keep_source: see `writer.open_writer`.
        piped: what the pictures come from instead of `like`, if that was no file: its frames, each once.
        images: what they come from, if those have an alpha, which is kept where the codec has one.
    """

    def __init__(
        self,
        path: Path,
        *,
        like: Path | None = None,
        span: Span | None = None,
        sound: Path | None = None,
        fps: float | None = None,
        encoding: Encoding | None = None,
        keep_source: bool = True,
        piped: tuple[StreamFormat, Iterator[VideoFrame]] | None = None,
        images: Sequence[Path] = (),
    ):
        self.path, self.like, self.keep_source = path, like, keep_source
        self.span, self.encoding = span or Span(), encoding or Encoding()
        self._sound_path, self._fps = sound, fps
        shown = map(frame_of, images) if like is None else decode(like, self.span, warn=False)
        self._form, self._sources = piped or (None, shown)
        self._from = like or (images[0].parent if images else None)  # as it is called in what is said
        self._stack = ExitStack()
        self._out: Any = None  # until the first picture comes
        self._video: Any = None
        self._tags: dict[str, int] = {}
        self.count = 0
        """Pictures written."""
        self._last_pts = self._first_pts = self._end_pts = 0  # all in the time of `like`

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def write(self, picture: Shaped[np.ndarray, "H W 3"], changed: Bool[np.ndarray, "H W"] | None = None) -> None:
        """Add a picture, of bytes or of 16 bits; `changed` says where it is not that of `like`, if that is known."""
        source = next(self._sources, None)
        if self.like is not None and source is None:
            raise InputError(
                f"{self.like} has {self.count} frames",
                f"frames 0 to {self.count} are to be written in its time",
                "give the video these frames come from, or a frame rate instead",
            )
        if not self.count:
            self._open(picture, source)
        frame = to_codec(
            picture,
            self._video.pix_fmt,
            colorspace=self._tags.get("colorspace", UNSPECIFIED),
            color_range=self._tags.get("color_range", 0),
            source=source if self.keep_source else None,
            changed=changed,
        )
        pts = self._pts_of(source)
        if not self.count:
            self._first_pts = pts if self.span.start else 0
            self._streams.start_s = self._first_pts * self._format.time_base
        frame.pts, frame.time_base = pts - self._first_pts, self._format.time_base
        for tag in ("color_primaries", "color_trc"):  # what an encoder writes into every picture
            setattr(frame, tag, self._tags.get(tag, UNSPECIFIED))
        frame.duration = (source and source.duration) or self._format.frame_duration
        self._streams.copy_until(pts * self._format.time_base)
        self._out.mux(self._video.encode(frame))
        self._last_pts, self._end_pts = pts, pts + frame.duration
        self.count += 1

    def _pts_of(self, source: VideoFrame | None) -> int:
        """The timestamp of the next picture, that of the source if it can be.

        A few containers give no timestamp, or the same one twice; an encoder needs rising ones.
        """
        expected = self._last_pts + self._format.frame_duration if self.count else 0
        if source is None or source.pts is None or (self.count and source.pts <= self._last_pts):
            return expected
        return source.pts

    def finish(self) -> None:
        """Write what is left."""
        if self._out is None:
            raise InputError(f"{self.path} would have no frames", "at least one is needed", "write a picture to it")
        part = not self.span.whole or next(self._sources, None) is not None
        self._out.mux(self._video.encode())
        if part:
            self._streams.copy_rest(self._end_pts * self._format.time_base)
        else:
            self._streams.copy_until(None)
        self._streams.finish()
        self._stack.close()

    def _open(self, picture: np.ndarray, source: VideoFrame | None) -> None:
        """Open the file, and the encoder for pictures like the first one."""
        suffix, deep = self.path.suffix.lower(), picture.dtype == np.uint16
        like = source if self.keep_source else None
        alpha = like is not None and has_alpha(like.format)
        before = codec_of(self.like) if self.like is not None and like is not None else None
        codec = find_codec(suffix, self.encoding, alpha=alpha, deep=deep, like=before)
        # What is chosen here, and is not what the source has, is to play everywhere. Without loss, and where a codec
        # was asked for, all is held that the source holds.
        chosen = self.encoding.codec == "auto" and not self.encoding.lossless
        plain = chosen and codec.lossless != () and not is_kept(codec, before) and codec.profiles == ()
        pix_fmt = choose_pixel_format(codec, like, (picture.shape[0], picture.shape[1]), deep=deep, plain=plain)
        if alpha and not has_alpha(av.VideoFormat(pix_fmt)):
            log.warning("%s has an alpha channel, which %s does not keep; .mov or .mkv do", self._from, self.path.name)
        changes = what_changes(codec, pix_fmt, before, like.format, suffix) if like and before and chosen else ""
        if changes:
            log.warning("%s has %s: what players take; --codec and --lossless say otherwise", self.path.name, changes)
        self._out = self._stack.enter_context(
            # An absolute path: of a relative one what is before a colon would be a protocol.
            av.open(str(self.path.absolute()), "w", CONTAINERS[suffix].format, options=dict(CONTAINERS[suffix].options))
        )
        self._format = self._form or StreamFormat.of(self.like, self._fps)
        if source is not None:
            self._tags = {tag: getattr(source, tag) for tag in COLOUR_TAGS}
            if source.format.is_rgb and not av.VideoFormat(pix_fmt).is_rgb:
                self._tags |= {"colorspace": BT601, "color_range": LIMITED_RANGE}  # as it is converted
            if codec.limited_range:
                self._tags["color_range"] = LIMITED_RANGE
            if source.interlaced_frame:
                given = f"{self.like} is interlaced, and its two fields are taken for one picture"
                log.warning("%s; deinterlace it before if it combs (ffmpeg -vf bwdif)", given)
        self._video = self._add_stream(codec, pix_fmt, picture, source)
        with ordinary_priority():
            self._video.codec_context.open()
        self._streams = self._stack.enter_context(StreamCopier(self._out, self._sound_path, whole=self.span.whole))

    def _add_stream(self, codec: Codec, pix_fmt: str, picture: np.ndarray, source: VideoFrame | None) -> Any:
        """A stream for the pictures, with what the source says of its own."""
        options = encoder_options(codec, self.encoding, pix_fmt)
        video = self._out.add_stream(codec.encoder, rate=self._format.rate, options=options)
        video.height, video.width, video.pix_fmt = *picture.shape[:2], pix_fmt
        video.metadata.update(self._format.metadata)
        for tag, value in self._tags.items():
            # Of what is held as RGB, the matrix and the range are those of the source no more.
            if not av.VideoFormat(pix_fmt).is_rgb or tag in ("color_primaries", "color_trc"):
                setattr(video.codec_context, tag, value)
        aspect = self._format.aspect
        if source is not None and aspect and upright_size(source) == picture.shape[:2]:
            turned = upright_size(source) != (source.height, source.width)
            video.codec_context.sample_aspect_ratio = 1 / aspect if turned else aspect
            if aspect != 1 and self.path.suffix.lower() in (".mkv", ".webm") and codec.encoder not in IN_THE_STREAM:
                said = "its samples are not square, which is not said in it; .mp4 and .mov do"
                log.warning("%s will look squeezed: %s", self.path.name, said)
        if codec.tag is not None and self.path.suffix.lower() != ".mkv":
            video.codec_context.codec_tag = codec.tag
        video.codec_context.time_base = video.time_base = self._format.time_base
        return video
