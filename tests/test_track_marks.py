from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from weakref import ref

import cv2
import numpy as np
import pytest

from cleanplate.commands.marked import Marked
from cleanplate.errors import InputError
from cleanplate.track import flow, looks
from cleanplate.track.classifier import samples
from cleanplate.track.edges import refined
from cleanplate.track.features import appearance_features
from cleanplate.track.flow import _marked_masks, _read_small
from cleanplate.track.marks import Mark, frame_at
from cleanplate.track.network import Samples
from cleanplate.track.outline import outline, own_motion
from cleanplate.track.tracked import Tracked, exact_masks, frames_to_review, small_size
from cleanplate.track.tracker import track
from cleanplate.video.areas import WHITE, box_area, painted_area, polygon_area
from cleanplate.video.images import read_image
from cleanplate.video.sequences import image_files
from tests.conftest import texture
from tests.rolling_ball import SIZE, ball_shot, iou

# Marks


def test_areas() -> None:
    assert np.argwhere(box_area((2, 3, 4, 5), (10, 12))).tolist() == [[y, x] for y in range(3, 8) for x in range(2, 6)]
    triangle, other = (polygon_area((x, x, 10, 0, 0, 10), (12, 12)) for x in (0, 10))
    assert triangle[1, 1]
    assert not triangle[9, 9]
    assert triangle.sum() == pytest.approx(50, abs=5)  # half of 10 x 10, and half of its diagonal
    assert np.array_equal(triangle.astype(int) + other, box_area((0, 0, 10, 10), (12, 12)))
    assert Mark(3, box_area((2, 3, 4, 5), (10, 12))).box == (2, 3, 4, 5)


@pytest.mark.parametrize(("left", "top", "right", "bottom"), [(2, 3, 6, 8), (0, 0, 12, 10), (10, 8, 12, 10)])
def test_a_polygon_of_a_box_has_its_pixels(left: int, top: int, right: int, bottom: int) -> None:
    box = box_area((left, top, right - left, bottom - top), (10, 12))
    for corners in (
        (left, top, right, top, right, bottom, left, bottom),
        (left, bottom, right, bottom, right, top, left, top),
        (left - 0.3 * (left > 0), top, right - 0.3, top + 0.2, right - 0.3, bottom - 0.2, left, bottom),
    ):
        assert np.array_equal(polygon_area(corners, (10, 12)), box)


def test_a_polygon_that_turns_in_has_not_what_it_leaves_out() -> None:
    notch = polygon_area((0, 0, 9, 0, 9, 9, 6, 9, 6, 3, 3, 3, 3, 9, 0, 9), (9, 9))
    assert notch.sum() == 81 - 18
    assert not notch[3:, 3:6].any()


def test_marks_that_are_none(tmp_path: Path, write_pngs: Callable[..., Path]) -> None:
    levels = (0, 255, 90)
    folder = write_pngs(np.stack([np.full(SIZE, level, np.uint8) for level in levels]), "painted")
    assert painted_area(folder / "1.png", SIZE).all()
    assert not painted_area(folder / "0.png", SIZE).any()  # all of it black: it is not there
    assert not Mark(2, np.zeros(SIZE, bool)).area.any()
    deep = np.full(SIZE, 600, np.uint16)  # nearly black of 65535
    deep[10:20, 10:20] = 65535
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    assert np.array_equal(painted_area(tmp_path / "deep.png", SIZE), deep > 32767)
    for said, make in {
        "has no inside": lambda: box_area((1, 1, 0, 5), SIZE),
        "is not in the picture; frames are 144x96; give 140 0 4 10,": lambda: box_area((140, 0, 10, 10), SIZE),
        "-3 -2 9 9 is not in the picture; frames are 144x96; give 0 0 6 7,": lambda: box_area((-3, -2, 9, 9), SIZE),
        "give a left from 0 to 143 and a top from 0 to 95": lambda: box_area((0, 200, 10, 10), SIZE),
        "X Y of three corners": lambda: polygon_area((1, 1, 5, 5), SIZE),
        "5 numbers": lambda: polygon_area((1, 1, 5, 5, 9), SIZE),
        "corner 200 5": lambda: polygon_area((1, 1, 200, 5, 9, 9), SIZE),
        "the polygon has no inside": lambda: polygon_area((1, 1, 5, 5, 9, 9), SIZE),
        "has no inside; its corners are": lambda: polygon_area((1, 1, 40, 1, 40, 1.2), SIZE),
        "no white: its brightest value is 90": lambda: painted_area(folder / "2.png", SIZE),
        "is 144x96; frames are 64x48": lambda: painted_area(folder / "1.png", (48, 64)),
        "is not an image": lambda: painted_area(folder, SIZE),
        "frame -1": lambda: Mark(-1, np.ones(SIZE, bool)),
        "nothing is marked on frame 2": lambda: Mark(2, np.zeros(SIZE, bool), is_exact=False),
    }.items():
        with pytest.raises(InputError, match=said):
            make()


def test_a_painted_frame_of_thousands_of_digits() -> None:
    marked = Marked(paint=(f"{'1' * 5000}:a.png",))
    with pytest.raises(InputError, match=r"^--paint names frame 111111111\.\.\.; no video has as many frames"):
        list(marked.painted())


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


# Frames in, masks out


def test_of_large_frames_only_small_copies_are_held() -> None:
    large, held = (540, 720), []

    def reading() -> Iterator[np.ndarray]:
        for value in range(4):
            frame = np.full((*large, 3), value, np.uint8)
            held.append(ref(frame))
            yield frame
            del frame
            assert sum(one() is not None for one in held) <= 1  # the one that is being read

    pictures, size = _read_small(reading(), [Mark(0, np.ones(large, bool))], None)
    assert size == large
    assert pictures.shape == (4, 270, 360, 3)
    assert [int(picture[0, 0, 0]) for picture in pictures] == [0, 1, 2, 3]
    assert not any(one() is not None for one in held)


def test_of_many_marks_the_features_of_a_few_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    frames, masks = ball_shot(6)
    held, alive, deformed = list[ref](), list[int](), list[int]()

    def features(picture: np.ndarray) -> np.ndarray:
        made = appearance_features(picture)
        held.append(ref(made))
        alive.append(sum(one() is not None for one in held))
        return made

    def drawn(*what: Any, deformations: int) -> Samples:
        deformed.append(deformations)
        return samples(*what, deformations=deformations)

    for module in (flow, looks):
        monkeypatch.setattr(module, "appearance_features", features)
    monkeypatch.setattr(flow, "samples", drawn)
    monkeypatch.setattr(flow, "MOST_DEFORMED", 24)
    track(frames, [Mark(index, mask) for index, mask in enumerate(masks)])
    assert len(held) == 12  # for each of two networks
    assert max(alive) <= 4
    assert deformed == [4] * 6


def test_the_size_that_is_worked_at() -> None:
    assert small_size((1080, 1920)) == (270, 480)
    assert small_size((1920, 1080)) == (480, 270)
    assert small_size((100, 50)) == (100, 50)
    assert small_size((16, 4000)) == (16, 4000)
    assert small_size((300, 8000)) == (270, 7200)


@pytest.mark.parametrize("with_body", [False, True], ids=["wire", "kite"])
def test_what_is_thin_is_worked_on_in_larger_pictures_and_is_not_lost(
    with_body: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quarter of a pixel wide in what is worked on otherwise."""
    monkeypatch.setattr("cleanplate.track.tracked.WORK_PX", 60)
    scene = (texture(240, 344, seed=2) * 160 + 90).astype(np.uint8)
    frames, wires = [], []
    for index in range(3):
        picture, wire = scene[:, 4 * index : 4 * index + 320].copy(), np.zeros((240, 320), np.uint8)
        cv2.line(wire, (30 - 4 * index, 40), (280 - 4 * index, 200), (1,))
        if with_body:
            cv2.circle(wire, (30 - 4 * index, 40), 8, (1,), -1)
        picture[wire > 0] = 10
        frames.append(picture)
        wires.append(wire > 0)
    mark = Mark(0, cv2.dilate(wires[0].astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    for mask, wire in zip(refined(track(frames, [mark]), frames), wires, strict=True):
        assert (mask & wire).sum() > 0.95 * wire.sum()
        assert mask.sum() < 3 * mark.area.sum()


def test_only_what_is_thin_and_painted_is_worked_on_in_larger_pictures() -> None:
    wire, body = np.zeros((1080, 1920), bool), np.zeros((1080, 1920), bool)
    wire[500:504], body[400:500, 400:500] = True, True
    for marks, height in (
        ([Mark(0, wire)], 1080),
        ([Mark(0, cv2.dilate(wire.astype(np.uint8), np.ones((7, 1), np.uint8)) > 0)], 540),
        ([Mark(0, wire, is_exact=False)], 270),
        ([Mark(0, body), Mark(0, wire & False)], 270),
        ([Mark(0, body), Mark(1, wire)], 1080),
    ):
        assert small_size((1080, 1920), marks)[0] == height


def test_a_mask_has_the_size_of_the_frames_and_covers_more_the_lower_the_confidence() -> None:
    probability = np.zeros((1, 20, 30), np.uint8)
    probability[0, 5:10, 10:20] = 255
    mask = Tracked(probability, (80, 120), np.array([1.0]), (), {}).mask(0)
    assert mask.shape == (80, 120)
    assert iou(mask, cv2.resize(probability[0], (120, 80), interpolation=cv2.INTER_NEAREST) > 0) > 0.9

    def covered(share: float, confidence: float) -> bool:
        level = np.full((1, 8, 8), round(255 * share), np.uint8)
        return bool(Tracked(level, (8, 8), np.array([confidence]), (), {}).mask(0).all())

    for confidence, threshold in ((1.0, 0.4), (0.9, 0.4), (0.6, 0.3), (0.3, 0.2), (0.0, 0.2)):
        assert covered(threshold + 0.02, confidence)
        assert not covered(threshold - 0.02, confidence)


def test_marks_of_one_frame_are_united_and_exact_if_all_are() -> None:
    left, right = box_area((10, 20, 30, 30), SIZE), box_area((90, 40, 30, 30), SIZE)
    pictures = (texture(*SIZE) * 255).astype(np.uint8)[None]
    both = [Mark(0, left), Mark(0, right)]
    assert np.array_equal(_marked_masks(pictures, both, [range(len(pictures))])[0] > 0.5, left | right)
    assert np.array_equal(exact_masks(both)[0], left | right)
    assert exact_masks([Mark(0, left), Mark(0, right, is_exact=False), Mark(3, left)]).keys() == {3}


def test_a_mark_thinner_than_a_pixel_of_the_small_picture_is_kept() -> None:
    wire = np.zeros((960, 1440), bool)
    wire[500] = True
    mask = _marked_masks((texture(270, 405) * 255).astype(np.uint8)[None], [Mark(0, wire)], [range(1)])[0]
    assert (mask > 0.5).any(axis=0).all()
    assert mask.sum(axis=0).max() <= 2


def test_a_region_that_is_taken_whole_is_not_widened_by_being_made_small() -> None:
    box = box_area((11, 11, 31, 21), (54, 72))  # its edges lie within pixels of the small picture
    grey = np.full((1, 27, 36, 3), 128, np.uint8)
    mask = _marked_masks(grey, [Mark(0, box, is_exact=False)], [range(len(grey))])[0]
    assert mask.sum() == pytest.approx(box.sum() / 4)


def test_an_outline_that_fills_no_pixel_of_the_small_picture_is_something_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def corner(picture: np.ndarray, region: np.ndarray, _: object) -> np.ndarray:
        found = np.zeros(picture.shape[:2], np.float32)
        found[tuple(np.argwhere(region)[0])] = 1
        return found

    monkeypatch.setattr(flow, "outline", corner)
    mark = Mark(0, box_area((11, 11, 31, 21), (54, 72)), is_exact=False)  # a quarter of that small pixel is its
    mask = _marked_masks(np.zeros((1, 27, 36, 3), np.uint8), [mark], [range(1)])[0]
    assert (mask > 0.5).sum() == 1


def test_frames_to_review() -> None:
    assert frames_to_review(np.ones(20)) == ()
    sure = np.ones(40)
    sure[10:13], sure[30] = (0.3, 0.1, 0.4), 0.45
    assert frames_to_review(sure) == (11, 30)
    assert len(frames_to_review(np.zeros(100))) == 8
    drift = np.linspace(0, 0.2, 41)[1:]  # what was let go stays away
    assert frames_to_review(np.ones(40), (), drift)[0] == 10
    assert frames_to_review(sure, (), drift)[:2] == (11, 16)
    size = (8, 8)
    tracked = Tracked(np.zeros((40, 8, 8), np.uint8), size, sure, (), {}, (), drift)
    assert np.flatnonzero(tracked.sure).tolist() == list(range(10))
    assert np.flatnonzero(~Tracked(tracked.probability, size, sure, (), {}).sure).tolist() == [10, 11, 12, 30]


# The outline in a region


def test_the_outline_in_a_box_is_found_by_colour() -> None:
    frames, masks = ball_shot(1)
    box = box_area((8, 28, 44, 44), SIZE)
    assert iou(box, masks[0]) < 0.7
    assert iou(outline(frames[0], box), masks[0]) > 0.85


@pytest.mark.data
@pytest.mark.parametrize(("shot", "better_than"), [("blackswan", 0.87), ("camel", 0.65)])
def test_little_of_what_is_around_a_thing_is_taken_along(data: Path, shot: str, better_than: float) -> None:
    """Mixtures of a few Gaussians take water and sand: 0.81 and 0.63."""
    files = image_files(data / "davis/frames" / shot)
    truth = read_image(image_files(data / "davis/masks" / shot)[0])[..., 0] > WHITE
    width, height = small_size(truth.shape)[::-1]

    def small(index: int) -> np.ndarray:
        return cv2.resize(read_image(files[index]), (width, height), interpolation=cv2.INTER_AREA)

    known = cv2.resize(truth.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) > 0.5
    box = box_area(Mark(0, known).box, known.shape)
    assert iou(outline(small(0), box, [small(index) for index in (1, 2, 4)]), known) > better_than


@pytest.mark.parametrize(("radius", "found"), [(12, False), (16, True)])
def test_a_region_in_which_next_to_nothing_is_found_is_taken_whole(radius: int, found: bool) -> None:
    box = box_area((30, 18, 80, 60), SIZE)
    picture = (texture(*SIZE, seed=3) * 255).astype(np.uint8)
    disc = cv2.circle(np.zeros(SIZE, np.uint8), (70, 48), radius, (1,), -1) > 0
    picture[disc] = (255, 0, 0)
    assert (disc.sum() > 0.1 * box.sum()) == found
    expected = disc if found else box
    assert iou(outline(picture, box), expected) > 0.97


def test_a_region_without_surroundings_is_taken_whole() -> None:
    picture = ball_shot(1)[0][0]
    assert outline(picture, np.ones(SIZE, bool)).all()


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
    # Frames of another shot say nothing of its motion.
    dark = [np.full((96, 144, 3), 16, np.uint8)] * 5
    follows = [frame(at) for at in range(5)]
    marked = track([*dark, *follows], [Mark(5, box, is_exact=False)]).mask(5)
    assert np.array_equal(marked, track(follows, [Mark(0, box, is_exact=False)]).mask(0))
    assert iou(marked, there) > 0.8
