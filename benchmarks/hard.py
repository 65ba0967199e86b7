"""Real shots that are hard, side by side, to be looked at: what was there, what is there now, what of it is real."""

from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch

from cleanplate.clean import clean
from cleanplate.imaging.visualise import TINTS, tint
from cleanplate.video.images import write_png
from cleanplate.video.reader import read_frames, read_masks
from cleanplate.video.shot import open_shot

HARD = ("camel", "blackswan", "car-roundabout", "breakdance", "bmx-trees")


def benchmark_hard(
    data: Path, pictures: Path, *, method: str, only: tuple[str, ...], moments: tuple[float, ...]
) -> None:
    """Clean each shot at its size, and write three of its frames: input, result, and where its pixels come from."""
    pictures.mkdir(parents=True, exist_ok=True)
    maps = []
    for name in only or HARD:
        shot = open_shot(data / "davis/frames" / name, (data / "davis/masks" / name,))
        with TemporaryDirectory() as folder:
            out, kinds = Path(folder) / "clean", Path(folder) / "kinds"
            done = clean(shot, out, method, provenance=kinds)
            before, after = read_frames(shot.video)[0], read_frames(out)[0]
            levels = read_masks(kinds)
        rows = []
        for moment in moments:
            index = round(moment * (len(before) - 1))
            origin = torch.from_numpy((levels[index] / 127.5).round().astype(np.uint8))[None, None]
            result = torch.from_numpy(after[index]).permute(2, 0, 1)[None] / 255
            tinted = tint(result, origin)[0].permute(1, 2, 0).numpy() * 255
            rows.append(np.hstack((before[index], after[index], tinted.round().astype(np.uint8))))
            if moment == moments[len(moments) // 2]:
                maps.append(provenance_map(origin[0, 0].numpy()))
        sheet = torch.from_numpy(np.vstack(rows)).permute(2, 0, 1) / 255
        write_png(pictures / f"{name}.png", sheet)
        print(
            f"{name:16}{done.frames:4} frames {done.hidden:6.1%} hidden, {done.carried:6.1%} carried, "
            f"{done.made_up:6.1%} made up, {done.frames / done.elapsed_s:5.2f} frames/s",
            flush=True,
        )
    strip = np.hstack([cv2.resize(one, (214, 120), interpolation=cv2.INTER_AREA) for one in maps])
    write_png(pictures / "provenance.png", torch.from_numpy(strip).permute(2, 0, 1) / 255)


def provenance_map(origin: np.ndarray) -> np.ndarray:
    """Where the pixels come from, and nothing of the picture itself."""
    colours = np.array([(235, 235, 235), TINTS[1], TINTS[2]], np.uint8)
    return colours[origin]
