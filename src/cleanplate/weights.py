"""Find and verify pretrained files. Nothing here is needed unless the user names a method that needs it.

A file is looked for in $CLEANPLATE_WEIGHTS, then in the torch hub cache, then downloaded into that cache from where
torchvision says; it is used only if its sha256 is right. Nothing is substituted: what is not to be had is an InputError
that says how to get it.
"""

import hashlib
import importlib
import logging
import os
import threading
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cleanplate.errors import InputError

log = logging.getLogger(__name__)

PATIENCE_S = 15  # for a server that does not answer
PERCEPTUAL_TERM = "the perceptual term"
"""Of a loss: the one need that an option takes away."""


@dataclass(frozen=True)
class WeightFile:
    """A published file: its name, the beginning of its sha256, and, if it can be downloaded, who says where."""

    name: str
    sha256_prefix: str
    url: Callable[[], str] | None = None


def _of_torchvision(models: str, weights: str, version: str, name: str) -> WeightFile:
    """A file of torchvision's: the eight digits at the end of its name are the beginning of its sha256."""

    def url() -> str:
        module = importlib.import_module(f"torchvision.{models}")  # slow to import, and seldom asked
        return getattr(module, weights)[version].url

    return WeightFile(name, name.removesuffix(".pth").rpartition("-")[2], url)


WEIGHTS = {
    "raft_small": (
        _of_torchvision("models.optical_flow", "Raft_Small_Weights", "C_T_V2", "raft_small_C_T_V2-01064c6d.pth"),
    ),
    "raft_large": (
        _of_torchvision(
            "models.optical_flow", "Raft_Large_Weights", "C_T_SKHT_V2", "raft_large_C_T_SKHT_V2-ff5fadd5.pth"
        ),
    ),
    "alexnet": (_of_torchvision("models", "AlexNet_Weights", "IMAGENET1K_V1", "alexnet-owt-7be5be79.pth"),),
    # Converted from the TensorFlow model of 2015, which every published FID is measured with.
    "inception": (
        WeightFile("weights-inception-2015-12-05-6726825d.pth", "6726825d", lambda: _torch_fidelity_url()),
        WeightFile("pt_inception-2015-12-05-6726825d.pth", "6726825d"),
    ),
    # The original training of VGG16 (Simonyan & Zisserman 2015, CC BY 4.0), whole or up to conv3_3.
    "vgg16": (
        _of_torchvision("models", "VGG16_Weights", "IMAGENET1K_FEATURES", "vgg16_features-amdegroot-88682ab5.pth"),
        WeightFile("vgg16_conv1_1-conv3_3_bgr.npz", "e48aa66f360bfd280602f6cabec42a90c49c923715133117de8bc13cf7b4c56a"),
    ),
}
"""For each network the files that will do, the one to download first."""


def find_weights(name: str, *, needed_by: str = "the method you named", download: bool = True) -> Path:
    """The verified file of these weights.

    Args:
        name: of the network, in WEIGHTS.
        needed_by: what cannot do without, in words.
        download: whether to look for them elsewhere if they are not here.

    Raises:
        InputError: neither here nor to be downloaded, or not the published file.
    """
    import torch  # takes seconds to load, and the page does without

    cache = Path(torch.hub.get_dir()) / "checkpoints"
    folders = [Path(os.environ["CLEANPLATE_WEIGHTS"])] if os.environ.get("CLEANPLATE_WEIGHTS") else []
    folders.append(cache)
    for folder in folders:
        for file in WEIGHTS[name]:
            path = folder / file.name
            if path.is_file():
                _verify(path, file)
                return path
    file = WEIGHTS[name][0]
    assert file.url is not None
    url = file.url()
    try:
        if not download:
            raise OSError("not asked for")
        return _download(url, cache / file.name, file.sha256_prefix)
    except (OSError, RuntimeError) as error:
        places = " or ".join(str(folder) for folder in folders)
        hint = ", or pass --loss.perceptual 0 to do without" if needed_by == PERCEPTUAL_TERM else ""
        raise InputError(
            f"the weights of {name} ({file.name}) are not in {places}, and cannot be downloaded ({error})",
            f"they are needed by {needed_by}",
            f"put {url} into one of these, or set CLEANPLATE_WEIGHTS to the folder that has them{hint}",
        ) from None


def _torch_fidelity_url() -> str:
    try:
        return importlib.import_module("torch_fidelity.feature_extractor_inceptionv3").URL_INCEPTION_V3
    except ImportError:
        raise InputError(
            "torch-fidelity is not installed", "FID needs it", 'pip install "cleanplate[metrics]"'
        ) from None


def _download(url: str, path: Path, sha256_prefix: str) -> Path:
    import torch

    with _one_at_a_time:
        if not path.is_file():
            urllib.request.urlopen(url, timeout=PATIENCE_S).close()  # nothing is announced that cannot begin
            log.warning("downloading %s to %s", url, path)
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), hash_prefix=sha256_prefix, progress=False)
    return path


_one_at_a_time = threading.Lock()


def _verify(path: Path, file: WeightFile) -> None:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if not digest.startswith(file.sha256_prefix):
        raise InputError(
            f"{path} has the sha256 {digest[:8]}...",
            f"the published file has {file.sha256_prefix}...",
            "remove it, and it is looked for elsewhere",
        )
