"""Frames that an artist has painted."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from cleanplate import InputError
from cleanplate.clean import clean
from cleanplate.cli import run
from cleanplate.commands.inpaint import named_frames
from cleanplate.imaging.frame import KNOWN, MADE_UP, Frame
from cleanplate.video.images import read_image, write_png
from cleanplate.video.references import Reference
from cleanplate.video.shot import Shot, open_shot
from cleanplate.video.timecode import Span

SIZE, COUNT, HOLE = (48, 64), 5, (slice(16, 32), slice(20, 44))


@pytest.fixture
def shot_dir(tmp_path: Path) -> Path:
    """Grey frames with a square that never moves, which hides what nobody has seen."""
    (tmp_path / "shot").mkdir()
    picture = np.full((*SIZE, 3), 100, np.uint8)
    picture[HOLE] = 0
    for index in range(COUNT):
        write_png(tmp_path / f"shot/{index:05}.png", picture)
    mask = np.zeros((*SIZE, 3), np.uint8)
    mask[HOLE] = 255
    write_png(tmp_path / "mask.png", mask)
    return tmp_path


def painted(path: Path, size: tuple[int, int] = SIZE, alpha: int | None = None, colour: int = 200) -> Path:
    """A wholly red picture of that size; with an alpha channel it is opaque in its left half, or nowhere."""
    picture = np.zeros((*size, 3), np.uint8)
    picture[..., 2] = colour
    if alpha is not None:
        picture = np.dstack((picture, np.zeros(size, np.uint8)))
        picture[:, : size[1] // 2, 3] = alpha
    cv2.imwrite(str(path), picture)
    return path


def opened(shot_dir: Path, *references: Reference, **more: object) -> Shot:
    video, masks = shot_dir / "shot", (shot_dir / "mask.png",)
    return open_shot(video, masks, dilate_px=0, references=references, **more)  # type: ignore[arg-type]


def test_what_is_painted_is_known_there_and_carried_to_all_other_frames(shot_dir: Path) -> None:
    shot = opened(shot_dir, Reference(2, painted(shot_dir / "clean.png")))
    done = clean(shot, shot_dir / "out", "carry", provenance=shot_dir / "kinds")
    assert (done.carried, done.made_up, done.painted) == (pytest.approx(0.8), 0, pytest.approx(0.2))
    for index in range(COUNT):
        picture = read_image(shot_dir / f"out/{index:05}.png")
        np.testing.assert_array_equal(picture[HOLE], np.broadcast_to([200, 0, 0], picture[HOLE].shape))
        picture[HOLE] = 100
        assert (picture == 100).all()  # nothing else of what was painted is taken
        kinds = read_image(shot_dir / f"kinds/{index:05}.png")[..., 0]
        assert set(kinds[HOLE].ravel()) == {192 if index == 2 else 128}


def test_where_it_is_transparent_nothing_was_painted(shot_dir: Path) -> None:
    frames = list(opened(shot_dir, Reference(1, painted(shot_dir / "half.png", alpha=255))).frames())
    assert frames[0].painted is None
    hole = frames[1].hole
    assert not hole[:, :32].any()
    assert hole[16:32, 32:44].all()
    assert frames[1].painted is not None
    assert not frames[1].painted[:, 32:].any()


def beside_the_mask(path: Path, *, see_through: bool) -> Path:
    """Red over the hole and five pixels to its right, one level from the frame elsewhere."""
    picture = np.full((*SIZE, 4), 101, np.uint8)
    picture[:, 20:49, :3], picture[..., 3] = (0, 0, 200), 255
    if see_through:
        picture[:, :16, 3] = 0
    cv2.imwrite(str(path), picture)
    return path


@pytest.mark.parametrize("how", [{}, {"region": (10, 10, 50, 30)}])
def test_what_says_itself_where_it_was_painted_goes_beyond_the_mask(
    shot_dir: Path, how: dict[str, tuple[int, ...]]
) -> None:
    shot = opened(shot_dir, Reference(2, beside_the_mask(shot_dir / "clear.png", see_through=True)), **how)
    clean(shot, shot_dir / "out", "carry", provenance=shot_dir / "kinds")
    red = (read_image(shot_dir / "out/00002.png") == [200, 0, 0]).all(-1)
    there = slice(10, 40) if how else slice(None)
    assert red[there, 20:49].all()
    assert np.count_nonzero(red) == red[there, 20:49].size
    assert (read_image(shot_dir / "out/00002.png")[~red] == 100).all(), "what an export has changed is not painted"
    np.testing.assert_array_equal(read_image(shot_dir / "kinds/00002.png")[..., 0] == 192, red)
    assert not (read_image(shot_dir / "out/00001.png")[:, 46:] != 100).any(), (
        "outside the mask of others nothing is put"
    )


def test_a_picture_without_transparency_stays_in_the_mask(shot_dir: Path) -> None:
    frames = list(opened(shot_dir, Reference(2, beside_the_mask(shot_dir / "full.png", see_through=False))).frames())
    np.testing.assert_array_equal(frames[2].painted, frames[0].hole)


@pytest.mark.parametrize("how", [{"size": (24, 32)}, {"region": (10, 10, 50, 30)}])
def test_sizes_and_regions(shot_dir: Path, how: dict[str, tuple[int, ...]]) -> None:
    clean(opened(shot_dir, Reference(2, painted(shot_dir / "clean.png")), **how), shot_dir / "out", "carry")
    for index in range(COUNT):
        picture = read_image(shot_dir / f"out/{index:05}.png")
        middle = picture[picture.shape[0] // 2, picture.shape[1] // 2]
        np.testing.assert_array_equal(middle, [200, 0, 0])


def test_what_was_painted_is_no_effect_of_the_thing() -> None:
    frame = Frame(0, np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8), painted=np.eye(4, dtype=bool))
    where = np.zeros((4, 4), bool)
    where[0] = True
    frame.add_effects(where, np.full((4, 3), 0.5, np.float16))
    assert frame.provenance[0].tolist() == [KNOWN, MADE_UP, MADE_UP, MADE_UP]
    assert frame.effects is not None
    assert len(frame.effects.light) == len(frame.effects.shown) == 3


def test_another_size_is_resized_and_16_bits_fit_8(shot_dir: Path) -> None:
    frames = list(opened(shot_dir, Reference(0, painted(shot_dir / "large.png", (96, 128)))).frames())
    assert frames[0].picture[20, 30].tolist() == [200, 0, 0]
    deep = np.zeros((*SIZE, 3), np.uint16)
    deep[..., 2] = 200 * 257
    cv2.imwrite(str(shot_dir / "deep.png"), deep)
    frames = list(opened(shot_dir, Reference(0, shot_dir / "deep.png")).frames())
    assert frames[0].picture.dtype == np.uint8
    assert frames[0].picture[20, 30].tolist() == [200, 0, 0]


def test_what_cannot_be_used(shot_dir: Path) -> None:
    good = painted(shot_dir / "clean.png")
    for references, said in (
        ((Reference(1, painted(shot_dir / "wide.png", (48, 96))),), "is 96x48 and frames are 64x48"),
        ((Reference(1, painted(shot_dir / "clear.png", alpha=0)),), "is wholly transparent"),
        ((Reference(1, good), Reference(1, good)), "are for the same frame"),
        ((Reference(COUNT, good),), "is for a frame outside the part"),
        ((Reference(-1, good),), "is for a frame outside the part"),
    ):
        with pytest.raises(InputError, match=said):
            opened(shot_dir, *references)


def test_frames_are_named_by_number_timecode_or_folder(shot_dir: Path) -> None:
    good = painted(shot_dir / "clean.png")
    assert named_frames([f"40:{good}", f"00:00:01:02:{good}"]) == [("40", good), ("00:00:01:02", good)]
    folder = shot_dir / "painted"
    folder.mkdir()
    one = painted(folder / "frame-0003.png")
    assert named_frames([str(folder)]) == [("0003", one)]
    for wrong, said in ((str(good), "names no frame"), (f"1:{shot_dir}/none.png", "none.png")):
        with pytest.raises(InputError, match=said):
            named_frames([wrong])
    painted(folder / "last.png")
    with pytest.raises(InputError, match="names no frame"):
        named_frames([str(folder)])


def test_the_command(shot_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = painted(shot_dir / "clean.png")
    words = ["inpaint", str(shot_dir / "shot"), str(shot_dir / "mask.png"), "carry", "--dilate-px", "0", "--start", "1"]
    assert run([*words, "-o", str(shot_dir / "out"), "--reference", f"3:{good}"]) == 0
    assert "25.0% of it was painted by you" in capsys.readouterr().out
    assert read_image(shot_dir / "out/00001.png")[20, 30].tolist() == [200, 0, 0]
    assert run([*words, "-o", str(shot_dir / "more"), "--reference", f"0:{good}"]) == 2
    assert "outside the part that is cleaned" in capsys.readouterr().err
    assert not (shot_dir / "more").exists()


def test_another_painting_is_another_run(shot_dir: Path) -> None:
    from cleanplate.clean import digest

    digests = [digest(opened(shot_dir, Reference(1, painted(shot_dir / f"{c}.png", colour=c)))) for c in (10, 20)]
    digests += [digest(opened(shot_dir)), digest(opened(shot_dir, Reference(2, shot_dir / "10.png")))]
    assert len(set(digests)) == 4
    assert Span() == opened(shot_dir).span
