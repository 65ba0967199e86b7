"""Work for a process that ends as it is told to. Each process loads this file anew, so it loads hardly anything."""

import os

from cleanplate.errors import InputError


def ended(what: str) -> str:
    """Return it, or end as it says: by an error, a signal or an exit."""
    if what == "raise":
        raise InputError("given", "needed", "fix")
    if what.isdigit():
        os.kill(os.getpid(), int(what))
    if what == "exit":
        os._exit(3)
    return what
