import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from cleanplate import cli, write_video
from cleanplate.errors import Cancelled, InputError
from cleanplate.imaging.pixels import to_tensor
from cleanplate.progress import Step
from cleanplate.track.classifier import deform
from cleanplate.track.fields import blur
from cleanplate.track.marks import Mark, box_area, frame_at, painted_area, polygon_area
from cleanplate.track.outline import outline, own_motion
from cleanplate.track.propagate import guided_filter, one_thing, pieces, sureness
from cleanplate.track.tracked import Tracked, small_size, worth_a_look
from cleanplate.track.tracker import _passes, _share, track
from cleanplate.video.reader import read_image, read_masks
from tests.conftest import refused, texture

SIZE = (96, 144)
Shot = tuple[np.ndarray, np.ndarray]


def ball_shot(n_frames: int = 12, step: float = 4.0, gap: slice | None = None) -> Shot:
    """A striped ball that rolls over a texture the camera pans across; behind a post if there is a `gap`."""
    height, width = SIZE
    wall = (texture(height, width + 2 * n_frames) * 255).astype(np.uint8)
    y, x = np.mgrid[:height, :width]
    frames, masks = [], []
    for index in range(n_frames):
        frame = wall[:, 2 * index : 2 * index + width].copy()
        dx, dy = x - (30 + step * index), y - 50
        mask = np.hypot(dx, dy) <= 20
        stripes = (np.sin(0.5 * dx + 0.3 * dy) > 0)[..., None]
        frame[mask] = np.where(stripes, [220, 60, 40], [250, 230, 90])[mask]
        if gap is not None:
            frame[:, gap] = (20, 60, 160)
            mask[:, gap] = False
        frames.append(frame)
        masks.append(mask)
    return np.stack(frames), np.stack(masks)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


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
    assert tracked.sure[0] == 1
    assert tracked.sure.min() > 0.5
    assert tracked.look_at == ()


def test_a_mask_covers_rather_too_much(shot: Shot, tracked: Tracked) -> None:
    _, masks = shot
    missed = np.mean([(truth & ~mask).sum() / truth.sum() for mask, truth in zip(tracked, masks, strict=True)])
    assert missed < 0.03
    level = np.full((1, 8, 8), 70, np.uint8)  # a chance of 0.27
    sure, unsure = (Tracked(level, (8, 8), np.array([value]), (), {}).mask(0) for value in (0.9, 0.3))
    assert not sure.any()
    assert unsure.all()


def test_the_same_seed_gives_the_same_masks(shot: Shot, tracked: Tracked) -> None:
    frames, masks = shot
    again = track(frames, [Mark(0, masks[0])])
    assert np.array_equal(again.levels, tracked.levels)
    assert np.array_equal(again.sure, tracked.sure)


def test_from_the_middle_both_ways_and_from_two_marks(shot: Shot) -> None:
    frames, masks = shot
    middle = track(frames, [Mark(6, masks[6])])
    assert min(iou(mask, truth) for mask, truth in zip(middle, masks, strict=True)) > 0.8
    two = track(frames, [Mark(11, masks[11]), Mark(0, masks[0])])
    assert min(iou(mask, truth) for mask, truth in zip(two, masks, strict=True)) > 0.85
    assert two.sure[[0, 11]].tolist() == [1, 1]


def test_found_again_after_a_post_hid_it() -> None:
    frames, masks = ball_shot(16, gap=slice(64, 84))
    tracked = track(frames, [Mark(0, masks[0])])
    assert iou(tracked.mask(15), masks[15]) > 0.7


def test_a_thing_that_is_lost_is_worth_a_look(shot: Shot) -> None:
    frames, masks = shot
    cut = frames.copy()
    cut[6:] = (texture(*SIZE, seed=9) * 255).astype(np.uint8)
    tracked = track(cut, [Mark(0, masks[0])])
    assert any(index >= 6 for index in tracked.look_at)
    assert not any(index < 6 for index in tracked.look_at)


def test_the_outline_of_a_box_is_found(shot: Shot) -> None:
    frames, masks = shot
    box = box_area((8, 28, 44, 44), SIZE)
    assert iou(box, masks[0]) < 0.7
    assert iou(outline(frames[0], box), masks[0]) > 0.85
    tracked = track(frames, [Mark(0, box, firm=False)])
    assert tracked.look_at == (0,)  # everything rests on what was found there
    assert iou(tracked.mask(0), masks[0]) > 0.85
    assert iou(tracked.mask(11), masks[11]) > 0.8
    # Nothing to be told from: the area itself.
    whole = np.ones(SIZE, bool)
    assert outline(frames[0], whole).all()
    grey = np.full((*SIZE, 3), 128, np.uint8)
    assert outline(grey, box).sum() >= 0.1 * box.sum()


def test_a_thing_of_the_colours_behind_it_is_found_by_its_motion() -> None:
    """A part of the ground that slides over it while the camera pans: no colour tells it."""
    ground, patch = (texture(160, 260, seed) * 255 for seed in (1, 2))
    there = np.hypot(*(np.mgrid[:96, :144] - np.array([48, 70])[:, None, None])) < 22

    def frame(at: int) -> np.ndarray:
        picture = ground[20 : 20 + 96, 40 + 2 * at : 40 + 2 * at + 144].astype(np.uint8)
        place = np.roll(there, 3 * at, 1)
        picture[place] = np.roll(patch[:96, :144].astype(np.uint8), 3 * at, 1)[place]
        return picture

    box = box_area((40, 18, 60, 60), (96, 144))
    beside = [frame(at) for at in (-2, -1, 1, 2)]
    alone, moving = outline(frame(0), box), outline(frame(0), box, beside)
    assert iou(alone, there) < 0.75
    assert iou(moving, there) > 0.8
    assert (moving & there).sum() > 0.9 * there.sum()
    # One that moves with the camera is found by its colours as before.
    still = [np.ascontiguousarray(frame(0)) for _ in range(2)]
    assert np.array_equal(outline(frame(0), box, still), alone)
    assert own_motion(frame(0), [], ~box) is None


def test_areas() -> None:
    assert np.argwhere(box_area((2, 3, 4, 5), (10, 12))).tolist() == [[y, x] for y in range(3, 8) for x in range(2, 6)]
    triangle = polygon_area((0, 0, 10, 0, 0, 10), (12, 12))
    assert triangle[1, 1]
    assert not triangle[9, 9]
    assert triangle.sum() == pytest.approx(66, abs=1)  # half of 11 x 11, with its diagonal
    assert Mark(3, box_area((2, 3, 4, 5), (10, 12))).box == (2, 3, 4, 5)


def test_marks_that_are_none(tmp_path: Path, write_pngs: Callable[..., Path]) -> None:
    folder = write_pngs(np.stack([np.zeros(SIZE, np.uint8), np.full(SIZE, 255, np.uint8)]), "painted")
    assert painted_area(folder / "1.png", SIZE).all()
    for said, make in {
        "has no inside": lambda: box_area((1, 1, 0, 5), SIZE),
        "is not in the picture; frames are 144x96": lambda: box_area((140, 0, 10, 10), SIZE),
        "X Y of three corners": lambda: polygon_area((1, 1, 5, 5), SIZE),
        "5 numbers": lambda: polygon_area((1, 1, 5, 5, 9), SIZE),
        "corner 200 5": lambda: polygon_area((1, 1, 200, 5, 9, 9), SIZE),
        "the polygon has no inside": lambda: polygon_area((1, 1, 5, 5, 9, 9), SIZE),
        "no white: its brightest value is 0": lambda: painted_area(folder / "0.png", SIZE),
        "is 144x96; frames are 64x48": lambda: painted_area(folder / "1.png", (48, 64)),
        "is not an image": lambda: painted_area(folder, SIZE),
        "frame -1": lambda: Mark(-1, np.ones(SIZE, bool)),
        "nothing is marked on frame 2": lambda: Mark(2, np.zeros(SIZE, bool)),
    }.items():
        with pytest.raises(InputError, match=said):
            make()


def test_input_that_cannot_be_tracked(shot: Shot) -> None:
    frames, masks = shot
    mark = Mark(0, masks[0])
    for said, run in {
        "nothing is marked": lambda: track(frames, []),
        "no tracker 'magic'; known are flow, sam2": lambda: track(frames, [mark], method="magic"),
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
    assert [(step.stage, step.done) for step in steps if step.stage == "track"] == [("track", n) for n in (1, 2, 3)]
    assert {step.total for step in steps if step.stage == "track"} == {3}
    with pytest.raises(Cancelled):
        track(frames, [Mark(0, masks[0])], on_step=lambda step: Cancelled if step.stage == "track" else None)


def test_frames_are_read_once_and_one_after_the_other(shot: Shot) -> None:
    frames, masks = shot
    alive: list[int] = []

    def reading() -> Iterator[np.ndarray]:
        for index, frame in enumerate(frames[:3]):
            alive.append(index)
            yield frame

    track(reading(), [Mark(0, masks[0])])
    assert alive == [0, 1, 2]
    assert small_size((1080, 1920)) == (270, 480)
    assert small_size((100, 50)) == (100, 50)


def test_passes_cover_every_frame_and_shares_add_up() -> None:
    marked, length = [3, 8], 12
    met = {at: list(range(at, stop, step))[1:] for at, stop, step in _passes(marked, length) if step > 0}
    back = {at: list(range(at, stop, step))[1:] for at, stop, step in _passes(marked, length) if step < 0}
    assert met == {3: [4, 5, 6, 7], 8: [9, 10, 11]}
    assert back == {3: [2, 1, 0], 8: [7, 6, 5, 4]}
    assert [_share(index, 3, marked) for index in (0, 4, 7)] == [1, 0.8, 0.2]
    assert all(_share(index, 3, marked) + _share(index, 8, marked) == pytest.approx(1) for index in range(4, 8))


def test_worth_a_look() -> None:
    assert worth_a_look(np.ones(20)) == ()
    sure = np.ones(40)
    sure[10:13], sure[30] = (0.3, 0.1, 0.4), 0.45
    assert worth_a_look(sure) == (11, 30)
    assert len(worth_a_look(np.zeros(100))) == 8


def test_sureness() -> None:
    mask = np.zeros((10, 10), np.float32)
    mask[2:6, 2:6] = 1
    assert sureness(mask, mask) == 1
    assert sureness(mask, np.roll(mask, 2, axis=1)) == pytest.approx(1 / 3)
    assert sureness(np.full((10, 10), 0.6, np.float32), np.ones((10, 10), np.float32)) == pytest.approx(1 / 3, abs=1e-4)
    assert sureness(0 * mask, mask) == 0


def test_what_has_torn_off_is_left_behind() -> None:
    mask = np.zeros((40, 80), np.float32)
    mask[10:30, 10:30] = mask[10:30, 34:38] = mask[5:38, 60:78] = 1
    expected = np.zeros_like(mask)
    expected[10:30, 8:38] = 1
    kept = one_thing(mask, expected, 1, apart_px=8)
    assert kept[20, 20]
    assert kept[20, 36]  # close by
    assert not kept[20, 70]  # larger, but not where the thing is expected
    assert pieces(mask > 0.5) == 3


def test_building_blocks() -> None:
    rng = np.random.default_rng(0)
    field = rng.random((60, 90)).astype(np.float32)
    wide = cv2.GaussianBlur(field, (0, 0), 9, borderType=cv2.BORDER_REFLECT)
    assert np.abs(blur(field, 9) - wide).max() < 0.05
    assert np.abs(blur(field, 2) - cv2.GaussianBlur(field, (0, 0), 2, borderType=cv2.BORDER_REFLECT)).max() == 0
    flat = np.full_like(field, 0.3)
    assert np.allclose(guided_filter(field, flat), flat, atol=1e-5)
    edge = (np.arange(90) >= 45).astype(np.float32) * np.ones((60, 1), np.float32)
    assert np.abs(guided_filter(edge, edge) - edge).max() < 0.02  # not blurred over the edge
    disc = np.zeros((60, 90), np.float32)
    cv2.circle(disc, (45, 30), 15, (1.0,), -1)
    bent = [deform(disc, rng) for _ in range(20)]
    assert 0.4 < np.mean([iou(one > 0.5, disc > 0.5) for one in bent]) < 0.95


def test_times() -> None:
    even = [index / 25 for index in range(100)]
    for when, index in {"7": 7, "2s": 50, "1.99s": 49, "0:02": 50, "0:00:03.5": 87, "00:00:01:05": 30}.items():
        assert frame_at(when, even, 25) == index
    uneven = [0.0, 0.1, 0.5, 0.6]
    assert frame_at("0.3s", uneven, 10) == 1  # that is what is shown then
    for when, said in {
        "100": "100 is beyond the end; there are 100 frames, 4.00 s",
        "9s": "beyond",
        "x": "is no moment",
    }.items():
        with pytest.raises(InputError, match=said):
            frame_at(when, even, 25)


# The command


@pytest.fixture
def folder(tmp_path: Path, shot: Shot, monkeypatch: pytest.MonkeyPatch) -> Path:
    """shot.mp4 (25 frames a second), painted images, and the working directory there."""
    frames, masks = shot
    write_video(tmp_path / "shot.mp4", to_tensor(frames), fps=25)
    write_video(tmp_path / "frames", to_tensor(frames))
    for name, picture in {"0": masks[0], "11": masks[11], "black": masks[0] & False, "small": masks[0][:48]}.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture.astype(np.uint8) * 255)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(words: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What it says when it works."""
    assert cli.run(words.split()) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


def test_mask_of_painted_images(folder: Path, shot: Shot, capsys: pytest.CaptureFixture[str]) -> None:
    said = run("mask shot.mp4 --paint 0:0.png 11:11.png -o mask.mkv", capsys)
    assert "12 frames of 144x96" in said
    assert "no frame is unsure" in said
    levels = read_masks(folder / "mask.mkv")
    assert set(np.unique(levels)) == {0, 255}
    assert min(iou(level > 127, truth) for level, truth in zip(levels, shot[1], strict=True)) > 0.8
    with av.open(str(folder / "mask.mkv")) as mask, av.open(str(folder / "shot.mp4")) as source:
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


BAD = {
    "none.mp4 --box 1 1 9 9": "there is no file none.mp4",
    "frames": "nothing is marked; --box, --polygon or --paint is needed",
    "frames --frame 12 --box 1 1 9 9": "frame 12 is marked; frames has 12 frames, counted from 0",
    "frames --frame -1 --box 1 1 9 9": "frame -1 is marked",
    "frames --box 140 1 9 9": "the box 140 1 9 9 is not in the picture; frames are 144x96",
    "frames --box 1 1 0 9": "has no inside",
    "frames --box 1 1 9": "--box has 3 numbers for 1 of --frame",
    "frames --frame 1 2 --polygon 1 1 9 9 1 9": "--polygon is of one frame, and --frame names 2",
    "frames --polygon 1 1 9 9": "X Y of three corners or more are needed",
    "frames --paint 0:black.png": "black.png has no white",
    "frames --paint 0:small.png": "small.png is 144x48; frames are 144x96",
    "frames --paint 0:none.png": "there is no file none.png",
    "frames --paint 0.png": "FRAME:IMAGE is needed; write 0:0.png",
    "frames --paint 12:0.png": "frame 12 is marked",
    "frames --paint 0:frames": "frames is not an image",
    "frames --box 1 1 9 9 --start 5 --end 2": "the part is from 5 to 2",
    "frames --box 1 1 9 9 --start soon": "'soon' is no moment",
    "frames --box 1 1 9 9 --start 12": "no frame is between the start (frame 12) and the end (frame 12)",
    "frames --box 1 1 9 9 --start 3": "frame 0 is marked; --start and --end take frames 3 to 11",
    "frames --box 1 1 9 9 --method magic": "magic",
    "frames --box 1 1 9 9 -o frames": "frames is also the input",
}


@pytest.mark.parametrize("words", BAD)
def test_bad_marks_are_one_line_and_write_nothing(words: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = set(folder.rglob("*"))
    refused(f"mask {words}" + ("" if "-o" in words else " -o mask.mkv"), BAD[words], capsys)
    assert set(folder.rglob("*")) == before


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


# SAM 2


def test_sam2_says_what_is_missing(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    refused("mask frames --box 1 1 9 9 --method sam2 -o m.mkv", "the package of SAM 2 is not installed", capsys)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.delenv("CLEANPLATE_WEIGHTS", raising=False)
    refused("mask frames --box 1 1 9 9 --method sam2 -o m.mkv", "$CLEANPLATE_WEIGHTS, which is not set", capsys)
    monkeypatch.setenv("CLEANPLATE_WEIGHTS", str(folder))
    refused("mask frames --box 1 1 9 9 --method sam2 -o m.mkv", f"no weights of SAM 2 in {folder}", capsys)


class FakePredictor:
    """Answers as SAM 2's video predictor does, and remembers what it was asked."""

    def __init__(self, truth: np.ndarray):
        self.truth, self.asked = truth, []

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
            yield index, [1], torch.from_numpy(self.truth[index] * 20.0 - 10.0)[None, None]


def test_sam2_is_asked_with_masks_and_boxes(shot: Shot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames, masks = ball_shot(1)
    frames, masks = np.repeat(frames, 3, axis=0), np.repeat(masks, 3, axis=0)
    fake = FakePredictor(masks)
    built = []

    def build(*words: object, **options: object) -> FakePredictor:
        built.append(words)
        return fake

    for name in ("sam2", "sam2.build_sam"):
        module = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        vars(module)["build_sam2_video_predictor"] = build
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("CLEANPLATE_WEIGHTS", str(tmp_path))
    for name in ("sam2_hiera_large.pt", "sam2.1_hiera_tiny.pt", "sam2.1_hiera_base_plus.pt"):
        (tmp_path / name).touch()
    marks = [Mark(1, masks[1]), Mark(2, box_area((8, 28, 44, 44), SIZE), firm=False)]
    tracked = track(iter(frames), marks, method="sam2")
    assert built == [("configs/sam2/sam2_hiera_l.yaml", str(tmp_path / "sam2_hiera_large.pt"))]
    assert fake.asked == [("mask", 1, int(masks[1].sum())), ("box", 2, [8, 28, 52, 72])]
    assert min(iou(mask, truth) for mask, truth in zip(tracked, masks, strict=True)) > 0.98
    assert tracked.sure.min() > 0.98
    with pytest.raises(InputError, match="frame 3 is marked; the clip has 3 frames"):
        track(frames, [Mark(3, masks[1])], method="sam2")

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("size mismatch")

    vars(sys.modules["sam2.build_sam"])["build_sam2_video_predictor"] = broken
    with pytest.raises(InputError, match=r"sam2_hiera_large.pt cannot be loaded \(RuntimeError\)"):
        track(frames, marks, method="sam2")
