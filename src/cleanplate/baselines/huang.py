"""Colour and flow together: "Temporally coherent completion of dynamic video", Huang et al. 2016, the [16] of Table 2.

What is filled is to look, in every patch of 5 x 5 pixels, like a patch that is known in some frame and moves alike, and
like what the flow leads to in the frames before and after it. From coarse to fine, in turn: every patch looks for the
known one nearest to it, in any frame; colours become the weighted mean of what patches and flow say; and the flow in
the hole is estimated again on these colours.

Written from what is known of the method, not from its authors' program. Readings of ours:

- What the flow connects with a known pixel, however far, takes the colour from there at once, along trajectories (as
  carry does). A mean with the neighbours would bring it there too, from frame to frame, and blurs it at every step.
- What it connects with no known pixel is a mean with its two neighbours, which are guesses too and count little.
- Flow is DIS's, in the hole at first a smooth interpolation, and then OpenCV's variational one, from what it is so far.
- A level is half as large as the next. At the coarsest, what is connected with nothing is filled from around it.
- The camera is not taken out, a clip is one shot, and exposure is one too.
"""

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from cleanplate.baselines.flows import Flows, disagreement, read
from cleanplate.baselines.pyramid import (
    HOLE,
    KNOWN,
    Colours,
    Hidden,
    States,
    coarse_to_fine,
    filled_with_patches,
    pyramid_of,
)
from cleanplate.baselines.volume import Volume
from cleanplate.carry.colours import gather
from cleanplate.carry.trajectories import boundary_pixels, follow
from cleanplate.config import CarryConfig
from cleanplate.imaging.pull_push import pull_push

# Of squared differences of flow in pixels, beside 1 of those of colours in levels of bytes.
FLOW_WEIGHT = 10.0
# Beside 1 of what the patches say: of a known colour next in time, less the farther away it is and the less certain the
# flow; and of one in the hole.
KNOWN_WEIGHT, HIDDEN_WEIGHT = 30.0, 0.3
# So often at every level, and sweeps of the search each time; more of them for what is filled for the first time.
REPEATS, SWEEPS, FIRST_SWEEPS = 6, 3, 10

CARRY = CarryConfig()


def huang(
    frames: Float[Tensor, "T 3 H W"], hole: Bool[Tensor, "T 1 H W"], *, seed: int = 0
) -> Float[Tensor, "T 3 H W"]:
    """The clip, its hole filled with patches of it along its flow (Huang et al. 2016).

    Args:
        frames: RGB, 0..1.
        hole: what is to be filled.
        seed: of what is tried by chance.

    Raises:
        InputError: no patch of the clip is known whole, or frames too small for flow.
    """

    def complete(pictures: Colours, hidden: Hidden) -> Callable[[int], np.ndarray]:
        return completed(pictures, np.where(hidden, HOLE, KNOWN).astype(np.uint8), seed=seed).__getitem__

    return filled_with_patches(frames, hole, complete, name="huang", patch="5 pixels")


def completed(colours: Colours, state: States, *, seed: int = 0) -> Colours:
    """The frames with their hole filled, coarse to fine.

    Args:
        colours: of all frames.
        state: KNOWN or HOLE.
        seed: of what is tried by chance.

    Raises:
        NothingKnown: no patch is known whole, at any size.
        InputError: frames too small.
    """
    pyramid, flows = pyramid_of(colours, state), Flows.estimated(colours, state == HOLE)

    def level_at(depth: int) -> Level:
        return Level(*pyramid[depth], flows.smaller(2**depth), 2**depth, seed=seed)

    filled = colours
    for level, coarser in coarse_to_fine(len(pyramid), level_at):
        if coarser is None:
            level.begin()
        else:
            level.begin_with(coarser)
        for _ in range(REPEATS):
            level.improve()
        filled = level.colours
    return filled


class Level:
    """The clip at one size: what is filled, the flow, and the patches."""

    def __init__(self, colours: Colours, state: States, flows: Flows, times: int, *, seed: int) -> None:
        """Nothing is filled.

        Args:
            colours: of all frames.
            state: KNOWN or HOLE.
            flows: between them.
            times: how many times smaller than the clip they are.
            seed: of what is tried by chance.

        Raises:
            NothingKnown: no patch is known whole.
        """
        self.colours, self.hidden, self.flows, self.times = colours.copy(), state == HOLE, flows, times
        self.volume = Volume(colours, state, flows.features(times), FLOW_WEIGHT, seed=seed, reach_frames=0)

    def begin(self) -> None:
        """Fill what the flow connects with known pixels; the rest with patches, from the border of that inwards."""
        for frame, hole in zip(self.colours, self.hidden, strict=True):
            frame[hole] = np.rint(pull_push(frame, (~hole).astype(np.float32)))[hole]
        connected, weight = self._connected()
        self.colours[weight > 0] = np.rint(connected[weight > 0])
        self._tell_volume()
        self.volume.take_as_there(weight > 0)
        while self.volume.next_layer():
            self.volume.search(FIRST_SWEEPS)
            self.volume.reconstruct()
        self.volume.fill_all()

    def begin_with(self, coarser: "Level") -> None:
        """Take flow, matches and colours of half the size."""
        self.flows = self.flows.completed_from(coarser.flows)
        self.volume.begin_with(coarser.volume)
        self.colours[:] = self.volume.all_colours()
        self._tell_volume()

    def improve(self) -> None:
        """Look for patches, fill with what patches and flow say, and estimate the flow again."""
        self.volume.search(SWEEPS)
        self.volume.reconstruct()
        self._mix(self.volume.all_colours().astype(np.float32))
        self.flows.refine(self.colours)
        self._tell_volume()

    def _mix(self, said: Float32[np.ndarray, "t h w 3"]) -> None:
        """Fill with the mean of what patches have said and what the flow leads to."""
        connected, weight = self._connected()
        weight = KNOWN_WEIGHT * weight[..., None]
        mean = ((said + weight * connected) / (1 + weight)).astype(np.float32)
        made = np.where(self.hidden[..., None], mean, self.colours.astype(np.float32))
        alone, order = self.hidden & (weight[..., 0] == 0), range(len(made))
        for number in (*order, *reversed(order)):  # so that it passes through all frames
            if not alone[number].any():
                continue
            total, count = said[number].copy(), np.ones((*alone.shape[1:], 1), np.float32)
            for other, flow, back in self._neighbours(number):
                trust = HIDDEN_WEIGHT * np.exp(-disagreement(flow, back))[..., None]
                total += trust * read(made[other], flow)
                count += trust
            made[number][alone[number]] = (total / count)[alone[number]]
        self.colours[self.hidden] = np.rint(made[self.hidden])

    def _neighbours(
        self, number: int
    ) -> Iterator[tuple[int, Float32[np.ndarray, "h w 2"], Float32[np.ndarray, "h w 2"]]]:
        """The frames after and before it, the flow to each, and from each back."""
        there, back = self.flows.there.flow, self.flows.back.flow
        if number < len(there):
            yield number + 1, there[number], back[number]
        if number > 0:
            yield number - 1, back[number - 1], there[number - 1]

    def _connected(self) -> tuple[Float32[np.ndarray, "t h w 3"], Float32[np.ndarray, "t h w"]]:
        """The colours of known pixels that the flow leads to, 0 to 255, and their weights; 0 where there is none."""
        count, size = len(self.colours), self.hidden.shape[1:]
        boundary = [boundary_pixels(one) for one in self.hidden]
        motions = self.flows.motions()
        past = follow(range(count), [None, *(one.reversed for one in motions)], boundary, size)
        future = follow(range(count)[::-1], [None, *motions[::-1]], boundary[::-1], size)[::-1]
        pictures = dict(enumerate(self.colours))
        colours, weights = np.zeros((count, *size, 3), np.float32), np.zeros((count, *size), np.float32)
        for number, (pixels, *ways) in enumerate(zip(boundary, past, future, strict=True)):
            reached, found = gather(pictures, ways, self.hidden[number].reshape(-1)[pixels], CARRY)
            colours[number].reshape(-1, 3)[pixels[reached]] = 255 * found
            weights[number].reshape(-1)[pixels[reached]] = sum(way.weight(CARRY)[reached] for way in ways)
        return colours, weights

    def _tell_volume(self) -> None:
        self.volume.fill(self.colours, self.flows.features(self.times), self.flows.steps())
