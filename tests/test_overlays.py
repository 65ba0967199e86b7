import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from weakref import ref

import cv2
import numpy as np
import pytest

from cleanplate import cli
from cleanplate.track.blemishes import bars
from cleanplate.track.overlays import Overlay, find_overlays, look_for_overlays, masks_of
from cleanplate.track.presence import SignHistory
from cleanplate.track.stillness import Sums
from cleanplate.video.reader import stream_frames
from tests.conftest import texture
from tests.overlaid import (
    SIZE,
    WITH,
    WITHOUT,
    Overlaid,
    followed,
    letterbox,
    logo,
    nothing,
    pan,
    static_logo,
    text,
    translucent_logo,
    zoom,
)

SEED = 1


@pytest.fixture(scope="module")
def found() -> dict[str, tuple[Overlaid, list[Overlay]]]:
    """What is found in every shot."""
    shots = {name: make(SEED) for name, make in (WITH | WITHOUT).items()}
    return {name: (shot, find_overlays(shot.frames)) for name, shot in shots.items()}


def widened(mask: np.ndarray, by_px: int) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * by_px + 1, 2 * by_px + 1), np.uint8)) > 0


def recall_and_precision(shot: Overlaid, overlays: list[Overlay]) -> tuple[float, float]:
    """The share of the truth that is found within 2 px, and of what is found that is within 3 px of the truth."""
    if not overlays:
        return 0.0, 1.0
    masks = list(masks_of(overlays, len(shot.frames)))
    hit = sum((widened(mask, 2) & true).sum() for mask, true in zip(masks, shot.truth, strict=True))
    right = sum((mask & widened(true, 3)).sum() for mask, true in zip(masks, shot.truth, strict=True))
    return float(hit / shot.truth.sum()), float(right / sum(mask.sum() for mask in masks))


def test_what_lies_over_a_shot_is_found(found: dict) -> None:
    figures = {name: recall_and_precision(*found[name]) for name in WITH}
    assert np.mean([recall for recall, _ in figures.values()]) >= 0.95, figures
    assert min(recall for recall, _ in figures.values()) >= 0.9, figures
    assert min(precision for _, precision in figures.values()) >= 0.8, figures


@pytest.mark.parametrize("name", ["chelsea", "astronaut", "immunohistochemistry"])
def test_the_middle_of_a_zoom_is_no_overlay(name: str) -> None:
    assert look_for_overlays(nothing(zoom(name, 60, 1.015), SEED).frames) == ([], True)


def test_what_the_camera_follows_is_no_overlay() -> None:
    assert look_for_overlays(nothing(followed("brick", 60), SEED).frames) == ([], True)


@pytest.mark.parametrize("name", WITHOUT)
def test_where_nothing_is_nothing_is_found(found: dict, name: str) -> None:
    assert found[name][1] == []


def test_kinds_and_spans(found: dict) -> None:
    first, second = found["two captions"][1]
    assert (first.kind, second.kind) == ("caption", "caption")
    for overlay, span in ((first, (8, 36)), (second, (40, 70))):
        assert np.abs(np.subtract((overlay.first, overlay.end), span)).max() <= 2
    (fading,) = found["fading logo"][1]
    assert (fading.kind, abs(fading.first - 16) <= 4, abs(fading.end - 62) <= 4) == ("still", True, True)
    (still,) = found["static logo"][1]
    assert (still.kind, still.first, still.end) == ("still", 0, len(found["static logo"][0].frames))
    assert still.box == cv2.boundingRect(still.mask.astype(np.uint8))
    for _, overlays in found.values():
        assert all(0 < overlay.certainty <= 1 and overlay.mask.shape == SIZE for overlay in overlays)


def test_the_same_logo_is_not_found_where_nothing_moves() -> None:
    frames = static_logo(SEED).frames
    assert look_for_overlays(frames)[1]
    still = [frames[0]] * 40
    assert look_for_overlays(still) == ([], False)
    assert look_for_overlays(frames[:8]) == ([], False)  # too short to tell
    assert find_overlays([]) == []


def test_of_frames_larger_than_what_is_worked_on_the_mask_has_the_full_size() -> None:
    """Four times the size: at work 480 rows, and one frame in memory at a time."""
    small, held = nothing(pan("astronaut", 24, (3.0, 1.1)), SEED).frames, []
    colour, where = logo((640, 1136))

    def reading() -> Iterator[np.ndarray]:
        for frame in small:
            large = cv2.resize(frame, (1136, 640), interpolation=cv2.INTER_CUBIC)
            large[where] = colour[where]
            held.append(ref(large))
            yield large
            del large
            assert sum(one() is not None for one in held) <= 1

    overlays = find_overlays(reading())
    mask = np.logical_or.reduce([overlay.mask for overlay in overlays])
    assert mask.shape == where.shape
    assert (widened(mask, 2) & where).sum() > 0.95 * where.sum()
    assert (mask & widened(where, 4)).sum() > 0.95 * mask.sum()


# The statistics


def test_what_stays_is_steady_and_what_changes_is_not() -> None:
    rng = np.random.default_rng(0)
    stays = rng.integers(0, 256, (40, 60)).astype(np.uint8)
    same, noise, parts = Sums((40, 60)), Sums((40, 60)), [Sums((40, 60)), Sums((40, 60))]
    for index in range(24):
        same.add(stays)
        changing = rng.integers(0, 256, (40, 60)).astype(np.uint8)
        noise.add(changing)
        parts[index % 2].add(changing)
    assert np.median(same.still().steadiness) > 0.98
    assert np.median(noise.still().steadiness) == pytest.approx(np.log(2) / 24, rel=0.3)  # |mean|^2 is exponential
    assert noise.still().spread.mean() == pytest.approx(255 / np.sqrt(12), rel=0.05)
    both = (parts[0] + parts[1]).still()
    assert both.count == 24
    assert np.allclose(both.steadiness, noise.still().steadiness, atol=1e-5)
    assert (same.still().moves(), noise.still().moves()) == (False, True)


def test_edges_of_one_direction_are_told_from_a_disc() -> None:
    bars_, disc = np.zeros((40, 60), np.uint8), np.zeros((40, 60), np.uint8)
    bars_[10:20] = 200
    cv2.circle(disc, (30, 20), 10, (200,), -1)
    everywhere, isotropies = np.ones((40, 60), bool), []
    for picture in (bars_, disc):
        sums = Sums((40, 60))
        sums.add(picture)
        isotropies.append(sums.still().isotropy(everywhere))
    assert isotropies[0] < 0.01
    assert isotropies[1] > 0.9


def test_what_stays_is_told_from_what_moves_with_the_camera() -> None:
    wide = (texture(160, 240) * 255).astype(np.uint8)[..., 1]
    first, last = wide[20:140, 20:200].copy(), wide[22:142, 25:205].copy()  # by 5 and 2 pixels
    for picture in (first, last):
        cv2.putText(picture, "TV", (20, 40), 0, 1, (255,), 3)
    logo_there = np.zeros(first.shape, bool)
    logo_there[15:45, 15:65] = True
    elsewhere = np.zeros(first.shape, bool)
    elsewhere[60:110, 80:160] = True
    sums = Sums((120, 180))
    sums.add(first)
    assert sums.still().stays(logo_there) == 1  # nothing was compared
    sums.compare(first, last)
    assert sums.still().stays(logo_there) > 3
    assert sums.still().stays(elsewhere) < 0.2


def test_signs_are_kept() -> None:
    history, grey = SignHistory((90, 120)), np.zeros((90, 120), np.uint8)
    grey[30:60, 40:80] = 200
    history.add(grey)
    right, down = history.signs(0)
    assert history.size == (90, 120)
    assert (right[45, 40], right[45, 80], down[30, 60], down[60, 60]) == (1, -1, 1, -1)
    assert not right[5].any()


def test_signs_take_no_more_memory_the_longer_a_shot_is() -> None:
    rng, history = np.random.default_rng(0), SignHistory((90, 120))
    history.add(rng.integers(0, 256, (90, 120), np.uint8))
    first = history.signs(0)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(99):
        history.add(rng.integers(0, 256, (90, 120), np.uint8))
    assert tracemalloc.get_traced_memory()[0] - before < 30_000
    tracemalloc.stop()
    assert len(history) == 100
    assert np.array_equal(history.signs(0), first)
    assert not np.array_equal(history.signs(99), first)


def test_bars() -> None:
    brightest = np.full((60, 80), 180, np.uint8)
    brightest[:8] = brightest[-7:] = 16
    expected = brightest == 16
    assert np.array_equal(bars(brightest), expected)
    brightest[:, :9] = 16
    assert np.array_equal(bars(brightest), brightest == 16)
    dusk = np.repeat(np.linspace(10, 200, 60).astype(np.uint8)[:, None], 80, 1)  # dark above, without an edge
    assert not bars(dusk).any()
    assert not bars(np.full((60, 80), 16, np.uint8)).any()


def lit(frames: np.ndarray, length: int) -> None:
    frames[20 : 20 + length] = 250


def subtitled(frames: np.ndarray, first: int, end: int, words: str = "I was at home with you.") -> None:
    ink, where = text(words, (28, 155), 0.6)
    frames[first:end] = np.where(where[..., None], ink, frames[first:end])


@pytest.mark.parametrize(
    "disturb",
    [
        lambda frames: lit(frames, 1),
        lambda frames: lit(frames, 3),
        lambda frames: subtitled(frames, 0, 50),
        lambda frames: (subtitled(frames, 3, 24), subtitled(frames, 26, 48, "Where were you all day?")),
    ],
    ids=["flash", "3 frames of flash", "subtitle", "two subtitles"],
)
def test_bars_are_found_with_a_flash_or_subtitles_on_them(disturb: Callable[[np.ndarray], object]) -> None:
    shot = letterbox(SEED)
    disturb(shot.frames)
    mask = np.logical_or.reduce([one.mask for one in find_overlays(shot.frames) if one.kind == "still"])
    assert not (shot.truth[0] & ~mask).any()
    assert not mask[30:-30].any()


def test_bars_of_half_a_shot_are_not_of_all_of_it() -> None:
    frames = np.concatenate([letterbox(SEED).frames[:25], np.stack(pan("coffee", 50, (2.2, 0.0))[25:])])
    assert not any(one.mask[:20].all() for one in find_overlays(frames))


# The command


def run(words: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> tuple:
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as ended:
        cli.main(words.split())
    return ended.value.code, *capsys.readouterr()


def test_the_command(
    tmp_path: Path,
    write_pngs: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shot = translucent_logo(SEED)
    write_pngs(shot.frames, "shot")
    code, out, err = run("mask shot -o found.mkv --find overlays --start 5 --end 55", tmp_path, capsys, monkeypatch)
    assert (code, err) == (0, "")
    assert out.startswith("still: box ")
    assert "frames 5 to 54, certainty 0." in out
    assert "found.mkv: 60 frames; 1 overlay found" in out
    masks = [picture[..., 0] > 127 for picture in stream_frames(tmp_path / "found.mkv")]
    assert [bool(mask.any()) for mask in masks] == [5 <= index < 55 for index in range(60)]
    assert (widened(masks[30], 2) & shot.truth[30]).sum() > 0.9 * shot.truth[30].sum()
    for words, said in {
        "--box 1 1 9 9 --fixed": "--find is given with --box, --fixed",
        "--paint 0:a.png": "--find is given with --paint",
        "--matte matte.mkv": "--find is given with --matte",
        "--end 4": "too short, so nothing can be told apart",
    }.items():
        code, _, err = run(f"mask shot -o other.mkv --find overlays {words}", tmp_path, capsys, monkeypatch)
        assert (code, err.count("\n")) == (2, 1)
        assert said in err
    write_pngs(WITHOUT["pan"](SEED).frames, "empty")
    code, _, err = run("mask empty -o other.mkv --find overlays", tmp_path, capsys, monkeypatch)
    assert (code, err.count("\n")) == (2, 1)
    assert "nothing stands still that is not of the scene" in err
    assert not (tmp_path / "other.mkv").exists()
