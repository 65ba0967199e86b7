"""Logos and captions that were found over a shot, as suggestions: none is removed unless the user accepts it."""

from dataclasses import dataclass
from pathlib import Path

from cleanplate.errors import InputError
from cleanplate.imaging.pixels import narrow
from cleanplate.progress import OnStep
from cleanplate.studio import thumbnails
from cleanplate.studio.thumbnails import OVERLAY_TINT, emptied
from cleanplate.track.overlays import look_for_overlays
from cleanplate.video.reader import stream_frames

OVERLAYS = "overlays"
"""Folder of the areas that were found, by their number."""


@dataclass(frozen=True)
class FoundOverlay:
    """Something that lies over the shot."""

    kind: str
    """still, or caption: see `track.overlays.Overlay`."""
    box: tuple[int, int, int, int]
    """Left, top, width and height in pixels of the video."""
    first: int
    last: int
    """The frames that it is in."""
    certainty: float
    """0..1."""


@dataclass(frozen=True)
class FoundOverlays:
    """All of them, and whether the shot moves: if not, nothing could be told apart."""

    all: tuple[FoundOverlay, ...]
    moves: bool


def find_shown_overlays(video: Path, folder: Path, total: int, *, on_step: OnStep) -> FoundOverlays:
    """Look for what lies over the shot, and write where each is.

    Args:
        video: the shot.
        folder: of the project.
        total: how many frames there are.
        on_step: told of every frame.
    """
    found, moves = look_for_overlays(map(narrow, stream_frames(video)), total=total, on_step=on_step)
    areas = emptied(folder / OVERLAYS)
    for number, one in enumerate(found):
        thumbnails.write_area(areas, number, one.mask, OVERLAY_TINT)
    return FoundOverlays(
        tuple(FoundOverlay(one.kind, one.box, one.first, one.end - 1, one.certainty) for one in found), moves
    )


class ShotOverlays:
    """The overlays of a shot, and which of them are to be removed."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew; the files are gone."""
        self.take(None)

    def take(self, found: FoundOverlays | None) -> None:
        """These were found; none of them is accepted."""
        self.found = found
        """None if nobody has looked."""
        self.accepted: frozenset[int] = frozenset()
        """Their numbers."""

    @property
    def removed(self) -> tuple[tuple[int, FoundOverlay], ...]:
        """Those that are accepted, with their numbers."""
        return () if self.found is None else tuple((one, self.found.all[one]) for one in sorted(self.accepted))

    def accept(self, number: int, wanted: bool) -> None:
        """Make one a part of the mask, or take that back.

        Raises:
            InputError: there is no such one.
        """
        if self.found is None or not 0 <= number < len(self.found.all):
            given = f"there is no suggestion {number + 1}"
            raise InputError(given, "one of the list is needed", "press Find logos and captions")
        self.accepted = self.accepted | {number} if wanted else self.accepted - {number}
