"""The step that removes the thing: how well, in how much time, and all options of the command line."""

from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from cleanplate.config import METHODS
from cleanplate.errors import InputError
from cleanplate.runtime.devices import check_torch
from cleanplate.studio import forms, views
from cleanplate.studio.project import RESULT_SUFFIXES, Project
from cleanplate.studio.session import Session, Values, on
from cleanplate.video.images import IMAGE_SUFFIXES
from cleanplate.weights import find_weights

QUALITIES = {
    "Fast: copy what other frames show": "carry",
    "Standard: copy, and make up what no frame shows": "carry-learn",
    "Paper: a network learns all of it, for the time you give it": "dip-vid-flow",
}
STANDARD = list(QUALITIES)[1]
OURS = tuple(name for name, method in METHODS.items() if method.baseline is None)
"""Rivals to compare with are for the command line."""
AS_ABOVE, MINUTES, SUFFIX = "as chosen above", 10, ".mp4"


class CleanStep:
    """How it is removed."""

    def __init__(self) -> None:
        # Whose values the controls under Advanced hold; it comes to the page together with them.
        self.prepared = gr.Textbox(QUALITIES[STANDARD], visible=False)
        with gr.Column(visible=False, elem_id="step-clean") as self.column:
            gr.Markdown("## 3. Remove it")
            self.quality = gr.Radio(list(QUALITIES), value=STANDARD, label="Quality", elem_id="quality")
            self.note = gr.HTML(elem_id="note")
            self.minutes = gr.Slider(
                1, 480, value=MINUTES, step=1, visible=False, label="Minutes", info="The network learns for so long.",
                elem_id="minutes",
            )  # fmt: skip
            with gr.Accordion("Advanced", open=False, elem_id="advanced"):
                gr.Markdown("What the command line offers too. Whatever is not changed stays as the quality has it.")
                self._make_advanced()
            self.paint = PaintStep()
            self.clean = gr.Button("Remove it", variant="primary", elem_id="clean")
        self.outputs: list[Any] = [self.column, self.clean]

    def _make_advanced(self) -> None:
        """All options of the command line."""
        with gr.Row():
            self.method = gr.Dropdown(
                [AS_ABOVE, *OURS], value=AS_ABOVE, label="Method", elem_id="method",
                info="Those that begin with dip are the paper's, but for the fast one.",
            )  # fmt: skip
            self.suffix = gr.Dropdown(
                list(RESULT_SUFFIXES), value=SUFFIX, label="File", info=".mkv is lossless.", elem_id="suffix"
            )
        preset = METHODS[QUALITIES[STANDARD]]
        made = {}
        for group, some in forms.grouped().items():
            with gr.Accordion(forms.TITLES[group], open=False), gr.Row():
                made |= {option.name: forms.control(option, preset) for option in some}
        self.controls = {option.name: made[option.name] for option in forms.options()}
        """By the option's name, in their order."""

    def shown(self, project: Project) -> Values:
        """Once the shot is tracked."""
        return {
            self.column: gr.update(visible=project.cleanable),
            self.clean: gr.update(interactive=not project.busy),
        }

    def connect(self, session: Session) -> None:
        """Fill in what a method has, and clean."""
        chosen = [self.quality, self.method]
        prepared = [self.minutes, self.note, self.prepared, *self.controls.values()]
        for control in chosen:
            on(control.input, self._prepare, chosen, prepared)
            session.note(control.input, _choose, *chosen)
        remembered = {"quality": self.quality, "method": self.method, "minutes": self.minutes, "suffix": self.suffix}
        for name in ("minutes", "suffix"):
            session.note(remembered[name].input, partial(_remember, name), remembered[name])

        def begin(token: str) -> Values:
            """Choose on a page that is loaded what was chosen before."""
            project = session.projects.find(token)
            choices = {} if project is None else project.choices
            quality, method = choices.get("quality", STANDARD), choices.get("method", AS_ABOVE)
            values = self._prepare(quality, method)
            values |= {self.quality: quality, self.method: method, self.suffix: choices.get("suffix", SUFFIX)}
            values[self.minutes]["value"] = choices.get("minutes", MINUTES)
            return values

        on(session.loaded.then, begin, session.token, [*chosen, self.suffix, *prepared])
        inputs = [self.quality, self.minutes, self.method, self.suffix, self.prepared, *self.controls.values()]
        session.on(self.clean.click, _clean, *inputs)

    def _prepare(self, quality: str, method: str) -> Values:
        name = _method(quality, method)
        values = {
            self.minutes: gr.update(visible=not METHODS[name].carries),
            self.note: _note(name),
            self.prepared: name,
        }
        for option in forms.options():
            values[self.controls[option.name]] = forms.shown_value(option, METHODS[name])
        if _lacks_weights(name):
            values[self.controls["loss.perceptual"]] = 0
        return values


class PaintStep:
    """Frames are painted elsewhere. A part of the step that removes the thing."""

    def __init__(self) -> None:
        with gr.Accordion("Painted by you", open=False, elem_id="painted"):
            gr.Markdown(
                "What no frame shows is made up, and you may know better. Take a frame out, paint the thing out of it "
                "in the program of your choice, and drop it here under the same name, which says what frame it is. "
                "What was hidden in it is taken from your picture and carried to all other frames. Where it is "
                "transparent nothing is taken; if it is so anywhere, what you paint beyond the mask counts too."
            )
            with gr.Row(equal_height=True):
                self.frame = gr.Number(0, precision=0, label="Frame", info="Of the shot.", elem_id="painted-frame")
                self.take_out = gr.Button("Take this frame out", elem_id="take-out")
                self.link = gr.HTML(elem_id="taken-out")
            types: list[str] = sorted(IMAGE_SUFFIXES)
            self.upload = gr.File(
                label="Drop painted frames here", file_types=types, file_count="multiple", height=120,
                elem_id="upload-painted",
            )  # fmt: skip
            with gr.Row(equal_height=True):
                self.said = gr.HTML(elem_id="paintings")
                self.forget = gr.Button("Forget them", size="sm", scale=0, min_width=140, elem_id="forget-painted")
        self.outputs: list[Any] = [self.take_out, self.link, self.said, self.forget]

    def shown(self, project: Project) -> Values:
        """What was taken out, and what was painted."""
        return {
            self.take_out: gr.update(interactive=not project.busy),
            self.link: views.taken_out(project),
            self.said: views.paintings(project),
            self.forget: gr.update(visible=bool(project.paintings.by_frame), interactive=not project.busy),
        }

    def connect(self, session: Session) -> None:
        """Take frames out, and take painted ones."""
        session.on(self.take_out.click, _take_out, self.frame)
        given = session.on(self.upload.upload, _give_back, self.upload)
        on(given.then, lambda: None, None, self.upload)
        session.on(self.forget.click, Project.forget_paintings)


def _take_out(project: Project, frame: Any) -> None:
    if isinstance(frame, bool) or not isinstance(frame, int | float):
        raise InputError("no frame is named", "the number below the picture is needed", "type it under Frame")
    project.take_out(round(frame))


def _give_back(project: Project, paths: list[str]) -> None:
    """Take each that can be taken; what is wrong with the others is told."""
    wrong = []
    for path in map(Path, paths):
        try:
            project.paint_frame(path, path.name)
        except InputError as error:
            wrong.append((path.name, error))
    if wrong:
        names = ", ".join(name for name, _ in wrong[1:])
        project.changed(f"{wrong[0][1]}{'; not taken either: ' * bool(names)}{names}")


def _method(quality: str, method: str) -> str:
    return method if method in METHODS else QUALITIES[quality]


def _remember(name: str, project: Project, value: Any) -> None:
    project.choices[name] = value


def _choose(project: Project, quality: str, method: str) -> None:
    project.choices |= {"quality": quality, "method": method}
    project.choose_method(carries=METHODS[_method(quality, method)].carries)


def _lacks_weights(method: str) -> bool:
    """Whether a term of the method has no weights here."""
    if not METHODS[method].loss.perceptual:
        return False
    try:
        check_torch(method)
        find_weights("vgg16")
    except InputError:
        return True
    return False


def _note(method: str) -> str:
    if not _lacks_weights(method):
        return ""
    return (
        "<p class='facts'>The weights of VGG16 are not here, so the paper's perceptual term is switched off "
        "(Advanced, Losses). cleanplate inpaint dip-vid-flow on the command line says where to get them.</p>"
    )


def _clean(
    project: Project, quality: str, minutes: float, method: str, suffix: str, prepared: str, *shown: Any
) -> None:
    """Clean with what the controls show; they may still show the values of the method chosen before."""
    name = _method(quality, method)
    options, settings = forms.read(name, shown, prepared)
    if prepared != name and _lacks_weights(name):
        settings["loss.perceptual"] = 0.0
        options = forms.as_command(settings)
    if not METHODS[name].carries and options.max_seconds is None and options.max_steps is None:
        settings["max-seconds"] = 60.0 * minutes
        options = forms.as_command(settings)
    project.clean(options, settings, suffix)
