"""The steps of the page but for marking and cleaning: their controls, what these show, and what they do."""

from pathlib import Path
from typing import Any

import gradio as gr

from cleanplate.studio import players, views
from cleanplate.studio.project import VIDEO_SUFFIXES, Project
from cleanplate.studio.screens import SCREEN, script
from cleanplate.studio.session import Session, Values, on

# Gradio leaves some characters out of the names of files.
OWN_NAME = "(token, file) => [token, file, file?.orig_name ?? '']"


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
                self.name = gr.Textbox(visible=False)
                self.demo = gr.Button("Try it with a built-in shot", elem_id="demo", min_width=200)
        self.outputs: list[Any] = [self.column]

    def shown(self, project: Project) -> Values:
        """Nothing else, until there is a shot."""
        return {self.column: gr.update(visible=project.info is None and not project.busy)}

    def connect(self, session: Session) -> None:
        """Take the video."""
        taken = session.on(self.upload.upload, _take, self.upload, self.name, js=OWN_NAME)
        on(taken.then, lambda: None, None, self.upload)
        session.on(self.demo.click, Project.take_demo)


def _take(project: Project, path: str, name: str) -> None:
    project.take(Path(path), name or Path(path).name)


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
            self.compare = gr.HTML(None, html_template=SCREEN, js_on_load=script("compare"), elem_id="compare")
            self.shares, self.downloads = gr.HTML(elem_id="shares"), gr.HTML(elem_id="downloads")
        self.outputs: list[Any] = [self.column, self.compare, self.shares, self.downloads]

    def shown(self, project: Project) -> Values:
        """It beside the shot, and the files."""
        return {
            self.column: gr.update(visible=project.result is not None),
            self.compare: players.compare(project),
            self.shares: views.shares(project),
            self.downloads: views.downloads(project),
        }

    def connect(self, session: Session) -> None:
        """Nothing of it acts on the project."""
