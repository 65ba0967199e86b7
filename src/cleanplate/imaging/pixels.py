"""Between bytes, 16 bits and floats: every change of what a pixel is held as is made here.

A picture is (H, W, 3) as it is read and written, in 8 or 16 bits; (3, H, W) as it is computed with, in bytes or in
floats 0..1.
"""

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor


def to_float(picture: Tensor) -> Tensor:
    """Bytes or floats to float32 in 0..1."""
    return picture.float() / 255 if picture.dtype == torch.uint8 else picture.float()


def to_like(values: Tensor, like: Tensor) -> Tensor:
    """Floats in 0..1 to what `like` holds."""
    return to_uint8(values) if like.dtype == torch.uint8 else values.to(like.dtype)


def to_uint8(values: Tensor) -> Tensor:
    """Floats in 0..1 to bytes; what are bytes already as they are."""
    return values if values.dtype == torch.uint8 else (values * 255).round().clamp(0, 255).byte()


def to_tensor(pictures: UInt8[np.ndarray, "T H W 3"]) -> Float[Tensor, "T 3 H W"]:
    """Pictures as they are read, in bytes, to RGB in 0..1."""
    out = torch.empty(len(pictures), 3, *pictures.shape[1:3])
    for index, picture in enumerate(pictures):
        out[index] = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1) / 255
    return out


def to_samples(picture: Shaped[Tensor, "3 H W"], *, wide: bool = False) -> Shaped[np.ndarray, "H W 3"]:
    """A picture as it is written: bytes, or 16 bits if it is `wide` and does not hold bytes."""
    values = picture.detach().permute(1, 2, 0).cpu().numpy()
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    most = 65535 if wide else 255
    return np.clip(np.rint(values.astype(np.float32) * most), 0, most).astype(np.uint16 if wide else np.uint8)


def all_samples(frames: Shaped[Tensor, "T 3 H W"]) -> UInt8[np.ndarray, "T H W 3"]:
    """Pictures as they are written, in bytes."""
    return np.stack([to_samples(frame) for frame in frames])


def narrow(picture: Shaped[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """8 bits of the 16 of a picture; what are bytes already as they are."""
    picture = np.ascontiguousarray(picture)
    return picture if picture.dtype == np.uint8 else ((picture.astype(np.uint32) + 128) // 257).astype(np.uint8)
