"""Make up what no frame shows.

After carrying, most of a hole is filled with real pixels. What is left is made up in one frame, the one with most of
it (frame.py), and then carried to the others as if that frame had shown it; then in the next frame, until nothing is
left. What is made up is made up once, so it holds together over time. How much work a window may be is known before it
begins; what is left after that stays as it was filled smoothly.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from jaxtyping import Bool

from cleanplate.carry.fuse import carry_on
from cleanplate.carry.journal import Border, Journal
from cleanplate.carry.rounds import stage
from cleanplate.carry.trajectories import LinkedFrame, boundary_pixels
from cleanplate.config import CarryConfig, Method, UnseenConfig
from cleanplate.imaging.frame import Frame
from cleanplate.paper.budget import PARTS, Budget, part_of
from cleanplate.progress import tell
from cleanplate.runtime.options import RunOptions
from cleanplate.unseen.frame import fill_frame, is_deep


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
        before = LinkedFrame(before.frame.copy(), boundary_pixels(before.frame.unseen))
    border = journal.border or LearnBorder(0, Budget(run.max_steps, run.max_seconds))
    number, budget = border.number, border.budget
    while block := budget.waited(lambda: window_of(passing, method.carry)):
        earlier = [] if before is None else [before]
        left = np.stack([linked.frame.unseen for linked in earlier + block])
        left[: len(earlier)] = False  # what was made up there is a source now
        most = int(left.sum())
        before_it, after_it = (journal.count + more for more in (0, len(block)))
        shares = partial(_share_done, most=most, block=(before_it, after_it), total=max(total, after_it))
        if earlier and most:
            carry_on(earlier + block, left, method.carry)
        work = allowed_work(len(block), method.unseen)
        while most and work > 0 and not budget.spent and (key := key_frame(left, method.unseen.thin_px)) is not None:
            now = int(left.sum())
            first, last = (shares(now - less) for less in (0, int(left[key].sum())))
            mine = replace(run, seed=run.seed_of(number), on_step=part_of(run.on_step, first, last))
            name = f"key-{number:03}" if number < method.unseen.networks else None
            painted = method.unseen.painter is not None and number < method.unseen.painted_frames
            filled = (earlier + block)[key].frame
            work -= work_of(left[key])
            fill_frame(filled, left[key], method, mine, budget, name=name, painted=painted)
            number += 1
            left[key] = False
            if left.any():
                carry_on(earlier + block, left, method.carry)
            tell(run.on_step, "learn", round(shares(int(left.sum())) * PARTS), PARTS)
        before = LinkedFrame(block[-1].frame.copy(), block[-1].boundary, backward=block[-1].backward)
        more = len(block) == method.carry.window(block[-1].frame.size)
        journal.note(block, LearnBorder(number, budget) if more else None, elapsed_s=budget.learned_s)
        yield from (linked.frame for linked in block)


def _share_done(left: int, *, most: int, block: tuple[int, int], total: int) -> float:
    """Of a shot of `total` frames, when of the `most` pixels of a block so many are left; it begins and ends there."""
    begin, end = block
    return (begin + (1 - left / most) * (end - begin)) / total


def window_of(frames: Iterator[LinkedFrame], config: CarryConfig) -> list[LinkedFrame]:
    """The next frames, as many as are learned together."""
    block = list(islice(frames, 1))
    return block + list(islice(frames, config.window(block[0].frame.size) - 1)) if block else []


def key_frame(left: Bool[np.ndarray, "T H W"], thin_px: int) -> int | None:
    """The frame with the most to learn, of those with nearly as much the one in the middle; None if all is thin."""
    sizes = np.array([np.count_nonzero(one) if is_deep(one, thin_px) else 0 for one in left])
    if not sizes.any():
        return None
    best = np.flatnonzero(sizes >= NEARLY * sizes.max()).tolist()
    return min(best, key=lambda index: abs(index - (len(left) - 1) / 2))


def allowed_work(n_frames: int, config: UnseenConfig) -> float:
    """How much may be made up in a window of so many frames, which carrying takes time for as well.

    A key frame that has a quarter of the picture to make up is 1.
    """
    return max(LEAST_ALLOWED, n_frames / config.frames_per_key_frame)


def work_of(left: Bool[np.ndarray, "H W"]) -> float:
    """How much work a key frame is, as `allowed_work` counts it, with so much to make up."""
    return LEAST_WORK + (1 - LEAST_WORK) * min(1.0, 4 * float(left.mean()))


LEAST_ALLOWED = 4.0
"""Also of a short shot: some seconds that nobody counts."""
LEAST_WORK = 0.25
"""Of a key frame with next to nothing to make up: it is carried to the others all the same."""
NEARLY = 0.95
