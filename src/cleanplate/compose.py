"""Clips with ground truth: the masked object of one shot over an object-free window of another (Sec. 4).

A data folder has the layout of DAVIS, `davis/frames/NAME/*` and `davis/masks/NAME/*`, other videos beside it, and a
list of pairs, `composed.json`. A pair is either a recipe (a background, a window of it, and the name of an object),
which is composed when it is read, or ready: frames, masks and truth that `write_composed` wrote, with the sha256 of all
that went in and came out.
"""

import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from cleanplate import __version__
from cleanplate.clip import WHITE, Clip, grow, to_tensor
from cleanplate.config import OnStep, tell
from cleanplate.errors import InputError
from cleanplate.video_io import (
    existing,
    image_files,
    is_image,
    read_frames,
    read_masks,
    resize_and_crop,
    whole,
    write_levels,
    write_video,
    writing,
)

MANIFEST = "composed.json"
FRAMES, MASKS, TRUTH = "davis/frames", "davis/masks", "davis/truth"
DILATE_PX = 4
CLIP_FRAMES, MASKS_PER_BACKGROUND = 60, 5  # the paper's

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
    hole = torch.from_numpy(np.ascontiguousarray(grow(mask, dilate_px))).unsqueeze(1)
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
        names = [str(pair["name"]) for pair in pairs]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path} is not a list of pairs ({error})", "JSON with 'pairs', each with a name, is needed", "correct it"
        ) from None
    if not names:
        raise InputError(f"{path} has no pairs", "at least one is needed", "add one by cleanplate compose")
    if odd := [name for name in names if not _is_name(name)]:
        raise InputError(f"{path} has a pair named '{odd[0]}'", "a name for folders is needed", "rename it")
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"{path} has two pairs {twice.pop()}", "every pair needs its own name", "rename one")
    return pairs


def _is_name(name: str) -> bool:
    """Whether it can be that of a file or folder, and of nothing elsewhere."""
    return bool(name) and Path(name).name == name and not name.startswith(".")


def read_composed(data: Path, pair: Pair) -> Composed:
    """The clip of one pair.

    Raises:
        InputError: files that are missing, disagree, or are not what was once written.
    """
    try:
        return _read_ready(data, pair) if "truth" in pair else _compose_recipe(data, pair)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"the pair {pair.get('name')} lacks or garbles something ({error})",
            "a recipe has background (source, start, count, window) and object; a ready pair frames, masks and truth",
            f"correct {MANIFEST}",
        ) from None


def _compose_recipe(data: Path, pair: Pair) -> Composed:
    name, background, thing = pair["name"], pair["background"], pair["object"]
    first, count = background["start"], background["count"]
    source = data / background["source"]
    truth, fps = read_frames(source, frames=(first, first + count))
    _enough(name, source, len(truth), count)
    if "resize" in background:
        height, width = background["resize"]
        truth = np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in truth])
    top, left, height, width = background.get("window", (0, 0, *truth.shape[1:3]))
    if min(top, left, height - 1, width - 1) < 0 or top + height > truth.shape[1] or left + width > truth.shape[2]:
        raise InputError(
            f"{name}: the window {[top, left, height, width]} leaves the frame of {truth.shape[2]}x{truth.shape[1]}",
            "[top, left, height, width] inside it is needed",
            f"correct {MANIFEST}",
        )
    truth = truth[:, top : top + height, left : left + width]
    frames, _ = read_frames(data / FRAMES / thing, frames=count)
    _enough(name, data / FRAMES / thing, len(frames), count)
    levels = read_masks(data / MASKS / thing, frames=count)
    things, mask = fit_object(frames, levels, (height, width), f"{name}: {thing}")
    return compose(truth, things, mask, name=name, dilate_px=pair.get("dilate_px", DILATE_PX), fps=fps)


def _enough(name: str, source: Path, there: int, count: int) -> None:
    if there < count:
        raise InputError(f"{name}: {source} has {there} of {count} frames", "all are needed", "correct the count")


def _read_ready(data: Path, pair: Pair) -> Composed:
    for path, digest in pair.get("sha256", {}).get("outputs", {}).items():
        if sha256(data / path) != digest:
            raise InputError(f"{data / path} has changed since it was composed", "the same files", "compose it anew")
    frames, truth = (read_frames(data / pair[part])[0] for part in ("frames", "truth"))
    mask = read_masks(data / pair["masks"]) > WHITE
    made = compose(truth, frames, mask, name=pair["name"], dilate_px=pair["dilate_px"], fps=pair["fps"])
    # What was written is what counts, also if it has been through other hands.
    return replace(made, clip=replace(made.clip, frames=to_tensor(frames)))


def resized(composed: Composed, size: tuple[int, int], count: int | None = None) -> Composed:
    """The first `count` frames at (height, width): means of pixels; hidden where any was hidden."""
    part = slice(count)
    frames, truth = (F.adaptive_avg_pool2d(all_[part], size) for all_ in (composed.clip.frames, composed.truth))
    hole, mask = (F.adaptive_max_pool2d(all_[part].float(), size) > 0 for all_ in (composed.clip.hole, composed.mask))
    return Composed(composed.name, Clip(frames, hole, composed.clip.fps), truth, mask)


# Writing


def recipes(
    data: Path, *, masks_per_background: int = MASKS_PER_BACKGROUND, count: int = CLIP_FRAMES, seed: int = 0
) -> list[Pair]:
    """The paper's dataset (Sec. 4) as recipes: a segment of each background, with so many masks at random.

    The backgrounds are those of composed.json, which are known to be free of objects, or else every folder of frames
    and every video in clips/. The objects are those of davis/masks; none is put over its own shot.

    Raises:
        InputError: no backgrounds or too few objects.
    """
    rng = random.Random(seed)
    objects = sorted(folder.name for folder in _inside(data / MASKS) if (data / FRAMES / folder.name).is_dir())
    out = []
    for background in _backgrounds(data):
        own = Path(background["source"]).stem
        others = [name for name in objects if name != own]
        if len(others) < masks_per_background:
            raise InputError(
                f"{data / MASKS} has {len(others)} objects for {own}",
                f"{masks_per_background} are wanted for each background",
                "add some, or ask for fewer",
            )
        for thing in rng.sample(others, masks_per_background):
            length = min(count, background["count"], len(image_files(data / FRAMES / thing)))
            first = background["start"] + rng.randint(0, background["count"] - length)
            part = {**background, "start": first, "count": length}
            out.append({"name": f"{own}+{thing}", "background": part, "object": thing, "dilate_px": DILATE_PX})
    return out


def _backgrounds(data: Path) -> list[dict]:
    if (data / MANIFEST).is_file():
        named = [pair["background"] for pair in read_pairs(data) if "background" in pair]
        if named:
            return [json.loads(text) for text in dict.fromkeys(json.dumps(background) for background in named)]
    sources = _inside(data / FRAMES) + [path for path in _inside(data / "clips") if not path.name.startswith(".")]
    if not sources:
        raise InputError(f"{data} has no {MANIFEST}, no {FRAMES}/NAME and no clips/", "backgrounds", "check the name")
    return [
        {"source": str(source.relative_to(data)), "start": 0, "count": len(read_frames(source)[0])}
        for source in sources
    ]


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def write_composed(
    folder: Path,
    composed: Composed,
    *,
    inputs: Mapping[str, Path],
    dilate_px: int = DILATE_PX,
    recipe: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    on_step: OnStep | None = None,
) -> None:
    """Add a clip to a data folder: PNGs of frames, masks and truth, and a ready pair in its composed.json.

    Args:
        folder: made if it is not there.
        composed: the clip.
        inputs: what it was made of, by role, for the manifest.
        dilate_px: what the hole was grown by.
        recipe: how it was made.
        overwrite: replace a pair of this name.
        on_step: told of every frame.

    Raises:
        InputError: a pair of this name is there, or the disk cannot be written.
    """
    pairs = read_pairs(folder) if (folder / MANIFEST).is_file() else []
    parts = {"frames": f"{FRAMES}/{composed.name}", "masks": f"{MASKS}/{composed.name}"}
    parts["truth"] = f"{TRUTH}/{composed.name}"
    taken = [path for path in parts.values() if (folder / path).exists()]
    if not overwrite and (taken or any(pair["name"] == composed.name for pair in pairs)):
        there = folder / (taken[0] if taken else MANIFEST)
        raise InputError(f"{there} is already there", "nothing is replaced unasked", "pass --overwrite or --name")
    with writing(folder):
        for path in parts.values():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
    write_video(folder / parts["frames"], composed.clip.frames, on_step=on_step)
    write_video(folder / parts["truth"], composed.truth, on_step=on_step)
    write_levels(folder / parts["masks"], composed.mask, on_step=on_step)
    pair = {"name": composed.name, **parts, "dilate_px": dilate_px, "fps": composed.clip.fps}
    pair |= {"recipe": dict(recipe)} if recipe else {}
    pair["sha256"] = {
        "inputs": {role: {"name": path.name, "sha256": sha256(path)} for role, path in inputs.items()},
        "outputs": {path: sha256(folder / path) for path in parts.values()},
    }
    pairs = [other for other in pairs if other["name"] != composed.name] + [pair]
    with whole(folder / MANIFEST) as partial:
        partial.write_text(json.dumps({"made_by": f"cleanplate {__version__}", "pairs": pairs}, indent=1) + "\n")


def compose_files(
    background: Path,
    object_: Path,
    object_mask: Path,
    folder: Path,
    *,
    name: str | None = None,
    frames: tuple[int, int] = (0, CLIP_FRAMES),
    size: tuple[int, int] | None = None,
    dilate_px: int = DILATE_PX,
    overwrite: bool = False,
    on_step: OnStep | None = None,
) -> str:
    """Compose one clip of files and add it to a data folder; its name.

    Raises:
        InputError: files that cannot be read, or do not fit together.
    """
    name = f"{background.stem}+{object_.stem}" if name is None else name
    if not _is_name(name):
        raise InputError(f"the name is '{name}'", "a name for folders is needed", "pass another --name")
    truth, fps = read_frames(background, frames=frames, size=size, on_step=on_step)
    things, _ = read_frames(object_, frames=len(truth), on_step=on_step)
    levels = read_masks(object_mask, frames=len(truth))
    if is_image(object_mask):
        levels = np.repeat(levels, len(things), axis=0)
    count = len(things)
    things, mask = fit_object(things, levels, truth.shape[1:3], str(object_))
    composed = compose(truth[:count], things, mask, name=name, dilate_px=dilate_px, fps=fps)
    inputs = {"background": background, "object": object_, "mask": object_mask}
    recipe = {"first_frame": frames[0], "frames": count, "size": list(truth.shape[1:3])}
    write_composed(
        folder, composed, inputs=inputs, dilate_px=dilate_px, recipe=recipe, overwrite=overwrite, on_step=on_step
    )
    return name


def compose_dataset(
    data: Path,
    folder: Path,
    *,
    masks_per_background: int = MASKS_PER_BACKGROUND,
    count: int = CLIP_FRAMES,
    seed: int = 0,
    size: tuple[int, int] | None = None,
    dilate_px: int = DILATE_PX,
    overwrite: bool = False,
    on_step: OnStep | None = None,
) -> list[str]:
    """Make the paper's dataset (`recipes`) of what a data folder holds, and write it to another; the names.

    Raises:
        InputError: nothing to make it of, or files that do not fit together.
    """
    if not data.is_dir():
        raise InputError(f"there is no folder {data}", "a data folder, or BACKGROUND OBJECT OBJECT_MASK", "check it")
    pairs = recipes(data, masks_per_background=masks_per_background, count=count, seed=seed)
    for number, pair in enumerate(pairs):
        composed = read_composed(data, pair | {"dilate_px": dilate_px})
        if size is not None:
            composed = resized(composed, size)
        inputs = {"background": data / pair["background"]["source"]}
        inputs |= {"object": data / FRAMES / pair["object"], "mask": data / MASKS / pair["object"]}
        recipe = {key: pair[key] for key in ("background", "object")} | {"seed": seed}
        write_composed(folder, composed, inputs=inputs, dilate_px=dilate_px, recipe=recipe, overwrite=overwrite)
        tell(on_step, "compose", number + 1, len(pairs))
    return [pair["name"] for pair in pairs]


def sha256(path: Path) -> str:
    """Of a file; of a folder of images, that of the lines that sha256sum prints for its files, by name."""
    path = existing(path)
    if path.is_file():
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    files = sorted(file for file in path.iterdir() if is_image(file) and not file.name.startswith("."))
    lines = "".join(f"{sha256(file)}  {file.name}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()


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
