"""The codecs and containers that can be written, as two tables, and the choice among them. Add a codec here.

A codec is a row of `CODECS` and its name in `config.Encoding`; a container is a row of `CONTAINERS`.
"""

import os
from dataclasses import dataclass

import av
from av.codec import Codec as Encoder
from av.video.frame import VideoFrame

from cleanplate.config import Encoding
from cleanplate.errors import InputError
from cleanplate.video.planes import bit_depth, has_alpha, has_subsampled_chroma

os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder tells of errors only


@dataclass(frozen=True)
class Codec:
    """How to ask FFmpeg's encoder of a codec for what we want."""

    encoder: str
    suffixes: tuple[str, ...]
    """Of the containers that can hold it."""
    quality: tuple[str, float] | None = None
    """Its option for the quality, and the value at which the loss is hard to see."""
    options: tuple[tuple[str, str], ...] = ()
    lossless: tuple[tuple[str, str], ...] | None = None
    """Options without loss; None if it cannot."""
    exact_rgb: str | None = None
    """The pixel format in which it holds RGB of 8 bits as it is; None if it has none."""
    profiles: tuple[tuple[str, str], ...] = ()
    """A word in the pixel format, and the profile that it needs; the first that fits."""
    tag: str | None = None
    """What it is called in .mp4 and .mov, if not as FFmpeg would call it."""


@dataclass(frozen=True)
class Container:
    """What a file with a suffix holds if nothing else is asked for."""

    codec: str
    alpha_codec: str | None = None
    """Of pictures with an alpha channel; None for the same."""
    options: tuple[tuple[str, str], ...] = ()


CODECS = {
    # At these constant rate factors an editor sees no loss, and files stay reasonable. libx264's macroblock tree reads
    # memory that it has not written (in its assembly): with it the same pictures make another file now and then. Its
    # preset superfast takes a third of the time of fast, and at half a step less a fifth more bytes for as much
    # quality; without arithmetic coding the same pictures take a third less time again, and up to a tenth more bytes:
    # encoding must not take as long as filling.
    "h264": Codec(
        "libx264",
        (".mp4", ".mov", ".m4v", ".mkv"),
        quality=("crf", 10),
        options=(("preset", "superfast"), ("x264-params", "mbtree=0:cabac=0")),
        lossless=(("qp", "0"), ("x264-params", "mbtree=0")),
    ),
    "h265": Codec(
        "libx265",
        (".mp4", ".mov", ".m4v", ".mkv"),
        quality=("crf", 14),
        options=(("preset", "fast"), ("x265-params", "log-level=none")),
        lossless=(("x265-params", "lossless=1:log-level=none"),),
        tag="hvc1",  # what players of Apple's look for
    ),
    "prores": Codec("prores_ks", (".mov", ".mkv"), options=(("vendor", "apl0"),), profiles=(("444", "4"), ("", "3"))),
    "ffv1": Codec(
        "ffv1",
        (".mkv",),
        options=(("level", "3"), ("slices", "4"), ("slicecrc", "1")),
        lossless=(),
        exact_rgb="bgr0",
    ),
    "vp9": Codec(
        "libvpx-vp9",
        (".webm", ".mkv", ".mp4"),
        quality=("crf", 15),
        options=(("b:v", "0"), ("row-mt", "1")),
        lossless=(("lossless", "1"),),
    ),
    "av1": Codec(
        "libsvtav1",
        (".mkv", ".mp4", ".webm"),
        quality=("crf", 15),
        options=(("preset", "8"), ("svtav1-params", "lp=2")),
    ),
}
# The index before the pictures, so that a player on the web need not load all of it first.
WEB = (("movflags", "+faststart"),)
CONTAINERS = {
    ".mp4": Container("h264", options=WEB),
    ".mov": Container("h264", alpha_codec="prores", options=WEB),
    ".m4v": Container("h264", options=WEB),
    ".mkv": Container("ffv1"),
    ".webm": Container("vp9"),
}
VIDEO_SUFFIXES = tuple(CONTAINERS)


def find_codec(suffix: str, encoding: Encoding, *, alpha: bool = False) -> Codec:
    """The codec of a file with that suffix.

    Raises:
        InputError: a codec that the container cannot hold, or that cannot do what is asked of it.
    """
    container = CONTAINERS[suffix]
    by_default = (alpha and not encoding.lossless and container.alpha_codec) or container.codec
    name = by_default if encoding.codec == "auto" else encoding.codec
    codec = CODECS[name]
    if suffix not in codec.suffixes:
        holds = ", ".join(other for other, one in CODECS.items() if suffix in one.suffixes)
        fix = f"choose one of these, or a name in {' or '.join(codec.suffixes)}"
        raise InputError(f"a {suffix} file cannot hold {name}", f"it can hold {holds}", fix)
    if encoding.lossless and codec.lossless is None:
        can = ", ".join(other for other, one in CODECS.items() if one.lossless is not None)
        raise InputError(
            f"{name} cannot be lossless", f"{can} can", "choose one of these (--codec), or drop --lossless"
        )
    if encoding.quality is not None and codec.quality is None:
        have = ", ".join(other for other, one in CODECS.items() if one.quality is not None)
        raise InputError(f"{name} has no quality to set", f"{have} have one", "drop --quality")
    return codec


def encoder_options(codec: Codec, encoding: Encoding, pixel_format: str) -> dict[str, str]:
    """What to tell the encoder."""
    options = dict(codec.options)
    if encoding.lossless:
        options |= dict(codec.lossless or ())
    elif codec.quality is not None:
        option, value = codec.quality
        options[option] = f"{value if encoding.quality is None else encoding.quality:g}"
    fitting = [profile for word, profile in codec.profiles if word in pixel_format]
    return options | ({"profile": fitting[0]} if fitting else {})


def choose_pixel_format(codec: Codec, source: VideoFrame | None, size: tuple[int, int], *, deep: bool) -> str:
    """The pixel format of the source, or of those the encoder knows the one that loses least.

    Args:
        codec: one of `CODECS`.
        source: a frame to be written in its own pixel format; None for pictures in RGB.
        size: height and width.
        deep: RGB is of 16 bits, not of 8.
    """
    known = Encoder(codec.encoder, "w").video_formats or []
    if source is None:
        wanted = av.VideoFormat("gbrp10le" if deep else codec.exact_rgb or "yuv420p")
    else:
        wanted = av.VideoFormat(source.format.name)
    bits, alpha = bit_depth(wanted), has_alpha(wanted)
    halved = has_subsampled_chroma(wanted)

    def loss(name: str) -> tuple[float, ...]:
        """What is lost, the worst first: the formats are compared by the first of these in which they differ."""
        one = av.VideoFormat(name)
        across, down = has_subsampled_chroma(one)
        return (
            (across and size[1] % 2) or (down and size[0] % 2),  # a halved plane needs an even picture
            bit_depth(one) < bits,
            alpha and not has_alpha(one),
            len(one.components) < 3 and len(wanted.components) >= 3,
            across > halved[0] or down > halved[1],
            name.startswith("yuvj") and not wanted.name.startswith("yuvj"),
            name != wanted.name,
            wanted.is_rgb and not one.is_rgb,
            bit_depth(one) - bits,
            (halved[0] - across) + (halved[1] - down),
            has_alpha(one) and not alpha,
        )

    return min((one.name for one in known if not one.has_palette), key=loss)
