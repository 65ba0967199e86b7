"""What a user does with the page, in a real browser, and what is looked at afterwards."""

import base64
import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from cleanplate import write_video
from cleanplate.data.demo import DemoClip, make_demo, write_tone
from tests.studio.server import Server

N_FRAMES, SIZE = 12, (128, 256)

Opened = Callable[..., Any]
"""Opens the page in a tab of its own: address, width, scheme."""


@contextlib.contextmanager
def tabs(browser: Any, server: Server) -> Iterator[Opened]:
    contexts, wrong = [], []

    def heard(request: Any) -> None:
        if not request.url.startswith((server.address, "data:", "blob:")):
            wrong.append(request.url)

    def open_page(address: str = server.address, width: int = 1280, scheme: str = "light") -> Any:
        size = {"width": width, "height": 900}
        context = browser.new_context(viewport=size, color_scheme=scheme, accept_downloads=True)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("request", heard)
        page.on("pageerror", lambda error: wrong.append(f"{error.message} {error.stack}"))
        page.goto(address)
        page.wait_for_function("location.search.includes('shot=')")
        return page

    yield open_page
    for context in contexts:
        for page in context.pages:  # of a test that failed
            if page.locator("#cancel").is_visible():
                page.click("#cancel")
        context.close()
    assert wrong == []


@dataclass
class Shot:
    """A clip as a user has it."""

    path: Path
    demo: DemoClip

    def box(self, frame: int) -> tuple[float, ...]:
        """Of the ball, with some room around it: left, top, width, height as shares of the picture."""
        height_px, width_px = self.demo.mask.shape[2:]
        left, top, width, height = cv2.boundingRect(self.demo.mask[frame, 0].numpy().astype(np.uint8))
        left, top = max(0, left - 2), max(0, top - 2)
        size = np.array([width_px, height_px] * 2)
        return tuple((np.array([left, top, width + 4, height + 4]) / size).tolist())


def make_shot(path: Path, seed: int = 0) -> Shot:
    long = make_demo(seed, n_frames=2 * N_FRAMES, size=SIZE)  # or the ball would jump, not roll
    part = slice(N_FRAMES // 2, N_FRAMES // 2 + N_FRAMES)
    demo = replace(long, frames=long.frames[part], truth=long.truth[part], mask=long.mask[part])
    tone = path.with_suffix(".m4a")
    write_tone(tone, N_FRAMES / demo.fps)
    write_video(path, demo.frames, fps=demo.fps, sound=tone)
    return Shot(path, demo)


def shadow_of(shot: Shot, frame: int) -> np.ndarray:
    """A shadow that goes with the ball, to its right: (h, w) bool."""
    ball = shot.demo.mask[frame, 0].numpy()
    return np.roll(ball, round(0.8 * shot.box(frame)[2] * SIZE[1]), axis=1) & ~ball


def shaded(shot: Shot) -> Shot:
    """The same shot where the ball casts a shadow, which its mask leaves out."""
    dark = np.stack([shadow_of(shot, frame) for frame in range(N_FRAMES)])[:, None]
    frames = shot.demo.frames.where(~torch.from_numpy(dark), 0.5 * shot.demo.frames)
    write_video(shot.path, frames, fps=shot.demo.fps)
    return replace(shot, demo=replace(shot.demo, frames=frames))


def upload(page: Any, path: Path) -> None:
    page.set_input_files("#upload input[type=file]", str(path))
    page.wait_for_selector("#marker .screen[data-shown]")


def scrub(page: Any, screen: str, frame: int) -> None:
    """Set a playhead, as a mouse does, and wait until the pictures are there."""
    page.locator(f"{screen} .playhead").fill(str(frame))
    page.wait_for_selector(f"{screen} .screen[data-shown='{frame}']")


def drag(
    page: Any, left: float, top: float, width: float, height: float, *, before_release: Callable[[], None] | None = None
) -> None:
    """Over a part of the picture that is marked, in shares of it."""
    page.locator("#marker canvas.marks").scroll_into_view_if_needed()
    place = page.locator("#marker canvas.marks").bounding_box()
    corners = [(left, top), (left + width / 2, top + height / 2), (left + width, top + height)]
    at = [(place["x"] + x * place["width"], place["y"] + y * place["height"]) for x, y in corners]
    page.mouse.move(*at[0])
    page.mouse.down()
    for to in at[1:]:
        page.mouse.move(*to)
    if before_release is not None:
        before_release()
    page.mouse.up()


def tool(page: Any, name: str) -> None:
    page.locator("#marker .tools label", has_text=name).click()


def mark(page: Any, shot: Shot, frame: int) -> None:
    """Draw a box around the ball."""
    scrub(page, "#marker", frame)
    tool(page, "Box")
    drag(page, *shot.box(frame))
    page.get_by_role("button", name=f"Frame {frame}, marked").wait_for()
    page.wait_for_selector(f"#marker canvas.marks[data-drawn='{frame}']")


def track(page: Any) -> None:
    page.click("#track")
    page.wait_for_selector("#clean:not([disabled])", timeout=90_000)  # kernels may have to be compiled first


def choose(page: Any, quality: str) -> None:
    page.get_by_label(quality).check()
    page.locator("#quality label.selected", has_text=quality).wait_for()


def clean(page: Any, quality: str) -> None:
    choose(page, quality)
    page.click("#clean")


def unfold(page: Any, *names: str) -> None:
    for name in names:
        page.locator("#advanced").get_by_role("button", name=re.compile(f"^{name}")).click()


def option(page: Any, name: str) -> Any:
    return page.locator(f"[id='option-{name}']").locator("input, textarea")


def saved(page: Any, what: str, folder: Path) -> Path:
    """Download a file, under the name that the page suggests."""
    with page.expect_download() as waiting:
        page.locator("#downloads a", has_text=what).click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def covered(page: Any, layer: str = "marks") -> np.ndarray:
    """What is marked on the frame that is shown, or its effects, (h, w) bool."""
    png = page.evaluate("(layer) => document.querySelector(`#marker canvas.${layer}`).toDataURL()", layer)
    return read_png(base64.b64decode(png.partition(",")[2]))[..., 3] > 127


def read_png(content: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return picture


def decoded(path: Path) -> np.ndarray:
    """All frames of a video by OpenCV, (T, H, W, 3) in RGB."""
    video, frames = cv2.VideoCapture(str(path)), []
    while (read := video.read())[0]:
        frames.append(read[1][..., ::-1])
    return np.stack(frames)


def psnr_db(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((a[where] / 255.0 - b[where] / 255.0) ** 2)))
