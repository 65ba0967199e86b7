"""All projects of a studio: who is found, who is kept, and what is removed."""

import time
from pathlib import Path

import pytest

from cleanplate.studio import projects as studio_projects
from cleanplate.studio.projects import Projects
from cleanplate.studio.queue import Job


def test_what_nobody_wants_any_more_is_removed(tmp_path: Path) -> None:
    held = Projects(keep_s=0.2, parent=tmp_path)
    assert held.root.stat().st_mode & 0o077 == 0  # nobody else can look into it
    old, wanted = held.begin(), held.begin()
    (held.uploads / "sent but never taken").mkdir()
    for _ in range(50):
        assert held.find(wanted.token) is wanted
        time.sleep(0.02)
    assert [project.name for project in held.folder.iterdir()] == [wanted.token]
    assert held.find(old.token) is None
    assert list(held.uploads.iterdir()) == []
    # One that was killed has left its folder, as if nobody held the lock: the next one removes it, and only it.
    left = tmp_path / "cleanplate-studio-left"
    left.mkdir()
    (left / ".lock").touch()
    other = Projects(keep_s=60, parent=tmp_path)
    assert not left.exists()
    assert held.root.exists()
    held.close()
    other.close()
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_at_work_is_kept_and_so_are_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Projects(keep_s=0.2, parent=tmp_path)
    monkeypatch.setattr(studio_projects, "MOST_PROJECTS", 2)
    busy = held.begin()
    busy.job = Job("read", (), {}, lambda job: None)
    dropped, last = held.begin(), held.begin()
    assert held.find(dropped.token) is None
    assert not dropped.folder.exists()
    assert held.find(last.token) is last
    time.sleep(0.5)
    assert held.find(busy.token) is busy
    held.close()
    assert list(tmp_path.iterdir()) == []
