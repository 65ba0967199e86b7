"""The command `inpaint` where - is standard input or output: a YUV4MPEG2 stream that is read once, and kept nowhere."""

import dataclasses
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cleanplate.commands.console import progress
from cleanplate.config import Encoding
from cleanplate.errors import InputError

if TYPE_CHECKING:
    from cleanplate.commands.inpaint import Inpaint
    from cleanplate.video.shot import Shot

log = logging.getLogger(__name__)

DASH = Path("-")
READ_ONCE = frozenset(
    {"video", "mask", "output", "method", "seed", "start", "end", "size", "region", "dilate_px", "extra_mask"}
    | {"invert_mask", "provenance", "effects_mask", "encoding", "device", "overwrite", "max_seconds", "max_steps"}
    | {"pictures", "settings_file", "settings", "save_every_s"}
)
"""What can be said of a video that is read once."""
KEPT_NOWHERE = frozenset({"resume", "log_dir"})
"""What needs OUTPUT.work."""


def has_pipe(command: "Inpaint") -> bool:
    """Whether it reads or writes one, or is asked to where it cannot."""
    paths = (command.video, command.mask, command.output, *command.extra_mask, command.provenance, command.effects_mask)
    return DASH in paths


def run_piped(command: "Inpaint") -> None:
    """Read, fill, write, and say what was done: to standard error if the frames go to standard output.

    Raises:
        InputError: what cannot be done with a stream, and whatever `inpaint` refuses.
        Unread: nobody reads what is written.
    """
    from cleanplate.clean import clean
    from cleanplate.commands.inpaint import summary
    from cleanplate.commands.logs import each_of, logs
    from cleanplate.runtime.options import RunOptions

    _check(command)
    with progress() as bar, logs(None, command.pictures) as records:
        run = RunOptions(
            command.seed, command.device, command.max_steps, command.max_seconds, on_step=each_of(bar, *records)
        )
        done = clean(
            _shot(command),
            command.output,
            command.applied_settings(),
            run,
            provenance=command.provenance,
            effects_mask=command.effects_mask,
            encoding=command.encoding,
        )
    written = "standard output" if command.output == DASH else str(command.output)
    said = summary(done, command.applied_settings().effects.find)
    print(f"{written}: {said}", file=sys.stderr if command.output == DASH else sys.stdout)


def _check(command: "Inpaint") -> None:
    """Refuse, before anything is read, what cannot be done with a stream."""
    from cleanplate.video.outputs import check_apart, check_output
    from cleanplate.video.sequences import existing

    if DASH in (command.mask, *command.extra_mask):
        raise InputError("the mask is -", "only a video comes from standard input", "write the mask to a file")
    if DASH in (command.provenance, command.effects_mask):
        given = "--provenance or --effects-mask is -"
        raise InputError(given, "only the frames go to standard output", "name a file")
    changed = _changed(command)
    if command.video == DASH and (left := changed - READ_ONCE - KEPT_NOWHERE):
        raise InputError(f"{_words(left)} is given, and VIDEO is -", "it needs a video that is a file", "name a file")
    if left := changed & KEPT_NOWHERE:
        given = f"{_words(left)} is given, and VIDEO or --output is -"
        raise InputError(given, "nothing of a stream is kept in a work folder", "leave it out, or name files")
    if command.output == DASH and command.encoding != Encoding():
        given = "a codec, a quality or --lossless is given, and --output is -"
        raise InputError(given, "a YUV4MPEG2 stream has its frames as they are", "leave it out, or name a file")
    sources = [command.video if command.video == DASH else existing(command.video)]
    sources += [existing(path) for path in command.mask_files()]
    outputs = {name: path for name, path in command.outputs().items() if path != DASH}
    check_apart(outputs, {"--pictures": command.pictures})
    for path in outputs.values():
        encoding = command.encoding if path == command.output else None
        check_output(path, overwrite=command.overwrite, sources=sources, encoding=encoding)


def _shot(command: "Inpaint") -> "Shot":
    """The video and its masks."""
    if command.video != DASH:
        return command.shot()
    from cleanplate.video.pipes import standard_input
    from cleanplate.video.shot import open_piped
    from cleanplate.video.timecode import Span, moment

    piped = standard_input()
    if piped.header.interlaced:
        if command.output != DASH:
            given, needed = f"{piped.name} is interlaced", "a file is written as whole pictures"
            raise InputError(given, needed, "deinterlace it, as by ffmpeg -vf bwdif, or write to - too")
        log.warning("%s is interlaced: two fields are taken for one picture; deinterlace it to carry well", piped.name)
    fps = piped.header.fps
    return open_piped(
        piped,
        command.masks()[0],
        Span(moment(command.start, fps), None if command.end is None else moment(command.end, fps)),
        size=command.size,
        region=command.region,
        dilate_px=command.dilate_px,
        invert_mask=command.invert_mask,
    )


def _changed(command: "Inpaint") -> set[str]:
    """The fields that are not as they are by default."""

    def default(field: dataclasses.Field[Any]) -> Any:
        return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()

    return {one.name for one in dataclasses.fields(command) if getattr(command, one.name) != default(one)}


def _words(names: set[str]) -> str:
    return " and ".join(f"--{name.replace('_', '-')}" for name in sorted(names))
