"""The commands: their options as frozen dataclasses, and what each runs. No torch until one is run."""

import contextlib
import dataclasses
import json
import logging
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from cleanplate.config import DEFAULT_METHOD, METHODS, Encoding, Method, OnStep, Step
from cleanplate.errors import Cancelled, InputError

ENCODING = Encoding()
Output = Annotated[Path, arg(aliases=["-o"])]


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
        from cleanplate.checkpoint import Work
        from cleanplate.clean import clean
        from cleanplate.logs import each_of, logs
        from cleanplate.moments import Span, moment
        from cleanplate.shot import Shot
        from cleanplate.video_io import check_output, existing, fps_of

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


@dataclass(frozen=True)
class Demo:
    """Make a clip, remove what walks through it, and compare with the truth."""

    output: Output = Path("cleanplate-demo")
    """Folder for the input, the result, the provenance and the picture."""
    seed: int = 0
    """Of the camera's shake."""
    overwrite: bool = False
    """Replace what an earlier demo wrote."""

    def run(self) -> None:
        """Write the folder and print the figures."""
        from cleanplate.demo import run_demo

        with progress() as on_step:
            lines = run_demo(self.output, seed=self.seed, overwrite=self.overwrite, on_step=on_step)
        print("\n".join(lines))


@dataclass(frozen=True)
class Evaluate:
    """Measure a result against the truth, in the hole and on the full frames."""

    result: Annotated[Positional[Path], arg(metavar="RESULT")]
    """The inpainted video or folder."""
    truth: Annotated[Positional[Path], arg(metavar="TRUTH")]
    """What it should show."""
    mask: Annotated[Positional[Path], arg(metavar="MASK")]
    """The mask that was given to inpaint."""
    dilate_px: int = 4
    """Pixels the mask was grown by."""
    provenance: Annotated[Path | None, arg(metavar="PATH")] = None
    """What inpaint --provenance wrote: carried and learned pixels are measured apart too."""
    metrics: Annotated[tuple[str, ...], arg(metavar="NAME")] = ()
    """Which ones; if none are named, all that need no weights. fid, frechet_vgg16, lpips and hole_lpips need some."""
    seed: int = 0
    """Of the patches (50x50 px, looked for within 20 px) that the consistency metric samples."""
    json: bool = False
    """Print JSON instead of a table."""

    def run(self) -> None:
        """Print the figures."""
        from cleanplate.clip import read_clip, to_tensor
        from cleanplate.metrics import METRICS, NEEDS, OF_PROVENANCE, Judged, find_metrics, measure
        from cleanplate.video_io import existing, read_frames, read_masks

        names = find_metrics(self.metrics) or tuple(name for name in METRICS if name not in NEEDS)
        for path in (self.result, self.truth, self.mask, self.provenance):
            if path is not None:
                existing(path)
        with progress() as on_step:
            clip = read_clip(self.result, self.mask, dilate_px=self.dilate_px, on_step=on_step)
            truth = to_tensor(read_frames(self.truth, on_step=on_step)[0])
        kinds = None
        if self.provenance is not None:
            kinds = to_provenance(read_masks(self.provenance), tuple(clip.hole.shape), self.provenance)
        figures = measure(Judged(clip.frames, truth, clip.hole, kinds, seed=self.seed), names)
        if kinds is None and not self.metrics:
            figures = {name: value for name, value in figures.items() if name not in OF_PROVENANCE}
        figures |= {"hole_share": float(clip.hole.float().mean()), "n_frames": len(truth)}
        if self.json:
            # JSON has no infinity, which is the PSNR of two equal videos.
            print(json.dumps({k: v if v != float("inf") else None for k, v in figures.items()}))
        else:
            shown = {name: "-" if value is None else f"{value:.4g}" for name, value in figures.items()}
            print("\n".join(f"{name:20}{value:>10}" for name, value in shown.items()))


@dataclass(frozen=True)
class Compose:
    """Make clips with ground truth: the object of one shot over another shot.

    With a background, an object and its mask, one clip is added to a data folder. With a data folder alone, the paper's
    dataset is made of it: a segment of each background, with some masks drawn at random.
    """

    background: Annotated[Positional[Path], arg(metavar="BACKGROUND")]
    """A video or a folder of images without the object; or a data folder."""
    object: Annotated[Positional[Path | None], arg(metavar="OBJECT")] = None
    """A video or a folder of images with the object."""
    mask: Annotated[Positional[Path | None], arg(metavar="OBJECT_MASK")] = None
    """Its mask, frame by frame."""
    output: Output = Path("composed")
    """The data folder to add to: davis/frames, davis/masks, davis/truth, composed.json with sha256 of everything."""
    name: str | None = None
    """Of the clip; BACKGROUND+OBJECT if not given."""
    size: Annotated[tuple[int, int] | None, arg(metavar="HEIGHT WIDTH")] = None
    """Resize and centre-crop both to this; the background as it is, and the object to its size, if not given."""
    start: int = 0
    """First frame of the background."""
    frames: int = 60
    """Length, if both shots have as many; the paper's is 60."""
    dilate_px: int = 4
    """Pixels to grow the mask by: that is the hole."""
    masks_per_background: int = 5
    """Of the paper's dataset."""
    seed: int = 0
    """Of its random choices."""
    overwrite: bool = False
    """Replace clips of the same name."""

    def run(self) -> None:
        """Write the clips."""
        from cleanplate.dataset import compose_dataset, compose_files

        if (self.object is None) != (self.mask is None):
            raise InputError(f"OBJECT {self.object} has no OBJECT_MASK", "both are needed, or neither", "give both")
        if min(self.frames, self.masks_per_background) < 1 or min(self.start, self.dilate_px) < 0:
            given = f"--frames {self.frames} --masks-per-background {self.masks_per_background} --start {self.start}"
            needed = "at least 1 of the first two, and no number below 0, are needed"
            raise InputError(f"{given} --dilate-px {self.dilate_px}", needed, "correct it")
        if self.object is None and (self.name is not None or self.start):
            raise InputError("--name and --start are of one clip", "OBJECT and OBJECT_MASK are needed", "drop them")
        if max(self.frames, self.start) >= 2**31:
            raise InputError(f"--frames {self.frames} --start {self.start}", "less than 2^31 is needed", "correct it")
        options: dict[str, Any] = {"size": self.size, "dilate_px": self.dilate_px, "overwrite": self.overwrite}
        with progress() as on_step:
            if self.object is None or self.mask is None:
                options |= {"masks_per_background": self.masks_per_background, "count": self.frames, "seed": self.seed}
                names = compose_dataset(self.background, self.output, on_step=on_step, **options)
            else:
                options |= {"name": self.name, "frames": (self.start, self.start + self.frames), "on_step": on_step}
                names = [compose_files(self.background, self.object, self.mask, self.output, **options)]
        print(f"{self.output}: {len(names)} clip{'s' * (len(names) > 1)} ({', '.join(names)})")


@dataclass(frozen=True)
class Reproduce:
    """Make a table or a figure of the paper: run what it needs and is not there yet, and write it.

    Every run is a line in OUT/results.jsonl; the same command goes on where it was ended.
    """

    experiment: Annotated[
        Positional[Literal["table1", "table2", "fig5", "fig7", "fig8", "fig9", "fig10"]], arg(metavar="WHAT")
    ]
    """table1, table2, fig5, fig7, fig8, fig9 or fig10."""
    scale: Literal["tiny", "small", "paper"]
    """tiny: seconds each, shows that it runs; small: two hours on two cores; paper: the paper's own numbers."""
    data: Annotated[Path, arg(metavar="DIR")]
    """Folder of clips with ground truth (cleanplate compose), or of what composed.json makes them of."""
    out: Annotated[Path, arg(metavar="DIR", aliases=["-o"])] = Path("results")
    """Folder for results.jsonl, what was made, tables and figures."""
    seeds: Annotated[tuple[int, ...], arg(metavar="N")] = (0,)
    """Everything is repeated with each."""
    methods: Annotated[tuple[str, ...], arg(metavar="NAME")] = ()
    """Only these rows."""
    clips: Annotated[tuple[str, ...], arg(metavar="NAME")] = ()
    """Only these clips."""
    metrics: Annotated[tuple[str, ...], arg(metavar="NAME")] = ()
    """Only these; if none are named, all whose weights are here."""
    external: Annotated[tuple[str, ...], arg(metavar="NAME=DIR")] = ()
    """Results made elsewhere, DIR/CLIP a folder of images or DIR/CLIP.* a video, as a row of the tables."""
    on: Literal["local", "ray"] = "local"
    """Where to run: here, or on a Ray cluster (RAY_ADDRESS; one is started here if there is none)."""
    workers: int = 1
    """Runs at a time."""
    device: str = "auto"
    """cpu, cuda, mps, or auto."""

    def run(self) -> None:
        """Run, write, and show a table."""
        from cleanplate.experiments.reproduce import reproduce

        logging.getLogger("cleanplate.experiments").setLevel(logging.INFO)
        options = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        with progress() as on_step:
            written = reproduce(**options, on_step=on_step)
        for path in written:
            if path.suffix == ".md":
                print(path.read_text())
        print(f"written: {', '.join(map(str, written))}")


def to_provenance(levels: Any, shape: tuple[int, ...], path: Path) -> Any:
    """The grey levels that --provenance wrote, 0, 128 and 255, as 0, 1 and 2."""
    import torch

    if (len(levels), 1, *levels.shape[1:]) != shape:
        given = f"{path} has {len(levels)} frames of {levels.shape[2]}x{levels.shape[1]}"
        raise InputError(given, f"{shape[0]} of {shape[3]}x{shape[2]} are needed", "give that of this result")
    return torch.from_numpy(levels).float().div(127.5).round().to(torch.uint8).unsqueeze(1)


@contextlib.contextmanager
def progress() -> Iterator[OnStep | None]:
    """A bar with the time left, on a terminal, once a run has taken two seconds."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description:>6}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    started, tasks = time.monotonic(), {}
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:

        def on_step(step: Step) -> None:
            if time.monotonic() - started < PATIENCE_S:
                return
            if step.stage not in tasks:
                tasks[step.stage] = bar.add_task(step.stage, total=step.total)
            bar.update(tasks[step.stage], completed=step.done, total=step.total)

        yield on_step


PATIENCE_S = 2
