"""Results to the paper's figures, each as PNG and PDF. Needs matplotlib (extra `experiments`)."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.figure import Figure

from cleanplate.data.compose import Composed
from cleanplate.errors import InputError
from cleanplate.experiments.report import TITLES, caption, complexities
from cleanplate.experiments.results import Line
from cleanplate.imaging.pixels import to_samples
from cleanplate.imaging.tensors import all_samples
from cleanplate.imaging.visualise import flow_picture
from cleanplate.runtime.files import whole

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")  # Okabe & Ito
MARKERS = "osD^vP*X"
HIDDEN = (128, 128, 128)
SHOWN_EVALUATIONS, SHOWN_FRAMES = 6, 2
ASPECT = 1.16  # of the height of a picture with its title to that of the picture

Plates = dict[str, dict[str, np.ndarray]]


def fig4(plates: Plates, composed: Composed, lines: Sequence[Line]) -> Figure:
    """What the networks of the paper make of a clip, and ours."""
    return _frames_of(plates, composed, caption("Fig. 4: frames of the result of each method.", lines))


def fig6(plates: Plates, composed: Composed, lines: Sequence[Line]) -> Figure:
    """What its rivals make of a clip, the paper's method and ours."""
    return _frames_of(plates, composed, caption("Fig. 6: frames of the result of each method and its rivals.", lines))


def _frames_of(plates: Plates, composed: Composed, text: str) -> Figure:
    """Three frames of a clip, the hole outlined, of each method and of the truth: a column each."""
    truth, hole = all_samples(composed.truth), composed.clip.hole[:, 0].numpy()
    columns = {"input": np.where(hole[..., None], np.array(HIDDEN, np.uint8), truth)}
    columns |= {TITLES.get(name, name): plate["frames"] for name, plate in plates.items()} | {"truth": truth}
    rows: list[list[tuple[str, np.ndarray]]] = []
    for index in np.linspace(0, len(truth) - 1, SHOWN_FRAMES + 2).round().astype(int)[1:-1]:
        outline, _ = cv2.findContours(hole[index].astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        row = []
        for name, frames in columns.items():
            picture = frames[index].copy()
            if name != "truth":
                cv2.drawContours(picture, outline, -1, (255, 0, 0), 1)
            row.append((f"frame {index}, {name}" if name == "input" else name, picture))
        rows += [row[part : part + 3] for part in range(0, len(row), 3)]
    return _grid(rows, text)


def fig5(plates: Plates, composed: Composed, lines: Sequence[Line]) -> Figure:
    """A row of the picture over time, for each method: a good fill leaves no trace in it.

    The row is the one with the most hidden pixels; time runs downwards.
    """
    truth, hole = all_samples(composed.truth), composed.clip.hole[:, 0].numpy()
    row = int(hole.sum((0, 2)).argmax())
    middle = len(truth) // 2
    shown = truth[middle].copy()
    shown[hole[middle]] = HIDDEN
    cv2.line(shown, (0, row), (shown.shape[1] - 1, row), (240, 228, 66), 1)
    given = truth[:, row].copy()
    given[hole[:, row]] = HIDDEN
    strips = {"input": given, "truth": truth[:, row]}
    strips |= {TITLES.get(name, name): plate["frames"][:, row] for name, plate in plates.items()}
    size = truth.shape[1], truth.shape[2]
    pictures = [("the row", shown)]
    pictures += [
        (name, cv2.resize(strip, size[::-1], interpolation=cv2.INTER_NEAREST)) for name, strip in strips.items()
    ]
    return _grid([pictures[i : i + 3] for i in range(0, len(pictures), 3)], caption("Fig. 5: a row over time.", lines))


def fig7(lines: Sequence[Line], methods: Sequence[str]) -> Figure:
    """Mean PSNR and SSIM of the clips whose complexity is above a threshold."""
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    total = complexities(lines)
    for axes, (metric, title) in zip(
        figure.subplots(1, 2), (("psnr_db", "PSNR (dB), full frame"), ("ssim", "SSIM, full frame")), strict=True
    ):
        for index, method in enumerate(methods):
            own = [line for line in lines if line["method"] == method]
            levels = sorted({total[line["clip"]] for line in own})
            values = [
                _mean([line["metrics"][metric] for line in own if total[line["clip"]] >= level]) for level in levels
            ]
            _curve(axes, index, levels, values, TITLES.get(method, method))
        axes.set_xlabel("complexity of the clips is at least")
        axes.set_ylabel(title)
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=8)
    return _captioned(figure, caption("Fig. 7: performance over complexity.", lines))


def fig8(plate: dict[str, np.ndarray], composed: Composed, lines: Sequence[Line]) -> Figure:
    """What the network makes of the middle frame, and its flow to the next one, as it learns."""
    updates = plate["evaluation_updates"]
    # Evenly in the logarithm: most happens at the beginning.
    wanted = np.geomspace(updates[0], updates[-1], SHOWN_EVALUATIONS)
    chosen = sorted({int(np.abs(updates - update).argmin()) for update in wanted})
    hole = composed.clip.hole[len(composed.truth) // 2, 0].numpy().astype(np.uint8)
    outline, _ = cv2.findContours(hole, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = max(float(np.hypot(*plate["evaluation_flows"][index]).max()) for index in chosen)
    frames, flows = [], []
    for index in chosen:
        picture = plate["evaluation_frames"][index].copy()
        cv2.drawContours(picture, outline, -1, (255, 0, 0), 1)
        frames.append((f"{updates[index]} updates", picture))
        flows.append(("", to_samples(flow_picture(plate["evaluation_flows"][index], largest))))
    text = "Fig. 8: frames and flow to the next frame during training; hue is the direction, value the magnitude."
    return _grid([frames, flows], caption(text, lines))


def fig9(plate: dict[str, np.ndarray], composed: Composed, lines: Sequence[Line]) -> Figure:
    """How alike a patch and its surroundings are, in our encoder's features and in VGG16's."""
    truth = all_samples(composed.truth)
    row, column, patch_px = (int(value) for value in plate["reference"])
    rows: list[list[tuple[str, np.ndarray]]] = [[], [], []]
    for index, t in enumerate(plate["similarity_frames"]):
        picture = truth[t].copy()
        if index == len(plate["similarity_frames"]) // 2:
            corner = column * patch_px, row * patch_px
            cv2.rectangle(picture, corner, (corner[0] + patch_px - 1, corner[1] + patch_px - 1), (255, 0, 0), 1)
        rows[0].append((f"frame {t}", picture))
        for out, name in zip(rows[1:], ("similarity_ours", "similarity_vgg16"), strict=True):
            all_ = plate[name]
            opacity = (all_[index] - all_.min()) / max(float(all_.max() - all_.min()), 1e-6)
            whole_ = cv2.resize(opacity, None, fx=patch_px, fy=patch_px, interpolation=cv2.INTER_NEAREST)
            alpha = np.zeros(truth[t].shape[:2], np.float32)
            height, width = (min(a, b) for a, b in zip(whole_.shape, alpha.shape, strict=True))
            alpha[:height, :width] = whole_[:height, :width]
            seen = truth[t] * alpha[..., None] + 255 * (1 - alpha[..., None])
            out.append((("ours" if name.endswith("ours") else "VGG16") * (index == 0), seen.astype(np.uint8)))
    text = "Fig. 9: opacity is the cosine similarity of features to those of the patch in red, from least to most."
    return _grid(rows, caption(text, lines))


def fig10(lines: Sequence[Line]) -> Figure:
    """Generated known pixels, full frames and consistency over the length of the window, a row for each method."""
    methods = [name for name in TITLES if any(line["method"] == name for line in lines)]
    figure = Figure(figsize=(12, 3.6 * len(methods) + 0.6), layout="constrained")
    panels = (
        ("PSNR (dB)", (("generated_known_psnr_db", "known pixels as generated"), ("psnr_db", "full frame, fused"))),
        ("SSIM", (("generated_known_ssim", "known pixels as generated"), ("ssim", "full frame, fused"))),
        ("PSNR (dB), in the hole", (("consistency_psnr_db", "consistency"), ("hole_psnr_db", "to the truth"))),
    )
    for row, method in zip(figure.subplots(len(methods), 3, squeeze=False), methods, strict=True):
        own = [line for line in lines if line["method"] == method]
        longest = max(line["n_frames"] for line in own)
        windows = sorted({longest if line["window"] == line["n_frames"] else line["window"] for line in own})
        for axes, (title, curves) in zip(row, panels, strict=True):
            for index, (metric, name) in enumerate(curves):
                # A clip shorter than a window is the window.
                values = [
                    _mean([line["metrics"][metric] for line in own if line["window"] == min(window, line["n_frames"])])
                    for window in windows
                ]
                _curve(axes, index, windows, values, name)
            axes.set_xscale("log")
            axes.set_xticks(windows, [str(window) for window in windows])
            axes.minorticks_off()
            axes.set_xlabel("window length k (frames)")
            axes.set_ylabel(title)
            axes.grid(alpha=0.3)
            axes.legend(fontsize=8)
        row[0].set_title(TITLES[method], fontsize=9, loc="left")
    return _captioned(figure, caption("Fig. 10: influence of window length.", lines))


def write_figure(figure: Figure, name: str, folder: Path) -> list[Path]:
    """As PNG and PDF."""
    written = []
    for suffix in ("png", "pdf"):
        path = folder / f"{name}.{suffix}"
        with whole(path) as partial:
            figure.savefig(partial, dpi=150, format=suffix)
        written.append(path)
    return written


def _mean(values: Sequence[float | None]) -> float:
    """Of those that are defined; nan, which leaves a gap in a curve, if none is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else float("nan")


def _curve(axes: Any, index: int, x: Sequence[float], y: Sequence[float], name: str) -> None:
    style = {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)], "markersize": 4}
    axes.plot(x, y, label=name, **style)


def _grid(rows: Sequence[Sequence[tuple[str, np.ndarray]]], text: str) -> Figure:
    """Pictures in rows, each with its title."""
    if not rows or not rows[0]:
        raise InputError("there is nothing to show", "at least one picture is needed", "run more cells")
    columns = max(len(row) for row in rows)
    height, width = rows[0][0][1].shape[:2]
    each = 12 / columns
    figure = Figure(figsize=(12, each * height / width * ASPECT * len(rows) + 0.8), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for of_row, row in zip(axes, rows, strict=True):
        for one in of_row:
            one.axis("off")
        for one, (title, picture) in zip(of_row, row, strict=False):
            one.imshow(picture, interpolation="nearest")
            one.set_title(title, fontsize=9)
    return _captioned(figure, text)


def _captioned(figure: Figure, text: str) -> Figure:
    figure.supxlabel("\n".join(textwrap.wrap(text, 190)), fontsize=6.5, ha="center")
    return figure
