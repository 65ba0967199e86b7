"""OpenEXR files of odd kinds, written by the package OpenEXR: what is done with each is in test_exr.py."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import OpenImageIO as oiio

COMPRESSIONS = tuple(OpenEXR.Compression(number) for number in range(12))
LOSSY = ("PXR24", "B44", "DWA")
HIDDEN = 4, 3, 13, 10
"""Left, top, right and bottom of what is changed, in the picture."""


@dataclass(frozen=True)
class Odd:
    """A file."""

    name: str
    parts: list[OpenEXR.Part] = field(default_factory=list)
    layer: str = ""
    names: tuple[str, ...] = ("R", "G", "B")
    """Channels of the picture."""
    part: int = 0
    """Which part the picture is in."""
    refused: str = ""
    """What is said of it, if it is not read."""
    write: Callable[[Path], Any] | None = None
    subsampled: bool = False
    """OpenImageIO does not read it."""

    def save(self, path: Path) -> Path:
        """Write it."""
        OpenEXR.File(self.parts).write(str(path)) if self.write is None else self.write(path)
        return path


def compression_name(one: Any) -> str:
    """As in PIZ."""
    return one.name.removesuffix("_COMPRESSION")


def smooth(height: int, width: int, seed: int, dtype: str = "f2") -> np.ndarray:
    """Light from a little below 0 to far above 1, smooth enough to be compressed, with some noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 9.0
    values = np.exp2(4 * np.sin(x + seed) * np.cos(y - seed)) - 0.1 + rng.normal(size=(height, width)) / 50
    return values.astype(dtype)


def ids(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(9).integers(0, 2**32, (height, width), dtype=np.uint32)


def part(channels: dict[str, Any], name: str = "", tile: tuple[int, int] | None = None, **header: Any) -> OpenEXR.Part:
    """A part, of scan lines or of tiles of (width, height)."""
    header = {"compression": OpenEXR.ZIP_COMPRESSION} | header
    header["type"] = OpenEXR.tiledimage if tile else OpenEXR.scanlineimage
    if tile:
        header["tiles"] = OpenEXR.TileDescription()
        header["tiles"].xSize, header["tiles"].ySize = tile
    made = {
        key: one if isinstance(one, OpenEXR.Channel) else OpenEXR.Channel(key, one) for key, one in channels.items()
    }
    return OpenEXR.Part(header, made, name)


def rgb(height: int = 37, width: int = 45, dtype: str = "f2", prefix: str = "") -> dict[str, Any]:
    return {f"{prefix}{name}": smooth(height, width, seed, dtype) for seed, name in enumerate("RGB")}


def more(height: int = 37, width: int = 45) -> dict[str, Any]:
    """Channels that are no colour."""
    depth = smooth(height, width, 5, "f4")
    depth[2] = np.inf
    return {"A": smooth(height, width, 4), "Z": depth, "id": ids(height, width)}


def windows(data: tuple[int, ...], display: tuple[int, ...]) -> dict[str, Any]:
    return {"dataWindow": (data[:2], data[2:]), "displayWindow": (display[:2], display[2:])}


def with_values(values: list[float], dtype: str) -> dict[str, Any]:
    """Known and hidden pixels of these values."""
    channels = rgb(dtype=dtype)
    for plane in channels.values():
        plane[1, : len(values)] = values
        plane[6, 4 : 4 + len(values)] = values
    return channels


def deep(kind: Any) -> OpenEXR.Part:
    """Zero to two samples a pixel."""
    rng = np.random.default_rng(3)
    counts = rng.integers(0, 3, (20, 24))
    planes = {}
    for name in "RGBAZ":
        pixels = np.empty(counts.shape, object)
        for at, count in np.ndenumerate(counts):
            pixels[at] = rng.random(count).astype("f2") if count else None
        planes[name] = OpenEXR.Channel(name, pixels)
    header = {"type": kind, "compression": OpenEXR.ZIPS_COMPRESSION}
    if kind == OpenEXR.deeptile:
        header["tiles"] = OpenEXR.TileDescription()
    return OpenEXR.Part(header, planes, "deep")


def halved(name: str, height: int, width: int) -> OpenEXR.Channel:
    """A channel of half the width and height. The package takes the samples from the beginning of a whole plane."""
    return OpenEXR.Channel(name, smooth(height, width, 7), 2, 2)


def levels(path: Path) -> None:
    """A texture with all its levels of detail."""
    picture = oiio.ImageBuf(oiio.ImageSpec(64, 64, 3, "half"))
    assert oiio.ImageBufAlgo.make_texture(oiio.MakeTxTexture, picture, str(path))


def kinds() -> Iterator[Odd]:
    """More than a hundred files."""
    for one in COMPRESSIONS:
        name = compression_name(one)
        yield Odd(f"lines-{name}", [part(rgb() | more(), compression=one)])
        yield Odd(f"tiles-{name}", [part(rgb() | more(), tile=(16, 20), compression=one)])
        yield Odd(f"float-{name}", [part(rgb(dtype="f4"), compression=one)])
        yield Odd(f"pixel-{name}", [part(rgb(1, 1), compression=one)])
        both = windows((-7, -9, 37, 27), (0, 0, 29, 19))
        yield Odd(f"negative-{name}", [part(rgb() | more(), compression=one, **both)])
        values = [float("nan"), float("inf"), -float("inf"), -0.0, 1e-7, 65504, -65504]
        yield Odd(f"nan-{name}", [part(with_values(values, "f2"), compression=one)])
    yield from odd_windows()
    yield from odd_parts()
    yield from odd_channels()
    yield from odd_headers()
    yield from refused()


def odd_windows() -> Iterator[Odd]:
    """Data windows, and what of them is the picture."""
    picture = 10, 20, 54, 56
    for name, data in {
        "same": picture, "inside": (15, 24, 40, 50), "around": (0, 0, 70, 80), "left": (-20, 20, 30, 56),
        "beside": (100, 100, 120, 130), "dot": (16, 25, 16, 25), "line": (10, 26, 54, 26), "column": (17, 20, 17, 56),
    }.items():  # fmt: skip
        size = data[3] - data[1] + 1, data[2] - data[0] + 1
        yield Odd(f"window-{name}", [part(rgb(*size), **windows(data, picture))])
        yield Odd(f"window-tiles-{name}", [part(rgb(*size), tile=(8, 8), **windows(data, picture))])


def odd_parts() -> Iterator[Odd]:
    """Several of them."""
    plain, named = part(rgb(), "rgba"), part(rgb(dtype="f4"), "diffuse", compression=OpenEXR.PIZ_COMPRESSION)
    yield Odd("parts", [plain, named])
    yield Odd("parts-second", [part({"Z": smooth(37, 45, 2)}, "depth"), part(rgb(), "colour", tile=(16, 16))], part=1)
    yield Odd("parts-layer", [plain, named], layer="diffuse", part=1)
    yield Odd("parts-deep", [part(rgb(20, 24) | {"A": smooth(20, 24, 1)}, "flat"), deep(OpenEXR.deepscanline)])
    names = ("diffuse.R", "diffuse.G", "diffuse.B")
    yield Odd("parts-nuke", [plain, part(rgb(prefix="diffuse."), "diffuse")], layer="diffuse", part=1, names=names)
    lossy = part(rgb(), "other", compression=OpenEXR.DWAA_COMPRESSION)
    yield Odd("parts-lossy-beside", [part(rgb(), "beauty"), lossy, part({"id": ids(37, 45)}, "ids")])


def odd_channels() -> Iterator[Odd]:
    """Layers, and much that is none."""
    lights = {key: one for index in range(6) for key, one in rgb(prefix=f"light{index}.").items()}
    yield Odd("lights", [part(rgb() | lights)])
    yield Odd("lights-named", [part(rgb() | lights)], layer="light3", names=("light3.R", "light3.G", "light3.B"))
    yield Odd("only-beauty", [part(rgb(prefix="beauty."))], names=("beauty.R", "beauty.G", "beauty.B"))
    words = {f"main.{name}": smooth(37, 45, seed) for seed, name in enumerate(("red", "green", "blue"))}
    yield Odd("words", [part(words)], names=tuple(words))
    mattes = {f"crypto{index:02}.{name}": smooth(37, 45, index, "f4") for index in range(12) for name in "rgba"}
    yield Odd("cryptomatte", [part(rgb() | mattes, compression=OpenEXR.ZIPS_COMPRESSION)])
    yield Odd("mixed-types", [part(rgb() | {"G": smooth(37, 45, 1, "f4")})])
    yield Odd("grey", [part({"Y": smooth(37, 45, 1)})], names=("Y",))
    yield Odd("long-name", [part(rgb() | {"x" * 200: smooth(37, 45, 1)})])
    for one in (OpenEXR.NO_COMPRESSION, OpenEXR.ZIP_COMPRESSION, OpenEXR.PIZ_COMPRESSION, OpenEXR.B44_COMPRESSION):
        halves = rgb(36, 44) | {name: halved(name, 36, 44) for name in ("RY", "BY")}
        name = f"halved-beside-{compression_name(one)}"
        yield Odd(name, [part(halves, compression=one)], subsampled=True)
        moved = windows((-6, -4, 37, 31), (0, 0, 29, 19))
        yield Odd(f"{name}-moved", [part(halves, compression=one, **moved)], subsampled=True)


def odd_headers() -> Iterator[Odd]:
    """Attributes and line orders."""
    attributes: dict[str, Any] = {
        "timeCode": OpenEXR.TimeCode(1, 2, 3, 4, True, False, True, False, False, False, 1, 2, 3, 4, 5, 6, 7, 8),
        "keyCode": OpenEXR.KeyCode(1, 2, 3, 4, 5, 6, 70),
        "chromaticities": (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767),
        "pixelAspectRatio": 2.0, "owner": "nobody", "expTime": 0.02, "isoSpeed": 800,
        "framesPerSecond": Fraction(24000, 1001), "worldToCamera": np.eye(4, dtype="f4"), "views": ["left", "right"],
        "screenWindowWidth": 1.5, "nuke/version": "15.1", "v2": (1, 2), "double": np.array([1.5]),
    }  # fmt: skip
    yield Odd("attributes", [part(rgb() | more(), **attributes)])
    yield Odd("attributes-tiles", [part(rgb(), tile=(32, 32), **attributes)])
    for one in (OpenEXR.NO_COMPRESSION, OpenEXR.ZIP_COMPRESSION, OpenEXR.PIZ_COMPRESSION):
        name = f"upwards-{compression_name(one)}"
        yield Odd(name, [part(rgb(), compression=one, lineOrder=OpenEXR.DECREASING_Y)])
    yield Odd("tiles-upwards", [part(rgb(), tile=(16, 16), lineOrder=OpenEXR.DECREASING_Y)])
    yield Odd("tiles-anyhow", [part(rgb(), tile=(16, 16), lineOrder=OpenEXR.RANDOM_Y)])


def refused() -> Iterator[Odd]:
    """What cannot be done."""
    yield Odd("deep", [deep(OpenEXR.deepscanline)], refused="is deep")
    yield Odd("deep-tiles", [deep(OpenEXR.deeptile)], refused="is deep")
    yc = {"Y": smooth(36, 44, 1), "RY": halved("RY", 36, 44), "BY": halved("BY", 36, 44)}
    yield Odd("yc", [part(yc)], refused="luminance and chroma are not")
    yield Odd("halved", [part({name: halved(name, 36, 44) for name in "RGB"})], refused="subsampled")
    yield Odd("whole", [part({name: ids(9, 9) for name in "RGB"})], refused="whole numbers")
    yield Odd("depth", [part({"Z": smooth(9, 9, 1)})], refused="has the channels Z")
    yield Odd("mipmap", write=levels, refused="levels of detail")
    two = rgb(prefix="diffuse.") | rgb(prefix="specular.")
    yield Odd("two-layers", [part(two)], refused="has the layers diffuse, specular; one of them is cleaned; name it")
    eyes = [part(rgb(), "left"), part(rgb(), "right")]
    yield Odd("two-parts", eyes, refused="has the layers left, right")
    yield Odd("no-such-layer", eyes, layer="middle", refused="no layer middle, but left, right")
    whole = part(rgb())
    for name, cut in {"header": 100, "table": 380, "pixels": -50}.items():
        yield Odd(f"cut-in-{name}", write=lambda path, cut=cut: cut_off(path, whole, cut), refused="cannot be read")
    yield Odd("garbage", write=lambda path: path.write_bytes(b"no OpenEXR" * 99), refused="cannot be read")
    yield Odd("empty", write=lambda path: path.write_bytes(b""), refused="cannot be read")


def cut_off(path: Path, whole: OpenEXR.Part, end: int) -> None:
    OpenEXR.File([whole]).write(str(path))
    path.write_bytes(path.read_bytes()[:end])
