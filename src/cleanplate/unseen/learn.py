"""Learn what is hidden: all of it, as the paper does, or only what no frame shows.

After carrying, most of a hole is filled with real pixels. What is left is learned in one frame, the one with most of
it, and then carried to the others as if that frame had shown it; then in the next frame, until nothing is left. What is
made up is made up once, so it holds together over time.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool
from torch import Tensor

from cleanplate.carry.fuse import carry_on
from cleanplate.carry.journal import Border, Journal
from cleanplate.carry.pictures import unseen_of
from cleanplate.carry.rounds import stage
from cleanplate.carry.trajectories import LinkedFrame, boundary_pixels
from cleanplate.config import CarryConfig, Method
from cleanplate.imaging.frame import Frame, box_around
from cleanplate.imaging.pixels import to_like
from cleanplate.imaging.smooth import dilate, paint, shrink
from cleanplate.paper.budget import Budget, part_of
from cleanplate.paper.fit import fit
from cleanplate.runtime.devices import find_device
from cleanplate.runtime.options import RunOptions
from cleanplate.unseen.patches import add_detail


@dataclass(frozen=True)
class LearnBorder(Border):
    """What must be known to go on after the frames that are done."""

    number: int
    """Key frames so far."""
    budget: Budget

    @classmethod
    def load(cls, state: dict[str, Any]) -> "LearnBorder":
        """From what was saved."""
        return cls(state["number"], Budget(**state["budget"]))


def learn_unseen(frames: Iterable[LinkedFrame], method: Method, run: RunOptions, *, total: int = 0) -> Iterator[Frame]:
    """Fill what no frame shows.

    Args:
        frames: everything else known or carried, the unseen filled smoothly. Their pictures are changed in place.
        method: all of it is read.
        run: its seed is of the first network, those of other frames count on from it. Its budget is of all networks
            together; what it does not reach stays smooth, and waiting for frames counts too.
        total: how many frames will come, if that is known.
    """
    journal = Journal(run.work_dir, "learn", LearnBorder.load, after=stage(method.carry.rounds - 1))
    before: LinkedFrame | None = None
    passing = iter(frames)
    for linked in journal.replay(passing):
        before = linked
        yield linked.frame
    if before is not None:
        before = LinkedFrame(before.frame.copy(), boundary_pixels(unseen_of(before.frame)))
    border = journal.border or LearnBorder(0, Budget(run.max_steps, run.max_seconds))
    number, budget = border.number, border.budget
    while block := budget.waited(lambda: window_of(passing, method.carry)):
        earlier = [] if before is None else [before]
        left = torch.stack([linked.frame.unseen for linked in earlier + block])
        left[: len(earlier)] = False  # what was made up there is a source now
        most = float(left.sum())
        if earlier and most:
            carry_on(earlier + block, left[:, 0].numpy(), method.carry)
        while most and not budget.spent and (key := key_frame(left, method.learn.thin_px)) is not None:
            frame = (earlier + block)[key].frame
            shares = [1 - float(left.sum()) / most, 1 - float(left.sum() - left[key].sum()) / most]
            first, last = (
                (journal.count + share * len(block)) / max(total, journal.count + len(block)) for share in shares
            )
            mine = replace(run, seed=run.seed + number, on_step=part_of(run.on_step, first, last))
            learn_frame(frame, left[key], method, mine, budget, name=f"key-{number:03}")
            number += 1
            left[key] = False
            if bool(left.any()):
                carry_on(earlier + block, left[:, 0].numpy(), method.carry)
        before = LinkedFrame(block[-1].frame.copy(), block[-1].boundary, backward=block[-1].backward)
        more = len(block) == method.carry.window(block[-1].frame.size)
        journal.note(block, LearnBorder(number, budget) if more else None, elapsed_s=budget.learned_s)
        yield from (linked.frame for linked in block)


def window_of(frames: Iterator[LinkedFrame], config: CarryConfig) -> list[LinkedFrame]:
    """The next frames, as many as are learned together."""
    block = list(islice(frames, 1))
    return block + list(islice(frames, config.window(block[0].frame.size) - 1)) if block else []


def key_frame(left: Bool[Tensor, "T 1 H W"], thin_px: int) -> int | None:
    """The frame with the most to learn, of those with nearly as much the one in the middle; None if all is thin."""
    # What is left when the seen has grown by thin_px from all sides; a border of the frame is no side.
    deep = ~dilate(~left, thin_px)
    size = torch.where(deep.flatten(1).any(1), left.flatten(1).sum(1), 0)
    if not bool(size.any()):
        return None
    best = torch.nonzero(size >= NEARLY * size.max()).flatten().tolist()
    return min(best, key=lambda index: abs(index - (len(left) - 1) / 2))


NEARLY = 0.95


def learn_frame(
    frame: Frame,
    unseen: Bool[Tensor, "1 H W"],
    method: Method,
    run: RunOptions,
    budget: Budget,
    *,
    name: str,
) -> None:
    """Fill one frame, in place: a network decides what goes where, on a small crop; patches of it bring the detail."""
    config = method.learn
    rows, columns = crop_around(unseen[0], config.margin)
    picture, hole = frame.crop(rows, columns)[None], unseen[None, :, rows, columns]
    small, small_hole = picture, hole
    while small.shape[2] * small.shape[3] > config.network_px and min(small.shape[2:]) >= 2 * LEAST_PX:
        small, small_hole = shrink(small, small_hole)
    made = paint(small, small_hole)
    if int(unseen.sum()) >= config.min_area_share * unseen.numel():
        place, copies = find_device(run.device), (config.ensemble_size, -1, -1, -1)
        many, known = (one.expand(copies).contiguous().to(place) for one in (small, ~small_hole))
        done = fit(many, known, {}, method, budget.share(run, 1), name=name)
        budget.spend(done)
        made = torch.lerp(made, done.frames.mean(0, keepdim=True).cpu(), config.network_blend)
    if config.patch_px:
        settings = {
            "patch_px": config.patch_px,
            "texture_weight": config.texture_weight,
            "guide_weight": config.guide_weight,
        }
        filled = add_detail(picture, hole, made, **settings)
    else:
        filled = F.interpolate(made, picture.shape[2:], mode="bicubic", align_corners=False)
    held = frame.picture[:, rows, columns]
    held.copy_(torch.where(hole[0], to_like(filled[0].clamp(0, 1), held), held))


LEAST_PX = 32  # a crop is not made smaller than this: the network needs it


def crop_around(unseen: Bool[Tensor, "H W"], margin: float) -> tuple[slice, slice]:
    """Rows and columns of the unseen region and of what is around it, `margin` of its size or enough to learn from."""
    rows, columns = box_around(unseen, 0)
    size = max(rows.stop - rows.start, columns.stop - columns.start) - 1
    return box_around(unseen, max(LEAST_MARGIN_PX, round(margin * size)))


LEAST_MARGIN_PX = 48
