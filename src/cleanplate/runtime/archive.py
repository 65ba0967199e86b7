"""Arrays, and lists and dicts of them, as bytes of a file that is only data: nothing in it can be run."""

import io
import json
from typing import Any

import numpy as np

LAYOUT = "layout"


def packed(content: Any) -> memoryview:
    """The bytes of arrays, numbers, words and None, in lists, tuples (lists when they are read) and dicts of words."""
    arrays: dict[str, np.ndarray] = {}

    def laid_out(part: Any) -> Any:
        if isinstance(part, np.ndarray):
            arrays[str(len(arrays))] = part
            return {"array": str(len(arrays) - 1)}
        if isinstance(part, dict):
            return {"dict": {name: laid_out(value) for name, value in part.items()}}
        if isinstance(part, list | tuple):
            return [laid_out(value) for value in part]
        return part.item() if isinstance(part, np.generic) else part

    layout = json.dumps(laid_out(content)).encode()
    held = io.BytesIO()
    np.savez(held, **{LAYOUT: np.frombuffer(layout, np.uint8)}, **arrays)  # type: ignore[arg-type]
    return held.getbuffer()


def unpacked(data: bytes) -> Any:
    """What was packed.

    Raises:
        ValueError, KeyError, OSError, zipfile.BadZipFile: it is damaged.
    """
    with np.load(io.BytesIO(data), allow_pickle=False) as held:

        def filled(part: Any) -> Any:
            if isinstance(part, list):
                return [filled(value) for value in part]
            if not isinstance(part, dict):
                return part
            if "array" in part:
                return held[part["array"]]
            return {name: filled(value) for name, value in part["dict"].items()}

        return filled(json.loads(held[LAYOUT].tobytes()))
