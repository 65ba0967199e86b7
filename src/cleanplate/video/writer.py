"""Write pictures to a video, a folder or a sequence of PNGs, or one PNG: each appears only when it is whole."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from jaxtyping import Bool, Float, Shaped

from cleanplate.config import Encoding
from cleanplate.errors import InputError
from cleanplate.imaging.pixels import channels_last, to_samples
from cleanplate.progress import OnStep, tell
from cleanplate.runtime.files import whole, whole_files
from cleanplate.video.encoder import VideoWriter
from cleanplate.video.images import FolderWriter, PictureWriter, is_image, read_alpha
from cleanplate.video.numbers import output_names
from cleanplate.video.outputs import check_output, check_png, suffix_from
from cleanplate.video.pipes import PipedVideo
from cleanplate.video.reader import peek
from cleanplate.video.sequences import existing, find_stills, is_linear, is_stills, pattern_of
from cleanplate.video.timecode import Span


class Writer(Protocol):
    """What pictures are written to, one by one."""

    def write(self, picture: Shaped[np.ndarray, "H W 3"], changed: Bool[np.ndarray, "H W"] | None = None) -> None:
        """Add one; `changed` says where it is not that of the source."""
        ...


@contextlib.contextmanager
def open_writer(path: str | Path, **options: Any) -> Iterator[Writer]:
    """What to write pictures to; the file or folder appears under its name when the block ends without an error.

    The options and errors are those of `open_writers`.
    """
    with open_writers([Path(path)], **options) as (writer,):
        yield writer


@contextlib.contextmanager
def open_writers(
    paths: Sequence[Path],
    *,
    like: str | Path | None = None,
    span: Span | None = None,
    fps: float | None = None,
    sound: str | Path | None = None,
    encoding: Encoding | None = None,
    keep_source: bool = True,
    piped: PipedVideo | None = None,
    show_changed: bool = False,
    layer: str = "",
) -> Iterator[list[Writer]]:
    """What to write the pictures of several files or folders to; all appear when the block ends, or none.

    Args:
        paths: videos, folders of PNGs if the first one has no suffix, patterns of PNGs, or each a PNG of the only
            picture.
        like: what the pictures come from: a video's format, sound, timestamps and colour tags are kept, the alpha of
            images too.
        span: which part of `like` they are.
        fps: frame rate where there is no such video (24 if not given).
        sound: a file to take the sound from instead.
        encoding: codec and quality.
        keep_source: the pictures are those of `like`, changed in places: its samples, where they are not changed, its
            alpha, pixel format and sound are kept. False for pictures of something else, like a mask.
        piped: what the pictures come from instead of `like`, if that was no file.
        show_changed: what is changed shows also where an image is transparent.
        layer: which layer of OpenEXR files they are.

    Raises:
        InputError: a codec the container cannot hold, a file that is not there, a disk that cannot be written, or
            scene-linear pictures for what cannot hold them.
    """
    like, span = None if like is None else existing(like), span or Span()
    video = None if like is None or is_stills(like) else like
    audio = existing(sound) if sound is not None else video if keep_source else None
    stills = like is not None and is_stills(like) and keep_source
    sources = find_stills(like).within(span).files if like is not None and stills else ()
    _check_kind(paths[0], like, sources)
    several = pattern_of(paths[0]) is not None or not paths[0].suffix

    @contextlib.contextmanager
    def written(path: Path, partial: Path) -> Iterator[Writer]:
        if several:
            partial.mkdir(exist_ok=True)
            names = output_names(path, like, span, suffix_from(sources[0] if sources else None))
            yield FolderWriter(partial, names, sources, layer=layer, show_changed=show_changed)
        elif is_image(paths[0]):
            yield PictureWriter(partial, sources[0] if sources else None, layer)
        else:
            # Filled borders are to be seen, and would not be with the alpha of the images.
            with_alpha = sources and not show_changed and read_alpha(sources[0], layer) is not None
            with VideoWriter(
                partial,
                like=video,
                span=span,
                sound=audio,
                fps=fps,
                encoding=encoding,
                keep_source=keep_source,
                piped=piped and (piped.format, piped.sources()),
                images=sources if with_alpha else (),
            ) as writer:
                yield writer
                writer.finish()

    with contextlib.ExitStack() as files, contextlib.ExitStack() as writers:  # all are finished before one is moved
        partials = [files.enter_context((whole_files if pattern_of(path) else whole)(path)) for path in paths]
        yield [writers.enter_context(written(*both)) for both in zip(paths, partials, strict=True)]


def _check_kind(path: Path, like: Path | None, sources: Sequence[Path]) -> None:
    """Refuse an output that cannot hold what comes from these images, or from none."""
    suffix = path.suffix.lower()
    if sources and is_linear(sources[0]) and suffix not in ("", sources[0].suffix.lower()):
        given = f"{like} is scene-linear, and {path.name} cannot hold that"
        raise InputError(given, f"it is written as {sources[0].suffix} again", "name a folder (no suffix)")
    if not sources:
        check_png(path)


def write_video(
    path: str | Path,
    frames: Float[Any, "T 3 H W"],
    *,
    like: str | Path | None = None,
    fps: float | None = None,
    sound: str | Path | None = None,
    start: int = 0,
    overwrite: bool = True,
    encoding: Encoding | None = None,
    keep_source: bool = True,
    on_step: OnStep | None = None,
) -> None:
    """Write frames as a video or as PNGs.

    `.mp4`, `.mov` and `.m4v` are coded as `like` is, or H.264, at a quality where the loss is hard to see, `.mkv` is
    lossless (FFV1) in the pixel format of `like`, `.webm` is VP9; a name without a suffix is a folder of PNGs, lossless
    too and silent, a pattern like `clean.####.png` is PNGs too, and `.png` is the one of a still. PNGs have the numbers
    of images in `like` (`numbers.output_names`).

    Args:
        path: what to write.
        frames: a tensor or an array, RGB, 0..1. Values are rounded to 8 bits, to 16 if `like` has more than 8.
        like: the video these frames come from: its format, sound, timestamps and colour tags are kept, and its
            samples where a frame is as it was there.
        fps: frame rate where there is no `like` (24 if neither is given).
        sound: a file to take the sound from instead of `like`.
        start: index in `like` of the first of these frames, if they are a part of it.
        overwrite: whether a file already there may be replaced.
        encoding: codec and quality.
        keep_source: see `open_writer`.
        on_step: told of every frame.

    Raises:
        InputError: unknown suffix, missing folder, file in the way, or a disk that cannot be written.
    """
    path, like = Path(path), None if like is None else Path(like)
    span = Span(start, None if not start else start + len(frames))
    check_output(path, overwrite=overwrite, sources=(like,) if like else (), encoding=encoding, span=span)
    wide = keep_source and like is not None and peek(existing(like), Span())[0].dtype == np.uint16
    with open_writer(
        path, like=like, span=span, fps=fps, sound=sound, encoding=encoding, keep_source=keep_source
    ) as writer:
        for index, frame in enumerate(frames):
            writer.write(to_samples(channels_last(frame), wide=wide))
            tell(on_step, "write", index + 1, len(frames))


def write_grey(path: str | Path, grey: Shaped[Any, "T 1 H W"], **options: Any) -> None:
    """Write one channel (a mask, a provenance), a tensor or an array of values in 0..1, as grey; as `write_video`."""
    values = np.asarray(grey).astype(np.float32)
    write_video(path, np.broadcast_to(values, (len(values), 3, *values.shape[2:])), keep_source=False, **options)
