"""The mathematics of the page's scripts, by node."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cleanplate.studio import views

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")


def said(script: str, words: str) -> Any:
    """What a piece of JavaScript is, after a script of the page."""
    source = (Path(views.__file__).parent / "assets" / f"{script}.js").read_text()
    command = [str(NODE), "-e", f"{source}\nconsole.log(JSON.stringify({words}))"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def shown(view: dict[str, float], point: tuple[float, float]) -> tuple[float, float]:
    """Where a point of the picture is on the stage."""
    return view["x"] + view["k"] * point[0], view["y"] + view["k"] * point[1]


def test_zooming_leaves_what_is_under_the_cursor_where_it_is() -> None:
    first, second = said(
        "zoom", "[zoomedView(WHOLE, 3, [0.5, 0.25]), zoomedView(zoomedView(WHOLE, 3, [0.5, 0.25]), 2, [0.6, 0.3])]"
    )
    assert (first["k"], second["k"]) == (3, 6)
    assert shown(first, (0.5, 0.25)) == pytest.approx((0.5, 0.25))
    under = (0.6 - first["x"]) / 3, (0.3 - first["y"]) / 3
    assert shown(second, under) == pytest.approx((0.6, 0.3))


def test_nothing_beyond_the_picture_is_shown() -> None:
    out, in_, moved, back = said(
        "zoom",
        "[zoomedView({k: 2, x: -1, y: 0}, 0.1, [0.9, 0.9]), zoomedView(WHOLE, 1000, [1, 1]),"
        " movedView({k: 2, x: -0.5, y: -0.5}, [-3, 0.25]), movedView({k: 2, x: -0.5, y: -0.5}, [3, 3])]",
    )
    assert out == {"k": 1, "x": 0, "y": 0}
    assert in_ == {"k": 16, "x": -15, "y": -15}
    assert moved == {"k": 2, "x": -1, "y": -0.25}
    assert back == {"k": 2, "x": 0, "y": 0}


def test_a_point_that_is_moved_out_of_sight_is_followed() -> None:
    inside, left = said(
        "zoom", "[viewWith({k: 2, x: -0.5, y: -0.5}, [0.5, 0.5]), viewWith({k: 4, x: -1, y: -1}, [0.2, 0.3])]"
    )
    assert inside == {"k": 2, "x": -0.5, "y": -0.5}
    assert shown(left, (0.2, 0.3)) == pytest.approx((0.1, 0.2))


def test_keys_mean_what_the_help_says_and_nothing_where_one_types() -> None:
    cases = {
        "actionOf('ArrowLeft', {}, {tag: 'CANVAS'})": ["step", -1],
        "actionOf('ArrowRight', {shift: true}, {tag: 'BODY'})": ["step", 10],
        "actionOf('ArrowRight', {}, {tag: 'INPUT', type: 'range'})": None,  # a slider has its own
        "actionOf('b', {}, {tag: 'INPUT', type: 'radio'})": ["tool", "paint"],
        "actionOf('E', {}, {tag: 'BUTTON'})": ["tool", "erase"],
        "actionOf('+', {}, {})": ["brush", 1],
        "actionOf('-', {}, {})": ["brush", -1],
        "actionOf('z', {}, {})": ["undo"],
        "actionOf('i', {}, {tag: 'CANVAS'})": ["zoom", 1],
        "actionOf('o', {}, {tag: 'INPUT', type: 'text'})": None,
        "actionOf('z', {ctrl: true}, {})": ["undo"],
        "actionOf('b', {ctrl: true}, {})": None,  # the browser's
        "actionOf('b', {}, {tag: 'INPUT', type: 'text'})": None,
        "actionOf('z', {ctrl: true}, {tag: 'TEXTAREA'})": None,
        "actionOf('ArrowLeft', {alt: true}, {})": None,
    }
    assert said("keys", f"[{', '.join(cases)}]") == list(cases.values())


def test_space_is_for_what_has_the_focus_where_it_means_something() -> None:
    cases = {
        "takesSpace({tag: 'CANVAS'})": False,
        "takesSpace({tag: 'BODY'})": False,
        "takesSpace({tag: 'INPUT', type: 'range'})": False,
        "takesSpace({tag: 'INPUT', type: 'text'})": True,
        "takesSpace({tag: 'INPUT', type: 'checkbox'})": True,
        "takesSpace({tag: 'BUTTON', type: 'button'})": True,
        "takesSpace({tag: 'SUMMARY'})": True,
        "takesSpace({tag: 'DIV', editable: true})": True,
    }
    assert said("keys", f"[{', '.join(cases)}].map(Boolean)") == list(cases.values())


def test_the_brush_grows_and_shrinks_within_bounds() -> None:
    sizes = "brushSize(20, 1), brushSize(24, -1), brushSize(2, 1), brushSize(160, 1), brushSize(2, -1)"
    assert said("brush", f"[{sizes}]") == [24, 20, 3, 160, 2]


def test_onion_skin_shows_the_frames_beside_or_the_marks_beside() -> None:
    cases = {
        "framesBeside(5, 9, true, [2])": [4, 6],
        "framesBeside(0, 9, true, [])": [None, 1],
        "framesBeside(8, 9, true, [])": [7, None],
        "framesBeside(5, 9, false, [1, 3, 5, 7, 8])": [3, 7],
        "framesBeside(5, 9, false, [])": [None, None],
    }
    assert said("onion", f"[{', '.join(cases)}]") == list(cases.values())
