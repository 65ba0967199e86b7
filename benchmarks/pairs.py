"""Clips with ground truth, composed of real shots as `composed.json` says.

The object of one sequence is put over an object-free window of another clip; the truth is that window. The folder has
the layout of DAVIS: `davis/frames/NAME/*.jpg` and `davis/masks/NAME/*.png`.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cleanplate import Clip, InputError
from cleanplate.clip import grow, to_tensor
from cleanplate.video_io import existing, read_frames, read_masks, resize_and_crop

DILATE_PX = 4


@dataclass(frozen=True)
class Composed:
    """A clip, and what it hides."""

    name: str
    clip: Clip
    truth: Float[Tensor, "T 3 H W"]


def read_pairs(data: Path, manifest: Path | None = None) -> list[dict]:
    """The pairs of a manifest, composed.json in the data folder if none is given."""
    path = existing(manifest or data / "composed.json")
    try:
        return json.loads(path.read_text())["pairs"]
    except (ValueError, KeyError) as error:
        raise InputError(
            f"{path} is not a list of pairs ({error})", "JSON with 'pairs' is needed", "correct it"
        ) from None


def compose(data: Path, pair: dict) -> Composed:
    """The clip of one pair."""
    background = pair["background"]
    first, count = background["start"], background["count"]
    truth, fps = read_frames(data / background["source"], frames=(first, first + count))
    if "resize" in background:
        height, width = background["resize"]
        truth = np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in truth])
    top, left, height, width = background["window"]
    truth = truth[:, top : top + height, left : left + width]
    size = height, width
    things, _ = read_frames(data / "davis/frames" / pair["object"], frames=count, size=size)
    levels = read_masks(data / "davis/masks" / pair["object"], frames=count)
    mask = np.stack([resize_and_crop(level, size) for level in levels]) > 127
    frames = np.where(mask[..., None], things, truth)
    hole = torch.from_numpy(grow(mask, DILATE_PX)).unsqueeze(1)
    return Composed(pair["name"], Clip(to_tensor(frames), hole, fps), to_tensor(truth))
