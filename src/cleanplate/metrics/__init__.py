"""The metrics, one module for each kind, and one table of them by name.

Every number is of a result beside its truth; docstrings say shapes, units, definition and source. `measure` computes
those that are named, each for a whole clip: a mean over its frames, pairs of frames or patches.
"""

import difflib
import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor

from cleanplate.errors import InputError, Undefined
from cleanplate.metrics.complexity import Complexity, complexity
from cleanplate.metrics.consistency import (
    PATCH_PX,
    SEARCH_PX,
    Consistency,
    patch_consistency,
    warp_error,
    warp_error_of_hole_and_frames,
)
from cleanplate.metrics.deep import fid, frechet_distance, frechet_vgg16, lpips, missing_library
from cleanplate.metrics.fidelity import EXACT_DB, psnr_by_provenance, psnr_db, ssim, ssim_of_hole_and_frames
from cleanplate.weights import find_weights

__all__ = [
    "EXACT_DB",
    "METRICS",
    "QUICK",
    "Comparison",
    "Complexity",
    "Consistency",
    "complexity",
    "fid",
    "find_metrics",
    "frechet_distance",
    "frechet_vgg16",
    "lpips",
    "measure",
    "missing",
    "patch_consistency",
    "psnr_by_provenance",
    "psnr_db",
    "ssim",
    "warp_error",
]


@dataclass(frozen=True)
class Comparison:
    """A result, and what it is measured against."""

    frames: Tensor
    """(T, 3, H, W) in 0..1, as `truth` is; the metrics say what does not fit."""
    truth: Tensor
    hole: Tensor
    """(T, 1, H, W) bool."""
    provenance: Tensor | None = None
    """(T, 1, H, W) uint8."""
    patch_px: int = PATCH_PX
    search_px: int = SEARCH_PX
    seed: int = 0
    """Of the patches that are sampled."""


Values = dict[str, float | None]


def _consistency(of: Comparison) -> Values:
    found = patch_consistency(of.frames, of.hole, of.seed, patch_px=of.patch_px, search_px=of.search_px)
    return {"consistency_psnr_db": found.psnr_db, "consistency_ssim": found.ssim}


def _by_provenance(of: Comparison) -> Values:
    return {} if of.provenance is None else psnr_by_provenance(of.frames, of.truth, of.provenance)


OF_PROVENANCE = ("carried_psnr_db", "made_up_psnr_db")
"""Those that are of nothing without a provenance."""

OLD_NAMES = {"learned_psnr_db": "made_up_psnr_db"}
"""What metrics were called in results of earlier versions."""


@dataclass(frozen=True)
class _Row:
    """Metrics that one function computes together."""

    names: tuple[str, ...]
    function: Callable
    """Where it is defined is where the metrics live."""
    values: Callable[[Comparison], Values]


def _one(name: str, function: Callable[..., float], arguments: Callable[[Comparison], tuple[Tensor, ...]]) -> _Row:
    return _Row((name,), function, lambda of: {name: function(*arguments(of))})


_TABLE = (
    _one("hole_psnr_db", psnr_db, lambda of: (of.frames, of.truth, of.hole)),
    _one("psnr_db", psnr_db, lambda of: (of.frames, of.truth)),
    _Row(("hole_ssim", "ssim"), ssim, lambda of: ssim_of_hole_and_frames(of.frames, of.truth, of.hole)),
    _Row(("consistency_psnr_db", "consistency_ssim"), patch_consistency, _consistency),
    _Row(
        ("hole_warp_error", "warp_error"),
        warp_error,
        lambda of: warp_error_of_hole_and_frames(of.frames, of.truth, of.hole),
    ),
    _Row(OF_PROVENANCE, psnr_by_provenance, _by_provenance),
    _one("frechet_vgg16", frechet_vgg16, lambda of: (of.frames, of.truth)),
    _one("fid", fid, lambda of: (of.frames, of.truth)),
    _one("hole_lpips", lpips, lambda of: (of.frames, of.truth, of.hole)),
    _one("lpips", lpips, lambda of: (of.frames, of.truth)),
)

MODULES: dict[str, str] = {name: row.function.__module__ for row in _TABLE for name in row.names}
"""The module that each metric is defined in."""

METRICS: tuple[str, ...] = tuple(MODULES)
"""Every metric's name. `hole_` is inside the hole, without it on the full frame, as in the paper."""

NEEDS = {"frechet_vgg16": "vgg16", "fid": "inception", "hole_lpips": "alexnet", "lpips": "alexnet"}
"""The weights that a metric needs."""

QUICK = ("hole_psnr_db", "psnr_db", "hole_ssim", "ssim", *OF_PROVENANCE)
"""Those that take less time than reading the videos, or little more; the next, warp error, takes as long again, and
patch consistency twenty times that."""

LIBRARIES = {"fid": "torch_fidelity", "hole_lpips": "lpips", "lpips": "lpips"}
"""The package of the extra `metrics` that a metric needs."""


def find_metrics(names: Iterable[str]) -> tuple[str, ...]:
    """The names, if they are all of metrics; old ones as they are called now.

    Raises:
        InputError: one that is not.
    """
    names = tuple(OLD_NAMES.get(name, name) for name in names)
    for name in names:
        if name not in METRICS:
            near = difflib.get_close_matches(name, METRICS, n=1, cutoff=0.0)[0]
            known = ", ".join(METRICS)
            raise InputError(f"there is no metric '{name}'", f"known are {known}", f"did you mean '{near}'?")
    return names


def missing(name: str) -> InputError | None:
    """Why a metric cannot be had here without a download; None if it can."""
    try:
        if name in LIBRARIES and importlib.util.find_spec(LIBRARIES[name]) is None:
            return missing_library(name, LIBRARIES[name].replace("_", "-"))
        if name in NEEDS:
            find_weights(NEEDS[name], needed_by=f"the metric {name}", download=False)
    except InputError as error:
        return error
    return None


def measure(of: Comparison, names: Iterable[str]) -> Values:
    """These metrics of a result; None for those that are not defined on it (no pixel made up, a single frame).

    Raises:
        InputError: an unknown metric, shapes that disagree, weights that are missing.
    """
    wanted, out = find_metrics(names), {}
    for row in _TABLE:
        if any(name in wanted for name in row.names):
            try:
                out |= row.values(of)
            except Undefined:
                continue
    return {name: out.get(name) for name in wanted}
