"""Video containers through PyAV: open them, and decode their pictures."""

import contextlib
import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.video.frame import VideoFrame

from cleanplate.errors import InputError
from cleanplate.moments import Span

log = logging.getLogger(__name__)

DEFAULT_FPS = 24.0  # of pictures that do not say
MOST_PX, MOST_MPX = 16384, 150  # of a picture's side, and of all of it: more is a mistake or an attack


@contextlib.contextmanager
def open_container(path: Path) -> Iterator[Any]:
    """An open container of any streams."""
    try:
        # Only local files: a playlist must not make us fetch what it names.
        container = av.open(str(path.absolute()), options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        raise _not_a_video(path) from error
    with container:
        # FFmpeg's "tty" reader makes pictures of any text file.
        if container.format.name == "tty":
            raise _not_a_video(path)
        yield container


@contextlib.contextmanager
def open_video(path: Path) -> Iterator[Any]:
    """An open container that has pictures in it."""
    with open_container(path) as container:
        if not container.streams.video:
            raise _not_a_video(path)
        yield container


def decode(path: Path, span: Span | None = None) -> Iterator[VideoFrame]:
    """The frames of a video as FFmpeg gives them, in the order of their timestamps.

    Args:
        path: the video.
        span: which part of it. Where it starts at a time, what is before is not decoded.

    Raises:
        InputError: not a video, or a frame that cannot be decoded.
    """
    span = span or Span()
    with open_video(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        count = 0
        try:
            if isinstance(span.start, Fraction) and span.start and stream.time_base:
                container.seek(int((span.start + _first_s(stream)) / stream.time_base), stream=stream)
            for count, frame in enumerate(container.decode(video=0)):
                check_picture(path, frame.height, frame.width)
                time_s = Fraction(0) if frame.pts is None else frame.pts * stream.time_base - _first_s(stream)
                if span.ends(count, time_s):
                    return
                if span.begins(count, time_s):
                    yield frame
        except av.error.FFmpegError as error:
            if count == 0:
                raise _not_a_video(path) from error
            raise InputError(
                f"frame {count + 1} of {path} cannot be decoded ({error.strerror})",
                "every frame is needed",
                "repair the file, or take only the frames before it (--end)",
            ) from error


def _first_s(stream: Any) -> Fraction:
    """When the first frame is shown."""
    return (stream.start_time or 0) * stream.time_base


def check_picture(path: Path, height: int, width: int) -> None:
    """Refuse a picture of absurd size before it is held."""
    if max(height, width) > MOST_PX or height * width > MOST_MPX * 1e6 or min(height, width) < 1:
        raise InputError(
            f"{path} is {width}x{height}", f"at most {MOST_PX} a side and {MOST_MPX} million pixels", "make it smaller"
        )


def frame_rate(stream: Any) -> Fraction:
    """Frames a second, as far as the stream says."""
    return stream.average_rate or stream.guessed_rate or as_rate(None)


def as_rate(fps: float | None) -> Fraction:
    """The rate as a ratio small enough for every container."""
    return Fraction(fps or DEFAULT_FPS).limit_denominator(1001)


def _not_a_video(path: Path) -> InputError:
    return InputError(
        f"{path} is not a video that can be decoded",
        "any video FFmpeg reads, or a folder of images, is needed",
        "check that the file is complete",
    )
