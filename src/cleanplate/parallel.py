"""The same work for many items on all cores, results in order, memory bounded.

One thread a core, and every library kept to one thread inside it: small pictures do not fill the cores by themselves,
and results do not depend on how many cores there are (OpenCV's DIS splits the picture by threads and shows it).
"""

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import cv2
import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`work(item)` for each item, in the order of the items, at most a few ahead of what has been taken."""
    workers = os.cpu_count() or 1
    waiting: deque[Future[Result]] = deque()
    with one_thread_each(), ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > 2 * workers:  # enough to keep the workers busy
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


@contextlib.contextmanager
def one_thread_each() -> Iterator[None]:
    """Keep the libraries to one thread."""
    before = cv2.getNumThreads(), torch.get_num_threads()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before[0])
        torch.set_num_threads(before[1])
