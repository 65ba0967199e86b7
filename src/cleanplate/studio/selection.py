"""What a user selects on a frame: in a box, under a click, or painted on its small copy. Areas are of the full size."""

import base64
import binascii
import io
from collections.abc import Iterable

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image, UnidentifiedImageError

from cleanplate.errors import InputError
from cleanplate.studio.thumbnails import Size
from cleanplate.track.moving_thing import connected, moving_thing
from cleanplate.track.outline import grab_cut, moving, outline, own_motion, with_context, with_motion
from cleanplate.track.tracked import small_size as work_size
from cleanplate.video.areas import box_area

MOST_PAINTED = 4_000_000  # characters of a painted picture
NEAR, FAR = 0.04, 0.3  # radius of what surely is, and of what may be, the thing that was clicked on; share of the frame
LIKE = 30.0  # CIELAB distance, in OpenCV's bytes
COMPACT = 0.7  # share of its convex hull


def from_canvas(address: str, size: Size) -> Bool[np.ndarray, "h w"]:
    """What a stroke covers, from the data address that a canvas of this size makes of it.

    Raises:
        InputError: it is none.
    """
    kind, _, content = address.partition(",")
    wrong = InputError("what was painted has not arrived whole", f"a PNG of {size[1]}x{size[0]} is needed", "try again")
    if kind != "data:image/png;base64" or len(content) > MOST_PAINTED:
        raise wrong
    try:
        data = base64.b64decode(content, validate=True)
        with Image.open(io.BytesIO(data)) as header:  # its size, before it is unpacked
            if (header.height, header.width, header.mode) != (*size, "RGBA"):
                raise wrong
    except (binascii.Error, UnidentifiedImageError, OSError, ValueError, SyntaxError):
        raise wrong from None
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.shape != (*size, 4):
        raise wrong
    return pixels[..., 3] > 127


def repainted(
    area: Bool[np.ndarray, "H W"], stroke: Bool[np.ndarray, "h w"], *, erase: bool
) -> Bool[np.ndarray, "H W"]:
    """An area after a stroke over its small copy: only where that has changed, it is not as fine as it was."""
    small = cv2.resize(area.astype(np.uint8), stroke.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    painted = small & ~stroke if erase else small | stroke
    if area.shape == painted.shape:
        return painted
    changed = painted != small
    beside = cv2.dilate(changed.astype(np.uint8), np.ones((3, 3), np.uint8))
    there = cv2.resize(beside, area.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    return np.where(there, _enlarged(painted, area.shape), area)


def in_box(
    picture: UInt8[np.ndarray, "h w 3"],
    box: tuple[int, int, int, int],
    size: Size,
    beside: Iterable[UInt8[np.ndarray, "h w 3"]] = (),
) -> Bool[np.ndarray, "H W"]:
    """The thing in a box, found as the tracker finds it in a mark that is not exact (`outline`).

    Args:
        picture: the frame, or a small copy of it.
        box: left, top, width, height in pixels of the video.
        size: (height, width) of the video.
        beside: frames around it (`NEIGHBOUR_OFFSETS`), as large as the picture.

    Raises:
        InputError: a box that is not in the picture.
    """
    area, small = box_area(box, size), _reduced(picture)
    inside = cv2.resize(area.astype(np.uint8), small.shape[1::-1], interpolation=cv2.INTER_AREA) > 0
    if not inside.any():  # thinner than half a pixel there
        return area
    return area & _enlarged(outline(small, inside, [_reduced(other) for other in beside]), size)


def at_click(
    picture: UInt8[np.ndarray, "h w 3"],
    x: int,
    y: int,
    size: Size,
    beside: Iterable[UInt8[np.ndarray, "h w 3"]] = (),
) -> Bool[np.ndarray, "H W"]:
    """The thing under a point: what moves with it (`moving_thing`), or what is told from a disc around it.

    The arguments are those of `in_box`, with the point in pixels of the video.

    Raises:
        InputError: a point outside the picture.
    """
    height, width = size
    if not (0 <= x < width and 0 <= y < height):
        raise InputError(f"the point {x} {y} is not in the picture", f"it is {width}x{height}", "click inside it")
    small = _reduced(picture)
    at = y * small.shape[0] // height, x * small.shape[1] // width
    motion = own_motion(small, [_reduced(other) for other in beside], np.ones(small.shape[:2], bool))
    if motion is not None and (found := moving_thing(small, motion, at)) is not None:
        return _enlarged(whole_of(found, with_dents=False), size)
    return _enlarged(_around(small, at, motion), size)


def _around(
    small: UInt8[np.ndarray, "h w 3"], at: tuple[int, int], motion: Float[np.ndarray, "h w"] | None
) -> Bool[np.ndarray, "h w"]:
    """What GrabCut finds in a disc around a point (row, column): what is alike, or moves otherwise than the rest of it.

    For what stands still, and for where most of the picture moves otherwise than the camera's plane.
    """
    rows, columns = np.indices(small.shape[:2])
    distance = np.hypot(rows - at[0], columns - at[1])
    near, far = (max(2.0, share * min(small.shape[:2])) for share in (NEAR, FAR))
    inside, close = distance <= far, distance <= near
    window = with_context(inside)
    moves = None if motion is None else moving(motion[window], inside[window])
    channels, initial = small[window], (close | _alike(small, close, inside))[window]
    by_motion = False
    if motion is not None and moves is not None and moves[close[window]].mean() > 0.5:
        channels, initial, by_motion = with_motion(channels, motion[window]), moves, True
    labels = np.where(initial, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[~inside[window]] = cv2.GC_BGD
    labels[(distance <= max(1.0, near / 3))[window]] = cv2.GC_FGD
    found = np.zeros_like(inside)
    found[window] = grab_cut(channels, labels)
    return whole_of(connected(found, at), with_dents=not by_motion)


def _alike(
    small: UInt8[np.ndarray, "h w 3"], close: Bool[np.ndarray, "h w"], inside: Bool[np.ndarray, "h w"]
) -> Bool[np.ndarray, "h w"]:
    """What is like the pixels that are close to a click in colour (CIELAB), but for the less like half around it."""
    lab = cv2.cvtColor(cv2.GaussianBlur(small, (0, 0), 1), cv2.COLOR_RGB2LAB).astype(np.float32)
    unlike = np.linalg.norm(lab - np.median(lab[close], axis=0), axis=-1)
    return unlike < min(float(np.median(unlike[inside])), LIKE)


def whole_of(found: Bool[np.ndarray, "h w"], *, with_dents: bool = True) -> Bool[np.ndarray, "h w"]:
    """Something found, with its holes; with its dents too where it is compact, unless its motion told it.

    A part that has the colour of what is behind it is missing from what was found by its colour alone.
    Better too much than too little.
    """
    edges, _ = cv2.findContours(found.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not edges:
        return found
    filled = cv2.drawContours(np.zeros(found.shape, np.uint8), edges, -1, 1, cv2.FILLED)
    hull = cv2.fillConvexPoly(np.zeros_like(filled), cv2.convexHull(np.concatenate(edges)), 1)
    return (hull if with_dents and filled.sum() >= COMPACT * hull.sum() else filled) > 0


def _reduced(picture: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "a b 3"]:
    """As large as outlines are looked for."""
    height, width = work_size(picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def _enlarged(mask: Bool[np.ndarray, "a b"], size: Size) -> Bool[np.ndarray, "H W"]:
    return cv2.resize(mask.astype(np.uint8) * 255, size[::-1], interpolation=cv2.INTER_LINEAR) > 127
