"""Places are followed closely where they are known, and scenery that is seen aside is given back."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cleanplate.carry.fields import Cells
from cleanplate.carry.matches import Matches
from cleanplate.carry.motion import added, fit_parallax
from cleanplate.carry.scene import Places, Scene, Small, distance_to
from cleanplate.carry.scenery import without_scenery
from tests.conftest import texture
from tests.motions import constant, grid
from tests.test_belonging import looked_at
from tests.test_evidence import pan_of

SIZE, COUNT = (48, 64), 9
# What may be left of a patch that is given back: means over squares do not reach into corners.
CORNERS = 0.15


# The motion of what is known

SETTINGS = {"size": (64, 96), "reach_px": 16.0, "tolerance_px": 0.25}


def matches_of(moved: np.ndarray) -> Matches:
    """Every pixel, followed by (h, w, 2)."""
    xy = grid(64, 96)
    count = np.ones(len(xy), np.float32)
    return Matches(xy, xy + moved.reshape(-1, 2), count, count > 0, np.zeros((len(xy), 3), np.float32), count)


def test_what_is_nearer_is_followed_by_its_own_motion() -> None:
    moved = np.zeros((64, 96, 2), np.float32)
    moved[..., 0], moved[40:, :, 0] = 4.0, 5.0
    found = fit_parallax(matches_of(moved), constant((4, 0)), np.full(64 * 96, 0.5, np.float32), **SETTINGS)
    far, near = found.at(np.array([[48.0, 10], [48, 58]]))
    np.testing.assert_allclose(far, 0, atol=0.02)
    np.testing.assert_allclose(near, [0.8, 0], atol=0.05)  # a part is not believed


@pytest.mark.parametrize("case", ["near the hole", "as fast as the thing", "nothing agrees"])
def test_there_is_no_parallax(case: str) -> None:
    moved = np.zeros((64, 96, 2), np.float32)
    moved[..., 0], moved[40:, :, 0] = 4.0, 4.0 + (3.0 if case == "as fast as the thing" else 1.0)
    if case == "nothing agrees":
        moved[..., 0] = 4 + 1.2 * np.random.default_rng(0).uniform(-1, 1, (64, 96))
    away = np.full(64 * 96, 0.05 if case == "near the hole" else 0.5, np.float32)
    found = fit_parallax(matches_of(moved), constant((4, 0)), away, **SETTINGS)
    assert float(np.abs(found.values).max()) < 0.25


def test_cells_are_added_in_the_finer_ones() -> None:
    ramp = Cells(grid(6, 9).reshape(6, 9, 2), 2)
    wider = Cells(ramp.values[:, ::2][::2] * 1.0, 4)  # linear, so that nothing is lost
    inner = np.array([[7.0, 5], [9, 6]])
    both = added(wider, ramp)
    assert both.cell_px == 2
    np.testing.assert_allclose(both.at(inner), wider.at(inner) + ramp.at(inner), atol=1e-5)


def test_a_part_of_the_places_leads_to_the_same() -> None:
    nodes = torch.randn(6, 8, 2, generator=torch.Generator().manual_seed(0)).numpy()
    places = Places((slice(3, 40), slice(5, 60)), {-2: nodes, 5: -nodes, 9: nodes})
    part = places.within((slice(0, 33), slice(22, 99))).only([5])
    (rows, columns), (x, y) = part.box, part.at(5)
    assert rows == slice(3, 33)
    assert columns.stop == 60
    assert 22 - 8 < columns.start <= 22
    assert list(part.moved) == [5]
    whole = places.at(5)
    inside = slice(rows.start - 3, rows.stop - 3), slice(columns.start - 5, None)
    np.testing.assert_allclose(x, whole[0][inside], atol=1e-4)
    np.testing.assert_allclose(y, whole[1][inside], atol=1e-4)


# What is shown aside


def walk(aside: int, *, with_thing: bool, step: int = 3) -> tuple[Scene, list[np.ndarray]]:
    """A thing walks to the right before a still camera, and a patch that is taken for a part of it.

    Args:
        aside: by how much the patch moves a frame, if it does not go with the thing.
        with_thing: whether it does.
        step: by how much the thing moves.
    """
    ground, skin = ((texture(*size, seed) * 255).astype(np.uint8) for size, seed in ((SIZE, 0), ((12, 12), 1)))
    smalls, patches = [], []
    for index in range(COUNT):
        hole, patch, picture = np.zeros(SIZE, bool), np.zeros(SIZE, bool), ground.copy()
        left = 4 + step * index
        hole[18:28, left : left + 8] = True
        start = left + 14 if with_thing else 26 + aside * index
        patch[30:42, start : start + 12] = True
        picture[patch] = skin.reshape(-1, 3)
        smalls.append(Small(index, picture, hole, distance_to(hole)))
        patches.append(patch)
    return Scene(smalls, [pan_of((0.0, 0.0))] * (COUNT - 1), 1), patches


def found_in(scene: Scene, patches: list[np.ndarray], numbers: set[int]) -> dict[int, np.ndarray]:
    """What stays of it, if it was found in some frames."""
    box = slice(0, SIZE[0]), slice(0, SIZE[1])
    looked = {}
    for number, patch in enumerate(patches):
        places = scene.places(number, (2, 3, 5), box)
        looked[number] = replace(looked_at(number, patch & (number in numbers)), places=places)
    return {number: one.found for number, one in without_scenery(scene, [], looked).items()}


def test_what_others_show_a_little_aside_is_given_back() -> None:
    scene, patches = walk(1, with_thing=False)
    found = found_in(scene, patches, {4})[4]
    assert found.sum() < CORNERS * patches[4].sum()


def test_what_was_given_back_helps_to_give_back_more() -> None:
    """In all frames but two it was found: those that have asked one of the two ask again."""
    scene, patches = walk(0, with_thing=False)
    numbers = set(range(COUNT)) - {0, 1}
    found = found_in(scene, patches, numbers)
    assert found[3].sum() < CORNERS * patches[3].sum()
    assert found[5].sum() < CORNERS * patches[5].sum()  # one of the two is among those it asks, and that is too few


@pytest.mark.parametrize("step", [1, 3])
def test_what_goes_with_the_thing_stays(step: int) -> None:
    """However slow it is: where it was found nothing is asked."""
    scene, patches = walk(0, with_thing=True, step=step)
    for number, found in found_in(scene, patches, set(range(COUNT))).items():
        np.testing.assert_array_equal(found, patches[number])


def test_the_rim_stays() -> None:
    """There flow sees what was painted into the hole."""
    scene, _ = walk(1, with_thing=False)
    wide = [(small.distance > 0) & (small.distance <= 9) for small in scene.smalls]
    found = found_in(scene, wide, {4})[4]
    rim = wide[4] & (scene.smalls[4].distance <= 3)
    assert found.sum() < wide[4].sum()  # the ground around it is given back
    assert (found & rim).sum() == rim.sum()
