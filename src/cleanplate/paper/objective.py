"""What a batch's prediction is compared with: the targets of a clip, and the terms of Eq. 2 for a batch.

What is under the hole enters here as zeros and masks only. Flow is measured in units of the largest of its stride, so
that the head predicts values in -1..1; the consistency term multiplies it out again.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cleanplate.config import Method
from cleanplate.errors import InputError
from cleanplate.imaging.flow import FlowField, both_known, frame_pairs
from cleanplate.paper.losses import Scalar, consistency_loss, flow_loss, image_loss, perceptual_loss
from cleanplate.paper.perceptual import TargetFeatures, Trunk, read_trunk
from cleanplate.paper.schedule import Batch

Flows = Mapping[tuple[int, int], FlowField]
"""By stride and direction."""


class Objective:
    """The terms of the loss for any batch of a clip.

    Args:
        frames: the clip; what is not known is never read.
        known: the paper's M.
        flows: known flow, empty if no term needs it.
        method: its loss and its schedule (strides and directions of the flow head) are read.

    Raises:
        InputError: terms of flow alone, and a single frame; weights missing.
    """

    def __init__(self, frames: Float[Tensor, "T 3 H W"], known: Bool[Tensor, "T 1 H W"], flows: Flows, method: Method):
        self.frames, self.known, self.flows = torch.where(known, frames, 0.0), known, flows
        self.config, self.fields = method.loss, method.schedule.fields
        if len(frames) == 1 and not (self.config.image or self.config.perceptual):
            given, needed = "loss.image and loss.perceptual are 0 and there is 1 frame", "flow needs 2 frames at least"
            raise InputError(given, needed, "raise --loss.image, or give more frames")
        # The largest known flow of a stride, a pixel at least: a still camera's noise is not to be blown up.
        self.scale_px = {
            stride: max([1.0] + [_largest(field) for (of, _), field in flows.items() if of == stride])
            for stride in method.schedule.strides
        }
        self.features = None
        if self.config.perceptual:
            trunk = Trunk(read_trunk()).to(frames.device, memory_format=torch.channels_last)  # type: ignore[reportCallIssue]
            self.features = TargetFeatures(trunk, self.frames, known)

    @property
    def weights(self) -> dict[str, float]:
        """Of the terms, by name."""
        return {name: getattr(self.config, name) for name in ("image", "flow", "consistency", "perceptual")}

    def terms(
        self,
        batch: Batch,
        frames: Float[Tensor, "N 3 H W"],
        flow: Float[Tensor, "N F H W"] | None,
        generator: torch.Generator,
    ) -> dict[str, Scalar]:
        """The terms of nonzero weight for what the network made of a batch."""
        index = list(batch.frames)
        config, out = self.config, {}
        if config.image:
            out["image"] = image_loss(frames, self.frames[index], self.known[index])
        if (config.flow or config.consistency) and flow is not None and len(index) > 1:
            out |= self._flow_terms(batch, frames, flow)
        if self.features is not None:
            count = min(config.perceptual_frames or len(index), len(index))
            some = range(len(index)) if count == len(index) else _draw(len(index), count, generator)
            # Frame by frame, which takes two thirds of the time of all at once: a frame's features stay in the cache.
            each = [perceptual_loss(self.features.trunk(frames[n : n + 1]), *self.features(index[n])) for n in some]
            out["perceptual"] = torch.stack(each).mean()
        return out

    def _flow_terms(self, batch: Batch, frames: Tensor, flow: Tensor) -> dict[str, Scalar]:
        """Eq. 4 and 5 for the pairs of neighbours in a batch, in the batch's direction only (App. C.4)."""
        field, scale_px = self.flows[batch.stride, batch.direction], self.scale_px[batch.stride]
        earlier, later = slice(None, -1), slice(1, None)
        i, j = (earlier, later) if batch.direction > 0 else (later, earlier)
        frame_i, frame_j = list(batch.frames[i]), list(batch.frames[j])
        first, _ = frame_pairs(len(self.frames), batch.stride, batch.direction)[0]
        pairs = [index - first for index in frame_i]
        predicted = self.head(flow, batch.stride, batch.direction)[i]
        out = {}
        if self.config.flow:
            out["flow"] = flow_loss(predicted, field.flow[pairs] / scale_px, field.valid[pairs])
        if self.config.consistency:
            seen = both_known(self.known[frame_i], self.known[frame_j], field.flow[pairs])
            out["consistency"] = consistency_loss(frames[i], frames[j], predicted * scale_px, ~seen)
        return out

    def head(self, flow: Float[Tensor, "N F H W"], stride: int, direction: int) -> Float[Tensor, "N 2 H W"]:
        """The channels of the flow head that are for this stride and direction."""
        first = 2 * self.fields.index((stride, direction))
        return flow[:, first : first + 2]

    def in_pixels(self, flow: Float[Tensor, "N F H W"]) -> dict[tuple[int, int], Float[Tensor, "N 2 H W"]]:
        """What the flow head says, by stride and direction."""
        return {field: self.head(flow, *field) * self.scale_px[field[0]] for field in self.fields}


def _largest(field: FlowField) -> float:
    flow = torch.where(field.valid, field.flow, 0.0).abs()
    return float(flow.max()) if flow.numel() else 0.0


def _draw(n: int, count: int, generator: torch.Generator) -> list[int]:
    return sorted(torch.randperm(n, generator=generator)[:count].tolist())
