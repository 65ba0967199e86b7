"""Follow a marked thing through a shot: its mask on every frame, from one mark or several.

From each mark the mask is taken from frame to frame, forwards and backwards, until the next mark; between two marks
the two are blended. A step (`follow`) moves the mask along optical flow and lets a small network that was taught with
the marks (`recognise`), and what is known of the background (`background`), correct it. All of it sees small pictures.
"""

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from cleanplate.errors import InputError
from cleanplate.progress import OnStep, tell
from cleanplate.runtime.threads import in_order, one_thread_each
from cleanplate.track.classifier import VIEWS, Recogniser, appearance, samples
from cleanplate.track.marks import Mark
from cleanplate.track.outline import BESIDE, outline
from cleanplate.track.propagate import Follower, see
from cleanplate.track.tracked import Tracked, check_marks, firm_masks, small_size, worth_a_look

TRACKERS = ("flow", "sam2")


def track(
    frames: Iterable[UInt8[np.ndarray, "H W 3"]],
    marks: Sequence[Mark],
    *,
    method: str = "flow",
    seed: int = 0,
    device: str = "auto",
    on_step: OnStep | None = None,
) -> Tracked:
    """Follow a thing from the frames it is marked on to all others.

    Args:
        frames: RGB. They are read once, and only a small copy is held.
        marks: of the same thing, on one frame or several; marks of one frame are united.
        method: "flow", or "sam2" if its package and weights are there.
        seed: the same frames, marks and seed give the same masks.
        device: for sam2.
        on_step: told of every frame.

    Raises:
        InputError: no mark, a mark beyond the frames or of another size, an unknown method, or one without its weights.
        Cancelled: `on_step` wants no more.
    """
    if method not in TRACKERS:
        raise InputError(f"there is no tracker '{method}'", f"known are {', '.join(TRACKERS)}", "choose one")
    if not marks:
        raise InputError("nothing is marked", "a box, a polygon or a painted image is needed", "mark the thing")
    if method == "sam2":
        from cleanplate.track.sam2 import track_with_sam2

        return track_with_sam2(frames, marks, device=device, on_step=on_step)
    with one_thread_each():
        pictures, size, given = _reduce(frames, marks, on_step)
        levels, sure = _between(pictures, given, seed, on_step)
    return Tracked(levels, size, sure, worth_a_look(sure, marks), firm_masks(marks))


def _reduce(
    frames: Iterable[UInt8[np.ndarray, "H W 3"]], marks: Sequence[Mark], on_step: OnStep | None
) -> tuple[UInt8[np.ndarray, "T h w 3"], tuple[int, int], dict[int, Float[np.ndarray, "h w"]]]:
    """Small pictures, the size of the large ones, and the marked masks in the small size."""
    small: list[np.ndarray] = []
    size = (0, 0)
    for index, frame in enumerate(frames):
        if not small:
            size = frame.shape[:2]
            check_marks(size, marks)
        if frame.shape[:2] != size:
            found = f"frame {index} is {frame.shape[1]}x{frame.shape[0]} and frame 0 is {size[1]}x{size[0]}"
            raise InputError(found, "all frames must have one size", "resize them")
        small.append(cv2.resize(frame, small_size(size)[::-1], interpolation=cv2.INTER_AREA))
        tell(on_step, "read", index + 1, index + 1)
    check_marks(size, marks, len(small))
    given: dict[int, np.ndarray] = {}
    for mark in marks:
        area = _reduced(mark, small)
        given[mark.frame] = np.maximum(given.get(mark.frame, 0), area)
    return np.stack(small), size, given


def _reduced(mark: Mark, small: Sequence[UInt8[np.ndarray, "h w 3"]]) -> Float[np.ndarray, "h w"]:
    """What is marked, in the small size; of what only holds the thing, its outline."""
    picture = small[mark.frame]
    area = cv2.resize(mark.area.astype(np.float32), picture.shape[1::-1], interpolation=cv2.INTER_AREA)
    if not (area > 0.5).any():  # thinner than a pixel
        area = (area > 0).astype(np.float32)
    if mark.firm:
        return area
    beside = [small[at] for by in BESIDE if 0 <= (at := mark.frame + by) < len(small)]
    return np.minimum(area, outline(picture, area > 0, beside))


def _between(
    pictures: UInt8[np.ndarray, "T h w 3"],
    given: dict[int, Float[np.ndarray, "h w"]],
    seed: int,
    on_step: OnStep | None,
) -> tuple[UInt8[np.ndarray, "T h w"], Float[np.ndarray, " T"]]:
    """Follow the thing from every mark to the next ones, and blend what comes from both sides."""
    rng = np.random.default_rng(seed)
    marked = sorted(given)
    recogniser = Recogniser([samples(appearance(pictures[at]), given[at], rng, views=VIEWS) for at in marked], seed)
    passes = [(at, range(at, stop, step)) for at, stop, step in _passes(marked, len(pictures))]
    total, done = sum(len(order) - 1 for _, order in passes), 0
    levels = np.zeros(pictures.shape[:3], np.uint8)
    sure = np.zeros(len(pictures))
    for at in marked:
        levels[at], sure[at] = np.round(255 * given[at]), 1.0
    for at, order in passes:
        follower = Follower(given[at], recogniser.copy(), seed)
        pairs = list(zip(order[1:], order, strict=False))
        views = in_order(lambda pair: see(pictures[pair[0]], pictures[pair[1]]), pairs)
        for (index, _), view in zip(pairs, views, strict=True):
            mask, certain = follower.step(view)
            share = _share(index, at, marked)
            levels[index] += (255 * share * mask).astype(np.uint8)  # rounded down: two shares must not exceed 255
            sure[index] += share * certain
            done += 1
            tell(on_step, "track", done, total)
    return levels, sure


def _passes(marked: Sequence[int], length: int) -> Iterator[tuple[int, int, int]]:
    """From each mark on and back as far as to the next mark, which is not included: (from, to, step)."""
    for before, at, after in zip([-1, *marked], marked, [*marked[1:], length], strict=False):
        yield at, after, 1
        yield at, before, -1


def _share(index: int, at: int, marked: Sequence[int]) -> float:
    """How far the pass from `at` counts on a frame: the closer of two marks counts more."""
    others = [other for other in marked if (other > index) != (at > index)]
    if not others:
        return 1.0
    far = min(abs(other - index) for other in others)
    return far / (far + abs(at - index))
