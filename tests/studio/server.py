"""`cleanplate studio`, as it is started from a terminal."""

import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

LIMIT_MB = 1


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


def needs_gradio() -> None:
    """Or the test is skipped. It is loaded by the server alone: that takes seconds."""
    if importlib.util.find_spec("gradio") is None:
        pytest.skip("gradio is not installed (pip install 'cleanplate[studio]')")


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


def computed_s(process: int) -> float:
    """The processor time that it has taken so far."""
    ticks = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


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
