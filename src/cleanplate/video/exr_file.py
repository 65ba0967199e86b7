"""The container of OpenEXR: headers, and where the chunks of each part lie, so that a few can be put in others' place.

Whatever is not put in place is copied byte for byte: the headers with every attribute, other parts of any kind, and
chunks of any compression. A chunk is a block of lines or a tile, with all channels of its part.

Source: "OpenEXR File Layout", openexr.com. All numbers are little-endian.
"""

import io
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from jaxtyping import Shaped

MAGIC = 20000630
TILED, LONG_NAMES, MULTI_PART = 0x200, 0x400, 0x1000
"""Bits of the version field."""
# None, RLE, ZIPS, ZIP, PIZ, PXR24, B44, B44A, DWAA, DWAB, HTJ2K256, HTJ2K32
LINES = (1, 1, 1, 16, 32, 16, 32, 32, 32, 256, 256, 32)
"""Lines in a chunk, by the number of the compression."""
NO_COMPRESSION, LOSSY = 0, frozenset({5, 6, 7, 8, 9})
PIXEL_TYPES = (np.dtype("<u4"), np.dtype("<f2"), np.dtype("<f4"))
NEEDED = ("channels", "compression", "dataWindow", "displayWindow", "lineOrder", "pixelAspectRatio",
          "screenWindowCenter", "screenWindowWidth", "tiles")  # fmt: skip
"""Attributes without which no part can be decoded."""

Box = tuple[int, int, int, int]
"""Left, top, right and bottom, the last two counted too."""


class NotExr(Exception):
    """What is wrong with a file, in a few words."""


@dataclass(frozen=True)
class Channel:
    """What a header says of a channel."""

    name: str
    dtype: np.dtype
    sampling: tuple[int, int]
    """One sample stands for so many pixels across and down."""
    p_linear: bool


@dataclass(frozen=True)
class Part:
    """A part: its attributes, and where its chunks begin."""

    index: int
    attributes: Mapping[str, tuple[str, bytes]]
    """Types and values, by their names."""
    tiled: bool
    offsets: tuple[int, ...]

    @property
    def name(self) -> str:
        """What it is called; empty in a file of one part."""
        return self.attributes.get("name", ("", b""))[1].decode("utf-8", "replace")

    @property
    def is_deep(self) -> bool:
        """Whether its pixels have any number of samples."""
        return self.attributes.get("type", ("", b""))[1].startswith(b"deep")

    @property
    def compression(self) -> int:
        """Its number."""
        return self.attributes["compression"][1][0]

    @property
    def data_window(self) -> Box:
        """Which pixels there are."""
        return struct.unpack("<4i", self.attributes["dataWindow"][1])

    @property
    def display_window(self) -> Box:
        """Which pixels are the picture."""
        return struct.unpack("<4i", self.attributes["displayWindow"][1])

    @property
    def tile(self) -> tuple[int, int, int]:
        """Width and height of a tile, and how levels are made: 0 if there is one."""
        across, down, mode = struct.unpack("<IIB", self.attributes["tiles"][1])
        return across, down, mode & 15

    @cached_property
    def channels(self) -> tuple[Channel, ...]:
        """In the order in which a chunk holds them."""
        raw, at, found = self.attributes["channels"][1], 0, []
        while raw[at : at + 1] not in (b"", b"\0"):
            end = raw.index(b"\0", at)
            kind, p_linear, across, down = struct.unpack_from("<IB3xii", raw, end + 1)
            if across < 1 or down < 1:
                raise NotExr("its header is damaged")
            name = raw[at:end].decode("utf-8", "replace")
            found.append(Channel(name, PIXEL_TYPES[kind], (across, down), bool(p_linear)))
            at = end + 17
        return tuple(found)

    def areas(self) -> Iterator[Box]:
        """Which pixels each chunk holds, in the order of `offsets`."""
        left, top, right, bottom = self.data_window
        across, down = self.tile[:2] if self.tiled else (right - left + 1, LINES[self.compression])
        for y in range(top, bottom + 1, down):
            for x in range(left, right + 1, across):
                yield x, y, min(right, x + across - 1), min(bottom, y + down - 1)


@dataclass(frozen=True)
class ExrFile:
    """A file that was looked through."""

    data: bytes
    version: int
    parts: tuple[Part, ...]
    table: int
    """Where the offsets of chunks begin; what is before is the header."""

    @property
    def prefix(self) -> int:
        """Bytes of the number of its part that a chunk begins with."""
        return 4 if self.version & MULTI_PART else 0

    def chunk(self, part: Part, index: int) -> tuple[bytes, bytes]:
        """Where it says that it lies, its line or its tile and level; and its pixels."""
        at = part.offsets[index] + self.prefix
        place = 16 if part.tiled else 4
        (size,) = struct.unpack_from("<i", self.data, at + place)
        begin = at + place + 4
        if size < 0 or begin + size > len(self.data):
            raise NotExr("it ends within a block of pixels")
        return self.data[at : at + place], self.data[begin : begin + size]

    def alone(self, part: Part) -> bytes:
        """A file of this part only, with no attributes but those that are needed to decode it."""
        chunks = [b"".join((place, struct.pack("<i", len(pixels)), pixels))
                  for place, pixels in (self.chunk(part, index) for index in range(len(part.offsets)))]  # fmt: skip
        head = struct.pack("<II", MAGIC, 2 | (TILED if part.tiled else 0) | (self.version & LONG_NAMES))
        for name in NEEDED:
            if name in part.attributes:
                kind, value = part.attributes[name]
                head += b"\0".join((name.encode(), kind.encode(), struct.pack("<i", len(value)) + value))
        head += b"\0"
        ends = np.cumsum([len(head) + 8 * len(chunks), *map(len, chunks)], dtype="<u8")
        return b"".join((head, ends[:-1].tobytes(), *chunks))

    def replaced(self, part: Part, pixels: Mapping[int, bytes]) -> bytes:
        """The same file with other pixels in these chunks of a part, by their index."""
        owners = {at: (part.index, index) for part in self.parts for index, at in enumerate(part.offsets)}
        moved, chunks = {}, []
        end = self.table + 8 * len(owners)
        for at, after in pairwise([*sorted(owners), len(self.data)]):
            owner, index = owners[at]
            chunk = self.data[at:after]
            if owner == part.index and index in pixels:
                place, _ = self.chunk(part, index)
                size = struct.pack("<i", len(pixels[index]))
                chunk = b"".join((self.data[at : at + self.prefix], place, size, pixels[index]))
            moved[at] = end
            chunks.append(chunk)
            end += len(chunk)
        table = np.array([moved[at] for part in self.parts for at in part.offsets], "<u8")
        return b"".join((self.data[: self.table], table.tobytes(), *chunks))


def parse(data: bytes) -> ExrFile:
    """Look a file through: its headers, and that each chunk begins within it.

    Raises:
        NotExr: it is no OpenEXR, or not whole.
    """
    try:
        return _parse(data)
    except (struct.error, ValueError, IndexError, KeyError, UnicodeDecodeError, OverflowError) as error:
        raise NotExr("its header is damaged") from error


def _parse(data: bytes) -> ExrFile:
    magic, version = struct.unpack_from("<II", data)
    if magic != MAGIC or version & 255 != 2:
        raise NotExr("it is not an OpenEXR of version 2")
    stream = io.BytesIO(data)
    stream.seek(8)
    headers = [_header(stream)]
    while version & MULTI_PART and (header := _header(stream)):
        headers.append(header)
    table, parts = stream.tell(), []
    for index, attributes in enumerate(headers):
        kind = attributes.get("type", ("", b""))[1]
        part = Part(index, attributes, kind == b"tiledimage" or (not kind and bool(version & TILED)), ())
        count = _count(part)
        _ = part.channels, part.display_window, part.data_window, part.compression  # each part has them
        parts.append(replace(part, offsets=struct.unpack(f"<{count}Q", stream.read(8 * count))))
    begin = stream.tell()
    if not all(begin <= at < len(data) for part in parts for at in part.offsets):
        raise NotExr("it is not whole")
    return ExrFile(data, version, tuple(parts), table)


def _count(part: Part) -> int:
    """How many chunks a part has; it says so itself if it is one of several, or deep. 0 if that is not known."""
    if "chunkCount" in part.attributes:
        (count,) = struct.unpack("<i", part.attributes["chunkCount"][1])
    elif (part.tiled and part.tile[2]) or part.compression >= len(LINES):
        return 0
    else:
        left, top, right, bottom = part.data_window
        across, down = part.tile[:2] if part.tiled else (right - left + 1, LINES[part.compression])
        count = -(-(bottom - top + 1) // down) * -(-(right - left + 1) // across)
    if not 0 < count < 2**24:
        raise NotExr("its header is damaged")
    return count


def _header(stream: io.BytesIO) -> dict[str, tuple[str, bytes]]:
    """The attributes of the header that begins here; none of the empty one that ends them."""
    found = {}
    while name := _text(stream):
        kind = _text(stream)
        (size,) = struct.unpack("<i", stream.read(4))
        value = stream.read(max(0, size))
        if len(value) != size:
            raise NotExr("it ends within its header")
        found[name] = (kind, value)
    return found


def _text(stream: io.BytesIO) -> str:
    """A name that ends in a null byte, 255 bytes at most."""
    start = stream.tell()
    raw = stream.read(256)
    end = raw.index(b"\0")
    stream.seek(start + end + 1)
    return raw[:end].decode()


def raw_pixels(part: Part, samples: Mapping[str, Shaped[np.ndarray, "h w"]], area: Box) -> bytes:
    """What a chunk holds that is not compressed: line after line, and in each all channels.

    In a part of any compression a chunk of just that size is taken as it is.
    """
    left, top = part.data_window[:2]
    rows: list[bytes] = []
    for y in range(area[1], area[3] + 1):
        for channel in part.channels:
            across, down = channel.sampling
            if y % down == 0:
                first, last = -(-area[0] // across), area[2] // across
                start = -(-left // across)
                line = samples[channel.name][y // down - -(-top // down), first - start : last - start + 1]
                rows.append(np.ascontiguousarray(line, channel.dtype).tobytes())
    return b"".join(rows)
