"""Paint over the holes of frames from their surroundings: what every method begins with, and what `carry` ends with."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import no_type_check

import numpy as np
from jaxtyping import Bool

from cleanplate.imaging.frame import Frame, box_around
from cleanplate.imaging.pull_push import pull_push
from cleanplate.runtime.compiled import compiled
from cleanplate.runtime.threads import in_order

# A hole is painted over from what is in a box around it, larger than it by so many pixels.
MARGIN_PX = 32
AT_ONCE = 8


def painted(frames: Iterable[Frame]) -> Iterator[Frame]:
    """The frames, with their holes painted over from the surroundings."""
    passing = iter(frames)
    while some := list(islice(passing, AT_ONCE)):
        yield from list(in_order(lambda frame: fill_smoothly(frame, frame.hole), some))


def fill_smoothly(frame: Frame, where: Bool[np.ndarray, "H W"]) -> Frame:
    """Paint over a part of a frame from around it, in place; a frame that is all hole becomes black."""
    if where.any():
        rows, columns = box_around(where, MARGIN_PX)
        part, held = where[rows, columns], frame.picture[rows, columns]
        smooth = pull_push(frame.crop(rows, columns), (~part).astype(np.float32))
        if held.dtype == np.uint8:
            _put_bytes(smooth, part, held)
        else:
            held[part] = smooth[part]
    return frame


@compiled
@no_type_check
def _put_bytes(smooth, where, out):
    for row in range(where.shape[0]):
        for column in range(where.shape[1]):
            if where[row, column]:
                for channel in range(3):
                    value = min(max(np.rint(smooth[row, column, channel]), np.float32(0)), np.float32(255))
                    out[row, column, channel] = np.uint8(value)
