"""The scripts for Nuke and Resolve, as far as they need neither: the command, its errors, the names."""

import ast
import importlib.util
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cleanplate import cli
from cleanplate.commands.parse import parse_inpaint
from tests.conftest import panning, to_bytes, walking_hole

FOLDER = Path(__file__).parents[1] / "integrations"
SCRIPTS = ("nuke/cleanplate_nuke.py", "resolve/cleanplate_resolve.py")


@pytest.fixture(params=SCRIPTS)
def script(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("CLEANPLATE", f"{sys.executable} -m cleanplate")
    path = FOLDER / request.param
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_command_is_one_that_cleanplate_takes(script: Any, tmp_path: Path) -> None:
    words = script.command(tmp_path, "telea", "--dilate-px", "2")
    assert words[:4] == [sys.executable, "-m", "cleanplate", "inpaint"]
    read = parse_inpaint(words[4:])
    assert (read.video, read.mask, read.output) == tuple(tmp_path / name for name in ("plate", "mask", "clean"))
    assert (read.method, read.dilate_px, read.overwrite) == ("telea", 2, True)


def rendered(folder: Path, suffix: str = "png") -> None:
    """What a host would render, with its own numbers."""
    for name, pictures in (("plate", to_bytes(panning(4))), ("mask", walking_hole(4)[:, 0].numpy() * np.uint8(255))):
        (folder / name).mkdir()
        for number, picture in enumerate(pictures, 1001):
            cv2.imwrite(str(folder / name / f"{name}.{number}.{suffix}"), picture)


def names(script: Any, folder: Path) -> tuple[str, int, int]:
    if hasattr(script, "sequence"):
        return script.sequence(folder)
    info = script.clip_info(folder)
    return info["FilePath"], info["StartIndex"], info["EndIndex"]


def test_what_was_rendered_is_cleaned_and_found_again(script: Any, tmp_path: Path) -> None:
    rendered(tmp_path)
    pattern, first, last = names(script, tmp_path / "plate")
    assert (Path(pattern).name, first, last) == ("plate.%04d.png", 1001, 1004)
    assert cli.run(script.command(tmp_path, "telea")[3:]) == 0
    pattern, first, last = names(script, tmp_path / "clean")
    assert last - first == 3
    assert all(Path(pattern % number).is_file() for number in range(first, last + 1))


def test_what_cannot_be_done_is_said(script: Any, tmp_path: Path) -> None:
    assert script.run([sys.executable, "-c", "print('4 frames')"]) == "4 frames"
    with pytest.raises(RuntimeError, match=r"^cleanplate: there is no file$"):
        script.run([sys.executable, "-c", "import sys; sys.exit('cleanplate: there is no file')"])
    with pytest.raises(RuntimeError, match="there are no numbered images in"):
        names(script, tmp_path)


@pytest.mark.parametrize("path", SCRIPTS)
def test_the_hosts_own_python_can_read_it(path: str) -> None:
    """Nuke 13 and Resolve 18 have Python 3.7; what annotations say is not looked at."""
    text = (FOLDER / path).read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 7))
    assert "from __future__ import annotations" in text
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert imported <= {"os", "re", "shlex", "shutil", "subprocess", "tempfile", "time"}
