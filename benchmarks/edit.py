"""An edit of ten shots, and which of its cuts are found."""

from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cleanplate import METHODS, Clip
from cleanplate.carry.linking import Linker
from cleanplate.carry.trajectories import LinkedFrame, boundary_pixels
from cleanplate.data.pairs import FRAMES
from cleanplate.imaging.paint import painted
from cleanplate.imaging.tensors import to_tensors
from cleanplate.plate import frames_of
from cleanplate.video.reader import read_frames

EDIT = (
    ("blackswan", 0, 12),
    ("bmx-trees", 10, 9),
    ("camel", 0, 14),
    ("goat", 20, 8),
    ("parkour", 5, 11),
    ("breakdance", 0, 10),
    ("car-roundabout", 30, 13),
    ("bmx-trees", 50, 8),
    ("parkour", 70, 14),
    ("blackswan", 30, 10),
)
"""Shot, first frame and length; no two of one shot follow each other."""
EDIT_SIZE = (192, 384)
WITH_RECTANGLE = (1, 4, 8)  # segments with a hole that does not move, as behind a logo


def edit_of_ten(data: Path) -> tuple[np.ndarray, list[int]]:
    """Ten segments of real shots one after the other.

    Returns:
        Frames (T, H, W, 3) in bytes, and the first frame of each segment but the first.
    """
    parts = [
        read_frames(data / FRAMES / shot, frames=(start, start + count), size=EDIT_SIZE)[0]
        for shot, start, count in EDIT
    ]
    return np.concatenate(parts), [0, *accumulate(map(len, parts))][1:-1]


def hole_of_edit() -> Tensor:
    """A rectangle that does not move in some of the segments, (T, 1, H, W)."""
    height, width = EDIT_SIZE
    hole = torch.zeros(sum(count for _, _, count in EDIT), 1, height, width, dtype=torch.bool)
    first = 0
    for number, (_, _, count) in enumerate(EDIT):
        if number in WITH_RECTANGLE:
            hole[first : first + count, :, height // 3 : 2 * height // 3, width // 3 : 2 * width // 3] = True
        first += count
    return hole


def measured_edit(data: Path) -> dict:
    """How many of the cuts are found, and how many that are none."""
    frames, cuts = edit_of_ten(data)
    hole = hole_of_edit()
    found = cuts_found(Clip(torch.where(hole, 0.0, to_tensors(frames)), hole))
    row: dict = {"frames": len(frames), "cuts": cuts, "found": found}
    row |= {"right": len(set(found) & set(cuts)), "wrong": len(set(found) - set(cuts))}
    print(f"edit: {len(frames)} frames; {row['right']} of {len(cuts)} cuts found, and {row['wrong']} that are none")
    return row


def cuts_found(clip: Clip) -> list[int]:
    """The frames that a shot is taken to begin with, but for the first."""
    linked = [LinkedFrame(frame, boundary_pixels(frame.provenance)) for frame in painted(frames_of(clip))]
    linker = Linker(METHODS["carry"].carry, 0.0)
    return [index for index, pair in enumerate(pairwise(linked), 1) if linker.motion(pair) is None]
