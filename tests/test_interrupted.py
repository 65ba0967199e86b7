"""What ends a run early, done for real: killed, told to end, a full disk, inputs that go, frames that are broken."""

import contextlib
import errno
import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from cleanplate import InputError, cli, write_video
from cleanplate.clean import clean
from cleanplate.config import Encoding
from cleanplate.pipeline import enough_memory
from cleanplate.progress import Step
from cleanplate.runtime.files import whole, writing
from cleanplate.runtime.options import RunOptions
from cleanplate.runtime.work_dir import WorkDir
from cleanplate.video.reader import read_frames
from cleanplate.video.shot import open_shot
from cleanplate.video.writer import open_writer
from tests.conftest import panning, to_bytes, walking_hole
from tests.running import Running

SLOW = "carry --carry.window-frames 4 --carry.rounds 6 --device cpu"


def partial_files(folder: Path, name: str) -> list[Path]:
    return [path for path in folder.glob(f".{name}.partial*/made/{name}") if path.is_dir() or path.stat().st_size]


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shot of 200 frames and its mask: half a minute of work."""
    folder = tmp_path_factory.mktemp("long")
    write_video(folder / "shot.mkv", panning(200, (120, 160), step=(1, 0)))
    cv2.imwrite(str(folder / "mask.png"), to_bytes(walking_hole(1, (120, 160)).float())[0])
    return folder


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """shot.mp4 and shot.mkv of 12 frames, mask.png and mask.mkv."""
    frames, hole = panning(12), walking_hole(12, step=3).float().expand(-1, 3, -1, -1)
    write_video(tmp_path / "shot.mp4", frames)
    write_video(tmp_path / "shot.mkv", frames)
    write_video(tmp_path / "mask.mkv", hole)
    cv2.imwrite(str(tmp_path / "mask.png"), to_bytes(hole)[0])
    return tmp_path


# Killed, and told to end


@pytest.mark.parametrize("name", ["out.mkv", "out"])
def test_what_a_killed_run_leaves_is_removed_by_the_next_but_not_what_a_living_one_writes(
    long: Path, short: Path, name: str
) -> None:
    process = Running(f"inpaint {long}/shot.mkv {long}/mask.png {SLOW} -o {name}", short)
    process.until(lambda: partial_files(short, name))
    process.kill()
    assert not (short / name).exists()
    left = list(short.glob(f".{name}.partial*"))
    assert len(left) == 1
    with whole(short / name) as living:
        assert not left[0].exists()
        living.write_text("not to be lost")
        words = f"inpaint {short}/shot.mp4 {short}/mask.png carry -o {short}/{name} --device cpu --overwrite"
        assert cli.run(words.split()) == 0
        assert living.read_text() == "not to be lost"
        assert len(read_frames(short / name)[0]) == 12
        living.unlink()
        living.mkdir()
        (living / "a").touch()
        if name == "out.mkv":
            living.rename(living.with_name("elsewhere"))
            (living.with_name("out.mkv")).write_text("whole")
    assert not list(short.glob(".*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_end(long: Path, tmp_path: Path, number: signal.Signals) -> None:
    words = f"inpaint {long}/shot.mkv {long}/mask.png {SLOW} -o out.mp4 --provenance where"
    process = Running(words, tmp_path)
    process.until(lambda: partial_files(tmp_path, "out.mp4"))
    process.send(number)
    code, out, err = process.end(30)
    assert (code, out) == (130, "")
    warning, said = err.splitlines()
    assert warning.startswith("cleanplate: WARNING: out.mp4 has colour at half its width and height")
    assert said == "cleanplate: interrupted; what is done is in out.mp4.work; the same command with --resume goes on"
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4.work"]


def test_killed_while_carrying_and_run_again(short: Path) -> None:
    """No block was done yet: there is nothing to go on from, and --resume does no harm."""
    hole = torch.zeros(1, 1, 64, 96, dtype=torch.bool)
    hole[..., 20:44, 30:60] = True
    cv2.imwrite(str(short / "still.png"), to_bytes(hole.float())[0])
    write_video(short / "still", panning(1).expand(6, -1, -1, -1))
    words = "inpaint still still.png --max-steps 2 --network.channels 8 16 --device cpu"
    words += " --unseen.ensemble-size 2 --unseen.offsets 0"
    assert Running(f"{words} -o alone", short).end()[::2] == (0, "")
    killed = Running(f"{words} -o killed --resume", short)
    killed.until(lambda: list(short.glob(".killed.partial*")))
    killed.kill()
    assert Running(f"{words} -o killed --resume", short).end()[::2] == (0, "")
    files = sorted(path.name for path in (short / "alone").iterdir())
    assert len(files) == 6
    for file in files:
        assert (short / "alone" / file).read_bytes() == (short / "killed" / file).read_bytes()
    assert not list(short.glob(".*"))


# A full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A disk of so many KB."""
    place = tmp_path / "disk"
    place.mkdir()

    def mounted(size_kb: int) -> Path:
        subprocess.run(["umount", str(place)], capture_output=True)  # of another size
        words = ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(place)]
        try:
            done = subprocess.run(words, capture_output=True, text=True)
        except FileNotFoundError:
            pytest.skip("a small disk is made by mount, which is not here")
        if done.returncode:
            pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
        return place

    yield mounted
    subprocess.run(["umount", str(place)], capture_output=True)


@pytest.mark.parametrize("name", ["out.mkv", "out.mp4", "out.mov", "out.webm", "out"])
def test_a_disk_that_is_full_at_any_moment(short: Path, small_disk: Callable[[int], Path], name: str) -> None:
    """The output is whole, or it is not there: also where only its last bytes have no room."""
    pictures = to_bytes(panning(12))
    ended = set()
    for size_kb in (4, 12, 24, 40, 64, 84, 100, 124, 128, 132, 136, 140, 160, 200, 240, 280, 400):
        disk = small_disk(size_kb)
        try:
            with open_writer(disk / name, fps=24, encoding=Encoding(codec="auto")) as writer:
                for picture in pictures:
                    writer.write(picture)
        except InputError as error:
            ended.add(str(error).partition(";")[0])
            left = list(disk.iterdir())
        else:
            ended.add("whole")
            left = [] if len(read_frames(disk / name)[0]) == 12 else [disk / name]
        assert not left
    assert ended == {f"{disk / name} cannot be written (No space left on device)", "whole"}


def test_the_command_on_a_full_disk(
    long: Path, small_disk: Callable[[int], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    disk = small_disk(256)
    words = f"inpaint {long}/shot.mkv {long}/mask.png carry --end 40 -o {disk}/out.mkv --device cpu"
    assert cli.run(words.split()) == 2
    assert capsys.readouterr().err == (
        f"cleanplate: {disk}/out.mkv cannot be written (No space left on device); "
        f"a writable disk with room is needed; choose another place; what is done is in {disk}/out.mkv.work, "
        "and the same command with --resume goes on from it\n"
    )
    assert {path.name for path in disk.iterdir()} <= {"out.mkv.work"}  # for --resume, when there is room


def test_a_full_disk_keeps_the_last_save(small_disk: Callable[[int], Path]) -> None:
    disk = small_disk(512)
    work = WorkDir(disk / "work")
    work.begin({"clip": "a"})
    work.save_tensors("clip", {"elapsed_s": 1.0, "weights": torch.zeros(30_000)})
    with pytest.raises(InputError, match=r"clip\.pt cannot be written"):
        work.save_tensors("clip", {"elapsed_s": 2.0, "weights": torch.zeros(120_000)})
    again = WorkDir(disk / "work", resume=True)
    again.begin({"clip": "a"})
    assert again.load_tensors("clip", torch.device("cpu"))["elapsed_s"] == 1.0


def test_a_file_that_may_not_grow(short: Path) -> None:
    """As on a disk with quotas; needs no rights."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(InputError, match=r"out\.mkv cannot be written \(File too large\)"):
            clean(
                open_shot(short / "shot.mkv", (short / "mask.png",)),
                short / "out.mkv",
                "carry",
                RunOptions(device="cpu"),
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not list(short.glob("*out.mkv*"))


# Inputs that go


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def overwritten(path: Path) -> None:
    write_video(path, panning(12, seed=1))


@pytest.mark.parametrize("harm", [Path.unlink, cut, emptied, overwritten], ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("name", ["shot.mp4", "shot.mkv", "mask.mkv"])
@pytest.mark.parametrize("moment", ["before", "read"])
def test_an_input_that_goes_while_it_is_read(short: Path, harm: Callable[[Path], None], name: str, moment: str) -> None:
    masks = (short / ("mask.mkv" if name == "mask.mkv" else "mask.png"),)
    shot = open_shot(short / ("shot.mp4" if name == "mask.mkv" else name), masks)
    done = []

    def on_step(step: Step) -> None:
        if step.stage == moment and not done:
            done.append(harm(short / name))

    if moment == "before":
        harm(short / name)
    with pytest.raises(InputError) as error:
        clean(shot, short / "out.mkv", "carry", RunOptions(device="cpu", on_step=on_step))
    assert name in str(error.value)
    assert "out.mkv" not in str(error.value)
    assert not list(short.glob("*out.mkv*"))


def test_an_image_that_goes_while_its_folder_is_read(short: Path) -> None:
    write_video(short / "frames", panning(12))
    shot = open_shot(short / "frames", (short / "mask.png",))

    def on_step(step: Step) -> None:
        (short / "frames/00007.png").unlink(missing_ok=True)

    with pytest.raises(InputError, match=r"00007\.png cannot be read|frames has changed"):
        clean(shot, short / "out", "carry", RunOptions(device="cpu", on_step=on_step))
    assert not list(short.glob("*out*"))


# Broken frames


def break_frame(path: Path, index: int, seed: int = 0) -> None:
    """Change some bytes of a packet."""
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    position, size = packets[index]
    assert position is not None
    data, rng = bytearray(path.read_bytes()), random.Random(seed)
    for _ in range(6):  # behind the header of the packet, if it has room for one
        data[position + rng.randrange(min(8, size // 2), size)] ^= rng.randrange(1, 256)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("codec", "least"),
    [("ffv1", 12), ("h264", 6), ("h265", 4), ("prores", 1)],
    ids=lambda value: f"{value}",
)
def test_a_broken_frame_is_refused_or_named(
    tmp_path: Path, codec: str, least: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Of what a decoder notices nothing is kept in silence; only checksums, as FFV1 has them, let it notice all."""
    path = tmp_path / f"shot{'.mov' if codec == 'prores' else '.mkv'}"
    encoding = Encoding(codec=codec)  # type: ignore[arg-type]
    write_video(tmp_path / "grey.mp4", panning(16))
    write_video(path, panning(16), like=tmp_path / "grey.mp4", encoding=replace(encoding, lossless=codec == "ffv1"))
    whole_file, found = path.read_bytes(), 0
    for seed in range(12):
        path.write_bytes(whole_file)
        break_frame(path, 8, seed)
        caplog.clear()
        said = ""
        try:
            read_frames(path)
        except InputError as error:
            said = str(error)
        found += f"of {path} cannot be decoded" in said or f"{path} is damaged at frame " in caplog.text
        assert len(caplog.records) <= 1
    assert found >= least


def test_the_frame_is_named(short: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lossless frames have checksums: all damage is found, and where it is."""
    write_video(short / "shot.mkv", panning(12), like=short / "shot.mp4", encoding=Encoding(lossless=True))
    break_frame(short / "shot.mkv", 5)
    words = f"inpaint {short}/shot.mkv {short}/mask.png carry -o {short}/out.mkv --device cpu"
    assert cli.run(words.split()) == 0
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "shot.mkv is damaged at frame 5" in err


def test_a_video_that_was_cut_off(short: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("shot.mp4", "shot.mkv"):
        data = (short / name).read_bytes()
        (short / f"cut-{name}").write_bytes(data[: len(data) * 2 // 3])
        with contextlib.suppress(InputError):
            assert len(read_frames(short / f"cut-{name}")[0]) < 12
            assert f"cut-{name} ends early" in caplog.text or f"cut-{name} is damaged at" in caplog.text


def test_whole_videos_are_not_said_to_be_damaged(short: Path, caplog: pytest.LogCaptureFixture) -> None:
    for suffix, codec in ((".mp4", "h264"), (".mp4", "h265"), (".mkv", "ffv1"), (".webm", "vp9"), (".mkv", "av1")):
        write_video(short / f"x{suffix}", panning(12), encoding=Encoding(codec=codec))  # type: ignore[arg-type]
        read_frames(short / f"x{suffix}")
    assert not caplog.records


# No memory


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total\nof 4 GB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
        cv2.error("OpenCV(4.10) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 9 bytes"),
    ],
)
def test_no_memory_left_is_one_line_that_says_what_to_do(error: Exception) -> None:
    said = r"memory has run out.*; .*window-frames.*--size.*--device cpu$"
    with pytest.raises(InputError, match=said), enough_memory():
        raise error


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.EAGAIN])
def test_no_memory_is_no_fault_of_a_disk(number: int, tmp_path: Path) -> None:
    """The second is what a system says that cannot begin one more thread."""
    said = r"memory has run out"
    with pytest.raises(InputError, match=said), enough_memory(), writing(tmp_path / "out.mp4"):
        raise OSError(number, os.strerror(number))
    with pytest.raises(InputError, match=r"out\.mp4 cannot be written"), enough_memory(), writing(tmp_path / "out.mp4"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_other_errors_are_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes"), enough_memory():
        raise RuntimeError("shapes do not match")


LITTLE = """
import resource, sys
from cleanplate import cli
import cleanplate.clean
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 600_000_000,) * 2)
sys.exit(cli.run(sys.argv[1:]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is limited by RLIMIT_AS on Linux only")
def test_no_memory_left_for_real(tmp_path: Path) -> None:
    pictures = np.repeat(np.repeat(to_bytes(panning(1, (128, 192))), 12, 1), 12, 2)
    with open_writer(tmp_path / "shot.mp4", fps=24) as writer:
        for _ in range(24):
            writer.write(pictures[0])
    mask = np.zeros(pictures.shape[1:3], np.uint8)
    mask[300:900, 300:900] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    before = set(tmp_path.iterdir())
    words = [
        "inpaint",
        "shot.mp4",
        "mask.png",
        "carry",
        "-o",
        "out.mp4",
        "--device",
        "cpu",
        "--carry.window-mpx",
        "400",
    ]
    done = subprocess.run([sys.executable, "-c", LITTLE, *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2, done
    assert done.stderr.startswith("cleanplate: memory has run out")
    assert done.stderr.count("\n") == 1
    assert set(tmp_path.iterdir()) == before
