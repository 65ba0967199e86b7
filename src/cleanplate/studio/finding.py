"""In a process of its own: what goes with the thing is found, and becomes a part of the mask if it was painted."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from cleanplate.commands.inpaint import Inpaint
from cleanplate.commands.written import write_masks
from cleanplate.config import DEFAULT_METHOD, METHODS
from cleanplate.pipeline import enough_memory, find_effects
from cleanplate.progress import OnStep
from cleanplate.runtime.options import RunOptions
from cleanplate.studio import thumbnails
from cleanplate.studio.thumbnails import EFFECTS_TINT, Size, emptied
from cleanplate.video.masks import Mask, grow
from cleanplate.video.reader import stream_masks
from cleanplate.video.shot import open_shot
from cleanplate.video.timecode import Span

EFFECTS, EDITS, EFFECTS_FILE = "effects", "edits", "effects.mkv"
"""Folders of small pictures: what was found, and what was painted in its place; and the file of what was found."""


@dataclass(frozen=True)
class Found:
    """What goes with the thing."""

    frames: int
    """On how many frames there is something."""


def find_shown(video: Path, folder: Path, mask: Path, total: int, *, on_step: OnStep) -> Found:
    """Find what goes with the thing outside its mask, as the default method would, and write it as a mask.

    Args:
        video: the shot.
        folder: of the project.
        mask: of the thing.
        total: how many frames there are.
        on_step: told of every frame.
    """
    run = RunOptions(on_step=on_step)
    count = 0
    pictures = emptied(folder / EFFECTS)

    def found() -> Iterator[Bool[np.ndarray, "H W"]]:
        nonlocal count
        frames = open_shot(video, (mask,)).frames(on_step)
        for frame in find_effects(frames, METHODS[DEFAULT_METHOD], run, total=total):
            effects = frame.effects
            where = np.zeros(frame.size, bool) if effects is None else effects.where
            count += bool(where.any())
            thumbnails.write_mask(thumbnails.numbered(pictures, frame.index, ".png"), where, EFFECTS_TINT)
            yield where

    with enough_memory():
        write_masks(folder / EFFECTS_FILE, found(), video, total, on_step)
    return Found(count)


@dataclass(frozen=True)
class Drawn:
    """What a mask is made of where that is what is shown: the thing's own, grown, and its effects, as they are."""

    folder: Path
    """Of the project."""
    mask: Path
    """Of the thing."""
    invert: bool
    """Black marks it."""
    dilate_px: int
    """Radius that the thing's mask is grown by, in pixels of the result."""
    edited: frozenset[int]
    """The frames whose effects were painted."""


def write_drawn(options: Inpaint, drawn: Drawn, size: Size, total: int) -> None:
    """Write the mask that the options name.

    Args:
        options: where to write it, and the size of the result.
        drawn: what it is made of.
        size: (height, width) of the video.
        total: how many frames there are.
    """
    scale = 1.0 if options.size is None else max(to / of for to, of in zip(options.size, size, strict=True))
    radius_px = math.ceil(drawn.dilate_px / scale)

    def both() -> Iterator[Bool[np.ndarray, "H W"]]:
        things = Mask(drawn.mask, Span(), drawn.invert).holes(size, None, 0)
        effects = stream_masks(drawn.folder / EFFECTS_FILE)
        for index, (thing, grey) in enumerate(zip(things, effects, strict=True)):
            where = grey > 127
            if index in drawn.edited:
                where = thumbnails.read_area(drawn.folder / EDITS, index)
            yield grow(thing, radius_px) | where

    write_masks(options.masks()[0][0], both(), options.video, total, None)
