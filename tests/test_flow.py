import hashlib
import math
from pathlib import Path

import pytest
import torch

from cleanplate import InputError
from cleanplate.imaging.flow import _load_raft, estimate, frame_pairs
from cleanplate.imaging.warp import warp
from cleanplate.weights import WEIGHTS, WeightFile, find_weights
from tests.conftest import panning, walking_hole


def test_pairs_of_every_stride_and_direction() -> None:
    assert frame_pairs(5, 3, 1) == [(0, 3), (1, 4)]
    assert frame_pairs(5, 3, -1) == [(3, 0), (4, 1)]
    assert frame_pairs(2, 5, 1) == []


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("direction", [1, -1])
def test_flow_of_a_pan(stride: int, direction: int) -> None:
    frames, hole = panning(6), walking_hole(6)
    field = estimate(frames, hole, stride, direction)
    expected = torch.tensor([-3.0, -1.0]) * stride * direction
    assert field.flow.shape == (6 - stride, 2, 64, 96)
    assert float(field.valid.float().mean()) > 0.5
    error = (field.flow - expected.view(1, 2, 1, 1)).norm(dim=1, keepdim=True)
    assert float(error[field.valid].median()) < 0.15
    for (i, j), flow, valid in zip(frame_pairs(6, stride, direction), field.flow, field.valid, strict=True):
        assert not bool((valid & hole[i]).any())
        warped = warp(frames[j : j + 1], flow[None])[0]
        assert float((warped - frames[i]).abs().mean(0, keepdim=True)[valid].mean()) < 0.02


def test_what_is_under_the_hole_is_never_seen() -> None:
    frames, hole = panning(4), walking_hole(4)
    spoilt = torch.where(hole, math.nan, frames)
    one, other = estimate(frames, hole, 1, 1), estimate(spoilt, hole, 1, 1)
    assert torch.equal(one.flow, other.flow)
    assert torch.equal(one.valid, other.valid)


def test_bad_input() -> None:
    frames, hole = panning(4), walking_hole(4)
    with pytest.raises(InputError, match="stride 0"):
        estimate(frames, hole, 0, 1)
    with pytest.raises(InputError, match="known are dis, raft_small, raft_large"):
        estimate(frames, hole, 1, 1, estimator="pwc")
    with pytest.raises(InputError, match="12x64"):
        estimate(frames[..., :12], hole[..., :12], 1, 1)


def test_raft_runs_on_weights_found_and_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The published weights cannot be had offline: the same network's random ones take the same way."""
    from torchvision.models.optical_flow import raft_small

    monkeypatch.setenv("CLEANPLATE_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    _load_raft.cache_clear()
    frames, hole = panning(2), walking_hole(2)
    with pytest.raises(InputError, match=r"raft_small_C_T_V2-01064c6d\.pth.*download"):
        estimate(frames, hole, 1, 1, estimator="raft_small")
    assert all(files[0].url().endswith(files[0].name) for files in WEIGHTS.values())
    torch.manual_seed(0)
    torch.save(raft_small(weights=None).state_dict(), tmp_path / "ours.pth")
    digest = hashlib.sha256((tmp_path / "ours.pth").read_bytes()).hexdigest()
    monkeypatch.setitem(WEIGHTS, "raft_small", (WeightFile("ours.pth", digest[:8], lambda: "nowhere"),))
    field = estimate(frames, hole, 1, 1, estimator="raft_small")
    assert field.flow.shape == (1, 2, 64, 96)
    assert bool(field.flow.isfinite().all())
    monkeypatch.setitem(WEIGHTS, "raft_small", (WeightFile("ours.pth", "00000000", lambda: "nowhere"),))
    with pytest.raises(InputError, match=f"sha256 {digest[:8]}"):
        find_weights("raft_small")
    _load_raft.cache_clear()
