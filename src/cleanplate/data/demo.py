"""A clip made from nothing but a photograph: a hand-held camera, a ball that rolls by, sound, and the truth.

The photograph is one that scikit-image ships inside its wheel, so nothing is downloaded.
"""

import math
import random
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from av.audio.frame import AudioFrame
from jaxtyping import Bool, Float
from skimage import data
from torch import Tensor

from cleanplate.data.shadows import Shadow, cast_shadow, shade
from cleanplate.imaging.tensors import to_tensors

FPS = 24.0
SHADOW = Shadow(strength=0.45, shear=1.0, flattening=0.35, softness=0.05)


@dataclass(frozen=True)
class DemoClip:
    """A composed clip and what it hides."""

    frames: Float[Tensor, "T 3 H W"]
    truth: Float[Tensor, "T 3 H W"]
    """Without the object, and without its shadow."""
    mask: Bool[Tensor, "T 1 H W"]
    """The object, not grown, and without its shadow."""
    fps: float = FPS


def make_demo(seed: int = 0, *, n_frames: int = 60, size: tuple[int, int] = (192, 384)) -> DemoClip:
    """Film a photograph with a virtual hand-held camera while a ball rolls by, with a shadow on the table.

    Args:
        seed: of the camera's shake.
        n_frames: length of the clip.
        size: (height, width) of the frames.
    """
    photograph = data.coffee()
    rng = random.Random(seed)
    phases = [rng.uniform(0, 2 * math.pi) for _ in range(8)]
    truth, balls, mask = [], [], []
    for index in range(n_frames):
        time = index / max(n_frames - 1, 1)
        view = _camera(time, index / FPS, photograph.shape[:2], size, phases)
        picture = cv2.warpAffine(photograph, view, size[::-1], flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT)
        # Evening falls: exposure drifts by a tenth over the clip, as an automatic camera's does.
        picture = np.clip(picture * (1 - 0.1 * time), 0, 255).astype(np.uint8)
        ball, cover = _ball(time, index, size)
        truth.append(picture)
        balls.append(ball)
        mask.append(cover)
    covers, ground = np.stack(mask), to_tensors(np.stack(truth))
    density = torch.from_numpy(cast_shadow(covers, SHADOW)).unsqueeze(1)
    hidden = torch.from_numpy(covers).unsqueeze(1)
    shaded = (shade(ground, density) * 255).round() / 255
    return DemoClip(torch.where(hidden, to_tensors(np.stack(balls)), shaded), ground, hidden)


def _camera(
    time: float, seconds: float, photograph: tuple[int, int], size: tuple[int, int], phases: list[float]
) -> np.ndarray:
    """The affine map from the photograph to the frame: a slow pan and zoom, with the tremor of a hand."""
    height, width = photograph

    def tremor(px: float, k: int) -> float:
        slow, fast = (
            math.sin(2 * math.pi * 0.7 * seconds + phases[k]),
            math.sin(2 * math.pi * 2.3 * seconds + phases[k + 4]),
        )
        return px * (0.7 * slow + 0.3 * fast)

    zoom = (0.92 + 0.06 * time) * size[1] / (0.8 * width)
    angle_deg = -1.5 + 3 * time + tremor(0.4, 0)
    centre = width * (0.45 + 0.1 * time) + tremor(3, 1), height * 0.5 + tremor(3, 2)
    view = cv2.getRotationMatrix2D(centre, angle_deg, zoom)
    view[:, 2] += np.array(size[::-1]) / 2 - np.array(centre)
    return view


def _ball(time: float, index: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A striped ball that rolls from left to right, and the pixels it covers."""
    height, width = size
    radius = 0.2 * height
    x, y = width * (0.08 + 0.84 * time), height * 0.62 - abs(math.sin(3 * math.pi * time)) * 0.12 * height
    rows, columns = np.mgrid[:height, :width]
    dx, dy = (columns - x) / radius, (rows - y) / radius
    distance = np.hypot(dx, dy)
    stripe = np.floor((np.arctan2(dy, dx) + index / 6) / (math.pi / 3)).astype(int) % 2
    shade = np.clip(1.1 - 0.6 * np.hypot(dx + 0.35, dy + 0.35), 0.2, 1)[..., None]
    colour = np.where(stripe[..., None] == 0, np.array([214, 64, 48]), np.array([244, 240, 226]))
    return (colour * shade).astype(np.uint8), distance <= 1


def write_tone(path: Path, seconds: float, *, rate_hz: int = 48000) -> None:
    """A soft tone that swells and falls, as AAC."""
    time = np.arange(int(seconds * rate_hz)) / rate_hz
    wave = 0.1 * np.sin(2 * np.pi * 220 * time) * np.sin(np.pi * time / seconds) ** 2
    frame = AudioFrame.from_ndarray(wave[None].astype(np.float32), format="fltp", layout="mono")
    frame.sample_rate, frame.pts = rate_hz, 0
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=rate_hz, layout="mono")
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
