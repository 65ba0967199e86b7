"""Shadows for composed clips: an object's mask, laid flat on the ground from its foot and darkened into a picture.

A shadow is drawn once for a clip, as one light falls on all its frames. A pixel (x, y) of the mask is h = foot - y
above the object's foot. Its shadow lies at (x + shear h, foot - flattening h), behind the object, and is blurred by
softness h: a penumbra is the wider, the farther from the ground its caster is.
"""

import random
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from cleanplate.errors import InputError

TINT = (1.0, 0.96, 0.88)
"""Of the density, what red, green and blue lose: the sky still shines into a shadow, so it is slightly blue."""
LEVELS = 5  # of blur, between which a row of the shadow is interpolated


@dataclass(frozen=True)
class Shadow:
    """How the shadow of a clip's object is cast."""

    strength: float
    """Density where nothing of the light arrives: colour is multiplied by about one less this."""
    shear: float
    """Pixels to the right for every pixel of height above the foot; below 0 to the left."""
    flattening: float
    """Pixels upwards in the picture for every pixel of height."""
    softness: float
    """Blur (sigma) of the penumbra, in pixels for every pixel of height."""

    def __post_init__(self) -> None:
        for name, good, needed in (
            ("strength", 0 <= self.strength <= 1, "0 to 1"),
            ("shear", abs(self.shear) <= 10, "-10 to 10"),
            ("flattening", 0 < self.flattening <= 1, "a number above 0, 1 at most,"),
            ("softness", 0 <= self.softness <= 1, "0 to 1"),
        ):
            if not good:
                given = f"the {name} of a shadow is {getattr(self, name)}"
                raise InputError(given, f"{needed} is needed", "give that, or draw a shadow")


def draw_shadow(rng: random.Random) -> Shadow:
    """A shadow to the left or right at random, with a strength between 0.35 and 0.65."""
    return Shadow(
        strength=rng.uniform(0.35, 0.65),
        shear=rng.choice((-1, 1)) * rng.uniform(0.6, 1.2),
        flattening=rng.uniform(0.2, 0.4),
        softness=rng.uniform(0.02, 0.05),
    )


def cast_shadow(mask: Bool[np.ndarray, "T H W"], shadow: Shadow) -> Float32[np.ndarray, "T H W"]:
    """The density of the shadow on every frame, in 0..1: 0 is full light, also where there is no object.

    The object covers a part of it. Its foot is found in each frame, so that the shadow hangs together with it there.
    """
    return np.stack([_cast(one, shadow) for one in mask])


def _cast(mask: Bool[np.ndarray, "H W"], shadow: Shadow) -> Float32[np.ndarray, "H W"]:
    if not mask.any():
        return np.zeros(mask.shape, np.float32)
    foot = _foot(mask)
    laid = np.array([[1, -shadow.shear, shadow.shear * foot], [0, shadow.flattening, (1 - shadow.flattening) * foot]])
    standing = mask & (np.arange(len(mask)) <= foot)[:, None]
    umbra = cv2.warpAffine(standing.astype(np.float32), laid, mask.shape[::-1], flags=cv2.INTER_LINEAR)
    highest_px = foot - np.flatnonzero(mask.any(axis=1))[0]
    sigmas_px = np.linspace(0, shadow.softness * highest_px, LEVELS)
    blurred = np.stack([_blurred(umbra, sigma, shadow.flattening) for sigma in sigmas_px])  # (LEVELS, H, W)
    height_px = np.clip((foot - np.arange(len(mask))) / shadow.flattening, 0, highest_px)  # of what casts each row
    level = height_px / max(highest_px, 1) * (LEVELS - 1)
    weights = np.clip(1 - abs(level - np.arange(LEVELS)[:, None]), 0, 1)  # (LEVELS, H)
    return (shadow.strength * (weights[..., None] * blurred).sum(axis=0)).clip(0, 1).astype(np.float32)


def _foot(mask: Bool[np.ndarray, "H W"]) -> int:
    """The lowest row of the largest part: specks below it are nothing to stand on, and cast no shadow."""
    return int(np.flatnonzero(largest_part(mask).any(axis=1))[-1])


def _blurred(umbra: Float[np.ndarray, "H W"], sigma_px: float, flattening: float) -> Float[np.ndarray, "H W"]:
    """What is laid flat is blurred flat."""
    return cv2.GaussianBlur(umbra, (0, 0), sigma_px, sigmaY=sigma_px * flattening) if sigma_px > 0 else umbra


def largest_part(mask: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """The largest connected part of a mask that has some; diagonal neighbours are connected."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())


def shade(frames: Float[Tensor, "T 3 H W"], density: Float[Tensor, "T 1 H W"]) -> Float[Tensor, "T 3 H W"]:
    """Frames in a shadow: each colour is multiplied by one less its share (TINT) of the density.

    The code values are multiplied, not the light they stand for. With a gamma g, which 8-bit video has about 2.2 of, a
    density d takes 1 - (1 - d)^g of the light away; so a factor of light is a factor of code values too.
    """
    return frames * (1 - density * torch.tensor(TINT).view(3, 1, 1))
