"""HDR is worked on as it is coded: a ramp over all of PQ or HLG comes back in its codes, dark end and bright end."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.conftest import texture
from tests.test_fidelity import BOX, SIZE, cleaned, decoded, opened, planes

DARKEST, BRIGHTEST, COUNT, STEP = 64, 940, 16, 4
"""Of the luma of 10 bits; frames; pixels that the camera pans between two."""
TRANSFERS = {"PQ": 16, "HLG": 18}  # of ITU-T H.273


def luma() -> np.ndarray:
    """A camera that pans over a ramp from black to the brightest there is, with some texture on it, (T, H, W)."""
    width = SIZE[1] + COUNT * STEP
    ramp = np.linspace(DARKEST + 30, BRIGHTEST - 30, width) + 100 * (texture(SIZE[0], width).mean(-1) - 0.5)
    wall = np.clip(np.rint(ramp), DARKEST, BRIGHTEST).astype(np.uint16)
    return np.stack([wall[:, index * STEP : index * STEP + SIZE[1]] for index in range(COUNT)])


def written(path: Path, truth: np.ndarray, **tags: int) -> Path:
    """The same with something bright in the way."""
    with opened(path, "w") as out:
        stream: Any = out.add_stream("ffv1", rate=24)
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p10le"
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        for index, one in enumerate(truth):
            frame = av.VideoFrame(SIZE[1], SIZE[0], "yuv420p10le")
            shown = one.copy()
            shown[BOX] = BRIGHTEST
            grey = np.full((SIZE[0] // 2, SIZE[1] // 2), 512)
            for plane, values in zip(frame.planes, (shown, grey, grey), strict=True):
                rows = np.zeros((plane.height, plane.line_size // 2), np.uint16)
                rows[:, : plane.width] = values
                plane.update(rows.tobytes())
            frame.pts = index
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", TRANSFERS)
def test_a_ramp_is_carried_in_its_codes_and_tags_stay(name: str, tmp_path: Path) -> None:
    tags = {"colorspace": 9, "color_range": 1, "color_primaries": 9, "color_trc": TRANSFERS[name]}
    truth = luma()
    result = cleaned(written(tmp_path / "shot.mkv", truth, **tags), tmp_path / "out.mkv")
    made = np.stack([planes(frame)[0] for frame in decoded(result)])
    hole = np.zeros(SIZE, bool)
    hole[BOX] = True
    assert np.array_equal(made[:, ~hole], truth[:, ~hole])
    inside, wanted = made[:, hole].astype(int), truth[:, hole].astype(int)
    third = (BRIGHTEST - DARKEST) / 3
    for part in range(3):  # the dark, the middle and the bright end
        where = (wanted - DARKEST) // third == part
        assert where.any()
        assert np.abs(inside - wanted)[where].mean() < 6  # of 876: one and a half levels of 8 bits
    with opened(result) as container:
        context: Any = container.streams.video[0].codec_context
        assert {tag: getattr(context, tag) for tag in tags} == tags
