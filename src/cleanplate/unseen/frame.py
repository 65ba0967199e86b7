"""Fill what is unseen in one frame with copies of the rest of it; a network may decide what goes where."""

from collections.abc import Iterator

import cv2
import numpy as np
from jaxtyping import Bool, Shaped, UInt8

from cleanplate.carry.shapes import square
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
        name: what to save the network as that decides what goes where in the largest region; None if there is to be
            none.
        painted: whether the user's painter is asked instead.
    """
    left = unseen.copy()
    for region in regions_of(unseen, method.unseen.thin_px):
        if not is_deep(left & region, method.unseen.thin_px):
            continue  # it was filled with another one
        crop = crop_around(region, method.unseen.margin)
        _fill_crop(frame.picture[crop], left[crop], unseen.size, method, run, budget, name=name, painted=painted)
        name, left[crop] = None, False


def _fill_crop(
    held: Picture,
    hole: Bool[np.ndarray, "h w"],
    frame_px: int,
    method: Method,
    run: RunOptions,
    budget: Budget,
    *,
    name: str | None,
    painted: bool,
) -> None:
    """See `fill_frame`; `held` is a crop of it, `hole` what is to be filled there, all of it."""
    config = method.unseen
    guide, large = None, hole.sum() >= config.min_area_share * frame_px
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


def regions_of(unseen: Bool[np.ndarray, "H W"], thin_px: int) -> Iterator[Bool[np.ndarray, "H W"]]:
    """What is unseen, in pieces that are far from each other, the largest first: each goes on as what is around it.

    Those that are not deep stay smooth, and are left out: of specks there may be hundreds.
    """
    near = cv2.dilate(unseen.view(np.uint8), square(LEAST_MARGIN_PX // 2))
    count, labels = cv2.connectedComponents(near)
    labels[~unseen] = 0
    sizes = np.bincount(labels.reshape(-1), minlength=count)
    deep = np.unique(labels[_deep_in(unseen, thin_px)]).astype(np.intp)
    for label in deep[np.argsort(-sizes[deep], kind="stable")]:
        yield labels == label


def is_deep(left: Bool[np.ndarray, "H W"], thin_px: int) -> bool:
    """Whether any of it is left when the rest has grown by so much from all sides; a border of the frame is no side."""
    return bool(_deep_in(left, thin_px).any())


def _deep_in(left: Bool[np.ndarray, "H W"], thin_px: int) -> Bool[np.ndarray, "H W"]:
    """What is left then."""
    return cv2.dilate((~left).view(np.uint8), square(thin_px)) == 0


def crop_around(unseen: Bool[np.ndarray, "H W"], margin: float) -> tuple[slice, slice]:
    """Rows and columns of the unseen region and of what is around it, `margin` of its size or enough to learn from."""
    rows, columns = box_around(unseen, 0)
    size = max(rows.stop - rows.start, columns.stop - columns.start) - 1
    return box_around(unseen, max(LEAST_MARGIN_PX, round(margin * size)))


LEAST_MARGIN_PX = 48
