"""How much what a frame shows contradicts what other frames show of the same places.

Two kinds are told apart. *Foreign*: other colours than the place has anywhere near, a part of a thing. *Dark*: the
same texture with less light, by a ratio that is smooth and nearly the same in all colours, a shadow (a little bluer
under a blue sky: Finlayson et al. 2006).

Nothing is judged by fixed thresholds alone: what is far from the hole tells how much the two differ where nothing is
wrong. A contradiction that a short shift takes away is parallax, and none.
"""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from cleanplate.carry.consensus import Consensus
from cleanplate.carry.light import DARK_LEVELS, LIGHT_SIGMA_PX, LOGS, Map, dark_of, light_of, mean_of
from cleanplate.imaging.slow import slow

# The edge of a shadow is looked for in means under a Gaussian of this sigma, in pixels.
EDGE_SIGMA_PX = 0.8
# So far from the hole, in pixels, what differs is noise; that many pixels say how much.
FAR_PX, LEAST_FAR = 15, 100
# Deviations of noise that are none; the least noise there is, in levels, and in the logarithm of light.
NOISE_TIMES, LEAST_NOISE, LEAST_LIGHT_NOISE = 3.0, 1.0, 0.005
# What is beside the hole, as a share of the frame's height.
BESIDE = 0.06
# So much of other colours, when the light is given back, is no texture of the ground.
OTHER_TEXTURE = 0.6
# The upper quartile of what others show is brighter than the frame by chance, too: by so many times what nine tenths of
# what is far from the hole are.
BRIGHTER_TIMES, BRIGHTER_SHARE, USUAL_DARK = 1.5, 0.9, 0.045
# Flow explains a flat shadow by dark ground beside it: so much of the missing light is believed whatever it says.
UNEXPLAINED = 0.5
# Deviations of noise by which what others show of a place may spread.
SPREAD_TIMES = 6.0
# Of parallax, as a share of the frame's height.
PARALLAX = 0.03
# Flow between frames and consensus sees textures under this sigma, in pixels, not light.
TEXTURE_SIGMA_PX = 6.0


@dataclass(frozen=True)
class Evidence:
    """Of a frame, in the box of its consensus."""

    asked: Bool[np.ndarray, "h w"]
    """It is known, and so is what other frames show of it."""
    sure: Bool[np.ndarray, "h w"]
    """More than one of them shows it."""
    foreign: Map
    """How far beyond the colours around the place, 1 is as much as noise may be; what a shift explains is 0."""
    dark: Map
    """Logarithm of the light that is missing; 0 where it is not the same in all colours, or a shift explains it."""
    foreign_unmoved: Map
    """The same, had nothing been explained by a shift."""
    dark_unmoved: Map
    """The same."""
    light: Float32[np.ndarray, "h w 3"]
    """Logarithm of the ratio of the light, smooth, by colour."""
    sharp: Map
    """Logarithm of the light that is missing, hardly smoothed: it tells where an edge is."""
    light_noise: float
    """Standard deviation of it where nothing is wrong."""
    noise: float
    """Of the colours, in levels."""

    @cached_property
    def foreign_around(self) -> Map:
        """`foreign`, the mean of what is around."""
        return _around(self.foreign)

    @cached_property
    def foreign_unmoved_around(self) -> Map:
        """The same."""
        return _around(self.foreign_unmoved)


def _around(foreign: Map) -> Map:
    return cv2.GaussianBlur(np.minimum(foreign, 3), (0, 0), 1.0)


def evidence(seen: Consensus, height: int, *, of_hole: bool = False, brighter_too: bool = False) -> Evidence:
    """What contradicts in a frame.

    Args:
        seen: what others show.
        height: of the small frame.
        of_hole: whether what its hole was filled with is asked, instead of what is known around it.
        brighter_too: whether light that is too much counts as light that is missing.
    """
    asked = (seen.count > 0) & ((seen.distance == 0) if of_hole else (seen.distance > 0))
    far = (seen.count > 0) & (seen.distance > FAR_PX)
    enough = int(far.sum()) >= LEAST_FAR
    differs = cv2.absdiff(seen.shown, seen.picture)
    noise = max(LEAST_NOISE, MAD * float(np.median(differs[far]))) if enough else NOISE_TIMES
    tolerance = NOISE_TIMES * noise + cv2.subtract(seen.high, seen.low).astype(np.float32)
    # Where the others disagree among themselves, the motion that leads to them is not to be believed.
    spread = cv2.GaussianBlur(mean_of(cv2.subtract(seen.high, seen.low).astype(np.float32)), (0, 0), LIGHT_SIGMA_PX)
    agreed = spread <= SPREAD_TIMES * noise
    light = light_of(seen.shown, seen.picture, asked)
    around = light_of(seen.shown, seen.picture, far) if of_hole else light
    light_noise = max(LEAST_LIGHT_NOISE, MAD * float(np.median(np.abs(mean_of(around)[far])))) if enough else 0.05
    # Beside the hole it is the thing itself that they disagree about; in it, they are told apart like everywhere else.
    beside = (seen.distance > 0) & (seen.distance <= BESIDE * height)
    trusted = asked & (agreed | beside)
    foreign = foreign_of(seen.shown, seen.picture, tolerance, trusted)
    dark = dark_of(light, trusted if of_hole else asked, seen.picture)
    # A shadow keeps the texture underneath.
    lit = np.clip((seen.picture + DARK_LEVELS) * np.exp(light) - DARK_LEVELS, 0, 255).astype(np.uint8)
    other = cv2.GaussianBlur(foreign_of(seen.shown, lit, tolerance, asked), (0, 0), LIGHT_SIGMA_PX)
    if of_hole:  # what was carried may be lit, and the others lie in the thing's shadow, if most hide the place
        lighter = (dark_of(-light, asked, seen.shown) > 0) & (other < OTHER_TEXTURE)
        lighter &= seen.count <= len(seen.gains) / 2
        foreign = np.where(lighter, np.float32(0), foreign)
    else:
        dark = np.where(other < OTHER_TEXTURE, dark, np.float32(0))
        # Where the place lies in the shadow most of the time, the few that show it lit are right.
        brighter = dark_of(light_of(seen.shown, seen.high, asked), asked, seen.high)
        chance = float(np.quantile(brighter[far], BRIGHTER_SHARE)) / USUAL_DARK if enough else BRIGHTER_TIMES
        brighter /= max(1.0, BRIGHTER_TIMES * chance)
        dark = np.maximum(dark, np.where(other < OTHER_TEXTURE, brighter, np.float32(0)))
        if brighter_too:
            dark = np.maximum(dark, np.where(other < OTHER_TEXTURE, dark_of(-light, asked, seen.shown), np.float32(0)))
    if of_hole:
        return Evidence(
            asked, asked & (seen.count > 1), foreign, dark, foreign, dark, light, -mean_of(light), light_noise, noise
        )
    moved = _moved(seen, PARALLAX * height)
    foreign_moved = foreign_of(seen.shown, moved, tolerance, trusted)
    dark_moved = np.maximum(dark_of(light_of(seen.shown, moved, asked), asked, moved), UNEXPLAINED * dark)
    return Evidence(
        asked,
        asked & (seen.count > 1),
        np.minimum(foreign, foreign_moved),
        np.minimum(dark, dark_moved),
        foreign,
        dark,
        light,
        -mean_of(light_of(seen.shown, seen.picture, asked, EDGE_SIGMA_PX)),
        light_noise,
        noise,
    )


MAD = 1.4826  # of normal noise, the standard deviation in median absolute deviations


def foreign_of(shown: np.ndarray, picture: np.ndarray, tolerance: np.ndarray, asked: np.ndarray) -> Map:
    """How far outside the colours within a pixel of the place."""
    around = np.ones((3, 3), np.uint8)
    below = cv2.subtract(cv2.erode(picture, around), shown)
    above = cv2.subtract(shown, cv2.dilate(picture, around))
    beyond = cv2.max(below, above).astype(np.float32) / tolerance
    return np.where(asked, _largest(beyond), np.float32(0))


def _largest(picture: Float32[np.ndarray, "h w 3"]) -> Map:
    """Of the three colours; several times faster than numpy's maximum along an axis."""
    one, two, three = cv2.split(picture)
    return cv2.max(cv2.max(one, two), three)


def _moved(seen: Consensus, most_px: float) -> UInt8[np.ndarray, "h w 3"]:
    """The consensus, shifted to fit what is shown by as much as parallax may be."""
    picture = np.where((seen.count > 0)[..., None], seen.picture, seen.shown)
    flow = aside(texture_of(seen.shown), texture_of(picture), most_px)
    y, x = np.indices(flow.shape[:2], np.float32)
    return cv2.remap(picture, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def aside(
    shown: UInt8[np.ndarray, "h w"], picture: UInt8[np.ndarray, "h w"], most_px: float
) -> Float32[np.ndarray, "h w 2"]:
    """From the texture of what is shown to where that of another picture is the same, by so many pixels at most."""
    if min(picture.shape) < LEAST_FLOW_PX:
        return np.zeros((*picture.shape, 2), np.float32)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setVariationalRefinementIterations(0)
    search.setFinestScale(1)
    unset: np.ndarray = None  # type: ignore[assignment] - OpenCV's way to say "make the output"
    flow = search.calc(shown, picture, unset)
    length = np.hypot(flow[..., 0], flow[..., 1])
    return flow * np.minimum(1, most_px / np.maximum(length, 1e-6))[..., None]


LEAST_FLOW_PX = 16


def texture_of(picture: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w"]:
    """A picture without its light: what is dark because of a shadow must not be taken for something else."""
    light = cv2.LUT(np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8), LOGS)
    return cv2.addWeighted(light, 160, slow(light, TEXTURE_SIGMA_PX), -160, 128, dtype=cv2.CV_8U)
