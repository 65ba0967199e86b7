"""Encode pictures as a video, in the format, the time, the colours and with the sound of the one they come from."""

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec import Codec as Encoder
from av.video.frame import VideoFrame
from jaxtyping import Bool, Shaped

from cleanplate.config import Encoding
from cleanplate.errors import InputError
from cleanplate.runtime.threads import ordinary_priority
from cleanplate.video.container import as_rate, decode, frame_rate, open_video
from cleanplate.video.planes import UNSPECIFIED, depth, has_alpha, to_codec, upright_size
from cleanplate.video.streams import Sound, kept_tags
from cleanplate.video.timecode import Span

log = logging.getLogger(__name__)
os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder tells of errors only


@dataclass(frozen=True)
class Codec:
    """How to ask an encoder for what we want."""

    encoder: str
    suffixes: tuple[str, ...]
    quality: tuple[str, float] | None
    """Its option, and its value where the loss is hard to see."""
    options: tuple[tuple[str, str], ...] = ()
    lossless: tuple[tuple[str, str], ...] | None = None
    """Options without loss; None if it cannot."""


CODECS = {
    # At these constant rate factors an editor sees no loss, and files stay reasonable. libx264's macroblock tree reads
    # memory that it has not written (in its assembly): with it the same pictures make another file now and then.
    "h264": Codec(
        "libx264",
        (".mp4", ".mov", ".m4v", ".mkv"),
        ("crf", 10.5),
        (("preset", "fast"), ("x264-params", "mbtree=0")),
        (("qp", "0"),),
    ),
    "h265": Codec(
        "libx265",
        (".mp4", ".mov", ".m4v", ".mkv"),
        ("crf", 14),
        (("preset", "fast"), ("x265-params", "log-level=none")),
        (("x265-params", "lossless=1:log-level=none"),),
    ),
    "prores": Codec("prores_ks", (".mov", ".mkv"), None, (("vendor", "apl0"),)),
    "ffv1": Codec("ffv1", (".mkv",), None, (("level", "3"), ("slices", "4"), ("slicecrc", "1")), ()),
    "vp9": Codec(
        "libvpx-vp9", (".webm", ".mkv", ".mp4"), ("crf", 15), (("b:v", "0"), ("row-mt", "1")), (("lossless", "1"),)
    ),
    "av1": Codec("libsvtav1", (".mkv", ".mp4", ".webm"), ("crf", 15), (("preset", "8"), ("svtav1-params", "lp=2"))),
}
BY_SUFFIX = {".mp4": "h264", ".mov": "h264", ".m4v": "h264", ".mkv": "ffv1", ".webm": "vp9"}
VIDEO_SUFFIXES = tuple(BY_SUFFIX)
COLOUR_TAGS = ("colorspace", "color_primaries", "color_trc", "color_range")


def find_codec(suffix: str, encoding: Encoding, *, alpha: bool = False) -> Codec:
    """The codec of a file with that suffix.

    Raises:
        InputError: a codec that the container cannot hold, or that cannot do what is asked of it.
    """
    by_default = "prores" if alpha and suffix == ".mov" and not encoding.lossless else BY_SUFFIX[suffix]
    name = by_default if encoding.codec == "auto" else encoding.codec
    codec = CODECS[name]
    if suffix not in codec.suffixes:
        holds = ", ".join(other for other, one in CODECS.items() if suffix in one.suffixes)
        raise InputError(f"a {suffix} file cannot hold {name}", f"it can hold {holds}", "choose one, or another suffix")
    if encoding.lossless and codec.lossless is None:
        raise InputError(f"{name} cannot be lossless", "ffv1 (.mkv), h264, h265 and vp9 can", "choose one")
    if encoding.quality is not None and codec.quality is None:
        raise InputError(f"{name} has no quality to set", "h264, h265, vp9 and av1 have one", "drop --quality")
    return codec


def pixel_format(codec: Codec, original: VideoFrame | None, size: tuple[int, int], *, wide: bool) -> str:
    """The format of the original, or of those the encoder knows the one that loses least."""
    known = Encoder(codec.encoder, "w").video_formats or []
    if original is None:
        wanted = av.VideoFormat("gbrp10le" if wide else "bgr0" if codec.encoder == "ffv1" else "yuv420p")
    else:
        wanted = av.VideoFormat(original.format.name)
    bits, alpha = depth(wanted), has_alpha(wanted)
    halved = _halved(wanted)

    def loss(name: str) -> tuple[float, ...]:
        one = av.VideoFormat(name)
        across, down = _halved(one)
        return (
            (across and size[1] % 2) or (down and size[0] % 2),  # a halved plane needs an even picture
            depth(one) < bits,
            alpha and not has_alpha(one),
            len(one.components) < 3 and len(wanted.components) >= 3,
            across > halved[0] or down > halved[1],
            name.startswith("yuvj") and not wanted.name.startswith("yuvj"),
            name != wanted.name,
            wanted.is_rgb and not one.is_rgb,
            depth(one) - bits,
            (halved[0] - across) + (halved[1] - down),
            has_alpha(one) and not alpha,
        )

    return min((one.name for one in known if not one.has_palette), key=loss)


def _halved(format_: av.VideoFormat) -> tuple[bool, bool]:
    """Whether colour has half the width, and half the height."""
    return format_.chroma_width(64) < 64, format_.chroma_height(64) < 64


class VideoWriter:
    """A video that is written picture by picture. To be closed by `finish`, or given up by leaving the context.

    Args:
        path: what to write; its suffix says the container.
        like: the video the pictures come from: its format, timestamps and colour tags are kept. It is decoded
            again as they come, so that no more than a frame of it is held.
        span: which part of `like` they are.
        sound: a file to take the sound from.
        fps: frame rate where there is no `like`.
        encoding: codec and quality.
        keep: put back what is as it was in `like`; not for pictures of something else, like a mask.
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
        keep: bool = True,
    ):
        self.path, self.like, self.span, self.encoding, self.keep = (
            path,
            like,
            span or Span(),
            encoding or Encoding(),
            keep,
        )
        self._sound_path, self._fps = sound, fps
        self._originals: Iterator[VideoFrame] = iter(()) if like is None else decode(like, self.span, warn=False)
        self._stack = ExitStack()
        self._out: Any = None  # until the first picture comes
        self._video: Any = None
        # Pictures written, and the last one's timestamp.
        self.count, self._shown = 0, 0

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def write(self, picture: Shaped[np.ndarray, "H W 3"], changed: Bool[np.ndarray, "H W"] | None = None) -> None:
        """Add a picture, of bytes or of 16 bits; `changed` says where it is not that of `like`, if that is known."""
        original = next(self._originals, None)
        if self.like is not None and original is None:
            raise InputError(
                f"{self.like} has {self.count} frames",
                f"frames 0 to {self.count} are to be written in its time",
                "give the video these frames come from, or a frame rate instead",
            )
        if not self.count:
            self._open(picture, original)
        held = original if self.keep else None
        frame = to_codec(
            picture,
            self._video.pix_fmt,
            colorspace=self._tags.get("colorspace", UNSPECIFIED),
            color_range=self._tags.get("color_range", 0),
            original=held,
            changed=changed,
        )
        # A few containers give no timestamp, or the same one twice; an encoder needs rising ones.
        expected = self._shown + self._step if self.count else 0
        shown = expected if original is None or original.pts is None else original.pts
        if self.count and shown <= self._shown:
            shown = expected
        if not self.count:
            self._origin = shown if self.span.start else 0
            self._sound.start_s = self._origin * self._time_base
        frame.pts, frame.time_base = shown - self._origin, self._time_base
        frame.duration = (original and original.duration) or self._step
        self._sound.copy_until(shown * self._time_base)
        self._out.mux(self._video.encode(frame))
        self._shown, self._end = shown, shown + frame.duration
        self.count += 1

    def finish(self) -> None:
        """Write what is left."""
        if self._out is None:
            raise InputError(f"{self.path} would have no frames", "at least one is needed", "check what is written")
        part = not self.span.whole or next(self._originals, None) is not None
        self._out.mux(self._video.encode())
        self._sound.copy_until(self._end * self._time_base if part else None)
        self._sound.finish()
        self._stack.close()

    def _open(self, picture: np.ndarray, original: VideoFrame | None) -> None:
        suffix, wide = self.path.suffix.lower(), picture.dtype == np.uint16
        alpha = self.keep and original is not None and has_alpha(original.format)
        codec = find_codec(suffix, self.encoding, alpha=alpha)
        height, width = picture.shape[:2]
        # FFV1 holds the RGB we have made, exactly; with --lossless, and beyond 8 bits, what the source holds.
        as_rgb = codec.encoder == "ffv1" and not self.encoding.lossless and not wide and not alpha
        pix_fmt = pixel_format(codec, original if self.keep and not as_rgb else None, (height, width), wide=wide)
        if alpha and not has_alpha(av.VideoFormat(pix_fmt)):
            log.warning("%s has an alpha channel, which %s does not keep; .mov or .mkv do", self.like, self.path.name)
        options = dict(codec.options)
        if self.encoding.lossless:
            options |= dict(codec.lossless or ())
        elif codec.quality is not None:
            option, value = codec.quality
            options[option] = f"{value if self.encoding.quality is None else self.encoding.quality:g}"
        if codec.encoder == "prores_ks":
            options["profile"] = "4" if "444" in pix_fmt else "3"
        # The index before the pictures, so that a player on the web need not load all of it first.
        moves = {"movflags": "+faststart"} if suffix in (".mp4", ".mov", ".m4v") else {}
        self._out = self._stack.enter_context(av.open(str(self.path), "w", options=moves))
        if self.like is None:
            rate = as_rate(self._fps)
            self._time_base, self._step, self._tags, self._aspect = 1 / rate, 1, {}, None
            said = {}
        else:
            with open_video(self.like) as container:
                stream = container.streams.video[0]
                self._time_base, rate = stream.time_base, frame_rate(stream)
                self._aspect, said = stream.sample_aspect_ratio, kept_tags(stream)
            self._step = max(1, round(1 / (rate * self._time_base)))
            self._tags = {tag: getattr(original, tag) for tag in COLOUR_TAGS}
        self._video = video = self._out.add_stream(codec.encoder, rate=rate, options=options)
        video.height, video.width, video.pix_fmt = height, width, pix_fmt
        video.metadata.update(said)
        for tag, value in self._tags.items():
            # Of what is held as RGB, the matrix and the range are those of the source no more.
            if not av.VideoFormat(pix_fmt).is_rgb or tag in ("color_primaries", "color_trc"):
                setattr(video.codec_context, tag, value)
        if original is not None and self._aspect and upright_size(original) == (height, width):
            turned = upright_size(original) != (original.height, original.width)
            video.codec_context.sample_aspect_ratio = 1 / self._aspect if turned else self._aspect
        if codec.encoder == "libx265" and suffix != ".mkv":
            video.codec_context.codec_tag = "hvc1"  # what players of Apple's look for
        video.codec_context.time_base = video.time_base = self._time_base
        with ordinary_priority():
            video.codec_context.open()
        self._sound = self._stack.enter_context(Sound(self._out, self._sound_path, whole=self.span.whole))
