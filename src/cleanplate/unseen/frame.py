"""Learn what is unseen in one frame: a network decides what goes where, and patches of the frame bring the detail."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool

from cleanplate.config import Method
from cleanplate.imaging.frame import Frame, box_around
from cleanplate.imaging.pixels import channels_last, to_like
from cleanplate.imaging.smooth import paint, shrink
from cleanplate.imaging.tensors import to_tensor
from cleanplate.paper.budget import Budget
from cleanplate.paper.fit import fit
from cleanplate.runtime.devices import find_device
from cleanplate.runtime.options import RunOptions
from cleanplate.unseen.patches import add_detail


def learn_frame(
    frame: Frame,
    unseen: Bool[np.ndarray, "H W"],
    method: Method,
    run: RunOptions,
    budget: Budget,
    *,
    name: str,
) -> None:
    """Fill one frame, in place: a network decides what goes where, on a small crop; patches of it bring the detail."""
    config = method.learn
    rows, columns = crop_around(unseen, config.margin)
    part, held = unseen[rows, columns], frame.picture[rows, columns]
    picture, hole = to_tensor(held)[None], torch.from_numpy(part)[None, None]
    small, small_hole = picture, hole
    while small.shape[2] * small.shape[3] > config.network_px and min(small.shape[2:]) >= 2 * LEAST_PX:
        small, small_hole = shrink(small, small_hole)
    made = paint(small, small_hole)
    if int(unseen.sum()) >= config.min_area_share * unseen.size:
        place, copies = find_device(run.device), (config.ensemble_size, -1, -1, -1)
        many, known = (one.expand(copies).contiguous().to(place) for one in (small, ~small_hole))
        done = fit(many, known, {}, method, budget.share(run, 1), name=name)
        budget.spend(done)
        made = torch.lerp(made, done.frames.mean(0, keepdim=True).cpu(), config.network_blend)
    if config.patch_px:
        settings = {
            "patch_px": config.patch_px,
            "texture_weight": config.texture_weight,
            "guide_weight": config.guide_weight,
        }
        filled = add_detail(picture, hole, made, **settings)
    else:
        filled = F.interpolate(made, picture.shape[2:], mode="bicubic", align_corners=False)
    held[part] = to_like(channels_last(filled[0].clamp(0, 1))[part], held)


LEAST_PX = 32  # a crop is not made smaller than this: the network needs it


def crop_around(unseen: Bool[np.ndarray, "H W"], margin: float) -> tuple[slice, slice]:
    """Rows and columns of the unseen region and of what is around it, `margin` of its size or enough to learn from."""
    rows, columns = box_around(unseen, 0)
    size = max(rows.stop - rows.start, columns.stop - columns.start) - 1
    return box_around(unseen, max(LEAST_MARGIN_PX, round(margin * size)))


LEAST_MARGIN_PX = 48
