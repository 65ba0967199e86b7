"""Paint over the holes of frames from their surroundings: what every method begins with, and what `carry` ends with."""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
from jaxtyping import Bool

from cleanplate.imaging.frame import Frame, box_around
from cleanplate.imaging.pull_push import pull_push
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
        smooth = pull_push(frame.crop(rows, columns), (~part).astype(np.float32))[part]
        held[part] = np.clip(np.rint(smooth), 0, 255) if held.dtype == np.uint8 else smooth
    return frame
