"""Detail for what the network made, from patches of the same frame (after Wexler et al. 2007 and Newson et al. 2014).

The network decides what goes where; at the size it works at, its picture is soft. From there to full size, every patch
that touches the hole looks for the known patch most like it, and every pixel of the hole becomes the mean of what those
say about it; this is repeated a few times at every size. Alike means: of the same colours, and of the gradient energy
that the surroundings let expect. By colours alone the flattest patch is the nearest to anything soft.

A patch is named by its middle pixel, counted row by row. Letters: n patches touch the hole, a level of the pyramid has
h x w pixels.
"""

from itertools import product

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cleanplate.imaging.smooth import dilate, pull_push, shrink

# Repetitions at the coarsest level, at the next, ...; the last for all finer ones.
REPEATS = (8, 5, 3, 2)
# Up to so many pairs of patches all are compared; above, only those near what the coarser level has found.
ALL_PAIRS, AT_ONCE = 40_000_000, 2048
# A hole's pixel counts so much less for every pixel that it is farther from what is known.
CONFIDENCE = 1.3
# Gradient energy is averaged over a square of this radius.
ENERGY_PX = 8

Found = tuple[Int[Tensor, " n"], Float[Tensor, " n"]]
"""For each patch that touches the hole the known one, and the squared distance between them."""


def add_detail(
    frame: Float[Tensor, "1 3 H W"],
    hole: Bool[Tensor, "1 1 H W"],
    made: Float[Tensor, "1 3 h w"],
    *,
    patch_px: int,
    texture_weight: float,
    guide_weight: float,
) -> Float[Tensor, "1 3 H W"]:
    """Fill the hole with what the network made, in the detail of the frame.

    Args:
        frame: what is in its hole is not read.
        hole: what to fill.
        made: the network's picture of the frame, halved no, one or several times.
        patch_px: side of a patch, odd.
        texture_weight: weight of gradient energy beside colour.
        guide_weight: weight of the network's picture beside colour.
    """
    pyramid = [(frame, hole)]
    while pyramid[-1][0].shape[2] > made.shape[2]:
        pyramid.append(shrink(*pyramid[-1]))
    filled, guide, coarser, found = made, made, None, None
    for depth, (picture, mask) in enumerate(reversed(pyramid)):
        if depth > 0:
            filled, guide = _double(filled, picture), _double(guide, picture)
        filled = torch.where(mask, filled, picture)
        also = torch.cat((texture_weight**0.5 * _gradient_energy(filled[0], mask[0, 0]), guide_weight**0.5 * guide[0]))
        level = PyramidLevel(filled[0], mask[0, 0], patch_px, also)
        if not level.able:  # nothing known is as large as a patch: the network's picture has to do
            coarser = found = None
            continue
        if coarser is not None and found is not None:
            found = level.nearby(coarser.field(found), times=2)
            level.vote(found)
        for _ in range(REPEATS[min(depth, len(REPEATS) - 1)]):
            found = level.anywhere() if level.small or found is None else level.nearby(level.field(found))
            level.vote(found)
        assert found is not None
        level.vote(found, decided=True)
        coarser, filled = level, level.picture[None]
    return filled


class PyramidLevel:
    """A frame at one size, with its hole filled for now, and its patches."""

    def __init__(
        self,
        picture: Float[Tensor, "3 h w"],
        hole: Bool[Tensor, "h w"],
        patch_px: int,
        also: Float[Tensor, "c h w"],
    ):
        self.picture, self.hole, self.radius = picture.clone(), hole, patch_px // 2
        self.height, self.width = hole.shape
        r = self.radius
        steps = torch.arange(-r, r + 1, device=hole.device)
        self.offsets = (steps[:, None] * self.width + steps).flatten()
        whole = torch.zeros_like(hole)
        whole[r : self.height - r, r : self.width - r] = True
        touches = dilate(hole[None, None], r)[0, 0]
        self.is_source = (whole & ~touches).flatten()
        self.targets = torch.nonzero((whole & touches).flatten()).flatten()
        self.sources = torch.nonzero(self.is_source).flatten()
        self.able = bool(len(self.targets) and len(self.sources))
        # Compared in the middle of a patch, where it counts as much as the colours of all its pixels.
        self.also = patch_px * also.flatten(1)
        self.confidence = (CONFIDENCE ** -_depth(hole)).flatten()

    def patches(self, middles: Int[Tensor, " n"]) -> Float[Tensor, "n d"]:
        """Everything about these patches that is compared."""
        flat = self.picture.flatten(1)
        colours = flat[:, middles[:, None] + self.offsets].permute(1, 0, 2).flatten(1)
        return torch.cat((colours, self.also[:, middles].T), dim=1)

    @property
    def small(self) -> bool:
        """Whether every patch can be compared with every other."""
        return len(self.targets) * len(self.sources) <= ALL_PAIRS

    def anywhere(self) -> Found:
        """The nearest of all known patches."""
        known = self.patches(self.sources)
        length_sq = known.square().sum(1)
        match, distance_sq = [], []
        for some in self.targets.split(AT_ONCE):
            wanted = self.patches(some)
            least = torch.addmm(length_sq, wanted, known.T, alpha=-2).min(1)
            match.append(self.sources[least.indices])
            distance_sq.append((least.values + wanted.square().sum(1)).clamp(min=0))
        return torch.cat(match), torch.cat(distance_sq)

    def nearby(self, field: Int[Tensor, "H W"], times: int = 1) -> Found:
        """The nearest of those that the neighbours have found, shifted as they are, and of those around it.

        `field` says what was found at this size, or (`times` 2) at half of it.
        """
        y, x = self.targets // self.width, self.targets % self.width
        shifts = []
        for dy, dx in product((-1, 0, 1), repeat=2):
            near_y = (y // times + dy).clamp(0, field.shape[0] - 1)
            near_x = (x // times + dx).clamp(0, field.shape[1] - 1)
            theirs = field[near_y, near_x]
            to_y = y + times * (theirs // field.shape[1] - near_y)
            to_x = x + times * (theirs % field.shape[1] - near_x)
            inside = (theirs >= 0) & (to_y >= 0) & (to_y < self.height) & (to_x >= 0) & (to_x < self.width)
            shifts.append(torch.where(inside, to_y * self.width + to_x, -1))
        best, _ = self._nearest(torch.stack(shifts, 1))
        around = [dy * self.width + dx for dy, dx in product((-1, 0, 1), repeat=2)]
        return self._nearest(best[:, None] + torch.tensor(around, device=best.device))

    def _nearest(self, among: Int[Tensor, "n c"]) -> Found:
        """The nearest of a few for each; a known patch at random where none of them is one."""
        good = (among >= 0) & (among < len(self.is_source))
        good &= self.is_source[among.clamp(0, len(self.is_source) - 1)]
        among = torch.where(good, among, self.sources[0])
        match, distance_sq = [], []
        for some, few, allowed in zip(*(t.split(AT_ONCE) for t in (self.targets, among, good)), strict=True):
            theirs = self.patches(few.flatten()).unflatten(0, few.shape)
            far = (theirs - self.patches(some)[:, None]).square().sum(2)
            least = far.masked_fill(~allowed, float("inf")).min(1)
            match.append(few.gather(1, least.indices[:, None])[:, 0])
            distance_sq.append(least.values)
        found, far = torch.cat(match), torch.cat(distance_sq)
        lost = torch.isinf(far)
        if bool(lost.any()):
            any_ = self.sources[torch.arange(int(lost.sum()), device=found.device) * 7919 % len(self.sources)]
            found[lost] = any_
            far[lost] = (self.patches(any_) - self.patches(self.targets[lost])).square().sum(1)
        return found, far

    def field(self, found: Found) -> Int[Tensor, "h w"]:
        """What was found, by place; -1 where nothing was looked for."""
        out = torch.full((self.height * self.width,), -1, device=self.targets.device)
        out[self.targets] = found[0]
        return out.view(self.height, self.width)

    def vote(self, found: Found, decided: bool = False) -> None:
        """Every pixel of the hole becomes the mean of what the patches over it say, the nearest ones counting most."""
        match, distance_sq = found
        spread = torch.quantile(distance_sq[:: max(1, len(distance_sq) // 100_000)], 0.75) + 1e-8
        weight = (
            torch.exp(-distance_sq / (2 * spread * (DECIDED if decided else 1))) * self.confidence[self.targets] + 1e-12
        )
        flat = self.picture.flatten(1)
        total = flat.new_zeros(4, flat.shape[1])
        for offset in self.offsets.tolist():
            colours = flat[:, match + offset] * weight
            total.index_add_(1, self.targets + offset, torch.cat((colours, weight[None])))
        hidden = self.hole.flatten() & (total[3] > 0)
        flat[:, hidden] = total[:3, hidden] / total[3, hidden]


DECIDED = 0.1  # the last vote of a size: the nearest patch nearly alone


def _gradient_energy(picture: Float[Tensor, "3 h w"], hole: Bool[Tensor, "h w"]) -> Float[Tensor, "2 h w"]:
    """Mean change of brightness from pixel to pixel, along each axis, completed smoothly in the hole."""
    gray, known = picture.mean(0), ~hole
    across = F.pad((gray[:, 1:] - gray[:, :-1]).abs(), (0, 1))
    along = F.pad((gray[1:] - gray[:-1]).abs(), (0, 0, 0, 1))
    # A difference is known if both its pixels are, and those beside them: the fill must not be felt.
    measured = (~dilate((~known)[None, None], 2)).float()
    side = 2 * ENERGY_PX + 1
    sums = F.avg_pool2d(torch.cat((torch.stack((across, along))[None] * measured, measured), 1), side, 1, ENERGY_PX)
    share = sums[:, 2:]
    return pull_push(sums[:, :2] / share.clamp(min=1e-6), (share > 0.1).float())[0]


def _depth(hole: Bool[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """Distance of a hole's pixels from what is known, in pixels."""
    distance = cv2.distanceTransform(hole.cpu().numpy().astype(np.uint8), cv2.DIST_L2, 5)
    return torch.from_numpy(distance).to(hole.device)


def _double(x: Float[Tensor, "1 3 h w"], like: Tensor) -> Float[Tensor, "1 3 H W"]:
    x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    return x[..., : like.shape[2], : like.shape[3]]
