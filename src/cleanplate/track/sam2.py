"""SAM 2 (Ravi et al. 2024) as a tracker, for those who have its package and its weights; nothing is substituted."""

import contextlib
import importlib
import importlib.util
import os
import pickle
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from cleanplate.errors import InputError
from cleanplate.progress import OnStep, tell
from cleanplate.runtime.files import writing
from cleanplate.track.marks import Mark
from cleanplate.track.tracked import Tracked, check_length, check_marks, exact_masks, frames_to_review, small_size

CHECKPOINTS = {
    f"{release}_hiera_{name}.pt": f"configs/{release}/{release}_hiera_{letter}.yaml"
    for name, letter in (("large", "l"), ("base_plus", "b+"), ("small", "s"), ("tiny", "t"))
    for release in ("sam2.1", "sam2")
}
"""The published files, the best first, and the configuration that the package has for each."""

JPEG_QUALITY = 98  # SAM 2 reads its frames from a folder of JPEGs
OBJ_ID = 1  # the package numbers the objects; there is one


def find_checkpoint() -> Path:
    """The best of the published checkpoints in $CLEANPLATE_WEIGHTS.

    Raises:
        InputError: there is none.
    """
    folder = os.environ.get("CLEANPLATE_WEIGHTS")
    for name in CHECKPOINTS:
        if folder and (Path(folder) / name).is_file():
            return Path(folder) / name
    place = folder or "$CLEANPLATE_WEIGHTS, which is not set"
    raise InputError(
        f"there are no weights of SAM 2 in {place}",
        f"one of {', '.join(CHECKPOINTS)} is needed",
        "download it from the SAM 2 project, or use --method flow",
    )


def track_with_sam2(
    frames: Iterable[UInt8[np.ndarray, "H W 3"]],
    marks: Sequence[Mark],
    *,
    device: str = "auto",
    on_step: OnStep | None = None,
) -> Tracked:
    """As `tracker.track`: exact marks are given to it as masks, others as boxes.

    Raises:
        InputError: the package or the weights are missing, or as `tracker.track`.
    """
    predictor = _load_predictor(device)
    given = [mark for mark in marks if mark.area.any()]
    import torch  # with the package, which is there

    with tempfile.TemporaryDirectory(prefix="cleanplate-") as folder, _quiet(), torch.inference_mode():
        size, length = _write_frames(frames, Path(folder), marks, on_step)
        state = predictor.init_state(
            folder, offload_video_to_cpu=True, offload_state_to_cpu=True, async_loading_frames=length > 300
        )
        for mark in given:
            _prompt(predictor, state, mark)
        height, width = small_size(size)
        probability, confidence = np.zeros((length, height, width), np.uint8), np.zeros(length)
        done: set[int] = set()
        for frame_idx, probabilities in _propagate(predictor, state, min(mark.frame for mark in given)):
            small = cv2.resize(probabilities, (width, height), interpolation=cv2.INTER_AREA)
            probability[frame_idx] = np.round(255 * small)
            confidence[frame_idx] = 1 - np.minimum(small, 1 - small).sum() / max(1.0, small.sum())
            done.add(frame_idx)
            tell(on_step, "track", len(done), length)
    confidence = np.clip(confidence, 0, 1)
    return Tracked(probability, size, confidence, frames_to_review(confidence, marks), exact_masks(marks))


def _load_predictor(device: str) -> Any:
    """SAM 2's video predictor with the best checkpoint there is.

    Raises:
        InputError: the package or the weights are missing, or do not fit.
    """
    if importlib.util.find_spec("sam2") is None:
        raise InputError(
            "the package of SAM 2 is not installed", "--method sam2 needs it", "pip install sam2, or --method flow"
        )
    checkpoint = find_checkpoint()
    if device == "auto":
        import torch  # with the package, which is there

        device = "cuda" if torch.cuda.is_available() else "cpu"
    build = importlib.import_module("sam2.build_sam").build_sam2_video_predictor
    try:
        with _quiet():
            return build(CHECKPOINTS[checkpoint.name], str(checkpoint), device=device)
    except (RuntimeError, KeyError, EOFError, OSError, pickle.UnpicklingError) as error:
        needed, fix = "a checkpoint as published is needed", "download it again"
        raise InputError(f"{checkpoint} cannot be loaded ({type(error).__name__})", needed, fix) from error


def _prompt(predictor: Any, state: Any, mark: Mark) -> None:
    """Give SAM 2 a mark: a mask, or the box around a region."""
    if mark.is_exact:
        predictor.add_new_mask(state, mark.frame, OBJ_ID, mark.area)
        return
    left, top, width, height = mark.box
    box = np.array((left, top, left + width, top + height), np.float32)
    predictor.add_new_points_or_box(state, mark.frame, OBJ_ID, box=box)


def _propagate(predictor: Any, state: Any, start: int) -> Iterator[tuple[int, Float[np.ndarray, "H W"]]]:
    """Frame index and probability of each pixel, from a frame to the end and then back to the beginning."""
    for reverse in (False, True):
        for frame_idx, _, logits in predictor.propagate_in_video(state, start_frame_idx=start, reverse=reverse):
            yield frame_idx, logits[0, 0].float().sigmoid().cpu().numpy()


def _write_frames(
    frames: Iterable[np.ndarray], folder: Path, marks: Sequence[Mark], on_step: OnStep | None
) -> tuple[tuple[int, int], int]:
    """Write the frames as JPEGs named by their index, as SAM 2 reads them; their (height, width) and how many."""
    size, length = (0, 0), 0
    with writing(folder):
        for frame in frames:
            if not length:
                size = frame.shape[:2]
                check_marks(size, marks)
            options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
            _, data = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), options)
            (folder / f"{length:06d}.jpg").write_bytes(data.tobytes())
            length += 1
            tell(on_step, "read", length, length)
    check_length(length, marks)
    return size, length


@contextlib.contextmanager
def _quiet() -> Iterator[Any]:
    """Without the package's warnings of a missing CUDA extension, nor its progress bars where there is no terminal."""
    with warnings.catch_warnings(), contextlib.ExitStack() as stack:
        warnings.simplefilter("ignore")
        if not sys.stderr.isatty():
            nowhere = stack.enter_context(Path(os.devnull).open("w"))
            stack.enter_context(contextlib.redirect_stderr(nowhere))
        yield
