"""Fill what is unseen in one frame with patches of the shot; a network may decide what goes where."""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from cleanplate.config import Method
from cleanplate.imaging.frame import Frame, box_around
from cleanplate.imaging.pixels import to_samples
from cleanplate.paper.budget import Budget
from cleanplate.runtime.options import RunOptions
from cleanplate.unseen.patches import frames_to_look_in, sources_of_hole


def fill_frame(
    frames: Sequence[Frame],
    left: Bool[np.ndarray, "T H W"],
    key: int,
    method: Method,
    run: RunOptions,
    budget: Budget,
    *,
    name: str | None,
) -> None:
    """Fill one frame of a window, in place, with copies of pixels of that frame and others.

    Args:
        frames: of the window.
        left: what is not filled yet of each.
        key: the number of the frame to be filled.
        method: see `learned_guide`, and `learn`.
        run: the same.
        budget: what is left of it may be spent, and is taken off.
        name: what to save the network as that decides what goes where; None if there is to be none.
    """
    config, unseen = method.learn, left[key]
    rows, columns = crop_around(unseen, config.margin)
    hole, held = unseen[rows, columns], frames[key].picture[rows, columns]
    guide = None
    if name is not None and unseen.sum() >= config.min_area_share * unseen.size:
        from cleanplate.unseen.guide import learned_guide  # torch, which patches do without

        guide = learned_guide(held, hole, method, run, budget, name=name)
    numbers, found = [key], None
    if config.patch_px:
        numbers = frames_to_look_in(len(frames), key, config.frames)
        pictures = np.stack([to_samples(frames[number].crop(rows, columns)) for number in numbers])
        settings = {"guide": guide, "guide_weight": config.guide_weight, "seed": run.seed}
        hidden = left[numbers, rows, columns]
        found = budget.waited(lambda: sources_of_hole(pictures, hidden, patch_px=config.patch_px, **settings))
    if found is not None:  # copies of what is held, not of its bytes
        places = found[:, 1] + rows.start, found[:, 2] + columns.start
        copied = held[hole]
        for at, number in enumerate(numbers):
            mine = found[:, 0] == at
            copied[mine] = frames[number].picture[places[0][mine], places[1][mine]]
        held[hole] = copied
    elif guide is not None:
        _put(guide, hole, held)


def _put(guide: UInt8[np.ndarray, "i j 3"], hole: Bool[np.ndarray, "h w"], held: np.ndarray) -> None:
    """What the network made, as large as the picture."""
    made = cv2.resize(guide, hole.shape[::-1], interpolation=cv2.INTER_CUBIC)[hole]
    held[hole] = made if held.dtype == np.uint8 else made / np.float32(255)


def crop_around(unseen: Bool[np.ndarray, "H W"], margin: float) -> tuple[slice, slice]:
    """Rows and columns of the unseen region and of what is around it, `margin` of its size or enough to learn from."""
    rows, columns = box_around(unseen, 0)
    size = max(rows.stop - rows.start, columns.stop - columns.start) - 1
    return box_around(unseen, max(LEAST_MARGIN_PX, round(margin * size)))


LEAST_MARGIN_PX = 48
