"""Give back what was found but is scenery: other frames show it too, a little aside.

Where a near thing stands before a far one, the motion that was fitted around is that of one of them. The other is not
where it is looked for, and seems to contradict. But others show it, no farther away than by parallax, and beside what
was hidden and found. What belongs to the thing is shown by none of them there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from cleanplate.carry.belonging import CLOSING_PX, WEAK, Looked
from cleanplate.carry.consensus import exposure
from cleanplate.carry.evidence import NOISE_TIMES, aside, foreign_of, texture_of
from cleanplate.carry.gather import exposed
from cleanplate.carry.light import light_of, mean_of
from cleanplate.carry.scene import Scene
from cleanplate.carry.shapes import Mask, disc, grown
from cleanplate.imaging.frame import box_around
from cleanplate.runtime.threads import in_order

# Of parallax, as a share of the frame's height: farther than in one picture of many, where it is smeared.
PARALLAX = 0.06
# Frames that are asked, the nearest; that must show it; of those a pixel is around, the share that must.
NEAREST, LEAST_FRAMES, AROUND_PX, SHARE = 6, 2, 5, 0.8
# At the rim of the hole flow sees what was painted into it.
RIM_PX = 3
# How often: where so large a share of what was found was given back, it can be asked.
TIMES, LITTLE = 2, 0.05

Picture = UInt8[np.ndarray, "h w 3"]


def without_scenery(scene: Scene, before: Sequence[Mask], looked: Mapping[int, Looked]) -> dict[int, Looked]:
    """The same, but what other frames show too is not found.

    Args:
        scene: the window.
        before: what was found in the frames it begins with, which are done.
        looked: what was found in those that are not, by their numbers.
    """
    count = len(scene.smalls)
    now, asked = dict(looked), set(looked)
    for _ in range(TIMES):
        barred = [*before, *(now[number].found if number in now else None for number in range(len(before), count))]
        sources = scene.without([None if one is None else grown(one, CLOSING_PX) for one in barred])
        told = list(in_order(partial(_given_back, sources), [now[number] for number in sorted(asked)]))
        changed = {one.number for one in told if _much_less(one, now[one.number])}
        now.update({one.number: one for one in told})
        asked = {number for number in now if changed & {number + offset for offset in _nearest(now[number])}}
    return now


def _given_back(sources: Scene, one: Looked) -> Looked:
    """A frame without what others show too."""
    small = sources.smalls[one.number]
    away = one.found & (small.distance > RIM_PX)
    if not (away.any() and one.places.moved):
        return one
    height = len(small.hole)
    places = one.places.within(box_around(away, round(PARALLAX * height)))
    shown, distance = small.picture[places.box], small.distance[places.box]
    if min(distance.shape) < AROUND_PX:
        return one
    read = places.only(_nearest(one)).colours(sources, one.number)
    gains = np.stack([exposure(shown, there[..., :3], distance, there[..., 3]) for there in read])
    pictures, _ = exposed(read, np.zeros_like(distance), gains)
    votes, asked, texture = np.zeros(distance.shape, np.uint8), away[places.box], texture_of(shown)
    for number, (picture, there) in enumerate(zip(pictures, read, strict=True)):
        # Half of them have seen nothing of it, or it is all decided.
        if (number == NEAREST // 2 and not votes.any()) or not (asked & (votes < LEAST_FRAMES)).any():
            break
        known = there[..., 3] > RIM_PX
        picture = np.where(known[..., None], picture, shown)
        flow = aside(texture, texture_of(picture), PARALLAX * height)
        votes += _same(shown, picture, known, flow, one.evidence.noise)
    scenery = (votes >= LEAST_FRAMES).astype(np.uint8)
    scenery = grown(cv2.morphologyEx(scenery, cv2.MORPH_OPEN, disc(1)) > 0, 1) & (distance > RIM_PX)
    if not (one.found[places.box] & scenery).any():
        return one
    found = one.found.copy()
    found[places.box] &= ~scenery
    return replace(one, found=found)


def _much_less(one: Looked, other: Looked) -> bool:
    """Whether a good part of what was found in a frame is not found any more."""
    return bool(np.count_nonzero(one.found) < (1 - LITTLE) * np.count_nonzero(other.found))


def _nearest(one: Looked) -> Sequence[int]:
    """By how many frames later those that are asked are."""
    return sorted(one.places.moved, key=abs)[:NEAREST]


def _same(shown: Picture, picture: Picture, known: Mask, flow: Float32[np.ndarray, "h w 2"], noise: float) -> Mask:
    """Where a picture shows the same as another, as near as that, in the same light."""
    y, x = np.indices(known.shape, np.float32)
    at = x + flow[..., 0], y + flow[..., 1]
    there = cv2.remap(picture, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    told = cv2.remap(known.view(np.uint8), *at, cv2.INTER_NEAREST).view(bool)
    tolerance = np.full(shown.shape, NOISE_TIMES * noise, np.float32)
    foreign = cv2.GaussianBlur(np.minimum(foreign_of(shown, there, tolerance, told), 3), (0, 0), 1.0)
    light = np.abs(mean_of(light_of(shown, there, told)))
    same = told & (foreign < WEAK.foreign) & (light < WEAK.dark)
    return cv2.blur(same.astype(np.float32), (AROUND_PX, AROUND_PX)) > SHARE
