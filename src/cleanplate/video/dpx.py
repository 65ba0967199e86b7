"""DPX of 10, 12 and 16 bits: read as it is, and written as the same file with the samples that were changed.

A file is a header of fixed places, and lines of words of 32 bits in the file's byte order. How samples lie in a word
is the packing: 0, one after the other from the lowest bit; filled, with bits left over at the low end (1, method A)
or at the high end (2, method B). Of 10 bits three are in a word, the first one highest; of 12 and 16 bits each has a
half of its own. A line begins with a word, but some writers do not know that.

Source: SMPTE ST 268:2003. Code values are taken as they are, whatever transfer the header names.
"""

import struct
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64, Shaped, UInt16

from cleanplate.errors import InputError
from cleanplate.video.container import check_picture
from cleanplate.video.image_bytes import broken_image, read_image_bytes

ORDERS = {50: "RGB", 51: "RGBA", 52: "ABGR"}
"""By the header's descriptor."""
DEPTHS = (10, 12, 16)
PACKED, METHOD_A = 0, 1
UNDEFINED = 2**32 - 1
WORD = np.uint64(2**32 - 1)


@dataclass(frozen=True)
class Dpx:
    """A file that was looked through."""

    data: bytes
    endian: str
    width: int
    height: int
    order: str
    bits: int
    packing: int
    mirrored: tuple[bool, bool]
    """Whether lines go up, and whether they go to the left."""
    begin: int
    stride: int
    """Bytes from line to line."""

    @property
    def dtype(self) -> np.dtype:
        """Of the words that samples lie in."""
        half = self.bits == 16 or (self.bits == 12 and self.packing != PACKED)
        return np.dtype(f"{self.endian}u{2 if half else 4}")

    def places(self) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
        """Of each sample of a line its word, and how many bits of that are below it."""
        index = np.arange(self.width * len(self.order))
        if self.dtype.itemsize == 2:
            return index, np.full_like(index, 16 - self.bits if self.packing == METHOD_A else 0)
        if self.packing == PACKED:
            return index * self.bits // 32, index * self.bits % 32
        return index // 3, (2 - index % 3) * 10 + (2 if self.packing == METHOD_A else 0)

    @property
    def spans_words(self) -> bool:
        """Whether a sample may lie in two of them."""
        return self.packing == PACKED and self.dtype.itemsize == 4

    @property
    def words_in_line(self) -> int:
        """That hold samples."""
        last, below = (int(one[-1]) for one in self.places())
        return last + 1 + (self.spans_words and below + self.bits > 32)

    def words(self, data: bytes | bytearray) -> Shaped[np.ndarray, "H n"]:
        """The words of the lines, as a view, as they lie in the file."""
        shape, strides = (self.height, self.words_in_line), (self.stride, self.dtype.itemsize)
        return np.ndarray(shape, self.dtype, data, self.begin, strides)

    def samples(self) -> UInt16[np.ndarray, "H W C"]:
        """All samples, as they are in the file."""
        word, below = self.places()
        words = self.words(self.data).astype(np.uint64)
        if self.spans_words:  # the low bits of the next word follow the high ones of this
            words = np.hstack((words, np.zeros((self.height, 1), np.uint64)))
            words = words[:, :-1] | (words[:, 1:] << np.uint64(32))
        values = (words[:, word] >> below.astype(np.uint64)) & np.uint64(2**self.bits - 1)
        return values.astype(np.uint16).reshape(self.height, self.width, len(self.order))[self._upright]

    @property
    def _upright(self) -> tuple[slice, slice]:
        up, left = (slice(None, None, -1 if turned else 1) for turned in self.mirrored)
        return up, left

    def replaced(self, picture: UInt16[np.ndarray, "H W 3"], changed: Bool[np.ndarray, "H W"]) -> bytes:
        """The file with other samples, of the file's bits, where pixels were changed."""
        data = bytearray(self.data)
        words, (word, below) = self.words(data), self.places()
        native = words.astype(np.uint64)
        y, x = np.nonzero(changed[self._upright])
        values = picture[self._upright][y, x].astype(np.uint64)
        for channel, name in enumerate("RGB"):
            at = x * len(self.order) + self.order.index(name)
            shift = below[at].astype(np.uint64)
            bits, put = np.uint64(2**self.bits - 1) << shift, values[:, channel] << shift
            for next_word in range(1 + self.spans_words):  # which has what does not fit into one
                high = np.uint64(32 * next_word)
                there = np.flatnonzero((bits >> high) & WORD)
                where = y[there], word[at[there]] + next_word
                np.bitwise_and.at(native, where, ~((bits[there] >> high) & WORD))  # pixels may share a word
                np.bitwise_or.at(native, where, (put[there] >> high) & WORD)
        words[...] = native.astype(words.dtype)
        return bytes(data)


def read_picture(path: Path, layer: str = "") -> UInt16[np.ndarray, "H W 3"]:
    """Its code values in 16 bits, upright.

    Raises:
        InputError: a file that cannot be read, or samples of another kind.
    """
    file = _open(path)
    picture = file.samples()[..., [file.order.index(name) for name in "RGB"]]
    return _rescaled(picture, 2**file.bits - 1, 65535)


def read_alpha(path: Path, layer: str = "") -> UInt16[np.ndarray, "H W"] | None:
    """Its alpha in 16 bits; None if it has none."""
    file = _open(path)
    return _rescaled(file.samples()[..., file.order.index("A")], 2**file.bits - 1, 65535) if "A" in file.order else None


def write_picture(
    path: Path, picture: UInt16[np.ndarray, "H W 3"], source: Path, changed: Bool[np.ndarray, "H W"], layer: str = ""
) -> None:
    """Write a file as it was, with the pixels of `picture` where it was changed."""
    file = _open(source)
    path.write_bytes(file.replaced(_rescaled(picture, 65535, 2**file.bits - 1), changed))


def _rescaled(values: Shaped[np.ndarray, "*shape"], most: int, new_most: int) -> UInt16[np.ndarray, "*shape"]:
    return ((values.astype(np.uint32) * new_most + most // 2) // most).astype(np.uint16)


def _open(path: Path) -> Dpx:
    """Look a file through.

    Raises:
        InputError: it is no DPX, not whole, or holds what is not read.
    """
    data = read_image_bytes(path)
    endian = {b"SDPX": ">", b"XPDS": "<"}.get(data[:4], "")
    if not endian or len(data) < 1664:
        raise broken_image(path, "it is not a DPX file")
    (begin,) = struct.unpack_from(f"{endian}I", data, 4)
    orientation, elements, width, height = struct.unpack_from(f"{endian}HHII", data, 768)
    signed, *_, descriptor, _, _, bits, packing, encoding, offset, line_pad = struct.unpack_from(
        f"{endian}IIfIfBBBBHHII", data, 780
    )
    check_picture(path, height, width)
    unread = (
        f"image elements for each component ({elements})" if descriptor in (1, 2, 3) and elements > 1
        else f"components that are not RGB (descriptor {descriptor})" if descriptor not in ORDERS
        else f"{bits} bits" if bits not in DEPTHS
        else "samples with a sign" if signed == 1
        else "run lengths (RLE)" if encoding == 1
        else f"the packing {packing}" if packing > 2
        else f"the orientation {orientation}" if 3 < orientation < 65535
        else ""
    )  # fmt: skip
    if unread:
        needed = "10, 12 or 16 bits of RGB or RGBA are read"
        raise InputError(f"{path} has {unread}", needed, "export it so, or as EXR")
    turned = orientation if orientation <= 3 else 0
    dpx = Dpx(data, endian, width, height, ORDERS[descriptor], bits, packing, (turned in (2, 3), turned in (1, 3)),
              offset if offset not in (0, UNDEFINED) else begin, 0)  # fmt: skip
    size, padding = dpx.words_in_line * dpx.dtype.itemsize, line_pad if line_pad != UNDEFINED else 0
    for line in (-(-size // 4) * 4, size):  # some do not align lines
        if dpx.begin + (line + padding) * height - padding <= len(data):
            return replace(dpx, stride=line + padding)
    raise broken_image(path, "it ends early")
