"""Read and write video, frame folders and masks. BGR lives only here, YUV only in planes.py.

Everything handed out is RGB and upright (a rotated video is turned as a player would turn it), bytes or, where a file
has more, 16 bits. Whatever is written appears under its name only when it is whole.
"""

import contextlib
import errno
import io
import re
import warnings
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image, UnidentifiedImageError

from cleanplate.errors import InputError
from cleanplate.imaging.pixels import narrow
from cleanplate.progress import OnStep, tell
from cleanplate.runtime.files import existing
from cleanplate.video.container import DEFAULT_FPS, MOST_PX, check_picture, decode, frame_rate, open_video
from cleanplate.video.planes import upright_rgb
from cleanplate.video.timecode import Span

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
MOST_BYTES = 2**31  # of an image file: what the largest picture has unpacked, and more
UNREADABLE = (cv2.error, UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError)
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # what is wrong is said by us, once

Frames = slice | tuple[int, int] | int | None


def is_image(path: Path) -> bool:
    """Whether the name is that of a still image."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir()


# Reading


def stream_frames(path: Path, span: Span | None = None, *, warn: bool = True) -> Iterator[Shaped[np.ndarray, "H W 3"]]:
    """The pictures of a video, a folder of images or one image, one by one.

    Raises:
        InputError: missing, unreadable or empty.
    """
    span = span or Span()
    if path.is_dir() or is_image(path):
        files = image_files(path) if path.is_dir() else [path]
        for index, file in enumerate(files):
            time_s = index / Fraction(DEFAULT_FPS)
            if span.ends(index, time_s):
                break
            if span.begins(index, time_s):
                yield read_image(file)
    else:
        yield from (upright_rgb(frame) for frame in decode(path, span, warn=warn))


def stream_masks(path: Path, span: Span | None = None, *, warn: bool = True) -> Iterator[UInt8[np.ndarray, "H W"]]:
    """The grey levels of a mask, one by one."""
    for picture in stream_frames(path, span, warn=warn):
        yield cv2.cvtColor(narrow(picture), cv2.COLOR_RGB2GRAY)


def peek(path: Path, span: Span) -> tuple[Shaped[np.ndarray, "H W 3"], float, int]:
    """The first picture, the frame rate, and how many frames there are as far as the file says, 0 if it does not.

    Raises:
        InputError: no frames there, or none that can be read.
    """
    first = next(stream_frames(path, span, warn=False), None)
    if first is None:
        asked = "" if span.whole else " in the part that is asked for"
        raise InputError(
            f"{path} has no frames{asked}", "at least one is needed", "check the file, or what you ask for"
        )
    if path.is_dir() or is_image(path):
        return first, DEFAULT_FPS, count_frames(path, span)
    with open_video(path) as container:
        return first, fps_of(path), container.streams.video[0].frames if span.whole else 0


def fps_of(path: Path) -> float:
    """Frames a second, as far as the file says."""
    if path.is_dir() or is_image(path):
        return DEFAULT_FPS
    with open_video(path) as container:
        return float(frame_rate(container.streams.video[0]))


def count_frames(path: Path, span: Span | None = None) -> int:
    """How many frames there are, by decoding them."""
    if path.is_dir() or is_image(path):
        files, span = image_files(path) if path.is_dir() else [path], span or Span()
        times = ((index, index / Fraction(DEFAULT_FPS)) for index in range(len(files)))
        return sum(span.begins(*at) and not span.ends(*at) for at in times)
    return sum(1 for _ in decode(path, span, warn=False))


def read_frames(
    path: str | Path, *, frames: Frames = None, size: tuple[int, int] | None = None, on_step: OnStep | None = None
) -> tuple[UInt8[np.ndarray, "T H W 3"], float]:
    """All frames of a video, a folder of images or one image, in 8 bits, and the frame rate.

    Args:
        path: the video, folder or image.
        frames: which frames to keep: a slice, (first, end), or the first so many.
        size: (height, width) to resize and centre-crop to.
        on_step: told of every frame.

    Raises:
        InputError: missing, unreadable, empty, or images of different sizes.
    """
    path = existing(path)
    span, rest = as_span(frames)
    _, fps, total = peek(path, Span())
    kept: list[np.ndarray] = []
    for picture in stream_frames(path, span):
        picture = narrow(picture if size is None else resize_and_crop(picture, size))
        if kept and picture.shape != kept[0].shape:
            (h, w), (first_h, first_w) = picture.shape[:2], kept[0].shape[:2]
            raise InputError(
                f"frame {len(kept)} of {path} is {w}x{h} and frame 0 is {first_w}x{first_h}",
                "all frames must have one size",
                "resize them, or set a size",
            )
        kept.append(picture)
        tell(on_step, "read", len(kept), max(total, len(kept)))
    if not kept[rest]:
        asked = "" if frames is None else f" among {frames}"
        raise InputError(
            f"{path} has no frames{asked}", "at least one is needed", "check the file, or what you ask for"
        )
    return np.stack(kept[rest]), fps


def as_span(frames: Frames) -> tuple[Span, slice]:
    """The part of a video to decode, and what of it is wanted."""
    wanted = frames if isinstance(frames, slice) else slice(*frames) if isinstance(frames, tuple) else slice(frames)
    start, stop, step = wanted.start or 0, wanted.stop, wanted.step
    # Bounds counted from the end need the whole length; others stop the decoding where they end.
    if start < 0 or (stop is not None and stop <= start) or (step or 1) < 0:
        return Span(), wanted
    return Span(start, stop), slice(None, None, step)


def read_masks(path: str | Path, *, frames: Frames = None) -> UInt8[np.ndarray, "T H W"]:
    """The grey levels of a mask: a video, a folder of images, or one image (T = 1). White means hole.

    Raises:
        InputError: as `read_frames`.
    """
    path = existing(path)
    pictures, _ = read_frames(path, frames=None if is_image(path) else frames)
    return np.stack([cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pictures])


def image_files(folder: Path) -> list[Path]:
    """The images of a folder in natural order: frame2 before frame10."""
    try:
        files = [file for file in folder.iterdir() if is_image(file) and not file.name.startswith(".")]
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({error.strerror})", "a folder of images", "check it") from None
    if not files:
        known = ", ".join(sorted(IMAGE_SUFFIXES))
        raise InputError(f"the folder {folder} has no images", f"images ({known}) are needed", "check the folder")
    return sorted(files, key=lambda file: [int(s) if s.isdecimal() else s for s in re.split(r"(\d+)", file.name)])


def read_image(path: Path) -> Shaped[np.ndarray, "H W 3"]:
    """One image as RGB, bytes or 16 bits, turned upright if its EXIF tag says so."""
    picture = _decode_image(path, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if picture.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{path} holds {picture.dtype} values", "8 or 16 bits are read", "convert it")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def read_alpha(path: Path) -> Shaped[np.ndarray, "H W"] | None:
    """How opaque each pixel of an image is, if it says."""
    if path.suffix.lower() not in (".png", ".tif", ".tiff", ".webp"):
        return None
    picture = _decode_image(path, cv2.IMREAD_UNCHANGED)
    return picture[..., 3] if picture.ndim == 3 and picture.shape[2] == 4 else None


def _decode_image(path: Path, flags: int) -> np.ndarray:
    try:
        if path.exists() and not path.is_file():
            raise OSError(errno.EINVAL, "it is a folder, a pipe or a device")
        if path.stat().st_size > MOST_BYTES:
            raise OSError(errno.EFBIG, f"it has more than {MOST_BYTES / 1e9:g} GB")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})", "an image is needed", "check the file") from None
    picture = None
    with contextlib.suppress(*UNREADABLE):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as header:  # its size, and those of a PNG's parts, before it is unpacked
                check_picture(path, header.height, header.width)
                header.verify()
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if picture is None:
        raise InputError(
            f"{path} is not an image that can be read", "a whole PNG, JPEG, ... is needed", "check the file"
        )
    return picture


def check_size(size: tuple[int, int] | None) -> None:
    """Refuse a (height, width) that is none, or more than any picture has."""
    if size is not None and not (min(size) >= 1 and max(size) <= MOST_PX):
        needed = f"height and width of 1 to {MOST_PX} are needed"
        raise InputError(f"the size is {size[0]}x{size[1]}", needed, "correct it")


def resize_and_crop(picture: Shaped[np.ndarray, "H W *C"], size: tuple[int, int]) -> Shaped[np.ndarray, "h w *C"]:
    """Scale until `size` (height, width) is covered, then cut out the centre (App. B)."""
    height, width = size
    scale = max(height / picture.shape[0], width / picture.shape[1])
    scaled = max(height, round(picture.shape[0] * scale)), max(width, round(picture.shape[1] * scale))
    if scaled != picture.shape[:2]:
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        picture = cv2.resize(picture, scaled[::-1], interpolation=how)
    top, left = (scaled[0] - height) // 2, (scaled[1] - width) // 2
    return picture[top : top + height, left : left + width]


# Writing
