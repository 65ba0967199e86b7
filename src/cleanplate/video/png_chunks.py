"""What a PNG says of its colours and its size in print, beside the picture: kept from one file to another."""

import contextlib
import io
import struct
import zlib
from collections.abc import Iterator

from PIL import Image, UnidentifiedImageError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KEPT = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"pHYs")
"""Kinds of chunks (PNG specification, third edition, section 11.3); all stand before the picture."""
HEADER_END = len(SIGNATURE) + 25  # the header is the first chunk, of 13 bytes
COLOUR_TYPE, GREY = 25, (0, 4)  # where in a file it is, and those without colour


def said_by(image: bytes) -> bytes:
    """The chunks that a PNG has of these kinds; of another image its ICC profile as one.

    Not the profile of one that is grey, or of four inks: what is written is RGB.

    Args:
        image: the file, which is an image that can be read.
    """
    if image.startswith(SIGNATURE):
        kept = set(KEPT) - ({b"iCCP"} if image[COLOUR_TYPE] in GREY else set())
        return b"".join(image[start:end] for kind, start, end in _chunks(image) if kind in kept)
    with contextlib.suppress(UnidentifiedImageError, OSError, ValueError), Image.open(io.BytesIO(image)) as header:
        if (profile := header.info.get("icc_profile")) and header.mode in ("RGB", "RGBA"):
            return _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))
    return b""


def with_chunks(png: bytes, chunks: bytes) -> bytes:
    """A PNG that has none of these kinds, with these."""
    return png[:HEADER_END] + chunks + png[HEADER_END:]


def _chunks(png: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of each chunk before the picture."""
    start = len(SIGNATURE)
    while start + 8 <= len(png):
        length, kind = struct.unpack(">I4s", png[start : start + 8])
        end = start + 12 + length
        if kind == b"IDAT" or end > len(png):
            return
        yield kind, start, end
        start = end


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
