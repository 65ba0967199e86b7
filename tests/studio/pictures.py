"""The pictures of docs/studio.md, taken of the page as it is: `python -m tests.studio.pictures docs/images/studio`."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from cleanplate.data.demo import make_demo
from tests.studio.conftest import CHROMIUM, SWITCHES
from tests.studio.page import Shot, clean, drag, scrub, tabs, tool, track, unfold
from tests.studio.server import start, started

FRAME = 24  # with the ball in the middle
WIDTH, HEIGHT = 1100, 760
QUALITY = 80  # of the JPEGs


def take_pictures(folder: Path) -> None:
    """Do what docs/studio.md tells, and take a picture of each step."""
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        process = start(Path(scratch))
        try:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
            with tabs(browser, started(process, Path(scratch))) as open_page:
                page = open_page(width=WIDTH)
                page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
                steps(page, folder)
                narrow = open_page(page.url, width=326, scheme="dark")
                narrow.set_viewport_size({"width": 326, "height": 870})
                narrow.wait_for_selector("#compare .screen[data-shown]")
                narrow.locator("#compare").scroll_into_view_if_needed()
                shown(narrow, folder / "8-narrow-dark.jpg")
            browser.close()
        finally:
            process.terminate()
            process.communicate()


def steps(page: Any, folder: Path) -> None:
    """From the empty page to the result."""
    shown(page, folder / "1-shot.jpg")
    page.click("#demo")
    page.wait_for_selector("#marker .screen[data-shown]")
    scrub(page, "#marker", FRAME)
    tool(page, "Box")
    page.locator("#marker").scroll_into_view_if_needed()
    box = Shot(Path(), make_demo()).box(FRAME)
    drag(page, *box, before_release=lambda: shown(page, folder / "2-box.jpg"))
    page.get_by_role("button", name=f"Frame {FRAME}, marked").wait_for()
    page.wait_for_selector(f"#marker canvas.marks[data-drawn='{FRAME}']")
    shown(page, folder / "3-marked.jpg")
    track(page)
    scrub(page, "#marker", 2 * FRAME)
    page.wait_for_selector(f"#marker canvas.marks[data-drawn='{2 * FRAME}']")
    page.evaluate("document.querySelector('#marker').scrollIntoView()")
    shown(page, folder / "4-tracked.jpg")
    unfold(page, "Advanced")
    page.locator("#advanced").screenshot(path=folder / "9-advanced.jpg", type="jpeg", quality=QUALITY)
    unfold(page, "Advanced")
    clean(page, "Standard")
    page.wait_for_selector("#working img", state="attached", timeout=180_000)
    page.evaluate("document.querySelector('#working').scrollIntoView()")  # it is drawn anew all the time
    shown(page, folder / "5-working.jpg")
    page.wait_for_selector("#compare .screen[data-shown]", timeout=300_000)
    scrub(page, "#compare", FRAME)
    page.locator("#compare").scroll_into_view_if_needed()
    page.locator("#compare").screenshot(path=folder / "6-compare.jpg", type="jpeg", quality=QUALITY)
    page.locator("#compare .tint-switch").check()
    page.wait_for_function("document.querySelectorAll('#compare .tint')[1].naturalWidth > 0")
    page.locator("#compare").screenshot(path=folder / "7-provenance.jpg", type="jpeg", quality=QUALITY)


def shown(page: Any, path: Path) -> None:
    """What is seen of the page."""
    page.screenshot(path=path, type="jpeg", quality=QUALITY)


if __name__ == "__main__":
    take_pictures(Path(sys.argv[1]))
