"""The command `inpaint`: from files to files."""

import contextlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from cleanplate.commands.console import End, Output, Start, progress, span_of
from cleanplate.commands.kept import kept
from cleanplate.config import DEFAULT_METHOD, DILATE_PX, METHODS, EffectsConfig, Encoding, Method, WhichEffects
from cleanplate.errors import InputError
from cleanplate.progress import OnStep

if TYPE_CHECKING:
    from cleanplate.clean import Cleaned
    from cleanplate.imaging.frame import Frame
    from cleanplate.runtime.work_dir import WorkDir
    from cleanplate.video.references import Reference
    from cleanplate.video.shot import Shot
    from cleanplate.video.timecode import Span

ENCODING = Encoding()


@dataclass(frozen=True)
class Inpaint:
    """Remove what the mask covers from a video."""

    video: Annotated[Positional[Path], arg(metavar="VIDEO")]
    """A video, a folder of images, or shot.####.png: images with numbers, by which --start, --end and all else call
    their frames; - is a YUV4MPEG2 stream from standard input."""
    mask: Annotated[Positional[Path | None], arg(metavar="MASK")]
    """A video, a folder of images, mask.####.png, or one image for all frames; white marks what to remove. Or a file of
    areas, masks and times (.toml), as mask --spans takes. Or the word alpha, for the alpha of images themselves. None
    is needed with --fill-borders."""
    output: Output
    """.mp4 or .mov (coded as the video is, or H.264), .mkv (lossless), .webm (VP9), a name without a suffix (a folder
    of PNGs, or of EXR, DPX or float TIFF if the shot is that), clean.####.png (with the numbers of the shot), or the
    .png of a picture; - is a YUV4MPEG2 stream to standard output."""
    method: Annotated[Positional[str], arg(metavar="METHOD")] = DEFAULT_METHOD
    """carry-learn (default), carry, one of the paper's (dip, dip-vid, dip-vid-3dcn, dip-vid-flow), or
    dip-vid-flow-fast: one network for the clip, from an input that moves with the picture. Or a rival to compare with:
    telea, navier-stokes, temporal-median, yu and wang (with --unseen.painter), newson, huang."""
    seed: int = 0
    """The same clip, method, seed and machine give the same result."""
    start: Start = "0"
    """Where to begin: a frame (120), a time (2.5s, 1:05) or a timecode (00:01:05:12)."""
    end: End = None
    """Where to end, in the same words; that frame is not part of it any more."""
    size: Annotated[tuple[int, int] | None, arg(metavar="HEIGHT WIDTH")] = None
    """Resize and centre-crop to this; as it is if not given."""
    region: Annotated[tuple[int, int, int, int] | None, arg(metavar="X Y WIDTH HEIGHT")] = None
    """Look at, and fill, this part of the picture only."""
    dilate_px: int = DILATE_PX
    """Pixels to grow the mask by on all sides."""
    extra_mask: Annotated[tuple[Path, ...], arg(metavar="MASK")] = ()
    """More masks; what any of them marks is removed."""
    invert_mask: bool = False
    """Black marks what to remove."""
    fill_borders: bool = False
    """Fill the borders that a stabiliser left, black or transparent, from other frames."""
    gaps: Literal["refuse", "keep"] = "refuse"
    """Where numbers are missing among images: keep takes those that are there for neighbours, and keeps the gap."""
    layer: Annotated[str, arg(metavar="NAME")] = ""
    """Of OpenEXR files: the part or layer to clean (beauty), if it is not the one that is plain RGB."""
    mask_channel: Annotated[str, arg(metavar="NAME")] = ""
    """Of masks that are OpenEXR files: the channel that counts; alpha if not given, or white if they have none."""
    reference: Annotated[tuple[str, ...], arg(metavar="FRAME:IMAGE")] = ()
    """Frames as you have painted them, with nothing in the way (40:clean.png, or a folder of images with the number of
    the frame in their names): what the mask hides there is taken from them, where they are not transparent, and carried
    to other frames."""
    provenance: Annotated[Path | None, arg(metavar="PATH")] = None
    """Where to write where each pixel comes from: black known, grey carried (64 outside the mask, as an effect of the
    thing, 128 in it, 192 painted by you), white made up."""
    effects_mask: Annotated[Path | None, arg(metavar="PATH")] = None
    """Where to write, as a mask, what was changed outside MASK as an effect of the thing (--effects)."""
    encoding: Annotated[Encoding, arg(name="")] = ENCODING
    device: str = "auto"
    """cpu, cuda, mps, or auto."""
    overwrite: bool = False
    """Replace outputs that are already there, and start anew whatever an unfinished run has left."""
    max_seconds: float | None = None
    """Learn until so long after the start; the result is the best by then."""
    max_steps: int | None = None
    """Learn for so many updates at most."""
    resume: bool = False
    """Go on with a run that was ended, from OUTPUT.work."""
    save_every_s: float = 60.0
    """Time between saves to OUTPUT.work while learning; what is carried is kept at once, if a shot is long."""
    log_dir: Annotated[Path | None, arg(metavar="PATH")] = None
    """Where to write the losses, and what the network makes at each evaluation (--fit.eval-every), for
    TensorBoard."""
    pictures: Annotated[Path | None, arg(metavar="PATH")] = None
    """Folder for what the network makes at each evaluation: frames, and flow as colour (hue direction, value
    magnitude)."""
    settings_file: Annotated[Path | None, arg(metavar="FILE")] = None
    """TOML of these options in the same words (dilate-px = 4, carry.rounds = 1); what is given here counts more."""
    settings: Annotated[Method, arg(name="")] = METHODS[DEFAULT_METHOD]

    def run(self) -> None:
        """Read, fill, write, and say what was done."""
        from cleanplate.commands.logs import each_of, logs
        from cleanplate.commands.piped import has_pipe, run_piped
        from cleanplate.runtime.work_dir import WorkDir
        from cleanplate.video.outputs import check_apart, check_output
        from cleanplate.video.sequences import existing

        if has_pipe(self):
            return run_piped(self)
        outputs = self.outputs()
        check_apart(outputs, {"--log-dir": self.log_dir, "--pictures": self.pictures})
        if self.effects_mask is not None and self.applied_settings().effects.find == "off":
            given = "--effects-mask is given, and effects are off"
            raise InputError(given, "it is for what is found of them", "leave it out, or see --effects")
        painted = [path for _, path in named_frames(self.reference)]
        sources, span = [existing(path) for path in (self.video, *self.mask_files(), *painted)], self.span()
        for path in outputs.values():
            encoding = self.encoding if path == self.output else None
            check_output(path, overwrite=self.overwrite, sources=sources, encoding=encoding, span=span)
        if self.settings.has_networks:
            self._check_losses()
        folder = self.output.with_name(f"{self.output.name}.work")
        work_dir = WorkDir(folder, resume=self.resume, overwrite=self.overwrite, every_s=self.save_every_s)
        with progress() as bar, logs(self.log_dir, self.pictures) as records, kept(work_dir):
            done = self.clean(work_dir, each_of(bar, *records))
        work_dir.finish(losses=self.losses() if self.settings.has_networks else None)
        print(f"{self.output}: {summary(done, self.settings.effects.find)}")

    def clean(
        self, work_dir: "WorkDir", on_step: OnStep, on_frame: "Callable[[Frame], None] | None" = None
    ) -> "Cleaned":
        """Do what these options say, but for looking at what is in the way and telling of what was done."""
        from cleanplate.clean import clean
        from cleanplate.runtime.options import RunOptions

        run = RunOptions(self.seed, self.device, self.max_steps, self.max_seconds, work_dir, on_step)
        return clean(
            self.shot(),
            self.output,
            self.applied_settings(),
            run,
            provenance=self.provenance,
            effects_mask=self.effects_mask,
            encoding=self.encoding,
            on_frame=on_frame,
        )

    def outputs(self) -> dict[str, Path]:
        """The files, or folders that are replaced, by the options that name them."""
        named = {"--output": self.output, "--provenance": self.provenance, "--effects-mask": self.effects_mask}
        return {name: path for name, path in named.items() if path is not None}

    def _check_losses(self) -> None:
        """Refuse to replace the losses of another run unasked."""
        losses = self.losses()
        if losses is not None and losses.exists() and not self.overwrite:
            needed, fix = "nothing is replaced unasked", "choose another --log-dir, or pass --overwrite"
            raise InputError(f"{losses} is already there", needed, fix)

    def losses(self) -> Path | None:
        """Where those of every step go, if they are wanted."""
        from cleanplate.runtime.work_dir import STEPS

        return self.log_dir and self.log_dir / STEPS

    def shot(self) -> "Shot":
        """The video and its masks."""
        from cleanplate.video.shot import open_shot

        masks, channel = self.masks()
        return open_shot(
            self.video,
            masks,
            self.span(),
            size=self.size,
            region=self.region,
            dilate_px=self.dilate_px,
            invert_mask=self.invert_mask,
            references=self.references(),
            gaps=self.gaps,
            fill_borders=self.fill_borders,
            layer=self.layer,
            mask_channel=channel,
        )

    def applied_settings(self) -> Method:
        """What is done: where only borders are filled there is no thing, and nothing goes with it."""
        return self.settings if self.masks()[0] else replace(self.settings, effects=EffectsConfig("off"))

    def masks(self) -> tuple[tuple[Path, ...], str]:
        """Where the masks are, and which channel of them counts."""
        if self.mask is None:
            return self.extra_mask, self.mask_channel
        if str(self.mask) != "alpha" or self.mask.exists():
            return (self.mask, *self.extra_mask), self.mask_channel
        if self.extra_mask or self.mask_channel:
            given = "the mask is alpha, and --extra-mask or --mask-channel is given too"
            raise InputError(given, "the alpha of the shot is the mask", "give the images of the shot as MASK instead")
        return (self.video,), f"{self.layer}.A" if self.layer else "A"

    def mask_files(self) -> list[Path]:
        """The masks, and what they name."""
        from cleanplate.video.spans import files_of_spans, is_spans

        return [file for path in self.masks()[0] for file in (files_of_spans(path) if is_spans(path) else [path])]

    def references(self) -> "tuple[Reference, ...]":
        """The frames that were painted, in the part of the video."""
        if not self.reference:
            return ()
        from cleanplate.track.marks import frame_at
        from cleanplate.video.numbers import numbers_of
        from cleanplate.video.reader import fps_of, frame_times_s
        from cleanplate.video.references import Reference

        fps, numbers = fps_of(self.video), numbers_of(self.video)
        times_s, start = frame_times_s(self.video, fps), self.span().start
        first = start if isinstance(start, int) else frame_at(self.start, times_s, fps)
        named = named_frames(self.reference)
        return tuple(Reference(frame_at(when, times_s, fps, numbers) - first, path) for when, path in named)

    def span(self) -> "Span":
        """The part of the video."""
        return span_of(self.video, self.start, self.end)


def named_frames(words: Sequence[str]) -> list[tuple[str, Path]]:
    """The moments and images that FRAME:IMAGE, or folders of images with numbers in their names, stand for.

    Raises:
        InputError: no frame is named, or there is no such image.
    """
    from cleanplate.video.sequences import existing, image_files

    found: list[tuple[str, Path]] = []
    for word in words:
        if Path(word).is_dir():
            for file in image_files(Path(word)):
                number = re.search(r"\d+$", file.stem)
                if number is None:
                    needed = "images in it end in the number of their frame"
                    raise InputError(f"{file} names no frame", needed, f"call it {file.stem}-00040{file.suffix}")
                found.append((number[0], file))
            continue
        when, image = parted(word)
        if not when:
            raise InputError(f"--reference {word} names no frame", "FRAME:IMAGE is needed", f"write 40:{word}")
        found.append((when, existing(image)))
    return found


def parted(reference: str) -> tuple[str, str]:
    """The moment and the path of FRAME:IMAGE; no moment where it names none, as a folder does."""
    from cleanplate.video.timecode import moment

    def is_moment(text: str) -> bool:
        with contextlib.suppress(InputError):
            moment(text)
            return True
        return False

    # A timecode has colons too, and so may a path.
    cuts = [at.start() for at in re.finditer(":", reference) if is_moment(reference[: at.start()])]
    return (reference[: cuts[-1]], reference[cuts[-1] + 1 :]) if cuts else ("", reference)


def summary(done: "Cleaned", looked_for: WhichEffects) -> str:
    """What was done, in a line."""
    height, width = done.size
    said = [
        f"{done.frames} frames of {width}x{height}",
        f"{done.hidden:.1%} was hidden, of it {done.carried:.1%} carried from other frames and {done.made_up:.1%} made "
        "up",
    ]
    if done.painted:
        said[-1] += f"; {done.painted:.1%} of it was painted by you"
    if done.effects or done.effects_left:
        them = "its shadow" if looked_for == "shadows" else "its shadow, reflections and the like"
        said.append(f"{done.effects:.1%} more went with it ({them}, and what the mask missed)")
    if done.effects_left:
        said.append(f"of what was found {done.effects_left:.1%} was left: no frame shows what is behind it")
    return "; ".join([*said, f"{done.elapsed_s:.1f} s"]) + advice(done)


def advice(done: "Cleaned") -> str:
    """What to look at, and what to do if it shows, in a line of its own; nothing where all is well."""
    if not done.look_at or not done.carried:  # a network that learns all of it makes all of it up
        return ""
    frames = ", ".join(map(str, done.look_at))
    why = [f"what is made up ({done.made_up:.1%} of what was hidden)"] if done.made_up >= LEAST_TOLD else []
    if done.doubtful >= LEAST_TOLD:
        why.append(f"what the frames before and after do not agree about ({done.doubtful:.1%})")
    return (
        f"\nlook at frame{'s' * (len(done.look_at) > 1)} {frames}, for {' and '.join(why) or 'what is unsure'}; "
        "if it shows: a wider mask (--dilate-px), or one of these frames painted by you (--reference)"
    )


LEAST_TOLD = 0.001
