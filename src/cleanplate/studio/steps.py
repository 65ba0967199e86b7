"""The steps of the page but for cleaning: their controls, what these show of a project, and what they do with it."""

import math
from pathlib import Path
from typing import Any

import gradio as gr

from cleanplate.errors import InputError
from cleanplate.studio import views
from cleanplate.studio.project import VIDEO_SUFFIXES, Project
from cleanplate.studio.session import Session, Values, on

ASSETS = Path(__file__).parent / "assets"
SCREEN = "<div class='screen'></div>"


class ShotStep:
    """A video is chosen."""

    def __init__(self) -> None:
        with gr.Column(elem_id="step-shot") as self.column:
            gr.Markdown("## 1. The shot")
            with gr.Row(equal_height=True):
                types: list[str] = [*VIDEO_SUFFIXES]
                self.upload = gr.File(
                    label="Drop a video here, or choose one", file_types=types, height=160, elem_id="upload"
                )
                self.demo = gr.Button("Try it with a built-in shot", elem_id="demo", min_width=200)
        self.outputs: list[Any] = [self.column]

    def shown(self, project: Project) -> Values:
        """Nothing else, until there is a shot."""
        return {self.column: gr.update(visible=project.info is None and not project.busy)}

    def connect(self, session: Session) -> None:
        """Take the video."""
        taken = session.on(self.upload.upload, _take, self.upload)
        on(taken.then, lambda: None, None, self.upload)
        session.on(self.demo.click, Project.take_demo)


def _take(project: Project, path: str) -> None:
    project.take(Path(path), Path(path).name)


class MarkStep:
    """The thing is marked, and tracked."""

    def __init__(self) -> None:
        with gr.Column(visible=False, elem_id="step-mark") as self.column:
            with gr.Row(equal_height=True):
                self.facts = gr.HTML(elem_id="facts")
                self.again = gr.Button("Another video", elem_id="again", size="sm", scale=0, min_width=140)
            gr.Markdown("## 2. Mark what to remove")
            self.marker = gr.HTML(None, html_template=SCREEN, js_on_load=_script("marker"), elem_id="marker")
            self.advice = gr.HTML(elem_id="advice")
            self.effects = gr.Checkbox(
                True, visible=False, elem_id="effects",
                label="Its shadow too", info="What goes with the thing is found, shown in yellow, and removed with it.",
            )  # fmt: skip
            self.still = gr.Checkbox(
                label="It stands still", info="For a logo or subtitles: what is marked is removed from every frame."
            )
            self.track = gr.Button("Track", variant="primary", elem_id="track")
        self.outputs: list[Any] = [self.column, self.facts, self.marker, self.advice, self.effects, self.track]

    def shown(self, project: Project) -> Values:
        """The shot and its marks, or its mask."""
        tracked = project.tracked is not None
        name, variant = "Track again" if tracked else "Track", "secondary" if project.cleanable else "primary"
        return {
            self.column: gr.update(visible=project.info is not None),
            self.facts: views.facts(project),
            self.marker: views.marker(project),
            self.advice: views.advice(project),
            self.effects: gr.update(
                value=project.effects.wanted, visible=tracked, interactive=project.cleanable and not project.busy
            ),
            self.track: gr.update(value=name, interactive=not project.busy, variant=variant),
        }

    def connect(self, session: Session) -> None:
        """Mark and track."""

        def mark(token: str, event: gr.EventData) -> Values:
            return session.act(token, _mark, event._data)

        alone = {"trigger_mode": "multiple", "concurrency_id": "mark", "concurrency_limit": 1}  # in their order
        on(self.marker.input, mark, session.token, session.outputs, **alone)
        session.on(self.again.click, Project.begin_anew)
        session.on(self.effects.input, lambda project, wanted: project.choose_effects(bool(wanted)), self.effects)
        session.on(self.track.click, lambda project, still: project.track(bool(still)), self.still)


def _mark(project: Project, said: Any) -> None:
    """What marker.js says. It may be anything: it comes from outside."""
    said = said if isinstance(said, dict) else {}
    frame = _whole(said.get("frame"))
    if said.get("layer") == "effects":
        _mark_effects(project, frame, said)
    elif "box" in said:
        left, top, width, height = (_whole(number) for number in _list(said["box"], 4))
        project.mark_box(frame, (left, top, width, height))
    elif "click" in said:
        x, y = (_whole(number) for number in _list(said["click"], 2))
        project.mark_click(frame, x, y)
    elif "painted" in said:
        project.mark_painted(frame, str(said["painted"]))
    elif said.get("undo"):
        project.undo()
    elif said.get("clear"):
        project.unmark(frame)


def _mark_effects(project: Project, frame: int, said: dict[str, Any]) -> None:
    if "painted" in said:
        project.paint_effects(frame, str(said["painted"]))
    elif said.get("undo"):
        project.undo_effects()
    elif said.get("clear"):
        project.restore_effects(frame)


def _list(given: Any, count: int) -> list[Any]:
    if not isinstance(given, list) or len(given) != count:
        raise InputError("the mark has not arrived whole", f"{count} numbers are needed", "try again")
    return given


def _whole(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given) or abs(given) > 1e6:
        raise InputError("the mark has not arrived whole", "numbers of pixels are needed", "try again")
    return round(given)


class Working:
    """A job is waited for."""

    def __init__(self) -> None:
        with gr.Column(visible=False, elem_id="working", elem_classes="working") as self.column:
            self.progress = gr.HTML(elem_id="progress")
            self.cancel = gr.Button("Cancel", variant="stop", elem_id="cancel", size="sm")
        self.outputs: list[Any] = [self.column, self.progress]

    def shown(self, project: Project) -> Values:
        """How far it has come."""
        return {self.column: gr.update(visible=project.busy), self.progress: views.progress(project)}

    def connect(self, session: Session) -> None:
        """Cancel it."""
        session.on(self.cancel.click, Project.cancel)


class CompareStep:
    """The result is looked at, and kept."""

    def __init__(self) -> None:
        with gr.Column(visible=False, elem_id="step-compare") as self.column:
            gr.Markdown("## 4. Compare and keep")
            self.compare = gr.HTML(None, html_template=SCREEN, js_on_load=_script("compare"), elem_id="compare")
            self.shares, self.downloads = gr.HTML(elem_id="shares"), gr.HTML(elem_id="downloads")
        self.outputs: list[Any] = [self.column, self.compare, self.shares, self.downloads]

    def shown(self, project: Project) -> Values:
        """It beside the shot, and the files."""
        return {
            self.column: gr.update(visible=project.result is not None),
            self.compare: views.compare(project),
            self.shares: views.shares(project),
            self.downloads: views.downloads(project),
        }

    def connect(self, session: Session) -> None:
        """Nothing of it acts on the project."""


def _script(name: str) -> str:
    return (ASSETS / "player.js").read_text() + (ASSETS / f"{name}.js").read_text()
