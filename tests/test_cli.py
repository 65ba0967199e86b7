import contextlib
import importlib.util
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from cleanplate import InputError, cli, read_clip, write_video
from cleanplate.clean import Cleaned
from cleanplate.commands.inpaint import Inpaint, summary
from cleanplate.commands.options import options, to_words
from cleanplate.commands.settings import read_settings, write_settings
from cleanplate.config import METHODS
from cleanplate.data import demo
from cleanplate.data.demo import write_tone
from cleanplate.progress import Step
from cleanplate.version import __version__
from cleanplate.video import encoder
from cleanplate.video.reader import read_frames, read_masks
from cleanplate.video.writer import write_grey
from tests.conftest import panning, to_bytes, walking_hole
from tests.running import Running

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """shot.mp4 with sound, mask.mkv, truth/, and files that are wrong in one way each; not to be changed."""
    folder = tmp_path_factory.mktemp("files")
    frames, hole = panning(8), walking_hole(8)
    painted = frames.where(~hole, 0.9)
    write_tone(folder / "tone.m4a", 0.4)
    write_video(folder / "shot.mp4", painted, fps=24, sound=folder / "tone.m4a")
    mask = hole.float().expand(-1, 3, -1, -1)
    write_video(folder / "mask.mkv", mask)
    write_video(folder / "truth", frames)
    write_video(folder / "short.mkv", mask[:5])
    write_video(folder / "black.mkv", mask * 0)
    write_video(folder / "white.mkv", mask * 0 + 1)
    write_video(folder / "square.mkv", mask[..., :64])
    (folder / "text.mp4").write_text("this is no video\n" * 50)
    (folder / "text.txt").write_text("this is no video\n" * 50)
    (folder / "empty.mp4").touch()
    (folder / "empty").mkdir()
    content = (folder / "shot.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(content[: content.index(b"mdat") + 4])
    (folder / "head.mp4").write_bytes(content[:100])
    return folder


@pytest.fixture
def shot(files: Path, tmp_path: Path) -> Path:
    """shot.mp4, mask.mkv and truth/ of these, to work on."""
    for name in ("shot.mp4", "mask.mkv"):
        shutil.copy(files / name, tmp_path)
    (tmp_path / "truth").symlink_to(files / "truth")
    return tmp_path


def command(words: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Run in that folder; exit code, stdout, stderr."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        code = cli.run(words.split())
    finally:
        os.chdir(before)
    said = capsys.readouterr()
    return code, said.out, said.err


def test_inpaint_then_evaluate(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "inpaint shot.mp4 mask.mkv -o clean.mkv --dilate-px 2 --provenance where --carry.rounds 1"
    code, out, err = command(words, shot, capsys)
    assert (code, err) == (0, "")
    assert "8 frames of 96x64" in out
    where, _ = read_frames(shot / "where")
    assert set(np.unique(where)) == {0, 128}
    code, out, _ = command("evaluate clean.mkv truth mask.mkv --dilate-px 2 --json", shot, capsys)
    figures = json.loads(out)
    assert code == 0
    assert figures["hole_psnr_db"] > 30
    assert set(figures) == {"hole_psnr_db", "psnr_db", "hole_ssim", "ssim", "hole_share", "n_frames"}  # what is quick
    assert figures["n_frames"] == 8
    code, out, _ = command("evaluate truth truth mask.mkv --json --metrics warp_error", shot, capsys)
    assert set(json.loads(out)) == {"warp_error", "hole_share", "n_frames"}
    code, out, _ = command("evaluate truth truth mask.mkv --json --metrics psnr_db", shot, capsys)
    assert json.loads(out, parse_constant=pytest.fail)["psnr_db"] == "inf"  # null is what is not defined
    code, out, _ = command("evaluate clean.mkv truth mask.mkv --metrics hole_psnr_db", shot, capsys)
    assert "hole_psnr_db" in out


def test_known_pixels_of_a_lossless_result_are_those_of_the_video(
    shot: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("inpaint shot.mp4 mask.mkv carry -o clean.mkv --dilate-px 0", shot, capsys)[0] == 0
    # Luma by luma; colour is held at half its width and height, as in the video.
    hole = walking_hole(8)[:, 0].numpy()
    with av.open(str(shot / "shot.mp4")) as one, av.open(str(shot / "clean.mkv")) as other:
        for before, after, hidden in zip(one.decode(video=0), other.decode(video=0), hole, strict=True):
            (luma, colour), (of_ours, our_colour) = (
                (frame.to_ndarray()[:64], frame.to_ndarray()[64:]) for frame in (before, after)
            )
            assert np.array_equal(of_ours[~hidden], luma[~hidden])
            assert (our_colour == colour).mean() > 0.7
    assert command("inpaint shot.mp4 mask.mkv carry -o clean --dilate-px 0", shot, capsys)[0] == 0
    assert np.array_equal(read_frames(shot / "clean")[0][~hole], read_frames(shot / "shot.mp4")[0][~hole])


@pytest.fixture(scope="module")
def shaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ball with a shadow, its mask without it, and the truth; not to be changed."""
    folder = tmp_path_factory.mktemp("shaded")
    clip = demo.make_demo(n_frames=24, size=(96, 192))
    write_video(folder / "shot", clip.frames)
    write_grey(folder / "mask", clip.mask)
    write_video(folder / "truth", clip.truth)
    return folder


def test_the_shadow_goes_with_the_thing_and_is_told_of(
    shaded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"inpaint {shaded}/shot {shaded}/mask carry -o {tmp_path}"
    code, said, err = command(f"{words}/clean --provenance where --effects-mask found.mkv", tmp_path, capsys)
    assert (code, err) == (0, "")
    where, found = read_frames(tmp_path / "where")[0][..., 0], read_masks(tmp_path / "found.mkv")
    hole = read_clip(shaded / "shot", shaded / "mask").hole[:, 0].numpy()
    assert set(np.unique(where)) == {0, 64, 128, 255}
    assert np.array_equal(where == 64, found == 255)
    assert set(np.unique(found)) == {0, 255}
    assert np.array_equal(hole, where >= 128)
    assert f"; {hole.mean():.1%} was hidden, of it {(where[hole] == 128).mean():.1%} carried" in said
    assert f" made up; {(found == 255).mean():.1%} more went with it (its shadow, and what the mask missed); " in said
    before, after, truth = (read_frames(path)[0] for path in (shaded / "shot", tmp_path / "clean", shaded / "truth"))
    assert np.array_equal(after[where == 0], before[where == 0])
    dark = (where == 64) & (truth.mean(-1) - before.mean(-1) > 10)
    wrong = [np.abs(shown[dark].astype(float) - truth[dark]).mean() for shown in (before, after)]
    assert wrong[1] < wrong[0] / 2
    code, said, _ = command(f"{words}/off --effects off --provenance with", tmp_path, capsys)
    assert code == 0
    assert "more went with it" not in said
    assert set(np.unique(read_frames(tmp_path / "with")[0])) == {0, 128, 255}
    words = f"evaluate clean {shaded}/truth {shaded}/mask --provenance where --json"
    code, said, err = command(words, tmp_path, capsys)
    assert (code, err) == (0, "")
    assert json.loads(said)["carried_psnr_db"] > 25


def test_what_was_found_and_left_is_told_of() -> None:
    done = Cleaned(60, (192, 384), 0.123, 0.9, 0.1, 0.0, effects=0.013, effects_left=0.12, elapsed_s=3.14)
    assert summary(done, "shadows") == (
        "60 frames of 384x192; 12.3% was hidden, of it 90.0% carried from other frames and 10.0% made up; 1.3% more "
        "went with it (its shadow, and what the mask missed); of what was found 12.0% was left: no frame shows what is "
        "behind it; 3.1 s"
    )
    assert "1.3% more went with it (its shadow, reflections and the like, and what the mask missed)" in summary(
        done, "all"
    )
    nothing = replace(done, effects=0.0, effects_left=0.0)
    assert summary(nothing, "shadows").endswith("10.0% made up; 3.1 s")


def test_what_is_doubtful_is_told_of_with_the_frames_to_look_at() -> None:
    done = Cleaned(60, (192, 384), 0.123, 0.9, 0.1, 0.0, 0.0, 0.0, elapsed_s=3.14, doubtful=0.034, look_at=(3, 47))
    assert summary(done, "off").splitlines()[1] == (
        "look at frames 3, 47, for what is made up (10.0% of what was hidden) and what the frames before and "
        "after do not agree about (3.4%); if it shows: a wider mask (--dilate-px), or one of these frames painted by "
        "you (--reference)"
    )
    sure = replace(done, doubtful=0.0, look_at=(3,))
    assert "look at frame 3, for what is made up (10.0% of what was hidden); if" in summary(sure, "off")
    assert "look" not in summary(replace(done, look_at=()), "off")
    assert "look" not in summary(replace(done, carried=0.0, made_up=1.0), "off")


def test_a_mask_with_the_shadow_of_the_thing(shaded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    painted = sorted((shaded / "mask").iterdir())
    marks = " ".join(f"{index}:{painted[index]}" for index in range(0, 24, 4))
    words = f"mask {shaded}/shot --paint {marks} -o"
    assert command(f"{words} alone", tmp_path, capsys)[0] == 0
    code, said, err = command(f"{words} with --effects shadows", tmp_path, capsys)
    assert (code, err) == (0, "")
    alone, both = (read_masks(tmp_path / name) > 127 for name in ("alone", "with"))
    assert not (alone & ~both).any()
    more = both & ~alone
    assert f"% of the picture, and {more.mean():.1%} more that goes with it\n" in said
    shot, truth = (read_frames(shaded / name)[0].mean(-1) for name in ("shot", "truth"))
    dark = (truth - shot > 30) & ~read_clip(shaded / "shot", shaded / "mask").hole[:, 0].numpy()
    assert more[dark].mean() > 0.8
    words = f"mask {shaded}/shot --fixed --paint {painted[5]} --start 3 --end 9 --effects all -o fixed"
    assert command(words, tmp_path, capsys)[0] == 0
    fixed = read_masks(tmp_path / "fixed") > 127
    assert np.flatnonzero(fixed.any(axis=(1, 2))).tolist() == [3, 4, 5, 6, 7, 8]


BAD = {
    "inpaint none.mp4 mask.mkv -o out.mp4": "there is no file none.mp4",
    "inpaint shot.mp4 none.png -o out.mp4": "there is no file none.png",
    "inpaint text.mp4 mask.mkv -o out.mp4": "text.mp4 is not a video",
    "inpaint text.txt mask.mkv -o out.mp4": "text.txt is not a video",
    "inpaint empty.mp4 mask.mkv -o out.mp4": "empty.mp4 is not a video",
    "inpaint cut.mp4 mask.mkv -o out.mp4": "cut.mp4 has no frames",
    "inpaint head.mp4 mask.mkv -o out.mp4": "head.mp4 is not a video",
    "inpaint tone.m4a mask.mkv -o out.mp4": "tone.m4a has no picture, only sound",
    "inpaint empty mask.mkv -o out.mp4": "the folder empty has no images",
    "inpaint shot.mp4 short.mkv -o out.mp4": "short.mkv has 5 frames and shot.mp4 has 8",
    "inpaint shot.mp4 square.mkv -o out.mp4": "square.mkv is 64x64 and shot.mp4 is 96x64",
    "inpaint shot.mp4 black.mkv -o out.mp4": "black.mkv has no hole",
    "inpaint shot.mp4 white.mkv -o out.mp4": "white.mkv covers every pixel",
    "inpaint shot.mp4 mask.mkv cary -o out.mp4": "there is no method 'cary'; known are carry-learn, carry, dip,",
    "inpaint shot.mp4 mask.mkv -o nowhere/out.mp4": "there is no folder nowhere",
    "inpaint shot.mp4 mask.mkv -o short.mkv": "short.mkv is already there",
    "inpaint shot.mp4 mask.mkv -o shot.mp4 --overwrite": "shot.mp4 is also the input",
    "inpaint shot.mp4 mask.mkv -o out.png": "out.png is one picture; what it comes from is one too",
    "inpaint shot.mp4 mask.mkv -o out.gif": "out.gif ends in .gif",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --provenance out.mp4": "is out.mp4; each output has a place of its own",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --provenance a.mkv --effects-mask a.mkv": "is a.mkv; each output has",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --effects-mask out.mp4": "is out.mp4; each output has a place of its own",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --effects-mask short.mkv": "short.mkv is already there",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --effects-mask shot.mp4 --overwrite": "shot.mp4 is also the input",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --effects-mask out.gif": "out.gif ends in .gif",
    "inpaint shot.mp4 mask.mkv dip -o out.mp4 --effects-mask a.mkv": "--effects-mask is given, and effects are off",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --dilate-px -1": "dilate_px is -1",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --size 0 10": "the size is 0x10",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --size 8 8": "frames are 8x8",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --device tpu": "there is no device 'tpu'",
    "inpaint shot.mp4 mask.mkv -o out.mp4 -o=other.mp4": "--output is given twice; it has one value",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --device cuda:x": "there is no device 'cuda:x'",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --carry.window-mpx inf": "--carry.window-mpx is 'inf'; a number is needed",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --save-every-s nan": "--save-every-s is 'nan'; a number is needed",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --carry.margin-px 999999999999": "0 to 1000 is needed",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --carry.filled-weight -1": "carry.filled_weight is -1.0; 0 or more is needed",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --carry.least-support 2": "carry.least_support is 2.0; a share from 0 to 1",
    "mask shot.mp4 --box 10 10 20 20 -o out.mkv --seed -1": "the seed is -1; 0 to 2^63 - 1 is needed",
    "mask shot.mp4 --paint ²:mask.mkv -o out.mkv": "--paint ²:mask.mkv names no frame; FRAME:IMAGE is needed",
    "mask shot.mp4 --box 10 10 20 20 -o out.mkv --device foo": "there is no device 'foo'",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --carry.rounds 0": "carry.rounds is 0",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --carry.rounds 500": "carry.rounds is 500; 1 to 32 is needed",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --carry.rounds two": "--carry.rounds is 'two'; a whole number is needed",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --carry.estimator raft_small": "raft_small_C_T_V2-01064c6d.pth",
    "inpaint shot.mp4 mask.mkv dip-vid-flow -o out.mp4": "or pass --loss.perceptual 0 to do without",
    "inpaint shot.mp4 mask.mkv dip-vid -o out.mp4 --max-steps 0": "max_steps is 0",
    "inpaint shot.mp4 mask.mkv dip-vid -o out.mp4 --max-seconds 0": "max_seconds is 0",
    "inpaint shot.mp4 mask.mkv dip-vid -o out.mp4 --fit.learning-rate 0": "fit.learning_rate is 0",
    "inpaint shot.mp4 mask.mkv dip-vid -o out.mp4 --size 20 40": "frames are 40x20; a network of 6 blocks needs 32x32",
    "inpaint shot.mp4 mask.mkv dip -o out.mp4 --schedule.passes 0": "schedule.passes is 0",
    "inpaint shot.mp4 mask.mkv dip -o out.mp4 --effects shadows": "effects is shadows of a method that does not carry",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --effects fog": "--effects is 'fog'; shadows, all or off is needed",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --effects.find all": "--effects.find",
    "inpaint shot.mp4 mask.mkv": "-o PATH",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --bogus 1": "--bogus",
    "bogus": "bogus",
    "evaluate truth none mask.mkv": "there is no file none",
    "evaluate truth short.mkv mask.mkv": "the result has 8 frames of 96x64 and the truth has 5 frames of 96x64",
    "demo -o empty": "empty is already there",
}


@pytest.mark.parametrize("words", BAD)
def test_bad_input_is_one_line_and_writes_nothing(
    words: str, files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLEANPLATE_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(files / "hub"))
    before = {path: path.stat().st_mtime_ns for path in files.rglob("*")}
    code, out, err = command(words, files, capsys)
    assert code == 2
    assert out == ""
    assert err.startswith("cleanplate: ")
    assert err.count("\n") == 1
    assert BAD[words] in err
    assert {path: path.stat().st_mtime_ns for path in files.rglob("*")} == before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is a disk nobody can write to on Linux only")
def test_a_disk_that_cannot_be_written(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = command("inpaint shot.mp4 mask.mkv -o /proc/out.mp4", shot, capsys)
    assert code == 2
    assert err.count("\n") == 1
    assert "/proc/out.mp4 cannot be written" in err


def test_a_disk_that_fills_up(shot: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(encoder, "to_codec", full)
    before = set(shot.rglob("*"))
    code, _, err = command("inpaint shot.mp4 mask.mkv -o out.mp4", shot, capsys)
    assert code == 2
    assert "out.mp4 cannot be written (No space left on device)" in err
    assert set(shot.rglob("*")) == before


def test_interrupted_by_the_user(shot: Path) -> None:
    """The program itself, from its start on."""
    before = set(shot.rglob("*"))
    program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # it may be ignored here
    program += "from cleanplate.cli import main; main()"
    options = "carry -o out.mp4 --provenance where --carry.rounds 32"
    words = [sys.executable, "-c", program, "inpaint", "shot.mp4", "mask.mkv", *options.split()]
    process = subprocess.Popen(words, cwd=shot, stderr=subprocess.PIPE, text=True)
    while not list(shot.glob(".where.partial*/made/where")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == "cleanplate: interrupted; nothing was left half-written\n"
    assert set(shot.rglob("*")) == before


LEARN = "dip-vid --network.channels 8 16 --network.padding reflect --schedule.steps-per-batch 3 --dilate-px 0"


def test_killed_at_random_moments_and_resumed(
    tmp_path: Path, write_pngs: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pngs(to_bytes(panning(4, (32, 48))), "shot")
    write_pngs((walking_hole(4, (32, 48))[:, 0].numpy() * 255).astype(np.uint8), "mask")
    words = f"inpaint shot mask {LEARN} --schedule.frames-per-batch 2 --max-steps 60 --save-every-s 0"
    folder = tmp_path
    assert Running(f"{words} -o alone --log-dir alone-log", folder).end()[::2] == (0, "")
    rng, lines = random.Random(0), folder / "killed.work" / "steps.jsonl"

    def steps() -> int:
        return len(lines.read_bytes().splitlines()) if lines.is_file() else 0

    for _ in range(3):
        enough = steps() + 2
        process = Running(f"{words} -o killed --resume", folder)
        process.until(lambda enough=enough: steps() > enough)
        time.sleep(rng.uniform(0, 0.1))
        process.kill()
        assert process.code == -signal.SIGKILL
        assert not (folder / "killed").exists()
    code, _, err = command(f"{words} -o killed", folder, capsys)
    assert (code, err.count("\n")) == (2, 1)
    assert "killed.work holds an unfinished run" in err
    assert Running(f"{words} -o killed --resume --log-dir killed-log", folder).end()[::2] == (0, "")
    for alone in (folder / "alone").iterdir():
        assert (folder / "killed" / alone.name).read_bytes() == alone.read_bytes()
    texts = [(folder / f"{name}-log/steps.jsonl").read_text() for name in ("alone", "killed")]
    losses = [[json.loads(line)["image"] for line in text.splitlines()] for text in texts]
    assert len(losses[0]) == 60
    assert losses[0] == losses[1]
    assert not list(folder.glob("*.work"))


def test_interrupted_while_learning(shot: Path) -> None:
    process = Running(f"inpaint shot.mp4 mask.mkv {LEARN} -o out.mp4 --save-every-s 0", shot)
    process.until(lambda: list(shot.glob("out.mp4.work/*.pt")))
    process.send(signal.SIGINT)
    code, _, err = process.end()
    assert code == 130
    assert err.startswith("cleanplate: interrupted; what is done is in out.mp4.work; ")
    assert "--resume" in err
    assert not (shot / "out.mp4").exists()


# What a run leaves

SHORT = f"inpaint shot.mp4 mask.mkv {LEARN} -o out.mkv --device cpu --max-steps 4 --save-every-s 0"


def test_a_finished_run_leaves_what_was_asked_for(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = set(shot.iterdir())
    assert command(SHORT, shot, capsys)[0] == 0
    assert {path.name for path in set(shot.iterdir()) - before} == {"out.mkv"}


def ending(shot: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, stage: str) -> None:
    """Let a run end by an error while it reads, or after three updates."""
    import cleanplate.commands.logs as run_logs

    def on_step(step: Step) -> None:
        if step.stage == stage and (stage == "read" or step.update == 3):
            raise error

    monkeypatch.setattr(run_logs, "each_of", lambda *_: on_step)


def test_a_run_that_fails_says_where_what_is_done_is(
    shot: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as failing:
        ending(shot, failing, InputError("the disk is full", "room is needed", "make some"), stage="learn")
        code, _, err = command(SHORT, shot, capsys)
    assert code == 2
    assert err == (
        "cleanplate: the disk is full; room is needed; make some; what is done is in out.mkv.work, "
        "and the same command with --resume goes on from it\n"
    )
    assert (shot / "out.mkv.work/run.json").is_file()
    assert not (shot / "out.mkv").exists()
    assert command(f"{SHORT} --resume --log-dir log", shot, capsys)[0] == 0
    steps = [json.loads(line)["step"] for line in (shot / "log/steps.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4]
    assert not (shot / "out.mkv.work").exists()


def test_a_defect_shows_its_traceback_and_where_what_is_done_is(
    shot: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ending(shot, monkeypatch, ZeroDivisionError("ours"), stage="learn")
    with pytest.raises(ZeroDivisionError, match="ours"):
        command(SHORT, shot, capsys)
    said = "cleanplate: WARNING: what is done is in out.mkv.work; the same command with --resume goes on from it\n"
    assert capsys.readouterr().err == said  # the traceback is what Python says of an error that is not caught
    assert (shot / "out.mkv.work/run.json").is_file()


@pytest.mark.parametrize("stage", ["read", "learn"])
@pytest.mark.parametrize("error", [InputError("given", "needed", "fix"), ZeroDivisionError()], ids=["input", "defect"])
def test_where_nothing_was_saved_nothing_is_said_of_it_nor_left(
    shot: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: Exception, stage: str
) -> None:
    ending(shot, monkeypatch, error, stage)
    with contextlib.suppress(ZeroDivisionError):
        assert command(SHORT.replace("--save-every-s 0", ""), shot, capsys)[::2] == (
            2,
            "cleanplate: given; needed; fix\n",
        )
    assert capsys.readouterr().err == ""
    assert not list(shot.glob("*out.mkv*"))


def test_logs_and_pictures(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    words = (
        "inpaint shot.mp4 mask.mkv dip-vid-flow -o out.mkv --loss.perceptual 0 --network.channels 8 16 --max-steps 6 "
    )
    code, _, err = command(words + "--log-dir events --pictures looks --fit.eval-every 3", shot, capsys)
    assert (code, err) == (0, "")
    events = EventAccumulator(str(shot / "events"))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {"fit/image", "fit/flow", "fit/consistency"}
    assert [event.step for event in events.Scalars("fit/image")] == [1, 2, 3, 4, 5, 6]
    assert "fit/flow+1" in events.Tags()["images"]
    names = {path.name for path in (shot / "looks").iterdir()}
    assert len(names) == 2 * (8 + 6 * 8)
    assert {"fit-000003-frame-00000.png", "fit-000006-flow-5-00007.png"} <= names
    logged = [json.loads(line) for line in (shot / "events/steps.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged] == [1, 2, 3, 4, 5, 6]
    assert {"stride", "direction", "frames", "image", "flow", "consistency", "elapsed_s"} <= set(logged[0])
    assert not (shot / "out.mkv.work").exists()


def test_help_and_import_do_not_load_torch() -> None:
    program = """
import sys, cleanplate
from cleanplate.cli import run
try:
    run(["inpaint", "--help-all"])
finally:
    print("torch" in sys.modules)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "VIDEO MASK" in said
    assert "--carry.rounds" in said
    assert said.endswith("False\n")


@pytest.mark.skipif(importlib.util.find_spec("gradio") is None, reason="gradio is not installed")
def test_the_page_does_not_load_torch() -> None:
    program = "import sys, cleanplate.studio.page, cleanplate.studio.server; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_without_torch_the_built_in_shot_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cleanplate.studio.tasks import make_demo_shot

    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match="torch is not installed"):
        make_demo_shot(tmp_path / "shot.mp4", tmp_path, on_step=lambda _: None)


WITHOUT_TORCH = """
import contextlib, io, json, sys

class Blind:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, *more):
        return None if name.split(".")[0] in ("torch", "torchvision") else self.finder.find_spec(name, *more)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path = [Blind(finder) for finder in sys.meta_path]
from cleanplate.cli import run

ended = []
for words in sys.argv[1:]:
    with contextlib.redirect_stderr(io.StringIO()) as said:
        code = run(words.split())
    ended.append((code, said.getvalue()))
print(json.dumps(ended))
"""


def test_without_torch_a_thing_is_followed_and_removed_and_what_learns_says_what_it_needs(shot: Path) -> None:
    def ended(*commands: str) -> list[list]:
        """Exit code and stderr of each, one after the other in a process of their own."""
        words = [sys.executable, "-c", WITHOUT_TORCH, *commands]
        done = subprocess.run(words, capture_output=True, text=True, cwd=shot, check=True)
        assert done.stderr == ""
        return json.loads(done.stdout.splitlines()[-1])

    paint = shot / "first.png"
    cv2.imwrite(str(paint), np.asarray(read_frames(shot / "mask.mkv")[0][0]))
    before = {path.name for path in shot.iterdir()}
    assert (
        ended(
            f"mask shot.mp4 --paint 0:{paint} -o followed.mkv",
            "inpaint shot.mp4 followed.mkv -o one.mp4 carry --save-every-s 0",
            "inpaint shot.mp4 mask.mkv -o other.mp4",
        )
        == [[0, ""]] * 3
    )
    assert {path.name for path in shot.iterdir()} - before == {"followed.mkv", "one.mp4", "other.mp4"}
    before = {path.name for path in shot.iterdir()}
    for code, said in ended(
        "inpaint shot.mp4 mask.mkv -o x.mp4 --unseen.networks 1",
        "inpaint shot.mp4 mask.mkv -o x.mp4 dip",
        "demo -o x",
    ):
        assert code == 2
        assert said.startswith("cleanplate: torch is not installed; ")
        assert said.endswith("pip install 'cleanplate[learn]', or name the method carry\n")
        assert said.count("\n") == 1
    assert {path.name for path in shot.iterdir()} == before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="GNU OpenMP is what torch comes with on Linux")
@pytest.mark.parametrize(("given", "count"), [({}, 10000), ({"GOMP_SPINCOUNT": "77"}, 77)])
def test_threads_that_wait_leave_the_cores_to_others(given: dict[str, str], count: int) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    environment |= {"OMP_DISPLAY_ENV": "verbose", **given}
    words = [sys.executable, "-c", "from cleanplate import inpaint"]
    said = subprocess.run(words, capture_output=True, text=True, check=True, env=environment).stderr
    assert f"GOMP_SPINCOUNT = '{count}'" in said


def test_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("--version", tmp_path, capsys) == (0, f"cleanplate {__version__}\n", "")
    words = [sys.executable, "-m", "cleanplate", "--version"]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == f"cleanplate {__version__}\n"


def test_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "make_demo", partial(demo.make_demo, size=(96, 192)))
    code, out, _ = command("demo -o demo", tmp_path, capsys)
    assert code == 0
    ours, theirs = (float(line.split(":")[1].split("dB")[0]) for line in out.splitlines()[1:3])
    assert ours > theirs + 10
    shadow = next(line for line in out.splitlines() if "shadow" in line)
    with_shadow, without = (float(part.split()[0]) for part in re.findall(r"[\d.]+ dB", shadow))
    assert without > with_shadow + 6
    names = {path.name for path in (tmp_path / "demo").iterdir()}
    assert names == {
        "input.mp4",
        "mask.mkv",
        "clean.mp4",
        "provenance.mkv",
        "truth.mkv",
        "side-by-side.png",
        "shadow.png",
    }


def test_a_settings_file_is_what_the_command_line_says(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shot / "set.toml").write_text(
        'video = "shot.mp4"\nmask = "mask.mkv"\noutput = "held.mkv"\nmethod = "carry"\n'
        "dilate-px = 2\nlossless = true\n[carry]\nrounds = 1\nwindow_frames = 8\n"
    )
    said = (
        "inpaint shot.mp4 mask.mkv carry -o said.mkv --dilate-px 2 --lossless --carry.rounds 1 --carry.window-frames 8"
    )
    assert command(said, shot, capsys)[0] == 0
    assert command("inpaint --settings-file set.toml", shot, capsys)[0] == 0
    assert np.array_equal(read_frames(shot / "held.mkv")[0], read_frames(shot / "said.mkv")[0])
    # What is given on the command line counts more, and a method brings its own values for what the file does not set.
    words = "inpaint a.mp4 b.mkv dip -o c.mkv --carry.rounds 3 --settings-file"
    parsed = cli.parse([*words.split(), str(shot / "set.toml")])
    assert isinstance(parsed, Inpaint)
    assert (str(parsed.video), parsed.method, parsed.dilate_px) == ("a.mp4", "dip", 2)
    assert (parsed.settings.carry.rounds, parsed.settings.carry.window_frames) == (3, 8)
    assert parsed.settings.schedule.each_frame_alone
    assert parsed.encoding.lossless


def effects_of(*words: str) -> str:
    parsed = cli.parse(["inpaint", "a.mp4", "b.mkv", "-o", "c.mkv", *words])
    assert isinstance(parsed, Inpaint)
    return parsed.settings.effects.find


def test_effects_are_one_word_wherever_options_are_named(tmp_path: Path) -> None:
    assert [effects_of(), effects_of("carry"), effects_of("--effects", "all")] == ["shadows", "shadows", "all"]
    assert effects_of("dip") == effects_of("dip", "--effects", "off") == effects_of("carry", "--effects=off") == "off"
    (tmp_path / "set.toml").write_text('effects = "all"\n')
    file = ("--settings-file", f"{tmp_path}/set.toml")
    assert effects_of(*file) == "all"
    assert effects_of(*file, "--effects", "off") == "off"
    with pytest.raises(InputError, match="effects is all of a method that does not carry"):
        effects_of(*file, "dip")
    values = [options()["effects"].value(METHODS[method]) for method in ("carry-learn", "dip")]
    assert values == ["shadows", "off"]


def test_settings_are_read_as_they_were_written(tmp_path: Path) -> None:
    settings = {
        "video": 'a "shot" \u00e9\\.mp4',
        "seed": 3,
        "invert-mask": True,
        "carry.reach-px": 25.0,
        "size": (64, 96),
    }
    write_settings(tmp_path / "set.toml", settings)
    assert read_settings(tmp_path / "set.toml") == settings
    assert to_words({"a.b-c": False, "d": True, "e": (1, 2)}) == ["--a.no-b-c", "--d", "--e", "1", "2"]


BAD_SETTINGS = {
    None: "the settings file FILE cannot be read (No such file or directory)",
    "seed = ": "the settings file FILE is not TOML",
    "seed = 1979-05-27": "seed in FILE is datetime.date(1979, 5, 27)",
    "dilate-px = 2\ndilate_px = 9": "dilate-px is given twice in FILE; once is enough",
    'settings-file = "other.toml"': "FILE names another settings file",
    "output = true": "output in FILE is True; the name of a file or folder is needed",
    "sed = 1": "the settings file FILE cannot be used (",
    'seed = "four"': "the settings file FILE cannot be used (",
    "carry.rounds = 0": "carry.rounds is 0",
    'method = "cary"': "did you mean 'carry'?",
}


@pytest.mark.parametrize("text", BAD_SETTINGS)
def test_bad_settings_files(text: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "set.toml"
    if text is not None:
        file.write_text(text)
    assert cli.run(["inpaint", "a.mp4", "b.mkv", "-o", "c.mkv", "--settings-file", str(file)]) == 2
    errors = capsys.readouterr().err
    assert BAD_SETTINGS[text].replace("FILE", str(file)) in errors
    assert errors.count("\n") == 1
