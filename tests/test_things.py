"""Several things in one run of `cleanplate mask`."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from cleanplate import cli
from cleanplate.commands.marked import Marked
from cleanplate.commands.repeated import joined_words
from cleanplate.commands.things import Thing, things_of
from cleanplate.progress import Step
from cleanplate.track.marks import Mark
from cleanplate.track.tracked import Tracked, masks_apart
from cleanplate.track.tracker import track, track_things
from cleanplate.video.areas import box_area
from cleanplate.video.reader import read_masks
from tests.conftest import refused
from tests.rolling_ball import SIZE, Shot, ball_shot, iou


@pytest.fixture(scope="module")
def shot() -> Shot:
    return ball_shot(4)


@pytest.fixture
def folder(tmp_path: Path, shot: Shot, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with frames/ and a painted image of the ball on the first of them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "frames").mkdir()
    for index, frame in enumerate(shot[0]):
        cv2.imwrite(f"frames/{index}.png", frame[..., ::-1])
    cv2.imwrite("the ball.png", shot[1][0].astype(np.uint8) * 255)
    cv2.imwrite("ball.png", shot[1][0].astype(np.uint8) * 255)
    return tmp_path


# Words


def test_marks_stay_with_their_thing() -> None:
    boxes = ["--frame", "0", "--box", "1,2,3,4", "--frame", "7", "-o", "m.mkv", "--box", "5", "6", "7", "8"]
    words = ["a.mp4", "--paint", "0:a.png", "--thing", "bike", *boxes, "--thing=2"]
    words += ["--seed", "3", "--paint", "0:the ball.png"]
    bike = "bike --frame 0 7 --box 1 2 3 4 5 6 7 8"
    joined = [
        "a.mp4",
        "--paint",
        "0:a.png",
        "-o",
        "m.mkv",
        "--seed",
        "3",
        "--thing",
        bike,
        "2 --paint '0:the ball.png'",
    ]
    assert joined_words(words, "mask") == joined
    command = cli.parse(["mask", *words])
    assert command.seed == 3
    assert things_of(command.marked, command.thing) == [
        Thing("thing", Marked(paint=("0:a.png",))),
        Thing("bike", Marked(frame=(0, 7), box=(1, 2, 3, 4, 5, 6, 7, 8))),
        Thing("2", Marked(paint=("0:the ball.png",))),
    ]
    alone = cli.parse(["mask", "a.mp4", "-o", "m.mkv", "--thing", "bike", "--box", "1", "2", "3", "4"])
    assert [thing.name for thing in things_of(alone.marked, alone.thing)] == ["bike"]


def test_files_beside_that_of_all() -> None:
    assert Thing("bike", Marked()).file(Path("a/masks.mkv")) == Path("a/masks.bike.mkv")
    assert Thing("2", Marked()).file(Path("a/masks")) == Path("a/masks.2")


BAD = {
    "--thing": "--thing is given no name; NAME is needed",
    "--thing --box 1 1 9 9": "--thing is given no name",
    "--thing a b --box 1 1 9 9": "--thing is given a b; NAME is needed",
    "--thing a/b --box 1 1 9 9": "'a/b' is no name of a thing; a name is a part of a file's name",
    "--thing .. --box 1 1 9 9": "'..' is no name of a thing",
    "--box 1 1 9 9 --thing thing --box 9 9 9 9": "two things are called thing",
    "--thing a --box 1 1 9 9 --thing A --box 9 9 9 9": "two things are called a; each needs a name of its own",
    "--thing a --box 1 1 9 9 --thing b": "b: nothing is marked; --box, --polygon or --paint is needed",
    "--thing a --box 1 1 9 9 --thing b --box 1 1 999 9": "b: the box 1 1 999 9 is not in the picture",
    "--thing a --box 1 1 9 9 --thing b --frame 0 --box 9 9 9 9 --frame 9 --box 9 9 9 9": "b: frame 9 is marked",
    "--thing a --box 1 1 9 9 --thing b --box x": "--box is 'x'; a whole number is needed",
    "--thing a --box 1 1 9 9 --start 1": "frame 0 is marked; --start and --end take frames 1 to 3",
    "--thing a --box 1 1 9 9 --each --effects all": "--each is given with --effects all",
    "--thing a --box 1 1 9 9 --find overlays": "--find is given with --thing",
    "--thing there --box 1 1 9 9 --each": "m.there is already there",
}


@pytest.mark.parametrize("words", BAD)
def test_bad_things_are_one_line_and_write_nothing(
    words: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("it was tracked")

    monkeypatch.setattr("cleanplate.track.tracker.track_things", never)
    (folder / "m.there").mkdir()
    before = set(folder.rglob("*"))
    refused(f"mask frames -o m {words}", BAD[words], capsys)
    assert set(folder.rglob("*")) == before


# Tracking


def test_each_is_tracked_as_if_it_were_alone_and_the_frames_are_read_once(shot: Shot) -> None:
    frames, masks = shot
    things = [[Mark(0, masks[0])], [Mark(2, box_area((100, 10, 30, 30), SIZE), is_exact=False)]]
    read: list[int] = []
    steps: list[Step] = []

    def reading():
        for index, frame in enumerate(frames):
            read.append(index)
            yield frame

    both = track_things(reading(), things, on_step=steps.append)
    assert read == [0, 1, 2, 3]
    for one, marks in zip(both, things, strict=True):
        assert np.array_equal(one.probability, track(frames, marks).probability)
    assert (both[0].frames_to_review, both[1].frames_to_review[-1:]) == ((), (2,))
    done = [(step.done, step.total) for step in steps if step.stage == "track"]
    assert done == [(n, 6) for n in (1, 2, 3, 4, 5, 6)]


def test_what_would_be_in_two_masks_is_of_the_more_probable() -> None:
    def one(levels: list[int], confidence: float = 1.0, exact: list[int] | None = None) -> Tracked:
        row = np.array([levels] * 3, np.uint8)
        masks = {} if exact is None else {0: np.array([exact] * 3, bool)}
        return Tracked(row[None], row.shape, np.array([confidence]), (), masks)

    def row_of(things: list[Tracked]) -> list[list[int]]:
        masks = [thing.mask(0) for thing in things]
        return [mask[0].astype(int).tolist() for mask in masks_apart(things, masks, 0)]

    left, right = one([255, 250, 110, 0, 90]), one([0, 120, 240, 255, 200])
    assert row_of([left, right]) == [[1, 1, 0, 0, 0], [0, 0, 1, 1, 1]]
    # 90 is no mask at full confidence, so it keeps nothing from one that is unsure everywhere.
    assert row_of([left, one([60] * 5, 0.0)]) == [[1, 1, 1, 0, 0], [0, 0, 0, 1, 1]]
    assert row_of([left, one([0] * 5, exact=[0, 1, 1, 0, 0])]) == [[1, 0, 0, 0, 0], [0, 1, 1, 0, 0]]
    assert row_of([left, left]) == [[1, 1, 1, 0, 0]] * 2
    assert row_of([one([255] * 2, 0.8), one([255] * 2, 0.9)]) == [[0, 0], [1, 1]]


# The command


def test_the_masks_of_all_and_of_each(folder: Path, shot: Shot, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["mask", "frames", "-o", "m.mkv", "--each", "--paint", "0:the ball.png", "--thing", "2"]
    assert cli.run([*words, "--frame", "1", "--box", "44", "30", "60", "30"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    every, ball, other = (read_masks(f"m{name}.mkv") > 127 for name in ("", ".thing", ".2"))
    assert min(iou(mask, truth) for mask, truth in zip(ball, shot[1], strict=True)) > 0.7
    assert other.any(axis=(1, 2)).all()
    assert not (ball & other).any()
    assert np.array_equal(every, ball | other)
    lines = out.splitlines()
    assert [line.split(":")[0] for line in lines[:4]] == ["m.mkv", "m.thing.mkv", "m.2.mkv", "thing"]
    assert "thing: no frame is unsure" in lines
    assert lines[-1].startswith("2: look at frames ")


def test_of_folders_each_has_its_own_and_without_each_there_is_one(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "mask frames --fixed --start 1 --thing a --box 1 1 9 9 --thing b --box 5 5 9 9"
    assert cli.run(f"{words} -o one".split()) == 0
    assert cli.run(f"{words} -o m --each".split()) == 0
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["frames", "m", "m.a", "m.b", "one"]
    for name, area in {"m.a": box_area((1, 1, 9, 9), SIZE), "m.b": box_area((5, 5, 9, 9), SIZE)}.items():
        assert [np.array_equal(mask > 127, area) for mask in read_masks(name)] == [False, True, True, True]
    assert np.array_equal(read_masks("one"), read_masks("m"))
    assert "look" not in capsys.readouterr().out


def test_if_one_file_cannot_be_written_there_is_none(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last frames of a video are written when it is finished: then the first is whole, and the second fails."""
    from cleanplate.video.encoder import VideoWriter

    finish, finished = VideoWriter.finish, []

    def full(self: VideoWriter) -> None:
        finish(self)
        finished.append(self)
        if len(finished) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(VideoWriter, "finish", full)
    before = set(folder.rglob("*"))
    words = "mask frames --fixed --each --box 1 1 9 9 --thing b --box 5 5 9 9 -o m.mkv"
    refused(words, "No space left on device", capsys)
    assert len(finished) == 2
    assert set(folder.rglob("*")) == before
