"""The step that marks: its controls, and what they and the scripts of the picture do with a project."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from cleanplate.errors import InputError
from cleanplate.studio import players, views
from cleanplate.studio.project import Project
from cleanplate.studio.screens import SCREEN, script
from cleanplate.studio.session import Session, Values, on
from cleanplate.track.predictors import PROJECTS, available

TRACKERS = {"flow": "cleanplate itself"} | {name: project.title for name, project in PROJECTS.items()}


class MarkStep:
    """The thing is marked, and tracked."""

    def __init__(self) -> None:
        self.others = available()
        """Trackers that can be chosen beside our own; mostly there is none, and no choice."""
        with gr.Column(visible=False, elem_id="step-mark") as self.column:
            with gr.Row(equal_height=True):
                self.facts = gr.HTML(elem_id="facts")
                self.again = gr.Button("Another video", elem_id="again", size="sm", scale=0, min_width=140)
            gr.Markdown("## 2. Mark what to remove")
            with gr.Row():
                with gr.Column(scale=7, min_width=300):
                    self.marker = gr.HTML(None, html_template=SCREEN, js_on_load=script("marker"), elem_id="marker")
                with gr.Column(scale=2, min_width=240):
                    self.advice = gr.HTML(elem_id="advice")
                    # Of which thing the controls below show how it is followed; it comes to the page with them.
                    self.thing = gr.Number(None, precision=0, visible=False)
                    self.still = gr.Checkbox(
                        label="It stands still", info="For a logo or subtitles: it is not followed.", elem_id="still"
                    )
                    with gr.Row(visible=False) as self.stretch:
                        self.first = gr.Number(None, precision=0, label="First frame", min_width=90, elem_id="first")
                        self.last = gr.Number(None, precision=0, label="Last frame", min_width=90, elem_id="last")
                    self.tracker = gr.Radio(
                        [(TRACKERS[name], name) for name in ("flow", *self.others)], value="flow",
                        visible=bool(self.others), label="Who follows it", elem_id="tracker",
                        info="The others are networks that learned from many videos. They do not stop at cuts.",
                    )  # fmt: skip
                    self.soft = gr.Checkbox(
                        label="Soft edges", elem_id="soft",
                        info="For a long shutter or a blurred edge: what has more than a tenth of it is removed.",
                    )  # fmt: skip
                    self.track = gr.Button("Track", variant="primary", elem_id="track")
                    self.effects = gr.Checkbox(
                        True, visible=False, elem_id="effects", label="Its shadow too",
                        info="What goes with the thing is found, shown in yellow, and removed with it.",
                    )  # fmt: skip
                    self.look = gr.Button("Find logos and captions", size="sm", elem_id="look")
                    self.found = gr.HTML(elem_id="found")
        self.outputs: list[Any] = [self.column, self.facts, self.again, self.marker, self.advice, self.effects]
        self.outputs += [self.thing, self.still, self.stretch, self.first, self.last, self.tracker, self.soft]
        self.outputs += [self.track, self.look, self.found]

    def shown(self, project: Project) -> Values:
        """The shot and its marks, or its mask."""
        tracked, still = project.made_of is not None, project.things.chosen.still
        name, variant = "Track again" if tracked else "Track", "secondary" if project.cleanable else "primary"
        return {
            self.column: gr.update(visible=project.info is not None),
            self.facts: views.facts(project),
            self.again: gr.update(interactive=not project.busy),
            self.marker: players.marker(project),
            self.advice: views.advice(project),
            self.effects: gr.update(
                value=project.effects.wanted, visible=tracked, interactive=project.cleanable and not project.busy
            ),
            self.track: gr.update(value=name, interactive=not project.busy, variant=variant),
            self.thing: project.things.chosen.number,
            self.still: gr.update(value=still is not None, interactive=not project.busy),
            self.stretch: gr.update(visible=still is not None),
            self.first: gr.update(value=None if still is None else still.first, interactive=not project.busy),
            self.last: gr.update(value=None if still is None else still.last, interactive=not project.busy),
            self.tracker: gr.update(
                value=project.things.chosen.tracker,
                visible=bool(self.others) and still is None,
                interactive=not project.busy,
            ),
            self.soft: gr.update(value=project.things.chosen.soft, visible=still is None, interactive=not project.busy),
            self.look: gr.update(interactive=not project.busy),
            self.found: views.found_overlays(project),
        }

    def connect(self, session: Session) -> None:
        """Mark and track."""

        def mark(token: str, event: gr.EventData) -> Values:
            return session.act(token, _mark, event._data)

        alone = {"trigger_mode": "multiple", "concurrency_id": "mark", "concurrency_limit": 1}  # in their order
        on(self.marker.input, mark, session.token, session.outputs, **alone)
        session.on(self.again.click, Project.begin_anew)
        session.on(self.effects.input, lambda project, wanted: project.choose_effects(bool(wanted)), self.effects)
        stretch = [self.thing, self.still, self.first, self.last]
        session.on(self.still.input, _of(_stand_still), *stretch)
        typed = partial(gr.on, [self.first.input, self.last.input])  # what is being typed is not to be shown again
        session.note(typed, _of(_stand_still), *stretch, trigger_mode="always_last")
        session.on(self.look.click, Project.find_overlays)
        session.on(self.tracker.input, _of(_choose_tracker), self.thing, self.tracker)
        session.on(self.soft.input, _of(_choose_soft), self.thing, self.soft)
        session.on(self.track.click, _of(_track), *stretch, self.tracker, self.soft)


def _of(act: Callable[..., None]) -> Callable[..., None]:
    """An act on the thing that the page shows: another tab of the shot may have chosen another one since."""

    def acting(project: Project, number: Any, *given: Any) -> None:
        with project.lock:
            if number is not None:  # or it is meant for whichever is chosen by then
                project.choose_thing(_whole(number))
            act(project, *given)

    return acting


def _stand_still(project: Project, still: Any, first: Any, last: Any) -> None:
    if not project.busy:
        project.stand_still(bool(still), _frame(first), _frame(last))


def _choose_tracker(project: Project, tracker: Any) -> None:
    if tracker is not None:
        project.choose_tracker(str(tracker))


def _choose_soft(project: Project, soft: Any) -> None:
    project.choose_soft(bool(soft))


def _track(project: Project, still: Any, first: Any, last: Any, tracker: Any, soft: Any) -> None:
    _choose_tracker(project, tracker)
    _choose_soft(project, soft)
    project.track(bool(still), _frame(first), _frame(last))


def _frame(given: Any) -> int | None:
    """A frame that may be left out."""
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise InputError("the first or the last frame is no number", "one is needed", "type it, or leave it empty")
    return round(given)


def _mark(project: Project, said: Any) -> None:
    """What marker.js says. It may be anything: it comes from outside."""
    said = said if isinstance(said, dict) else {}
    try:
        _of(_change_marks)(project, said.get("of"), said)
    finally:  # afterwards: whoever is shown this is shown what was done too
        project.heard = _time(said.get("told", 0))


def _change_marks(project: Project, said: dict[str, Any]) -> None:
    frame = _whole(said.get("frame", 0))
    if "thing" in said:
        _change_things(project, said["thing"])
    elif "overlay" in said:
        project.accept_overlay(_whole(said["overlay"]), bool(said.get("accepted")))
    elif said.get("layer") == "effects":
        _mark_effects(project, frame, said)
    elif "box" in said:
        left, top, width, height = (_whole(number) for number in _list(said["box"], 4))
        project.mark_box(frame, (left, top, width, height))
    elif "click" in said:
        x, y = (_whole(number) for number in _list(said["click"], 2))
        project.mark_click(frame, x, y)
    elif "painted" in said:
        project.mark_painted(frame, str(said["painted"]), erase=bool(said.get("erase")))
    elif said.get("absent"):
        project.mark_absent(frame)
    elif said.get("undo"):
        project.undo()
    elif said.get("clear"):
        project.unmark(frame)


def _change_things(project: Project, said: Any) -> None:
    said = said if isinstance(said, dict) else {}
    if "choose" in said:
        project.choose_thing(_whole(said["choose"]))
    elif "name" in said:
        project.rename_thing(str(said["name"]))
    elif said.get("add"):
        project.add_thing()
    elif said.get("forget"):
        project.forget_thing()


def _mark_effects(project: Project, frame: int, said: dict[str, Any]) -> None:
    if "painted" in said:
        project.paint_effects(frame, str(said["painted"]), erase=bool(said.get("erase")))
    elif said.get("undo"):
        project.undo_effects()
    elif said.get("clear"):
        project.restore_effects(frame)


def _list(given: Any, count: int) -> list[Any]:
    if not isinstance(given, list) or len(given) != count:
        raise InputError("the mark has not arrived whole", f"{count} numbers are needed", "try again")
    return given


def _time(given: Any) -> float:
    return given if isinstance(given, int | float) and math.isfinite(given) else 0


def _whole(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given) or abs(given) > 1e6:
        raise InputError("the mark has not arrived whole", "numbers of pixels are needed", "try again")
    return round(given)
