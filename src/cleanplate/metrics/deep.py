"""Metrics in the features of pretrained networks. They need weights, and the extra `metrics` for all but VGG16's.

What is not to be had is an InputError: nothing else is put in its place under the same name.
"""

import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cleanplate.errors import InputError, Undefined
from cleanplate.metrics.fidelity import check, rounded
from cleanplate.paper.perceptual import Trunk, read_trunk
from cleanplate.weights import find_weights

# Inception's are resized to 299 pixels. VGG16's are as large as they come: several at a time are no faster, and each
# more takes 0.3 GB at 854x480.
INCEPTION_AT_ONCE, VGG16_AT_ONCE = 8, 1


def frechet_distance(a: Float[Tensor, "N D"], b: Float[Tensor, "M D"]) -> float:
    """Between the Gaussians of two sets of features: |mu_a - mu_b|^2 + Tr(S_a + S_b - 2 (S_a S_b)^(1/2)).

    S are unbiased covariances. The trace of the root is the sum of the singular values of A B^T, where A and B are the
    centred features over the root of their number less one: exact, and small where there are few frames and many
    features.

    Raises:
        InputError: less than two frames on a side.
    """
    if min(len(a), len(b)) < 2:
        raise Undefined(f"there are {len(a)} and {len(b)} frames", "a covariance needs two on each side", "add frames")
    a, b = a.double(), b.double()
    mean_a, mean_b = a.mean(0), b.mean(0)
    spread_a, spread_b = (a - mean_a) / (len(a) - 1) ** 0.5, (b - mean_b) / (len(b) - 1) ** 0.5
    common = torch.linalg.svdvals(spread_a @ spread_b.T).sum()
    distance = (mean_a - mean_b).square().sum() + spread_a.square().sum() + spread_b.square().sum() - 2 * common
    return max(0.0, float(distance))


def fid(frames: Float[Tensor, "T 3 H W"], truth: Float[Tensor, "S 3 H W"], *, weights: Path | None = None) -> float:
    """Fréchet Inception distance (Heusel et al. 2017) of a result's frames to those of the truth.

    Features are the 2048 of the Inception-v3 of 2015, through torch-fidelity, which resizes as TensorFlow did.

    Args:
        frames: the result.
        truth: any number of true frames.
        weights: `weights-inception-2015-12-05-6726825d.pth`; looked for if not given.

    Raises:
        InputError: torch-fidelity or the weights are missing, less than two frames.
    """
    network = _inception(find_weights("inception", needed_by="the metric fid") if weights is None else weights)

    def features(part: Tensor) -> Tensor:
        return network((part * 255).round().byte())[0]

    return frechet_distance(*(_features(features, shown, INCEPTION_AT_ONCE) for shown in (frames, truth)))


def frechet_vgg16(frames: Float[Tensor, "T 3 H W"], truth: Float[Tensor, "S 3 H W"]) -> float:
    """The same distance in other features: VGG16's relu3_3, averaged over each frame. Not a FID, nor comparable to one.

    Features are in units of frames in 0..255, as the network was trained.

    Raises:
        InputError: the weights are missing, less than two frames.
    """
    trunk = _vgg16()

    def features(part: Tensor) -> Tensor:
        return 255 * trunk(part)[-1].mean((2, 3))

    return frechet_distance(*(_features(features, shown, VGG16_AT_ONCE) for shown in (frames, truth)))


def lpips(
    result: Float[Tensor, "*result"],
    truth: Float[Tensor, "*truth"],
    where: Bool[Tensor, "*where"] | None = None,
) -> float:
    """Learned perceptual image patch similarity (Zhang et al. 2018), version 0.1 on AlexNet, through its own library.

    Per frame, then averaged over frames; lower is nearer.

    Args:
        result: what is judged.
        truth: what it should be.
        where: the mean of the map at these pixels only; frames without any are left out.

    Raises:
        InputError: lpips or AlexNet's weights are missing, shapes that disagree.
    """
    check(result, truth, where)
    network = _lpips()
    network.__dict__["spatial"] = where is not None  # a map, or the mean of each layer as published
    values = []
    for index in range(len(result)):
        one = slice(index, index + 1)
        if where is None or bool(where[one].any()):
            with torch.no_grad():
                distance = network(rounded(result[one]) * 2 - 1, rounded(truth[one]) * 2 - 1)
            values.append(float((distance if where is None else distance[where[one].cpu()]).mean()))
    return sum(values) / len(values)


def _features(network: Callable[[Tensor], Tensor], frames: Tensor, at_once: int) -> Tensor:
    with torch.no_grad():
        return torch.cat([network(rounded(part)) for part in frames.split(at_once)])


@lru_cache(maxsize=1)
def _vgg16() -> Trunk:
    return Trunk(read_trunk("the metric frechet_vgg16"))


@lru_cache(maxsize=1)
def _inception(weights: Path) -> nn.Module:
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError:
        raise missing_library("FID", "torch-fidelity") from None
    if not weights.is_file():
        raise InputError(
            f"there is no file {weights}", "Inception's weights are needed for FID", "name the file that has them"
        )
    try:
        return FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=str(weights))
    except (RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{weights} has not the weights of Inception-v3 ({type(error).__name__})",
            "those of torch-fidelity are needed",
            "leave weights out, and they are looked for",
        ) from None


@lru_cache(maxsize=1)
def _lpips() -> nn.Module:
    """LPIPS with its own linear layers, and AlexNet's features from torchvision's file, verified."""
    try:
        import lpips as library
    except ImportError:
        raise missing_library("LPIPS", "lpips") from None
    path = find_weights("alexnet", needed_by="the metrics lpips and hole_lpips")
    state = torch.load(path, map_location="cpu", weights_only=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of torchvision, about how lpips asks for a network
        network = library.LPIPS(net="alex", pnet_rand=True, verbose=False)
    # lpips keeps torchvision's numbers of layers: features.3.weight is slice2.3.weight there.
    own = network.net.state_dict()
    network.net.load_state_dict({name: state["features." + name.split(".", 1)[1]] for name in own})
    return network.requires_grad_(False)


def missing_library(metric: str, package: str) -> InputError:
    """What to say of a package that a metric needs."""
    return InputError(f"{package} is not installed", f"{metric} needs it", 'pip install "cleanplate[metrics]"')
