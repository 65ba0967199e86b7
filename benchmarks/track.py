"""The tracker on shots whose masks are known: how well one mark, or two, is taken through, and how fast."""

import json
import time
from pathlib import Path

import numpy as np

from benchmarks.carry import machine, peak_memory_mb
from cleanplate import InputError
from cleanplate.track.marks import Mark
from cleanplate.track.tracker import track
from cleanplate.video.areas import WHITE, box_area
from cleanplate.video.images import image_files, read_image

KINDS = ("one", "two", "box")
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
    print(f"{'shot':16}{'marks':>6}{'frames':>7}{'IoU':>7}{'worst':>7}{'recall':>8}{'frames/s':>10}  to review")
    for kind in kinds:
        rows = [measure(data / "davis", name, kind) for name in shots]
        report["shots"] += rows
        mean = {name: float(np.mean([row[name] for row in rows])) for name in ("iou", "worst_iou", "recall")}
        frames, seconds = sum(row["frames"] for row in rows), sum(row["seconds"] for row in rows)
        report["mean"][kind] = {**mean, "frames_per_s": frames / seconds}
        show({"shot": "mean", "marks": kind, "frames": frames, "frames_to_review": (), **report["mean"][kind]})
    report["peak_memory_mb"] = peak_memory_mb()
    out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"peak memory {report['peak_memory_mb']:.0f} MB; written to {out}")


def measure(davis: Path, name: str, kind: str) -> dict:
    """Track one shot: from its first mask, from that and the middle one, or from the box around the first."""
    truth = [read_image(file)[..., 0] > WHITE for file in image_files(davis / "masks" / name)]
    marks = [Mark(0, truth[0])]
    if kind == "two":
        marks.append(Mark(len(truth) // 2, truth[len(truth) // 2]))
    if kind == "box":
        marks = [Mark(0, box_area(marks[0].box, truth[0].shape), is_exact=False)]
    started = time.perf_counter()
    tracked = track((read_image(file) for file in image_files(davis / "frames" / name)), marks)
    masks = list(tracked)
    seconds = time.perf_counter() - started
    unmarked = [index for index in range(1, len(truth))]
    overlap = np.array([iou(masks[index], truth[index]) for index in unmarked])
    covered = [(masks[index] & truth[index]).sum() / max(1, truth[index].sum()) for index in unmarked]
    row = {
        "shot": name,
        "marks": kind,
        "frames": len(truth),
        "iou": float(overlap.mean()),
        "worst_iou": float(overlap.min()),
        "recall": float(np.mean(covered)),
        "seconds": seconds,
        "frames_per_s": len(truth) / seconds,
        "frames_to_review": tracked.frames_to_review,
        "wrong_frames": int((overlap < WRONG).sum()),
        "confidence": [round(float(value), 3) for value in tracked.confidence],
        "ious": [round(float(value), 3) for value in overlap],
    }
    show(row)
    return row


def iou(mask: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union; 1 where both are empty."""
    union = (mask | truth).sum()
    return float((mask & truth).sum() / union) if union else 1.0


def show(row: dict) -> None:
    """One line of the table."""
    figures = f"{row['iou']:7.3f}{row['worst_iou']:7.2f}{row['recall']:8.3f}{row['frames_per_s']:10.1f}"
    review = " ".join(map(str, row["frames_to_review"]))
    print(f"{row['shot']:16}{row['marks']:>6}{row['frames']:7}{figures}  {review}", flush=True)
