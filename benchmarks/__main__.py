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


def step(json: Path = Path("step.json"), repeats: int = 9) -> None:
    """How long an update of dip-vid-flow takes, beside a straightforward reading of the paper.

    Args:
        json: where to write the figures.
        repeats: steps to time; the median counts.
    """
    from benchmarks.step import benchmark_step

    benchmark_step(json, repeats)


if __name__ == "__main__":
    try:
        tyro.extras.subcommand_cli_from_dict({"carry": carry, "step": step}, prog="benchmarks")
    except InputError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        sys.exit(2)
