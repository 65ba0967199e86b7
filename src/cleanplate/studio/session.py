"""What connects the page of a user with a project: its token, and what is shown when something has changed."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import gradio as gr

from cleanplate.errors import InputError
from cleanplate.studio import views
from cleanplate.studio.project import Project
from cleanplate.studio.projects import Projects

PULSE_S, HEARTBEAT_S = 0.7, 20.0  # between questions for what is new: while a job runs, and otherwise
GONE = "This shot is not kept any more. Reload the page to begin anew."
ANEW = "The shot of this address is not kept any more. This page is a new one: choose a video."
TOKEN_OF_PAGE = "() => new URLSearchParams(location.search).get('shot') || ''"
PAGE_OF_TOKEN = """(token) => {
  const place = new URL(location);
  place.searchParams.set('shot', token);
  history.replaceState(null, '', place);
}"""

Values = dict[Any, Any]
"""What components are to show, by component; those that are missing stay as they are."""


class Part(Protocol):
    """A part of the page. Its controls are made with it, where it is made."""

    outputs: list[Any]
    """The components that show something of the project."""

    def shown(self, project: Project) -> Values:
        """What they show of it."""
        ...

    def connect(self, session: "Session") -> None:
        """Say what its controls do."""
        ...


class Session:
    """Finds the project of a page, acts on it, and shows what has become of it. Made where messages are shown.

    Args:
        projects: where the project is found.
    """

    def __init__(self, projects: Projects):
        self.projects = projects
        self.token, self.version = gr.Textbox(visible=False), gr.State(-1)
        self.pulse = gr.Timer(PULSE_S, active=False)
        self.heartbeat = gr.Timer(min(HEARTBEAT_S, projects.keep_s / 4))
        self.message = gr.HTML(elem_id="message")
        self.parts: Sequence[Part] = ()
        self.outputs: list[Any] = []

    def connect(self, page: gr.Blocks, parts: Sequence[Part], progress: gr.HTML) -> None:
        """Let the page live: find its project when it is loaded, and ask for what is new.

        Args:
            page: it.
            parts: whose controls show something of the project, or act on it.
            progress: shows how far a job has come, at each pulse.
        """
        self.parts, self.progress = parts, progress
        self.outputs = [self.version, self.message, self.pulse, *(one for part in parts for one in part.outputs)]
        self.loaded = on(page.load, self._arrive, self.token, [self.token, *self.outputs], js=TOKEN_OF_PAGE)
        on(self.loaded.then, None, self.token, None, js=PAGE_OF_TOKEN)
        for timer in (self.pulse, self.heartbeat):
            on(timer.tick, self._tick, [self.token, self.version], self.outputs)
        for part in parts:
            part.connect(self)

    def on(self, event: Any, act: Callable[..., Any], *inputs: Any, **more: Any) -> Any:
        """When a control is used: act on the project, with what the inputs hold, and show what has become of it."""

        def answer(token: str, *given: Any) -> Values:
            return self.act(token, act, *given)

        return on(event, answer, [self.token, *inputs], self.outputs, **more)

    def note(self, event: Any, act: Callable[..., Any], *inputs: Any, **more: Any) -> Any:
        """When a control is used beside others: act on the project, and let the page ask for what has become of it.

        Such an answer may come after that of a control that was used later, so it must not say how things stand.
        """

        def answer(token: str, *given: Any) -> Values:
            project = self.projects.find(token)
            if project is not None:
                with contextlib.suppress(InputError):  # it is told when what was noted is used
                    act(project, *given)
            return {self.pulse: gr.Timer(active=True)}

        return on(event, answer, [self.token, *inputs], [self.pulse], **more)

    def act(self, token: str, act: Callable[..., Any], *given: Any) -> Values:
        """Act on the project of that token; what is to be shown then."""
        project = self.projects.find(token)
        if project is None:
            raise gr.Error(GONE)
        try:
            with project.lock:
                project.message = ""
            act(project, *given)
        except InputError as error:
            project.changed(str(error))
        return self._shown(project)

    def _shown(self, project: Project) -> Values:
        with project.lock:
            values = {
                self.version: project.version,
                self.message: views.message(project.message),
                self.pulse: gr.Timer(active=project.busy),
            }
            for part in self.parts:
                values |= part.shown(project)
            return values

    def _arrive(self, known: str) -> Values:
        project = self.projects.find(known)
        if project is None:
            project = self.projects.begin()
            project.changed(ANEW if known else "")
        return {self.token: project.token} | self._shown(project)

    def _tick(self, token: str, version: int) -> Values:
        project = self.projects.find(token)
        if project is None:
            return {self.message: views.message(GONE)}
        if project.version != version:
            return self._shown(project)
        return {self.progress: views.progress(project), self.pulse: gr.Timer(active=project.busy)}


def on(event: Any, answer: Callable[..., Any] | None, inputs: Any, outputs: Any, **more: Any) -> Any:
    """Connect an event of Gradio's: no spinner over what is shown, and no entry in its public interface."""
    return event(answer, inputs, outputs, show_progress="hidden", api_visibility="private", **more)
