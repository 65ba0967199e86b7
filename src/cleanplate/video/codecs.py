"""The codecs and containers that can be written, as two tables, and the choice among them. Add a codec here.

A codec is a row of `CODECS` and its name in `config.Encoding`; a container is a row of `CONTAINERS`.
"""

import os
from dataclasses import dataclass, replace

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
    exact_deep_rgb: str | None = None
    """The same of 16 bits."""
    profiles: tuple[tuple[str, str], ...] = ()
    """A word in the pixel format, and the profile that it needs; the first that fits."""
    without_alpha: bool = False
    """Its encoder names pixel formats with alpha, and does not take them."""
    limited_range: bool = False
    """Its decoders take every picture for one of the limited range."""
    tag: str | None = None
    """What it is called in .mp4 and .mov, if not as FFmpeg would call it."""


@dataclass(frozen=True)
class Container:
    """What a file with a suffix holds if nothing else is asked for."""

    codec: str
    alpha_codec: str | None = None
    """Of pictures with an alpha channel; None for the same."""
    deep_codec: str | None = None
    """Of pictures of more than 8 bits, which players do not take of the other."""
    lossless_codec: str | None = None
    """With --lossless. Of H.264 that is a profile that few players know; of H.265 it is the usual one."""
    keeps_codec: bool = True
    """Whether a video keeps the codec of its source, if it can."""
    options: tuple[tuple[str, str], ...] = ()
    format: str | None = None
    """What FFmpeg calls it; None if that is told by the suffix."""


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
        # With larger blocks libx265 now and then loses samples of pictures that are as narrow as one (seen with AVX2);
        # these cost 0.2 % more bytes.
        lossless=(("x265-params", "lossless=1:ctu=16:log-level=none"),),
        without_alpha=True,
        tag="hvc1",  # what players of Apple's look for
    ),
    "prores": Codec(
        "prores_ks",
        (".mov", ".mkv"),
        options=(("vendor", "apl0"),),
        profiles=(("444", "4"), ("", "3")),
        limited_range=True,
    ),
    "ffv1": Codec(
        "ffv1",
        (".mkv",),
        options=(("level", "3"), ("slices", "4"), ("slicecrc", "1")),
        lossless=(),
        exact_rgb="bgr0",
        exact_deep_rgb="gbrp16le",
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
OF_MP4 = Container("h264", deep_codec="h265", lossless_codec="h265", options=WEB)
CONTAINERS = {
    ".mp4": OF_MP4,
    ".mov": replace(OF_MP4, alpha_codec="prores"),
    ".m4v": replace(OF_MP4, format="mp4"),  # by the suffix it would be one that holds less
    ".mkv": Container("ffv1", keeps_codec=False),  # nothing is lost in it
    ".webm": Container("vp9"),
}
VIDEO_SUFFIXES = tuple(CONTAINERS)


FAMILIES = {"h264": "h264", "hevc": "h265", "av1": "av1", "vp9": "vp9", "prores": "prores"}
"""Of our codecs: what FFmpeg calls what they write."""


def find_codec(
    suffix: str, encoding: Encoding, *, alpha: bool = False, deep: bool = False, like: str | None = None
) -> Codec:
    """The codec of a file with that suffix.

    Args:
        suffix: of the container.
        encoding: what is asked for.
        alpha: there is an alpha channel.
        deep: there are more than 8 bits.
        like: what FFmpeg calls the codec of the source.

    Raises:
        InputError: a codec that the container cannot hold, or that cannot do what is asked of it.
    """
    name = _by_default(suffix, encoding, alpha, deep, like) if encoding.codec == "auto" else encoding.codec
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


def _by_default(suffix: str, encoding: Encoding, alpha: bool, deep: bool, like: str | None) -> str:
    """That of the source if the container can hold it, or else what plays everywhere."""
    container, family = CONTAINERS[suffix], FAMILIES.get(like or "")
    if encoding.lossless:
        return container.lossless_codec or container.codec
    if alpha and container.alpha_codec:
        return container.alpha_codec
    can = family is not None and container.keeps_codec and suffix in CODECS[family].suffixes
    if family is not None and can and (encoding.quality is None or CODECS[family].quality is not None):
        return family
    return (deep and container.deep_codec) or container.codec


def is_kept(codec: Codec, like: str | None) -> bool:
    """Whether it is the codec that the source has."""
    return CODECS.get(FAMILIES.get(like or "", "")) is codec


def what_changes(codec: Codec, pixel_format: str, like: str, source: av.VideoFormat, suffix: str) -> str:
    """What a video has other or less of than its source, in words; nothing if that is not worth a word.

    Args:
        codec: of the video.
        pixel_format: of the video.
        like: what FFmpeg calls the codec of the source.
        source: its pixel format.
        suffix: of the video: whoever names .webm or .mkv has named its codec too.
    """
    if is_kept(codec, like):
        return ""
    said, after = [], av.VideoFormat(pixel_format)
    if like in FAMILIES and CONTAINERS[suffix].deep_codec is not None:
        name = next(name for name, one in CODECS.items() if one is codec)
        said.append(f"{name} instead of {FAMILIES[like]}")
    if bit_depth(after) < bit_depth(source):
        said.append(f"{bit_depth(after)} bits instead of {bit_depth(source)}")
    pairs = zip(has_subsampled_chroma(source), has_subsampled_chroma(after), strict=True)
    if len(source.components) >= 3 and any(new > old for old, new in pairs):
        said.append(
            "colour at half its width and height" if has_subsampled_chroma(after)[1] else "colour at half its width"
        )
    return ", ".join(said)


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


def choose_pixel_format(
    codec: Codec, source: VideoFrame | None, size: tuple[int, int], *, deep: bool, plain: bool = False
) -> str:
    """The pixel format of the source, or of those the encoder knows the one that loses least.

    Args:
        codec: one of `CODECS`.
        source: a frame to be written in its own pixel format; None for pictures in RGB.
        size: height and width.
        deep: RGB is of 16 bits, not of 8.
        plain: colour of half the width and height, as every player takes it.
    """
    known = Encoder(codec.encoder, "w").video_formats or []
    if source is None:
        rgb = (codec.exact_deep_rgb or "gbrp10le") if deep else (codec.exact_rgb or "yuv420p")
        wanted = av.VideoFormat(rgb)
    else:
        wanted = av.VideoFormat(source.format.name)
    if plain and len(wanted.components) >= 3 and has_subsampled_chroma(wanted) != (True, True):
        wanted = av.VideoFormat("yuv420p10le" if bit_depth(wanted) > 8 else "yuv420p")
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

    usable = (one for one in known if not one.has_palette and not (codec.without_alpha and has_alpha(one)))
    return min((one.name for one in usable), key=loss)
