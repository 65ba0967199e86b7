"""Commands in processes of their own, to be killed and interrupted: forked from one that has all modules loaded."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cleanplate import cli

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["pytest", "cleanplate.cli", "cleanplate.clean", "cleanplate.commands.logs", "torch._dynamo"]  # Adam imports that
)


class Running:
    """`cleanplate WORDS` in a folder."""

    def __init__(self, words: str, folder: Path, **environment: str):
        self.said = folder.parent / f"{folder.name}-said-{time.monotonic_ns()}"
        self.said.mkdir()
        self.process = PROCESSES.Process(target=_run, args=(words.split(), folder, self.said, environment))
        self.process.start()

    @property
    def code(self) -> int | None:
        """None while it runs; -9 if it was killed."""
        return self.process.exitcode

    def until(self, there: Callable[[], object]) -> None:
        """Wait for something that happens while it runs."""
        for _ in range(6000):
            if there():
                return
            assert self.process.is_alive(), self.end()
            time.sleep(0.01)
        raise AssertionError("it never came to it")

    def send(self, number: signal.Signals) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        self.process.kill()
        self.end()

    def end(self, timeout_s: float = 60) -> tuple[int | None, str, str]:
        """Its exit code, stdout and stderr, once it has ended."""
        self.process.join(timeout_s)
        assert not self.process.is_alive()
        return self.code, (self.said / "out").read_text(), (self.said / "err").read_text()


def _run(words: list[str], folder: Path, said: Path, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    # A parent that runs in the background may ignore interrupts, and its children would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(said / name, os.O_WRONLY | os.O_CREAT), number)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
    cli.main(words)
