"""Between bytes, 16 bits and floats: every change of what a pixel is held as is made here.

A picture is (H, W, 3) in 8 or 16 bits as it is read and written, and in bytes or in floats 0..1 as it is carried to.
As tensors, for what is learned and measured, it is (3, H, W): see imaging/tensors.py.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Shaped, UInt8

from cleanplate.errors import InputError


def to_samples(picture: Shaped[np.ndarray, "H W C"], *, wide: bool = False) -> Shaped[np.ndarray, "H W C"]:
    """A picture of floats in 0..1 as it is written, in bytes, or 16 bits if it is `wide`; bytes stay bytes."""
    if picture.dtype == np.uint8:
        return np.ascontiguousarray(picture)
    most = 65535 if wide else 255
    levels = np.rint(picture.astype(np.float32, copy=False) * np.float32(most))
    return np.clip(levels, 0, most).astype(np.uint16 if wide else np.uint8)


def to_unit(values: Shaped[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """Bytes or floats to floats of 32 bits in 0..1."""
    as_floats = values.astype(np.float32)
    return as_floats / np.float32(255) if values.dtype == np.uint8 else as_floats


def to_like(values: Float32[np.ndarray, "*shape"], like: np.ndarray) -> Shaped[np.ndarray, "*shape"]:
    """Floats in 0..1 to what another array holds."""
    if like.dtype != np.uint8:
        return values.astype(like.dtype)
    return np.clip(np.rint(values * np.float32(255)), 0, 255).astype(np.uint8)


def channels_last(picture: Shaped[Any, "C H W"]) -> Shaped[np.ndarray, "H W C"]:
    """A picture whose channels come first, of an array or a tensor wherever it lies, as it is written."""
    held = picture.detach().cpu() if hasattr(picture, "detach") else picture
    return np.asarray(held).transpose(1, 2, 0)


def check_known(picture: Shaped[np.ndarray, "H W 3"], hole: Bool[np.ndarray, "H W"], index: int) -> None:
    """Refuse what is no colour outside the hole of a frame; what lies in it may be anything.

    Raises:
        InputError: a known pixel is not finite: one would spoil all that is filled from it.
    """
    if picture.dtype.kind != "f" or np.isfinite(picture).all():
        return
    if not np.isfinite(picture[~hole]).all():
        given = f"frame {index} has values that are not finite outside the hole"
        raise InputError(given, "every known pixel is a colour", "mask them, or replace them")


def narrow(picture: Shaped[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """8 bits of the 16 of a picture; what are bytes already as they are."""
    picture = np.ascontiguousarray(picture)
    return picture if picture.dtype == np.uint8 else ((picture.astype(np.uint32) + 128) // 257).astype(np.uint8)
