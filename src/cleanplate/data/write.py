"""Write clips with ground truth: one of three files, or the paper's dataset of what a folder holds (Sec. 4).

What is written is a data folder that `pairs.py` reads: PNGs of frames, masks and truth (with more for a shadow and a
rough mask, disturb.py), and a ready pair of each clip in composed.json, with the sha256 of all that went in and came
out.
"""

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from cleanplate.config import RoughMask
from cleanplate.data.compose import DILATE_PX, compose, fit_object, read_composed
from cleanplate.data.disturb import Disturbed, disturb
from cleanplate.data.pairs import (
    FRAMES,
    MANIFEST,
    MASKS,
    OPTIONAL,
    TRUTH,
    Pair,
    files_of,
    is_name,
    length_of_clip,
    read_pairs,
    sha256_of_clip,
)
from cleanplate.errors import InputError
from cleanplate.progress import OnStep, tell
from cleanplate.runtime.files import whole, writing
from cleanplate.version import __version__
from cleanplate.video.outputs import check_output
from cleanplate.video.reader import read_frames, read_masks
from cleanplate.video.resize import check_size
from cleanplate.video.sequences import image_files, is_still
from cleanplate.video.writer import write_grey, write_video

CLIP_FRAMES, MASKS_PER_BACKGROUND = 60, 5  # the paper's


def recipes(
    data: Path, *, masks_per_background: int = MASKS_PER_BACKGROUND, count: int = CLIP_FRAMES, seed: int = 0
) -> list[Pair]:
    """The paper's dataset (Sec. 4) as recipes: a random segment of each background, with so many masks at random.

    A segment is as long as the shortest of the objects that are put over it, `count` frames at most. The backgrounds
    are those of composed.json, which are known to be free of objects, or else every folder of frames and every video in
    clips/. The objects are those of davis/masks; none is put over its own shot.

    Raises:
        InputError: no backgrounds or too few objects.
    """
    rng = random.Random(seed)
    made = {pair["frames"] for pair in _pairs(data) if "truth" in pair}  # clips, not shots
    shots = [folder for folder in _inside(data / FRAMES) if f"{FRAMES}/{folder.name}" not in made]
    objects = [shot.name for shot in shots if shot.is_dir() and (data / MASKS / shot.name).is_dir()]
    out = []
    for background in _backgrounds(data, shots):
        own = _name_of(data / background["source"])
        others = [name for name in objects if name != own]
        if len(others) < masks_per_background:
            raise InputError(
                f"{data / MASKS} has {len(others)} objects for {own}",
                f"{masks_per_background} are wanted for each background",
                "add some, or ask for fewer",
            )
        things = rng.sample(others, masks_per_background)
        length = min(count, background["count"], *(len(image_files(data / FRAMES / thing)) for thing in things))
        first = background["start"] + rng.randint(0, background["count"] - length)
        part = {**background, "start": first, "count": length}
        for thing in things:
            name, before = _joined(own, thing), [pair["name"] for pair in out]
            while name in before:  # of another segment of the same shot
                name += "-again"
            out.append({"name": name, "background": part, "object": thing, "dilate_px": DILATE_PX})
    return out


def _name_of(source: Path) -> str:
    """What a shot is called: a folder may have dots in its name, a video has a suffix."""
    return source.name if source.is_dir() else source.stem


def _joined(background: str, thing: str) -> str:
    """The name of a clip: no dots, for a suffix would make a video of it."""
    return f"{background}+{thing}".replace(".", "-")


def _backgrounds(data: Path, shots: list[Path]) -> list[dict]:
    if named := [pair["background"] for pair in _pairs(data) if "truth" not in pair]:
        return [json.loads(text) for text in dict.fromkeys(json.dumps(background) for background in named)]
    sources = shots + [path for path in _inside(data / "clips") if not path.name.startswith(".")]
    if not sources:
        raise InputError(
            f"{data} has no {MANIFEST}, no {FRAMES}/NAME and no clips/", "backgrounds are needed", "add some there"
        )
    return [
        {"source": str(source.relative_to(data)), "start": 0, "count": length_of_clip(source)} for source in sources
    ]


def _pairs(folder: Path) -> list[Pair]:
    """Of a data folder that may have no list yet."""
    return read_pairs(folder) if (folder / MANIFEST).exists() else []


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def check_free(folder: Path, name: str, *, overwrite: bool) -> dict[str, str]:
    """The paths in a data folder that a clip of this name may be written to.

    Raises:
        InputError: a name that is none, one that is taken, or that of a shot which another clip is made of.
    """
    if not is_name(name):
        raise InputError(f"the name is '{name}'", "a name for folders without dots is needed", "pass another --name")
    parts = {"frames": f"{FRAMES}/{name}", "masks": f"{MASKS}/{name}", "truth": f"{TRUTH}/{name}"}
    parts |= {part: f"davis/{part}/{name}" for part in OPTIONAL}
    pairs = _pairs(folder)
    others = [pair for pair in pairs if not (pair["name"] == name and "truth" in pair)]
    if any(path in files_of(pair) for pair in others for path in parts.values()):
        raise InputError(f"{folder} has a shot {name}, of which clips are made", "it is kept", "pass another --name")
    taken = [path for path in parts.values() if (folder / path).exists()]
    taken += [MANIFEST for pair in pairs if pair["name"] == name]
    if taken and not overwrite:
        there = f"{folder / taken[0]} is already there, or has {name}"
        raise InputError(there, "nothing is replaced unasked", "pass --overwrite or --name")
    return parts


def write_composed(
    folder: Path,
    made: Disturbed,
    *,
    inputs: Mapping[str, Path],
    dilate_px: int = DILATE_PX,
    recipe: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    on_step: OnStep | None = None,
) -> None:
    """Add a clip to a data folder: PNGs of its pictures, and a ready pair in its composed.json.

    Args:
        folder: made if it is not there.
        made: the clip, with or without a shadow and a rough mask.
        inputs: what it was made of, by role, for the manifest.
        dilate_px: what the hole was grown by.
        recipe: how it was made.
        overwrite: replace a pair of this name.
        on_step: told of every frame.

    Raises:
        InputError: a pair of this name is there, or the disk cannot be written.
    """
    composed, more = made.composed, made.pictures
    free = check_free(folder, composed.name, overwrite=overwrite)
    parts = {part: path for part, path in free.items() if part not in OPTIONAL or part in more}
    went_in = {role: {"name": path.name, "sha256": sha256_of_clip(path)} for role, path in inputs.items()}
    with writing(folder):
        for path in parts.values():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
    for path in parts.values():
        check_output(folder / path, overwrite=overwrite, sources=tuple(inputs.values()))
    write_video(folder / parts["frames"], composed.clip.frames, on_step=on_step)
    write_video(folder / parts["truth"], composed.truth, on_step=on_step)
    for part, grey in {"masks": composed.mask, **more}.items():
        write_grey(folder / parts[part], grey, on_step=on_step)
    pair = {"name": composed.name, **parts, "dilate_px": dilate_px, "fps": composed.clip.fps, **made.facts}
    pair |= {"recipe": dict(recipe)} if recipe else {}
    pair["sha256"] = {
        "inputs": went_in,
        "outputs": {path: sha256_of_clip(folder / path) for path in parts.values()},
    }
    with writing(folder), FileLock(folder / f".{MANIFEST}.lock"):  # others may add theirs at the same time
        path, pairs = folder / MANIFEST, _pairs(folder)
        held = json.loads(path.read_text()) if pairs else {"made_by": f"cleanplate {__version__}"}
        pairs = [other for other in pairs if other["name"] != composed.name] + [pair]
        with whole(path) as partial:
            partial.write_text(json.dumps({**held, "pairs": pairs}, indent=1) + "\n")


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
    shadow: bool = False,
    rough: RoughMask | None = None,
    seed: int = 0,
    overwrite: bool = False,
    on_step: OnStep | None = None,
) -> str:
    """Compose one clip of files and add it to a data folder, with a shadow and a rough mask if asked for; its name.

    Raises:
        InputError: files that cannot be read, or do not fit together.
    """
    name = _joined(_name_of(background), _name_of(object_)) if name is None else name
    check_size(size)
    check_free(folder, name, overwrite=overwrite)
    truth, fps = read_frames(background, frames=frames, size=size, on_step=on_step)
    things, _ = read_frames(object_, frames=len(truth), on_step=on_step)
    levels = read_masks(object_mask, frames=len(truth))
    if is_still(object_mask):
        levels = np.repeat(levels, len(things), axis=0)
    count = len(things)
    things, mask = fit_object(things, levels, truth.shape[1:3], str(object_))
    composed = compose(truth[:count], things, mask, name=name, dilate_px=dilate_px, fps=fps)
    made = disturb(composed, shadow=shadow, rough=rough, dilate_px=dilate_px, rng=_rng(seed, name))
    inputs = {"background": background, "object": object_, "mask": object_mask}
    recipe = {"first_frame": frames[0], "frames": count, "size": list(truth.shape[1:3])}
    recipe |= {"seed": seed} if made.facts else {}
    write_composed(
        folder, made, inputs=inputs, dilate_px=dilate_px, recipe=recipe, overwrite=overwrite, on_step=on_step
    )
    return name


def _rng(seed: int, name: str) -> random.Random:
    """Of a clip's shadow and rough mask: the same whatever other clips are made with it."""
    return random.Random(f"{seed} {name}")


def compose_dataset(
    data: Path,
    folder: Path,
    *,
    masks_per_background: int = MASKS_PER_BACKGROUND,
    count: int = CLIP_FRAMES,
    seed: int = 0,
    size: tuple[int, int] | None = None,
    dilate_px: int = DILATE_PX,
    shadow: bool = False,
    rough: RoughMask | None = None,
    overwrite: bool = False,
    on_step: OnStep | None = None,
) -> list[str]:
    """Make the paper's dataset (`recipes`) of what a data folder holds, and write it to another; the names.

    With shadows and rough masks if asked for, which the paper's has not.

    Raises:
        InputError: nothing to make it of, or files that do not fit together.
    """
    if not data.is_dir():
        raise InputError(
            f"there is no folder {data}", "a data folder, or BACKGROUND OBJECT OBJECT_MASK", "name one that exists"
        )
    check_size(size)
    pairs = recipes(data, masks_per_background=masks_per_background, count=count, seed=seed)
    for pair in pairs:
        check_free(folder, pair["name"], overwrite=overwrite)
    for number, pair in enumerate(pairs):
        composed = read_composed(data, pair | {"dilate_px": dilate_px}, size=size)
        made = disturb(composed, shadow=shadow, rough=rough, dilate_px=dilate_px, rng=_rng(seed, pair["name"]))
        inputs = {"background": data / pair["background"]["source"]}
        inputs |= {"object": data / FRAMES / pair["object"], "mask": data / MASKS / pair["object"]}
        recipe = {key: pair[key] for key in ("background", "object")} | {"seed": seed}
        write_composed(folder, made, inputs=inputs, dilate_px=dilate_px, recipe=recipe, overwrite=overwrite)
        tell(on_step, "compose", number + 1, len(pairs))
    return [pair["name"] for pair in pairs]
