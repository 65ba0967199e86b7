import json
import os
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from cleanplate import Clip, cli, write_video
from cleanplate.data.demo import make_demo
from tests import calls


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Random texture with detail at several scales, lively in brightness and calm in colour, (H, W, 3) in 0..1."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for sigma in (1.5, 3, 8, 16):
        noise = cv2.GaussianBlur(rng.standard_normal((height, width, 4)).astype(np.float32), (0, 0), sigma)
        noise /= noise.std()
        total += noise[..., :1] + 0.3 * noise[..., 1:]
    return np.clip(0.5 + total / 14, 0, 1)


def panning(
    n_frames: int = 8, size: tuple[int, int] = (64, 96), step: tuple[int, int] = (3, 1), seed: int = 0
) -> Tensor:
    """A texture that moves by whole pixels `step` = (dx, dy) a frame, 8-bit values, (T, 3, H, W)."""
    height, width = size
    dx, dy = step
    wall = texture(height + n_frames * abs(dy), width + n_frames * abs(dx), seed)
    views = [wall[i * dy : i * dy + height, i * dx : i * dx + width] for i in range(n_frames)]
    return (torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2).contiguous() * 255).round() / 255


def walking_hole(n_frames: int = 8, size: tuple[int, int] = (64, 96), side: int = 16, step: int = 5) -> Tensor:
    """A square that crosses the picture to the right, (T, 1, H, W)."""
    hole = torch.zeros(n_frames, 1, *size, dtype=torch.bool)
    top = (size[0] - side) // 2
    for i in range(n_frames):
        left = 20 + step * i
        hole[i, 0, top : top + side, left : left + side] = True
    return hole


@pytest.fixture(autouse=True)
def types_are_checked_anew() -> None:
    """In every test the first calls of each function are."""
    calls.clear()


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is downloaded while testing."""

    def offline(*_: object, **__: object) -> None:
        raise OSError("no connection")

    monkeypatch.setattr(urllib.request, "urlopen", offline)


@pytest.fixture
def moving_clip() -> Clip:
    """A panning texture with a hole that walks the other way; everything hidden is seen in some frame."""
    return Clip(panning(), walking_hole(), 24.0)


@pytest.fixture
def data() -> Path:
    """The folder of real shots, or a skip that says what is missing."""
    folder = os.environ.get("CLEANPLATE_DATA")
    if not folder:
        pytest.skip("real shots are read from $CLEANPLATE_DATA, which is not set")
    return Path(folder)


@pytest.fixture
def weights() -> Path:
    """The folder of pretrained files, or a skip that says what is missing."""
    folder = os.environ.get("CLEANPLATE_WEIGHTS")
    if not folder:
        pytest.skip("pretrained files are read from $CLEANPLATE_WEIGHTS, which is not set")
    return Path(folder)


@pytest.fixture
def write_pngs(tmp_path: Path) -> Callable[..., Path]:
    """Write (T, H, W[, 3]) RGB bytes as a folder of PNGs."""

    def write(pictures: np.ndarray, name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for index, picture in enumerate(pictures):
            cv2.imwrite(str(folder / f"{index}.png"), picture[..., ::-1] if picture.ndim == 3 else picture)
        return folder

    return write


def refused(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command ends with exit 2 and one line that has `said` in it."""
    assert cli.run(words.split()) == 2
    errors = capsys.readouterr().err
    assert said in errors
    assert errors.count("\n") == 1


def to_bytes(frames: Tensor) -> np.ndarray:
    """(T, C, H, W) in 0..1 to (T, H, W, C) uint8."""
    return (frames * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in the layout of DAVIS, made here: two shots with a ball, the same without, and two pairs."""
    data = tmp_path_factory.mktemp("shots")
    for name, seed in (("a", 0), ("b", 1)):
        demo = make_demo(seed, n_frames=8, size=(64, 96))
        for folder, frames in (("frames", demo.frames), ("masks", demo.mask.float().expand(-1, 3, -1, -1))):
            (data / "davis" / folder).mkdir(parents=True, exist_ok=True)
            write_video(data / "davis" / folder / f"ball-{name}", frames)
        write_video(data / "davis/frames" / f"empty-{name}", demo.truth)
    pairs = [
        {
            "name": f"empty-{ground}+ball-{thing}",
            "background": {"source": f"davis/frames/empty-{ground}", "start": 0, "count": 8, "window": [8, 0, 48, 96]},
            "object": f"ball-{thing}",
        }
        for ground, thing in (("a", "b"), ("b", "a"))
    ]
    (data / "composed.json").write_text(json.dumps({"pairs": pairs}))
    return data


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where several processes test, one takes all tests of a file, or of the page: what they share is made once."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "studio" if nodeid.startswith("tests/studio/") else super()._split_scope(nodeid)

    return Scheduling(config, log)
