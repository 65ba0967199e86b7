"""One server and one browser for all tests of the page."""

import shutil
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.studio.page import Opened, Shot, make_shot, mark, tabs, track, upload
from tests.studio.server import LIMIT_MB, Server, needs_gradio, start, started

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


@pytest.fixture(scope="package")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """An open one, and one that asks for a password; they load at the same time."""
    needs_gradio()
    folders = tmp_path_factory.mktemp("studio"), tmp_path_factory.mktemp("guarded")
    words = ("--max-upload-mb", str(LIMIT_MB)), ("--password", "open sesame")
    processes = [start(folder, *some) for folder, some in zip(folders, words, strict=True)]
    try:
        open_one, guarded = (started(*both) for both in zip(processes, folders, strict=True))
        yield open_one, guarded
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for server in (open_one, guarded):
            said, _ = server.process.communicate(timeout=30)
            assert server.process.returncode == 0, said
            assert list(server.folder.glob("cleanplate-studio-*")) == []  # nothing is left behind
            # Gradio reports what the test of paths asked for; there must be nothing else.
            assert said.count("Traceback") == said.count("\ngradio.exceptions.InvalidPathError"), said
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.fixture(scope="package")
def server(servers: tuple[Server, Server]) -> Server:
    return servers[0]


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed (pip install 'cleanplate[dev]')"
    )
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here (on Debian: apt-get install chromium), and the page needs one")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser: Any, server: Server) -> Iterator[Opened]:
    """Open the page in a tab of its own; complaints of the browser and requests elsewhere fail the test."""
    with tabs(browser, server) as open_page:
        yield open_page


@pytest.fixture(scope="package")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Shot:
    return make_shot(tmp_path_factory.mktemp("shot") / "Ball & cup!.mp4")


@pytest.fixture(scope="package")
def tracked(browser: Any, server: Server, shot: Shot) -> str:
    """The address of a page whose shot is marked on frame 6 and tracked; a test may clean it, and leaves its marks."""
    with tabs(browser, server) as open_page:
        page = open_page()
        upload(page, shot.path)
        mark(page, shot, 6)
        track(page)
        return page.url
