"""DaVinci Resolve: remove what the mask on video track 2 covers from the picture on video track 1.

Run it from Workspace, Scripts: both tracks of the current timeline are rendered, cleanplate is run on them, and the
result is in the media pool. README.md beside this says where to put it.

What needs Resolve (`remove`) was not tried yet.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

CLEANPLATE = os.environ.get("CLEANPLATE", "cleanplate")
"""The command; several words (`/opt/venv/bin/python -m cleanplate`) are fine."""
TRACKS = {"plate": 1, "mask": 2}


def command(folder: Path, *options: str) -> list[str]:
    """What is run on the tracks that were rendered to a folder."""
    rendered, clean = (str(folder / name) for name in TRACKS), str(folder / "clean")
    return [*shlex.split(CLEANPLATE, posix=os.name != "nt"), "inpaint", *rendered, *options, "-o", clean, "--overwrite"]


def run(words: list[str]) -> str:
    """Run it; what it has said.

    Raises:
        RuntimeError: what it says of why it cannot.
    """
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip() or f"{words[0]} ended with {done.returncode}")
    return done.stdout.strip()


def settings(folder: Path, name: str) -> dict[str, Any]:
    """How a track is rendered, in Resolve's words."""
    return {"TargetDir": str(folder / name), "CustomName": f"{name}.", "ExportVideo": True, "ExportAudio": False}


def clip_info(folder: Path) -> dict[str, Any]:
    """The numbered images of a folder, in the words of Resolve's ImportMedia."""
    numbers = [re.search(r"(\d+)(\.\w+)$", file.name) for file in sorted(folder.iterdir())]
    found = [number for number in numbers if number is not None]
    if not found:
        raise RuntimeError(f"there are no numbered images in {folder}")
    first, last = found[0], found[-1]
    pattern = f"{first.string[: first.start()]}%0{len(first[1])}d{first[2]}"
    return {"FilePath": str(folder / pattern), "StartIndex": int(first[1]), "EndIndex": int(last[1])}


def remove(resolve: Any, *options: str) -> None:
    """Remove it, with any options of `cleanplate inpaint`."""
    project = resolve.GetProjectManager().GetCurrentProject()
    timeline, folder = project.GetCurrentTimeline(), Path(tempfile.mkdtemp(prefix="cleanplate-"))
    project.SetCurrentRenderFormatAndCodec("tif", "RGB16LZW")
    for name, track in TRACKS.items():
        (folder / name).mkdir()
        for number in range(1, timeline.GetTrackCount("video") + 1):
            timeline.SetTrackEnable("video", number, number == track)
        project.SetRenderSettings(settings(folder, name))
        project.StartRendering(project.AddRenderJob())
        while project.IsRenderingInProgress():
            time.sleep(0.5)
    for number in range(1, timeline.GetTrackCount("video") + 1):
        timeline.SetTrackEnable("video", number, number != TRACKS["mask"])
    print(run(command(folder, *options)))
    project.GetMediaPool().ImportMedia([clip_info(folder / "clean")])


if "resolve" in globals():  # Resolve puts it there when it runs a script
    remove(globals()["resolve"])
