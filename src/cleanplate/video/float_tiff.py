"""TIFF of 32-bit floats, scene-linear as OpenEXR is: a picture of it, and a file with the pixels that were changed.

libtiff, in OpenCV, decodes the samples, in any compression. `tifffile` reads the other tags and writes the file: its
samples are the source's bits where nothing was changed, uncompressed if they were so, else deflated without loss.
"""

import contextlib
import io
import logging
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt16

from cleanplate.errors import InputError
from cleanplate.imaging.log_curve import fill_values, to_codes
from cleanplate.video.container import check_picture
from cleanplate.video.image_bytes import broken_image, read_image_bytes

SUFFIXES = frozenset({".tif", ".tiff"})
# Tags that say how samples lie in a file: those of the new one are its own. Others are copied.
OF_THE_LAYOUT = frozenset({254, 255, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 322, 323, 324, 325,
                           330, 338, 339, 34665, 34853})  # fmt: skip
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = RESOLUTION = 282, 283, 296
NO_COMPRESSION, DEFLATE = 1, 8
FLOATS = 3  # as the format of samples
ORIENTATION = 274


def is_float_tiff(path: Path) -> bool:
    """Whether a file is a TIFF of floats; no if it cannot be read."""
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return False
    with contextlib.suppress(InputError), _opened(path) as file:
        return file.pages[0].sampleformat == FLOATS
    return False


def read_picture(path: Path, layer: str = "") -> UInt16[np.ndarray, "H W 3"]:
    """Its picture as codes of the log curve; 0 where a value is no number.

    Raises:
        InputError: it cannot be read, or holds other samples than RGB, RGBA or grey of 32 bits.
    """
    samples = _samples(path)
    return to_codes(np.ascontiguousarray(samples[..., :3] if samples.shape[2] >= 3 else samples[..., [0, 0, 0]]))


def read_alpha(path: Path, layer: str = "") -> UInt16[np.ndarray, "H W"] | None:
    """Its alpha in 16 bits; None if it has none."""
    samples = _samples(path)
    if samples.shape[2] != 4:
        return None
    return np.rint(np.clip(np.nan_to_num(samples[..., 3]), 0, 1) * 65535).astype(np.uint16)


def write_picture(
    path: Path, picture: UInt16[np.ndarray, "H W 3"], source: Path, changed: Bool[np.ndarray, "H W"], layer: str = ""
) -> None:
    """Write a file as it was, with the pixels of `picture` where it was changed."""
    import tifffile

    samples = _samples(source)
    values = fill_values(picture, read_picture(source), changed)
    colours = min(3, samples.shape[2])
    samples[..., :colours][changed] = values[:, :colours]
    written = io.BytesIO()
    with _opened(source) as file:
        page = file.pages[0]
        tags = {tag.code: tag for tag in page.tags.values() if tag.code not in OF_THE_LAYOUT}
        options: dict[str, Any] = {
            "byteorder": file.byteorder,
            "photometric": "rgb" if colours == 3 else "minisblack",
            "compression": None if page.compression == NO_COMPRESSION else DEFLATE,
            "extrasamples": tuple(page.extrasamples) or None,
            "extratags": [(code, int(tag.dtype), tag.count, tag.value, True) for code, tag in tags.items()
                          if code not in RESOLUTION],
            "metadata": None,
            "software": False,
        }  # fmt: skip
        if X_RESOLUTION in tags and Y_RESOLUTION in tags:
            options["resolution"] = tags[X_RESOLUTION].value, tags[Y_RESOLUTION].value
            options["resolutionunit"] = tags[RESOLUTION_UNIT].value if RESOLUTION_UNIT in tags else None
        tifffile.imwrite(written, samples if samples.shape[2] > 1 else samples[..., 0], **options)
    path.write_bytes(written.getvalue())


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A file whose tags are looked at; whatever is wrong with them is an InputError."""
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what is wrong is said by us, once
    try:
        with tifffile.TiffFile(path) as file:
            yield file
    except (OSError, ValueError, TypeError, LookupError, AttributeError, struct.error, tifffile.TiffFileError) as error:
        raise broken_image(path, "its tags are damaged") from error


def _samples(path: Path) -> Float32[np.ndarray, "H W C"]:
    """All samples of a file."""
    with _opened(path) as file:
        page, pages = file.pages[0], len(file.pages)
        check_picture(path, page.imagelength, page.imagewidth)
        bits, channels, planar = page.bitspersample, page.samplesperpixel, int(page.planarconfig)
        upright = ORIENTATION not in page.tags or page.tags[ORIENTATION].value == 1
    if bits != 32 or channels not in (1, 3, 4) or planar != 1 or pages != 1 or not upright:
        given = f"{path} has {pages} images of {channels} channels and {bits} bits" + (
            ", in planes" if planar != 1 else ""
        )
        raise InputError(given, "of TIFFs of floats, one upright RGB or RGBA of 32 bits is read", "export it so")
    data = read_image_bytes(path)
    try:
        samples = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        samples = None
    if samples is None or samples.dtype != np.float32:
        raise broken_image(path, "its samples are damaged")
    samples = samples.reshape(*samples.shape[:2], -1)
    return np.ascontiguousarray(samples[..., [2, 1, 0, 3][: samples.shape[2]]] if samples.shape[2] >= 3 else samples)
