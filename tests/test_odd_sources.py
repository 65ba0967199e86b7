"""Sources that are not what a telephone makes: how the samples, times and colours of each come through."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import OpenEXR
import pytest
from PIL import ExifTags, Image, ImageCms

from cleanplate import cli
from cleanplate.video.areas import painted_area
from cleanplate.video.container import decode
from cleanplate.video.images import read_alpha, read_image
from cleanplate.video.planes import upright_rgb
from cleanplate.video.shot import open_shot
from cleanplate.video.timecode import Span
from tests.conftest import refused, texture

SIZE = (48, 64)
FAR = slice(0, 48), slice(0, 12)  # from the hole


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mask = np.zeros(SIZE, np.uint8)
    mask[20:28, 34:44] = 255
    cv2.imwrite("mask.png", mask)


def picture(index: int) -> np.ndarray:
    """Of a wall before a camera that pans."""
    wall = (cv2.GaussianBlur(texture(60, 240), (0, 0), 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(wall[6:54, 10 + 2 * index : 74 + 2 * index])


def video(
    name: str, codec: str, pix_fmt: str, count: int = 6, options: dict[str, str] | None = None,
    tags: dict[str, int] | None = None,
) -> None:  # fmt: skip
    """A video of these pictures, with tags of colour."""
    with av.open(name, "w") as container:
        stream: Any = container.add_stream(codec, rate=24, options=options or {})
        stream.height, stream.width, stream.pix_fmt = *SIZE, pix_fmt
        for tag, value in (tags or {}).items():
            setattr(stream.codec_context, tag, value)
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24").reformat(format=pix_fmt)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def cleaned(source: str, output: str, *more: str) -> list[av.VideoFrame]:
    """The frames of what a command makes of it."""
    words = ["inpaint", source, "mask.png", "carry", "-o", output, "--effects", "off", "--carry.rounds", "1", *more]
    assert cli.run(words) == 0
    return list(decode(Path(output)))


OLD, OPEN = {"g": "24", "bf": "2"}, {"x264-params": "keyint=12:bframes=3:open-gop=1:scenecut=0"}


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.ts", "mpeg2video", OLD),
        ("a.ts", "libx264", {"g": "24"}),
        ("a.mp4", "libx264", OPEN),
        ("a.mpg", "mpeg2video", OLD),
    ],
)
def test_a_part_begins_where_it_was_asked_for_whatever_the_index_says(
    name: str, codec: str, options: dict[str, str]
) -> None:
    video(name, codec, "yuv420p", 72, options)
    every = [frame.to_ndarray() for frame in decode(Path(name))]
    for start in (Fraction(1, 2), Fraction(1), Fraction(4, 3), Fraction(2)):
        part = [frame.to_ndarray() for frame in decode(Path(name), Span(start, start + Fraction(1, 2)))]
        first = next(index for index in range(72) if Fraction(index, 24) >= start)
        assert len(part) in (11, 12, 13)  # times in such files are rounded
        beginning = min(range(len(every)), key=lambda index: np.abs(every[index] - part[0].astype(int)).mean())
        assert abs(beginning - first) <= 1
        assert all(np.array_equal(one, every[beginning + index]) for index, one in enumerate(part))


def test_an_end_that_is_a_frame_is_counted_from_the_first_one() -> None:
    video("a.mp4", "libx264", "yuv420p", 72, {"g": "12"})
    assert len(list(decode(Path("a.mp4"), Span(Fraction(1), 48)))) == 24
    assert not list(decode(Path("a.mp4"), Span(Fraction(9), Fraction(10))))  # beyond the end, however it is sought


@pytest.mark.parametrize(
    ("source", "codec", "pix_fmt", "output", "options"),
    [
        ("a.mkv", "libx264rgb", "rgb24", "b.mp4", []),
        ("a.mov", "png", "rgb24", "b.mov", []),
        ("a.mov", "png", "rgba", "b.mov", []),
        ("a.mov", "png", "rgb24", "b.webm", []),
        ("a.mkv", "ffv1", "bgr0", "b.mov", ["--codec", "prores"]),
        ("a.mkv", "libx264", "yuvj420p", "b.mov", ["--codec", "prores"]),
    ],
)
def test_colours_of_rgb_and_of_the_full_range_come_through(
    source: str, codec: str, pix_fmt: str, output: str, options: list[str]
) -> None:
    video(source, codec, pix_fmt, options={"crf": "5"} if codec.startswith("libx264") else {})
    before, after = list(decode(Path(source))), cleaned(source, output, *options)
    for one, other in zip(before, after, strict=True):
        levels = 257 if upright_rgb(other).dtype == np.uint16 else 1
        difference = upright_rgb(one)[FAR] - upright_rgb(other)[FAR] / levels
        assert np.abs(difference.mean((0, 1))).max() < 1.5
        assert np.abs(difference).mean() < 6
        assert other.colorspace != 0


def test_prores_says_the_colours_of_its_source_in_every_picture() -> None:
    video("a.mkv", "ffv1", "yuv422p10le", tags={"colorspace": 9, "color_primaries": 9, "color_trc": 16})
    (first, *_) = cleaned("a.mkv", "b.mov", "--codec", "prores")
    assert (first.colorspace, first.color_primaries, first.color_trc) == (9, 9, 16)


@pytest.mark.parametrize(("kind", "suffix"), [("uyvy422", ".mov"), ("nv12", ".avi")])
def test_packed_samples_stay_as_they_are(kind: str, suffix: str) -> None:
    video(f"a{suffix}", "rawvideo", kind)
    before, after = list(decode(Path(f"a{suffix}"))), cleaned(f"a{suffix}", "b.mkv")
    for one, other in zip(before, after, strict=True):
        planes = one.reformat(format=other.format.name)
        for plane, theirs in zip(planes.planes, other.planes, strict=True):
            mine, kept = (np.frombuffer(memoryview(it), np.uint8).reshape(it.height, -1) for it in (plane, theirs))
            far = plane.width * FAR[1].stop // SIZE[1]
            assert np.array_equal(mine[:, :far], kept[:, :far])


def test_m4v_holds_h265_and_a_colon_is_no_protocol() -> None:
    video("a.mkv", "libx265", "yuv420p10le", options={"x265-params": "log-level=none"})
    assert cleaned("a.mkv", "12:30.m4v")[0].format.name == "yuv420p10le"


def test_an_interlaced_source_is_said_to_be(caplog: pytest.LogCaptureFixture) -> None:
    video("a.mp4", "libx264", "yuv420p", options={"x264-params": "interlaced=1:tff=1"})
    cleaned("a.mp4", "b.mp4")
    assert caplog.messages == [
        "a.mp4 is interlaced, and its two fields are taken for one picture; deinterlace it before if it combs"
        " (ffmpeg -vf bwdif)"
    ]


def test_16_bits_of_pictures_stay_in_a_file_without_loss() -> None:
    rng = np.random.default_rng(0)
    Path("deep").mkdir()
    for index in range(4):
        deep = picture(index) // 2 * np.uint16(257) + rng.integers(0, 257, (*SIZE, 3), np.uint16)
        cv2.imwrite(f"deep/{index}.png", deep[..., ::-1])
    after = cleaned("deep", "b.mkv")
    assert after[0].format.name == "gbrp16le"
    for index, frame in enumerate(after):
        apart = upright_rgb(frame)[FAR].astype(int) - read_image(Path(f"deep/{index}.png"))[FAR]
        assert np.abs(apart).max() <= 16  # it was computed with in half precision


@pytest.mark.parametrize(
    ("kind", "output", "held"),
    [
        (np.uint8, "b.mkv", "bgra"),
        (np.uint16, "b.mkv", "gbrap16le"),
        (np.uint8, "b.mov", "yuva444p12le"),
        (np.uint8, "b.mp4", ""),
    ],
)
def test_the_alpha_of_images_goes_into_a_video(
    kind: type, output: str, held: str, caplog: pytest.LogCaptureFixture
) -> None:
    Path("shot").mkdir()
    alphas = np.random.default_rng(0).integers(0, 256, (3, *SIZE)).astype(kind) * kind(1 if kind == np.uint8 else 257)
    for index, alpha in enumerate(alphas):
        rgba = np.dstack((picture(index)[..., ::-1] * kind(1 if kind == np.uint8 else 257), alpha))
        cv2.imwrite(f"shot/{index}.png", rgba)
    after = cleaned("shot", output)
    assert ("shot has an alpha channel, which b.mp4 does not keep" in caplog.text) == (output == "b.mp4")
    if not held:
        return
    for index, (frame, alpha) in enumerate(zip(after, alphas, strict=True)):
        levels = 1 if held == "bgra" else 257
        rgba = frame.to_ndarray(format="rgba" if held == "bgra" else "rgba64le").astype(int)
        exact = output == "b.mkv"
        assert np.abs(rgba[..., 3] - alpha.astype(int) * (levels if kind == np.uint8 else 1)).max() <= (
            0 if exact else 300
        )
        assert np.abs(rgba[FAR][..., :3] / levels - picture(index)[FAR]).mean() <= (0.1 if exact else 3)
        assert frame.format.name == held


def test_colours_of_a_tiff_are_not_multiplied_by_its_alpha() -> None:
    rgba = np.dstack((picture(0), np.full(SIZE, 20, np.uint8)))
    Image.fromarray(rgba).save("a.tif")
    assert np.array_equal(read_image(Path("a.tif")), rgba[..., :3])
    alpha = read_alpha(Path("a.tif"))
    assert alpha is not None
    assert np.array_equal(alpha, rgba[..., 3])
    assert cli.run(["inpaint", "a.tif", "mask.png", "carry", "-o", "b.png", "--effects", "off"]) == 0
    assert np.array_equal(read_image(Path("b.png"))[FAR], rgba[..., :3][FAR])


def test_a_tiff_of_16_bits_with_alpha_keeps_them() -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (*SIZE, 4), np.uint16)
    cv2.imwrite("a.tif", deep)
    alpha = read_alpha(Path("a.tif"))
    assert alpha is not None
    assert np.array_equal(read_image(Path("a.tif")), deep[..., 2::-1])
    assert np.array_equal(alpha, deep[..., 3])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_alpha_is_turned_as_its_picture_is(orientation: int) -> None:
    grey = np.random.default_rng(0).integers(0, 256, SIZE, np.uint8)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(np.dstack((grey, grey, grey, grey))).save("a.png", exif=exif)
    alpha = read_alpha(Path("a.png"))
    assert alpha is not None
    assert np.array_equal(alpha, read_image(Path("a.png"))[..., 0])


def test_layers_of_exr_that_are_named_need_no_plain_one() -> None:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    Path("shot").mkdir()
    for index in range(3):
        layers = {
            f"{name}.{channel}": picture(index)[..., place] / np.float32(255)
            for name in ("beauty", "spec")
            for place, channel in enumerate("RGB")
        }
        OpenEXR.File(header, layers).write(f"shot/s.{1001 + index}.exr")
    words = "inpaint shot mask.png carry -o out --layer beauty --effects off --carry.rounds 1"
    assert cli.run(words.split()) == 0


def test_a_part_of_a_sound_file_is_not_called_damaged(caplog: pytest.LogCaptureFixture) -> None:
    video("a.ts", "libx264", "yuv420p", 72, OPEN)
    for start in (Fraction(1), Fraction(3, 2), Fraction(2)):
        assert list(decode(Path("a.ts"), Span(start, start + Fraction(1, 4))))
    assert not caplog.messages


@pytest.mark.parametrize("words", ['path = "mattes/m.####.exr"', 'path = "mattes"'])
def test_a_matte_in_the_alpha_of_exr_is_one_in_a_file_of_masks_too(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    matte = read_image(Path("mask.png"))[..., 0] / np.float32(255)
    for name in ("shot", "mattes"):
        Path(name).mkdir()
    for index in range(3):
        plate = picture(index) / np.float32(255)
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        OpenEXR.File(header, {"RGB": plate}).write(f"shot/s.{1001 + index}.exr")
        OpenEXR.File(header, {"RGBA": np.dstack((plate, matte))}).write(f"mattes/m.{1001 + index}.exr")
    Path("masks.toml").write_text(f"[[mask]]\n{words}\n")
    shot = open_shot(Path("shot"), (Path("masks.toml"),), dilate_px=0)
    assert all(np.array_equal(frame.hole > 0, matte > 0.5) for frame in shot.frames())
    refused("inpaint shot masks.toml -o b --mask-channel A", "--mask-channel A is given for masks.toml; of the", capsys)


def test_a_painting_may_be_a_matte_in_the_alpha_of_exr() -> None:
    matte = read_image(Path("mask.png"))[..., 0] / np.float32(255)
    rgba = np.dstack((np.ones((*SIZE, 3), np.float32), matte))
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}, {"RGBA": rgba}).write("m.exr")
    assert np.array_equal(painted_area(Path("m.exr"), SIZE), matte > 0.5)


HZ = (300, 500, 800, 1300, 2100, 3400)  # of each channel
LOW = 3  # the fourth of 5.1 is for the lowest


def sounds(name: str, *tracks: tuple[str, str, float]) -> None:
    """What `a.mp4` shows, and tracks of a codec, a layout and a length in seconds, a second of each after the other."""
    streams: list[Any] = []
    with av.open("a.mp4") as pictures, av.open(name, "w", options={"max_interleave_delta": "1"}) as container:
        video_stream = container.add_stream_from_template(pictures.streams.video[0])
        packets: list[list[Any]] = [[packet for packet in pictures.demux(video=0) if packet.dts is not None]]
        for codec, layout, _ in tracks:
            streams.append(container.add_stream(codec, rate=48000, layout=layout))
        for packet in packets[0]:
            packet.stream = video_stream
        for stream, (_, layout, seconds) in zip(streams, tracks, strict=True):
            channels, step = av.AudioLayout(layout).nb_channels, 1536
            packets.append([])
            for at in range(0, round(48000 * seconds), step):
                waves = [np.sin(np.arange(at, at + step) * HZ[index] * 2 * np.pi / 48000) for index in range(channels)]
                kind = "s16" if stream.codec_context.name in ("flac", "pcm_s16le") else "fltp"
                samples = np.array(waves, np.float32) / 2
                if kind == "s16":
                    samples = (samples.T * 9000).astype(np.int16).reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(samples, format=kind, layout=layout)
                frame.sample_rate, frame.pts, frame.time_base = 48000, at, Fraction(1, 48000)
                packets[-1] += stream.encode(frame)
            packets[-1] += stream.encode(None)
        for until in range(1, 9):
            for of_one in packets:
                while of_one and of_one[0].dts * of_one[0].time_base < until:
                    container.mux(of_one.pop(0))


def lengths_s(name: str) -> list[float]:
    """Of the sounds of a file."""
    with av.open(name) as container:
        count = len(container.streams.audio)
    out = []
    for index in range(count):
        with av.open(name) as container:
            out.append(sum(frame.samples / frame.sample_rate for frame in container.decode(audio=index)))
    return out


@pytest.mark.parametrize("name", ["b.mov", "b.mkv"])
def test_every_sound_of_a_part_is_whole_whatever_their_order(name: str) -> None:
    video("a.mp4", "libx264", "yuv420p", 96)
    sounds(name, ("ac3", "stereo", 4), ("ac3", "stereo", 4))
    cleaned(name, "c.mkv", "--start", "36", "--end", "60")
    assert lengths_s("c.mkv") == pytest.approx([1.0, 1.0], abs=0.07)


@pytest.mark.parametrize(
    ("source", "codec", "output"),
    [
        ("b.mkv", "flac", "c.mov"),
        ("b.mkv", "pcm_s16le", "c.mp4"),
        ("b.mkv", "ac3", "c.webm"),
        ("b.mkv", "flac", "c.webm"),
    ],
)
@pytest.mark.parametrize(
    ("layout", "kept"), [("mono", "mono"), ("stereo", "stereo"), ("quad", "quad"), ("5.1", "5.1"), ("2.1", "stereo")]
)
def test_sound_that_is_encoded_anew_keeps_its_channels(
    source: str, codec: str, output: str, layout: str, kept: str, caplog: pytest.LogCaptureFixture
) -> None:
    if codec == "pcm_s16le" and layout in ("quad", "5.1"):  # Matroska does not say which speakers its channels are for
        kept = "stereo"
    video("a.mp4", "libx264", "yuv420p", 12)
    sounds(source, (codec, layout, 0.5))
    cleaned(source, output)
    with av.open(output) as container:
        held = container.streams.audio[0].codec_context.layout.name
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    if "becomes" not in caplog.text:  # it was copied
        assert held.replace("(side)", "") == layout
        return
    assert held == kept
    assert (f", in {kept}" in caplog.text) == (kept != layout)
    if kept != layout:
        return
    samples = np.concatenate(frames, axis=1)[:, 4000:20000].astype(float)
    for index, channel in enumerate(samples):
        loudest = np.abs(np.fft.rfft(channel * np.hanning(len(channel)))).argmax() * 48000 / len(channel)
        assert index == LOW or loudest == pytest.approx(HZ[index], abs=10)
    assert lengths_s(output)[0] == pytest.approx(0.5, abs=0.1)


def test_samples_that_are_not_square_are_said_to_be_lost(caplog: pytest.LogCaptureFixture) -> None:
    with av.open("a.mp4", "w") as container:
        stream: Any = container.add_stream("libx264", rate=24)
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for index in range(4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(index), format="rgb24")))
        container.mux(stream.encode())
    for output, more, kept in (("b.mov", (), True), ("b.mkv", ("--codec", "h264"), True), ("c.mkv", (), False)):
        caplog.clear()
        cleaned("a.mp4", output, *more)
        with av.open(output) as container:
            assert (container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)) == kept
        assert (f"{output} will look squeezed: its samples are not square" in caplog.text) != kept


def test_a_later_image_of_a_mask_has_the_size_of_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    video("a.mp4", "libx264", "yuv420p", 3)
    Path("masks").mkdir()
    for index, mask in enumerate([read_image(Path("mask.png"))] * 3):
        cv2.imwrite(f"masks/{index}.png", mask if index != 1 else np.ascontiguousarray(mask.transpose(1, 0, 2)))
    refused(
        "inpaint a.mp4 masks -o b.mp4", "image 2 of the mask masks is 48x64; the first one is 64x48; make all", capsys
    )


def test_a_painting_beyond_the_part_is_refused_under_a_still_mask_too(capsys: pytest.CaptureFixture[str]) -> None:
    video("a.mp4", "libx264", "yuv420p", 6)
    cv2.imwrite("painted.png", picture(4)[..., ::-1])
    words = "inpaint a.mp4 mask.png -o b.mp4 --end 3 --reference 4:painted.png"
    refused(words, "painted.png is for a frame outside the part that is cleaned; it has 3 frames", capsys)


def test_what_an_image_says_of_its_colours_is_kept() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Path("shot").mkdir()
    for index, name in enumerate(("0.png", "1.png")):
        Image.fromarray(picture(index)).save(f"shot/{name}", icc_profile=profile, dpi=(300, 300))
    assert (
        cli.run(["inpaint", "shot", "mask.png", "carry", "-o", "out", "--effects", "off", "--carry.rounds", "1"]) == 0
    )
    for file in Path("out").iterdir():
        with Image.open(file) as image:
            image.verify()
            assert image.info["icc_profile"] == profile
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    Image.fromarray(picture(0)[..., 0]).save("a.png", icc_profile=profile, dpi=(300, 300))  # grey: it is none of RGB
    assert cli.run(["inpaint", "a.png", "mask.png", "carry", "-o", "c.png", "--effects", "off"]) == 0
    with Image.open("c.png") as image:
        assert image.info.keys() == {"dpi"}
    Image.fromarray(picture(0)).save("a.jpg", icc_profile=profile, quality=95)
    assert cli.run(["inpaint", "a.jpg", "mask.png", "carry", "-o", "b.png", "--effects", "off"]) == 0
    with Image.open("b.png") as image:
        assert image.info["icc_profile"] == profile
    assert np.array_equal(read_image(Path("b.png"))[FAR], read_image(Path("a.jpg"))[FAR])
