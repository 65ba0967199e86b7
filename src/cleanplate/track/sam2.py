"""SAM 2 (Ravi et al. 2024) and what has its interface (`predictors`) as trackers; nothing is substituted."""

import contextlib
import logging
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise, repeat, starmap
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from cleanplate.errors import Cancelled, InputError
from cleanplate.progress import OnStep, tell
from cleanplate.runtime.files import writing
from cleanplate.track.marks import Mark
from cleanplate.track.predictors import PROJECTS, load_predictor, quiet
from cleanplate.track.spool import spooled
from cleanplate.track.tracked import (
    MISSED_BY_OUTLINE,
    Tracked,
    check_frame,
    check_length,
    check_marks,
    exact_masks,
    frames_to_review,
    small_size,
)

log = logging.getLogger(__name__)

MOST_SAID = 200  # characters of what a package says when it fails
JPEG_QUALITY = 98  # the frames are read from a folder of JPEGs


def track_with_predictor(
    frames: Iterable[UInt8[np.ndarray, "H W 3"]],
    things: Sequence[Sequence[Mark]],
    *,
    tracker: str,
    weights: Path | None = None,
    device: str = "auto",
    scratch: Path | None = None,
    on_step: OnStep | None = None,
) -> list[Tracked]:
    """As `tracker.track_things`: exact marks are given to it as masks, others as boxes.

    An object of a predictor has one prompt a frame, so a thing is several of them if several marks are on a frame.

    Raises:
        InputError: the package or the weights are missing, the package fails, or as `tracker.track_things`.
    """
    with _failures_in_a_line(tracker):
        predictor = load_predictor(tracker, weights, device)
    objects = [(thing, prompts) for thing, marks in enumerate(things) for prompts in _objects(marks)]
    import torch  # with the package, which is there

    with _temporary(scratch) as folder, quiet(), torch.inference_mode():
        size, length = _write_frames(frames, Path(folder), list(chain(*things)), on_step)
        height, width = small_size(size)
        probability = [spooled(repeat(np.zeros((height, width), np.uint8), length)) for _ in things]
        confidence, done = np.zeros((len(things), length)), set[int]()
        with _failures_in_a_line(tracker):
            state = predictor.init_state(
                folder, offload_video_to_cpu=True, offload_state_to_cpu=True, async_loading_frames=length > 300
            )
            for obj_id, (_, prompts) in enumerate(objects, 1):
                for mark in prompts:
                    _prompt(predictor, state, obj_id, mark)
        start = min(mark.frame for _, prompts in objects for mark in prompts)
        for frame_idx, of_objects in _propagate(tracker, predictor, state, start):
            of_things = dict[int, np.ndarray]()
            for obj_id, one in of_objects.items():
                thing = objects[obj_id - 1][0]
                of_things[thing] = np.maximum(of_things.get(thing, 0), one)
            for thing, one in of_things.items():
                small = cv2.resize(one, (width, height), interpolation=cv2.INTER_AREA)
                probability[thing][frame_idx] = np.round(255 * small)
                confidence[thing, frame_idx] = 1 - np.minimum(small, 1 - small).sum() / max(1.0, small.sum())
            done.add(frame_idx)
            tell(on_step, "track", len(done), length)
    tracked = []
    for marks, one, sure in zip(things, probability, np.clip(confidence, 0, 1), strict=True):
        absent = _absent(marks, length)
        one[absent], sure[absent] = 0, 1
        sure[[mark.frame for mark in marks]] = 1
        painted, drift = exact_masks(marks), None
        if not all(mark.is_exact for mark in marks):  # every other frame rests on all of them
            drift = np.full(length, MISSED_BY_OUTLINE)
            drift[[*painted, *absent]] = 0
        tracked.append(Tracked(one, size, sure, frames_to_review(sure, marks), painted, drift=drift))
    return tracked


def _objects(marks: Sequence[Mark]) -> list[list[Mark]]:
    """The marks of a thing, none of them empty, in as few lists as hold one a frame; painted ones are united before."""
    exact = dict[int, np.ndarray]()
    for mark in marks:
        if mark.is_exact and mark.area.any():
            exact[mark.frame] = exact.get(mark.frame, False) | mark.area
    objects = list[list[Mark]]()
    for mark in (*starmap(Mark, exact.items()), *(mark for mark in marks if not mark.is_exact)):
        free = (one for one in objects if all(other.frame != mark.frame for other in one))
        if (one := next(free, None)) is None:
            objects.append(one := [])
        one.append(mark)
    return objects


def _absent(marks: Sequence[Mark], length: int) -> list[int]:
    """The frames with no mark around them, before or after, but empty ones: these predictors do not know them."""
    there: dict[int, bool] = {}
    for mark in marks:
        there[mark.frame] = there.get(mark.frame, False) or bool(mark.area.any())
    ends = sorted(there)
    absent = []
    for first, last in pairwise([-1, *ends, length]):  # from one mark to the next
        if not (there.get(first) or there.get(last)):
            absent += range(max(first, 0), min(last + 1, length))
    return [*absent, *(frame for frame, any_of_it in there.items() if not any_of_it)]


@contextlib.contextmanager
def _failures_in_a_line(tracker: str) -> Iterator[None]:
    """Turn whatever the package of a tracker raises into an InputError."""
    try:
        yield
    except (InputError, Cancelled, MemoryError):
        raise
    except Exception as error:
        log.debug("the tracker %s failed", tracker, exc_info=True)
        said = re.sub(r"\S*/", "", " ".join(f"{type(error).__name__}: {error}".split()))  # files without their folders
        raise InputError(
            f"{PROJECTS[tracker].title} could not follow it ({said[:MOST_SAID]})",
            "a package and weights that fit each other, and enough memory, are needed",
            "let cleanplate itself follow it (--tracker flow; on the page, under Who follows it)",
        ) from error


def _temporary(scratch: Path | None) -> tempfile.TemporaryDirectory[str]:
    """A folder for the frames; in `scratch` it is named as what is half-written is, so that it is known as such."""
    return tempfile.TemporaryDirectory(prefix="cleanplate-" if scratch is None else ".frames.partial-", dir=scratch)


def _prompt(predictor: Any, state: Any, obj_id: int, mark: Mark) -> None:
    """Give it a mark: a mask, or the box around a region."""
    if mark.is_exact:
        predictor.add_new_mask(state, mark.frame, obj_id, mark.area)
        return
    left, top, width, height = mark.box
    box = np.array((left, top, left + width, top + height), np.float32)
    predictor.add_new_points_or_box(state, mark.frame, obj_id, box=box)


def _propagate(
    tracker: str, predictor: Any, state: Any, start: int
) -> Iterator[tuple[int, dict[int, Float[np.ndarray, "H W"]]]]:
    """Frame index and of each object the probability of each pixel, from a frame to the end, then to the beginning."""
    for reverse in (False, True):
        frames = iter(predictor.propagate_in_video(state, start_frame_idx=start, reverse=reverse))
        while True:
            with _failures_in_a_line(tracker):  # not what becomes of them
                frame_idx, obj_ids, logits = next(frames, (None, (), ()))
                probabilities = [logit[0].float().sigmoid().cpu().numpy() for logit in logits]
            if frame_idx is None:
                break
            yield frame_idx, dict(zip(obj_ids, probabilities, strict=True))


def _write_frames(
    frames: Iterable[np.ndarray], folder: Path, marks: Sequence[Mark], on_step: OnStep | None
) -> tuple[tuple[int, int], int]:
    """Write the frames as JPEGs named by their index, as they are read; their (height, width) and how many."""
    size, length = (0, 0), 0
    with writing(folder):
        for frame in frames:
            if not length:
                size = frame.shape[:2]
                check_marks(size, marks)
            check_frame(length, frame.shape[:2], size)
            options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
            _, data = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), options)
            (folder / f"{length:06d}.jpg").write_bytes(data.tobytes())
            length += 1
            tell(on_step, "read", length, length)
    check_length(length, marks)
    return size, length
