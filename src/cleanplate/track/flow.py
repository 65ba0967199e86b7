"""The tracker "flow": optical flow, a small network and a model of the background.

From each mark the mask is propagated frame by frame, forwards and backwards, until the next mark or cut; between two
marks both are blended, each as far as it is sure and near. Beyond a mark that is empty nothing is propagated.

A step (`propagate`) warps the mask along optical flow, and a small network that was trained on the marks (`classifier`)
and a model of the background (`background`) correct it. All of it works on small pictures, which are kept on disk.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, count, pairwise

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from cleanplate.progress import OnStep, tell
from cleanplate.runtime.threads import in_order, one_thread_each
from cleanplate.track.classifier import DEFORMATIONS, Classifier, samples
from cleanplate.track.features import appearance_features
from cleanplate.track.looks import Looks
from cleanplate.track.marks import Mark
from cleanplate.track.outline import NEIGHBOUR_OFFSETS, outline
from cleanplate.track.propagate import Propagator, observe
from cleanplate.track.shots import shots_of
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

MOST_DEFORMED = 96
"""Deformed masks of all marked frames together: of more than eight frames each is deformed less often."""
LEAST_WEIGHT = 0.01
"""Between two marks, of what is propagated without any confidence; it counts inversely to the distance too."""


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
        shots, whole = shots_of(pictures), range(len(pictures))
        masks = [_marked_masks(pictures, marks, shots) for marks in things]
        passes = [[one for shot in ([whole] if over_cuts else shots) for one in _passes(mine, shot)] for mine in masks]
        cuts = {shot.start for shot in shots}
        total, done = sum(len(order) - 1 for mine in passes for _, order in mine), count(1)
        tracked = []

        def on_frame() -> None:
            tell(on_step, "track", next(done), total)

        for marks, marked, mine in zip(things, masks, passes, strict=True):
            probability, confidence, drift = _propagate(pictures, marked, mine, cuts, seed, on_frame)
            unmarked = () if over_cuts else tuple(shot for shot in shots if not any(one.frame in shot for one in marks))
            review = frames_to_review(confidence, marks, drift)
            found = {mark.frame for mark in marks if not mark.is_exact}
            for _, order in (one for one in mine if one[0] in found):
                drift[list(order)] += MISSED_BY_OUTLINE
            tracked.append(Tracked(probability, size, confidence, review, exact_masks(marks), unmarked, drift))
    return tracked


def _read_small(
    frames: Iterable[UInt8[np.ndarray, "H W 3"]], marks: Sequence[Mark], on_step: OnStep | None
) -> tuple[UInt8[np.ndarray, "T h w 3"], tuple[int, int]]:
    """Small copies of the frames, and the (height, width) of the frames; refuse those that the marks are not of."""
    size = work_size = (0, 0)

    def small() -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        nonlocal size, work_size
        for index, frame in enumerate(frames):
            if not index:
                size = frame.shape[:2]
                check_marks(size, marks)
                work_size = small_size(size, marks)
            check_frame(index, frame.shape[:2], size)
            yield cv2.resize(frame, work_size[::-1], interpolation=cv2.INTER_AREA)
            tell(on_step, "read", index + 1, index + 1)

    pictures = spooled(small())
    check_length(len(pictures), marks)
    return pictures, size


def _marked_masks(
    pictures: UInt8[np.ndarray, "T h w 3"], marks: Sequence[Mark], shots: Sequence[range]
) -> dict[int, Float[np.ndarray, "h w"]]:
    """By frame, the object's mask in the small size; marks of one frame are united."""
    masks: dict[int, np.ndarray] = {}
    for mark in marks:
        shot = next(shot for shot in shots if mark.frame in shot)
        masks[mark.frame] = np.maximum(masks.get(mark.frame, 0), _marked_mask(pictures, mark, shot))
    return masks


def _marked_mask(pictures: UInt8[np.ndarray, "T h w 3"], mark: Mark, shot: range) -> Float[np.ndarray, "h w"]:
    """A mark in the small size; the outline found in it, if it is a region around the object.

    Args:
        pictures: small.
        mark: where it is, on one of them.
        shot: those around it that show the same scene, so how it moves.
    """
    picture = pictures[mark.frame]
    area = cv2.resize(mark.area.astype(np.float32), picture.shape[1::-1], interpolation=cv2.INTER_AREA)
    if not (area > 0.5).any():  # thinner than a pixel
        area = (area > 0).astype(np.float32)
    if mark.is_exact:
        return area
    neighbours = [pictures[at] for by in NEIGHBOUR_OFFSETS if (at := mark.frame + by) in shot]
    found = np.minimum(area, outline(picture, area > 0, neighbours))
    return found if (found > 0.5).any() else (found > 0).astype(np.float32)


def _propagate(
    pictures: UInt8[np.ndarray, "T h w 3"],
    masks: Mapping[int, Float[np.ndarray, "h w"]],
    passes: Sequence[tuple[int, range]],
    cuts: Container[int],
    seed: int,
    on_frame: Callable[[], None],
) -> tuple[UInt8[np.ndarray, "T h w"], Float[np.ndarray, " T"], Float[np.ndarray, " T"]]:
    """Probability (255 is 1), confidence and drift: propagate from the marked masks, and blend what is from both sides.

    Where nothing is propagated to, the thing is not there, by what the marks say.

    Args:
        pictures: small.
        masks: by frame, the marked ones.
        passes: from which marked frame over which frames.
        cuts: the first frame of every shot.
        seed: of the networks.
        on_frame: called after every frame.
    """
    rng = np.random.default_rng(seed)
    marked = [at for at in sorted(masks) if masks[at].any()]
    deformations = min(DEFORMATIONS, max(1, MOST_DEFORMED // len(marked)))
    with ThreadPoolExecutor(1) as aside:  # two networks to teach, and two cores
        taught = aside.submit(Looks, [(pictures[at], masks[at]) for at in marked], seed)
        drawn = [samples(appearance_features(pictures[at]), masks[at], rng, deformations=deformations) for at in marked]
        classifier, looks = Classifier(drawn, seed), taught.result()
    probability = spooled(np.zeros_like(picture[..., 0]) for picture in pictures)
    confidence, drift, weights = np.ones(len(pictures)), np.zeros(len(pictures)), np.zeros(len(pictures))
    for _, order in passes:
        confidence[list(order)] = 0
    for at in masks:
        probability[at], confidence[at] = np.round(255 * masks[at]), 1.0
    for at, order in passes:
        propagator = Propagator(masks[at], classifier.copy(), looks.copy(), seed)
        pairs = list(pairwise(order))
        observations = in_order(lambda pair: observe(pictures[pair[1]], pictures[pair[0]]), pairs)
        for (before, index), observation in zip(pairs, observations, strict=True):
            mask, step_confidence = propagator.step(observation, is_cut=max(before, index) in cuts)
            weight = (step_confidence + LEAST_WEIGHT) / abs(index - at)
            weights[index] += weight
            share = weight / weights[index]
            probability[index] = np.round((1 - share) * probability[index] + share * 255 * mask)
            confidence[index] += share * (step_confidence - confidence[index])
            drift[index] += share * (propagator.drift - drift[index])
            on_frame()
    return probability, confidence, drift


def _passes(masks: Mapping[int, Float[np.ndarray, "h w"]], shot: range) -> Iterator[tuple[int, range]]:
    """From each mark of a shot that is not empty on and back as far as to the next mark, which is not included."""
    marked = [at for at in sorted(masks) if at in shot]
    for before, at, after in zip([shot.start - 1, *marked], marked, [*marked[1:], shot.stop], strict=False):
        if masks[at].any():
            yield at, range(at, after)
            yield at, range(at, before, -1)
