import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from cleanplate.errors import InputError
from cleanplate.progress import Step
from cleanplate.track.marks import Mark, box_area
from cleanplate.track.tracker import track
from cleanplate.video.reader import read_image
from tests.conftest import refused
from tests.rolling_ball import SIZE, ball_shot, iou


def test_sam2_says_what_is_missing(
    tmp_path: Path,
    write_pngs: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = f"mask {write_pngs(ball_shot(2)[0], 'frames')} --box 1 1 9 9 --method sam2 -o {tmp_path / 'm.mkv'}"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    refused(words, "the package of SAM 2 is not installed", capsys)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.delenv("CLEANPLATE_WEIGHTS", raising=False)
    refused(words, "$CLEANPLATE_WEIGHTS, which is not set", capsys)
    monkeypatch.setenv("CLEANPLATE_WEIGHTS", str(tmp_path))
    refused(words, f"no weights of SAM 2 in {tmp_path}", capsys)


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
        self.asked.append(("mask", frame, int(mask.sum())))

    def add_new_points_or_box(self, state: str, frame: int, thing: int, box: np.ndarray) -> None:
        self.asked.append(("box", frame, box.tolist()))

    def propagate_in_video(self, state: str, start_frame_idx: int, reverse: bool) -> Iterator[tuple]:
        order = range(start_frame_idx, -1, -1) if reverse else range(start_frame_idx, self.length)
        for index in order:
            yield index, [1], torch.from_numpy(self.logits[index])[None, None]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[FakePredictor, list[tuple]]:
    """A stand-in for the package with some weights of it: its predictor, and how that was built."""
    truth = ball_shot(1)[1][0]
    # Undecided about the first frame: there 0.62 is the probability of the ball.
    fake = FakePredictor(np.stack([truth * peak - 10 for peak in (10.5, 20.0, 20.0)]))
    built: list[tuple] = []

    def build(*words: object, **options: object) -> FakePredictor:
        built.append((*words, options))
        return fake

    for name in ("sam2", "sam2.build_sam"):
        module = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        vars(module)["build_sam2_video_predictor"] = build
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("CLEANPLATE_WEIGHTS", str(tmp_path))
    for name in ("sam2_hiera_large.pt", "sam2.1_hiera_tiny.pt", "sam2.1_hiera_base_plus.pt"):
        (tmp_path / name).touch()
    return fake, built


def test_sam2_is_asked_with_masks_and_boxes(asked: tuple[FakePredictor, list[tuple]], tmp_path: Path) -> None:
    fake, built = asked
    frames, masks = (np.repeat(part, 3, axis=0) for part in ball_shot(1))
    marks = [Mark(1, masks[1]), Mark(2, box_area((8, 28, 44, 44), SIZE), is_exact=False)]
    steps: list[Step] = []
    tracked = track(iter(frames), marks, method="sam2", device="cpu", on_step=steps.append)
    checkpoint = str(tmp_path / "sam2_hiera_large.pt")
    assert built == [("configs/sam2/sam2_hiera_l.yaml", checkpoint, {"device": "cpu"})]
    assert fake.asked == [("mask", 1, int(masks[1].sum())), ("box", 2, [8, 28, 52, 72])]
    assert min(iou(mask, truth) for mask, truth in zip(tracked, masks, strict=True)) > 0.98
    assert tracked.confidence[1:].min() > 0.98
    assert tracked.confidence[0] == pytest.approx(1 - 0.38 / 0.62, abs=0.02)
    assert tracked.frames_to_review == (0, 2)  # undecided, and found in a box
    assert tracked.exact_masks.keys() == {1}
    assert [(step.done, step.total) for step in steps if step.stage == "track"][-1] == (3, 3)


def test_sam2_refuses_marks_beyond_the_clip_and_broken_weights(asked: tuple[FakePredictor, list[tuple]]) -> None:
    frames, masks = (np.repeat(part, 3, axis=0) for part in ball_shot(1))
    with pytest.raises(InputError, match="frame 3 is marked; the clip has 3 frames"):
        track(frames, [Mark(3, masks[1])], method="sam2")

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("size mismatch")

    vars(sys.modules["sam2.build_sam"])["build_sam2_video_predictor"] = broken
    with pytest.raises(InputError, match=r"sam2_hiera_large.pt cannot be loaded \(RuntimeError\)"):
        track(frames, [Mark(1, masks[1])], method="sam2")
