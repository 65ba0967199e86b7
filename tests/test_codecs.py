"""What a video is encoded as if nothing is asked for: as its source is, or so that everything plays it."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from cleanplate.config import Encoding
from cleanplate.video.reader import stream_frames
from cleanplate.video.writer import open_writer
from tests.test_fidelity import SIZE, decoded, encode, planes

BT709 = {"colorspace": 1, "color_primaries": 1, "color_trc": 1, "color_range": 1}
SOURCES: dict[str, tuple[str, str, str]] = {
    "avc": ("shot.mp4", "libx264", "yuv420p"),
    "avc 4:2:2": ("shot.mov", "libx264", "yuv422p10le"),
    "hevc": ("shot.mov", "libx265", "yuv420p"),
    "hevc 10": ("shot.mp4", "libx265", "yuv420p10le"),
    "prores": ("shot.mov", "prores_ks", "yuv422p10le"),
    "vp9": ("shot.webm", "libvpx-vp9", "yuv420p"),
    "av1 10": ("shot.mkv", "libsvtav1", "yuv420p10le"),
    "rgb": ("shot.mkv", "ffv1", "bgr0"),
    "gif": ("shot.gif", "gif", "rgb8"),
}
HALVED = "colour at half its width and height"
CASES = [
    ("avc", "out.mp4", ("h264", "High", "yuv420p"), ""),
    ("avc", "out.mkv", ("ffv1", None, "yuv420p"), ""),
    ("avc 4:2:2", "out.mov", ("h264", "High 4:2:2", "yuv422p10le"), ""),
    ("hevc", "out.mp4", ("hevc", "Main", "yuv420p"), ""),
    ("hevc 10", "out.mp4", ("hevc", "Main 10", "yuv420p10le"), ""),
    ("hevc 10", "out.mkv", ("ffv1", None, "yuv420p10le"), ""),
    ("hevc 10", "out.webm", ("vp9", "Profile 0", "yuv420p"), "8 bits instead of 10"),
    ("prores", "out.mov", ("prores", "HQ", "yuv422p10le"), ""),
    ("prores", "out.mp4", ("hevc", "Main 10", "yuv420p10le"), f"h265 instead of prores, {HALVED}"),
    ("vp9", "out.mp4", ("vp9", "Profile 0", "yuv420p"), ""),
    ("vp9", "out.mov", ("h264", "High", "yuv420p"), "h264 instead of vp9"),
    ("av1 10", "out.webm", ("av1", "Main", "yuv420p10le"), ""),
    ("av1 10", "out.mov", ("hevc", "Main 10", "yuv420p10le"), "h265 instead of av1"),
    ("rgb", "out.mp4", ("h264", "High", "yuv420p"), HALVED),
    ("rgb", "out.mkv", ("ffv1", None, "bgr0"), ""),
    ("gif", "out.mp4", ("h264", "High", "yuv420p"), HALVED),
]


def held(path: Path) -> tuple[str, str | None, str]:
    with av.open(str(path)) as container:
        context: Any = container.streams.video[0].codec_context
        return context.codec.canonical_name, context.profile, context.pix_fmt


def made(name: str, folder: Path) -> Path:
    file, codec, pix_fmt = SOURCES[name]
    options = {"svtav1-params": "lp=1"} if codec == "libsvtav1" else {}
    tags: dict[str, Any] = BT709 if pix_fmt.startswith("yuv") else {}
    return encode(folder / file, codec, pix_fmt, n_frames=3, options=options, **tags)


def copied(source: Path, output: Path, **asked: Any) -> Path:
    with open_writer(output, like=source, encoding=Encoding(**asked)) as writer:
        for picture in stream_frames(source):
            writer.write(picture)
    return output


@pytest.mark.parametrize(("source", "output", "expected", "said"), CASES, ids=lambda value: str(value))
def test_a_video_keeps_its_codec_or_becomes_what_plays(
    source: str, output: str, expected: tuple[str, str | None, str], said: str, tmp_path: Path, caplog: Any
) -> None:
    assert held(copied(made(source, tmp_path), tmp_path / output)) == expected
    lines = [line for line in caplog.messages if "alpha" not in line]
    end = ": what players take; --codec and --lossless say otherwise"
    assert lines == ([f"{output} has {said}{end}"] if said else [])


@pytest.mark.parametrize("source", ["avc", "hevc 10", "gif", "rgb"])
def test_without_loss_it_is_a_profile_that_is_known(source: str, tmp_path: Path) -> None:
    path = made(source, tmp_path)
    codec, profile, _ = held(result := copied(path, tmp_path / "out.mp4", lossless=True))
    assert codec == "hevc"
    assert "High 4:4:4" not in str(profile)
    before, after = (frame.reformat(format="rgb24").to_ndarray() for frame in (decoded(path)[1], decoded(result)[1]))
    assert np.array_equal(before, after)


@pytest.mark.parametrize("source", ["avc", "hevc 10"])
def test_matroska_has_the_samples_and_the_colours_of_the_video(source: str, tmp_path: Path) -> None:
    path = made(source, tmp_path)
    before, after = decoded(path), decoded(copied(path, tmp_path / "out.mkv"))
    for one, other in zip(before, after, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(planes(one), planes(other), strict=True))
        assert [getattr(other, tag) for tag in BT709] == list(BT709.values())


def test_what_is_asked_for_is_done(tmp_path: Path, caplog: Any) -> None:
    path = made("hevc 10", tmp_path)
    assert held(copied(path, tmp_path / "a.mp4", codec="h264")) == ("h264", "High 10", "yuv420p10le")
    assert held(copied(path, tmp_path / "b.mp4", codec="vp9"))[0] == "vp9"
    prores = made("prores", tmp_path)
    assert held(copied(prores, tmp_path / "c.mov", quality=20.0))[0] == "hevc"  # ProRes has no quality to set
    assert [line for line in caplog.messages if line.startswith(("a.", "b."))] == []
    assert SIZE == (64, 96)
