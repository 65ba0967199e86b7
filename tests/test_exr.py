"""OpenEXR files of every kind, as OpenImageIO and FFmpeg read them before and after."""

from pathlib import Path

import av
import numpy as np
import OpenEXR
import pytest

from cleanplate import InputError
from cleanplate.imaging.log_curve import NO_VALUE, to_codes
from cleanplate.video import exr
from tests.odd_exrs import HIDDEN, LOSSY, Odd, compression_name, kinds, more, part, rgb, smooth
from tests.oiio_files import opened, planes

ODD = {one.name: one for one in kinds()}
READ = [one for one in ODD.values() if not one.refused]
COLOUR = np.array([1.75, 0.18, -0.002], np.float32)  # above white, grey, and a little below black
Samples = dict[tuple[int, str], np.ndarray]


def read_by_oiio(path: Path) -> tuple[Samples, list[tuple]]:
    """All samples in their own types, by part and channel, and of each part what its header says."""
    file = opened(path)
    samples, headers, number = {}, [], 0
    while file.seek_subimage(number, 0):
        spec = file.spec()
        headers.append((
            spec.x, spec.y, spec.width, spec.height, spec.full_x, spec.full_y, spec.full_width, spec.full_height,
            spec.tile_width, spec.tile_height, spec.deep, tuple(spec.channelnames),
            tuple(str(spec.channelformat(index)) for index in range(spec.nchannels)),
            tuple((one.name, repr(one.value)) for one in spec.extra_attribs),
        ))  # fmt: skip
        if spec.deep:
            values = file.read_native_deep_image(number, 0)
            assert values is not None
            samples[number, "deep"] = np.array(
                [values.deep_value(pixel, channel, index) for pixel in range(values.pixels)
                 for channel in range(values.channels) for index in range(values.samples(pixel))]
            )  # fmt: skip
        else:
            samples |= {(number, name): plane for name, plane in planes(path, number).items()}
        number += 1
    file.close()
    return samples, headers


def read_by_openexr(path: Path) -> Samples:
    file = OpenEXR.File(str(path), separate_channels=True)
    return {(one.part_index, name): channel.pixels for one in file.parts for name, channel in one.channels.items()}


def read_by_ffmpeg(path: Path) -> np.ndarray:
    """Planes of floats; FFmpeg decodes OpenEXR by itself, with no library."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert frame.format.name == "gbrpf32le"
        return np.stack([np.frombuffer(bytes(plane), np.float32) for plane in frame.planes])


def bits(values: np.ndarray) -> np.ndarray:
    return values.view(f"u{values.itemsize}")


def display(odd: Odd) -> tuple[int, int]:
    """Height and width of its picture."""
    header = odd.parts[odd.part].header
    if "displayWindow" not in header:
        return next(iter(odd.parts[odd.part].channels.values())).pixels.shape
    (left, top), (right, bottom) = header["displayWindow"]
    return bottom - top + 1, right - left + 1


def corner(odd: Odd) -> tuple[int, int]:
    """Left and top of its data in the picture."""
    header = odd.parts[odd.part].header
    if "displayWindow" not in header:
        return 0, 0
    (left, top), (data_left, data_top) = header["displayWindow"][0], header["dataWindow"][0]
    return data_left - left, data_top - top


def in_data(odd: Odd, where: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A mask of the picture in its data window."""
    (left, top), around = corner(odd), 200
    padded = np.pad(where, around)
    return padded[top + around : top + around + shape[0], left + around : left + around + shape[1]]


def hidden(odd: Odd) -> np.ndarray:
    """What is changed in the picture: a box, or all of one that is smaller."""
    where = np.zeros(display(odd), bool)
    left, top, right, bottom = HIDDEN
    where[top : bottom + 1, left : right + 1] = True
    return where if where.any() else ~where


def changed_file(odd: Odd, folder: Path) -> tuple[Path, Path, np.ndarray]:
    """The file as it was, with the hidden part painted over, and what that is."""
    source, result = odd.save(folder / "source.exr"), folder / "result.exr"
    picture, where = exr.read_picture(source, odd.layer), hidden(odd)
    picture[where] = to_codes(COLOUR)
    exr.write_picture(result, picture, source, where, odd.layer)
    return source, result, where


def test_there_are_a_hundred_kinds() -> None:
    assert len(ODD) >= 100
    assert len(READ) >= 100


@pytest.mark.parametrize("odd", READ, ids=[one.name for one in READ])
def test_all_but_what_was_changed_is_the_same_bits(odd: Odd, tmp_path: Path) -> None:
    source, result, where = changed_file(odd, tmp_path)
    if odd.subsampled:
        before, after = read_by_openexr(source), read_by_openexr(result)
    else:
        (before, headers), (after, same) = read_by_oiio(source), read_by_oiio(result)
        assert headers == same
    assert before.keys() == after.keys()
    for (number, name), was in before.items():
        now, touched = after[number, name], np.zeros(was.shape, bool)
        assert now.dtype == was.dtype
        if number == odd.part and name in odd.names:
            touched = in_data(odd, where, was.shape)
            wanted = COLOUR[odd.names.index(name)] if len(odd.names) == 3 else COLOUR[0]
            assert np.isfinite(now[touched]).all()
            np.testing.assert_allclose(now[touched].astype(float), wanted, rtol=6e-4, atol=1e-5)
        np.testing.assert_array_equal(bits(now)[~touched], bits(was)[~touched], err_msg=f"{number} {name}")


@pytest.mark.parametrize("odd", READ, ids=[one.name for one in READ])
def test_the_picture_is_what_lies_in_the_display_window(odd: Odd, tmp_path: Path) -> None:
    if odd.name == "parts-deep" or odd.subsampled:
        source = odd.save(tmp_path / "source.exr")
        planes = [read_by_openexr(source)[odd.part, name] for name in odd.names]
    else:
        samples, _ = read_by_oiio(odd.save(tmp_path / "source.exr"))
        planes = [samples[odd.part, name] for name in odd.names]
    picture = exr.read_picture(tmp_path / "source.exr", odd.layer)
    assert picture.shape == (*display(odd), 3)
    inside = in_data(odd, np.ones(display(odd), bool), planes[0].shape)
    (left, top), wanted = corner(odd), np.full(picture.shape, to_codes(np.zeros(1, np.float32))[0])
    y, x = np.nonzero(inside)
    for channel, plane in enumerate(planes if len(planes) == 3 else planes * 3):
        wanted[y + top, x + left, channel] = to_codes(plane[inside])
    np.testing.assert_array_equal(picture, wanted)


@pytest.mark.parametrize("odd", [one for one in ODD.values() if one.refused], ids=lambda one: one.name)
def test_what_cannot_be_done_is_refused_in_a_line(odd: Odd, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = odd.save(tmp_path / "source.exr")
    with pytest.raises(InputError) as refusal:
        exr.read_picture(source, odd.layer)
    assert odd.refused in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not any(capfd.readouterr()), "the package prints what is wrong; we say it"


def test_whatever_is_damaged_is_refused_in_a_line_or_read(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Bytes of headers, of tables and of pixels are overwritten, and ends cut off."""
    rng, path, refusals = np.random.default_rng(0), tmp_path / "damaged.exr", 0
    for name in ("lines-PIZ", "tiles-ZIP", "float-DWAA", "parts-deep", "lights", "halved-beside-ZIP", "mipmap"):
        whole = ODD[name].save(path).read_bytes()
        for _ in range(40):
            damaged = bytearray(whole)
            for at in rng.integers(0, rng.choice([600, len(whole)]), rng.integers(1, 5)):
                damaged[at] = rng.integers(256)
            path.write_bytes(damaged[: rng.integers(1, len(whole))] if rng.random() < 0.2 else damaged)
            said = ""
            try:
                picture = exr.read_picture(path)
                exr.write_picture(tmp_path / "result.exr", picture, path, np.ones(picture.shape[:2], bool))
            except InputError as refusal:
                said = str(refusal)
                refusals += 1
            assert "\n" not in said
    assert 100 < refusals < 280
    assert not any(capfd.readouterr())


@pytest.mark.parametrize("name", [name for name in ODD if name.startswith("float-") and "J2K" not in name])
def test_a_decoder_that_is_not_openexr_reads_what_is_written(name: str, tmp_path: Path) -> None:
    """Blocks of a lossy compression are stored as they are, so that nothing in them is lost again."""
    source, result, where = changed_file(ODD[name], tmp_path)
    before, after = read_by_ffmpeg(source), read_by_ffmpeg(result)
    padding = before.shape[1] // where.shape[0] - where.shape[1]
    where = np.pad(where, ((0, 0), (0, padding))).ravel()
    if "DWA" in name:  # the two decoders of it do not round alike
        np.testing.assert_allclose(before[:, ~where], after[:, ~where], rtol=5e-3)
    else:
        np.testing.assert_array_equal(bits(before)[:, ~where], bits(after)[:, ~where])
    green, blue, red = (plane[where] for plane in after)
    np.testing.assert_allclose([red[0], green[0], blue[0]], COLOUR, rtol=1e-3)
    assert np.ptp(red) == np.ptp(green) == np.ptp(blue) == 0


def test_a_file_of_which_nothing_was_changed_is_the_same_bytes(tmp_path: Path) -> None:
    for odd in READ:
        source = odd.save(tmp_path / "source.exr")
        picture = exr.read_picture(source, odd.layer)
        nothing = np.zeros(picture.shape[:2], bool)
        exr.write_picture(tmp_path / "result.exr", picture, source, nothing, odd.layer)
        assert source.read_bytes() == (tmp_path / "result.exr").read_bytes(), odd.name


def test_lossy_blocks_that_were_not_changed_are_the_same_bytes(tmp_path: Path) -> None:
    for odd in READ:
        if odd.name.startswith("tiles-") and compression_name(odd.parts[0].header["compression"]).startswith(LOSSY):
            source, result, _ = changed_file(odd, tmp_path)
            before, after = source.read_bytes(), result.read_bytes()
            assert before[-300:] == after[-300:]
            assert len(after) < 2 * len(before)


def test_what_is_no_number_has_no_value(tmp_path: Path) -> None:
    picture = exr.read_picture(ODD["nan-ZIP"].save(tmp_path / "nan.exr"))
    assert (picture[1, :3] == NO_VALUE).all()
    assert (picture == NO_VALUE).sum() == 18
    assert (picture[1, 5] > to_codes(np.array([60000], np.float32))).all()


def grey(path: Path, channel: str = "") -> np.ndarray:
    return exr.read_mask(path, channel)


def test_a_mask_is_alpha_or_white_or_the_channel_that_is_named(tmp_path: Path) -> None:
    path, matte = tmp_path / "mask.exr", np.zeros((9, 12), np.float32)
    matte[2:5, 3:8] = 1
    nothing, opaque = np.zeros_like(matte), np.ones_like(matte)
    white = {name: matte for name in "RGB"}

    def save(channels: dict[str, np.ndarray]) -> Path:
        OpenEXR.File([part(channels)]).write(str(path))
        return path

    wanted = (matte * 255).astype(np.uint8)
    for channels, named in (
        ({name: nothing for name in "RGB"} | {"A": matte}, ""),
        (white | {"A": opaque}, ""),
        (white, ""),
        ({"matte": matte.astype(np.float16)}, ""),
        ({"Y": matte}, ""),
        (white | {"A": opaque, "roto.thing": matte * 7, "Z": nothing}, "roto.thing"),
        ({"id": (matte * 5).astype(np.uint32), "other": nothing}, "id"),
    ):
        np.testing.assert_array_equal(grey(save(channels), named), wanted)
    with pytest.raises(InputError, match=r"no channel cat; it is to be the mask; name one of Z, id"):
        grey(save({"id": nothing, "Z": nothing}), "cat")
    with pytest.raises(InputError, match=r"the channels Z, id; .* name one: --mask-channel NAME"):
        grey(save({"id": nothing, "Z": nothing}))


def test_alpha_is_that_of_the_layer(tmp_path: Path) -> None:
    path = tmp_path / "shot.exr"
    half = np.full((37, 45), 0.5, np.float32)
    OpenEXR.File([part(rgb() | more() | rgb(prefix="beauty.") | {"beauty.A": half})]).write(str(path))
    alpha = exr.read_alpha(path, "beauty")
    assert alpha is not None
    assert (alpha == 32768).all()
    plain = exr.read_alpha(path)
    assert plain is not None
    np.testing.assert_allclose(plain / 65535, np.clip(smooth(37, 45, 4).astype(float), 0, 1), atol=1e-5)
    OpenEXR.File([part(rgb())]).write(str(path))
    assert exr.read_alpha(path) is None
