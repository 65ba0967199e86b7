"""Nuke: remove what a mask covers from a plate.

Select the plate, then also a node whose alpha is the mask, and call `remove()`: both are rendered beside the script,
cleanplate is run on them, and a Read with the result appears. README.md beside this says how to put it in a menu.

What needs Nuke (`remove`) was not tried yet.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from importlib import import_module
from pathlib import Path

CLEANPLATE = os.environ.get("CLEANPLATE", "cleanplate")
"""The command; several words (`/opt/venv/bin/python -m cleanplate`) are fine."""
PLATE, MASK, CLEAN = "plate", "mask", "clean"


def command(folder: Path, *options: str) -> list[str]:
    """What is run on the plate and the mask that were rendered to a folder."""
    plate, mask, clean = (str(folder / name) for name in (PLATE, MASK, CLEAN))
    return [
        *shlex.split(CLEANPLATE, posix=os.name != "nt"),
        "inpaint",
        plate,
        mask,
        *options,
        "-o",
        clean,
        "--overwrite",
    ]


def run(words: list[str]) -> str:
    """Run it; what it has said.

    Raises:
        RuntimeError: what it says of why it cannot.
    """
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip() or f"{words[0]} ended with {done.returncode}")
    return done.stdout.strip()


def sequence(folder: Path) -> tuple[str, int, int]:
    """The pattern (`clean/shot.%04d.exr`) of the images in a folder, and their first and last number."""
    found = []
    for file in sorted(folder.iterdir()):
        number = re.search(r"(\d+)(\.\w+)$", file.name)
        if number is not None:
            name = file.name[: number.start()]
            found.append((int(number[1]), f"{folder.as_posix()}/{name}%0{len(number[1])}d{number[2]}"))
    if not found:
        raise RuntimeError(f"there are no numbered images in {folder}")
    return found[0][1], min(found)[0], max(found)[0]


def remove(*options: str) -> None:
    """Remove it, with any options of `cleanplate inpaint`."""
    nuke = import_module("nuke")  # only there within Nuke

    if len(nuke.selectedNodes()) != 2 or not nuke.script_directory():
        nuke.message("Save the script, and select the plate, then also the node whose alpha is the mask.")
        return
    mask, plate = nuke.selectedNodes()  # Nuke has the last one first
    first, last = (int(nuke.root()[knob].value()) for knob in ("first_frame", "last_frame"))
    folder = Path(nuke.script_directory()) / f"cleanplate_{plate.name()}"
    grey = nuke.nodes.Shuffle(inputs=[mask], red="alpha", green="alpha", blue="alpha")
    for node, name, suffix in ((plate, PLATE, "exr"), (grey, MASK, "png")):
        shutil.rmtree(folder / name, ignore_errors=True)  # of a render before
        (folder / name).mkdir(parents=True)
        write = nuke.nodes.Write(inputs=[node], file=f"{(folder / name).as_posix()}/{name}.%04d.{suffix}", raw=True)
        write["file_type"].setValue(suffix)
        nuke.execute(write, first, last)
        nuke.delete(write)
    nuke.delete(grey)
    try:
        said = run(command(folder, *options))
    except (OSError, RuntimeError) as error:
        nuke.message(str(error))
        return
    pattern, start, end = sequence(folder / CLEAN)
    read = nuke.nodes.Read(file=pattern, first=start, last=end, raw=True, label=said)
    read["frame_mode"].setValue("start at")
    read["frame"].setValue(str(first))
