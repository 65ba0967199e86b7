"""."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from cleanplate.config import Encoding
from cleanplate.errors import InputError
from cleanplate.imaging.pixels import to_samples
from cleanplate.progress import OnStep, tell
from cleanplate.runtime.files import existing, partial_folder, whole, writing
from cleanplate.video.encoder import VIDEO_SUFFIXES, VideoWriter, find_codec
from cleanplate.video.reader import image_files, is_image, peek, read_alpha, read_image
from cleanplate.video.timecode import Span


class Writer(Protocol):
    """What pictures are written to, one by one."""

    def write(self, picture: Shaped[np.ndarray, "H W 3"], changed: Bool[np.ndarray, "H W"] | None = None) -> None:
        """Add one; `changed` says where it is not that of the source."""
        ...


class FolderWriter:
    """A folder of PNGs, with the alpha and the depth of the images they come from."""

    def __init__(self, folder: Path, originals: list[Path], start: int):
        self.folder, self.originals, self.next = folder, originals, start

    def write(self, picture: Shaped[np.ndarray, "H W 3"], changed: Bool[np.ndarray, "H W"] | None = None) -> None:
        """Add one."""
        bgr = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2BGR)
        if self.next < len(self.originals):
            original = self.originals[self.next]
            alpha = read_alpha(original)
            if changed is not None and picture.dtype == np.uint16:
                kept = read_image(original)
                if kept.shape == picture.shape and kept.dtype == picture.dtype:
                    bgr[~changed] = kept[..., ::-1][~changed]
            if alpha is not None and alpha.shape == picture.shape[:2] and alpha.dtype == picture.dtype:
                bgr = np.dstack((bgr, alpha))
        _write_png(self.folder / f"{self.next:05d}.png", bgr)
        self.next += 1


@contextlib.contextmanager
def open_writer(
    path: str | Path,
    *,
    like: str | Path | None = None,
    span: Span | None = None,
    fps: float | None = None,
    sound: str | Path | None = None,
    encoding: Encoding | None = None,
    keep: bool = True,
) -> Iterator[Writer]:
    """What to write pictures to; the file or folder appears under its name when the block ends without an error.

    Args:
        path: a video, or a folder of PNGs if it has no suffix.
        like: what the pictures come from: a video's format, sound, timestamps and colour tags are kept, the alpha of
            images too.
        span: which part of `like` they are.
        fps: frame rate where there is no such video (24 if not given).
        sound: a file to take the sound from instead.
        encoding: codec and quality.
        keep: put back what is as it was in `like`, and its sound; not for pictures of something else, like a mask.

    Raises:
        InputError: a codec the container cannot hold, or a disk that cannot be written.
    """
    path, like, span = Path(path), None if like is None else Path(like), span or Span()
    video = like if like is not None and like.is_file() and not is_image(like) else None
    with whole(path) as partial:
        if path.suffix:
            options: dict[str, Any] = {"like": video, "span": span, "fps": fps, "keep": keep}
            options["sound"] = existing(sound) if sound is not None else video if keep else None
            with VideoWriter(partial, encoding=encoding, **options) as writer:
                yield writer
                writer.finish()
        else:
            partial.mkdir()
            originals = (
                [] if like is None or video is not None or not keep else [like] if is_image(like) else image_files(like)
            )
            yield FolderWriter(partial, originals, span.start if isinstance(span.start, int) else 0)


def write_video(
    path: str | Path,
    frames: Float[Tensor, "T 3 H W"],
    *,
    like: str | Path | None = None,
    fps: float | None = None,
    sound: str | Path | None = None,
    start: int = 0,
    overwrite: bool = True,
    encoding: Encoding | None = None,
    keep: bool = True,
    on_step: OnStep | None = None,
) -> None:
    """Write frames as a video or as a folder of PNGs.

    `.mp4`, `.mov` and `.m4v` are H.264 at a quality where the loss is hard to see, `.mkv` is lossless (FFV1), `.webm`
    is VP9; a name without a suffix is a folder of PNGs, lossless too and silent.

    Args:
        path: what to write.
        frames: RGB, 0..1. Values are rounded to 8 bits, to 16 if `like` has more than 8.
        like: the video these frames come from: its format, sound, timestamps and colour tags are kept, and its
            samples where a frame is as it was there.
        fps: frame rate where there is no `like` (24 if neither is given).
        sound: a file to take the sound from instead of `like`.
        start: index in `like` of the first of these frames, if they are a part of it.
        overwrite: whether a file already there may be replaced.
        encoding: codec and quality.
        keep: see `open_writer`.
        on_step: told of every frame.

    Raises:
        InputError: unknown suffix, missing folder, file in the way, or a disk that cannot be written.
    """
    path, like = Path(path), None if like is None else Path(like)
    check_output(path, overwrite=overwrite, sources=(like,) if like else (), encoding=encoding)
    wide = keep and like is not None and like.exists() and peek(like, Span())[0].dtype == np.uint16
    span = Span(start, None if not start else start + len(frames))
    with open_writer(path, like=like, span=span, fps=fps, sound=sound, encoding=encoding, keep=keep) as writer:
        for index, frame in enumerate(frames):
            writer.write(to_samples(frame, wide=wide))
            tell(on_step, "write", index + 1, len(frames))


def write_png(path: Path, frame: Float[Tensor, "3 H W"]) -> None:
    """Write one picture."""
    with whole(path) as partial:
        _write_png(partial, cv2.cvtColor(to_samples(frame), cv2.COLOR_RGB2BGR))


def _write_png(path: Path, bgr: Shaped[np.ndarray, "H W C"]) -> None:
    _, data = cv2.imencode(".png", bgr)
    path.write_bytes(data.tobytes())


def write_levels(path: str | Path, levels: Shaped[Tensor, "T 1 H W"], **options: Any) -> None:
    """Write one channel (a mask, a provenance) as grey; options as `write_video`."""
    write_video(path, levels.float().expand(-1, 3, -1, -1), keep=False, **options)


def check_output(
    path: Path, *, overwrite: bool, sources: Sequence[Path] = (), encoding: Encoding | None = None
) -> None:
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
    if path.suffix:
        find_codec(path.suffix.lower(), encoding or Encoding())
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent}", f"{path.name} is to be written there", "make the folder")
    if path.exists():
        if any(source.exists() and path.samefile(source) for source in sources):
            raise InputError(f"{path} is also the input", "another file is needed", "choose another output name")
        if not overwrite:
            raise InputError(
                f"{path} is already there", "nothing is replaced unasked", "choose another name or pass --overwrite"
            )
    with writing(path), partial_folder(path):
        pass
