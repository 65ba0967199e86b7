"""Who follows a thing in the studio: SAM 2 and its like where they are to be had, by stand-ins for their packages."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from cleanplate import write_video
from cleanplate.errors import InputError
from cleanplate.studio import views
from cleanplate.studio.project import Project
from cleanplate.studio.tracking import mask_folder
from cleanplate.track.marks import Mark
from cleanplate.track.matte import covered as widened
from cleanplate.track.matte import mattes
from cleanplate.track.tracker import track as track_frames
from cleanplate.video.areas import WHITE
from tests.rolling_ball import ball_shot, iou
from tests.studio.page import Opened, Shot, covered, mark, scrub, tabs, track, upload
from tests.studio.server import Server, needs_gradio, start, started
from tests.studio.test_studio_project import Turns, long, painted, quick
from tests.studio.test_studio_things import masks, without_effects
from tests.test_predictors import MODULES, FakePredictor, asked

__all__ = ["asked", "long", "quick"]

FRAMES, BALLS = (np.repeat(part, 3, axis=0) for part in ball_shot(1))


@pytest.fixture
def project(tmp_path: Path, quick: Turns, long: Turns) -> Project:
    """A ball that does not move, painted on frame 1."""
    folder, sent = tmp_path / "token", tmp_path / "sent.mkv"
    folder.mkdir()
    write_video(sent, torch.from_numpy(FRAMES).permute(0, 3, 1, 2).float() / 255, fps=24)
    project = Project("token", folder, quick, long)
    project.take(sent, "ball.mkv")
    quick.do()
    project.mark_painted(1, painted(BALLS[1]))
    return without_effects(project)


def jobs_of(quick: Turns) -> list[tuple[int, str, tuple[int, ...]]]:
    (job,) = quick.jobs
    return [(one.number, one.tracker, one.marks) for one in job.arguments[4]]


def test_whoever_is_chosen_follows_the_thing(
    project: Project, quick: Turns, asked: tuple[FakePredictor, list[tuple]]
) -> None:
    fake, built = asked
    project.choose_tracker("sam2")
    project.track(still=False)
    quick.do()
    assert [Path(one[1]).name for one in built] == ["sam2_hiera_large.pt"]
    assert fake.asked == [("mask", 1, 1, int(BALLS[1].sum()))]
    assert min(iou(mask, ball) for mask, ball in zip(masks(project), BALLS, strict=True)) > 0.95
    assert (project.cleanable, project.message) == (True, "")
    assert project.things.chosen.tracked is not None
    assert project.things.chosen.tracked.frames_to_review == (0,)  # as the stand-in says
    assert not list(project.folder.glob(".*"))  # the copies of the frames


def test_another_tracker_is_a_reason_to_track_anew(
    project: Project, quick: Turns, asked: tuple[FakePredictor, list[tuple]]
) -> None:
    project.track(still=False)
    assert jobs_of(quick) == [(1, "flow", (1,))]
    quick.do()
    before = project.version
    project.choose_tracker("flow")  # as it was
    assert (project.version, project.cleanable) == (before, True)
    project.choose_tracker("efficienttam")
    assert (project.version > before, project.stale) == (True, True)
    assert "how its mask is made, has changed" in views.advice(project)
    project.choose_tracker("flow")
    assert project.cleanable
    project.choose_tracker("efficienttam")
    project.add_thing()
    assert project.things.chosen.tracker == "efficienttam"  # who follows one follows the next
    project.choose_tracker("flow")
    project.mark_painted(2, painted(BALLS[2]))
    project.track(still=False)
    assert jobs_of(quick) == [(1, "efficienttam", (1,)), (2, "flow", (2,))]  # each its own
    quick.do()
    assert project.cleanable

    project.track(still=True)
    quick.do()
    project.choose_tracker("sam2")
    assert project.cleanable  # what stands still is followed by nobody


def test_all_that_has_any_of_a_thing_with_soft_edges_is_its_mask(
    project: Project, quick: Turns, tmp_path: Path
) -> None:
    blurred = np.stack([cv2.GaussianBlur(frame, (0, 0), 4) for frame in FRAMES])
    write_video(tmp_path / "again.mkv", torch.from_numpy(blurred).permute(0, 3, 1, 2).float() / 255, fps=24)
    project.take(tmp_path / "again.mkv", "ball.mkv")
    quick.do()
    project.mark_painted(1, painted(BALLS[1]))
    without_effects(project)
    project.track(still=False)
    quick.do()
    hard, before = masks(project), project.version
    project.choose_soft(False)  # as it was
    assert (project.version, project.cleanable) == (before, True)
    project.choose_soft(True)
    assert (project.version > before, project.stale) == (True, True)
    project.track(still=False)
    quick.do()
    soft = masks(project)
    frames = list(blurred)
    tracked = track_frames(frames, [Mark(1, BALLS[1])])
    alphas = list(mattes([tracked], frames))
    for index, alpha in enumerate(alphas):
        assert (soft[index] != widened(alpha)).mean() < 0.002  # the video's codec
        assert not (hard[index] & ~soft[index]).any()
        assert soft[index].sum() > 1.2 * hard[index].sum()
    # What is painted on is the thing without its soft edge.
    tint = project.store.tint(mask_folder(1), 0, BALLS[0].shape)
    assert (tint != (alphas[0] > WHITE)).mean() < 0.01
    project.add_thing()
    assert project.things.chosen.soft  # as the one before
    project.choose_soft(False)
    project.mark_painted(2, painted(BALLS[2]))
    project.track(still=False)
    assert [one.soft for one in quick.jobs[0].arguments[4]] == [True, False]
    with pytest.raises(InputError, match="this shot is being worked on"):
        project.choose_soft(True)
    quick.do()
    project.track(still=True)
    quick.do()
    project.choose_soft(True)
    assert project.cleanable  # what stands still is masked as it is marked


def test_track_brings_whether_the_edges_are_soft(project: Project, quick: Turns) -> None:
    pytest.importorskip("gradio")
    from cleanplate.studio.mark_step import _track

    _track(project, False, None, None, "flow", True)  # the tick itself may come later
    assert [one.soft for one in quick.jobs[0].arguments[4]] == [True]


def test_a_tracker_that_is_not_to_be_had_is_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLEANPLATE_WEIGHTS", raising=False)
    for name in ("sam2", "x"):
        with pytest.raises(InputError, match=f"there is no tracker '{name}' here; its package and its weights are ne"):
            project.choose_tracker(name)
    assert project.things.chosen.tracker == "flow"
    project.track(still=False)
    with pytest.raises(InputError, match="this shot is being worked on"):
        project.choose_tracker("flow")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            ValueError("bad\n  /srv/site-packages/sam2/a.py"),
            "SAM 2 could not follow it (ValueError: bad a.py); a package and weights that fit each other, and enough "
            "memory, are needed; let cleanplate itself follow it (--tracker flow; on the page, under Who follows it)",
        ),
        (
            RuntimeError("size mismatch"),
            "sam2_hiera_large.pt cannot be loaded (RuntimeError); a checkpoint as published is needed; download it "
            "again",
        ),
    ],
)
def test_an_error_of_the_package_is_one_plain_line(
    project: Project, quick: Turns, asked: tuple, error: Exception, words: str, tmp_path: Path
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    module, function = MODULES["sam2"]
    vars(sys.modules[module])[function] = broken
    project.choose_tracker("sam2")
    project.track(still=False)
    quick.do()
    assert project.message == words
    assert (project.busy, project.cleanable) == (False, False)
    assert not project.store.mask.exists()
    project.choose_tracker("flow")
    project.track(still=False)
    quick.do()
    assert project.cleanable


def test_frames_that_a_killed_run_leaves_are_removed(
    project: Project, quick: Turns, asked: tuple[FakePredictor, list[tuple]], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, _ = asked
    seen: list[Path] = []
    monkeypatch.setattr(fake, "init_state", lambda folder, **_: seen.append(Path(folder)) or 1 / 0)
    project.choose_tracker("sam2")
    project.track(still=False)
    quick.do()
    (folder,) = seen
    assert folder.parent == project.folder
    project.track(still=False)
    folder.mkdir()  # as it is after the process was killed
    (folder / "000000.jpg").touch()
    project.cancel()
    assert not folder.exists()


# On the page

STAND_IN = '''
"""Whatever is marked stays where it is, but for half a picture to the right."""
import torch


class Predictor:
    def init_state(self, folder, **options):
        return []

    def add_new_mask(self, state, frame_idx, obj_id, mask):
        state.append(torch.from_numpy(mask).roll(mask.shape[1] // 2, 1))

    def propagate_in_video(self, state, start_frame_idx, reverse):
        for frame_idx in range(start_frame_idx, -1, -1) if reverse else range(start_frame_idx, 12):
            yield frame_idx, [1], torch.where(state[0], 10.0, -10.0)[None, None]


def build_sam2_video_predictor(config, checkpoint, device):
    if open(checkpoint).read() != "good":
        raise ValueError("these are no weights")
    return Predictor()
'''


@pytest.fixture
def with_sam2(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Server, Path]]:
    """A studio with a stand-in for SAM 2 that is installed, and the file of its weights."""
    needs_gradio()
    package, folder = tmp_path / "packages" / "sam2", tmp_path_factory.mktemp("who")  # sockets need a short path
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "build_sam.py").write_text(STAND_IN)
    weights = folder / "sam2.1_hiera_tiny.pt"  # the server looks for weights there
    weights.write_text("good")
    monkeypatch.setenv("PYTHONPATH", str(package.parent), prepend=":")
    process = start(folder)
    try:
        yield started(process, folder), weights
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


def test_the_page_asks_who_follows_where_there_is_a_choice(
    browser: Any, with_sam2: tuple[Server, Path], shot: Shot
) -> None:
    server, weights = with_sam2
    with tabs(browser, server) as open_page:
        page = open_page()
        upload(page, shot.path)
        mark(page, shot, 6)
        choice = page.locator("#tracker")
        assert choice.locator("label").all_inner_texts() == ["cleanplate itself", "SAM 2"]
        assert choice.get_by_label("cleanplate itself").is_checked()
        choice.get_by_label("SAM 2").check()
        weights.write_text("bad")
        page.click("#track")
        page.locator("#message", has_text="SAM 2 could not follow it (ValueError: these are no weights)").wait_for()
        weights.write_text("good")
        track(page)
        scrub(page, "#marker", 2)
        page.wait_for_selector("#marker canvas.marks[data-drawn='2']")
        there, ball = covered(page), shot.demo.mask[6, 0].numpy()
        assert iou(there, np.roll(ball, ball.shape[1] // 2, axis=1)) > 0.7  # SAM 2's stand-in, and nobody else
        page.get_by_label("It stands still").check()
        choice.wait_for(state="hidden")
        page.get_by_label("It stands still").uncheck()
        choice.wait_for()
        assert choice.get_by_label("SAM 2").is_checked()
        assert open_page(page.url).locator("#tracker").get_by_label("SAM 2").is_checked()


def test_the_page_asks_nothing_where_there_is_no_choice(opened: Opened, shot: Shot) -> None:
    page = opened()
    upload(page, shot.path)
    page.wait_for_selector("#track")
    assert page.locator("#tracker").is_hidden()
    assert page.get_by_text("Who follows it").count() == 0


def test_the_page_asks_for_soft_edges_of_what_is_followed(opened: Opened, shot: Shot) -> None:
    page = opened()
    upload(page, shot.path)
    page.wait_for_selector("#track")
    page.get_by_label("Soft edges").check()
    other = opened(page.url)
    assert other.get_by_label("Soft edges").is_checked()
    other.get_by_label("It stands still").check()
    other.locator("#soft").wait_for(state="hidden")
    other.get_by_label("It stands still").uncheck()
    other.locator("#soft").wait_for()
