"""`cleanplate.vapoursynth`, with the real library."""

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from av.video.frame import VideoFrame

from cleanplate import METHODS, InputError
from cleanplate.vapoursynth import HELD, inpaint
from cleanplate.video.planes import samples
from tests.conftest import panning, to_bytes, walking_hole

vs: Any = pytest.importorskip("vapoursynth", reason="VapourSynth is not installed (its wheels are for Python 3.12 on)")

N_FRAMES, SIZE = 6, (64, 96)
PICTURES = to_bytes(panning(3 * N_FRAMES, SIZE))
HOLE = walking_hole(1, SIZE)[0, 0].numpy()
FORMATS = {
    "YUV420P8": "yuv420p",
    "YUV422P10": "yuv422p10le",
    "YUV444P12": "yuv444p12le",
    "YUV420P16": "yuv420p16le",
    "YUV411P8": "yuv411p",
    "GRAY8": "gray",
    "GRAY16": "gray16le",
    "RGB24": "gbrp",
    "RGB30": "gbrp10le",
    "RGB48": "gbrp16le",
    "RGBS": "gbrpf32le",
}


def planes_of(name: str, n_frames: int = N_FRAMES) -> list[list[np.ndarray]]:
    """PICTURES in that format, by frame and plane."""
    found = []
    for picture in PICTURES[:n_frames]:
        if name == "RGBS":
            found.append([(picture[..., plane] / 255).astype(np.float32) for plane in range(3)])
            continue
        frame = VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=FORMATS[name])
        planes = [plane.copy() for plane in samples(frame) or []]
        found.append(planes)  # FFmpeg's components of RGB are in the order R, G, B too
    return found


def clip_of(planes: list[list[np.ndarray]], name: str, **props: Any) -> Any:
    blank = vs.core.std.BlankClip(
        width=SIZE[1], height=SIZE[0], format=getattr(vs, name), length=len(planes), fpsnum=30000, fpsden=1001
    )

    def drawn(n: int, f: Any) -> Any:
        frame = f.copy()
        for plane, values in enumerate(planes[n]):
            np.asarray(frame[plane])[...] = values
        frame.props["number"] = n
        frame.props.update(props)
        return frame

    return blank.std.ModifyFrame(clips=blank, selector=drawn)


def mask_clip(holes: np.ndarray, name: str = "GRAY8") -> Any:
    most = 2 ** getattr(vs.core.std.BlankClip(format=getattr(vs, name), length=1).format, "bits_per_sample") - 1  # noqa: B009
    return clip_of([[hole.astype(np.uint16 if most > 255 else np.uint8) * most] for hole in holes], name)


def read(clip: Any, index: int) -> tuple[list[np.ndarray], dict[str, Any]]:
    with clip.get_frame(index) as frame:
        return [np.array(frame[plane]) for plane in range(frame.format.num_planes)], dict(frame.props)


@pytest.mark.parametrize("name", FORMATS)
def test_every_untouched_sample_and_all_properties_stay(name: str) -> None:
    before = planes_of(name)
    clip = clip_of(before, name, _Matrix=1, _ColorRange=1)
    clean = inpaint(clip, mask_clip(HOLE[None]), "carry", dilate_px=0)
    assert (clean.format, clean.num_frames, clean.fps) == (clip.format, clip.num_frames, clip.fps)
    top = np.inf if name == "RGBS" else 1 << clip.format.bits_per_sample
    for index in range(N_FRAMES):
        after, props = read(clean, index)
        assert props == read(clip, index)[1]
        assert props["number"] == index
        for was, is_now in zip(before[index], after, strict=True):
            rows, columns = SIZE[0] // was.shape[0], SIZE[1] // was.shape[1]
            hidden = HOLE.reshape(was.shape[0], rows, was.shape[1], columns).any((1, 3))
            np.testing.assert_array_equal(was[~hidden], is_now[~hidden])
            differ = np.abs(was[hidden].astype(float) - is_now[hidden]) / (1 if name == "RGBS" else top)
            assert 0 < differ.mean() < 0.06
    assert len(read(clean, 0)[0]) == clip.format.num_planes


def test_frames_may_be_asked_for_in_any_order_and_are_the_same() -> None:
    narrow = replace(METHODS["carry"], carry=replace(METHODS["carry"].carry, window_frames=8))
    clip, holes = clip_of(planes_of("YUV420P8", 18), "YUV420P8"), walking_hole(18, SIZE, step=1)[:, 0].numpy()
    in_order = inpaint(clip, mask_clip(holes), narrow)
    mixed = inpaint(clip, list(holes), narrow)
    wanted = [read(in_order, index)[0] for index in range(18)]
    order = list(range(18)) * 2
    random.Random(0).shuffle(order)
    for index in order:
        for one, other in zip(read(mixed, index)[0], wanted[index], strict=True):
            np.testing.assert_array_equal(one, other)


def test_no_more_is_read_than_a_window_ahead_and_all_at_once_is_right_too() -> None:
    narrow = replace(METHODS["carry"], carry=replace(METHODS["carry"].carry, window_frames=4, rounds=1))
    narrow = replace(narrow, effects=replace(narrow.effects, find="off"))
    asked: list[int] = []
    source = clip_of(planes_of("YUV420P8", 18), "YUV420P8")

    def noted(n: int, f: Any) -> Any:
        asked.append(n)
        return f

    clean = inpaint(source.std.ModifyFrame(clips=source, selector=noted), HOLE, narrow)
    first = read(clean, 0)[0]
    assert max(asked) < 10
    several = [[np.array(frame[plane]) for plane in range(3)] for frame in clean.frames(prefetch=8)]
    assert len(several) == 18
    np.testing.assert_array_equal(several[0][0], first[0])


@pytest.mark.parametrize("threads", [1, 2])
def test_it_does_not_wait_for_itself(threads: int) -> None:
    before = vs.core.num_threads
    vs.core.num_threads = threads
    try:
        clean = inpaint(clip_of(planes_of("GRAY8"), "GRAY8"), mask_clip(HOLE[None], "GRAY16"), "telea")
        assert len(list(clean.frames())) == N_FRAMES
    finally:
        vs.core.num_threads = before


@pytest.mark.parametrize(
    ("props", "white"), [({"_ColorRange": 0}, 255), ({"_ColorRange": 1}, 235), ({"_Range": 1}, 255)]
)
def test_the_range_counts(props: dict[str, int], white: int) -> None:
    planes = [[np.full(SIZE, white, np.uint8), *[np.full((32, 48), 128, np.uint8)] * 2]] * 3
    clean = inpaint(clip_of(planes, "YUV420P8", **props), HOLE, "telea")
    for one, other in zip(read(clean, 1)[0], planes[0], strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_cannot_be_used_is_told_in_a_line() -> None:
    clip = clip_of(planes_of("GRAY8"), "GRAY8")
    blank = vs.core.std.BlankClip
    for given, mask, said in [
        ("shot.mp4", HOLE, "the clip is a str; a vapoursynth.VideoNode is needed"),
        (blank(format=vs.YUV444PS, length=1), HOLE, f"the clip is YUV444PS; {HELD}"),
        (blank(format=vs.GRAYS, length=1), HOLE, "the clip is GRAYS"),
        (clip, HOLE[:, :32], "the mask is 32x64; the clip is 96x64; resize"),
        (clip, mask_clip(HOLE[None]).std.Crop(right=64), "the mask is 32x64"),
        (clip, mask_clip(np.stack([HOLE] * 4)), "the mask has 4 frames and the clip has 6"),
        (clip, [HOLE] * 7, "the mask has 7 frames and the clip has 6"),
        (clip, blank(format=vs.RGB24, width=96, height=64), "the mask is RGB24; GRAY8 to GRAY16 is needed"),
        (clip, None, "the mask is a NoneType"),
        (clip, HOLE & False, "the mask marks nothing"),
    ]:
        with pytest.raises(InputError) as error:
            inpaint(given, mask)
        assert said in str(error.value)
        assert "\n" not in str(error.value)
    wrong = inpaint(clip, [HOLE] * 3 + [HOLE[:9]] * 3, "telea")
    for _ in range(2):  # it is said again, and not taken for the end
        with pytest.raises(vs.Error, match="mask 3 is 96x9; frame 3 is 96x64"):
            wrong.get_frame(5)
