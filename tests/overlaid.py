"""Shots with overlays whose pixels are known, and shots without any."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from skimage import data

SIZE = (160, 284)
WHITE = (235, 235, 235)


@dataclass(frozen=True)
class Overlaid:
    """Frames, and where something lies over each."""

    frames: np.ndarray  # (T, H, W, 3) uint8
    truth: np.ndarray  # (T, H, W) bool


def picture(name: str, rows: int) -> np.ndarray:
    """One of skimage's, in colour, so many rows high."""
    found = np.asarray(getattr(data, name)())
    found = found[..., :3] if found.ndim == 3 else np.dstack([found] * 3)
    columns = round(found.shape[1] * rows / found.shape[0])
    return cv2.resize(found, (columns, rows), interpolation=cv2.INTER_AREA)


def view(scene: np.ndarray, x: float, y: float, scale: float = 1.0) -> np.ndarray:
    """The part of a scene whose middle is so far from the scene's; mirrored where it ends."""
    height, width = SIZE
    middle = np.array([scene.shape[1] / 2 + x, scene.shape[0] / 2 + y])
    matrix = np.array([[scale, 0, middle[0] - scale * width / 2], [0, scale, middle[1] - scale * height / 2]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(scene, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT)


def pan(name: str, length: int, step: tuple[float, float], rows: int = 320) -> list[np.ndarray]:
    scene = picture(name, rows)
    return [view(scene, (t - length / 2) * step[0], (t - length / 2) * step[1]) for t in range(length)]


def zoom(name: str, length: int, per_frame: float, rows: int = 320) -> list[np.ndarray]:
    scene = picture(name, rows)
    return [view(scene, 0, 0, 1.2 * per_frame**-t) for t in range(length)]


def handheld(name: str, length: int, seed: int, rows: int = 320) -> list[np.ndarray]:
    """A camera that stays where it is, and shakes."""
    scene, rng, at = picture(name, rows), np.random.default_rng(seed), np.zeros(2)
    frames = []
    for _ in range(length):
        at = 0.9 * at + rng.normal(size=2) * 2.5
        frames.append(view(scene, *at))
    return frames


def walker(name: str, length: int, rows: int = 240) -> list[np.ndarray]:
    """A camera on a tripod, and something that walks through the picture, stops, and walks on."""
    scene, thing = view(picture(name, rows), 0, 0), picture("chelsea", 90)[:, 20:80]
    frames = []
    for t in range(length):
        frame = scene.copy()
        x = int(np.interp(t, [0, length * 0.4, length * 0.6, length], [10, 120, 120, 210]))
        frame[50:140, x : x + 60] = thing
        frames.append(frame)
    return frames


def followed(name: str, length: int) -> list[np.ndarray]:
    """A camera that follows something, which sways a little in the picture."""
    thing, frames = picture("astronaut", 90)[:, 10:70], []
    for t, frame in enumerate(pan(name, length, (1.5, 0.2))):
        x = 110 + int(6 * np.sin(t / 6))
        frame[45:135, x : x + 60] = thing
        frames.append(frame)
    return frames


def finish(frames: list[np.ndarray], truth: list[np.ndarray], seed: int) -> Overlaid:
    """With noise, and coarse frequencies in squares of 8 as compression leaves them."""
    rng = np.random.default_rng(seed)
    done = []
    for frame in frames:
        noisy = frame + rng.normal(size=frame.shape) * 2.0
        coded = cv2.imencode(".jpg", np.clip(noisy, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
        done.append(cv2.imdecode(coded, cv2.IMREAD_COLOR))
    return Overlaid(np.stack(done), np.broadcast_to(np.stack(truth), (len(frames), *SIZE)).astype(bool))


def over(frame: np.ndarray, colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return np.rint(frame * (1 - alpha[..., None]) + colour * alpha[..., None]).astype(np.uint8)


def logo(size: tuple[int, int] = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Its colour and where it is: a disc with a letter, and a word beside it."""
    k = size[0] / SIZE[0]
    where, colour = np.zeros(size, np.uint8), np.zeros((*size, 3), np.uint8)
    middle = size[1] - round(74 * k), round(24 * k)
    cv2.circle(where, middle, round(11 * k), 1, -1)
    cv2.circle(colour, middle, round(11 * k), (190, 40, 50), -1)
    for picture_, ink in ((where, (1,)), (colour, WHITE)):
        cv2.putText(picture_, "K", (middle[0] - round(6 * k), middle[1] + round(6 * k)), 0, 0.55 * k, ink, round(2 * k))
        cv2.putText(
            picture_, "TV 4", (middle[0] + round(15 * k), middle[1] + round(6 * k)), 0, 0.55 * k, ink, round(2 * k)
        )
    return colour, where > 0


def text(words: str, at: tuple[int, int], scale: float = 0.5, thickness: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """WHITE letters with a dark rim."""
    rim, ink = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
    cv2.putText(rim, words, at, 0, scale, (1,), thickness + 2)
    cv2.putText(ink, words, at, 0, scale, (1,), thickness)
    return np.where(ink[..., None] > 0, np.uint8(235), np.uint8(16)) * np.ones(3, np.uint8), rim > 0


def with_logo(frames: list[np.ndarray], alphas: np.ndarray | float, seed: int) -> Overlaid:
    colour, where = logo()
    alphas = np.broadcast_to(alphas, len(frames))
    shown = [over(frame, colour, alpha * where) for frame, alpha in zip(frames, alphas, strict=True)]
    return finish(shown, [where & (alpha > 0.15) for alpha in alphas], seed)


def static_logo(seed: int) -> Overlaid:
    return with_logo(pan("astronaut", 50, (1.7, 0.4)), 1.0, seed)


def translucent_logo(seed: int) -> Overlaid:
    return with_logo(pan("coffee", 60, (-2.0, 0.5)), 0.4, seed)


def fading_logo(seed: int) -> Overlaid:
    alphas = np.interp(np.arange(80), [0, 14, 20, 58, 64, 80], [0, 0, 1, 1, 0, 0])
    return with_logo(pan("rocket", 80, (1.5, -0.6)), alphas, seed)


def handheld_logo(seed: int) -> Overlaid:
    return with_logo(handheld("coffee", 60, seed), 1.0, seed)


def animated_logo(seed: int) -> Overlaid:
    """A disc that a hand turns on, as that of a clock."""
    frames, truth = [], np.zeros(SIZE, np.uint8)
    cv2.circle(truth, (40, 32), 17, (1,), -1)
    for t, frame in enumerate(zoom("astronaut", 60, 1.012)):
        cv2.circle(frame, (40, 32), 17, (30, 60, 160), -1)
        cv2.circle(frame, (40, 32), 16, WHITE, 2)
        hand = 32 + 12 * np.array([np.sin(t / 5), -np.cos(t / 5)])
        cv2.line(frame, (40, 32), (round(8 + hand[0]), round(hand[1])), WHITE, 3)
        frames.append(frame)
    return finish(frames, [truth], seed)


def timecode(seed: int) -> Overlaid:
    frames, truth = [], []
    for t, frame in enumerate(pan("chelsea", 60, (1.8, 0.3))):
        ink, where = text(f"01:02:{t // 25 + 7:02}:{t % 25:02}", (150, 148), 0.6)
        frames.append(np.where(where[..., None], ink, frame))
        truth.append(where)
    return finish(frames, truth, seed)


def letterbox(seed: int) -> Overlaid:
    bars = np.zeros(SIZE, bool)
    bars[:20] = bars[-20:] = True
    frames = [np.where(bars[..., None], np.uint8(16), frame) for frame in pan("coffee", 50, (2.2, 0.0))]
    return finish(frames, [bars], seed)


def dead_pixels(seed: int) -> Overlaid:
    rng, where = np.random.default_rng(seed), np.zeros(SIZE, bool)
    colours = np.zeros((*SIZE, 3), np.uint8)
    for index in range(6):
        y, x = rng.integers(10, SIZE[0] - 10), rng.integers(10, SIZE[1] - 10)
        where[y, x] = True
        colours[y, x] = ((255, 255, 255), (255, 0, 0), (0, 255, 0))[index % 3]
    frames = [np.where(where[..., None], colours, frame) for frame in pan("rocket", 60, (1.3, 0.9))]
    return finish(frames, [where], seed)


def captions(seed: int) -> Overlaid:
    """Two, one after the other."""
    frames, truth = [], []
    for t, frame in enumerate(pan("astronaut", 80, (-1.6, -0.5))):
        where = np.zeros(SIZE, bool)
        for words, at, first, end in (
            ("Where have you been?", (52, 140), 8, 36),
            ("I was at home.", (84, 140), 40, 70),
        ):
            if first <= t < end:
                ink, where = text(words, at)
                frame = np.where(where[..., None], ink, frame)
        frames.append(frame)
        truth.append(where)
    return finish(frames, truth, seed)


def nothing(frames: list[np.ndarray], seed: int) -> Overlaid:
    return finish(frames, [np.zeros(SIZE, bool)], seed)


WITH: dict[str, Callable[[int], Overlaid]] = {
    "static logo": static_logo,
    "translucent logo": translucent_logo,
    "animated logo": animated_logo,
    "fading logo": fading_logo,
    "timecode": timecode,
    "letterbox": letterbox,
    "dead pixels": dead_pixels,
    "two captions": captions,
    "logo, handheld": handheld_logo,
}
WITHOUT: dict[str, Callable[[int], Overlaid]] = {
    "pan": lambda seed: nothing(pan("chelsea", 60, (1.0, 0.2)), seed),
    "tripod": lambda seed: nothing(walker("coffee", 60), seed),
    "zoom": lambda seed: nothing(zoom("rocket", 60, 1.01), seed),
}
