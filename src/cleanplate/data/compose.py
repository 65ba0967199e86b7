"""Clips with ground truth: the masked object of one shot over an object-free window of another (Sec. 4).

A data folder has the layout of DAVIS, `davis/frames/NAME/*` and `davis/masks/NAME/*`, other videos beside it, and a
list of pairs, `composed.json`. A pair is either a recipe (a background, a window of it, and the name of an object),
which is composed when it is read, or ready: frames, masks and truth that `write_composed` wrote, with the sha256 of all
that went in and came out (dataset.py).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from cleanplate.errors import InputError
from cleanplate.imaging.pixels import to_tensor
from cleanplate.runtime.files import existing
from cleanplate.video.clip import Clip
from cleanplate.video.container import MOST_PX
from cleanplate.video.images import image_files, is_image
from cleanplate.video.masks import WHITE, grow
from cleanplate.video.reader import read_frames, read_masks
from cleanplate.video.resize import resize_and_crop

MANIFEST = "composed.json"
FRAMES, MASKS, TRUTH = "davis/frames", "davis/masks", "davis/truth"
DILATE_PX = 4

Pair = dict[str, Any]
Pictures = UInt8[np.ndarray, "_ _ _ 3"]  # time, height, width


@dataclass(frozen=True)
class Composed:
    """A clip, and what it hides."""

    name: str
    clip: Clip
    truth: Float[Tensor, "T 3 H W"]
    mask: Bool[Tensor, "T 1 H W"]
    """The object's; the hole is this, grown."""


def compose(
    background: Pictures,
    things: Pictures,
    mask: Bool[np.ndarray, "_ _ _"],
    *,
    name: str = "composed",
    dilate_px: int = DILATE_PX,
    fps: float = 24.0,
) -> Composed:
    """Put what the mask covers of some pictures over others of the same size.

    Args:
        background: the truth.
        things: the pictures with the object.
        mask: where the object is.
        name: of the clip.
        dilate_px: the hole is the mask, grown by this.
        fps: of the background.

    Raises:
        InputError: sizes or lengths that disagree, or no object.
    """
    sizes = {"the background": background.shape[:3], "the object": things.shape[:3], "its mask": mask.shape}
    if len(set(sizes.values())) > 1:
        given = ", ".join(f"{what} is {t} frames of {w}x{h}" for what, (t, h, w) in sizes.items())
        raise InputError(f"{name}: {given}", "they must agree", "cut or resize them")
    frames = np.where(mask[..., None], things, background)
    shown = torch.from_numpy(np.ascontiguousarray(mask)).unsqueeze(1)
    hole = torch.from_numpy(np.stack([grow(one, dilate_px) for one in mask])).unsqueeze(1)
    return Composed(name, Clip(to_tensor(frames), hole, fps), to_tensor(background), shown)


def fit_object(frames: Pictures, levels: UInt8[np.ndarray, "_ _ _"], size: tuple[int, int], name: str) -> tuple:
    """An object's frames and mask, resized and centre-cropped to (height, width) as in App. B.

    Raises:
        InputError: frames and mask that disagree.
    """
    if frames.shape[:3] != levels.shape:
        (t, h, w), (n, mask_h, mask_w) = frames.shape[:3], levels.shape
        raise InputError(
            f"{name} has {t} frames of {w}x{h} and {n} masks of {mask_w}x{mask_h}",
            "every frame needs its mask, in its size",
            "correct one of them",
        )
    fitted = (np.stack([resize_and_crop(picture, size) for picture in pictures]) for pictures in (frames, levels))
    things, masks = fitted
    return things, masks > WHITE


# Reading


def read_pairs(data: Path, manifest: Path | None = None) -> list[Pair]:
    """The pairs of a list, composed.json in the data folder if none is named.

    Raises:
        InputError: no such folder or list, or something else in it.
    """
    if not data.is_dir():
        raise InputError(
            f"there is no folder {data}", f"a data folder with davis/ and {MANIFEST} is needed", "check the name"
        )
    path = manifest or data / MANIFEST
    if not path.is_file():
        raise InputError(f"there is no file {path}", "a list of pairs is needed", "write one by cleanplate compose")
    try:
        pairs = json.loads(path.read_text())["pairs"]
        if not isinstance(pairs, list):
            raise TypeError("'pairs' is no list")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path} is not a list of pairs ({error})", "JSON with 'pairs', each with a name, is needed", "correct it"
        ) from None
    if not pairs:
        raise InputError(f"{path} has no pairs", "at least one is needed", "add one by cleanplate compose")
    for number, pair in enumerate(pairs, 1):
        if (wrong := _wrong_in(pair)) is not None:
            raise InputError(f"pair {number} of {path}: {wrong[0]}", wrong[1], "correct it")
    names = [pair["name"] for pair in pairs]
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"{path} has two pairs {twice.pop()}", "every pair needs its own name", "rename one")
    return pairs


def is_name(text: object) -> bool:
    """Whether it can name a file or folder, and nothing elsewhere; no dots, for a suffix would make a video of it."""
    return isinstance(text, str) and 0 < len(text) <= 100 and text.isprintable() and not set(text) & set(r"./\\|*?[]")


def _wrong_in(pair: object) -> tuple[str, str] | None:
    """What is wrong with a pair, and what is needed; None if nothing is."""
    if not isinstance(pair, dict) or not is_name(pair.get("name")):
        name = pair.get("name") if isinstance(pair, dict) else pair
        return f"a pair named {name!r:.60}", "a name for folders is needed, without dots and slashes"
    ready = "truth" in pair
    parts = {part: pair.get(part) for part in (READY if ready else RECIPE)}
    if not ready and isinstance(pair.get("background"), dict):
        parts |= {part: pair["background"].get(part) for part in BACKGROUND}
    for part, value in parts.items():
        good, needed = (READY | RECIPE | BACKGROUND)[part]
        if not good(value):
            return f"{part} of {pair['name']} is {value!r:.60}", f"{needed} is needed"
    return None


def _is_path(value: object) -> bool:
    return isinstance(value, str) and bool(value) and "\0" not in value


def _is_count(value: object, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**31


def _are_counts(value: object, length: int) -> bool:
    return isinstance(value, list) and len(value) == length and all(_is_count(one) for one in value)


def _are_hashes(value: object) -> bool:
    outputs = value.get("outputs", {}) if isinstance(value, dict) else None
    return isinstance(outputs, dict) and all(_is_path(text) for item in outputs.items() for text in item)


# What a ready pair, a recipe, and a recipe's background have, and how each is told.
READY = {
    "frames": (_is_path, "a path"),
    "masks": (_is_path, "a path"),
    "truth": (_is_path, "a path"),
    "dilate_px": (lambda value: value is None or _is_count(value), "a number of pixels"),
    "fps": (lambda value: isinstance(value, int | float) and 0 < value < 1e6, "a frame rate"),
    "sha256": (lambda value: value is None or _are_hashes(value), "{'outputs': {path: digest}}"),
}
RECIPE = {
    "background": (lambda value: isinstance(value, dict), "{source, start, count}"),
    "object": (_is_path, "the name of an object"),
    "dilate_px": READY["dilate_px"],
}
BACKGROUND = {
    "source": (_is_path, "a path"),
    "start": (_is_count, "a frame's number"),
    "count": (lambda value: _is_count(value, least=1), "a number of frames"),
    "window": (lambda value: value is None or _are_counts(value, 4), "[top, left, height, width]"),
    "resize": (
        lambda value: value is None or (_are_counts(value, 2) and 1 <= min(value) <= max(value) <= MOST_PX),
        "[height, width]",
    ),
}


def files_of(pair: Pair) -> tuple[str, ...]:
    """What a pair is read from, within its data folder."""
    if "truth" in pair:
        return pair["frames"], pair["masks"], pair["truth"]
    return pair["background"]["source"], f"{FRAMES}/{pair['object']}", f"{MASKS}/{pair['object']}"


def identified(data: Path, pair: Pair) -> Pair:
    """A pair with the sha256 of its files, by which a result can tell whether they are still those it was made of.

    Raises:
        InputError: files that are missing.
    """
    return {**pair, "files": {path: sha256(data / path) for path in files_of(pair)}}


def length_of(data: Path, pair: Pair) -> int:
    """The frames of a pair, without composing it."""
    if "truth" not in pair:
        return pair["background"]["count"]
    frames = existing(data / pair["frames"])
    return len(image_files(frames)) if frames.is_dir() else len(read_frames(frames)[0])


def read_composed(data: Path, pair: Pair, *, size: tuple[int, int] | None = None) -> Composed:
    """The clip of one pair of `read_pairs`.

    Args:
        data: the folder.
        pair: a recipe or a ready pair.
        size: (height, width) to resize and centre-crop a recipe's background to before anything is put over it.

    Raises:
        InputError: files that are missing, disagree, or are not what was once written.
    """
    return _read_ready(data, pair) if "truth" in pair else _compose_recipe(data, pair, size)


def _compose_recipe(data: Path, pair: Pair, size: tuple[int, int] | None) -> Composed:
    name, background, thing = pair["name"], pair["background"], pair["object"]
    first, count = background["start"], background["count"]
    source = data / background["source"]
    truth, fps = read_frames(source, frames=(first, first + count))
    _enough(name, source, len(truth), count)
    if background.get("resize"):
        height, width = background["resize"]
        truth = np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in truth])
    top, left, height, width = background.get("window") or (0, 0, *truth.shape[1:3])
    if min(height, width) < 1 or top + height > truth.shape[1] or left + width > truth.shape[2]:
        raise InputError(
            f"{name}: the window {[top, left, height, width]} leaves the frame of {truth.shape[2]}x{truth.shape[1]}",
            "[top, left, height, width] inside it is needed",
            f"correct {MANIFEST}",
        )
    truth = truth[:, top : top + height, left : left + width]
    if size is not None:
        truth = np.stack([resize_and_crop(picture, size) for picture in truth])
    frames, _ = read_frames(data / FRAMES / thing, frames=count)
    _enough(name, data / FRAMES / thing, len(frames), count)
    levels = read_masks(data / MASKS / thing, frames=count)
    things, mask = fit_object(frames, levels, truth.shape[1:3], f"{name}: {thing}")
    return compose(truth, things, mask, name=name, dilate_px=_dilation(pair), fps=fps)


def _dilation(pair: Pair) -> int:
    return DILATE_PX if pair.get("dilate_px") is None else pair["dilate_px"]


def _enough(name: str, source: Path, there: int, count: int) -> None:
    if there < count:
        raise InputError(f"{name}: {source} has {there} of {count} frames", "all are needed", "correct the count")


def _read_ready(data: Path, pair: Pair) -> Composed:
    for path, digest in (pair.get("sha256") or {}).get("outputs", {}).items():
        if sha256(data / path) != digest:
            raise InputError(f"{data / path} has changed since it was composed", "the same files", "compose it anew")
    frames, truth = (read_frames(data / pair[part])[0] for part in ("frames", "truth"))
    mask = read_masks(data / pair["masks"]) > WHITE
    made = compose(truth, frames, mask, name=pair["name"], dilate_px=_dilation(pair), fps=pair["fps"])
    # What was written is what counts, also if it has been through other hands.
    return replace(made, clip=replace(made.clip, frames=to_tensor(frames)))


def resized(composed: Composed, size: tuple[int, int], count: int | None = None) -> Composed:
    """The first `count` frames at (height, width): means of pixels; hidden where any was hidden."""
    part = slice(count)
    frames, truth = (F.adaptive_avg_pool2d(all_[part], size) for all_ in (composed.clip.frames, composed.truth))
    hole, mask = (F.adaptive_max_pool2d(all_[part].float(), size) > 0 for all_ in (composed.clip.hole, composed.mask))
    return Composed(composed.name, Clip(frames, hole, composed.clip.fps), truth, mask)


def each_composed(data: Path, only: Iterable[str] = ()) -> Iterator[Composed]:
    """The clips of a data folder one after the other, all or those of these names.

    Raises:
        InputError: a name that no pair has.
    """
    for pair in choose(read_pairs(data), only):
        yield read_composed(data, pair)


def choose(pairs: list[Pair], only: Iterable[str]) -> list[Pair]:
    """The pairs of these names, all if there are none."""
    names, wanted = [pair["name"] for pair in pairs], list(only)
    if unknown := [name for name in wanted if name not in names]:
        raise InputError(f"no pair is named {unknown[0]}", f"there are {', '.join(names)}", "correct the name")
    return [pair for pair in pairs if not wanted or pair["name"] in wanted]


def sha256(path: Path) -> str:
    """Of a file; of a folder of images, that of the lines that sha256sum prints for its files, by name."""
    path = existing(path)
    if path.is_file():
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    files = sorted(file for file in path.iterdir() if is_image(file) and not file.name.startswith("."))
    lines = "".join(f"{sha256(file)}  {file.name}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()
