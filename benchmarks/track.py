"""The tracker on shots whose masks are known: how well one mark, or two, is taken through, and how fast."""

import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.carry import machine, peak_memory_mb
from cleanplate import InputError
from cleanplate.config import DILATE_PX
from cleanplate.studio.selection import at_click
from cleanplate.track.edges import refined
from cleanplate.track.marks import Mark
from cleanplate.track.outline import NEIGHBOUR_OFFSETS
from cleanplate.track.tracker import track
from cleanplate.video.areas import WHITE, box_area
from cleanplate.video.images import read_image
from cleanplate.video.masks import grow
from cleanplate.video.sequences import image_files

KINDS = ("one", "two", "box", "click")
WIDTHS = {"shot": 16, "marks": 7, "frames": 7, "IoU": 8, "worst": 8, "F": 8, "recall": 8, "sure": 8, "frames/s": 10}
# A frame is wrong, and should have been named, below this IoU.
WRONG = 0.5


def benchmark_track(data: Path, out: Path, *, only: tuple[str, ...], kinds: tuple[str, ...]) -> None:
    """Print a row per shot and kind of mark, and their means, and write them with the machine to `out`."""
    shots = sorted(folder.name for folder in (data / "davis" / "masks").iterdir() if folder.is_dir())
    shots = [name for name in shots if not only or name in only]
    if not shots:
        raise InputError(
            f"no shot is named {', '.join(only)}", f"{data / 'davis/masks'} has none", "name folders of it"
        )
    report: dict = {"machine": machine(), "shots": [], "mean": {}}
    print("".join(f"{name:>{width}}" for name, width in WIDTHS.items()), " to review")
    for kind in kinds:
        rows = [measure(data / "davis", name, kind) for name in shots]
        report["shots"] += rows
        mean = {
            name: mean_of(row[name] for row in rows if row[name] is not None)
            for name in ("iou", "worst_iou", "boundary_f", "recall", "recall_sure")
        }
        frames, seconds = sum(row["frames"] for row in rows), sum(row["seconds"] for row in rows)
        share = sum(row["sure_frames"] for row in rows) / sum(row["frames"] - 1 for row in rows)
        report["mean"][kind] = {**mean, "sure_share": share, "frames_per_s": frames / seconds}
        show({"shot": "mean", "marks": kind, "frames": frames, "frames_to_review": (), **report["mean"][kind]})
    report["peak_memory_mb"] = peak_memory_mb()
    out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"peak memory {report['peak_memory_mb']:.0f} MB; written to {out}")


def measure(davis: Path, name: str, kind: str) -> dict:
    """Track one shot: from its first mask, from that and the middle one, from the box around the first, or a click."""
    truth = [read_image(file)[..., 0] > WHITE for file in image_files(davis / "masks" / name)]
    files = image_files(davis / "frames" / name)
    marks = [Mark(0, truth[0])]
    if kind == "two":
        marks.append(Mark(len(truth) // 2, truth[len(truth) // 2]))
    if kind == "box":
        marks = [Mark(0, box_area(marks[0].box, truth[0].shape), is_exact=False)]
    if kind == "click":
        marks = [Mark(0, clicked(files, truth[0]))]
    started = time.perf_counter()
    tracked = track(map(read_image, files), marks)
    masks = list(refined(tracked, map(read_image, files)))
    seconds = time.perf_counter() - started
    unmarked = range(1, len(truth))
    overlap = np.array([iou(masks[index], truth[index]) for index in unmarked])
    sure = [index for index in unmarked if tracked.sure[index]]
    row = {
        "shot": name,
        "marks": kind,
        "frames": len(truth),
        "iou": float(overlap.mean()),
        "worst_iou": float(overlap.min()),
        "boundary_f": float(np.mean([boundary_f(masks[index], truth[index]) for index in unmarked])),
        "recall": float(np.mean([recall(masks[index], truth[index]) for index in unmarked])),
        "recall_sure": mean_of(recall(grow(masks[index], DILATE_PX), truth[index]) for index in sure),
        "sure_frames": len(sure),
        "seconds": seconds,
        "frames_per_s": len(truth) / seconds,
        "frames_to_review": tracked.frames_to_review,
        "wrong_frames": int((overlap < WRONG).sum()),
        "confidence": [round(float(value), 3) for value in tracked.confidence],
        "ious": [round(float(value), 3) for value in overlap],
    }
    show(row)
    return row


def mean_of(values: Iterable[float]) -> float | None:
    """Their mean; None of none: no frame may be sure."""
    listed = list(values)
    return float(np.mean(listed)) if listed else None


def iou(mask: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union; 1 where both are empty."""
    union = (mask | truth).sum()
    return float((mask & truth).sum() / union) if union else 1.0


def recall(mask: np.ndarray, truth: np.ndarray) -> float:
    """Share of the thing's pixels that are covered."""
    return float((mask & truth).sum() / max(1, truth.sum()))


def boundary_f(mask: np.ndarray, truth: np.ndarray) -> float:
    """DAVIS's F of two masks' borders (Perazzi et al. 2016): pixels agree within 0.008 of the diagonal."""
    tolerance = np.ceil(0.008 * np.hypot(*mask.shape))
    borders = [one & ~cv2.erode(one.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) for one in (mask, truth)]
    far = [cv2.distanceTransform((~border).astype(np.uint8), cv2.DIST_L2, 5) for border in borders]
    if not all(border.any() for border in borders):
        return float(not any(border.any() for border in borders))
    precision, found = (far[1][borders[0]] <= tolerance).mean(), (far[0][borders[1]] <= tolerance).mean()
    return float(2 * precision * found / max(1e-9, precision + found))


def clicked(files: Sequence[Path], truth: np.ndarray) -> np.ndarray:
    """What the page finds under a click on the first frame, where the thing is widest."""
    y, x = np.unravel_index(cv2.distanceTransform(truth.astype(np.uint8), cv2.DIST_L2, 5).argmax(), truth.shape)
    beside = [read_image(files[by]) for by in NEIGHBOUR_OFFSETS if 0 <= by < len(files)]
    return at_click(read_image(files[0]), int(x), int(y), truth.shape, beside)


def show(row: dict) -> None:
    """One line of the table."""
    keys = ("iou", "worst_iou", "boundary_f", "recall", "recall_sure", "frames_per_s")
    cells = [
        row["shot"],
        row["marks"],
        row["frames"],
        *("-" if row[key] is None else f"{row[key]:.3f}" for key in keys),
    ]
    line = "".join(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS.values(), strict=True))
    print(line, "", *row["frames_to_review"], flush=True)
