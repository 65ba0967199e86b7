"""A clip: all frames of a short video in memory, the hole to fill, and the frame rate."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor

from cleanplate.config import DILATE_PX
from cleanplate.errors import InputError
from cleanplate.imaging.pixels import channels_last, check_known
from cleanplate.imaging.tensors import to_tensor
from cleanplate.progress import OnStep
from cleanplate.video.container import DEFAULT_FPS
from cleanplate.video.numbers import Gaps
from cleanplate.video.reader import FrameSelection, as_span, no_frames
from cleanplate.video.sequences import existing
from cleanplate.video.shot import open_shot


@dataclass(frozen=True)
class Clip:
    """Frames and the hole in them.

    Raises:
        InputError: shapes that disagree, no frame, nothing to fill, nothing known to fill it from, or what is known is
            no colour.
    """

    frames: Tensor
    """(T, 3, H, W) float32, RGB, 0..1; of scene-linear images in codes of a log curve (`imaging.log_curve`)."""
    hole: Tensor
    """(T, 1, H, W) bool, True where it is to be filled."""
    fps: float = DEFAULT_FPS

    def __post_init__(self) -> None:
        frames, hole = tuple(self.frames.shape), tuple(self.hole.shape)
        if len(frames) != 4 or frames[1] != 3 or hole != (frames[0], 1, *frames[2:]):
            raise InputError(
                f"frames have the shape {frames} and the hole has {hole}",
                "(T, 3, H, W) and (T, 1, H, W) are needed",
                "permute or stack them into these",
            )
        if frames[0] == 0:
            raise InputError("the clip has no frames", "at least one is needed", "give frames of shape (T, 3, H, W)")
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
        for index, (frame, hidden) in enumerate(zip(self.frames, self.hole, strict=True)):
            check_known(channels_last(frame), channels_last(hidden)[..., 0], index)

    @property
    def known(self) -> Bool[Tensor, "T 1 H W"]:
        """The paper's M."""
        return ~self.hole


def read_clip(
    video: str | Path,
    mask: str | Path | Sequence[str | Path] = (),
    *,
    size: tuple[int, int] | None = None,
    frames: FrameSelection = None,
    dilate_px: int = DILATE_PX,
    fps: float | None = None,
    invert_mask: bool = False,
    gaps: Gaps = "refuse",
    fill_borders: bool = False,
    on_step: OnStep | None = None,
) -> Clip:
    """Read a video and its mask.

    Args:
        video: a video, a folder of images, a pattern like shot.####.png, or one image.
        mask: a video, a folder or a pattern of images, one image for all frames, or a file of areas; or several of
            them. White marks the hole, and what is no number in scene-linear images belongs to it.
        size: (height, width) to resize and centre-crop to, as the paper does (App. B); None keeps the size.
        frames: which frames to take: a slice, (first, end), or the first so many, counted from 0.
        dilate_px: radius the hole is grown by, in pixels of the clip: masks are seldom drawn wide enough.
        fps: frame rate where the input is a folder of images, which does not say (24 if not given).
        invert_mask: black marks the hole.
        gaps: whether to refuse a sequence in which numbers are missing, or to keep it as it is.
        fill_borders: the borders that a stabiliser left are hole too; there need be no mask then.
        on_step: told of every frame.

    Raises:
        InputError: what cannot be read, or does not fit together.
    """
    masks = (mask,) if isinstance(mask, str | Path) else tuple(mask)
    span, rest = as_span(frames)
    paths = existing(video), tuple(map(existing, masks))
    shot = open_shot(
        *paths, span, size=size, dilate_px=dilate_px, invert_mask=invert_mask, gaps=gaps, fill_borders=fill_borders
    )
    read = list(shot.frames(on_step))[rest]
    if not read:
        raise no_frames(video, f" among {frames}")
    pictures, hole = torch.empty(len(read), 3, *shot.shape), torch.empty(len(read), 1, *shot.shape, dtype=torch.bool)
    for index, frame in enumerate(read):  # frame by frame: no second copy of the video in floats
        pictures[index], hole[index, 0] = to_tensor(frame.picture), torch.from_numpy(frame.hole)
    return Clip(pictures, hole, fps or shot.fps)
