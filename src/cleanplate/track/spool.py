"""Arrays as long as a shot, kept on disk and not in memory: so a shot may be of any length."""

import math
import tempfile
from collections.abc import Iterable

import numpy as np
from jaxtyping import UInt8


def spooled(pictures: Iterable[UInt8[np.ndarray, "H W *C"]]) -> UInt8[np.ndarray, "T H W *C"]:
    """Pictures of one size, one after the other, in a file that vanishes when they are not used any more.

    Raises:
        OSError: the disk is full.
    """
    shape: tuple[int, ...] = ()
    with tempfile.TemporaryFile(prefix="cleanplate-") as file:
        for picture in pictures:
            shape = picture.shape
            file.write(np.ascontiguousarray(picture).data)
        if not shape:
            return np.zeros((0, 0, 0), np.uint8)
        file.flush()
        return np.memmap(file, np.uint8, "r+", shape=(file.tell() // math.prod(shape), *shape))
