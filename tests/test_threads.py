"""How many threads the libraries compute with, while somebody wants one of each and afterwards."""

import os
import sys
import threading
from collections.abc import Iterator

import cv2
import pytest
import torch
from threadpoolctl import ThreadpoolController, threadpool_limits

from cleanplate.runtime.threads import in_order, one_thread_each, threads_now


def threads() -> tuple[int, int, int]:
    """Of OpenCV, of torch, and of the linear algebra below NumPy."""
    blas = [one["num_threads"] for one in ThreadpoolController().info() if one["user_api"] == "blas"]
    return cv2.getNumThreads(), torch.get_num_threads(), max(blas)


@pytest.fixture
def two_each() -> Iterator[None]:
    """Two threads each, whatever the machine has, and what it has afterwards."""
    before = cv2.getNumThreads(), torch.get_num_threads()
    with threadpool_limits(2, "blas"):
        cv2.setNumThreads(2)
        torch.set_num_threads(2)
        yield
    cv2.setNumThreads(before[0])
    torch.set_num_threads(before[1])


def test_the_last_to_leave_puts_all_back(two_each: None) -> None:
    assert threads() == (2, 2, 2)
    first, second = one_thread_each(), one_thread_each()
    first.__enter__()
    second.__enter__()
    assert threads() == (1, 1, 1)
    first.__exit__(None, None, None)  # not in the reverse order
    assert threads() == (1, 1, 1)
    second.__exit__(None, None, None)
    assert threads() == (2, 2, 2)


def test_torch_is_put_back_in_every_thread(two_each: None) -> None:
    entered, leave, seen = threading.Event(), threading.Event(), list[int]()

    def other() -> None:
        torch.set_num_threads(2)
        with one_thread_each():
            entered.set()
            leave.wait(10)
            seen.append(torch.get_num_threads())
        seen.append(torch.get_num_threads())

    here, thread = one_thread_each(), threading.Thread(target=other)
    here.__enter__()
    thread.start()
    assert entered.wait(10)
    here.__exit__(None, None, None)
    assert torch.get_num_threads() == 2
    leave.set()
    thread.join()
    assert seen == [1, 2]
    assert torch.get_num_threads() == cv2.getNumThreads() == 2


def test_two_that_go_side_by_side_leave_nothing_behind(two_each: None) -> None:
    doubled = zip(*(in_order(lambda item: (2 * item, threads()), range(20)) for _ in range(2)), strict=True)
    assert [pair[0] for pair in doubled] == [(2 * index, (1, 1, 1)) for index in range(20)]
    assert threads() == (2, 2, 2)


@pytest.mark.parametrize(
    ("said", "count"), [("3", 3), ("3,1", 3), (" 3 , 2", 3), ("", None), ("0", None), ("all", None)]
)
def test_openmps_word_for_threads(said: str, count: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert threads_now() == (count or os.cpu_count())
