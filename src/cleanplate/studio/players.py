"""What the page shows of a project in pictures: the values of marker.js and compare.js, which say what is in them."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

from cleanplate.studio import finding, overlays, tasks, tracking
from cleanplate.studio.project import Project
from cleanplate.studio.things import Thing


def address_of(path: Path) -> str:
    """The address of a file or folder of a project, relative to the page."""
    return f"gradio_api/file={quote(str(path))}"


def marker(project: Project) -> dict[str, Any] | None:
    """For marker.js."""
    info = project.info
    if info is None:
        return None
    frames = {"label": "Shot", "folder": tasks.FRAMES, "v": project.versions["read"]}
    start = min(project.marks.versions, default=info.total // 2)
    shown = {
        "full": list(info.size[::-1]),
        "heard": project.heard,
        "things": [_thing(project, thing) for thing in project.things.all],
        "chosen": project.things.index,
        "effects": _effects(project),
        "overlays": _overlays(project),
    }
    return _player(project, [frames], start) | shown | _to_look_at(project)


def _thing(project: Project, thing: Thing) -> dict[str, Any]:
    """What is marked of a thing, and its mask."""
    mask = {"folder": tracking.mask_folder(thing.number), "v": project.versions["track"]}
    red, green, blue = thing.colour
    return {
        "number": thing.number,
        "name": thing.name,
        "colour": f"rgb({red}, {green}, {blue})",
        "folder": tracking.marks_folder(thing.number),
        "marks": {str(frame): version for frame, version in sorted(thing.marks.versions.items())},
        "absent": sorted(thing.marks.absent),
        "mask": None if thing.tracked is None else mask,
        "undo": thing.marks.undoable,
    }


def _to_look_at(project: Project) -> dict[str, Any]:
    """The frames that are worth a look, and the first and last ones of shots where nothing is marked."""
    thing = project.things.chosen
    if thing.tracked is None or thing.due:
        return {"jump": [], "unmarked": []}
    shots = [[shot.start, shot.stop - 1] for shot in thing.tracked.unmarked_shots]
    return {"jump": list(thing.tracked.frames_to_review), "unmarked": shots}


KINDS = {"still": "Stands still", "caption": "Caption"}


def _overlays(project: Project) -> dict[str, Any] | None:
    """What was found over the shot, to be accepted or not."""
    found = project.overlays.found
    if found is None:
        return None
    height, width = project.info.size if project.info is not None else (1, 1)
    each = [
        {
            "name": f"{KINDS.get(one.kind, one.kind)}, frames {one.first} to {one.last}, certainty {one.certainty:.2f}",
            "first": one.first,
            "last": one.last,
            "box": [part / of for part, of in zip(one.box, (width, height) * 2, strict=True)],
            "accepted": number in project.overlays.accepted,
        }
        for number, one in enumerate(found.all)
    ]
    return {"folder": overlays.OVERLAYS, "v": project.versions["overlays"], "each": each}


def _effects(project: Project) -> dict[str, Any] | None:
    """The second layer that is painted, over that of the mask."""
    effects = project.effects
    if not effects.shown:
        return None
    return {
        "folder": finding.EFFECTS,
        "v": project.versions["effects"],
        "edited": finding.EDITS,
        "edits": {str(frame): version for frame, version in sorted(effects.edits.versions.items())},
        "undo": effects.edits.undoable,
    }


def compare(project: Project) -> dict[str, Any] | None:
    """For compare.js."""
    result = project.result
    if result is None or project.run is None:
        return None
    made, run = project.versions["clean"], project.run.name
    tint = {"folder": f"{run}/{tasks.PROVENANCE}", "label": "Show where each pixel comes from", "v": made}
    panes = [
        {"label": "Before", "folder": tasks.FRAMES, "first": result.first, "v": project.versions["read"]},
        {"label": "After", "folder": f"{run}/{tasks.AFTER}", "v": made, "tint": tint},
    ]
    value = _player(project, panes, result.frames // 2)
    return value | {"total": result.frames, "size": list(result.size[::-1]), "v": made}


def _player(project: Project, panes: list[dict[str, Any]], start: int) -> dict[str, Any]:
    assert project.info is not None
    shared = {"base": f"{address_of(project.folder)}/", "fps": project.info.fps, "total": project.info.total}
    return shared | {
        "size": list(project.info.small[::-1]),
        "v": project.versions["read"],
        "start": start,
        "panes": panes,
    }
