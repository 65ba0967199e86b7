"""What the stages of a run have filled, block by block: a run that was killed goes on, and the result is the same.

A run that goes on decodes all frames again. Each stage puts back what it had filled, and goes on after the border of
its last block from what it knew there. What is put back costs next to nothing, and no stage knows of another's state.

Of a block is kept what its holes were filled with, until the next stage has filled the same frames; of the last stage
until the end: four bytes for every hidden pixel of a video of bytes.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from torch import Tensor

from cleanplate.carry.trajectories import Held, Link, unsafe_pixels
from cleanplate.imaging.frame import Frame
from cleanplate.runtime.checkpoint import Work


class Journal:
    """Of one stage, in a work folder; with a `Work` that has no folder nothing is kept.

    Args:
        work: where.
        stage: what its files are called.
        after: the stage before, whose blocks are forgotten once this one has filled their frames.
        links: keep also what leads from the unseen pixels to the neighbours.
    """

    def __init__(self, work: Work | None, stage: str, *, after: str | None = None, links: bool = False):
        self.work, self.stage, self.after, self.links = work or Work(), stage, after, links
        kept = self.work.load(stage)
        self.count: int = kept["count"] if kept else 0
        """How many frames are done."""
        self.border: dict[str, Any] = kept["border"] if kept else {}
        """What the stage knew there."""

    def replay(self, frames: Iterator[Held]) -> Iterator[Held]:
        """The frames that an earlier run has done, as it had filled them, on their way from the stage before."""
        count, passed = self.count, 0
        for name, first, end in _blocks(self.work, self.stage):
            if end > count:  # it was killed before it could note that this is done
                break
            yield from islice(frames, first - passed)  # the next stage has these, and fills them itself
            for kept in self.work.piece(name):
                held = next(frames)
                unpack(held.frame, kept["fill"])
                if self.links:
                    links = [to_link(link, held.frame.picture) for link in kept["links"]]
                    held = Held(held.frame, unsafe_pixels(held.frame.unseen), *links)
                yield held
            passed = end
        yield from islice(frames, count - passed)

    def note(self, block: Sequence[Held], *, more: bool, elapsed_s: float = 0.0, **border: Any) -> None:
        """Keep a block that is filled. A shot that is a single block is not worth it.

        Args:
            block: the frames that follow those that are done.
            more: whether others follow.
            elapsed_s: what the result counts as time that was spent learning.
            border: what the stage must know to go on from there: tensors, numbers, and dicts of them.
        """
        if self.work.folder is None or not (more or self.count):
            return
        first, self.count = self.count, self.count + len(block)
        kept = [{"fill": pack(held.frame)} | ({"links": _links(held)} if self.links else {}) for held in block]
        self.work.save_piece(f"{self.stage}-{first:07}-{self.count:07}", kept)
        self.work.save(self.stage, {"count": self.count, "border": border, "elapsed_s": elapsed_s})
        for name, _, end in _blocks(self.work, self.after) if self.after else ():
            if end <= self.count:
                self.work.forget(name)


def _blocks(work: Work, stage: str) -> list[tuple[str, int, int]]:
    """Name, first frame and the one after the last, in order."""
    numbers = ((name, *name.rsplit("-", 2)[1:]) for name in sorted(work.names(f"{stage}-*-*")))
    return [(name, int(first), int(end)) for name, first, end in numbers]


def _links(held: Held) -> list[dict[str, Tensor] | None]:
    """At unseen pixels."""
    left = held.of(unsafe_pixels(held.frame.unseen))
    return [from_link(link) for link in (left.forward, left.backward)]


def pack(frame: Frame) -> dict[str, Tensor]:
    """What its hole holds."""
    hole = frame.hole[0]
    return {"colours": frame.picture[:, hole].cpu(), "origin": frame.origin[:, hole].cpu()}


def unpack(frame: Frame, fill: dict[str, Tensor]) -> None:
    """Put that into the same frame again."""
    hole = frame.hole[0]
    frame.picture[:, hole] = fill["colours"].to(frame.picture.device)
    frame.origin[:, hole] = fill["origin"].to(frame.picture.device)


def from_link(link: Link | None) -> dict[str, Tensor] | None:
    """As a dict, which can be saved."""
    return None if link is None else {name: value.cpu().clone() for name, value in vars(link).items()}


def to_link(kept: dict[str, Tensor] | None, like: Tensor) -> Link | None:
    """And back, where the other tensor is."""
    return None if kept is None else Link(**{name: value.to(like.device) for name, value in kept.items()})
