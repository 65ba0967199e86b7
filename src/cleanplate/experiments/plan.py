"""What to run for each table and figure: cells of method x clip x seed, at a scale. No torch.

A cell is the smallest thing that is run, recorded and skipped when it is there. Its settings are all that its result
depends on; tables and figures share the cells they have in common.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from cleanplate.baselines import NAMES as BASELINES
from cleanplate.baselines import NO_NETWORK
from cleanplate.config import METHODS, Method, UnseenConfig
from cleanplate.errors import InputError
from cleanplate.paper.schedule import n_steps

ScaleName = Literal["tiny", "small", "medium", "paper"]
Experiment = Literal["table1", "table2", "fig4", "fig5", "fig6", "fig7", "fig8", "fig9", "fig10"]

ONE_CLIP = frozenset({"fig4", "fig5", "fig6", "fig8", "fig9"})
"""Figures that show one clip."""
PAPERS = ("dip", "dip-vid", "dip-vid-3dcn", "dip-vid-flow")
OURS = ("dip-vid-flow-fast", "carry", "carry-learn")
RIVALS = ("yu", "wang", "huang")
"""Of the baselines those that are in Table 1 too."""


@dataclass(frozen=True)
class Scale:
    """How much of the paper's experiment is run."""

    size: tuple[int, int]
    """(height, width) of the frames."""
    n_frames: int
    """Of a clip, from its beginning; shorter ones are taken as they are."""
    updates: int | None
    """Of every method that learns, on batches of N frames; DIP has as many frames trained on. None: the schedule's."""
    steps_per_batch: int = 100
    """The paper's M."""
    perceptual_frames: int | None = None
    """Frames of a batch that the perceptual term is taken on, 0 for no such term; None: all."""
    longer: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Updates of (method, clip) where they are others than `updates`: what a method comes to when it goes on."""
    clips: tuple[str, ...] = ()
    """These of the pairs, unless others are named or none of these is there."""
    n_clips: int | None = None
    """So many of the pairs, unless some are named; None: all."""
    n_window_clips: int = 10
    """Of Fig. 10, drawn at random, the same for every seed."""
    windows: tuple[int, ...] = (1, 3, 5, 10, 15, 25, 50, 100)
    """k of Fig. 10, the paper's."""
    window_updates: int | None = None
    """`updates` of Fig. 10, which has a whole clip's for each k; None: as elsewhere."""

    @property
    def patch_px(self) -> int:
        """Of the consistency metric: 50 at the paper's height, and as much of the frame at others."""
        return max(7, round(50 * self.size[0] / 192))

    @property
    def search_px(self) -> int:
        """Of the consistency metric: 20 at the paper's height."""
        return max(1, round(20 * self.size[0] / 192))


SCALES: dict[str, Scale] = {
    "tiny": Scale((48, 96), 8, 4, steps_per_batch=2, perceptual_frames=0, n_clips=2, n_window_clips=1, windows=(1, 5)),
    "small": Scale((96, 192), 24, 1000, steps_per_batch=2, perceptual_frames=1, n_window_clips=1),
    "medium": Scale(
        (96, 192),
        30,
        10_000,
        steps_per_batch=10,
        perceptual_frames=1,
        longer={("dip-vid-flow", "blackswan+breakdance"): 30_000},
        clips=("blackswan+breakdance", "golf+breakdance", "parkour+car-roundabout"),
        n_clips=3,
        n_window_clips=2,
        windows=(1, 5, 10, 25),
        window_updates=2500,
    ),
    "paper": Scale((192, 384), 60, None),
}
"""tiny proves that everything runs; small takes two cores 75 minutes; medium has ten times its updates and more; paper
is the paper's own numbers."""

EVALUATIONS = 20  # of Fig. 8


@dataclass(frozen=True)
class Cell:
    """A method on a clip."""

    clip: str
    """Name of the pair."""
    method: str
    """A name in METHODS or BASELINES, or that of an external result."""
    seed: int
    scale: str
    window: int | None = None
    """Length k of the pieces that the clip is cut into (Sec. 5.2)."""
    evaluations: int = 0
    """Times that the network makes all frames on the way; kept, to be shown, with `features`."""
    features: bool = False
    """Compare features of the trained network (Sec. 5.1)."""
    external: str | None = None
    """Folder of results made elsewhere."""
    unseen: UnseenConfig = NO_NETWORK
    """Its `painter` is the user's network, for a method that is nothing without one."""

    @property
    def budget(self) -> Scale:
        """Its scale, with the updates that are this cell's."""
        scale = SCALES[self.scale]
        if self.window is not None:
            updates = scale.window_updates
        else:
            plain = not self.evaluations and not self.features
            updates = scale.longer.get((self.method, self.clip)) if plain else None
        return scale if updates is None else replace(scale, updates=updates)

    @property
    def name(self) -> str:
        """Of its files."""
        more = [f"k{self.window}"] * (self.window is not None) + ["features"] * self.features
        return "_".join([self.scale, self.clip, self.method, f"seed{self.seed}", *more])

    def settings(self, n_frames: int) -> dict[str, Any]:
        """All that the result depends on, but for the clip's pixels and the version, as JSON has it.

        Args:
            n_frames: of the clip.
        """
        scale = self.budget
        out: dict[str, Any] = {"size": list(scale.size), "n_frames": n_frames}
        if self.method in METHODS and self.method not in BASELINES:
            out["fields"] = fields = asdict(method_at(self.method, scale, n_frames, self.evaluations))
            for beside in ("baseline", *_unread(METHODS[self.method])):
                fields.pop(beside)
            out["updates"] = self.updates(n_frames)
        return _as_json(out)

    def updates(self, n_frames: int) -> int | None:
        """The budget of a method that learns, all its networks together; None: its schedule's."""
        updates = self.budget.updates
        if updates is None or self.method not in METHODS or not METHODS[self.method].learns:
            return None
        schedule = METHODS[self.method].schedule
        if schedule.each_frame_alone:
            return n_frames * frames_alone(updates, n_frames)
        return min(updates, n_steps(n_frames, schedule))


def method_at(name: str, scale: Scale, n_frames: int, evaluations: int = 0) -> Method:
    """A method with the budget of a scale."""
    method = METHODS[name]
    if method.carries or scale.updates is None:
        every = max(1, n_steps(n_frames, method.schedule) // evaluations) if evaluations else method.fit.eval_every
        return replace(method, fit=replace(method.fit, eval_every=every))
    loss, schedule, fit = method.loss, method.schedule, method.fit
    if schedule.each_frame_alone:
        updates = frames_alone(scale.updates, n_frames)
        schedule = replace(schedule, steps_per_batch=updates)
        fit = replace(fit, eval_every=max(1, updates // 50))  # 50 evaluations, as the paper's 5,000 steps have
    else:
        own = n_steps(n_frames, schedule)
        if own > scale.updates:
            schedule = replace(schedule, steps_per_batch=scale.steps_per_batch, passes=scale.updates)
        if evaluations:
            fit = replace(fit, eval_every=max(1, min(own, scale.updates) // evaluations))
    if loss.perceptual and scale.perceptual_frames is not None:
        off = scale.perceptual_frames == 0
        loss = replace(loss, perceptual=0.0) if off else replace(loss, perceptual_frames=scale.perceptual_frames)
    return replace(method, loss=loss, schedule=schedule, fit=fit)


def _unread(method: Method) -> list[str]:
    """The groups of fields that a method reads nothing of."""
    reads = {
        "canvas": bool(method.canvas.cells_px),
        "carry": method.carries or bool(method.canvas.cells_px),  # its motion
        "effects": method.carries,
        "unseen": method.carries,
    }
    return [group for group, read in reads.items() if not read]


def frames_alone(updates: int, n_frames: int) -> int:
    """Updates of each frame's own network, for as many frames trained on as `updates` batches have."""
    return max(1, updates * METHODS["dip-vid"].schedule.frames_per_batch // n_frames)


def plan(
    experiment: str,
    scale_name: str,
    clips: Sequence[str],
    *,
    named: bool = False,
    seeds: Sequence[int] = (0,),
    methods: Sequence[str] = (),
    external: dict[str, str] | None = None,
    unseen: UnseenConfig = NO_NETWORK,
    wang: UnseenConfig = NO_NETWORK,
    lengths: dict[str, int] | None = None,
) -> list[Cell]:
    """The cells of an experiment.

    Args:
        experiment: which table or figure.
        scale_name: in SCALES.
        clips: names of the pairs.
        named: whether somebody named them.
        seeds: repeat everything with each.
        methods: these only, all if none.
        external: folders of results made elsewhere, by name.
        unseen: its `painter` is the network of `yu`. Without it that has no cells.
        wang: the same of `wang`.
        lengths: of the clips in frames, for Fig. 10. A window longer than its clip is the clip.

    Raises:
        InputError: a method that this experiment has not.
    """
    scale = SCALES[scale_name]
    if not named:
        clips = [clip for clip in clips if clip in scale.clips] or list(clips)[: scale.n_clips]
    external = external or {}
    rows = methods_of(experiment, external)
    if unknown := [name for name in methods if name not in rows]:
        given, needed = f"{experiment} has no method '{unknown[0]}'", f"it has {', '.join(rows)}"
        raise InputError(given, needed, "name some of these with --methods, or leave it out for all")
    rows = [name for name in rows if not methods or name in methods]
    networks = {"yu": unseen, "wang": wang}
    rows = [name for name in rows if name not in networks or networks[name].painter is not None]
    if experiment in ONE_CLIP:
        clips = clips[:1]
    elif experiment == "fig10" and not named:
        clips = sorted(random.Random(0).sample(clips, min(len(clips), scale.n_window_clips)))
    # One run has what both of them show.
    looked_into = {"evaluations": EVALUATIONS, "features": True}
    extra: list[dict[str, Any]] = [looked_into if experiment in ("fig8", "fig9") else {}]
    cells = []
    for seed in seeds:
        for clip in clips:
            if experiment == "fig10":
                length = min(scale.n_frames, (lengths or {}).get(clip, scale.n_frames))
                extra = [{"window": k, "evaluations": 1} for k in sorted({min(k, length) for k in scale.windows})]
            cells += [
                Cell(
                    clip,
                    name,
                    seed,
                    scale_name,
                    external=external.get(name),
                    unseen=networks.get(name, NO_NETWORK),
                    **more,
                )
                for more in extra
                for name in rows
            ]
    return cells


def methods_of(experiment: str, external: dict[str, str] | None = None) -> list[str]:
    """The rows of a table, the curves or pictures of a figure."""
    names = {
        "table1": [*PAPERS, *RIVALS, *OURS],
        "table2": [*BASELINES, "dip-vid-flow", *OURS],
        "fig4": [*PAPERS, *OURS],
        "fig5": [*PAPERS, *OURS],
        "fig6": ["newson", "huang", "dip-vid-flow", *OURS],
        "fig7": [*BASELINES, "dip-vid-flow", *OURS],
        "fig8": ["dip-vid-flow"],
        "fig9": ["dip-vid-flow"],
        "fig10": ["dip-vid-flow", "dip-vid-flow-fast"],
    }[experiment]
    return names + (list(external or ()) if experiment not in ("fig8", "fig9", "fig10") else [])


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items()}
    return [_as_json(item) for item in value] if isinstance(value, tuple | list) else value
