"""The command `inpaint`: from files to files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from cleanplate.commands.console import Output, progress
from cleanplate.config import DEFAULT_METHOD, METHODS, Encoding, Method
from cleanplate.errors import Cancelled, InputError

ENCODING = Encoding()


@dataclass(frozen=True)
class Inpaint:
    """Remove what the mask covers from a video."""

    video: Annotated[Positional[Path], arg(metavar="VIDEO")]
    """A video, or a folder of images."""
    mask: Annotated[Positional[Path], arg(metavar="MASK")]
    """A video, a folder of images, or one image for all frames. White marks what to remove."""
    output: Output
    """.mp4 or .mov (H.264), .mkv (lossless), .webm (VP9), or a name without a suffix (a folder of PNGs)."""
    method: Annotated[Positional[str], arg(metavar="METHOD")] = DEFAULT_METHOD
    """carry-learn (default), carry, or one of the paper's: dip, dip-vid, dip-vid-3dcn, dip-vid-flow."""
    seed: int = 0
    """The same clip, method, seed and machine give the same result."""
    start: Annotated[str, arg(metavar="MOMENT")] = "0"
    """Where to begin: a frame (120), a time (2.5s, 1:05) or a timecode (00:01:05:12)."""
    end: Annotated[str | None, arg(metavar="MOMENT")] = None
    """Where to end, in the same words; that frame is not part of it any more."""
    size: Annotated[tuple[int, int] | None, arg(metavar="HEIGHT WIDTH")] = None
    """Resize and centre-crop to this; as it is if not given."""
    region: Annotated[tuple[int, int, int, int] | None, arg(metavar="X Y WIDTH HEIGHT")] = None
    """Look at, and fill, this part of the picture only."""
    dilate_px: int = 4
    """Pixels to grow the mask by on all sides."""
    also: Annotated[tuple[Path, ...], arg(metavar="MASK")] = ()
    """More masks; what any of them marks is removed."""
    invert_mask: bool = False
    """Black marks what to remove."""
    provenance: Annotated[Path | None, arg(metavar="PATH")] = None
    """Where to write where each pixel comes from: black known, grey (128) carried, white made up."""
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
    """Where to write the losses, and what the network makes at each look (--fit.look-every), for TensorBoard."""
    pictures: Annotated[Path | None, arg(metavar="PATH")] = None
    """Folder for what the network makes at each look: frames, and flow as colour (hue direction, value magnitude)."""
    settings_file: Annotated[Path | None, arg(metavar="FILE")] = None
    """TOML of these options in the same words (dilate-px = 4, carry.rounds = 1); what is given here counts more."""
    settings: Annotated[Method, arg(name="")] = METHODS[DEFAULT_METHOD]

    def run(self) -> None:
        """Read, fill, write, and say what was done."""
        from cleanplate.clean import clean
        from cleanplate.commands.logs import each_of, logs
        from cleanplate.runtime.checkpoint import Work
        from cleanplate.runtime.files import existing
        from cleanplate.video.reader import fps_of
        from cleanplate.video.shot import Shot
        from cleanplate.video.timecode import Span, moment
        from cleanplate.video.writer import check_output

        outputs = [self.output] if self.provenance is None else [self.output, self.provenance]
        if len({output.absolute() for output in outputs}) < len(outputs):
            raise InputError(f"{self.output} is named twice", "video and provenance go to two files", "rename one")
        sources = [existing(path) for path in (self.video, self.mask, *self.also)]
        check_output(self.output, overwrite=self.overwrite, sources=sources, encoding=self.encoding)
        if self.provenance is not None:
            check_output(self.provenance, overwrite=self.overwrite, sources=sources)
        fps = fps_of(self.video)
        span = Span(moment(self.start, fps), None if self.end is None else moment(self.end, fps))
        work = Work(
            self.output.with_name(f"{self.output.name}.work"),
            resume=self.resume,
            overwrite=self.overwrite,
            every_s=self.save_every_s,
        )
        reading = {
            "size": self.size,
            "region": self.region,
            "dilate_px": self.dilate_px,
            "invert_mask": self.invert_mask,
        }
        writing = {"provenance": self.provenance, "encoding": self.encoding, "work": work}
        budget = {"max_steps": self.max_steps, "max_seconds": self.max_seconds}
        try:
            with progress() as bar, logs(self.log_dir, self.pictures) as records:
                on_step = each_of(bar, *records)
                shot = Shot(self.video, (self.mask, *self.also), span, **reading)
                options = {"seed": self.seed, "device": self.device, "on_step": on_step}
                done = clean(shot, self.output, self.settings, **options, **writing, **budget)
        except (Cancelled, KeyboardInterrupt):
            if not work.unfinished:
                raise
            raise Cancelled(f"what is done is in {work.folder}; the same command with --resume goes on") from None
        work.finish()
        height, width = done.size
        print(
            f"{self.output}: {done.frames} frames of {width}x{height}; {done.hidden:.1%} was hidden, of it "
            f"{done.carried:.1%} carried from other frames and {done.made_up:.1%} made up; {done.elapsed_s:.1f} s"
        )
