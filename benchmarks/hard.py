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
LOGOS = ("logo-moving", "logo-still")
"""Also: a logo over the first frames of a shot, and over one of its frames, held."""
LOGO_SHOT, LOGO_FRAMES = "goat", 40


def benchmark_hard(
    data: Path, pictures: Path, *, method: str, only: tuple[str, ...], moments: tuple[float, ...]
) -> None:
    """Clean each shot at its size, and write three of its frames: input, result, and where its pixels come from."""
    pictures.mkdir(parents=True, exist_ok=True)
    drawings = []
    for name in only or (*HARD, *LOGOS):
        with TemporaryDirectory() as folder:
            video, mask = data / "davis/frames" / name, data / "davis/masks" / name
            if name in LOGOS:
                video, mask = with_logo(data / "davis/frames" / LOGO_SHOT, Path(folder), held=name == LOGOS[1])
            shot = open_shot(video, (mask,))
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


def with_logo(shot: Path, folder: Path, *, held: bool) -> tuple[Path, Path]:
    """Frames with a ring and two bars drawn over them, half seen through, and their mask.

    Args:
        shot: a folder of images.
        folder: where to write them.
        held: whether all are the first one.
    """
    video, mask = folder / "shot", folder / "mask.png"
    video.mkdir()
    frames, _ = read_frames(shot, frames=1 if held else LOGO_FRAMES)
    height, width = frames[0].shape[:2]
    logo = np.zeros((height, width, 3), np.uint8)
    x, y, size = round(0.85 * width), round(0.2 * height), round(0.11 * height)
    cv2.circle(logo, (x, y), size, (255, 255, 255), size // 3, cv2.LINE_AA)
    for side in (-1, 1):
        cv2.line(logo, (x + side * size // 3, y - size), (x + side * size // 3, y + size), (255, 255, 255), size // 5)
    for index in range(LOGO_FRAMES):
        picture = frames[index % len(frames)].astype(np.float32)
        write_png(video / f"{index:05d}.png", np.rint(picture + 0.6 / 255 * logo * (255 - picture)).astype(np.uint8))
    write_png(mask, np.where(logo > 0, np.uint8(255), np.uint8(0)))
    return video, mask


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
