"""The studio in a real browser: controls, by mouse and by keyboard, and whether they can be read."""

import re
from typing import Any

import numpy as np
import pytest

from tests.studio.page import SIZE, Opened, Shot, covered, drag, mark, option, scrub, tool, track, unfold, upload

SMALL = """() => [...document.querySelectorAll('body *')]
  .filter((one) => one.offsetParent && [...one.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim()))
  .map((one) => [parseFloat(getComputedStyle(one).fontSize), one.textContent.trim()])
  .filter(([px]) => px < 12)"""


# WCAG 2.1, 1.4.3: text against what is behind it, 4.5 to 1, or 3 to 1 where it is large.
PALE = """() => {
  const parts = (colour) => { const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const over = (top, under) => [0, 1, 2].map((k) => top[k] * top[3] + under[k] * (1 - top[3]));
  const behind = (one) => {
    if (!one) return [255, 255, 255];
    const colour = parts(getComputedStyle(one).backgroundColor);
    return colour[3] === 1 ? colour : over(colour, behind(one.parentElement));
  };
  const light = (colour) => colour.slice(0, 3).map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, k) => sum + c * [0.2126, 0.7152, 0.0722][k], 0);
  return [...document.querySelectorAll('body *')]
    .filter((one) => one.offsetParent && !one.closest('[disabled], .disabled')
      && [...one.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim()))
    .map((one) => {
      const style = getComputedStyle(one), ground = behind(one), px = parseFloat(style.fontSize);
      const [a, b] = [light(over(parts(style.color), ground)), light(ground)].sort((x, y) => y - x);
      const large = px >= 24 || (px >= 18.66 && style.fontWeight >= 700);
      return [(a + 0.05) / (b + 0.05) / (large ? 3 : 4.5), one.tagName, one.textContent.trim().slice(0, 40)];
    })
    .filter(([share]) => share < 1);
}"""


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_everything_fits_and_can_be_read(opened: Opened, tracked: str, width: int, scheme: str) -> None:
    page = opened(tracked, width, scheme)
    page.wait_for_selector("#marker .screen[data-shown]")
    unfold(page, "Advanced", "Carry", "How the result is written")
    option(page, "carry.rounds").wait_for()
    assert page.evaluate(SMALL) == []
    assert page.evaluate(PALE) == []
    page.add_style_tag(content="#facts * { color: #aaa !important; background: #fff !important }")
    assert page.evaluate(PALE) != []  # it does look
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    dark = sum(map(int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))[:3])) < 200
    assert dark == (scheme == "dark")
    assert "Times flow is estimated" in page.inner_text("#advanced")


def test_a_click_marks_and_what_stands_still_is_marked_everywhere(opened: Opened, shot: Shot) -> None:
    page = opened()
    upload(page, shot.path)
    scrub(page, "#marker", 6)
    tool(page, "Click")
    left, top, width, height = shot.box(6)
    page.locator("#marker canvas.marks").scroll_into_view_if_needed()
    place = page.locator("#marker canvas.marks").bounding_box()
    page.mouse.click(
        place["x"] + (left + width / 2) * place["width"], place["y"] + (top + height / 2) * place["height"]
    )
    page.get_by_role("button", name="Frame 6, marked").wait_for()
    page.wait_for_selector("#marker canvas.marks[data-drawn='6']")
    found, ball = covered(page), shot.demo.mask[6, 0].numpy()
    assert (found & ball).sum() > 0.8 * ball.sum()
    assert found.sum() < 2 * ball.sum()
    page.get_by_label("It stands still").check()
    track(page)
    for frame in (0, 11):
        scrub(page, "#marker", frame)
        page.wait_for_selector(f"#marker canvas.marks[data-drawn='{frame}']")
        there = covered(page)
        assert (there & found).sum() > 0.95 * (there | found).sum()
    page.click("#again")  # it is asked about, and declined here
    assert page.locator("#step-mark").is_visible()
    page.once("dialog", lambda asked: asked.accept())
    page.click("#again")
    page.wait_for_selector("#upload")
    assert page.locator("#step-mark").is_hidden()


def test_what_was_marked_can_be_taken_back(opened: Opened, shot: Shot) -> None:
    page = opened()
    upload(page, shot.path)
    undo = page.get_by_role("button", name="Undo")
    assert undo.is_disabled()
    mark(page, shot, 6)
    found = covered(page)
    track(page)
    scrub(page, "#marker", 2)
    page.wait_for_selector("#marker canvas.marks[data-drawn='2']")
    followed = covered(page)
    tool(page, "Paint")
    drag(page, 0.1, 0.1, 0.2, 0)
    page.get_by_role("button", name="Frame 2, marked").wait_for()
    assert page.locator("#clean").is_hidden()
    page.keyboard.down("Control")  # the picture has the focus
    for _ in range(3):
        page.keyboard.down("z")  # held, it takes back once
    page.keyboard.up("z")
    page.keyboard.up("Control")
    page.get_by_role("button", name="Frame 2, marked").wait_for(state="detached")
    page.wait_for_selector("#clean:not([disabled])")  # nothing is to be tracked again
    page.wait_for_selector("#marker canvas.marks[data-drawn='2']")
    assert np.array_equal(covered(page), followed)

    scrub(page, "#marker", 6)
    page.wait_for_selector("#marker canvas.marks[data-drawn='6']")
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("button", name="Frame 6, marked").wait_for(state="detached")
    undo.click()
    page.get_by_role("button", name="Frame 6, marked").wait_for()
    page.wait_for_selector("#marker canvas.marks[data-drawn='6']")
    assert np.array_equal(covered(page), found)
    undo.click()  # the box itself
    page.get_by_role("button", name="Frame 6, marked").wait_for(state="detached")
    page.wait_for_function("document.querySelector('#marker .undo').disabled")
    assert page.locator("#clean").is_hidden()  # what was tracked had it


def test_the_keyboard_does_it_all(opened: Opened, shot: Shot) -> None:
    page = opened()
    upload(page, shot.path)
    assert page.locator("#marker .screen").get_attribute("data-shown") == "6"
    head = page.locator("#marker .playhead")
    head.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("#marker .screen[data-shown='5']")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#marker .screen[data-shown='6']")

    # From the middle of the picture to a corner of the ball's box, and on to the other.
    left, top, width, height = (round(part * size) for part, size in zip(shot.box(6), SIZE[::-1] * 2, strict=True))
    page.locator("#marker canvas.marks").focus()
    at, far = [SIZE[1] // 2, SIZE[0] // 2], round(SIZE[1] / 60)

    def go(x: int, y: int) -> None:
        for axis, (to, keys) in enumerate(((x, ("ArrowLeft", "ArrowRight")), (y, ("ArrowUp", "ArrowDown")))):
            key, (steps, rest) = keys[to > at[axis]], divmod(abs(to - at[axis]), far)
            for name, times in ((key, steps), (f"Shift+{key}", rest)):
                for _ in range(times):
                    page.keyboard.press(name)
            at[axis] = to

    page.keyboard.press("Enter")  # shows the pointer
    go(left, top)
    page.keyboard.press("Enter")
    go(left + width, top + height)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Frame 6, marked").wait_for()
    ball = shot.demo.mask[6, 0].numpy()
    page.wait_for_selector("#marker canvas.marks[data-drawn='6']")
    assert (covered(page) & ball).sum() > 0.9 * ball.sum()
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowLeft")  # of the shot again
    page.wait_for_selector("#marker .screen[data-shown='5']")
    page.locator("#track").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#clean:not([disabled])")


def test_what_is_not_in_a_frame_is_said_and_a_list_leads_to_frames(opened: Opened, shot: Shot) -> None:
    page = opened()
    upload(page, shot.path)
    mark(page, shot, 6)
    scrub(page, "#marker", 9)
    page.get_by_role("button", name="Not in this frame").click()
    there = page.get_by_role("button", name="Frame 9, not there")
    there.wait_for()
    track(page)
    scrub(page, "#marker", 10)
    page.wait_for_function("document.querySelector('#marker canvas.marks').dataset.drawn === '10'")
    assert not covered(page).any()
    slow: list[Any] = []
    page.route("**/mask-1/00003.png*", lambda route: slow.append(route))
    page.locator("#marker .playhead").fill("3")
    page.wait_for_timeout(300)
    assert page.locator("#marker .screen").get_attribute("data-shown") == "10"  # no picture without its tint
    slow[0].continue_()
    page.wait_for_selector("#marker canvas.marks[data-drawn='3']")
    assert covered(page).any()
    there.click()
    page.wait_for_selector("#marker .screen[data-shown='9']")
    page.keyboard.press("e")
    assert page.get_by_role("radio", name="Erase").is_checked()
    scrub(page, "#marker", 6)
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("button", name="Frame 6, marked").wait_for(state="detached")
    page.wait_for_selector("#marker canvas.marks[data-drawn='6']")
    assert covered(page).any()  # what was tracked
    page.evaluate("document.querySelector('#marker .brush input').value = 160")
    for row in np.arange(0.1, 1, 0.2):
        drag(page, 0.02, row, 0.96, 0)
    page.get_by_role("button", name="Frame 6, not there").wait_for()
    page.wait_for_selector("#marker canvas.marks[data-drawn='6']")
    assert not covered(page).any()  # the tint does not come back


def test_a_stroke_goes_on_while_the_one_before_is_answered(opened: Opened, shot: Shot) -> None:
    page = opened()
    upload(page, shot.path)
    tool(page, "Paint")
    drag(page, 0.1, 0.2, 0.1, 0)
    place = page.locator("#marker canvas.marks").bounding_box()
    across = [place["x"] + part * place["width"] for part in (0.1, 0.5, 0.9)]
    row = place["y"] + 0.7 * place["height"]
    page.mouse.move(across[0], row)
    page.mouse.down()
    page.mouse.move(across[1], row)
    page.get_by_role("button", name="Frame 6, marked").wait_for()  # the answer to the first
    page.wait_for_timeout(300)  # its picture would be there
    page.mouse.move(across[2], row)
    page.mouse.up()
    page.wait_for_selector("#marker canvas.marks[data-drawn='6']")
    both = covered(page)
    assert both[round(0.2 * SIZE[0]), round(0.15 * SIZE[1])]
    assert both[round(0.7 * SIZE[0]), round(0.1 * SIZE[1]) + 2 : round(0.9 * SIZE[1]) - 2].all()

    # One that is open ends where something else is done, and one that is given up leaves nothing.
    page.locator("#marker canvas.marks").focus()
    elsewhere = ("Enter", *["ArrowUp"] * 8, "Enter", "ArrowRight")  # shows the pointer, moves it, begins, goes on
    for key in elsewhere:
        page.keyboard.press(key)
    assert not np.array_equal(covered(page), both)
    page.keyboard.press("Escape")
    page.wait_for_selector("#marker canvas.marks[data-drawn='6']")
    assert np.array_equal(covered(page), both)
    for key in elsewhere:
        page.keyboard.press(key)
    page.get_by_role("button", name="Undo").click()
    page.wait_for_selector("#marker canvas.marks[data-drawn='6']")
    first = covered(page)
    assert (first & both).sum() == first.sum() < both.sum()
    # What is painted while an answer is on its way is not lost, nor painted over that answer: it comes after it.
    page.get_by_role("button", name="Undo").click()
    drag(page, 0.4, 0.4, 0.1, 0)
    page.wait_for_selector("#marker canvas.marks[data-drawn='6']")
    assert covered(page)[round(0.4 * SIZE[0]), round(0.45 * SIZE[1])]
    assert not (covered(page) & first).any()
    page.get_by_label("Name of the thing").fill("ball")
    drag(page, 0.1, 0.8, 0.1, 0)  # which ends the name
    page.wait_for_selector("#marker canvas.marks[data-drawn='6']")
    assert covered(page)[round(0.8 * SIZE[0]), round(0.15 * SIZE[1])]
    assert page.get_by_label("Name of the thing").input_value() == "ball"


SECOND_FINGER = """() => {
  const canvas = document.querySelector('#marker canvas.marks'), { left, top, width } = canvas.getBoundingClientRect();
  ['pointerdown', 'pointermove', 'pointerup'].forEach((name, step) => canvas.dispatchEvent(new PointerEvent(
    name, { pointerId: 99, bubbles: true, clientX: left + (0.2 + 0.2 * step) * width, clientY: top + 5 })));
}"""


def test_a_mark_is_of_the_frame_that_is_seen_when_it_begins(opened: Opened, shot: Shot) -> None:
    page = opened()
    upload(page, shot.path)
    tool(page, "Paint")
    slow: list[Any] = []
    page.route("**/frames/*.jpg*", lambda route: slow.append(route))
    page.locator("#marker canvas.marks").focus()
    page.keyboard.press("ArrowRight")  # its picture is on its way
    drag(page, 0.1, 0.2, 0.1, 0)
    page.get_by_role("button", name="Frame 6, marked").wait_for()
    for one in slow:
        one.continue_()
    page.unroute("**/frames/*.jpg*")
    assert page.locator("#marker .playhead").input_value() == "6"

    scrub(page, "#marker", 2)
    page.get_by_role("button", name="Play").click()
    page.wait_for_selector("#marker .screen:not([data-shown='2'])")
    seen: list[str | None] = []

    def look() -> None:
        page.wait_for_timeout(200)
        page.evaluate(SECOND_FINGER)
        seen.append(page.locator("#marker .screen").get_attribute("data-shown"))

    drag(page, 0.1, 0.6, 0.2, 0, before_release=look)
    page.get_by_role("button", name="Play").wait_for()  # it stands still
    page.wait_for_selector("#marker canvas.marks[data-drawn]")
    assert page.locator("#marker .screen").get_attribute("data-shown") == seen[0]
    assert covered(page)[round(0.6 * SIZE[0]), round(0.2 * SIZE[1])]
    assert not covered(page)[:10].any()  # a second finger paints nothing


def test_two_tabs_of_a_shot_paint_on_the_same_frame(opened: Opened, shot: Shot) -> None:
    one = opened()
    upload(one, shot.path)
    other = opened(one.url)
    other.wait_for_selector("#marker .screen[data-shown='6']")
    rows = {one: 0.2, other: 0.7}
    for page, row in rows.items():  # the other has not asked for what is new
        tool(page, "Paint")
        drag(page, 0.1, row, 0.2, 0)
        page.get_by_role("button", name="Frame 6, marked").wait_for()
        page.wait_for_selector("#marker canvas.marks[data-drawn='6']")
    first, second = (round(row * SIZE[0]) for row in rows.values())
    column = round(0.2 * SIZE[1])
    assert covered(other)[[first, second], column].all()
    tool(other, "Erase")
    drag(other, 0.1, rows[one], 0.2, 0)
    other.wait_for_selector("#marker canvas.marks[data-drawn='6']")
    assert covered(other)[[first, second], column].tolist() == [False, True]
    other.get_by_role("button", name="Undo").click()
    other.wait_for_selector("#marker canvas.marks[data-drawn='6']")
    assert covered(other)[[first, second], column].all()

    # A stroke is of one tool: it ends where another is chosen.
    other.locator("#marker canvas.marks").focus()
    for key in ("b", "Enter", *["ArrowDown"] * 6, "Enter", "ArrowRight", "e", "ArrowRight"):
        other.keyboard.press(key)
    other.wait_for_selector("#marker canvas.marks[data-drawn='6']")
    at = first + 6 * round(SIZE[1] / 60), round(0.1 * SIZE[1])
    assert covered(other)[at]

    # A mark is of the thing that its tab shows, whatever the other has chosen since.
    one.get_by_role("button", name="+ Another thing").click()
    one.wait_for_function("document.querySelector('#marker .things input').value === 'Thing 2'")
    assert other.get_by_label("Name of the thing").input_value() == "Thing 1"
    tool(other, "Paint")
    drag(other, 0.6, rows[one], 0.2, 0)
    other.wait_for_selector("#marker canvas.marks[data-drawn='6']")
    assert other.get_by_label("Name of the thing").input_value() == "Thing 1"
    assert covered(other)[first, [column, round(0.7 * SIZE[1])]].all()


def test_space_types_and_presses_while_the_mouse_rests_on_the_picture(opened: Opened, shot: Shot) -> None:
    page = opened()
    upload(page, shot.path)
    page.locator("#marker .stage").hover()
    page.get_by_label("Name of the thing").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("red ball")
    assert page.get_by_label("Name of the thing").input_value() == "red ball"
    page.get_by_role("button", name="Play").focus()
    page.keyboard.press(" ")
    page.get_by_role("button", name="Pause").wait_for()
    page.keyboard.press(" ")
    page.get_by_role("button", name="Play").wait_for()

    # Whoever presses a button of the picture by mouse goes on in the picture.
    mark(page, shot, 6)
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("button", name="Frame 6, marked").wait_for(state="detached")
    page.locator("#marker .stage").hover()
    page.keyboard.down(" ")
    assert page.locator("#marker .stage.held").count() == 1
    page.evaluate("window.dispatchEvent(new Event('blur'))")  # it may be let go elsewhere
    assert page.locator("#marker .stage.held").count() == 0
    page.keyboard.up(" ")


def test_a_zoomed_picture_is_marked_where_the_cursor_is(opened: Opened, shot: Shot) -> None:
    page = opened()
    upload(page, shot.path)
    page.set_viewport_size({"width": 1280, "height": 800})
    page.evaluate("scrollTo(0, 0)")
    assert page.locator("#track").bounding_box()["y"] + page.locator("#track").bounding_box()["height"] < 800
    place = page.locator("#marker .stage").bounding_box()
    at = place["x"] + 0.25 * place["width"], place["y"] + 0.5 * place["height"]
    page.mouse.move(*at)
    page.mouse.wheel(0, -600)
    page.wait_for_function("new DOMMatrix(getComputedStyle(document.querySelector('#marker .view')).transform).a > 3")
    page.keyboard.press("b")
    page.mouse.down()
    page.mouse.up()
    page.get_by_role("button", name="Frame 6, marked").wait_for()
    page.wait_for_selector("#marker canvas.marks[data-drawn='6']")
    rows, columns = np.nonzero(covered(page))
    assert (rows.mean(), columns.mean()) == pytest.approx((0.5 * SIZE[0], 0.25 * SIZE[1]), abs=1)
    radius_px = 14 * SIZE[1] / place["width"] / np.exp(1.5)  # half of 28 on the screen
    assert len(rows) < 2 * np.pi * max(radius_px, 1) ** 2 + 4

    before = page.evaluate("document.querySelector('#marker .view').style.transform")
    page.keyboard.down(" ")
    page.mouse.down()
    page.mouse.move(at[0] + 60, at[1] + 20)
    page.mouse.up()
    page.keyboard.up(" ")
    assert page.evaluate("document.querySelector('#marker .view').style.transform") != before
    page.get_by_role("button", name="Whole picture").click()
    box, stage = page.locator("#marker canvas.marks").bounding_box(), page.locator("#marker .stage").bounding_box()
    assert box == pytest.approx(stage)
    assert len(np.nonzero(covered(page))[0]) == len(rows)  # moving does not paint

    page.locator("#marker canvas.marks").focus()
    for key in ("i", "i", "Enter", *["ArrowUp"] * 60):  # the picture follows the pointer
        page.keyboard.press(key)
    view = page.evaluate("document.querySelector('#marker .view').style.transform")
    assert view.endswith(", 0%) scale(2.25)")
