"""What mkdocs is told of our pages: where the reference of the command line is, and which links lead out of them."""

import re
from typing import Any

from cleanplate.cli import COMMANDS
from cleanplate.commands.reference import reference


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """A page as mkdocs is to see it: links to the sources are for those who read it in the repository."""
    text = markdown.replace("<!-- commands -->", reference(COMMANDS))
    up = page.file.src_uri.count("/") + 1
    return re.sub(rf"\[([^][]+)\]\((?:\.\./){{{up}}}(?!docs/)[^)]*\)", r"\1", text)
