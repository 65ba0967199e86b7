"""Edges of tracked masks in the size of the frames: enlarged from the tracker's small pictures, and refined.

Four cases a shot, on a few of its frames. `known`: the known mask at 854x480, as small and as soft as the tracker's is,
and bent by about a small pixel. `tracked`: what the tracker makes of the first frame's mask. `known-4x`, `tracked-4x`:
the same with frame and mask enlarged four times, as large as 4K. `pasted-4x`: the thing, enlarged and cut
a pixel inside its border, over another shot. There the mask is exact; those of DAVIS are drawn by hand, and a pixel of
theirs is four at that size.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from benchmarks.carry import machine, peak_memory_mb
from benchmarks.track import iou
from cleanplate import InputError
from cleanplate.config import DILATE_PX
from cleanplate.track.edges import refined
from cleanplate.track.marks import Mark
from cleanplate.track.tracked import Tracked, small_size
from cleanplate.track.tracker import track
from cleanplate.video.areas import WHITE
from cleanplate.video.images import read_image
from cleanplate.video.masks import grow
from cleanplate.video.sequences import image_files

KINDS = ("known", "tracked", "known-4x", "tracked-4x", "pasted-4x")
CHOSEN_ON = 4
"""Settings were chosen by the first shots by name; the others are reported by themselves."""
MOMENTS = (0.2, 0.5, 0.8)
"""The frames that are measured, as shares of a shot's length."""
ENLARGED = 4
# How a known mask is made as uncertain as a tracked one, in small pixels: bent by a smooth displacement, and blurred.
BENT_PX, BENT_SIGMA_PX, BLUR_SIGMA_PX = 1.0, 8.0, 1.0
F_TOLERANCE = 0.008  # of the diagonal: DAVIS's tolerance for the boundary F
COLUMNS = {
    "mean_px": ".2f",
    "p95_px": ".1f",
    "within_2px": ".3f",
    "iou": ".3f",
    "boundary_f": ".3f",
    "recall": ".3f",
    "recall_dilated": ".4f",
    "ms": ".1f",
}


@dataclass(frozen=True)
class Case:
    """A frame, the true mask, and what a tracker would know of it."""

    picture: UInt8[np.ndarray, "H W 3"]
    truth: Bool[np.ndarray, "H W"]
    tracked: Tracked
    """Of this frame alone."""


def benchmark_edges(data: Path, out: Path, *, only: tuple[str, ...], kinds: tuple[str, ...]) -> None:
    """Print a row per shot and kind, enlarged and refined, and means of both halves, and write them to `out`."""
    every = sorted(folder.name for folder in (data / "davis" / "masks").iterdir() if folder.is_dir())
    shots = [name for name in every if not only or name in only]
    if not shots:
        raise InputError(f"no shot is named {', '.join(only)}", f"there are {', '.join(every)}", "name some of these")
    if unknown := set(kinds) - set(KINDS):
        raise InputError(f"no kind is named {unknown.pop()}", f"there are {', '.join(KINDS)}", "name some of these")
    rows = []
    print(f"{'shot':16}{'kind':12}{'mask':10}" + "".join(f"{name:>15}" for name in COLUMNS))
    for name in shots:
        small = tracked_masks(data / "davis", name) if any("tracked" in kind for kind in kinds) else None
        for kind in kinds:
            rows += measured(name, kind, list(cases(data / "davis", name, kind, every, small)))
    means = []
    for half, names in (("chosen on", every[:CHOSEN_ON]), ("held back", every[CHOSEN_ON:])):
        for kind in kinds:
            for mask in ("enlarged", "refined"):
                if some := [r for r in rows if (r["kind"], r["mask"]) == (kind, mask) and r["shot"] in names]:
                    mean = {column: float(np.mean([row[column] for row in some])) for column in COLUMNS}
                    means.append({"shot": half, "kind": kind, "mask": mask, **mean})
                    show(means[-1])
    report = {"machine": machine(), "peak_memory_mb": peak_memory_mb(), "means": means, "shots": rows}
    out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"peak memory {report['peak_memory_mb']:.0f} MB; written to {out}")


def measured(name: str, kind: str, given: list[Case]) -> list[dict]:
    """Figures of a shot's frames as the mask is enlarged, and as it is refined; their means."""
    rows = []
    for mask, made in (("enlarged", enlarged_mask), ("refined", refined_mask)):
        found = []
        for case in given:
            made(case)  # what is compiled when it is first called is not timed
            started = time.process_time()  # of all cores together, whatever else they do
            result = made(case)
            ms = 1000 * (time.process_time() - started)
            found.append(figures(result, case.truth) | {"ms": ms})
        mean = {column: float(np.mean([one[column] for one in found])) for column in COLUMNS}
        rows.append({"shot": name, "kind": kind, "mask": mask, **mean})
        show(rows[-1])
    return rows


def enlarged_mask(case: Case) -> Bool[np.ndarray, "H W"]:
    return case.tracked.mask(0)


def refined_mask(case: Case) -> Bool[np.ndarray, "H W"]:
    return next(iter(refined(case.tracked, [case.picture])))


def tracked_masks(davis: Path, name: str) -> Tracked:
    """A shot tracked from its first frame's mask."""
    mark = Mark(0, read_truth(image_files(davis / "masks" / name)[0]))
    return track((read_image(file) for file in image_files(davis / "frames" / name)), [mark])


def cases(davis: Path, name: str, kind: str, every: list[str], tracked: Tracked | None) -> Iterator[Case]:
    """The frames of a shot that are measured.

    Args:
        davis: folder with frames/ and masks/.
        name: of the shot.
        kind: one of `KINDS`.
        every: the names of all shots: the next one is what a thing is pasted over.
        tracked: the shot, tracked; for `tracked` and `tracked-4x`.
    """
    frames, masks = image_files(davis / "frames" / name), image_files(davis / "masks" / name)
    others = image_files(davis / "frames" / every[(every.index(name) + 1) % len(every)])
    rng = np.random.default_rng(every.index(name))
    for moment in MOMENTS:
        index = round(moment * (len(masks) - 1))
        picture, truth = read_image(frames[index]), read_truth(masks[index])
        if kind.endswith("-4x"):
            picture, alpha = enlarge(picture), enlarge(cv2.GaussianBlur(truth * np.uint8(255), (0, 0), 1.0))
            truth = alpha > WHITE
            if kind.startswith("pasted"):
                alpha = cv2.erode(alpha, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * ENLARGED + 1,) * 2))
                truth = alpha > WHITE
                behind = enlarge(read_image(others[round(moment * (len(others) - 1))]))
                picture = pasted(picture, sharpened(alpha), behind)
        if kind.startswith("tracked"):
            assert tracked is not None
            probability, confidence = tracked.probability[index], tracked.confidence[index : index + 1]
        else:
            probability, confidence = uncertain(truth, rng), np.ones(1)
        yield Case(picture, truth, Tracked(probability[None], truth.shape, confidence, (), {}))


def read_truth(file: Path) -> Bool[np.ndarray, "H W"]:
    return read_image(file)[..., 0] > WHITE


def enlarge(picture: UInt8[np.ndarray, "h w *C"]) -> UInt8[np.ndarray, "H W *C"]:
    size = picture.shape[1] * ENLARGED, picture.shape[0] * ENLARGED
    return cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)


def sharpened(alpha: UInt8[np.ndarray, "H W"]) -> Float[np.ndarray, "H W 1"]:
    """An enlarged mask with an edge as soft as a lens makes it: about two pixels."""
    return cv2.GaussianBlur((alpha > WHITE).astype(np.float32), (0, 0), 1.0)[..., None]


def pasted(
    picture: UInt8[np.ndarray, "H W 3"], alpha: Float[np.ndarray, "H W 1"], behind: UInt8[np.ndarray, "H W 3"]
) -> UInt8[np.ndarray, "H W 3"]:
    return np.round(alpha * picture + (1 - alpha) * behind).astype(np.uint8)


def uncertain(truth: Bool[np.ndarray, "H W"], rng: np.random.Generator) -> UInt8[np.ndarray, "h w"]:
    """A known mask as a tracker would know it: small, bent and soft."""
    height, width = small_size(truth.shape)
    area = cv2.resize(truth.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    by = cv2.GaussianBlur(rng.standard_normal((height, width, 2)).astype(np.float32), (0, 0), BENT_SIGMA_PX)
    by *= BENT_PX / by.std()
    y, x = np.mgrid[:height, :width].astype(np.float32)
    bent = cv2.remap(area, x + by[..., 0], y + by[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.round(255 * cv2.GaussianBlur(bent, (0, 0), BLUR_SIGMA_PX)).astype(np.uint8)


def figures(mask: Bool[np.ndarray, "H W"], truth: Bool[np.ndarray, "H W"]) -> dict[str, float]:
    """How near the mask's border is to the true one, both ways (px), and what it covers.

    Without a border in one of them, all of the other's is as far off as the frame is wide.
    """
    border, true_border = border_of(mask), border_of(truth)
    there, back = distances(border, true_border), distances(true_border, border)
    both = np.concatenate([there, back])
    tolerance = np.ceil(F_TOLERANCE * np.hypot(*mask.shape))
    precision, recall = ((one <= tolerance).mean() if len(one) else 0.0 for one in (there, back))
    dilated = grow(mask, DILATE_PX)
    return {
        "mean_px": float(both.mean()) if len(both) else 0.0,
        "p95_px": float(np.percentile(both, 95)) if len(both) else 0.0,
        "within_2px": float((both <= 2).mean()) if len(both) else 1.0,
        "iou": iou(mask, truth),
        "boundary_f": float(2 * precision * recall / max(1e-9, precision + recall)) if len(both) else 1.0,
        "recall": float((mask & truth).sum() / max(1, truth.sum())),
        "recall_dilated": float((dilated & truth).sum() / max(1, truth.sum())),
    }


def border_of(mask: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """Pixels that differ from the one at the right, below or between, as DAVIS has it; the frame's edge is none."""
    border = np.zeros_like(mask)
    border[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    border[:-1] |= mask[:-1] != mask[1:]
    border[:-1, :-1] |= mask[:-1, :-1] != mask[1:, 1:]
    return border


def distances(here: Bool[np.ndarray, "H W"], there: Bool[np.ndarray, "H W"]) -> Float[np.ndarray, " n"]:
    """From each pixel of one border to the nearest of the other, px."""
    if not there.any():
        return np.full(here.sum(), float(here.shape[1]), np.float32)
    return cv2.distanceTransform((~there).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[here]


def show(row: dict) -> None:
    """One line of the table."""
    shown = "".join(f"{row[name]:15{form}}" for name, form in COLUMNS.items())
    print(f"{row['shot']:16}{row['kind']:12}{row['mask']:10}{shown}", flush=True)
