"""Clips of a data folder as a network is trained on them: their truths, and the shapes of their objects."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from cleanplate.baselines.wang.samples import Footage
from cleanplate.data.compose import read_composed
from cleanplate.data.pairs import choose, read_pairs
from cleanplate.errors import InputError
from cleanplate.imaging.tensors import all_samples
from cleanplate.progress import OnStep, tell


def read_footage(
    data: Path, only: Iterable[str] = (), *, size: tuple[int, int], frames: int, on_step: OnStep | None = None
) -> list[Footage]:
    """The clips, all or those of these names.

    Args:
        data: the folder.
        only: names of pairs.
        size: (height, width) that each must have at least.
        frames: so many of them, too.
        on_step: told of every clip.

    Raises:
        InputError: clips that cannot be read, or that are too small or too short.
    """
    pairs, footage = choose(read_pairs(data), only), []
    for number, pair in enumerate(pairs, 1):
        composed = read_composed(data, pair)
        clip = Footage(composed.name, all_samples(composed.truth), composed.mask[:, 0].numpy())
        (count, height, width), (least_height, least_width) = clip.mask.shape, size
        if height < least_height or width < least_width:
            raise InputError(
                f"{clip.name} is {width}x{height}",
                f"clips of {least_width}x{least_height} at least are needed to train on windows of that",
                "pass a smaller --size, or leave the clip out with --clips",
            )
        if count < frames:
            raise InputError(
                f"{clip.name} has {count} frames",
                f"{frames} are needed, of the lead and to be learned from",
                "pass a smaller --lead, or leave the clip out with --clips",
            )
        footage.append(clip)
        tell(on_step, "read", number, len(pairs))
    return footage


def digest_of(footage: Iterable[Footage]) -> str:
    """The sha256 of all that is trained on."""
    digest = hashlib.sha256()
    for clip in footage:
        digest.update(f"{clip.name} {clip.mask.shape}".encode())
        digest.update(clip.truth.tobytes())
        digest.update(clip.mask.tobytes())
    return digest.hexdigest()
