"""A file of areas and times in place of a mask: of `cleanplate mask --spans`, and of `cleanplate inpaint`."""

import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest

from cleanplate import cli, read_clip, write_video
from cleanplate.clean import digest
from cleanplate.commands.unmarked import boxes_of, write_boxes
from cleanplate.errors import InputError
from cleanplate.track.overlays import overlay_of
from cleanplate.video.areas import box_area, polygon_area
from cleanplate.video.reader import read_masks
from cleanplate.video.shot import open_shot
from cleanplate.video.spans import masks_of_spans, read_spans, write_spans
from cleanplate.video.timecode import Span, moment
from cleanplate.video.writer import write_grey
from tests.conftest import panning, refused

SIZE, FPS, LENGTH = (64, 96), 25, 20
TIMES = [index / FPS for index in range(LENGTH)]
LOGO, TRIANGLE = (60, 4, 20, 10), (5, 50, 40, 50, 20, 60)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with shot.mp4, a painted image, and a file of spans in a folder of its own."""
    folder = tmp_path_factory.mktemp("written")
    write_video(folder / "shot.mp4", panning(LENGTH), fps=FPS)
    (folder / "spans").mkdir()
    cv2.imwrite(str(folder / "spans" / "dot.png"), box_area((2, 2, 4, 4), SIZE).astype(np.uint8) * 255)
    cv2.imwrite(str(folder / "spans" / "black.png"), np.zeros(SIZE, np.uint8))
    (folder / "spans" / "logos.toml").write_text(
        f"""
        [[span]]
        box = {list(LOGO)}
        name = "station logo"

        [[span]]
        polygon = {list(TRIANGLE)}
        start = "0.2s"
        end = 12

        [[span]]
        image = "dot.png"
        start = "00:00:00:10"
        """
    )
    return folder


@pytest.fixture
def folder(written: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(written)
    return written


def truth(index: int) -> np.ndarray:
    """What logos.toml covers in a frame."""
    mask = box_area(LOGO, SIZE)
    if 5 <= index < 12:
        mask = mask | polygon_area(TRIANGLE, SIZE)
    return mask | box_area((2, 2, 4, 4), SIZE) if index >= 10 else mask


def test_each_area_is_in_its_own_frames(folder: Path) -> None:
    spans = read_spans(Path("spans/logos.toml"), SIZE, TIMES, FPS)
    assert [one.name for one in spans] == ["station logo", "span 2", "span 3"]
    assert [one.frames for one in spans] == [range(20), range(5, 12), range(10, 20)]
    assert all(np.array_equal(mask, truth(index)) for index, mask in enumerate(masks_of_spans(spans, LENGTH)))


BAD = {
    "box = [1": "is not TOML",
    "": "has no [[span]]; [[span]] with a box, a polygon or an image is needed",
    "span = 3": "has no [[span]]",
    "colour = 3\n[[span]]\nbox = [1, 1, 9, 9]": "has colour outside of a span",
    "[[span]]\nbox = [1, 1, 9, 9]\n[[span]]": "span 2: it has no area; one of box, polygon, image, path is needed",
    '[[span]]\nbox = [1, 1, 9, 9]\nimage = "a.png"': "span 1: it has box and image; one of",
    "[[span]]\nbox = [1, 1, 9, 9]\nframe = 3": "span 1: there is no frame; a span has box, polygon, image, path, start",
    "[[span]]\nbox = [1, 1, 9]": "span 1: its box is [1, 1, 9]; [left, top, width, height] in pixels is needed",
    "[[span]]\nbox = [1, 1, 9.5, 9]": "span 1: its box is [1, 1, 9.5, 9]",
    "[[span]]\nbox = [1, 1, 999, 9]": "span 1: the box 1 1 999 9 is not in the picture; frames are 96x64; give 1 1 95",
    '[[span]]\npolygon = "left"': "span 1: its polygon is 'left'; [x, y, x, y, ...] is needed",
    "[[span]]\npolygon = [1, 1, 9, 9]": "span 1: the polygon has 4 numbers",
    "[[span]]\nimage = 3": "span 1: its image is 3",
    '[[span]]\nimage = "none.png"': "span 1: there is no file spans/none.png",
    '[[span]]\nimage = "black.png"': "span 1: black.png has no white",
    "[[span]]\nbox = [1, 1, 9, 9]\nstart = 00:00:01": "span 1: its start is 00:00:01; a frame, or a time or",
    "[[span]]\nbox = [1, 1, 9, 9]\nstart = 2.5": "span 1: its start is 2.5; a frame, or a time",
    '[[span]]\nbox = [1, 1, 9, 9]\nend = "soon"': "span 1: 'soon' is no moment of a video",
    "[[span]]\nbox = [1, 1, 9, 9]\nstart = 5\nend = 2": "span 1: the part is from 5 to 2",
    "[[span]]\nbox = [1, 1, 9, 9]\nstart = 20": "span 1: no frame is in it; the video has 20 frames, 0.80 s",
    "[[span]]\nbox = [1, 1, 9, 9]\nname = 3": "span 1: its name is 3; words in quotes",
}


@pytest.mark.parametrize("text", BAD)
def test_a_mistake_in_the_file_is_one_line_with_its_place(
    text: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "spans" / "bad.toml").write_text(text)
    before = set(folder.rglob("*"))
    refused("mask shot.mp4 --spans spans/bad.toml -o m.mkv", BAD[text], capsys)
    with pytest.raises(InputError, match=r"spans/bad\.toml"):
        read_spans(Path("spans/bad.toml"), SIZE, TIMES, FPS)
    assert set(folder.rglob("*")) == before


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["mask", "shot.mp4", "--spans", "spans/logos.toml", "--start", "7", "-o", "masks.mkv"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = ["station logo: frames 7 to 19", "span 2: frames 7 to 11", "span 3: frames 10 to 19"]
    assert out.splitlines()[:3] == lines
    assert out.splitlines()[3].startswith("masks.mkv: 20 frames of 96x64; frames 7 to 19 are masked, ")
    for index, level in enumerate(read_masks("masks.mkv")):
        assert np.array_equal(level > 127, truth(index) & (index >= 7))
    (folder / "late.toml").write_text("[[span]]\nbox = [1, 1, 9, 9]\nstart = 12\nend = 14\n")
    for words, said in {
        "--spans late.toml --end 12": "late.toml has no area in frames 0 to 11 of shot.mp4",
        "--spans late.toml --box 1 1 9 9 --fixed": "--spans is given with --box, --fixed; the file says where all is",
        "--spans late.toml --thing a --box 1 1 9 9": "--spans is given with --thing",
        "--spans late.toml --matte matte.mkv": "--spans is given with --matte",
        "--spans late.toml --find overlays": "--find is given with --spans",
        "--spans none.toml": "the spans file none.toml cannot be read (No such file or directory)",
    }.items():
        refused(f"mask shot.mp4 {words} -o no.mkv", said, capsys)
    refused("mask shot.mp4 --spans late.toml -o no.toml", "no.toml ends in .toml; an output is", capsys)
    assert not list(folder.glob("*no.*"))


def test_inpaint_takes_the_file_as_its_mask(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logos, video = Path("spans/logos.toml"), Path("shot.mp4")
    for words in ("0", "7", "0.2s"):  # the part of the video is that of the file too
        shot = open_shot(video, (logos,), Span(moment(words)), dilate_px=0)
        first = 5 if words == "0.2s" else int(words)
        frames = list(shot.frames())
        assert len(frames) == LENGTH - first
        assert all(np.array_equal(frame.hole > 0, truth(first + frame.index)) for frame in frames)
    clip = read_clip("shot.mp4", "spans/logos.toml", frames=(7, 9), dilate_px=0)
    assert np.array_equal(clip.hole[1, 0].numpy(), truth(8))
    words = "inpaint shot.mp4 spans/logos.toml carry -o clean.mkv --effects off --end 6 --carry.rounds 1"
    assert cli.run(words.split()) == 0
    assert capsys.readouterr().out.startswith("clean.mkv: 6 frames of 96x64")
    (folder / "end.toml").write_text("[[span]]\nbox = [1, 1, 9, 9]\nstart = 12\n")
    refused("inpaint shot.mp4 end.toml -o no.mkv --end 12", "end.toml has no area in this part of shot.mp4", capsys)
    (folder / "end.toml").write_text("[[span]]\nbox = [1, 1, 9]\n")
    refused("inpaint shot.mp4 end.toml -o no.mkv", "end.toml, span 1: its box is [1, 1, 9]", capsys)


def test_what_is_found_is_written_so_that_it_can_be_given_back(tmp_path: Path) -> None:
    caption = overlay_of("caption", box_area((10, 40, 60, 9), SIZE), 3, 15, 0.81)
    bars = np.zeros(SIZE, bool)
    bars[:6] = bars[-5:] = True
    write_boxes(tmp_path / "found.toml", [overlay_of("still", bars, 0, LENGTH, 0.95), caption], None)
    text = (tmp_path / "found.toml").read_text()
    assert text.startswith("# What was found. Take out what is to stay")
    assert [one["box"] for one in tomllib.loads(text)["span"]] == [[0, 0, 96, 6], [0, 59, 96, 5], [10, 40, 60, 9]]
    spans = read_spans(tmp_path / "found.toml", SIZE, TIMES, FPS)
    expected = [bars | caption.mask if 3 <= index < 15 else bars for index in range(LENGTH)]
    assert np.array_equal(list(masks_of_spans(spans, LENGTH)), expected)
    assert [one.name for one in spans] == ["still, certainty 0.95"] * 2 + ["caption, certainty 0.81"]


def test_find_writes_such_a_file_too(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logo = overlay_of("still", box_area(LOGO, SIZE), 0, 9, 0.9)
    monkeypatch.setattr("cleanplate.track.overlays.look_for_overlays", lambda *_, **__: ([logo], True))
    words = "mask shot.mp4 --find overlays --start 4 -o found.toml"
    assert cli.run(words.split()) == 0
    said = "still: box 60 4 20 10, frames 4 to 12, certainty 0.90\nfound.toml: 20 frames; 1 overlay found\n"
    assert capsys.readouterr().out == said
    assert cli.run(["mask", "shot.mp4", "--spans", "found.toml", "-o", "again.mkv"]) == 0
    masks = read_masks("again.mkv") > 127
    assert all(np.array_equal(mask, logo.mask & (4 <= index < 13)) for index, mask in enumerate(masks))
    refused(words, "found.toml is already there", capsys)
    refused(words.replace("found.toml", "none/found.toml"), "there is no folder none", capsys)


def test_find_calls_frames_by_their_numbers_as_spans_does(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "numbered").mkdir()
    for number in range(1001, 1021):
        cv2.imwrite(f"numbered/shot.{number}.png", np.full((*SIZE, 3), number % 200, np.uint8))
    logo = overlay_of("still", box_area(LOGO, SIZE), 0, 9, 0.9)
    monkeypatch.setattr("cleanplate.track.overlays.look_for_overlays", lambda *_, **__: ([logo], True))
    words = "mask numbered --find overlays --start 1005 -o numbered.toml"
    assert cli.run(words.split()) == 0
    said = "still: box 60 4 20 10, frames 1005 to 1013, certainty 0.90\nnumbered.toml: 20 frames; 1 overlay found\n"
    assert capsys.readouterr().out == said
    assert cli.run(["mask", "numbered", "--spans", "numbered.toml", "-o", "numbered.mkv"]) == 0
    masks = read_masks("numbered.mkv") > 127
    assert all(np.array_equal(mask, logo.mask & (4 <= index < 13)) for index, mask in enumerate(masks))
    monkeypatch.setattr("cleanplate.track.overlays.look_for_overlays", lambda *_, **__: ([], True))
    refused(words.replace("numbered.toml", "no.toml"), "found in frames 1005 to 1020 of numbered", capsys)


def test_boxes_of_bars_on_all_sides() -> None:
    frame = np.ones((20, 30), bool)
    frame[3:18, 4:29] = False
    boxes = boxes_of(overlay_of("still", frame, 0, 9, 0.9))
    assert boxes == [(0, 0, 30, 3), (0, 18, 30, 2), (0, 0, 4, 20), (29, 0, 1, 20)]


def test_words_with_quotes_are_written_as_they_are(tmp_path: Path) -> None:
    table = {"name": 'the "é" logo\\', "box": [1, 2, 3, 4], "start": 1}
    write_spans(tmp_path / "a.toml", [table], "two\nlines")
    assert tomllib.loads((tmp_path / "a.toml").read_text(encoding="utf-8")) == {"span": [table]}


@pytest.fixture
def rotos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """plates/shot.1001.png to 1010; a dot that moves, of frames 1004 to 1007, numbered and as a video; a still dot."""
    monkeypatch.chdir(tmp_path)
    for folder in ("plates", "roto"):
        Path(folder).mkdir()
    for index in range(10):
        cv2.imwrite(f"plates/shot.{1001 + index}.png", np.full((*SIZE, 3), 100, np.uint8))
    for index in range(3, 7):
        cv2.imwrite(f"roto/roto.{1001 + index}.png", dot(index).astype(np.uint8) * 255)
    write_grey("roto.mkv", np.stack([dot(index) for index in range(3, 7)])[:, None])
    write_grey("whole.mkv", np.stack([dot(index) for index in range(10)])[:, None])
    cv2.imwrite("dot.png", dot(0).astype(np.uint8) * 255)
    return tmp_path


def dot(index: int) -> np.ndarray:
    return box_area((4 + 5 * index, 20, 6, 6), SIZE)


def masks_toml(*tables: str) -> Path:
    Path("masks.toml").write_text("".join(f"[[mask]]\n{table}\n" for table in tables))
    return Path("masks.toml")


@pytest.mark.parametrize("path", ["roto", "roto/roto.####.png", "roto.mkv", "whole.mkv"])
@pytest.mark.parametrize("shot", ["plates", "plates/shot.%04d.png"])
def test_several_masks_have_spans_of_their_own(path: str, shot: str, rotos: Path) -> None:
    masks = masks_toml(
        f'path = "{path}"\nstart = 1004\nend = 1008\nname = "passer-by"',
        "box = [60, 4, 20, 10]\nstart = 1006",
        'path = "dot.png"\nend = 1003',
    )
    for part, first in ((Span(), 0), (Span(4, 8), 4)):
        frames = list(open_shot(Path(shot), (masks,), part, dilate_px=0).frames())
        for index, frame in enumerate(frames, first):
            expected = np.zeros(SIZE, bool)
            for area, span in ((dot(index), range(3, 7)), (box_area(LOGO, SIZE), range(5, 10)), (dot(0), range(2))):
                expected |= area & (index in span)
            np.testing.assert_array_equal(frame.hole > 0, expected, err_msg=str(index))


def test_the_command_makes_one_mask_of_them(rotos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    masks_toml('path = "roto"\nstart = 1004\nend = 1008\nname = "passer-by"')
    assert cli.run(["mask", "plates", "--spans", "masks.toml", "--start", "1005", "-o", "out.####.png"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("passer-by: frames 1005 to 1007\n")
    assert "frames 1005 to 1007 are masked" in out
    assert np.array_equal(read_masks("out.####.png") > 127, [dot(i) & (4 <= i < 7) for i in range(10)])


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('path = "roto"', "mask 1: the mask roto has 1004-1007, and this span of the video (1001-1010) has 1001-1010"),
        (
            'path = "roto.mkv"\nstart = 1005',
            "mask 1: roto.mkv has 4 frames, its span 6 and the video 10; it needs",
        ),
        ('path = "none.mkv"', "mask 1: there is no file none.mkv"),
        ('path = "roto/none.####.png"', "mask 1: there is no image roto/none.####.png"),
        ("path = 3", "mask 1: its path is 3; a file is needed"),
        ('path = "masks.toml"', "mask 1: its path is masks.toml; a mask or an image is needed"),
        ('path = "small.mkv"', "mask 1: small.mkv is 48x32; frames are 96x64; make it in the size of the video"),
        ("box = [1, 1, 9, 9]\nstart = 20", "mask 1: no frame"),
        ("box = [1, 1, 9, 9]\nstart = 1011", "mask 1: no frame is numbered 1011 or more; the video has 1001-1010"),
    ],
)
def test_a_mistake_in_a_file_of_masks(table: str, said: str, rotos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_grey("small.mkv", np.ones((10, 1, 32, 48)))
    masks_toml(table if "20" not in table else table.replace("20", "20\nend = 30"))
    refused("inpaint plates masks.toml carry -o out", said, capsys)
    assert not Path("out").exists()


def test_another_mask_in_the_file_is_another_run(rotos: Path) -> None:
    masks = masks_toml('path = "roto.mkv"\nstart = 1004\nend = 1008')
    before = digest(open_shot(Path("plates"), (masks,)))
    write_grey("roto.mkv", np.stack([dot(index + 1) for index in range(3, 7)])[:, None])
    assert digest(open_shot(Path("plates"), (masks,))) != before
