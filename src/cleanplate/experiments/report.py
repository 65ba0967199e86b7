"""Results to the paper's tables: Markdown, LaTeX and CSV, with the paper's own numbers beside ours.

A number is a mean over clips, of means over the frames of a clip; with several seeds it is the mean of those of each
seed, plus or minus their standard deviation.
"""

import csv
import io
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cleanplate.config import METHODS
from cleanplate.experiments.plan import SCALES, Scale
from cleanplate.experiments.results import Line
from cleanplate.runtime.files import whole

TITLES = {
    "dip": "DIP",
    "dip-vid": "DIP-Vid",
    "dip-vid-3dcn": "DIP-Vid-3DCN",
    "dip-vid-flow": "DIP-Vid-Flow",
    "dip-vid-flow-fast": "one network, input that moves with the picture (ours)",
    "telea": "Telea (OpenCV), per frame",
    "navier-stokes": "Navier-Stokes (OpenCV), per frame",
    "temporal-median": "temporal median",
    "carry": "carry (ours)",
    "carry-learn": "carry-learn (ours)",
    "yu": "Yu et al. [48]",
    "wang": "Wang et al. [42], as read here",
    "newson": "Newson et al. [33], as read here",
    "huang": "Huang et al. [16], as read here",
}

# Of the paper: FID, consistency PSNR and SSIM, PSNR and SSIM on the full frame (Table 1) ...
PAPER_TABLE1 = {
    "dip": (22.3, 18.8, 0.532, 25.2, 0.926),
    "dip-vid": (16.1, 23.6, 0.768, 28.7, 0.956),
    "dip-vid-3dcn": (12.1, 26.7, 0.871, 30.9, 0.966),
    "dip-vid-flow": (10.4, 28.1, 0.895, 32.1, 0.969),
}
# ... and PSNR and SSIM of all, complex and simple clips (Table 2).
PAPER_TABLE2 = {
    "yu": (24.9, 0.929, 24.7, 0.926, 25.1, 0.931),
    "wang": (26.0, 0.914, 25.3, 0.908, 26.6, 0.920),
    "newson": (30.6, 0.962, 30.9, 0.963, 30.4, 0.960),
    "huang": (32.3, 0.971, 31.6, 0.968, 33.0, 0.974),
    "dip-vid-flow": (32.1, 0.969, 31.9, 0.970, 32.2, 0.968),
}
PAPERS_RUN = "The paper's numbers are of 250 other clips (60 frames of 384x192) and its whole training schedule."
MADE_UP_PIXELS = (
    "Carried and made-up PSNR are of pixels that each method carried or made up: DIP... make up the whole hole, carry "
    "(smoothly) and carry-learn (of pieces of the frame, and learned where these do not do) only what no frame shows; "
    "rows are not to be compared."
)
OWN_TRUTH = "FID is of each clip's frames to its own truth's, mean over clips; the paper's is to all true frames."

DIGITS = {"psnr_db": 2, "ssim": 3, "warp_error": 5, "frechet_vgg16": 0, "fid": 1, "lpips": 3}


@dataclass(frozen=True)
class Number:
    """What one place of a table shows."""

    value: float | None
    digits: int = 2
    deviation: float | None = None

    def __str__(self) -> str:
        """As a reader wants it."""
        if self.value is None:
            return "-"
        text = f"{self.value:.{self.digits}f}"
        return text if self.deviation is None else f"{text} ± {self.deviation:.{self.digits}f}"


@dataclass(frozen=True)
class Table:
    """A table in no format yet: a title for each row, then numbers."""

    name: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Number, ...]], ...]

    def markdown(self) -> str:
        """With the caption below."""
        lines = ["| " + " | ".join(self.header) + " |", "|" + "---|" * len(self.header)]
        lines += ["| " + " | ".join([title, *map(str, numbers)]) + " |" for title, numbers in self.rows]
        return "\n".join([*lines, "", self.caption, ""])

    def latex(self) -> str:
        """A booktabs table."""

        def clean(text: str) -> str:
            for sign in "&%_#":
                text = text.replace(sign, f"\\{sign}")
            return text.replace("±", "$\\pm$")

        lines = [r"\begin{table}", r"\centering", rf"\caption{{{clean(self.caption)}}}", rf"\label{{tab:{self.name}}}"]
        lines += [rf"\begin{{tabular}}{{l{'r' * (len(self.header) - 1)}}}", r"\toprule"]
        lines += [" & ".join(map(clean, self.header)) + r" \\", r"\midrule"]
        lines += [" & ".join(map(clean, [title, *map(str, numbers)])) + r" \\" for title, numbers in self.rows]
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])

    def csv(self) -> str:
        """Unrounded, deviations in columns of their own where there are any."""
        spread = any(number.deviation is not None for _, numbers in self.rows for number in numbers)
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        header = [title for name in self.header[1:] for title in ([name, f"{name} (deviation)"] if spread else [name])]
        writer.writerow([self.header[0], *header])
        for title, numbers in self.rows:
            cells = [x for n in numbers for x in ([n.value, n.deviation] if spread else [n.value])]
            writer.writerow([title, *("" if cell is None else cell for cell in cells)])
        return out.getvalue()


def title_of(method: str, lines: Sequence[Line]) -> str:
    """Of a row; where a method is nothing without a network of the user's, with the weights that it was given."""
    title = TITLES.get(method, method)
    if method not in METHODS or not METHODS[method].needs_painter:
        return title
    painters = [line["settings"]["painter"] for line in lines if line["method"] == method]
    named = sorted({_named(painter) for painter in painters})
    return f"{title}, with {', '.join(named)}" if named else f"{title}: no weights were given"


def _named(painter: Mapping[str, Any]) -> str:
    if "steps" in painter:  # one that cleanplate train has made
        return f"{painter['file']} ({painter['steps']} steps on {', '.join(painter['clips'])})"
    return f"the user's {painter['file']} (md5 {painter['md5'][:8]})"


def write_table(table: Table, folder: Path) -> list[Path]:
    """The three files."""
    written = []
    for suffix, text in (("md", table.markdown()), ("tex", table.latex()), ("csv", table.csv())):
        path = folder / f"{table.name}.{suffix}"
        with whole(path) as partial:
            partial.write_text(text)
        written.append(path)
    return written


def table1(lines: Sequence[Line], methods: Sequence[str], missing: Sequence[str] = ()) -> Table:
    """Table 1: visual plausibility, temporal consistency, reconstruction accuracy.

    Args:
        lines: of all cells.
        methods: the rows.
        missing: what could not be measured, in words, for the caption.
    """
    had = measured(lines)
    distance = "fid" if "fid" in had else "frechet_vgg16"
    columns = [
        ("fid", "FID") if distance == "fid" else ("frechet_vgg16", "Fréchet VGG16 (not FID)"),
        ("consistency_psnr_db", "consistency PSNR"),
        ("consistency_ssim", "consistency SSIM"),
        ("psnr_db", "PSNR"),
        ("ssim", "SSIM"),
        ("hole_psnr_db", "hole PSNR"),
        ("hole_ssim", "hole SSIM"),
        ("hole_warp_error", "hole warp error"),
        ("carried_psnr_db", "carried PSNR"),
        ("made_up_psnr_db", "made-up PSNR"),
        ("hole_lpips", "hole LPIPS"),
    ]
    columns = [(name, title) for name, title in columns if name in had]
    papers = ("FID", "cons. PSNR", "cons. SSIM", "PSNR", "SSIM")
    rows = []
    for method in methods:
        ours = [mean([line for line in lines if line["method"] == method], name) for name, _ in columns]
        theirs = PAPER_TABLE1.get(method, (None,) * 5)
        rows.append((title_of(method, lines), (*ours, *map(Number, theirs, (1, 1, 3, 1, 3)))))
    header = ("method", *(title for _, title in columns), *(f"paper: {title}" for title in papers))
    more = [MADE_UP_PIXELS] * ("made_up_psnr_db" in had) + [OWN_TRUTH] * (distance == "fid")
    text = caption("Ablation study (Table 1 of the paper).", lines, [*more, *missing, PAPERS_RUN])
    return Table("table1", text, header, tuple(rows))


def table2(lines: Sequence[Line], methods: Sequence[str], missing: Sequence[str] = ()) -> Table:
    """Table 2: PSNR and SSIM on the full frame, and PSNR in the hole, of all, complex and simple clips."""
    hard, easy = partition(lines)
    parts = {"all": hard | easy, "complex": hard, "simple": easy}
    columns = [(name, title) for name, title in (("psnr_db", "PSNR"), ("ssim", "SSIM"), ("hole_psnr_db", "hole PSNR"))]
    columns = [(name, title) for name, title in columns if name in measured(lines)]
    rows = []
    for method in [*(name for name in PAPER_TABLE2 if name not in methods), *methods]:
        own = [line for line in lines if line["method"] == method]
        ours = [
            mean([line for line in own if line["clip"] in part], name) for part in parts.values() for name, _ in columns
        ]
        theirs = PAPER_TABLE2.get(method, (None,) * 6)
        title = title_of(method, lines) if method in methods else TITLES[method]
        rows.append((title, (*ours, *map(Number, theirs, (1, 3) * 3))))
    header = (
        "method",
        *(f"{part}: {title}" for part in parts for _, title in columns),
        *(f"paper, {part}: {title}" for part in parts for title in ("PSNR", "SSIM")),
    )
    text = (
        "Comparison (Table 2 of the paper). Complex and simple are the halves of the clips of higher and lower "
        f"complexity: complex {', '.join(sorted(hard))}; simple {', '.join(sorted(easy))}."
    )
    return Table("table2", caption(text, lines, [*missing, PAPERS_RUN]), header, tuple(rows))


def partition(lines: Sequence[Line]) -> tuple[set[str], set[str]]:
    """The names of the more and of the less complex half of the clips (Sec. 4.2); the odd one out is complex."""
    total = complexities(lines)
    names = sorted(total, key=lambda name: (total[name], name), reverse=True)
    half = (len(names) + 1) // 2
    return set(names[:half]), set(names[half:])


def complexities(lines: Sequence[Line]) -> dict[str, float]:
    """Of every clip, one number: lines of other machines may differ in the last digit."""
    return {line["clip"]: line["complexity"]["total"] for line in lines}


def mean(lines: Sequence[Line], metric: str) -> Number:
    """Over clips, then over seeds; clips on which the metric is not defined are left out."""
    digits = DIGITS[next(key for key in DIGITS if metric.endswith(key))]
    of_seeds = []
    for seed in sorted({line["seed"] for line in lines}):
        values = [line["metrics"].get(metric) for line in lines if line["seed"] == seed]
        if known := [value for value in values if value is not None]:
            of_seeds.append(statistics.fmean(known))
    if not of_seeds:
        return Number(None, digits)
    return Number(statistics.fmean(of_seeds), digits, statistics.stdev(of_seeds) if len(of_seeds) > 1 else None)


def caption(what: str, lines: Sequence[Line], more: Sequence[str] = ()) -> str:
    """What was run: scale, clips, budget, machine; and what else is to be said."""
    if not lines:
        return what
    scale_name = lines[0]["scale"]
    scale = SCALES[scale_name]
    clips, seeds = sorted({line["clip"] for line in lines}), sorted({line["seed"] for line in lines})
    frames = sorted({line["n_frames"] for line in lines})
    lengths = f"{frames[0]}" if len(frames) == 1 else f"{frames[0]} to {frames[-1]}"
    said = [
        what,
        f"Scale {scale_name}: {len(clips)} clip{'s' * (len(clips) > 1)} of {lengths} frames, "
        f"{scale.size[1]}x{scale.size[0]}, "
        f"seed {', '.join(map(str, seeds))}; {_budget(scale, lines)}.",
        f"Consistency with patches of {scale.patch_px} px within {scale.search_px} px.",
        f"Run on {_each(lines, 'machine')} ({_each(lines, 'device')}), torch {_each(lines, 'torch')}, "
        f"commit {_each(lines, 'commit')}.",
        *more,
    ]
    return " ".join(said)


def _budget(scale: Scale, lines: Sequence[Line]) -> str:
    """How much of what was trained, in words."""
    if scale.updates is None:
        return "the paper's whole schedule"
    if lines[0]["window"] is None:
        said = (
            f"{scale.updates} updates of 5 frames (DIP: as many frames trained on; carry-learn: what it needs, at most "
            f"as many), {scale.steps_per_batch} updates per batch"
        )
        of = {(line["method"], line["clip"]) for line in lines if not (line["looks"] or line["features"])}
        longer = {key: updates for key, updates in scale.longer.items() if key in of}
        said += "".join(f", {TITLES[method]} on {clip}: {updates}" for (method, clip), updates in longer.items())
        given = {line["method"]: line.get("updates") for line in lines if not _carries(line["method"])}
        for method, updates in given.items():
            if updates is not None and updates < scale.updates:
                said += f", {TITLES.get(method, method)}: {updates}, its whole schedule, with batches of its own"
    else:
        updates, fast = scale.window_updates or scale.updates, TITLES["dip-vid-flow-fast"]
        said = (
            f"{updates} updates of 5 frames for all pieces of a clip together, or as many frames trained on "
            f"({fast}: its own schedule, if that has fewer), {scale.steps_per_batch} updates per batch"
        )
    if scale.perceptual_frames == 0:
        return f"{said}, no perceptual term"
    if scale.perceptual_frames is not None:
        return f"{said}, perceptual term on {scale.perceptual_frames} frame of a batch"
    return said


def _carries(method: str) -> bool:
    return method in METHODS and METHODS[method].carries


def _each(lines: Sequence[Line], name: str) -> str:
    return ", ".join(sorted({str(line.get(name)) for line in lines}))


def measured(lines: Sequence[Line]) -> set[str]:
    """The metrics that every line has."""
    return set.intersection(*(set(line["metrics"]) for line in lines)) if lines else set()
