"""What a run that learns can leave for those who study it: losses for TensorBoard, and pictures of how far it is."""

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from cleanplate.errors import InputError
from cleanplate.imaging.pixels import channels_last
from cleanplate.imaging.visualise import flow_picture
from cleanplate.progress import OnStep, Step
from cleanplate.runtime.files import writing
from cleanplate.video.images import write_png


def each_of(*callbacks: OnStep | None) -> OnStep:
    """Tell all of them."""

    def on_step(step: Step) -> None:
        for callback in callbacks:
            if callback is not None:
                callback(step)

    return on_step


@contextlib.contextmanager
def logs(log_dir: Path | None, pictures: Path | None) -> Iterator[list[OnStep]]:
    """The callbacks that write event files and pictures.

    Raises:
        InputError: TensorBoard is not installed, or a folder cannot be made.
    """
    records: list[OnStep] = []
    with contextlib.ExitStack() as stack:
        if log_dir is not None:
            records.append(stack.enter_context(_events(log_dir)))
        if pictures is not None:
            with writing(pictures):
                pictures.mkdir(parents=True, exist_ok=True)
            records.append(partial(_draw, pictures))
        yield records


@contextlib.contextmanager
def _events(log_dir: Path) -> Iterator[OnStep]:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError(
            "TensorBoard is not installed", "--log-dir writes its event files", "pip install tensorboard"
        ) from None
    with writing(log_dir):
        writer = SummaryWriter(str(log_dir))

    def on_step(step: Step) -> None:
        for name, value in step.losses.items():
            writer.add_scalar(f"{step.fit}/{name}", value, step.update)
        if step.frames is not None:
            middle = len(step.frames) // 2
            writer.add_image(f"{step.fit}/frame", step.frames[middle].clamp(0, 1), step.update)
            for (stride, direction), flow in step.flows.items():
                writer.add_image(
                    f"{step.fit}/flow{stride * direction:+}",
                    flow_picture(flow[middle].cpu().numpy()),
                    step.update,
                    dataformats="HWC",
                )

    try:
        yield on_step
    finally:
        writer.close()


def _draw(folder: Path, step: Step) -> None:
    """All frames and flows of a look; flow of one stride and direction is in one scale for all frames."""
    if step.frames is None:
        return
    at = folder / f"{step.fit}-{step.update:06}"
    for index, frame in enumerate(step.frames):
        write_png(at.with_name(f"{at.name}-frame-{index:05}.png"), channels_last(frame))
    for (stride, direction), flow in step.flows.items():
        largest_px = float(flow.norm(dim=1).max())
        for index, one in enumerate(flow):
            name = f"{at.name}-flow{stride * direction:+}-{index:05}.png"
            write_png(at.with_name(name), flow_picture(one.cpu().numpy(), largest_px))
