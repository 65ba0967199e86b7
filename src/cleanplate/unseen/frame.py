"""Fill what is unseen in one frame with copies of the rest of it; a network may decide what goes where."""

import cv2
import numpy as np
from jaxtyping import Bool, Shaped, UInt8

from cleanplate.config import Method
from cleanplate.imaging.frame import Frame, Picture, box_around
from cleanplate.imaging.pixels import to_samples
from cleanplate.paper.budget import Budget
from cleanplate.runtime.options import RunOptions
from cleanplate.unseen.shifts import Copies, copies_for_hole


def fill_frame(
    frame: Frame,
    unseen: Bool[np.ndarray, "H W"],
    method: Method,
    run: RunOptions,
    budget: Budget,
    *,
    name: str | None,
    painted: bool = False,
) -> None:
    """Fill a frame, in place.

    Args:
        frame: the rest of it is known, or filled.
        unseen: what is to be filled.
        method: see `learned_guide`, and `unseen`.
        run: the same.
        budget: what is left of it may be spent, and is taken off.
        name: what to save the network as that decides what goes where; None if there is to be none.
        painted: whether the user's painter is asked instead.
    """
    config = method.unseen
    rows, columns = crop_around(unseen, config.margin)
    hole, held = unseen[rows, columns], frame.picture[rows, columns]
    guide, large = None, unseen.sum() >= config.min_area_share * unseen.size
    if painted and large:
        from cleanplate.unseen.painters import painted_guide  # torch, which copies do without

        guide = budget.waited(lambda: painted_guide(to_samples(held), hole, method.unseen, run.device))
        if guide.shape[:2] == hole.shape:  # as large as it is: nothing is to be added
            _put(guide, hole, held)
            return
    elif name is not None and large:
        from cleanplate.unseen.guide import learned_guide  # torch, which copies do without

        guide = learned_guide(held, hole, method, run, budget, name=name)
    found = None
    if config.offsets:
        weight = PAINTED_WEIGHT if painted else config.guide_weight
        settings = {"guide": guide, "guide_weight": weight, "seed": run.seed}
        found = budget.waited(lambda: copies_for_hole(to_samples(held), hole, config.offsets, **settings))
    if found is not None:
        held[hole] = _copied(found, held)
    elif guide is not None:
        _put(guide, hole, held)


# What a painter has made small is what copies must look like.
PAINTED_WEIGHT = 3.0


def _copied(found: Copies, picture: Picture) -> Shaped[np.ndarray, "n 3"]:
    """The pixels of the hole, copied from what is held, not from its bytes, and corrected."""
    copied = picture[tuple(found.places.T)].astype(np.float32)
    if picture.dtype == np.uint8:
        return np.clip(np.rint(copied + found.correction), 0, 255).astype(np.uint8)
    return np.clip(copied + found.correction / 255, 0, 1)


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
