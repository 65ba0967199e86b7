"""Options that have another name now. The old one is understood for one version more, with a warning."""

import logging
import re
from collections.abc import Sequence

log = logging.getLogger(__name__)

# What was the group `learn` is a part of `unseen`.
OF_LEARN = (
    "margin",
    "network-px",
    "min-area-share",
    "networks",
    "ensemble-size",
    "network-blend",
    "guide-weight",
    "thin-px",
)
RENAMED = {
    "inpaint": {
        "also": "extra-mask",
        "carry.trust-filled": "carry.filled-weight",
        "carry.level-tolerance": "carry.brightness-tolerance",
        "learn.small": "unseen.min-area-share",
        "learn.copies": "unseen.ensemble-size",
        "learn.boldness": "unseen.network-blend",
        "learn.guidance": "unseen.guide-weight",
        **{f"learn.{name}": f"unseen.{name}" for name in OF_LEARN},
        "fit.look-every": "fit.eval-every",
        "fit.keep": "fit.output",
        "fit.jitter": "fit.input-noise-std",
        "fit.decay": "fit.lr-decay-share",
    },
    "mask": {"from": "start", "to": "end", "method": "tracker"},
    "reproduce": {"out": "output"},
    "batch": {"each": "options"},
}
"""Of each command: old names and new ones. Those of `inpaint` are keys of settings files and columns of tables too."""
MEAN_ANOTHER = {"mask": ("from", "to")}
"""Old words that do not mean what the new ones do: the command takes both, and here is only warned."""


def current_name(name: str, command: str = "inpaint") -> str:
    """The name of an option as it is now; of an old one is warned."""
    new = RENAMED.get(command, {}).get(name.replace("_", "-"))
    if new is None:
        return name
    log.warning("--%s is now --%s", name, new)
    return name if name in MEAN_ANOTHER.get(command, ()) else new


def current_words(words: Sequence[str], command: str = "inpaint") -> list[str]:
    """The words of a command (those behind its name) with its options as they are named now."""

    def current(word: str) -> str:
        found = re.fullmatch(r"--([\w.-]+)(=.*)?", word, re.DOTALL)
        return f"--{current_name(found[1], command)}{found[2] or ''}" if found else word

    return [current(word) for word in words]
