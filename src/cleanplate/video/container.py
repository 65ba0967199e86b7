"""Video containers through PyAV: open them, decode their pictures, refuse what is damaged or absurdly large."""

import contextlib
import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import av.logging as av_logging
from av.video.frame import VideoFrame

from cleanplate.errors import InputError
from cleanplate.runtime.files import existing
from cleanplate.video.timecode import Span

log = logging.getLogger(__name__)

DEFAULT_FPS = 24.0  # of pictures that do not say
MOST_PX, MOST_MPX = 16384, 150  # of a picture's side, and of all of it: more is a mistake or an attack
# FFmpeg's "tty" reader makes pictures of any text; the others read what the file names, wherever and how long that is.
NO_VIDEOS = frozenset({"tty", "hls", "dash", "concat", "imf", "sdp", "rtsp"})

# What decoders say of damage is counted by PyAV if it listens, and shown by nobody (`_with_messages`).
if av_logging.get_level() is None:
    av_logging.set_level(av_logging.PANIC)


@contextlib.contextmanager
def open_container(path: Path) -> Iterator[Any]:
    """An open container of any streams."""
    if not existing(path).is_file():
        raise _not_a_video(path)
    # Only local files: a playlist must not make us fetch what it names. Sizes are looked at before pictures are held.
    options = {"protocol_whitelist": "file", "max_pixels": f"{MOST_MPX}000000"}
    try:
        container = av.open(str(path.absolute()), options=options, metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise _not_a_video(path) from error
    with container:
        if not NO_VIDEOS.isdisjoint(container.format.name.split(",")):
            raise _not_a_video(path)
        yield container


@contextlib.contextmanager
def open_video(path: Path) -> Iterator[Any]:
    """An open container that has pictures in it."""
    with open_container(path) as container:
        if not container.streams.video:
            kinds = {stream.type for stream in container.streams}
            held = " and ".join(word for kind, word in (("audio", "sound"), ("subtitle", "subtitles")) if kind in kinds)
            if not held:
                raise _not_a_video(path)
            given = f"{path} has no picture, only {held}"
            raise InputError(given, "a video, or a folder of images, is needed", "name the file that has the pictures")
        yield container


def decode(path: Path, span: Span | None = None, *, warn: bool = True) -> Iterator[VideoFrame]:
    """The frames of a video as FFmpeg gives them, in the order of their timestamps.

    Args:
        path: the video.
        span: which part of it. Where it starts at a time, what is before is not decoded, if the file lets it be sought.
        warn: say so, once, if the decoder has found damage that it could make up for.

    Raises:
        InputError: not a video, or a frame that cannot be decoded, or only guessed.
    """
    span = span or Span()
    for back_s in _SEEKS_BACK_S if isinstance(span.start, Fraction) and span.start else ():
        with contextlib.suppress(_TooLate):
            yield from _decode(path, span, back_s, warn=warn)
            return
    yield from _decode(path, span, None, warn=warn)


# How far before the wanted time a seek is tried: what indexes say, and whether a picture behind its key frame can be
# decoded, differs by container and codec.
_SEEKS_BACK_S = (0, 1, 3, 10)


class _TooLate(Exception):
    """The first frame behind a seek is shown after the one that is wanted."""


def _decode(path: Path, span: Span, back_s: int | None, *, warn: bool) -> Iterator[VideoFrame]:
    """As `decode`.

    Args:
        path: the video.
        span: which part of it.
        back_s: how long before its start is sought; None decodes from the beginning.
        warn: say what the decoder has found.
    """
    with open_video(path) as container:
        stream = container.streams.video[0]
        if stream.codec_context is None or not stream.width:
            given = f"{path} is of a codec that FFmpeg does not know, or its pictures are of no or of absurd size"
            raise InputError(given, f"at most {MOST_MPX} million pixels are read", "convert it to H.264, no larger")
        check_picture(path, stream.height, stream.width)
        stream.codec_context.options = {"max_pixels": f"{MOST_MPX}000000"}
        stream.codec_context.thread_count = 1  # what is said of a frame is said while it is decoded (`_with_messages`)
        count, listens = -1, back_s is None  # to pictures before the part, which may refer to some that were not read
        try:
            if back_s is not None:
                counted, told_late = isinstance(span.end, int), container.format.name == "mpeg"  # its times are guessed
                if counted or told_late or span.start <= back_s or not stream.time_base:
                    raise _TooLate
                container.seek(int((span.start - back_s + _first_s(stream)) / stream.time_base), stream=stream)
            for count, (frame, said) in enumerate(_with_messages(container.decode(video=0))):
                if back_s is not None and not count and (frame is None or _time_s(frame, stream) > span.start):
                    raise _TooLate
                if said and warn and listens and (frame is not None or count):
                    end = "ends early" if frame is None else f"is damaged at frame {count} or before it"
                    log.warning("%s %s (%s); what cannot be read there is guessed by the decoder", path, end, said)
                    warn = False
                if frame is None:
                    return
                check_picture(path, frame.height, frame.width)
                time_s = _time_s(frame, stream)
                if span.ends(count, time_s):
                    return
                if span.begins(count, time_s):
                    if frame.is_corrupt:
                        raise _broken(path, count, "the decoder could only guess it")
                    listens = True
                    yield frame
        except av.error.FFmpegError as error:
            if count < 0:
                raise _not_a_video(path) from error
            raise _broken(path, count + 1, error.strerror) from error


def _with_messages(frames: Iterator[VideoFrame]) -> Iterator[tuple[VideoFrame | None, str]]:
    """Frames, and what FFmpeg has said of damage on the way to each; None with the same at the end.

    Most decoders go on behind damage with what they make up, and tell nobody but the log. That of another thread cannot
    be told apart, so a decoder has to have one.
    """
    frame: VideoFrame | None
    while True:
        before, _ = av_logging.get_last_error()
        frame = next(frames, None)
        after, last = av_logging.get_last_error()
        yield frame, last[2].strip() if last and after > before else ""
        if frame is None:
            return


def _broken(path: Path, index: int, what: str | None) -> InputError:
    return InputError(
        f"frame {index} of {path} cannot be decoded ({what})",
        "every frame is needed",
        "copy the file again, or take only the frames before it (--end)",
    )


def _time_s(frame: VideoFrame, stream: Any) -> Fraction:
    """When a frame is shown, counted from the first one."""
    return Fraction(0) if frame.pts is None else frame.pts * stream.time_base - _first_s(stream)


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
        "copy the file again, or convert it with ffmpeg",
    )
