"""The generator: a frame from the last frames and from what was made of them.

Video-to-Video Synthesis makes a video of labels. Each frame is a mixture (their Eq. 4):

    made = (1 - m) * warp(previous, w) + m * h

with w the flow from the frame to the one before it, previous what was made of that, h a hallucinated picture, and m a
soft mask, 0 where the previous frame shows what is to be seen. Here the labels are frames with a hole and its mask, and
outside the hole the frame itself is the result. As theirs it looks at no later frame.

Two things are not theirs, and make of days of training hours. What is hidden is painted over smoothly before anything
looks at it, and h is that with something added. And the network is told how well each place of the frame fits each
place near it in the previous result (the correlation of FlowNet, Dosovitskiy et al. 2015), to learn flow from.

Letters: B clips at once, N frames of a window (a frame and those before it). Flow is in pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cleanplate.imaging.smooth import paint
from cleanplate.imaging.warp import warp

LEAKY_SLOPE = 0.2
FLOW_UNIT_PX = 8.0  # of what the motion branch gives: values around 1 are motions as they are at 192x96
MIDDLE = 0.5  # of 0..1, which the network sees as 0
# Places are squares of 4 x 4 pixels, described by so many numbers, and compared up to so many of them away.
PLACE_PX, DESCRIBED_BY, REACH = 4, 24, 4


@dataclass(frozen=True)
class Generated:
    """What the generator makes of a frame of each clip, and of what."""

    made: Float[Tensor, "B 3 H W"]
    """The mixture, everywhere."""
    hallucinated: Float[Tensor, "B 3 H W"]
    """Of the picture branch."""
    flow: Float[Tensor, "B 2 H W"]
    """To the previous frame."""
    mask: Float[Tensor, "B 1 H W"]
    """The share of the hallucinated in the mixture; 1 in a first frame."""


class Generator(nn.Module):
    """Two encoders, of frames and of results, whose features are added; two decoders of these, of picture and motion.

    What goes in is cut into squares of 2 x 2 pixels, so that the finest level has half the frame's size.

    Args:
        channels: of the levels, from the finest to the coarsest, each half as large as the one before.
        window: N; theirs is 3.
        generator: of the initial parameters.
    """

    def __init__(self, channels: Sequence[int], window: int, *, generator: torch.Generator | None = None):
        super().__init__()
        self.window, self.cell_px = window, 2 ** len(channels)
        self.of_frames = _Encoder(4 * window, channels)
        self.of_results = _Encoder(4 * (window - 1), channels)
        self.describe = nn.Sequential(_block(4 * PLACE_PX**2, 32), nn.Conv2d(32, DESCRIBED_BY, 3, padding=1))
        self.of_fits = nn.Conv2d((2 * REACH + 1) ** 2, channels[1], 3, padding=1)
        self.picture = _Decoder(channels, 3 * 4)
        self.motion = _Decoder(channels, 3)
        _initialise(self, generator)

    def forward(
        self,
        frames: Float[Tensor, "B N 3 H W"],
        hole: Bool[Tensor, "B N 1 H W"],
        results: Float[Tensor, "B M 3 H W"],
        there: Bool[Tensor, " M"],
    ) -> Generated:
        """Make the last frame of each window.

        Args:
            frames: in order, painted over where they are hidden.
            hole: what is hidden.
            results: of the M = N - 1 frames before the last.
            there: whether these are frames at all: before the first there are none.
        """
        height, width = frames.shape[3:]
        is_there = there.to(frames.dtype).view(1, -1, 1, 1, 1).expand(len(frames), -1, 1, height, width)
        shown = torch.cat((frames - MIDDLE, (~hole).to(frames.dtype)), 2)
        shown = torch.cat((shown[:, :-1] * is_there, shown[:, -1:]), 1)
        made_before = torch.cat(((results - MIDDLE) * is_there, is_there), 2)
        shown, made_before = self._padded(shown), self._padded(made_before)
        fits = self.of_fits(fit(*(self.describe(F.pixel_unshuffle(x[:, -1], PLACE_PX)) for x in (shown, made_before))))
        pairs = zip(self.of_frames(_cut(shown)), self.of_results(_cut(made_before), fits), strict=True)
        added = [of_frames + of_results for of_frames, of_results in pairs]
        hallucinated = frames[:, -1] + F.pixel_shuffle(self.picture(added), 2)[..., :height, :width].float()
        motion = F.interpolate(self.motion(added).float(), scale_factor=2, mode="bilinear")[..., :height, :width]
        flow, mask = motion[:, :2] * FLOW_UNIT_PX, motion[:, 2:].sigmoid()
        if not there[-1]:
            return Generated(hallucinated, hallucinated, flow, torch.ones_like(mask))
        return Generated((1 - mask) * warp(results[:, -1], flow) + mask * hallucinated, hallucinated, flow, mask)

    def _padded(self, x: Float[Tensor, "B n c H W"]) -> Float[Tensor, "B n c h w"]:
        """In a size that all levels halve evenly."""
        edge = (0, -x.shape[4] % self.cell_px, 0, -x.shape[3] % self.cell_px)
        return F.pad(x.flatten(1, 2), edge, mode="replicate").unflatten(1, x.shape[1:3])


def _cut(x: Float[Tensor, "B n c H W"]) -> Float[Tensor, "B _ h w"]:
    """Squares of 2 x 2 pixels as channels."""
    return F.pixel_unshuffle(x.flatten(1, 2), 2).contiguous(memory_format=torch.channels_last)


def fit(here: Float[Tensor, "B C h w"], there: Float[Tensor, "B C h w"]) -> Float[Tensor, "B D h w"]:
    """How well each place fits those around it in the other picture: cosines, row by row of D = 81 of them.

    Beyond the picture nothing fits, 0.
    """
    here, there = F.normalize(here.float()), F.pad(F.normalize(there.float()), (REACH,) * 4)
    height, width = here.shape[2:]
    shifts = [(row, column) for row in range(2 * REACH + 1) for column in range(2 * REACH + 1)]
    return torch.stack([(here * there[..., r : r + height, c : c + width]).sum(1) for r, c in shifts], 1)


def painted_over(frames: Float[Tensor, "B T 3 H W"], hole: Bool[Tensor, "B T 1 H W"]) -> Float[Tensor, "B T 3 H W"]:
    """The frames as the generator takes them: what is hidden is never seen."""
    seen = torch.where(hole, 0.0, frames).flatten(0, 1)
    return paint(seen, hole.flatten(0, 1)).unflatten(0, frames.shape[:2])


def next_frame(
    generator: Generator,
    frames: Float[Tensor, "B T 3 H W"],
    hole: Bool[Tensor, "B T 1 H W"],
    results: Sequence[Float[Tensor, "B 3 H W"]],
) -> Generated:
    """Make the frame after those that there are results of.

    Args:
        generator: what makes it.
        frames: of the clips, painted over where they are hidden.
        hole: what is hidden.
        results: of the frames before it, none for the first. Of as many as the window has, the last are enough if the
            frames before them are left out too.
    """
    index, count = len(results), generator.window
    # Before the first there is nothing: what stands there is marked so, and not looked at.
    window = [max(0, index - back) for back in reversed(range(count))]
    nothing = torch.zeros_like(frames[:, 0])
    before = [results[index - back] if back <= index else nothing for back in range(count - 1, 0, -1)]
    there = torch.tensor([back <= index for back in range(count - 1, 0, -1)], device=frames.device)
    return generator(frames[:, window], hole[:, window], torch.stack(before, 1), there)


class _Encoder(nn.Module):
    """Features of every level, the finest first."""

    def __init__(self, pictures: int, channels: Sequence[int]):
        super().__init__()
        before = (4 * pictures, *channels)
        self.levels = nn.ModuleList(
            nn.Sequential(_block(before[level], width, stride=1 if level == 0 else 2), _block(width, width))
            for level, width in enumerate(channels)
        )

    def forward(self, x: Tensor, second: Tensor | None = None) -> list[Tensor]:
        """Of a picture; with what is to be added at the second level."""
        features = []
        for number, level in enumerate(self.levels):
            x = level(x)
            if second is not None and number == 1:
                x = x + second
            features.append(x)
        return features


class _Decoder(nn.Module):
    """From the coarsest level to the finest, which a head of `out` channels reads."""

    def __init__(self, channels: Sequence[int], out: int):
        super().__init__()
        self.deepest = _block(channels[-1], channels[-1])
        self.narrow = nn.ModuleList(nn.Conv2d(c, f, 1) for f, c in pairwise(channels))
        self.levels = nn.ModuleList(_block(width, width) for width in channels[:-1])
        self.head = nn.Conv2d(channels[0], out, 3, padding=1)

    def forward(self, features: list[Tensor]) -> Tensor:
        x = self.deepest(features[-1])
        for narrow, level, beside in zip(*map(reversed, (self.narrow, self.levels, features[:-1])), strict=True):
            x = level(F.interpolate(narrow(x), scale_factor=2, mode="nearest") + beside)
        return self.head(x)


def _block(c_in: int, c_out: int, stride: int = 1) -> nn.Module:
    """Without normalisation: a few pictures at a time are too few for BatchNorm."""
    return nn.Sequential(nn.Conv2d(c_in, c_out, 3, stride, 1), nn.LeakyReLU(LEAKY_SLOPE, inplace=True))


def _initialise(network: Generator, generator: torch.Generator | None) -> None:
    """He et al. 2015; heads near zero, so that at first nothing moves and nothing is added."""
    gain = (2 / (1 + LEAKY_SLOPE**2)) ** 0.5
    heads = (network.picture.head, network.motion.head)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            assert module.bias is not None
            deviation = gain * module.weight[0].numel() ** -0.5 * (0.02 if module in heads else 1.0)
            nn.init.normal_(module.weight, std=deviation, generator=generator)
            nn.init.zeros_(module.bias)
