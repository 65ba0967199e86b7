"""The matte of a tracked thing: how much of each pixel is the thing's where motion or focus have blurred its border.

While the shutter is open a border that moves sweeps over pixels, and covers each for a part of the time. How fast it
moves, the masks of the frames before and after say. For how much of a frame's time the shutter is open, and how far the
thing is out of focus, is found from the picture: a pixel's colour lies between the thing's and its surroundings', and
how far it has come on that way should be what its distance from the border says. A single pixel says that badly, all
along the border together say it well: so the colours decide how wide the soft edge is, and not what each pixel is.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product, starmap

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from cleanplate.imaging.pull_push import pull_push
from cleanplate.runtime.threads import in_order
from cleanplate.track.edges import paired, refined_mask
from cleanplate.track.tracked import Tracked

# What has more than this of the thing, of 1, is masked by a soft mask.
ANY = 0.1
# The narrowest soft edge, half of it, px of the frame: a lens's.
SHARPEST_PX = 1.0
# What is tried: halves of a soft edge out of focus, px of the tracker's size, and shares of the time of a frame that
# the shutter is open.
OUT_OF_FOCUS_PX = (0.0, 1.0, 2.0, 4.0, 8.0)
OPEN = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0)
# The widest, of the smaller side. No border is thought to move faster.
WIDEST = 0.12
# A border's motion is averaged along it with this sigma, px of the tracker's size.
ALONG_PX = 4.0
# Where half of an edge is wider, px of the frame, distances are evened out with this sigma, px of the tracker's size.
EVEN_FROM_PX, EVEN_PX = 4.0, 1.5
# Colours are taken from this far beyond the widest edge; two that differ by so many levels tell as much as they can.
BEYOND_PX, CONTRAST = 2.0, 40.0
# An edge that is not sharp must explain the colours better by this share; and there must be so many pixels to ask.
BETTER, FEWEST = 0.03, 60


@dataclass(frozen=True)
class Softness:
    """Why an edge is soft."""

    focus_px: float = 0.0
    """Half of its width where the thing stands still, in pixels of the tracker's size; 0 is sharp."""
    open: float = 0.0
    """For how much of a frame's time the shutter was open."""

    def half_px(self, moved_px: Float32[np.ndarray, "*N"]) -> Float32[np.ndarray, "*N"]:
        """Half of the width of the edge at a border that moves by so much in a frame."""
        return np.maximum(self.open * moved_px / 2, np.float32(self.focus_px))


def mattes(
    things: Sequence[Tracked], frames: Iterable[UInt8[np.ndarray, "H W 3"]]
) -> Iterator[UInt8[np.ndarray, "H W"]]:
    """How much of each pixel is the things', of all together, 255 is all of it, on all frames; painted ones, too.

    From 128 on it is what any of `edges.refined` has as its mask.

    Args:
        things: what the tracker made of the same frames.
        frames: RGB, in their order; a few are held at a time.

    Raises:
        InputError: frames of another size or number than were tracked.
    """
    return in_order(lambda pair: _matte_of(things, *pair), paired(things[0], frames))


def covered(alpha: UInt8[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """What has any of the thing, but for traces."""
    return alpha > 255 * ANY


def _matte_of(things: Sequence[Tracked], index: int, frame: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W"]:
    def tracked(at: int) -> Bool[np.ndarray, "h w"]:
        return np.logical_or.reduce([thing.probability[at] > 255 * thing.threshold(at) for thing in things])

    mask = np.logical_or.reduce([refined_mask(thing, index, frame) for thing in things])
    near = [tracked(at) for at in (index - 1, index + 1) if 0 <= at < len(things[0])]
    return matte(mask, frame, tracked(index), [one for one in near if one.any() and not one.all()])


def matte(
    mask: Bool[np.ndarray, "H W"],
    picture: UInt8[np.ndarray, "H W 3"],
    here: Bool[np.ndarray, "h w"],
    near: Sequence[Bool[np.ndarray, "h w"]],
) -> UInt8[np.ndarray, "H W"]:
    """How much of each pixel is the thing's; 255 is all of it.

    Args:
        mask: of the thing.
        picture: RGB.
        here: the tracker's mask of it, which is no larger.
        near: the same on the frames before and after, where it has a border; without any this one is taken to stand
            still.
    """
    if not mask.any() or mask.all():
        return mask * np.uint8(255)
    (height, width), signed_px = here.shape, signed_distance(mask)
    scale = mask.shape[0] / height
    small_px = cv2.resize(signed_px, (width, height), interpolation=cv2.INTER_AREA) / np.float32(scale)
    moved_px = speed_px(here, near)
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    half_px = scale * find_softness(small_px, moved_px, small).half_px(moved_px)
    half_px = np.maximum(cv2.resize(half_px, mask.shape[::-1], interpolation=cv2.INTER_LINEAR), SHARPEST_PX)
    # Every step of a jagged border throws a ray through a wide edge.
    even_px = cv2.GaussianBlur(signed_px, (0, 0), EVEN_PX * scale)
    even_px = np.where(mask, np.maximum(even_px, 0.5), np.minimum(even_px, -0.5))
    signed_px = np.where(half_px > EVEN_FROM_PX, even_px, signed_px)
    return np.round(255 * np.clip(0.5 + signed_px / (2 * half_px), 0, 1)).astype(np.uint8)


def signed_distance(mask: Bool[np.ndarray, "H W"]) -> Float32[np.ndarray, "H W"]:
    """Of each pixel's centre from the border, px: above 0 in the mask. The frame's edge is no border."""
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    inside, outside = (cv2.distanceTransform(one, cv2.DIST_L2, 5)[1:-1, 1:-1] for one in (padded, 1 - padded))
    return np.where(mask, inside - np.float32(0.5), np.float32(0.5) - outside)


def speed_px(here: Bool[np.ndarray, "h w"], near: Sequence[Bool[np.ndarray, "h w"]]) -> Float32[np.ndarray, "h w"]:
    """How far the border moves in a frame, across itself; away from it that of the border near by.

    Args:
        here: the mask.
        near: the masks before and after, as the same tracker has them: what it has wrong on all of them is no motion.
    """
    at_border = (np.abs(signed_distance(here)) < 1).astype(np.float32)
    widest, total = np.float32(WIDEST * min(here.shape)), at_border.sum()
    every = [np.abs(signed_distance(mask)) for mask in near]
    every = [moved for moved in every if (moved * at_border).sum() < widest * total]  # behind a cut it is anywhere
    if not every:
        return np.zeros(here.shape, np.float32)
    moved = np.minimum(np.mean(every, axis=0), widest)
    # Averaged along the border, and known as far beyond it as an edge can be soft.
    weighted, weight = cv2.GaussianBlur(np.dstack([moved * at_border, at_border]), (0, 0), ALONG_PX).transpose(2, 0, 1)
    return pull_push((weighted / np.maximum(weight, np.float32(1e-6)))[..., None], weight * 1e3)[..., 0]


def find_softness(
    signed_px: Float32[np.ndarray, "h w"],
    moved_px: Float32[np.ndarray, "h w"],
    picture: UInt8[np.ndarray, "h w 3"],
) -> Softness:
    """How wide the soft edge is, by the colours along the border.

    Args:
        signed_px: distance from the border, above 0 in the mask.
        moved_px: how far the border near a pixel moves in a frame.
        picture: RGB.
    """
    reach_px = np.clip(moved_px / 2 * OPEN[-1], 2.0, WIDEST * min(signed_px.shape)) + BEYOND_PX
    thing, around = signed_px > np.minimum(reach_px, 0.7 * _thickness(signed_px)), signed_px < -reach_px
    if not (thing.any() and around.any()):
        return Softness()
    floats = picture.astype(np.float32)
    colours, behind = (pull_push(floats, area.astype(np.float32)) for area in (thing, around))
    # A colour is C = a F + (1 - a) B (Porter and Duff 1984, over): where it is between the two says a.
    asked = ~(thing | around)
    step = (colours - behind)[asked]
    squared = np.square(step).sum(axis=1)
    share = ((floats - behind)[asked] * step).sum(axis=1) / np.maximum(squared, 1)
    weight, signed, speed = squared / (squared + CONTRAST**2), signed_px[asked], moved_px[asked]
    if weight.sum() < FEWEST:
        return Softness()
    errors = dict[Softness, float]()
    for tried in starmap(Softness, product(OUT_OF_FOCUS_PX, OPEN)):
        alpha = np.clip(0.5 + signed / (2 * np.maximum(tried.half_px(speed), 0.5)), 0, 1)
        errors[tried] = float((weight * np.minimum(np.abs(alpha - share), 0.5)).sum())
    best = min(errors, key=lambda tried: errors[tried])
    return best if errors[best] < (1 - BETTER) * errors[Softness()] else Softness()


def _thickness(signed_px: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """How deep inside the deepest pixel near each is: what is thin has no pixel far from its border."""
    size = 2 * round(WIDEST * min(signed_px.shape)) + 1
    return cv2.dilate(np.maximum(signed_px, 0), np.ones((size, size), np.uint8))
