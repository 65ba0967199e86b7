"""Real shots from $CLEANPLATE_DATA, end to end."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cleanplate import METHODS, inpaint, read_clip, write_video
from cleanplate.baselines.fillers import telea
from cleanplate.config import NO_EFFECTS, EffectsConfig
from cleanplate.data.compose import read_composed
from cleanplate.data.pairs import read_pairs
from cleanplate.metrics import psnr_db
from cleanplate.video.reader import read_frames

pytestmark = pytest.mark.data


def test_a_real_shot_end_to_end(data: Path, tmp_path: Path) -> None:
    shot, mask = data / "davis/frames/bmx-trees", data / "davis/masks/bmx-trees"
    clip = read_clip(shot, mask, frames=(40, 50))
    original, _ = read_frames(shot, frames=(40, 50))
    for effects in (EffectsConfig(), NO_EFFECTS):
        plate = inpaint(clip, replace(METHODS["carry-learn"], effects=effects), device="cpu")
        assert float((plate.provenance[clip.hole] == 1).float().mean()) > 0.95
        write_video(tmp_path / "clean.mkv", plate.frames, like=shot, fps=clip.fps)
        written, _ = read_frames(tmp_path / "clean.mkv")
        assert written.shape == original.shape == (10, 480, 854, 3)
        assert plate.effects.sum() < 0.06 * clip.hole.sum(), "of what the mask misses there is little"
        known = (clip.known & ~plate.effects)[:, 0].numpy()
        assert np.array_equal(written[known], original[known])
    assert not plate.effects.any()


def test_a_video_file_of_a_real_camera(data: Path) -> None:
    frames, fps = read_frames(data / "clips/golf.mov", frames=3, size=(216, 384))
    assert frames.shape == (3, 216, 384, 3)
    assert fps == pytest.approx(30, abs=0.1)


def test_a_composed_pair_is_far_above_telea(data: Path) -> None:
    pair = next(pair for pair in read_pairs(data) if pair["name"] == "goat+camel")
    pair = {**pair, "background": {**pair["background"], "count": 12}}
    composed = read_composed(data, pair)
    hole = composed.clip.hole
    plate = inpaint(composed.clip, "carry", device="cpu")  # of what is learned nothing is asked here
    painted = telea(torch.where(hole, 0.0, composed.clip.frames), hole)
    seen = plate.provenance == 1
    assert psnr_db(plate.frames, composed.truth, seen) > psnr_db(painted, composed.truth, seen) + 8
