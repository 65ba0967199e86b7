"""The flow of a whole clip, known around its hole and unknown in it: completed, and estimated again on what is filled.

Letters: P pairs of neighbouring frames; h rows and w columns of the level of a pyramid.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int16, Shaped

from cleanplate.baselines.pyramid import Colours, Hidden, painted_greys
from cleanplate.carry.fields import Cells, Field
from cleanplate.carry.matches import CONFIDENCE_SCALE_PX
from cleanplate.carry.motion import Motion
from cleanplate.carry.shapes import square
from cleanplate.imaging.dis import check_size, quick_dis
from cleanplate.imaging.pull_push import pull_push

# Flow so near to a hole has seen what was painted into it.
MARGIN_PX = 3
# A sample that is made of what is hidden for so little is none of it.
SHARE = 1e-3
# Of the smoothness in the estimate on what is filled. OpenCV's 20 follows every error of the fill.
SMOOTHNESS = 100.0


@dataclass(frozen=True)
class Way:
    """From every frame but the last to the next, or from every one but the first to the one before."""

    flow: Float32[np.ndarray, "P h w 2"]
    """(dx, dy) in pixels of its level."""
    unknown: Bool[np.ndarray, "P h w"]
    """It starts or ends in the hole, or near it."""

    def smaller(self, times: int) -> "Way":
        """At every so many pixels, where `pyramid.halved` has them."""
        flow = np.empty(self.flow[:, ::times, ::times].shape, np.float32)
        unknown = np.empty(flow.shape[:3], bool)
        for number, (one, where) in enumerate(zip(self.flow, self.unknown, strict=True)):
            flow[number] = cv2.blur(one, (times, times))[::times, ::times] / times
            unknown[number] = cv2.dilate(where.view(np.uint8), square(times // 2))[::times, ::times]
        return Way(flow, unknown)

    def completed_from(self, coarser: "Way") -> "Way":
        """The same, and where it is unknown what is known of it at half the size."""
        flow, twice = self.flow.copy(), np.array([[2.0, 0, 0], [0, 2.0, 0]])
        for one, half, where in zip(flow, coarser.flow, self.unknown, strict=True):
            size = where.shape[::-1]
            larger = cv2.warpAffine(half, twice, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            one[where] = 2 * larger[where]
        return Way(flow, self.unknown)


@dataclass(frozen=True)
class Flows:
    """Both ways between all neighbours."""

    there: Way
    """To the next frame."""
    back: Way
    """To the frame before."""

    @classmethod
    def estimated(cls, colours: Colours, hidden: Hidden) -> "Flows":
        """DIS flow of painted-over frames; in the hole and near it a smooth interpolation of that around it.

        Raises:
            InputError: frames too small.
        """
        check_size(*hidden.shape[1:])
        greys = painted_greys(colours, hidden)
        near = [cv2.dilate(one.view(np.uint8), square(MARGIN_PX)).astype(np.float32) for one in hidden]
        size = (len(hidden) - 1, *hidden.shape[1:])
        ways = [Way(np.empty((*size, 2), np.float32), np.empty(size, bool)) for _ in range(2)]
        for number in range(len(hidden) - 1):
            ends = (number, number + 1)
            flows = quick_dis(greys[ends[0]], greys[ends[1]])
            for way, flow, back, (start, end) in zip(ways, flows, flows[::-1], (ends, ends[::-1]), strict=True):
                unknown = (near[start] > 0) | (read(near[end], flow) > SHARE)
                confidence = np.exp(-((disagreement(flow, back) / CONFIDENCE_SCALE_PX) ** 2))
                way.flow[number] = pull_push(flow, np.where(unknown, np.float32(0), confidence))
                way.unknown[number] = unknown
        return cls(*ways)

    def smaller(self, times: int) -> "Flows":
        """See `Way.smaller`."""
        return Flows(self.there.smaller(times), self.back.smaller(times)) if times > 1 else self

    def completed_from(self, coarser: "Flows") -> "Flows":
        """See `Way.completed_from`."""
        return Flows(self.there.completed_from(coarser.there), self.back.completed_from(coarser.back))

    def refine(self, colours: Colours) -> None:
        """Estimate what is unknown again, from what it is, on frames whose hole is filled; in place."""
        greys = [cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in colours]
        estimate = cv2.VariationalRefinement.create()
        estimate.setAlpha(SMOOTHNESS)
        for way, starts, ends in ((self.there, greys[:-1], greys[1:]), (self.back, greys[1:], greys[:-1])):
            for flow, unknown, start, end in zip(way.flow, way.unknown, starts, ends, strict=True):
                if unknown.any():
                    parts = (np.ascontiguousarray(flow[..., axis]) for axis in range(2))
                    flow[unknown] = np.stack(estimate.calcUV(start, end, *parts), -1)[unknown]

    def motions(self) -> list[Motion]:
        """As trajectories are followed along it: from each frame to the next, and back."""
        same = np.zeros((*self.there.unknown.shape[1:], 3), np.float32)

        def field(flow: Float32[np.ndarray, "h w 2"]) -> Field:
            return Field(None, Cells(np.concatenate((flow, same), -1), 1))

        pairs = zip(self.there.flow, self.back.flow, strict=True)
        return [Motion(field(there), field(back), (0, 0), there.shape[:2]) for there, back in pairs]

    def steps(self) -> Int16[np.ndarray, "T h w 2 2"]:
        """To the frame before and to the next, in whole rows and columns; see `Volume.steps`."""
        count, height, width = self.there.unknown.shape
        out = np.zeros((count + 1, height, width, 2, 2), np.int16)
        out[1:, ..., 0, :] = np.rint(self.back.flow[..., ::-1])
        out[:-1, ..., 1, :] = np.rint(self.there.flow[..., ::-1])
        return out

    def features(self, times: int) -> Float32[np.ndarray, "T h w 2"]:
        """What patches are compared by: to the next frame, in pixels of the clip; its levels are so many times smaller.

        What it is from the last frame on is told by where that comes from; of a single frame there is none.
        """
        if not len(self.there.flow):
            return np.zeros((1, *self.there.flow.shape[1:]), np.float32)
        return times * np.concatenate((self.there.flow, -self.back.flow[-1:]))


def read(values: Shaped[np.ndarray, "h w *C"], flow: Float32[np.ndarray, "h w 2"]) -> Shaped[np.ndarray, "h w *C"]:
    """What a frame holds where the flow leads, bilinearly; beyond the border, what the border has."""
    height, width = flow.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    x, y = x + flow[..., 0], y + flow[..., 1]
    return cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def disagreement(flow: Float32[np.ndarray, "h w 2"], back: Float32[np.ndarray, "h w 2"]) -> Float32[np.ndarray, "h w"]:
    """How far from its start a pixel is after going there and back, in pixels."""
    return np.hypot(*np.moveaxis(flow + read(back, flow), -1, 0))
