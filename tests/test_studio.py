"""The studio, in a real browser: what a user does, from the upload to the download, and what nobody must do."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from cleanplate import cli, write_video
from cleanplate.data.demo import DemoClip, make_demo, write_tone
from tests.conftest import to_bytes

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install 'cleanplate[dev]')")
pytest.importorskip("gradio", reason="gradio is not installed (pip install 'cleanplate[studio]')")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SWITCHES = [
    f"--{switch}"
    for switch in (
        "headless",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
    )
]
LIMIT_MB, N_FRAMES, SIZE = 1, 12, (128, 256)

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no Chromium here (on Debian: apt-get install chromium), and the page needs one"
)


@dataclass
class Server:
    """A studio that runs."""

    process: subprocess.Popen[str]
    address: str
    folder: Path
    """Holds its private folder."""

    @property
    def projects(self) -> list[Path]:
        return list(self.folder.glob("cleanplate-studio-*/projects/*"))

    def end(self) -> str:
        """Ask it to end; what it said."""
        self.process.send_signal(signal.SIGTERM)
        said, _ = self.process.communicate(timeout=30)
        return said


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    """`cleanplate studio` in a process of its own, on a free port, with its temporary files in this folder."""
    # No weights, wherever the tests run: the page must do without, and say so.
    env = os.environ | {"TMPDIR": str(folder), "CLEANPLATE_WEIGHTS": str(folder), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "cleanplate", "studio", "--port", "0", "--no-browser", *words]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def started(process: subprocess.Popen[str], folder: Path) -> Server:
    """Once it listens."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if found := re.search(r"studio: (http://\S+/)", line):
            return Server(process, found[1], folder)
    raise AssertionError("".join(lines))


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """An open one, and one that asks for a password; they load at the same time."""
    folders = tmp_path_factory.mktemp("studio"), tmp_path_factory.mktemp("guarded")
    words = ("--max-upload-mb", str(LIMIT_MB)), ("--password", "open sesame")
    processes = [start(folder, *some) for folder, some in zip(folders, words, strict=True)]
    try:
        open_one, guarded = (started(*both) for both in zip(processes, folders, strict=True))
        yield open_one, guarded
        for server in (open_one, guarded):
            said = server.end()
            assert server.process.returncode == 0, said
            assert list(server.folder.glob("cleanplate-studio-*")) == []  # nothing is left behind
            # Gradio reports what the test of paths asked for; there must be nothing else.
            assert said.count("Traceback") == said.count("\ngradio.exceptions.InvalidPathError"), said
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def server(servers: tuple[Server, Server]) -> Server:
    return servers[0]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield chromium
        chromium.close()


Opened = Callable[..., Any]


@pytest.fixture
def opened(browser: Any, server: Server) -> Iterator[Opened]:
    """Open the page in a tab of its own; complaints of the browser and requests elsewhere fail the test."""
    with tabs(browser, server) as open_page:
        yield open_page


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
        left, top, width, height = cv2.boundingRect(self.demo.mask[frame, 0].numpy().astype(np.uint8))
        left, top = max(0, left - 2), max(0, top - 2)
        size = np.array([SIZE[1], SIZE[0]] * 2)
        return tuple((np.array([left, top, width + 4, height + 4]) / size).tolist())


def make_shot(path: Path, seed: int = 0) -> Shot:
    long = make_demo(seed, n_frames=2 * N_FRAMES, size=SIZE)  # or the ball would jump, not roll
    part = slice(N_FRAMES // 2, N_FRAMES // 2 + N_FRAMES)
    demo = replace(long, frames=long.frames[part], truth=long.truth[part], mask=long.mask[part])
    tone = path.with_suffix(".m4a")
    write_tone(tone, N_FRAMES / demo.fps)
    write_video(path, demo.frames, fps=demo.fps, sound=tone)
    return Shot(path, demo)


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Shot:
    return make_shot(tmp_path_factory.mktemp("shot") / "Ball & cup.mp4")


@pytest.fixture(scope="module")
def tracked(browser: Any, server: Server, shot: Shot) -> str:
    """The address of a page whose shot is marked on frame 6 and tracked; a test may clean it, and leaves its marks."""
    with tabs(browser, server) as open_page:
        page = open_page()
        upload(page, shot.path)
        mark(page, shot, 6)
        track(page)
        return page.url


# What a user does


def upload(page: Any, path: Path) -> None:
    page.set_input_files("#upload input[type=file]", str(path))
    page.wait_for_selector("#marker .screen[data-shown]")


def scrub(page: Any, screen: str, frame: int) -> None:
    """Set a playhead, as a mouse does, and wait until the pictures are there."""
    page.locator(f"{screen} .playhead").fill(str(frame))
    page.wait_for_selector(f"{screen} .screen[data-shown='{frame}']")


def drag(page: Any, left: float, top: float, width: float, height: float) -> None:
    """Over a part of the picture that is marked, in shares of it."""
    page.locator("#marker canvas").scroll_into_view_if_needed()
    place = page.locator("#marker canvas").bounding_box()
    corners = [(left, top), (left + width / 2, top + height / 2), (left + width, top + height)]
    at = [(place["x"] + x * place["width"], place["y"] + y * place["height"]) for x, y in corners]
    page.mouse.move(*at[0])
    page.mouse.down()
    for to in at[1:]:
        page.mouse.move(*to)
    page.mouse.up()


def tool(page: Any, name: str) -> None:
    page.locator("#marker .tools label", has_text=name).click()


def mark(page: Any, shot: Shot, frame: int) -> None:
    """Draw a box around the ball."""
    scrub(page, "#marker", frame)
    tool(page, "Box")
    drag(page, *shot.box(frame))
    page.get_by_role("button", name=f"Frame {frame}, marked").wait_for()
    page.wait_for_selector(f"#marker canvas[data-drawn='{frame}']")


def track(page: Any) -> None:
    page.click("#track")
    page.wait_for_selector("#clean:not([disabled])")


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


def covered(page: Any) -> np.ndarray:
    """What is marked on the frame that is shown, (h, w) bool."""
    pixels = page.evaluate(
        "() => { const c = document.querySelector('#marker canvas');"
        "return [c.height, c.width, [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]]; }"
    )
    return np.array(pixels[2]).reshape(pixels[0], pixels[1], 4)[..., 3] > 127


def decoded(path: Path) -> np.ndarray:
    """All frames of a video by OpenCV, (T, H, W, 3) in RGB."""
    video, frames = cv2.VideoCapture(str(path)), []
    while (read := video.read())[0]:
        frames.append(read[1][..., ::-1])
    return np.stack(frames)


def psnr_db(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((a[where] / 255.0 - b[where] / 255.0) ** 2)))


def children(process: int) -> list[int]:
    """Processes that it has started, and those that they have."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [child for child, parent in parents.items() if parent == process]
    return found + [grandchild for child in found for grandchild in children(child)]


def test_from_the_upload_to_the_download(
    opened: Opened, server: Server, shot: Shot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened()
    upload(page, shot.path)
    assert "256x128, 12 frames" in page.inner_text("#facts")

    mark(page, shot, 6)
    ball = shot.demo.mask[6, 0].numpy()
    found = covered(page)
    assert (found & ball).sum() > 0.9 * ball.sum()
    assert found.sum() < 1.5 * ball.sum()
    track(page)
    scrub(page, "#marker", 2)
    page.wait_for_selector("#marker canvas[data-drawn='2']")
    ball = shot.demo.mask[2, 0].numpy()
    assert (covered(page) & ball).sum() > 0.8 * ball.sum()  # it is followed, and shown over the moving shot

    page.locator("#marker .play").click()
    page.wait_for_selector("#marker .screen:not([data-shown='2'])")  # a certain frame may come and go unnoticed
    page.get_by_role("button", name="Pause").click()

    # Where it slips it is painted: that is a mark too, and the shot is tracked again.
    scrub(page, "#marker", 2)
    tool(page, "Paint")
    left, top, width, height = shot.box(2)
    drag(page, left + 0.3 * width, top + 0.5 * height, 0.4 * width, 0)
    page.get_by_role("button", name="Frame 2, marked").wait_for()
    assert "track again" in page.inner_text("#advice").lower()
    assert page.locator("#clean").is_hidden()
    page.click("#track")
    page.wait_for_selector("#clean:not([disabled])")

    clean(page, "Fast")
    page.wait_for_selector("#compare .screen[data-shown]")
    assert page.locator("#working").is_hidden()

    # One playhead for both, and the provenance over the result.
    scrub(page, "#compare", 3)
    names = page.evaluate("[...document.querySelectorAll('#compare .picture')].map((one) => one.src)")
    assert [name.partition("?")[0].rpartition("/")[2] for name in names] == ["00003.jpg"] * 2
    assert "frames/" in names[0]
    assert "after/" in names[1]
    page.locator("#compare .tint-switch").check()
    page.wait_for_function("document.querySelectorAll('#compare .tint')[1].naturalWidth > 0")
    shares = page.inner_text("#shares")
    carried, made_up = (float(number) for number in re.findall(r"([\d.]+)% (?:carried|made)", shares))
    assert carried + made_up == pytest.approx(100, abs=0.2)
    assert carried > 50

    # What is kept is what was asked for.
    result, mask, where, settings = (
        saved(page, what, tmp_path) for what in ("Result", "Mask", "Provenance", "Settings")
    )
    assert result.name == "Ball _ cup-clean.mp4"
    made, source = decoded(result), decoded(shot.path)
    truth, ball = to_bytes(shot.demo.truth), shot.demo.mask[:, 0].numpy()
    assert made.shape == source.shape == (N_FRAMES, *SIZE, 3)
    assert psnr_db(source, truth, ball) < 15
    assert psnr_db(made, truth, ball) > 24
    assert (decoded(mask)[..., 0] > 127)[ball].mean() > 0.9
    assert set(np.unique(decoded(where))) <= {0, 128, 255}
    with av.open(str(result)) as held:
        assert len(held.streams.audio) == 1

    # The settings make the command line do the same.
    shutil.copy(shot.path, tmp_path / "Ball _ cup.mp4")
    result.rename(tmp_path / "kept.mp4")
    monkeypatch.chdir(tmp_path)
    assert cli.run(["inpaint", "--settings-file", settings.name]) == 0
    assert np.array_equal(decoded(tmp_path / "Ball _ cup-clean.mp4"), made)

    # A second run, of the paper's method, is cancelled: it ends at once, and the first result is still there.
    before = set(children(server.process.pid))
    clean(page, "Paper")
    page.get_by_text("perceptual term is switched off").wait_for()
    page.wait_for_selector("#working img.preview")
    page.locator("#progress", has_text="Learning").wait_for()
    assert set(children(server.process.pid)) - before
    started = time.monotonic()
    page.click("#cancel")
    page.wait_for_selector("#working", state="hidden")
    assert time.monotonic() - started < 2
    assert set(children(server.process.pid)) <= before  # the process is gone, and with it its memory
    assert "Cancelled" in page.inner_text("#message")
    assert np.array_equal(decoded(saved(page, "Result", tmp_path)), made)


def test_wrong_files_are_refused_in_words(opened: Opened, server: Server, tmp_path: Path) -> None:
    page = opened()
    (tmp_path / "notes.mp4").write_text("this is no video\n" * 50)
    page.set_input_files("#upload input[type=file]", str(tmp_path / "notes.mp4"))
    page.get_by_text("notes.mp4 is not a video that can be decoded").wait_for()
    assert str(server.folder) not in page.inner_text("body")  # the user's own name for it, and no path of ours

    (tmp_path / "notes.txt").write_text("this is no video\n" * 50)
    page.set_input_files("#upload input[type=file]", str(tmp_path / "notes.txt"))
    page.get_by_text(re.compile("invalid file type", re.I)).first.wait_for()

    (tmp_path / "large.mp4").write_bytes(bytes(LIMIT_MB * 2**20 + 1))
    page.set_input_files("#upload input[type=file]", str(tmp_path / "large.mp4"))
    page.get_by_text(re.compile("exceed the maximum", re.I)).first.wait_for()
    assert page.locator("#demo").is_visible()  # one can go on
    (root,) = server.folder.glob("cleanplate-studio-*")
    assert all(path.stat().st_size <= LIMIT_MB * 2**20 for path in root.rglob("*.mp4"))


CALL = """async ([name, data, event]) => {
  const config = await (await fetch('config')).json();
  const call = config.dependencies.find((one) => one.targets.some(([, what]) => what === name) && one.backend_fn);
  const session = Math.random().toString(36).slice(2);
  const head = {'Content-Type': 'application/json'};
  await fetch('gradio_api/queue/join', {method: 'POST', headers: head, body: JSON.stringify(
    {data, event_data: event, fn_index: call.id, session_hash: session, trigger_id: call.targets[0][0]})});
  const answer = await (await fetch('gradio_api/queue/data?session_hash=' + session)).body.getReader();
  let said = '';
  for (;;) {
    const {value, done} = await answer.read();
    if (done) return said;
    said += new TextDecoder().decode(value);
    if (said.includes('process_completed')) return said;
  }
}"""


def test_no_path_leads_out(opened: Opened, server: Server, shot: Shot, tmp_path: Path) -> None:
    page = opened()
    upload(page, shot.path)
    token = urllib.parse.parse_qs(urllib.parse.urlparse(page.url).query)["shot"][0]
    (project,) = [path for path in server.projects if path.name == token]
    secret = server.folder / "secret.mp4"
    shutil.copy(shot.path, secret)

    def status(path: str) -> int:
        return page.evaluate("async (path) => (await fetch('gradio_api/file=' + path)).status", path)

    assert status(f"{project}/source.mp4") == 200
    beside = urllib.parse.quote(f"{project}/../../../../secret.mp4", safe="")
    for path in ("/etc/passwd", str(secret), beside, f"{project}/%2e%2e/%2e%2e/%2e%2e/secret.mp4", str(project)):
        assert status(path) == 403, path
    # Gradio would fetch this; the studio does not even look.
    elsewhere = page.request.get(f"{server.address}gradio_api/file=http://example.com/video.mp4")
    assert (elsewhere.status, elsewhere.text()) == (403, "not here")

    # An event that names a file which was never uploaded.
    data = {"path": str(secret), "orig_name": "secret.mp4", "meta": {"_type": "gradio.FileData"}}
    said = page.evaluate(CALL, ["upload", [token, data], None])
    assert '"success":false' in said.replace(" ", "")
    assert secret.exists()

    # A name with a path in it: it lands in the uploads' folder all the same.
    answer = page.evaluate(
        """async () => {
          const form = new FormData();
          form.append('files', new Blob(['x']), '../../../../evil.mp4');
          return (await fetch('gradio_api/upload', {method: 'POST', body: form})).json();
        }"""
    )
    (root,) = server.folder.glob("cleanplate-studio-*")
    assert (root / "uploads") in Path(answer[0]).resolve().parents
    assert not list(server.folder.glob("evil.mp4")) + list(server.folder.parent.glob("evil.mp4"))

    # Marks from outside are numbers in the picture, or nothing.
    no_png = "data:image/png;base64,AAAA"
    for event in (
        {"frame": "../../x", "clear": True},
        {"frame": 99, "box": [0, 0, 9, 9]},
        {"frame": 1, "box": [0, 0]},
        {"frame": 1, "painted": no_png},
        {"frame": 1, "click": [1e9, 2]},
        [1],
    ):
        page.evaluate(CALL, ["input", [token], event])
    page.reload()
    page.wait_for_selector("#marker .screen[data-shown]")
    assert page.locator("#marker .jump .marked").count() == 0


def test_a_lost_page_finds_its_run_and_its_result_again(opened: Opened, tracked: str) -> None:
    page = opened(tracked)
    clean(page, "Paper")
    page.wait_for_selector("#working progress")
    page.context.close()  # in mid-run

    page = opened(tracked)
    page.wait_for_selector("#working progress")
    page.click("#cancel")
    page.wait_for_selector("#working", state="hidden")
    clean(page, "Fast")
    page.wait_for_selector("#compare .screen[data-shown]")
    page.reload()
    page.wait_for_selector("#compare .screen[data-shown]")
    assert page.locator("#downloads a").count() == 4


def test_two_tabs_queue_and_do_not_mix(opened: Opened, shot: Shot, tracked: str, tmp_path: Path) -> None:
    other = make_shot(tmp_path / "other.mp4", seed=3)
    one, two = opened(tracked), opened()
    assert one.url != two.url
    upload(two, other.path)
    mark(two, other, 0)
    track(two)
    before = one.locator("#downloads").inner_html()
    clean(one, "Paper")
    one.wait_for_selector("#working progress")
    clean(two, "Fast")
    two.get_by_text("Waiting: 1 before you.").wait_for()
    one.click("#cancel")
    one.wait_for_selector("#working", state="hidden")
    two.wait_for_selector("#compare .screen[data-shown]")
    assert one.locator("#downloads").inner_html() == before  # it has got nothing of the other's
    made, everywhere = decoded(saved(two, "Result", tmp_path)), np.ones((N_FRAMES, *SIZE), bool)
    own, others = (psnr_db(made, to_bytes(its.demo.truth), everywhere) for its in (other, shot))
    assert own > 25 > others


SMALL = """() => [...document.querySelectorAll('body *')]
  .filter((one) => one.offsetParent && [...one.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim()))
  .map((one) => [parseFloat(getComputedStyle(one).fontSize), one.textContent.trim()])
  .filter(([px]) => px < 12)"""


# WCAG 2.1, 1.4.3: text against what is behind it, 4.5 to 1, or 3 to 1 where it is large.
PALE = """() => {
  const parts = (colour) => { const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const over = (top, under) => [0, 1, 2].map((k) => top[k] * top[3] + under[k] * (1 - top[3]));
  const behind = (one) => {
    if (!one) return [255, 255, 255];
    const colour = parts(getComputedStyle(one).backgroundColor);
    return colour[3] === 1 ? colour : over(colour, behind(one.parentElement));
  };
  const light = (colour) => colour.slice(0, 3).map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, k) => sum + c * [0.2126, 0.7152, 0.0722][k], 0);
  return [...document.querySelectorAll('body *')]
    .filter((one) => one.offsetParent && !one.closest('[disabled], .disabled')
      && [...one.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim()))
    .map((one) => {
      const style = getComputedStyle(one), ground = behind(one), px = parseFloat(style.fontSize);
      const [a, b] = [light(over(parts(style.color), ground)), light(ground)].sort((x, y) => y - x);
      const large = px >= 24 || (px >= 18.66 && style.fontWeight >= 700);
      return [(a + 0.05) / (b + 0.05) / (large ? 3 : 4.5), one.tagName, one.textContent.trim().slice(0, 40)];
    })
    .filter(([share]) => share < 1);
}"""


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_everything_fits_and_can_be_read(opened: Opened, tracked: str, width: int, scheme: str) -> None:
    page = opened(tracked, width, scheme)
    page.wait_for_selector("#marker .screen[data-shown]")
    unfold(page, "Advanced", "Carry", "How the result is written")
    option(page, "carry.rounds").wait_for()
    assert page.evaluate(SMALL) == []
    assert page.evaluate(PALE) == []
    page.add_style_tag(content="#facts * { color: #aaa !important; background: #fff !important }")
    assert page.evaluate(PALE) != []  # it does look
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    dark = sum(map(int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))[:3])) < 200
    assert dark == (scheme == "dark")
    assert "Times flow is estimated" in page.inner_text("#advanced")


def test_a_click_marks_and_what_stands_still_is_marked_everywhere(opened: Opened, shot: Shot) -> None:
    page = opened()
    upload(page, shot.path)
    scrub(page, "#marker", 6)
    tool(page, "Click")
    left, top, width, height = shot.box(6)
    page.locator("#marker canvas").scroll_into_view_if_needed()
    place = page.locator("#marker canvas").bounding_box()
    page.mouse.click(
        place["x"] + (left + width / 2) * place["width"], place["y"] + (top + height / 2) * place["height"]
    )
    page.get_by_role("button", name="Frame 6, marked").wait_for()
    page.wait_for_selector("#marker canvas[data-drawn='6']")
    found, ball = covered(page), shot.demo.mask[6, 0].numpy()
    assert (found & ball).sum() > 0.8 * ball.sum()
    assert found.sum() < 2 * ball.sum()
    page.get_by_label("It stands still").check()
    track(page)
    for frame in (0, 11):
        scrub(page, "#marker", frame)
        page.wait_for_selector(f"#marker canvas[data-drawn='{frame}']")
        there = covered(page)
        assert (there & found).sum() > 0.95 * (there | found).sum()
    page.click("#again")
    page.wait_for_selector("#upload")
    assert page.locator("#step-mark").is_hidden()


def test_what_was_marked_can_be_taken_back(opened: Opened, shot: Shot) -> None:
    page = opened()
    upload(page, shot.path)
    undo = page.get_by_role("button", name="Undo")
    assert undo.is_disabled()
    mark(page, shot, 6)
    found = covered(page)
    track(page)
    scrub(page, "#marker", 2)
    page.wait_for_selector("#marker canvas[data-drawn='2']")
    followed = covered(page)
    tool(page, "Paint")
    drag(page, 0.1, 0.1, 0.2, 0)
    page.get_by_role("button", name="Frame 2, marked").wait_for()
    assert page.locator("#clean").is_hidden()
    page.keyboard.press("Control+z")  # the picture has the focus
    page.get_by_role("button", name="Frame 2, marked").wait_for(state="detached")
    page.wait_for_selector("#clean:not([disabled])")  # nothing is to be tracked again
    page.wait_for_selector("#marker canvas[data-drawn='2']")
    assert np.array_equal(covered(page), followed)

    scrub(page, "#marker", 6)
    page.wait_for_selector("#marker canvas[data-drawn='6']")
    page.get_by_role("button", name="Clear this frame").click()
    page.get_by_role("button", name="Frame 6, marked").wait_for(state="detached")
    undo.click()
    page.get_by_role("button", name="Frame 6, marked").wait_for()
    page.wait_for_selector("#marker canvas[data-drawn='6']")
    assert np.array_equal(covered(page), found)
    undo.click()  # the box itself
    page.get_by_role("button", name="Frame 6, marked").wait_for(state="detached")
    page.wait_for_function("document.querySelector('#marker .undo').disabled")
    assert page.locator("#clean").is_hidden()  # what was tracked had it


def test_the_keyboard_does_it_all(opened: Opened, shot: Shot) -> None:
    page = opened()
    upload(page, shot.path)
    assert page.locator("#marker .screen").get_attribute("data-shown") == "6"
    head = page.locator("#marker .playhead")
    head.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("#marker .screen[data-shown='5']")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#marker .screen[data-shown='6']")

    # From the middle of the picture to a corner of the ball's box, and on to the other.
    left, top, width, height = (round(part * size) for part, size in zip(shot.box(6), SIZE[::-1] * 2, strict=True))
    page.locator("#marker canvas").focus()
    at, far = [SIZE[1] // 2, SIZE[0] // 2], round(SIZE[1] / 60)

    def go(x: int, y: int) -> None:
        for axis, (to, keys) in enumerate(((x, ("ArrowLeft", "ArrowRight")), (y, ("ArrowUp", "ArrowDown")))):
            key, (steps, rest) = keys[to > at[axis]], divmod(abs(to - at[axis]), far)
            for name, times in ((key, steps), (f"Shift+{key}", rest)):
                for _ in range(times):
                    page.keyboard.press(name)
            at[axis] = to

    go(left, top)
    page.keyboard.press("Enter")
    go(left + width, top + height)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Frame 6, marked").wait_for()
    ball = shot.demo.mask[6, 0].numpy()
    page.wait_for_selector("#marker canvas[data-drawn='6']")
    assert (covered(page) & ball).sum() > 0.9 * ball.sum()
    page.locator("#track").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#clean:not([disabled])")


def test_advanced_options_are_those_of_the_command_line(opened: Opened, tracked: str, tmp_path: Path) -> None:
    page = opened(tracked)
    page.wait_for_selector("#marker .screen[data-shown]")
    before = page.locator("#downloads").inner_html()
    choose(page, "Paper")
    page.wait_for_selector("#minutes")
    choose(page, "Fast")
    page.wait_for_selector("#minutes", state="hidden")  # and with them has come what the method has
    unfold(page, "Advanced", "Carry", "Reading, budget and machine")
    option(page, "carry.rounds").fill("0")
    option(page, "dilate-px").fill("6")
    option(page, "carry.rounds").blur()
    page.click("#clean")
    page.get_by_text("carry.rounds is 0").wait_for()  # as the command line says it
    option(page, "carry.rounds").fill("1")
    option(page, "start").fill("--output=elsewhere.mp4")  # no option can be smuggled in
    page.click("#clean")
    page.get_by_text("start is --output=elsewhere.mp4").wait_for()
    option(page, "start").fill("4")
    page.click("#clean")
    page.wait_for_function("before => document.querySelector('#downloads').innerHTML !== before", arg=before)
    page.wait_for_selector("#compare .screen[data-shown]")
    settings = saved(page, "Settings", tmp_path).read_text()
    for line in ('method = "carry"', "carry.rounds = 1", "dilate-px = 6", 'start = "4"'):
        assert line in settings.splitlines()
    assert len(decoded(saved(page, "Result", tmp_path))) == N_FRAMES - 4
    scrub(page, "#compare", 0)
    before = page.locator("#compare .picture").first.get_attribute("src")
    assert "frames/00004.jpg" in before  # the frame of the shot that it was made of


def test_a_password_is_asked_for(
    servers: tuple[Server, Server], browser: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["studio", "--host", "0.0.0.0", "--no-browser"]) == 2
    assert "--host 0.0.0.0 opens the page to other computers; a password is needed then" in capsys.readouterr().err
    guarded = servers[1]
    page = browser.new_page()
    page.goto(guarded.address)
    page.get_by_role("button", name=re.compile("log ?in", re.I)).wait_for()
    assert page.locator("#demo").count() == 0
    for path in ("config", "gradio_api/file=/etc/passwd"):
        assert page.request.get(guarded.address + path).status == 401
    answers = [
        page.request.post(f"{guarded.address}login", form={"username": "me", "password": word}).status
        for word in ("guess", "open sesame")
    ]
    assert answers == [400, 200]
    page.goto(guarded.address)
    page.wait_for_selector("#demo")
    # Another name for this machine, as a page elsewhere might have given it.
    assert page.request.get(guarded.address, headers={"Host": "evil.example"}).status == 400
    page.close()
