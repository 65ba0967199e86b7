"""Standard input and output as videos: frames of a YUV4MPEG2 stream, read once, and written as they are done.

Nothing is spooled: of what has come in, a frame is held until it has gone out, so a window of them at a time.
"""

import contextlib
import logging
import os
import sys
from collections import deque
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import Bool, Shaped

from cleanplate.errors import InputError, Unread
from cleanplate.runtime.files import writing
from cleanplate.video.container import decode, open_container
from cleanplate.video.encoder import StreamFormat
from cleanplate.video.planes import UNSPECIFIED, has_alpha, to_codec, turns, upright_rgb
from cleanplate.video.sequences import is_stills
from cleanplate.video.timecode import Span
from cleanplate.video.y4m import FRAME, Header, header_for, planes_of, read_frame, read_header

log = logging.getLogger(__name__)

PIPE = Path("-")
"""What standard input and output are called where a file could be named."""
INPUT, OUTPUT = "standard input", "standard output"


class PipedVideo:
    """A video that comes through a pipe.

    Args:
        stream: to be read from its beginning.
        name: what to call it.

    Raises:
        InputError: it is no stream that can be read.
    """

    def __init__(self, stream: BufferedIOBase, name: str = INPUT):
        self.name, self._stream = name, stream
        with _reading(name):
            self.header = read_header(stream, name)
        self._kept: deque[VideoFrame] = deque()
        self._lines: deque[bytes] = deque()

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.header.height, self.header.width

    @property
    def format(self) -> StreamFormat:
        """What it says of all its frames."""
        return StreamFormat(1 / self.header.fps, self.header.fps, self.header.aspect)

    def pictures(self, span: Span) -> Iterator[Shaped[np.ndarray, "H W 3"]]:
        """The pictures of a part of it, in RGB as `reader.stream_frames`; `sources` has the same frames.

        Raises:
            InputError: it ends within a frame, or has none in that part.
        """
        index = 0
        while True:
            with _reading(self.name):
                found = read_frame(self._stream, self.header, index, self.name)
            time_s = index / self.header.fps
            if found is None or span.ends(index, time_s):
                break
            if span.begins(index, time_s):
                self._kept.append(found[0])
                self._lines.append(found[1])
                yield upright_rgb(found[0])
            index += 1

    def sources(self) -> Iterator[VideoFrame]:
        """The frames that were read, each once."""
        while self._kept:
            yield self._kept.popleft()

    def line(self) -> bytes:
        """What stands before the next of these in the stream."""
        return self._lines.popleft()


class PipeWriter:
    """A YUV4MPEG2 stream that is written picture by picture.

    Args:
        stream: where to.
        like: the video or images that the pictures come from.
        piped: the stream that they come from, if they do.
        span: which part of it they are.
        fps: frame rate of images.
    """

    def __init__(
        self,
        stream: BufferedIOBase,
        *,
        like: Path | None = None,
        piped: PipedVideo | None = None,
        span: Span | None = None,
        fps: float | None = None,
    ):
        self._stream, self._piped, self._fps = stream, piped, fps
        self._like = None if like is None or piped is not None or is_stills(like) else like
        self._sources: Iterator[VideoFrame] = iter(())
        if piped is not None:
            self._sources = piped.sources()
        elif self._like is not None:
            self._sources = decode(self._like, span or Span(), warn=False)
        self._header: Header | None = None  # until the first picture comes
        self._count = 0
        self._first_s = 0.0
        self._even = True

    def write(self, picture: Shaped[np.ndarray, "H W 3"], changed: Bool[np.ndarray, "H W"] | None = None) -> None:
        """Add a picture; `changed` says where it is not that of its source."""
        source = next(self._sources, None)
        if self._header is None:
            self._header = self._begin(picture, source)
            self._put(self._header.line())
        self._look_at_time(source, self._header)
        if source is not None and source.format.name != self._header.pix_fmt and not turns(source):
            # Nothing is lost on the way to the same samples in another order, or in more bits.
            colorspace, color_range = source.colorspace, source.color_range
            if not source.format.is_rgb:
                source = source.reformat(format=self._header.pix_fmt)
            source.colorspace, source.color_range = colorspace, color_range
        frame = to_codec(
            picture,
            self._header.pix_fmt,
            colorspace=UNSPECIFIED if source is None else source.colorspace,
            color_range=self._header.color_range,
            source=source,
            changed=changed,
        )
        self._put(FRAME + b"\n" if self._piped is None else self._piped.line())
        for plane in planes_of(frame):
            self._put(plane)
        self._put(None)

    def _begin(self, picture: np.ndarray, source: VideoFrame | None) -> Header:
        """The header of the stream: that of the one it comes from, or what holds most of the video it comes from."""
        size = (picture.shape[0], picture.shape[1])
        if self._piped is not None:
            return self._piped.header.sized(size[1], size[0])
        form = StreamFormat.of(self._like, self._fps)
        if source is not None and source.interlaced_frame:
            given = f"{self._like} is interlaced"
            raise InputError(
                given, f"a stream to {OUTPUT} is of whole pictures", "deinterlace it first, or name a file"
            )
        aspect = form.aspect
        if source is not None and aspect and turns(source) % 2:
            aspect = 1 / aspect
        header = header_for(source, size=size, rate=form.rate, aspect=aspect, deep=picture.dtype == np.uint16)
        _say_what_is_lost(self._like, source, header)
        return header

    def _look_at_time(self, source: VideoFrame | None, header: Header) -> None:
        """Say once that a video has frames at other times than a stream can tell."""
        if self._like is not None and source is not None and source.time is not None:
            self._first_s = self._first_s if self._count else source.time
            late = (source.time - self._first_s) * header.fps - self._count
            if self._even and abs(late) > 1 / 2:
                self._even = False
                log.warning("%s has frames at uneven times; a YUV4MPEG2 stream has them all alike", self._like)
        self._count += 1

    def _put(self, data: bytes | None) -> None:
        """Write, or, without anything to write, see to it that what was written is on its way."""
        with writing(Path(OUTPUT)):
            try:
                self._stream.flush() if data is None else self._stream.write(data)
            except BrokenPipeError:
                raise Unread from None


@contextlib.contextmanager
def open_pipe(
    *,
    like: Path | None = None,
    piped: PipedVideo | None = None,
    span: Span | None = None,
    fps: float | None = None,
) -> Iterator[PipeWriter]:
    """Standard output to write pictures to; whatever else is printed meanwhile goes to standard error. See PipeWriter.

    Raises:
        InputError: it is a terminal, or cannot be written.
        Unread: in its `write`, when whoever read it has gone.
    """
    if os.isatty(STDOUT):
        needed = "a program or a file is needed to take the stream"
        raise InputError(f"{OUTPUT} is a terminal", needed, "pipe it on, as with | ffmpeg -i - out.mp4")
    with writing(Path(OUTPUT)), contextlib.redirect_stdout(sys.stderr):
        stdout, stream = os.dup(STDOUT), os.fdopen(os.dup(STDOUT), "wb")
        os.dup2(STDERR, STDOUT)  # also what libraries print goes to standard error
        try:
            yield PipeWriter(stream, like=like, piped=piped, span=span, fps=fps)
        finally:
            with contextlib.suppress(OSError):  # what was not taken of the last frame
                stream.close()
            os.dup2(stdout, STDOUT)
            os.close(stdout)


STDIN, STDOUT, STDERR = 0, 1, 2


def standard_input() -> PipedVideo:
    """The video that comes in there.

    Raises:
        InputError: it is a terminal, or no stream that can be read.
    """
    with _reading(INPUT):
        if os.isatty(STDIN):
            needed = "a YUV4MPEG2 stream is to come from there"
            raise InputError(f"{INPUT} is a terminal", needed, "pipe from ffmpeg -i VIDEO -f yuv4mpegpipe -strict -1 -")
        return PipedVideo(os.fdopen(STDIN, "rb", closefd=False))


@contextlib.contextmanager
def _reading(name: str) -> Iterator[None]:
    """Turn what the system says of a pipe into an InputError."""
    try:
        yield
    except OSError as error:
        given = f"{name} cannot be read ({error.strerror or error})"
        raise InputError(given, "a YUV4MPEG2 stream is needed", "look at what writes it") from None


def _say_what_is_lost(like: Path | None, source: VideoFrame | None, header: Header) -> None:
    """Of a video that is written to a stream, which holds nothing but pictures."""
    if like is None or source is None:
        return
    with open_container(like) as container:
        left = ["sound"] * bool(container.streams.audio) + ["subtitles"] * bool(container.streams.subtitles)
    if has_alpha(source.format) and header.pix_fmt != "yuva444p":
        left.append("an alpha channel")
    if left:
        log.warning("%s has %s, which a YUV4MPEG2 stream does not hold", like, " and ".join(left))
