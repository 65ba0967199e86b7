"""Copy the sound of a video packet by packet, re-encoding only what the new container cannot hold."""

import logging
from fractions import Fraction
from pathlib import Path
from typing import Any

import av.error

from cleanplate.container import open_container
from cleanplate.errors import InputError

log = logging.getLogger(__name__)


class Sound:
    """The sound of a file, on its way into another.

    Args:
        out: the container that is written.
        path: where the sound is; None for none.
    """

    def __init__(self, out: Any, path: Path | None):
        self._out, self.path, self._pending = out, path, None
        self._routes: dict[int, tuple[Any, bool]] = {}
        self._context = None if path is None else open_container(path)
        self.start_s: Fraction | float = 0
        """What sounds before is left out; set before anything is copied."""

    def __enter__(self) -> "Sound":
        if self._context is None:
            return self
        self._source = self._context.__enter__()
        self._out.metadata.update(self._source.metadata)
        for stream in self._source.streams.audio:
            copied = stream.codec_context.codec.canonical_name in self._out.supported_codecs
            if copied:
                target = self._out.add_stream_from_template(stream)
            else:
                kind = "Opus" if self._out.format.name == "webm" else "AAC"
                log.warning("%s sound cannot be kept in this container; it becomes %s", stream.codec_context.name, kind)
                rate = 48000 if kind == "Opus" else stream.codec_context.sample_rate
                target = self._out.add_stream("libopus" if kind == "Opus" else "aac", rate=rate)
            target.metadata.update(stream.metadata)  # its language, its title
            target.disposition = stream.disposition
            self._routes[stream.index] = (target, copied)
        self._packets = self._source.demux(self._source.streams.audio) if self._routes else iter(())
        return self

    def __exit__(self, *error: Any) -> None:
        if self._context is not None:
            self._context.__exit__(*error)

    def copy_until(self, end_s: Fraction | float | None) -> None:
        """Copy what sounds before `end_s`; all that is left if None."""
        while self._routes:
            packet = self._pending or self._next()
            self._pending = None
            if packet is None:
                break
            if packet.pts is not None and end_s is not None and packet.pts * packet.time_base >= end_s:
                self._pending = packet
                break
            self._copy(packet)

    def _next(self) -> Any:
        try:
            return next(self._packets, None)
        except (av.error.FFmpegError, OSError) as error:  # not to be taken for one of the file that is written
            raise InputError(
                f"the sound of {self.path} cannot be read ({error.strerror})", "a whole file is needed", "repair it"
            ) from error

    def _copy(self, packet: Any) -> None:
        target, copied = self._routes[packet.stream.index]
        if packet.pts is None:
            return  # the demuxer's end mark
        # What ends before our first frame: not of our part, or, where times cannot be negative, an encoder's priming.
        early = (packet.pts + (packet.duration or 0)) * packet.time_base <= self.start_s
        if early and (self.start_s or self._out.format.name in ("matroska", "webm")):
            return
        shift = round(self.start_s / packet.time_base)
        if copied:
            packet.pts -= shift
            packet.dts = packet.pts if packet.dts is None else packet.dts - shift
            packet.stream = target
            self._out.mux(packet)
        else:
            for frame in packet.decode():
                frame.pts = None if frame.pts is None else frame.pts - shift
                self._out.mux(target.encode(frame))

    def finish(self) -> None:
        """Write what encoders still hold."""
        for target, copied in self._routes.values():
            if not copied:
                self._out.mux(target.encode(None))
        self._routes = {}
