"""The loss of the paper: Eq. 2-6 as pure functions of tensors.

Every squared norm is a mean over all elements of the batch, those that the mask leaves out counted as zero: the paper's
weights were tuned on that scale. A mask is 1 where a term counts. What is left out is never computed with, so a NaN
there harms neither value nor gradient.

Letters: N frames or pairs, i -> j a pair, h and w the size of a layer of features.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from cleanplate.errors import InputError
from cleanplate.imaging.warp import inside, warp

Scalar = Float[Tensor, ""]


def image_loss(
    predicted: Float[Tensor, "N 3 H W"], target: Float[Tensor, "N 3 H W"], known: Shaped[Tensor, "N 1 H W"]
) -> Scalar:
    """Image generation loss (Eq. 3): `known` is the paper's M."""
    return _masked_mean_square(predicted, target, known)


def flow_loss(
    predicted: Float[Tensor, "N 2 H W"], target: Float[Tensor, "N 2 H W"], mask: Shaped[Tensor, "N 1 H W"]
) -> Scalar:
    """Flow generation loss (Eq. 4): `mask` is where the flow is not occluded and both its ends are known, O M^f."""
    return _masked_mean_square(predicted, target, mask)


def consistency_loss(
    frame_i: Float[Tensor, "N 3 H W"],
    frame_j: Float[Tensor, "N 3 H W"],
    flow_ij: Float[Tensor, "N 2 H W"],
    mask: Shaped[Tensor, "N 1 H W"],
) -> Scalar:
    """Consistency loss (Eq. 5): the generated j, warped by the generated flow in pixels, is the generated i.

    `mask` is 1 - M^f. Pixels whose flow leaves the image do not count. No gradient flows through `frame_i`.
    """
    counts = mask * inside(flow_ij.detach())
    return _masked_mean_square(warp(frame_j, flow_ij), frame_i.detach(), counts)


def perceptual_loss(
    predicted: Sequence[Float[Tensor, "N _ _ _"]],
    target: Sequence[Float[Tensor, "N _ _ _"]],
    masks: Sequence[Shaped[Tensor, "N 1 _ _"]],
) -> Scalar:
    """Perceptual loss (Eq. 6): the sum over the layers of features (N, C, h, w), with masks (N, 1, h, w)."""
    terms = [_masked_mean_square(*layer) for layer in zip(predicted, target, masks, strict=True)]
    return torch.stack(terms).sum()


def weighted_sum(terms: dict[str, Scalar], weights: dict[str, float]) -> Scalar:
    """The whole loss (Eq. 2): terms and their weights by name."""
    return torch.stack([weights[name] * term for name, term in terms.items()]).sum()


def check_finite(values: Mapping[str, float], step: int, learning_rate: float) -> None:
    """Refuse to go on from what is no number: what a network makes after that is nothing to be taken.

    Raises:
        InputError: training has diverged.
    """
    if wrong := [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]:
        given = f"training has diverged: after {step} step{'s' * (step != 1)} {', '.join(wrong)}"
        raise InputError(given, "finite losses are needed", f"lower the learning rate, which is {learning_rate:g}")


def _masked_mean_square(a: Tensor, b: Tensor, mask: Tensor) -> Scalar:
    difference = torch.where(mask > 0, a - b, 0.0)
    if mask.dtype != torch.bool:
        difference = difference * mask
    # Through the norm: the sum is exact for features in half precision, without a copy of them in single.
    exact = torch.promote_types(difference.dtype, torch.float32)
    return torch.linalg.vector_norm(difference, dtype=exact).square() / difference.numel()
