"""The command `reproduce`: make a table or a figure of the paper."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from cleanplate.commands.console import progress
from cleanplate.config import UnseenConfig
from cleanplate.experiments.plan import Experiment, ScaleName


@dataclass(frozen=True)
class Reproduce:
    """Make a table or a figure of the paper: run what it needs and is not there yet, and write it.

    Every run is a line in OUTPUT/results.jsonl; the same command goes on where it was ended.
    """

    experiment: Annotated[Positional[Experiment], arg(metavar="WHAT")]
    """table1, table2, or fig4 to fig10."""
    scale: ScaleName
    """tiny: seconds each, shows that it runs; small: 75 minutes on two cores; medium: ten times its updates and more;
    paper: the paper's own numbers."""
    data: Annotated[Path, arg(metavar="DIR")]
    """Folder of clips with ground truth (cleanplate compose), or of what composed.json makes them of."""
    output: Annotated[Path, arg(metavar="DIR", aliases=["-o"])] = Path("results")
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
    painter: Annotated[Path | None, arg(name="unseen.painter", metavar="FILE")] = None
    """The network of the row yu, a TorchScript file of yours (see inpaint); without it that row has no numbers."""
    painter_kind: Annotated[Literal["auto", "lama", "migan"], arg(name="unseen.painter-kind")] = "auto"
    """What it takes and gives; auto knows the files that were published by what is in them."""
    wang: Annotated[Path | None, arg(metavar="FILE")] = None
    """The network of the row wang, which cleanplate train has made; without it that row has no numbers."""
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
        with progress() as on_step:
            written = reproduce(
                self.experiment,
                self.data,
                self.output,
                scale=self.scale,
                seeds=self.seeds,
                methods=self.methods,
                clips=self.clips,
                metrics=self.metrics,
                external=self.external,
                unseen=_network(self.painter, self.painter_kind),
                wang=_network(self.wang),
                on=self.on,
                workers=self.workers,
                device=self.device,
                on_step=on_step,
            )
        for path in written:
            if path.suffix == ".md":
                print(path.read_text())
        print(f"written: {', '.join(map(str, written))}")


def _network(path: Path | None, kind: Literal["auto", "lama", "migan"] = "auto") -> UnseenConfig:
    return UnseenConfig(painter=None if path is None else str(path.absolute()), painter_kind=kind)
