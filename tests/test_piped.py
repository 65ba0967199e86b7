"""YUV4MPEG2 through pipes: read and written by FFmpeg as well, and every sample compared."""

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame

from cleanplate import METHODS, InputError, cli, write_video
from cleanplate.clean import clean
from cleanplate.config import Encoding
from cleanplate.data.demo import write_tone
from cleanplate.video import pipes
from cleanplate.video.pipes import PIPE, PipedVideo, PipeWriter
from cleanplate.video.planes import samples
from cleanplate.video.shot import open_piped, open_shot
from cleanplate.video.timecode import Span
from cleanplate.video.y4m import FORMATS, header_for, read_frame, read_header
from tests.conftest import panning, refused, texture, to_bytes, walking_hole

N_FRAMES, SIZE = 6, (64, 96)
PICTURES = to_bytes(panning(N_FRAMES, SIZE))
HOLE = walking_hole(1, SIZE)[0, 0].numpy()


def as_frames(pix_fmt: str, size: tuple[int, int] = SIZE) -> list[VideoFrame]:
    """PICTURES in that format; 16 bits of noise fill what 8 leave empty."""
    frames = [VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pix_fmt) for picture in PICTURES]
    rng = np.random.default_rng(0)
    for frame in frames:
        for component, plane in zip(frame.format.components, samples(frame) or [], strict=True):
            noise = rng.integers(0, 1 << max(0, component.bits - 8), plane.shape)
            plane[...] = np.clip(plane + noise, 0, (1 << component.bits) - 1)
            if component.is_alpha:
                plane[...] = rng.integers(0, 256, plane.shape)
    return frames


def written_by_ffmpeg(frames: list[VideoFrame], pix_fmt: str, **tags: Any) -> bytes:
    """A stream as `ffmpeg -f yuv4mpegpipe -strict -1` writes it."""
    held = io.BytesIO()
    with av.open(held, "w", format="yuv4mpegpipe", options={"strict": "-1"}) as out:
        stream = out.add_stream("wrapped_avframe", rate=30)
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, pix_fmt
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        for index, frame in enumerate(frames):
            frame.pts = index
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return held.getvalue()


def read_by_ffmpeg(data: bytes, **options: Any) -> list[VideoFrame]:
    with av.open(io.BytesIO(data), **options) as container:
        return list(container.decode(video=0))


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    return written_mask(tmp_path / "mask.png", HOLE)


def written_mask(path: Path, hole: np.ndarray) -> Path:
    cv2.imwrite(str(path), hole.astype(np.uint8) * 255)
    return path


@pytest.fixture
def through(mask: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Clean a stream, and the stream that comes out."""

    def cleaned(data: bytes, *, method: str = "carry", **options: Any) -> bytes:
        out = io.BytesIO()

        @contextmanager
        def opened(**like: Any) -> Iterator[PipeWriter]:
            yield PipeWriter(out, **like)

        monkeypatch.setattr("cleanplate.clean.open_pipe", opened)
        clean(open_piped(PipedVideo(io.BytesIO(data)), (mask,), dilate_px=0, **options), PIPE, method)
        return out.getvalue()

    return cleaned


def compare(before: list[VideoFrame], after: list[VideoFrame], hole: np.ndarray = HOLE, near: float = 0.06) -> None:
    """All samples outside the hole are the same, all alpha is, and what was filled in resembles what was there."""
    assert len(after) == len(before)
    for one, other in zip(before, after, strict=True):
        assert (one.format.name, one.width, one.height) == (other.format.name, other.width, other.height)
        planes = zip(one.format.components, samples(one) or [], samples(other) or [], strict=True)
        for component, was, is_now in planes:
            # A sample of chroma stands for several pixels; the one of them that is hidden counts.
            rows, columns = (-(-full // part) for full, part in zip(hole.shape, was.shape, strict=True))
            padded = np.zeros((was.shape[0] * rows, was.shape[1] * columns), bool)
            padded[: hole.shape[0], : hole.shape[1]] = hole
            hidden = padded.reshape(was.shape[0], rows, was.shape[1], columns).any((1, 3))
            if component.is_alpha:
                hidden = np.zeros_like(hidden)
            np.testing.assert_array_equal(was[~hidden], is_now[~hidden])
            if hidden.any():
                differ = np.abs(was[hidden].astype(float) - is_now[hidden]) / (1 << component.bits)
                assert differ.mean() < near, (component.plane, differ.mean())


@pytest.mark.parametrize(
    "pix_fmt",
    [
        *("yuv420p", "yuv422p", "yuv444p", "yuv411p", "yuva444p", "yuv420p10le", "yuv422p10le", "yuv444p12le"),
        *("yuv420p16le", "yuv444p16le", "yuv420p9le", "yuv422p14le", "gray", "gray10le", "gray12le", "gray16le"),
    ],
)
def test_every_untouched_sample_of_a_stream_comes_out_as_it_came_in(pix_fmt: str, through: Any) -> None:
    data = written_by_ffmpeg(as_frames(pix_fmt), pix_fmt)
    out = through(data)
    assert out.partition(b"\n")[0] == data.partition(b"\n")[0]
    compare(read_by_ffmpeg(data), read_by_ffmpeg(out))
    assert out != data


def test_pictures_of_odd_size(through: Any, mask: Path) -> None:
    odd = (SIZE[0] - 1, SIZE[1] - 1)
    frames = [frame.reformat(width=odd[1], height=odd[0]) for frame in as_frames("yuv420p")]
    data = written_by_ffmpeg(frames, "yuv420p")
    hole = HOLE[: odd[0], : odd[1]]
    written_mask(mask, hole)
    compare(read_by_ffmpeg(data), read_by_ffmpeg(through(data)), hole)


def spoken(header: str, pix_fmt: str = "yuv420p", line: str = "FRAME") -> bytes:
    """A stream with a header of one's own."""
    parts = [header.encode() + b"\n"]
    for frame in as_frames(pix_fmt):
        parts += [line.encode() + b"\n", *(plane.tobytes() for plane in samples(frame) or [])]
    return b"".join(parts)


@pytest.mark.parametrize(
    "header",
    [
        "YUV4MPEG2 W96 H64 F30000:1001 Ip A16:15 C420mpeg2 XYSCSS=420MPEG2 XCOLORRANGE=LIMITED",
        "YUV4MPEG2 W96 H64 F25:1 It A1:1 C420paldv",
        "YUV4MPEG2 W96 H64 F25:1 Ib A0:0 C420jpeg XCOLORRANGE=FULL",
        "YUV4MPEG2 H64 W96 F0:0 I? A0:0 XYSCSS=420JPEG XMADEBY=somebody",
        "YUV4MPEG2 W96 H64",
    ],
)
def test_what_a_stream_says_of_itself_is_kept_word_for_word(header: str, through: Any) -> None:
    data = spoken(header)
    out = through(data, method="telea")
    assert out.partition(b"\n")[0].decode() == header
    compare(read_by_ffmpeg(data), read_by_ffmpeg(out), near=0.2)


def test_what_stands_before_a_frame_is_kept_too(through: Any) -> None:
    mixed = spoken("YUV4MPEG2 W96 H64 F25:1 Im A1:1 C420mpeg2", line="FRAME Itop XWHY=not")
    out = through(mixed, method="telea")
    assert out.count(b"FRAME Itop XWHY=not\n") == N_FRAMES


def test_the_range_counts(through: Any) -> None:
    """A hole in white is filled with white, whichever number white is."""
    for word, white in (("XCOLORRANGE=FULL", 255), ("XCOLORRANGE=LIMITED", 235)):
        planes = [np.full(SIZE, white, np.uint8), *[np.full((32, 48), 128, np.uint8)] * 2]
        frame = b"FRAME\n" + b"".join(plane.tobytes() for plane in planes)
        data = f"YUV4MPEG2 W96 H64 F25:1 C420mpeg2 {word}\n".encode() + 3 * frame
        assert through(data) == data


def test_a_part_and_another_size(through: Any, mask: Path) -> None:
    data = written_by_ffmpeg(as_frames("yuv422p10le"), "yuv422p10le")
    part = read_by_ffmpeg(through(data, span=Span(2, 5), method="telea"))
    compare(read_by_ffmpeg(data)[2:5], part, near=0.2)
    out = through(data, size=(48, 64), method="telea")
    assert out.startswith(b"YUV4MPEG2 W64 H48 F30:1")
    assert len(read_by_ffmpeg(out)) == N_FRAMES
    inside = np.zeros_like(HOLE)
    inside[16:48, 8:48] = HOLE[16:48, 8:48]
    compare(read_by_ffmpeg(data), read_by_ffmpeg(through(data, region=(8, 16, 40, 32))), inside, near=0.2)


def test_frames_go_out_before_all_have_come_in(mask: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = written_by_ffmpeg(as_frames("yuv420p") * 6, "yuv420p")
    stream, read_when_written = io.BytesIO(data), []

    class Out(io.BytesIO):
        def write(self, data: Any) -> int:
            read_when_written.append(stream.tell())
            return super().write(data)

    @contextmanager
    def opened(**like: Any) -> Iterator[PipeWriter]:
        yield PipeWriter(Out(), **like)

    monkeypatch.setattr("cleanplate.clean.open_pipe", opened)
    narrow = replace(METHODS["carry"], carry=replace(METHODS["carry"].carry, window_frames=8))
    clean(open_piped(PipedVideo(stream), (mask,)), PIPE, narrow)
    assert read_when_written[0] < len(data) / 2
    assert read_when_written[-1] == len(data)


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """10 bits of 4:2:2 with sound, its pixels not square."""
    write_tone(tmp_path / "tone.m4a", 0.4)
    with av.open(str(tmp_path / "shot.mp4"), "w") as out, av.open(str(tmp_path / "tone.m4a")) as tone:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "yuv422p10le"
        stream.codec_context.sample_aspect_ratio = Fraction(16, 15)
        sound = out.add_stream_from_template(tone.streams.audio[0])
        for index, frame in enumerate(as_frames("yuv422p10le")):
            frame.pts = index
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
        for packet in tone.demux(tone.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = sound
                out.mux(packet)
    return tmp_path / "shot.mp4"


def test_a_file_becomes_a_stream_of_its_own_samples(
    shot: Path, mask: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    out = io.BytesIO()

    @contextmanager
    def opened(**like: Any) -> Iterator[PipeWriter]:
        yield PipeWriter(out, **like)

    monkeypatch.setattr("cleanplate.clean.open_pipe", opened)
    clean(open_shot(shot, (mask,), dilate_px=0), PIPE, "carry")
    assert out.getvalue().startswith(b"YUV4MPEG2 W96 H64 F25:1 Ip A16:15 C422p10 XCOLORRANGE=LIMITED\n")
    with av.open(str(shot)) as container:
        compare(list(container.decode(video=0)), read_by_ffmpeg(out.getvalue()))
    assert "has sound, which a YUV4MPEG2 stream does not hold" in caplog.text


@pytest.mark.parametrize(
    ("pix_fmt", "colours"),
    [
        ("yuv420p", "420mpeg2"),
        ("yuvj420p", "420jpeg"),
        ("nv12", "420mpeg2"),
        ("rgb24", "444"),
        ("gbrp10le", "444p10"),
        ("rgba", "444alpha"),
        ("p010le", "420p10"),
        ("yuv440p", "444"),
        ("gray", "mono"),
        ("yuv444p12le", "444p12"),
        ("yuva420p10le", "420p10"),
    ],
)
def test_the_format_that_loses_least(pix_fmt: str, colours: str) -> None:
    header = header_for(VideoFrame(8, 8, pix_fmt), size=(8, 8), rate=Fraction(25), aspect=None, deep=False)
    assert f"C{colours}" in header.words
    assert ("XCOLORRANGE=FULL" in header.words) == (pix_fmt == "yuvj420p")
    assert read_header(io.BytesIO(header.line()), "it").pix_fmt == FORMATS[colours]


def test_images_become_a_stream_at_a_rate(tmp_path: Path, write_pngs: Any, mask: Path) -> None:
    folder, out = write_pngs(PICTURES, "shot"), io.BytesIO()
    writer = PipeWriter(out, like=folder, fps=24)
    for picture in PICTURES:
        writer.write(picture)
    assert out.getvalue().startswith(b"YUV4MPEG2 W96 H64 F24:1 Ip A0:0 C444 XCOLORRANGE=LIMITED\n")
    back = np.stack([frame.to_ndarray(format="rgb24") for frame in read_by_ffmpeg(out.getvalue())])
    assert np.abs(back.astype(int) - PICTURES).max() <= 4


def test_a_stream_becomes_a_file_of_its_own_samples(tmp_path: Path, mask: Path) -> None:
    data = spoken("YUV4MPEG2 W96 H64 F30000:1001 Ip A16:15 C420p10 XCOLORRANGE=FULL", "yuv420p10le")
    piped = PipedVideo(io.BytesIO(data))
    kinds = tmp_path / "kinds.mkv"
    shot, out = open_piped(piped, (mask,), Span(1), dilate_px=0), tmp_path / "out.mp4"
    clean(shot, out, "carry", provenance=kinds, encoding=Encoding(lossless=True))
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        assert abs(float(stream.average_rate or 0) - 30000 / 1001) < 0.01
        assert stream.sample_aspect_ratio == Fraction(16, 15)
        frames = list(container.decode(video=0))
    assert frames[0].color_range == 2
    compare(read_by_ffmpeg(data)[1:], frames, near=0.2)
    with av.open(str(kinds)) as container:
        assert len(list(container.decode(video=0))) == N_FRAMES - 1


GOOD = spoken("YUV4MPEG2 W96 H64 F25:1 Ip A1:1 C420mpeg2")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "standard input is empty"),
        (b"RIFF0000AVI \n", "standard input is no YUV4MPEG2 stream"),
        (b"YUV4MPEG2 W96 H64" + b" " * 2000, "standard input is no YUV4MPEG2 stream"),
        (b"YUV4MPEG2 W96 F25:1\n", "its header has no width and height"),
        (b"YUV4MPEG2 Wx H64\n", "its header has no width and height"),
        (b"YUV4MPEG2 W99999 H64 F25:1\n", "standard input is 99999x64"),
        (b"YUV4MPEG2 W0 H64 F25:1\n", "standard input is 0x64"),
        (b"YUV4MPEG2 W96 H64 C410\n", "of the format C410; 420jpeg, "),
        (b"YUV4MPEG2 W96 H64 F25:1\n", "standard input has no frames"),
        (GOOD[:-1], f"it ends within frame {N_FRAMES - 1}"),
        (GOOD + b"FRA", f"it ends within frame {N_FRAMES}"),
        (GOOD + b"FRAME", f"it ends within frame {N_FRAMES}"),
        (GOOD + b"RUBBISH\n", f"frame {N_FRAMES} does not begin as a frame does"),
    ],
)
def test_a_stream_that_is_none_or_broken_is_told_in_a_line(data: bytes, said: str, through: Any) -> None:
    with pytest.raises(InputError, match=re.escape(said)) as error:
        through(data)
    assert "\n" not in str(error.value)


def test_moving_masks_of_another_length(tmp_path: Path) -> None:
    for count, said in ((4, "has 4 frames and standard input has more"), (9, "has 9 frames and standard input has 6")):
        write_video(tmp_path / f"{count}.mkv", walking_hole(count, SIZE).float().expand(-1, 3, -1, -1))
        shot = open_piped(PipedVideo(io.BytesIO(GOOD)), (tmp_path / f"{count}.mkv",))
        with pytest.raises(InputError, match=said):
            list(shot.frames())


def test_reading_says_where_it_is() -> None:
    stream = io.BytesIO(GOOD)
    header = read_header(stream, "it")
    assert (header.width, header.height, header.rate, header.aspect, header.interlaced) == (96, 64, 25, 1, False)
    found = read_frame(stream, header, 7, "it")
    assert found is not None
    assert (found[0].pts, found[0].time) == (7, 7 / 25)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("{shot} - -o out.mp4", "the mask is -"),
        ("{shot} {mask} -o - --provenance -", "only the frames go to standard output"),
        ("- {mask} -o - --resume", "--resume is given, and VIDEO or --output is -"),
        ("{shot} {mask} -o - --log-dir logs", "--log-dir is given"),
        ("{shot} {mask} -o - --lossless", "a codec, a quality or --lossless is given"),
        ("- {mask} -o - --reference 0:{mask}", "--reference is given, and VIDEO is -; it needs a video that is a file"),
        ("- {mask} -o clean.png", "clean.png is one picture"),
        ("- nothing.png -o -", "there is no file nothing.png"),
        ("{shot} {mask} -o - --provenance {shot}", "is also the input"),
    ],
)
def test_what_a_pipe_cannot_do_is_told_in_a_line(
    words: str, said: str, shot: Path, mask: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused("inpaint " + words.format(shot=shot, mask=mask), said, capsys)


def test_areas_in_their_times_and_fields(
    tmp_path: Path, mask: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "spans.toml").write_text("[[span]]\nbox = [1, 1, 9, 9]\n")

    def given(data: bytes) -> None:
        monkeypatch.setattr(pipes, "standard_input", lambda: PipedVideo(io.BytesIO(data)))

    given(GOOD)
    refused(f"inpaint - {tmp_path / 'spans.toml'} -o {tmp_path / 'o.mkv'}", "has areas in their times", capsys)
    given(GOOD.replace(b" Ip ", b" It "))
    refused(f"inpaint - {mask} -o {tmp_path / 'o.mkv'}", "standard input is interlaced", capsys)
    assert not list(tmp_path.glob("o.*"))
    given(GOOD[:-9])
    refused(f"inpaint - {mask} telea -o {tmp_path / 'o.mkv'}", "it ends within frame 5", capsys)
    assert not list(tmp_path.glob("*o.*"))
    given(GOOD)
    assert cli.run(f"inpaint - {mask} carry -o {tmp_path / 'o.mkv'}".split()) == 0
    assert "o.mkv: 6 frames of 96x64" in capsys.readouterr().out


def started(words: str, folder: Path, stdin: BinaryIO | int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "cleanplate", *words.split()]
    return subprocess.Popen(command, cwd=folder, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_from_one_program_to_the_next(tmp_path: Path, mask: Path) -> None:
    """Two of them in a row, and nothing but frames in between."""
    (tmp_path / "in.y4m").write_bytes(GOOD)
    with (tmp_path / "in.y4m").open("rb") as stream:
        first = started("inpaint - mask.png telea -o - --dilate-px 0", tmp_path, stream)
        assert first.stdout is not None
        second = started(
            "inpaint - mask.png telea -o out.mkv --lossless --dilate-px 0", tmp_path, first.stdout.fileno()
        )
        first.stdout.close()
        said, errors = second.communicate(timeout=60)
    assert first.wait() == second.returncode == 0
    assert first.stderr is not None
    with first.stderr:
        assert first.stderr.read().decode().startswith("standard output: 6 frames of 96x64")
    assert said.decode().startswith("out.mkv: 6 frames")
    assert not errors
    with av.open(str(tmp_path / "out.mkv")) as container:
        compare(read_by_ffmpeg(GOOD), list(container.decode(video=0)), near=0.2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.y4m", "mask.png", "out.mkv"]


def test_it_ends_quietly_when_nobody_reads_on(tmp_path: Path, mask: Path) -> None:
    reader = started("inpaint - mask.png telea -o - --provenance kinds.mkv", tmp_path, subprocess.PIPE)
    assert reader.stdin is not None
    assert reader.stdout is not None
    reader.stdin.write(GOOD)
    reader.stdout.close()
    _, errors = reader.communicate(timeout=60)
    assert (reader.returncode, errors) == (141, b"")
    assert [path.name for path in tmp_path.iterdir()] == ["mask.png"]


def test_what_is_printed_meanwhile_is_no_part_of_the_stream(capfd: pytest.CaptureFixture[str]) -> None:
    with pipes.open_pipe(fps=24) as writer:
        print("by Python")
        subprocess.run(["echo", "by a program"], check=True)
        writer.write((texture(8, 8) * 255).astype(np.uint8))
    print("after")
    out, errors = capfd.readouterr()
    assert "by Python" in errors
    assert "by a program" in errors
    assert out.startswith("YUV4MPEG2 W8 H8")
    assert out.endswith("after\n")


@pytest.mark.parametrize(("words", "find"), [("--fill-borders", "off"), ("mask.png", "shadows")])
def test_where_only_borders_are_filled_nothing_goes_with_them(
    words: str, find: str, tmp_path: Path, mask: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ends(_shot: Any, _output: Any, method: Any, *_: Any, **__: Any) -> None:
        asked.append(method.effects.find)
        raise InputError("enough", "", "")

    monkeypatch.setattr("cleanplate.clean.clean", ends)
    monkeypatch.setattr("cleanplate.commands.inpaint.Inpaint.shot", lambda *_, **__: None)
    (tmp_path / "a.mp4").touch()
    words = words.replace("mask.png", str(mask))
    assert cli.run(["inpaint", str(tmp_path / "a.mp4"), *words.split(), "carry", "-o", "-"]) == 2
    assert asked == [find]
