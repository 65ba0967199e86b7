import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from cleanplate import cli, write_video
from cleanplate.commands.inpaint import Inpaint
from cleanplate.commands.options import to_words
from cleanplate.commands.settings import read_settings, write_settings
from cleanplate.data.demo import write_tone
from cleanplate.version import __version__
from cleanplate.video import encoder
from cleanplate.video.reader import read_frames
from tests.conftest import panning, to_bytes, walking_hole

Write = Callable[..., Path]


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """shot.mp4 with sound, mask.mkv, truth/, and files that are wrong in one way each."""
    frames, hole = panning(8), walking_hole(8)
    painted = frames.where(~hole, 0.9)
    write_tone(tmp_path / "tone.m4a", 0.4)
    write_video(tmp_path / "shot.mp4", painted, fps=24, sound=tmp_path / "tone.m4a")
    mask = hole.float().expand(-1, 3, -1, -1)
    write_video(tmp_path / "mask.mkv", mask)
    write_video(tmp_path / "truth", frames)
    write_video(tmp_path / "short.mkv", mask[:5])
    write_video(tmp_path / "black.mkv", mask * 0)
    write_video(tmp_path / "white.mkv", mask * 0 + 1)
    write_video(tmp_path / "square.mkv", mask[..., :64])
    (tmp_path / "text.mp4").write_text("this is no video\n" * 50)
    (tmp_path / "text.txt").write_text("this is no video\n" * 50)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "empty").mkdir()
    content = (tmp_path / "shot.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: content.index(b"mdat") + 4])
    (tmp_path / "head.mp4").write_bytes(content[:100])
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
    assert figures["n_frames"] == 8
    code, out, _ = command("evaluate truth truth mask.mkv --json", shot, capsys)
    assert json.loads(out)["psnr_db"] is None
    code, out, _ = command("evaluate clean.mkv truth mask.mkv", shot, capsys)
    assert "hole_psnr_db" in out


def test_known_pixels_of_a_lossless_result_are_those_of_the_video(
    shot: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("inpaint shot.mp4 mask.mkv carry -o clean.mkv --dilate-px 0", shot, capsys)[0] == 0
    known = ~walking_hole(8)[:, 0].numpy()
    before, after = read_frames(shot / "shot.mp4")[0], read_frames(shot / "clean.mkv")[0]
    assert np.array_equal(after[known], before[known])


BAD = {
    "inpaint none.mp4 mask.mkv -o out.mp4": "there is no file none.mp4",
    "inpaint shot.mp4 none.png -o out.mp4": "there is no file none.png",
    "inpaint text.mp4 mask.mkv -o out.mp4": "text.mp4 is not a video",
    "inpaint text.txt mask.mkv -o out.mp4": "text.txt is not a video",
    "inpaint empty.mp4 mask.mkv -o out.mp4": "empty.mp4 is not a video",
    "inpaint cut.mp4 mask.mkv -o out.mp4": "cut.mp4 has no frames",
    "inpaint head.mp4 mask.mkv -o out.mp4": "head.mp4 is not a video",
    "inpaint tone.m4a mask.mkv -o out.mp4": "tone.m4a is not a video",
    "inpaint empty mask.mkv -o out.mp4": "the folder empty has no images",
    "inpaint shot.mp4 short.mkv -o out.mp4": "short.mkv has 5 frames and shot.mp4 has 8",
    "inpaint shot.mp4 square.mkv -o out.mp4": "square.mkv is 64x64 and shot.mp4 is 96x64",
    "inpaint shot.mp4 black.mkv -o out.mp4": "black.mkv has no hole",
    "inpaint shot.mp4 white.mkv -o out.mp4": "white.mkv covers every pixel",
    "inpaint shot.mp4 mask.mkv cary -o out.mp4": "there is no method 'cary'; known are carry-learn, carry, dip,",
    "inpaint shot.mp4 mask.mkv -o nowhere/out.mp4": "there is no folder nowhere",
    "inpaint shot.mp4 mask.mkv -o short.mkv": "short.mkv is already there",
    "inpaint shot.mp4 mask.mkv -o shot.mp4 --overwrite": "shot.mp4 is also the input",
    "inpaint shot.mp4 mask.mkv -o out.gif": "out.gif ends in .gif",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --provenance out.mp4": "out.mp4 is named twice",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --dilate-px -1": "dilate_px is -1",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --size 0 10": "the size is 0x10",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --size 8 8": "frames are 8x8",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --device tpu": "the device 'tpu' is not available",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --carry.rounds 0": "carry.rounds is 0",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --carry.rounds two": "invalid literal for int() with base 10: 'two'",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --carry.estimator raft_small": "raft_small_C_T_V2-01064c6d.pth",
    "inpaint shot.mp4 mask.mkv dip-vid-flow -o out.mp4": "or pass --loss.perceptual 0 to do without",
    "inpaint shot.mp4 mask.mkv dip-vid -o out.mp4 --max-steps 0": "max_steps is 0",
    "inpaint shot.mp4 mask.mkv dip-vid -o out.mp4 --max-seconds 0": "max_seconds is 0",
    "inpaint shot.mp4 mask.mkv dip-vid -o out.mp4 --fit.learning-rate 0": "fit.learning_rate is 0",
    "inpaint shot.mp4 mask.mkv dip-vid -o out.mp4 --size 20 40": "frames are 40x20; a network of 6 blocks needs 32x32",
    "inpaint shot.mp4 mask.mkv dip -o out.mp4 --schedule.passes 0": "schedule.passes is 0",
    "inpaint shot.mp4 mask.mkv": "-o PATH",
    "inpaint shot.mp4 mask.mkv -o out.mp4 --bogus 1": "--bogus",
    "bogus": "bogus",
    "evaluate truth none mask.mkv": "there is no file none",
    "evaluate truth short.mkv mask.mkv": "(5, 3, 64, 96)",
    "demo -o empty": "empty is already there",
}


@pytest.mark.parametrize("words", BAD)
def test_bad_input_is_one_line_and_writes_nothing(
    words: str, shot: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLEANPLATE_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(shot / "hub"))
    before = {path: path.stat().st_mtime_ns for path in shot.rglob("*")}
    code, out, err = command(words, shot, capsys)
    assert code == 2
    assert out == ""
    assert err.startswith("cleanplate: ")
    assert err.count("\n") == 1
    assert BAD[words] in err
    assert {path: path.stat().st_mtime_ns for path in shot.rglob("*")} == before


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


def test_interrupted_by_the_user(tmp_path: Path, write_pngs: Write) -> None:
    frames = write_pngs(to_bytes(panning(40, (240, 320), step=(1, 0))), "frames")
    cv2.imwrite(str(tmp_path / "mask.png"), (walking_hole(1, (240, 320))[0, 0].numpy() * 255).astype(np.uint8))
    before = set(tmp_path.rglob("*"))
    words = [sys.executable, "-c", PROGRAM, "inpaint", str(frames)]
    words += [str(tmp_path / "mask.png"), "-o", str(tmp_path / "out.mp4"), "--carry.rounds", "50", "--end", "30"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    time.sleep(8)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == "cleanplate: interrupted; nothing was left half-written\n"
    assert set(tmp_path.rglob("*")) == before


# A parent that runs in the background may ignore interrupts, and its children would inherit that.
PROGRAM = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from cleanplate.cli import main
main()
"""
LEARN = "dip-vid --network.channels 8 16 --network.padding reflect --schedule.steps-per-batch 3 --dilate-px 0"


def start(words: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words.split()],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_killed_at_random_moments_and_resumed(tmp_path: Path, write_pngs: Write) -> None:
    write_pngs(to_bytes(panning(6, (48, 64))), "shot")
    write_pngs((walking_hole(6, (48, 64))[:, 0].numpy() * 255).astype(np.uint8), "mask")
    words = f"inpaint shot mask {LEARN} --max-steps 90 --save-every-s 0"
    with start(f"{words} -o alone", tmp_path) as process:
        assert process.communicate(timeout=60)[1] == ""
    rng, lines = random.Random(0), tmp_path / "killed.work" / "steps.jsonl"
    reached = 0
    for _ in range(3):
        process = start(f"{words} -o killed --resume", tmp_path)
        while not lines.is_file() or len(lines.read_bytes().splitlines()) <= reached + 2:
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.3))
        process.kill()
        process.communicate()
        assert not (tmp_path / "killed").exists()
        reached = len(lines.read_bytes().splitlines())
    process = start(f"{words} -o killed", tmp_path)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.count("\n")) == (2, 1)
    assert "killed.work holds an unfinished run" in err
    process = start(f"{words} -o killed --resume", tmp_path)
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 0
    for alone in (tmp_path / "alone").iterdir():
        assert (tmp_path / "killed" / alone.name).read_bytes() == alone.read_bytes()
    texts = [(tmp_path / f"{name}.work/steps.jsonl").read_text() for name in ("alone", "killed")]
    losses = [[json.loads(line)["image"] for line in text.splitlines()] for text in texts]
    assert len(losses[0]) == 90
    assert losses[0] == losses[1]
    assert [path.name for path in (tmp_path / "killed.work").iterdir()] == ["steps.jsonl"]


def test_interrupted_while_learning(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    process = start(f"inpaint shot.mp4 mask.mkv {LEARN} -o out.mp4 --save-every-s 0", shot)
    while not list(shot.glob("out.mp4.work/*.pt")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.startswith("cleanplate: interrupted; what is done is in out.mp4.work; ")
    assert "--resume" in err
    assert not (shot / "out.mp4").exists()


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
    logged = [json.loads(line) for line in (shot / "out.mkv.work/steps.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged] == [1, 2, 3, 4, 5, 6]
    assert {"stride", "direction", "frames", "image", "flow", "consistency", "elapsed_s"} <= set(logged[0])


def test_help_and_import_do_not_load_torch() -> None:
    program = """
import sys, cleanplate
from cleanplate.cli import run
try:
    run(["inpaint", "--help"])
except SystemExit:
    print("torch" in sys.modules)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "VIDEO MASK" in said
    assert "--carry.rounds" in said
    assert said.endswith("False\n")


def test_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("--version", tmp_path, capsys) == (0, f"cleanplate {__version__}\n", "")
    words = [sys.executable, "-m", "cleanplate", "--version"]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == f"cleanplate {__version__}\n"


def test_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = command("demo -o demo", tmp_path, capsys)
    assert code == 0
    ours, theirs = (float(line.split(":")[1].split("dB")[0]) for line in out.splitlines()[1:3])
    assert ours > theirs + 10
    names = {path.name for path in (tmp_path / "demo").iterdir()}
    assert names == {"input.mp4", "mask.mkv", "clean.mp4", "provenance.mkv", "truth.mkv", "side-by-side.png"}


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


def test_settings_are_read_as_they_were_written(tmp_path: Path) -> None:
    settings = {"video": 'a "shot" \u00e9\\.mp4', "seed": 3, "invert-mask": True, "carry.reach": 0.25, "size": (64, 96)}
    write_settings(tmp_path / "set.toml", settings)
    assert read_settings(tmp_path / "set.toml") == settings
    assert to_words({"a.b-c": False, "d": True, "e": (1, 2)}) == ["--a.no-b-c", "--d", "--e", "1", "2"]


BAD_SETTINGS = {
    None: "the settings file FILE cannot be read (No such file or directory)",
    "seed = ": "the settings file FILE is not TOML",
    "seed = 1979-05-27": "seed in FILE is datetime.date(1979, 5, 27)",
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
