"""A frame as arrays: how carrying looks at it, without a copy where that can be.

Frames are carried to on the CPU, where a tensor and an array share what they hold.
"""

from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int64, Shaped, UInt8

from cleanplate.imaging.frame import MADE_UP, Frame
from cleanplate.runtime.compiled import compiled

Picture = Shaped[np.ndarray, "_ _ 3"]


def picture_of(frame: Frame, rows: slice = slice(None), columns: slice = slice(None)) -> Picture:
    """A part of its picture: in bytes as the frame holds it, in floats 0..1 of 32 bits otherwise."""
    picture = held_by(frame)[rows, columns]
    return picture.astype(np.float32) if picture.dtype == np.float16 else picture


def held_by(frame: Frame) -> Picture:
    """What the frame holds, to be changed in place: bytes, or floats of 16 or 32 bits."""
    return frame.picture.permute(1, 2, 0).numpy()


def as_bytes(picture: Shaped[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """The same in bytes."""
    if picture.dtype == np.uint8:
        return np.ascontiguousarray(picture)
    return np.clip(np.rint(picture * np.float32(255)), 0, 255).astype(np.uint8)


def provenance_of(frame: Frame) -> UInt8[np.ndarray, "H W"]:
    """Where its pixels come from: KNOWN, which is 0, CARRIED or MADE_UP; to be changed in place."""
    return frame.provenance[0].numpy()


def unseen_of(frame: Frame) -> Bool[np.ndarray, "H W"]:
    """What no frame shows."""
    return provenance_of(frame) == MADE_UP


def put(frame: Frame, pixels: Int64[np.ndarray, " n"], colours: Float32[np.ndarray, "n 3"]) -> None:
    """Give these pixels, counted row by row, their colours, 0..1."""
    held = held_by(frame)
    if held.dtype == np.uint8:
        _put_bytes(held, pixels, colours)
    else:
        held[pixels // held.shape[1], pixels % held.shape[1]] = colours


def square(radius_px: int) -> UInt8[np.ndarray, "s s"]:
    """What `cv2.dilate` grows a mask by a square of that radius with."""
    return np.ones((2 * radius_px + 1, 2 * radius_px + 1), np.uint8)


def box_of(mask: Shaped[np.ndarray, "H W"], margin_px: int) -> tuple[slice, slice]:
    """Rows and columns that hold what is marked and `margin_px` around it, within the picture; all where nothing is."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8) if mask.dtype == bool else mask)
    if not width:
        return slice(0, mask.shape[0]), slice(0, mask.shape[1])
    return (
        slice(max(0, y - margin_px), min(mask.shape[0], y + height + margin_px)),
        slice(max(0, x - margin_px), min(mask.shape[1], x + width + margin_px)),
    )


def pixels_of(mask: Shaped[np.ndarray, "H W"]) -> Int64[np.ndarray, " n"]:
    """What is marked, counted row by row."""
    return np.flatnonzero(mask)


@compiled
@no_type_check
def _put_bytes(picture, pixels, colours):
    width = picture.shape[1]
    for index in range(len(pixels)):
        pixel = picture[pixels[index] // width, pixels[index] % width]
        for channel in range(3):
            value = min(max(colours[index, channel], np.float32(0)), np.float32(1))
            pixel[channel] = np.uint8(np.rint(value * np.float32(255)))
