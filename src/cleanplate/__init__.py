"""cleanplate: a clean plate from the shot itself.

    from cleanplate import inpaint, read_clip, write_video

    clip = read_clip("shot.mp4", "mask.png")
    plate = inpaint(clip)
    write_video("clean.mp4", plate.frames, like="shot.mp4")

Names that need torch are loaded when they are first used, so importing the package, or asking the command line for
help, costs a fraction of a second.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

from cleanplate.config import METHODS, EffectsConfig, Method
from cleanplate.errors import Cancelled, InputError
from cleanplate.progress import Step
from cleanplate.version import __version__

if TYPE_CHECKING:
    from cleanplate.clip import Clip, read_clip
    from cleanplate.plate import Plate, inpaint
    from cleanplate.streaming import PlateFrame, stream
    from cleanplate.video.writer import write_video

__all__ = [
    "METHODS",
    "Cancelled",
    "Clip",
    "EffectsConfig",
    "InputError",
    "Method",
    "Plate",
    "PlateFrame",
    "Step",
    "__version__",
    "inpaint",
    "read_clip",
    "stream",
    "write_video",
]

# Torch's threads wait for each other busily (GNU OpenMP). Where another program computes, what they wait for may not be
# running meanwhile: with one core of two busy, carrying took five times as long, and with so short a wait twice as
# long; with both free it makes no difference. It is read when torch is loaded, and whoever has set it knows better.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

_LAZY = {
    "Clip": "clip",
    "read_clip": "clip",
    "Plate": "plate",
    "inpaint": "plate",
    "PlateFrame": "streaming",
    "stream": "streaming",
    "write_video": "video.writer",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f"cleanplate.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'cleanplate' has no attribute {name!r}")
