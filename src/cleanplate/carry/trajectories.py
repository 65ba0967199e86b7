"""Follow hidden pixels from frame to frame until they land on a known one.

What is followed is a position, not a colour, so the colour is sampled once, however far it comes from. All of it is for
the *boundary pixels* of a frame: those of its hole, and a rim around it where a cubic sample would read what is in the
hole. Links and trajectories are rows in their order.

Letters: a frame has n boundary pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Float16, Int
from torch import Tensor

from cleanplate.carry.motion import Field, Motion
from cleanplate.config import CarryConfig
from cleanplate.imaging.frame import Frame
from cleanplate.imaging.pixels import to_float
from cleanplate.imaging.smooth import dilate
from cleanplate.imaging.warp import read_sharply

# A cubic sample reads two pixels around it; so near to a hole it would read the fill.
BOUNDARY_PX = 2
CUT: Literal["cut"] = "cut"
"""Instead of a motion: the next frame shows something else."""


def boundary_pixels(hole: Bool[Tensor, "1 H W"]) -> Int[Tensor, " n"]:
    """The pixels of a frame, counted row by row, that a colour must not be taken from."""
    return torch.nonzero(dilate(hole[None], BOUNDARY_PX).flatten()).flatten()


@dataclass(frozen=True)
class FlowLink:
    """Where the boundary pixels of a frame land in its neighbour.

    Many are held at once: half precision where that does.
    """

    xy: Float[Tensor, "n 2"]
    error: Float16[Tensor, " n"]
    """Forward-backward error in pixels."""
    brightness_offset: Float16[Tensor, "n 3"]
    """What is to be added to the colour that is found there."""

    def at(self, rows: Int[Tensor, " m"]) -> "FlowLink":
        """Of some of its pixels."""
        return FlowLink(self.xy[rows], self.error[rows], self.brightness_offset[rows])

    def to(self, device: torch.device) -> "FlowLink":
        """On a device."""
        return FlowLink(self.xy.to(device), self.error.to(device), self.brightness_offset.to(device))

    def cpu(self) -> "FlowLink":
        """Where it can be saved."""
        return self.to(torch.device("cpu"))


def link(
    boundary: Int[Tensor, " n"], width: int, corner: tuple[int, int], there: Field, back: Field, size: tuple[int, int]
) -> FlowLink:
    """The link of a frame's boundary pixels, from the fields of a window with its `corner` (top, left) and `size`.

    Pixels are counted, and landings given, in the whole frame, which is `width` pixels wide.
    """
    origin = torch.tensor([corner[1], corner[0]], dtype=torch.float32, device=boundary.device)
    xy = torch.stack((boundary % width, boundary // width), 1) - origin
    motion, brightness = there.at(xy)
    last = xy.new_tensor([size[1] - 1, size[0] - 1])
    landing = xy + motion
    error = (motion + back.at(torch.minimum(landing.clamp(min=0), last))[0]).norm(dim=1)
    return FlowLink(landing + origin, error.half(), brightness.half())


@dataclass(frozen=True)
class Trajectories:
    """Where the boundary pixels of a frame end up when they are followed in one direction until they are known."""

    rows: Float[Tensor, "n 8"]
    """Index of the source frame, x, y, distance in frames, worst error met, and the sum of the brightness changes.

    All in one tensor: they are gathered together, once for every frame that is passed.
    """

    @property
    def source(self) -> Float[Tensor, " n"]:
        """-1 if there is none."""
        return self.rows[:, 0]

    @property
    def xy(self) -> Float[Tensor, "n 2"]:
        """Where in the source."""
        return self.rows[:, 1:3]

    @property
    def distance(self) -> Float[Tensor, " n"]:
        """In frames."""
        return self.rows[:, 3]

    @property
    def error(self) -> Float[Tensor, " n"]:
        """In pixels."""
        return self.rows[:, 4]

    @property
    def brightness_offset(self) -> Float[Tensor, "n 3"]:
        """To be added to the source's colour."""
        return self.rows[:, 5:]

    def weight(self, config: CarryConfig) -> Float[Tensor, " n"]:
        """How much what is found there counts: less with distance and error, not at all beyond the largest error."""
        good = (self.source >= 0) & (self.error <= config.max_error_px)
        return torch.where(good, torch.exp(-self.distance / config.fade_frames - self.error), 0.0)


@dataclass
class LinkedFrame:
    """A frame in a window, and what leads from its boundary pixels to its neighbours."""

    frame: Frame
    boundary: Int[Tensor, " n"]
    forward: FlowLink | None = None
    """To the next frame."""
    backward: FlowLink | None = None
    """To the one before."""
    onward: Motion | Literal["cut"] | None = None
    """The motion to the next frame, if somebody has found it already."""

    def at(self, boundary: Int[Tensor, " m"]) -> "LinkedFrame":
        """The same at some of its boundary pixels."""
        rows = torch.searchsorted(self.boundary, boundary)
        forward, backward = (link and link.at(rows) for link in (self.forward, self.backward))
        return LinkedFrame(self.frame, boundary, forward, backward)


def no_trajectories(boundary: Int[Tensor, " n"]) -> Trajectories:
    """Trajectories of pixels from which nothing leads on."""
    rows = torch.zeros(len(boundary), 8, device=boundary.device)
    rows[:, 0] = -1
    return Trajectories(rows)


def follow(
    chain: Sequence[int],
    links: Sequence[FlowLink | None],
    boundary: Sequence[Int[Tensor, " _"]],
    size: tuple[int, int],
    end: Trajectories | None = None,
) -> list[Trajectories]:
    """Where the boundary pixels of all frames of a chain lead.

    Args:
        chain: indices of the frames, the one where it ends first.
        links: of each frame to the one before it in the chain, the first is not read; None leads nowhere.
        boundary: the boundary pixels of each.
        size: height and width of the frames.
        end: the trajectories of the first frame, if something is known of them.
    """
    height, width = size
    trajectories = [no_trajectories(boundary[0]) if end is None else end]
    last = torch.tensor([width - 1, height - 1], device=boundary[0].device)
    # Row in the frame before, by pixel; -1 where it is known.
    row_of = torch.full((height * width,), -1, dtype=torch.int32, device=boundary[0].device)
    for source, before, here, pixels in zip(chain, boundary, links[1:], boundary[1:], strict=False):
        if here is None or not len(pixels):
            trajectories.append(no_trajectories(pixels))
            continue
        cell = here.xy.round()
        lands = ((cell >= 0) & (cell <= last)).all(1)  # a pixel reaches half a pixel beyond its middle
        at = torch.where(lands, (cell[:, 1] * width + cell[:, 0]).long(), 0)
        row_of[before] = torch.arange(len(before), dtype=torch.int32, device=before.device)
        row = row_of[at]
        row_of[before] = -1
        known = (row < 0)[:, None]
        step = torch.cat(
            (torch.ones_like(here.xy[:, :1]), here.error[:, None].float(), here.brightness_offset.float()), 1
        )
        first = torch.cat((torch.full_like(here.xy[:, :1], source), here.xy, step), 1)
        if len(before):
            on = trajectories[-1].rows[row.clamp(min=0).long()]
            on[:, 1:3] += here.xy - cell
            on[:, 3] += 1
            on[:, 4] = torch.maximum(on[:, 4], step[:, 1])
            on[:, 5:] += step[:, 2:]
            first = torch.where(known, first, on)
        first[:, 0] = torch.where(lands, first[:, 0], -1)
        trajectories.append(Trajectories(first))
    return trajectories


def gather(
    pictures: Mapping[int, Tensor],
    trajectories: Sequence[Trajectories],
    wanted: Bool[Tensor, " n"],
    config: CarryConfig,
) -> tuple[Bool[Tensor, " n"], Float[Tensor, "m 3"]]:
    """Colours from the ends of the trajectories, weighted.

    Args:
        pictures: by frame.
        trajectories: of the same pixels into the future and into the past.
        wanted: which of the pixels.
        config: see CarryConfig.

    Returns:
        which pixels were reached, and their colours.
    """
    total = torch.zeros(len(wanted), 3, device=wanted.device)
    weights = torch.zeros(len(wanted), device=wanted.device)
    for trajectory in trajectories:
        weight = trajectory.weight(config) * wanted
        rows = torch.nonzero(weight).flatten()
        sources, order = trajectory.source[rows].long().sort()
        found, counts = sources.unique_consecutive(return_counts=True)
        for source, some in zip(found.tolist(), rows[order].split(counts.tolist()), strict=True):
            ends = trajectory.rows[some]
            colours = _colours(pictures[source], ends[:, 1:3]) + ends[:, 5:]
            total[some] += colours * weight[some, None]
        weights += weight
    reached = weights > 0
    return reached, (total[reached] / weights[reached, None]).clamp(0, 1)


def _colours(picture: Tensor, xy: Float[Tensor, "n 2"]) -> Float[Tensor, "n 3"]:
    """From the part of a picture that holds these positions: only that is made floats of.

    A position may lie outside the picture, and means the border's colour: where motion is no pure shift, what is lost
    by adding up the steps of a trajectory may lead out of it.
    """
    first, last = xy.amin(0).floor().long().tolist(), xy.amax(0).ceil().long().tolist()
    height, width = picture.shape[1:]
    left, top = (min(max(0, at - BOUNDARY_PX), side - 1) for at, side in zip(first, (width, height), strict=True))
    right, bottom = (max(0, at + BOUNDARY_PX) + 1 for at in last)
    return read_sharply(to_float(picture[:, top:bottom, left:right]), xy - xy.new_tensor([left, top]))
