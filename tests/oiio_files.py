"""Images as OpenImageIO reads and writes them, which is not what cleanplate does it with."""

from pathlib import Path

import numpy as np
import OpenImageIO as oiio


def save(path: Path, values: np.ndarray, attributes: dict[str, object]) -> None:
    """Write (H, W, C) values of 16 bits or of floats of 32."""
    height, width, channels = values.shape
    spec = oiio.ImageSpec(width, height, channels, "float" if values.dtype == np.float32 else "uint16")
    for name, value in attributes.items():
        spec.attribute(name, value)
    file = oiio.ImageOutput.create(str(path))
    assert file is not None, oiio.geterror()
    assert file.open(str(path), spec), file.geterror()
    assert file.write_image(values)
    file.close()


def opened(path: Path) -> oiio.ImageInput:
    file = oiio.ImageInput.open(str(path))
    assert file is not None, oiio.geterror()
    return file


def pixels(path: Path, kind: str = "uint16") -> np.ndarray:
    """All samples, (H, W, C)."""
    file = opened(path)
    values = np.asarray(file.read_image(kind))
    file.close()
    return values


def planes(path: Path, part: int = 0) -> dict[str, np.ndarray]:
    """The channels of a part by their names, each in its own type."""
    file = opened(path)
    assert file.seek_subimage(part, 0)
    spec = file.spec()
    found = {}
    for index, name in enumerate(spec.channelnames):
        kind = str(spec.channelformat(index))
        kind = kind if kind in ("half", "float") else "uint"
        found[name] = np.asarray(file.read_image(part, 0, index, index + 1, kind))[..., 0]
    file.close()
    return found


def attributes(path: Path) -> dict[str, str]:
    """What the header says."""
    file = opened(path)
    return {one.name: repr(one.value) for one in file.spec().extra_attribs}
