"""What is published: a wheel and a source archive, with all that is needed and nothing else, that can be installed."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from cleanplate.version import __version__

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def sources() -> set[str]:
    """The files of the package, as they are in a wheel."""
    files = {path.relative_to(ROOT / "src") for path in (ROOT / "src").rglob("*") if path.is_file()}
    return {path.as_posix() for path in files if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The archives by their suffix; the wheel is built from what the other one holds."""
    folder = tmp_path_factory.mktemp("dist")
    words = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(words, check=True, capture_output=True)
    return {path.suffix: path for path in folder.iterdir()}


def test_both_are_in_order(built: dict[str, Path]) -> None:
    names = {path.name for path in built.values()}
    assert names == {f"cleanplate-{__version__}-py3-none-any.whl", f"cleanplate-{__version__}.tar.gz"}
    words = [sys.executable, "-m", "twine", "check", "--strict", *map(str, built.values())]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_wheel_has_the_package_with_its_assets_and_nothing_else(built: dict[str, Path]) -> None:
    with zipfile.ZipFile(built[".whl"]) as wheel:
        names = set(wheel.namelist())
        info = f"cleanplate-{__version__}.dist-info/"
        said = message_from_bytes(wheel.read(f"{info}METADATA"))
    assert {name for name in names if not name.startswith(info)} == sources()
    assets = {name for name in names if name.endswith((".js", ".css"))}
    assert len(assets) == len(list((ROOT / "src").rglob("*.js"))) + len(list((ROOT / "src").rglob("*.css"))) > 2
    assert f"{info}licenses/LICENSE" in names
    assert said["Requires-Python"] == PROJECT["requires-python"]
    needed = [word.split(";")[0] for word in said.get_all("Requires-Dist", []) if "extra ==" not in word]
    assert sorted(needed) == sorted(PROJECT["dependencies"])
    assert not any("torch" in word for word in needed)


def test_the_source_archive_can_be_built_and_read_without_a_clone(built: dict[str, Path]) -> None:
    with tarfile.open(built[".gz"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"src/{name}" for name in sources()} <= names
    told = {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "CITATION.cff", "LICENSE", "pyproject.toml"}
    assert told <= names
    assert {"tests/test_package.py", "docs/log.md"} <= names
    tops = {name.partition("/")[0] for name in names if "/" in name}
    assert tops == {"src", "tests", "docs", "benchmarks", "integrations"}
    assert not [name for name in names if "__pycache__" in name or name.startswith(".venv")]


def test_the_version_is_one_everywhere() -> None:
    assert PROJECT["version"] == __version__
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## {__version__}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_only_what_is_tested_is_declared() -> None:
    declared = {line.rpartition(" ")[2] for line in PROJECT["classifiers"] if "Python :: 3." in line}
    assert declared == {"3.11"}
    assert PROJECT["requires-python"] == ">=3.11"


@pytest.fixture(scope="module")
def installed(built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel in it; other packages are those of this one."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, symlinks=os.name != "nt")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    words = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*words, "--no-compile", str(built[".whl"])], check=True)
    site = next(folder.rglob("site-packages"))
    # Its own packages come first; a path that is named here is not searched for packages that are edited in place.
    (site / "others.pth").write_text(sysconfig.get_paths()["purelib"])
    return python


def said(words: list[str], folder: Path) -> str:
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run(words, cwd=folder, env=clean, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_an_installed_wheel_runs_from_any_folder(installed: Path, tmp_path: Path) -> None:
    where = said([str(installed), "-c", "import cleanplate; print(cleanplate.__file__)"], tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent.parent)
    command = str(installed.with_name("cleanplate" + installed.suffix))
    assert said([command, "--version"], tmp_path) == f"cleanplate {__version__}\n"
    assert said([command, "inpaint", "--help"], tmp_path).startswith("usage: cleanplate inpaint VIDEO MASK")


SMALL = """
from functools import partial
from cleanplate.data import demo
demo.make_demo = partial(demo.make_demo, size=(64, 128), n_frames=12)
from cleanplate.cli import main
main(["demo", "-o", "there"])
"""


@pytest.mark.slow  # what reads many frames is compiled anew in every place it is installed to
def test_an_installed_wheel_makes_the_demo(installed: Path, tmp_path: Path) -> None:
    assert "written to there" in said([str(installed), "-c", SMALL], tmp_path)
    assert (tmp_path / "there/clean.mp4").stat().st_size
