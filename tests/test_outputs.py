"""An output takes the place of nothing but what an earlier run has written."""

import shutil
from pathlib import Path

import pytest

from cleanplate import InputError, cli, write_video
from cleanplate.runtime.files import MADE, MOVING, REPLACED, partial_folder, whole
from cleanplate.video.outputs import check_apart, check_place
from tests.conftest import panning, refused, walking_hole


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """shot.mp4 and mask.mkv in a folder of their own, with notes."""
    folder = tmp_path_factory.mktemp("made") / "project"
    folder.mkdir()
    write_video(folder / "shot.mp4", panning(4))
    write_video(folder / "mask.mkv", walking_hole(4).float().expand(-1, 3, -1, -1))
    (folder / "notes.txt").write_text("not to be lost")
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it in the current folder."""
    shutil.copytree(made, tmp_path / "project")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


INPAINT = "inpaint project/shot.mp4 project/mask.mkv carry --effects off --carry.rounds 1"
LEARN = "inpaint project/shot.mp4 project/mask.mkv dip --loss.perceptual 0 --max-steps 1"
REFUSED = {
    f"{INPAINT} -o project --overwrite": "project is also the input",
    "mask project/shot.mp4 --fixed --box 9 9 20 20 -o project --overwrite": "project is also the input",
    f"{INPAINT} -o mine": "mine is a folder and holds thesis.txt; only what a run has written is replaced",
    f"{INPAINT} -o mine --overwrite": "mine is a folder and holds thesis.txt",
    f"{INPAINT} -o around --overwrite": "around is a folder and holds 00000.png",
    f"{INPAINT} -o photos --overwrite": "photos is a folder and holds holiday.png",
    f"{INPAINT} -o taken.mp4 --overwrite": "taken.mp4 is a folder; it is to be a file",
    "demo -o mine --overwrite": "mine is a folder and holds thesis.txt",
    "demo -o . --overwrite": ". is the folder you are in, or one around it",
    f"{INPAINT} -o . --overwrite": ". is the folder you are in, or one around it",
    f"{INPAINT} -o .. --overwrite": ".. is the folder you are in, or one around it",
    f"{INPAINT} -o project/.. --overwrite": "project/.. is the folder you are in, or one around it",
    f"{INPAINT} -o out --provenance out/from.mkv": "--provenance is out/from.mkv, and --output is out; each output has",
    f"{INPAINT} -o o.####.png --provenance o.%04d.png": "--output is o.####.png, and --provenance is o.%04d.png",
    f"{INPAINT} -o out --pictures out": "--pictures is out, and --output is out; each output has a place of its own",
    f"{INPAINT} -o out --log-dir out/log": "--log-dir is out/log, and --output is out",
    f"{LEARN} -o out.mkv --log-dir log": "log/steps.jsonl is already there; nothing is replaced unasked",
    f"{LEARN} -o out.mkv --log-dir log --resume": "log/steps.jsonl is already there; nothing is replaced unasked",
    "inpaint project/shot.mp4 project/areas.toml -o roto --overwrite": "roto is also the input",
    "inpaint - project/areas.toml -o roto --overwrite": "roto is also the input",
    "mask project/shot.mp4 --spans project/areas.toml -o roto --overwrite": "roto is also the input",
    "mask project/shot.mp4 --paint 0:roto/00000.png -o roto --overwrite": "roto is also the input",
    "inpaint - project/mask.mkv dip -o out --pictures out": "--pictures is out, and --output is out",
    f"{INPAINT} -o out --codec h264": "a codec or a quality is given, and out is images; they are of videos",
    f"{INPAINT} -o out.####.png --quality 30": "a codec or a quality is given, and out.####.png is images",
    "mask project/shot.mp4 --box 9 9 20 20 -o m.####.png --matte m.##.png": "--output is m.####.png, and --matte is m",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_no_run_has_written_is_not_replaced(words: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("mine/thesis.txt", "around/00000.png/inner.png", "photos/holiday.png", "log/steps.jsonl"):
        (here / name).parent.mkdir(parents=True)
        (here / name).write_text("not to be lost")
    (here / "taken.mp4").mkdir()
    write_video(here / "roto", panning(4))
    (here / "project/areas.toml").write_text('[[mask]]\npath = "../roto"\n')
    before = content(here)
    refused(words, REFUSED[words], capsys)
    assert content(here) == before
    assert not list(here.glob(".*"))


def test_what_a_run_has_written_is_replaced(here: Path) -> None:
    write_video(here / "out", panning(9))
    (here / "out/.DS_Store").touch()
    (here / "run").mkdir()
    (here / "run/steps.jsonl").write_text("of another run")
    assert cli.run(f"{INPAINT} -o out --overwrite --log-dir run --pictures run".split()) == 0
    assert (here / "run/steps.jsonl").read_text() == "of another run", "this one has learned nothing"
    assert sorted(path.name for path in (here / "out").iterdir()) == [f"{index:05}.png" for index in range(4)]


def test_folders_that_are_not_replaced_may_hold_outputs() -> None:
    check_apart({"--output": Path("run/out.mkv")}, {"--log-dir": Path("run"), "--pictures": Path("run")})
    with pytest.raises(InputError, match="in none of the others"):
        check_apart({"--output": Path("run")}, {"--log-dir": Path("x/../run/log")})


def test_a_folder_is_put_back_if_its_exchange_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "old", panning(2))
    before, real = content(tmp_path), Path.rename

    def interrupted(self: Path, target: Path) -> Path:
        if self.parent.name == MADE:
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), whole(tmp_path / "old") as partial:
        partial.mkdir()
    assert content(tmp_path) == before
    assert not list(tmp_path.glob(".*"))


def test_what_a_killed_run_had_in_its_hands_is_in_the_way_too(tmp_path: Path) -> None:
    left = tmp_path / ".out.partial1"
    (left / REPLACED).mkdir(parents=True)
    write_video(left / REPLACED / "out", panning(2))
    (left / MADE / "out").mkdir(parents=True)
    (left / MOVING).write_text('["out"]')
    with pytest.raises(InputError, match="is already there; nothing is replaced unasked"):
        check_place(tmp_path / "out", overwrite=False)
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_a_folder_is_put_back_by_the_next_run_if_one_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "old", panning(2))
    before, real, kept = content(tmp_path), Path.rename, tmp_path / "kept"

    def killed(self: Path, target: Path) -> Path:
        if self.parent.name == MADE:
            shutil.copytree(self.parent.parent, kept)
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "rename", killed)
    with pytest.raises(KeyboardInterrupt), whole(tmp_path / "old") as partial:
        partial.mkdir()
    monkeypatch.undo()
    shutil.rmtree(tmp_path / "old")  # as the kill had left it
    kept.rename(tmp_path / ".old.partial1")
    assert (tmp_path / ".old.partial1" / REPLACED / "old").is_dir()
    with partial_folder(tmp_path / "old"):
        pass
    assert content(tmp_path) == before
