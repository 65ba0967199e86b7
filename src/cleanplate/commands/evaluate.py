"""The command `evaluate`: measure a result against the truth."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from cleanplate.commands.console import progress
from cleanplate.config import DILATE_PX
from cleanplate.errors import InputError


@dataclass(frozen=True)
class Evaluate:
    """Measure a result against the truth, in the hole and on the full frames."""

    result: Annotated[Positional[Path], arg(metavar="RESULT")]
    """The inpainted video or folder."""
    truth: Annotated[Positional[Path], arg(metavar="TRUTH")]
    """What it should show."""
    mask: Annotated[Positional[Path], arg(metavar="MASK")]
    """The mask that was given to inpaint."""
    dilate_px: int = DILATE_PX
    """Pixels the mask was grown by."""
    provenance: Annotated[Path | None, arg(metavar="PATH")] = None
    """What inpaint --provenance wrote: carried pixels (the thing's effects outside the mask too) and learned ones are
    measured apart too."""
    metrics: Annotated[tuple[str, ...], arg(metavar="NAME")] = ()
    """Which ones; if none are named, those that are quick: PSNR and SSIM in the hole (hole_psnr_db, hole_ssim) and on
    the full frame (psnr_db, ssim), and with --provenance carried_psnr_db and made_up_psnr_db. By name only:
    hole_warp_error and warp_error; consistency_psnr_db and consistency_ssim, a second a frame; and fid, frechet_vgg16,
    lpips and hole_lpips, which need weights."""
    seed: int = 0
    """Of the patches (50x50 px, looked for within 20 px) that the consistency metric samples."""
    json: bool = False
    """Print JSON instead of a table: null is a figure that is not defined here (no pixel made up), and "inf", in quotes
    because JSON has no infinity, the PSNR of what is equal."""

    def run(self) -> None:
        """Print the figures."""
        from cleanplate.clip import read_clip
        from cleanplate.imaging.tensors import to_tensors
        from cleanplate.metrics import OF_PROVENANCE, QUICK, Comparison, find_metrics, measure
        from cleanplate.video.reader import read_frames, read_masks
        from cleanplate.video.sequences import existing

        names = find_metrics(self.metrics) or QUICK
        for path in (self.result, self.truth, self.mask, self.provenance):
            if path is not None:
                existing(path)
        with progress() as on_step:
            clip = read_clip(self.result, self.mask, dilate_px=self.dilate_px, gaps="keep", on_step=on_step)
            truth = to_tensors(read_frames(self.truth, on_step=on_step)[0])
        kinds = None
        if self.provenance is not None:
            kinds = to_provenance(read_masks(self.provenance), tuple(clip.hole.shape), self.provenance)
        figures = measure(Comparison(clip.frames, truth, clip.hole, kinds, seed=self.seed), names)
        if kinds is None and not self.metrics:
            figures = {name: value for name, value in figures.items() if name not in OF_PROVENANCE}
        figures |= {"hole_share": float(clip.hole.float().mean()), "n_frames": len(truth)}
        if self.json:
            print(json.dumps({k: "inf" if v == math.inf else v for k, v in figures.items()}))
        else:
            shown = {name: "-" if value is None else f"{value:.4g}" for name, value in figures.items()}
            print("\n".join(f"{name:20}{value:>10}" for name, value in shown.items()))


def to_provenance(levels: Any, shape: tuple[int, ...], path: Path) -> Any:
    """The grey levels that inpaint --provenance wrote as 0, 1 and 2; what is an effect of the thing is 1, carried."""
    import torch

    from cleanplate.imaging.visualise import grey_to_provenance

    if (len(levels), 1, *levels.shape[1:]) != shape:
        given = f"{path} has {len(levels)} frames of {levels.shape[2]}x{levels.shape[1]}"
        raise InputError(given, f"{shape[0]} of {shape[3]}x{shape[2]} are needed", "give that of this result")
    return torch.from_numpy(grey_to_provenance(levels)).unsqueeze(1)
