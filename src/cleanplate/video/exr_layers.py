"""Which channels of an OpenEXR file are the picture: a part of it, or a layer in one."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from cleanplate.errors import InputError
from cleanplate.video.container import check_picture
from cleanplate.video.exr_file import LINES, Box, Channel, ExrFile, Part
from cleanplate.video.image_bytes import broken_image

PLAIN = frozenset({"", "rgb", "rgba", "beauty", "main", "default"})
"""Names of the part that is the picture, if several have R, G and B."""
TRIPLES = ("R", "G", "B"), ("r", "g", "b"), ("red", "green", "blue")
ALPHAS = frozenset({"a", "alpha"})


@dataclass(frozen=True)
class Layer:
    """Three channels of a part that make a picture, or one that is grey."""

    part: Part
    prefix: str
    channels: tuple[Channel, Channel, Channel]

    @property
    def name(self) -> str:
        """Of the part and of the layer in it."""
        return ".".join(filter(None, (self.part.name, self.prefix)))

    def is_called(self, name: str) -> bool:
        """Whether somebody would call it so."""
        return name.casefold() in {one.casefold() for one in (self.name, self.part.name, self.prefix) if one}


def layers_of(part: Part) -> list[Layer]:
    """What of a part can be a picture, plain RGB first."""
    by_name = {channel.name: channel for channel in part.channels}
    prefixes = dict.fromkeys(name.rpartition(".")[0] for name in ("", *by_name))
    found = []
    for prefix, triple in product(prefixes, TRIPLES):
        names = [f"{prefix}.{one}" if prefix else one for one in triple]
        if all(name in by_name for name in names):
            red, green, blue = (by_name[name] for name in names)
            found.append(Layer(part, prefix, (red, green, blue)))
    if not found and "Y" in by_name and not {"RY", "BY"} & set(by_name):
        found.append(Layer(part, "", (by_name["Y"], by_name["Y"], by_name["Y"])))
    return found


def find_layer(file: ExrFile, path: Path, wanted: str) -> Layer:
    """The layer that is meant.

    Raises:
        InputError: none, several, or one that is no picture.
    """
    every = [layer for part in file.parts for layer in layers_of(part)]
    layers = [layer for layer in every if not layer.part.is_deep] or every
    plain = [layer for layer in layers if not layer.prefix]
    if wanted:
        choices = [one for one in layers if one.is_called(wanted)]
    elif len(plain) > 1:
        choices = [one for one in plain if one.part.name.casefold() in PLAIN][:1]
    else:
        choices = plain or layers
    if len(choices) != 1:
        names = listed(list(dict.fromkeys(one.name or "plain RGB" for one in layers)))
        if not layers:
            has = listed([channel.name for part in file.parts for channel in part.channels])
            chroma = any(channel.name in ("RY", "BY") for part in file.parts for channel in part.channels)
            needed = "R, G and B are a picture" + (", luminance and chroma are not" if chroma else "")
            raise InputError(f"{path} has the channels {has}", needed, "export it as RGB")
        given = f"{path} has no layer {wanted}, but {names}" if wanted else f"{path} has the layers {names}"
        if wanted and choices:
            given = f"{path} has {len(choices)} layers {wanted}: {listed([one.name for one in choices])}"
        raise InputError(given, "one of them is cleaned", "name it: --layer NAME")
    (layer,) = choices
    _check(layer, path)
    return layer


def _check(layer: Layer, path: Path) -> None:
    """Refuse what cannot be worked on."""
    part, what = layer.part, f"the layer {layer.name} of {path}" if layer.name else f"{path}"
    if part.is_deep:
        raise InputError(f"{what} is deep", "one sample a pixel is needed", "flatten it (DeepToImage in Nuke)")
    if any(one.sampling != (1, 1) for one in layer.channels):
        raise InputError(f"{what} has subsampled channels", "a sample for each pixel is needed", "export it as RGB")
    if any(one.dtype.kind != "f" for one in layer.channels):
        raise InputError(f"{what} has whole numbers", "a picture is of half or float", "name another layer: --layer")
    if part.tiled and part.tile[2]:
        raise InputError(f"{what} has several levels of detail", "a picture has one", "export it without mipmaps")
    if part.compression >= len(LINES):
        fix = "save it with another (ZIP)"
        raise InputError(f"the compression of {what} is not known", "OpenEXR 3.4's are", fix)
    for window in (part.display_window, part.data_window):
        check_picture(path, *window_size(window))
    if sum(1 for _ in part.areas()) != len(part.offsets):
        raise broken_image(path, "its header is damaged")


def window_size(window: Box) -> tuple[int, int]:
    """Height and width."""
    return window[3] - window[1] + 1, window[2] - window[0] + 1


def listed(values: Iterable[Any]) -> str:
    """Names for people, the first dozen of them."""
    named = [str(value) for value in values]
    return ", ".join(named[:12]) + (" ..." if len(named) > 12 else "")
