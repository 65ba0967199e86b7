"""Everything that can be set, as frozen dataclasses, and the named methods made of them. No torch here.

A method is data: `dataclasses.replace(METHODS["carry"], ...)` makes a new one, and the command line offers the same
fields. Lengths are in pixels of the frames as they are processed unless a name says otherwise.
"""

import difflib
import math
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, get_args

from tyro.conf import arg

from cleanplate.errors import InputError

DILATE_PX = 4
"""Radius that a mask is dilated by if none is given: masks are seldom drawn wide enough."""
LEAST_WINDOW = 32
"""Frames that are held at once at least, unless `CarryConfig.window_frames` is lower: with fewer, less is found."""
MOST_ROUNDS, MOST_MARGIN_PX = 32, 1000
Estimator = Literal["dis", "raft_small", "raft_large"]
Tracker = Literal["flow", "sam2", "efficienttam"]
RoughMask = Literal["shrunk", "shifted", "limb", "any"]
WhichEffects = Literal["shadows", "all", "off"]
Baseline = Literal["telea", "navier-stokes", "temporal-median", "yu", "wang", "newson", "huang"]


@dataclass(frozen=True)
class CarryConfig:
    """How hidden pixels are carried in from frames that show them (the wing carry/)."""

    estimator: Estimator = "dis"
    """Optical flow: OpenCV DIS (CPU, nothing to download) or torchvision RAFT (needs its weights)."""
    rounds: int = 2
    """Times flow is estimated: first on the painted-over frames, then again on the filled ones."""
    margin_px: int = 3
    """Flow this near to a hole has seen what was painted into it, and is not used."""
    reach_px: float = 30.0
    """Width (sigma) of the window that motion is completed from, in pixels of the picture that flow is estimated on:
    of frames with far more than 480 lines, a smaller one."""
    flow_tolerance_px: float = 0.25
    """Residual from the local motion at which the weight of a flow vector halves (Cauchy scale)."""
    filled_weight: float = 0.05
    """Weight of a flow vector estimated on filled pixels, beside 1 on known pixels (rounds after the first)."""
    brightness_tolerance: float = 0.025
    """Residual from the local change of brightness at which the weight of a match halves (Cauchy scale)."""
    max_error_px: float = 3.0
    """A trajectory whose forward and backward flow disagree by more than this is given up."""
    fade_frames: float = 5.0
    """Distance in time at which a source's weight has fallen to 1/e."""
    window_frames: int = 128
    """Frames held at once: half are filled together, half are looked ahead to. Fewer of larger ones, see window_mpx."""
    window_mpx: float = 40.0
    """Million pixels held at once; 32 frames are held in any case, unless window_frames is lower. Memory follows them,
    and what is hidden in them: some 90 bytes for each hidden pixel."""
    least_support: float = 0.1
    """Share of what two frames show that must agree both ways; with less they are looked at for a cut."""
    grain: bool = True
    """Give back the grain of one frame where many were averaged; off: leave what is filled clean."""

    def window(self, size: tuple[int, int], *, last: bool = True) -> int:
        """How many frames of that (height, width) are held at once, in the last round or in one before it.

        Those before are only for the flow of the last: they need not look far.
        """
        fit = int(self.window_mpx * 1e6 / (size[0] * size[1])) if last else LEAST_WINDOW
        return min(self.window_frames, max(LEAST_WINDOW, fit))

    def __post_init__(self) -> None:
        # Frames pass through the rounds one within the other; and what a round gains is next to nothing after a few.
        _check("carry.rounds", self.rounds, 1 <= self.rounds <= MOST_ROUNDS, f"1 to {MOST_ROUNDS}")
        _check("carry.margin_px", self.margin_px, 0 <= self.margin_px <= MOST_MARGIN_PX, f"0 to {MOST_MARGIN_PX}")
        _check("carry.window_frames", self.window_frames, self.window_frames >= 2, "at least 2")
        _check("carry.filled_weight", self.filled_weight, 0 <= self.filled_weight < math.inf, "0 or more")
        _check("carry.least_support", self.least_support, 0 <= self.least_support <= 1, "a share from 0 to 1")
        for name in (
            "reach_px",
            "flow_tolerance_px",
            "brightness_tolerance",
            "max_error_px",
            "fade_frames",
            "window_mpx",
        ):
            _check(f"carry.{name}", getattr(self, name), 0 < getattr(self, name) < math.inf, "a number above 0")


@dataclass(frozen=True)
class EffectsConfig:
    """What goes with the thing although the mask does not cover it (carry/effects.py, carry/crumbs.py)."""

    find: Annotated[WhichEffects, arg(name="effects")] = "shadows"
    """shadows: its shadow, and what the mask has missed of it; all: also what it makes brighter or of another colour
    (reflections, smoke, splashes); off: nothing, every pixel outside the mask is kept."""


NO_EFFECTS = EffectsConfig(find="off")


@dataclass(frozen=True)
class NetworkConfig:
    """The encoder-decoder that makes what is learned (paper/network.py; App. A, B)."""

    kind: Literal["2d", "3d"] = "2d"
    """2d: every frame by itself (App. A.1); 3d: the frames of a batch as one volume (App. A.2)."""
    channels: tuple[int, ...] = (16, 32, 64, 128, 128, 128)
    """Of the encoder's blocks, mirrored in the decoder."""
    skip_channels: int = 4
    """What a skip connection passes on."""
    decoder_kernels: tuple[int, int] = (3, 3)
    """Of the two convolutions of a decoder block; the authors' program has 3 1."""
    padding: Literal["zeros", "reflect"] = "zeros"
    """At the borders of every convolution (the authors' program: reflect)."""
    noise_channels: int = 1
    """Of the input."""
    noise_level: float = 0.1
    """The input is uniform noise between 0 and this, drawn once for each frame."""

    def __post_init__(self) -> None:
        _check(
            "network.channels", self.channels, bool(self.channels) and min(self.channels) > 0, "a number for each block"
        )
        _check(
            "network.decoder_kernels",
            self.decoder_kernels,
            all(k > 0 and k % 2 for k in self.decoder_kernels),
            "odd sizes",
        )
        _check("network.skip_channels", self.skip_channels, self.skip_channels > 0, "at least 1")
        _check("network.noise_channels", self.noise_channels, self.noise_channels > 0, "at least 1")
        _check("network.noise_level", self.noise_level, 0 < self.noise_level < math.inf, "a number above 0")


@dataclass(frozen=True)
class CanvasConfig:
    """Beside the paper's noise, an input that moves with the picture (paper/canvas.py, paper/places.py)."""

    cells_px: tuple[int, ...] = ()
    """A canvas for each, of cells with that side in pixels, is read along the motion that carrying completes in the
    hole (its motion only, no colour); none: every frame has noise of its own only, as in the paper."""
    channels: int = 4
    """Of each canvas."""
    noise_level: float = 0.2
    """A canvas begins as uniform noise, so wide and around zero."""
    learned: bool = True
    """Fit the canvases together with the network; off: they stay noise."""

    def __post_init__(self) -> None:
        _check("canvas.cells_px", self.cells_px, all(cell > 0 for cell in self.cells_px), "at least 1 each")
        _check("canvas.channels", self.channels, self.channels > 0, "at least 1")
        _check("canvas.noise_level", self.noise_level, 0 < self.noise_level < math.inf, "a number above 0")


@dataclass(frozen=True)
class LossConfig:
    """Weights of the terms of Eq. 2. A term of zero weight is never computed."""

    image: float = 1.0
    """The known pixels (Eq. 3)."""
    flow: float = 0.0
    """The known flow (Eq. 4); the paper's 0.1."""
    consistency: float = 0.0
    """Each frame is the next one, warped by the flow (Eq. 5); the paper's 1."""
    perceptual: float = 0.0
    """VGG16 features of the known pixels (Eq. 6); the paper's 0.01. Needs the weights."""
    perceptual_frames: int | None = None
    """Take the perceptual term on so many frames of a batch, drawn anew each step: faster, and on average the same."""

    def __post_init__(self) -> None:
        for name in ("image", "flow", "consistency", "perceptual"):
            _check(f"loss.{name}", getattr(self, name), 0 <= getattr(self, name) < math.inf, "0 or more")
        _check("loss", "all zero", any((self.image, self.flow, self.consistency, self.perceptual)), "a weight above 0")
        count = self.perceptual_frames
        _check("loss.perceptual_frames", count, count is None or count > 0, "at least 1")


@dataclass(frozen=True)
class Schedule:
    """Which frames are trained on, and for how long (paper/schedule.py; Sec. 3.2, App. C)."""

    frames_per_batch: int = 5
    """The paper's N."""
    strides: tuple[int, ...] = (1, 3, 5)
    """The frame intervals t of a batch."""
    directions: tuple[int, ...] = (1, -1)
    """Of the flow a batch uses: 1 to later frames, -1 to earlier ones."""
    steps_per_batch: int = 100
    """Updates on a batch before the next one; the paper's M."""
    passes: int = 20
    """Sweeps over the batches; the paper's E."""
    batches_per_pass: int | None = None
    """None: all there are, as the paper reads; the authors' program takes 51, of which one comes twice."""
    each_frame_alone: bool = False
    """A network for every frame, as in DIP."""

    def __post_init__(self) -> None:
        for name in ("frames_per_batch", "steps_per_batch", "passes"):
            _check(f"schedule.{name}", getattr(self, name), getattr(self, name) >= 1, "at least 1")
        _check(
            "schedule.batches_per_pass",
            self.batches_per_pass,
            self.batches_per_pass is None or self.batches_per_pass >= 1,
            "at least 1",
        )
        _check("schedule.strides", self.strides, bool(self.strides) and min(self.strides) >= 1, "at least 1 each")
        _check(
            "schedule.directions",
            self.directions,
            bool(self.directions) and set(self.directions) <= {1, -1},
            "1, -1 or both",
        )

    @property
    def fields(self) -> tuple[tuple[int, int], ...]:
        """(stride, direction) of every flow that is used, in the order of the flow head's channels."""
        return tuple((stride, direction) for stride in self.strides for direction in self.directions)


@dataclass(frozen=True)
class FitConfig:
    """How the network is fitted to the clip (paper/fit.py)."""

    learning_rate: float = 0.01
    """Of Adam."""
    eval_every: int = 0
    """Make all frames every so many steps, to show them and to output the best; 0: at the end only."""
    output: Literal["last", "best", "mean"] = "last"
    """last: what the trained network makes; best: of all evaluations, the one of lowest loss on the known pixels
    (App. C.1); mean: the mean of what was made over the last fifth of the steps."""
    input_noise_std: float = 0.0
    """Standard deviation of the noise added to the input at every step."""
    lr_decay_share: float = 0.0
    """Share of the steps, the last, over which the learning rate falls to zero."""
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    """Of the convolutions; auto is bfloat16 where the device is fast at it."""
    compile: Literal["off", "default", "reduce-overhead"] = "off"
    """torch.compile, which pays on a GPU only; reduce-overhead uses CUDA graphs."""

    def __post_init__(self) -> None:
        _check("fit.learning_rate", self.learning_rate, 0 < self.learning_rate < math.inf, "a number above 0")
        _check("fit.eval_every", self.eval_every, self.eval_every >= 0, "0 or more")
        good = self.output != "best" or self.eval_every > 0
        _check("fit.output", "best and fit.eval_every 0", good, "an evaluation (fit.eval_every above 0)")
        _check("fit.input_noise_std", self.input_noise_std, 0 <= self.input_noise_std < math.inf, "0 or more")
        _check("fit.lr_decay_share", self.lr_decay_share, 0 <= self.lr_decay_share <= 1, "a share from 0 to 1")


@dataclass(frozen=True)
class UnseenConfig:
    """How what no frame shows is made up once everything else is carried (the wing unseen/)."""

    margin: float = 0.5
    """Around the unseen region, as a share of its size: where copies are from, and what a network learns from."""
    network_px: int = 6000
    """The crop is halved until it has no more pixels than this; at that size the network decides what goes where."""
    min_area_share: float = 0.005
    """An unseen region below this share of the frame leaves a network nothing to decide."""
    networks: int = 0
    """So many frames, the first that are filled, are given to a network, which says what goes where: seconds each. None
    is the default: copies alone look better."""
    ensemble_size: int = 4
    """Copies of the frame, each with a noise of its own; what the network makes of them is averaged."""
    network_blend: float = 0.5
    """Share of the network's picture in what decides; the rest is the smooth fill, which is never far wrong."""
    offsets: int = 30
    """What is unseen is made of copies at so many offsets of the frame, those at which it is most like itself; 0 leaves
    it to a network, or smooth."""
    guide_weight: float = 0.3
    """Weight of the network's colour, where there is a network, beside what is seen of a seam between copies."""
    thin_px: int = 2
    """What is left unseen within this distance of seen pixels is filled smoothly."""
    frames_per_key_frame: float = 6.0
    """For so many frames one is made up that has a quarter of the picture to make up, or a few that have less; what is
    left after that stays smooth. So the work is bounded, whatever the shot."""
    painter: str | None = None
    """Who paints instead: a TorchScript file of yours (big-lama.pt, migan_traced.pt or another that takes and gives the
    same). It paints a few frames, what is painted is carried to the others (unseen/painters.py). Of the method wang,
    the file that cleanplate train has made."""
    painter_kind: Literal["auto", "lama", "migan"] = "auto"
    """What it takes and gives; auto knows the two files by what is in them."""
    painted_frames: int = 8
    """So many frames at most, the first that are made up, are painted by it; of the others little is left."""

    def __post_init__(self) -> None:
        _check("unseen.margin", self.margin, self.margin > 0, "a number above 0")
        _check("unseen.network_px", self.network_px, self.network_px >= 1024, "at least 1024")
        _check("unseen.min_area_share", self.min_area_share, 0 <= self.min_area_share <= 1, "a share from 0 to 1")
        _check("unseen.ensemble_size", self.ensemble_size, self.ensemble_size >= 2, "at least 2")
        _check("unseen.offsets", self.offsets, self.offsets >= 0, "0 or more")
        _check("unseen.network_blend", self.network_blend, 0 <= self.network_blend <= 1, "a share from 0 to 1")
        _check("unseen.networks", self.networks, self.networks >= 0, "0 or more")
        _check("unseen.guide_weight", self.guide_weight, self.guide_weight >= 0, "0 or more")
        _check("unseen.thin_px", self.thin_px, self.thin_px >= 0, "0 or more")
        _check("unseen.painted_frames", self.painted_frames, self.painted_frames >= 1, "at least 1")
        _check(
            "unseen.frames_per_key_frame", self.frames_per_key_frame, self.frames_per_key_frame > 0, "a number above 0"
        )


@dataclass(frozen=True)
class Encoding:
    """How a video is written (video/encoder.py)."""

    codec: Literal["auto", "h264", "h265", "prores", "ffv1", "vp9", "av1"] = "auto"
    """auto: that of the video, if the container can hold it; else h264 in .mp4 and .mov (h265 of more than 8 bits and
    with --lossless, prores in .mov of an alpha channel), vp9 in .webm. In .mkv it is ffv1, which loses nothing."""
    quality: float | None = None
    """Constant rate factor of h264, h265, vp9 or av1: lower is better and larger."""
    lossless: bool = False
    """Every untouched sample of the video comes out as it was, in the video's own format. Without it that is so in .mkv
    and in folders of images only."""

    def __post_init__(self) -> None:
        good = self.quality is None or 0 <= self.quality <= 63
        _check("quality", self.quality, good, "0 (best) to 63")
        _check("quality", f"{self.quality} with --lossless", not (self.lossless and self.quality is not None), "either")


def _check(name: str, value: object, good: bool, needed: str) -> None:
    if not good:
        raise InputError(f"{name} is {value}", f"{needed} is needed", "give that, or leave it out for the default")


@dataclass(frozen=True)
class Method:
    """One way to fill a hole: what other frames show is carried from them, what is left is made up, or either alone."""

    carries: bool = True
    """Carry hidden pixels in from the frames that show them."""
    learns: bool = True
    """Make up what is hidden from what is known: a network learns it, or with `carries` it is copied from beside."""
    baseline: Baseline | None = None
    """Fill all of it as a rival does instead, to compare with (the wing baselines/)."""
    carry: CarryConfig = field(default_factory=CarryConfig)
    effects: Annotated[EffectsConfig, arg(name="")] = field(default_factory=EffectsConfig)
    """Removed with the thing; needs `carries`."""
    unseen: UnseenConfig = field(default_factory=UnseenConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    canvas: CanvasConfig = field(default_factory=CanvasConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    schedule: Schedule = field(default_factory=Schedule)
    fit: FitConfig = field(default_factory=FitConfig)

    @property
    def has_networks(self) -> bool:
        """Whether a network has a part in it."""
        of_ours = self.learns and (not self.carries or self.unseen.networks > 0 or self.unseen.painter is not None)
        return of_ours or self.needs_painter

    @property
    def needs_painter(self) -> bool:
        """Whether it is nothing without a network of the user's."""
        return self.baseline in ("yu", "wang")

    @property
    def needs_flow(self) -> bool:
        """Whether the network makes flow too."""
        return bool(self.loss.flow or self.loss.consistency)

    def __post_init__(self) -> None:
        ours, rival = self.carries or self.learns, self.baseline is not None
        _check("the method", "to do nothing", ours or rival, "carries, learns, both, or a baseline")
        _check(
            "baseline",
            f"{self.baseline} of a method that carries or learns",
            not (ours and rival),
            "the method of that name",
        )
        good = self.carries or self.effects.find == "off"
        _check("effects", f"{self.effects.find} of a method that does not carry", good, "carry, carry-learn, or off")
        cells, alone = self.canvas.cells_px, self.carries or self.schedule.each_frame_alone
        _check("canvas.cells_px", cells, not (cells and alone), "one network for the whole clip")
        for name in ("flow", "consistency"):
            weight, good = getattr(self.loss, name), not alone and self.schedule.frames_per_batch > 1
            needed = "0, or one network for the whole clip and at least 2 frames per batch,"
            _check(f"loss.{name}", weight, good or not weight, needed)


_FRAMES = Schedule(strides=(1,), directions=(1,))
_DIP_VID = Method(carries=False, effects=NO_EFFECTS, schedule=_FRAMES)
_DIP_VID_FLOW = Method(
    carries=False,
    effects=NO_EFFECTS,
    loss=LossConfig(image=1, flow=0.1, consistency=1, perceptual=0.01),
)

METHODS: dict[str, Method] = {
    "carry-learn": Method(
        # A few frames' worth of the network of App. A.1: shallower, for a small crop, and fed more lively noise.
        network=NetworkConfig(
            channels=(16, 32, 64, 64), decoder_kernels=(3, 1), padding="reflect", noise_channels=8, noise_level=1.0
        ),
        schedule=Schedule(4, (1,), (1,), steps_per_batch=300, passes=1),
        fit=FitConfig(output="mean", input_noise_std=0.1, lr_decay_share=0.4),
    ),
    "carry": Method(learns=False),
    "dip": Method(
        carries=False,
        effects=NO_EFFECTS,
        schedule=Schedule(1, (1,), (1,), steps_per_batch=5000, passes=1, each_frame_alone=True),
        fit=FitConfig(eval_every=100, output="best"),
    ),
    "dip-vid": _DIP_VID,
    "dip-vid-3dcn": replace(_DIP_VID, network=NetworkConfig(kind="3d")),
    "dip-vid-flow": _DIP_VID_FLOW,
    "dip-vid-flow-fast": replace(
        _DIP_VID_FLOW,
        network=NetworkConfig(channels=(16, 32, 64), decoder_kernels=(3, 1)),
        canvas=CanvasConfig(cells_px=(1, 4, 16)),
        loss=LossConfig(),
        schedule=Schedule(directions=(1,), steps_per_batch=1, passes=12, batches_per_pass=25),
        fit=FitConfig(output="mean", lr_decay_share=0.5),
    ),
    **{name: Method(carries=False, learns=False, effects=NO_EFFECTS, baseline=name) for name in get_args(Baseline)},
}
"""The methods by name.

`carry`: along completed optical flow from the frames that show what is hidden; what none shows is filled smoothly.
`carry-learn`: what none shows is made of pieces of the frame, and learned where these do not do. The paper's four
(Sec. 4.1): `dip`, a network for each frame; `dip-vid`, one for the clip; `dip-vid-3dcn`, with convolutions over time
too; `dip-vid-flow`, which makes flow as well, and frames that agree with it. `dip-vid-flow-fast`: one network for the
clip, on the image term alone, from an input that moves with the picture; minutes instead of hours. The others are
rivals to compare with (the wing baselines/).
"""

DEFAULT_METHOD = "carry-learn"


def find_method(name: str) -> Method:
    """The method of that name; an InputError names the nearest one otherwise."""
    if name in METHODS:
        return METHODS[name]
    near = difflib.get_close_matches(name, METHODS, n=1, cutoff=0.0)[0]
    raise InputError(f"there is no method '{name}'", f"known are {', '.join(METHODS)}", f"did you mean '{near}'?")
