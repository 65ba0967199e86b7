"""What the generator is trained on: windows of composed clips, with the holes of others, made as training goes.

Of a clip only its truth is shown, which is known everywhere; its masks lend their shapes to holes in other clips. A
window is cut out and made smaller, flipped, played backwards or faster, and moved on by a little every frame; a hole is
enlarged or made smaller, flipped, put anywhere and moved too. What is drawn in a step hangs on the seed and the number
of the step alone, so a run that goes on draws what it would have drawn.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from cleanplate.imaging.dis import quick_dis
from cleanplate.imaging.warp import consistent

STRIDES = (1, 1, 2)
MOST_SMALLER = 4.0
# Of the window, in pixels of what is trained on, each frame, each way.
MOST_DRIFT_PX = 3.0
HOLE_SHARE = 0.03, 0.25
MOST_GROWN_PX = 4
GAIN, SHIFT = 0.2, 0.08
TRIES = 20


@dataclass(frozen=True)
class Footage:
    """A clip to train on."""

    name: str
    truth: UInt8[np.ndarray, "T H W 3"]
    mask: Bool[np.ndarray, "T H W"]
    """Its object's, whose shapes are those of holes."""


@dataclass(frozen=True)
class Sample:
    """Windows of B clips with holes."""

    truth: Float[Tensor, "B T 3 H W"]
    hole: Bool[Tensor, "B T 1 H W"]
    flow: Float[Tensor, "B T 2 H W"]
    """Of the truth, from each frame to the one before it, in pixels; 0 in the first."""
    valid: Bool[Tensor, "B T 1 H W"]
    """Where that flow is the same there and back; nowhere in the first."""


def draw(footage: Sequence[Footage], step: int, *, seed: int, size: tuple[int, int], batch: int, frames: int) -> Sample:
    """The sample of a step.

    Args:
        footage: clips, each as large as `size` at least and as long as `frames`; some mask marks something.
        step: its number.
        seed: of all steps.
        size: (height, width).
        batch: B.
        frames: T.
    """
    truths, holes, flows, valids = [], [], [], []
    for number in range(batch):
        rng = random.Random(f"{seed} {step} {number}")
        truth = _window(rng.choice(footage).truth, rng, size, frames)
        holes.append(torch.from_numpy(_hole(footage, rng, size, frames)).unsqueeze(1))
        flow, valid = _motion(truth)
        flows.append(flow)
        valids.append(valid)
        gain, shift = 1 + rng.uniform(-GAIN, GAIN), rng.uniform(-SHIFT, SHIFT)
        picture = torch.from_numpy(truth).permute(0, 3, 1, 2).float() / 255
        truths.append((picture * gain + shift).clamp(0, 1))
    return Sample(*(torch.stack(parts) for parts in (truths, holes, flows, valids)))


def _window(
    truth: UInt8[np.ndarray, "T H W 3"], rng: random.Random, size: tuple[int, int], frames: int
) -> UInt8[np.ndarray, "t h w 3"]:
    """Successive frames, cut out of a clip along a straight way."""
    indices = _indices(len(truth), rng, frames)
    (height, width), (h, w) = truth.shape[1:3], size
    most = min(height / h, width / w, MOST_SMALLER)
    smaller = math.exp(rng.uniform(0, math.log(most)))
    cut = (min(height, round(h * smaller)), min(width, round(w * smaller)))
    flipped = rng.random() < 0.5
    ways = []
    for whole, part in zip((height, width), cut, strict=True):
        room, way = whole - part, rng.uniform(-MOST_DRIFT_PX, MOST_DRIFT_PX) * smaller * (frames - 1)
        way = min(max(way, -room), room)
        start = rng.uniform(max(0.0, -way), room - max(0.0, way))
        ways.append([round(start + way * number / max(1, frames - 1)) for number in range(frames)])
    out = np.empty((frames, h, w, 3), np.uint8)
    for number, (index, top, left) in enumerate(zip(indices, *ways, strict=True)):
        picture = truth[index, top : top + cut[0], left : left + cut[1]]
        picture = cv2.resize(picture, (w, h), interpolation=cv2.INTER_AREA)
        out[number] = picture[:, ::-1] if flipped else picture
    return out


def _indices(count: int, rng: random.Random, frames: int) -> list[int]:
    """Of successive frames, forwards or backwards."""
    stride = rng.choice([stride for stride in STRIDES if (frames - 1) * stride < count])
    first = rng.randrange(count - (frames - 1) * stride)
    indices = [first + number * stride for number in range(frames)]
    return indices[::-1] if rng.random() < 0.5 else indices


def _hole(
    footage: Sequence[Footage], rng: random.Random, size: tuple[int, int], frames: int
) -> Bool[np.ndarray, "t h w"]:
    """The shape of some object over time, in some size and place; there is a hole in the last frame."""
    for _ in range(TRIES):
        mask = rng.choice(footage).mask
        shapes = [mask[index] for index in _indices(len(mask), rng, frames)]
        rows, columns = np.nonzero(shapes[0])
        if not len(rows):
            continue
        share = rng.uniform(*HOLE_SHARE)
        larger = math.sqrt(share * size[0] * size[1] / len(rows))
        middle = np.array([columns.mean(), rows.mean()])
        place = np.array([rng.uniform(0.1, 0.9) * size[1], rng.uniform(0.1, 0.9) * size[0]])
        drift = np.array([rng.uniform(-MOST_DRIFT_PX, MOST_DRIFT_PX) for _ in range(2)])
        across = -larger if rng.random() < 0.5 else larger
        grown_px = rng.randint(0, MOST_GROWN_PX)
        around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * grown_px + 1, 2 * grown_px + 1))
        out = np.zeros((frames, *size), bool)
        for number, shape in enumerate(shapes):
            move = place + drift * number - np.array([across, larger]) * middle
            map_ = np.array([[across, 0, move[0]], [0, larger, move[1]]])
            moved = cv2.warpAffine(shape.astype(np.uint8), map_, size[::-1], flags=cv2.INTER_NEAREST)
            out[number] = cv2.dilate(moved, around) > 0
        if out[-1].any() and not out[-1].all():
            return out
    out = np.zeros((frames, *size), bool)  # objects that leave the picture: a box instead
    out[:, size[0] // 3 : 2 * size[0] // 3, size[1] // 3 : 2 * size[1] // 3] = True
    return out


def _motion(truth: UInt8[np.ndarray, "T H W 3"]) -> tuple[Float[Tensor, "T 2 H W"], Bool[Tensor, "T 1 H W"]]:
    """Of every frame to the one before it, and where it can be believed."""
    greys = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in truth]
    flow, back = torch.zeros(2, len(truth), 2, *truth.shape[1:3])
    for index in range(1, len(greys)):
        both = quick_dis(greys[index], greys[index - 1])
        flow[index], back[index] = (torch.from_numpy(one).permute(2, 0, 1) for one in both)
    valid = consistent(flow, back)
    valid[0] = False
    return flow, valid
