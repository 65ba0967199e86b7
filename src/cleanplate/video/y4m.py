"""YUV4MPEG2, the stream of raw frames that ffmpeg, mpv, x264 and vspipe pass through pipes: its headers and frames.

A line of words, then each frame behind a line `FRAME`: https://wiki.multimedia.cx/index.php/YUV4MPEG2. What a header
says is kept word for word, also what only ever concerns others, such as where chroma is sited.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from io import BufferedIOBase
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

from cleanplate.errors import InputError
from cleanplate.video.container import DEFAULT_FPS, check_picture
from cleanplate.video.planes import FULL_RANGE, bit_depth, has_alpha, has_subsampled_chroma, samples

MAGIC, FRAME = b"YUV4MPEG2", b"FRAME"
LONGEST_LINE = 1024
"""Of a header: what is longer is none."""
DEPTHS = (9, 10, 12, 14, 16)
FORMATS = {
    "420jpeg": "yuv420p",
    "420mpeg2": "yuv420p",
    "420paldv": "yuv420p",
    "420": "yuv420p",
    "422": "yuv422p",
    "444": "yuv444p",
    "411": "yuv411p",
    "444alpha": "yuva444p",
    "mono": "gray",
    **{f"{chroma}p{bits}": f"yuv{chroma}p{bits}le" for chroma in ("420", "422", "444") for bits in DEPTHS},
    **{f"mono{bits}": f"gray{bits}le" for bits in DEPTHS},
}
"""The C words, and the pixel formats that they stand for, in FFmpeg's words."""
RANGES = {"XCOLORRANGE=FULL": FULL_RANGE, "XCOLORRANGE=LIMITED": 1}
"""FFmpeg's word for the range, and its number."""


@dataclass(frozen=True)
class Header:
    """What is said of all frames of a stream."""

    words: tuple[str, ...]
    """As they came, without the magic one."""
    width: int
    height: int
    pix_fmt: str
    rate: Fraction | None
    """Frames a second; None if it does not say."""

    @property
    def fps(self) -> Fraction:
        """Frames a second, the usual ones if it does not say."""
        return self.rate or Fraction(DEFAULT_FPS)

    @property
    def aspect(self) -> Fraction | None:
        """Of a pixel; None if it does not say."""
        return _ratio(self._word("A"))

    @property
    def interlaced(self) -> bool:
        """Whether a frame may be two pictures."""
        return self._word("I") in ("t", "b", "m")

    @property
    def color_range(self) -> int:
        """In FFmpeg's numbering, 0 if it does not say."""
        return next((RANGES[word] for word in self.words if word in RANGES), 0)

    def sized(self, width: int, height: int) -> "Header":
        """That of a stream of another size."""
        size = {"W": width, "H": height}
        words = tuple(f"{word[0]}{size[word[0]]}" if word[0] in size else word for word in self.words)
        return replace(self, words=words, width=width, height=height)

    def line(self) -> bytes:
        """What a stream begins with."""
        return b" ".join((MAGIC, *(word.encode() for word in self.words))) + b"\n"

    def _word(self, letter: str) -> str:
        return next((word[1:] for word in self.words if word[0] == letter), "")


def read_header(stream: BufferedIOBase, name: str) -> Header:
    """The first line of a stream.

    Raises:
        InputError: it is of something else, or of a format that is not known here.
    """
    line = stream.readline(LONGEST_LINE)
    if not line:
        raise InputError(f"{name} is empty", "a YUV4MPEG2 stream is needed", "look for what its writer has said")
    magic, *rest = line.rstrip(b"\n").split(b" ")
    if magic != MAGIC or not line.endswith(b"\n"):
        fix = "pipe from ffmpeg -i VIDEO -f yuv4mpegpipe -strict -1 -"
        raise InputError(f"{name} is no YUV4MPEG2 stream", f"it begins with {MAGIC.decode()}", fix)
    words = tuple(word.decode("ascii", "replace") for word in rest if word)
    said = {word[0]: word[1:] for word in words if not word.startswith("X")}
    try:
        width, height = int(said["W"]), int(said["H"])
    except (KeyError, ValueError):
        raise _broken(name, "its header has no width and height") from None
    check_picture(Path(name), height, width)
    older = next((word[7:].lower() for word in words if word.startswith("XYSCSS=")), "420jpeg")
    colours = said.get("C", older)
    if colours not in FORMATS:
        known = f"{', '.join(FORMATS)} are read"
        raise InputError(f"{name} is of the format C{colours}", known, "convert it, as by ffmpeg -pix_fmt yuv420p")
    return Header(words, width, height, FORMATS[colours], _ratio(said.get("F", "")))


def read_frame(stream: BufferedIOBase, header: Header, index: int, name: str) -> tuple[VideoFrame, bytes] | None:
    """The next frame, and the line before it; None at the end.

    Raises:
        InputError: it is cut off, or no frame.
    """
    line = stream.readline(LONGEST_LINE)
    if not line:
        return None
    if line.rstrip(b"\n").split(b" ")[0] != FRAME or not line.endswith(b"\n"):
        cut = FRAME.startswith(line[: len(FRAME)]) and not line.endswith(b"\n")
        raise _broken(name, f"it ends within frame {index}" if cut else f"frame {index} does not begin as a frame does")
    frame = VideoFrame(header.width, header.height, header.pix_fmt)
    frame.color_range = header.color_range
    frame.pts, frame.time_base, frame.duration = index, 1 / header.fps, 1
    for plane in samples(frame) or ():
        data = stream.read(plane.size * plane.itemsize)
        if len(data) < plane.size * plane.itemsize:
            raise _broken(name, f"it ends within frame {index}")
        plane[...] = np.frombuffer(data, plane.dtype).reshape(plane.shape)
    return frame, line


def planes_of(frame: VideoFrame) -> Iterator[bytes]:
    """The samples of a frame as a stream holds them."""
    for plane in samples(frame) or ():
        yield plane.tobytes()


def header_for(
    frame: VideoFrame | None, *, size: tuple[int, int], rate: Fraction, aspect: Fraction | None, deep: bool
) -> Header:
    """The header of a stream of pictures, which loses as little of them as a stream can.

    Args:
        frame: what they come from; None for RGB that comes from images.
        size: (height, width).
        rate: frames a second.
        aspect: of a pixel, if it is known.
        deep: RGB is of 16 bits, not of 8.
    """
    colours, full = _colours(frame, deep=deep), False
    if frame is not None:
        full = frame.color_range == FULL_RANGE or frame.format.name.startswith("yuvj")
        if colours == "420":  # what is coded says nothing of it: MPEG's codecs have it on the left, JPEG in the middle
            colours += "jpeg" if full else "mpeg2"
    shape = aspect or Fraction(0)
    words = [
        f"W{size[1]}",
        f"H{size[0]}",
        f"F{rate.numerator}:{rate.denominator}",
        "Ip",
        f"A{shape.numerator}:{shape.denominator if shape else 0}",
        f"C{colours}",
        f"XCOLORRANGE={'FULL' if full else 'LIMITED'}",
    ]
    return Header(tuple(words), size[1], size[0], FORMATS[colours], rate)


def _colours(frame: VideoFrame | None, *, deep: bool) -> str:
    """The C word for the format of a frame, or for the nearest one; of 8 bits 4:2:0 without where chroma is sited."""
    if frame is None:
        return "444p16" if deep else "444"
    held = av.VideoFormat(frame.format.name)
    bits = next((depth for depth in (8, *DEPTHS) if depth >= bit_depth(held)), 16)
    if has_alpha(held) and bits == 8:
        return "444alpha"
    chroma = {(True, True): "420", (True, False): "422"}.get(has_subsampled_chroma(held), "444")
    if held.name == "yuv411p":
        return "411"
    if len(held.components) < 3:
        chroma = "mono"
    return chroma if bits == 8 else f"{chroma}{'' if chroma == 'mono' else 'p'}{bits}"


def _ratio(words: str) -> Fraction | None:
    """`30000:1001`; None of what is 0 or no ratio."""
    found = re.fullmatch(r"(\d{1,10}):(\d{1,10})", words)
    return Fraction(int(found[1]), int(found[2])) if found and int(found[1]) and int(found[2]) else None


def _broken(name: str, what: str) -> InputError:
    return InputError(f"{name} is broken: {what}", "a whole YUV4MPEG2 stream is needed", "look at what writes it")
