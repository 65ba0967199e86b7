"""From files to files: a shot goes in, and comes out without the thing; never more of it is held than a window."""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cleanplate.config import DEFAULT_METHOD, Encoding, Method, find_method
from cleanplate.errors import InputError
from cleanplate.imaging.frame import CARRIED, LEARNED, Frame
from cleanplate.imaging.pixels import levels
from cleanplate.pipeline import describe, enough_memory, fill, find_device
from cleanplate.progress import OnStep, tell
from cleanplate.runtime.checkpoint import Work
from cleanplate.runtime.files import sha256
from cleanplate.video.reader import image_files
from cleanplate.video.shot import Shot
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
    elapsed_s: float


def clean(
    shot: Shot,
    output: Path,
    method: str | Method = DEFAULT_METHOD,
    *,
    provenance: Path | None = None,
    encoding: Encoding | None = None,
    seed: int = 0,
    device: str = "auto",
    max_steps: int | None = None,
    max_seconds: float | None = None,
    work: Work | None = None,
    on_step: OnStep | None = None,
    on_frame: Callable[[Frame], None] | None = None,
) -> Cleaned:
    """Fill the holes of a shot and write it.

    Args:
        shot: what to read.
        output: what to write; see `video.writer.open_writer`.
        provenance: where to write where each pixel comes from: black known, grey (128) carried, white made up.
        encoding: codec and quality.
        method: as `pipeline.inpaint` takes it, and all of the following.
        seed: of everything random.
        device: where to compute.
        max_steps: learn for so many updates at most.
        max_seconds: learn until so long after the start.
        work: a folder to keep what is done in, and to go on from.
        on_step: told of every step.
        on_frame: given every frame as it is read. Its picture changes in place as it is filled, until it is written.

    Raises:
        InputError: files that cannot be read or written, and whatever `pipeline.inpaint` refuses.
        Cancelled: the callback said so.
    """
    started = time.perf_counter()
    method = find_method(method) if isinstance(method, str) else method
    place, work = find_device(device), work or Work()
    if work.folder is not None:
        work.begin(describe(digest(shot), method, seed, place, max_steps, max_seconds))
    passing: deque[Frame] = deque()

    def frames() -> Iterator[Frame]:
        for frame, whole in shot.frames(on_step):
            passing.append(whole)
            if place.type != "cpu":
                frame = Frame(frame.index, frame.picture.to(place), frame.origin.to(place))
            if on_frame is not None:
                on_frame(frame)
            yield frame

    counts = torch.zeros(3, dtype=torch.long)
    number = 0
    settings = {"max_steps": max_steps, "max_seconds": max_seconds, "work": work, "on_step": on_step}
    with enough_memory(), ExitStack() as stack:
        like = {"like": shot.video, "span": shot.span, "fps": shot.fps}
        out = stack.enter_context(open_writer(output, encoding=encoding, **like))
        kinds = provenance and stack.enter_context(open_writer(provenance, keep=False, **like))
        for number, frame in enumerate(fill(frames(), method, seed=seed, total=shot.total, **settings), 1):
            whole = passing.popleft()
            if place.type != "cpu":
                _put_back(frame, whole, shot)
            wide = whole.picture.dtype != torch.uint8
            out.write(levels(whole.picture, wide=wide), whole.hole[0].numpy())
            if kinds:
                kinds.write(np.repeat(KINDS[whole.origin[0].numpy()][..., None], 3, axis=-1))
            counts += torch.bincount(whole.origin.flatten(), minlength=3)
            tell(on_step, "write", number, max(shot.total, number))
        if not number:
            raise InputError(f"{shot.video} has no frames", "at least one is needed", "check the file")
    hidden = int(counts[1:].sum())
    carried, made_up = (int(counts[kind]) / max(1, hidden) for kind in (CARRIED, LEARNED))
    elapsed_s = time.perf_counter() - started + work.earlier_s
    return Cleaned(number, shot.shape, hidden / int(counts.sum()), carried, made_up, elapsed_s)


KINDS = np.array([0, 128, 255], np.uint8)


def _put_back(frame: Frame, whole: Frame, shot: Shot) -> None:
    """Copy what was filled elsewhere to where it came from."""
    x, y, w, h = shot.region or (0, 0, whole.size[1], whole.size[0])
    whole.picture[:, y : y + h, x : x + w] = frame.picture.cpu()
    whole.origin[:, y : y + h, x : x + w] = frame.origin.cpu()


def digest(shot: Shot) -> str:
    """What the result depends on: the bytes of the files, and what is taken of them."""
    seen = hashlib.blake2b(digest_size=16)
    for path in (shot.video, *shot.masks):
        for file in image_files(path) if path.is_dir() else [path]:
            seen.update(bytes.fromhex(sha256(file)))
    return f"{shot.span} {shot.size} {shot.region} {shot.dilate_px} {shot.invert_mask} {seen.hexdigest()}"
