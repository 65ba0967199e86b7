"""The command `compose`: make clips with ground truth."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from cleanplate.commands.console import Output, progress
from cleanplate.config import DILATE_PX, RoughMask
from cleanplate.errors import InputError


@dataclass(frozen=True)
class Compose:
    """Make clips with ground truth: the object of one shot over another shot.

    With a background, an object and its mask, one clip is added to a data folder. With a data folder alone, the paper's
    dataset is made of it: a segment of each background, with some masks drawn at random.
    """

    background: Annotated[Positional[Path], arg(metavar="BACKGROUND")]
    """A video or a folder of images without the object; or a data folder."""
    object: Annotated[Positional[Path | None], arg(metavar="OBJECT")] = None
    """A video or a folder of images with the object."""
    mask: Annotated[Positional[Path | None], arg(metavar="OBJECT_MASK")] = None
    """Its mask, frame by frame."""
    output: Output = Path("composed")
    """The data folder to add to: davis/frames, davis/masks, davis/truth, composed.json with sha256 of everything."""
    name: str | None = None
    """Of the clip; BACKGROUND+OBJECT if not given."""
    size: Annotated[tuple[int, int] | None, arg(metavar="HEIGHT WIDTH")] = None
    """Resize and centre-crop both to this; the background as it is, and the object to its size, if not given."""
    start: int = 0
    """First frame of the background."""
    frames: int = 60
    """Length, if both shots have as many; the paper's is 60."""
    dilate_px: int = DILATE_PX
    """Pixels to grow the mask by: that is the hole."""
    shadow: bool = False
    """Let the object cast a shadow on the background, drawn by the seed; its density is written to davis/density."""
    rough_mask: RoughMask | None = None
    """Write a mask that is wrong as real ones are, and the right one to davis/right_masks: shrunk by 3 to 8 px, shifted
    by 6 px, limb (a sixth of the object is missing at one end), or any of these."""
    masks_per_background: int = 5
    """Of the paper's dataset."""
    seed: int = 0
    """Of random choices: the paper's dataset, shadows, rough masks."""
    overwrite: bool = False
    """Replace clips of the same name."""

    def run(self) -> None:
        """Write the clips."""
        from cleanplate.data.write import compose_dataset, compose_files

        self._check()
        with progress() as on_step:
            if self.object is None or self.mask is None:
                names = compose_dataset(
                    self.background,
                    self.output,
                    size=self.size,
                    dilate_px=self.dilate_px,
                    overwrite=self.overwrite,
                    masks_per_background=self.masks_per_background,
                    count=self.frames,
                    shadow=self.shadow,
                    rough=self.rough_mask,
                    seed=self.seed,
                    on_step=on_step,
                )
            else:
                name = compose_files(
                    self.background,
                    self.object,
                    self.mask,
                    self.output,
                    name=self.name,
                    frames=(self.start, self.start + self.frames),
                    size=self.size,
                    dilate_px=self.dilate_px,
                    shadow=self.shadow,
                    rough=self.rough_mask,
                    seed=self.seed,
                    overwrite=self.overwrite,
                    on_step=on_step,
                )
                names = [name]
        print(f"{self.output}: {len(names)} clip{'s' * (len(names) > 1)} ({', '.join(names)})")

    def _check(self) -> None:
        if (self.object is None) != (self.mask is None):
            raise InputError(f"OBJECT {self.object} has no OBJECT_MASK", "both are needed, or neither", "give both")
        if min(self.frames, self.masks_per_background) < 1 or min(self.start, self.dilate_px) < 0:
            given = f"--frames {self.frames} --masks-per-background {self.masks_per_background} --start {self.start}"
            needed = "at least 1 of the first two, and no number below 0, are needed"
            raise InputError(f"{given} --dilate-px {self.dilate_px}", needed, "raise what is too small")
        if self.object is None and (self.name is not None or self.start):
            raise InputError("--name and --start are of one clip", "OBJECT and OBJECT_MASK are needed", "drop them")
        if max(self.frames, self.start) >= 2**31:
            given = f"--frames {self.frames} --start {self.start}"
            raise InputError(given, "less than 2^31 is needed", "count frames of the shot")
