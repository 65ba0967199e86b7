"""OpenEXR: a layer of it as a picture, and the same file again with the pixels of that layer that were changed.

Of a file that is written all is the source's, byte for byte, but for the blocks of lines and the tiles that a changed
pixel lies in; in those, all other samples are the same bits. The picture is what lies in the display window.

Pixels are decoded and encoded by the package `OpenEXR` of the Academy Software Foundation, one part at a time.
"""

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped, UInt8, UInt16

from cleanplate.errors import InputError
from cleanplate.imaging.log_curve import fill_values, to_codes
from cleanplate.runtime.silence import silenced
from cleanplate.video.container import check_picture
from cleanplate.video.exr_file import (
    LINES,
    LOSSY,
    NO_COMPRESSION,
    Box,
    Channel,
    ExrFile,
    NotExr,
    Part,
    parse,
    raw_pixels,
)
from cleanplate.video.exr_layers import ALPHAS, Layer, find_layer, layers_of, listed, window_size
from cleanplate.video.image_bytes import broken_image, read_image_bytes

Samples = dict[str, Any]
"""The samples of a part, by the name of the channel: arrays of floats of 16 or 32 bits, or of whole numbers of 32."""


def read_picture(path: Path, layer: str = "") -> UInt16[np.ndarray, "H W 3"]:
    """A layer as codes of the log curve; 0 where a value is no number, black where there are no pixels.

    Args:
        path: the file.
        layer: the name of a part, or what the names of its channels begin with; empty for the one that is plain RGB.

    Raises:
        InputError: a file that cannot be read, or no layer, or no such picture (deep, subsampled, whole numbers).
    """
    file = _open(path)
    found = find_layer(file, path, layer)
    return _picture(found, _decode(file, found.part, path))


def read_alpha(path: Path, layer: str = "") -> UInt16[np.ndarray, "H W"] | None:
    """The alpha of a layer in 16 bits; None if it has none."""
    file = _open(path)
    found = find_layer(file, path, layer)
    start = f"{found.prefix}." if found.prefix else ""
    names = [one.name for one in found.part.channels
             if one.name.startswith(start) and one.name[len(start) :].lower() in ALPHAS]  # fmt: skip
    if not names:
        return None
    values = _decode(file, found.part, path)[names[0]]
    return np.rint(_unit(_in_display(found.part, values)) * 65535).astype(np.uint16)


def read_mask(path: Path, channel: str = "") -> UInt8[np.ndarray, "H W"]:
    """What a file marks, as a grey picture: 1.0 and more is white.

    Args:
        path: the file.
        channel: the one that counts, by its whole name, behind that of its part if need be. If none is named, alpha
            counts unless it is opaque all over; then the mean of R, G and B; then the only channel.

    Raises:
        InputError: a file that cannot be read, no such channel, or several and none that is named.
    """
    file = _open(path)
    flat = [part for part in file.parts if not part.is_deep]
    named = [(part, one) for part in flat for one in part.channels if one.sampling == (1, 1)]
    if channel:
        found = [(part, one) for part, one in named if channel in (one.name, f"{part.name}.{one.name}")]
        if not found:
            fix = f"name one of {listed([one.name for _, one in named])}"
            raise InputError(f"{path} has no channel {channel}", "it is to be the mask", fix)
        return _mask(file, path, found[:1])
    for part in flat:
        alpha = [(part, one) for one in part.channels if one.name.lower() in ALPHAS and one.sampling == (1, 1)]
        if alpha:
            grey = _mask(file, path, alpha)
            if not (grey == 255).all() or len(part.channels) == 1:
                return grey
        with contextlib.suppress(StopIteration):
            layer = next(one for one in layers_of(part) if not one.prefix)
            return _mask(file, path, [(part, one) for one in layer.channels])
    if len(named) == 1:
        return _mask(file, path, named)
    needed = "alpha, R, G and B, or the only channel marks what to remove"
    raise InputError(
        f"{path} has the channels {listed([one.name for _, one in named])}", needed, "name one: --mask-channel NAME"
    )


def write_picture(
    path: Path,
    picture: Shaped[np.ndarray, "H W 3"],
    source: Path,
    changed: Bool[np.ndarray, "H W"],
    layer: str = "",
) -> None:
    """Write a file as it was, with a layer that is `picture`, in codes of the log curve, where it was changed.

    Raises:
        InputError: as `read_picture`.
    """
    file = _open(source)
    found = find_layer(file, source, layer)
    part = found.part
    samples = _decode(file, part, source)
    before = _picture(found, samples)
    (rows, columns), inside = _overlap(part)
    changed = changed[rows, columns]
    values = fill_values(picture[rows, columns], before[rows, columns], changed)
    for index, channel in enumerate({one.name: one for one in found.channels}.values()):
        most = np.finfo(channel.dtype).max
        samples[channel.name][inside][changed] = np.clip(values[:, index], -most, most).astype(channel.dtype)
    where = np.zeros(window_size(part.data_window), bool)
    where[inside] = changed
    path.write_bytes(file.replaced(part, _encoded(part, samples, where, source)))


def _open(path: Path) -> ExrFile:
    try:
        return parse(read_image_bytes(path))
    except NotExr as error:
        raise broken_image(path, str(error)) from None


def _decode(file: ExrFile, part: Part, path: Path) -> Samples:
    """The samples of a part."""
    OpenEXR = _library()
    if part.compression >= len(LINES) or (part.tiled and part.tile[2]):
        raise broken_image(path, "its compression or its levels of detail are not known")
    for window in (part.data_window, part.display_window):
        check_picture(path, *window_size(window))
    try:
        with silenced():  # the package prints what is wrong, and goes on without the part
            read = OpenEXR.File(io.BytesIO(file.alone(part)), separate_channels=True, num_threads=0)
            return {name: channel.pixels for name, channel in read.parts[0].channels.items()}
    except (NotExr, RuntimeError, ValueError, IndexError) as error:
        raise broken_image(path, str(error) if isinstance(error, NotExr) else "its pixels are damaged") from None


def _encoded(part: Part, samples: Samples, where: Bool[np.ndarray, "h w"], path: Path) -> dict[int, bytes]:
    """The pixels of the chunks that hold a changed one, compressed as before where nothing is lost by it."""
    left, top = part.data_window[:2]
    areas = {index: area for index, area in enumerate(part.areas())
             if where[area[1] - top : area[3] - top + 1, area[0] - left : area[2] - left + 1].any()}  # fmt: skip
    subsampled = any(one.sampling != (1, 1) for one in part.channels)  # which the package does not write
    if part.compression in LOSSY | {NO_COMPRESSION} or subsampled:
        return {index: raw_pixels(part, samples, area) for index, area in areas.items()}
    OpenEXR = _library()
    header: dict[str, Any] = {
        "type": OpenEXR.tiledimage if part.tiled else OpenEXR.scanlineimage,
        "compression": OpenEXR.Compression(part.compression),
        "dataWindow": ((left, top), part.data_window[2:]),
        "displayWindow": ((left, top), part.data_window[2:]),
    }
    if part.tiled:
        header["tiles"] = OpenEXR.TileDescription()
        header["tiles"].xSize, header["tiles"].ySize = part.tile[:2]
    channels = {one.name: OpenEXR.Channel(one.name, samples[one.name], *one.sampling, one.p_linear)
                for one in part.channels}  # fmt: skip
    stream = io.BytesIO()
    OpenEXR.File(header, channels, num_threads=0).write(stream)
    whole = parse(stream.getvalue())
    return {index: whole.chunk(whole.parts[0], index)[1] for index in areas}


def _picture(layer: Layer, samples: Samples) -> UInt16[np.ndarray, "H W 3"]:
    return np.dstack([to_codes(_in_display(layer.part, samples[one.name])) for one in layer.channels])


def _mask(file: ExrFile, path: Path, channels: list[tuple[Part, Channel]]) -> UInt8[np.ndarray, "H W"]:
    samples = _decode(file, channels[0][0], path)
    values = [_unit(_in_display(part, samples[one.name])) for part, one in channels]
    return np.rint(np.mean(values, axis=0) * 255).astype(np.uint8)


def _unit(values: Shaped[np.ndarray, "*shape"]) -> Shaped[np.ndarray, "*shape"]:
    return np.clip(np.nan_to_num(values.astype(np.float32), nan=0), 0, 1)


def _in_display(part: Part, values: Shaped[np.ndarray, "h w"]) -> Shaped[np.ndarray, "H W"]:
    """A channel where the picture is; 0 where that has no pixels."""
    picture = np.zeros(window_size(part.display_window), values.dtype)
    place, inside = _overlap(part)
    picture[place] = values[inside]
    return picture


def _overlap(part: Part) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Rows and columns of the picture that there are pixels for, and of these pixels."""
    display, data = part.display_window, part.data_window
    left, top = (max(display[i], data[i]) for i in (0, 1))
    right, bottom = (max(first - 1, min(display[i], data[i])) for i, first in ((2, left), (3, top)))

    def within(window: Box) -> tuple[slice, slice]:
        y, x = top - window[1], left - window[0]
        return slice(y, y + bottom - top + 1), slice(x, x + right - left + 1)

    return within(display), within(data)


def _library() -> Any:
    try:
        import OpenEXR
    except ImportError:
        fix = "pip install openexr"
        raise InputError("OpenEXR is not installed", "EXR images are read and written by it", fix) from None
    return OpenEXR
