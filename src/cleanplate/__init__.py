"""cleanplate: a clean plate from the shot itself.

    from cleanplate import inpaint, read_clip, write_video

    clip = read_clip("shot.mp4", "mask.png")
    plate = inpaint(clip)
    write_video("clean.mp4", plate.frames, like="shot.mp4")

Names that need torch are loaded when they are first used, so importing the package, or asking the command line for
help, costs a fraction of a second.
"""

import importlib
from typing import TYPE_CHECKING, Any

from cleanplate.config import METHODS, Method, Step
from cleanplate.errors import Cancelled, InputError

if TYPE_CHECKING:
    from cleanplate.clip import Clip, read_clip
    from cleanplate.pipeline import Plate, inpaint
    from cleanplate.video_io import write_video

__version__ = "0.1.0"
__all__ = [
    "METHODS",
    "Cancelled",
    "Clip",
    "InputError",
    "Method",
    "Plate",
    "Step",
    "inpaint",
    "read_clip",
    "write_video",
]

_LAZY = {
    "Clip": "clip",
    "read_clip": "clip",
    "Plate": "pipeline",
    "inpaint": "pipeline",
    "write_video": "video_io",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f"cleanplate.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'cleanplate' has no attribute {name!r}")
