"""Find and verify pretrained files. Nothing here is needed unless the user names a method that needs it.

A file is looked for in $CLEANPLATE_WEIGHTS, then in the torch hub cache, and is used only if its sha256 is right.
Nothing is downloaded and nothing is substituted: what is missing is an InputError that says where to get it.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from cleanplate.errors import InputError


@dataclass(frozen=True)
class WeightFile:
    """A published file: its name, the beginning of its sha256, and who can say where it is to be had."""

    name: str
    sha256_prefix: str
    url: Callable[[], str]


def _raft(weights: str, version: str, name: str) -> WeightFile:
    """A file of torchvision's: the eight digits at the end of its name are the beginning of its sha256."""

    def url() -> str:
        from torchvision.models import optical_flow  # slow to import, and seldom asked

        return getattr(optical_flow, weights)[version].url

    return WeightFile(name, name.removesuffix(".pth").rpartition("-")[2], url)


WEIGHTS = {
    "raft_small": _raft("Raft_Small_Weights", "C_T_V2", "raft_small_C_T_V2-01064c6d.pth"),
    "raft_large": _raft("Raft_Large_Weights", "C_T_SKHT_V2", "raft_large_C_T_SKHT_V2-ff5fadd5.pth"),
}


def find_weights(name: str) -> Path:
    """The verified file of these weights.

    Raises:
        InputError: missing, or not the published file.
    """
    file = WEIGHTS[name]
    folders = [Path(os.environ["CLEANPLATE_WEIGHTS"])] if os.environ.get("CLEANPLATE_WEIGHTS") else []
    folders.append(Path(torch.hub.get_dir()) / "checkpoints")
    for folder in folders:
        path = folder / file.name
        if path.is_file():
            _verify(path, file)
            return path
    places = " or ".join(str(folder) for folder in folders)
    raise InputError(
        f"the weights of {name} ({file.name}) are not in {places}",
        "they are needed by the method you named",
        f"download {file.url()} into one of these, or set CLEANPLATE_WEIGHTS to the folder that has them",
    )


def _verify(path: Path, file: WeightFile) -> None:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if not digest.startswith(file.sha256_prefix):
        raise InputError(
            f"{path} has the sha256 {digest[:8]}...",
            f"the published file has {file.sha256_prefix}...",
            f"remove it and download {file.url()} again",
        )
