"""The command `studio`: a page in the browser, for people who do not live in a terminal."""

import importlib.util
import os
from dataclasses import dataclass

from cleanplate.errors import InputError


@dataclass(frozen=True)
class Studio:
    """Open a page in the browser: mark a thing in a video, see it tracked, remove it, compare.

    Only this computer can reach the page. What is uploaded lies in a private temporary folder, which is removed.
    """

    port: int = 7860
    """Of the page's address; 0 takes any that is free."""
    host: str = "127.0.0.1"
    """Where to listen. Anything but this computer (0.0.0.0: everybody in the network) needs a password."""
    password: str | None = None
    """Asked for at the page; $CLEANPLATE_PASSWORD if not given."""
    max_upload_mb: int = 500
    """The largest video that is taken."""
    keep_minutes: float = 60.0
    """How long a shot is kept when its page has been closed and nothing is running."""
    browser: bool = True
    """Open the page in a browser."""

    def run(self) -> None:
        """Serve until interrupted."""
        if importlib.util.find_spec("gradio") is None:
            raise InputError("gradio is not installed", "the page is made with it", "pip install 'cleanplate[studio]'")
        from cleanplate.studio.server import LOOPBACK, serve

        password = self.password if self.password is not None else os.environ.get("CLEANPLATE_PASSWORD")
        if self.host not in LOOPBACK and not password:
            given = f"--host {self.host} opens the page to other computers"
            raise InputError(given, "a password is needed then", "add --password, or set $CLEANPLATE_PASSWORD")
        if self.max_upload_mb < 1 or not 0 < self.keep_minutes < float("inf"):
            given = f"--max-upload-mb {self.max_upload_mb} --keep-minutes {self.keep_minutes}"
            raise InputError(given, "numbers above 0 are needed", "leave them out for 500 MB and 60 minutes")
        if not 0 <= self.port < 2**16:
            raise InputError(f"the port is {self.port}", "0 to 65535 is needed", "give --port 0 for any that is free")

        serve(
            self.host,
            self.port,
            password=password,
            max_upload_mb=self.max_upload_mb,
            keep_s=60 * self.keep_minutes,
            browser=self.browser,
        )
