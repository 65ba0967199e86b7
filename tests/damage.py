"""Damage small valid files in every way we can think of, and read them as the commands do.

A case is a number: what is damaged and how follows from it and from the seed, so any process can run any case again:

    python -m tests.damage FOLDER 17 1234     # makes the files there if they are not, and runs cases 17 and 1234

Without numbers it reads them from stdin, and answers each by a line of JSON (`test_damaged.py`).
"""

import contextlib
import faulthandler
import json
import os
import random
import re
import resource
import shutil
import struct
import sys
import time
import traceback
import warnings
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from cleanplate import write_video
from cleanplate.batch.jobs import read_jobs
from cleanplate.batch.runner import BATCH, _check
from cleanplate.data.compose import read_composed
from cleanplate.data.demo import write_tone
from cleanplate.data.pairs import MANIFEST, read_pairs
from cleanplate.errors import InputError
from cleanplate.runtime.files import existing
from cleanplate.runtime.records import read_records
from cleanplate.runtime.work_dir import WorkDir
from cleanplate.video.images import read_image
from cleanplate.video.reader import read_frames, read_masks
from cleanplate.video.shot import open_shot
from tests.conftest import panning, to_bytes, walking_hole

SEED = 20190527
MOST_MB = 1500  # above what the process had before; 150 million pixels, the most a picture may have, are 450 MB
SIZE = (48, 64)
RUN = {"clip": "a", "method": "b", "seed": "0"}

Rng = random.Random
Damage = Callable[[bytes, Rng, Path], bytes]


# The files


def make_files(folder: Path) -> None:
    """Small valid files, and a folder of each kind that is read."""
    frames, hole = panning(5, SIZE), walking_hole(5, SIZE, step=4)
    mask = hole.float().expand(-1, 3, -1, -1)
    folder.mkdir(parents=True, exist_ok=True)
    write_tone(folder / "tone.m4a", 0.3)
    write_video(folder / "shot.mp4", frames, sound=folder / "tone.m4a")
    write_video(folder / "shot.mkv", frames)
    write_video(folder / "shot.webm", frames)
    write_video(folder / "mask.mkv", mask)
    write_video(folder / "mask.mp4", mask)
    write_video(folder / "frames", frames)
    cv2.imwrite(str(folder / "mask.png"), to_bytes(mask)[0])
    cv2.imwrite(str(folder / "photo.jpg"), to_bytes(frames)[0])
    cv2.imwrite(str(folder / "photo.png"), to_bytes(frames)[0])
    cv2.imwrite(str(folder / "deep.png"), to_bytes(frames)[0].astype(np.uint16) * 257)
    for suffix in ("bmp", "tif", "webp"):
        cv2.imwrite(str(folder / f"photo.{suffix}"), to_bytes(frames)[0])
    (folder / "jobs.csv").write_text(
        "video,mask,out,method,dilate-px,size,extra-mask\n"
        'shot.mp4,mask.mkv,a.mp4,carry,2,,\n"shot.mkv",mask.png,b/b.mkv,,,48 64,mask.mkv\nframes,mask.png,c,,0,,\n'
    )
    data = folder / "data"
    for part in ("frames", "masks", "truth"):
        (data / "davis" / part).mkdir(parents=True)
        write_video(data / "davis" / part / "ball", mask if part == "masks" else frames)
    background = {"source": "davis/truth/ball", "start": 0, "count": 5, "window": [0, 0, 40, 56]}
    ready = {name: f"davis/{name}/ball" for name in ("frames", "masks", "truth")}
    pairs = [
        {"name": "a+ball", "background": background, "object": "ball", "dilate_px": 2},
        {"name": "ready", **ready, "fps": 24.0, "dilate_px": 4, "sha256": {"outputs": {}}},
    ]
    (data / MANIFEST).write_text(json.dumps({"pairs": pairs}, indent=1))
    line = {"out": "a.mp4", "state": "done", "message": "", "settings": "x", "inputs": {"video": "v"}}
    line |= {"outputs": {"output": "o"}, "seconds": 1.5, "tries": 1}
    (folder / BATCH).write_text(f"{json.dumps(line)}\n" * 3)
    work = WorkDir(folder / "work")
    work.begin(RUN)
    work.save("clip", {"elapsed_s": 1.0, "colours": {"hole": np.zeros((4, 3))}, "count": 3})
    work.save_tensors("clip", {"elapsed_s": 1.0, "network": {"weight": torch.zeros(4, 3)}, "updates": 3})


# How they are read


def read_video(path: Path, good: Path) -> None:
    for _ in open_shot(existing(path), (good / "mask.png",)).frames():
        pass
    read_frames(path)


def read_mask(path: Path, good: Path) -> None:
    for _ in open_shot(good / "shot.mp4", (existing(path),)).frames():
        pass
    read_masks(path)


def read_picture(path: Path, good: Path) -> None:
    read_image(path)
    read_mask(path, good)
    read_video(path, good)


def read_table(path: Path, good: Path) -> None:
    read_jobs(path, path.parent / "out")


def read_data(path: Path, good: Path) -> None:
    for pair in read_pairs(path.parent):
        read_composed(path.parent, pair)


def read_batch(path: Path, good: Path) -> None:
    read_records(path, _check, "job")


def read_work(path: Path, good: Path) -> None:
    work = WorkDir(path.parent, resume=True)
    work.begin(RUN)
    work.load("clip") if path.suffix == ".npz" else work.load_tensors("clip", torch.device("cpu"))
    work.log({"update": 1})


# What is done to their bytes


def truncated(data: bytes, rng: Rng, good: Path) -> bytes:
    return data[: rng.randrange(len(data))]


def flipped(data: bytes, rng: Rng, good: Path) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def flipped_head(data: bytes, rng: Rng, good: Path) -> bytes:
    return flipped(data[:256], rng, good) + data[256:]


def field_set(data: bytes, rng: Rng, good: Path) -> bytes:
    """A number somewhere in the file is huge, zero or negative, in either byte order."""
    kind = rng.choice((">I", "<I", ">H", "<H", ">Q", "B"))
    size = struct.calcsize(kind)
    most = 256**size
    value = rng.choice((0, 1, most - 1, most // 2, most // 2 - 1, rng.randrange(most)))
    at = rng.randrange(min(len(data), rng.choice((64, 512, 1 << 20))))
    return data[:at] + struct.pack(kind, value) + data[at + size :]


def box_set(data: bytes, rng: Rng, good: Path) -> bytes:
    """The size of an MP4 box, or the first number in it."""
    names = [b"ftyp", b"moov", b"mvhd", b"trak", b"tkhd", b"mdia", b"mdhd", b"stbl", b"stsd", b"avc1", b"avcC", b"stts"]
    names += [b"stsc", b"stsz", b"stco", b"ctts", b"elst", b"mdat", b"IHDR", b"IDAT", b"IEND"]
    there = [(name, data.index(name)) for name in names if name in data]
    if not there:
        return field_set(data, rng, good)
    _, at = rng.choice(there)
    at += rng.choice((-4, 4, 8, 12, 16, 24, 28, 32))
    value = rng.choice((0, 1, 7, 2**32 - 1, 2**31, 2**31 - 1, rng.randrange(2**32)))
    return data[: max(0, at)] + struct.pack(">I", value) + data[max(0, at) + 4 :]


def spliced(data: bytes, rng: Rng, good: Path) -> bytes:
    """The beginning of one file and the end of another."""
    other = rng.choice([path for path in sorted(good.iterdir()) if path.is_file()]).read_bytes()
    return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]


def torn(data: bytes, rng: Rng, good: Path) -> bytes:
    """A piece is missing, there twice, or zeros."""
    first, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:first] + rng.choice((b"", data[first:end] * 2, bytes(end - first))) + data[end:]


def emptied(data: bytes, rng: Rng, good: Path) -> bytes:
    return b""


def replaced(data: bytes, rng: Rng, good: Path) -> bytes:
    """Something else under that name."""
    garbage = rng.randbytes(rng.choice((1, 10, 5000)))
    others = [path.read_bytes() for path in sorted(good.iterdir()) if path.is_file()]
    return rng.choice((*others, garbage, b"\0" * 4096, b"\xff" * 100, b"\n" * 1000, "\u20ac".encode() * 50))


def png_header(data: bytes, rng: Rng, good: Path) -> bytes:
    """A PNG header of another size, depth or colour, with the right checksum."""
    sizes = (0, 1, 47, 60_000, 16_384, 16_385, 2**31 - 1, 2**31, 2**32 - 1)
    width, height = rng.choice(sizes), rng.choice(sizes)
    depth, colour = rng.choice((0, 1, 2, 4, 8, 16, 255)), rng.choice((0, 2, 3, 4, 6, 7))
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, rng.choice((0, 1, 9)))
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


@cache
def zeros_packed(count: int) -> bytes:
    return zlib.compress(bytes(count), 6)


def bomb(data: bytes, rng: Rng, good: Path) -> bytes:
    """A valid picture that is huge when it is unpacked; or one with a text that is."""
    sign = b"\x89PNG\r\n\x1a\n"
    if rng.random() < 0.3:
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
        text = chunk(rng.choice((b"zTXt", b"iCCP")), b"x\0\0" + zeros_packed(100_000_000))
        return sign + header + text + chunk(b"IDAT", zlib.compress(bytes(9 * 8))) + chunk(b"IEND", b"")
    side = rng.choice((20_000, 30_000))
    packed = zeros_packed((1 + side // 8) * side)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    return sign + header + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def jpeg_header(data: bytes, rng: Rng, good: Path) -> bytes:
    """A JPEG that says it is of another size."""
    at = data.index(b"\xff\xc0") + 5
    height, width = (rng.choice((0, 1, 16_384, 65_535)) for _ in range(2))
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def matroska_size(data: bytes, rng: Rng, good: Path) -> bytes:
    """A Matroska video that says it is of another size, or that it is shown so."""
    found = re.search(rb"\xb0\x81.\xba\x81.\x54\xb2\x81.", data, re.DOTALL)  # width, height, and what may be left out
    assert found
    width, height = (rng.choice((0, 1, 47, 16_384, 12_000, 60_000, 2**24 - 1)) for _ in range(2))
    size = b"\xb0\x83" + width.to_bytes(3, "big") + b"\xba\x83" + height.to_bytes(3, "big")
    return data[: found.start()] + size + data[found.end() :]


def another_format(data: bytes, rng: Rng, good: Path) -> bytes:
    """What FFmpeg reads too: raw video of absurd size, playlists that name other files or never end, text."""
    name = good / "shot.mp4"
    return rng.choice(
        (
            b"YUV4MPEG2 W100000 H100000 F24:1 Ip A1:1 C420\nFRAME\n" + bytes(1000),
            b"YUV4MPEG2 W16384 H9000 F24:1 Ip A1:1 C444p16\nFRAME\n" + bytes(1000),
            b"YUV4MPEG2 W0 H0 F0:0 Ip A0:0 C420\nFRAME\n",
            b"YUV4MPEG2 W-64 H48 F24:1\nFRAME\n" + bytes(5000),
            b"YUV4MPEG2 W64 H48 F1:1000000000 A1000000:1 C420\n" + (b"FRAME\n" + bytes(64 * 48 * 3 // 2)) * 5,
            f"ffconcat version 1.0\nfile '{name}'\n".encode(),
            b"ffconcat version 1.0\nfile /etc/passwd\n",
            f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{name}\n".encode(),
            b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://localhost:1/a.ts\n",
            b"#EXTM3U\n#EXT-X-TARGETDURATION:3600\n",
            b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\na=rtpmap:96 H264\n",
            b"GIF89a\xff\xff\xff\xff\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\xff\xff\xff\xff\0\x02\x02L\x01\0;",
            b"BM" + struct.pack("<IHHIIiiHHIIiiII", 1078, 0, 0, 54, 40, 60_000, -60_000, 1, 8, 0, 0, 0, 0, 256, 0),
            b"1\n00:00:00,000 --> 00:00:01,000\nSubtitles\n",
            b"<svg xmlns='http://www.w3.org/2000/svg' width='1000000' height='1000000'/>",
        )
    )


BYTES: tuple[Damage, ...] = (truncated, flipped, flipped, flipped_head, field_set, field_set, spliced, torn)
RARE: tuple[Damage, ...] = (emptied, replaced)


# What is done to text


def cells_changed(data: bytes, rng: Rng, good: Path) -> bytes:
    """A cell holds what leads elsewhere, or nowhere, or is something else."""
    tricks = ("..", "../../etc/passwd", "/etc/passwd", "/dev/zero", "/dev/stdin", "~/x", "a\nb", "\x1b[31m", "-o")
    tricks += ("--help", "x" * 5000, "\u202e", "a\0b", ".", "", "loop", "fifo", "C:\\x", "\\\\host\\x", "%s%n")
    tricks += (
        "${HOME}",
        "1e999",
        "NaN",
        "-1",
        "9" * 400,
        "a.png/b",
        "nul",
        "jobs.csv",
        "out",
        "shot.mp4/..",
        "http://localhost:1/a.mp4",
    )
    lines = data.decode("utf-8", "replace").splitlines()
    row = rng.randrange(len(lines))
    cells = lines[row].split(",")
    cells[rng.randrange(len(cells))] = '"' + rng.choice(tricks).replace('"', '""') + '"'
    return "\n".join([*lines[:row], ",".join(cells), *lines[row + 1 :]]).encode("utf-8", "surrogateescape")


def header_changed(data: bytes, rng: Rng, good: Path) -> bytes:
    names = ("video", "nonsense", "", "carry", "carry.rounds", "encoding.codec", "codec", "start", "end", "region")
    names += ("log-dir", "resume", "seed", "device", "Video ", "unseen.offsets", "schedule.strides")
    first, _, rest = data.partition(b"\n")
    cells = first.decode("utf-8", "replace").split(",")
    cells[rng.randrange(len(cells))] = rng.choice(names)
    return ",".join(cells).encode() + b"\n" + rest


ODD = (None, True, -1, 0, 2**31, 2**64, 1e308, float("inf"), "", "..", "/", "/dev/zero", "a\0b", "a\nb", [], {}, [[]])
ODD += ("../../etc", "x" * 300, [0, 0, 0, 0], [1, 2], {"source": 1}, "loop", "davis/frames/ball", 5, 3.5)


def value_changed(data: bytes, rng: Rng, good: Path) -> bytes:
    """A value of a JSON document is another, or gone."""
    first, newline, rest = data.partition(b"\n") if not data.lstrip().startswith(b"{\n") else (data, b"", b"")
    document = json.loads(first)
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                walk(node[key])

    walk(document)
    node, key = rng.choice(places)
    if rng.random() < 0.2:
        del node[key]
    else:
        node[key] = rng.choice(ODD)
    return json.dumps(document, indent=1 if not newline else None).encode() + newline + rest


def deep(data: bytes, rng: Rng, good: Path) -> bytes:
    return rng.choice((b"[" * 100_000, b'{"pairs":' * 50_000, b"1" * 10_000, b'{"pairs": [' + b"{}," * 9 + b"{}]}"))


# What is done to folders


def folder_damaged(folder: Path, rng: Rng) -> Path:
    """Odd things in a folder of pictures."""
    target = folder / rng.choice(("00002.png", "00009.png", "a.png", "00003.jpg"))
    target.unlink(missing_ok=True)
    tricks: dict[str, Callable[[], object]] = {
        "folder": lambda: target.mkdir(),
        "loop": lambda: target.symlink_to(target),
        "loop of two": lambda: [target.symlink_to(folder / "y"), (folder / "y").symlink_to(target)],
        "gone": lambda: target.symlink_to(folder / "nowhere.png"),
        "parent": lambda: target.symlink_to(folder.parent),
        "device": lambda: target.symlink_to("/dev/zero"),
        "random": lambda: target.symlink_to("/dev/urandom"),
        "fifo": lambda: os.mkfifo(target),
        "newline": lambda: (folder / "a\nb.png").write_bytes((folder / "00001.png").read_bytes()),
        "escape": lambda: (folder / "\x1b[31m.png").write_bytes((folder / "00001.png").read_bytes()[:60]),
        "not unicode": lambda: (folder / os.fsdecode(b"\xff\xfe.png")).symlink_to(folder / "00001.png"),
        "long": lambda: (folder / ("x" * 250 + ".png")).write_bytes(b"x"),
        "digits": lambda: (folder / ("9" * 240 + ".png")).write_bytes((folder / "00001.png").read_bytes()),
        "odd digits": lambda: (folder / "\u00b2\u0663.png").write_bytes((folder / "00001.png").read_bytes()),
        "empty": lambda: target.touch(),
        "sparse": lambda: _sparse(target),
        "other size": lambda: cv2.imwrite(str(target), np.zeros((30, 20, 3), np.uint8)),
        "grey": lambda: cv2.imwrite(str(target), np.zeros(SIZE, np.uint8)),
        "deep": lambda: cv2.imwrite(str(target), np.zeros((*SIZE, 3), np.uint16)),
        "floats": lambda: cv2.imwrite(str(target.with_suffix(".tif")), np.zeros((*SIZE, 3), np.float32)),
        "video": lambda: shutil.copy(folder.parent / "shot.mp4", target),
        "no pictures": lambda: [file.unlink() for file in folder.iterdir()],
        "hidden": lambda: (folder / ".00000.png").write_bytes(b"x"),
        "unreadable": lambda: [target.write_bytes(b"x"), target.chmod(0)],
    }
    tricks[rng.choice(sorted(tricks))]()
    return folder


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.write((path.parent / "00001.png").read_bytes())
        file.truncate(1 << 40)


# The cases

FILES: tuple[tuple[str, Callable[[Path, Path], None], tuple[Damage, ...]], ...] = (
    ("shot.mp4", read_video, (*BYTES, *RARE, box_set, box_set, box_set, another_format)),
    ("shot.mkv", read_video, (*BYTES, *RARE, matroska_size, matroska_size, another_format)),
    ("shot.webm", read_video, (*BYTES, *RARE)),
    ("mask.mkv", read_mask, (*BYTES, *RARE, matroska_size)),
    ("mask.mp4", read_mask, (*BYTES, *RARE, box_set, box_set)),
    ("photo.png", read_picture, (*BYTES, *RARE, png_header, png_header, png_header, bomb, box_set, another_format)),
    ("deep.png", read_picture, (*BYTES, png_header, png_header)),
    ("photo.jpg", read_picture, (*BYTES, *RARE, jpeg_header, jpeg_header)),
    ("photo.bmp", read_picture, (*BYTES, another_format)),
    ("photo.tif", read_picture, BYTES),
    ("photo.webp", read_picture, BYTES),
    ("frames", read_video, ()),
    ("frames", read_mask, ()),
    ("frames", read_video, ()),
    ("jobs.csv", read_table, (*BYTES, *RARE, *[cells_changed] * 9, *[header_changed] * 4)),
    ("jobs.csv", read_table, (cells_changed, header_changed)),
    (f"data/{MANIFEST}", read_data, (*BYTES, *RARE, *[value_changed] * 12, deep)),
    (f"data/{MANIFEST}", read_data, (value_changed,)),
    (BATCH, read_batch, (*BYTES, *RARE, *[value_changed] * 6, deep)),
    ("work/run.json", read_work, (*BYTES, *RARE, value_changed, deep)),
    ("work/clip.npz", read_work, (*BYTES, *RARE)),
    ("work/clip.pt", read_work, (*BYTES, *RARE)),
    ("work/steps.jsonl", read_work, (emptied, replaced)),
)


def run_case(number: int, good: Path) -> dict[str, Any]:
    """Damage a file of a folder of good ones, in a copy, and read it; what came of it."""
    rng = random.Random(SEED * 1_000_003 + number)
    name, read, ways = FILES[number % len(FILES)]
    place = good.parent / f"case-{number}"
    report: dict[str, Any] = {"case": number, "of": name}
    try:
        path = place / name
        if not ways:
            place.mkdir()
            shutil.copy(good / "shot.mp4", place)
            shutil.copytree(good / name, path)
            report["way"] = "folder"
            path = folder_damaged(path, rng)
        else:
            way = rng.choice(ways)
            report["way"] = way.__name__
            parent = Path(name).parent
            if read is read_table:
                place.mkdir()
                for link in ("shot.mp4", "shot.mkv", "mask.mkv", "mask.png", "frames"):
                    (place / link).symlink_to(good / link)
                (place / "loop").symlink_to(place / "loop")
                os.mkfifo(place / "fifo")
            elif parent != Path():
                shutil.copytree(good / parent, place / parent)
            else:
                place.mkdir()
            data = (good / name).read_bytes()
            content = (way if data else replaced)(data or b"x", rng, good)
            path.write_bytes(content)
        return report | _outcome(lambda: read(path, good))
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _outcome(read: Callable[[], None]) -> dict[str, Any]:
    before, started = _peak_mb(reset=True), time.monotonic()
    try:
        read()
        found = {"outcome": "read", "said": ""}
    except InputError as error:
        good = str(error).count("\n") == 0 and len(str(error)) < 20_000
        found = {"outcome": "refused" if good else "refused badly", "said": str(error)[:500]}
    except BaseException:
        found = {"outcome": "raised", "said": traceback.format_exc()[-3000:]}
    return found | {"mb": round(_peak_mb() - before), "seconds": round(time.monotonic() - started, 2)}


def _peak_mb(*, reset: bool = False) -> float:
    """The most memory since it was last asked for from the start; Linux can say so."""
    with contextlib.suppress(OSError):
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    folder, numbers = Path(sys.argv[1]), [int(word) for word in sys.argv[2:]]
    good = folder / "good"
    if not good.exists():
        make_files(good)
    if numbers:
        for number in numbers:
            print(json.dumps(run_case(number, good), indent=1))
        return
    faulthandler.enable()
    warnings.simplefilter("error")
    with contextlib.suppress(OSError, IndexError):  # no process may fill the machine; where it can be kept from it
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + 6 * 2**30, size + 6 * 2**30))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for line in sys.stdin:
        answers.write(json.dumps(run_case(int(line), good)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
