"""Image formats of film: OpenEXR, DPX and TIFF of floats. Add one as a module with the functions of `Format`.

Such a file is written as a copy of its source, in which the pixels that were changed are others.
"""

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Shaped, UInt16

from cleanplate.errors import InputError
from cleanplate.video import dpx, exr, float_tiff

SUFFIXES = frozenset({".exr", ".dpx"})
"""Of files that are always of one of these formats; TIFFs may be."""
HALF_A_BYTE_STEP = 128  # of 65535


@runtime_checkable
class Format(Protocol):
    """What a module of a format can do. `layer` is one of an OpenEXR file, empty for the plain one."""

    def read_picture(self, path: Path, layer: str = "") -> Shaped[np.ndarray, "H W 3"]:
        """RGB in 16 bits; what is scene-linear in codes of the log curve."""
        ...

    def read_alpha(self, path: Path, layer: str = "") -> Shaped[np.ndarray, "H W"] | None:
        """The alpha in 16 bits; None if there is none."""
        ...

    def write_picture(
        self, path: Path, picture: Shaped[np.ndarray, "H W 3"], source: Path, changed: Bool[np.ndarray, "H W"],
        layer: str = "",
    ) -> None:  # fmt: skip
        """The source again, with what `read_picture` would make of it replaced by `picture` where it was changed."""
        ...


def film_format(path: Path) -> Format | None:
    """What reads and writes an image; None if it is a common one."""
    match path.suffix.lower():
        case ".exr":
            return exr
        case ".dpx":
            return dpx
    return float_tiff if float_tiff.is_float_tiff(path) else None


def is_scene_linear(path: Path) -> bool:
    """Whether an image is handed out in codes of the log curve."""
    return film_format(path) in (exr, float_tiff)


def write_changed(
    path: Path,
    picture: Shaped[np.ndarray, "H W 3"],
    source: Path,
    changed: Bool[np.ndarray, "H W"] | None,
    layer: str = "",
) -> None:
    """Write a picture over the image of film that it comes from.

    Args:
        path: the new file.
        picture: bytes, or 16 bits.
        source: where it comes from.
        changed: where it is another; where it differs by more than rounding to bytes does if not given.
        layer: which layer of an OpenEXR file it is.

    Raises:
        InputError: the picture is of another size.
    """
    form = film_format(source)
    if form is None:
        raise ValueError(f"{source} is of a common format")  # who calls has looked
    wide = picture if picture.dtype == np.uint16 else picture.astype(np.uint16) * np.uint16(257)
    if changed is None:
        changed = _differing(form.read_picture(source, layer), wide, source)
    form.write_picture(path, wide, source, changed, layer)


def _differing(
    before: UInt16[np.ndarray, "H W 3"], picture: UInt16[np.ndarray, "h w 3"], source: Path
) -> Bool[np.ndarray, "H W"]:
    if before.shape != picture.shape:
        sizes = [f"{one.shape[1]}x{one.shape[0]}" for one in (before, picture)]
        given = f"{source} is {sizes[0]} and its picture is to be {sizes[1]}"
        raise InputError(given, "such a file is written in its own size", "leave the size as it is")
    return np.any(np.abs(picture.astype(np.int32) - before) > HALF_A_BYTE_STEP, axis=-1)
