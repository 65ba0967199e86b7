"""Masks with what goes with the thing beside it: its shadow, and what they have missed of it."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cleanplate.config import DILATE_PX, METHODS, EffectsConfig, WhichEffects

if TYPE_CHECKING:
    import numpy as np

    from cleanplate.runtime.options import RunOptions


@dataclass
class Added:
    """How much was added to masks, as far as they are written."""

    pixels: int = 0


def with_effects(
    masks: "Iterator[np.ndarray]",
    pictures: "Iterator[np.ndarray]",
    total: int,
    which: WhichEffects,
    run: "RunOptions",
    added: Added,
) -> "Iterator[np.ndarray]":
    """The masks of some frames with what goes with the thing; how much that is, is counted.

    Args:
        masks: (H, W) bool, one a frame; more than there are frames are not asked for.
        pictures: the frames, (H, W, 3) bytes.
        total: how many they are.
        which: what to look for.
        run: seed, device and who is told.
        added: where it is counted.
    """
    import numpy as np

    from cleanplate.imaging.frame import MADE_UP, Frame
    from cleanplate.pipeline import find_effects
    from cleanplate.video.masks import grow

    waiting = deque[np.ndarray]()

    def frames() -> Iterator[Frame]:
        for index, (picture, mask) in enumerate(zip(pictures, masks, strict=False)):  # a fixed one never ends
            waiting.append(mask)
            hole = grow(mask, DILATE_PX).astype(np.uint8) * np.uint8(MADE_UP)
            yield Frame(index, picture.copy(), hole)

    method = replace(METHODS["carry"], effects=EffectsConfig(which))
    for frame in find_effects(frames(), method, run, total=total):
        mask = waiting.popleft()
        if frame.effects is not None:
            more = frame.effects.where & ~mask
            added.pixels += int(more.sum())
            mask = mask | more
        yield mask
