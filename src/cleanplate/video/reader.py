"""Read a video, images that follow each other (`sequences`) or one image: frame by frame, or all at once.

Every picture is RGB, (H, W, 3), and upright (a rotated video is turned as a player would turn it): bytes, or 16 bits
where a file has more than 8.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Shaped, UInt8

from cleanplate.errors import InputError
from cleanplate.imaging.pixels import narrow
from cleanplate.progress import OnStep, tell
from cleanplate.video.container import DEFAULT_FPS, decode, frame_rate, open_video
from cleanplate.video.images import read_image, read_mask
from cleanplate.video.planes import upright_rgb
from cleanplate.video.resize import resize_and_crop
from cleanplate.video.sequences import existing, find_stills, is_linear, is_still, is_stills
from cleanplate.video.timecode import Span

FrameSelection = slice | tuple[int, int] | int | None
"""Which frames: a slice, (first, end) with the end excluded, or the first so many; None for all."""


def stream_frames(
    path: Path, span: Span | None = None, *, warn: bool = True, layer: str = ""
) -> Iterator[Shaped[np.ndarray, "H W 3"]]:
    """The pictures of a video, a folder of images or one image, one by one; `layer` is one of OpenEXR files.

    Raises:
        InputError: missing, unreadable or empty.
    """
    span = span or Span()
    if is_stills(path):
        yield from (read_image(file, layer) for file in find_stills(path).within(span).files)
    else:
        yield from (upright_rgb(frame) for frame in decode(path, span, warn=warn))


def check_layer(path: Path, layer: str) -> None:
    """Refuse the name of a layer where there are none; whether this one is there is seen when it is read.

    Raises:
        InputError: it is not of OpenEXR files.
    """
    if layer and not is_linear(path):
        raise InputError(f"--layer {layer} is given, and {path} has no layers", "OpenEXR files have", "leave it out")


def stream_masks(
    path: Path, span: Span | None = None, *, warn: bool = True, channel: str = ""
) -> Iterator[UInt8[np.ndarray, "H W"]]:
    """The grey values of a mask, one by one; `channel` is one of OpenEXR files, or A for the alpha of any."""
    if is_stills(path):
        yield from (read_mask(file, channel) for file in find_stills(path).within(span or Span()).files)
        return
    if channel:
        raise InputError(
            f"{path} is a video", f"images have a channel {channel}", "give a folder of images, or an image"
        )
    for picture in stream_frames(path, span, warn=warn):
        yield as_grey(picture)


def as_grey(picture: Shaped[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W"]:
    """The grey values of a picture of a mask."""
    return cv2.cvtColor(narrow(picture), cv2.COLOR_RGB2GRAY)


def peek(path: Path, span: Span, layer: str = "") -> tuple[Shaped[np.ndarray, "H W 3"], float, int]:
    """The first picture, the frame rate, and how many frames there are as far as the file says, 0 if it does not.

    Raises:
        InputError: no frames there, or none that can be read.
    """
    first = next(stream_frames(path, span, warn=False, layer=layer), None)
    if first is None:
        raise no_frames(path, "" if span.whole else " in the part that is asked for")
    if is_stills(path):
        return first, DEFAULT_FPS, count_frames(path, span)
    with open_video(path) as container:
        return first, fps_of(path), container.streams.video[0].frames if span.whole else 0


def fps_of(path: Path) -> float:
    """Frames a second, as far as the file says."""
    if is_stills(path):
        return DEFAULT_FPS
    with open_video(path) as container:
        return float(frame_rate(container.streams.video[0]))


def frame_times_s(path: Path, fps: float) -> list[float]:
    """When each frame of a video or folder is shown, from the first one.

    Raises:
        InputError: no frames, or none that can be decoded.
    """
    if is_stills(path):
        return [index / fps for index in range(count_frames(path))]
    times_s: list[float] = []
    for frame in decode(path):
        times_s.append(float(frame.time) if frame.time is not None else len(times_s) / fps)
    return [time_s - times_s[0] for time_s in times_s]


def count_frames(path: Path, span: Span | None = None) -> int:
    """How many frames there are: those of a video are decoded for that."""
    if is_stills(path):
        return len(find_stills(path).within(span or Span()).files)
    return sum(1 for _ in decode(path, span, warn=False))


def read_frames(
    path: str | Path,
    *,
    frames: FrameSelection = None,
    size: tuple[int, int] | None = None,
    on_step: OnStep | None = None,
) -> tuple[UInt8[np.ndarray, "T H W 3"], float]:
    """All frames of a video, a folder of images or one image, in 8 bits, and the frame rate.

    Args:
        path: the video, folder or image.
        frames: which of them.
        size: (height, width) to resize and centre-crop to.
        on_step: told of every frame.

    Raises:
        InputError: missing, unreadable, empty, or images of different sizes.
    """
    path = existing(path)
    span, rest = as_span(frames)
    _, fps, total = peek(path, Span())
    pictures: list[np.ndarray] = []
    for picture in stream_frames(path, span):
        picture = narrow(picture if size is None else resize_and_crop(picture, size))
        check_same_size(path, len(pictures), picture, pictures[0].shape[:2] if pictures else picture.shape[:2])
        pictures.append(picture)
        tell(on_step, "read", len(pictures), max(total, len(pictures)))
    if not pictures[rest]:
        raise no_frames(path, "" if frames is None else " in the part that is asked for")
    return np.stack(pictures[rest]), fps


def no_frames(path: str | Path, where: str = "") -> InputError:
    """What to say of a video without frames, or without any in the part that is asked for."""
    fix = "ask for frames that it has" if where else "give a video or a folder that has some"
    return InputError(f"{path} has no frames{where}", "at least one is needed", fix)


def check_same_size(path: Path, index: int, picture: np.ndarray, size: tuple[int, ...]) -> None:
    """Refuse a frame that is not of the size, (height, width), of the first one."""
    if picture.shape[:2] != size:
        raise InputError(
            f"frame {index} of {path} is {picture.shape[1]}x{picture.shape[0]} and frame 0 is {size[1]}x{size[0]}",
            "all frames must have one size",
            "resize them, or set a size",
        )


def as_span(frames: FrameSelection) -> tuple[Span, slice]:
    """The part of a video to decode, and what of it is wanted."""
    wanted = frames if isinstance(frames, slice) else slice(*frames) if isinstance(frames, tuple) else slice(frames)
    start, stop, step = wanted.start or 0, wanted.stop, wanted.step
    # Bounds counted from the end need the whole length; others stop the decoding where they end.
    if start < 0 or (stop is not None and stop <= start) or (step or 1) < 0:
        return Span(), wanted
    return Span(start, stop), slice(None, None, step)


def read_masks(path: str | Path, *, frames: FrameSelection = None) -> UInt8[np.ndarray, "T H W"]:
    """The grey values of a mask: a video, a folder of images, or one image (T = 1). White means hole.

    Raises:
        InputError: as `read_frames`.
    """
    path = existing(path)
    pictures, _ = read_frames(path, frames=None if is_still(path) else frames)
    return np.stack([as_grey(picture) for picture in pictures])
