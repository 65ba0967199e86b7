"""In which frames an overlay is there: the signs of the gradients of every frame, small and packed, against its own."""

import os
import tempfile
import weakref

import cv2
import numpy as np
from jaxtyping import Bool, Int8, UInt8

from cleanplate.track.pieces import Piece
from cleanplate.track.stillness import gradient

HISTORY_PX, MIN_SIGN = 180, 3.0  # rows of the pictures that are kept, and the gradient that has a sign, levels
MIN_SIGNS = 6  # so many signs of gradients are needed to say in which frames a thing is there


class SignHistory:
    """The signs of the gradients of every frame, small, packed, and on disk: to say in which frames a thing is there.

    Raises:
        OSError: the disk is full.
    """

    def __init__(self, size: tuple[int, int]):
        scale = min(1.0, HISTORY_PX / min(size))
        self.size = max(4, round(size[0] * scale)), max(4, round(size[1] * scale))
        self._length, self._bytes = 0, -(-4 * self.size[0] * self.size[1] // 8)
        self._file = tempfile.TemporaryFile(prefix="cleanplate-")  # noqa: SIM115 - closed with this
        weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        return self._length

    def add(self, grey: UInt8[np.ndarray, "H W"]) -> None:
        """Keep a frame's."""
        small = cv2.resize(grey, self.size[::-1], interpolation=cv2.INTER_AREA)
        right, down = gradient(small)
        signs = [right > MIN_SIGN, right < -MIN_SIGN, down > MIN_SIGN, down < -MIN_SIGN]
        self._file.seek(0, os.SEEK_END)
        self._file.write(np.packbits(np.stack(signs)).tobytes())
        self._length += 1

    def signs(self, index: int) -> Int8[np.ndarray, "2 h w"]:
        """-1, 0 or 1: of the gradients of one frame to the right and down."""
        self._file.seek(index * self._bytes)
        packed = np.frombuffer(self._file.read(self._bytes), np.uint8)
        bits = np.unpackbits(packed, count=4 * self.size[0] * self.size[1]).reshape(4, *self.size).astype(np.int8)
        return bits[::2] - bits[1::2]


def present(history: SignHistory, thing: Piece) -> tuple[int, int, float] | None:
    """In which frames a thing is there: first, end, and how even it is between; None if that cannot be told.

    A thing over the picture is there or not; a piece of the scene that moves on slowly is less and less there.
    """
    core, _, _ = thing.laid_out()
    where = cv2.resize(core.astype(np.float32), history.size[::-1], interpolation=cv2.INTER_AREA) > 0.2
    y, x = np.nonzero(where)
    if not len(y):
        return None
    template = np.zeros((2, len(y)))
    for index in range(thing.first, thing.end):
        template += history.signs(index)[:, y, x]
    template /= thing.end - thing.first
    template = np.sign(template) * (np.abs(template) > 0.5)
    if np.abs(template).sum() < MIN_SIGNS:
        return None
    scores = [(history.signs(index)[:, y, x] * template).sum() for index in range(len(history))]
    score = cv2.medianBlur(np.array(scores, np.float32)[:, None], 5).ravel() / np.abs(template).sum()
    level = float(np.quantile(score[thing.first : thing.end], 0.7))
    middle = thing.first + int(np.argmax(score[thing.first : thing.end]))
    first, end = _run(score > 0.5 * level, middle)
    return first, end, float(score[first:end].mean() / max(level, 1e-6))


def _run(there: Bool[np.ndarray, " n"], middle: int, gap: int = 3) -> tuple[int, int]:
    """The first and end of a run of frames around one, with short gaps."""
    first, end = middle, middle + 1
    while there[max(0, first - gap) : first].any():
        first = max(0, first - gap) + int(np.argmax(there[max(0, first - gap) : first]))
    while there[end : end + gap].any():
        end = end + gap - int(np.argmax(there[end : end + gap][::-1])) if end + gap <= len(there) else len(there)
    return (0 if first <= gap else first), (len(there) if end >= len(there) - gap else end)
