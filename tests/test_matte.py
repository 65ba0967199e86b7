"""Mattes: soft edges on pictures whose alpha is known."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from cleanplate import cli, write_video
from cleanplate.imaging.tensors import to_tensors
from cleanplate.track import tracker
from cleanplate.track.edges import refined
from cleanplate.track.matte import covered, matte, mattes, signed_distance
from cleanplate.track.tracked import Tracked, small_size
from cleanplate.video.areas import WHITE
from cleanplate.video.images import write_png
from cleanplate.video.reader import read_masks
from tests.conftest import texture

SIZE = (480, 700)


def ellipse(shift_px: float) -> np.ndarray:
    """What covers a pixel wholly, partly or not, 0..1; moved to the right."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    distance = np.hypot((x - SIZE[1] / 2 - shift_px) / 1.3, y - SIZE[0] / 2) - SIZE[0] / 4
    return np.clip(0.5 - distance, 0, 1)


def exposed(speed_px: float, shutter: float) -> np.ndarray:
    """The alpha of a frame in which the ellipse moves by so much, while the shutter is open for so much of it."""
    return np.mean([ellipse(speed_px * moment) for moment in np.linspace(-shutter / 2, shutter / 2, 33)], axis=0)


def shown(alpha: np.ndarray) -> np.ndarray:
    """A textured thing of that alpha over a texture of another colour."""
    wall, thing = (texture(*SIZE, seed=seed) * 60 + by for seed, by in ((3, [20, 70, 110]), (4, [150, 90, 40])))
    return np.round(alpha[..., None] * thing + (1 - alpha[..., None]) * wall).astype(np.uint8)


def small(mask: np.ndarray) -> np.ndarray:
    height, width = small_size(SIZE)
    return cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) > 0.5


def near(speed_px: float) -> list[np.ndarray]:
    """The masks before and after."""
    return [small(ellipse(by) > 0.5) for by in (-speed_px, speed_px)]


def error(alpha: np.ndarray, truth: np.ndarray) -> float:
    """The mean difference where the truth is neither all nor nothing."""
    return float(np.abs(alpha - truth)[(truth > 0.02) & (truth < 0.98)].mean())


@pytest.mark.parametrize(("speed_px", "shutter"), [(24, 0.5), (40, 0.5), (24, 1.0)])
def test_a_border_that_moves_is_as_soft_as_the_shutter_makes_it(speed_px: float, shutter: float) -> None:
    truth = exposed(speed_px, shutter)
    mask = truth > 0.5
    found = matte(mask, shown(truth), small(mask), near(speed_px))
    assert error(found / 255, truth) < 0.45 * error(mask, truth)
    assert covered(found)[truth > 0.2].mean() > 0.98
    assert covered(found)[truth == 0].mean() < 0.005


def test_a_short_shutter_leaves_a_fast_thing_sharp() -> None:
    """Its motion alone makes no edge soft: the picture must show it."""
    truth = exposed(30, 0.02)
    found = matte(truth > 0.5, shown(truth), small(truth > 0.5), near(30))
    assert error(found / 255, truth) < 0.2
    assert ((found > 0) & (found < 255)).sum() < 1.5 * (signed_distance(truth > 0.5) ** 2 < 2).sum()


@pytest.mark.parametrize("beside", [near(0), []])
def test_what_is_out_of_focus_is_soft_all_around(beside: list[np.ndarray]) -> None:
    """Also on the only frame that it is on."""
    truth = cv2.blur(ellipse(0), (25, 25))
    mask = truth > 0.5
    found = matte(mask, shown(truth), small(mask), beside) / 255
    assert error(found, truth) < 0.4 * error(mask, truth)


def test_a_jagged_border_throws_no_rays_through_a_wide_edge() -> None:
    """Along a border that is straight but for its steps all pixels that are as far from it are alike."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    distance = (x - SIZE[1] / 2 + 0.3 * (y - SIZE[0] / 2)) / np.hypot(1, 0.3)
    truth = np.clip(0.5 - distance / 40, 0, 1)
    mask = distance + 1.5 * np.sign(np.sin(y / 2)) < 0  # teeth
    found = matte(mask, shown(truth), small(mask), [])
    alike = (np.abs(distance + 6) < 0.5) & (np.abs(y - SIZE[0] / 2) < 150)
    assert 128 < found[alike].mean() < 255
    assert found[alike].std() < 8  # uneven, it is 10


@pytest.mark.parametrize("speed_px", [0, 40])
def test_the_mask_is_what_is_more_than_half_the_things(speed_px: float) -> None:
    truth = exposed(speed_px, 0.5)
    mask = truth > 0.5
    found = matte(mask, shown(truth), small(mask), near(speed_px))
    assert np.array_equal(found > WHITE, mask)
    assert covered(found)[mask].all()


def test_where_the_thing_is_behind_a_cut_does_not_count() -> None:
    truth = exposed(30, 0.5)
    mask, picture, before = truth > 0.5, shown(truth), near(30)[0]
    elsewhere = np.zeros_like(before)
    elsewhere[:12, :12] = True
    with_it, without = (matte(mask, picture, small(mask), [before, *more]) for more in ([elsewhere], []))
    assert np.array_equal(with_it, without)


def test_what_the_tracker_has_wrong_on_all_frames_is_no_motion() -> None:
    truth = ellipse(0)
    wrong = small(cv2.dilate(truth, np.ones((25, 25))) > 0.5)
    found = matte(truth > 0.5, shown(truth), wrong, [wrong, wrong])
    assert np.array_equal(found, matte(truth > 0.5, shown(truth), small(truth > 0.5), near(0)))


def test_nothing_and_everything_have_no_edge_and_the_edge_of_the_frame_is_none() -> None:
    picture = shown(ellipse(0))
    for whole in (np.zeros(SIZE, bool), np.ones(SIZE, bool)):
        assert np.array_equal(matte(whole, picture, small(whole), near(0)), whole * np.uint8(255))
    half = np.zeros(SIZE, bool)
    half[:, : SIZE[1] // 2] = True
    found = matte(half, np.full((*SIZE, 3), 90, np.uint8), small(half), [])
    assert np.array_equal(found[0], found[SIZE[0] // 2])
    assert (found[:, : SIZE[1] // 2 - 2] == 255).all()
    assert not found[:, SIZE[1] // 2 + 2 :].any()


def tracked_as(alphas: list[np.ndarray]) -> Tracked:
    return Tracked(
        np.stack([small(alpha > 0.5) * np.uint8(255) for alpha in alphas]), SIZE, np.ones(len(alphas)), (), {}
    )


def test_a_matte_is_of_the_refined_mask_and_of_the_frames_beside_it() -> None:
    alphas = [exposed(0, 0.5), *[np.roll(exposed(30, 0.5), 30 * index, axis=1) for index in range(3)]]
    frames, tracked = [shown(alpha) for alpha in alphas], tracked_as(alphas)
    masks, found = list(refined(tracked, frames)), list(mattes([tracked], frames))
    for index, (mask, alpha) in enumerate(zip(masks, found, strict=True)):
        beside = [tracked.probability[other] > WHITE for other in (index - 1, index + 1) if 0 <= other < 4]
        assert np.array_equal(alpha, matte(mask, frames[index], tracked.probability[index] > WHITE, beside))
    soft = [((alpha > 0) & (alpha < 255)).sum() for alpha in found]
    assert soft[2] > 3 * soft[0]


def test_things_that_touch_have_no_seam() -> None:
    truth = ellipse(0)
    left = np.arange(SIZE[1]) < SIZE[1] / 2
    halves = [tracked_as([truth * side]) for side in (left, ~left)]
    together, whole = next(mattes(halves, [shown(truth)])), next(mattes([tracked_as([truth])], [shown(truth)]))
    middle = slice(SIZE[0] // 3, 2 * SIZE[0] // 3), slice(SIZE[1] // 2 - 20, SIZE[1] // 2 + 20)
    assert (together[middle] == 255).all()
    assert np.abs(together.astype(int) - whole).mean() < 1


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A command that masks the last three of four frames, in its folder, and the only mark of a thing of it."""
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "shot.mkv", to_tensors(np.stack(FRAMES)), fps=24)
    write_png(tmp_path / "first.png", np.repeat((ALPHAS[1] > 0.5)[..., None] * np.uint8(255), 3, axis=2))
    monkeypatch.setattr(tracker, "track_things", lambda _, marks, **__: THINGS[: len(marks)])
    return ["mask", "shot.mkv", "--paint", "1:first.png", "--start", "1"]


OTHER = ["--thing", "other", "--paint", "1:first.png"]
ALPHAS = [np.roll(exposed(30, 0.5), 30 * index, axis=1) for index in range(4)]
FRAMES = [shown(alpha) for alpha in ALPHAS]
THINGS = [
    tracked_as(ALPHAS[1:]),
    replace(tracked_as([np.roll(alpha, 60, axis=0) for alpha in ALPHAS[1:]]), confidence=np.full(3, 0.9)),
]


@pytest.mark.parametrize(
    ("output", "matte_file"),
    [("masks.mkv", "matte.mkv"), ("masks", "matte.mkv"), ("masks.mkv", "matte"), ("masks.####.png", "matte.mkv"),
     ("masks.mkv", "matte.####.png")],
)  # fmt: skip
def test_the_command_writes_the_matte_and_masks_all_that_has_any_of_it(
    words: list[str], output: str, matte_file: str
) -> None:
    assert cli.run([*words, "-o", output, "--matte", matte_file]) == 0
    assert Path(matte_file).is_dir() == (matte_file == "matte")
    written, soft = read_masks(output) > WHITE, read_masks(matte_file)
    assert not soft[0].any()
    assert not written[0].any()
    for index, alpha in enumerate(mattes(THINGS[:1], FRAMES[1:]), 1):
        assert np.array_equal(soft[index], alpha)
        assert np.array_equal(written[index], covered(alpha))


@pytest.mark.parametrize(
    ("more", "times"), [([], 1), (["--effects", "shadows"], 2), (OTHER, 1), ([*OTHER, "--each"], 3)]
)
def test_a_matte_is_made_once(words: list[str], more: list[str], times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = list[int]()

    def counted(things: Sequence[Tracked], frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        made.append(len(things))
        return mattes(things, frames)

    monkeypatch.setattr("cleanplate.track.matte.mattes", counted)
    assert cli.run([*words, *more, "-o", "masks.mkv", "--matte", "matte.mkv"]) == 0
    assert len(made) == times


@pytest.mark.parametrize("each", [[], ["--each"]])
def test_a_matte_is_of_all_things_and_the_mask_covers_it(words: list[str], each: list[str]) -> None:
    assert cli.run([*words, *OTHER, *each, "-o", "masks.mkv", "--matte", "matte.mkv"]) == 0
    alphas, written = read_masks("matte.mkv")[1:], read_masks("masks.mkv")[1:] > WHITE
    assert np.array_equal(alphas, list(mattes(THINGS, FRAMES[1:])))
    soft = np.stack(list(map(covered, alphas)))
    if not each:
        assert np.array_equal(written, soft)
        return
    alone = [read_masks(f"masks.{name}.mkv")[1:] > WHITE for name in ("thing", "other")]
    assert np.array_equal(written, alone[0] | alone[1] | soft)
    assert not (alone[0] & alone[1]).any()
    assert (soft & ~(alone[0] | alone[1])).any()  # so the union of both would not do


def test_a_frame_beside_that_is_covered_whole_has_no_border() -> None:
    everything = tracked_as([exposed(0, 0.5), exposed(0, 0.5)])
    everything.probability[1] = 255
    alone = next(mattes([tracked_as([exposed(0, 0.5)])], [shown(exposed(0, 0.5))]))
    assert np.array_equal(next(mattes([everything], [shown(exposed(0, 0.5))] * 2)), alone)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("-o masks.mkv --matte there.mkv", "there.mkv is already there; nothing is replaced unasked"),
        ("-o masks.mkv --matte shot.mkv --overwrite", "shot.mkv is also the input"),
        (
            "-o masks.mkv --matte masks.mkv",
            "--output is masks.mkv, and --matte is masks.mkv; each output has a place of its own",
        ),
        (
            "-o masks.mkv --matte masks.thing.mkv --each",
            "--thing thing is masks.thing.mkv, and --matte is masks.thing.mkv",
        ),
        ("-o masks.mkv --matte matte.xyz", "matte.xyz ends in .xyz"),
        ("-o masks.mkv --matte matte.####.exr", "matte.####.exr"),
        ("-o masks.mkv --matte none/matte.mkv", "there is no folder none"),
        ("-o masks.mkv --matte matte.mkv --fixed", "--matte is given with --fixed"),
    ],
)
def test_what_cannot_be_is_said_before_any_work(
    words: list[str], more: str, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracker, "track_things", None)
    Path("there.mkv").write_bytes(b"kept")
    before = sorted(Path().iterdir())
    assert cli.run([*words, *more.split()]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert sorted(Path().iterdir()) == before
    assert Path("there.mkv").read_bytes() == b"kept"
