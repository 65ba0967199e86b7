"""Still images, read and written. Add an image format here; see sequences.py for images that follow each other.

What is handed out is RGB and upright, (H, W, 3), in 8 or 16 bits: OpenCV's BGR is seen nowhere else. OpenEXR, DPX and
TIFF of floats are in film_formats.py.
"""

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import Bool, Shaped, UInt8
from PIL import ExifTags, Image, UnidentifiedImageError

from cleanplate.errors import InputError
from cleanplate.imaging.pixels import narrow, to_samples
from cleanplate.runtime.files import whole
from cleanplate.video import exr
from cleanplate.video.container import check_picture
from cleanplate.video.film_formats import SUFFIXES, film_format, write_changed
from cleanplate.video.image_bytes import read_image_bytes
from cleanplate.video.png_chunks import said_by, with_chunks

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}) | SUFFIXES
ALPHA_SUFFIXES = frozenset({".png", ".tif", ".tiff", ".webp"})
"""Of the formats that can have an alpha channel."""
PICTURE_SUFFIX = ".png"
"""Of the format that is written."""
BITS_PER_SAMPLE = 258  # a tag of TIFF
UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda picture: picture[:, ::-1],
    3: lambda picture: picture[::-1, ::-1],
    4: lambda picture: picture[::-1],
    5: lambda picture: picture.swapaxes(0, 1),
    6: lambda picture: np.rot90(picture, -1),
    7: lambda picture: picture[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}
"""By EXIF's orientation, what brings a picture upright."""
UNREADABLE = (cv2.error, UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError)
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # what is wrong is said by us, once


def is_image(path: Path) -> bool:
    """Whether the name is that of a still image, or a pattern of such names (`sequences.pattern_of`)."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir()


def read_image(path: Path, layer: str = "") -> Shaped[np.ndarray, "H W 3"]:
    """One image as RGB, in 8 or 16 bits, turned upright if its EXIF tag says so; `layer` is one of an OpenEXR file."""
    if (film := film_format(path)) is not None:
        return film.read_picture(path, layer)
    picture = _decode(path, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if picture.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{path} holds {picture.dtype} values", "8 or 16 bits are read", "convert it to a 16-bit PNG")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def read_alpha(path: Path, layer: str = "") -> Shaped[np.ndarray, "H W"] | None:
    """The alpha channel of an image; None if it has none."""
    if (film := film_format(path)) is not None:
        return film.read_alpha(path, layer)
    if path.suffix.lower() not in ALPHA_SUFFIXES:
        return None
    picture = _decode(path, cv2.IMREAD_UNCHANGED)
    return picture[..., 3] if picture.ndim == 3 and picture.shape[2] == 4 else None


def frame_of(path: Path) -> VideoFrame:
    """An image with its alpha as a frame of a video, in 8 or 16 bits."""
    picture, alpha = read_image(path), read_alpha(path)
    if alpha is None:  # of one among those that have it
        alpha = np.full(picture.shape[:2], np.iinfo(picture.dtype).max, picture.dtype)
    deep = picture.dtype == np.uint16
    return VideoFrame.from_ndarray(np.dstack((picture, alpha)), format="rgba64le" if deep else "rgba")


def read_mask(path: Path, channel: str = "") -> UInt8[np.ndarray, "H W"]:
    """What an image marks, as a grey picture.

    Args:
        path: the image.
        channel: the one of an OpenEXR file; `A` is the alpha of others too. If none is named, alpha counts in an
            OpenEXR file, and in others the grey of the picture.

    Raises:
        InputError: it has no such channel, or cannot be read.
    """
    if path.suffix.lower() == ".exr":
        return exr.read_mask(path, channel)
    if not channel:
        return cv2.cvtColor(narrow(read_image(path)), cv2.COLOR_RGB2GRAY)
    alpha = read_alpha(path) if channel.casefold() in exr.ALPHAS else None
    if alpha is None:
        raise InputError(f"{path} has no channel {channel}", "it is to be the mask", "name another file or channel")
    return narrow(alpha)


def _decode(path: Path, flags: int) -> np.ndarray:
    """What OpenCV makes of a file, once its header has said that it is an image of a size that can be held."""
    data = read_image_bytes(path)
    picture = None
    with contextlib.suppress(*UNREADABLE):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as header:  # its size, and those of a PNG's parts, before it is unpacked
                check_picture(path, header.height, header.width)
                of_bytes = set(getattr(header, "tag_v2", {}).get(BITS_PER_SAMPLE, ())) == {8}
                in_pillow = header.format == "TIFF" and header.mode == "RGBA" and of_bytes
                header.verify()
        picture = _of_tiff(data, flags) if in_pillow else cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        if picture is not None and flags == cv2.IMREAD_UNCHANGED and not in_pillow:  # others OpenCV turns by itself
            picture = UPRIGHT.get(_orientation(data), np.asarray)(picture)
    if picture is None:
        raise InputError(
            f"{path} is not an image that can be read", "a whole PNG, JPEG, ... is needed", "export or copy it again"
        )
    return picture


def _orientation(data: bytes) -> int:
    """What EXIF says of it, in a PNG or WebP; 1 is upright."""
    if b"eXIf" not in data and b"EXIF" not in data:  # to be told so takes as long as to decode it
        return 1
    with Image.open(io.BytesIO(data)) as image:
        return image.getexif().get(ExifTags.Base.Orientation, 1)


def _of_tiff(data: bytes, flags: int) -> np.ndarray:
    """A TIFF with an alpha of 8 bits as OpenCV gives others: it has the colours multiplied by alpha."""
    with Image.open(io.BytesIO(data)) as image:
        picture = np.asarray(image)
    return cv2.cvtColor(picture, cv2.COLOR_RGBA2BGRA if flags == cv2.IMREAD_UNCHANGED else cv2.COLOR_RGBA2BGR)


def write_png(path: Path, picture: Shaped[np.ndarray, "H W 3"]) -> None:
    """Write one picture of bytes, or of floats in 0..1."""
    with whole(path) as partial:
        _encode_png(partial, cv2.cvtColor(to_samples(picture), cv2.COLOR_RGB2BGR))


def _encode_png(path: Path, bgr: Shaped[np.ndarray, "H W C"], source: Path | None = None) -> None:
    """Write a PNG, with what its source says of its colours."""
    _, data = cv2.imencode(".png", bgr)
    png = data.tobytes()
    path.write_bytes(png if source is None else with_chunks(png, said_by(read_image_bytes(source))))


class FolderWriter:
    """A folder of PNGs with the alpha and the bit depth of the images they come from.

    What comes from images of film is written as those, changed in places.

    Args:
        folder: where to write; it is there already.
        names: of the files, in the order of the pictures (`numbers.output_names`).
        sources: the images that the pictures come from; none, or fewer than there are pictures, if they come from
            elsewhere.
        layer: which layer of OpenEXR files they are.
        show_changed: what is changed shows also where the source is transparent.
    """

    def __init__(
        self,
        folder: Path,
        names: Iterator[str],
        sources: Sequence[Path] = (),
        *,
        layer: str = "",
        show_changed: bool = False,
    ):
        self.folder, self.names, self.sources = folder, names, iter(sources)
        self.layer, self.show_changed = layer, show_changed

    def write(self, picture: Shaped[np.ndarray, "H W 3"], changed: Bool[np.ndarray, "H W"] | None = None) -> None:
        """Add a picture; `changed` says where it is not that of its source."""
        source, path = next(self.sources, None), self.folder / next(self.names)
        _write_like(path, picture, source, changed, self.layer, show_changed=self.show_changed)


class PictureWriter:
    """One image, as `FolderWriter` writes many.

    Args:
        path: the file.
        source: the image that it comes from, None if from elsewhere.
        layer: which layer of an OpenEXR file it is.
    """

    def __init__(self, path: Path, source: Path | None, layer: str = ""):
        self.path, self.source, self.layer = path, source, layer

    def write(self, picture: Shaped[np.ndarray, "H W 3"], changed: Bool[np.ndarray, "H W"] | None = None) -> None:
        """Write it; `changed` says where it is not that of its source."""
        if self.path.exists():
            raise ValueError(f"{self.path} has its picture")  # outputs are checked before
        _write_like(self.path, picture, self.source, changed, self.layer)


def _write_like(
    path: Path, picture: Shaped[np.ndarray, "H W 3"], source: Path | None, changed: Bool[np.ndarray, "H W"] | None,
    layer: str, *, show_changed: bool = False,
) -> None:  # fmt: skip
    """A picture as a PNG, or in the format of film that its source is in."""
    if source is None or path.suffix.lower() == PICTURE_SUFFIX:
        _encode_png(path, _with_source(picture, source, changed, show_changed), source)
    else:
        write_changed(path, picture, source, changed, layer)


def _with_source(
    picture: Shaped[np.ndarray, "H W 3"],
    path: Path | None,
    changed: Bool[np.ndarray, "H W"] | None,
    show_changed: bool = False,
) -> Shaped[np.ndarray, "H W C"]:
    """A picture as BGR, with its source's alpha, and with its source's 16 bits where it was not changed."""
    bgr = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2BGR)
    if path is None:
        return bgr
    alpha = read_alpha(path)
    if changed is not None and bgr.dtype == np.uint16:  # it was computed with in fewer bits
        source = read_image(path)
        if source.shape == bgr.shape and source.dtype == bgr.dtype:
            bgr[~changed] = source[..., ::-1][~changed]
    if alpha is not None and alpha.shape == bgr.shape[:2] and alpha.dtype == bgr.dtype:
        if show_changed and changed is not None:
            alpha = np.where(changed, np.iinfo(alpha.dtype).max, alpha).astype(alpha.dtype)
        bgr = np.dstack((bgr, alpha))
    return bgr
