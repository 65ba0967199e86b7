"""What goes with the thing outside its mask (its shadow), as a project has it: found, painted, wanted or not."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cleanplate.commands.inpaint import Inpaint
from cleanplate.commands.options import options as all_options
from cleanplate.commands.settings import Value
from cleanplate.config import NO_EFFECTS
from cleanplate.studio.finding import Drawn, Found
from cleanplate.studio.marks import Marks
from cleanplate.studio.store import Store
from cleanplate.studio.tracking import MASK_FILE

OPTION = next(option.name for option in all_options().values() if option.group == "effects")
"""What says on the command line whether effects are found."""


class ShotEffects:
    """The effects of a shot.

    Args:
        store: the files of the project.
    """

    def __init__(self, store: Store):
        self.store = store
        self.edits = Marks(store.edits)
        """What is painted in place of what was found, by frame."""
        self.clear()

    def clear(self) -> None:
        """Begin anew; the files are gone."""
        self.edits.clear()
        self.found: Found | None = None
        """None if nobody has looked since the mask was made."""
        self.carries = True
        """Whether the method that is chosen carries: those that do remove effects if nothing else is said."""
        self.chosen: bool | None = None
        """What the user has said to that."""

    @property
    def wanted(self) -> bool:
        """Whether they are to be removed with the thing."""
        return self.carries if self.chosen is None else self.chosen

    @property
    def shown(self) -> bool:
        """Whether they are there to be shown, and to be painted."""
        return self.found is not None and self.wanted

    def passed_on(
        self, options: Inpaint, settings: Mapping[str, Value], run: Path
    ) -> tuple[Inpaint, dict[str, Value], Drawn | None]:
        """What to remove, so that what is shown is what goes.

        As they were found they are found again, and their soft edges are blended. What was painted, or what a method is
        to remove that would not look for it, becomes a part of the mask.

        Args:
            options: as set under Advanced, with the mask of the thing.
            settings: the same as a file.
            run: folder of the result, and of its mask if that is to be made.

        Returns:
            options and settings as they are to be, and what their mask is made of if it is not that of the thing.
        """
        finds, settings = options.settings.effects.find != "off", dict(settings)
        wanted = options.settings.carries if self.chosen is None else self.chosen
        drawn = None
        if wanted and self.found is not None and (self.edits.versions or (self.found.frames and not finds)):
            edited = frozenset(self.edits.versions)
            drawn = Drawn(self.store.root, options.masks()[0][0], options.invert_mask, options.dilate_px, edited)
            options = replace(options, mask=run / MASK_FILE, dilate_px=0, invert_mask=False)
            settings.pop("invert-mask", None)
            settings["dilate-px"] = 0
        if finds and (drawn is not None or not wanted):
            options = replace(options, settings=replace(options.settings, effects=NO_EFFECTS))
            settings[OPTION] = "off"
        return options, settings, drawn
