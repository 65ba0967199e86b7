"""Old words of options: understood, with a warning, wherever options are named."""

import logging
from pathlib import Path

import numpy as np
import pytest

from cleanplate import cli, write_video
from cleanplate.batch.jobs import read_jobs
from cleanplate.commands.inpaint import Inpaint
from cleanplate.commands.options import options
from cleanplate.commands.parse import parse_inpaint
from cleanplate.commands.renamed import RENAMED, current_words
from cleanplate.video.reader import read_masks
from tests.conftest import panning

INPAINT = RENAMED["inpaint"]
VALUES = {"extra-mask": "c.png", "fit.output": "last", "unseen.ensemble-size": "3", "fit.eval-every": "7"}
VALUES |= {"unseen.network-px": "2000", "unseen.networks": "2"}
VALUES |= {"unseen.thin-px": "3"}


def value_of(command: Inpaint, name: str) -> object:
    return getattr(command, name.replace("-", "_")) if "." not in name else options()[name].value(command.settings)


@pytest.mark.parametrize("old", INPAINT)
def test_an_old_word_of_inpaint_is_the_new_one(old: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    new = INPAINT[old]
    assert new in options()
    assert old not in options()
    assert not options()[new].takes(bool)  # or its --no- would have to be known too
    words, value = ["a.mp4", "b.mkv", "-o", "c.mkv"], VALUES.get(new, "0.25")
    wanted = value_of(parse_inpaint([*words, f"--{new}", value]), new)
    assert wanted != value_of(parse_inpaint(words), new)
    assert not caplog.records
    (tmp_path / "set.toml").write_text(f"{old} = {value if value[0].isdigit() else repr(value)}\n")
    for said in (
        [f"--{old}", value],
        [f"--{old.replace('-', '_')}={value}"],
        ["--settings-file", f"{tmp_path}/set.toml"],
    ):
        caplog.clear()
        assert value_of(parse_inpaint([*words, *said]), new) == wanted
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert caplog.messages[0].replace("_", "-") == f"--{old} is now --{new}"


@pytest.mark.parametrize("old", INPAINT)
def test_an_old_word_heads_a_column_and_stands_among_the_options_of_a_batch(
    old: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    value = VALUES.get(INPAINT[old], "0.25")
    (tmp_path / "old.csv").write_text(f"video,mask,out,{old}\na.mp4,b.mkv,c,{value}\n")
    (tmp_path / "new.csv").write_text(f"video,mask,out,{INPAINT[old]}\na.mp4,b.mkv,c,{value}\n")
    (wanted,) = read_jobs(tmp_path / "new.csv", tmp_path / "out")
    assert not caplog.records
    (job,) = read_jobs(tmp_path / "old.csv", tmp_path / "out")
    assert job.words == wanted.words
    assert caplog.messages == [f"--{old} is now --{INPAINT[old]}"]
    caplog.clear()
    (tmp_path / "bare.csv").write_text("video,mask,out\na.mp4,b.mkv,c\n")
    (job,) = read_jobs(tmp_path / "bare.csv", tmp_path / "out", f"--{old} {value}")
    assert f"--{INPAINT[old]}" in job.words
    assert caplog.messages == [f"--{old} is now --{INPAINT[old]}"]


def test_old_words_of_the_other_commands(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["reproduce", "table1", "--scale", "tiny", "--data", "none", "--out", "x"]
    assert cli.parse(words) == cli.parse([*words[:-2], "--output", "x"])
    words = ["batch", "jobs.csv", "-o", "out", "--each", "carry --dilate-px 8"]
    assert cli.parse(words) == cli.parse([*words[:-2], "--options", words[-1]])
    assert cli.run([*words[:2], *words[4:]]) == 2
    assert capsys.readouterr().err.startswith("cleanplate: WARNING: --each is now --options\n")


def test_other_words_are_left_alone() -> None:
    words = ["also", "--", "-o", "--also-not", "x=--also", "--to=3", "---also"]
    assert current_words(words) == words


def test_from_and_to_mean_what_they_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The frame that is shown then, and the last one is masked too; --start and --end are those of inpaint."""
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "shot.mp4", panning(12), fps=25)

    def masked(words: str) -> tuple[list[int], str]:
        assert cli.run(f"mask shot.mp4 --fixed --box 20 8 9 9 -o mask.mkv --overwrite {words}".split()) == 0
        levels = read_masks("mask.mkv")
        return np.flatnonzero(levels.any(axis=(1, 2))).tolist(), capsys.readouterr().err

    warnings = "cleanplate: WARNING: --from is now --start\ncleanplate: WARNING: --to is now --end\n"
    assert masked("--from 3 --to 8") == ([3, 4, 5, 6, 7, 8], warnings)
    assert masked("--start 3 --end 9") == ([3, 4, 5, 6, 7, 8], "")
    assert masked("--from 0.1s --to 0.2s") == ([2, 3, 4, 5], warnings)
    assert masked("--start 0.1s --end 0.2s") == ([3, 4], "")
    assert masked("--start 10 --end 99") == ([10, 11], "")
    command = cli.parse(["inpaint", "shot.mp4", "b", "-o", "c", "--start", "0.1s", "--end", "0.2s"])
    assert isinstance(command, Inpaint)
    assert next(index for index in range(12) if command.span().begins(index, index / 25)) == 3
    words = "mask shot.mp4 --fixed --box 1 1 9 9 -o no.mkv --from 5 --to 2"
    assert cli.run(words.split()) == 2
    assert "no frame is between the start (frame 5) and the end (frame 3)" in capsys.readouterr().err


def test_all_that_was_of_learn_has_its_old_word() -> None:
    newer = {"painter", "painter-kind", "painted-frames", "offsets", "frames-per-key-frame"}
    today = {name.removeprefix("unseen.") for name in options() if name.startswith("unseen.")}
    assert {old.removeprefix("learn.") for old, new in INPAINT.items() if old.replace("learn.", "unseen.") == new} == (
        today - newer
    )
