"""Carry hidden pixels in from the frames that show them.

For every hidden pixel, follow the flow from frame to frame, forwards and backwards in time, until it lands on a known
pixel (trails.py). Inside the hole the flow is unknown, and how well it is completed decides how good the result is:

1. Flow between neighbouring frames, on frames whose hole is painted over (flow.py).
2. In the hole, the motion of the surroundings: a homography, which takes out what the camera did, plus a robust local
   fit of what is left. The change of brightness between the frames is fitted in the same way (complete.py).
3. Chain the positions through the hole: source frame, distance in frames, worst forward-backward error met, and the sum
   of the brightness changes (trails.py).
4. Fuse what comes from the past and from the future by weights that fall with distance and error.
5. Estimate flow again, on the filled frames, and repeat 2-4.

A round is a stage that frames pass through. It holds a window of them: a block to be filled, and as many ahead to look
for what the block hides. From the block before it keeps the last frame, which counts as known, so what it shows is
carried on for as long as it is needed.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice, pairwise
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cleanplate.carry.journal import Journal, from_link, pack, to_link, unpack
from cleanplate.carry.motion import Field, corners, fit_both_ways, match, spacing
from cleanplate.carry.trajectories import Held, Link, Trails, follow, gather, link, unsafe_pixels
from cleanplate.config import CarryConfig
from cleanplate.imaging.flow import LEAST_SIZE, both_ways, gray
from cleanplate.imaging.frame import CARRIED, LEARNED, Frame, box_around
from cleanplate.imaging.pixels import to_like
from cleanplate.imaging.smooth import Cells, dilate, paint_one
from cleanplate.imaging.warp import pixel_grid
from cleanplate.progress import OnStep, tell
from cleanplate.runtime.checkpoint import Work
from cleanplate.runtime.threads import in_order

# Flow is estimated in a window around the holes that goes on for so many widths of the fit's own window.
MARGIN = 2.0
# A hole is painted over from what is in a box around it, larger than it by so many pixels.
PAINT_PX = 32


def carry(
    frames: Iterable[Frame],
    config: CarryConfig,
    *,
    work: Work | None = None,
    on_step: OnStep | None = None,
    total: int = 0,
    to_be_learned: bool = False,
) -> Iterator[Held]:
    """Fill the holes from the frames that show what they hide.

    Args:
        frames: their holes painted over (`painted`); what was under them is never read. Their pictures are changed in
            place. If they have a `motion`, flow is taken from that as if nothing were hidden in it: only for measuring
            what perfect knowledge of the motion would give.
        config: see CarryConfig.
        work: where to keep what is filled, and what to go on from.
        on_step: told of every frame of every round.
        total: how many frames will come, if that is known.
        to_be_learned: whether what is left is to be filled afterwards, along the links.

    Yields:
        the frames, all holes filled: carried, or smoothly where the origin is still LEARNED. The links are those of the
        pixels that were not reached, to carry on what will be made up there.
    """
    done = 0

    def linked() -> None:
        nonlocal done
        done += 1
        tell(on_step, "carry", done, max(done, config.rounds * total))

    passing: Iterable[Held] = (Held(frame, unsafe_pixels(frame.hole)) for frame in frames)
    for number in range(config.rounds):
        trust_filled = config.trust_filled if number > 0 else 0.0
        last = number == config.rounds - 1
        journal = Journal(
            work, stage(number), after=stage(number - 1) if number else None, links=last and to_be_learned
        )
        passing = Round(config, trust_filled, linked, journal, last=last).fill(passing)
    yield from (held.of(unsafe_pixels(held.frame.unseen)) for held in passing)


def stage(number: int) -> str:
    """What a round is called in the work folder."""
    return f"carry-{number}"


def painted(frames: Iterable[Frame]) -> Iterator[Frame]:
    """The frames, with their holes painted over from the surroundings."""
    for some in chunks(frames, PAINT_AT_ONCE):
        yield from list(in_order(lambda frame: fill_smoothly(frame, frame.hole), some))


PAINT_AT_ONCE = 8


def chunks(frames: Iterable[Frame], count: int) -> Iterator[list[Frame]]:
    """Lists of so many frames; the last one holds what is left."""
    passing = iter(frames)
    while some := list(islice(passing, count)):
        yield some


@torch.no_grad()
def fill_smoothly(frame: Frame, where: Bool[Tensor, "1 H W"]) -> Frame:
    """Paint over a part of a frame from around it, in place."""
    if bool(where.any()):
        rows, columns = box_around(where[0], PAINT_PX)
        hole, held = where[:, rows, columns], frame.picture[:, rows, columns]
        held.copy_(torch.where(hole, to_like(paint_one(frame.part(rows, columns), hole), held), held))
    return frame


class Round:
    """Carry once along the flow as it is seen now.

    Args:
        config: see CarryConfig.
        trust_filled: the say of flow that was estimated on filled pixels; 0 where they are only painted over.
        linked: told of every frame whose links are made.
        journal: keeps what it has filled.
        last: whether no round follows.
    """

    def __init__(
        self, config: CarryConfig, trust_filled: float, linked: Callable[[], None], journal: Journal, *, last: bool
    ):
        self.config, self.trust_filled, self.last = config, trust_filled, last
        self.linked, self.journal = linked, journal
        self.waiting: list[Held] = []
        # The last frame that is done, and what its pixels count for as a source.
        self.before: tuple[Held, Trails] | None = None

    @torch.no_grad()
    def fill(self, frames: Iterable[Held]) -> Iterator[Held]:
        """Pass the frames on, filled, a block at a time."""
        passing, back, one = iter(frames), None, None
        for one in self.journal.replay(passing):
            self.linked()
            yield one
        if one is not None:
            back = self._go_on_after(one)
        for held in passing:
            if self.trust_filled:  # what the round before has reached, this one has not yet
                held.frame.origin.copy_(held.frame.hole * LEARNED)
            self.waiting.append(Held(held.frame, held.unsafe, backward=back))
            back = None
            window = self.config.window(held.frame.size, last=self.last)
            if len(self.waiting) >= window:
                yield from self._finish(window // 2)
        yield from self._finish(len(self.waiting))

    def _finish(self, count: int) -> list[Held]:
        """Fill the first so many of those that wait."""
        if not count:
            return []
        earlier, end = ([], None) if self.before is None else ([self.before[0]], self.before[1])
        window = earlier + self.waiting
        self._link(window)
        block, self.waiting = self.waiting[:count], self.waiting[count:]
        trails = both_trails(window, len(earlier) + count, end)[len(earlier) :]
        reached = fuse(window, block, trails, [held.frame.hole for held in block], self.config)
        for held, pixels in zip(block, reached, strict=True):
            held.frame.mark(pixels, CARRIED)
        for _ in in_order(lambda held: fill_smoothly(held.frame, held.frame.unseen), block):
            pass
        last = block[-1]
        self.before = Held(last.frame.copy(), last.unsafe, last.forward), self._as_source(last, trails[-1])
        self.journal.note(block, more=bool(self.waiting), **self._border())
        return block

    def _border(self) -> dict[str, Any]:
        """What is to be known to go on after the frames that are done."""
        if self.before is None or not self.waiting:
            return {}
        held, trails = self.before
        links = {"forward": from_link(held.forward), "backward": from_link(self.waiting[0].backward)}
        return {"last": pack(held.frame), "trails": trails.rows.cpu(), **links}

    def _go_on_after(self, last: Held) -> Link | None:
        """Know what was known when this frame was the last one that was done; the link of the next one back to it."""
        border, picture = self.journal.border, last.frame.picture
        if not border:  # no frame follows
            return None
        self.linked()  # the next one was
        frame, rows = last.frame.copy(), border["trails"].to(picture.device)
        unpack(frame, border["last"])
        self.before = Held(frame, unsafe_pixels(frame.hole), to_link(border["forward"], picture)), Trails(rows)
        return to_link(border["backward"], picture)

    def _link(self, window: list[Held]) -> None:
        """Find what leads from each of these frames to the next and back, where that is not known yet."""
        pairs = [(one, other) for one, other in pairwise(window) if one.forward is None]
        if self.before is None:
            self.linked()  # nothing leads back from the first frame
        for (one, other), links in zip(pairs, in_order(self._link_pair, pairs), strict=True):
            one.forward, other.backward = links
            self.linked()

    def _link_pair(self, pair: tuple[Held, Held]) -> tuple[Link, Link]:
        """The links of a frame to the next and back."""
        config, (one, other) = self.config, pair
        if not len(one.unsafe) + len(other.unsafe):
            return nowhere(one.unsafe), nowhere(other.unsafe)
        frames, size = [held.frame for held in pair], one.frame.size
        hole = torch.stack([frame.hole for frame in frames])
        reach_px = config.reach * min(size)  # of the frame, whatever the window
        margin_px = config.margin_px + max(LEAST_SIZE, round(MARGIN * reach_px))
        rows, columns = box_around(hole.any(0)[0], margin_px)
        pictures = torch.stack([frame.picture[:, rows, columns] for frame in frames])
        motions = [frame.motion[:, rows, columns] for frame in frames if frame.motion is not None]
        seen = torch.stack(motions) if motions else pictures
        flow = both_ways(seen, config.estimator)
        near = dilate(hole[..., rows, columns], config.margin_px)
        points = corners(gray(seen[0]), spacing(reach_px)).to(flow.device)
        matches = match(pictures, flow, near, points)
        if matches.support < config.least_support:
            return nowhere(one.unsafe), nowhere(other.unsafe)
        part = (near.shape[2], near.shape[3])
        fields = fit_both_ways(
            matches,
            part,
            trust_filled=self.trust_filled,
            reach_px=reach_px,
            flow_tolerance_px=config.flow_tolerance_px,
            level_tolerance=config.level_tolerance,
        )
        if motions:  # known, and not to be completed
            fields = [known_motion(way, fitted) for way, fitted in zip(flow, fields, strict=True)]
        corner, (there, back) = (rows.start, columns.start), fields
        return (
            link(one.unsafe, size[1], corner, there, back, part),
            link(other.unsafe, size[1], corner, back, there, part),
        )

    def _as_source(self, held: Held, both: tuple[Trails, Trails]) -> Trails:
        """What the pixels of a frame that is done count for: as far away and as uncertain as what they were made of."""
        frame, (future, past) = held.frame, both
        origin, width = frame.origin.flatten()[held.unsafe], frame.size[1]
        nearer = future.weight(self.config) > past.weight(self.config)
        rows = torch.where(nearer[:, None], future.rows, past.rows)
        rows[:, 0] = torch.where(origin == LEARNED, -1, frame.index)
        rows[:, 1], rows[:, 2] = held.unsafe % width, held.unsafe // width
        rows[:, 3:5] = torch.where((origin == CARRIED)[:, None], rows[:, 3:5], 0.0)
        rows[:, 5:] = 0
        return Trails(rows)


def known_motion(flow: Float[Tensor, "2 h w"], fitted: Field) -> Field:
    """The flow as it is, and the brightness that was fitted."""
    _, level = fitted.at(pixel_grid(flow.shape[1], flow.shape[2], flow.device).flatten(1).T)
    return Field(None, Cells(torch.cat((flow, level.T.view(3, *flow.shape[1:]))), 1))


def nowhere(unsafe: Int[Tensor, " n"]) -> Link:
    """The link of a frame whose neighbour shows nothing of it."""
    none = torch.zeros(len(unsafe), 3, device=unsafe.device)
    return Link(none[:, :2].contiguous(), torch.full_like(none[:, 0], torch.inf).half(), none.half())


def both_trails(window: list[Held], count: int, end: Trails | None = None) -> list[tuple[Trails, Trails]]:
    """Where the unsafe pixels of the first so many of these frames lead, into the future and into the past.

    Args:
        window: frames that follow each other.
        count: of how many.
        end: what the pixels of the first of them count for, if they are sources.
    """
    ways = [
        (window[::-1], [held.forward for held in window[::-1]], None),
        (window[:count], [held.backward for held in window[:count]], end),
    ]

    def followed(way: tuple[list[Held], list[Link | None], Trails | None]) -> list[Trails]:
        chain, links, end = way
        numbers, unsafe = [held.frame.index for held in chain], [held.unsafe for held in chain]
        return follow(numbers, links, unsafe, chain[0].frame.size, end)

    futures, pasts = in_order(followed, ways)
    return list(zip(futures[::-1][:count], pasts, strict=True))


def fuse(
    window: list[Held],
    block: list[Held],
    trails: list[tuple[Trails, Trails]],
    wanted: Iterable[Bool[Tensor, "1 H W"]],
    config: CarryConfig,
) -> list[Int[Tensor, " _"]]:
    """Fill what is wanted of the frames of a block with colours from the window.

    Returns:
        the pixels of each that were reached, counted row by row.
    """
    pictures = {held.frame.index: held.frame.picture for held in window}

    def find(job: tuple[Held, tuple[Trails, Trails], Tensor]) -> tuple[Tensor, Tensor]:
        held, both, mine = job
        reached, colours = gather(pictures, both, mine.flatten()[held.unsafe], config)
        return held.unsafe[reached], colours

    # All colours first: sources lie beside holes, and must not change meanwhile.
    found = list(in_order(find, zip(block, trails, wanted, strict=True)))
    for held, (pixels, colours) in zip(block, found, strict=True):
        held.frame.put(pixels, colours)
    return [pixels for pixels, _ in found]


def carry_on(window: list[Held], left: Bool[Tensor, "T 1 H W"], config: CarryConfig) -> Bool[Tensor, "T 1 H W"]:
    """Carry to what is left from what has been filled since, along the links of `carry`.

    Args:
        window: frames that follow each other; everything but `left` counts as known.
        left: what to fill; nothing that `carry` has reached.
        config: see CarryConfig.

    Returns:
        the pixels that were reached.
    """
    some = [held.of(unsafe_pixels(mine)) for held, mine in zip(window, left, strict=True)]
    reached = torch.zeros_like(left)
    found = fuse(some, some, both_trails(some, len(some)), left, config)
    for mine, pixels in zip(reached, found, strict=True):
        mine.view(-1)[pixels] = True
    return reached
