"""Borders that a stabiliser left: what of a frame shows nothing, because the picture was moved, turned or made smaller.

They are black or transparent. What is transparent up to the edge of a frame is border. What is black may be a dark
picture: it is a border only if it is flat, ends in a straight line, and if that line moves and does not go along with
what the picture shows; or if it is aslant and stands still over a picture that moves. Black bars that stand still and
straight are of the format, and stay.

Letters: seen from a side (top, bottom, left, right) a border is d = a x + b pixels deep at x; T frames.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Shaped, UInt8

from cleanplate.errors import InputError
from cleanplate.imaging.pixels import narrow
from cleanplate.video.border_lines import DEEPEST, SIDES, SURE, Line, from_side, lines_of

log = logging.getLogger(__name__)

RIM_PX = 1.5  # beyond the line, where picture and black are mixed
MOVES_PX = 1.5  # least difference over the shot
GOES_ALONG = 0.35  # share of the line's own motion that is left when that of the picture is taken off
ASLANT_PX = 2.5  # least difference in depth of a border that stands still
TRAVEL_PX = 4.0  # least motion of the picture below that
MOTION_PX, FEWEST_PX = 640, 16  # longest and shortest side of what motion is measured on
TRANSPARENT = 0.02  # most alpha of what shows nothing


@dataclass(frozen=True)
class Borders:
    """The borders of a shot."""

    lines: tuple[tuple[Line | None, ...], ...]
    """Of each frame those of its four sides."""
    transparent: bool = False
    """Whether frames have transparent ones too, which are seen in the frame itself."""
    bars: bool = False
    """Whether black bars were left, that stand still."""

    def __bool__(self) -> bool:
        """Whether there are any."""
        return self.transparent or any(line is not None for of_frame in self.lines for line in of_frame)

    def hole(
        self, index: int, size: tuple[int, int], alpha: Shaped[np.ndarray, "H W"] | None = None
    ) -> Bool[np.ndarray, "H W"]:
        """What of a frame is border.

        Args:
            index: of the frame.
            size: its height and width.
            alpha: of the frame, if it has some.
        """
        hole = transparent_border(alpha) if alpha is not None and self.transparent else np.zeros(size, bool)
        for side, line in enumerate(self.lines[index]):
            if line is not None:
                seen = from_side(hole, side)
                depth = line.depth(seen.shape[1])
                seen |= np.arange(seen.shape[0])[:, None] < np.where(depth > 0, depth + RIM_PX, 0)
        return hole


def find_borders(
    frames: Iterable[tuple[Shaped[np.ndarray, "H W 3"], Shaped[np.ndarray, "H W"] | None]],
) -> Borders:
    """The borders of a shot, of whose frames one is held at a time.

    Args:
        frames: each with its alpha, if it has some.
    """
    lines, motions, transparent, size, motion = [], [], False, (0, 0), Motion()
    for picture, alpha in frames:
        picture = narrow(picture)
        size = picture.shape[:2]
        lines.append(lines_of(picture))
        motions.append(motion.next(picture))
        transparent = transparent or (alpha is not None and bool(transparent_border(alpha).any()))
    shifts = np.array(motions, np.float32).reshape(-1, 2)
    sides = [[of_frame[side] for of_frame in lines] for side in range(SIDES)]
    judged = [_judged(of_side, shifts, size, side) for side, of_side in enumerate(sides)]
    if any(found for found, _ in judged):  # where one side has borders, less is enough to believe it of another
        judged = [_judged(of_side, shifts, size, side, **ALSO) for side, of_side in enumerate(sides)]
    kept = [of_side if found else [None] * len(lines) for of_side, (found, _) in zip(sides, judged, strict=True)]
    return Borders(tuple(zip(*kept, strict=True)), transparent, bars=any(is_bar for _, is_bar in judged))


def no_borders(video: Path, borders: Borders, *, alone: bool) -> None:
    """Say that a shot has none; refuse it, if there is nothing else to fill."""
    given = f"{video} has no borders that a stabiliser left"
    needed, fix = "black or transparent ones that move over the shot are filled", "leave --fill-borders out"
    if borders.bars:
        fix = "its black bars stand still: mask those by cleanplate mask --find overlays"
    if alone:
        raise InputError(given, needed, fix if borders.bars else "give a mask")
    log.warning("%s; %s", given, fix)


def transparent_border(alpha: Shaped[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """What is transparent up to the edge of a frame."""
    most = np.iinfo(alpha.dtype).max if np.issubdtype(alpha.dtype, np.integer) else 1.0
    return _at_edge((alpha <= TRANSPARENT * most).astype(np.uint8))


def _at_edge(marked: UInt8[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """What of it is connected to the edge."""
    if not marked.any():
        return marked > 0
    _, labels = cv2.connectedComponents(marked, connectivity=8)
    at_edge = np.unique(np.concatenate((labels[0], labels[-1], labels[:, 0], labels[:, -1])))
    return np.isin(labels, at_edge[at_edge > 0])


# Over the shot


@dataclass
class Motion:
    """How the picture moves from frame to frame."""

    before: np.ndarray | None = field(default=None)

    def next(self, picture: UInt8[np.ndarray, "H W 3"]) -> tuple[float, float]:
        """(x, y) in pixels since the frame before; 0 for the first."""
        scale = max(1.0, max(picture.shape[:2]) / MOTION_PX)
        height, width = (int(length * (1 - DEEPEST) / scale) // 2 * 2 for length in picture.shape[:2])
        if min(height, width) < FEWEST_PX:
            return 0.0, 0.0
        small = cv2.resize(picture, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA)
        top, left = (small.shape[0] - height) // 2, (small.shape[1] - width) // 2
        inside = small[top : top + height, left : left + width]  # where no border is
        before, grey = self.before, cv2.cvtColor(inside, cv2.COLOR_RGB2GRAY).astype(np.float32)
        self.before = grey
        if before is None or before.shape != grey.shape:  # of another size: the reading of frames refuses that
            return 0.0, 0.0
        (x, y), _ = cv2.phaseCorrelate(before, grey, cv2.createHanningWindow(grey.shape[::-1], cv2.CV_32F))
        return x * scale, y * scale


def _judged(
    lines: Sequence[Line | None],
    shifts: Float32[np.ndarray, "T 2"],
    size: tuple[int, int],
    side: int,
    fewest: int = 2,
    least_px: float = 4.0,
) -> tuple[bool, bool]:
    """Whether it is borders that end in these lines of a side over the shot; and whether it is a bar that does.

    Args:
        lines: of each frame.
        shifts: x and y of the picture from the frame before.
        size: height and width.
        side: which.
        fewest: frames that must show it for sure,
        least_px: so deep that it is not the noise of a dark picture.
    """
    at = np.linspace(0, (size[1] if side < 2 else size[0]) - 1, 5)
    shown = np.array([np.zeros(5) if line is None else np.maximum(line.a * at + line.b, 0) for line in lines])
    shares = np.array([0.0 if line is None else line.share for line in lines])
    if np.count_nonzero((shares >= SURE) & (shown.max(axis=1, initial=0) >= least_px)) < fewest:
        return False, False
    if np.ptp(shown, axis=0).max() >= MOVES_PX:
        along, inward = (shifts if side < 2 else shifts[:, ::-1])[1:].T
        slopes = np.array([0.0 if line is None else line.a for line in lines])
        slopes = np.where(slopes[1:] == 0, slopes[:-1], slopes[1:])
        shift = inward * (-1 if side % 2 else 1) - slopes * along
        return not _goes_along(shown, shift[:, None]), False
    aslant = np.ptp(np.median(shown, axis=0)) >= ASLANT_PX
    moves = np.ptp(np.cumsum(shifts, axis=0), axis=0).max() >= TRAVEL_PX
    return bool(aslant and moves), not aslant


ALSO = {"fewest": 1, "least_px": 1.0}


def _goes_along(depths: Float[np.ndarray, "T n"], shift: Float[np.ndarray, "T-1 1"]) -> bool:
    """Whether what is dark at a side moves as the picture does, so that it is a part of it.

    Args:
        depths: at some places along the side; 0 where nothing is dark.
        shift: by how much these would change from each frame to the next if they did.
    """
    before, after = depths[:-1], depths[1:]
    own = np.abs(after - before)
    apart = np.abs(after - before - shift)
    # What was or will be outside the picture has moved so far at least.
    apart = np.where(before == 0, np.maximum(0, after - shift), apart)
    apart = np.where(after == 0, np.maximum(0, before + shift), apart)
    seen = (before > 0) | (after > 0)
    return bool(apart[seen].sum() < GOES_ALONG * own[seen].sum())
