"""Frames that are painted elsewhere, in the studio: taken out, given back, passed on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from cleanplate.commands.settings import read_settings
from cleanplate.errors import InputError
from cleanplate.imaging.pixels import narrow
from cleanplate.imaging.visualise import TINTS
from cleanplate.studio import tasks, thumbnails, views
from cleanplate.studio.forms import as_command
from cleanplate.studio.paintings import frame_in
from cleanplate.studio.project import Project
from cleanplate.video.images import read_image, write_png
from cleanplate.video.reader import stream_frames
from cleanplate.video.writer import write_video
from tests.studio.page import N_FRAMES as SHOWN_FRAMES
from tests.studio.page import SIZE as SHOWN_SIZE
from tests.studio.page import Opened, saved
from tests.studio.test_studio_project import (
    MADE,
    N_FRAMES,
    SIZE,
    Turns,
    begin,
    clean,
    long,
    painted,
    quick,
    square,
    track,
    video,
)

__all__ = ["begin", "long", "quick", "video"]  # fixtures
Begin = Callable[..., Project]


@pytest.fixture
def project(begin: Begin, quick: Turns) -> Project:
    """Its thing is marked and tracked."""
    project = begin()
    project.choose_effects(False)
    project.mark_painted(2, painted(square(40)))
    track(project, quick)
    return project


def picture(path: Path, size: tuple[int, int] = SIZE, colour: int = 200, channels: int = 3) -> Path:
    cv2.imwrite(str(path), np.full((*size, channels), colour, np.uint8))
    return path


def test_a_frame_is_taken_out_as_it_stands(project: Project, quick: Turns, long: Turns) -> None:
    assert project.video is not None
    frames = list(stream_frames(project.video))
    project.take_out(3)
    quick.do()
    assert project.paintings.taken_out is not None
    assert project.paintings.taken_out.name == f"{project.name}-00003.png"
    assert np.array_equal(read_image(project.paintings.taken_out), narrow(frames[3]))
    assert project.paintings.taken_out.name.replace("&", "&amp;") in views.taken_out(project)

    # Of the result, if that has it: it begins at frame 1 of the shot.
    run = clean(project)
    grey = torch.tensor([50, 100]).reshape(2, 1, 1, 1).expand(2, 3, *SIZE) / 255
    write_video(run / MADE.name, grey, fps=24)
    long.end("done", result=replace(MADE, frames=2, first=1))
    for frame, level in ((1, 50), (2, 100)):
        project.take_out(frame)
        quick.do()
        assert (read_image(project.paintings.taken_out)[..., 1] == level).all()
    project.take_out(3)
    quick.do()
    assert np.array_equal(read_image(project.paintings.taken_out), narrow(frames[3]))
    with pytest.raises(InputError, match=f"no frame {N_FRAMES}"):
        project.take_out(N_FRAMES)


def test_what_comes_back_is_passed_on(project: Project, long: Turns, tmp_path: Path) -> None:
    project.paint_frame(picture(tmp_path / "a.png"), "My shot-00004.png")
    project.paint_frame(picture(tmp_path / "b.jpg"), "2.JPG")
    project.paint_frame(picture(tmp_path / "c.png", colour=90), "again & 4.png")
    assert not (tmp_path / "a.png").exists()
    assert views.paintings(project) == "<p class='facts'>Painted by you: 2.JPG, again &amp; 4.png</p>"
    run = clean(project)
    options = long.jobs[0].arguments[0]
    told = [word.partition(":") for word in options.reference]
    assert [frame for frame, _, _ in told] == ["2", "4"]
    assert (read_image(Path(told[1][2])) == 90).all(), "the later one of a frame counts"
    assert read_settings(run / "settings.toml")["reference"] == ("2:2.JPG", "4:again & 4.png")
    long.do()
    assert project.result is not None
    assert project.result.painted > 0.2
    assert f"{project.result.painted:.1%} painted by you" in views.shares(project)
    tint = cv2.imread(str(thumbnails.numbered(run / tasks.PROVENANCE, 4, ".png")), cv2.IMREAD_UNCHANGED)
    assert tint is not None
    assert (tint[tint[..., 3] > 0][:, 2::-1] == TINTS[3]).all()
    result = list(stream_frames(run / "clean.mkv"))
    for frame in (2, 4):
        assert (np.abs(narrow(result[frame])[25, 45].astype(int) - (200 if frame == 2 else 90)) <= 1).all()

    project.forget_paintings()
    assert views.paintings(project) == ""
    assert list(project.store.paintings.iterdir()) == []
    clean(project)
    assert long.jobs[0].arguments[0].reference == ()


def test_those_outside_the_part_that_is_cleaned_stay_behind(project: Project, long: Turns, tmp_path: Path) -> None:
    for frame in (0, 3, 5):
        project.paint_frame(picture(tmp_path / "one.png"), f"{frame}.png")
    settings = {"method": "carry", "start": "2", "end": "5"}
    project.clean(as_command(settings), settings, ".mkv")
    assert [word.partition(":")[0] for word in long.jobs[0].arguments[0].reference] == ["3"]


@pytest.mark.parametrize(
    ("name", "made", "said"),
    [
        ("clean.png", {}, "clean.png does not tell its frame"),
        ("clean-6.png", {}, "clean-6.png does not tell its frame"),
        ("clean-1.gif", {}, "clean-1.gif is not an image by its name"),
        ("clean-1.png", {"size": (64, 64)}, "clean-1.png is 64x64 and frames are 96x64"),
        ("clean-1.png", {"channels": 4, "colour": 0}, "clean-1.png is wholly transparent"),
        ("clean-1.png", None, "clean-1.png"),
    ],
)
def test_what_cannot_be_used_is_told_and_the_earlier_one_stays(
    project: Project, tmp_path: Path, name: str, made: dict[str, Any] | None, said: str
) -> None:
    project.paint_frame(picture(tmp_path / "good.png"), "good 1.png")
    sent = tmp_path / "sent.png"
    if made is None:
        sent.write_bytes(b"no image")
    else:
        picture(sent, **made)
    with pytest.raises(InputError) as told:
        project.paint_frame(sent, name)
    assert said in str(told.value)
    assert str(project.folder) not in str(told.value)
    assert [one.name for one in project.paintings.by_frame.values()] == ["good 1.png"]
    assert [path.name for path in project.store.paintings.iterdir()] == ["00001.png"]


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("ball-00004-2", 4),  # a browser's second download, and how others call a copy
        ("ball-00004 (1)", 4),
        ("ball-00004 copy 2", 4),
        ("00012-00004_v3", 4),
        ("IMG_12345-3", 3),
        ("20240102-3", 3),
        ("2", 2),
        ("ball", None),
    ],
)
def test_a_copy_is_of_the_frame_that_was_taken_out(name: str, frame: int | None) -> None:
    assert frame_in(name) == frame


def test_one_wrong_name_leaves_the_others(project: Project, tmp_path: Path) -> None:
    pytest.importorskip("gradio")
    from cleanplate.studio.clean_step import _give_back

    _give_back(project, [str(picture(tmp_path / name)) for name in ("a.png", "shot-00003.png", "b.png", "4.png")])
    assert sorted(project.paintings.by_frame) == [3, 4]
    assert project.message.startswith("a.png does not tell its frame;")
    assert project.message.endswith("; not taken either: b.png")


def test_another_shot_has_none(project: Project, tmp_path: Path) -> None:
    project.paint_frame(picture(tmp_path / "one.png"), "1.png")
    project.begin_anew()
    assert project.paintings.by_frame == {}
    with pytest.raises(InputError, match="no shot"):
        project.paint_frame(picture(tmp_path / "one.png"), "1.png")


def test_painted_in_the_page(opened: Opened, tracked: str, tmp_path: Path) -> None:
    page = opened(tracked)
    page.wait_for_selector("#clean:not([disabled])")
    page.get_by_role("button", name="Painted by you").click()
    page.wait_for_timeout(1500)  # what was unfolded is still being built, and begins with 0
    page.locator("#painted-frame input").fill("4")
    page.locator("#painted-frame input").press("Enter")
    page.click("#take-out")
    page.locator("#taken-out a").wait_for()
    with page.expect_download() as waiting:
        page.locator("#taken-out a").click()
    path = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(path)
    assert path.stem.endswith("-00004")
    taken = read_image(path)
    assert taken.shape[:2] == SHOWN_SIZE
    assert SHOWN_FRAMES > 4

    write_png(path, np.full_like(taken, 255))
    page.set_input_files("#upload-painted input[type=file]", str(path))
    page.locator("#paintings", has_text=path.name).wait_for()
    page.get_by_label("Fast").check()
    page.click("#clean")
    page.locator("#shares", has_text="% painted by you").wait_for()  # an earlier result has advice
    kept = saved(page, "Provenance", tmp_path)
    levels = next(frame for index, frame in enumerate(stream_frames(kept)) if index == 4)
    found = set(np.unique(narrow(levels)))
    assert 192 in found
    assert 128 not in found  # all of its mask is painted; its shadow (64) is not
    page.once("dialog", lambda asked: asked.accept())
    page.click("#forget-painted")
    page.locator("#paintings .facts").wait_for(state="detached")
