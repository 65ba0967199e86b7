"""Compile what nearly all tests run, once: of several processes that begin together each would compile it for itself.

`python -m tests.warm`. Seconds if it is done already, most of a minute on a fresh clone.
"""

import numpy as np

from cleanplate import Clip, inpaint
from cleanplate.track.edges import refined
from cleanplate.track.marks import Mark
from cleanplate.track.tracker import track
from tests.conftest import panning, to_bytes, walking_hole


def warm() -> None:
    """Take a thing of a small clip out, one that leaves some of what it hides unseen, and follow it."""
    frames, hole = panning(size=(300, 400)), walking_hole(size=(300, 400), side=60)
    hole[..., :30, :30] = True
    inpaint(Clip(frames.where(~hole, 0.9), hole, 24.0), "carry-learn", device="cpu")
    pictures = to_bytes(frames.where(~hole, 0.9))
    tracked = track(pictures, [Mark(0, hole[0, 0].numpy())])
    assert np.stack(list(refined(tracked, pictures))).any()


if __name__ == "__main__":
    warm()
