"""A network with its input, its optimiser and its random numbers: everything that changes while it is fitted."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from cleanplate.config import Method
from cleanplate.paper.canvas import Canvas
from cleanplate.paper.network import EncoderDecoder


class Model:
    """G of Eq. 1 for one clip, with the frozen noise it is fed (App. B), and the canvas if it has one.

    Args:
        frames: the clip it is for; only its shape and device are used.
        method: its network, canvas, loss (whether flow is needed), schedule (for which strides) and fit are read.
        seed: of the parameters, the noise and whatever is drawn later.
        places: of the pixels in the scene; None if there is to be no canvas.
    """

    def __init__(
        self,
        frames: Float[Tensor, "T 3 H W"],
        method: Method,
        seed: int,
        places: Float[Tensor, "T 2 H W"] | None = None,
    ):
        config, settings = method.network, method.fit
        self.device, self.window = frames.device, method.schedule.frames_per_batch
        self.generator = torch.Generator().manual_seed(seed)
        self.canvas = None if places is None else Canvas(places, method.canvas, self.generator).to(self.device)
        self.network = EncoderDecoder(
            config.kind,
            2 * len(method.schedule.fields) if method.needs_flow else 0,
            config.decoder_kernels,
            channels=config.channels,
            skip_channels=config.skip_channels,
            noise_channels=config.noise_channels + (0 if self.canvas is None else self.canvas.channels),
            padding=config.padding,
            generator=self.generator,
        )
        layout = torch.channels_last if config.kind == "2d" else torch.channels_last_3d
        self.network.to(self.device, memory_format=layout)  # type: ignore[reportCallIssue] - torch's overloads
        shape = len(frames), config.noise_channels, *frames.shape[2:]
        self.noise = (config.noise_level * torch.rand(shape, generator=self.generator)).to(self.device)
        fused = self.device.type in ("cpu", "cuda")  # the same update in one pass
        learned = [*self.network.parameters(), *(self.canvas.parameters() if self.canvas is not None else ())]
        self.optimiser = torch.optim.Adam(learned, lr=settings.learning_rate, fused=fused)
        self.run = self.network if settings.compile == "off" else torch.compile(self.network, mode=settings.compile)
        self.half = settings.precision == "bfloat16" or (settings.precision == "auto" and _fast_bfloat16(self.device))

    def make(
        self, indices: Sequence[int], input_noise_std: float = 0.0
    ) -> tuple[Float[Tensor, "N 3 H W"], Float[Tensor, "N F H W"] | None]:
        """These frames and their flow, as the network has them now."""
        fed = self.fed(indices)
        if input_noise_std:
            fed = fed + input_noise_std * torch.randn(fed.shape, generator=self.generator).to(self.device)
        with self.autocast():
            return self.run(fed)

    def fed(self, indices: Sequence[int]) -> Float[Tensor, "N C H W"]:
        """The input for these frames."""
        noise = self.noise[list(indices)]
        return noise if self.canvas is None else torch.cat((noise, self.canvas(list(indices))), 1)

    def autocast(self) -> contextlib.AbstractContextManager:
        """Convolutions in half precision, where that is wanted."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.half)

    def update(self, loss: Float[Tensor, ""], rate: float) -> None:
        """One step of the optimiser."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()

    @torch.no_grad()
    def infer(self) -> tuple[Float[Tensor, "T 3 H W"], Float[Tensor, "T F H W"] | None]:
        """All frames and flows, in windows of frames as large as a batch: BatchNorm uses a window's statistics."""
        count = len(self.noise)
        size = min(self.window, count)
        frames, flow = self.noise.new_empty(count, 3, *self.noise.shape[2:]), None
        for first in (*range(0, count - size, size), count - size):
            window = slice(first, first + size)
            frames[window], made = self.make(range(first, first + size))
            if made is not None:
                flow = made.new_empty(count, *made.shape[1:]) if flow is None else flow
                flow[window] = made
        return frames, flow

    @torch.no_grad()
    def preview(self, index: int) -> Float[Tensor, "3 H W"]:
        """One frame, in the middle of its window where that can be."""
        count = len(self.noise)
        size = min(self.window, count)
        first = min(max(0, index - size // 2), count - size)
        return self.make(range(first, first + size))[0][index - first].float()

    def state(self) -> dict[str, Any]:
        """Everything that has changed since the beginning."""
        return {
            "network": self.network.state_dict(),
            "canvas": self.canvas and self.canvas.noise.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.network.load_state_dict(state["network"])
        if self.canvas is not None:
            self.canvas.noise.load_state_dict(state["canvas"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"].cpu())


@contextlib.contextmanager
def exact_convolutions() -> Iterator[None]:
    """Convolutions in float32 without TensorFloat-32, so that float32 is that."""
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = allowed


def _fast_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16, and does not merely imitate it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        able = torch.cpu.get_capabilities()
        return any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return False
