"""Carry hidden pixels in from the frames that show them.

For every hidden pixel, follow the flow from frame to frame, forwards and backwards in time, until it lands on a known
pixel (trajectories.py). Inside the hole the flow is unknown, and how well it is completed decides how good the result
is:

1. Flow between neighbouring frames, on frames whose hole is painted over (linking.py).
2. In the hole, the motion of the surroundings: a homography, which takes out what the camera did, plus a robust local
   fit of what is left. The change of brightness between the frames is fitted in the same way (motion.py).
3. Chain the positions through the hole: source frame, distance in frames, worst forward-backward error met, and the sum
   of the brightness changes (trajectories.py). In the last round, correct the motion by what past and future show of
   the same place, and chain them again (refine.py).
4. Fuse what comes from the past and from the future by weights that fall with distance and error; what nothing else
   shows, from beside a hole (fuse.py).
5. Estimate flow again, on the filled frames, and repeat 2-4.

A round is a stage that frames pass through. It holds a window of them: a block to be filled, and as many ahead to look
for what the block hides. From the block before it keeps the last frame, which counts as known, so what it shows is
carried on for as long as it is needed.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float32

from cleanplate.carry.crumbs import with_rings, without_rings
from cleanplate.carry.effects import EffectsStage, settle
from cleanplate.carry.fuse import Followed, both_ways, fuse, second_choice
from cleanplate.carry.journal import Border, Journal, pack, unpack
from cleanplate.carry.linking import KnownPictures, Linker
from cleanplate.carry.motion import Motion
from cleanplate.carry.refine import refined
from cleanplate.carry.trajectories import (
    DISTANCE,
    ERROR,
    RED,
    SOURCE,
    LinkedFrame,
    Trajectories,
    X,
    Y,
    boundary_pixels,
)
from cleanplate.carry.vote import vote
from cleanplate.config import NO_EFFECTS, CarryConfig, EffectsConfig
from cleanplate.imaging.frame import CARRIED, MADE_UP, Frame
from cleanplate.imaging.paint import fill_smoothly, painted
from cleanplate.progress import tell
from cleanplate.runtime.options import DEFAULT_RUN, RunOptions
from cleanplate.runtime.threads import in_order


def carry(
    frames: Iterable[Frame],
    config: CarryConfig,
    run: RunOptions = DEFAULT_RUN,
    *,
    effects: EffectsConfig = NO_EFFECTS,
    total: int = 0,
    to_be_learned: bool = False,
    known_pictures: KnownPictures | None = None,
) -> Iterator[LinkedFrame]:
    """Fill the holes from the frames that show what they hide.

    Args:
        frames: what is under their holes is never read. Their pictures are changed in place.
        config: see CarryConfig.
        run: where to keep what is filled, what to go on from, and who is told of every frame of every round.
        effects: what else to take out with the thing.
        total: how many frames will come, if that is known.
        to_be_learned: whether what is left is to be filled afterwards, along the links.
        known_pictures: what to take flow from, as if nothing were hidden: only for measuring what perfect knowledge of
            the motion would give.

    Yields:
        the frames, all holes filled: carried, or smoothly where the provenance is still MADE_UP. The links are those of
        the pixels that were not reached, to carry on what will be made up there.
    """
    sweeps = config.rounds + (effects.find != "off")
    linked = counted(run, "carry", sweeps * total)
    passing: Iterable[LinkedFrame] = entering(frames)
    if effects.find != "off":
        follower = Linker(config, 0.0, known_pictures, quick=True, parallax=True)
        passing = EffectsStage(follower, effects, run.work_dir, linked).find(passing)
    crumbs = effects.find != "off" and config.rounds > 1
    if crumbs:  # a round before the last looks for them
        passing = with_rings(passing)
    for number in range(config.rounds):
        last = number == config.rounds - 1
        journal = Journal(
            run.work_dir,
            stage(number),
            CarryBorder.load,
            after=stage(number - 1) if number else None,
            links=last and to_be_learned,
        )
        linker = Linker(config, config.filled_weight if number else 0.0, known_pictures, quick=not last)
        votes = known_pictures is None
        round_ = Round(linker, journal, linked, first=number == 0, last=last, votes=votes, seed=run.seed)
        passing = round_.fill(passing)
        if number == 0 and crumbs:
            passing = without_rings(passing)
    for linked_frame in passing:
        settle(linked_frame.frame)
        yield linked_frame.at(boundary_pixels(linked_frame.frame.unseen))


def with_effects(
    frames: Iterable[Frame], config: CarryConfig, effects: EffectsConfig, run: RunOptions, *, total: int = 0
) -> Iterator[LinkedFrame]:
    """Find what goes with the thing outside its mask, and carry nothing; see `carry`."""
    passing = entering(frames)
    if effects.find == "off":
        return passing
    linker, linked = Linker(config, 0.0, quick=True, parallax=True), counted(run, "find", total)
    return EffectsStage(linker, effects, run.work_dir, linked).find(passing)


def entering(frames: Iterable[Frame]) -> Iterator[LinkedFrame]:
    """Frames as they are before anything is known: painted over, and with their boundary pixels."""
    return (LinkedFrame(frame, boundary_pixels(frame.provenance)) for frame in painted(frames))


def counted(run: RunOptions, stage: str, total: int) -> Callable[[], None]:
    """Who is told of every frame that a stage is done with."""
    done = 0

    def one_more() -> None:
        nonlocal done
        done += 1
        tell(run.on_step, stage, done, max(done, total))

    return one_more


def stage(number: int) -> str:
    """What a round is called in the work folder."""
    return f"carry-{number}"


@dataclass(frozen=True)
class CarryBorder(Border):
    """What a round must know to go on after the frames that are done."""

    last: dict[str, Any]
    """What the hole of the last one holds (`journal.pack`)."""
    trajectories: Float32[np.ndarray, "n 8"]
    """What its pixels count for as sources: rows of `Trajectories`."""
    motion: Motion | None
    """From it to the next."""

    @classmethod
    def load(cls, state: dict[str, Any]) -> "CarryBorder":
        """From what was saved."""
        return cls(state["last"], np.asarray(state["trajectories"]), state["motion"] and Motion.load(state["motion"]))


def _more_than_crumbs(frame: Frame) -> bool:
    """Whether more was found beside the mask of a frame than a few crumbs."""
    found = 0 if frame.effects is None else np.count_nonzero(frame.effects.where)
    return bool(found > LITTLE * np.count_nonzero(frame.hole))


LITTLE = 0.03  # share of the hole that is a few crumbs


class Round:
    """Carry once along the flow as it is seen now.

    Args:
        linker: finds the links between neighbours.
        journal: keeps what was filled.
        linked: told of every frame whose links are made.
        first: whether no round comes before.
        last: whether none follows.
        votes: whether what was carried is put to the vote.
        seed: of the grain.
    """

    def __init__(
        self,
        linker: Linker,
        journal: Journal[CarryBorder],
        linked: Callable[[], None],
        *,
        first: bool,
        last: bool,
        votes: bool,
        seed: int,
    ):
        self.linker, self.config, self.journal, self.linked = linker, linker.config, journal, linked
        self.first, self.last, self.votes, self.seed = first, last, votes, seed
        self.waiting: list[LinkedFrame] = []
        # The last frame that is done, and what its pixels count for as sources.
        self.before: tuple[LinkedFrame, Trajectories] | None = None
        # Of each pair of neighbours in the window, to which the frame before belongs; None over a cut.
        self.motions: list[Motion | None] = []

    def fill(self, frames: Iterable[LinkedFrame]) -> Iterator[LinkedFrame]:
        """Pass the frames on, filled, a block at a time."""
        passing, one = iter(frames), None
        for one in self.journal.replay(passing):
            self.linked()
            yield one
        if one is not None and self.journal.border is not None:
            self._go_on_after(one.frame, self.journal.border)
        for linked_frame in passing:
            if not self.first:  # what the round before has reached, this one has not yet
                provenance = linked_frame.frame.provenance
                provenance[provenance > 0] = MADE_UP
            self.waiting.append(LinkedFrame(linked_frame.frame, linked_frame.boundary))
            window = self.config.window(linked_frame.frame.size, last=self.last)
            if len(self.waiting) >= window:
                yield from self._finish(window // 2)
        yield from self._finish(len(self.waiting))

    def _finish(self, count: int) -> list[LinkedFrame]:
        """Fill the first so many of those that wait."""
        if not count:
            return []
        earlier, sources = ([], None) if self.before is None else ([self.before[0]], self.before[1])
        window = self._link([*earlier, *self.waiting])
        if self.last and self.linker.known_pictures is None:  # else there is nothing to correct
            window = refined(window, len(earlier) + count, sources, self.config)
        numbers = range(len(earlier), len(earlier) + count)
        block, self.waiting = [window[number] for number in numbers], self.waiting[count:]
        leading = self._carry(window, numbers, sources)
        second_choice(window, numbers, self.config)
        if self.last:
            self._vote(window, numbers)
        for _ in in_order(lambda one: fill_smoothly(one.frame, one.frame.unseen), block):
            pass
        last = replace(block[-1], frame=block[-1].frame.copy())
        self.before = last, self._as_source(last, leading)
        self.motions = self.motions[len(earlier) + count - 1 :]
        border = None
        if self.waiting:
            border = CarryBorder(pack(last.frame), self.before[1].rows, self.motions[0])
        self.journal.note(block, border)
        return block

    def _carry(self, window: list[LinkedFrame], block: range, sources: Trajectories | None) -> Followed:
        """Fill what trajectories reach, and tell where the last frame of the block leads.

        By itself, so that the trajectories, which are large, are gone before what is left is followed.
        """
        some = [window[number] for number in block]
        followed, hidden = both_ways(window, block.stop, sources)[block.start :], [one.frame.hole for one in some]
        reached = fuse(window, some, followed, hidden, self.config, sharp=self.last, doubts=self.last)
        for one, pixels in zip(some, reached, strict=True):
            one.frame.set_provenance(pixels, CARRIED)
        return followed[-1]

    def _vote(self, window: list[LinkedFrame], block: range) -> None:
        """Replace what most frames that show the place contradict."""
        motions = [one.forward for one in window[:-1]]
        short = any(_more_than_crumbs(one.frame) for one in window)
        if not self.votes or not (short or all(motion is None or motion.still for motion in motions)):
            return  # masks are right, and the nearest frame is as good as any
        elected = list(vote(window, motions, block, self.config, self.seed))
        for number, (pixels, colours) in zip(block, elected, strict=True):
            window[number].frame.set_pixels(pixels, colours)
            window[number].frame.set_provenance(pixels, CARRIED)

    def _link(self, window: list[LinkedFrame]) -> list[LinkedFrame]:
        """The frames with what leads from each to its neighbours; what is not known of that yet is found."""
        if self.before is None:
            self.linked()  # nothing leads back from the first frame
        for motion in in_order(self.linker, list(pairwise(window))[len(self.motions) :]):
            self.motions.append(motion)
            self.linked()
        forward, backward = [*self.motions, None], [None, *(one and one.reversed for one in self.motions)]
        return [LinkedFrame(one.frame, one.boundary, *to) for one, *to in zip(window, forward, backward, strict=True)]

    def _go_on_after(self, done: Frame, border: CarryBorder) -> None:
        """Know what was known when this frame was the last one that was done."""
        self.linked()  # the next one was
        frame = done.copy()
        unpack(frame, border.last)
        self.before = LinkedFrame(frame, boundary_pixels(frame.provenance)), Trajectories(border.trajectories)
        self.motions = [border.motion]

    def _as_source(self, done: LinkedFrame, leading: Followed) -> Trajectories:
        """What the pixels of a frame that is done count for: as far away and as uncertain as what they were made of."""
        frame, boundary, (future, past) = done.frame, done.boundary, leading.trajectories
        provenance, width = frame.provenance.reshape(-1)[boundary], frame.size[1]
        nearer = future.weight(self.config) > past.weight(self.config)
        rows = np.where(nearer[:, None], future.rows, past.rows)
        rows[:, SOURCE] = np.where(provenance == MADE_UP, -1, frame.index)
        rows[:, X], rows[:, Y] = boundary % width, boundary // width
        rows[provenance != CARRIED, DISTANCE : ERROR + 1] = 0
        rows[:, RED:] = 0
        return Trajectories(rows)
