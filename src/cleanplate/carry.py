"""Carry hidden pixels in from the frames that show them.

For every hidden pixel, follow the flow from frame to frame, forwards and backwards in time, until it lands on a known
pixel. What is followed is a position, not a colour, so the colour is sampled once, however far it comes from. Inside
the hole the flow is unknown, and how well it is completed decides how good the result is:

1. Flow between neighbouring frames, on frames whose hole is painted over (flow.py).
2. In the hole, replace it by the motion of the surroundings: a homography, which takes out what the camera did, plus a
   robust local fit of what is left. The change of brightness between the frames is fitted in the same way.
3. Chain the positions through the hole: source frame, distance in frames, worst forward-backward error met, and the sum
   of the brightness changes.
4. Fuse what comes from the past and from the future by weights that fall with distance and error.
5. Estimate flow again, on the filled frames, and repeat 2-4.

Letters: frame i is followed into its neighbour j; n counts the scattered pixels that a frame is asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Bool, Float, Float16, Int, Int32
from torch import Tensor

from cleanplate.complete import complete, fit_level, touches, trust_in
from cleanplate.config import CarryConfig, OnStep, tell
from cleanplate.flow import LEAST_SIZE, both_ways, frame_pairs
from cleanplate.parallel import in_order
from cleanplate.smooth import dilate, paint, paint_one
from cleanplate.warp import pixel_grid, round_trip_error, sample

# A cubic sample reads two pixels around it; so near to a hole it would read the fill.
UNSAFE_PX = 2
# Flow is estimated in a window around the holes that goes on for so many widths of the fit's own window.
MARGIN = 2.0


@dataclass(frozen=True)
class Carried:
    """Frames with everything filled, and which hidden pixels were reached."""

    frames: Float[Tensor, "T 3 H W"]
    """Known pixels untouched; hidden ones carried, or filled smoothly where no frame shows them."""
    reached: Bool[Tensor, "T 1 H W"]
    """Hidden pixels that some frame shows."""
    links: "Links | None" = None
    """Where the others go, for `carry_on`; only if asked for."""


@dataclass(frozen=True)
class Link:
    """Where the unsafe pixels of frame i land in frame j."""

    xy: Float[Tensor, "n 2"]
    error: Float16[Tensor, " n"]
    level: Float16[Tensor, "n 3"]
    """Brightness of i less that of j, to be added to what is found there."""

    def at(self, rows: Int[Tensor, " m"]) -> "Link":
        """Of some of its pixels."""
        return Link(self.xy[rows], self.error[rows], self.level[rows])


@dataclass(frozen=True)
class Links:
    """The links of a clip, by the frame they start in, at the unsafe pixels of each."""

    forward: dict[int, Link]
    backward: dict[int, Link]
    unsafe: Sequence[Int[Tensor, " _"]]

    def of(self, unsafe: Sequence[Int[Tensor, " _"]]) -> "Links":
        """Of some of the unsafe pixels."""
        rows = [torch.searchsorted(mine, some) for mine, some in zip(self.unsafe, unsafe, strict=True)]
        forward, backward = ({i: link.at(rows[i]) for i, link in way.items()} for way in (self.forward, self.backward))
        return Links(forward, backward, unsafe)

    def followed(self, size: tuple[int, int]) -> tuple[list["Trail"], list["Trail"]]:
        """The trails into the future and into the past."""
        return follow(self.forward, 1, self.unsafe, size), follow(self.backward, -1, self.unsafe, size)


@dataclass(frozen=True)
class Trail:
    """Where the unsafe pixels of a frame end up when they are followed in one direction until they are known.

    Trails of all frames are held at once; what need not be exact is kept in half precision.
    """

    source: Int32[Tensor, " n"]
    """The frame they are known in, -1 if there is none."""
    xy: Float[Tensor, "n 2"]
    distance: Float16[Tensor, " n"]
    error: Float16[Tensor, " n"]
    level: Float16[Tensor, "n 3"]


@torch.no_grad()
def carry(
    frames: Float[Tensor, "T 3 H W"],
    hole: Bool[Tensor, "T 1 H W"],
    config: CarryConfig,
    *,
    motion: Float[Tensor, "T 3 H W"] | None = None,
    keep_links: bool = False,
    on_step: OnStep | None = None,
) -> Carried:
    """Fill the hole from the frames that show what it hides.

    Args:
        frames: the clip; what is under the hole is never read.
        hole: True where it is to be filled.
        config: see CarryConfig.
        motion: frames to take the flow from as if nothing were hidden in them. Only for measuring what perfect
            knowledge of the motion would give; None in earnest.
        keep_links: whether more is to be carried later, by `carry_on`.
        on_step: told of every pair of frames.
    """
    filled = paint(frames.contiguous(), hole)
    near = torch.cat(list(in_order(partial(dilate, radius_px=config.margin_px), hole.split(1))))
    unsafe, kept = unsafe_pixels(hole), None
    pairs = [(i, j) for i, j in frame_pairs(len(frames), 1, 1) if len(unsafe[i]) + len(unsafe[j])]
    rounds = config.rounds if motion is None else 1
    reached = torch.zeros_like(hole)
    for round_ in range(rounds):
        seen = Seen(filled, motion, near, unsafe, trust_filled=config.trust_filled if round_ > 0 else 0.0)
        links = Links({}, {}, unsafe)
        for (i, j), both in zip(pairs, in_order(partial(link_pair, seen, config), pairs), strict=True):
            links.forward[i], links.backward[j] = both
            tell(on_step, "carry", round_ * len(pairs) + len(links.forward), rounds * len(pairs))
        kept = Links(dict(links.forward), dict(links.backward), unsafe) if keep_links else None
        futures, pasts = links.followed((frames.shape[2], frames.shape[3]))
        reached = fuse(filled, hole, unsafe, futures, pasts, config)
        del futures, pasts  # not kept through the next round's flow: with the links they are the most memory
    return Carried(filled, reached, kept and kept.of(unsafe_pixels(hole & ~reached)))


@torch.no_grad()
def carry_on(
    filled: Float[Tensor, "T 3 H W"], left: Bool[Tensor, "T 1 H W"], links: Links, config: CarryConfig
) -> Bool[Tensor, "T 1 H W"]:
    """Carry to what is left from what has been filled since, along the links of `carry`.

    Args:
        filled: everything but `left` counts as known. Changed in place.
        left: what to fill; nothing that `carry` has reached.
        links: what `carry` has kept.
        config: see CarryConfig.

    Returns:
        the pixels that were reached.
    """
    unsafe = unsafe_pixels(left)
    futures, pasts = links.of(unsafe).followed((filled.shape[2], filled.shape[3]))
    return fuse(filled, left, unsafe, futures, pasts, config)


def unsafe_pixels(hole: Bool[Tensor, "T 1 H W"]) -> list[Int[Tensor, " _"]]:
    """For each frame the pixels, counted row by row, that a colour must not be taken from."""
    return list(in_order(lambda one: torch.nonzero(dilate(one, UNSAFE_PX).flatten()).flatten(), hole.split(1)))


@dataclass(frozen=True)
class Seen:
    """What a round sees of the clip."""

    filled: Float[Tensor, "T 3 H W"]
    motion: Float[Tensor, "T 3 H W"] | None
    near: Bool[Tensor, "T 1 H W"]
    """Hole, grown to where flow has seen what was painted into it."""
    unsafe: Sequence[Int[Tensor, " _"]]
    """See `unsafe_pixels`."""
    trust_filled: float


def link_pair(seen: Seen, config: CarryConfig, pair: tuple[int, int]) -> tuple[Link, Link]:
    """The links i -> j and j -> i of a pair of neighbouring frames."""
    i, j = pair
    both = [i, j]
    reach_px = config.reach * min(seen.near.shape[2:])  # of the frame, whatever the window
    rows, columns = around(seen.near[both], margin_px=max(LEAST_SIZE, round(MARGIN * reach_px)))
    frames, near = seen.filled[both, :, rows, columns], seen.near[both, :, rows, columns]
    flow = both_ways(frames if seen.motion is None else seen.motion[both, :, rows, columns], config.estimator)
    unknown, tolerance_px = touches(flow, near), config.flow_tolerance_px
    trust = trust_in(flow, unknown)
    if seen.motion is None:
        flow = complete(flow, unknown, trust, seen.trust_filled, reach_px=reach_px, tolerance_px=tolerance_px)
    level = fit_level(frames, flow, trust, reach_px=reach_px, tolerance=config.level_tolerance)
    return link(flow, level, (seen.unsafe[i], seen.unsafe[j]), (rows.start, columns.start), seen.near.shape[3])


def link(
    flow: Float[Tensor, "2 2 h w"],
    level: Float[Tensor, "2 3 h w"],
    unsafe: tuple[Tensor, Tensor],
    corner: tuple[int, int],
    width: int,
) -> tuple[Link, Link]:
    """The links i -> j and j -> i at the unsafe pixels of each, from fields of a window with its `corner` (top, left).

    Pixels are counted, and landings given, in the whole frame, which is `width` pixels wide.
    """
    top, left = corner
    landing = pixel_grid(flow.shape[2], flow.shape[3], flow.device) + flow + flow.new_tensor([left, top]).view(2, 1, 1)
    error = round_trip_error(flow, flow.flip(0))

    def at(side: int) -> Link:
        y, x = unsafe[side] // width - top, unsafe[side] % width - left
        xy, err, lev = (field[side, :, y, x] for field in (landing, error, level))
        return Link(xy.T.contiguous(), err[0].half(), lev.T.half().contiguous())

    return at(0), at(1)


def around(near: Bool[Tensor, "2 1 H W"], margin_px: int) -> tuple[slice, slice]:
    """The rows and columns of a window that holds the holes of both frames and `margin_px` around them."""

    def span(touched: Bool[Tensor, " n"]) -> slice:
        at = torch.nonzero(touched).flatten()
        return slice(max(0, int(at[0]) - margin_px), min(len(touched), int(at[-1]) + 1 + margin_px))

    return span(near.any(3).flatten(0, 1).any(0)), span(near.any(2).flatten(0, 1).any(0))


def follow(
    links: dict[int, Link], step: int, unsafe: Sequence[Int[Tensor, " _"]], size: tuple[int, int]
) -> list[Trail]:
    """Chain the links of one direction (step 1 or -1) until every trail ends on a known pixel or nowhere.

    A link that lands on an unsafe pixel goes on as that pixel does, with the offset from its centre kept.
    """
    height, width = size
    trails: list[Trail] = [_no_trail(pixels) for pixels in unsafe]
    order = range(len(unsafe)) if step < 0 else range(len(unsafe) - 1, -1, -1)
    for i in order:
        here = links.pop(i, None)  # a link is followed once, and takes memory
        if here is None or not len(unsafe[i]):
            continue
        j, there = i + step, trails[i + step]
        cell = here.xy.round().long()
        x, y = cell.unbind(-1)
        lands = (here.xy >= 0).all(-1) & (here.xy[:, 0] <= width - 1) & (here.xy[:, 1] <= height - 1)
        row = torch.full((height * width,), -1, device=x.device)
        row[unsafe[j]] = torch.arange(len(unsafe[j]), device=x.device)
        row = row[torch.where(lands, y * width + x, 0)]
        known = row < 0
        if not len(unsafe[j]):
            source = torch.where(lands, j, -1).int()
            trails[i] = Trail(source, here.xy, torch.ones_like(here.error), here.error, here.level)
            continue
        source = torch.where(known, j, there.source[row])
        trails[i] = Trail(
            source=torch.where(lands, source, -1).int(),
            xy=torch.where(known[:, None], here.xy, there.xy[row] + here.xy - cell),
            distance=torch.where(known, 1, there.distance[row] + 1),
            error=torch.where(known, here.error, torch.maximum(here.error, there.error[row])),
            level=torch.where(known[:, None], here.level, there.level[row] + here.level),
        )
    return trails


def _no_trail(pixels: Int[Tensor, " n"]) -> Trail:
    nothing = torch.zeros(len(pixels), device=pixels.device, dtype=torch.float16)
    two, three = nothing[:, None].float().expand(-1, 2), nothing[:, None].expand(-1, 3)
    return Trail(torch.full_like(pixels, -1, dtype=torch.int32), two, nothing, nothing, three)


def fuse(
    filled: Float[Tensor, "T 3 H W"],
    hole: Bool[Tensor, "T 1 H W"],
    unsafe: Sequence[Int[Tensor, " _"]],
    futures: Sequence[Trail],
    pasts: Sequence[Trail],
    config: CarryConfig,
) -> Bool[Tensor, "T 1 H W"]:
    """Fill with colours from the ends of the trails, the two directions weighted; what has no trail is filled smoothly.

    `filled` is changed in place, once all colours are known: sources lie beside holes, and must not change meanwhile.

    Returns:
        the hidden pixels that were reached.
    """

    def colours(i: int) -> tuple[Tensor, Tensor]:
        pixels = unsafe[i]
        hidden = hole[i].flatten()[pixels]
        total = filled.new_zeros(len(pixels), 3)
        weights = filled.new_zeros(len(pixels))
        for trail in (futures[i], pasts[i]):
            good = hidden & (trail.source >= 0) & (trail.error <= config.max_error_px)
            weight = torch.exp(-trail.distance[good].float() / config.fade_frames - trail.error[good].float())
            colour = sample(filled, trail.source[good].long(), trail.xy[good]) + trail.level[good]
            total[good] += colour * weight[:, None]
            weights[good] += weight
        found = weights > 0
        return pixels[found], (total[found] / weights[found, None]).clamp(0, 1)

    reached = torch.zeros_like(hole)
    for i, (pixels, found) in enumerate(list(in_order(colours, range(len(unsafe))))):
        filled[i].flatten(1)[:, pixels] = found.T
        reached[i].flatten()[pixels] = True
    missing = hole & ~reached
    left = torch.nonzero(missing.flatten(1).any(1)).flatten().tolist()
    for i, painted in zip(left, in_order(lambda i: paint_one(filled[i], missing[i]), left), strict=True):
        filled[i] = painted
    return reached
