"""What a mask misses by a pixel or two goes; what a right mask leaves beside it stays."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cleanplate import METHODS, Clip, Plate, inpaint
from cleanplate.carry.crumbs import with_rings, without_rings
from cleanplate.carry.trajectories import LinkedFrame, boundary_pixels
from cleanplate.config import NO_EFFECTS
from cleanplate.errors import Cancelled
from cleanplate.imaging.frame import CARRIED, KNOWN, MADE_UP, Frame
from cleanplate.progress import Step
from cleanplate.runtime.work_dir import WorkDir
from tests.conftest import panning, texture
from tests.shadowed import grown

COUNT, SIZE, SIDE = (
    12,
    (410, 420),
    90,
)  # small pictures (scene.py) are half as large; a shot of half the size is its own
METHOD = METHODS["carry"]
RED = torch.tensor([0.9, 0.1, 0.1]).view(3, 1, 1)


def thing(index: int, smaller: int = 1) -> tuple[slice, slice]:
    """Rows and columns of what is removed."""
    top, left, side = 120 // smaller, 8 + 24 // smaller * index, SIDE // smaller
    return slice(top, top + side), slice(left, left + side)


def spurs(side: int) -> dict[str, tuple[slice, slice]]:
    """A pixel wide each: along a side, along the half of one, and one that sticks out."""
    return {
        "a side": (slice(-1, 0), slice(0, side)),
        "half a side": (slice(10, 10 + side // 2), slice(side, side + 1)),
        "hairs": (slice(-4, 0), slice(10, 11)),
    }


SPURS = tuple(spurs(SIDE))


def shot(spur: str | None, *, noise: float = 0.0, smaller: int = 1) -> tuple[Clip, torch.Tensor, torch.Tensor]:
    """A red square that walks over a pan, with a spur that its mask does not cover: also its truth, and the spurs.

    Args:
        spur: the name of one, none if the mask is right.
        noise: of the camera, standard deviation.
        smaller: how many times smaller all is, but the spur.
    """
    size = SIZE[0] // smaller, SIZE[1] // smaller
    truth = panning(COUNT, size, step=(2 // smaller, 0))
    truth = truth + noise * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    truth = (truth.clamp(0, 1) * 255).round() / 255
    frames, hole = truth.clone(), torch.zeros(COUNT, 1, *size, dtype=torch.bool)
    missed = torch.zeros_like(hole)
    for index in range(COUNT):
        rows, columns = thing(index, smaller)
        frames[index][:, rows, columns] = RED
        hole[index, 0, rows, columns] = True
        if spur is not None:
            there = tuple(
                slice(max(0, whole.start + part.start), whole.start + part.stop)
                for whole, part in zip((rows, columns), spurs(SIDE // smaller)[spur], strict=True)
            )
            frames[index][:, *there] = RED
            missed[index, 0][there] = True
    return Clip(frames, hole, 24.0), truth, missed & ~hole


@pytest.mark.parametrize("name", SPURS)
@pytest.mark.parametrize("noise", [0.0, 0.01, 0.03])
@pytest.mark.parametrize("smaller", [1, 2])
def test_a_line_of_the_thing_beside_its_mask_goes(name: str, noise: float, smaller: int) -> None:
    clip, truth, missed = shot(name, noise=noise, smaller=smaller)
    plate = inpaint(clip, METHOD, device="cpu")
    assert plate.effects[missed].all()
    red = (plate.frames - RED).abs().amax(1, keepdim=True) < 0.1
    assert not (red & (clip.hole | missed)).any(), "neither there nor carried into the hole of another frame"
    kept = ~(clip.hole | plate.effects)
    assert torch.equal(plate.frames[kept.expand_as(truth)], clip.frames[kept.expand_as(truth)])
    if name != "a side":  # else a rim is taken off all around
        beside = plate.effects & ~missed
        ring = grown(clip.hole, 10) & ~clip.hole
        assert int((beside & ring).sum()) < 0.1 * int(ring.sum())
        assert not (beside & ~ring).any()


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.03])
@pytest.mark.parametrize("smaller", [1, 2])
def test_beside_a_right_mask_nothing_is_taken(noise: float, smaller: int) -> None:
    clip, _, _ = shot(None, noise=noise, smaller=smaller)
    assert not inpaint(clip, METHOD, device="cpu").effects.any()


def test_nothing_is_looked_for_if_nobody_asks_or_a_single_round_is_run() -> None:
    clip, _, missed = shot("hairs")
    for method in (
        replace(METHOD, effects=NO_EFFECTS),
        replace(METHOD, carry=replace(METHOD.carry, rounds=1)),
    ):
        assert not (inpaint(clip, method, device="cpu").effects & missed).any()


@pytest.mark.parametrize("corner", [(50, 0), (50, 100), (100, 50)])
def test_what_a_mask_misses_in_a_few_frames_does_not_go_into_others(corner: tuple[int, int]) -> None:
    """There, what is right beside the mask contradicts what was carried to it."""
    truth = panning(COUNT, SIZE, step=(2, 0))
    frames, hole = truth.clone(), torch.zeros(COUNT, 1, *SIZE, dtype=torch.bool)
    for index in range(COUNT):
        rows, columns = slice(140, 260), slice(8 + 22 * index, 128 + 22 * index)
        frames[index][:, rows, columns] = RED
        hole[index, 0, rows, columns] = True
    things = hole.clone()
    for index in (0, 3, 6):
        top, left = 140 + corner[0], 8 + 22 * index + corner[1]
        hole[index, 0, top : top + 20, left : left + 20] = False
    plate = inpaint(Clip(frames, hole, 24.0), METHOD, device="cpu")
    red = (plate.frames - RED).abs().amax(1, keepdim=True) < 0.1
    assert not (red & plate.effects & ~things).any()
    assert int((red & things).sum()) <= 3 * 20 * 20


def frame(*, painted: bool = False) -> Frame:
    picture = (texture(*SIZE) * 255).astype(np.uint8)
    provenance = np.zeros(SIZE, np.uint8)
    provenance[30:60, 40:80] = MADE_UP
    held = Frame(0, picture, provenance)
    if painted:
        held.painted = np.zeros(SIZE, bool)
        held.painted[:, 80:82] = True
    return held


def with_ring(one: LinkedFrame) -> LinkedFrame:
    return next(with_rings([one]))


def without_ring(one: LinkedFrame) -> LinkedFrame:
    return next(without_rings([one]))


def linked(one: Frame) -> LinkedFrame:
    return LinkedFrame(one, boundary_pixels(one.provenance))


@pytest.mark.parametrize("painted", [False, True])
def test_a_ring_that_nothing_was_carried_to_is_put_back(painted: bool) -> None:
    one, before = with_ring(linked(frame(painted=painted))), frame()
    assert one.frame.effects is not None
    assert one.frame.hole[28, 60]
    assert one.frame.hole[45, 81] != painted, "what an artist has painted is not asked about"
    one.frame.picture[one.frame.hole] = 0  # painted smoothly, say
    back = without_ring(one)
    np.testing.assert_array_equal(back.frame.provenance, before.provenance)
    np.testing.assert_array_equal(back.boundary, boundary_pixels(before.provenance))
    np.testing.assert_array_equal(back.frame.picture[~before.hole], before.picture[~before.hole])
    assert back.frame.effects is None


def test_beside_what_is_no_number_nothing_is_looked_for() -> None:
    one = frame()
    one.unknown = np.zeros(SIZE, bool)
    one.unknown[200:203, 300:303] = True
    one.provenance[one.unknown] = MADE_UP
    ringed = with_ring(linked(one)).frame
    assert ringed.hole[28, 60]
    np.testing.assert_array_equal(ringed.hole[190:220, 290:320], one.unknown[190:220, 290:320])
    part = one.region((280, 180, 60, 60))
    assert part.unknown is not None
    assert part.unknown.sum() == 9
    assert with_ring(linked(part)).frame.effects is None


def test_of_a_thousand_drops_each_keeps_what_is_around_it() -> None:
    one = frame()
    one.provenance[:] = KNOWN
    one.provenance[5::30, 5::30] = MADE_UP
    assert with_ring(linked(one)).frame.effects is None


def test_what_was_found_before_stays_as_it_was() -> None:
    found, light = np.zeros(SIZE, bool), np.float16(0.5)
    found[50:70, 82:90] = True
    one, before = frame(), frame()
    one.add_effects(found, np.full((int(found.sum()), 3), light))
    ringed = with_ring(linked(one)).frame
    assert ringed.effects is not None
    np.testing.assert_array_equal(ringed.effects.shown, before.picture[ringed.effects.where])
    ringed.picture[ringed.hole] = before.picture[ringed.hole]
    ringed.picture[27:30, 50:60] = 255 - before.picture[27:30, 50:60]
    ringed.provenance[ringed.hole] = CARRIED
    after = without_ring(linked(ringed)).frame
    assert after.effects is not None
    assert after.effects.where[found].all()
    crumbs = after.effects.where & ~found
    assert crumbs[27:30, 51:59].all()
    assert not crumbs[:25].any()
    assert not crumbs[60:].any()
    light = np.zeros((*SIZE, 3), np.float16)
    light[after.effects.where] = after.effects.light
    assert (light[found] == 0.5).all()
    assert not light[crumbs].any()
    np.testing.assert_array_equal(after.effects.shown, before.picture[after.effects.where])
    assert (after.provenance[~after.effects.where & ~before.hole] == KNOWN).all()


def test_a_hole_at_the_edge_and_one_that_fills_the_frame() -> None:
    for hole in (np.s_[:, :9], np.s_[:, :], np.s_[0:1, 0:1]):
        one = frame()
        one.provenance[:] = KNOWN
        one.provenance[hole] = MADE_UP
        ringed = with_ring(linked(one))
        ringed.frame.provenance[ringed.frame.hole] = CARRIED
        assert without_ring(ringed).frame.effects is None


def test_of_a_small_frame_a_ring_would_be_too_large_a_part() -> None:
    for lines, ringed in ((127, False), (128, True)):
        small = Frame(0, np.full((lines, 300, 3), 90, np.uint8), np.zeros((lines, 300), np.uint8))
        small.provenance[50:90, 50:90] = MADE_UP
        assert (with_ring(linked(small)).frame.effects is not None) == ringed


@pytest.mark.parametrize("rounds", [2, 3])
def test_a_run_that_was_ended_goes_on_to_the_same_plate(tmp_path: Path, rounds: int) -> None:
    """In each of its stages, with crumbs in every frame."""
    clip, _, missed = shot("half a side", smaller=2)
    method = replace(METHOD, carry=replace(METHOD.carry, rounds=rounds, window_frames=8))

    def run(work: WorkDir | None, end: int = 0) -> Plate:
        told: list[Step] = []

        def listen(step: Step) -> None:
            told.append(step)
            if len(told) == end:
                raise Cancelled("enough")

        return inpaint(clip, method, device="cpu", work_dir=work, on_step=listen)

    whole = run(None)
    assert (whole.effects & missed).sum() > 0.9 * missed.sum()
    for number, end in enumerate(range(15, COUNT * (rounds + 1), 9)):
        folder = tmp_path / str(number)
        with pytest.raises(Cancelled):
            run(WorkDir(folder), end)
        again = run(WorkDir(folder, resume=True))
        for one, other in ((again.frames, whole.frames), (again.provenance, whole.provenance)):
            assert torch.equal(one, other), end
        assert torch.equal(again.effects, whole.effects)
