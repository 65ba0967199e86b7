"""The documentation: it builds without a warning and by itself, and every command in it is one."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cleanplate import cli
from cleanplate.batch.jobs import read_jobs
from cleanplate.commands.options import options_of

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").rglob("*.md") if path.name != "log.md")]
"""Of the lab notebook nothing is run again: its commands are those of its days."""
ENVIRONMENT = os.environ | {"NO_MKDOCS_2_WARNING": "1"}


def commands() -> Iterator[tuple[str, str]]:
    """Every command of every page: page and words. A line that ends in a backslash goes on in the next one."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
        lines = [line for block in blocks for line in block.splitlines()]
        lines += [code for code in re.findall(r"`(cleanplate [^`]+)`", text) if " -o " in code]  # not just named
        for line in lines:
            if found := re.match(r"\s*(?:\$ )?(?:\w+='[^']*' )?(cleanplate .*)", line):
                yield page.relative_to(ROOT).as_posix(), found[1]


@pytest.mark.parametrize(("page", "words"), sorted(set(commands())))
def test_every_command_in_the_pages_is_read(page: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """All are read by the program's own parser. Runs of minutes (demo, reproduce, batch, studio) are only read."""
    words = words.replace("X Y W H", "1 2 30 40").replace("X Y WIDTH HEIGHT", "1 2 30 40")
    # As a shell reads it: a # within a word begins no comment.
    argv = shlex.split(re.sub(r"(\s#|\s[|]\s).*", "", words))[1:]
    if cli.help_asked_for(argv) is None and argv[:2] != ["inpaint", "--settings-file"]:
        cli.parse(argv)


def test_there_are_commands_to_read() -> None:
    assert len(set(commands())) > 40


def test_the_table_of_a_batch_in_the_pages_is_one(tmp_path: Path) -> None:
    text = (ROOT / "docs/how-to/many-shots.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"```\n(video,mask,out.*?)```", text, re.DOTALL)
    (tmp_path / "jobs.csv").write_text(table)
    (tmp_path / "done").mkdir()
    jobs = read_jobs(tmp_path / "jobs.csv", tmp_path / "done", "")
    assert [job.name for job in jobs] == ["010.mp4", "020.mov"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages as they are published; a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(words, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_reference_has_every_option_of_every_command(site: Path) -> None:
    page = (site / "commands/index.html").read_text(encoding="utf-8")
    for command in cli.COMMANDS:
        for option in options_of(command).values():
            assert option.is_positional or f"--{option.name}" in page
    assert page.count("--carry.rounds") == 1


def test_the_python_interface_is_there(site: Path) -> None:
    page = (site / "python/index.html").read_text(encoding="utf-8")
    assert {"cleanplate.inpaint", "cleanplate.read_clip", "cleanplate.write_video"} <= set(
        re.findall(r'id="([^"]+)"', page)
    )


def test_no_page_fetches_anything_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        tags = re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*>", page.read_text(encoding="utf-8"))
        assert not [tag for tag in tags if re.search(r'(?:src|href)="(?:https?:)?//', tag)], page
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//", style.read_text(encoding="utf-8")), style


def test_every_page_can_be_found(site: Path) -> None:
    held = json.loads((site / "search/search_index.json").read_text(encoding="utf-8"))
    found = {entry["location"].partition("#")[0].rstrip("/") for entry in held["docs"]}
    assert {"getting-started", "how-to/wire", "how-to/many-shots", "commands", "python", "log"} <= found


def test_the_python_of_the_pages_names_what_is_there() -> None:
    """Each block is compiled, and what it imports from here is imported."""
    for page in PAGES:
        for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            compile(block, str(page), "exec")
            for line in re.findall(r"^from cleanplate.* import .*$", block, re.MULTILINE):
                exec(line)
