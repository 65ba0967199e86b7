"""Types are checked while testing, shapes too: at the first calls of each function in each test."""

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from cleanplate.track.fields import sparse
from tests import CHECKED_CALLS

WIDE, HIGH = np.zeros((2, 3), bool), np.zeros((3, 2), bool)


def test_arrays_that_are_not_as_annotated_are_refused() -> None:
    for wrong in (WIDE.astype(float), WIDE[0], "text"):
        with pytest.raises(TypeCheckError):
            sparse(wrong, WIDE, 2)  # type: ignore[arg-type]
    with pytest.raises(TypeCheckError):
        sparse(WIDE, HIGH, 2)  # both are (H, W)


@pytest.mark.parametrize("again", [False, True])
def test_in_each_test_at_first(again: bool) -> None:
    with pytest.raises(TypeCheckError):
        sparse(WIDE, WIDE.astype(np.uint8), 2)  # type: ignore[arg-type]
    for _ in range(CHECKED_CALLS - 1):
        sparse(WIDE, WIDE, 2)
    sparse(WIDE, WIDE.astype(np.uint8), 2)  # type: ignore[arg-type]
