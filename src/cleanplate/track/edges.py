"""Fine edges: the tracker's small masks brought to the size of the frames, along the edges of the picture.

From size to size, each at most about twice the one before, the mask is enlarged, and along its border every pixel is
asked again (`colour_evidence`): has it a colour that the thing has near it, or one that is around the thing? Coarse
sizes put right what the tracker has wrong by a few small pixels, the last one finds the edge itself. Where thing and
surroundings have the same colours nothing is changed.
"""

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from cleanplate.errors import InputError
from cleanplate.runtime.threads import in_order
from cleanplate.track.colour_evidence import reconsidered
from cleanplate.track.tracked import Tracked

# What is masked in the end, of 1. The border is at 0.5, but pixels that are partly the thing's are better masked too.
MASKED = 0.4
# Spots and holes of less than so many small pixels are noise if the tracker's mask has them not.
SPECK_PX = 4


def refined(tracked: Tracked, frames: Iterable[UInt8[np.ndarray, "H W 3"]]) -> Iterator[Bool[np.ndarray, "H W"]]:
    """The masks of all frames, in their size and with the edges that they have; painted masks stay as they are.

    Args:
        tracked: what the tracker made of the same frames.
        frames: RGB, in their order; a few are held at a time.

    Raises:
        InputError: frames of another size or number than were tracked.
    """
    return in_order(lambda pair: refined_mask(tracked, *pair), paired(tracked, frames))


def paired(tracked: Tracked, frames: Iterable[np.ndarray]) -> Iterator[tuple[int, np.ndarray]]:
    """The frames with their indices.

    Raises:
        InputError: frames of another size or number than were tracked.
    """
    count, (height, width) = 0, tracked.size
    for index, frame in enumerate(frames):
        if frame.shape[:2] != tracked.size:
            given = f"frame {index} is {frame.shape[1]}x{frame.shape[0]}"
            raise InputError(given, f"the masks are {width}x{height}", "give the frames that were tracked")
        count = index + 1
        if count <= len(tracked):
            yield index, frame
    if count != len(tracked):
        given = f"there are {count} frames for {len(tracked)} masks"
        raise InputError(given, "one for each is needed", "give the frames that were tracked")


def refined_mask(tracked: Tracked, index: int, frame: UInt8[np.ndarray, "H W 3"]) -> Bool[np.ndarray, "H W"]:
    """The mask of one frame, as `refined` has it."""
    probability = tracked.probability[index]
    if index in tracked.exact_masks or probability.shape == tracked.size or not probability.any():
        return tracked.mask(index)
    return refine(probability, frame, tracked.threshold(index))


def refine(
    probability: UInt8[np.ndarray, "h w"], picture: UInt8[np.ndarray, "H W 3"], threshold: float
) -> Bool[np.ndarray, "H W"]:
    """The mask of a picture that is larger than what is known of it.

    Args:
        probability: that a pixel is the thing; 255 is 1.
        picture: RGB.
        threshold: the probability from which on a pixel would be masked, 0..1.
    """
    small = _centred(probability, threshold)
    levels = pyramid(picture, (probability.shape[0], probability.shape[1]))
    alpha = reconsidered(small, levels[0])
    for count, level in enumerate(levels[1:]):
        alpha = reconsidered(cv2.resize(alpha, level.shape[1::-1], interpolation=cv2.INTER_LINEAR), level)
        if count == 0:  # the cheapest size at which they are seen
            alpha = without_specks(alpha, small)
    return alpha > 255 * MASKED


def _centred(probability: UInt8[np.ndarray, "h w"], threshold: float) -> UInt8[np.ndarray, "h w"]:
    """The probability with its odds divided by those of the threshold, so that this is at 0.5."""
    p = np.arange(256) / 255
    thing, around = p * (1 - threshold), (1 - p) * threshold
    return np.round(255 * thing / (thing + around)).astype(np.uint8)[probability]


def pyramid(picture: UInt8[np.ndarray, "H W 3"], small: tuple[int, int]) -> list[UInt8[np.ndarray, "h w 3"]]:
    """A picture in a (height, width), and in sizes up to its own that double; the first step is at most about two."""
    levels = [picture]
    while min(levels[-1].shape[:2]) // 2 > min(small):
        height, width = levels[-1].shape[:2]
        levels.append(cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA))
    levels.append(cv2.resize(levels[-1], small[::-1], interpolation=cv2.INTER_AREA))
    return levels[::-1]


def without_specks(alpha: UInt8[np.ndarray, "H W"], small: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "H W"]:
    """A refined probability without small spots and holes, but for those that the small one has too; 255 is 1."""
    left, top, width, height = cv2.boundingRect(alpha)
    left, top = max(0, left - 1), max(0, top - 1)  # with a rim, so that what is around is one piece
    cleaned = alpha.copy()
    crop = cleaned[top : top + height + 2, left : left + width + 2]
    y_scale, x_scale = small.shape[0] / alpha.shape[0], small.shape[1] / alpha.shape[1]
    mask = crop > 255 * MASKED
    for value in (True, False):
        _, labels, stats, centres = cv2.connectedComponentsWithStats((mask == value).astype(np.uint8), connectivity=8)
        for label in range(1, len(stats)):  # 0 is the rest
            x, y, w, h, area = stats[label]
            at = int((top + centres[label, 1] + 0.5) * y_scale), int((left + centres[label, 0] + 0.5) * x_scale)
            if area * x_scale * y_scale < SPECK_PX and (small[at] > 127) != value:
                crop[y : y + h, x : x + w][labels[y : y + h, x : x + w] == label] = 0 if value else 255
    return cleaned
