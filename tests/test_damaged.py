"""Damaged input of every kind is read without a hang, a crash, a traceback or a flood of memory: see damage.py."""

import json
import os
import selectors
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.damage import FILES, MOST_MB, make_files

CASES, MANY_CASES = 660, 8000
START_S, MOST_S = 90.0, 5.0
WORKERS = min(2, os.cpu_count() or 1)


@dataclass
class Child:
    """A process that runs cases, one at a time."""

    folder: Path
    number: int
    case: int | None = None
    since: float = 0.0
    answered: int = 0

    def __post_init__(self) -> None:
        self.said = (self.folder / f"child-{self.number}.txt").open("w+")
        words = [sys.executable, "-m", "tests.damage", str(self.folder)]
        self.process = subprocess.Popen(
            words,
            cwd=Path(__file__).parents[1],
            text=True,
            bufsize=1,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.said,
        )

    def ask(self, case: int) -> None:
        assert self.process.stdin is not None
        self.case, self.since = case, time.monotonic()
        self.process.stdin.write(f"{case}\n")

    def end(self) -> str:
        """Its last words."""
        self.process.kill()
        self.process.communicate()
        self.said.seek(0)
        said = self.said.read()[-3000:]
        self.said.close()
        return said


def run_cases(cases: Iterable[int], folder: Path) -> list[dict[str, Any]]:
    """The reports of all; of one that takes too long or ends its process, what that process said."""
    make_files(folder / "good")
    todo, reports, selector = deque(cases), [], selectors.DefaultSelector()
    started = 0

    def start() -> None:
        nonlocal started
        child = Child(folder, started)
        started += 1
        child.ask(todo.popleft())
        selector.register(child.process.stdout, selectors.EVENT_READ, child)  # type: ignore[arg-type]

    def replace(child: Child, outcome: str) -> None:
        selector.unregister(child.process.stdout)  # type: ignore[arg-type]
        of, seconds = FILES[child.case % len(FILES)][0], time.monotonic() - child.since  # type: ignore[operator]
        reports.append({"case": child.case, "of": of, "outcome": outcome, "said": child.end(), "seconds": seconds})
        if todo:
            start()

    try:
        for _ in range(min(WORKERS, len(todo))):
            start()
        while selector.get_map():
            for key, _ in selector.select(timeout=0.5):
                child = key.data
                line = key.fileobj.readline()  # type: ignore[union-attr]
                if not line:
                    replace(child, "crashed")
                    continue
                reports.append(json.loads(line))
                child.answered += 1
                if todo:
                    child.ask(todo.popleft())
                else:
                    selector.unregister(key.fileobj)
                    child.end()
            for key in list(selector.get_map().values()):
                if time.monotonic() - key.data.since > (MOST_S if key.data.answered else START_S):
                    replace(key.data, "hung")
    finally:
        for key in list(selector.get_map().values()):
            key.data.end()
    return reports


def check(reports: list[dict[str, Any]], count: int) -> None:
    bad = [one for one in reports if one["outcome"] not in ("read", "refused") or one.get("mb", 0) > MOST_MB]
    print(Counter((one["of"], one["outcome"]) for one in reports))
    print("slowest", max(one["seconds"] for one in reports), "s; most memory", max(one.get("mb", 0) for one in reports))
    assert not bad, f"{len(bad)} of {count}: {json.dumps(bad[:20], indent=1)}"
    assert sorted(one["case"] for one in reports) == list(range(count))
    # A harness that damages nothing, or everything beyond recognition, would find nothing.
    refused = {one["of"] for one in reports if one["outcome"] == "refused"}
    assert refused == {name for name, _, _ in FILES} - {"work/steps.jsonl"}  # which is only added to
    assert count / 20 < sum(one["outcome"] == "read" for one in reports) < count / 2


def test_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    check(run_cases(range(CASES), tmp_path), CASES)


@pytest.mark.slow
def test_many_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    check(run_cases(range(MANY_CASES), tmp_path), MANY_CASES)
