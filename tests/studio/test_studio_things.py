"""Several things in the studio, without a browser; those that stand still, and what is found over the shot."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cleanplate import write_video
from cleanplate.errors import InputError
from cleanplate.progress import Step
from cleanplate.studio import players, thumbnails, views
from cleanplate.studio.overlays import OVERLAYS
from cleanplate.studio.project import Project
from cleanplate.studio.things import MOST_THINGS
from cleanplate.studio.tracking import mask_folder, track_things
from cleanplate.track.marks import Mark
from cleanplate.track.tracker import track as track_frames
from cleanplate.video.reader import stream_frames, stream_masks
from tests.overlaid import captions, logo, pan
from tests.studio.test_studio_project import (
    DEMO,
    N_FRAMES,
    Turns,
    begin,
    clean,
    long,
    marked,
    painted,
    quick,
    square,
    video,
)

__all__ = ["begin", "long", "quick", "video"]


def value_of(project: Project) -> dict[str, Any]:
    value = players.marker(project)
    assert value is not None
    return value


def masks(project: Project) -> np.ndarray:
    return np.stack([grey > 127 for grey in stream_masks(project.store.mask)])


def without_effects(project: Project) -> Project:
    project.effects.chosen = False
    return project


def test_what_stands_still_has_a_first_and_a_last_frame(begin: Callable[..., Project], quick: Turns) -> None:
    project = without_effects(begin())
    project.mark_painted(0, painted(square(10)))
    for first, last, words in (
        (4, 2, "the first frame 4 comes after the last one 2"),
        (0, N_FRAMES, f"there is no frame {N_FRAMES}"),
        (-1, None, "there is no frame -1"),
    ):
        with pytest.raises(InputError, match=words):
            project.track(True, first, last)
        assert not project.busy
    project.track(True, 2, 4)
    quick.do()
    there = masks(project)
    assert there.any((1, 2)).tolist() == [False, False, True, True, True, False]
    assert np.array_equal(there[3], square(10))
    assert project.cleanable
    project.stand_still(True, 2)  # to the end
    assert project.stale
    project.track(True, 2)
    quick.do()
    assert masks(project).any((1, 2)).tolist() == [False, False, True, True, True, True]


def test_each_thing_is_tracked_by_itself_and_all_are_removed(begin: Callable[..., Project], quick: Turns) -> None:
    project = without_effects(begin())
    ball = DEMO.mask[:, 0].numpy()
    project.mark_painted(2, painted(ball[2]))
    project.add_thing()
    project.rename_thing("  the   lamp ")
    project.mark_painted(0, painted(square(80)))
    assert marked(project) == {0: 80}
    value = value_of(project)
    assert ([one["name"] for one in value["things"]], value["chosen"]) == (["Thing 1", "the lamp"], 1)
    assert len({one["colour"] for one in value["things"]}) == 2
    assert [list(one["marks"]) for one in value["things"]] == [["2"], ["0"]]
    project.track(still=True)
    quick.do()
    there = masks(project)
    assert there[:, square(80)].all()  # it stands still
    assert project.video is not None
    alone = track_frames(stream_frames(project.video), [Mark(2, ball[2])]).masks
    assert np.array_equal(there, alone | square(80))
    tints = [thumbnails.read_mask(thumbnails.numbered(project.folder / mask_folder(n), 4, ".png")) for n in (1, 2)]
    assert np.array_equal(tints[1], square(80))
    assert np.array_equal(tints[0], alone[4])

    # Only what has changed is tracked again.
    project.mark_painted(0, painted(square(70)))
    assert project.stale
    project.track(still=True)
    (job,) = quick.jobs
    assert [one.marks for one in job.arguments[4]] == [(), (0,)]
    quick.do()
    assert masks(project)[:, square(70)].all()
    project.undo()
    project.forget_thing()
    assert (project.stale, [one.name for one in project.things.all]) == (True, ["Thing 1"])
    assert not (project.folder / mask_folder(2)).exists()
    project.track(still=False)
    quick.do()
    assert not masks(project)[0, square(80)].all()
    assert project.cleanable

    project.add_thing()
    assert project.things.chosen.number == 3  # never one that there was: its pictures had the same address
    project.choose_thing(1)
    assert marked(project) == {2: int(ball[2].any(0).argmax())}


def test_what_a_page_asks_is_done_to_the_thing_that_it_shows(begin: Callable[..., Project], quick: Turns) -> None:
    pytest.importorskip("gradio")
    from cleanplate.studio.mark_step import _choose_soft, _mark, _of, _track

    project = without_effects(begin())
    _mark(project, {"of": 1, "frame": 1, "painted": painted(square(10))})
    _mark(project, {"of": 1, "thing": {"add": True}})  # another tab shows the first one still
    _mark(project, {"of": 1, "frame": 2, "painted": painted(square(40))})
    assert marked(project) == {1: 10, 2: 40}
    project.choose_thing(2)
    _mark(project, {"of": None, "frame": 3, "painted": painted(square(70))})  # it has asked for the other one itself
    assert marked(project) == {3: 70}
    _mark(project, {"of": 1, "undo": True})
    assert marked(project) == {1: 10}
    project.choose_thing(2)
    _of(_choose_soft)(project, 1, True)
    assert [one.soft for one in project.things.all] == [True, False]
    project.choose_thing(2)
    _of(_track)(project, 1, True, None, None, "flow", True)
    assert [one.still is None for one in project.things.all] == [False, True]
    quick.do()
    project.choose_thing(2)
    _mark(project, {"of": 1, "thing": {"forget": True}})
    assert [one.number for one in project.things.all] == [2]
    with pytest.raises(InputError, match="there is no thing 1 any more"):
        _mark(project, {"of": 1, "thing": {"forget": True}})
    assert marked(project) == {3: 70}


def test_the_bar_of_progress_goes_on_over_all_things(begin: Callable[..., Project], quick: Turns) -> None:
    project = begin()
    for left in (10, 40, 70):
        project.mark_painted(2, painted(square(left)))
        project.add_thing()
    project.choose_thing(2)
    project.track(still=True)
    (job,) = quick.jobs
    shares = []

    def on_step(step: Step) -> None:
        job.tell(step.stage, step.done, step.total)
        shares.append(job.share)

    track_things(*job.arguments, on_step=on_step)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)


def test_things_that_cannot_be_are_told_in_words(begin: Callable[..., Project]) -> None:
    project = begin()
    with pytest.raises(InputError, match="the name is empty"):
        project.rename_thing(" ")
    with pytest.raises(InputError, match="there is no thing 3"):
        project.choose_thing(3)
    for _ in range(MOST_THINGS - 1):
        project.add_thing()
    with pytest.raises(InputError, match=f"there are {MOST_THINGS} things"):
        project.add_thing()
    for _ in range(MOST_THINGS + 1):
        project.forget_thing()
    assert len(project.things.all) == 1
    project.rename_thing("<b>" + "x" * 99)
    assert len(project.things.chosen.name) == 40


@pytest.fixture(scope="module")
def overlaid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shot with a logo and two captions."""
    path = tmp_path_factory.mktemp("overlaid") / "shot.mkv"
    colour, where = logo()
    frames = np.where(where[..., None], colour, captions(0).frames)
    write_video(path, torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255, fps=25)
    return path


def opened(path: Path, folder: Path, quick: Turns, long: Turns) -> Project:
    folder.mkdir()
    sent = folder.parent / "sent.mkv"
    sent.write_bytes(path.read_bytes())
    project = Project("token", folder, quick, long)
    project.take(sent, "shot.mkv")
    quick.do()
    return without_effects(project)


def test_logos_and_captions_are_suggested_and_go_only_if_accepted(
    overlaid: Path, tmp_path: Path, quick: Turns, long: Turns
) -> None:
    project = opened(overlaid, tmp_path / "token", quick, long)
    assert value_of(project)["overlays"] is None
    with pytest.raises(InputError, match="there is no suggestion 1"):
        project.accept_overlay(0, True)
    project.find_overlays()
    assert "Looking for logos and captions" in views.DOING["overlays", "look"]
    quick.do()
    found = value_of(project)["overlays"]["each"]
    assert [one["name"].partition(",")[0] for one in found] == ["Stands still", "Caption", "Caption"]
    assert not any(one["accepted"] for one in found)
    with pytest.raises(InputError, match="nothing is marked yet"):  # nothing is removed by itself
        project.track(still=False)
    project.accept_overlay(1, True)
    assert [one["accepted"] for one in value_of(project)["overlays"]["each"]] == [False, True, False]
    with pytest.raises(InputError, match="the marks are not tracked yet"):
        clean(project)
    project.track(still=False)
    quick.do()
    first, last = found[1]["first"], found[1]["last"]
    area = thumbnails.read_area(project.folder / OVERLAYS, 1)
    for index, mask in enumerate(masks(project)):
        assert np.array_equal(mask, area if first <= index <= last else np.zeros_like(area))
    assert project.cleanable

    project.accept_overlay(0, True)
    project.accept_overlay(1, False)
    assert project.stale
    project.accept_overlay(0, False)
    project.accept_overlay(1, True)
    assert project.cleanable  # as it was
    project.find_overlays()
    project.cancel()
    assert project.message == "Cancelled."
    assert project.overlays.accepted == {1}


def test_where_nothing_is_found_it_is_said_why(tmp_path: Path, quick: Turns, long: Turns) -> None:
    moving, still = tmp_path / "moving.mkv", tmp_path / "still.mkv"
    frames = np.stack(pan("astronaut", 40, (1.7, 0.4)))
    for path, some in ((moving, frames), (still, np.repeat(frames[:1], 20, 0))):
        write_video(path, torch.from_numpy(some).permute(0, 3, 1, 2).float() / 255, fps=25)
    for path, words in ((moving, "Nothing was found"), (still, "does not move enough")):
        project = opened(path, tmp_path / path.stem, quick, long)
        project.find_overlays()
        quick.do()
        assert words in views.found_overlays(project)
