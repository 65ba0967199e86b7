"""What was not touched comes out as it was: checked with readers of our own making (PyAV's planes, packets, OpenCV)."""

import ctypes
import os
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from cleanplate import cli
from cleanplate.clean import clean
from cleanplate.config import Encoding
from cleanplate.runtime.options import RunOptions
from cleanplate.video.shot import open_shot
from cleanplate.video.timecode import Span
from cleanplate.video.writer import open_writer
from tests.conftest import panning, to_bytes

SIZE = (64, 96)
BOX = (slice(20, 44), slice(30, 60))  # rows and columns of the hole, even, not grown


def opened(path: Path, mode: Any = "r") -> Any:
    """A container; of what it may lack nothing lacks here."""
    return av.open(str(path), mode)


def image(path: str, flags: int = cv2.IMREAD_COLOR) -> np.ndarray:
    picture = cv2.imread(path, flags)
    assert picture is not None
    return picture


def planes(frame: av.VideoFrame) -> list[np.ndarray]:
    """The samples of every component, at their own size."""
    out = []
    for component in frame.format.components:
        plane = frame.planes[component.plane]
        kind = np.dtype(np.uint16 if component.bits > 8 else np.uint8)
        rows = np.frombuffer(memoryview(plane), kind).reshape(plane.height, plane.line_size // kind.itemsize)
        out.append(rows[:, : plane.width].copy())
    return out


def decoded(path: Path) -> list[Any]:
    with opened(path) as container:
        return list(container.decode(video=0))


def encode(
    path: Path, codec: str, pix_fmt: str, *, n_frames: int = 5, alpha: bool = False, times: list[int] | None = None,
    options: dict[str, str] | None = None, before: Any = None, after: Any = None, **context: Any,
) -> Path:  # fmt: skip
    """A video of a panning texture; `before` and `after` may add streams, and write to them."""
    with opened(path, "w") as out:
        stream = out.add_stream(codec, rate=24, options=options or {})
        stream.height, stream.width, stream.pix_fmt = *SIZE, pix_fmt
        stream.codec_context.time_base = context.pop("time_base", Fraction(1, 24))
        for name, value in context.items():
            setattr(stream.codec_context, name, value)
        more = before(out) if before else None
        for index, picture in enumerate(to_bytes(panning(n_frames, SIZE))):
            if alpha:
                ramp = np.broadcast_to(np.linspace(0, 255, SIZE[1]).astype(np.uint8)[None, :, None], (*SIZE, 1))
                frame = av.VideoFrame.from_ndarray(np.dstack((picture, ramp)), format="rgba")
            else:
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = frame.reformat(format=pix_fmt)
            frame.pts = index if times is None else times[index]
            frame.time_base = stream.codec_context.time_base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if after:
            after(out, more)
    return path


def box_mask(folder: Path, rows: slice = BOX[0], columns: slice = BOX[1], name: str = "mask.png") -> Path:
    mask = np.zeros(SIZE, np.uint8)
    mask[rows, columns] = 255
    cv2.imwrite(str(folder / name), mask)
    return folder / name


def cleaned(video: Path, output: Path, mask: Path | None = None, **settings: Any) -> Path:
    encoding = settings.pop("encoding", None)
    shot = open_shot(video, (mask or box_mask(output.parent),), settings.pop("span", Span()), dilate_px=0, **settings)
    clean(shot, output, "carry", RunOptions(device="cpu"), encoding=encoding)
    return output


def touched(shape: tuple[int, ...]) -> np.ndarray:
    """The samples of a plane that touch the hole."""
    rows, columns = (
        slice(s.start * n // full, -(-s.stop * n // full)) for s, n, full in zip(BOX, shape, SIZE, strict=True)
    )
    out = np.zeros(shape, bool)
    out[rows, columns] = True
    return out


LOSSLESS = {"x264": {"qp": "0"}, "x265": {"x265-params": "lossless=1:log-level=none"}, "ffv1": {"level": "3"}}
FORMATS = ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "gray"]


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mkv", "ffv1"), (".mp4", "h264"), (".mkv", "h264"), (".mp4", "h265")], ids=lambda v: v
)
@pytest.mark.parametrize("pix_fmt", [*FORMATS, "yuvj420p", "yuv422p10le", "gray10le"])
def test_lossless_keeps_every_sample_that_touches_no_hole(
    tmp_path: Path, suffix: str, codec: str, pix_fmt: str
) -> None:
    full: dict[str, Any] = {"color_range": 2} if pix_fmt == "yuvj420p" else {}
    source = encode(tmp_path / "shot.mkv", "ffv1" if "gray" in pix_fmt else "libx264", pix_fmt, n_frames=3, **full)
    result = cleaned(source, tmp_path / f"out{suffix}", encoding=Encoding(codec=codec, lossless=True))  # type: ignore[arg-type]
    before, after = decoded(source), decoded(result)
    assert len(after) == len(before)
    for one, other in zip(before, after, strict=True):
        names = [frame.format.name.replace("yuvj", "yuv") for frame in (one, other)]
        if "gray" in names[0] and codec == "h264":  # FFmpeg's decoder gives H.264 without colour as 4:2:0
            names[0] = names[0].replace("gray", "yuv420p")
        assert names[0] == names[1]
        assert (other.color_range == 2) == (one.color_range == 2)
        for theirs, ours in zip(planes(one), planes(other), strict=False):
            hole = touched(theirs.shape)
            assert np.array_equal(theirs[~hole], ours[~hole])
        assert not np.array_equal(planes(one)[0][touched(SIZE)], planes(other)[0][touched(SIZE)])


@pytest.mark.parametrize(
    ("name", "codec"), [("out.mp4", "h264"), ("out.mp4", "h265"), ("out.mov", "prores"), ("out.mkv", "ffv1")]
)
def test_ten_bits_stay_ten(tmp_path: Path, name: str, codec: str) -> None:
    source = encode(tmp_path / "shot.mkv", "libx264", "yuv420p10le", options={"crf": "4"})
    result = cleaned(source, tmp_path / name, encoding=Encoding(codec=codec))  # type: ignore[arg-type]
    before, after = decoded(source)[2], decoded(result)[2]
    assert max(component.bits for component in after.format.components) == 10
    luma = [planes(frame)[0].astype(float) for frame in (before, after)]
    rest = ~touched(luma[0].shape)
    assert np.abs(luma[0] - luma[1])[rest].mean() < 4  # of 1024
    assert len(np.unique(luma[1] % 4)) == 4  # not 8 bits, shifted


def test_the_alpha_of_pngs_is_kept(tmp_path: Path) -> None:
    (tmp_path / "shot").mkdir()
    rgba = []
    for index, picture in enumerate(to_bytes(panning(4, SIZE))):
        alpha = np.random.default_rng(index).integers(0, 256, SIZE, np.uint8)
        rgba.append(np.dstack((picture, alpha)))
        cv2.imwrite(str(tmp_path / f"shot/{index}.png"), cv2.cvtColor(rgba[-1], cv2.COLOR_RGBA2BGRA))
    files = sorted(cleaned(tmp_path / "shot", tmp_path / "out").iterdir())
    hole = touched(SIZE)
    for before, file in zip(rgba, files, strict=True):
        after = cv2.cvtColor(image(str(file), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)
        assert np.array_equal(after[..., 3], before[..., 3])
        assert np.array_equal(after[~hole], before[~hole])
        assert not np.array_equal(after[hole], before[hole])


@pytest.mark.parametrize("channels", [3, 4])
def test_pngs_of_16_bits_are_kept(tmp_path: Path, channels: int) -> None:
    (tmp_path / "shot").mkdir()
    rng, before = np.random.default_rng(0), []
    for index, picture in enumerate(to_bytes(panning(4, SIZE))):
        deep = picture.astype(np.uint16) * 257 + rng.integers(-100, 100, picture.shape)
        deep = np.clip(deep, 0, 65535).astype(np.uint16)
        if channels == 4:
            deep = np.dstack((deep, rng.integers(0, 65536, SIZE).astype(np.uint16)))
        before.append(deep)
        cv2.imwrite(str(tmp_path / f"shot/{index}.png"), deep)
    hole = touched(SIZE)
    for one, file in zip(before, sorted(cleaned(tmp_path / "shot", tmp_path / "out").iterdir()), strict=True):
        after = image(str(file), cv2.IMREAD_UNCHANGED)
        assert after.dtype == np.uint16
        assert np.array_equal(after[~hole], one[~hole])
        assert channels == 3 or np.array_equal(after[..., 3], one[..., 3])
        difference = np.abs(after[hole][:, :3].astype(int) - one[hole][:, :3].astype(int))
        assert 0 < difference.mean() < 8000


@pytest.mark.parametrize(
    ("source", "codec", "pix_fmt", "result", "exact"),
    [
        ("shot.mov", "prores_ks", "yuva444p10le", "out.mov", False),
        ("shot.mkv", "ffv1", "yuva420p", "out.mkv", True),
        ("shot.mkv", "ffv1", "yuva444p10le", "out.mkv", True),
        ("shot.mkv", "ffv1", "bgra", "out.mkv", True),
        ("shot.mkv", "ffv1", "rgba64le", "out.mkv", True),
    ],
)
def test_the_alpha_of_videos_is_kept(
    tmp_path: Path, source: str, codec: str, pix_fmt: str, result: str, exact: bool
) -> None:
    options = {"profile": "4444"} if codec == "prores_ks" else {}
    path = encode(tmp_path / source, codec, pix_fmt, alpha=True, options=options)
    before, after = decoded(path), decoded(cleaned(path, tmp_path / result))
    for one, other in zip(before, after, strict=True):
        assert any(component.is_alpha for component in other.format.components)
        if exact:
            assert other.format.name == one.format.name
            for theirs, ours in zip(samples(one), samples(other), strict=True):
                hole = touched(theirs.shape[:2])
                assert np.array_equal(theirs[~hole], ours[~hole])
            assert np.array_equal(samples(one)[-1][..., -1:], samples(other)[-1][..., -1:])
        else:
            theirs, ours = (frame.reformat(format="yuva444p10le") for frame in (one, other))
            for before_plane, after_plane in zip(planes(theirs), planes(ours), strict=True):
                difference = np.abs(before_plane.astype(int) - after_plane.astype(int))[~touched(SIZE)]
                assert difference.mean() < 4  # of 1024
        first, same = (frame.reformat(format="rgba").to_ndarray()[BOX] for frame in (one, other))
        assert np.abs(first.astype(int) - same)[..., :3].mean() > 1
        assert np.abs(first.astype(int) - same)[..., 3].max() <= (0 if exact else 1)


def samples(frame: av.VideoFrame) -> list[np.ndarray]:
    """Planes; the alpha is the last one, or the last of its components."""
    return [frame.to_ndarray()] if frame.format.name in ("bgra", "rgba64le") else planes(frame)


# Sound


def add_sound(out: Any, codec: str, language: str, rate: int = 48000, **options: Any) -> Any:
    stream = out.add_stream(codec, rate=rate)
    stream.codec_context.layout = "stereo"
    stream.metadata["language"] = language
    return stream


def fill_sound(out: Any, stream: Any, seconds: float, start_s: float = 0.0, tone: float = 440.0) -> None:
    rate = stream.codec_context.sample_rate
    kind = stream.codec_context.format.name
    size = 960
    for index in range(int(seconds * rate) // size):
        at = (np.arange(size) + index * size) / rate
        wave = 0.3 * np.sin(2 * np.pi * tone * at)
        data = np.stack((wave, wave * 0.5))
        if kind.startswith("s16"):
            data = (data * 32767).astype(np.int16)
        elif kind.startswith("s32"):
            data = (data * 2**31 * 0.9).astype(np.int32)
        else:
            data = data.astype(np.float32)
        if not kind.endswith("p"):
            data = np.ascontiguousarray(data.T).reshape(1, -1)
        samples: Any = np.ascontiguousarray(data)
        frame = av.AudioFrame.from_ndarray(samples, format=kind, layout="stereo")
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = index * size + round(start_s * rate)
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def sounds(path: Path) -> list[tuple[str, str, list[bytes], list[float]]]:
    with opened(path) as container:
        streams = container.streams.audio
        held: dict[int, tuple[list[bytes], list[float]]] = {stream.index: ([], []) for stream in streams}
        for packet in container.demux(streams):
            if packet.size:
                held[packet.stream.index][0].append(bytes(packet))
                held[packet.stream.index][1].append(float(packet.pts * packet.time_base))
        return [
            (stream.codec_context.codec.canonical_name, stream.metadata.get("language", ""), *held[stream.index])
            for stream in streams
        ]


@pytest.mark.parametrize(
    ("name", "codecs"),
    [
        ("shot.mp4", ("aac", "aac")),
        ("shot.mkv", ("libopus", "aac")),
        ("shot.mov", ("pcm_s16le", "pcm_s24le")),
        ("shot.mkv", ("flac", "libopus")),
    ],
)
def test_two_sounds_are_copied_packet_by_packet(tmp_path: Path, name: str, codecs: tuple[str, str]) -> None:
    def before(out: Any) -> list[Any]:
        return [add_sound(out, codec, language) for codec, language in zip(codecs, ("fre", "jpn"), strict=True)]

    def after(out: Any, streams: list[Any]) -> None:
        for stream, tone in zip(streams, (440.0, 880.0), strict=True):
            fill_sound(out, stream, 0.4, tone=tone)

    source = encode(tmp_path / name, "libx264", "yuv420p", n_frames=8, before=before, after=after)
    result = cleaned(source, tmp_path / f"out{Path(name).suffix}", encoding=Encoding(codec="h264"))
    one, other = sounds(source), sounds(result)
    assert len(one) == len(other) == 2
    for theirs, ours in zip(one, other, strict=True):
        assert theirs[:2] == ours[:2]
        first = 0 if theirs[2][0] == ours[2][0] else 1  # Matroska may have no room for the encoder's priming
        assert theirs[2][first:] == ours[2]
        assert ours[3] == pytest.approx(theirs[3][first:], abs=2e-3)


# What goes with it

SUBTITLES = "1\n00:00:00,050 --> 00:00:00,150\nHello\n\n2\n00:00:00,200 --> 00:00:00,400\nthere\n"
CHAPTERS: list[dict[str, Any]] = [
    {"id": 1, "start": 0, "end": 250, "time_base": Fraction(1, 1000), "metadata": {"title": "One"}},
    {"id": 2, "start": 250, "end": 500, "time_base": Fraction(1, 1000), "metadata": {"title": "Two"}},
]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A Matroska film with sound, subtitles, chapters, a font, and a title."""
    (tmp_path / "film.srt").write_text(SUBTITLES)
    subtitles = opened(tmp_path / "film.srt")

    def before(out: Any) -> Any:
        sound = add_sound(out, "libopus", "dut")
        written = out.add_stream_from_template(subtitles.streams.subtitles[0])
        written.metadata.update({"language": "ice", "title": "Signs"})
        sound.metadata["title"] = "Director"
        out.add_attachment("font.ttf", "font/ttf", b"letters" * 100)
        out.set_chapters(CHAPTERS)
        out.metadata["title"] = "The film"
        return sound, written

    def after(out: Any, streams: Any) -> None:
        for packet in subtitles.demux():
            if packet.dts is not None:
                packet.stream = streams[1]
                out.mux(packet)
        fill_sound(out, streams[0], 0.5)

    with subtitles:
        return encode(tmp_path / "film.mkv", "libx264", "yuv420p", n_frames=12, before=before, after=after)


def words_of(path: Path) -> list[tuple[bytes, float, float]]:
    with opened(path) as container:
        packets = [packet for packet in container.demux(subtitles=0) if packet.size]
        return [(bytes(p), float(p.pts * p.time_base), float(p.duration * p.time_base)) for p in packets]


def test_subtitles_chapters_fonts_and_titles_are_kept(film: Path, tmp_path: Path, caplog: Any) -> None:
    result = cleaned(film, tmp_path / "out.mkv")
    assert not caplog.records
    assert words_of(result) == words_of(film)
    assert [word for word, _, _ in words_of(result)] == [b"Hello", b"there"]
    with opened(result) as container:
        assert container.metadata["title"] == "The film"
        assert [chapter["metadata"]["title"] for chapter in container.chapters()] == ["One", "Two"]
        assert [chapter["start"] * chapter["time_base"] for chapter in container.chapters()] == [0, Fraction(1, 4)]
        assert container.streams.subtitles[0].language == "ice"
        assert container.streams.audio[0].language == "dut"
        assert container.streams.attachments[0].data == b"letters" * 100


def test_a_part_has_its_part_of_the_subtitles(film: Path, tmp_path: Path) -> None:
    (tmp_path / "whole.mkv").write_bytes(film.read_bytes())
    result = cleaned(film, tmp_path / "out.mkv", span=Span(Fraction(1, 8), Fraction(3, 8)))
    assert [word for word, _, _ in words_of(result)] == [b"Hello", b"there"]
    begin = decoded(result)[0].time  # a little after 0: sound is cut between its packets, and keeps its time
    assert 0 <= begin < 0.02
    times = [(begins - begin, lasts) for _, begins, lasts in words_of(result)]
    assert times == [pytest.approx((0, 0.025), abs=2e-3), pytest.approx((0.075, 0.2), abs=2e-3)]
    with opened(result) as container:
        assert not container.chapters()


def test_what_cannot_be_kept_is_said(film: Path, tmp_path: Path, caplog: Any) -> None:
    result = cleaned(film, tmp_path / "out.mp4")
    assert [record.getMessage() for record in caplog.records] == [
        f"{film} also has subrip subtitles (ice, Signs), the attachment font.ttf, which mp4 does not keep"
    ]
    with opened(result) as container:
        assert not container.streams.subtitles
        assert [chapter["metadata"]["title"] for chapter in container.chapters()] == ["One", "Two"]
        assert container.streams.audio[0].codec_context.name == "opus"


def test_titles_of_tracks_are_kept_from_container_to_container(film: Path, tmp_path: Path) -> None:
    for name in ("one.mp4", "two.mov", "three.mkv", "four.mp4"):
        film = cleaned(film, tmp_path / name, encoding=Encoding(codec="h264"))
        with opened(film) as container:
            tags = container.streams.audio[0].metadata
            assert tags.get("title", tags.get("name")) == "Director"


# Time


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.mov"])
@pytest.mark.parametrize("first", [0, 36], ids=["at zero", "late"])
def test_time_is_kept(tmp_path: Path, name: str, first: int) -> None:
    """Variable rate, a time base of its own, a picture that starts later than the sound."""
    shown = [first + 1000 * t // 24 for t in (0, 1, 2, 4, 7, 8, 9, 12)]
    times: dict[str, Any] = {"times": shown, "time_base": Fraction(1, 1000), "n_frames": 8}

    def before(out: Any) -> Any:
        return add_sound(out, "aac", "eng")

    def after(out: Any, stream: Any) -> None:
        fill_sound(out, stream, 0.6)

    source = encode(tmp_path / "shot.mp4", "libx264", "yuv420p", before=before, after=after, **times)
    result = cleaned(source, tmp_path / name, encoding=Encoding(codec="h264"))
    at = [[frame.time for frame in decoded(path)] for path in (source, result)]
    assert at[1] == pytest.approx(at[0], abs=1.1e-3)
    heard = [sounds(path)[0][3] for path in (source, result)]
    assert heard[1][-1] == pytest.approx(heard[0][-1], abs=1.1e-3)
    with opened(source) as one, opened(result) as other:
        assert float(other.duration) == pytest.approx(float(one.duration), abs=60_000)  # microseconds
        if not name.endswith("mkv"):
            assert other.streams.video[0].time_base == one.streams.video[0].time_base


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
def test_shape_and_colours_are_kept(tmp_path: Path, name: str) -> None:
    tags: dict[str, Any] = {"colorspace": 9, "color_range": 2, "color_primaries": 9, "color_trc": 16}
    aspect: dict[str, Any] = {"sample_aspect_ratio": Fraction(4, 3)}
    source = encode(tmp_path / "shot.mp4", "libx264", "yuv420p10le", **tags, **aspect)
    for lossless in (False, True):
        result = cleaned(source, tmp_path / name, encoding=Encoding(codec="h264", lossless=lossless))
        with opened(result) as container:
            stream = container.streams.video[0]
            context = stream.codec_context
            frame = next(container.decode(video=0))
            assert stream.sample_aspect_ratio == Fraction(4, 3)
            assert {tag: getattr(context, tag) for tag in tags} == tags
            assert {tag: int(getattr(frame, tag)) for tag in tags} == tags


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
@pytest.mark.parametrize("aspect", [Fraction(1), Fraction(4, 3)])
def test_a_rotated_video_looks_the_same_and_loses_nothing(tmp_path: Path, quarter_turns: int, aspect: Fraction) -> None:
    """It is written upright: what a player shows is the same, and so is every sample outside the hole."""
    source = encode(tmp_path / "phone.mp4", "libx264", "yuv420p", sample_aspect_ratio=aspect)
    content = bytearray(source.read_bytes())
    matrix = content.index(b"tkhd") + 44
    a, b = {1: (0, 1), 2: (-1, 0), 3: (0, -1)}[quarter_turns]
    for offset, value in ((0, a), (4, b), (12, -b), (16, a)):
        content[matrix + offset : matrix + offset + 4] = (value * 65536).to_bytes(4, "big", signed=True)
    source.write_bytes(content)
    k = round(decoded(source)[0].rotation / 90) % 4
    assert k % 2 == quarter_turns % 2
    mask = np.zeros(SIZE, np.uint8)
    mask[BOX] = 255
    cv2.imwrite(str(tmp_path / "turned.png"), np.rot90(mask, k))
    result = cleaned(source, tmp_path / "out.mp4", tmp_path / "turned.png", encoding=Encoding(lossless=True))
    with opened(result) as container:
        shown = container.streams.video[0].sample_aspect_ratio or 1
        assert shown == (1 / aspect if k % 2 else aspect)
    for one, other in zip(decoded(source), decoded(result), strict=True):
        assert other.rotation == 0
        for theirs, ours in zip(planes(one), planes(other), strict=True):
            hole = np.rot90(touched(theirs.shape), k)
            assert np.array_equal(np.rot90(theirs, k)[~hole], ours[~hole])


# Codec and quality


@pytest.mark.parametrize(
    ("name", "codec", "held"),
    [
        ("out.mp4", "h264", "h264"),
        ("out.mp4", "h265", "hevc"),
        ("out.mov", "prores", "prores"),
        ("out.mkv", "ffv1", "ffv1"),
        ("out.webm", "vp9", "vp9"),
        ("out.mkv", "av1", "av1"),
    ],
)
def test_codec_and_quality_are_what_was_asked_for(tmp_path: Path, name: str, codec: str, held: str) -> None:
    source = encode(tmp_path / "shot.mp4", "libx264", "yuv420p", n_frames=4)
    mask, sizes = box_mask(tmp_path), []
    for quality in (8, 40) if codec in ("h264", "h265", "vp9", "av1") else (None,):
        words = f"inpaint {source} {mask} carry -o {tmp_path / name} --codec {codec} --overwrite --device cpu"
        assert cli.run([*words.split(), *(["--quality", str(quality)] if quality else [])]) == 0
        with opened(tmp_path / name) as container:
            assert container.streams.video[0].codec_context.codec.canonical_name == held
        sizes.append((tmp_path / name).stat().st_size)
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == 1 or sizes[0] > 1.5 * sizes[1]


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="this system has no such policies")
@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "h264"), ("a.mp4", "h265"), ("a.webm", "vp9"), ("a.mkv", "av1")])
def test_no_encoder_makes_this_process_more_urgent_than_others(tmp_path: Path, name: str, codec: Any) -> None:
    # libsvtav1 does, as root: the machine then hangs as soon as two such threads compute.
    def policies() -> set[int]:
        return {os.sched_getscheduler(int(path.name)) for path in Path("/proc/self/task").iterdir()}

    before = policies()
    picture = np.zeros((64, 96, 3), np.uint8)
    with open_writer(tmp_path / name, fps=24, encoding=Encoding(codec=codec)) as out:
        for _ in range(3):
            out.write(picture)
            assert policies() == before
    assert policies() == before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc can be asked to fill memory")
def test_the_same_pictures_make_the_same_file_whatever_memory_held_before(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (50, 95, 3)).astype(np.uint8).repeat(4, 0).repeat(4, 1)
    names = ("h264.mp4", "h265.mp4", "vp9.mp4", "av1.mp4")

    def made(filled_with: int) -> dict[str, bytes]:
        assert ctypes.CDLL(None).mallopt(M_PERTURB, filled_with) == 1
        for name in names:
            codec: Any = name.partition(".")[0]
            with open_writer(tmp_path / name, fps=24, encoding=Encoding(codec=codec)) as out:
                for at in range(12):
                    out.write(np.ascontiguousarray(noise[at : at + 182, at : at + 360]))
        return {name: (tmp_path / name).read_bytes() for name in names}

    try:
        one, other = made(1), made(254)
    finally:
        ctypes.CDLL(None).mallopt(M_PERTURB, 0)
    assert [name for name in names if one[name] != other[name]] == []


M_PERTURB = -6  # glibc's malloc fills what it gives, and what it is given back, with something that is made of this


# A part


@pytest.fixture(scope="module")
def with_sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen frames, every other one a key frame, and their sound."""
    return encode(
        tmp_path_factory.mktemp("with-sound") / "shot.mov",
        "libx264",
        "yuv420p",
        n_frames=16,
        before=lambda out: add_sound(out, "pcm_s16le", "eng"),
        after=lambda out, stream: fill_sound(out, stream, 16 / 24),
        options={"g": "2", "qp": "0"},
    )


@pytest.mark.parametrize(
    ("start", "end", "frames"),
    [
        ("3", "12", range(3, 12)),
        ("0.125s", "0.5s", range(3, 12)),
        ("00:00:00:03", "00:00:00:12", range(3, 12)),
        ("125ms", None, range(3, 16)),
        ("0", "0:00.5", range(12)),
    ],
)
def test_a_part_has_the_right_frames_and_the_right_sound(
    with_sound: Path, tmp_path: Path, start: str, end: str | None, frames: range
) -> None:
    source = with_sound
    words = (
        f"inpaint {source} {box_mask(tmp_path)} carry -o {tmp_path}/out.mov --lossless --dilate-px 0 --start {start}"
    )
    assert cli.run([*words.split(), *(["--end", end] if end else []), "--dilate-px", "0", "--device", "cpu"]) == 0
    all_frames, part = decoded(source), decoded(tmp_path / "out.mov")
    assert len(part) == len(frames)
    for index, other in zip(frames, part, strict=True):
        theirs, ours = planes(all_frames[index])[0], planes(other)[0]
        assert np.array_equal(theirs[~touched(SIZE)], ours[~touched(SIZE)])
        assert other.time == pytest.approx((index - frames[0]) / 24, abs=1e-3)

    def samples(path: Path) -> np.ndarray:
        with opened(path) as container:
            return np.concatenate([frame.to_ndarray().reshape(-1, 2) for frame in container.decode(audio=0)])

    heard, of_all = samples(tmp_path / "out.mov"), samples(source)
    first = frames[0] * 2000  # 48000 / 24
    slack = 2 * 1024
    assert abs(len(heard) - len(frames) * 2000) <= slack
    # The packets are whole, so they may begin a little early; then their time says so.
    with opened(tmp_path / "out.mov") as container:
        begins = next(iter(container.decode(audio=0)))
        offset = first + round(float(begins.time) * 48000)
    assert abs(offset - first) <= slack
    assert np.array_equal(heard[:8000], of_all[offset : offset + 8000])


# Which pixels


def read_rgb(path: Path) -> np.ndarray:
    return np.stack([frame.to_ndarray(format="rgb24") for frame in decoded(path)])


@pytest.fixture
def rgb(tmp_path: Path) -> Path:
    return encode(tmp_path / "shot.mkv", "ffv1", "bgr0")


def test_outside_a_region_nothing_is_touched_not_even_holes(rgb: Path, tmp_path: Path) -> None:
    mask = np.zeros(SIZE, np.uint8)
    mask[10:20, 10:20] = mask[40:50, 60:70] = 255
    cv2.imwrite(str(tmp_path / "two.png"), mask)
    result = read_rgb(cleaned(rgb, tmp_path / "out.mkv", tmp_path / "two.png", region=(48, 32, 48, 32)))
    before, inside = read_rgb(rgb), np.zeros(SIZE, bool)
    inside[40:50, 60:70] = True
    assert np.array_equal(result[:, ~inside], before[:, ~inside])
    assert not np.array_equal(result[:, inside], before[:, inside])


def test_masks_are_united_and_inverted(rgb: Path, tmp_path: Path) -> None:
    one = box_mask(tmp_path, slice(8, 20), slice(8, 20), "one.png")
    other = box_mask(tmp_path, slice(40, 56), slice(60, 80), "other.png")
    cv2.imwrite(str(tmp_path / "not one.png"), 255 - image(str(one)))
    cv2.imwrite(str(tmp_path / "not other.png"), 255 - image(str(other)))
    marked = np.zeros(SIZE, bool)
    marked[8:20, 8:20] = marked[40:56, 60:80] = True
    before = read_rgb(rgb)
    words = ["inpaint", str(rgb), str(one), "carry", "--extra-mask", str(other), "--dilate-px", "0", "--device", "cpu"]
    assert cli.run([*words, "-o", str(tmp_path / "a.mkv")]) == 0
    words[2], words[5] = str(tmp_path / "not one.png"), str(tmp_path / "not other.png")
    assert cli.run([*words, "--invert-mask", "-o", str(tmp_path / "b.mkv")]) == 0
    result, same = read_rgb(tmp_path / "a.mkv"), read_rgb(tmp_path / "b.mkv")
    assert np.array_equal(result, same)
    assert np.array_equal(result[:, ~marked], before[:, ~marked])
    for part in (np.s_[:, 8:20, 8:20], np.s_[:, 40:56, 60:80]):
        assert not np.array_equal(result[part], before[part])


def test_specks_of_jpeg_are_no_holes(rgb: Path, tmp_path: Path) -> None:
    mask = image(str(box_mask(tmp_path)), cv2.IMREAD_GRAYSCALE)
    mask[4:6, 4:6] = mask[60, 90] = 200
    cv2.imwrite(str(tmp_path / "mask.jpg"), mask, [cv2.IMWRITE_JPEG_QUALITY, 40])
    assert len(np.unique(image(str(tmp_path / "mask.jpg")))) > 10
    result, before = read_rgb(cleaned(rgb, tmp_path / "out.mkv", tmp_path / "mask.jpg")), read_rgb(rgb)
    changed = (result != before).any((0, 3))
    rows, columns = np.nonzero(changed)
    assert (rows.min() >= 18, rows.max() <= 45, columns.min() >= 28, columns.max() <= 61) == (True,) * 4
    assert changed[BOX].mean() > 0.9
