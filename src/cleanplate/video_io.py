"""Read and write video, frame folders and masks. BGR and uint8 live only here, YUV only in container.py.

Everything handed out is RGB, upright (a rotated video is turned as a player would turn it) and `(T, H, W, C)` uint8;
`clip.py` makes tensors of it. Whatever is written appears under its name only when it is whole.
"""

import contextlib
import errno
import itertools
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av.error
import cv2
import numpy as np
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor

from cleanplate.config import OnStep, tell
from cleanplate.container import DEFAULT_FPS, decode, encode, open_video, upright_rgb
from cleanplate.errors import InputError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv")

Frames = slice | tuple[int, int] | int | None


def is_image(path: Path) -> bool:
    """Whether the name is that of a still image."""
    return path.suffix.lower() in IMAGE_SUFFIXES


# Reading


def read_frames(
    path: str | Path, *, frames: Frames = None, size: tuple[int, int] | None = None, on_step: OnStep | None = None
) -> tuple[UInt8[np.ndarray, "T H W 3"], float]:
    """All frames of a video, a folder of images or one image, and the frame rate.

    Args:
        path: the video, folder or image.
        frames: which frames to keep: a slice, (first, end), or the first so many.
        size: (height, width) to resize and centre-crop to.
        on_step: told of every frame.

    Raises:
        InputError: missing, unreadable, empty, or images of different sizes.
    """
    path = existing(path)
    wanted = _as_slice(frames)
    if path.is_dir() or is_image(path):
        files = image_files(path) if path.is_dir() else [path]
        fps, total, pictures = DEFAULT_FPS, len(files), (read_image(file) for file in files)
    else:
        with open_video(path) as container:
            stream = container.streams.video[0]
            fps = float(stream.average_rate or stream.guessed_rate or DEFAULT_FPS)
            total = stream.frames
        pictures = (upright_rgb(frame) for frame in decode(path))
    # Bounds counted from the end need the whole length; others stop the decoding where they end.
    from_start = all(bound is None or bound >= 0 for bound in (wanted.start, wanted.stop, wanted.step))
    if from_start:
        pictures = itertools.islice(pictures, wanted.start, wanted.stop, wanted.step)
    kept: list[np.ndarray] = []
    for picture in pictures:
        picture = picture if size is None else resize_and_crop(picture, size)
        if kept and picture.shape != kept[0].shape:
            (h, w), (first_h, first_w) = picture.shape[:2], kept[0].shape[:2]
            raise InputError(
                f"frame {len(kept)} of {path} is {w}x{h} and frame 0 is {first_w}x{first_h}",
                "all frames must have one size",
                "resize them, or set a size",
            )
        kept.append(picture)
        tell(on_step, "read", len(kept), max(total, len(kept)))
    chosen = kept if from_start else kept[wanted]
    if not chosen:
        asked = "" if frames is None else f" among {frames}"
        raise InputError(
            f"{path} has no frames{asked}", "at least one is needed", "check the file, or what you ask for"
        )
    return np.stack(chosen), fps


def read_masks(path: str | Path, *, frames: Frames = None) -> UInt8[np.ndarray, "T H W"]:
    """The grey levels of a mask: a video, a folder of images, or one image (T = 1). White means hole.

    Raises:
        InputError: as `read_frames`.
    """
    path = existing(path)
    levels, _ = read_frames(path, frames=None if is_image(path) else frames)
    return np.stack([cv2.cvtColor(level, cv2.COLOR_RGB2GRAY) for level in levels])


def existing(path: str | Path) -> Path:
    """The path, if there is something at it."""
    path = Path(path)
    if not path.exists():
        raise InputError(
            f"there is no file {path}", "a video, a folder of images or an image is needed", "check the name"
        )
    return path


def image_files(folder: Path) -> list[Path]:
    """The images of a folder in natural order: frame2 before frame10."""
    files = [file for file in folder.iterdir() if is_image(file) and not file.name.startswith(".")]
    if not files:
        known = ", ".join(sorted(IMAGE_SUFFIXES))
        raise InputError(f"the folder {folder} has no images", f"images ({known}) are needed", "check the folder")
    return sorted(files, key=lambda file: [int(s) if s.isdigit() else s for s in re.split(r"(\d+)", file.name)])


def read_image(path: Path) -> UInt8[np.ndarray, "H W 3"]:
    """One image as RGB, turned upright if its EXIF tag says so."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})", "an image is needed", "check the file") from None
    picture = None
    if data.size:
        with contextlib.suppress(cv2.error):
            picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if picture is None:
        raise InputError(
            f"{path} is not an image that can be read", "a whole PNG, JPEG, ... is needed", "check the file"
        )
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def check_size(size: tuple[int, int] | None) -> None:
    """Refuse a (height, width) that is none, or more than any picture has."""
    if size is not None and not (min(size) >= 1 and max(size) <= MOST_PX):
        needed = f"height and width of 1 to {MOST_PX} are needed"
        raise InputError(f"the size is {size[0]}x{size[1]}", needed, "correct it")


MOST_PX = 16384


def resize_and_crop(picture: UInt8[np.ndarray, "H W *C"], size: tuple[int, int]) -> UInt8[np.ndarray, "h w *C"]:
    """Scale until `size` (height, width) is covered, then cut out the centre (App. B)."""
    height, width = size
    scale = max(height / picture.shape[0], width / picture.shape[1])
    scaled = max(height, round(picture.shape[0] * scale)), max(width, round(picture.shape[1] * scale))
    if scaled != picture.shape[:2]:
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        picture = cv2.resize(picture, scaled[::-1], interpolation=how)
    top, left = (scaled[0] - height) // 2, (scaled[1] - width) // 2
    return picture[top : top + height, left : left + width]


def _as_slice(frames: Frames) -> slice:
    if isinstance(frames, slice):
        return frames
    return slice(*frames) if isinstance(frames, tuple) else slice(frames)


# Writing


def write_video(
    path: str | Path,
    frames: Float[Tensor, "T 3 H W"],
    *,
    like: str | Path | None = None,
    fps: float | None = None,
    sound: str | Path | None = None,
    start: int = 0,
    overwrite: bool = True,
    on_step: OnStep | None = None,
) -> None:
    """Write frames as a video or as a folder of PNGs.

    `.mp4`, `.mov` and `.m4v` are H.264 at a quality where the loss is hard to see, `.mkv` is lossless (FFV1, RGB), a
    name without a suffix is a folder of PNGs, lossless too and silent.

    Args:
        path: what to write.
        frames: RGB, 0..1. Values are rounded to 8 bits.
        like: the video these frames come from: its sound, timestamps and colour tags are kept.
        fps: frame rate where there is no `like` (24 if neither is given).
        sound: a file to take the sound from instead of `like`.
        start: index in `like` of the first of these frames, if they are a part of it.
        overwrite: whether a file already there may be replaced.
        on_step: told of every frame.

    Raises:
        InputError: unknown suffix, missing folder, file in the way, or a disk that cannot be written.
    """
    path, like = Path(path), None if like is None else Path(like)
    check_output(path, overwrite=overwrite, sources=(like,) if like else ())
    pictures = _to_bytes(frames, on_step)
    size, length = (int(frames.shape[2]), int(frames.shape[3])), int(frames.shape[0])
    timing = like if like is not None and like.is_file() and not is_image(like) else None
    with whole(path) as partial:
        if path.suffix:
            track = timing if sound is None else existing(sound)
            encode(partial, pictures, size=size, length=length, like=timing, sound=track, fps=fps, start=start)
        else:
            partial.mkdir()
            for index, picture in enumerate(pictures):
                _write_png(partial / f"{index + start:05d}.png", picture)


def write_png(path: Path, frame: Float[Tensor, "3 H W"]) -> None:
    """Write one picture."""
    with whole(path) as partial:
        _write_png(partial, next(_to_bytes(frame[None], None)))


def _write_png(path: Path, picture: UInt8[np.ndarray, "H W 3"]) -> None:
    _, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    path.write_bytes(data.tobytes())


def write_levels(path: str | Path, levels: Shaped[Tensor, "T 1 H W"], **options: Any) -> None:
    """Write one channel (a mask, a provenance) as grey; options as `write_video`."""
    write_video(path, levels.float().expand(-1, 3, -1, -1), **options)


def _to_bytes(frames: Float[Tensor, "T 3 H W"], on_step: OnStep | None) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    for index, frame in enumerate(frames):
        yield (frame * 255).round().clamp(0, 255).byte().permute(1, 2, 0).contiguous().cpu().numpy()
        tell(on_step, "write", index + 1, len(frames))


def check_output(path: Path, *, overwrite: bool, sources: tuple[Path, ...] = ()) -> None:
    """Refuse, before any work is done, an output that could not be written.

    Raises:
        InputError: unknown suffix, missing folder, file in the way, output over its own source, unwritable disk.
    """
    if path.suffix and path.suffix.lower() not in VIDEO_SUFFIXES:
        raise InputError(
            f"{path} ends in {path.suffix}",
            f"an output is {', '.join(VIDEO_SUFFIXES)}, or a folder of PNGs (no suffix)",
            "choose one of these",
        )
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent}", f"{path.name} is to be written there", "make the folder")
    if path.exists():
        if any(source.exists() and path.samefile(source) for source in sources):
            raise InputError(f"{path} is also the input", "another file is needed", "choose another output name")
        if not overwrite:
            raise InputError(
                f"{path} is already there", "nothing is replaced unasked", "choose another name or pass --overwrite"
            )
    with writing(path), tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.partial"):
        pass


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system says of a disk into an InputError."""
    try:
        yield
    except (OSError, av.error.FFmpegError) as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror or error})",
            "a writable disk with room is needed",
            "choose another place",
        ) from error


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A name to write under, which becomes `path` when the block ends and is removed when it fails."""
    with writing(path):
        work = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.partial"))
        try:
            partial = work / path.name
            yield partial
            if path.is_dir() and not partial.is_dir():
                raise IsADirectoryError(errno.EISDIR, "it is a folder")
            if path.exists() and (path.is_dir() or partial.is_dir()):  # folders cannot be replaced in one move
                replaced = path.rename(work / "replaced")
                try:
                    partial.rename(path)
                except OSError:
                    replaced.rename(path)
                    raise
            else:
                partial.replace(path)
        finally:
            shutil.rmtree(work, ignore_errors=True)
