"""Files are checked with readers that are not ours: OpenCV for pictures, the packets themselves for sound."""

import contextlib
import wave
from fractions import Fraction
from pathlib import Path
from typing import get_args, get_type_hints

import av
import cv2
import numpy as np
import pytest
import torch

from cleanplate import InputError, cli, read_clip, write_video
from cleanplate.config import Encoding
from cleanplate.data.demo import write_tone
from cleanplate.runtime.files import whole
from cleanplate.video.codecs import CODECS, CONTAINERS
from cleanplate.video.reader import read_frames
from tests.conftest import panning, to_bytes, walking_hole


def opencv_frames(path: Path) -> np.ndarray:
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        more, frame = capture.read()
        if not more:
            return np.stack(frames)[..., ::-1]
        frames.append(frame)


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(video=0)]


def close(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and np.abs(a.astype(int) - b.astype(int)).mean() < 4


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """Twelve frames at 24 fps with half a second of AAC sound."""
    write_tone(tmp_path / "tone.m4a", 0.5)
    write_video(tmp_path / "shot.mp4", panning(12), fps=24, sound=tmp_path / "tone.m4a")
    return tmp_path / "shot.mp4"


def test_sound_rate_and_length_survive_a_round_trip(shot: Path, tmp_path: Path) -> None:
    frames, fps = read_frames(shot)
    assert fps == 24
    for name in ("clean.mp4", "clean.mov", "clean.mkv"):
        write_video(tmp_path / name, torch.from_numpy(frames).permute(0, 3, 1, 2) / 255, like=shot)
        capture = cv2.VideoCapture(str(tmp_path / name))
        assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(24)
        assert close(opencv_frames(tmp_path / name), opencv_frames(shot))
        assert times(tmp_path / name) == pytest.approx(times(shot), abs=1e-3)
        # Matroska has no room for the encoder's priming, the packet before time 0.
        assert packets(tmp_path / name) == packets(shot)[1 if name.endswith("mkv") else 0 :]


@pytest.mark.parametrize("name", ["lossless.mkv", "folder"])
def test_lossless_outputs_are_bit_exact(tmp_path: Path, name: str) -> None:
    frames = panning(3)
    write_video(tmp_path / name, frames, fps=25)
    again, _ = read_frames(tmp_path / name)
    assert np.array_equal(again, to_bytes(frames))


def test_sound_that_the_container_cannot_hold_is_encoded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with wave.open(str(tmp_path / "tone.wav"), "wb") as tone:
        tone.setparams((1, 1, 48000, 0, "NONE", ""))  # 8 bits: MP4 has no room for them
        tone.writeframes((128 + 60 * np.sin(np.arange(24000) / 20)).astype(np.uint8).tobytes())
    write_video(tmp_path / "shot.mp4", panning(12), fps=24, sound=tmp_path / "tone.wav")
    assert "becomes AAC" in caplog.text
    with av.open(str(tmp_path / "shot.mp4")) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        heard = sum(frame.samples for frame in container.decode(audio=0))
    assert heard == pytest.approx(24000, abs=2048)


def test_variable_frame_rate_keeps_its_timestamps(tmp_path: Path) -> None:
    shown = [0, 1, 2, 5, 6, 10, 11, 12]
    source = tmp_path / "vfr.mp4"
    with av.open(str(source), "w") as out:
        stream = out.add_stream("libx264", rate=30)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 30)
        for pts, picture in zip(shown, to_bytes(panning(8)), strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = pts, Fraction(1, 30)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    assert times(source) == pytest.approx([pts / 30 for pts in shown], abs=1e-3)
    frames, _ = read_frames(source)
    write_video(tmp_path / "clean.mp4", torch.from_numpy(frames).permute(0, 3, 1, 2) / 255, like=source)
    assert times(tmp_path / "clean.mp4") == pytest.approx(times(source), abs=1e-3)


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_a_rotated_video_is_read_upright(tmp_path: Path, quarter_turns: int) -> None:
    path = tmp_path / "phone.mp4"
    write_video(path, panning(4), fps=24)
    lying = opencv_frames(path)
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44  # version 0: after times, id, duration, layer and volume
    a, b = {1: (0, 1), 2: (-1, 0), 3: (0, -1)}[quarter_turns]
    for offset, value in ((0, a), (4, b), (12, -b), (16, a)):
        content[matrix + offset : matrix + offset + 4] = (value * 65536).to_bytes(4, "big", signed=True)
    path.write_bytes(content)
    upright = opencv_frames(path)
    assert upright.shape != lying.shape or quarter_turns == 2
    frames, _ = read_frames(path)
    assert close(frames, upright)
    write_video(tmp_path / "clean.mp4", torch.from_numpy(frames.copy()).permute(0, 3, 1, 2) / 255, like=path)
    assert close(opencv_frames(tmp_path / "clean.mp4"), upright)


@pytest.mark.parametrize("name", ["odd.mp4", "odd.mkv"])
def test_odd_sizes_are_kept(tmp_path: Path, name: str) -> None:
    frames = panning(3, (49, 65))
    write_video(tmp_path / name, frames, fps=24)
    assert close(opencv_frames(tmp_path / name), to_bytes(frames))


def test_full_range_bt709_keeps_its_colours(tmp_path: Path) -> None:
    source = tmp_path / "tagged.mp4"
    with av.open(str(source), "w") as out:
        stream = out.add_stream("libx264", rate=24, options={"crf": "4"})
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        for tag, value in (("colorspace", 1), ("color_range", 2), ("color_primaries", 1), ("color_trc", 1)):
            setattr(stream.codec_context, tag, value)
        for picture in to_bytes(panning(2)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            out.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace=1, dst_color_range=2)))
        out.mux(stream.encode(None))
    frames, _ = read_frames(source)
    assert abs(frames.mean() - to_bytes(panning(2)).mean()) < 1
    write_video(tmp_path / "clean.mp4", torch.from_numpy(frames).permute(0, 3, 1, 2) / 255, like=source)
    again, _ = read_frames(tmp_path / "clean.mp4")
    assert close(again, frames)
    assert np.abs(again.mean((0, 1, 2)) - frames.mean((0, 1, 2))).max() < 1.5  # a wrong range or matrix: 3 and more
    with av.open(str(tmp_path / "clean.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range, context.color_primaries, context.color_trc) == (1, 2, 1, 1)


def test_a_part_keeps_its_part_of_the_sound(shot: Path, tmp_path: Path) -> None:
    clip = read_clip(shot, _mask_image(tmp_path), frames=slice(4, 8))
    assert len(clip.frames) == 4
    write_video(tmp_path / "part.mp4", clip.frames, like=shot, start=4)
    assert times(tmp_path / "part.mp4") == pytest.approx([i / 24 for i in range(4)], abs=1e-3)
    part, whole = packets(tmp_path / "part.mp4"), packets(shot)
    assert 0 < len(part) < len(whole)
    assert all(packet in whole for packet in part)


def test_slices_pick_frames(shot: Path) -> None:
    everything, _ = read_frames(shot)
    for wanted, expected in ((3, slice(3)), ((2, 5), slice(2, 5)), (slice(-2, None), slice(-2, None))):
        assert np.array_equal(read_frames(shot, frames=wanted)[0], everything[expected])
    with pytest.raises(InputError, match="has no frames in the part"):
        read_frames(shot, frames=(50, 60))


def test_a_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    for index in (10, 9, 1):
        cv2.imwrite(str(tmp_path / f"frame{index}.png"), np.full((20, 20, 3), index, np.uint8))
    frames, fps = read_frames(tmp_path)
    assert frames[:, 0, 0, 0].tolist() == [1, 9, 10]
    assert fps == 24
    cv2.imwrite(str(tmp_path / "frame11.png"), np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(InputError, match=r"frame 3 .* is 30x20 and frame 0 is 20x20"):
        read_frames(tmp_path)


def test_an_output_is_replaced_only_when_asked_and_never_the_input(shot: Path, tmp_path: Path) -> None:
    before = shot.read_bytes()
    with pytest.raises(InputError, match="already there"):
        write_video(shot, panning(12), overwrite=False)
    with pytest.raises(InputError, match="is also the input"):
        write_video(shot, panning(12), like=shot)
    assert shot.read_bytes() == before
    write_video(tmp_path / "folder", panning(2))
    write_video(tmp_path / "folder", panning(3))
    assert len(list((tmp_path / "folder").iterdir())) == 3
    (tmp_path / "file").touch()
    write_video(tmp_path / "file", panning(2))
    assert len(list((tmp_path / "file").iterdir())) == 2
    assert not list(tmp_path.glob(".*"))


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    write_video(tmp_path / "folder", panning(2))
    with contextlib.suppress(ZeroDivisionError), whole(tmp_path / "folder") as partial:
        partial.mkdir()
        (partial / "half").touch()
        raise ZeroDivisionError
    assert len(list((tmp_path / "folder").iterdir())) == 2
    assert not list(tmp_path.glob(".*"))


def test_too_many_frames_for_the_source(shot: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has 12 frames; frames 0 to 12"):
        write_video(tmp_path / "long.mp4", panning(13), like=shot)
    assert not (tmp_path / "long.mp4").exists()


def _mask_image(folder: Path) -> Path:
    mask = (walking_hole(1)[0, 0].numpy() * 255).astype(np.uint8)
    cv2.imwrite(str(folder / "mask.png"), mask)
    return folder / "mask.png"


def test_a_missing_source_is_said_and_not_passed_over(tmp_path: Path) -> None:
    for name in ("clean.mp4", "folder"):
        with pytest.raises(InputError, match=r"there is no file .*none\.mp4"):
            write_video(tmp_path / name, panning(2), like=tmp_path / "none.mp4")
        assert not list(tmp_path.iterdir())


def test_every_codec_that_can_be_asked_for_is_in_the_table() -> None:
    asked_for = get_args(get_type_hints(Encoding)["codec"])
    assert asked_for == ("auto", *CODECS)
    for container in CONTAINERS.values():
        assert {container.codec, container.alpha_codec or container.codec} <= set(CODECS)
    for suffix in {suffix for codec in CODECS.values() for suffix in codec.suffixes}:
        assert suffix in CODECS[CONTAINERS[suffix].codec].suffixes


def unchanged(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return picture


def test_a_picture_comes_out_as_one(tmp_path: Path) -> None:
    picture = np.full((40, 60, 4), (20, 120, 220, 255), np.uint8)
    picture[:, ::2, 3] = 99
    cv2.imwrite(str(tmp_path / "photo.png"), picture)
    hole = np.zeros((40, 60), np.uint8)
    hole[10:20, 10:20] = 255
    cv2.imwrite(str(tmp_path / "hole.png"), hole)
    words = f"inpaint {tmp_path / 'photo.png'} {tmp_path / 'hole.png'} carry --dilate-px 0"
    assert cli.run([*words.split(), "-o", f"{tmp_path}/out.png", "--provenance", f"{tmp_path}/from.PNG"]) == 0
    made = unchanged(tmp_path / "out.png")
    assert np.array_equal(made[hole == 0], picture[hole == 0])
    assert np.abs(made.astype(int) - picture)[..., :3].max() <= 2  # a flat picture goes on flat
    assert np.array_equal(unchanged(tmp_path / "from.PNG")[..., 0] > 0, hole > 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["from.PNG", "hole.png", "out.png", "photo.png"]
