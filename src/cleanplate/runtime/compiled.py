"""Loops over pixels at the speed of C.

The first call of a function with types that it has not seen takes a second or two; what was made is kept beside the
source, or in the user's cache folder. Where neither can be written, it is made anew in every process.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """A function of arrays and numbers that runs as machine code, and lets other threads run meanwhile.

    It must be marked with `typing.no_type_check` too: a check of its arguments cannot be compiled.
    """
    settings = {"nogil": True, "error_model": "numpy"}
    try:
        made = numba.njit(cache=True, **settings)(function)
    except RuntimeError:  # no folder can be written
        made = numba.njit(**settings)(function)
    return cast(Function, made)
