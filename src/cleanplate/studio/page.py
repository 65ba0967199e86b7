"""The page: its steps from top to bottom."""

import gradio as gr

from cleanplate.studio.clean_step import CleanStep
from cleanplate.studio.mark_step import MarkStep
from cleanplate.studio.projects import Projects
from cleanplate.studio.session import Session
from cleanplate.studio.steps import CompareStep, ShotStep, Working


def build(projects: Projects, title: str = "cleanplate studio") -> gr.Blocks:
    """The page."""
    with gr.Blocks(title=title, analytics_enabled=False) as page:
        gr.HTML(
            "<div class='lead'><h1>cleanplate studio</h1>Remove a thing from a shot, and see which pixels are real. "
            "Your video stays on the machine that runs this page.</div>"
        )
        session = Session(projects)
        shot, mark, clean, working, compare = ShotStep(), MarkStep(), CleanStep(), Working(), CompareStep()
        session.connect(page, [shot, mark, clean, clean.paint, working, compare], working.progress)
    return page
