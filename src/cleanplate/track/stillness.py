"""What stands still in the picture while the shot moves: running statistics, the same memory whatever the length.

At every pixel, of the gradient g of a grey picture: m = mean(g), e = mean(|g|^2), and R = |m|^2 / e. R is 1 where g is
the same in all frames, as at the edges of a logo, and about 1 / n where n different edges have passed by. An edge that
keeps its direction but sways by a pixel (a thing that the camera follows) has an R well below 1 too.

R is high as well where the scene hardly moves, as in the middle of a zoom. So two frames some apart are compared in two
ways: g of one with g of the other at the same pixel, and at where the camera's motion has taken it. The first differ
less (`stay`) than the second (`move`) only on what stands still.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from cleanplate.imaging.dis import LEAST_SIZE, dis
from cleanplate.track.background import camera_flow
from cleanplate.track.fields import warp

# Added to e: what is fainter than this (squared levels per pixel) has no direction.
FAINT = 4.0
# More than this (squared levels per pixel) counts as this where regions are judged.
CAP = np.float32(400)
# Cells the picture's height is divided into; one has texture from this e on, and moves below this R.
CELLS, MIN_ENERGY, MAX_MOVING_R = 12, 6.0, 0.45
MIN_MOVING_SHARE, MIN_MOVING_CELLS = 0.6, 6


def gradient(
    grey: UInt8[np.ndarray, "H W"] | Float32[np.ndarray, "H W"],
) -> tuple[Float32[np.ndarray, "H W"], Float32[np.ndarray, "H W"]]:
    """To the right and down, levels per pixel (Sobel)."""
    right = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8, borderType=cv2.BORDER_REPLICATE)
    return right, cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8, borderType=cv2.BORDER_REPLICATE)


class Sums:
    """Sums over frames at every pixel; those of parts of a shot are added to give those of the whole."""

    def __init__(self, size: tuple[int, int], *, light: bool = True):
        self.count = 0
        self._sums = np.zeros((5 if light else 3, *size), np.float32)  # g to the right and down, |g|^2, grey, grey^2
        self._differences = np.zeros((2, *(size if light else (0, 0))), np.float32)  # stay, move

    def add(self, grey: UInt8[np.ndarray, "H W"]) -> None:
        """Count a frame."""
        right, down = gradient(grey)
        parts = [right, down, right * right + down * down]
        if len(self._sums) == 5:
            level = grey.astype(np.float32)
            parts += [level, level * level]
        for total, part in zip(self._sums, parts, strict=True):
            total += part
        self.count += 1

    def compare(self, first: UInt8[np.ndarray, "H W"], last: UInt8[np.ndarray, "H W"]) -> None:
        """Count how much two of the frames differ, at the same pixels and along the motion of the camera."""
        if min(first.shape) < LEAST_SIZE:
            return
        motion = camera_flow(dis(last, first), np.ones(first.shape, bool))
        if motion is None:
            return
        here, same, moved = (gradient(one) for one in (last, first, warp(first.astype(np.float32), motion)))
        for total, there in zip(self._differences, (same, moved), strict=True):
            total += (here[0] - there[0]) ** 2 + (here[1] - there[1]) ** 2

    def __add__(self, other: "Sums") -> "Sums":
        both = Sums.__new__(Sums)
        both.count, both._sums = self.count + other.count, self._sums + other._sums
        both._differences = self._differences + other._differences
        return both

    def still(self) -> "Still":
        """What they say."""
        right, down, energy, *light = self._sums / np.float32(self.count)
        squared = right * right + down * down
        spread = np.sqrt(np.maximum(0, light[1] - light[0] * light[0])) if light else np.zeros_like(energy)
        steadiness = squared / (energy + np.float32(FAINT))
        return Still(self.count, right, down, np.sqrt(squared), steadiness, energy, spread, *self._differences)


@dataclass(frozen=True)
class Still:
    """How much every pixel stands still in n frames."""

    count: int
    right: Float32[np.ndarray, "H W"]
    down: Float32[np.ndarray, "H W"]
    """m, levels per pixel."""
    strength: Float32[np.ndarray, "H W"]
    """|m|."""
    steadiness: Float32[np.ndarray, "H W"]
    """R, 0..1."""
    energy: Float32[np.ndarray, "H W"]
    """e."""
    spread: Float32[np.ndarray, "H W"]
    """Standard deviation of the light over time, levels."""
    stay: Float32[np.ndarray, "H2 W2"]
    move: Float32[np.ndarray, "H2 W2"]
    """How much compared frames differ at the same pixels, and along the camera's motion: squared levels per pixel."""

    @property
    def capped(self) -> tuple[Float32[np.ndarray, "H W"], Float32[np.ndarray, "H W"]]:
        """|m|^2 and e, as if what stands out were weaker: an overlay must not speak for what is behind it."""
        return np.minimum(self.strength**2, CAP), np.minimum(self.energy, CAP)

    def cells(self) -> tuple[Bool[np.ndarray, "r c"], Bool[np.ndarray, "r c"]]:
        """In a grid of squares: which have texture, and in which of them it moves."""
        height, width = self.energy.shape
        grid = max(1, round(CELLS * width / height)), CELLS
        squared, energy = (cv2.resize(one, grid, interpolation=cv2.INTER_AREA) for one in self.capped)
        textured = energy > MIN_ENERGY
        return textured, textured & (squared < MAX_MOVING_R * energy)

    def scene(self) -> float:
        """The R that a tenth of what is in the moving part of the picture is above."""
        _, moving = self.cells()
        there = cv2.resize(moving.astype(np.uint8), self.energy.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
        values = self.steadiness[there & (self.energy > MIN_ENERGY)]
        return float(np.quantile(values, 0.9)) if len(values) else 1.0

    def isotropy(self, where: Bool[np.ndarray, "H W"]) -> float:
        """0..1: 0 where all edges have one direction, as those have along which the picture moves; 1 for a disc's."""
        right, down = self.right[where].astype(np.float64), self.down[where].astype(np.float64)
        tensor = np.array([[right @ right, right @ down], [right @ down, down @ down]])
        least, most = np.linalg.eigvalsh(tensor)
        return float(least / max(most, 1e-9))

    def around(self, ring_px: tuple[int, int]) -> Float32[np.ndarray, "H W"]:
        """R of what is between so many and so many pixels from every pixel, taken together."""
        y, x = np.mgrid[-ring_px[1] : ring_px[1] + 1, -ring_px[1] : ring_px[1] + 1]
        ring = ((np.hypot(x, y) >= ring_px[0]) & (np.hypot(x, y) <= ring_px[1])).astype(np.float32)
        squared, energy = (cv2.filter2D(one, -1, ring) for one in self.capped)
        return squared / (energy + np.float32(FAINT) * ring.sum())

    def stays(self, where: Bool[np.ndarray, "H W"]) -> float:
        """How many times more it differs along the camera's motion than at the same pixels; 1 says nothing."""
        stay, move = float(self.stay[where].sum()), float(self.move[where].sum())
        return (move + 1) / (stay + 1)

    def moves(self) -> bool:
        """Whether so much of the picture moves that what does not can be told apart."""
        textured, moving = self.cells()
        return bool(moving.sum() >= max(MIN_MOVING_CELLS, MIN_MOVING_SHARE * textured.sum()))
