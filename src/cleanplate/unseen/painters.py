"""Networks that paint one picture, in files of the user's: what goes into each kind, and what comes out.

None is part of cleanplate, and none is needed. Those known by name were trained on Places2, whose pictures are for
research: look whether that suits you. A network that paints every frame by itself flickers; here it paints one, which
is carried to the others.
"""

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from cleanplate.config import UnseenConfig
from cleanplate.errors import InputError
from cleanplate.runtime.devices import find_device
from cleanplate.runtime.files import existing


@dataclass(frozen=True)
class Painter:
    """A kind of network."""

    paint: Callable[[Any, Float[Tensor, "1 3 h w"], Float[Tensor, "1 1 h w"]], Tensor]
    """Gives the whole picture, 0..1, for a picture in 0..1 and a mask that is 1 where it is to be painted."""
    md5: str
    """Of the file that was published."""


def _lama(network: Any, picture: Float[Tensor, "1 3 h w"], mask: Float[Tensor, "1 1 h w"]) -> Tensor:
    """model(image, mask), both 0..1, sides of a multiple of 8 (Suvorov et al. 2022)."""
    height, width = picture.shape[2:]
    edge = (0, -width % 8, 0, -height % 8)
    out = network(F.pad(picture, edge, mode="replicate"), F.pad(mask, edge, mode="replicate"))
    return out[..., :height, :width]


def _migan(network: Any, picture: Float[Tensor, "1 3 h w"], mask: Float[Tensor, "1 1 h w"]) -> Tensor:
    """Of 512x512, cat(0.5 - mask, image * (1 - mask)), the image -1..1 (Sargsyan et al. 2023)."""
    height, width = picture.shape[2:]
    side = max(height, width)
    edge = (0, side - width, 0, side - height)
    square, hidden = F.pad(picture, edge, mode="replicate"), F.pad(mask, edge, mode="replicate")
    square = F.interpolate(square, (MIGAN_PX, MIGAN_PX), mode="bilinear", antialias=True)
    hidden = (F.interpolate(hidden, (MIGAN_PX, MIGAN_PX), mode="bilinear", antialias=True) > 0).float()
    out = network(torch.cat((0.5 - hidden, (2 * square - 1) * (1 - hidden)), 1))
    out = F.interpolate((out + 1) / 2, (side, side), mode="bilinear", antialias=True)
    return out[..., :height, :width]


MIGAN_PX = 512
PAINTERS = {
    "lama": Painter(_lama, "e3aa4aaa15225a33ec84f9f4bc47e500"),
    "migan": Painter(_migan, "76eb3b1a71c400ee3290524f7a11b89c"),
}
# A picture is halved until it has no more pixels than this.
MOST_PX = 640_000


def check_painter(config: UnseenConfig, *, needed_by: str | None = None) -> str:
    """The md5 of the file that is named, empty if none is; it can be loaded, and its kind is known.

    Args:
        config: names it.
        needed_by: the method that cannot do without; None if none is needed.

    Raises:
        InputError: no file, one that torch cannot load, or of no known kind.
    """
    if config.painter is None:
        if needed_by is None:
            return ""
        needed = f"it needs a TorchScript file that takes and gives what one of {', '.join(PAINTERS)} does"
        raise InputError(f"{needed_by} is given no network", needed, "name yours with --unseen.painter FILE")
    path = existing(config.painter)
    md5, _ = kind_of(path, config.painter_kind)
    _loaded(path, md5)
    return md5


def kind_of(path: Path, stated: str) -> tuple[str, Painter]:
    """The md5 of a file, and how it is used.

    Raises:
        InputError: that is neither stated nor known.
    """
    if not path.is_file():
        raise InputError(f"{path} is not a file", "a painter is a TorchScript file", "name one")
    written = path.stat()
    digest = _md5(path, written.st_mtime_ns, written.st_size)
    if stated != "auto":
        return digest, PAINTERS[stated]
    for painter in PAINTERS.values():
        if painter.md5 == digest:
            return digest, painter
    kinds = " or ".join(PAINTERS)
    raise InputError(
        f"{path} is none of the painters known", "its kind is needed", f"give --unseen.painter-kind {kinds}"
    )


@lru_cache(maxsize=1)
def _md5(path: Path, _written_ns: int, _size: int) -> str:
    """Of a file as it is: it is asked for with every frame."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


@lru_cache(maxsize=1)
def _loaded(path: Path, md5: str) -> Any:
    """The network of a file; of one that was written anew, the new one."""
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # it is what these files are
            return torch.jit.load(str(path), map_location="cpu").eval()
    except (RuntimeError, ValueError, OSError) as error:
        said = str(error).strip().partition("\n")[0][:200]
        raise InputError(
            f"{path} cannot be loaded ({said})", "a TorchScript file is needed", "export it again"
        ) from None


def _failed(path: Path, said: str) -> InputError:
    needed = "it must take and give what its kind does"
    return InputError(f"the painter {path} failed: {said}", needed, "see --unseen.painter-kind, or leave it out")


def painted_guide(
    picture: UInt8[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"], config: UnseenConfig, device: str
) -> UInt8[np.ndarray, "i j 3"]:
    """All of a picture as a painter makes it, halved if it is large.

    Raises:
        InputError: the network does not do what its kind does.
    """
    assert config.painter is not None
    path = Path(config.painter)
    md5, painter = kind_of(path, config.painter_kind)
    network, place = _loaded(path, md5), find_device(device)
    hidden = hole.astype(np.float32)
    while picture.shape[0] * picture.shape[1] > MOST_PX:
        size = (-(-picture.shape[1] // 2), -(-picture.shape[0] // 2))
        picture, hidden = (cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in (picture, hidden))
    image = torch.from_numpy(picture).to(place).permute(2, 0, 1)[None].float() / 255
    mask = torch.from_numpy((hidden > 0).astype(np.float32)).to(place)[None, None]
    image = image * (1 - mask)  # what is in the hole is never seen
    try:
        with torch.inference_mode():
            out = painter.paint(network.to(place), image, mask)
    except (RuntimeError, TypeError, AttributeError, torch.jit.Error) as error:  # TorchScript's own, of all sorts
        said = (str(error).strip().splitlines() or [type(error).__name__])[-1][:200]
        raise _failed(path, said) from None
    if out.shape != image.shape:
        raise _failed(path, f"it made {tuple(out.shape)} of {tuple(image.shape)}")
    if not bool(torch.isfinite(out).all()):
        raise _failed(path, "it made no numbers")
    made = torch.where(mask > 0, out.clamp(0, 1), image)[0].permute(1, 2, 0)
    return np.rint(made.cpu().numpy() * 255).astype(np.uint8)
