"""The studio in a real browser: several things, and what is found over the shot."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from cleanplate import write_video
from tests.overlaid import logo, pan
from tests.studio.page import Opened, Shot, covered, drag, mark, scrub, tool, upload


def chip(page: Any, name: str) -> Any:
    return page.locator("#marker .things").get_by_role("button", name=name, exact=True)


def test_things_have_names_and_colours_and_marks_of_their_own(opened: Opened, shot: Shot) -> None:
    page = opened()
    upload(page, shot.path)
    mark(page, shot, 6)
    ball = covered(page)
    chip(page, "+ Another thing").focus()
    page.keyboard.press("Enter")
    name = page.get_by_label("Name of the thing")
    page.wait_for_function("document.querySelector('#marker .things input').value === 'Thing 2'")
    assert page.evaluate("document.activeElement.textContent") == "+ Another thing"  # in the list that is made anew
    assert not covered(page).any()
    assert np.array_equal(covered(page, "others"), ball)  # it is still shown
    name.fill("<i>lamp</i>")
    name.press("Enter")
    tool(page, "Paint")
    drag(page, 0.1, 0.1, 0.2, 0)
    page.wait_for_function("document.querySelector('#marker canvas.marks').dataset.drawn === '6'")
    lamp = covered(page)
    assert lamp.any()
    chip(page, "Thing 1").click()
    chip(page, "<i>lamp</i>").wait_for()
    page.wait_for_function("document.querySelector('#marker .things input').value === 'Thing 1'")
    page.wait_for_selector("#marker canvas.marks[data-drawn='6']")
    assert np.array_equal(covered(page), ball)
    colours = page.evaluate("[...document.querySelectorAll('#marker .things .swatch')].map((i) => i.style.background)")
    assert len(set(colours)) == 2

    chip(page, "Forget this thing").click()  # it is asked about, and declined here
    page.wait_for_timeout(300)
    assert name.input_value() == "Thing 1"

    again = opened(page.url)
    chip(again, "<i>lamp</i>").wait_for()
    scrub(again, "#marker", 6)
    again.wait_for_selector("#marker canvas.others[data-drawn='6']")
    assert np.array_equal(covered(again, "others"), lamp)


def test_a_logo_is_suggested_shown_and_taken(opened: Opened, tmp_path: Path) -> None:
    colour, where = logo()
    frames = np.where(where[..., None], colour, np.stack(pan("astronaut", 40, (1.7, 0.4))))
    path = tmp_path / "logo.mp4"
    write_video(path, torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255, fps=25)
    page = opened()
    upload(page, path)
    scrub(page, "#marker", 3)
    page.click("#look")
    page.locator("#found", has_text="Suggestions").wait_for()
    (row,) = page.locator("#marker .overlay").all()
    assert "Stands still, frames 0 to 39, certainty 0." in row.inner_text()
    page.wait_for_selector("#marker canvas.found[data-drawn]")
    outline = covered(page, "found")
    assert outline.any()
    assert outline.mean() < 0.5 * where.mean()
    row.get_by_role("button").click()
    page.wait_for_selector("#marker .screen[data-shown='19']")
    row.get_by_role("checkbox").check()
    page.wait_for_selector("#marker canvas.found[data-taken='1']")
    assert covered(page, "found")[where].mean() > 0.8
    assert "Press Track" in page.inner_text("#advice")

    page.get_by_label("It stands still").check()
    page.locator("#first input").fill("9")
    page.locator("#last input").fill("3")
    tool(page, "Box")
    drag(page, 0.1, 0.4, 0.3, 0.3)
    page.get_by_role("button", name="Frame 19, marked").wait_for()
    page.set_viewport_size({"width": 1280, "height": 400})
    page.click("#track")
    page.locator("#message", has_text="the first frame 9 comes after the last one 3").wait_for()
    place = page.locator("#message .alert").bounding_box()
    assert page.evaluate("scrollY") > 100 > place["y"] >= 0  # it is seen, wherever one has scrolled to
    assert page.locator("#first input").input_value() == "9"  # what was typed stays, to be corrected
