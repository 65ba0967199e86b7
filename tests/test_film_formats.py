"""DPX and TIFF of floats, as OpenImageIO and FFmpeg read them before and after."""

import itertools
import struct
from pathlib import Path

import av
import numpy as np
import pytest
import tifffile

from cleanplate import InputError
from cleanplate.imaging.log_curve import NO_VALUE, to_codes
from cleanplate.video import dpx, float_tiff
from cleanplate.video.film_formats import film_format, write_changed
from cleanplate.video.images import read_image, read_mask
from cleanplate.video.sequences import is_linear
from tests.oiio_files import attributes, pixels, save

SIZE = 9, 7  # of no packing's liking
BOX = slice(2, 6), slice(1, 5)
PACKINGS = "Packed", "Filled, method A", "Filled, method B"


def by_ffmpeg(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        return frame.reformat(format="rgb48le").to_ndarray()


def save_dpx(path: Path, bits: int, packing: str, channels: int, order: str) -> np.ndarray:
    """A file of random code values of that many bits, which are returned in 16."""
    codes = np.random.default_rng(bits).integers(0, 2**bits, (*SIZE, channels))
    wide = np.round(codes * (65535 / (2**bits - 1))).astype(np.uint16)
    save(path, wide, {"oiio:BitsPerSample": bits, "dpx:Packing": packing, "oiio:Endian": order, "Artist": "nobody"})
    return wide


def change(path: Path) -> tuple[Path, np.ndarray]:
    """The file with a box of it that is red."""
    picture, changed = dpx.read_picture(path), np.zeros(SIZE, bool)
    changed[BOX] = True
    picture[BOX] = 65535, 0, 30000
    dpx.write_picture(path.with_name("result.dpx"), picture, path, changed)
    return path.with_name("result.dpx"), changed


@pytest.mark.parametrize(
    ("bits", "packing", "channels", "order"),
    list(itertools.product((10, 12, 16), PACKINGS, (3, 4), ("big", "little"))),
)
def test_dpx_keeps_every_code_value_that_was_not_changed(
    bits: int, packing: str, channels: int, order: str, tmp_path: Path
) -> None:
    path = tmp_path / "frame.dpx"
    wide = save_dpx(path, bits, packing, channels, order)
    np.testing.assert_array_equal(dpx.read_picture(path) >> (16 - bits), wide[..., :3] >> (16 - bits))
    result, changed = change(path)
    before, after = pixels(path), pixels(result)
    np.testing.assert_array_equal(before[~changed], after[~changed])
    np.testing.assert_array_equal(before[..., 3:], after[..., 3:])
    red = after[changed][:, :3] >> (16 - bits)
    np.testing.assert_array_equal(red, np.broadcast_to(red[0], red.shape))
    assert red[0] == pytest.approx([2**bits - 1, 0, 30000 / 65535 * (2**bits - 1)], abs=1)
    assert attributes(path) == attributes(result)
    assert path.stat().st_size == result.stat().st_size
    if bits > 10 or packing != "Packed":  # FFmpeg does not read the others
        np.testing.assert_array_equal(dpx.read_picture(path) >> (16 - bits), by_ffmpeg(path) >> (16 - bits))
        np.testing.assert_array_equal(by_ffmpeg(result)[changed] >> (16 - bits), red)
        np.testing.assert_array_equal(by_ffmpeg(path)[~changed], by_ffmpeg(result)[~changed])
    differ = np.flatnonzero(np.frombuffer(path.read_bytes(), np.uint8) != np.frombuffer(result.read_bytes(), np.uint8))
    assert differ.min() >= 8192, "the header is as it was"


def filled_12(path: Path, packing: int, padding: int = 0, orientation: int = 0, order: str = "RGB") -> np.ndarray:
    """A file of 12 bits in halves of words, which OpenImageIO does not write; its code values are returned."""
    codes = np.random.default_rng(1).integers(0, 4096, (*SIZE, len(order)))
    lines = (codes << (4 if packing == 1 else 0)).astype(">u2")
    header = bytearray(2048)
    struct.pack_into(">4sI8sI", header, 0, b"SDPX", 2048, b"V2.0", 0)
    struct.pack_into(">I", header, 660, 2**32 - 1)
    struct.pack_into(">HHII", header, 768, orientation, 1, SIZE[1], SIZE[0])
    descriptor = {"RGB": 50, "RGBA": 51, "ABGR": 52}[order]
    struct.pack_into(">IIfIfBBBBHHII", header, 780, 0, 0, 0, 4095, 0, descriptor, 2, 4, 12, packing, 0, 2048, padding)
    line_ends = bytes(-lines[0].nbytes % 4 + padding)
    path.write_bytes(bytes(header) + b"".join(line.tobytes() + line_ends for line in lines))
    return codes.astype(np.uint16)


@pytest.mark.parametrize("packing", [1, 2])
@pytest.mark.parametrize("order", ["RGB", "RGBA", "ABGR"])
def test_dpx_of_12_filled_bits_and_any_order_of_channels(packing: int, order: str, tmp_path: Path) -> None:
    path = tmp_path / "frame.dpx"
    codes = filled_12(path, packing, order=order)
    rgb = codes[..., [order.index(name) for name in "RGB"]]
    np.testing.assert_array_equal(dpx.read_picture(path) >> 4, rgb)
    if order == "RGB":
        np.testing.assert_array_equal(by_ffmpeg(path) >> 4, rgb)
    alpha = dpx.read_alpha(path)
    assert (alpha is None) == (order == "RGB")
    if alpha is not None:
        np.testing.assert_array_equal(alpha >> 4, codes[..., order.index("A")])
    result, changed = change(path)
    after = dpx.read_picture(result) >> 4
    np.testing.assert_array_equal(after[~changed], rgb[~changed])
    np.testing.assert_array_equal(after[changed][0], [4095, 0, 1875])


@pytest.mark.parametrize(("orientation", "turned"), [(1, np.s_[:, ::-1]), (2, np.s_[::-1]), (3, np.s_[::-1, ::-1])])
def test_dpx_is_handed_out_upright_and_written_as_it_lay(orientation: int, turned: object, tmp_path: Path) -> None:
    path = tmp_path / "frame.dpx"
    codes = filled_12(path, 1, padding=6, orientation=orientation)
    np.testing.assert_array_equal(dpx.read_picture(path) >> 4, codes[turned])  # type: ignore[index]
    result, changed = change(path)
    codes[turned][changed] = 4095, 0, 1875  # type: ignore[index]
    np.testing.assert_array_equal(dpx.read_picture(result) >> 4, codes[turned])  # type: ignore[index]


def test_dpx_that_is_not_read_is_refused_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "frame.dpx"
    filled_12(path, 1)
    whole = path.read_bytes()
    for at, value, said in (
        (800, b"\6", "components that are not RGB"),
        (803, b"\10", "8 bits"),
        (804, b"\0\7", "the packing 7"),
        (806, b"\0\1", "RLE"),
        (768, b"\0\5", "the orientation 5"),
        (0, b"none", "not a DPX file"),
        (772, b"\0\0\1\0", "ends early"),
        (772, b"\0\0\0\0", "at most"),
    ):
        path.write_bytes(whole[:at] + value + whole[at + len(value) :])
        with pytest.raises(InputError, match=said):
            dpx.read_picture(path)
    path.write_bytes(whole[:300])
    with pytest.raises(InputError, match="not a DPX file"):
        dpx.read_picture(path)


def floats(channels: int) -> np.ndarray:
    values = (np.random.default_rng(2).normal(size=(*SIZE, channels)) * 9).astype(np.float32)
    values[0, 0], values[3, 3], values[8, 6] = np.nan, np.inf, -0.0
    return values


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("compression", ["none", "lzw", "zip", "packbits"])
def test_a_float_tiff_keeps_every_sample_that_was_not_changed(channels: int, compression: str, tmp_path: Path) -> None:
    path, values = tmp_path / "frame.tif", floats(channels)
    save(path, values, {
        "compression": compression, "Software": "a program", "ImageDescription": "a cat", "Artist": "nobody",
        "DateTime": "2020:01:02 03:04:05", "XResolution": 72.0, "YResolution": 72.0, "ResolutionUnit": "in",
    })  # fmt: skip
    assert is_linear(path)
    picture, changed = read_image(path), np.zeros(SIZE, bool)
    assert (picture[0, 0] == NO_VALUE).all()
    np.testing.assert_array_equal(picture[1, 1], to_codes(values[1, 1, : min(3, channels)])[np.arange(3) % channels])
    changed[BOX], picture[BOX] = True, to_codes(np.array([1.5, 0.25, -0.001], np.float32))
    result = tmp_path / "result.tif"
    float_tiff.write_picture(result, picture, path, changed)
    after = pixels(result, "float")
    np.testing.assert_array_equal(after[~changed].view(np.uint32), values[~changed].view(np.uint32))
    np.testing.assert_array_equal(after[..., 3:].view(np.uint32), values[..., 3:].view(np.uint32))
    wanted = [1.5, 0.25, -0.001][: min(3, channels)]
    np.testing.assert_allclose(after[changed][:, :3], np.broadcast_to(wanted, (16, len(wanted))), rtol=1e-3, atol=1e-6)
    own = {"compression", "tiff:Compression", "tiff:Predictor", "tiff:RowsPerStrip", "oiio:RowsPerChunk"}
    kept = {name: value for name, value in attributes(path).items() if name not in own}
    now = attributes(result)
    assert {name: now.get(name) for name in kept} == kept
    if channels == 4:
        alpha = float_tiff.read_alpha(result)
        assert alpha is not None
        np.testing.assert_array_equal(read_mask(result, "A"), ((alpha.astype(int) + 128) // 257).astype(np.uint8))


def test_float_tiffs_that_are_not_read_are_refused_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "frame.tif"
    tifffile.imwrite(path, np.moveaxis(floats(3), 2, 0), photometric="rgb", planarconfig="separate")
    with pytest.raises(InputError, match="3 channels and 32 bits, in planes; of TIFFs of floats"):
        read_image(path)
    tifffile.imwrite(path, floats(3).astype(np.float64), photometric="rgb")
    with pytest.raises(InputError, match="64 bits; of TIFFs of floats"):
        read_image(path)
    tifffile.imwrite(path, np.stack([floats(3)] * 2), photometric="rgb")
    with pytest.raises(InputError, match="2 images of 3 channels"):
        read_image(path)
    tifffile.imwrite(path, floats(3), photometric="rgb", compression="zlib")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="cannot be read"):
        read_image(path)


@pytest.mark.parametrize("name", ["frame.dpx", "frame.tif"])
def test_whatever_is_damaged_is_refused_in_a_line_or_read(name: str, tmp_path: Path) -> None:
    rng, path, refusals = np.random.default_rng(0), tmp_path / name, 0
    if name == "frame.dpx":
        save_dpx(path, 10, "Filled, method A", 3, "big")
    else:
        tifffile.imwrite(path, floats(4), photometric="rgb", compression="zlib", extrasamples=["assocalpha"])
    whole = path.read_bytes()
    for _ in range(150):
        damaged = bytearray(whole)
        for at in rng.integers(0, min(len(whole), 1000 if name == "frame.dpx" else 300), 3):
            damaged[at] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(1, len(whole))] if rng.random() < 0.2 else damaged)
        said = ""
        try:
            picture = read_image(path)
            if film_format(path) is not None:
                write_changed(tmp_path / f"result{path.suffix}", picture, path, np.ones(picture.shape[:2], bool))
        except InputError as refusal:
            said = str(refusal)
            refusals += 1
        assert "\n" not in said
    assert 10 < refusals < 150
