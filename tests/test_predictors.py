import importlib
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from cleanplate import cli
from cleanplate.errors import InputError
from cleanplate.progress import Step
from cleanplate.track.marks import Mark
from cleanplate.track.predictors import PROJECTS, available
from cleanplate.track.tracker import track, track_things
from cleanplate.video.areas import box_area
from cleanplate.video.reader import read_image
from tests.conftest import refused
from tests.rolling_ball import SIZE, ball_shot, iou

MODULES = {
    "sam2": ("sam2.build_sam", "build_sam2_video_predictor"),
    "efficienttam": ("efficient_track_anything.build_efficienttam", "build_efficienttam_video_predictor"),
}
TITLES = {"sam2": "SAM 2", "efficienttam": "EfficientTAM"}


@pytest.mark.parametrize("tracker", TITLES)
def test_it_is_said_what_is_missing(
    tracker: str,
    tmp_path: Path,
    write_pngs: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    title, folder = TITLES[tracker], write_pngs(ball_shot(2)[0], "frames")
    words = f"mask {folder} --box 1 1 9 9 --tracker {tracker} -o {tmp_path / 'm.mkv'}"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    refused(words, f"the package of {title} is not installed", capsys)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.delenv("CLEANPLATE_WEIGHTS", raising=False)
    refused(words, "$CLEANPLATE_WEIGHTS, which is not set", capsys)
    monkeypatch.setenv("CLEANPLATE_WEIGHTS", str(tmp_path))
    refused(words, f"no weights of {title} in {tmp_path}", capsys)
    first = next(iter(PROJECTS[tracker].configs))
    known = {"sam2": "sam2.1_hiera_tiny.pt", "efficienttam": "efficienttam_ti.pt"}
    mine, other = known.pop(tracker), known.popitem()
    for weights, said in {
        mine: f"there is no file {mine}",
        "my.pt": f"my.pt is no checkpoint of {title} by its name; checkpoints of {title} are {first},",
        other[1]: f"use --tracker {other[0]}",
    }.items():
        refused(f"{words} --weights {weights}", said, capsys)
    assert not (tmp_path / "m.mkv").exists()


def test_what_is_to_be_had_is_known_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("CLEANPLATE_WEIGHTS", str(tmp_path))
    assert available() == ()
    (tmp_path / "efficienttam_ti.pt").touch()
    assert available() == ()  # weights without a package
    for module, _ in MODULES.values():
        package = tmp_path / module.split(".")[0]
        package.mkdir()
        (package / "__init__.py").write_text("raise RuntimeError('imported')")
    importlib.invalidate_caches()
    assert available() == ("efficienttam",)  # and sam2 is a package without weights
    (tmp_path / "sam2.1_hiera_mine.pt").touch()  # not under a published name
    (tmp_path / "sam2.1_hiera_large.pt").mkdir()
    assert available() == ("efficienttam",)
    (tmp_path / "sam2_hiera_tiny.pt").touch()
    assert available() == ("sam2", "efficienttam")
    monkeypatch.delenv("CLEANPLATE_WEIGHTS")
    assert available() == ()


def test_flow_has_no_weights(tmp_path: Path, write_pngs: Callable[..., Path], capsys: pytest.CaptureFixture) -> None:
    words = f"mask {write_pngs(ball_shot(2)[0], 'frames')} --box 8 28 44 44 -o {tmp_path / 'm.mkv'} --weights a.pt"
    refused(words, "weights (a.pt) are given for the tracker flow; it has none; leave it out, or", capsys)


def test_method_is_an_earlier_word(caplog: pytest.LogCaptureFixture) -> None:
    words = "mask a.mp4 --box 1 1 9 9 -o m.mkv"
    assert cli.parse(f"{words} --method sam2".split()) == cli.parse(f"{words} --tracker=sam2".split())
    assert caplog.messages == ["--method is now --tracker"]


class FakePredictor:
    """Answers as SAM 2's video predictor does, and remembers what it was asked."""

    def __init__(self, logits: np.ndarray):
        self.logits, self.asked = logits, []

    def init_state(self, folder: str, **options: object) -> str:
        files = sorted(Path(folder).iterdir())
        assert [file.name for file in files[:2]] == ["000000.jpg", "000001.jpg"]
        assert np.abs(read_image(files[0]).astype(int) - ball_shot(1)[0][0]).mean() < 8
        self.length = len(files)
        return "state"

    def add_new_mask(self, state: str, frame: int, thing: int, mask: torch.Tensor) -> None:
        self.asked.append(("mask", frame, thing, int(mask.sum())))

    def add_new_points_or_box(self, state: str, frame: int, thing: int, box: np.ndarray) -> None:
        self.asked.append(("box", frame, thing, box.tolist()))

    def propagate_in_video(self, state: str, start_frame_idx: int, reverse: bool) -> Iterator[tuple]:
        order = range(start_frame_idx, -1, -1) if reverse else range(start_frame_idx, self.length)
        for index in order:
            ids = sorted({one[2] for one in self.asked}, reverse=True)  # each its own, in any order
            logits = [self.logits[index] if obj_id == 1 else -self.logits[index] for obj_id in ids]
            yield index, ids, torch.from_numpy(np.stack(logits))[:, None]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[FakePredictor, list[tuple]]:
    """Stand-ins for the packages, with some weights of them: their predictor, and how that was built."""
    truth = ball_shot(1)[1][0]
    # Undecided about the first frame: there 0.62 is the probability of the ball.
    fake = FakePredictor(np.stack([truth * peak - 10 for peak in (10.5, 20.0, 20.0)]))
    built: list[tuple] = []

    def build(*words: object, **options: object) -> FakePredictor:
        print("Disable torch compile due to unsupported GPU.")  # as one of them says
        built.append((*words, options))
        return fake

    for module, function in MODULES.values():
        for name in (module.split(".")[0], module):
            there = types.ModuleType(name)
            there.__spec__ = importlib.machinery.ModuleSpec(name, None)
            vars(there)[function] = build
            monkeypatch.setitem(sys.modules, name, there)
    monkeypatch.setenv("CLEANPLATE_WEIGHTS", str(tmp_path))
    for name in ("sam2_hiera_large.pt", "sam2.1_hiera_tiny.pt", "sam2.1_hiera_base_plus.pt", "efficienttam_s_2.pt"):
        (tmp_path / name).touch()
    return fake, built


BUILT = {
    "sam2": ("configs/sam2/sam2_hiera_l.yaml", "sam2_hiera_large.pt"),
    "efficienttam": ("configs/efficienttam/efficienttam_s_2.yaml", "efficienttam_s_2.pt"),
}


@pytest.mark.parametrize("tracker", BUILT)
def test_a_predictor_is_asked_with_masks_and_boxes(
    tracker: str, asked: tuple[FakePredictor, list[tuple]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake, built = asked
    frames, masks = (np.repeat(part, 3, axis=0) for part in ball_shot(1))
    marks = [Mark(1, masks[1]), Mark(2, box_area((8, 28, 44, 44), SIZE), is_exact=False)]
    steps: list[Step] = []
    tracked = track(iter(frames), marks, tracker=tracker, device="cpu", on_step=steps.append)
    config, checkpoint = BUILT[tracker]
    assert built == [(config, str(tmp_path / checkpoint), {"device": "cpu"})]
    assert capsys.readouterr().out == ""
    assert fake.asked == [("mask", 1, 1, int(masks[1].sum())), ("box", 2, 1, [8, 28, 52, 72])]
    assert min(iou(mask, truth) for mask, truth in zip(tracked, masks, strict=True)) > 0.98
    assert tracked.confidence[1:].min() > 0.98
    assert tracked.confidence[0] == pytest.approx(1 - 0.38 / 0.62, abs=0.02)
    assert tracked.frames_to_review == (0, 2)  # undecided, and found in a box
    assert tracked.sure.tolist() == [False, True, False]  # painted, or resting on an outline that has missed something
    assert tracked.exact_masks.keys() == {1}
    assert [(step.done, step.total) for step in steps if step.stage == "track"][-1] == (3, 3)


def test_a_package_that_fails_is_one_line(
    asked: tuple, tmp_path: Path, write_pngs: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    fake, _ = asked
    fake.add_new_points_or_box = lambda *_, **__: [][1]
    frames = write_pngs(np.repeat(ball_shot(1)[0], 2, axis=0), "frames")
    words = f"mask {frames} --box 8 28 44 44 --tracker sam2 -o {tmp_path / 'm.mkv'}"
    refused(words, "SAM 2 could not follow it (IndexError: list index out of range); a package and", capsys)
    assert not (tmp_path / "m.mkv").exists()


def test_several_things_are_asked_for_at_once(asked: tuple[FakePredictor, list[tuple]], tmp_path: Path) -> None:
    fake, built = asked
    frames, masks = (np.repeat(part, 3, axis=0) for part in ball_shot(1))
    things = [[Mark(1, masks[1])], [Mark(0, ~masks[0]), Mark(2, masks[2] & False)]]
    weights = tmp_path / "sam2.1_hiera_tiny.pt"
    ball, rest = track_things(iter(frames), things, tracker="sam2", weights=weights, device="cpu")
    assert built == [("configs/sam2.1/sam2.1_hiera_t.yaml", str(weights), {"device": "cpu"})]
    assert [one[:3] for one in fake.asked] == [("mask", 1, 1), ("mask", 0, 2)]
    assert iou(ball.mask(2), masks[2]) > 0.98
    assert iou(rest.mask(1), ~masks[1]) > 0.98
    assert (ball.exact_masks.keys(), rest.exact_masks.keys()) == ({1}, {0, 2})
    assert ball.frames_to_review == (0,)


def test_all_marks_of_a_frame_are_asked_with(asked: tuple[FakePredictor, list[tuple]]) -> None:
    """A predictor replaces what an object was asked with on a frame: painted ones are one mask, each box an object."""
    fake, _ = asked
    frames, masks = (np.repeat(part, 3, axis=0) for part in ball_shot(1))
    left, right = masks[1].copy(), masks[1].copy()
    left[:, 30:], right[:, :30] = False, False
    boxes = [Mark(at, box_area((x, 28, 20, 44), SIZE), is_exact=False) for at, x in ((1, 8), (2, 8), (2, 40))]
    tracked = track(frames, [Mark(1, left), *boxes, Mark(1, right), Mark(0, right & False)], tracker="sam2")
    assert fake.asked == [
        ("mask", 1, 1, int(masks[1].sum())),
        ("box", 2, 1, [8, 28, 28, 72]),
        ("box", 1, 2, [8, 28, 28, 72]),
        ("box", 2, 2, [40, 28, 60, 72]),
    ]
    assert tracked.mask(2).all()  # the one is what the other is not
    assert isinstance(tracked.probability, np.memmap)  # on disk, however long the shot


def test_beyond_an_empty_mark_nothing_is_followed(asked: tuple[FakePredictor, list[tuple]]) -> None:
    fake, _ = asked
    frames, masks = (np.repeat(part, 9, axis=0) for part in ball_shot(1))
    fake.logits = np.repeat(fake.logits[:1], 9, axis=0)  # undecided everywhere
    there, gone = (
        [Mark(frame, area) for frame in at] for area, at in ((masks[0], (2, 8)), (~masks[0] & False, (0, 4)))
    )

    def masked(*marks: Mark) -> list[int]:
        (tracked,) = track_things(iter(frames), [marks], tracker="sam2", device="cpu")
        assert tracked.confidence[[mark.frame for mark in marks]].min() == 1
        assert not set(tracked.frames_to_review) & {mark.frame for mark in marks}
        return [index for index, mask in enumerate(tracked) if mask.any()]

    assert masked(there[0]) == list(range(9))
    assert masked(there[0], gone[1]) == [0, 1, 2, 3]
    assert masked(there[0], *gone) == [1, 2, 3]
    assert masked(*there, gone[1]) == [0, 1, 2, 3, 5, 6, 7, 8]  # it came back some time before it is marked again


def test_frames_of_two_sizes_are_refused_while_they_are_read(asked: tuple[FakePredictor, list[tuple]]) -> None:
    frames, masks = ball_shot(1)
    with pytest.raises(InputError, match="frame 1 is 144x90 and frame 0 is 144x96; all frames must have one size"):
        track(iter([frames[0], frames[0][:90]]), [Mark(0, masks[0])], tracker="sam2", device="cpu")
    assert not asked[0].asked


def test_marks_beyond_the_clip_and_broken_weights_are_refused(asked: tuple[FakePredictor, list[tuple]]) -> None:
    frames, masks = (np.repeat(part, 3, axis=0) for part in ball_shot(1))
    with pytest.raises(InputError, match="frame 3 is marked; the clip has 3 frames"):
        track(frames, [Mark(3, masks[1])], tracker="sam2")

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("size mismatch")

    for module, function in MODULES.values():
        vars(sys.modules[module])[function] = broken
    with pytest.raises(InputError, match=r"sam2_hiera_large.pt cannot be loaded \(RuntimeError\)"):
        track(frames, [Mark(1, masks[1])], tracker="sam2")
    with pytest.raises(InputError, match=r"efficienttam_s_2.pt cannot be loaded \(RuntimeError\)"):
        track(frames, [Mark(1, masks[1])], tracker="efficienttam")
