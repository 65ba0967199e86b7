"""Soft edges whose alpha is known: things of shots over other shots, sharp, swept as a camera sweeps them, with hairs.

The thing of a shot's middle frame, cut a pixel inside its border, stands over the middle frame of the next shot by
name. Known are its mask (alpha above a half), or that mask as uncertain as a tracker's (`edges.uncertain`), and where
it is on the frames before and after.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from benchmarks.carry import machine
from benchmarks.edges import read_truth, uncertain
from cleanplate.config import DILATE_PX
from cleanplate.track.edges import refine
from cleanplate.track.matte import covered, matte
from cleanplate.track.tracked import MAX_THRESHOLD, small_size
from cleanplate.video.images import read_image
from cleanplate.video.masks import grow
from cleanplate.video.sequences import image_files

CHOSEN_ON = 4
"""Settings were chosen by the first shots by name; the others are reported by themselves."""
NOISE, ANY = 1.5, 0.1  # levels; what has more than this is asked for in a mask


@dataclass(frozen=True)
class Scene:
    """What makes the edge soft."""

    speed_px: float
    """How far the thing moves in a frame."""
    shutter: float = 0.0
    """For how much of it the shutter is open."""
    hairs: int = 0


SCENES = {
    "still": Scene(0),
    "fast, sharp": Scene(30),
    "10 px, shutter 0.5": Scene(20, 0.5),
    "24 px, shutter 0.5": Scene(48, 0.5),
    "24 px, shutter 1": Scene(24, 1.0),
    "hairs": Scene(4, hairs=60),
}
COLUMNS = ("error_hard", "error", "covered_hard", "covered", "covered_grown", "size", "size_grown", "ms")


def benchmark_matte(data: Path, out: Path) -> None:
    """Print a row per scene, of exact and of uncertain masks, for both halves of the shots, and write them to `out`."""
    names = sorted(folder.name for folder in (data / "davis" / "masks").iterdir() if folder.is_dir())
    rows = []
    print(f"{'scene':20}{'mask':12}{'half':12}" + "".join(f"{name:>15}" for name in COLUMNS))
    for scene in SCENES:
        for mask in ("exact", "uncertain"):
            every = [measure(data / "davis", names, at, scene, exact=mask == "exact") for at in range(len(names))]
            for half, some in (("chosen on", every[:CHOSEN_ON]), ("held back", every[CHOSEN_ON:])):
                mean = {column: float(np.mean([one[column] for one in some])) for column in COLUMNS}
                rows.append({"scene": scene, "mask": mask, "half": half, **mean})
                shown = "".join(f"{mean[column]:15.3f}" for column in COLUMNS)
                print(f"{scene:20}{mask:12}{half:12}{shown}", flush=True)
    out.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")
    print(f"written to {out}")


def measure(davis: Path, names: list[str], at: int, scene: str, *, exact: bool) -> dict[str, float]:
    """The mean error of alpha where it is soft, and what of it masks cover: hard, by the matte, grown as by default."""
    picture, alpha, shift_px = composed(davis, names, at, SCENES[scene])
    truth = alpha > 0.5
    height, width = small_size(truth.shape)

    def tracked(by: int) -> UInt8[np.ndarray, "h w"]:
        moved = cv2.warpAffine(truth.astype(np.uint8), _shift(by * shift_px), truth.shape[::-1]) > 0
        if not exact:
            return uncertain(moved, np.random.default_rng(0))
        area = cv2.resize(moved.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        return (area > 0.5) * np.uint8(255)

    small = [tracked(by) for by in (-1, 0, 1)]
    mask = truth if exact else refine(small[1], picture, MAX_THRESHOLD)
    before, here, after = (one > 255 * MAX_THRESHOLD for one in small)
    started = time.process_time()
    found = matte(mask, picture, here, [before, after])
    ms = 1000 * (time.process_time() - started)
    soft = cv2.dilate(((alpha > 0.02) & (alpha < 0.98)).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    wanted = alpha > ANY

    def share(area: Bool[np.ndarray, "H W"]) -> float:
        return float((area & wanted).sum() / wanted.sum())

    grown = grow(mask, DILATE_PX)
    return {
        "error_hard": float(np.abs(mask - alpha)[soft].mean()),
        "error": float(np.abs(found / 255 - alpha)[soft].mean()),
        "covered_hard": share(mask),
        "covered": share(covered(found)),
        "covered_grown": share(grown),
        "size": float(covered(found).sum() / wanted.sum()),
        "size_grown": float(grown.sum() / wanted.sum()),
        "ms": ms,
    }


def composed(
    davis: Path, names: list[str], at: int, scene: Scene
) -> tuple[UInt8[np.ndarray, "H W 3"], Float32[np.ndarray, "H W"], Float32[np.ndarray, "2"]]:
    """The picture, the alpha of the thing in it, and how far (x, y) that moves in a frame, px."""
    rng = np.random.default_rng(at)
    frames, masks = (image_files(davis / folder / names[at]) for folder in ("frames", "masks"))
    behind = image_files(davis / "frames" / names[(at + 1) % len(names)])
    middle = len(frames) // 2
    ground = read_image(behind[len(behind) // 2]).astype(np.float32)
    inside = np.asarray(cv2.erode(read_truth(masks[middle]).astype(np.uint8), np.ones((3, 3), np.uint8)))
    # Colours of the thing beyond its border: those of its nearest pixel.
    _, labels = cv2.distanceTransformWithLabels(1 - inside, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    nearest = np.asarray(labels, np.int64)
    colours = np.zeros((nearest.max() + 1, 3), np.float32)
    colours[nearest[inside > 0]] = read_image(frames[middle])[inside > 0]
    thing = np.where(inside[..., None] > 0, read_image(frames[middle]), colours[nearest]).astype(np.float32)
    alpha = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 0.8)
    if scene.hairs:
        alpha = cv2.GaussianBlur(np.maximum(alpha, hairs(inside, scene.hairs, rng)), (0, 0), 0.5)
    angle = rng.uniform(0, np.pi)
    shift_px = scene.speed_px * np.array([np.cos(angle), np.sin(angle)], np.float32)
    swept = np.zeros((*alpha.shape, 4), np.float32)
    moments = np.linspace(-0.5, 0.5, 33) * scene.shutter if scene.shutter else np.zeros(1)
    for moment in moments:
        moved = cv2.warpAffine(
            np.dstack([thing * alpha[..., None], alpha]), _shift(moment * shift_px), alpha.shape[::-1]
        )
        swept += moved / np.float32(len(moments))
    picture = swept[..., :3] + (1 - swept[..., 3:]) * ground + rng.normal(0, NOISE, ground.shape)
    return np.round(picture).clip(0, 255).astype(np.uint8), swept[..., 3], shift_px


def hairs(inside: UInt8[np.ndarray, "H W"], count: int, rng: np.random.Generator) -> Float32[np.ndarray, "H W"]:
    """The alpha of hairs that grow out of a border: 1 or 2 px wide, 7 to 20 px long, from half to wholly opaque."""
    alpha = np.zeros(inside.shape, np.float32)
    contours, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    border = max(contours, key=len)[:, 0]
    dy, dx = np.gradient(cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 6))
    for x, y in border[rng.integers(0, len(border), count)]:
        angle = np.arctan2(-dy[y, x], -dx[y, x]) + rng.normal(0, 0.4)
        points = [np.array([x, y]) - 4 * np.array([np.cos(angle), np.sin(angle)])]
        for _ in range(int(rng.integers(7, 16))):
            angle += rng.normal(0, 0.15)
            points.append(points[-1] + 1.5 * np.array([np.cos(angle), np.sin(angle)]))
        line, drawn = np.round(16 * np.array(points)).astype(np.int32), np.zeros(inside.shape, np.uint8)
        cv2.polylines(drawn, [line], False, (255,), int(rng.integers(1, 3)), cv2.LINE_AA, 4)
        alpha = np.maximum(alpha, (drawn / 255 * rng.uniform(0.5, 1)).astype(np.float32))
    return alpha


def _shift(by_px: Float32[np.ndarray, "2"]) -> Float32[np.ndarray, "2 3"]:
    return np.array([[1, 0, by_px[0]], [0, 1, by_px[1]]], np.float32)
