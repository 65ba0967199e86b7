"""Between pictures as they are read, carried to and written, and tensors, which are learned from and measured."""

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor

from cleanplate.imaging.pixels import channels_last, to_samples


def to_float(picture: Tensor) -> Tensor:
    """Bytes or floats to float32 in 0..1."""
    return picture.float() / 255 if picture.dtype == torch.uint8 else picture.float()


def to_uint8(values: Tensor) -> Tensor:
    """Floats in 0..1 to bytes; what are bytes already as they are."""
    return values if values.dtype == torch.uint8 else (values * 255).round().clamp(0, 255).byte()


def to_tensor(picture: Shaped[np.ndarray, "H W 3"]) -> Float[Tensor, "3 H W"]:
    """A picture of bytes or floats to RGB in 0..1."""
    return to_float(torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)).contiguous()


def to_tensors(pictures: Shaped[np.ndarray, "T H W 3"]) -> Float[Tensor, "T 3 H W"]:
    """Pictures of bytes or floats to RGB in 0..1."""
    out = torch.empty(len(pictures), 3, *pictures.shape[1:3])
    for index, picture in enumerate(pictures):  # one by one: no second copy of a video in floats
        out[index] = to_tensor(picture)
    return out


def all_samples(frames: Shaped[Tensor, "T 3 H W"]) -> UInt8[np.ndarray, "T H W 3"]:
    """Pictures as they are written, in bytes."""
    return np.stack([to_samples(channels_last(frame)) for frame in frames])
