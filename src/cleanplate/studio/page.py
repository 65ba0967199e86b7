"""What is on the page, and what its controls do."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from cleanplate.config import METHODS
from cleanplate.errors import InputError
from cleanplate.studio import forms, views
from cleanplate.studio.project import RESULT_SUFFIXES, VIDEO_SUFFIXES, Project
from cleanplate.studio.projects import Desk
from cleanplate.weights import find_weights

ASSETS = Path(__file__).parent / "assets"
PULSE_S, HEARTBEAT_S = 0.7, 20.0

QUALITIES = {
    "Fast: copy what other frames show": "carry",
    "Standard: copy, and learn what no frame shows": "carry-learn",
    "Paper: a network learns all of it, for the time you give it": "dip-vid-flow",
}
STANDARD = list(QUALITIES)[1]
GONE = "This shot is not kept any more. Reload the page to begin anew."


def build(desk: Desk, title: str = "cleanplate studio") -> gr.Blocks:
    """The page."""
    player = (ASSETS / "player.js").read_text()
    scripts = {name: player + (ASSETS / f"{name}.js").read_text() for name in ("marker", "compare")}
    screen = "<div class='screen'></div>"

    with gr.Blocks(title=title, analytics_enabled=False) as page:
        token, seen = gr.Textbox(visible=False), gr.State(-1)
        # Whose values the controls under Advanced hold; it comes to the page together with them.
        prepared = gr.Textbox(QUALITIES[STANDARD], visible=False)
        pulse = gr.Timer(PULSE_S, active=False)
        heartbeat = gr.Timer(min(HEARTBEAT_S, desk.keep_s / 4))
        gr.HTML(
            "<div class='lead'><h1>cleanplate studio</h1>Remove a thing from a shot, and see which pixels are real. "
            "Your video stays on the machine that runs this page.</div>"
        )
        message = gr.HTML(elem_id="message")
        with gr.Column(elem_id="step-shot") as shot:
            gr.Markdown("## 1. The shot")
            with gr.Row(equal_height=True):
                types: list[str] = [*VIDEO_SUFFIXES]
                upload = gr.File(
                    label="Drop a video here, or choose one", file_types=types, height=160, elem_id="upload"
                )
                demo = gr.Button("Try it with a built-in shot", elem_id="demo", min_width=200)
        with gr.Column(visible=False, elem_id="step-mark") as marking:
            with gr.Row(equal_height=True):
                facts = gr.HTML(elem_id="facts")
                again = gr.Button("Another video", elem_id="again", size="sm", scale=0, min_width=140)
            gr.Markdown("## 2. Mark what to remove")
            marker = gr.HTML(None, html_template=screen, js_on_load=scripts["marker"], elem_id="marker")
            advice = gr.HTML(elem_id="advice")
            still = gr.Checkbox(
                label="It stands still", info="For a logo or subtitles: what is marked is removed from every frame."
            )
            track = gr.Button("Track", variant="primary", elem_id="track")
        with gr.Column(visible=False, elem_id="step-clean") as cleaning:
            gr.Markdown("## 3. Remove it")
            quality = gr.Radio(list(QUALITIES), value=STANDARD, label="Quality", elem_id="quality")
            note = gr.HTML(elem_id="note")
            minutes = gr.Slider(
                1, 480, value=10, step=1, visible=False, label="Minutes", info="The network learns for so long.",
                elem_id="minutes",
            )  # fmt: skip
            method, suffix, controls = _advanced()
            clean = gr.Button("Remove it", variant="primary", elem_id="clean")
        with gr.Column(visible=False, elem_id="working", elem_classes="working") as working:
            progress = gr.HTML(elem_id="progress")
            cancel = gr.Button("Cancel", variant="stop", elem_id="cancel", size="sm")
        with gr.Column(visible=False, elem_id="step-compare") as comparing:
            gr.Markdown("## 4. Compare and keep")
            compare = gr.HTML(None, html_template=screen, js_on_load=scripts["compare"], elem_id="compare")
            shares, downloads = gr.HTML(elem_id="shares"), gr.HTML(elem_id="downloads")

        shown = [
            seen, message, shot, marking, facts, marker, advice, track, cleaning, clean, working, progress, pulse,
            comparing, compare, shares, downloads, note,
        ]  # fmt: skip

        def look(project: Project) -> list[Any]:
            with project.lock:
                busy, tracked = project.busy, project.tracked is not None
                ready = tracked and not project.stale
                name = "Track again" if tracked else "Track"
                return [
                    project.version,
                    views.message(project),
                    gr.update(visible=project.facts is None and not busy),
                    gr.update(visible=project.facts is not None),
                    views.facts(project),
                    views.marker(project),
                    views.advice(project),
                    gr.update(value=name, interactive=not busy, variant="secondary" if ready else "primary"),
                    gr.update(visible=ready),
                    gr.update(interactive=not busy),
                    gr.update(visible=busy),
                    views.progress(project),
                    gr.Timer(active=busy),
                    gr.update(visible=project.result is not None),
                    views.compare(project),
                    views.shares(project),
                    views.downloads(project),
                    gr.skip(),
                ]

        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}

        def does(act: Callable[..., Any]) -> Callable[..., list[Any]]:
            """An event's function: act on the project, and show what has become of it."""

            def answer(token: str, *given: Any) -> list[Any]:
                project = desk.find(token)
                if project is None:
                    raise gr.Error(GONE)
                try:
                    with project.lock:
                        project.message = ""
                    act(project, *given)
                except InputError as error:
                    project.changed(str(error))
                return look(project)

            return answer

        def arrive(known: str) -> list[Any]:
            project = desk.find(known) or desk.begin()
            return [project.token, *look(project)]

        def tick(token: str, seen: int) -> list[Any]:
            project = desk.find(token)
            if project is None:
                gone = f"<div class='alert' role='alert'>{GONE}</div>"
                return [gone if component is message else gr.skip() for component in shown]
            if project.version != seen:
                return look(project)
            return [views.progress(project) if component is progress else gr.skip() for component in shown]

        page.load(arrive, token, [token, *shown], js=TOKEN_OF_PAGE, **quiet).then(None, token, None, js=PAGE_OF_TOKEN)
        pulse.tick(tick, [token, seen], shown, **quiet)
        heartbeat.tick(tick, [token, seen], shown, **quiet)

        upload.upload(does(_take), [token, upload], shown, **quiet).then(lambda: None, None, upload, **quiet)
        demo.click(does(lambda project: project.take_demo()), token, shown, **quiet)
        again.click(does(lambda project: project.begin_anew()), token, shown, **quiet)

        def mark(token: str, event: gr.EventData) -> list[Any]:
            return does(_mark)(token, event._data)

        marker.input(mark, token, shown, trigger_mode="multiple", concurrency_id="mark", concurrency_limit=1, **quiet)
        track.click(does(lambda project, still: project.track(bool(still))), [token, still], shown, **quiet)
        cancel.click(does(lambda project: project.cancel()), token, shown, **quiet)
        clean.click(does(_clean), [token, quality, minutes, method, suffix, prepared, *controls], shown, **quiet)

        def prepare(quality: str, method: str) -> list[Any]:
            name = _method(quality, method)
            values = _presets(name)
            paper = not METHODS[name].carries
            return [gr.update(visible=paper), _note(name), name, *values]

        for chosen in (quality, method):
            chosen.change(prepare, [quality, method], [minutes, note, prepared, *controls], **quiet)
    return page


AS_ABOVE = "as chosen above"
TOKEN_OF_PAGE = "() => new URLSearchParams(location.search).get('shot') || ''"
PAGE_OF_TOKEN = """(token) => {
  const place = new URL(location);
  place.searchParams.set('shot', token);
  history.replaceState(null, '', place);
}"""


def _advanced() -> tuple[Any, Any, list[Any]]:
    """All options of the command line, folded away."""
    controls = {}
    with gr.Accordion("Advanced", open=False, elem_id="advanced"):
        gr.Markdown("What the command line offers too. Whatever is not changed stays as the quality has it.")
        with gr.Row():
            method = gr.Dropdown(
                [AS_ABOVE, *METHODS], value=AS_ABOVE, label="Method", info="The paper's begin with dip.",
                elem_id="method",
            )  # fmt: skip
            suffix = gr.Dropdown(
                list(RESULT_SUFFIXES), value=".mp4", label="File", info=".mkv is lossless.", elem_id="suffix"
            )
        preset = METHODS[QUALITIES[STANDARD]]
        for group, some in forms.grouped().items():
            with gr.Accordion(forms.TITLES[group], open=False), gr.Row():
                controls |= {option.name: forms.control(option, preset) for option in some}
    return method, suffix, [controls[option.name] for option in forms.options()]


def _method(quality: str, method: str) -> str:
    return method if method in METHODS else QUALITIES[quality]


def _lacks_weights(method: str) -> bool:
    """Whether a term of the method has no weights here."""
    if not METHODS[method].loss.perceptual:
        return False
    try:
        find_weights("vgg16")
    except InputError:
        return True
    return False


def _presets(method: str) -> list[Any]:
    """What the controls show for a method."""
    values = {option.name: forms.shown_value(option, METHODS[method]) for option in forms.options()}
    if _lacks_weights(method):
        values["loss.perceptual"] = 0
    return list(values.values())


def _note(method: str) -> str:
    if not _lacks_weights(method):
        return ""
    return (
        "<p class='facts'>The weights of VGG16 are not here, so the paper's perceptual term is switched off "
        "(Advanced, Losses). cleanplate inpaint dip-vid-flow on the command line says where to get them.</p>"
    )


def _take(project: Project, path: str) -> None:
    project.take(Path(path), Path(path).name)


def _mark(project: Project, said: Any) -> None:
    """What marker.js says. It may be anything: it comes from outside."""
    said = said if isinstance(said, dict) else {}
    frame = _whole(said.get("frame"))
    if "box" in said:
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


def _list(given: Any, count: int) -> list[Any]:
    if not isinstance(given, list) or len(given) != count:
        raise InputError("the mark has not arrived whole", f"{count} numbers are needed", "try again")
    return given


def _whole(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given) or abs(given) > 1e6:
        raise InputError("the mark has not arrived whole", "numbers of pixels are needed", "try again")
    return round(given)


def _clean(
    project: Project, quality: str, minutes: float, method: str, suffix: str, prepared: str, *shown: Any
) -> None:
    name = _method(quality, method)
    options, settings = forms.read(name, shown, prepared)
    if prepared != name and _lacks_weights(name):
        settings["loss.perceptual"] = 0.0
        options = forms.as_command(settings)
    if not METHODS[name].carries and options.max_seconds is None and options.max_steps is None:
        settings["max-seconds"] = 60.0 * minutes
        options = forms.as_command(settings)
    project.clean(options, settings, suffix)
