"""Take the mask of a thing from one frame to the next: move it along the flow, then correct it by what is seen."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from cleanplate.track.background import Background, camera_flow
from cleanplate.track.classifier import VIEWS_LATER, Recogniser, appearance, samples
from cleanplate.track.fields import around, blur, move, size_px

LEARN_EVERY = 4  # frames
# Around what is expected: the window that is looked at, and how far from it the thing may reach, as shares of its size.
WINDOW, REACH, REACH_LEAST = 0.6, 0.25, 0.02
PIECE_SHARE, PIECES_APART = 0.1, 0.2  # see `pieces` and `one_thing`
EDGE_PX, EDGE_SMOOTHING = 4, 1e-3  # guided filter
# A thing is being hidden when less than this share of its area is left. For so many frames it is waited for where it
# should be, and what is only remembered counts so much of what is seen.
HIDDEN_SHARE, WAIT_FRAMES, REMEMBERED = 0.6, 40, 0.6
STEADY = 0.7  # of the speed that a thing is believed to have, kept from one frame to the next


@dataclass(frozen=True)
class View:
    """A frame as the tracker sees it, and the flow from it to the neighbour that was seen before."""

    looks: Float[np.ndarray, "H W C"]
    """See `recognise.appearance`."""
    flow: Float[np.ndarray, "H W 2"]


def see(picture: UInt8[np.ndarray, "H W 3"], before: UInt8[np.ndarray, "H W 3"]) -> View:
    """What can be said of a frame and the one before it (or after, on the way back) without knowing the thing."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    here, there = (cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in (picture, before))
    unset: np.ndarray = None  # type: ignore[assignment] - OpenCV's way to say "make the output"
    return View(appearance(picture), search.calc(here, there, unset))


class Follower:
    """Follows a thing frame by frame from a marked one."""

    def __init__(self, mask: Float[np.ndarray, "H W"], recogniser: Recogniser, seed: int):
        self._mask, self._recogniser = mask, recogniser
        self._rng = np.random.default_rng(seed)
        self._background = Background()
        self._pieces = pieces(mask > 0.5)
        # What is remembered of the thing while something hides it: its mask, area, speed (x, y) against the background.
        self._memory, self._area, self._speed = mask, float(mask.sum()), np.zeros(2, np.float32)
        self._hidden = self._seen = 0

    def step(self, view: View) -> tuple[Float[np.ndarray, "H W"], float]:
        """The mask of the next frame, and how sure it is, 0..1."""
        flow = view.flow
        moved = move(self._mask, flow)
        camera = camera_flow(flow, moved < 0.1)
        expected = self._expect(moved, camera)
        colours = np.ascontiguousarray(view.looks[..., :3])
        light, soft = colours[..., 0] / 2 + 0.5, blur(colours, 1)
        against = self._background.against(soft, flow, camera, expected)
        mask = np.zeros_like(expected)
        size = size_px(expected)
        window = around(expected, 0.1, WINDOW * size + 8)
        if window is not None:
            here = np.ascontiguousarray(expected[window])
            odds = self._recogniser(view.looks[window], here) + against[window]
            chance = 1 / (1 + np.exp(-np.clip(odds, -12, 12)))
            chance *= blur(here, REACH * size) > REACH_LEAST
            mask[window] = np.clip(guided_filter(light[window], chance), 0, 1)
            mask *= one_thing(mask, expected, self._pieces, PIECES_APART * size)
        self._remember(mask, camera)
        # What is hidden may come out any moment: meanwhile its place is not learned as background.
        self._background.see(soft, np.maximum(mask, self._memory) if self._hidden else mask)
        self._learn(view, mask)
        self._mask = mask
        return mask, sureness(mask, moved)

    def _expect(
        self, moved: Float[np.ndarray, "H W"], camera: Float[np.ndarray, "H W 2"] | None
    ) -> Float[np.ndarray, "H W"]:
        """Where the thing should be: where the flow takes it, and, while it is hidden, where its own speed would."""
        if camera is not None:
            self._memory = move(self._memory, camera - self._speed)
        if not self._hidden:
            return moved
        unsure_px = 1 + 0.02 * self._hidden * np.sqrt(self._area)
        return np.maximum(moved, REMEMBERED * blur(self._memory, unsure_px))

    def _remember(self, mask: Float[np.ndarray, "H W"], camera: Float[np.ndarray, "H W 2"] | None) -> None:
        now = float(mask.sum())
        if now <= HIDDEN_SHARE * self._area and self._hidden <= WAIT_FRAMES:
            self._hidden += 1
            return
        if not self._hidden and camera is not None:
            still = move(self._mask, camera)
            if still.sum() > 10:
                self._speed = STEADY * self._speed + (1 - STEADY) * (centre(mask) - centre(still))
        self._area = now if self._hidden > WAIT_FRAMES else 0.9 * self._area + 0.1 * now
        self._memory, self._hidden = mask, 0

    def _learn(self, view: View, mask: Float[np.ndarray, "H W"]) -> None:
        self._seen += 1
        certain = (mask > 0.5).astype(np.float32)
        if self._seen % LEARN_EVERY or certain.sum() <= 20:
            return
        sure = np.square(2 * blur(mask, 1.5) - 1) + np.float32(0.02)
        self._recogniser.learn(samples(view.looks, certain, self._rng, views=VIEWS_LATER, sure=sure))


def sureness(mask: Float[np.ndarray, "H W"], moved: Float[np.ndarray, "H W"]) -> float:
    """How sure a step is: how decided its pixels are, times how little had to be corrected (an IoU).

    On real shots it came out close to the IoU with the truth, so it can be read as the IoU to expect.
    """
    total = float(mask.sum())
    if total < 1:
        return 0.0
    undecided = float(np.minimum(mask, 1 - mask).sum()) / total
    now, then = mask > 0.5, moved > 0.5
    kept = (now & then).sum() / max(1, (now | then).sum())
    return float(max(0.0, 1 - undecided) * kept)


def centre(mask: Float[np.ndarray, "H W"]) -> Float[np.ndarray, "2"]:
    """(x, y) of the centre of gravity."""
    moments = cv2.moments(mask)
    area = max(moments["m00"], 1e-6)
    return np.array((moments["m10"] / area, moments["m01"] / area), np.float32)


def pieces(mask: Bool[np.ndarray, "H W"]) -> int:
    """How many pieces a thing is in: those of a tenth of the largest one's area or more."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    areas = stats[1:, cv2.CC_STAT_AREA]
    return int((areas >= PIECE_SHARE * areas.max()).sum()) if count > 1 else 1


def one_thing(
    mask: Float[np.ndarray, "H W"], expected: Float[np.ndarray, "H W"], count: int, apart_px: float
) -> Bool[np.ndarray, "H W"]:
    """Where the thing can be: at the `count` pieces that are expected most, and at those close to them.

    What has leaked into the background sooner or later tears off and stays behind.
    """
    found, labels, _, _ = cv2.connectedComponentsWithStats((mask > 0.4).astype(np.uint8))
    kept = labels > 0
    if found > 2:
        weight = np.bincount(labels.ravel(), (expected * mask).ravel(), found)[1:]
        main = np.isin(labels, 1 + np.argsort(-weight, kind="stable")[:count])
        close = _distance(main) < apart_px
        kept = np.isin(labels, np.unique(labels[close & kept]))
    return _distance(kept) < 6  # its soft edge


def _distance(mask: Bool[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
    """Pixels to the nearest one of the mask."""
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3)


def guided_filter(guide: Float[np.ndarray, "H W"], field: Float[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
    """Smooth a field, but not over the edges of a picture (He et al. 2013)."""

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (2 * EDGE_PX + 1, 2 * EDGE_PX + 1), borderType=cv2.BORDER_REFLECT)

    guide_mean, field_mean = mean(guide), mean(field)
    slope = (mean(guide * field) - guide_mean * field_mean) / (
        mean(guide * guide) - guide_mean * guide_mean + EDGE_SMOOTHING
    )
    return mean(slope) * guide + mean(field_mean - slope * guide_mean)
