"""What is said, and left, of a run that ends before it is done."""

import contextlib
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cleanplate.errors import Cancelled, InputError

if TYPE_CHECKING:
    from cleanplate.runtime.work_dir import WorkDir

log = logging.getLogger(__name__)


@contextlib.contextmanager
def kept(work_dir: "WorkDir") -> Iterator[None]:
    """However a run ends before it is done: say where what it has done is, or leave nothing."""
    try:
        yield
    except BaseException as error:
        if not work_dir.resumable:
            work_dir.discard()
            raise
        where = f"what is done is in {work_dir.folder}"
        if isinstance(error, Cancelled | KeyboardInterrupt):
            raise Cancelled(f"{where}; the same command with --resume goes on") from None
        if isinstance(error, InputError):
            fix = f"{error.fix}; {where}, and the same command with --resume goes on from it"
            raise InputError(error.given, error.needed, fix) from error
        log.warning("%s; the same command with --resume goes on from it", where)  # a defect: its traceback follows
        raise
