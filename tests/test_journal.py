"""A run that is ended at any moment and goes on makes what it would have made, and does nothing twice."""

import contextlib
import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
import torch

from cleanplate import METHODS, Clip, InputError, Method, inpaint, write_video
from cleanplate.carry.journal import Journal
from cleanplate.carry.linking import Linker
from cleanplate.carry.rounds import CarryBorder
from cleanplate.carry.trajectories import LinkedFrame
from cleanplate.config import LEAST_WINDOW
from cleanplate.errors import Cancelled
from cleanplate.imaging.frame import CARRIED, MADE_UP, Frame
from cleanplate.progress import Step
from cleanplate.runtime.work_dir import WorkDir
from tests.conftest import panning, to_bytes, walking_hole
from tests.motions import pan
from tests.running import Running

SIZE, COUNT, WINDOW = (48, 64), 72, 36


@pytest.fixture(scope="module")
def clip() -> Clip:
    """A camera that pans, stands still and pans on: what a hole hides while it stands still is not all seen."""
    moving = panning(COUNT - 40, SIZE, step=(1, 0))
    frames = torch.cat((moving[:20], moving[19:20].expand(40, -1, -1, -1), moving[20:]))
    frames[20:60, :, 20:26] = 0.5 + 0.4 * torch.sin(torch.arange(64) / 3.0)  # something that is only there then
    hole = walking_hole(COUNT, SIZE)
    hole[:, :, 14:32, 24:44] = True
    return Clip(frames, hole, 24.0)


def quick(name: str) -> Method:
    """With blocks of 18 frames, and networks that learn little."""
    given = METHODS[name]
    return replace(
        given,
        carry=replace(given.carry, window_frames=WINDOW),
        network=replace(given.network, channels=(8, 16)),
        unseen=replace(given.unseen, ensemble_size=2, networks=9),
    )


CARRY, CARRY_LEARN = quick("carry"), quick("carry-learn")


class Whole(NamedTuple):
    """A run that nobody has ended."""

    frames: torch.Tensor
    provenance: torch.Tensor
    linked: list[int]
    """The frames from which motion to the next one was found, each time."""


def run(clip: Clip, method: Method, work: WorkDir | None = None, end: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames and provenance; the run is ended when it was told of so many steps."""
    count = 0

    def listen(step: Step) -> None:
        nonlocal count
        count += 1
        if count == end:
            raise Cancelled("enough")

    plate = inpaint(clip, method, device="cpu", max_steps=12, work_dir=work, on_step=listen)
    return plate.frames, plate.provenance


@contextlib.contextmanager
def linking() -> Iterator[list[int]]:
    """The frames from which motion to the next one is found meanwhile."""
    linked: list[int] = []
    find_motion = Linker.motion

    def listen(self: Linker, pair: tuple[LinkedFrame, LinkedFrame]) -> object:
        linked.append(pair[0].frame.index)
        return find_motion(self, pair)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Linker, "motion", listen)
        yield linked


@pytest.fixture(scope="module")
def alone(clip: Clip) -> dict[Method, Whole]:
    def whole(method: Method) -> Whole:
        with linking() as linked:
            return Whole(*run(clip, method), linked)

    return {method: whole(method) for method in (CARRY, CARRY_LEARN)}


@pytest.mark.parametrize(("method", "seed"), [(CARRY, 0), (CARRY_LEARN, 1)])
def test_ended_at_random_moments(
    clip: Clip, alone: dict[Method, Whole], tmp_path: Path, method: Method, seed: int
) -> None:
    assert (alone[method].provenance == 2).any()  # or no network would be needed
    rng, ended = random.Random(seed), 0
    for _ in range(3):
        try:
            run(clip, method, WorkDir(tmp_path / "work", resume=True, every_s=0), rng.randint(30, 2 * COUNT))
        except Cancelled:
            ended += 1
    assert ended >= 2
    frames, provenance = run(clip, method, work := WorkDir(tmp_path / "work", resume=True, every_s=0))
    assert torch.equal(frames, alone[method].frames)
    assert torch.equal(provenance, alone[method].provenance)
    work.finish()
    assert not (tmp_path / "work").exists()


def test_nothing_is_done_twice(clip: Clip, alone: dict[Method, Whole], tmp_path: Path) -> None:
    method = CARRY_LEARN
    whole = sorted(alone[method].linked)
    assert whole == sorted([*range(COUNT - 1)] * (1 + method.carry.rounds))  # once to look for effects
    with pytest.raises(Cancelled):
        run(clip, method, WorkDir(tmp_path / "work"), 3 * COUNT - 5)
    with linking() as linked:
        run(clip, method, WorkDir(tmp_path / "work", resume=True))
    # What lies beyond the last border of a stage is found again: of each that is nested deeper, half a window more.
    assert len(linked) < 0.4 * len(whole)
    # What only an earlier stage needs is not kept: it would grow with the shot.
    names = [path.name for path in (tmp_path / "work").glob("carry-0-*-*.npz")]
    assert len(names) <= 1 + WINDOW // LEAST_WINDOW


def test_what_is_done_is_told_of_as_done(clip: Clip, tmp_path: Path) -> None:
    """A bar that counts from nothing again would be wrong, and one that does not come to its end too."""

    def told(work: WorkDir, end: int = 0) -> list[tuple[int, int]]:
        heard: list[tuple[int, int]] = []

        def listen(step: Step) -> None:
            if step.stage == "carry":
                heard.append((step.done, step.total))
                if len(heard) == end:
                    raise Cancelled("enough")

        inpaint(clip, CARRY, device="cpu", max_steps=2, work_dir=work, on_step=listen)
        return heard

    with pytest.raises(Cancelled):
        told(WorkDir(tmp_path / "work"), 110 + COUNT)
    heard = told(WorkDir(tmp_path / "work", resume=True))
    total = COUNT * (CARRY.carry.rounds + 1)
    assert heard == [(done, total) for done in range(1, total + 1)]


def test_a_short_shot_leaves_no_folder(clip: Clip, tmp_path: Path) -> None:
    short = Clip(clip.frames[: LEAST_WINDOW - 1], clip.hole[: LEAST_WINDOW - 1], clip.fps)
    run(short, CARRY, WorkDir(tmp_path / "work"))
    assert not (tmp_path / "work").exists()


@pytest.fixture(scope="module")
def half_done(clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was ended."""
    folder = tmp_path_factory.mktemp("half") / "work"
    with pytest.raises(Cancelled):
        run(clip, CARRY, WorkDir(folder), 2 * COUNT)
    return folder


@pytest.mark.parametrize("name", ["effects.npz", "effects-*-*.npz", "carry-0.npz", "carry-0-*-*.npz"])
def test_a_damaged_file_is_named(clip: Clip, half_done: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(half_done, tmp_path / "work")
    path = min((tmp_path / "work").glob(name))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=rf"{path.name} is broken .*--overwrite"):
        run(clip, CARRY, WorkDir(tmp_path / "work", resume=True))
    with pytest.raises(Cancelled):
        run(clip, CARRY, WorkDir(tmp_path / "work", overwrite=True), 5)  # it has begun anew


def test_a_block_whose_end_was_not_noted_is_made_again(tmp_path: Path, clip: Clip) -> None:
    """Killed between its two files."""
    work = WorkDir(tmp_path / "work")
    work.begin({"clip": "this"})
    work.save_piece("carry-0-0000000-0000032", [{"fill": {}}] * 32)
    assert Journal(work, "carry-0", CarryBorder.load).count == 0
    assert list(Journal(work, "carry-0", CarryBorder.load).replay(iter(()))) == []


# The command, killed for real


def test_a_folder_of_another_format_is_refused(clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Cancelled):
        run(clip, CARRY, WorkDir(tmp_path / "work"), end=60)
    monkeypatch.setattr("cleanplate.pipeline.FORMAT", 1)
    with pytest.raises(InputError, match="holds a run of another version"):
        run(clip, CARRY, WorkDir(tmp_path / "work", resume=True))


def test_the_command_killed_and_resumed(clip: Clip, tmp_path: Path) -> None:
    write_video(tmp_path / "shot.mp4", clip.frames)
    (tmp_path / "mask").mkdir()
    for index, hole in enumerate(to_bytes(clip.hole.float())):
        cv2.imwrite(str(tmp_path / f"mask/{index:03}.png"), hole)
    words = f"inpaint shot.mp4 mask carry --carry.window-frames {WINDOW} --carry.rounds 3 --device cpu"
    assert Running(f"{words} -o alone.mp4 --provenance alone", tmp_path).end(120)[::2] == (0, "")
    command = f"{words} -o killed.mp4 --provenance killed"
    for count in (1, 2):
        killed = Running(f"{command} --resume", tmp_path)
        killed.until(lambda count=count: len(list(tmp_path.glob("killed.mp4.work/carry-2-*-*.npz"))) >= count)
        killed.kill()
        assert not (tmp_path / "killed.mp4").exists()
    code, _, said = Running(command, tmp_path).end()
    assert (code, said.count("\n")) == (2, 1)
    assert "killed.mp4.work holds an unfinished run" in said
    assert Running(f"{command} --resume", tmp_path).end(120)[::2] == (0, "")
    assert (tmp_path / "alone.mp4").read_bytes() == (tmp_path / "killed.mp4").read_bytes()
    assert len(list((tmp_path / "killed").iterdir())) == COUNT
    for where in (tmp_path / "killed").iterdir():
        assert (tmp_path / "alone" / where.name).read_bytes() == where.read_bytes()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"alone", "alone.mp4", "killed", "killed.mp4", "mask", "shot.mp4"}


def test_what_leads_from_frame_to_frame_is_kept_and_only_where_something_is_left(tmp_path: Path) -> None:
    """Of six frames in blocks of two, the first of which is forgotten, the last two show all that they hid."""

    def frame(index: int) -> Frame:
        provenance = np.zeros(SIZE, np.uint8)
        provenance[10:20, 10:20] = MADE_UP if index < 4 else CARRIED
        return Frame(index, np.zeros((*SIZE, 3), np.float32), provenance)

    motions = [pan((float(index), 1.0), SIZE) for index in range(5)]
    shot = [
        LinkedFrame(frame(index), np.zeros(0, int), onward, before and before.reversed)
        for index, (before, onward) in enumerate(pairwise([None, *motions, None]))
    ]
    border = CarryBorder({}, np.zeros((0, 8), np.float32), None)
    work = WorkDir(tmp_path, every_s=0)
    journal = Journal(work, "carry-1", CarryBorder.load, links=True)
    for start in (0, 2, 4):
        journal.note(shot[start : start + 2], border)
    work.forget("carry-1-0000000-0000002")
    kept = list(
        Journal(work, "carry-1", CarryBorder.load, links=True).replay(
            LinkedFrame(frame(i), np.zeros(0, int)) for i in range(6)
        )
    )

    def steps(one: LinkedFrame) -> list[float | None]:
        return [way and float(way.there.rest.values[0, 0, 0]) for way in (one.forward, one.backward)]

    assert [steps(one) for one in kept[2:]] == [[2.0, -1.0], [3.0, -2.0], [None, -3.0], [None, None]]
    assert [len(one.boundary) for one in kept[2:]] == [14 * 14, 14 * 14, 0, 0]
