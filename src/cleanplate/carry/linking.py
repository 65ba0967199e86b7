"""Link two neighbouring frames: how what is hidden in one moves to the other.

Flow is estimated in a window around the holes, followed at scattered points, and completed in the hole (motion.py).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float32, Shaped, UInt8

from cleanplate.carry.cuts import differ
from cleanplate.carry.fields import Cells, Field
from cleanplate.carry.matches import Flow, corners, match, spacing
from cleanplate.carry.motion import Motion, fit_both_ways, fit_parallax
from cleanplate.carry.shapes import square
from cleanplate.carry.trajectories import LinkedFrame
from cleanplate.config import CarryConfig
from cleanplate.imaging.dis import LARGE_PX, LEAST_SIZE, check_size, quick_dis
from cleanplate.imaging.frame import Picture, box_around
from cleanplate.imaging.pixels import to_samples

# Flow is estimated in a window around the holes that goes on for so many widths of the fit's own window.
MARGIN = 2.0
# On frames whose shorter side is about that; larger ones are made smaller.
FLOW_PX = 480
# It is followed at points that are so far apart at least, in pixels of what it is estimated on.
LEAST_APART_PX = 4
# Beside 1 of a match: that the motion is the camera's, once in every cell.
CAMERA_WEIGHT = 0.4
# The window is never wider than that share of the frame's shorter side. Where what is known is followed too, it is as
# wide as that, and the camera counts less.
WIDE_REACH, WIDE_CAMERA_WEIGHT = 0.17, 0.08

HALF = np.float32(0.5)

KnownPictures = Callable[[int], Picture]
"""The picture of a frame, by its index, as it would be if nothing were hidden in it."""


@dataclass(frozen=True)
class Linker:
    """Links pairs of frames along the flow as it is seen now."""

    config: CarryConfig
    filled_weight: float
    """Weight of flow that was estimated on filled pixels; 0 where they are only painted over."""
    known_pictures: KnownPictures | None = None
    """Take the flow from these, and do not complete it: to measure what knowing the motion would give."""
    quick: bool = False
    """On pictures of half the size, if they are not small: good enough for what is looked at small, or again."""
    parallax: bool = False
    """Whether what is known is followed closely too, not only what the holes hide."""

    def __call__(self, pair: tuple[LinkedFrame, LinkedFrame]) -> Motion | None:
        """The motion from a frame to the next; None over a cut, or where neither hides anything."""
        return self.motion(pair) if any(len(one.boundary) for one in pair) else None

    def _reach_px(self, side_px: int) -> float:
        """The width of the window of the fit, in pixels of frames with that shorter side."""
        wide_px = WIDE_REACH * side_px
        return wide_px if self.parallax else min(wide_px, self.config.reach_px * smaller_for_flow(side_px))

    def motion(self, pair: tuple[LinkedFrame, LinkedFrame]) -> Motion | None:
        """The motion from a frame to the next, around their holes; None over a cut.

        Raises:
            InputError: frames too small.
        """
        config, frames = self.config, [linked.frame for linked in pair]
        check_size(*frames[0].size)  # with the margin below, the window around the holes is large enough if they are
        holes = [frame.provenance for frame in frames]
        reach_px = self._reach_px(min(frames[0].size))
        margin_px = config.margin_px + max(LEAST_SIZE, round(MARGIN * reach_px))
        rows, columns = box_around(holes[0] | holes[1], margin_px)
        pictures = seen = [frame.crop(rows, columns) for frame in frames]
        if self.known_pictures is not None:
            seen = [self.known_pictures(frame.index)[rows, columns] for frame in frames]
        greys = [cv2.cvtColor(to_samples(one), cv2.COLOR_RGB2GRAY) for one in seen]
        smaller = smaller_for_flow(min(frames[0].size), quick=self.quick) if config.estimator == "dis" else 1
        greys, scale = _made_smaller(greys, smaller)
        flow = _estimated(seen, greys, config.estimator, scale)
        near = [cv2.dilate(hole[rows, columns], square(config.margin_px)) for hole in holes]
        points, texture = corners(greys[0], max(LEAST_APART_PX, round(spacing(reach_px) / smaller)))
        points = (points + HALF) * scale - HALF
        matches = match((pictures[0], pictures[1]), flow, (near[0], near[1]), points, texture)
        if matches.support < config.least_support and differ(pictures, flow, [one == 0 for one in near]):
            return None
        size = near[0].shape
        *fields, still = fit_both_ways(
            matches,
            size,
            filled_weight=self.filled_weight,
            camera_weight=WIDE_CAMERA_WEIGHT if self.parallax else CAMERA_WEIGHT,
            reach_px=reach_px,
            flow_tolerance_px=config.flow_tolerance_px,
            brightness_tolerance=config.brightness_tolerance,
        )
        if self.known_pictures is not None:
            flow = [cv2.resize(way, size[::-1]) for way in flow]
            fields = [known_motion(way, fitted) for way, fitted in zip(flow, fields, strict=True)]
            still = False
        there, back = fields
        motion = Motion(there, back, (rows.start, columns.start), size, still)
        if still or not self.parallax:
            return motion
        away = [
            Cells(distance(one), 1).at(at)[:, 0] for one, at in zip(near, (matches.start, matches.end), strict=True)
        ]
        settings = {"size": size, "reach_px": reach_px, "tolerance_px": config.flow_tolerance_px}
        shares = np.minimum(*away) / min(frames[0].size)
        parallax = [fit_parallax(*way, shares, **settings) for way in ((matches, there), (matches.back, back))]
        return replace(motion, parallax=(parallax[0], parallax[1]))


def smaller_for_flow(side_px: int, *, quick: bool = False) -> int:
    """How many times smaller frames with that shorter side are made; to be quick twice that, if they are not small."""
    smaller = max(1, round(side_px / FLOW_PX))
    return 2 * smaller if quick and side_px / (2 * smaller) >= LARGE_PX else smaller


def _made_smaller(
    greys: list[UInt8[np.ndarray, "h w"]], smaller: int
) -> tuple[list[UInt8[np.ndarray, "i j"]], Float32[np.ndarray, "2"]]:
    """Two pictures so many times smaller, if flow can be estimated on them then, and how many times: x and y."""
    height, width = greys[0].shape
    if smaller == 1 or min(height, width) < LEAST_SIZE * smaller:
        return greys, np.ones(2, np.float32)
    size = (width // smaller, height // smaller)
    greys = [cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in greys]
    return greys, np.array([width / size[0], height / size[1]], np.float32)


def _estimated(
    pictures: list[Shaped[np.ndarray, "h w 3"]],
    greys: list[UInt8[np.ndarray, "i j"]],
    estimator: str,
    scale: Float32[np.ndarray, "2"],
) -> tuple[Flow, Flow]:
    """The flow from the first of two pictures to the second, and back, in their pixels; DIS's on what was made smaller.

    Args:
        pictures: both.
        greys: the same in grey, made smaller.
        estimator: see CarryConfig.
        scale: how many times smaller.
    """
    if estimator != "dis":
        from cleanplate.imaging.flow import both_ways  # torch, which carrying does without otherwise
        from cleanplate.imaging.tensors import to_tensors

        there, back = both_ways(to_tensors(np.stack(pictures)), estimator).permute(0, 2, 3, 1).contiguous().numpy()
        return there, back
    there, back = quick_dis(greys[0], greys[1])
    return there * scale, back * scale


def distance(mask: UInt8[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w 1"]:
    """Of every pixel, from what is marked, in pixels."""
    return cv2.distanceTransform(np.asarray(mask == 0, np.uint8), cv2.DIST_L2, 3)[..., None]


def known_motion(flow: Flow, fitted: Field) -> Field:
    """The flow as it is, and the brightness that was fitted."""
    height, width = flow.shape[:2]
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    _, brightness = fitted.at(np.stack((x, y), -1).reshape(-1, 2))
    return Field(None, Cells(np.concatenate((flow, brightness.reshape(height, width, 3)), 2), 1))
