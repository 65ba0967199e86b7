import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from cleanplate.imaging.warp import warp
from cleanplate.paper.losses import consistency_loss, flow_loss, image_loss, perceptual_loss, weighted_sum

RNG = np.random.default_rng(0)


def randoms(*shape: int) -> Tensor:
    return torch.from_numpy(RNG.random(shape))


def some(*shape: int) -> Tensor:
    return torch.from_numpy(RNG.random(shape) > 0.4)


def test_image_loss_is_eq_3() -> None:
    made, target, known = randoms(2, 3, 4, 5), randoms(2, 3, 4, 5), some(2, 1, 4, 5)
    m, i, hat = known.numpy(), target.numpy(), made.numpy()
    assert image_loss(made, target, known).item() == pytest.approx(np.mean((m * (hat - i)) ** 2))
    assert image_loss(made, target, known.double()).item() == pytest.approx(np.mean((m * (hat - i)) ** 2))


def test_image_loss_with_nothing_hidden_is_the_mean_square_error() -> None:
    made, target = randoms(2, 3, 4, 5), randoms(2, 3, 4, 5)
    everything = torch.ones(2, 1, 4, 5, dtype=torch.bool)
    expected = torch.nn.functional.mse_loss(made, target).item()
    assert image_loss(made, target, everything).item() == pytest.approx(expected)
    assert image_loss(target, target, everything).item() == 0


def test_flow_loss_is_eq_4() -> None:
    made, target, mask = randoms(3, 2, 4, 5), randoms(3, 2, 4, 5), some(3, 1, 4, 5)
    expected = np.mean((mask.numpy() * (made.numpy() - target.numpy())) ** 2)
    assert flow_loss(made, target, mask).item() == pytest.approx(expected)


def bilinear(picture: np.ndarray, y: float, x: float) -> np.ndarray:
    """(C, H, W) at a place, the border's colour beyond the border."""
    height, width = picture.shape[1:]
    y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    above = picture[:, top, left] * (1 - (x - left)) + picture[:, top, right] * (x - left)
    below = picture[:, bottom, left] * (1 - (x - left)) + picture[:, bottom, right] * (x - left)
    return above * (1 - (y - top)) + below * (y - top)


def test_consistency_loss_is_eq_5() -> None:
    i, j, flow, mask = randoms(2, 3, 6, 7), randoms(2, 3, 6, 7), 6 * randoms(2, 2, 6, 7) - 3, some(2, 1, 6, 7)
    total, outside = 0.0, 0
    for n in range(2):
        for y in range(6):
            for x in range(7):
                dx, dy = flow[n, :, y, x].tolist()
                lands = 0 <= x + dx <= 6 and 0 <= y + dy <= 5
                outside += not lands
                if lands and bool(mask[n, 0, y, x]):
                    difference = bilinear(j[n].numpy(), y + dy, x + dx) - i[n, :, y, x].numpy()
                    total += float((difference**2).sum())
    assert outside > 10
    assert consistency_loss(i, j, flow, mask).item() == pytest.approx(total / (2 * 3 * 6 * 7), rel=1e-5)


def test_consistency_loss_is_zero_when_frames_and_flow_agree() -> None:
    j, flow = randoms(1, 3, 8, 9), 4 * randoms(1, 2, 8, 9) - 2
    everything = torch.ones(1, 1, 8, 9, dtype=torch.bool)
    assert consistency_loss(warp(j, flow), j, flow, everything).item() == 0
    assert consistency_loss(j, j, torch.zeros(1, 2, 8, 9).double(), everything).item() < 1e-20


def test_consistency_loss_stops_the_gradient_of_the_frame_that_is_not_warped() -> None:
    i, j, flow = (t.requires_grad_() for t in (randoms(1, 3, 6, 6), randoms(1, 3, 6, 6), randoms(1, 2, 6, 6)))
    consistency_loss(i, j, flow, torch.ones(1, 1, 6, 6, dtype=torch.bool)).backward()
    assert i.grad is None
    assert j.grad is not None
    assert flow.grad is not None
    assert float(j.grad.abs().sum()) > 0
    assert float(flow.grad.abs().sum()) > 0


def test_perceptual_loss_is_eq_6() -> None:
    sizes = (4, 6, 6), (8, 3, 3)
    made, target = ([randoms(2, *size) for size in sizes] for _ in range(2))
    masks = [some(2, 1, *size[1:]) for size in sizes]
    layers = zip(made, target, masks, strict=True)
    expected = sum(np.mean((m.numpy() * (a.numpy() - b.numpy())) ** 2) for a, b, m in layers)
    assert perceptual_loss(made, target, masks).item() == pytest.approx(expected)


def test_weighted_sum_is_eq_2() -> None:
    terms = {"image": torch.tensor(2.0), "flow": torch.tensor(3.0)}
    assert weighted_sum(terms, {"image": 1, "flow": 0.1, "consistency": 1}).item() == pytest.approx(2.3)


@pytest.mark.parametrize("name", ["image", "flow", "consistency, frame", "consistency, flow", "perceptual"])
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    mask = some(1, 1, 5, 6)
    three, other, two = randoms(1, 3, 5, 6), randoms(1, 3, 5, 6), randoms(1, 2, 5, 6)
    # Away from whole pixels, where bilinear sampling has a kink.
    flow = 0.2 + 0.6 * randoms(1, 2, 5, 6)
    losses = {
        "image": (lambda x: image_loss(x, other, mask), three),
        "flow": (lambda x: flow_loss(x, flow, mask), two),
        "consistency, frame": (lambda x: consistency_loss(other, x, flow, mask), three),
        "consistency, flow": (lambda x: consistency_loss(other, three, x, mask), flow),
        "perceptual": (lambda x: perceptual_loss([x, 2 * x], [other, three], [mask, mask]), three),
    }
    loss, at = losses[name]
    assert gradcheck(loss, (at.requires_grad_(),))


@pytest.mark.parametrize("lie", [0.0, 7.0, float("nan")])
def test_what_the_mask_leaves_out_changes_neither_value_nor_gradient(lie: float) -> None:
    made, target, mask = randoms(2, 3, 4, 5), randoms(2, 3, 4, 5), some(2, 1, 4, 5)

    def measure(against: Tensor) -> tuple[float, Tensor]:
        x = made.clone().requires_grad_()
        loss = image_loss(x, against, mask) + perceptual_loss([x], [against], [mask])
        loss.backward()
        assert x.grad is not None
        return loss.item(), x.grad

    value, gradient = measure(target)
    spoilt_value, spoilt_gradient = measure(torch.where(mask, target, lie))
    assert spoilt_value == value
    assert torch.equal(spoilt_gradient, gradient)
    assert float(gradient[~mask.expand_as(gradient)].abs().max()) == 0


def test_half_precision_is_summed_in_single() -> None:
    made, target = torch.rand(1, 64, 64, 64).bfloat16(), torch.rand(1, 64, 64, 64).bfloat16()
    everything = torch.ones(1, 1, 64, 64, dtype=torch.bool)
    loss = perceptual_loss([made], [target], [everything])
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx((made.double() - target.double()).square().mean().item(), rel=1e-3)
