"""The skip encoder-decoder of App. A, 2D and 3D, behind one call: noise (T, C, H, W) to frames and flow.

Blocks are counted from the finest (0) to the coarsest. Encoder block b halves the size; decoder block b doubles it and
joins what the skip took where encoder block b begins. Every convolution but the heads is followed by BatchNorm, which
uses batch statistics always, and LeakyReLU; the concatenation is normalised too (Deep Image Prior, on which the paper
builds, does so; the paper is silent).
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from cleanplate.errors import InputError

Padding = Literal["zeros", "reflect"]
LEAKY_SLOPE = 0.2
ENCODER_KERNEL = 5
TEMPORAL_KERNEL = 3
# The coarsest block must see a few cells: BatchNorm needs more than one value, reflection more than its padding.
LEAST_CELLS = {"zeros": 2, "reflect": 3}


class EncoderDecoder(nn.Module):
    """App. A.1 (`kind="2d"`) or A.2 (`kind="3d"`, which sees the T frames as one volume).

    Args:
        kind: "2d" or "3d".
        flow_channels: width of the flow head; 0 for none. The paper's is 12: (dx, dy) for three strides both ways.
        decoder_kernels: of the two convolutions of a decoder block; the paper's are (3, 3), its authors' program
            has (3, 1).
        channels: of the encoder blocks, mirrored in the decoder.
        skip_channels: what a skip passes on.
        noise_channels: of the input.
        padding: "zeros" or "reflect", at the borders of every convolution.
        generator: of the initial parameters.

    Raises:
        InputError: a kind, padding or channels that make no network.
    """

    def __init__(
        self,
        kind: Literal["2d", "3d"] = "2d",
        flow_channels: int = 12,
        decoder_kernels: tuple[int, int] = (3, 3),
        *,
        channels: Sequence[int] = (16, 32, 64, 128, 128, 128),
        skip_channels: int = 4,
        noise_channels: int = 1,
        padding: Padding = "zeros",
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        if kind not in ("2d", "3d") or padding not in LEAST_CELLS or not channels:
            raise InputError(
                f"kind '{kind}', padding '{padding}', channels {tuple(channels)}",
                "2d or 3d, zeros or reflect, and at least one block are needed",
                "choose among these",
            )
        self.kind, self.padding, self.depth = kind, padding, len(channels)

        def block(c_in: int, c_out: int, kernel: int, stride: int = 1, temporal: int = TEMPORAL_KERNEL) -> nn.Module:
            conv = _conv(kind, c_in, c_out, kernel, stride, temporal, padding)
            return nn.Sequential(conv, _norm(kind, c_out), nn.LeakyReLU(LEAKY_SLOPE, inplace=True))

        first, second = decoder_kernels
        self.down, self.skip, self.join, self.up = (nn.ModuleList() for _ in range(4))
        for b, width in enumerate(channels):
            before = noise_channels if b == 0 else channels[b - 1]
            below = channels[min(b + 1, len(channels) - 1)]
            self.down.append(
                nn.Sequential(
                    block(before, width, ENCODER_KERNEL, stride=2),
                    block(width, width, ENCODER_KERNEL),
                )
            )
            self.skip.append(block(before, skip_channels, 1, temporal=1))
            self.join.append(_norm(kind, below + skip_channels))
            self.up.append(
                nn.Sequential(
                    block(below + skip_channels, width, first),
                    block(width, width, second),
                )
            )
        self.frames = _conv(kind, channels[0], 3, 1, 1, 1, padding)
        self.flow = _conv(kind, channels[0], flow_channels, 1, 1, 1, padding) if flow_channels else None
        _initialise(self, generator)

    def forward(
        self, noise: Float[Tensor, "T C H W"]
    ) -> tuple[Float[Tensor, "T 3 H W"], Float[Tensor, "T F H W"] | None]:
        """Frames in 0..1 and, if there is a head for it, flow in units of each stride's largest.

        Raises:
            InputError: frames too small for the depth.
        """
        height, width = noise.shape[2:]
        least = 2 ** (self.depth - 1)
        if min(height, width) < least:
            raise InputError(
                f"frames are {width}x{height}",
                f"a network of {self.depth} blocks needs {least}x{least}",
                "enlarge them",
            )
        before, x = self._encode(noise)
        for up, join, skip, beside in zip(*map(reversed, (self.up, self.join, self.skip, before)), strict=True):
            skipped = skip(beside)
            x = up(join(torch.cat((_double(x, skipped), skipped), dim=1)))
        heads = [self.frames(x).sigmoid(), None if self.flow is None else self.flow(x)]
        frames, flow = (None if head is None else self._as_frames(head, height, width) for head in heads)
        assert frames is not None
        return frames, flow

    def encode(self, noise: Float[Tensor, "T C H W"]) -> list[Float[Tensor, "T _ _ _"]]:
        """What each encoder block makes, finest first; block b has a cell for 2^(b+1) pixels each way."""
        before, coarsest = self._encode(noise)
        features = [*before[1:], coarsest]
        return [x.squeeze(0).transpose(0, 1) for x in features] if self.kind == "3d" else features

    def _encode(self, noise: Tensor) -> tuple[list[Tensor], Tensor]:
        """What goes into each encoder block, and what comes out of the last."""
        height, width = noise.shape[2:]
        # Sizes that do not halve evenly are rounded up on the way down and cropped on the way up.
        enough = (LEAST_CELLS[self.padding] - 1) * 2**self.depth + 1
        x = F.pad(noise, (0, max(0, enough - width), 0, max(0, enough - height)), mode="replicate")
        if self.kind == "3d":
            x = x.transpose(0, 1).unsqueeze(0)  # (1, C, T, H, W)
        before = []
        for down in self.down:
            before.append(x)
            x = down(x)
        return before, x

    def _as_frames(self, x: Tensor, height: int, width: int) -> Tensor:
        if self.kind == "3d":
            x = x.squeeze(0).transpose(0, 1)
        return x[..., :height, :width].float()


def _double(x: Tensor, like: Tensor) -> Tensor:
    """Nearest upsampling by two in space, cropped to the size of `like`."""
    x = F.interpolate(x, scale_factor=2 if x.ndim == 4 else (1, 2, 2), mode="nearest")
    return x[..., : like.shape[-2], : like.shape[-1]]


def _conv(kind: str, c_in: int, c_out: int, kernel: int, stride: int, temporal: int, padding: Padding) -> nn.Module:
    if kind == "2d":
        return nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, padding_mode=padding)
    pads = (temporal // 2, kernel // 2, kernel // 2)
    if padding == "zeros" or kernel == 1:
        return nn.Conv3d(c_in, c_out, (temporal, kernel, kernel), (1, stride, stride), pads)
    # A batch may be a single frame, which cannot be reflected in time.
    sides = nn.ReflectionPad3d((pads[2], pads[2], pads[1], pads[1], 0, 0))
    conv = nn.Conv3d(c_in, c_out, (temporal, kernel, kernel), (1, stride, stride), (pads[0], 0, 0))
    return nn.Sequential(sides, conv)


def _norm(kind: str, channels: int) -> nn.Module:
    make = nn.BatchNorm2d if kind == "2d" else nn.BatchNorm3d
    return make(channels, track_running_stats=False)


def _initialise(network: nn.Module, generator: torch.Generator | None) -> None:
    """LeCun et al. (Efficient BackProp), the paper's [29]: weights of variance 1 / fan-in; biases of zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            assert module.bias is not None
            fan_in = module.weight[0].numel()
            nn.init.normal_(module.weight, std=fan_in**-0.5, generator=generator)
            nn.init.zeros_(module.bias)
