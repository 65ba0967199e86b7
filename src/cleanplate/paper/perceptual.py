"""The VGG16 trunk of the perceptual loss (Eq. 6): frozen, cut at relu3_3, its target features computed once.

A feature counts only where everything it sees is known. Its receptive field is 5, 14 or 40 pixels wide; a target's
feature that has seen the hole would tell the network to make what lies there, whatever it is.
"""

from collections import OrderedDict

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cleanplate.weights import PERCEPTUAL_TERM, find_weights

# Widths of each stage's convolutions, up to the one that is taken; between the stages the size is halved.
STAGES = ((3, 64, 64), (64, 128, 128), (128, 256, 256, 256))
# What the network was trained on: RGB in 0..255 less these means (Simonyan & Zisserman 2015).
LEVELS, MEAN_RGB = 255.0, (123.68, 116.779, 103.939)

Layers = list[Float[Tensor, "N _ _ _"]]
Masks = list[Bool[Tensor, "N 1 _ _"]]


class Trunk(nn.Module):
    """Frames (N, 3, H, W), RGB in 0..1, to their features at relu1_2, relu2_2 and relu3_3.

    Features are in units of frames in 0..1, a 255th of those of the network as it was trained: what is made of
    convolutions, ReLU and maxima scales with its input if the biases do too. On that scale the terms of Eq. 2 are of
    one order, as the weight of 0.01 wants them.
    """

    mean: Tensor

    def __init__(self, state: dict[str, Tensor]):
        """From weights and biases by name, `conv1_1.weight` to `conv3_3.bias`, for input in RGB (`read_trunk`)."""
        super().__init__()
        self.stages = nn.ModuleList()
        for number, widths in enumerate(STAGES, 1):
            layers: list[nn.Module] = []
            for index in range(1, len(widths)):
                conv = nn.Conv2d(widths[index - 1], widths[index], 3, padding=1)
                name = f"conv{number}_{index}"
                conv.load_state_dict({"weight": state[f"{name}.weight"], "bias": state[f"{name}.bias"] / LEVELS})
                layers += [conv, nn.ReLU(inplace=True)]
            self.stages.append(nn.Sequential(*layers))
        self.register_buffer("mean", torch.tensor(MEAN_RGB).view(1, 3, 1, 1) / LEVELS)
        self.requires_grad_(False)

    def forward(self, frames: Float[Tensor, "N 3 H W"]) -> Layers:
        """The features of the three layers, at full, half and quarter size."""
        x = frames - self.mean
        features = []
        for index, stage in enumerate(self.stages):
            x = stage(x if index == 0 else F.max_pool2d(x, 2))
            features.append(x)
        return features


def read_trunk(needed_by: str = PERCEPTUAL_TERM) -> dict[str, Tensor]:
    """The original Oxford weights up to conv3_3, for input in RGB, by name; see `find_weights`.

    Raises:
        InputError: they are neither here nor to be had.
    """
    path = find_weights("vgg16", needed_by=needed_by)
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            state = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        # This file is in the order of the first publication: the input's channels are blue, green, red.
        return state | {"conv1_1.weight": state["conv1_1.weight"].flip(1)}
    state = torch.load(path, map_location="cpu", weights_only=True)
    names = [f"conv{stage}_{i}" for stage, widths in enumerate(STAGES, 1) for i in range(1, len(widths))]
    weights = sorted((int(key.split(".")[1]), key) for key in state if key.startswith("features.") and "weight" in key)
    out = {}
    for name, (number, key) in zip(names, weights, strict=False):
        out |= {f"{name}.weight": state[key], f"{name}.bias": state[f"features.{number}.bias"]}
    return out


def known_features(known: Bool[Tensor, "N 1 H W"]) -> Masks:
    """For each layer, the features whose whole receptive field is known."""
    hidden = (~known).float()
    masks = []
    for index, widths in enumerate(STAGES):
        if index > 0:
            hidden = F.max_pool2d(hidden, 2)
        for _ in widths[1:]:
            hidden = F.max_pool2d(hidden, 3, stride=1, padding=1)
        masks.append(hidden == 0)
    return masks


class TargetFeatures:
    """Features of a clip's frames and where they count, computed when first asked for and kept while there is room.

    Args:
        trunk: on the device and in the memory format to be used.
        frames: whatever is finite in the hole: no feature that has seen it counts.
        known: True where it is not to be filled.
    """

    def __init__(self, trunk: Trunk, frames: Float[Tensor, "T 3 H W"], known: Bool[Tensor, "T 1 H W"]):
        self.trunk, self.frames, self.known = trunk, frames, known
        self._kept: OrderedDict[int, tuple[Layers, Masks]] = OrderedDict()

    def __call__(self, index: int) -> tuple[Layers, Masks]:
        """Features and masks of a frame, layer by layer."""
        if index not in self._kept:
            with torch.no_grad():
                features = self.trunk(self.frames[index : index + 1])
            self._kept[index] = features, known_features(self.known[index : index + 1])
            room = KEPT_VALUES // sum(layer.numel() for layer in features)
            while len(self._kept) > max(1, room):
                self._kept.popitem(last=False)
        self._kept.move_to_end(index)
        return self._kept[index]


KEPT_VALUES = 500_000_000  # 1 GB in half precision: 60 frames of 384x192
