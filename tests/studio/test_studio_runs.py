"""The studio in a real browser: from the upload to the download, lost pages, several tabs, options."""

import re
import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from cleanplate import cli
from tests.conftest import to_bytes
from tests.studio.page import (
    N_FRAMES,
    SIZE,
    Opened,
    Shot,
    choose,
    clean,
    covered,
    decoded,
    drag,
    make_shot,
    mark,
    option,
    psnr_db,
    saved,
    scrub,
    shaded,
    shadow_of,
    tool,
    track,
    unfold,
    upload,
)
from tests.studio.server import Server, children


def test_from_the_upload_to_the_download(
    opened: Opened, server: Server, shot: Shot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened()
    upload(page, shot.path)
    assert "256x128, 12 frames" in page.inner_text("#facts")
    mark_and_follow(page, shot)
    paint_and_follow_again(page, shot)
    clean(page, "Fast")
    page.wait_for_selector("#compare .screen[data-shown]")
    assert page.locator("#working").is_hidden()
    compare(page)
    made = keep(page, shot, tmp_path)

    # The settings make the command line do the same.
    shutil.copy(shot.path, tmp_path)
    (tmp_path / "Ball _ cup_-clean.mp4").rename(tmp_path / "kept.mp4")
    monkeypatch.chdir(tmp_path)
    assert cli.run(["inpaint", "--settings-file", "Ball _ cup_-settings.toml"]) == 0
    assert np.array_equal(decoded(tmp_path / "Ball _ cup_-clean.mp4"), made)

    cancel_a_second_run(page, server)
    assert "Cancelled" in page.inner_text("#message")
    assert np.array_equal(decoded(saved(page, "Result", tmp_path)), made)


def mark_and_follow(page: Any, shot: Shot) -> None:
    mark(page, shot, 6)
    ball = shot.demo.mask[6, 0].numpy()
    found = covered(page)
    assert (found & ball).sum() > 0.9 * ball.sum()
    assert found.sum() < 1.5 * ball.sum()
    track(page)
    scrub(page, "#marker", 2)
    page.wait_for_selector("#marker canvas.marks[data-drawn='2']")
    ball = shot.demo.mask[2, 0].numpy()
    assert (covered(page) & ball).sum() > 0.8 * ball.sum()  # it is followed, and shown over the moving shot

    page.locator("#marker .play").click()
    page.wait_for_selector("#marker .screen:not([data-shown='2'])")  # a certain frame may come and go unnoticed
    page.get_by_role("button", name="Pause").click()


def paint_and_follow_again(page: Any, shot: Shot) -> None:
    """Where it slips it is painted: that is a mark too, and the shot is tracked again."""
    scrub(page, "#marker", 2)
    tool(page, "Paint")
    left, top, width, height = shot.box(2)
    drag(page, left + 0.3 * width, top + 0.5 * height, 0.4 * width, 0)
    page.get_by_role("button", name="Frame 2, marked").wait_for()
    assert "track again" in page.inner_text("#advice").lower()
    assert page.locator("#clean").is_hidden()
    page.click("#track")
    page.wait_for_selector("#clean:not([disabled])")


def compare(page: Any) -> None:
    """One playhead for both, and the provenance over the result."""
    scrub(page, "#compare", 3)
    names = page.evaluate("[...document.querySelectorAll('#compare .picture')].map((one) => one.src)")
    assert [name.partition("?")[0].rpartition("/")[2] for name in names] == ["00003.jpg"] * 2
    assert "frames/" in names[0]
    assert "after/" in names[1]
    divide(page)
    page.locator("#compare .tint-switch").check()
    page.wait_for_function("document.querySelectorAll('#compare .tint')[1].naturalWidth > 0")
    shares = page.inner_text("#shares")
    carried, made_up = (float(number) for number in re.findall(r"([\d.]+)% (?:carried|made)", shares))
    assert carried + made_up == pytest.approx(100, abs=0.2)
    assert carried > 50


OVER = """([x, y]) => [...document.querySelectorAll('#compare figure')]
  .indexOf(document.elementFromPoint(x, y).closest('figure'))"""
ZOOMS = (
    "[...document.querySelectorAll('#compare .view')].map((one) => new DOMMatrix(getComputedStyle(one).transform).a)"
)


def divide(page: Any) -> None:
    """The line between before and after is where it is dragged to, both are zoomed alike, and lie side by side."""
    page.locator("#compare .stage").first.scroll_into_view_if_needed()
    place = page.locator("#compare .stage").first.bounding_box()

    def at(share: float) -> list[float]:
        return [place["x"] + share * place["width"], place["y"] + 0.3 * place["height"]]

    assert [page.evaluate(OVER, at(share)) for share in (0.4, 0.6)] == [0, 1]
    page.mouse.move(*at(0.5))
    page.mouse.down()  # on the line
    page.mouse.move(*at(0.25))
    page.mouse.up()
    assert [page.evaluate(OVER, at(share)) for share in (0.2, 0.3)] == [0, 1]
    assert page.locator("#compare .share").input_value() == "25"
    page.locator("#compare .share").fill("75")
    assert [page.evaluate(OVER, at(share)) for share in (0.7, 0.8)] == [0, 1]
    page.mouse.move(*at(0.6))
    page.mouse.wheel(0, -400)
    page.wait_for_function(f"{ZOOMS}.every((zoom) => Math.abs(zoom - Math.E) < 0.01)")
    page.locator("#compare .whole").click()
    assert page.evaluate(ZOOMS) == [1, 1]
    page.locator("#compare").get_by_role("button", name="Zoom in").click()
    assert page.evaluate(ZOOMS) == [1.5, 1.5]
    page.locator("#compare").get_by_role("button", name="Zoom out").click()
    page.locator("#compare .beside").check()
    left, right = (page.locator("#compare .stage").nth(index).bounding_box() for index in (0, 1))
    assert left["x"] + left["width"] < right["x"]
    assert left["y"] == right["y"]
    page.locator("#compare .beside").uncheck()


def keep(page: Any, shot: Shot, folder: Path) -> np.ndarray:
    """What is downloaded is what was asked for; the frames of the result."""
    result, mask, provenance, settings = (
        saved(page, what, folder) for what in ("Result", "Mask", "Provenance", "Settings")
    )
    assert (result.name, settings.name) == ("Ball _ cup_-clean.mp4", "Ball _ cup_-settings.toml")
    made, source = decoded(result), decoded(shot.path)
    truth, ball = to_bytes(shot.demo.truth), shot.demo.mask[:, 0].numpy()
    assert made.shape == source.shape == (N_FRAMES, *SIZE, 3)
    assert psnr_db(source, truth, ball) < 15
    assert psnr_db(made, truth, ball) > 24
    assert (decoded(mask)[..., 0] > 127)[ball].mean() > 0.9
    assert set(np.unique(decoded(provenance))) <= {0, 64, 128, 255}  # 64: carried, of an effect
    with av.open(str(result)) as held:
        assert len(held.streams.audio) == 1
    return made


def cancel_a_second_run(page: Any, server: Server) -> None:
    """Of the paper's method: it ends at once."""
    before = set(children(server.process.pid))
    choose(page, "Paper")
    begun_ms = waited_ms(page, "#clean", "visible")
    page.get_by_text("perceptual term is switched off").wait_for()
    page.wait_for_selector("#working img.preview")
    page.locator("#progress", has_text="Learning").wait_for()
    assert set(children(server.process.pid)) - before
    # A job's process has half a second to end by itself; on a busy machine each way of a click takes longer.
    assert waited_ms(page, "#cancel", "hidden") < 1000 + 2 * begun_ms
    assert set(children(server.process.pid)) <= before  # the process is gone, and with it its memory


def waited_ms(page: Any, button: str, state: str) -> float:
    """From the click until the bar of progress is there, or gone, as the user sees it."""
    page.evaluate(
        "(button) => document.querySelector(button)"
        ".addEventListener('click', () => { window.pressed = performance.now(); }, { once: true })",
        button,
    )
    page.click(button)
    page.wait_for_selector("#working", state=state)
    return page.evaluate("performance.now() - window.pressed")


def test_a_lost_page_finds_its_run_and_its_result_again(opened: Opened, tracked: str) -> None:
    page = opened(tracked)
    clean(page, "Paper")
    page.wait_for_selector("#working progress")
    page.context.close()  # in mid-run

    page = opened(tracked)
    page.wait_for_selector("#working progress")
    page.locator("#quality label.selected", has_text="Paper").wait_for()
    page.locator("#minutes input[type=number]").wait_for()
    page.click("#cancel")
    page.wait_for_selector("#working", state="hidden")
    clean(page, "Fast")
    page.wait_for_selector("#compare .screen[data-shown]")
    page.reload()
    page.wait_for_selector("#compare .screen[data-shown]")
    page.locator("#quality label.selected", has_text="Fast").wait_for()
    assert page.locator("#downloads a").count() == 4


def test_two_tabs_queue_and_do_not_mix(opened: Opened, shot: Shot, tracked: str, tmp_path: Path) -> None:
    other = make_shot(tmp_path / "other.mp4", seed=3)
    one, two = opened(tracked), opened()
    assert one.url != two.url
    upload(two, other.path)
    mark(two, other, 0)
    track(two)
    before = one.locator("#downloads").inner_html() if one.locator("#downloads").count() else ""
    clean(one, "Paper")
    one.wait_for_selector("#working progress")
    clean(two, "Fast")
    two.get_by_text("Waiting: 1 before you.").wait_for()
    one.click("#cancel")
    one.wait_for_selector("#working", state="hidden")
    two.wait_for_selector("#compare .screen[data-shown]")
    now = one.locator("#downloads").inner_html() if one.locator("#downloads").count() else ""
    assert now == before  # it has got nothing of the other's
    made, everywhere = decoded(saved(two, "Result", tmp_path)), np.ones((N_FRAMES, *SIZE), bool)
    own, others = (psnr_db(made, to_bytes(its.demo.truth), everywhere) for its in (other, shot))
    assert own > 25 > others


def test_advanced_options_are_those_of_the_command_line(opened: Opened, tracked: str, tmp_path: Path) -> None:
    page = opened(tracked)
    page.wait_for_selector("#marker .screen[data-shown]")
    choose(page, "Paper")
    page.wait_for_selector("#minutes")
    choose(page, "Fast")
    page.wait_for_selector("#minutes", state="hidden")  # and with them has come what the method has
    unfold(page, "Advanced", "Carry", "Reading, budget and machine")
    option(page, "carry.rounds").fill("0")
    option(page, "carry.rounds").blur()
    page.click("#clean")
    page.get_by_text("carry.rounds is 0").wait_for()  # as the command line says it
    option(page, "carry.rounds").fill("1")
    option(page, "start").fill("--output=elsewhere.mp4")  # no option can be smuggled in
    page.click("#clean")
    page.get_by_text("start is --output=elsewhere.mp4").wait_for()
    option(page, "start").fill("4")
    option(page, "dilate-px").fill("6")
    option(page, "dilate-px").blur()
    page.click("#clean")
    page.wait_for_selector("#working progress")  # not the end of an earlier result, that may be shown late
    page.wait_for_selector("#working", state="hidden")
    page.wait_for_selector("#compare .screen[data-shown]")
    settings = saved(page, "Settings", tmp_path).read_text()
    for line in ('method = "carry"', "carry.rounds = 1", "dilate-px = 6", 'start = "4"'):
        assert line in settings.splitlines()
    assert len(decoded(saved(page, "Result", tmp_path))) == N_FRAMES - 4
    scrub(page, "#compare", 0)
    before = page.locator("#compare .picture").first.get_attribute("src")
    assert "frames/00004.jpg" in before  # the frame of the shot that it was made of


def test_its_shadow_is_shown_painted_and_removed(opened: Opened, tmp_path: Path) -> None:
    rolled = shaded(make_shot(tmp_path / "rolled.mp4"))
    page = opened()
    upload(page, rolled.path)
    for frame in (2, 6, 10):
        mark(page, rolled, frame)
    track(page)
    scrub(page, "#marker", 6)
    page.wait_for_selector("#marker canvas.effects[data-drawn='6']")
    assert "its shadow" in page.inner_text("#advice")
    shadow = shadow_of(rolled, 6)
    found = covered(page, "effects")
    assert (found & shadow).sum() > 0.5 * shadow.sum()
    assert not (found & covered(page)).any()

    page.get_by_label("Its shadow too").uncheck()
    page.wait_for_selector("#marker canvas.effects:not([data-drawn])")
    assert not covered(page, "effects").any()
    page.get_by_label("Its shadow too").check()
    page.wait_for_selector("#marker canvas.effects[data-drawn='6']")

    tool(page, "Its shadow")
    assert page.locator("#marker .tools label", has_text="Box").is_hidden()
    drag(page, 0.1, 0.1, 0.2, 0)
    page.get_by_role("button", name="Frame 6, shadow painted").wait_for()
    page.wait_for_selector("#marker canvas.effects[data-drawn='6']")
    drawn = covered(page, "effects")
    assert drawn[round(0.1 * SIZE[0]), round(0.2 * SIZE[1])]
    assert (drawn & found).sum() == found.sum()
    clean(page, "Fast")  # the thing's mask is as it was: nothing is to be tracked again
    page.wait_for_selector("#compare .screen[data-shown]")
    mask = decoded(saved(page, "Mask", tmp_path))[6, ..., 0] > 127
    assert mask[drawn].mean() > 0.99
    page.get_by_role("button", name="As it was found").click()
    page.get_by_role("button", name="Frame 6, shadow painted").wait_for(state="detached")
    page.wait_for_selector("#marker canvas.effects[data-drawn='6']")
    assert np.array_equal(covered(page, "effects"), found)
    page.locator("#marker canvas.marks").focus()
    for key in ("b", "Enter", "Enter", "ArrowRight"):
        page.keyboard.press(key)
    tool(page, "The thing")  # a stroke is of one layer: it ends where another is chosen
    page.get_by_role("button", name="Frame 6, shadow painted").wait_for()
