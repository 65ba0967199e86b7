"""The run-time type checker of the tests: beartype, taking an int where a float is asked for, as Python itself does.

To check a call takes longer than many a call does, so in each test every function is checked a few times, not always.
"""

import functools
import inspect
from collections import Counter
from collections.abc import Callable
from types import CodeType
from typing import Any

import jaxtyping
from beartype import BeartypeConf, beartype

CHECKED_CALLS = 10  # of each function in each test

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
calls: Counter[CodeType] = Counter()
"""How often each function was called in this test."""
_always = jaxtyping.jaxtyped


def _at_first(function: Any, typechecker: Any) -> Any:
    """A function whose first calls in a test are checked; a class of data and a descriptor are checked always."""
    if not inspect.isfunction(function):
        return _always(function, typechecker=typechecker)
    code = function.__code__
    if calls[code] >= CHECKED_CALLS:  # one within another, which is made anew whenever that is called
        return function
    with_checks: Callable[..., Any] | None = None  # made at its first call: most functions never have one

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal with_checks
        calls[code] += 1
        if calls[code] > CHECKED_CALLS:
            return function(*args, **kwargs)
        if with_checks is None:
            with_checks = _always(function, typechecker=typechecker)
        return with_checks(*args, **kwargs)

    return call


def _sparing(*, typechecker: Any) -> Any:
    return functools.partial(_at_first, typechecker=typechecker)


jaxtyping.jaxtyped = _sparing  # type: ignore[assignment]
