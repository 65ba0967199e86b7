import contextlib
from pathlib import Path
from typing import get_args

import av
import cv2
import numpy as np
import pytest

from cleanplate import cli, write_video
from cleanplate.commands.written import Written
from cleanplate.config import Tracker
from cleanplate.errors import Cancelled, InputError
from cleanplate.imaging.tensors import to_tensors
from cleanplate.progress import Step
from cleanplate.track.marks import Mark
from cleanplate.track.shots import shots_of
from cleanplate.track.tracked import Tracked
from cleanplate.track.tracker import track
from cleanplate.video.areas import box_area
from cleanplate.video.reader import read_image, read_masks
from tests.conftest import refused, texture
from tests.rolling_ball import SIZE, Shot, ball_shot, iou


@pytest.fixture(scope="module")
def shot() -> Shot:
    return ball_shot()


@pytest.fixture(scope="module")
def tracked(shot: Shot) -> Tracked:
    frames, masks = shot
    return track(iter(frames), [Mark(0, masks[0])])


def test_the_first_mask_is_taken_through_the_shot(shot: Shot, tracked: Tracked) -> None:
    _, masks = shot
    assert len(tracked) == len(masks)
    assert np.array_equal(tracked.mask(0), masks[0])  # what was painted is believed as it is
    assert min(iou(mask, truth) for mask, truth in zip(tracked, masks, strict=True)) > 0.85
    assert np.array_equal(tracked.masks, np.stack(list(tracked)))
    assert tracked.confidence[0] == 1
    assert tracked.confidence.min() > 0.5
    assert tracked.frames_to_review == ()


def test_a_mask_covers_rather_too_much(shot: Shot, tracked: Tracked) -> None:
    _, masks = shot
    missed = np.mean([(truth & ~mask).sum() / truth.sum() for mask, truth in zip(tracked, masks, strict=True)])
    assert missed < 0.03


def test_the_same_seed_gives_the_same_masks_however_long_the_shot(shot: Shot, tracked: Tracked) -> None:
    frames, masks = shot
    again = track(frames[:6], [Mark(0, masks[0])])  # nothing is known of later frames on the way
    assert np.array_equal(again.probability, tracked.probability[:6])
    assert np.array_equal(again.confidence, tracked.confidence[:6])
    other = track(frames[:6], [Mark(0, masks[0])], seed=1)
    assert not np.array_equal(other.probability, tracked.probability[:6])


def test_from_the_middle_both_ways_and_from_two_marks(shot: Shot) -> None:
    frames, masks = shot[0][:9], shot[1][:9]
    middle = track(frames, [Mark(4, masks[4])])
    assert min(iou(mask, truth) for mask, truth in zip(middle, masks, strict=True)) > 0.8
    two = track(frames, [Mark(8, masks[8]), Mark(0, masks[0])])
    assert min(iou(mask, truth) for mask, truth in zip(two, masks, strict=True)) > 0.85
    assert two.confidence[[0, 8]].tolist() == [1, 1]
    assert np.median(two.probability[4][masks[4]]) > 240  # what both sides are sure of adds up to all
    assert 0.5 < two.confidence[4] < 1


def test_found_again_after_a_post_hid_it() -> None:
    frames, masks = ball_shot(16, gap=slice(64, 84))
    tracked = track(frames, [Mark(0, masks[0])])
    assert iou(tracked.mask(15), masks[15]) > 0.7


def test_a_thing_that_is_lost_is_to_be_reviewed(shot: Shot) -> None:
    frames, masks = shot
    cut = frames[:8].copy()
    cut[4:] = (texture(*SIZE, seed=9) * 255).astype(np.uint8)
    tracked = track(cut, [Mark(0, masks[0])], over_cuts=True)
    assert any(index >= 4 for index in tracked.frames_to_review)
    assert not any(index < 4 for index in tracked.frames_to_review)


def test_a_mark_holds_up_to_the_next_cut(shot: Shot) -> None:
    """The same ball in two shots: it is masked where it was marked, and what was not marked is said."""
    frames, masks = shot
    other, theirs = ball_shot(6)
    between = (texture(*SIZE, seed=9) * 255).astype(np.uint8)
    edited = np.concatenate([frames[:6], np.stack([between] * 3), other])
    assert shots_of(edited) == [range(6), range(6, 9), range(9, 15)]
    first = track(edited, [Mark(2, masks[2])])
    assert min(iou(first.mask(index), masks[index]) for index in range(6)) > 0.8
    assert not any(first.mask(index).any() for index in range(6, 15))
    assert first.unmarked_shots == (range(6, 9), range(9, 15))
    assert not first.sure[6:].any()
    assert first.sure[2]
    assert first.frames_to_review == ()
    both = track(edited, [Mark(2, masks[2]), Mark(14, theirs[5])])
    assert min(iou(both.mask(9 + index), theirs[index]) for index in range(6)) > 0.8
    assert not both.probability[6:9].any()
    assert both.unmarked_shots == (range(6, 9),)


def test_black_between_shots_is_cut_from_both(shot: Shot) -> None:
    frames, _ = shot
    for level in (0, 16):
        black = np.full((5, *SIZE, 3), level, np.uint8)
        assert shots_of(np.concatenate([frames[:3], black, frames[3:]])) == [range(3), range(3, 8), range(8, 17)]
        flash = np.concatenate([frames[:3], black[:2], frames[5:]])
        assert shots_of(flash) == [range(12)]
    faded_in = (frames * np.linspace(0, 1, 12)[:, None, None, None]).astype(np.uint8)
    assert shots_of(faded_in) == [range(1), range(1, 12)]


def test_one_shot_is_one(shot: Shot) -> None:
    frames, _ = shot
    flash = np.clip(frames.astype(int) + 60 * (np.arange(12) % 4 == 2)[:, None, None, None], 0, 255).astype(np.uint8)
    assert shots_of(frames) == shots_of(flash) == [range(12)]
    assert shots_of(frames[:1]) == [range(1)]


def grainy(grey: float, slope: float, sigma: float, length: int, seed: int) -> np.ndarray:
    """A plain sky: what it holds is a little light, and noise."""
    sky = grey + np.linspace(0, slope, 90)[:, None, None] * np.ones((length, 90, 160, 3))
    return (sky + np.random.default_rng(seed).normal(0, sigma, sky.shape)).clip(0, 255).round().astype(np.uint8)


@pytest.mark.parametrize("sigma", [0.5, 3, 6, 20])
@pytest.mark.parametrize("grey", [8, 128])
def test_noise_is_no_cut_and_hides_none(grey: float, sigma: float) -> None:
    sky = grainy(grey, 4, sigma, 5, seed=0)
    assert shots_of(sky) == [range(5)]
    if sigma <= 6:  # beside a wall that is nearly as bright
        assert shots_of(np.concatenate([sky, grainy(grey + 6, 16, sigma, 4, seed=1)])) == [range(5), range(5, 9)]


def test_an_empty_mark_says_that_it_is_not_there(shot: Shot) -> None:
    frames, masks = shot
    gone, all_of_it = Mark(6, masks[0] & False), [Mark(0, masks[0]), Mark(11, masks[11])]
    tracked = track(frames, [all_of_it[0], gone])
    assert min(iou(tracked.mask(index), masks[index]) for index in range(6)) > 0.85
    assert not any(tracked.mask(index).any() for index in range(6, 12))
    assert tracked.frames_to_review == ()
    again = track(frames, [*all_of_it, gone])
    assert not again.mask(6).any()
    assert min(iou(again.mask(index), masks[index]) for index in (5, 7)) > 0.85
    with pytest.raises(InputError, match="nothing is marked"):
        track(frames, [gone])


def test_a_box_is_tracked_by_the_outline_found_in_it(shot: Shot) -> None:
    frames, masks = shot
    box = box_area((8, 28, 44, 44), SIZE)
    assert iou(box, masks[0]) < 0.7
    tracked = track(frames[:6], [Mark(0, box, is_exact=False)])
    assert tracked.frames_to_review == (0,)  # everything rests on what was found there
    assert tracked.exact_masks == {}
    assert not tracked.sure.any()  # nor does it know what that has missed
    assert track(frames[:6], [Mark(0, masks[0])]).sure.all()
    assert iou(tracked.mask(0), masks[0]) > 0.85
    assert iou(tracked.mask(5), masks[5]) > 0.8


def test_input_that_cannot_be_tracked(shot: Shot) -> None:
    frames, masks = shot
    mark = Mark(0, masks[0])
    for said, run in {
        "nothing is marked": lambda: track(frames, []),
        "no tracker 'magic'; known are flow, sam2, efficienttam": lambda: track(frames, [mark], tracker="magic"),
        "frame 12 is marked; the clip has 12 frames": lambda: track(frames, [Mark(12, masks[0])]),
        "the clip has no frames": lambda: track(frames[:0], [mark]),
        "mark on frame 0 is 144x96; frames are 72x96": lambda: track(frames[:, :, :72], [mark]),
        "tracking needs at least 16x16": lambda: track(frames[:, :8, :8], [Mark(0, np.ones((8, 8), bool))]),
        "frame 1 is 72x96 and frame 0 is 144x96": lambda: track([frames[0], frames[1][:, :72]], [mark]),
    }.items():
        with pytest.raises(InputError, match=said):
            run()


def test_progress_and_cancelling(shot: Shot) -> None:
    frames, masks = shot
    steps: list[Step] = []
    track(frames[:4], [Mark(2, masks[2])], on_step=steps.append)
    assert [(step.stage, step.done) for step in steps] == [
        *(("read", n) for n in (1, 2, 3, 4)),
        *(("track", n) for n in (1, 2, 3)),
    ]
    assert {step.total for step in steps if step.stage == "track"} == {3}

    def enough(step: Step) -> None:
        if step.stage == "track":
            raise Cancelled

    with pytest.raises(Cancelled):
        track(frames[:2], [Mark(0, masks[0])], on_step=enough)


# The command


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, shot: Shot) -> Path:
    """A folder with shot.mp4 (25 frames a second), its frames as PNGs, and painted images."""
    folder = tmp_path_factory.mktemp("written")
    frames, masks = shot
    write_video(folder / "shot.mp4", to_tensors(frames), fps=25)
    write_video(folder / "frames", to_tensors(frames))
    for name, picture in {"0": masks[0], "11": masks[11], "black": masks[0] & False, "small": masks[0][:48]}.items():
        cv2.imwrite(str(folder / f"{name}.png"), picture.astype(np.uint8) * 255)
    return folder


@pytest.fixture
def folder(written: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same as working directory: what a test writes there has a name of its own."""
    monkeypatch.chdir(written)
    return written


def run(words: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What it says when it works."""
    assert cli.run(words.split()) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


def test_mask_of_painted_images(folder: Path, shot: Shot, capsys: pytest.CaptureFixture[str]) -> None:
    said = run("mask shot.mp4 --paint 0:0.png 11:11.png -o painted.mkv", capsys)
    assert "12 frames of 144x96" in said
    assert "no frame is unsure" in said
    levels = read_masks(folder / "painted.mkv")
    assert set(np.unique(levels)) == {0, 255}
    assert min(iou(level > 127, truth) for level, truth in zip(levels, shot[1], strict=True)) > 0.8
    with av.open(str(folder / "painted.mkv")) as mask, av.open(str(folder / "shot.mp4")) as source:
        times = [[frame.time for frame in video.decode(video=0)] for video in (mask, source)]
    assert times[0] == pytest.approx(times[1])


def test_mask_of_a_box_and_of_several(folder: Path, shot: Shot, capsys: pytest.CaptureFixture[str]) -> None:
    run("mask frames --box 8 28 44 44 -o one", capsys)
    run("mask frames --frame 0 11 --box 8 28 44 44 52 28 44 44 -o two", capsys)
    run("mask frames --frame 11 --polygon 52 28 96 28 96 72 52 72 --start 6 -o part", capsys)
    for name, index in (("one", 11), ("two", 6), ("part", 6)):
        assert iou(read_masks(folder / name)[index] > 127, shot[1][index]) > 0.8
    assert not read_masks(folder / "part")[:6].any()


def test_fixed_over_a_range_of_time(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = run("mask shot.mp4 --fixed --box 20 80 100 12 --start 0.12s --end 9 -o logo.mkv", capsys)
    assert "frames 3 to 8 are masked" in said
    assert "look" not in said
    levels = read_masks(folder / "logo.mkv") > 127
    area = box_area((20, 80, 100, 12), SIZE)
    for index, level in enumerate(levels):
        assert np.array_equal(level, area if 3 <= index <= 8 else area & False)
    run("mask frames --fixed --paint 0.png --box 0 0 9 9 -o both", capsys)
    assert np.array_equal(
        read_masks(folder / "both")[5] > 127, (read_image(folder / "0.png")[..., 0] > 0) | box_area((0, 0, 9, 9), SIZE)
    )


def test_which_frames_are_masked_and_behind_which_cut_nothing_is(
    folder: Path, shot: Shot, capsys: pytest.CaptureFixture[str]
) -> None:
    edited = np.concatenate([shot[0][:6], np.stack([(texture(*SIZE, seed=9) * 255).astype(np.uint8)] * 4)])
    write_video(folder / "edited", to_tensors(edited))
    said = run("mask edited --paint 0:0.png --paint 4:black.png -o edited.mkv", capsys)
    assert "edited.mkv: 10 frames of 144x96; frames 0 to 3 are masked, " in said
    assert "nothing is masked in frames 6 to 9, behind a cut" in said
    assert "no frame is unsure" in said
    over = run("mask edited --paint 0:0.png --over-cuts -o over.mkv", capsys)
    assert "behind a cut" not in over


def test_stretches_in_words() -> None:
    def said(frames: str) -> str:
        written = Written()
        assert len(list(written.passing(np.full((2, 2), frame == "x") for frame in frames))) == len(frames)
        return written.said()

    assert said("..") == "no frame is masked"
    assert said("xx..xx.x") == "frames 0 to 1, 4 to 5 and 7 are masked, 100.0% of the picture"
    assert said(".x.x.x.x.x").startswith("frames 1, 3, 5 and 2 stretches more are masked")


BAD = {
    "none.mp4 --box 1 1 9 9": "there is no file none.mp4",
    "frames": "nothing is marked; --box, --polygon or --paint is needed",
    "frames --frame 12 --box 1 1 9 9": "frame 12 is marked; frames has frames 0-11",
    "frames --frame -1 --box 1 1 9 9": "frame -1 is marked",
    "frames --box 140 1 9 9": "the box 140 1 9 9 is not in the picture; frames are 144x96",
    "frames --box 1 1 0 9": "has no inside",
    "frames --box 1 1 9": "--box has 3 numbers for 1 of --frame",
    "frames --frame 1 2 --polygon 1 1 9 9 1 9": "--polygon is of one frame, and --frame names 2",
    "frames --polygon 1 1 9 9": "X Y of three corners or more are needed",
    "frames --paint 0:black.png": "nothing is marked; --box, --polygon or --paint is needed",
    "frames --fixed --paint black.png": "nothing is marked",
    "frames --box 1 1 9 9 --start 0 --start 3": "--start is given twice",
    "frames --paint 0:small.png": "small.png is 144x48; frames are 144x96",
    "frames --paint 0:none.png": "there is no file none.png",
    "frames --paint 0.png": "FRAME:IMAGE is needed; write 0:0.png",
    "frames --paint 12:0.png": "frame 12 is marked",
    "frames --paint -1:0.png": "frame -1 is marked; frames are counted from 0; give 0 or more",
    "frames --frame 3 --paint 0:0.png": "--frame 3 is given with --paint 0:0.png; --frame is of --box and --polygon;",
    "frames --frame 3 --paint 0.png": "FRAME:IMAGE is needed; write 3:0.png",
    "frames --fixed --frame 3 --paint 0.png": "--frame 3 is given with --paint 0.png; --frame is of --box",
    "frames --paint 0:frames": "frames is not an image",
    "frames --box 1 1 9 9 --start 5 --end 2": "no frame is numbered from 5 up to, but without, 2; frames has 0-11",
    "frames --box 1 1 9 9 --start soon": "'soon' is no moment",
    "frames --box 1 1 9 9 --start 12": "no frame is numbered 12 or more; frames has 0-11",
    "frames --box 1 1 9 9 --start 3": "frame 0 is marked; --start and --end take frames 3 to 11",
    "frames --box 1 1 9 9 --tracker magic": "magic",
    "frames --box 1 1 9 9 -o frames": "frames is also the input",
}


@pytest.mark.parametrize("words", BAD)
def test_bad_marks_are_one_line_and_write_nothing(words: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = set(folder.rglob("*"))
    refused(f"mask {words}" + ("" if "-o" in words else " -o mask.mkv"), BAD[words], capsys)
    assert set(folder.rglob("*")) == before


@pytest.mark.parametrize(
    "words",
    ["--find overlays", "--fixed --box 1 1 9 9", "--fixed --box 1 1 9 9 --effects shadows", "--spans a.toml",
     "--box 1 1 9 9", "--box 1 1 9 9 --start 1003"],
)  # fmt: skip
def test_images_of_two_sizes_are_refused_whatever_is_asked_for(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("frames").mkdir()
    scene = (texture(64, 80, seed=9) * 255).astype(np.uint8)
    for number in range(1001, 1020):
        cv2.imwrite(f"frames/{number}.png", scene if number < 1019 else scene[:48])
    Path("a.toml").write_text("[[span]]\nbox = [1, 1, 9, 9]\n")
    words = words.replace("1 1 9 9 --start", "1 1 9 9 --frame 1003 --start")
    refused(f"mask frames {words} -o mask.mkv", "frame 1019 is 80x48 and frame 1001 is 80x64", capsys)
    assert not Path("mask.mkv").exists()


def test_nothing_is_left_when_it_fails_in_the_middle(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cleanplate.video import encoder

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(encoder, "to_codec", full)
    before = set(folder.rglob("*"))
    refused("mask frames --fixed --box 1 1 9 9 -o mask.mkv", "No space left on device", capsys)
    assert set(folder.rglob("*")) == before


@pytest.mark.parametrize("name", get_args(Tracker))
def test_every_tracker_that_is_named_is_there(name: str) -> None:
    mark = Mark(0, box_area((8, 8, 12, 12), (48, 64)))
    frames = [np.zeros((48, 64, 3), np.uint8)] * 2
    with contextlib.suppress(InputError) if name != "flow" else contextlib.nullcontext():  # its weights are missing
        assert len(track(iter(frames), [mark], tracker=name)) == 2
    with pytest.raises(InputError, match=f"there is no tracker 'x'; known are .*{name}"):
        track(iter(frames), [mark], tracker="x")
