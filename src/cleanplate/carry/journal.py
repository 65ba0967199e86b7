"""What the stages of a run have filled, block by block: a run that was killed goes on, and the result is the same.

A run that goes on decodes all frames again. Each stage puts back what it had filled, and goes on after the border of
its last block from what it knew there. What is put back costs next to nothing, and no stage knows of another's state.

Of a block is kept what its holes were filled with, until the next stage has filled the same frames; of the last stage
until the end: four bytes for every hidden pixel of a video of bytes. In the first round a ring around every hole is
hidden too (crumbs.py).

What a stage must know at a border is a dataclass of its own: `CarryBorder` in rounds.py, `LearnBorder` in
unseen/learn.py. The files lie in the work folder (runtime/work_dir.py).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice, pairwise
from typing import Any, Generic, TypeVar

import numpy as np
from jaxtyping import Bool, UInt8

from cleanplate.carry.motion import Motion
from cleanplate.carry.trajectories import LinkedFrame, boundary_pixels
from cleanplate.imaging.frame import KNOWN, Effects, Frame
from cleanplate.runtime.work_dir import WorkDir

FORMAT = 2
"""Of what is kept: a run that was begun with another cannot be gone on with. Count it up where that changes."""


@dataclass(frozen=True)
class Border:
    """What a stage knows at the end of a block: arrays, numbers, and dataclasses and dicts of them."""


B = TypeVar("B", bound=Border)


class Journal(Generic[B]):
    """Of one stage, in a work folder; with a `WorkDir` that has no folder nothing is kept.

    Args:
        work_dir: where.
        stage: what its files are called.
        load: makes what the stage knew at the end of a block of what `dataclasses.asdict` had made of it.
        after: the stage before, whose blocks are forgotten once this one has filled their frames.
        links: keep also the motion that what is unseen is led along to the neighbours.
        restore: gives a frame back what was kept of it; puts what its hole was filled with into it if not given.
    """

    def __init__(
        self,
        work_dir: WorkDir,
        stage: str,
        load: Callable[[dict[str, Any]], B],
        *,
        after: str | None = None,
        links: bool = False,
        restore: Callable[[LinkedFrame, dict[str, Any]], LinkedFrame] | None = None,
    ):
        self.work_dir, self.stage, self.after, self.links = work_dir, stage, after, links
        self.restore = restore or self._refill
        self._onward: Motion | None = None  # from the frame that was put back last
        kept = work_dir.load(stage)
        work_dir.resumed(kept["elapsed_s"] if kept else 0.0)
        self.count: int = kept["count"] if kept else 0
        """How many frames are done."""
        self.border: B | None = load(kept["border"]) if kept and kept["border"] else None
        """What the stage knew there; None if nothing is done, or no frame follows."""

    def replay(self, frames: Iterator[LinkedFrame]) -> Iterator[LinkedFrame]:
        """The frames that an earlier run has done, as it had filled them, on their way from the stage before."""
        count, passed = self.count, 0
        for name, first, end in _blocks(self.work_dir, self.stage):
            if end > count:  # it was killed before it could note that this is done
                break
            yield from islice(frames, first - passed)  # the next stage has these, and fills them itself
            for kept in self.work_dir.piece(name):
                yield self.restore(next(frames), kept)
            passed = end
        yield from islice(frames, count - passed)

    def _refill(self, one: LinkedFrame, kept: dict[str, Any]) -> LinkedFrame:
        """A frame, as it was filled."""
        unpack(one.frame, kept["fill"])
        if not self.links:
            return one.at(boundary_pixels(one.frame.provenance))  # a stage before may have known less of its hole
        led_here = self._onward
        if "led_here" in kept:  # the first of a block: the block before may be forgotten
            led_here = kept["led_here"] and Motion.load(kept["led_here"])
        self._onward = kept["onward"] and Motion.load(kept["onward"])
        boundary = boundary_pixels(one.frame.unseen)
        return LinkedFrame(one.frame, boundary, self._onward, led_here and led_here.reversed)

    def note(
        self,
        block: Sequence[LinkedFrame],
        border: B | None,
        *,
        elapsed_s: float = 0.0,
        kept: Sequence[dict[str, Any]] | None = None,
    ) -> None:
        """Keep a block that is filled. A shot that is a single block is not worth it.

        Args:
            block: the frames that follow those that are done.
            border: what the stage must know to go on from there; None if no frame follows.
            elapsed_s: what the result counts as time that was spent learning.
            kept: what to keep of each frame; what its hole was filled with if not given.
        """
        if self.work_dir.folder is None or (border is None and not self.count):
            return
        first, self.count = self.count, self.count + len(block)
        if kept is None:
            kept = [{"fill": pack(one.frame)} for one in block]
            for part, motions in zip(kept, motions_of(block) if self.links else (), strict=False):
                part |= {name: motion and asdict(motion) for name, motion in motions.items()}
        self.work_dir.save_piece(f"{self.stage}-{first:07}-{self.count:07}", list(kept))
        state = None if border is None else asdict(border)  # type: ignore[call-overload]
        self.work_dir.save(self.stage, {"count": self.count, "border": state, "elapsed_s": elapsed_s})
        for name, _, end in _blocks(self.work_dir, self.after) if self.after else ():
            if end <= self.count:
                self.work_dir.forget(name)


def _blocks(work_dir: WorkDir, stage: str) -> list[tuple[str, int, int]]:
    """Name, first frame and the one after the last, in order."""
    numbers = ((name, *name.rsplit("-", 2)[1:]) for name in sorted(work_dir.names(f"{stage}-*-*")))
    return [(name, int(first), int(end)) for name, first, end in numbers]


def motions_of(block: Sequence[LinkedFrame]) -> list[dict[str, Motion | None]]:
    """Of each frame of a block the motion onward, and of the first the motion that led to it.

    None also where nothing that is left unseen would be led along it.
    """
    left = [bool(one.frame.unseen.any()) for one in block] + [True]  # of the next block nothing is known
    onward = [one.forward if here or there else None for one, (here, there) in zip(block, pairwise(left), strict=True)]
    motions: list[dict[str, Motion | None]] = [{"onward": motion} for motion in onward]
    motions[0]["led_here"] = block[0].backward and block[0].backward.reversed
    return motions


def pack(frame: Frame) -> dict[str, Any]:
    """What its hole holds; where it is hole beside its mask."""
    hole = frame.hole
    kept: dict[str, Any] = {"colours": frame.picture[hole], "provenance": frame.provenance[hole]}
    kept["doubtful"] = frame.doubtful
    if frame.effects is not None:
        kept |= {"hole": np.packbits(hole), "effects": np.packbits(frame.effects.where), "left": frame.effects.left}
        kept["settled"] = not len(frame.effects.shown)
    return kept


def unpack(frame: Frame, fill: dict[str, Any]) -> None:
    """Put that into the same frame again."""
    hole = frame.hole
    if "hole" in fill:
        hole, where = (mask_of(fill[name], frame.size) for name in ("hole", "effects"))
        frame.effects = _effects_again(frame, where, fill["left"], settled=fill["settled"])
        frame.provenance[:] = KNOWN
    frame.picture[hole], frame.provenance[hole] = fill["colours"], fill["provenance"]
    frame.doubtful = fill["doubtful"]


def _effects_again(frame: Frame, where: Bool[np.ndarray, "H W"], left: int, *, settled: bool) -> Effects:
    """The effects of a frame in these places, of those that it came with: what it shows there was read again."""
    nothing = frame.picture[0, :0]
    if settled:
        return Effects(where, nothing, nothing.astype(np.float16), left)
    shown, light = frame.picture.copy(), np.zeros(frame.picture.shape, np.float16)
    if frame.effects is not None and len(frame.effects.shown):
        shown[frame.effects.where], light[frame.effects.where] = frame.effects.shown, frame.effects.light
    return Effects(where, shown[where], light[where])


def mask_of(packed: UInt8[np.ndarray, " b"], size: Sequence[int]) -> Bool[np.ndarray, "H W"]:
    """The mask of that (height, width) that these bits were made of."""
    height, width = size
    return np.unpackbits(packed, count=height * width).astype(bool).reshape(height, width)
