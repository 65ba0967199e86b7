"""Images with numbers in their names: what they are called in, out, and by the options of the commands."""

import os
import re
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from cleanplate import InputError, cli, read_clip, write_video
from cleanplate.batch.jobs import read_jobs
from cleanplate.clean import digest
from cleanplate.runtime.files import partial_folder, whole_files
from cleanplate.video.images import read_image
from cleanplate.video.numbers import beside, gaps, output_names, ranges, span_between
from cleanplate.video.reader import read_frames, read_masks
from cleanplate.video.sequences import existing, find_stills, pattern_of, stamp
from cleanplate.video.shot import open_shot
from cleanplate.video.timecode import Span
from tests.conftest import refused

SIZE, FIRST, COUNT = (48, 64), 1001, 6
HOLE = (slice(16, 30), slice(20, 40))


def image(path: Path, level: int, size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*size, 3), level, np.uint8))
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """plates/shot.1001.png to 1006, whose level says which; roto.#### and mask.png; an empty folder out."""
    monkeypatch.chdir(tmp_path)
    for number in range(FIRST, FIRST + COUNT):
        image(Path(f"plates/shot.{number}.png"), number - 950)
        mask(Path(f"roto/roto.{number}.png"), shift=number - FIRST)
    mask(Path("mask.png"))
    Path("out").mkdir()
    return tmp_path


def mask(path: Path, shift: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.zeros(SIZE, np.uint8)
    grey[HOLE[0], 20 + shift : 40 + shift] = 255
    cv2.imwrite(str(path), grey)
    return path


def names(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def level(path: str) -> int:
    return int(read_image(Path(path))[0, 0, 0])


CARRY = "carry --carry.rounds 1 --effects off --dilate-px 0"


# Names


@pytest.mark.parametrize(
    ("name", "numbered"),
    [
        ("shot.####.png", {1: "shot.0001.png", 12345: "shot.12345.png"}),
        ("shot.%04d.png", {1: "shot.0001.png", 12345: "shot.12345.png"}),
        ("shot_%d_L.PNG", {1: "shot_1_L.PNG", 20: "shot_20_L.PNG"}),
        ("#.tif", {0: "0.tif", 1001: "1001.tif"}),
        ("v002.###.jpg", {7: "v002.007.jpg"}),
    ],
)
def test_a_pattern_and_back(name: str, numbered: dict[int, str]) -> None:
    pattern = pattern_of(Path("plates") / name)
    assert pattern is not None
    for number, file in numbered.items():
        assert pattern.name(number) == file
        assert pattern.number(file) == number
    others = ("shot.png", "shot.a.png", "shot.00001.png", "other.0001.png", "shot.0001.jpeg")
    assert [pattern.number(file) for file in others] == [None] * len(others)


def test_what_is_no_pattern(here: Path) -> None:
    assert pattern_of(Path("take#1.mp4")) is None
    assert pattern_of(Path("plates")) is None
    assert pattern_of(image(Path("take#1.png"), 3)) is None, "a file is what it is called"
    assert find_stills(Path("take#1.png")).files == (Path("take#1.png"),)
    for wrong in ("sh##.####.png", "shot.-####.png", "-%d.png"):
        with pytest.raises(InputError):
            pattern_of(Path(wrong))


def test_numbers_in_words() -> None:
    assert ranges([1001, 1002, 1003, 1007]) == "1001-1003, 1007"
    assert gaps([1003, 1005, 1009, 1013]) == "1004, 1006-1008, 1010-1012"
    assert gaps(range(5)) == gaps([]) == gaps([7]) == ""
    assert gaps([0, 10**15]) == f"1-{10**15 - 1}"
    assert gaps(range(0, 100, 2)).endswith("13, 15 and 41 more")


@pytest.mark.parametrize(
    ("files", "out", "made"),
    [
        (["shot.1001.png", "shot.1002.png"], "clean", ["clean.1001.png", "clean.1002.png"]),
        (["shot_0099.png", "shot_0100.png"], "clean", ["clean_0099.png", "clean_0100.png"]),
        (["shot-1.jpg", "shot-2.jpg"], "clean", ["clean-1.png", "clean-2.png"]),
        (["img0998.png", "img0999.png"], "clean_v2", ["clean_v2.0998.png", "clean_v2.0999.png"]),
        (["00007.jpg", "00008.jpg"], "clean", ["00007.png", "00008.png"]),
        (["9999.png", "10000.png"], "clean", ["9999.png", "10000.png"]),
        (["a.png", "b.png"], "clean", ["00000.png", "00001.png"]),
        (["shot.1001.png", "shot.1002.png"], "x.%06d.png", ["x.001001.png", "x.001002.png"]),
        (["a.png", "b.png"], "x.##.png", ["x.00.png", "x.01.png"]),
        (["shot.0042.png"], "x.##.png", ["x.42.png"]),
    ],
)
def test_names_of_outputs(files: list[str], out: str, made: list[str], tmp_path: Path) -> None:
    for number, name in enumerate(files):
        image(tmp_path / "plates" / name, number)
    given = output_names(tmp_path / out, tmp_path / "plates", Span(), ".png")
    assert list(islice(given, len(made))) == made
    assert re.fullmatch(r".*\d\.png", next(given)), "there is one for more frames than the shot has"


def test_a_part_has_its_own_numbers_and_that_of_one_image_is_its_own(here: Path) -> None:
    plates = Path("plates")
    assert next(output_names(Path("c.#.png"), plates, Span(2), ".png")) == "c.1003.png"
    assert next(output_names(Path("c.#.png"), Path("plates/shot.1004.png"), Span(), ".png")) == "c.1004.png"
    assert next(output_names(Path("c"), Path("plates/shot.1004.png"), Span(), ".png")) == "00000.png"
    assert next(output_names(Path("c.###.png"), None, Span(5), ".png")) == "c.005.png"


# Read


def test_a_folder_and_a_pattern_give_the_same_frames(here: Path) -> None:
    for path in ("plates", "plates/shot.####.png", "plates/shot.%d.png"):
        frames, _ = read_frames(path)
        assert frames[:, 0, 0, 0].tolist() == [51, 52, 53, 54, 55, 56]
    assert find_stills(Path("plates")).numbers == tuple(range(1001, 1007))
    image(Path("plates/other.1001.png"), 9)
    assert len(read_frames("plates/shot.####.png")[0]) == 6
    assert len(read_frames("plates/other.####.png")[0]) == 1


def test_numbers_beyond_the_padding_come_in_their_order(tmp_path: Path) -> None:
    for number in (9998, 9999, 10000, 10001):
        image(tmp_path / f"s.{number:04}.png", number - 9990)
    for path in (tmp_path, tmp_path / "s.####.png"):
        assert find_stills(path).numbers == (9998, 9999, 10000, 10001)


def test_images_without_numbers_are_as_they_were(tmp_path: Path) -> None:
    for name in ("b.png", "a10x.png", "a9x.png"):
        image(tmp_path / name, 0)
    stills = find_stills(tmp_path)
    assert ([file.name for file in stills.files], stills.numbers) == (["a9x.png", "a10x.png", "b.png"], None)
    for file in stills.files:
        file.unlink()
    for name in ("left1.png", "right2.png"):  # each ends in one, and they are not numbered by it
        image(tmp_path / name, 0)
    assert find_stills(tmp_path).numbers is None


WRONG = {
    "two": (["a.1.png", "a.2.png", "b.1.png", "b.2.png"], "two has a.#.png, b.#.png; the images of one sequence are"),
    "mixed": (["a.01.png", "a.02.png", "cover.png"], "mixed has a.##.png, cover.png; the images of one sequence"),
    "kinds": (["a.01.png", "a.02.png", "a.01.jpg", "a.02.jpg"], "kinds has a.##.jpg, a.##.png"),
    "same": (["a.1.png", "a.01.png"], "a.1.png have the same number"),
    "below": (["a.-2.png", "a.-1.png"], "below/a.-#.png has numbers below 0; frames are numbered from 0 on"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_folder_that_is_no_sequence_is_refused(name: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in WRONG[name][0]:
        image(Path(name) / file, 1)
    refused(f"inpaint {name} mask.png -o out/x", WRONG[name][1], capsys)
    assert not names("out")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "plates/beauty.####.png mask.png -o out/x",
            "there is no image plates/beauty.####.png; images with a",
        ),
        ("plates/beauty.####.png mask.png -o out/x", "its folder has shot.####.png"),
        ("plates/shot.###.####.png mask.png -o out/x", "has 2 places for a number; one is needed, like #### or %04d"),
        ("none/shot.####.png mask.png -o out/x", "none cannot be read (No such file or directory)"),
        ("plates mask.png -o out/x.####.jpg", "out/x.####.jpg ends in .jpg; an output is"),
        ("plates mask.png -o none/x.####.png", "there is no folder none"),
        ("plates mask.png -o out/x.##.##.png", "has 2 places for a number"),
        ("plates mask.png -o plates/shot.####.png --overwrite", "plates/shot.####.png is also the input"),
        ("plates/shot.%04d.png mask.png -o plates/shot.#.png --overwrite", "plates/shot.#.png is also the input"),
        ("plates roto -o roto/roto.####.png --overwrite", "roto/roto.####.png is also the input"),
        ("plates mask.png -o out/x --start 1050", "no frame is numbered 1050 or more; plates has 1001-1006"),
        ("plates mask.png -o out/x --end 1001", "no frame is numbered from 0 up to, but without, 1001"),
        ("plates mask.png -o out/x --start 1004 --end 1003", "no frame is numbered from 1004 up to, but without, 1003"),
        ("plates mask.png -o out/x --start -5", "'-5' is no moment of a video"),
        ("plates mask.png -o out/x --reference 7:mask.png", "there is no frame 7; the frames are 1001-1006"),
        ("plates mask.png -o out/x --gaps fill", "refuse or keep is needed"),
    ],
)
def test_bad_words_are_one_line(words: str, said: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in here.rglob("*.*")}
    refused(f"inpaint {words}", said, capsys)
    assert {path: path.stat().st_mtime_ns for path in here.rglob("*.*")} == before


# Cleaned


def test_outputs_have_the_numbers_of_the_shot(here: Path) -> None:
    words = "inpaint plates/shot.####.png roto -o out/clean.%05d.png --provenance out/from --effects-mask out/fx.#.png"
    words += f" {CARRY.replace('--effects off', '--effects shadows')} --start 1002 --end 1005"
    assert cli.run(words.split()) == 0
    assert names("out") == [
        *(f"clean.0{number}.png" for number in (1002, 1003, 1004)), "from",
        *(f"fx.{number}.png" for number in (1002, 1003, 1004)),
    ]  # fmt: skip
    assert names("out/from") == ["from.1002.png", "from.1003.png", "from.1004.png"]
    for number in (1002, 1003, 1004):
        assert level(f"out/clean.0{number}.png") == number - 950
    masks = read_masks("out/from") > 0
    assert [int(np.flatnonzero(one.any(axis=0))[0]) for one in masks] == [21, 22, 23], "each frame had its own mask"


def test_a_mask_meets_the_frames_by_number(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask(Path("roto/roto.0999.png"), shift=9)  # more than the shot has
    clip = read_clip("plates", "roto", dilate_px=0)
    assert [int(hole[0].any(dim=0).nonzero()[0]) for hole in clip.hole] == [20, 21, 22, 23, 24, 25]
    Path("roto/roto.0999.png").unlink()
    Path("roto/roto.1001.png").rename("roto/roto.0901.png")
    shot = open_shot(Path("plates"), (Path("roto"),), Span(1, 3), dilate_px=0)
    assert [int(np.flatnonzero(frame.hole.any(axis=0))[0]) for frame in shot.frames()] == [21, 22]
    words = f"inpaint plates roto -o out/x {CARRY}"
    refused(words, "roto has 901, 1002-1006, and plates has 1001-1006: they do not meet at 1001", capsys)
    for number in range(1002, 1007):
        Path(f"roto/roto.{number}.png").rename(f"roto/roto.{number - 100:04}.png")
    refused(words, "they do not meet; every frame needs the mask of its number", capsys)
    for index, file in enumerate(sorted(Path("roto").iterdir())):
        file.rename(f"roto/{'abcdef'[index]}.png")
    clip = read_clip("plates", "roto", dilate_px=0)  # without numbers they follow each other
    assert [int(hole[0].any(dim=0).nonzero()[0]) for hole in clip.hole] == [20, 21, 22, 23, 24, 25]


def test_a_mask_that_is_counted_from_the_beginning_goes_by_its_order(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(1001, 1007):
        Path(f"roto/roto.{number}.png").rename(f"roto/roto.{number - 1001:04}.png")
    shot = open_shot(Path("plates"), (Path("roto"),), Span(1, 3), dilate_px=0)
    assert [int(np.flatnonzero(frame.hole.any(axis=0))[0]) for frame in shot.frames()] == [21, 22]
    assert cli.run(f"inpaint plates roto -o out/x {CARRY}".split()) == 0
    assert "roto is numbered from 0, and plates from 1001: they go by their order" in capsys.readouterr().err
    Path("roto/roto.0005.png").unlink()
    refused(f"inpaint plates roto -o out/y {CARRY}", "they do not meet", capsys)


def test_gaps_are_named_and_kept_if_asked(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (1002, 1004, 1005):
        Path(f"plates/shot.{number}.png").unlink()
    said = "1002, 1004-1005 are missing in plates; a sequence without gaps is needed"
    refused(f"inpaint plates mask.png -o out/x {CARRY}", said, capsys)
    refused("mask plates --fixed --box 1 1 9 9 -o out/m", said, capsys)
    with pytest.raises(InputError, match="are missing"):
        read_clip("plates", "mask.png")
    refused(f"inpaint plates mask.png -o out/x {CARRY} --end 1004", "1002 is missing in plates", capsys)
    assert cli.run(f"inpaint plates roto -o out/x.####.png {CARRY} --gaps keep".split()) == 0
    assert names("out") == ["x.1001.png", "x.1003.png", "x.1006.png"]
    assert [level(f"out/{name}") for name in names("out")] == [51, 53, 56]
    assert cli.run(["mask", "plates", "--fixed", "--box", "1", "1", "9", "9", "-o", "out/m", "--gaps", "keep"]) == 0
    assert names("out/m") == ["m.1001.png", "m.1003.png", "m.1006.png"]
    write_video("shot.mkv", np.zeros((3, 3, *SIZE), np.float32))
    Path("roto/roto.1005.png").unlink()
    refused(f"inpaint shot.mkv roto -o out/y {CARRY}", "1005 is missing in roto", capsys)


def test_paintings_and_marks_name_frames_by_their_numbers(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image(Path("painted.png"), 200)
    words = f"inpaint plates mask.png -o out/x.#.png {CARRY} --start 1002 --provenance out/from.#.png"
    assert cli.run([*words.split(), "--reference", "1003:painted.png"]) == 0
    assert read_image(Path("out/from.1003.png"))[HOLE].max() == 192
    assert read_image(Path("out/from.1002.png"))[HOLE].max() < 192
    Path("by_number").mkdir()
    image(Path("by_number/clean.1004.png"), 200)
    assert cli.run([*words.split(), "--reference", "by_number", "--overwrite"]) == 0
    assert read_image(Path("out/from.1004.png"))[HOLE].max() == 192
    capsys.readouterr()
    words = "mask plates --frame 1003 --box 18 14 30 30 -o out/m.####.png"
    assert cli.run([*words.split(), "--fixed", "--start", "1002", "--end", "1004"]) == 0
    assert "frames 1002 to 1003 are masked" in capsys.readouterr().out
    refused(
        words.replace("1003", "3") + " --overwrite",
        "frame 3 is marked; plates has frames 1001-1006; give one of these",
        capsys,
    )
    refused(f"{words} --start 1004 --overwrite", "frame 1003 is marked; --start and --end take frames 1004", capsys)


# Whole or not at all


def test_images_are_replaced_all_or_none_and_only_if_asked(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = f"inpaint plates mask.png -o out/x.####.png {CARRY} --start 1002 --end 1004"
    image(Path("out/x.1003.png"), 7)
    image(Path("out/x.0900.png"), 8)
    said = "out/x.####.png is already there (1003); nothing is replaced unasked"
    refused(words, said, capsys)
    assert cli.run([*words.split(), "--overwrite"]) == 0
    assert names("out") == ["x.0900.png", "x.1002.png", "x.1003.png"]
    assert [level(f"out/{name}") for name in names("out")] == [8, 52, 53]
    assert cli.run(words.replace("1002 --end 1004", "1004").split()) == 0, "other numbers are in nobody's way"
    Path("out/x.1001.png").mkdir()
    refused(words.replace("1002", "1001") + " --overwrite", "out/x.####.png cannot be written (x.1001.png is a", capsys)
    assert [level(f"out/x.{number}.png") for number in (1002, 1003)] == [52, 53]


def exchanged(folder: Path, levels: tuple[int, ...] = (1, 2, 3)) -> list[bytes]:
    with whole_files(folder / "x.#.png") as partial:
        for number in levels:
            (partial / f"x.{number}.png").write_bytes(b"new")
    return [path.read_bytes() for path in sorted(folder.glob("x.*"))]


def test_what_fails_half_way_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (2, 3):
        (tmp_path / f"x.{number}.png").write_bytes(b"old")
    real, moved = Path.rename, []

    def fails_once(self: Path, target: Path) -> Path:
        moved.append(self)
        if len(moved) == 4:
            raise OSError(28, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", fails_once)
    with pytest.raises(InputError, match="No space left"):
        exchanged(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"x.2.png": b"old", "x.3.png": b"old"}
    assert exchanged(tmp_path) == [b"new"] * 3


def test_what_was_killed_half_way_is_put_back_by_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (2, 3):
        (tmp_path / f"x.{number}.png").write_bytes(b"old")
    child = os.fork()
    if not child:
        real, moved = Path.rename, []

        def dies(self: Path, target: Path) -> Path:
            moved.append(self)
            if len(moved) == 4:
                os._exit(9)
            return real(self, target)

        Path.rename = dies  # type: ignore[method-assign]
        exchanged(tmp_path)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert (tmp_path / "x.1.png").exists()
    with partial_folder(tmp_path / "x.#.png"):
        pass
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"x.2.png": b"old", "x.3.png": b"old"}


def test_the_mask_of_each_thing_lies_beside_that_of_all() -> None:
    assert beside(Path("m.mkv"), "bike") == Path("m.bike.mkv")
    assert beside(Path("a/m.####.png"), "bike") == Path("a/m.bike.####.png")
    assert beside(Path("m_%04d.png"), "bike") == Path("m.bike_%04d.png")
    assert beside(Path("a/####.png"), "bike") == Path("a/bike.####.png")


def test_parts_of_numbered_and_other_shots() -> None:
    assert span_between(1003, 1005, [1001, 1002, 1003, 1004, 1005], "x") == Span(2, 4)
    assert span_between(0, None, [1001, 1002], "x") == Span(0, None)
    assert span_between(1002, 1009, [1001, 1003, 1008], "x") == Span(1, 3)
    assert span_between(3, 7, None, "x") == Span(3, 7)


def test_a_run_is_known_by_the_images_and_their_numbers(here: Path) -> None:
    first = digest(open_shot(Path("plates"), (Path("mask.png"),)))
    assert digest(open_shot(Path("plates/shot.####.png"), (Path("mask.png"),))) == first
    before = stamp(Path("plates/shot.####.png"))
    image(Path("plates/shot.1002.png"), 99)
    assert stamp(Path("plates/shot.####.png")) != before
    assert digest(open_shot(Path("plates"), (Path("mask.png"),))) != first
    assert stamp(Path("none/shot.####.png")) == stamp(Path("plates/none.####.png")) == ""
    assert existing("plates/shot.####.png") == Path("plates/shot.####.png")


# Many shots


def test_a_batch_takes_pictures_and_patterns(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image(Path("photo.png"), 100)
    rows = [
        "video,mask,out,method,provenance,fill-borders",
        "photo.png,mask.png,photo.png,carry,,",
        "plates/shot.####.png,roto/roto.####.png,plates/a.####.png,carry,plates/from.####.png,",
    ]
    Path("jobs.csv").write_text("\n".join(rows))
    words = ["batch", "jobs.csv", "-o", "done", "--options=--effects off --carry.rounds 1"]
    assert cli.run(words) == 0
    made = [f"{name}.{number}.png" for name in ("a", "from") for number in range(1001, 1007)]
    assert names("done/plates") == made
    assert level("done/photo.png") == 100
    capsys.readouterr()
    assert cli.run(words) == 0
    assert "2 of 2 are done already" in capsys.readouterr().err
    Path("done/plates/a.1003.png").unlink()
    assert cli.run(words) == 2
    assert "is already there, and not as this batch has made it" in capsys.readouterr().err


def test_rows_of_a_batch_that_cannot_be(here: Path) -> None:
    for row, said in {
        "plates,mask.png,x.png,": r"row 2 of jobs.csv: .*x.png is one picture",
        "plates,,x,": "row 2 of jobs.csv has no mask",
    }.items():
        Path("jobs.csv").write_text(f"video,mask,out,fill-borders\n{row}\n")
        with pytest.raises(InputError, match=said):
            read_jobs(Path("jobs.csv"), Path("done"))
    Path("jobs.csv").write_text("video,mask,out,fill-borders,method\nplates,,x,yes,carry\nplates,,y,yes,\n")
    first, second = (cli.parse(job.words) for job in read_jobs(Path("jobs.csv"), Path("done")))
    assert (first.mask, first.method, first.fill_borders) == (None, "carry", True)  # type: ignore[attr-defined]
    assert (second.mask, second.method) == (None, "carry-learn")  # type: ignore[attr-defined]
