"""What is done with a shot in the studio, without a browser: states, marks, undo, cancelling."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from cleanplate import write_video
from cleanplate.commands.settings import read_settings
from cleanplate.data.demo import make_demo
from cleanplate.errors import InputError
from cleanplate.studio import players, thumbnails, views
from cleanplate.studio.forms import as_command
from cleanplate.studio.marks import MOST_UNDONE
from cleanplate.studio.project import Project, shown_name
from cleanplate.studio.queue import Job, JobQueue, State
from cleanplate.studio.tasks import TASKS, Result
from cleanplate.studio.tracking import marks_folder
from cleanplate.track.marks import Mark
from cleanplate.track.tracker import track as track_frames
from cleanplate.video.areas import box_area
from cleanplate.video.reader import stream_frames, stream_masks

SIZE, N_FRAMES = (64, 96), 6
DEMO = make_demo(n_frames=N_FRAMES, size=SIZE)


class Turns(JobQueue):
    """Stands in for the queue: a job waits until the test lets it end."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def submit(self, job: Job) -> None:
        self.jobs.append(job)

    def ahead(self, job: Job) -> int:
        return self.jobs.index(job)

    def cancel(self, job: Job, wait_s: float = 2.0) -> None:
        self.end("cancelled", job)

    def do(self) -> None:
        """The next one, here and now."""
        job = self.jobs[0]
        try:
            job.result = TASKS[job.task](*job.arguments, on_step=lambda step: None)
        except InputError as error:
            self.end("failed", error=str(error))
        else:
            self.end("done")

    def end(self, state: State, job: Job | None = None, *, result: Any = None, error: str = "") -> None:
        job = self.jobs[0] if job is None else job
        self.jobs.remove(job)
        job.state, job.error = state, error
        job.result = result if result is not None else job.result
        job.on_end(job)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("video") / "shot.mkv"
    write_video(path, DEMO.frames, fps=DEMO.fps)
    return path.read_bytes()


@pytest.fixture
def quick() -> Turns:
    return Turns()


@pytest.fixture
def long() -> Turns:
    return Turns()


@pytest.fixture
def begin(tmp_path: Path, video: bytes, quick: Turns, long: Turns) -> Callable[..., Project]:
    """A project whose shot has been read."""

    def make(token: str = "token", name: str = "Ball & cup.mkv") -> Project:
        (tmp_path / token).mkdir()
        project = Project(token, tmp_path / token, quick, long)
        sent = tmp_path / "sent"
        sent.write_bytes(video)
        project.take(sent, name)
        assert not sent.exists()
        quick.do()
        return project

    return make


def square(left: int) -> np.ndarray:
    area = np.zeros(SIZE, bool)
    area[20:30, left : left + 10] = True
    return area


def painted(area: np.ndarray) -> str:
    """As a canvas sends it."""
    pixels = np.zeros((*area.shape, 4), np.uint8)
    pixels[area] = 255
    return "data:image/png;base64," + base64.b64encode(cv2.imencode(".png", pixels)[1].tobytes()).decode()


def marked(project: Project) -> dict[int, Any]:
    """The left edge of what is marked, by frame."""
    return {frame: int(project.marks.read(frame).any(0).argmax()) for frame in sorted(project.marks.versions)}


def track(project: Project, quick: Turns) -> None:
    """What is painted is its mask everywhere; what goes with it is found."""
    project.track(still=True)
    quick.do()
    if project.effects.wanted:
        assert [job.task for job in quick.jobs] == ["effects"]
        quick.do()


def clean(project: Project) -> Path:
    """Begin to; the folder of the result."""
    settings = {"method": "carry", "seed": 3}
    project.clean(as_command(settings), settings, ".mkv")
    assert project.job is not None
    return project.job.arguments[0].output.parent


MADE = Result("clean.mkv", N_FRAMES, 0, SIZE, 0.1, 0.8, 0.2, 0.0, 1.5, 0.02, (3, 9))


def test_from_a_video_to_a_result(begin: Callable[..., Project], quick: Turns, long: Turns) -> None:
    project = begin()
    assert (project.name, project.busy, project.cleanable) == ("Ball & cup".replace("&", "_"), False, False)
    assert project.info is not None
    assert (project.info.size, project.info.total, project.info.fps) == (SIZE, N_FRAMES, 24)
    assert np.abs(project.store.frame(2) - DEMO.frames[2].permute(1, 2, 0).numpy() * 255.0).mean() < 4
    with pytest.raises(InputError, match="nothing is marked yet"):
        project.track(still=False)
    project.mark_painted(2, painted(square(10)))
    with pytest.raises(InputError, match="the marks are not tracked yet"):
        clean(project)
    before = project.version
    project.track(still=False)
    assert project.busy
    assert [job.task for job in quick.jobs] == ["track"]
    quick.do()
    assert [job.task for job in quick.jobs] == ["effects"]
    quick.do()
    assert project.version > before
    assert project.cleanable
    assert [name for _, _, name in project.downloads()] == ["Ball _ cup-mask.mkv"]
    assert project.store.mask.is_file()

    run = clean(project)
    assert [job.task for job in long.jobs] == ["clean"]
    assert "seed = 3" in (run / "settings.toml").read_text()
    long.end("done", result=MADE)
    assert project.result == MADE
    assert [name for _, _, name in project.downloads()] == [
        "Ball _ cup-clean.mkv",
        "Ball _ cup-mask.mkv",
        "Ball _ cup-provenance.mkv",
        "Ball _ cup-settings.toml",
    ]
    another = clean(project)
    assert run.exists()  # the earlier result stays until the next is there
    long.end("done", result=MADE)
    assert not run.exists()
    assert another.exists()
    assert "earlier mask" not in views.shares(project)
    kept = [path.read_bytes() for _, path, _ in project.downloads() if path.exists()]
    project.mark_painted(2, painted(square(40)))
    assert "earlier mask" in views.shares(project)
    track(project, quick)  # another mask: the result is not of it, and stays until there is one that is
    assert project.result == MADE
    assert "earlier mask" in views.shares(project)
    assert [path.read_bytes() for _, path, _ in project.downloads() if path.exists()] == kept
    assert project.store.mask.read_bytes() not in kept
    clean(project)
    long.end("done", result=MADE)
    assert not another.exists()
    assert "earlier mask" not in views.shares(project)
    project.begin_anew()
    assert list(project.folder.iterdir()) == []
    assert (project.info, project.marks.versions, project.marks.undoable) == (None, {}, False)


def test_nothing_else_is_done_while_a_job_runs(begin: Callable[..., Project], tmp_path: Path) -> None:
    project = begin()
    project.mark_painted(0, painted(square(10)))
    project.track(still=False)
    for act in (
        lambda: project.take(tmp_path / "x", "x.mp4"),
        project.take_demo,
        project.begin_anew,
        lambda: project.mark_box(0, (0, 0, 20, 20)),
        lambda: project.mark_click(0, 5, 5),
        lambda: project.mark_painted(0, painted(square(10))),
        lambda: project.unmark(0),
        lambda: project.mark_absent(0),
        project.undo,
        lambda: project.track(still=True),
        lambda: clean(project),
    ):
        with pytest.raises(InputError, match="this shot is being worked on"):
            act()


def test_marks_and_what_takes_them_back(begin: Callable[..., Project], quick: Turns) -> None:
    project = begin()
    assert not project.marks.undoable
    with pytest.raises(InputError, match="nothing is left to be undone"):
        project.undo()
    project.mark_painted(1, painted(square(40)))
    version = project.marks.versions[1]
    project.mark_painted(1, painted(square(10)))
    assert project.marks.versions[1] > version  # its picture has another address
    project.mark_painted(3, painted(square(50)))
    assert marked(project) == {1: 10, 3: 50}
    track(project, quick)
    assert not project.stale

    project.unmark(3)
    assert (marked(project), project.stale) == ({1: 10}, True)
    project.undo()
    assert (marked(project), project.stale) == ({1: 10, 3: 50}, False)  # as it was tracked
    project.undo()
    assert (marked(project), project.stale) == ({1: 10}, True)  # what was tracked had the other
    track(project, quick)
    project.unmark(1)
    assert (marked(project), project.stale) == ({}, True)
    project.undo()
    project.undo()
    assert marked(project) == {1: 40}
    project.undo()
    assert marked(project) == {}
    assert not project.marks.undoable
    project.unmark(1)  # there is nothing: that is no change
    assert not project.marks.undoable

    project.mark_absent(0)
    for left in range(MOST_UNDONE + 2, -1, -1):
        project.mark_painted(0, painted(square(left)))
    for _ in range(MOST_UNDONE):
        project.undo()
    assert marked(project) == {0: MOST_UNDONE}
    assert not project.marks.undoable


def test_a_stroke_changes_only_what_it_covers(begin: Callable[..., Project]) -> None:
    project = begin()
    for left in (10, 50):  # of two pages; neither shows the other's yet
        project.mark_painted(1, painted(square(left)))
    both = square(10) | square(50)
    assert np.array_equal(project.marks.read(1), both)
    project.mark_painted(1, painted(square(15)), erase=True)
    assert np.array_equal(project.marks.read(1), both & ~square(15))
    project.undo()
    assert np.array_equal(project.marks.read(1), both)
    project.undo()
    assert np.array_equal(project.marks.read(1), square(10))


def test_where_it_is_not_there_nothing_is_masked(begin: Callable[..., Project], quick: Turns) -> None:
    project = begin()
    project.mark_absent(4)
    with pytest.raises(InputError, match="nothing is marked yet"):  # it is nowhere
        project.track(still=False)
    project.mark_painted(1, painted(square(10)))
    project.track(still=False)
    quick.do()
    masks = [grey > 127 for grey in stream_masks(project.store.mask)]
    assert [bool(mask.any()) for mask in masks[:2] + masks[4:]] == [True, True, False, False]
    value = players.marker(project)
    assert value is not None
    assert (list(value["things"][0]["marks"]), value["things"][0]["absent"]) == (["1", "4"], [4])
    quick.end("cancelled")

    project.unmark(4)
    assert project.marks.absent == set()
    project.mark_painted(1, painted(np.ones(SIZE, bool)), erase=True)  # all of it: the tint must not come back
    assert project.marks.absent == {1}
    assert not project.marks.read(1).any()
    project.undo()
    assert (project.marks.absent, marked(project)) == (set(), {1: 10})
    project.undo()
    assert project.marks.absent == {4}
    project.mark_painted(4, painted(square(10)))
    assert project.marks.absent == set()


def test_shots_that_no_mark_reaches_are_named(tmp_path: Path, quick: Turns, long: Turns) -> None:
    path, folder = tmp_path / "cut.mkv", tmp_path / "token"
    frames = torch.cat([DEMO.frames, 1 - DEMO.frames.flip(-1).roll(20, -2)])
    write_video(path, frames, fps=DEMO.fps)
    folder.mkdir()
    project = Project("token", folder, quick, long)
    project.take(path, "cut.mkv")
    quick.do()
    project.mark_painted(2, painted(DEMO.mask[2, 0].numpy()))
    project.track(still=False)
    quick.do()
    value = players.marker(project)
    assert value is not None
    assert value["unmarked"] == [[N_FRAMES, 2 * N_FRAMES - 1]]
    assert "behind the cuts" in views.advice(project)
    quick.end("cancelled")
    project.mark_absent(N_FRAMES)  # now that is said
    project.track(still=False)
    quick.do()
    value = players.marker(project)
    assert value is not None
    assert value["unmarked"] == []


def test_a_large_shot_is_shown_small_and_marked_in_full(tmp_path: Path, quick: Turns, long: Turns) -> None:
    size, small = (192, 2560), (96, 1280)
    path, folder = tmp_path / "large.mkv", tmp_path / "token"
    frames = torch.nn.functional.interpolate(DEMO.frames[:3], size)
    write_video(path, frames, fps=DEMO.fps)
    folder.mkdir()
    project = Project("token", folder, quick, long)
    project.take(path, "large.mkv")
    quick.do()
    assert project.store.frame(0).shape == (*small, 3)
    area = np.zeros(size, bool)
    area[41:80, 301:400] = True  # odd: its small copy cannot hold it
    project.marks.set(0, area, 1)
    tint = thumbnails.read_mask(thumbnails.numbered(project.folder / marks_folder(1), 0, ".png"))
    assert tint.shape == small
    tint[10:20, 1000:1010] = True  # far from it
    project.mark_painted(0, painted(tint))
    after = project.marks.read(0)
    assert np.array_equal(after[:, :1900], area[:, :1900])
    assert after[20:40, 2000:2020].all()
    project.undo()
    assert np.array_equal(project.marks.read(0), area)
    project.track(still=True)
    quick.do()
    assert np.array_equal(next(stream_masks(project.store.mask)) > 127, area)


def test_a_box_finds_what_the_command_line_finds_in_it(begin: Callable[..., Project], quick: Turns) -> None:
    project = begin()
    left, top, width, height = cv2.boundingRect(DEMO.mask[2, 0].numpy().astype(np.uint8))
    box = left - 2, top - 2, width + 4, height + 4
    project.mark_box(2, box)
    found = project.marks.read(2)
    assert project.video is not None
    pictures = np.stack(list(stream_frames(project.video)))
    there = track_frames(pictures, [Mark(2, box_area(box, SIZE), is_exact=False)]).mask(2)
    assert (found & there).sum() > 0.9 * (found | there).sum()


def test_a_box_and_a_click_add_to_what_is_marked(begin: Callable[..., Project]) -> None:
    project = begin()
    project.mark_painted(2, painted(square(80)))
    ball = DEMO.mask[2, 0].numpy()
    left, top, width, height = cv2.boundingRect(ball.astype(np.uint8))
    project.mark_box(2, (left - 2, top - 2, width + 4, height + 4))
    found = project.marks.read(2)
    assert found[square(80)].all()
    assert found[ball].mean() > 0.8
    project.mark_click(4, *(int(at) for at in np.argwhere(DEMO.mask[4, 0].numpy()).mean(0)[::-1]))
    assert sorted(project.marks.versions) == [2, 4]
    with pytest.raises(InputError, match="the box is 3x20 px"):
        project.mark_box(0, (93, 0, 20, 20))  # what of it lies in the picture
    with pytest.raises(InputError, match="there is no frame 6"):
        project.mark_box(N_FRAMES, (0, 0, 20, 20))
    with pytest.raises(InputError, match="the point 96 3 is not in the picture"):
        project.mark_click(0, 96, 3)
    with pytest.raises(InputError, match="a PNG of 96x64 is needed"):
        project.mark_painted(0, painted(np.ones((3, 4), bool)))
    assert sorted(project.marks.versions) == [2, 4]


def test_what_is_cancelled_or_fails_leaves_what_was_there(
    begin: Callable[..., Project], quick: Turns, long: Turns, tmp_path: Path
) -> None:
    project = begin()
    project.mark_painted(1, painted(square(10)))
    track(project, quick)
    run = clean(project)
    long.end("done", result=MADE)
    for state, error, words in (("cancelled", "", "Cancelled."), ("failed", "no room", "no room")):
        another = clean(project)
        (project.folder / ".mask.mkv.partial").touch()
        if state == "cancelled":
            project.cancel()
        else:
            long.end("failed", error=error)
        assert (project.message, project.result, project.busy) == (words, MADE, False)
        assert run.exists()
        assert not another.exists()
        assert not list(project.folder.glob(".*"))

    project.track(still=True)
    project.cancel()
    assert project.stale  # its mask may be half-written
    assert project.result == MADE
    track(project, quick)
    assert project.cleanable

    (tmp_path / "notes").write_text("this is no video\n" * 50)
    project.take(tmp_path / "notes", "notes.mp4")
    quick.do()
    assert "notes.mp4 is not a video that can be decoded" in project.message
    assert str(tmp_path) not in project.message  # the user's own name for it, and no path of ours
    assert (project.info, project.made_of, list(project.folder.iterdir())) == (None, None, [])

    (tmp_path / "notes").touch()
    with pytest.raises(InputError, match=r"notes.txt is not a video by its name"):
        project.take(tmp_path / "notes", "notes.txt")
    assert not (tmp_path / "notes").exists()
    project.take_demo()
    project.cancel()
    assert (project.message, project.busy, project.info) == ("Cancelled.", False, None)


def test_two_projects_wait_for_each_other_and_do_not_mix(
    begin: Callable[..., Project], quick: Turns, long: Turns
) -> None:
    one, two = begin("one"), begin("two", "other.mkv")
    for project, left in ((one, 10), (two, 60)):
        project.mark_painted(0, painted(square(left)))
        track(project, quick)
        clean(project)
    assert (one.ahead(), two.ahead()) == (0, 1)
    assert "Starting." in views.progress(one)
    assert "Waiting: 1 before you." in views.progress(two)
    one.cancel()
    assert two.ahead() == 0
    long.end("done", result=MADE)
    assert (one.result, two.result) == (None, MADE)
    assert (marked(one), marked(two)) == ({0: 10}, {0: 60})
    one.begin_anew()
    assert two.downloads()[0][2] == "other-clean.mkv"


def test_another_mask_has_another_address(begin: Callable[..., Project], quick: Turns) -> None:
    project = begin()
    addresses = []
    for left in (10, 50):
        project.mark_painted(0, painted(square(left)))
        track(project, quick)
        addresses.append(views.downloads(project))
    assert addresses[0] != addresses[1]  # no browser gives the first for the second
    assert addresses[1] == views.downloads(project)


@pytest.mark.parametrize("name", ["IMG_1234.MKV", "Ball & cup.mkv", "Überführung!.mkv", "a" * 99 + ".mkv"])
def test_the_settings_name_the_video_as_its_owner_has_it(
    begin: Callable[..., Project], quick: Turns, long: Turns, name: str
) -> None:
    project = begin(name=name)
    project.mark_painted(0, painted(square(10)))
    track(project, quick)
    run = clean(project)
    settings = read_settings(run / "settings.toml")
    assert settings["video"] == name
    assert settings["mask"] in [kept for _, _, kept in project.downloads()]
    project.cancel()
    clean(project)
    long.end("failed", error=f"{project.video} is too long")
    assert project.message == f"{name} is too long"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\a\\b.mp4", "b.mp4"),
        ("<b>.mp4", "_b_.mp4"),
        (" .. ", "shot"),
        ("a" * 99 + "-mask.mkv", "a" * 99 + "-mask.mkv"),
    ],
)
def test_names_from_elsewhere(given: str, shown: str) -> None:
    assert shown_name(given) == shown
