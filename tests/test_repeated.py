import pytest

from cleanplate import InputError, cli
from cleanplate.commands.repeated import joined_words, without_options


def test_what_takes_several_values_has_all_of_them() -> None:
    boxes = ("--box 1 2 3 4", "--box 5 6 7 8")
    words = f"in.mp4 --frame 32 {boxes[0]} -o out.mkv --frame=44 {boxes[1]} --fixed".split()
    joined = f"in.mp4 --frame 32 44 {boxes[0]} 5 6 7 8 -o out.mkv --fixed".split()
    assert joined_words(words, "mask") == joined
    assert joined_words(joined, "mask") == joined


def test_numbers_below_zero_and_words_before_options_stay_where_they_are() -> None:
    words = ["a.mp4", "--polygon", "1", "-2", "--", "b"]
    assert joined_words(words, "mask") == words


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("--seed 1 --seed=2", "--seed"),
        ("-o a.mkv --output b.mkv", "--output"),
        ("--polygon 1 2 --polygon 3", "--polygon"),
    ],
)
def test_of_what_takes_one_value_only_one_is_meant(words: str, name: str) -> None:
    with pytest.raises(InputError, match=f"{name} is given twice"):
        joined_words(words.split(), "mask")


def test_what_stands_behind_an_equals_sign_is_a_value_whatever_it_looks_like() -> None:
    words = ["in.csv", "-o", "out", "--options=--provenance=x --seed 1", "--jobs=2"]
    assert joined_words(words, "batch") == words


def test_the_same_again_is_meant_once() -> None:
    words = ["in.mp4", "--seed", "1", "--overwrite", "--seed=1", "--overwrite", "-o", "a.mkv"]
    assert joined_words(words, "mask") == ["in.mp4", "--seed", "1", "--overwrite", "-o", "a.mkv"]


def test_the_command_line_joins_them() -> None:
    marks = "--frame 3 --box 1 2 3 4 --frame 5 --box 5 6 7 8"
    command = cli.parse(f"mask a.mp4 -o m.mkv {marks}".split())
    assert (command.marked.frame, command.marked.box) == ((3, 5), (1, 2, 3, 4, 5, 6, 7, 8))
    more = cli.parse(["inpaint", "a.mp4", "m.png", "-o", "b.mp4", "--extra-mask", "c.png", "--extra-mask", "d.png"])
    assert [path.name for path in more.extra_mask] == ["c.png", "d.png"]
    with pytest.raises(InputError, match="--seed is given twice"):
        cli.parse(["inpaint", "a.mp4", "m.png", "-o", "b.mp4", "--seed", "1", "--seed", "2"])


def test_commas_between_numbers_are_spaces() -> None:
    assert joined_words(["a,b.mp4", "--box", "320,85,130,45"], "mask") == ["a,b.mp4", "--box", "320", "85", "130", "45"]
    assert joined_words(["--polygon=1,-2,", "3.5,4"], "mask") == ["--polygon", "1", "-2", "3.5", "4"]
    assert joined_words(["--region", "1,2,3,4", "a,b.mp4"], "inpaint") == ["--region", "1", "2", "3", "4", "a,b.mp4"]
    assert joined_words(["--paint", "0:a,b.png"], "mask") == ["--paint", "0:a,b.png"]


def test_what_others_say_is_left_out() -> None:
    words = ["carry", "--seed", "1", "--effects=off", "--size", "4", "8", "--overwrite"]
    assert without_options(words, ["--effects", "all", "--seed=3"]) == ["carry", "--size", "4", "8", "--overwrite"]
    assert without_options(words, []) == words
