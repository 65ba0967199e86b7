"""The file of a trained generator: what it is, what it was trained on, its parameters, and a hash of all of it.

It is read as data: nothing in it can be run.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cleanplate.baselines.wang.network import Generator
from cleanplate.baselines.wang.settings import GeneratorConfig
from cleanplate.errors import InputError
from cleanplate.runtime.files import existing, whole

FORMAT, VERSION = "cleanplate wang", 1
TO_MAKE = "make one with cleanplate train DATA -o FILE"


@dataclass(frozen=True)
class Trained:
    """A generator, and how it came about."""

    config: GeneratorConfig
    parameters: dict[str, Tensor]
    about: dict[str, Any]
    """For readers: size, steps, seed, clips, loss; `size`, (height, width), is used."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of what it was trained on."""
        height, width = self.about["size"]
        return height, width

    @property
    def sha256(self) -> str:
        """Of everything that it is."""
        digest = hashlib.sha256(json.dumps([asdict(self.config), self.about], sort_keys=True).encode())
        for name, value in sorted(self.parameters.items()):
            digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def generator(self) -> Generator:
        """The network, to be used.

        Raises:
            RuntimeError: parameters of another network.
        """
        made = Generator(self.config.channels, self.config.window)
        made.load_state_dict(self.parameters)
        return made.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def save_weights(path: Path, trained: Trained) -> None:
    """Write the file, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    content = {
        "format": FORMAT,
        "version": VERSION,
        "config": asdict(trained.config),
        "about": trained.about,
        "parameters": trained.parameters,
        "sha256": trained.sha256,
    }
    with whole(path) as partial:
        torch.save(content, partial)


def check_weights(path: str | None) -> str:
    """The sha256 of what a file holds; it can be used.

    Raises:
        InputError: no file is named, or it is none of a trained generator.
    """
    return load_weights(path).sha256


def load_weights(path: str | None) -> Trained:
    """What a file holds.

    Raises:
        InputError: no file is named, or it is none of a trained generator.
    """
    if path is None:
        needed = "it needs the file of a trained one, and none comes with cleanplate"
        raise InputError("wang is given no network", needed, f"{TO_MAKE}, and name it with --unseen.painter FILE")
    file = existing(path)
    if not file.is_file():
        raise InputError(f"{file} is not a file", "the network of wang is one", TO_MAKE)
    written = file.stat()
    return _loaded(file, written.st_mtime_ns, written.st_size)


@lru_cache(maxsize=1)
def _loaded(path: Path, _written_ns: int, _size: int) -> Trained:
    """Of a file as it is now: one that was written anew is read again."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # a pickle that is damaged, or of something else, may raise anything
        raise _wrong(path, f"it cannot be read, {type(error).__name__}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise _wrong(path, "it holds something else")
    if content.get("version") != VERSION:
        said = f"{path} is of version {content.get('version')!r:.20}"
        raise InputError(said, f"this program reads version {VERSION}", TO_MAKE)
    try:
        trained = Trained(GeneratorConfig(**content["config"]), content["parameters"], content["about"])
        if min(trained.size) < 1 or not all(bool(value.isfinite().all()) for value in trained.parameters.values()):
            raise ValueError("no numbers")
        if content["sha256"] != trained.sha256:
            raise _wrong(path, "its content is not what was written")
        trained.generator()
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, RecursionError) as error:
        raise _wrong(path, f"its parts do not fit, {type(error).__name__}") from None
    return trained


def _wrong(path: Path, said: str) -> InputError:
    return InputError(f"{path} is no network of wang's ({said})", "a whole file of one is needed", TO_MAKE)
