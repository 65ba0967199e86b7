"""Numbers by chance in compiled loops, the same for the same seed on every machine."""

from typing import no_type_check

import numpy as np
from jaxtyping import UInt64

from cleanplate.runtime.compiled import compiled


def seeded(seed: int) -> UInt64[np.ndarray, "1"]:
    """What `drawn` draws from; it changes with every number."""
    return np.array([(88172645463325252 + 2654435761 * seed) % 2**64 or 1], np.uint64)  # from 0 only 0 would come


@compiled
@no_type_check
def drawn(chance):
    """A number of 31 bits (xorshift, Marsaglia 2003)."""
    value = chance[0]
    value ^= value << np.uint64(13)
    value ^= value >> np.uint64(7)
    value ^= value << np.uint64(17)
    chance[0] = value
    return np.int64(value >> np.uint64(33))
