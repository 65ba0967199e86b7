"""Where the studio listens, whom it lets in, and what is left when it ends: nothing."""

import contextlib
import hmac
import logging
import os
import re
import signal
import socket
import threading
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse

from cleanplate.errors import InputError
from cleanplate.studio.project import shown_name
from cleanplate.studio.projects import Projects
from cleanplate.studio.views import KEEP

ASSETS = Path(__file__).parent / "assets"
SIGNALS = (signal.SIGINT, signal.SIGTERM)
# On Windows SO_REUSEADDR takes a port that another program listens on.
ALONE = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
LOOK_EVERY_S = 0.02
LOOPBACK = ("127.0.0.1", "localhost", "::1")
LOOKS = ("GET", "HEAD")
"""Methods that change nothing."""
PORTS = {"http": 80, "https": 443}
FRAMED_BY = "frame-ancestors 'self'"


def serve(
    host: str, port: int, *, password: str | None, max_upload_mb: int, keep_s: float, browser: bool = False
) -> None:
    """Serve the page until interrupted.

    Args:
        host: address to listen on.
        port: 0 for any that is free.
        password: asked for if given.
        max_upload_mb: the largest file that is taken.
        keep_s: how long a shot is kept that nobody looks at.
        browser: open the page.

    Raises:
        InputError: the port is taken.
    """
    port = _free(host, port)
    projects = Projects(keep_s)
    with contextlib.ExitStack() as stack:
        stack.callback(projects.close)
        ended = stack.enter_context(_signals())
        page = _page(projects)
        stack.callback(page.close, verbose=False)
        address = _launch(page, projects, host, port, password, max_upload_mb)
        print(f"cleanplate studio: {address}  (Ctrl+C ends it)", flush=True)
        if browser:
            webbrowser.open(address)
        ended.wait()


def _page(projects: Projects) -> Any:
    """The page, by a Gradio that tells nobody anything and keeps its files in our folder."""
    os.environ |= {  # read when it is imported
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_TEMP_DIR": str(projects.uploads),
        "GRADIO_EXAMPLES_CACHE": str(projects.uploads),
        "HF_HUB_OFFLINE": "1",
    }
    from cleanplate.studio.page import build

    for name in ("httpx", "gradio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    page = build(projects)
    page.queue(default_concurrency_limit=8, api_open=False)
    # Gradio's queue looks for work a thousand times a second (less often on Windows): 7 % of a core for nothing.
    if (queue := getattr(page, "_queue", None)) is not None:  # its own, and it may be renamed one day
        for name in ("sleep_when_free", "progress_update_sleep_when_free"):
            setattr(queue, name, max(getattr(queue, name, 0), LOOK_EVERY_S))
    return page


def _launch(page: Any, projects: Projects, host: str, port: int, password: str | None, max_upload_mb: int) -> str:
    """Begin to serve the page; its address."""
    _, address, _ = page.launch(
        server_name=host,
        server_port=port,
        auth=None if password is None else lambda _, given: _same(given, password),
        auth_message="Any name will do; the password is the one the studio was started with.",
        max_file_size=max_upload_mb * 2**20,
        allowed_paths=[str(projects.folder)],
        app_kwargs={"middleware": guards(host)},
        theme=theme(),
        css=(ASSETS / "studio.css").read_text(),
        head="".join(f"<script>{(ASSETS / name).read_text()}</script>" for name in ("follow.js", "ask.js")),
        footer_links=[],
        share=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        enable_monitoring=False,
        quiet=True,
        prevent_thread_lock=True,
    )
    return address


def theme() -> Any:
    """Fonts of the system, no text below 12 px."""
    from gradio.themes import Default, Size

    sizes = Size(name="readable", xxs="12px", xs="12px", sm="14px", md="15px", lg="17px", xl="22px", xxl="26px")
    return Default(
        primary_hue="blue",
        text_size=sizes,
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_hover_dark="*primary_800",
        button_cancel_background_fill="*neutral_700",
        button_cancel_background_fill_dark="*neutral_600",
    )


def guards(host: str) -> list[Any]:
    """What every request passes."""
    found = [Middleware(Guard)]
    if host in LOOPBACK:  # no other name than this machine's leads here, whatever a name server says
        found.append(Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]", "::1"]))
    return found


class Guard:
    """Refuses to fetch anything from elsewhere and what other pages send, and names files as the page asks for it.

    Gradio fetches an address that is given in place of a file's path, which this page has no use for. It takes a file
    from any page that the same browser shows.
    """

    def __init__(self, app: Any):
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Of ASGI."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        path, query = scope["path"], parse_qs(scope["query_string"].decode("latin-1"))
        if re.search(r"file=\s*\w+:/|/proxy=", path):
            return await PlainTextResponse("not here", status_code=403)(scope, receive, send)
        if scope["method"] not in LOOKS and from_elsewhere(Headers(scope=scope)):
            return await PlainTextResponse("not from another page", status_code=403)(scope, receive, send)

        async def headed(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["content-security-policy"] = FRAMED_BY
                if KEEP in query and "/file=" in path:
                    name = quote(shown_name(query[KEEP][0]))
                    headers["content-disposition"] = f"attachment; filename*=utf-8''{name}"
            await send(message)

        return await self.app(scope, receive, headed)


def from_elsewhere(headers: Headers) -> bool:
    """Whether a browser says that a page of another address sends this; what is no browser says nothing.

    A proxy may tell us another Host than the page has. The browser knows better, and says so over https.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site not in ("same-origin", "none")
    if origin is None:
        return False
    host = headers.get("x-forwarded-host", headers.get("host", "")).partition(",")[0].strip()
    sender = _place(origin)
    return sender is None or sender != _place(f"{urlsplit(origin).scheme}://{host}")


def _place(address: str) -> tuple[str | None, int | None] | None:
    """The host and the port of an address, if it has them."""
    try:
        parts = urlsplit(address)
        place = parts.hostname, parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return None
    return place if place[0] else None


def _same(given: str, password: str) -> bool:
    """In a time that does not tell how much of it was right."""
    return hmac.compare_digest(given.encode(), password.encode())


def _free(host: str, port: int) -> int:
    """The port, if it can be listened on; one that can for 0."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as tried:
        tried.setsockopt(socket.SOL_SOCKET, ALONE, 1)
        try:
            tried.bind((host, port))
        except OSError as error:
            given = f"the studio cannot listen on {host}, port {port} ({error.strerror})"
            raise InputError(given, "an address of this machine and a free port are needed", "try --port 0") from None
        return tried.getsockname()[1]


@contextlib.contextmanager
def _signals() -> Iterator[threading.Event]:
    """An event that is set when the program is asked to end."""
    ended = threading.Event()
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in SIGNALS}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
