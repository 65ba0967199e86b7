"""The list of pairs that clips are composed of: read, and refused where it is no such list.

A data folder has the layout of DAVIS, `davis/frames/NAME/*` and `davis/masks/NAME/*`, other videos beside it, and a
list of pairs, `composed.json`. A pair is either a recipe (a background, a window of it, and the name of an object),
which is composed when it is read (compose.py), or ready: frames, masks and truth that were written (write.py), with the
sha256 of all that went in and came out.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cleanplate.errors import InputError
from cleanplate.runtime.files import sha256
from cleanplate.video.container import MOST_PX
from cleanplate.video.reader import count_frames, no_frames
from cleanplate.video.sequences import existing, image_files, is_still

MANIFEST = "composed.json"
FRAMES, MASKS, TRUTH = "davis/frames", "davis/masks", "davis/truth"
OPTIONAL = ("density", "right_masks")
"""What a ready pair may have besides: of its object's shadow, and the mask that is right if the given one is not."""

Pair = dict[str, Any]


def read_pairs(data: Path, manifest: Path | None = None) -> list[Pair]:
    """The pairs of a list, composed.json in the data folder if none is named.

    Raises:
        InputError: no such folder or list, or something else in it.
    """
    if not data.is_dir():
        raise InputError(
            f"there is no folder {data}", f"a data folder with davis/ and {MANIFEST} is needed", "name one"
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
            f"{path} is not a list of pairs ({error})",
            "JSON with 'pairs', each with a name, is needed",
            'write {"pairs": [...]}',
        ) from None
    if not pairs:
        raise InputError(f"{path} has no pairs", "at least one is needed", "add one by cleanplate compose")
    for number, pair in enumerate(pairs, 1):
        if (wrong := _wrong_in(pair)) is not None:
            raise InputError(f"pair {number} of {path}: {wrong[0]}", wrong[1], "write that there, or remove the pair")
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


def _is_dict_or_none(value: object) -> bool:
    return value is None or isinstance(value, dict)


# What a ready pair, a recipe, and a recipe's background have, and how each is told.
READY = {
    "frames": (_is_path, "a path"),
    "masks": (_is_path, "a path"),
    "truth": (_is_path, "a path"),
    "dilate_px": (lambda value: value is None or _is_count(value), "a number of pixels"),
    "fps": (lambda value: isinstance(value, int | float) and 0 < value < 1e6, "a frame rate"),
    "sha256": (lambda value: value is None or _are_hashes(value), "{'outputs': {path: digest}}"),
    **dict.fromkeys(OPTIONAL, (lambda value: value is None or _is_path(value), "a path")),
    "shadow": (_is_dict_or_none, "{strength, shear, flattening, softness}"),
    "rough_mask": (_is_dict_or_none, "{kind, ...}"),
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
        others = (pair[part] for part in OPTIONAL if pair.get(part) is not None)
        return pair["frames"], pair["masks"], pair["truth"], *others
    return pair["background"]["source"], f"{FRAMES}/{pair['object']}", f"{MASKS}/{pair['object']}"


def identified(data: Path, pair: Pair) -> Pair:
    """A pair with the sha256 of its files, by which a result can tell whether they are still those it was made of.

    Raises:
        InputError: files that are missing.
    """
    return {**pair, "files": {path: sha256_of_clip(data / path) for path in files_of(pair)}}


def length_of(data: Path, pair: Pair) -> int:
    """The frames of a pair, without composing it."""
    if "truth" not in pair:
        return pair["background"]["count"]
    return length_of_clip(data / pair["frames"])


def length_of_clip(path: Path) -> int:
    """The frames of a video or a folder of images, of which none is held.

    Raises:
        InputError: missing, unreadable or empty.
    """
    count = count_frames(existing(path))
    if not count:
        raise no_frames(path)
    return count


def choose(pairs: list[Pair], only: Iterable[str]) -> list[Pair]:
    """The pairs of these names, all if there are none."""
    names, wanted = [pair["name"] for pair in pairs], list(only)
    if unknown := [name for name in wanted if name not in names]:
        raise InputError(f"no pair is named {unknown[0]}", f"there are {', '.join(names)}", "name some of these")
    return [pair for pair in pairs if not wanted or pair["name"] in wanted]


def sha256_of_clip(path: Path) -> str:
    """Of a file; of images in a folder or of a pattern, that of the lines that sha256sum prints for them, by name."""
    path = existing(path)
    if path.is_file():
        return sha256(path)
    if path.is_dir():
        files = [file for file in path.iterdir() if is_still(file) and not file.name.startswith(".")]
    else:
        files = image_files(path)
    lines = "".join(f"{sha256(file)}  {file.name}\n" for file in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()
