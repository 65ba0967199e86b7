"""The studio's queue of jobs, each in a process of its own: how jobs end, and who waits for whom."""

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cleanplate.errors import InputError
from cleanplate.progress import OnStep, tell
from cleanplate.runtime.processes import attempt
from cleanplate.studio import queue as queue_module
from cleanplate.studio.queue import Job, JobQueue, _do


def count(total: int, *, on_step: OnStep) -> int:
    for done in range(total):
        tell(on_step, "count", done + 1, total)
    return total


def wait(pid_file: Path, *, on_step: OnStep) -> None:
    """Until it is ended."""
    tell(on_step, "wait", 1, 4)
    pid_file.write_text(str(os.getpid()))
    time.sleep(60)


def niceness(*, on_step: OnStep) -> int:
    return os.nice(0)


def end(how: str, *, on_step: OnStep) -> None:
    if how == "refused":
        raise InputError("given", "needed", "fix")
    if how == "no memory":
        raise MemoryError
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    raise ValueError("a mistake")


TASKS = {"count": count, "wait": wait, "end": end, "niceness": niceness}
WEIGHTS = {"count": 1.0, "wait": 1.0}


@pytest.fixture(scope="module")
def queue() -> Iterator[JobQueue]:
    made = JobQueue(TASKS)
    yield made
    made.close()


def nothing(job: Job) -> None:
    """Of a job that has ended."""


def submit(queue: JobQueue, task: str, *arguments: Any, on_end: Callable[[Job], None] = nothing) -> Job:
    job = Job(task, arguments, WEIGHTS, on_end)
    queue.submit(job)
    return job


def begun(path: Path) -> int:
    """The process that waits."""
    for _ in range(600):
        if path.exists() and (said := path.read_text()):
            return int(said)
        time.sleep(0.05)
    raise AssertionError("the job has not begun")


def test_a_job_tells_how_far_it_is_and_what_it_made(queue: JobQueue) -> None:
    job = submit(queue, "count", 3)
    assert job.ended.wait(30)
    assert (job.state, job.result, job.stage, job.shares) == ("done", 3, "count", {"count": 1.0})
    assert job.share == 0.5  # the other stage is half of the whole


def test_the_page_comes_before_the_work(queue: JobQueue) -> None:
    """Or a button is pressed and nothing happens, while a job takes every core."""
    job = submit(queue, "niceness")
    assert job.ended.wait(30)
    assert job.result == min(19, os.nice(0) + queue_module.NICENESS)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("refused", "given; needed; fix"),
        ("no memory", "there is not enough memory; try a smaller size, or a part of the shot"),
        ("killed", "the system ended the run (exit code -9); is there enough memory?"),
        ("mistaken", "the run failed (ValueError: a mistake)"),
    ],
)
def test_a_job_that_fails_says_why_and_the_next_one_runs(queue: JobQueue, how: str, words: str) -> None:
    job, behind = submit(queue, "end", how), submit(queue, "count", 1)
    assert behind.ended.wait(30)
    assert (job.state, job.error) == ("failed", words)
    assert behind.state == "done"


def test_jobs_wait_for_their_turn_and_can_be_cancelled(queue: JobQueue, tmp_path: Path) -> None:
    told: list[str] = []
    first, second, third = (
        submit(queue, *words, on_end=lambda job: told.append(job.state))
        for words in (("wait", tmp_path / "pid"), ("count", 1), ("count", 2))
    )
    process = begun(tmp_path / "pid")
    assert [queue.ahead(job) for job in (first, second, third)] == [0, 1, 2]
    assert (first.state, second.state) == ("running", "waiting")
    queue.cancel(second)
    assert second.state == "cancelled"
    assert queue.ahead(third) == 1
    asked = time.monotonic()
    queue.cancel(first)
    assert time.monotonic() - asked < 2
    assert first.state == "cancelled"
    with pytest.raises(ProcessLookupError):  # its memory is free again
        os.kill(process, 0)
    assert third.ended.wait(30)
    assert told == ["cancelled", "cancelled", "done"]


def test_who_is_told_of_an_end_may_ask_for_another_place(queue: JobQueue, tmp_path: Path) -> None:
    """The page asks for a job's place while it holds its project's lock; the end of a job takes that lock too."""
    first = submit(queue, "wait", tmp_path / "pid")
    places: list[int] = []

    def on_end(job: Job) -> None:
        asking = threading.Thread(target=lambda: places.append(queue.ahead(first)))
        asking.start()
        asking.join(5)

    second = submit(queue, "count", 1, on_end=on_end)
    begun(tmp_path / "pid")
    queue.cancel(second)
    assert places == [0]
    queue.cancel(first)


def test_an_end_that_cannot_be_told_does_not_stop_the_queue(queue: JobQueue, caplog: pytest.LogCaptureFixture) -> None:
    def on_end(job: Job) -> None:
        raise OSError("the folder is gone")

    submit(queue, "count", 1, on_end=on_end)
    assert submit(queue, "count", 1).ended.wait(30)
    assert "the end of a job could not be told" in caplog.text


def test_closing_ends_all_jobs(tmp_path: Path) -> None:
    closing = JobQueue(TASKS)
    running, waiting = submit(closing, "wait", tmp_path / "pid"), submit(closing, "count", 1)
    process = begun(tmp_path / "pid")
    closing.close()
    assert (running.state, waiting.state) == ("cancelled", "cancelled")
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Of the queue only; it goes when it is set."""
    clock = SimpleNamespace(now=100.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(queue_module, "time", clock)
    return clock


def test_the_end_of_a_job_is_estimated_once_there_is_something_to_tell_it_from(clock: SimpleNamespace) -> None:
    job = Job("count", (), {"count": 3.0, "write": 1.0}, nothing)
    assert job.left_s is None  # it waits
    job.state, job.started_s = "running", clock.now
    clock.now += 1
    job.tell("count", 1, 30)
    assert job.left_s is None  # for too short a time
    clock.now += 9
    job.tell("count", 1, 3)
    assert job.share == 0.25
    assert job.left_s == pytest.approx(30)


def test_a_stage_that_takes_longer_than_planned_is_estimated_by_its_own_pace(clock: SimpleNamespace) -> None:
    """Or the time that is left would stand still, or grow, while it lasts: here it falls, second by second."""
    job = Job("clean", (), {"carry": 0.8, "learn": 0.1, "write": 0.1}, nothing)
    job.state, job.started_s = "running", clock.now
    for done in range(1, 9):
        clock.now += 1
        job.tell("carry", done, 8)
    assert job.left_s == pytest.approx(2)  # as it was planned: a second for each tenth
    for done in range(1, 41):
        clock.now += 1
        job.tell("learn", done, 40)
        if done >= 2:
            # The last stage, of a tenth, takes as long as a tenth has taken so far.
            ahead = (8 + done) / (0.8 + 0.1 * done / 40) * 0.1
            assert job.left_s == pytest.approx(40 - done + ahead)


def test_steps_in_quick_succession_are_told_of_now_and_then() -> None:
    told: list[Any] = []
    assert _do(count, (1000,), told.append) == 1000
    assert told[0] == ("count", 1, 1000)
    assert told[-1] == ("count", 1000, 1000)
    assert len(told) < 100


class Peculiar(Exception):
    """Cannot be made again from what it says."""

    def __init__(self, one: str, other: str):
        super().__init__(one + other)


def test_an_error_that_cannot_be_sent_is_told_in_words() -> None:
    def work(given: str) -> None:
        raise Peculiar(given, "!")

    said = attempt(work, "no")
    assert said.kind == "failed"
    assert repr(said.content) == "RuntimeError('Peculiar: no!')"


def test_a_long_path_of_temporary_files_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket's path may have some hundred characters only."""
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    assert queue_module._has_forkserver()
    (folder := tmp_path / ("long" * 30)).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    assert not queue_module._has_forkserver()
    queue = JobQueue(TASKS)
    try:
        job = submit(queue, "count", 3)
        assert job.ended.wait(60)
        assert job.result == 3
    finally:
        queue.close()
