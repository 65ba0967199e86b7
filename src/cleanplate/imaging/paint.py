"""Paint over the holes of frames from their surroundings: what every method begins with, and what `carry` ends with."""

from collections.abc import Iterable, Iterator
from itertools import islice

import torch
from jaxtyping import Bool
from torch import Tensor

from cleanplate.imaging.frame import Frame, box_around
from cleanplate.imaging.pixels import to_like
from cleanplate.imaging.smooth import paint_one
from cleanplate.runtime.threads import in_order

# A hole is painted over from what is in a box around it, larger than it by so many pixels.
MARGIN_PX = 32
AT_ONCE = 8


def painted(frames: Iterable[Frame]) -> Iterator[Frame]:
    """The frames, with their holes painted over from the surroundings."""
    passing = iter(frames)
    while some := list(islice(passing, AT_ONCE)):
        yield from list(in_order(lambda frame: fill_smoothly(frame, frame.hole), some))


@torch.no_grad()
def fill_smoothly(frame: Frame, where: Bool[Tensor, "1 H W"]) -> Frame:
    """Paint over a part of a frame from around it, in place."""
    if bool(where.any()):
        rows, columns = box_around(where[0], MARGIN_PX)
        hole, held = where[:, rows, columns], frame.picture[:, rows, columns]
        held.copy_(torch.where(hole, to_like(paint_one(frame.crop(rows, columns), hole), held), held))
    return frame
