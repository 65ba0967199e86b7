"""The command `train`: train the network of the method `wang`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from cleanplate.baselines.wang.settings import GeneratorConfig, TrainConfig, TrainLoss
from cleanplate.commands.console import progress
from cleanplate.commands.kept import kept
from cleanplate.errors import InputError

DEFAULT = TrainConfig()


@dataclass(frozen=True)
class Train:
    """Train the network of the method wang on composed clips, and write it to a file.

    wang is a rival: Video-to-Video Synthesis (Wang et al. 2018), reduced to inpainting. The file is named to inpaint
    with --unseen.painter, and to reproduce with --wang.
    """

    data: Annotated[Positional[Path], arg(metavar="DATA")]
    """Folder of composed clips, or of what composed.json makes them of (as reproduce --data takes)."""
    output: Annotated[Path, arg(metavar="FILE", aliases=["-o"])]
    """Where the network goes."""
    steps: int = 10_000
    """To train for, with those of the runs that this one goes on from."""
    clips: Annotated[tuple[str, ...], arg(metavar="NAME")] = ()
    """Only these of the clips."""
    size: Annotated[tuple[int, int], arg(metavar="HEIGHT WIDTH")] = DEFAULT.size
    """Of what is trained on: windows of the clips, made smaller where they are larger."""
    seed: int = DEFAULT.seed
    """The same clips, options, seed and machine give the same network."""
    batch: int = DEFAULT.batch
    """Clips in a step."""
    frames: int = DEFAULT.frames
    """Successive frames that each clip of a step is learned from."""
    lead: int = DEFAULT.lead
    """So many frames before these at most are made and not learned from."""
    learning_rate: float = DEFAULT.learning_rate
    """Of Adam."""
    device: str = "auto"
    """cpu, cuda, mps, or auto."""
    resume: bool = False
    """Go on with a run that was ended, from FILE.work; it may be given other --steps."""
    overwrite: bool = False
    """Replace a file that is already there, and start anew whatever an unfinished run has left."""
    save_every_s: float = 60.0
    """Time between saves to FILE.work."""
    log_dir: Annotated[Path | None, arg(metavar="PATH")] = None
    """Where to write the losses of every step, steps.jsonl, and for TensorBoard."""
    network: GeneratorConfig = DEFAULT.generator
    loss: TrainLoss = DEFAULT.loss

    def run(self) -> None:
        """Read, train, write, and say what was done."""
        from cleanplate.runtime.devices import check_name, check_torch

        check_name(self.device)
        check_torch("training")
        from cleanplate.baselines.wang.train import train
        from cleanplate.baselines.wang.weights import save_weights
        from cleanplate.commands.logs import each_of, logs
        from cleanplate.data.footage import digest_of, read_footage
        from cleanplate.runtime.devices import find_device
        from cleanplate.runtime.work_dir import WorkDir
        from cleanplate.video.outputs import check_place

        config = self.config()
        place = find_device(self.device)
        check_place(self.output, overwrite=self.overwrite)
        folder = self.output.with_name(f"{self.output.name}.work")
        work = WorkDir(folder, resume=self.resume, overwrite=self.overwrite, every_s=self.save_every_s)
        with progress() as bar, logs(self.log_dir, None) as records:
            frames = config.lead + config.frames
            footage = read_footage(self.data, self.clips, size=config.size, frames=frames, on_step=bar)
            work.begin(described(config, digest_of(footage), str(place)))
            with kept(work):
                on_step = each_of(bar, *records)
                trained = train(footage, config, steps=self.steps, device=place, work=work, on_step=on_step)
                save_weights(self.output, trained)
        work.finish(losses=self.log_dir and self.log_dir / "steps.jsonl")
        height, width = config.size
        said = f"{trained.about['steps']} steps on {len(footage)} clip{'s' * (len(footage) > 1)} at {width}x{height}"
        without = "" if config.loss.perceptual else ", without the perceptual term"
        print(f"{self.output}: {said}{without}, {trained.about['seconds']} s; sha256 {trained.sha256[:16]}")

    def config(self) -> TrainConfig:
        """What the network depends on, beside the clips and the number of steps.

        Raises:
            InputError: a value that is none.
        """
        if self.steps < 1:
            raise InputError(f"--steps is {self.steps}", "at least 1 is needed", "raise it")
        return TrainConfig(
            self.network,
            self.loss,
            size=self.size,
            batch=self.batch,
            frames=self.frames,
            lead=self.lead,
            learning_rate=self.learning_rate,
            seed=self.seed,
        )


def described(config: TrainConfig, clips: str, device: str) -> dict[str, str]:
    """What the result depends on, in words, but for the number of steps: a run may go on for more."""
    from importlib.metadata import version

    from cleanplate.version import __version__

    return {
        "clips": clips,
        "options": repr(config),
        "device": device,
        "version": f"cleanplate {__version__}, torch {version('torch')}",
    }
