"""Shots of film images from end to end: OpenEXR, DPX and TIFF of floats in, the same with the thing gone out."""

import weakref
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
import tifffile

from cleanplate import InputError, inpaint, read_clip, write_video
from cleanplate.clean import clean
from cleanplate.cli import run
from cleanplate.imaging.log_curve import NO_VALUE
from cleanplate.video import exr
from cleanplate.video.images import read_image
from cleanplate.video.shot import open_shot
from tests.conftest import refused, texture
from tests.odd_exrs import part
from tests.oiio_files import pixels, planes
from tests.oiio_files import save as save_by_oiio

SIZE, COUNT, SIDE = (64, 96), 6, 14
NAN, HIDDEN_NAN = (5, 9), (28, 3)  # rows and columns; the second one within the thing


def thing(index: int) -> tuple[slice, slice]:
    return slice(24, 24 + SIDE), slice(10 + 8 * index, 10 + 8 * index + SIDE)


def truths() -> list[np.ndarray]:
    """A camera that pans over light from a hundredth to some 30, and a few values below 0."""
    ground = np.exp2(11.5 * texture(SIZE[0], SIZE[1] + 3 * COUNT) - 6.5).astype(np.float32) - np.float32(0.012)
    return [ground[:, 3 * index : 3 * index + SIZE[1]] for index in range(COUNT)]


def hides(picture: np.ndarray, index: int) -> np.ndarray:
    """The picture with a blue thing in the way, and NaN in it and beside it."""
    picture, place = picture.copy(), thing(index)
    picture[place] = 0.01, 0.02, 4
    picture[place][HIDDEN_NAN[0] - 24, HIDDEN_NAN[1]] = np.nan, np.inf, -np.inf
    picture[NAN] = np.nan, 1, 2
    return picture


def mask_of(index: int, grown: int = 0) -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    mask[thing(index)] = 255
    return cv2.dilate(mask, np.ones((2 * grown + 1, 2 * grown + 1), np.uint8)) if grown else mask


def save(path: Path, channels: dict[str, np.ndarray], **header: object) -> None:
    planes = {name: np.ascontiguousarray(plane) for name, plane in channels.items()}
    OpenEXR.File([part(planes, **header)]).write(str(path))  # type: ignore[arg-type]


def rgb(picture: np.ndarray, prefix: str = "", dtype: str = "f2") -> dict[str, np.ndarray]:
    return {f"{prefix}{name}": picture[..., index].astype(dtype) for index, name in enumerate("RGB")}


@pytest.fixture
def shot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """EXR frames with a depth and an alpha that is the mask, PNG masks, and the current folder there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shot").mkdir()
    (tmp_path / "mask").mkdir()
    for index, truth in enumerate(truths()):
        depth = np.full(SIZE, index, np.float32)
        alpha = (mask_of(index) / 255).astype(np.float16)
        channels = rgb(hides(truth, index)) | {"A": alpha, "Z": depth}
        save(tmp_path / f"shot/shot.{1001 + index}.exr", channels, compression=OpenEXR.PIZ_COMPRESSION, owner="me")
        cv2.imwrite(str(tmp_path / f"mask/{1001 + index}.png"), mask_of(index))
    return tmp_path


def cleaned(words: str) -> None:
    assert run(["inpaint", *words.split()]) == 0


def results(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def check(folder: Path, shot: Path, start: int = 0, names: str = "RGB", prefix: str = "") -> None:
    """Bits that were not hidden are as they were; what was is what is behind it."""
    for index, path in enumerate(results(folder), start):
        before, after = planes(sorted((shot / "shot").iterdir())[index]), planes(path)
        assert before.keys() == after.keys()
        changed = np.zeros(SIZE, bool)
        for name, was in before.items():
            now = after[name]
            differs = now.view(f"u{now.itemsize}") != was.view(f"u{was.itemsize}")
            assert not differs[mask_of(index, 4) == 0].any(), name
            changed |= differs
            if name not in [f"{prefix}{one}" for one in names]:
                assert not differs.any(), name
        hole = mask_of(index) > 0
        assert changed[hole].mean() > 0.95
        made = np.dstack([after[f"{prefix}{name}"] for name in names])[hole].astype(np.float32)
        stops = np.log2((made + 0.05) / (truths()[index][hole] + 0.05))
        assert np.isfinite(made).all()
        assert np.sqrt((stops**2).mean()) < 0.05
        assert np.isnan(after[f"{prefix}R"][NAN])


def test_an_exr_shot_comes_back_without_the_thing_and_else_bit_for_bit(shot: Path) -> None:
    cleaned("shot mask carry -o clean --provenance kinds")
    assert [path.suffix for path in results(shot / "clean")] == [".exr"] * COUNT
    check(shot / "clean", shot)
    for path in results(shot / "kinds"):
        assert path.suffix == ".png"
        assert read_image(path)[NAN].tolist() == [0, 0, 0], "what is no number is no part of the hole"


def test_a_part_of_it_comes_from_the_right_files(shot: Path) -> None:
    cleaned("shot mask carry -o clean --start 0.125s --region 0 8 96 48")
    assert len(results(shot / "clean")) == COUNT - 3
    check(shot / "clean", shot, start=3)


def test_what_is_hidden_never_matters(shot: Path) -> None:
    cleaned("shot mask carry -o first")
    for index, path in enumerate(sorted((shot / "shot").iterdir())):
        channels = planes(path)
        for name in "RGB":
            channels[name][thing(index)] = 777 + index
        save(path, channels, compression=OpenEXR.PIZ_COMPRESSION, owner="me")
    cleaned("shot mask carry -o second")
    for one, other in zip(results(shot / "first"), results(shot / "second"), strict=True):
        for name, plane in planes(one).items():
            same = planes(other)[name]
            inside = mask_of(int(one.stem[-4:]) - 1001) > 0
            np.testing.assert_array_equal(plane[inside], same[inside])


def test_a_mask_may_be_the_alpha_of_the_shot_or_a_channel(shot: Path) -> None:
    for index in range(COUNT):
        matte = {"matte.thing": mask_of(index).astype(np.float32) / 255, "other": np.zeros(SIZE, np.float32)}
        save(shot / f"mask/{index:04}.exr", matte)
        (shot / f"mask/{1001 + index}.png").unlink()
    cleaned("shot alpha carry -o first")
    cleaned("shot mask carry -o second --mask-channel matte.thing")
    check(shot / "first", shot)
    for one, other in zip(results(shot / "first"), results(shot / "second"), strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_a_layer_is_cleaned_by_its_name(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index, path in enumerate(sorted((shot / "shot").iterdir())):
        picture = hides(truths()[index], index)
        save(path, rgb(picture, "beauty.", "f4") | rgb(picture, "spec."))
    refused("inpaint shot mask carry -o clean", "has the layers beauty, spec; one of them is cleaned; name it", capsys)
    refused("inpaint shot mask carry -o clean --layer cat", "has no layer cat, but beauty, spec", capsys)
    cleaned("shot mask carry -o clean --layer beauty")
    check(shot / "clean", shot, prefix="beauty.")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("-o clean.mp4", "shot is scene-linear, and clean.mp4 cannot hold that; it is written as .exr again; name a f"),
        ("-o clean.mkv --lossless", "shot is scene-linear, and clean.mkv cannot hold that"),
        ("-o clean --size 32 48", "--size is given, and shot is scene-linear"),
        ("-o clean --reference 1003:mask/1003.png", "mask/1003.png is not scene-linear, and shot is"),
        ("-o clean --mask-channel thing", "mask/1001.png has no channel thing"),
        ("-o clean.exr", "clean.exr is one picture"),
    ],
)
def test_what_cannot_be_held_is_refused_in_a_line(
    options: str, said: str, shot: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(f"inpaint shot mask carry {options}", said, capsys)
    assert not list(shot.glob("clean*"))


def test_a_frame_may_be_painted_in_exr(shot: Path) -> None:
    white = np.full((*SIZE, 3), 9, np.float32)
    save(shot / "painted.exr", rgb(white))
    cleaned("shot mask carry -o clean --reference 1003:painted.exr")
    red = planes(results(shot / "clean")[2])["R"]
    np.testing.assert_allclose(red[mask_of(2) > 0], 9, rtol=0.01)


def test_one_exr_becomes_one_exr(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shot / "shot/shot.1001.exr").rename(shot / "one.exr")
    refused("inpaint one.exr mask/1001.png carry -o clean.png", "clean.png cannot hold that", capsys)
    refused("inpaint one.exr mask/1001.png carry -o clean.exr --provenance kinds.exr", "masks are written as", capsys)
    cleaned("one.exr mask/1001.png carry -o clean.exr")
    before, after = planes(shot / "one.exr"), planes(shot / "clean.exr")
    known = mask_of(0, 4) == 0
    for name in before:
        assert before[name][known].tobytes() == after[name][known].tobytes()
        assert np.isfinite(after[name][~known]).all()


def test_the_same_by_python(shot: Path) -> None:
    plate = inpaint(read_clip("shot", "mask"), "carry")
    write_video("clean", plate.frames, like="shot")
    for index, path in enumerate(results(shot / "clean")):
        before, after = planes(sorted((shot / "shot").iterdir())[index]), planes(path)
        for name in before:
            known = mask_of(index, 4) == 0
            known[NAN] = False  # which belongs to the hole of a clip
            assert before[name][known].tobytes() == after[name][known].tobytes()
            assert not name.startswith(tuple("RGB")) or not np.array_equal(before[name][~known], after[name][~known])


def test_no_more_frames_are_held_than_of_a_video(shot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[weakref.ref[np.ndarray]] = []
    most = 0

    def counted(read: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        def wrapped(*args: object) -> np.ndarray:
            nonlocal most
            picture = read(*args)
            held.append(weakref.ref(picture))
            most = max(most, sum(one() is not None for one in held))
            return picture

        return wrapped

    monkeypatch.setattr(exr, "read_picture", counted(exr.read_picture))
    clean(open_shot(shot / "shot", (shot / "mask",)), shot / "clean", "carry")
    assert len(results(shot / "clean")) == COUNT
    assert 0 < most <= 3


def test_without_the_package_it_is_said_how_to_get_it(
    shot: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "OpenEXR", None)
    refused("inpaint shot mask carry -o clean", "OpenEXR is not installed; ", capsys)
    with pytest.raises(InputError, match="pip install openexr"):
        read_image(shot / "shot/shot.1001.exr")


def test_dpx_becomes_dpx_or_a_video(shot: Path) -> None:
    (shot / "film").mkdir()
    for index, truth in enumerate(truths()):
        codes = np.clip(np.rint(np.log2(truth + 0.05) * 60 + 500), 0, 1023)
        codes[thing(index)] = 900
        wide = np.rint(codes * 65535 / 1023).astype(np.uint16)
        save_by_oiio(shot / f"film/{1001 + index}.dpx", wide, {"oiio:BitsPerSample": 10})
    cleaned("film mask carry -o clean")
    cleaned("film mask carry -o clean.mkv")
    for index, path in enumerate(results(shot / "clean")):
        assert path.suffix == ".dpx"
        before, after = pixels(shot / f"film/{1001 + index}.dpx") >> 6, pixels(path) >> 6
        known = mask_of(index, 4) == 0
        np.testing.assert_array_equal(before[known], after[known])
        wanted = np.rint(np.log2(truths()[index] + 0.05) * 60 + 500)
        assert np.abs(after[~known] - wanted[~known]).mean() < 6


def test_a_shot_of_float_tiffs(shot: Path) -> None:
    (shot / "plates").mkdir()
    for index, truth in enumerate(truths()):
        tifffile.imwrite(f"plates/{1001 + index}.tif", hides(truth, index), photometric="rgb")
    cleaned("plates mask carry -o clean")
    for index, path in enumerate(results(shot / "clean")):
        assert path.suffix == ".tif"
        before, after = tifffile.imread(f"plates/{1001 + index}.tif"), tifffile.imread(path)
        known = mask_of(index, 4) == 0
        assert before[known].tobytes() == after[known].tobytes()
        stops = np.log2((after[~known] + 0.05) / (truths()[index][~known] + 0.05))
        assert np.sqrt((stops**2).mean()) < 0.05


def test_what_is_no_number_is_worked_around_unless_somebody_has_painted_it(shot: Path) -> None:
    (frame, *_) = open_shot(shot / "shot", (shot / "mask",), dilate_px=0).frames()
    assert frame.unknown is not None
    assert np.argwhere(frame.unknown).tolist() == [list(NAN)]
    np.testing.assert_array_equal(frame.hole, (mask_of(0) > 0) | frame.unknown)
    assert (frame.picture[NAN] == NO_VALUE).any()


def test_a_thing_is_marked_in_a_layer_and_cleaned_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for index, truth in enumerate(truths()):
        channels = rgb(hides(truth, index), "beauty.") | rgb(truth, "clean.")
        save(tmp_path / f"shot.{1001 + index}.exr", channels)
    left, top = thing(0)[1].start, thing(0)[0].start
    words = f"mask shot.####.exr --box {left - 2} {top - 2} {SIDE + 4} {SIDE + 4} -o mask.####.png"
    refused(words, "has the layers beauty, clean", capsys)
    assert run([*words.split(), "--layer", "beauty"]) == 0
    for index in range(COUNT):
        found, true = read_image(tmp_path / f"mask.{1001 + index}.png")[..., 0] > 127, mask_of(index) > 0
        assert (found & true).sum() > 0.95 * true.sum()
        assert found.sum() < 1.3 * true.sum()
    cleaned("shot.####.exr mask.####.png carry -o out.####.exr --layer beauty --effects off")
    for index, truth in enumerate(truths()):
        made = OpenEXR.File(str(tmp_path / f"out.{1001 + index}.exr"), separate_channels=True).channels()
        for name, true in rgb(truth, "clean.").items():
            np.testing.assert_array_equal(made[name].pixels, true)
