"""Methods to compare with. Add one to a file of its own, to `rivals.BASELINES`, and its name to `config.Baseline`."""

from typing import get_args

from cleanplate.config import Baseline, UnseenConfig

NAMES: tuple[Baseline, ...] = get_args(Baseline)
"""In the order of the tables' rows; no torch is needed to know them."""
NO_NETWORK = UnseenConfig()
"""For `yu`: it names no network of the user's."""
