"""Every command of the documentation is run, on files that are made here under the names that it has for them."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest

from cleanplate import cli, write_video
from tests.conftest import panning, walking_hole
from tests.odd_exrs import part
from tests.overlaid import logo, over, pan
from tests.stabilised import stabilised
from tests.test_docs import commands

N_FRAMES, SIZE = 6, (64, 96)

SMALLER = {
    r"\b310 180 96 (?:120|220)\b": "38 22 20 20",
    r"--frame 40\b": "--frame 4",
    r"--reference 40:": "--reference 4:",
    r"--region\s+1200 700 720 380\b": "--region 8 8 64 48",
    r"--start 0\.5s --end 00:00:01:00\b": "--start 0.1s --end 00:00:00:05",
    r"--end 1051\b": "--end 1016",
    r"--frames 60\b": "--frames 4",
}
"""What is of the size and length of a real shot, as it is of ours."""

ELSEWHERE = {
    "demo": "test_cli",
    "batch": "test_batch",
    "studio": "tests/studio",
    "reproduce": "test_experiments",
    "train": "test_wang",
    "compose DAVIS": "test_compose",
    "evaluate": "test_metrics",
    "inpaint -": "test_piped",
    "inpaint in.mp4": "test_piped",
    "inpaint --settings-file": "tests/studio",
    "mask shot.mp4 --box X Y W H --tracker sam2": "test_predictors",
    "inpaint shot.mp4 mask.png dip-vid-flow": "test_fit",
    "inpaint shot.mp4 mask.png wang": "test_wang",
    "inpaint shot.mp4 mask.png yu": "test_rivals",
}
"""What begins so needs minutes, a network, another program or a whole dataset; the tests of it are there."""


def to_run() -> dict[str, str]:
    """The commands that are run here, without what a shell takes for itself: page by words."""
    plain = {" ".join(shlex.split(re.sub(r"(\s#|\s[|]\s).*", "", words))[1:]): page for page, words in commands()}
    return {words: page for words, page in plain.items() if not words.startswith(tuple(ELSEWHERE))}


def walked() -> tuple[np.ndarray, np.ndarray]:
    """A shot with something that walks through it, (T, H, W, 3) bytes, and where it is, 255."""
    frames, hole = panning(N_FRAMES, SIZE), walking_hole(N_FRAMES, SIZE)
    seen = (frames.where(~hole, 0.9) * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    return seen, hole[:, 0].numpy().astype(np.uint8) * 255


def with_logo() -> np.ndarray:
    colour, where = logo()
    return np.stack([over(frame, colour, where * 1.0) for frame in pan("coffee", 24, (3, 0.5))])


def video(path: Path, frames: np.ndarray) -> None:
    """A video, a folder of images or an image, as the name has it."""
    frames = np.repeat(frames[..., None], 3, -1) if frames.ndim == 3 else frames
    if path.suffix == ".png":
        assert cv2.imwrite(str(path), frames[0][..., ::-1])
    else:
        write_video(path, frames.astype(np.float32).transpose(0, 3, 1, 2) / 255, fps=24)


def exrs(folder: Path, channels: Callable[[int], dict[str, np.ndarray]]) -> None:
    folder.mkdir()
    for index in range(N_FRAMES):
        OpenEXR.File([part(channels(index))]).write(str(folder / f"shot.{1010 + index}.exr"))


def pngs(pattern: str, frames: np.ndarray) -> None:
    Path(pattern).parent.mkdir(exist_ok=True)
    for index, frame in enumerate(frames):
        assert cv2.imwrite(pattern.replace("####", str(1010 + index)), frame[..., ::-1] if frame.ndim == 3 else frame)


def make_files(page: str, words: str) -> None:
    """What a command reads, in the current folder."""
    seen, mask = walked()
    if page == "docs/how-to/logo.md":
        seen = with_logo()
        if "-o found.toml" not in words:
            Path("found.toml").write_text("[[span]]\nbox = [200, 10, 60, 30]\nstart = 0\nend = 20\n")
    if "stab" in words:
        made = stabilised(N_FRAMES, SIZE)
        seen, mask = made.frames, made.border.astype(np.uint8) * 255
        mask = 255 - mask if "--invert-mask" in words else mask
        if "overlays" in words:
            seen = with_logo()
    light, hidden = seen.astype(np.float32) / 128, (mask / 255).astype(np.float32)

    def rgb(index: int, prefix: str = "") -> dict[str, np.ndarray]:
        return {f"{prefix}{name}": np.ascontiguousarray(light[index, ..., at]) for at, name in enumerate("RGB")}

    made_of = {
        "plate": lambda: exrs(Path("plate"), rgb),
        "matte": lambda: exrs(Path("matte"), lambda index: {"Y": hidden[index]}),
        "plates/": lambda: exrs(
            Path("plates"), lambda index: rgb(index) | rgb(index, "beauty.") | {"A": hidden[index]}
        ),
        "roto/": lambda: exrs(Path("roto"), lambda index: {"roto.car": hidden[index], "other": 0 * hidden[index]}),
        "mask/": lambda: pngs("mask/####.png", mask),
        "plates/shot.####.png": lambda: pngs("plates/shot.####.png", seen),
        "roto/roto.####.png": lambda: pngs("roto/roto.####.png", mask),
    }
    argv = shlex.split(words)
    outputs = ("-o", "--provenance", "--effects-mask", "--matte")
    written = {argv[index + 1] for index, word in enumerate(argv) if word in outputs}
    for word in argv[1:]:
        name = word.partition(":")[2] if re.match(r"\d+:", word) else word
        if name in made_of:
            made_of[name]()
        elif (re.search(r"\.(mp4|mov|mkv|png)$", name) or name == "camel") and word not in written:
            is_mask = re.search("mask|wire|passer|border|alpha|first|rider|camel-", name)
            video(Path(name), mask if is_mask else seen)


@pytest.mark.parametrize(("words", "page"), sorted(to_run().items()))
def test_every_command_in_the_pages_is_run(
    words: str, page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for long, short in SMALLER.items():
        words = re.sub(long, short, words)
    make_files(page, words)
    argv = shlex.split(words)
    output = Path(argv[argv.index("-o") + 1])
    output.parent.mkdir(exist_ok=True)
    assert cli.run(argv) == 0
    assert list(output.parent.glob(output.name.replace("####", "*")))


def test_what_is_run_elsewhere_is_still_in_the_pages() -> None:
    every = [shlex.split(words, comments=True)[1:] for _, words in commands()]
    for words in ELSEWHERE:
        assert any(" ".join(argv).startswith(words) for argv in every), words


def test_what_the_readme_begins_with_is_run_here() -> None:
    readme = {shlex.join(shlex.split(words, comments=True)) for page, words in commands() if page == "README.md"}
    for words in ("inpaint shot.mp4 mask.png -o clean.mp4", "mask shot.mp4 --paint 0:first.png -o mask.mkv"):
        assert f"cleanplate {words}" in readme
        assert words in to_run()
