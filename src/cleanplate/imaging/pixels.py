"""Between bytes, floats and tensors: every change of what a pixel is held as is made here."""

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor


def to_tensor(pictures: UInt8[np.ndarray, "T H W 3"]) -> Float[Tensor, "T 3 H W"]:
    """Bytes to RGB in 0..1."""
    out = torch.empty(len(pictures), 3, *pictures.shape[1:3])
    for index, picture in enumerate(pictures):
        out[index] = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1) / 255
    return out


def as_bytes(frames: Tensor) -> np.ndarray:
    """(T, 3, H, W) in 0..1 to (T, H, W, 3) bytes."""
    return (frames.detach().cpu() * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy()


def to_float(picture: Tensor) -> Tensor:
    """Bytes or floats to float32 in 0..1."""
    return picture.float() / 255 if picture.dtype == torch.uint8 else picture.float()


def to_like(values: Tensor, like: Tensor) -> Tensor:
    """Floats in 0..1 to what `like` holds."""
    if like.dtype == torch.uint8:
        values = (values * 255).round().clamp(0, 255)
    return values.to(like.dtype)


def to_bytes(picture: Shaped[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """The picture in 8 bits."""
    picture = np.ascontiguousarray(picture)
    return picture if picture.dtype == np.uint8 else ((picture.astype(np.uint32) + 128) // 257).astype(np.uint8)


def levels(frame: Tensor, *, wide: bool = False) -> Shaped[np.ndarray, "H W 3"]:
    """A picture of bytes or of floats in 0..1 as it is written: bytes, or 16 bits."""
    values = frame.permute(1, 2, 0).cpu().numpy()
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    most = 65535 if wide else 255
    return np.clip(np.rint(values.astype(np.float32) * most), 0, most).astype(np.uint16 if wide else np.uint8)
