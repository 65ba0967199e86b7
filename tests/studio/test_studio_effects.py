"""What goes with the thing, in the studio without a browser: found, shown, painted, switched off, passed on."""

from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from cleanplate import write_video
from cleanplate.commands.settings import read_settings
from cleanplate.config import DILATE_PX
from cleanplate.errors import InputError
from cleanplate.imaging.visualise import TINTS
from cleanplate.studio import finding, players, thumbnails, views
from cleanplate.studio.effects import OPTION
from cleanplate.studio.forms import as_command
from cleanplate.studio.project import Project
from cleanplate.studio.tasks import PROVENANCE
from cleanplate.video.masks import grow
from cleanplate.video.reader import stream_masks
from tests.studio.test_studio_project import MADE, SIZE, Turns, painted, square

N_FRAMES, BALL_PX = 14, 16


def scene() -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """A ball that rolls over gravel with a shadow below it: the shot, the ball, the shadow."""
    rng = np.random.default_rng(0)
    gravel = cv2.GaussianBlur(rng.uniform(60, 220, (*SIZE, 3)).astype(np.float32), (0, 0), 1.2)
    frames, things, shadows = [], [], []
    for index in range(N_FRAMES):
        left = 4 + 5 * index
        thing, shadow = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
        thing[18 : 18 + BALL_PX, left : left + BALL_PX] = True
        shadow[18 + BALL_PX : 28 + BALL_PX, left : left + BALL_PX] = True
        frame = np.where(shadow[..., None], 0.5 * gravel, gravel)
        frames.append(np.where(thing[..., None], np.array([200, 30, 30], np.float32), frame) / 255)
        things.append(thing)
        shadows.append(shadow)
    video = torch.from_numpy(np.stack(frames).astype(np.float32)).permute(0, 3, 1, 2).contiguous()
    return video, np.stack(things), np.stack(shadows)


FRAMES, THINGS, SHADOWS = scene()


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("video") / "shot.mkv"
    write_video(path, FRAMES, fps=24)
    return path.read_bytes()


@pytest.fixture
def quick() -> Turns:
    return Turns()


@pytest.fixture
def long() -> Turns:
    return Turns()


@pytest.fixture
def project(tmp_path: Path, video: bytes, quick: Turns, long: Turns) -> Project:
    """A shot whose mask is there, and whose effects are being looked for."""
    folder, sent = tmp_path / "token", tmp_path / "sent"
    folder.mkdir()
    sent.write_bytes(video)
    project = Project("token", folder, quick, long)
    project.take(sent, "ball.mkv")
    quick.do()
    follow(project, quick)
    return project


def follow(project: Project, quick: Turns) -> None:
    """Mark the ball on every frame, and track it."""
    for index, thing in enumerate(THINGS):
        project.mark_painted(index, painted(thing))
    project.track(still=False)
    quick.do()


def repaint(project: Project, frame: int, area: np.ndarray) -> None:
    """Erase the effects of a frame, and paint others."""
    project.paint_effects(frame, painted(np.ones(SIZE, bool)), erase=True)
    project.paint_effects(frame, painted(area))


def layer(project: Project) -> Any:
    """What the page is told of the effects."""
    value = players.marker(project)
    assert value is not None
    return value["effects"]


def shown(project: Project, frame: int) -> np.ndarray:
    """The effects as the page shows them on a frame."""
    effects = layer(project)
    folder = effects["edited"] if str(frame) in effects["edits"] else effects["folder"]
    return thumbnails.read_mask(thumbnails.numbered(project.folder / folder, frame, ".png"))


def tint_at(folder: Path, frame: int) -> np.ndarray:
    """A tint in BGRA."""
    pixels = cv2.imread(str(thumbnails.numbered(folder, frame, ".png")), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    return pixels


def clean(project: Project, **settings: Any) -> tuple:
    """Begin to; the options, and what their mask is made of."""
    words = {"method": "carry", **settings}
    project.clean(as_command(words), words, ".mkv")
    assert project.job is not None
    options, _, _, drawn = project.job.arguments
    return options, drawn


def test_it_is_found_after_tracking_and_shown_in_a_tint_of_its_own(project: Project, quick: Turns) -> None:
    assert project.busy
    assert "Looking for its shadow" in views.DOING["effects", "find"]
    assert layer(project) is None
    quick.do()
    assert project.effects.found is not None
    assert project.effects.found.frames == N_FRAMES
    middle = N_FRAMES // 2
    found, shadow = shown(project, middle), SHADOWS[middle] & ~grow(THINGS[middle], DILATE_PX)
    assert (found & shadow).sum() > 0.9 * shadow.sum()
    assert not (found & THINGS[middle]).any()
    assert not (found & ~grow(THINGS[middle] | SHADOWS[middle], 6)).any()
    tint = tint_at(project.folder / finding.EFFECTS, middle)
    assert {tuple(colour) for colour in tint[found][:, 2::-1].tolist()} == {thumbnails.EFFECTS_TINT}
    whole = np.stack([grey > 127 for grey in stream_masks(project.folder / finding.EFFECTS_FILE)])
    assert np.array_equal(whole[middle], found)  # the small copy is as large here


def test_what_is_shown_is_what_goes(project: Project, quick: Turns, long: Turns) -> None:
    quick.do()
    # As it was found it is found again, so that soft edges are blended.
    options, drawn = clean(project)
    assert (options.settings.effects.find, options.mask, drawn) == ("shadows", project.store.mask, None)
    long.end("done", result=MADE)
    # Painted, it is a part of the mask, and is not grown.
    before = layer(project)
    repaint(project, 3, square(60))
    project.paint_effects(4, painted(np.ones(SIZE, bool)), erase=True)
    after = layer(project)
    assert (before["edits"], list(after["edits"]), after["undo"]) == ({}, ["3", "4"], True)
    assert np.array_equal(shown(project, 3), square(60))
    assert project.cleanable  # the mask of the thing is as it was
    options, drawn = clean(project, **{"dilate-px": 3, "seed": 1})
    assert (options.settings.effects.find, options.dilate_px, options.seed) == ("off", 0, 1)
    assert drawn is not None
    finding.write_drawn(options, drawn, SIZE, N_FRAMES)
    made = [grey > 127 for grey in stream_masks(options.mask)]
    things = [grow(grey > 127, 3) for grey in stream_masks(project.store.mask)]
    found = [grey > 127 for grey in stream_masks(project.folder / finding.EFFECTS_FILE)]
    effects = {**dict(enumerate(found)), 3: square(60), 4: np.zeros(SIZE, bool)}
    for index, mask in enumerate(made):
        assert np.array_equal(mask, things[index] | effects[index])
    settings = read_settings(options.output.parent / "settings.toml")
    assert (settings[OPTION], settings["dilate-px"], settings["seed"]) == ("off", 0, 1)
    long.end("done", result=MADE)
    assert ("Mask", options.mask, "ball-mask.mkv") in project.downloads()  # the one that the settings mean


def test_all_of_it_runs_with_what_was_painted(project: Project, quick: Turns, long: Turns) -> None:
    quick.do()
    project.paint_effects(3, painted(square(60)))
    clean(project)
    long.do()
    assert project.message == ""
    assert project.result is not None
    assert project.run is not None
    changed = tint_at(project.run / PROVENANCE, 3)
    assert (changed[..., 3] > 0)[square(60)].all()


def test_painting_is_taken_back(project: Project, quick: Turns) -> None:
    quick.do()
    found = shown(project, 5)
    repaint(project, 5, square(0))
    project.paint_effects(5, painted(square(70)))
    assert np.array_equal(shown(project, 5), square(0) | square(70))
    project.undo_effects()
    assert np.array_equal(shown(project, 5), square(0))
    project.restore_effects(5)
    assert np.array_equal(shown(project, 5), found)
    assert clean(project)[0].settings.effects.find == "shadows"  # nothing is edited any more


def test_switched_off_it_stays(project: Project, quick: Turns, long: Turns) -> None:
    quick.do()
    repaint(project, 3, square(60))
    project.choose_effects(False)
    assert layer(project) is None
    with pytest.raises(InputError, match="no effects are shown"):
        project.paint_effects(3, painted(square(60)))
    options, drawn = clean(project)
    assert (options.settings.effects.find, options.mask, drawn) == ("off", project.store.mask, None)
    assert read_settings(options.output.parent / "settings.toml")[OPTION] == "off"
    long.end("done", result=MADE)
    follow(project, quick)
    assert not project.busy  # nobody looks for it
    project.choose_effects(True)
    assert [job.task for job in quick.jobs] == ["effects"]
    quick.do()
    assert np.array_equal(shown(project, 3), square(60))  # what was painted is kept


def test_another_mask_has_other_effects(project: Project, quick: Turns) -> None:
    quick.do()
    version = layer(project)["v"]
    for frame in range(N_FRAMES):
        project.mark_painted(frame, painted(THINGS[frame] | SHADOWS[frame]))
    assert project.stale
    project.track(still=False)
    quick.do()
    assert layer(project) is None
    quick.do()
    assert layer(project)["v"] > version
    assert shown(project, N_FRAMES // 2).sum() < 0.2 * SHADOWS[0].sum()  # the shadow is masked now


@pytest.mark.parametrize(("state", "words"), [("cancelled", "Cancelled."), ("failed", "no room")])
def test_what_was_not_found_does_not_go(project: Project, quick: Turns, state: str, words: str) -> None:
    if state == "cancelled":
        project.cancel()
    else:
        quick.end("failed", error="no room")
    assert (project.message, project.busy, project.cleanable, project.effects.wanted) == (words, False, True, False)
    assert clean(project)[0].settings.effects.find == "off"


def test_methods_that_do_not_carry_take_it_only_if_they_are_told_to(
    project: Project, quick: Turns, long: Turns
) -> None:
    project.choose_method(carries=False)
    quick.do()
    assert layer(project) is None
    options, drawn = clean(project, method="dip-vid")
    assert (options.settings.effects.find, drawn) == ("off", None)
    long.end("done", result=MADE)
    project.choose_effects(True)
    assert shown(project, 5).any()
    options, drawn = clean(project, method="dip-vid")
    assert drawn is not None  # it would not look for it: it is given what was found


def test_the_mask_grows_by_pixels_of_the_result(project: Project, quick: Turns) -> None:
    quick.do()
    project.paint_effects(0, painted(np.ones(SIZE, bool)), erase=True)
    options, drawn = clean(project, size=(32, 48), **{"dilate-px": 2})
    finding.write_drawn(options, drawn, SIZE, N_FRAMES)
    thing = next(stream_masks(project.store.mask)) > 127
    assert np.array_equal(next(stream_masks(options.mask)) > 127, grow(thing, 4))


# Machado et al. 2009, full severity, for linear RGB: normal sight, protanopia, deuteranopia, tritanopia.
SIGHTS = [
    np.eye(3),
    np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]),
    np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]),
    np.array([[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]]),
]
LEAST_APART = 15.0  # CIELAB


def seen(colour: tuple[int, int, int], sight: np.ndarray) -> np.ndarray:
    """CIELAB of what somebody sees of a colour."""
    linear = np.clip(sight @ ((np.array(colour) / 255) ** 2.2), 0, 1)
    return cv2.cvtColor((linear ** (1 / 2.2)).astype(np.float32)[None, None], cv2.COLOR_RGB2LAB)[0, 0]


def test_all_tints_are_told_apart_by_the_colour_blind_too() -> None:
    tints = [thumbnails.EFFECTS_TINT, thumbnails.MASK_TINT, *TINTS.values()]
    for sight in SIGHTS:
        for one, other in combinations(tints, 2):
            assert np.linalg.norm(seen(one, sight) - seen(other, sight)) > LEAST_APART
        # Those that are shown over the same picture are far apart.
        assert np.linalg.norm(seen(tints[0], sight) - seen(tints[1], sight)) > 2 * LEAST_APART


def test_the_page_paints_in_the_same_tints() -> None:
    script = (Path(views.__file__).parent / "assets" / "controls.js").read_text()
    for red, green, blue in (thumbnails.OVERLAY_TINT, thumbnails.EFFECTS_TINT):
        assert f'"rgb({red}, {green}, {blue})"' in script
