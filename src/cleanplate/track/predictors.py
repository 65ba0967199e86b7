"""Video predictors with the interface of SAM 2: their packages, their published checkpoints, and how one is loaded.

What they are was looked up in facebookresearch/sam2 at 2b90b9f (December 2024) and yformer/EfficientTAM at abcd061
(January 2025), both Apache-2.0. Neither a package nor weights come with cleanplate.
"""

import contextlib
import importlib
import importlib.util
import os
import pickle
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cleanplate.errors import InputError


@dataclass(frozen=True)
class Project:
    """Where a video predictor comes from."""

    title: str
    package: str
    builder: str
    """The module and the function in it that builds the predictor."""
    install: str
    configs: Mapping[str, str]
    """The published checkpoints, the best first, and the configuration that the package has for each."""


PROJECTS: Mapping[str, Project] = {
    "sam2": Project(
        "SAM 2",
        "sam2",
        "sam2.build_sam:build_sam2_video_predictor",
        "pip install git+https://github.com/facebookresearch/sam2",
        {
            f"{release}_hiera_{name}.pt": f"configs/{release}/{release}_hiera_{letter}.yaml"
            for name, letter in (("large", "l"), ("base_plus", "b+"), ("small", "s"), ("tiny", "t"))
            for release in ("sam2.1", "sam2")
        },
    ),
    "efficienttam": Project(
        "EfficientTAM",
        "efficient_track_anything",
        "efficient_track_anything.build_efficienttam:build_efficienttam_video_predictor",
        "git clone https://github.com/yformer/EfficientTAM and pip install -e EfficientTAM",
        {
            f"efficienttam_{name}.pt": f"configs/efficienttam/efficienttam_{name}.yaml"
            for name in ("s", "s_1", "s_2", "s_512x512", "ti", "ti_1", "ti_2", "ti_512x512")
        },
    ),
}
"""By the name of the tracker."""


def available() -> tuple[str, ...]:
    """The trackers of `PROJECTS` whose package is installed, with weights of them in $CLEANPLATE_WEIGHTS.

    Nothing is imported: whether they work is known only when they are loaded.
    """
    return tuple(name for name in PROJECTS if _is_installed(name) and _best_checkpoint(name) is not None)


def load_predictor(tracker: str, weights: Path | None, device: str) -> Any:
    """The video predictor of a project.

    Args:
        tracker: a name of `PROJECTS`.
        weights: the checkpoint; None for the best there is in $CLEANPLATE_WEIGHTS.
        device: "auto" takes a GPU if there is one.

    Raises:
        InputError: the package or the weights are missing, or do not fit.
    """
    project = PROJECTS[tracker]
    if not _is_installed(tracker):
        given, needed = f"the package of {project.title} is not installed", f"--tracker {tracker} needs it"
        raise InputError(given, needed, f"{project.install}, or --tracker flow")
    checkpoint = find_checkpoint(tracker) if weights is None else weights
    config = _config_of(checkpoint, tracker)
    if device == "auto":
        import torch  # with the package, which is there

        device = "cuda" if torch.cuda.is_available() else "cpu"
    module, function = project.builder.split(":")
    try:
        with quiet(), contextlib.redirect_stdout(sys.stderr):  # results are on stdout, and nothing else
            return getattr(importlib.import_module(module), function)(config, str(checkpoint), device=device)
    except (RuntimeError, KeyError, EOFError, OSError, pickle.UnpicklingError) as error:
        needed, fix = "a checkpoint as published is needed", "download it again"
        raise InputError(f"{checkpoint} cannot be loaded ({type(error).__name__})", needed, fix) from error


def find_checkpoint(tracker: str) -> Path:
    """The best of the published checkpoints of a project in $CLEANPLATE_WEIGHTS.

    Raises:
        InputError: there is none.
    """
    best = _best_checkpoint(tracker)
    if best is not None:
        return best
    project = PROJECTS[tracker]
    place = os.environ.get("CLEANPLATE_WEIGHTS") or "$CLEANPLATE_WEIGHTS, which is not set"
    raise InputError(
        f"there are no weights of {project.title} in {place}",
        f"one of {', '.join(project.configs)} is needed",
        f"download it from the {project.title} project, or name one by --weights, or use --tracker flow",
    )


def _is_installed(tracker: str) -> bool:
    return importlib.util.find_spec(PROJECTS[tracker].package) is not None


def _best_checkpoint(tracker: str) -> Path | None:
    folder = os.environ.get("CLEANPLATE_WEIGHTS")
    paths = (Path(folder) / name for name in PROJECTS[tracker].configs) if folder else ()
    return next((path for path in paths if path.is_file()), None)


def _config_of(checkpoint: Path, tracker: str) -> str:
    """The configuration for a checkpoint, which is known by its name."""
    project = PROJECTS[tracker]
    if checkpoint.name not in project.configs:
        others = [name for name, other in PROJECTS.items() if checkpoint.name in other.configs]
        fix = f"use --tracker {others[0]}" if others else "give it the name that it was published under"
        needed = f"checkpoints of {project.title} are {', '.join(project.configs)}"
        raise InputError(f"{checkpoint.name} is no checkpoint of {project.title} by its name", needed, fix)
    if not checkpoint.is_file():
        needed = f"a checkpoint of {project.title} is needed"
        raise InputError(f"there is no file {checkpoint}", needed, "correct the name, or put the file there")
    return project.configs[checkpoint.name]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without a package's warnings of a missing CUDA extension, nor its progress bars where there is no terminal."""
    with warnings.catch_warnings(), contextlib.ExitStack() as stack:
        warnings.simplefilter("ignore")
        if not sys.stderr.isatty():
            nowhere = stack.enter_context(Path(os.devnull).open("w"))
            stack.enter_context(contextlib.redirect_stderr(nowhere))
        yield
