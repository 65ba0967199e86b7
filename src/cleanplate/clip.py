"""A clip: frames, the hole to fill, and the frame rate."""

import logging
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from cleanplate import video_io
from cleanplate.config import OnStep
from cleanplate.errors import InputError

log = logging.getLogger(__name__)

WHITE = 127  # a mask pixel brighter than this is a hole
SAME_ASPECT = 0.01  # a mask of another size is resized if the aspect ratios differ by less than this share


@dataclass(frozen=True)
class Clip:
    """Frames and the hole in them.

    Raises:
        InputError: shapes that disagree, no frame, nothing to fill, or nothing known to fill it from.
    """

    frames: Tensor
    """(T, 3, H, W) float32, RGB, 0..1."""
    hole: Tensor
    """(T, 1, H, W) bool, True where it is to be filled."""
    fps: float = video_io.DEFAULT_FPS

    def __post_init__(self) -> None:
        frames, hole = tuple(self.frames.shape), tuple(self.hole.shape)
        if len(frames) != 4 or frames[1] != 3 or hole != (frames[0], 1, *frames[2:]):
            raise InputError(
                f"frames have the shape {frames} and the hole has {hole}",
                "(T, 3, H, W) and (T, 1, H, W) are needed",
                "permute or stack them",
            )
        if frames[0] == 0:
            raise InputError("the clip has no frames", "at least one is needed", "check what was read")
        if not bool(self.hole.any()):
            raise InputError(
                "the mask has no hole", "white marks what to remove", "paint that white (--dilate-px grows it)"
            )
        if bool(self.hole.all()):
            raise InputError(
                "the mask covers every pixel of every frame",
                "a hole is filled from what is known around it",
                "mark less, or swap black and white: white marks what to remove",
            )

    @property
    def known(self) -> Bool[Tensor, "T 1 H W"]:
        """The paper's M."""
        return ~self.hole


def read_clip(
    video: str | Path,
    mask: str | Path,
    *,
    size: tuple[int, int] | None = None,
    frames: video_io.Frames = None,
    dilate_px: int = 4,
    fps: float | None = None,
    on_step: OnStep | None = None,
) -> Clip:
    """Read a video and its mask.

    Args:
        video: a video, a folder of images, or one image.
        mask: a video, a folder of images, or one image for all frames. White marks the hole.
        size: (height, width) to resize and centre-crop to, as the paper does (App. B); None keeps the size.
        frames: which frames to take: a slice, (first, end), or the first so many.
        dilate_px: radius the hole is grown by, in pixels of the clip: masks are seldom drawn wide enough.
        fps: frame rate where the input is a folder of images, which does not say (24 if not given).
        on_step: told of every frame.

    Raises:
        InputError: what cannot be read, or does not fit together.
    """
    video_io.check_size(size)
    if dilate_px < 0:
        raise InputError(f"dilate_px is {dilate_px}", "0 or more is needed", "correct it")
    levels = video_io.read_masks(mask, frames=frames)
    if not (levels > WHITE).any():
        raise InputError(
            f"{mask} has no hole: its brightest value is {levels.max()}",
            f"white (above {WHITE}) marks what to remove",
            "paint that white",
        )
    pictures, rate = video_io.read_frames(video, frames=frames, on_step=on_step)
    one_for_all = video_io.is_image(Path(mask))
    if len(levels) != len(pictures) and not one_for_all:
        raise InputError(
            f"the mask {mask} has {len(levels)} frames and {video} has {len(pictures)}",
            "every frame needs its mask",
            "give a mask of the same length, or one image for all frames",
        )
    levels = _fit(levels, pictures.shape[1:3], str(mask), str(video))
    if size is not None:
        pictures = np.stack([video_io.resize_and_crop(picture, size) for picture in pictures])
        levels = np.stack([video_io.resize_and_crop(level, size) for level in levels])
    hole = grow(levels > WHITE, dilate_px)
    if one_for_all:
        hole = np.repeat(hole, len(pictures), axis=0)
    return Clip(
        frames=to_tensor(pictures),
        hole=torch.from_numpy(np.ascontiguousarray(hole)).unsqueeze(1),
        fps=fps or rate,
    )


def to_tensor(pictures: UInt8[np.ndarray, "T H W 3"]) -> Float[Tensor, "T 3 H W"]:
    """Bytes to RGB in 0..1."""
    out = torch.empty(len(pictures), 3, *pictures.shape[1:3])
    for index, picture in enumerate(pictures):  # frame by frame: no second copy of the video in floats
        out[index] = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1) / 255
    return out


def _fit(levels: np.ndarray, size: tuple[int, ...], mask: str, video: str) -> np.ndarray:
    """The mask at the size of the frames, if it has their shape."""
    height, width = size
    if levels.shape[1:] == (height, width):
        return levels
    given = f"the mask {mask} is {levels.shape[2]}x{levels.shape[1]} and {video} is {width}x{height}"
    if abs(levels.shape[2] * height / (levels.shape[1] * width) - 1) > SAME_ASPECT:
        raise InputError(given, "they must show the same picture", "make the mask in the video's size")
    log.warning("%s; the mask is resized", given)
    return np.stack([cv2.resize(level, (width, height), interpolation=cv2.INTER_LINEAR) for level in levels])


def grow(hole: Bool[np.ndarray, "T H W"], radius_px: int) -> Bool[np.ndarray, "T H W"]:
    """Dilate by a disc.

    Raises:
        InputError: a radius below 0, or beyond the frame.
    """
    if not 0 <= radius_px <= max(hole.shape[1:]):
        size = f"frames are {hole.shape[2]}x{hole.shape[1]}"
        raise InputError(
            f"dilate_px is {radius_px}, and {size}", "0 or more, within the frame, is needed", "correct it"
        )
    if radius_px == 0:
        return hole
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius_px + 1, 2 * radius_px + 1))
    return np.stack([cv2.dilate(frame.astype(np.uint8), disc) > 0 for frame in hole])
