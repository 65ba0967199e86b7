"""What is said of words that make no command, and what --help says."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cleanplate import InputError, cli
from cleanplate.commands.examples import EXAMPLES, FIRST
from cleanplate.commands.help import groups_of
from cleanplate.commands.inpaint import Inpaint
from cleanplate.commands.mask import Mask
from cleanplate.commands.options import METHOD_GROUPS, options, options_of, to_words
from cleanplate.commands.words import checked_words

IO = "inpaint a.mp4 m.png"
OUT = f"{IO} -o o.mp4"
SEE = "see cleanplate {} --help"
USAGE = "write cleanplate inpaint VIDEO MASK [METHOD] -o PATH"
COMMANDS = "known are inpaint, demo, mask, evaluate, compose, reproduce, train, batch, studio"
BAD: dict[str, tuple[str, ...]] = {
    "inpaint": (
        "VIDEO and -o PATH are missing",
        USAGE,
        SEE.format("inpaint"),
    ),
    "inpaint a.mp4": (
        "-o PATH is missing",
        USAGE,
        SEE.format("inpaint"),
    ),
    IO: (
        "-o PATH is missing",
        USAGE,
        SEE.format("inpaint"),
    ),
    f"{IO} o.mp4": (
        "-o PATH is missing",
        USAGE,
        "if o.mp4 is the output, write -o o.mp4",
        SEE.format("inpaint"),
    ),
    f"{IO} -o": (
        "-o is given no value",
        "PATH is needed",
        SEE.format("inpaint"),
    ),
    f"{IO} -o ''": (
        "-o is given no name",
        "the name of a file or folder is needed",
        SEE.format("inpaint"),
    ),
    f"{OUT} --seed x": (
        "--seed is 'x'",
        "a whole number is needed",
        SEE.format("inpaint"),
    ),
    f"{OUT} --seed 1.5": (
        "--seed is '1.5'",
        "a whole number is needed",
        SEE.format("inpaint"),
    ),
    f"{OUT} --seed=": (
        "--seed is ''",
        "a whole number is needed",
        SEE.format("inpaint"),
    ),
    f"{OUT} --quality good": (
        "--quality is 'good'",
        "a number is needed",
        SEE.format("inpaint"),
    ),
    f"{OUT} --region 1,2,3": (
        "--region is given 3 values (1 2 3)",
        "X Y WIDTH HEIGHT are needed",
        SEE.format("inpaint"),
    ),
    f"{OUT} --size 640x480": (
        "--size is given 1 value (640x480)",
        "HEIGHT WIDTH are needed",
        SEE.format("inpaint"),
    ),
    f"{OUT} --codec mpeg2": (
        "--codec is 'mpeg2'",
        "auto, h264, h265, prores, ffv1, vp9 or av1 is needed",
        SEE.format("inpaint"),
    ),
    f"{OUT} --maxseconds 10": (
        "there is no option --maxseconds",
        "cleanplate inpaint --help lists them",
        "did you mean --max-seconds?",
    ),
    f"{OUT} --lossless yes": (
        "--lossless is given 'yes'",
        "it is a switch and takes nothing",
        "write --lossless, or --no-lossless",
    ),
    f"{OUT} --resume=": (
        "--resume is given ''",
        "it is a switch and takes nothing",
        "write --resume, or --no-resume",
    ),
    f"{OUT} -v": (
        "there is no option -v",
        USAGE,
        SEE.format("inpaint"),
    ),
    f"{OUT} --start": (
        "--start is given no value",
        "MOMENT is needed",
        SEE.format("inpaint"),
    ),
    f"{OUT} --dilate-px": (
        "--dilate-px is given no value",
        "a whole number is needed",
        SEE.format("inpaint"),
    ),
    f"{IO} carry dip -o o.mp4": (
        "'dip' is a word too many",
        USAGE,
        "if dip is the output, write -o dip",
        SEE.format("inpaint"),
    ),
    f"{OUT} --method dip": (
        "there is no option --method: METHOD has its place and no name",
        USAGE,
        SEE.format("inpaint"),
    ),
    "inpaint --video a.mp4 --mask m.png -o o.mp4": (
        "there is no option --video: VIDEO has its place and no name",
        USAGE,
        SEE.format("inpaint"),
    ),
    f"{OUT} --network.channels 8 x": (
        "--network.channels is 'x'",
        "a whole number is needed",
        SEE.format("inpaint"),
    ),
    f"{OUT} --schedule.batches-per-pass all": (
        "--schedule.batches-per-pass is 'all'",
        "a whole number is needed",
        SEE.format("inpaint"),
    ),
    "mask a.mp4 m.png": (
        "'m.png' is a word too many",
        "write cleanplate mask VIDEO -o PATH",
        "if m.png is the output, write -o m.png",
        SEE.format("mask"),
    ),
    "mask -o m.mkv --box 1 2 3 4": (
        "VIDEO is missing",
        "write cleanplate mask VIDEO -o PATH",
        SEE.format("mask"),
    ),
    "mask a.mp4 -o m.mkv --box 1 2 3 four": (
        "--box is 'four'",
        "a whole number is needed",
        SEE.format("mask"),
    ),
    "mask a.mp4 -o m.mkv --find logos": (
        "--find is 'logos'",
        "overlays is needed",
        SEE.format("mask"),
    ),
    "mask a.mp4 -o m.mkv --tracker sam3": (
        "--tracker is 'sam3'",
        "flow, sam2 or efficienttam is needed",
        SEE.format("mask"),
    ),
    "demo --size 1 2": (
        "there is no option --size",
        "write cleanplate demo",
        SEE.format("demo"),
    ),
    "demo there": (
        "'there' is a word too many",
        "write cleanplate demo",
        "if there is the output, write -o there",
        SEE.format("demo"),
    ),
    "evaluate a.mp4": (
        "TRUTH and MASK are missing",
        "write cleanplate evaluate RESULT TRUTH MASK",
        SEE.format("evaluate"),
    ),
    "evaluate a b c --json yes": (
        "--json is given 'yes'",
        "it is a switch and takes nothing",
        "write --json, or --no-json",
    ),
    "compose": (
        "BACKGROUND is missing",
        "write cleanplate compose BACKGROUND [OBJECT] [OBJECT_MASK]",
        SEE.format("compose"),
    ),
    "compose a b c --size big small": (
        "--size is 'big'",
        "a whole number is needed",
        SEE.format("compose"),
    ),
    "compose a b c --rough-mask bad": (
        "--rough-mask is 'bad'",
        "shrunk, shifted, limb or any is needed",
        SEE.format("compose"),
    ),
    "reproduce table3 --scale tiny --data x": (
        "WHAT is 'table3'",
        "table1, table2, fig4, fig5, fig6, fig7, fig8, fig9 or fig10 is needed",
        SEE.format("reproduce"),
    ),
    "reproduce table1 --data x": (
        "--scale tiny|small|medium|paper is missing",
        "write cleanplate reproduce WHAT --scale tiny|small|medium|paper --data DIR",
        SEE.format("reproduce"),
    ),
    "batch x.csv": (
        "-o PATH is missing",
        "write cleanplate batch JOBS -o PATH",
        SEE.format("batch"),
    ),
    "batch x.csv -o d --workers x": (
        "--workers is 'x'",
        "a whole number is needed",
        SEE.format("batch"),
    ),
    "studio --port abc": (
        "--port is 'abc'",
        "a whole number is needed",
        SEE.format("studio"),
    ),
    "studio --keep-minutes soon": (
        "--keep-minutes is 'soon'",
        "a number is needed",
        SEE.format("studio"),
    ),
    "inpant a.mp4": (
        "there is no command inpant",
        COMMANDS,
        "did you mean inpaint?",
    ),
    "a.mp4 m.png -o o.mp4": (
        "no command stands before a.mp4",
        COMMANDS,
        "write cleanplate inpaint a.mp4 m.png -o o.mp4",
    ),
    "--verson": (
        "there is no option --verson",
        COMMANDS,
        "did you mean --version?",
    ),
}
"""What is said of each: its parts, which stand in one line."""
OF_PYTHON = re.compile(r"pars|literal|Type|<class|tuple|argument|Traceback|Expected|codec can't|base 10|None")


@pytest.mark.parametrize("words", BAD)
def test_what_is_wrong_is_said_in_a_line_of_plain_words(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(shlex.split(words)) == 2
    said = capsys.readouterr().err
    assert said == f"cleanplate: {'; '.join(BAD[words])}\n"
    assert not OF_PYTHON.search(said)


@pytest.mark.parametrize("name", cli.NAMED)
def test_no_option_lets_a_wrong_value_through_to_the_parser(name: str) -> None:
    """No value, and one that is no number and none of its choices."""
    options, prog = options_of(cli.NAMED[name]), f"cleanplate {name}"
    places = ["place" for option in options.values() if option.is_positional and option.type in (Path, Path | None)]
    for option in options.values():
        for words in ([f"--{option.name}"], [f"--{option.name}", "maybe"], [f"--{option.name}=maybe"]):
            if option.is_positional:
                continue
            said = None
            try:
                checked_words(cli.NAMED[name], [*places, *words], prog, missing=())
            except InputError as error:
                said = str(error)
            takes_any = set(option.values.kinds) <= {str, Path}
            assert said or takes_any or (option.values.any_number and len(words) == 1 and "=" not in words[0])
            assert said is None or not OF_PYTHON.search(said)


# What is understood


def test_words_may_stand_in_any_order() -> None:
    for words in (
        "a.mp4 m.png -o o.mkv --size 48 96",
        "--size 48 96 a.mp4 m.png -o o.mkv",
        "-o o.mkv a.mp4 --size 48 96 m.png",
        "--size=48 96 -o=o.mkv -- a.mp4 m.png",
    ):
        read = cli.parse(["inpaint", *words.split()])
        assert isinstance(read, Inpaint)
        assert (str(read.video), str(read.mask), str(read.output), read.size) == ("a.mp4", "m.png", "o.mkv", (48, 96))
    read = cli.parse(["mask", "--box", "1", "2", "3", "4", "a.mp4", "-o", "m.mkv"])
    assert isinstance(read, Mask)
    assert (str(read.video), read.marked.box) == ("a.mp4", (1, 2, 3, 4))


def test_values_that_begin_with_a_dash_are_values() -> None:
    read = cli.parse([*f"{IO} --output=-o.mkv --region -5 0 10 10".split(), "--carry.no_grain"])
    assert (str(read.output), read.region, read.settings.carry.grain) == ("-o.mkv", (-5, 0, 10, 10), False)


def test_every_value_of_every_option_is_read_as_it_was_given() -> None:
    """All options of `inpaint` but the switches, each with a value that is not its default."""
    other = {int: 7, float: 0.75}
    for option in options().values():
        values = option.values
        if option.is_positional or not values.kinds or option.name in ("settings-file", "baseline"):
            continue
        for kind in values.kinds[:1]:
            if kind not in other:
                continue
            given = tuple(other[kind] for _ in values.kinds) if len(values.kinds) > 1 else other[kind]
            words = to_words({option.name: (given,) if values.any_number else given})
            checked = checked_words(Inpaint, ["a", "b", "-o", "c", *words], "cleanplate inpaint")
            assert [f"--{option.name}", str(other[kind])] == checked[2:4]


# Help


def test_help_shows_what_is_used_first_and_all_of_it_on_demand(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["inpaint", "--help"]) == 0
    said = capsys.readouterr().out
    assert len(re.findall(r"^  (?:-\w, )?--", said, re.MULTILINE)) == 20
    assert all(f"--{name}" in said for names in FIRST["inpaint"].values() for name in names)
    assert "--carry.rounds" not in said
    assert "--help-all" in said
    for words in (["inpaint", "--help-all"], ["help", "inpaint", "--help-all"]):
        assert cli.run(words) == 0
        said = capsys.readouterr().out
        assert all(f"--{option.name}" in said for option in options().values() if not option.is_positional)
    assert max(map(len, said.splitlines())) < 121


def test_defaults_are_those_of_the_method_that_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    for words, passes in ((["dip-vid"], 20), ([], 1)):
        assert cli.run(["inpaint", "a.mp4", "m.png", *words, "--help-all"]) == 0
        assert re.search(rf"--schedule.passes N\s+Sweeps [^(]*\(default {passes}\)", capsys.readouterr().out)


@pytest.mark.parametrize("name", cli.NAMED)
def test_help_of_every_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([name, "--help"], [name, "x", "-h"], ["help", name]):
        assert cli.run(words) == 0
        said = capsys.readouterr().out
        assert said.startswith(f"usage: cleanplate {name}")
        assert all(words in said for words, _ in EXAMPLES[name])
    every = {option.name for group in groups_of(cli.NAMED[name], everything=True).values() for option in group}
    assert every == {option.name for option in options_of(cli.NAMED[name]).values() if not option.is_positional}
    assert all(option.help for option in options_of(cli.NAMED[name]).values() if option.group not in METHOD_GROUPS)


@pytest.mark.parametrize("words", [words for of in EXAMPLES.values() for words, _ in of])
def test_every_example_is_a_command(words: str) -> None:
    cli.parse(shlex.split(words)[1:])


def test_the_first_page_names_all_commands_and_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["-h"], ["--help"], ["help"]):
        assert cli.run(words) == 0
        said = capsys.readouterr().out
        assert "--version" in said
        assert all(re.search(rf"^  {name} +\w", said, re.MULTILINE) for name in cli.NAMED)


def test_help_that_nobody_reads_to_its_end_is_no_mistake() -> None:
    words = f"{sys.executable} -m cleanplate inpaint --help-all | {sys.executable} -c 'pass'"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {words}"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
