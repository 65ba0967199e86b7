"""Real shots that are hard, side by side, to be looked at: what was there, what is there now, what of it is real.

And one drawing that shows nothing of the pictures, so that it can be published: the mask, what was found beside it, and
where the pixels come from.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from cleanplate.clean import clean
from cleanplate.imaging.pixels import to_samples, to_unit
from cleanplate.imaging.visualise import TINTS, grey_to_provenance, tint
from cleanplate.video.images import write_png
from cleanplate.video.reader import read_frames, read_masks
from cleanplate.video.shot import open_shot

HARD = ("car-roundabout", "parkour", "camel", "breakdance", "bmx-trees", "goat", "blackswan")
NOTHING, MASK, FOUND = (235, 235, 235), (90, 90, 90), (0, 158, 115)
DRAWN = (213, 120)  # width and height of a drawing


def benchmark_hard(
    data: Path, pictures: Path, *, method: str, only: tuple[str, ...], moments: tuple[float, ...]
) -> None:
    """Clean each shot at its size, and write three of its frames: input, result, and where its pixels come from."""
    pictures.mkdir(parents=True, exist_ok=True)
    drawings = []
    for name in only or HARD:
        shot = open_shot(data / "davis/frames" / name, (data / "davis/masks" / name,))
        with TemporaryDirectory() as folder:
            out, kinds, found = (Path(folder) / part for part in ("clean", "kinds", "found"))
            done = clean(shot, out, method, provenance=kinds, effects_mask=found)
            before, after = read_frames(shot.video)[0], read_frames(out)[0]
            levels, effects = read_masks(kinds), read_masks(found) > 127
        rows = []
        for moment in moments:
            index = round(moment * (len(before) - 1))
            origin = grey_to_provenance(levels[index])
            tinted = to_samples(tint(to_unit(after[index]), origin))
            rows.append(np.hstack((before[index], after[index], tinted)))
            if moment == moments[len(moments) // 2]:
                drawings.append(drawn(origin, effects[index]))
        write_png(pictures / f"{name}.png", np.vstack(rows))
        print(
            f"{name:16}{done.frames:4} frames {done.hidden:6.1%} hidden, {done.effects:6.1%} found, "
            f"{done.carried:6.1%} carried, {done.made_up:6.1%} made up, {done.frames / done.elapsed_s:5.2f} frames/s",
            flush=True,
        )
    write_png(pictures / "drawings.png", np.hstack(drawings))


def drawn(origin: np.ndarray, effects: np.ndarray) -> np.ndarray:
    """Of a frame, one below the other: the mask, what was found beside it, where the pixels come from.

    Args:
        origin: provenance, (H, W).
        effects: what was changed outside the mask, (H, W).
    """
    colours = np.array([NOTHING, MASK, FOUND, TINTS[1], TINTS[2]], np.uint8)
    mask = ((origin > 0) & ~effects).astype(np.uint8)
    found = np.where(effects, 2, mask)
    after = np.where(origin > 0, origin + 2, 0)
    parts = [cv2.resize(colours[one], DRAWN, interpolation=cv2.INTER_AREA) for one in (mask, found, after)]
    return np.pad(np.vstack(parts), ((0, 0), (0, 2), (0, 0)), constant_values=255)
