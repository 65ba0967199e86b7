"""The command that cleans many shots. No torch until it is run."""

import json
import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from cleanplate.commands.console import Output, progress
from cleanplate.errors import InputError


@dataclass(frozen=True)
class Batch:
    """Clean many shots: the rows of a table, or the shots of a folder. The same command again does what is missing.

    The table has the columns video, mask and out, and any option of `cleanplate inpaint` by its name: method, seed,
    size, schedule.steps-per-batch. A folder has videos NAME.mp4 (or folders of images NAME) with NAME-mask.*,
    NAME_mask.* or masks/NAME.*. What became of each is in OUTPUT/batch.jsonl.
    """

    jobs: Annotated[Positional[Path], arg(metavar="JOBS")]
    """A CSV table, whose paths are relative to where it is, or a folder of shots."""
    output: Output
    """Folder that the outputs go to, and stay in."""
    options: Annotated[str, arg(metavar="WORDS")] = ""
    """Words of `cleanplate inpaint` for every job: --options "carry --dilate-px 8". What a row says comes first."""
    on: Literal["local", "ray"] = "local"
    """Where to run: here, or on a Ray cluster (RAY_ADDRESS; one is started here if there is none)."""
    workers: int = 1
    """Jobs at a time, each in a process of its own; of a cluster, as many as it has room for."""
    retries: int | None = None
    """Times that a job whose process was ended by the system is tried again; 2 on Ray, else 0."""
    cpus_per_job: float = 1
    """Ray: of a machine."""
    gpus_per_job: float | None = None
    """Ray: of a machine; 1 if the cluster has any, if not given."""
    memory_gb_per_job: float | None = None
    """Ray: a job waits until a machine has so much left."""
    overwrite: bool = False
    """Replace outputs that this batch has not made."""
    json: bool = False
    """Print JSON instead of a table."""

    def run(self) -> int:
        """Run the jobs and show what became of them; 1 if some are not done."""
        self._check()
        from cleanplate.batch.jobs import read_jobs
        from cleanplate.batch.runner import as_table, run_batch
        from cleanplate.runtime.processes import here
        from cleanplate.runtime.ray import check_ray, on_ray

        logging.getLogger("cleanplate.batch").setLevel(logging.INFO)
        retries = self.retries if self.retries is not None else 2 if self.on == "ray" else 0
        pool = partial(here, workers=self.workers, retries=retries)
        if self.on == "ray":
            check_ray()
            needs = {"cpus": self.cpus_per_job, "gpus": self.gpus_per_job, "memory_gb": self.memory_gb_per_job}
            pool = partial(on_ray, workers=self.workers, retries=retries, **needs)
        jobs = read_jobs(self.jobs, self.output, self.options)
        with progress() as on_step:
            lines = run_batch(jobs, self.output.absolute(), pool, overwrite=self.overwrite, on_step=on_step)
        print(json.dumps(lines, indent=1) if self.json else "\n".join(as_table(lines)))
        return int(any(line["state"] != "done" for line in lines))

    def _check(self) -> None:
        least = {"workers": (self.workers, 1), "retries": (self.retries, 0), "gpus-per-job": (self.gpus_per_job, 0)}
        for name, (value, lowest) in least.items():
            if value is not None and not value >= lowest:
                raise InputError(f"--{name} is {value}", f"at least {lowest} is needed", f"give {lowest} or more")
        for name, value in (("cpus-per-job", self.cpus_per_job), ("memory-gb-per-job", self.memory_gb_per_job)):
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"--{name} is {value}", "a number above 0 is needed", "give one, or leave it out")
