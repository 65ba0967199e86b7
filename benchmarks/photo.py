"""Clips with ground truth that may be shown: a photograph under a virtual camera, a ball that rolls by.

They are those of `cleanplate demo` without the ball's shadow, one for each seed of the camera's shake. The pictures of
docs/results are of them; the photograph is scikit-image's coffee (CC0).
"""

import tempfile
from pathlib import Path

from cleanplate import write_video
from cleanplate.data.demo import make_demo
from cleanplate.data.write import compose_files

FRAMES, SIZE, SEEDS = 30, (192, 384), (0, 1)


def make_photo_clips(out: Path) -> None:
    """Write a data folder of them, for `cleanplate reproduce --data`."""
    for seed in SEEDS:
        clip = make_demo(seed, n_frames=FRAMES, size=SIZE)
        with tempfile.TemporaryDirectory() as scratch:
            parts = {"truth": clip.truth, "shot": clip.frames, "mask": clip.mask.expand_as(clip.truth).float()}
            truth, shot, mask = (Path(scratch, f"{name}{seed}") for name in parts)
            for path, frames in zip((truth, shot, mask), parts.values(), strict=True):
                write_video(path, frames, fps=clip.fps)
            print(compose_files(truth, shot, mask, out, name=f"photo{seed}+ball"))
