import hashlib
import importlib
import math
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from cleanplate import InputError
from cleanplate.errors import Undefined
from cleanplate.imaging.flow import FlowField
from cleanplate.metrics import (
    METRICS,
    Comparison,
    complexity,
    deep,
    fid,
    frechet_distance,
    frechet_vgg16,
    lpips,
    measure,
    missing,
    patch_consistency,
    psnr_by_provenance,
    psnr_db,
    ssim,
    warp_error,
)
from cleanplate.weights import WEIGHTS, WeightFile
from tests.conftest import panning, to_bytes, walking_hole


def pair(n_frames: int = 3) -> tuple[Tensor, Tensor]:
    truth = panning(n_frames)
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(0)) * 0.05
    return ((truth + noise).clamp(0, 1) * 255).round() / 255, truth


# Pixel by pixel


def test_psnr_and_ssim_agree_with_skimage() -> None:
    result, truth = pair()
    frames = list(zip(to_bytes(result), to_bytes(truth), strict=True))
    theirs = np.mean([peak_signal_noise_ratio(b, a) for a, b in frames])
    assert psnr_db(result, truth) == pytest.approx(theirs, abs=1e-3)
    similar = np.mean([structural_similarity(a, b, channel_axis=2, data_range=255) for a, b in frames])
    assert ssim(result, truth) == pytest.approx(similar, abs=1e-3)


def test_known_values() -> None:
    truth = torch.zeros(2, 3, 16, 16)
    hole = torch.zeros(2, 1, 16, 16, dtype=torch.bool)
    hole[0, 0, :4, :4] = True  # the other frame does not count
    result = torch.where(hole, 0.2, truth)
    assert psnr_db(result, truth, hole) == pytest.approx(-20 * math.log10(0.2), abs=1e-4)
    assert psnr_db(truth, truth) == math.inf
    assert ssim(truth, truth) == pytest.approx(1)
    assert ssim(result, truth, hole) < 0.1


def test_a_frame_without_a_hole_does_not_make_a_video_perfect() -> None:
    truth = torch.zeros(3, 3, 16, 16)
    result = truth.clone()
    result[0] = 0.2
    assert psnr_db(result, truth) == pytest.approx((-20 * math.log10(0.2) + 100 + 100) / 3, abs=1e-4)
    where = torch.zeros(3, 1, 16, 16, dtype=torch.bool)
    where[1:] = True
    assert psnr_db(result, truth, where) == math.inf  # of what counts, nothing differs


def test_symmetry() -> None:
    result, truth = pair()
    hole = walking_hole(3)
    assert psnr_db(result, truth, hole) == psnr_db(truth, result, hole)
    assert ssim(result, truth, hole) == pytest.approx(ssim(truth, result, hole))


def test_carried_and_made_up_pixels_apart() -> None:
    truth = torch.full((2, 3, 16, 16), 0.6)
    provenance = torch.zeros(2, 1, 16, 16, dtype=torch.uint8)
    provenance[0, 0, :8], provenance[1, 0, :4] = 1, 2
    result = truth + 0.2 * (provenance == 1) - 0.4 * (provenance == 2)
    apart = psnr_by_provenance(result, truth, provenance)
    assert apart["carried_psnr_db"] == pytest.approx(-20 * math.log10(0.2), abs=1e-3)
    assert apart["made_up_psnr_db"] == pytest.approx(-20 * math.log10(0.4), abs=1e-3)
    assert psnr_by_provenance(result, truth, provenance * 0)["made_up_psnr_db"] is None


# Over time


def brute_force_consistency(frames: Tensor, top: int, left: int, patch_px: int, search_px: int) -> tuple[float, float]:
    """By skimage, displacement by displacement."""
    a, b = to_bytes(frames)
    height, width = a.shape[:2]
    patch = a[top : top + patch_px, left : left + patch_px]
    psnrs, ssims = [], []
    for dy in range(-search_px, search_px + 1):
        for dx in range(-search_px, search_px + 1):
            y, x = top + dy, left + dx
            if 0 <= y <= height - patch_px and 0 <= x <= width - patch_px:
                other = b[y : y + patch_px, x : x + patch_px]
                psnrs.append(peak_signal_noise_ratio(patch, other))
                ssims.append(structural_similarity(patch, other, channel_axis=2, data_range=255))
    return max(psnrs), max(ssims)


@pytest.mark.parametrize(("row", "column"), [(30, 40), (0, 0), (63, 95), (2, 90)])
def test_patch_consistency_agrees_with_a_search_by_skimage(row: int, column: int) -> None:
    frames = pair(2)[0]
    hole = torch.zeros(2, 1, 64, 96, dtype=torch.bool)
    hole[0, 0, row, column] = True  # one pixel: there is one patch to sample, moved into the frame at the border
    found = patch_consistency(frames, hole, patch_px=11, search_px=4, patches_per_frame=1)
    top, left = min(max(row - 5, 0), 64 - 11), min(max(column - 5, 0), 96 - 11)
    psnr, similar = brute_force_consistency(frames, top, left, 11, 4)
    assert found.psnr_db == pytest.approx(psnr, abs=1e-3)
    assert found.ssim == pytest.approx(similar, abs=1e-4)


def test_a_moving_picture_is_found_again_exactly() -> None:
    frames, hole = panning(4, step=(3, 1)), walking_hole(4)
    assert patch_consistency(frames, hole, patch_px=15, search_px=4) == pytest.approx((100, 1), abs=1e-5)
    assert patch_consistency(frames.flip(0), hole, patch_px=15, search_px=4) == pytest.approx((100, 1), abs=1e-5)
    too_near = patch_consistency(frames, hole, patch_px=15, search_px=2)
    assert too_near.psnr_db < 40


def test_patches_are_sampled_by_the_seed_and_in_the_hole_only() -> None:
    frames, hole = pair(4)[0], walking_hole(4)
    settings = {"patch_px": 9, "search_px": 2}
    first = patch_consistency(frames, hole, seed=1, **settings)
    assert patch_consistency(frames, hole, seed=1, **settings) == first
    assert patch_consistency(frames, hole, seed=2, **settings) != first
    flicker = frames.clone()
    flicker[1::2, :, :, 70:] = 0  # far from the hole
    assert patch_consistency(flicker, hole, seed=1, **settings) == first


def test_frames_without_a_hole_have_no_patches() -> None:
    frames, hole = pair(4)[0], walking_hole(4)
    frames[1] = 0
    hole[0], hole[1] = False, False
    alone = patch_consistency(frames[2:], hole[2:], patch_px=9, search_px=2)
    assert patch_consistency(frames, hole, patch_px=9, search_px=2) == alone


def test_warp_error_of_a_still_picture_that_flickers() -> None:
    truth = panning(1).expand(4, -1, -1, -1) * 0.8
    frames = (truth * 255).round() / 255 + torch.tensor([0.0, 10, 0, 10]).view(4, 1, 1, 1) / 255
    assert warp_error(frames, truth) == pytest.approx((10 / 255) ** 2, rel=1e-3)
    assert warp_error(truth, truth) < 1e-9
    flicker_elsewhere = torch.where(walking_hole(4), truth, frames)
    inside = torch.zeros(4, 1, 64, 96, dtype=torch.bool)
    inside[:, :, 26:38, 36:38] = True  # of the hole in all four frames
    assert warp_error(flicker_elsewhere, truth, inside) < 1e-9
    assert warp_error(flicker_elsewhere, truth) > 1e-4


def test_warp_error_follows_the_motion_of_the_truth() -> None:
    truth = panning(4)
    still = truth[:1].expand(4, -1, -1, -1)
    assert warp_error(truth, truth) < 0.1 * warp_error(still, truth)
    leaving = torch.zeros(4, 1, 64, 96, dtype=torch.bool)
    leaving[:, :, 20:40, :6] = True  # half of it leaves the picture, and does not count
    assert warp_error(truth, truth, leaving) < 0.1 * warp_error(still, truth, leaving)


def test_complexity(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = panning(1)
    levels = torch.tensor([0.0, 0.1, 0.2, 0.1])
    still = wall * 0.5 + levels.view(4, 1, 1, 1)
    assert complexity(still).appearance == pytest.approx(levels.numpy().std(), abs=1e-4)
    assert complexity(wall.expand(3, -1, -1, -1)).motion == pytest.approx(0, abs=1e-4)
    # Flow that grows by 0.03 pixels per pixel along x and by 0.04 along y has a gradient of 0.05 everywhere.
    x, y = torch.meshgrid(0.03 * torch.arange(96.0), 0.04 * torch.arange(64.0), indexing="xy")
    field = FlowField(torch.stack((x, y)).expand(3, -1, -1, -1), torch.ones(3, 1, 64, 96, dtype=torch.bool))
    with monkeypatch.context() as patch:
        patch.setattr(importlib.import_module("cleanplate.metrics.complexity"), "estimate", lambda *_: field)
        assert complexity(still).motion == pytest.approx(0.05, rel=1e-4)
    assert complexity(still).total == complexity(still).appearance + complexity(still).motion


# In features


def frechet_by_scipy(a: np.ndarray, b: np.ndarray) -> float:
    """As it is written."""
    (mu, s), (nu, t) = ((x.mean(0), np.cov(x, rowvar=False)) for x in (a, b))
    root = scipy.linalg.sqrtm(s @ t)
    return float(((mu - nu) ** 2).sum() + np.trace(s + t - 2 * np.real(root)))


def test_frechet_distance_agrees_with_scipy() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(40, 6)), rng.normal(0.3, 2, size=(30, 6)) @ rng.normal(size=(6, 6))
    ours = frechet_distance(torch.from_numpy(a), torch.from_numpy(b))
    assert ours == pytest.approx(frechet_by_scipy(a, b), rel=1e-6)
    assert frechet_distance(torch.from_numpy(a), torch.from_numpy(a)) == pytest.approx(0, abs=1e-9)
    # Two frames and more features than frames are enough.
    assert frechet_distance(torch.from_numpy(a[:2]), torch.from_numpy(b[:3])) > 0
    with pytest.raises(Undefined, match="1 and 30 frames"):
        frechet_distance(torch.from_numpy(a[:1]), torch.from_numpy(b))


def test_frechet_vgg16(weights: Path) -> None:
    result, truth = pair(6)
    assert frechet_vgg16(truth, truth) == pytest.approx(0, abs=1e-3)
    assert frechet_vgg16(result, truth) > 1000 * frechet_vgg16(truth, truth) + 1


@pytest.mark.parametrize("name", ["frechet_vgg16", "fid"])
def test_missing_weights_are_said_to_be_the_metrics(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLEANPLATE_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    deep._vgg16.cache_clear()
    with pytest.raises(InputError, match=f"they are needed by the metric {name};") as raised:
        measure(Comparison(*pair(), walking_hole(3)), [name])
    assert "loss.perceptual" not in str(raised.value)
    assert str(missing(name)).split("(")[0] == str(raised.value).split("(")[0]


def test_frames_go_through_vgg16_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """At their full size, several of them take memory and save no time."""
    taken: list[int] = []

    def trunk(part: Tensor) -> list[Tensor]:
        taken.append(len(part))
        return [part]

    monkeypatch.setattr(deep, "_vgg16", lambda: trunk)
    result, truth = pair(3)
    assert frechet_vgg16(result, truth) == pytest.approx(
        frechet_distance(255 * result.mean((2, 3)), 255 * truth.mean((2, 3)))
    )
    assert taken == [1] * 6


def test_fid_through_torch_fidelity_on_weights_of_the_same_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The published weights cannot be had offline: the same network's random ones take the same way."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    path = tmp_path / "weights-inception-2015-12-05-6726825d.pth"
    torch.manual_seed(0)
    torch.save({}, path)
    with monkeypatch.context() as patch:
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        network = FeatureExtractorInceptionV3("random", ["2048"], feature_extractor_weights_path=str(path))
    torch.save(network.state_dict(), path)
    result, truth = pair(2)  # the fewest that have a covariance: the network is slow
    with torch.no_grad():
        features = [network((frames * 255).round().byte())[0].double().numpy() for frames in (result, truth)]
    ours = fid(result, truth, weights=path)
    assert ours == pytest.approx(frechet_distance(*map(torch.from_numpy, features)), rel=1e-4)
    assert ours > 0

    with pytest.raises(InputError, match="inception"):
        fid(result, truth)
    monkeypatch.setenv("CLEANPLATE_WEIGHTS", str(tmp_path))
    with pytest.raises(InputError, match="published file has 6726825d"):
        fid(result, truth)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(WEIGHTS, "inception", (WeightFile(path.name, digest),))
    assert fid(result, truth) == ours
    assert missing("fid") is None
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth has not the weights of Inception"):
        fid(result, truth, weights=tmp_path / "other.pth")


def test_lpips_through_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With random weights of AlexNet; the linear layers are those that the library brings."""
    from torchvision.models import alexnet

    torch.manual_seed(0)
    state = alexnet(weights=None).state_dict()
    torch.save(state, tmp_path / "alexnet.pth")
    digest = hashlib.sha256((tmp_path / "alexnet.pth").read_bytes()).hexdigest()
    monkeypatch.setitem(WEIGHTS, "alexnet", (WeightFile("alexnet.pth", digest),))
    monkeypatch.setenv("CLEANPLATE_WEIGHTS", str(tmp_path))
    deep._lpips.cache_clear()
    result, truth = pair(2)
    linear = {name: value.flatten() for name, value in deep._lpips().state_dict().items() if name.startswith("lins.")}
    layers = torch.nn.Sequential(*alexnet(weights=None).features[:12])
    layers.load_state_dict({name: state[f"features.{name}"] for name in layers.state_dict()})

    def features(frames: Tensor) -> list[Tensor]:
        mean, std = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
        x = (frames * 2 - 1 - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
        out = []
        for index, layer in enumerate(layers):
            x = torch.relu(x) if isinstance(layer, torch.nn.ReLU) else layer(x)
            if index in (1, 4, 7, 9, 11):
                out.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return out

    def distance(a: Tensor, b: Tensor) -> float:
        with torch.no_grad():
            squares = [(x - y).square() for x, y in zip(features(a), features(b), strict=True)]
        names = sorted(linear)
        return sum(float((s.mean((0, 2, 3)) * linear[n]).sum()) for s, n in zip(squares, names, strict=True))

    expected = np.mean([distance(result[i : i + 1], truth[i : i + 1]) for i in range(2)])
    assert lpips(result, truth) == pytest.approx(expected, rel=1e-3)
    assert lpips(truth, truth) == 0
    hole = walking_hole(2)
    assert lpips(torch.where(hole, result, truth), truth, hole) > lpips(torch.where(hole, result, truth), truth)
    deep._lpips.cache_clear()


# By name


def test_every_metric_that_needs_no_weights_by_name() -> None:
    result, truth = pair()
    hole = walking_hole(3)
    provenance = hole.to(torch.uint8)
    names = [name for name in METRICS if name not in ("fid", "frechet_vgg16", "lpips", "hole_lpips")]
    values = measure(Comparison(result, truth, hole, provenance, patch_px=9, search_px=2), names)
    assert list(values) == names
    assert values["hole_psnr_db"] == values["carried_psnr_db"] == psnr_db(result, truth, hole)
    assert values["made_up_psnr_db"] is None
    assert all(value is not None for name, value in values.items() if name != "made_up_psnr_db")
    assert list(measure(Comparison(result, truth, hole, provenance), ["learned_psnr_db"])) == ["made_up_psnr_db"]
    alone = measure(Comparison(result[:1], truth[:1], hole[:1]), ["psnr_db", "warp_error", "consistency_ssim"])
    assert alone["warp_error"] is alone["consistency_ssim"] is None


def test_what_is_measured_in_the_hole_and_on_full_frames_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def counted(module: str, name: str) -> None:
        real = getattr(importlib.import_module(module), name)
        monkeypatch.setattr(f"{module}.{name}", lambda *args, **kwargs: made.append(name) or real(*args, **kwargs))

    result, truth = pair()
    hole = walking_hole(3)
    hole[1] = False
    names = ["hole_ssim", "ssim", "hole_warp_error", "warp_error"]
    expected = [
        ssim(result, truth, hole),
        ssim(result, truth),
        warp_error(result, truth, hole),
        warp_error(result, truth),
    ]
    counted("cleanplate.metrics.fidelity", "structural_similarity")
    counted("cleanplate.metrics.consistency", "estimate")
    assert list(measure(Comparison(result, truth, hole), names).values()) == expected
    assert (made.count("structural_similarity"), made.count("estimate")) == (3, 1)
    nothing = measure(Comparison(result, truth, hole & False), names)
    assert nothing == {"hole_ssim": None, "ssim": expected[1], "hole_warp_error": None, "warp_error": expected[3]}


def test_bad_input() -> None:
    truth = panning(3)
    with pytest.raises(InputError, match="the result has 2 frames of 96x64"):
        psnr_db(truth[:2], truth)
    with pytest.raises(InputError, match="the mask has 2 frames of 96x64"):
        psnr_db(truth, truth, walking_hole(2))
    with pytest.raises(Undefined, match="mask is empty"):
        ssim(truth, truth, torch.zeros(3, 1, 64, 96, dtype=torch.bool))
    with pytest.raises(InputError, match="did you mean 'psnr_db'"):
        measure(Comparison(truth, truth, walking_hole(3)), ["psnr"])
    with pytest.raises(Undefined, match="96x64 and patches 80x80"):
        patch_consistency(truth, walking_hole(3), patch_px=80)
    with pytest.raises(Undefined, match="no frame that has a next one"):
        patch_consistency(truth[:1], walking_hole(1), patch_px=9)
    with pytest.raises(Undefined, match="one frame"):
        complexity(truth[:1])
    with pytest.raises(InputError, match="the mask has 2 frames of 96x64"):
        patch_consistency(truth, walking_hole(2))
