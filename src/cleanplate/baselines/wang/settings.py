"""What can be set of the generator and of its training. No torch here."""

from dataclasses import dataclass, field

from cleanplate.errors import InputError

MOST_LEVELS, MOST_CHANNELS, MOST_WINDOW = 8, 1024, 16
LEAST_PX, MOST_PX = 32, 4096


@dataclass(frozen=True)
class GeneratorConfig:
    """The network (network.py)."""

    channels: tuple[int, ...] = (24, 40, 64, 96, 128)
    """Of its levels: the first has half the frame's size, each after it half the size of the one before."""
    window: int = 3
    """Frames that it looks at: one, and those before it, with what was made of them. 3 is that of Wang et al."""

    def __post_init__(self) -> None:
        good = 2 <= len(self.channels) <= MOST_LEVELS and all(1 <= width <= MOST_CHANNELS for width in self.channels)
        _check("channels", self.channels, good, f"2 to {MOST_LEVELS} numbers of 1 to {MOST_CHANNELS}")
        _check("window", self.window, 2 <= self.window <= MOST_WINDOW, f"2 to {MOST_WINDOW}")


@dataclass(frozen=True)
class TrainLoss:
    """Weights of the terms (train.py). A term of zero weight is never computed."""

    hidden: float = 1.0
    """L1 of the mixture in the hole."""
    known: float = 0.2
    """L1 of the mixture outside the hole, where the frame itself is the result: more to learn from."""
    hallucinated: float = 0.2
    """L1 of the hallucinated picture in the hole, however little the mask lets through."""
    flow: float = 0.05
    """L1 of the flow in pixels, beside flow that was estimated on the truth."""
    warp: float = 0.5
    """L1 of the true previous frame, moved by the flow, beside the true frame."""
    temporal: float = 0.2
    """L1 of the mixture in the hole beside the previous result, moved by the flow of the truth."""
    perceptual: float = 0.01
    """VGG16 features of the result around the hole, as in the paper. Needs the weights."""

    def __post_init__(self) -> None:
        weights = vars(self)
        for name, value in weights.items():
            _check(f"loss.{name}", value, 0 <= value < float("inf"), "0 or more")
        _check("loss", "no term of the picture", self.hidden + self.known > 0, "loss.hidden or loss.known above 0")


@dataclass(frozen=True)
class TrainConfig:
    """How a generator is trained."""

    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    loss: TrainLoss = field(default_factory=TrainLoss)
    size: tuple[int, int] = (96, 192)
    """(height, width) of what is trained on, cut out of the clips and made smaller."""
    batch: int = 2
    """Clips in a step."""
    frames: int = 2
    """Successive frames that each clip of a step is learned from."""
    lead: int = 4
    """Frames before these, so many at most: they are made and not learned from, as what was made feeds the next."""
    learning_rate: float = 1e-3
    """Of Adam."""
    seed: int = 0
    """Of the parameters, and of what is drawn in each step."""

    def __post_init__(self) -> None:
        good = all(LEAST_PX <= side <= MOST_PX for side in self.size)
        _check("size", " ".join(map(str, self.size)), good, f"a height and a width of {LEAST_PX} to {MOST_PX}")
        for name in ("batch", "frames"):
            _check(name, getattr(self, name), 1 <= getattr(self, name) <= 64, "1 to 64")
        _check("lead", self.lead, 0 <= self.lead <= 64, "0 to 64")
        _check("learning_rate", self.learning_rate, 0 < self.learning_rate <= 1, "above 0, at most 1")
        _check("the seed", self.seed, 0 <= self.seed < 2**63, "0 to 2^63 - 1")


def _check(name: str, value: object, good: bool, needed: str) -> None:
    if not good:
        raise InputError(f"{name} is {value}", f"{needed} is needed", "give that, or leave it out for the default")
