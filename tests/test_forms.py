"""What the page's controls say, read back without a page."""

import math
import typing
from pathlib import Path
from typing import Any, Literal

import pytest

from cleanplate import InputError
from cleanplate.commands.inpaint import Inpaint
from cleanplate.config import METHODS
from cleanplate.studio import forms


def shown(method: str = "carry-learn", **changed: Any) -> list[Any]:
    """The values of all controls, some of them changed: `carry__margin_px=5`."""
    named = {name.replace("__", ".").replace("_", "-"): value for name, value in changed.items()}
    assert set(named) <= {option.name for option in forms.options()}
    return [named.get(option.name, forms.shown_value(option, METHODS[method])) for option in forms.options()]


def read(method: str = "carry-learn", **changed: Any) -> tuple[Inpaint, dict[str, Any]]:
    return forms.read(method, shown(method, **changed), method)


@pytest.mark.parametrize("method", METHODS)
def test_what_nobody_touches_sets_nothing(method: str) -> None:
    command, settings = read(method)
    assert settings == {"method": method}
    assert (command.method, command.settings) == (method, METHODS[method])


def test_the_controls_of_another_method_set_nothing_of_this_one() -> None:
    command, settings = forms.read("dip", shown("carry-learn", seed=3), "carry-learn")
    assert settings == {"method": "dip", "seed": 3}
    assert command.settings == METHODS["dip"]


def test_each_kind_of_control_is_read_back() -> None:
    command, settings = read(
        seed=7.0,
        carry__reach_px=25.0,
        invert_mask=True,
        schedule__each_frame_alone=True,
        codec="h265",
        quality=" 20 ",
        start="0:01.5",
        size="64, 96",
        network__channels="8 16",
        max_steps="5",
    )
    assert settings == {
        "method": "carry-learn",
        "seed": 7,
        "start": "0:01.5",
        "size": (64, 96),
        "invert-mask": True,
        "max-steps": 5,
        "codec": "h265",
        "quality": 20,
        "carry.reach-px": 25.0,
        "network.channels": (8, 16),
        "schedule.each-frame-alone": True,
    }
    assert (command.seed, command.size, command.invert_mask, command.start) == (7, (64, 96), True, "0:01.5")
    assert (command.encoding.codec, command.encoding.quality, command.max_steps) == ("h265", 20, 5)
    assert (command.settings.carry.reach_px, command.settings.network.channels) == (25.0, (8, 16))
    assert read("dip", schedule__each_frame_alone=False)[0].settings.schedule.each_frame_alone is False
    assert read(network__channels="8")[0].settings.network.channels == (8,)
    assert read(max_steps=None)[1] == {"method": "carry-learn"}  # an empty control


def test_every_option_has_a_control_that_shows_its_value() -> None:
    for method in METHODS.values():
        for option in forms.options():
            assert forms.control(option, method).value == forms.shown_value(option, method)
    grouped = [option for some in forms.grouped().values() for option in some]
    assert {option.name for option in grouped} == {option.name for option in forms.options()}
    assert all(option.help for option in grouped)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"seed": "many"}, "many"),
        ({"seed": 1.5}, "1.5"),
        ({"seed": math.inf}, "inf"),
        ({"seed": [1]}, "seed is [1]; a number or words are needed"),
        ({"size": "64"}, "size"),
        ({"size": "64 96 3"}, "3"),
        ({"size": "wide high"}, "wide"),
        ({"codec": "gif"}, "gif"),
        ({"quality": "99"}, "quality is 99"),
        ({"lossless": "yes"}, "yes"),
        ({"carry__rounds": 0}, "carry.rounds is 0"),
        ({"fit__output": "best"}, "fit.output"),
    ],
)
def test_a_bad_value_is_one_line(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as error:
        read(**changed)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "trick", ["--output=/tmp/x", "1 --output=/tmp/x", "-o /tmp/x", "x --overwrite", "--help", "-h"]
)
def test_no_value_is_another_option(trick: str) -> None:
    """Wherever it is written, it is refused or a value: files and flags are as they were."""
    untouched = read()[0]
    for option in forms.options():
        if option.type in (bool, int, float) or typing.get_origin(option.type) is Literal or option.takes(str):
            assert not option.takes(tuple)
        try:
            command = forms.read(
                "carry-learn", shown(**{option.name.replace(".", "__").replace("-", "_"): trick}), "carry-learn"
            )[0]
        except InputError:
            continue
        assert option.takes(str)
        for name in ("video", "mask", "output", "provenance", "overwrite", "resume", "log_dir", "pictures"):
            assert getattr(command, name) == getattr(untouched, name)


def test_files_and_what_the_studio_decides_have_no_control() -> None:
    assert not {option.name for option in forms.options()} & forms.NOT_HERE
    assert all(not option.takes(Path) for option in forms.options())
