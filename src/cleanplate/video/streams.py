"""Copy the streams beside the picture: sound and subtitles packet by packet; and fonts, chapters, titles.

Only sound that the new container cannot hold is encoded again; what else it cannot hold is named and left out.
"""

import logging
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error

from cleanplate.errors import InputError
from cleanplate.video.container import open_container

log = logging.getLogger(__name__)

TAGS = ("language", "title", "handler_name", "creation_time", "comment")
"""What is said of a stream that is true of its copy too."""


REFUSED = {"mov": ("opus", "flac")}
"""What a container is said to hold, and does not take."""

LAYOUTS = ("mono", "stereo", "3.0", "quad", "5.0", "5.1")
"""Of sound that is encoded anew: those that both encoders keep as they are."""
MOST_AAC_HZ = 96000
MOST_APART_S = 10  # what sounds at the same time is no further apart in a file


def kept_tags(stream: Any) -> dict[str, str]:
    """What to say of a copy of a stream."""
    said = {name: stream.metadata[name] for name in TAGS if name in stream.metadata}
    if "name" in stream.metadata:  # what a track's title is called when it is read from .mp4 and .mov
        said.setdefault("title", stream.metadata["name"])
    return said


class StreamCopier:
    """Copies the sound of a file, and what goes with it, into another, as far as the pictures have come.

    Args:
        out: the container that is written.
        path: where the sound is; None for none.
        whole: all of the file is taken; of a part there are no chapters.
    """

    def __init__(self, out: Any, path: Path | None, *, whole: bool = True):
        self._out, self.path, self._whole, self._pending = out, path, whole, None
        self._routes: dict[int, tuple[Any, bool]] = {}
        self._context = None if path is None else open_container(path)
        self.start_s: Fraction | float = 0
        """What sounds before is left out; set before anything is copied."""

    def __enter__(self) -> "StreamCopier":
        if self._context is None:
            return self
        self._source = source = self._context.__enter__()
        self._out.metadata.update(source.metadata)
        for stream in source.streams.audio:
            self._add_route(stream, *self._target(stream))
        for stream in source.streams.subtitles:
            if self._can_hold(stream):
                self._add_route(stream, self._out.add_stream_from_template(stream), True)
        for stream in source.streams.attachments:
            if self._out.format.name == "matroska":
                self._out.add_attachment(stream.name or "attachment", stream.mimetype or "", stream.data)
        if self._whole:
            self._out.set_chapters(source.chapters())
        if left := self._not_kept():
            log.warning("%s also has %s, which %s does not keep", self.path, ", ".join(left), self._out.format.name)
        streams = [source.streams[index] for index in self._routes]
        self._packets = source.demux(streams) if streams else iter(())
        return self

    def __exit__(self, *error: Any) -> None:
        if self._context is not None:
            self._context.__exit__(*error)

    def _target(self, stream: Any) -> tuple[Any, bool]:
        """A stream for a sound, and whether it is a copy."""
        if self._can_hold(stream):
            return self._out.add_stream_from_template(stream), True
        kind, context = "Opus" if self._out.format.name == "webm" else "AAC", stream.codec_context
        layout, channels = context.layout.name.replace("(side)", ""), context.layout.nb_channels
        if layout not in LAYOUTS:  # whose channels would be mixed, or silent
            layout = (
                "mono" if channels == 1 else "5.1" if channels > 6 and not layout.endswith("channels") else "stereo"
            )
        fewer = f", in {layout}" if channels > av.AudioLayout(layout).nb_channels else ""
        log.warning("%s sound cannot be kept in this container; it becomes %s%s", context.name, kind, fewer)
        rate = 48000 if kind == "Opus" else min(context.sample_rate, MOST_AAC_HZ)
        encoder = "libopus" if kind == "Opus" else "aac"
        return self._out.add_stream(encoder, rate=rate, layout=layout), False

    def _add_route(self, stream: Any, target: Any, copied: bool) -> None:
        target.metadata.update(kept_tags(stream))
        target.disposition = stream.disposition
        self._routes[stream.index] = target, copied

    def _can_hold(self, stream: Any) -> bool:
        context, container = stream.codec_context, self._out.format.name
        if context is None:
            return False
        name = context.codec.canonical_name
        if container == "mp4" and name.startswith("pcm_") and context.layout.name.endswith("channels"):
            return False  # which speaker each is for must be said there
        return name in self._out.supported_codecs and name not in REFUSED.get(container, ())

    def _not_kept(self) -> list[str]:
        """What is in the source and not in the copy, in words."""
        left = ["another picture"] * (len(self._source.streams.video) > 1)
        for stream in self._source.streams.subtitles:
            if stream.index not in self._routes:
                kind = stream.codec_context.codec.canonical_name if stream.codec_context else "unknown"
                tags = kept_tags(stream)
                called = ", ".join(tags[name] for name in ("language", "title") if name in tags)
                left.append(f"{kind} subtitles{f' ({called})' if called else ''}")
        left += ["data"] * bool(self._source.streams.data)
        if self._out.format.name != "matroska":
            left += [f"the attachment {stream.name}" for stream in self._source.streams.attachments]
        return left

    def copy_until(self, end_s: Fraction | float | None) -> None:
        """Copy what begins before `end_s`, as far as the file has it in order; all that is left if None."""
        while self._routes:
            packet = self._pending or self._next()
            self._pending = None
            if packet is None:
                break
            if _is_late(packet, end_s):
                self._pending = packet
                break
            self._copy(packet)

    def copy_rest(self, end_s: Fraction | float) -> None:
        """Copy what begins before `end_s`, of every sound; files have no strict order."""
        sounds = {index for index in self._routes if self._source.streams[index].type == "audio"}
        late, packet = set[int](), self._pending or (self._next() if self._routes else None)
        while packet is not None and not late >= (sounds or {packet.stream.index}):
            if _is_late(packet, end_s + MOST_APART_S):
                break  # a sound may have ended long before
            if _is_late(packet, end_s):
                late.add(packet.stream.index)
            else:
                self._copy(packet)
            packet = self._next()
        self._pending = None

    def _next(self) -> Any:
        try:
            return next(self._packets, None)
        except (av.error.FFmpegError, OSError) as error:  # not to be taken for one of the file that is written
            raise InputError(
                f"the sound of {self.path} cannot be read ({error.strerror})",
                "a whole file is needed",
                "copy the file again, or name another",
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
        if packet.stream.type == "subtitle" and packet.pts < shift:  # nothing may be shown before the first frame
            packet.duration -= shift - packet.pts
            packet.pts = packet.dts = shift
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


def _is_late(packet: Any, end_s: Fraction | float | None) -> bool:
    return packet.pts is not None and end_s is not None and packet.pts * packet.time_base >= end_s
