"""The tracker "flow": optical flow, a small network and a model of the background.

From each mark the mask is propagated frame by frame, forwards and backwards, until the next mark or cut; between two
marks both are blended. A mark that is empty ends it: from there on to the next one the thing is not there.

A step (`propagate`) warps the mask along optical flow, and a small network that was trained on the marks (`classifier`)
and a model of the background (`background`) correct it. All of it works on small pictures.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, count

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from cleanplate.errors import InputError
from cleanplate.progress import OnStep, tell
from cleanplate.runtime.threads import in_order, one_thread_each
from cleanplate.track.classifier import DEFORMATIONS, Classifier, appearance_features, samples
from cleanplate.track.marks import Mark
from cleanplate.track.outline import NEIGHBOUR_OFFSETS, outline
from cleanplate.track.propagate import Propagator, observe
from cleanplate.track.shots import shots_of
from cleanplate.track.tracked import Tracked, check_length, check_marks, exact_masks, frames_to_review, small_size


def track_with_flow(
    frames: Iterable[UInt8[np.ndarray, "H W 3"]],
    things: Sequence[Sequence[Mark]],
    *,
    seed: int = 0,
    over_cuts: bool = False,
    on_step: OnStep | None = None,
) -> list[Tracked]:
    """The tracker "flow": see `tracker.track_things`."""
    with one_thread_each():
        pictures, size = _read_small(frames, list(chain(*things)), on_step)
        shots = [range(len(pictures))] if over_cuts else shots_of(pictures)
        masks = [_marked_masks(pictures, marks) for marks in things]
        passes = [[one for shot in shots for one in _passes(of_one, shot)] for of_one in masks]
        total, done = sum(len(order) - 1 for of_one in passes for _, order in of_one), count(1)
        tracked = []

        def on_frame() -> None:
            tell(on_step, "track", next(done), total)

        for marks, marked, of_one in zip(things, masks, passes, strict=True):
            probability, confidence = _propagate(pictures, marked, of_one, seed, on_frame)
            unmarked = tuple(shot for shot in shots if not any(mark.frame in shot for mark in marks))
            review = frames_to_review(confidence, marks)
            tracked.append(Tracked(probability, size, confidence, review, exact_masks(marks), unmarked))
    return tracked


def _read_small(
    frames: Iterable[UInt8[np.ndarray, "H W 3"]], marks: Sequence[Mark], on_step: OnStep | None
) -> tuple[UInt8[np.ndarray, "T h w 3"], tuple[int, int]]:
    """Small copies of the frames, and the (height, width) of the frames; refuse those that the marks are not of."""
    small: list[np.ndarray] = []
    size = (0, 0)
    for index, frame in enumerate(frames):
        if not small:
            size = frame.shape[:2]
            check_marks(size, marks)
        if frame.shape[:2] != size:
            found = f"frame {index} is {frame.shape[1]}x{frame.shape[0]} and frame 0 is {size[1]}x{size[0]}"
            raise InputError(found, "all frames must have one size", f"resize them to {size[1]}x{size[0]}")
        small.append(cv2.resize(frame, small_size(size)[::-1], interpolation=cv2.INTER_AREA))
        tell(on_step, "read", index + 1, index + 1)
    check_length(len(small), marks)
    return np.stack(small), size


def _marked_masks(pictures: UInt8[np.ndarray, "T h w 3"], marks: Sequence[Mark]) -> dict[int, Float[np.ndarray, "h w"]]:
    """By frame, the object's mask in the small size; marks of one frame are united."""
    masks: dict[int, np.ndarray] = {}
    for mark in marks:
        masks[mark.frame] = np.maximum(masks.get(mark.frame, 0), _marked_mask(pictures, mark))
    return masks


def _marked_mask(pictures: UInt8[np.ndarray, "T h w 3"], mark: Mark) -> Float[np.ndarray, "h w"]:
    """A mark in the small size; the outline found in it, if it is a region around the object."""
    picture = pictures[mark.frame]
    area = cv2.resize(mark.area.astype(np.float32), picture.shape[1::-1], interpolation=cv2.INTER_AREA)
    if not (area > 0.5).any():  # thinner than a pixel
        area = (area > 0).astype(np.float32)
    if mark.is_exact:
        return area
    neighbours = [pictures[at] for by in NEIGHBOUR_OFFSETS if 0 <= (at := mark.frame + by) < len(pictures)]
    return np.minimum(area, outline(picture, area > 0, neighbours))


def _propagate(
    pictures: UInt8[np.ndarray, "T h w 3"],
    masks: dict[int, Float[np.ndarray, "h w"]],
    passes: Sequence[tuple[int, range]],
    seed: int,
    on_frame: Callable[[], None],
) -> tuple[UInt8[np.ndarray, "T h w"], Float[np.ndarray, " T"]]:
    """Probability (255 is 1) and confidence: propagate from every marked mask, and blend what comes from both sides.

    Where nothing is propagated to, the thing is not there, by what the marks say.
    """
    rng = np.random.default_rng(seed)
    marked = [at for at in sorted(masks) if masks[at].any()]
    drawn = [samples(appearance_features(pictures[at]), masks[at], rng, deformations=DEFORMATIONS) for at in marked]
    classifier = Classifier(drawn, seed)
    probability = np.zeros(pictures.shape[:3], np.uint8)
    confidence = np.ones(len(pictures))
    for _, order in passes:
        confidence[list(order)] = 0
    for at in masks:
        probability[at], confidence[at] = np.round(255 * masks[at]), 1.0
    for at, order in passes:
        propagator = Propagator(masks[at], classifier.copy(), seed)
        pairs = list(zip(order[1:], order, strict=False))
        observations = in_order(lambda pair: observe(pictures[pair[0]], pictures[pair[1]]), pairs)
        for (index, _), observation in zip(pairs, observations, strict=True):
            mask, step_confidence = propagator.step(observation)
            weight = _blend_weight(index, at, [other for other, beside in passes if index in beside])
            probability[index] += (255 * weight * mask).astype(np.uint8)  # rounded down: two must not exceed 255
            confidence[index] += weight * step_confidence
            on_frame()
    return probability, confidence


def _passes(masks: Mapping[int, Float[np.ndarray, "h w"]], shot: range) -> Iterator[tuple[int, range]]:
    """From each mark of a shot that is not empty on and back as far as to the next mark, which is not included."""
    marked = [at for at in sorted(masks) if at in shot]
    for before, at, after in zip([shot.start - 1, *marked], marked, [*marked[1:], shot.stop], strict=False):
        if masks[at].any():
            yield at, range(at, after)
            yield at, range(at, before, -1)


def _blend_weight(index: int, at: int, reaching: Sequence[int]) -> float:
    """Weight on a frame of the pass from `at`, inverse to the distance; those of all that reach it add up to 1."""
    far = [abs(other - index) for other in reaching if other != at]
    return far[0] / (far[0] + abs(at - index)) if far else 1.0
