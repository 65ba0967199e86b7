"""Libraries that print what is wrong, when they raise it too or should."""

import contextlib
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path

STANDARD_ERROR = 2
_ONE_AT_A_TIME = threading.Lock()  # or one would put back what another has taken away


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Nothing is printed: neither by `print`, nor by C code on the standard error of the process."""
    with _ONE_AT_A_TIME, contextlib.redirect_stdout(io.StringIO()), contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # a process that has none says nothing
            shown = os.dup(STANDARD_ERROR)
            stack.callback(os.close, shown)
            stack.callback(os.dup2, shown, STANDARD_ERROR)
            nowhere = stack.enter_context(Path(os.devnull).open("w"))
            os.dup2(nowhere.fileno(), STANDARD_ERROR)
        yield
