"""Do encoder features follow an object through time, or find what merely looks alike (Sec. 5.1, Fig. 9)?

A patch of the middle frame is compared with all patches of that frame and of four near it, by the cosine of their
feature vectors: of our encoder, where a patch is a cell of the block whose cells have that size, and of VGG16. The
paper takes 32x32 patches at 384x192 and VGG16's pool5; here a patch has the same share of the frame at other sizes, and
of VGG16 the mean of relu3_3 over the patch, the deepest layer of the trunk that the losses need.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from cleanplate.paper.model import Model
from cleanplate.paper.perceptual import Trunk, read_trunk

NEAR = (-4, -2, 0, 2, 4)  # frames, from the middle one


def similarities(
    model: Model, frames: Float[Tensor, "T 3 H W"], hole: Bool[Tensor, "T 1 H W"]
) -> dict[str, np.ndarray]:
    """Maps of similarity to a reference patch, (5, rows, columns) in -1..1, of both networks.

    The reference is the liveliest patch of the middle frame that is wholly known, near enough to the centre to stay in
    the picture.

    Raises:
        InputError: VGG16's weights are missing.
    """
    level = max(1, round(math.log2(32 * frames.shape[2] / 192)))
    patch_px = 2**level
    middle = len(frames) // 2
    chosen = [min(max(middle + step, 0), len(frames) - 1) for step in NEAR]
    with torch.no_grad():
        ours = model.network.encode(model.fed(chosen))[level - 1].float()
        features = Trunk(read_trunk("the comparison of features")).to(frames.device)(
            torch.where(hole, 0.0, frames)[chosen]
        )[-1]
    cell = patch_px // 4  # relu3_3 has a quarter of the frame's size
    theirs = F.avg_pool2d(features, cell) if cell > 1 else F.interpolate(features, scale_factor=4 / patch_px)
    rows, columns = (min(ours.shape[axis], theirs.shape[axis]) for axis in (2, 3))
    row, column = reference_patch(frames[middle], hole[middle], patch_px, (rows, columns))
    maps = [_cosine(x[:, :, :rows, :columns], NEAR.index(0), row, column) for x in (ours, theirs)]
    return {
        "similarity_ours": maps[0],
        "similarity_vgg16": maps[1],
        "similarity_frames": np.array(chosen),
        "reference": np.array([row, column, patch_px]),
    }


def reference_patch(
    frame: Float[Tensor, "3 H W"], hole: Bool[Tensor, "1 H W"], patch_px: int, cells: tuple[int, int]
) -> tuple[int, int]:
    """Row and column of the patch of largest variance, of those that are known and not at the border."""
    picture = frame[None]
    lively = (F.avg_pool2d(picture.square(), patch_px) - F.avg_pool2d(picture, patch_px).square()).mean(1)[0]
    lively = lively[: cells[0], : cells[1]].clone()
    known = (F.max_pool2d(hole[None].float(), patch_px)[0, 0] == 0)[: cells[0], : cells[1]]
    inner = torch.zeros_like(known)
    inner[1:-1, 1:-1] = True
    allowed = known & inner if bool((known & inner).any()) else known
    lively[~allowed] = -1
    place = int(lively.argmax())
    return place // cells[1], place % cells[1]


def _cosine(features: Float[Tensor, "N C h w"], of: int, row: int, column: int) -> np.ndarray:
    reference = features[of, :, row, column].view(1, -1, 1, 1)
    return F.cosine_similarity(features, reference, dim=1).cpu().numpy()
