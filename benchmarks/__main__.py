import sys
from pathlib import Path

import tyro

from benchmarks.carry import benchmark_carry
from cleanplate import InputError


def carry(
    data: Path, pairs: Path | None = None, json: Path | None = None, oracle: bool = True, only: tuple[str, ...] = ()
) -> None:
    """How well and how fast `carry` fills composed clips.

    Args:
        data: folder with davis/, clips/ and composed.json.
        pairs: another list of pairs than data/composed.json.
        json: where to write the figures; beside the table in carry.json if not given.
        oracle: also carry along the flow of the truth, the most that carrying can give.
        only: names of pairs, all if none.
    """
    benchmark_carry(data, pairs, json or Path("carry.json"), oracle=oracle, only=only)


def effects(
    data: Path,
    json: Path = Path("effects.json"),
    only: tuple[str, ...] = (),
    parts: tuple[str, ...] = ("pairs", "locked", "edit"),
) -> None:
    """How well `carry` finds what goes with a thing outside its mask: shadows, and what a wrong mask has missed.

    Args:
        data: folder with davis/, clips/ and composed.json.
        json: where to write the figures.
        only: names of pairs, all if none.
        parts: pairs (shadows and rough masks), locked (cameras that do not move), edit (ten shots cut together).
    """
    from benchmarks.effects import benchmark_effects

    benchmark_effects(data, json, only=only, parts=parts)


def twins(
    data: Path, json: Path = Path("twins.json"), method: str = "carry", only: tuple[str, ...] = (), frames: int = 1000
) -> None:
    """How well real shots are filled behind a second hole beside the thing, where they are known; 854x480.

    Args:
        data: folder with davis/.
        json: where to write the figures.
        method: which one.
        only: names of shots, all if none.
        frames: of each, at most.
    """
    from benchmarks.twins import benchmark_twins
    from cleanplate.config import find_method

    benchmark_twins(data, json, method=find_method(method), only=only, frames=frames)


def hard(
    data: Path,
    pictures: Path,
    method: str = "carry-learn",
    only: tuple[str, ...] = (),
    moments: tuple[float, ...] = (0.1, 0.5, 0.9),
) -> None:
    """Clean real shots that are hard, and write sheets to look at.

    Args:
        data: folder with davis/.
        pictures: folder for the sheets: input, result, where its pixels come from.
        method: which one.
        only: names of shots, logo-moving and logo-still; those of docs/hard-cases.md if none.
        moments: which frames, as shares of the length.
    """
    from benchmarks.hard import benchmark_hard

    benchmark_hard(data, pictures, method=method, only=only, moments=moments)


def speed(
    data: Path,
    json: Path = Path("speed.json"),
    method: str = "carry",
    only: tuple[str, ...] = (),
    frames: int = 50,
    repeats: int = 3,
) -> None:
    """How fast DAVIS shots go from files to files, from 384x192 to 1920x1080.

    Args:
        data: folder with davis/.
        json: where to write the figures.
        method: which one.
        only: names of shots, all if none.
        frames: of each.
        repeats: the median counts.
    """
    from benchmarks.speed import benchmark_speed

    benchmark_speed(data, json, method=method, only=only, frames=frames, repeats=repeats)


def long(
    json: Path = Path("long.json"), lengths: tuple[int, ...] = (100, 300, 900), size: tuple[int, int] = (720, 1280)
) -> None:
    """Peak memory and time of shots of different lengths, which are made here.

    Args:
        json: where to write the figures.
        lengths: in frames.
        size: height and width.
    """
    from benchmarks.speed import benchmark_long

    benchmark_long(json, lengths, size)


def step(json: Path = Path("step.json"), repeats: int = 9) -> None:
    """How long an update of dip-vid-flow takes, beside a straightforward reading of the paper.

    Args:
        json: where to write the figures.
        repeats: steps to time; the median counts.
    """
    from benchmarks.step import benchmark_step

    benchmark_step(json, repeats)


def learn(
    data: Path | None = None,
    json: Path = Path("learn.json"),
    pictures: Path | None = None,
    lengths: tuple[int, ...] = (0, 10),
    only: tuple[str, ...] = (),
) -> None:
    """How well carry-learn fills what no frame shows, behind holes that do not move.

    Args:
        data: folder with davis/, clips/ and composed.json; photographs of scikit-image if not given.
        json: where to write the figures.
        pictures: folder for input and provenance, Telea, carry, carry-learn and truth, side by side.
        lengths: of the clips in frames; 0 for all there are.
        only: names of pairs, all if none.
    """
    from benchmarks.learn import benchmark_learn

    benchmark_learn(data, json, pictures, lengths=lengths, only=only)


def methods(
    data: Path,
    pair: str = "blackswan+breakdance",
    json: Path = Path("methods.json"),
    only: tuple[str, ...] = ("dip", "dip-vid", "dip-vid-flow"),
    frames: int = 30,
    steps: int = 3000,
    steps_per_batch: int = 10,
    looks: int = 20,
) -> None:
    """The paper's methods on one composed clip at 192x96, as they learn.

    Args:
        data: folder with davis/, clips/ and composed.json.
        pair: which clip.
        json: where to write the curves.
        only: which methods.
        frames: length of the clip.
        steps: updates on 5 frames; for DIP as many frames are trained on.
        steps_per_batch: the paper's M, which is 100.
        looks: points of a curve.
    """
    from benchmarks.methods import benchmark_methods

    benchmark_methods(
        data, pair, json, methods=only, frames=frames, steps=steps, steps_per_batch=steps_per_batch, looks=looks
    )


def track(
    data: Path,
    json: Path = Path("track.json"),
    only: tuple[str, ...] = (),
    kinds: tuple[str, ...] = ("one", "two", "box", "click"),
) -> None:
    """How well and how fast a mask is tracked through shots whose masks are known.

    Args:
        data: folder with davis/frames and davis/masks.
        json: where to write the figures.
        only: names of shots, all if none.
        kinds: what is marked: one (the first frame's mask), two (the middle frame's too), box (around the
            first's), click (on it, as in the page).
    """
    from benchmarks.track import benchmark_track

    benchmark_track(data, json, only=only, kinds=kinds)


def photo(out: Path) -> None:
    """Make clips with ground truth that may be shown, for `cleanplate reproduce`.

    Args:
        out: the data folder.
    """
    from benchmarks.photo import make_photo_clips

    make_photo_clips(out)


def edges(
    data: Path,
    json: Path = Path("edges.json"),
    only: tuple[str, ...] = (),
    kinds: tuple[str, ...] = ("known", "tracked", "known-4x", "tracked-4x", "pasted-4x"),
) -> None:
    """How near the edges of masks are to the true ones at the size of the frames, enlarged and refined.

    Args:
        data: folder with davis/frames and davis/masks.
        json: where to write the figures.
        only: names of shots, all if none.
        kinds: known and tracked masks at 854x480, both at four times that, and things pasted over another shot there.
    """
    from benchmarks.edges import benchmark_edges

    benchmark_edges(data, json, only=only, kinds=kinds)


def matte(data: Path, json: Path = Path("matte.json")) -> None:
    """How near the soft edges of mattes are to known ones: things that move, are sharp, or have hairs.

    Args:
        data: folder with davis/frames and davis/masks.
        json: where to write the figures.
    """
    from benchmarks.matte import benchmark_matte

    benchmark_matte(data, json)


def gpu(
    data: Path,
    pair: str = "goat+camel",
    json: Path = Path("gpu.json"),
    device: str = "cuda",
    minutes: float = 9.0,
) -> None:
    """Whether a GPU computes what the CPU does, how fast, and what the paper's whole schedule comes to on a clip.

    Args:
        data: folder with davis/, clips/ and composed.json.
        pair: which clip.
        json: where to write the figures; what it needs to go on lies beside it.
        device: cuda or mps; cpu tries this program.
        minutes: how long it may take; the same command goes on.
    """
    from benchmarks.gpu import benchmark_gpu

    benchmark_gpu(data, json, pair=pair, device=device, minutes=minutes)


if __name__ == "__main__":
    try:
        tyro.extras.subcommand_cli_from_dict(
            {
                one.__name__: one
                for one in (
                    carry,
                    edges,
                    effects,
                    gpu,
                    hard,
                    learn,
                    long,
                    matte,
                    methods,
                    photo,
                    speed,
                    step,
                    track,
                    twins,
                )
            },
            prog="benchmarks",
        )
    except InputError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        sys.exit(2)
