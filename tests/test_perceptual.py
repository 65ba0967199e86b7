import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cleanplate import InputError
from cleanplate.paper import perceptual
from cleanplate.paper.perceptual import STAGES, TargetFeatures, Trunk, known_features, read_trunk
from cleanplate.weights import WEIGHTS, WeightFile


def random_state(seed: int = 0) -> dict[str, Tensor]:
    generator, state = torch.Generator().manual_seed(seed), {}
    for stage, widths in enumerate(STAGES, 1):
        for i in range(1, len(widths)):
            scale = (2 / (9 * widths[i - 1])) ** 0.5
            state[f"conv{stage}_{i}.weight"] = scale * torch.randn(widths[i], widths[i - 1], 3, 3, generator=generator)
            state[f"conv{stage}_{i}.bias"] = torch.randn(widths[i], generator=generator)
    return state


def plain(state: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    """The network as it was published, on what it was trained on."""
    out = []
    for stage, widths in enumerate(STAGES, 1):
        for i in range(1, len(widths)):
            x = F.relu(F.conv2d(x, state[f"conv{stage}_{i}.weight"], state[f"conv{stage}_{i}.bias"], padding=1))
        out.append(x)
        x = F.max_pool2d(x, 2)
    return out


def difference(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


def test_features_are_those_of_the_published_network_in_units_of_the_frames() -> None:
    state, frames = random_state(), torch.rand(2, 3, 32, 40)
    mean = torch.tensor((123.68, 116.779, 103.939)).view(1, 3, 1, 1)
    for ours, theirs in zip(Trunk(state)(frames), plain(state, 255 * frames - mean), strict=True):
        assert difference(255 * ours, theirs) < 1e-4


def test_the_offline_file_is_in_the_order_of_blue_green_red(weights: Path) -> None:
    with np.load(weights / "vgg16_conv1_1-conv3_3_bgr.npz") as arrays:
        state = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    frames = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    mean_bgr = torch.tensor((103.939, 116.779, 123.68)).view(1, 3, 1, 1)
    expected = plain(state, 255 * frames.flip(1) - mean_bgr)
    for ours, theirs in zip(Trunk(read_trunk())(frames), expected, strict=True):
        assert difference(255 * ours, theirs) < 1e-4
    for wrong, right in zip(Trunk(state)(frames), expected, strict=True):
        assert difference(255 * wrong, right) > 0.05


def test_torchvisions_file_is_read_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models.vgg import cfgs, make_layers

    layers = make_layers(cfgs["D"])  # of VGG16; its classifier, which is in the file too, has most of its weights
    state = {f"features.{name}": value for name, value in layers.state_dict().items()}
    torch.save(state | {"classifier.0.weight": torch.zeros(1)}, tmp_path / "ours.pth")
    digest = hashlib.sha256((tmp_path / "ours.pth").read_bytes()).hexdigest()
    monkeypatch.setenv("CLEANPLATE_WEIGHTS", str(tmp_path))
    monkeypatch.setitem(WEIGHTS, "vgg16", (WeightFile("ours.pth", digest[:8], lambda: "nowhere"),))
    frames = torch.rand(1, 3, 32, 32)
    mean = torch.tensor((123.68, 116.779, 103.939)).view(1, 3, 1, 1)
    with torch.no_grad():
        up_to_relu3_3 = torch.nn.Sequential(*list(layers.children())[:16])
        expected = up_to_relu3_3(255 * frames - mean)
        assert difference(255 * Trunk(read_trunk())(frames)[2], expected) < 1e-4


def test_missing_weights_say_where_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLEANPLATE_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(
        InputError, match=r"vgg16_features-amdegroot-88682ab5\.pth.*perceptual term.*--loss\.perceptual 0"
    ):
        read_trunk()


def test_the_trunk_is_frozen_but_frames_have_gradients() -> None:
    trunk, frames = Trunk(random_state()), torch.rand(1, 3, 32, 32, requires_grad=True)
    torch.stack([layer.sum() for layer in trunk(frames)]).sum().backward()
    assert not any(parameter.requires_grad for parameter in trunk.parameters())
    assert frames.grad is not None
    assert float(frames.grad.abs().min()) >= 0


def test_a_feature_counts_exactly_where_all_it_sees_is_known() -> None:
    trunk, known = Trunk(random_state()), torch.ones(1, 1, 96, 112, dtype=torch.bool)
    known[..., 40:50, 50:61] = False
    one, other = (torch.where(known, 0.5, torch.rand(1, 3, 96, 112)) for _ in range(2))
    layers = zip(trunk(one), trunk(other), known_features(known), strict=True)
    for (a, b, mask), radius in zip(layers, (2, 7, 20), strict=True):
        differs = (a != b).any(1, keepdim=True)
        assert not bool((differs & mask).any())
        assert float((differs == ~mask).float().mean()) > 0.99
        rows = torch.nonzero(~mask[0, 0].all(1)).flatten() * 96 // mask.shape[2]
        assert abs(int(rows[0]) - (40 - radius)) <= 4


def test_target_features_are_computed_once_and_kept_while_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    trunk, frames = Trunk(random_state()), torch.rand(3, 3, 32, 32)
    calls: list[int] = []
    count = trunk.forward
    monkeypatch.setattr(trunk, "forward", lambda x: calls.append(1) or count(x))
    known = torch.ones(3, 1, 32, 32, dtype=torch.bool)
    known[0, :, :4] = False
    targets = TargetFeatures(trunk, frames, known)
    for index in (0, 1, 0, 1):
        features, masks = targets(index)
        expected = known_features(known[index : index + 1])
        assert all(torch.equal(a, b) for a, b in zip(masks, expected, strict=True))
        assert torch.equal(features[0], count(frames[index : index + 1])[0])
    assert len(calls) == 2
    monkeypatch.setattr(perceptual, "KEPT_VALUES", 2 * sum(layer.numel() for layer in features))
    for index in (2, 1, 2, 1, 0):
        targets(index)
    assert len(calls) == 4
