"""From files to files: a shot goes in, and comes out without the thing; never more of it is held than a window."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8

from cleanplate.config import DEFAULT_METHOD, Encoding, Method, find_method
from cleanplate.errors import InputError
from cleanplate.imaging.frame import CARRIED, KNOWN, MADE_UP, PAINTED, Frame
from cleanplate.imaging.pixels import to_samples
from cleanplate.imaging.visualise import provenance_to_grey
from cleanplate.pipeline import begin, enough_memory, fill
from cleanplate.progress import tell
from cleanplate.runtime.files import sha256
from cleanplate.runtime.options import DEFAULT_RUN, RunOptions
from cleanplate.video.pipes import PIPE, open_pipe
from cleanplate.video.sequences import image_files, is_stills
from cleanplate.video.shot import Shot
from cleanplate.video.spans import files_of_spans, is_spans
from cleanplate.video.writer import open_writer


@dataclass(frozen=True)
class Cleaned:
    """What was done."""

    frames: int
    size: tuple[int, int]
    hidden: float
    """Share of all pixels."""
    carried: float
    """Share of the hidden ones."""
    made_up: float
    painted: float
    """By an artist (`video.references`)."""
    effects: float
    """Share of all pixels that was changed outside the mask, because of what the thing does there."""
    effects_left: float
    """Of what was found of that, the share that was left as it is, because nothing could be put there."""
    elapsed_s: float
    doubtful: float = 0.0
    """Share of the hidden ones that were carried, and the frames before and after show different things there."""
    look_at: tuple[int, ...] = ()
    """Frames with most that is doubtful or made up, as the shot calls them; none where that is little."""


def clean(
    shot: Shot,
    output: Path,
    method: str | Method = DEFAULT_METHOD,
    run: RunOptions = DEFAULT_RUN,
    *,
    provenance: Path | None = None,
    effects_mask: Path | None = None,
    encoding: Encoding | None = None,
    on_frame: Callable[[Frame], None] | None = None,
) -> Cleaned:
    """Fill the holes of a shot and write it.

    Args:
        shot: what to read.
        output: what to write; see `video.writer.open_writer`. PIPE is standard output (`video.pipes.open_pipe`).
        method: as `plate.inpaint` takes it.
        run: seed, device, budget, work folder, and who is told of every step.
        provenance: where to write where each pixel comes from: black known, grey carried (64 outside the mask, as an
            effect of the thing, 128 in it, 192 painted by an artist), white made up.
        effects_mask: where to write what was changed outside the mask, white.
        encoding: codec and quality.
        on_frame: given every frame as it is read. Its picture changes in place as it is filled, until it is written.

    Raises:
        InputError: files that cannot be read or written, and whatever `plate.inpaint` refuses.
        Cancelled: `run.on_step` has raised it.
    """
    started = time.perf_counter()
    method = find_method(method) if isinstance(method, str) else method
    begin(method, run, lambda: digest(shot))

    def frames() -> Iterator[Frame]:
        for frame in shot.frames(run.on_step):
            if on_frame is not None:
                on_frame(frame)
            yield frame

    tally = _Tally()
    with enough_memory(), ExitStack() as stack:
        like = {"like": None if shot.piped else shot.video, "span": shot.span, "fps": shot.fps}
        if output == PIPE:
            out = stack.enter_context(open_pipe(piped=shot.piped, **like))
        else:
            more = {"piped": shot.piped, "show_changed": shot.borders is not None, "layer": shot.layer}
            out = stack.enter_context(open_writer(output, encoding=encoding, **more, **like))
        beside = partial(open_writer, keep_source=False, **like)
        kinds, found = (path and stack.enter_context(beside(path)) for path in (provenance, effects_mask))
        for number, frame in enumerate(fill(frames(), method, run, total=shot.total), 1):
            whole = frame.pasted()
            if whole.unknown is not None:
                whole.provenance[whole.unknown] = KNOWN
            painted = _or_nothing(whole.painted, whole)
            changed = _or_nothing(None if whole.effects is None else whole.effects.where, whole)
            kind = np.where(painted & ~whole.hole, np.uint8(PAINTED), whole.provenance)
            out.write(to_samples(whole.picture, wide=True), whole.hole | painted)
            if kinds:
                kinds.write(_as_picture(provenance_to_grey(kind, changed)))
            if found:
                found.write(_as_picture(changed * np.uint8(255)))
            tally.add(whole, kind, changed)
            tell(run.on_step, "write", number, max(shot.total, number))
        if not tally.unsure:
            raise InputError(f"{shot.video} has no frames", "at least one is needed", "check the file")
    return tally.cleaned(shot, time.perf_counter() - started + run.work_dir.earlier_s)


class _Tally:
    """Where the pixels of a shot come from, counted frame by frame as they are written."""

    def __init__(self) -> None:
        self.carried = self.made_up = self.painted = self.doubtful = 0
        self.pixels = self.effects = self.left = 0
        self.unsure: list[float] = []
        """Of each frame, the share of its pixels that is doubtful or made up."""

    def add(self, frame: Frame, kind: UInt8[np.ndarray, "H W"], changed: Bool[np.ndarray, "H W"]) -> None:
        """Count a frame.

        Args:
            frame: the whole of it.
            kind: where each pixel comes from.
            changed: what was changed outside the mask, which is counted apart.
        """
        carried, made_up, painted = (np.count_nonzero((kind == one) & ~changed) for one in (CARRIED, MADE_UP, PAINTED))
        self.carried += carried
        self.made_up += made_up
        self.painted += painted
        self.doubtful += frame.doubtful
        self.unsure.append((frame.doubtful + made_up) / kind.size)
        self.pixels += kind.size
        self.effects += np.count_nonzero(changed)
        self.left += 0 if frame.effects is None else frame.effects.left

    def cleaned(self, shot: Shot, elapsed_s: float) -> Cleaned:
        """The shares of all frames."""
        hidden = self.carried + self.made_up + self.painted
        return Cleaned(
            len(self.unsure),
            shot.shape,
            hidden / self.pixels,
            self.carried / max(1, hidden),
            self.made_up / max(1, hidden),
            painted=self.painted / max(1, hidden),
            effects=self.effects / self.pixels,
            effects_left=self.left / max(1, self.effects + self.left),
            elapsed_s=elapsed_s,
            doubtful=min(1.0, self.doubtful / max(1, hidden)),
            look_at=tuple(map(shot.called, worth_a_look(self.unsure))),
        )


def _or_nothing(where: Bool[np.ndarray, "H W"] | None, frame: Frame) -> Bool[np.ndarray, "H W"]:
    return np.zeros(frame.size, bool) if where is None else where


def worth_a_look(unsure: Sequence[float]) -> tuple[int, ...]:
    """The frames that are worst of all near them, the first of them first.

    Args:
        unsure: of each frame, the share of its pixels that is doubtful or made up.
    """
    chosen: list[int] = []
    for index in sorted(range(len(unsure)), key=lambda index: -unsure[index]):
        if unsure[index] < LEAST_UNSURE or len(chosen) == MOST_NAMED:
            break
        if all(abs(index - other) >= APART_FRAMES for other in chosen):
            chosen.append(index)
    return tuple(sorted(chosen))


LEAST_UNSURE = 0.005
"""Of a frame: less is hardly seen."""
MOST_NAMED, APART_FRAMES = 5, 12
"""Frames that are named, and how far from each other: neighbours look alike."""


def _as_picture(grey: UInt8[np.ndarray, "H W"]) -> UInt8[np.ndarray, "H W 3"]:
    return np.repeat(grey[..., None], 3, axis=-1)


def digest(shot: Shot) -> str:
    """What the result depends on: the bytes of the files, and what is taken of them."""
    seen = hashlib.blake2b(digest_size=16)
    for path in (shot.video, *shot.masks):
        named = files_of_spans(path) if is_spans(path) else [path]
        for file in (file for one in named for file in (image_files(one) if is_stills(one) else [one])):
            seen.update(file.name.encode("utf-8", "surrogateescape"))  # it may have a number
            seen.update(bytes.fromhex(sha256(file)))
    for one in shot.references:
        seen.update(bytes.fromhex(sha256(one.path)))
    painted, borders = [one.index for one in shot.references], shot.borders is not None
    how = f"{shot.span} {shot.size} {shot.region} {shot.dilate_px} {shot.invert_mask} {painted} {borders}"
    return f"{how} {shot.layer} {shot.mask_channel} {seen.hexdigest()}"
