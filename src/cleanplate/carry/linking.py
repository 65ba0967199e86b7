"""Link two neighbouring frames: where the boundary pixels of each land in the other.

Flow is estimated in a window around the holes, followed at scattered points, and completed in the hole (motion.py).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cleanplate.carry.cuts import differ
from cleanplate.carry.motion import Field, Motion, corners, fit_both_ways, fit_parallax, match, spacing
from cleanplate.carry.trajectories import CUT, FlowLink, LinkedFrame, link
from cleanplate.config import CarryConfig
from cleanplate.imaging.flow import LEAST_SIZE, both_ways, gray
from cleanplate.imaging.frame import box_around
from cleanplate.imaging.smooth import Cells, dilate
from cleanplate.imaging.warp import pixel_grid, read

# Flow is estimated in a window around the holes that goes on for so many widths of the fit's own window.
MARGIN = 2.0

KnownPictures = Callable[[int], Float[Tensor, "3 H W"]]
"""The picture of a frame, by its index, as it would be if nothing were hidden in it."""


class Links(NamedTuple):
    """Between two neighbours."""

    there: FlowLink
    back: FlowLink
    motion: Motion | None
    """What they are made of; None over a cut."""


@dataclass(frozen=True)
class Linker:
    """Links pairs of frames along the flow as it is seen now."""

    config: CarryConfig
    filled_weight: float
    """Weight of flow that was estimated on filled pixels; 0 where they are only painted over."""
    known_pictures: KnownPictures | None = None
    """Take the flow from these, and do not complete it: to measure what knowing the motion would give."""
    parallax: bool = False
    """Whether what is known is followed closely too, not only what the holes hide."""

    def __call__(self, pair: tuple[LinkedFrame, LinkedFrame]) -> Links:
        """The links of a frame to the next and back."""
        one, other = pair
        motion = one.onward
        if motion is None and len(one.boundary) + len(other.boundary):
            motion = self.motion(pair)
        if motion is None or motion == CUT:
            return Links(nowhere(one.boundary), nowhere(other.boundary), None)
        width = one.frame.size[1]
        return Links(
            link(one.boundary, width, motion.corner, motion.there, motion.back, motion.size),
            link(other.boundary, width, motion.corner, motion.back, motion.there, motion.size),
            motion,
        )

    def motion(self, pair: tuple[LinkedFrame, LinkedFrame]) -> Motion | None:
        """The motion from a frame to the next, around their holes; None over a cut."""
        config, frames = self.config, [linked.frame for linked in pair]
        hole = torch.stack([frame.hole for frame in frames])
        reach_px = config.reach * min(frames[0].size)  # of the frame, whatever the window
        margin_px = config.margin_px + max(LEAST_SIZE, round(MARGIN * reach_px))
        rows, columns = box_around(hole.any(0)[0], margin_px)
        pictures = seen = torch.stack([frame.picture[:, rows, columns] for frame in frames])
        if self.known_pictures is not None:
            seen = torch.stack([self.known_pictures(frame.index)[:, rows, columns] for frame in frames])
        flow = both_ways(seen, config.estimator)
        near = dilate(hole[..., rows, columns], config.margin_px)
        points, texture = (one.to(flow.device) for one in corners(gray(seen[0]), spacing(reach_px)))
        matches = match(pictures, flow, near, points, texture)
        if matches.support < config.least_support and differ(pictures, flow, ~near):
            return None
        size = (near.shape[2], near.shape[3])
        *fields, still = fit_both_ways(
            matches,
            size,
            filled_weight=self.filled_weight,
            reach_px=reach_px,
            flow_tolerance_px=config.flow_tolerance_px,
            brightness_tolerance=config.brightness_tolerance,
        )
        if self.known_pictures is not None:
            fields = [known_motion(way, fitted) for way, fitted in zip(flow, fields, strict=True)]
            still = False
        there, back = fields
        motion = Motion(there, back, (rows.start, columns.start), size, still)
        if still or not self.parallax:
            return motion
        away = [
            read(distance(one[0])[None], at)[:, 0] for one, at in zip(near, (matches.start, matches.end), strict=True)
        ]
        settings = {"size": size, "reach_px": reach_px, "tolerance_px": config.flow_tolerance_px}
        shares = torch.minimum(*away) / min(frames[0].size)
        parallax = [fit_parallax(*way, shares, **settings) for way in ((matches, there), (matches.back, back))]
        return replace(motion, parallax=(parallax[0], parallax[1]))


def distance(mask: Bool[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """Of every pixel, from what is marked, in pixels."""
    pixels = (~mask).cpu().numpy().astype(np.uint8)
    return torch.from_numpy(cv2.distanceTransform(pixels, cv2.DIST_L2, 3)).to(mask.device)


def known_motion(flow: Float[Tensor, "2 h w"], fitted: Field) -> Field:
    """The flow as it is, and the brightness that was fitted."""
    _, brightness = fitted.at(pixel_grid(flow.shape[1], flow.shape[2], flow.device).flatten(1).T)
    return Field(None, Cells(torch.cat((flow, brightness.T.view(3, *flow.shape[1:]))), 1))


def nowhere(boundary: Int[Tensor, " n"]) -> FlowLink:
    """The link of a frame whose neighbour shows nothing of it."""
    none = torch.zeros(len(boundary), 3, device=boundary.device)
    return FlowLink(none[:, :2].contiguous(), torch.full_like(none[:, 0], torch.inf).half(), none.half())
