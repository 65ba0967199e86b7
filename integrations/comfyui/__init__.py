"""A ComfyUI node that removes what a mask covers from the frames of a video.

This folder goes, or is linked, into ComfyUI/custom_nodes; README.md beside it says how.
"""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

import torch

from cleanplate import METHODS, EffectsConfig, InputError, Step, stream
from cleanplate.config import DEFAULT_METHOD, DILATE_PX

OFFERED = [name for name, method in METHODS.items() if not method.needs_painter]
"""A painter is a file, which a node has no place for."""


class CleanplateInpaint:
    """The node."""

    CATEGORY = "image/video"
    DESCRIPTION = "Removes what the mask covers (white, or 1): real pixels of other frames first, then made-up ones."
    FUNCTION = "remove"
    RETURN_TYPES = ("IMAGE", "MASK", "MASK")
    RETURN_NAMES = ("frames", "provenance", "effects")
    OUTPUT_TOOLTIPS = (
        "The frames without it; elsewhere as they came.",
        "Where each pixel comes from: black known, grey carried from another frame, white made up.",
        "What was changed outside the mask: its shadow, and what the mask has missed.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """What goes in."""
        return {
            "required": {
                "frames": ("IMAGE", {"tooltip": "All frames of a shot, in order."}),
                "mask": ("MASK", {"tooltip": "White is removed. One for all frames, or one for each."}),
                "method": (OFFERED, {"default": DEFAULT_METHOD}),
                "effects": (["shadows", "all", "off"], {"default": "shadows"}),
                "grow_px": ("INT", {"default": DILATE_PX, "min": 0, "max": 256}),
                "seed": ("INT", {"default": 0, "min": 0, "max": 2**63 - 1}),
            }
        }

    def remove(
        self, frames: torch.Tensor, mask: torch.Tensor, method: str, effects: Any, grow_px: int, seed: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Remove what the mask covers.

        Args:
            frames: (T, H, W, 3 or 4) float32 in 0..1; alpha stays.
            mask: (T, H, W), (1, H, W) or (H, W) float32, above 0.5 where something goes.
            method: a name in METHODS.
            effects: which effects of the thing go with it; of methods that look for any.
            grow_px: radius the mask is grown by.
            seed: of everything random.

        Returns:
            frames as they came; provenance (T, H, W), 0, 0.5 or 1; effects (T, H, W), 0 or 1.

        Raises:
            InputError: masks that do not fit, in one line.
        """
        count, height, width = frames.shape[:3]
        masks = mask if mask.ndim == 3 else mask[None]
        if tuple(masks.shape[1:]) != (height, width):
            given = f"the mask is {masks.shape[2]}x{masks.shape[1]} and the frames are {width}x{height}"
            fix = "resize the mask (an image without transparency gives one of 64x64: use Load Image (as Mask))"
            raise InputError(given, "they must be of one size", fix)
        if len(masks) not in (1, count):
            given = f"there are {len(masks)} masks and {count} frames"
            raise InputError(given, "every frame needs its mask", "give as many, or one for all")
        chosen = METHODS[method]
        if chosen.carries:
            chosen = replace(chosen, effects=EffectsConfig(find=effects))
        with torch.inference_mode(False), torch.enable_grad():  # ComfyUI computes without gradients; networks learn
            cleaned, (provenance, changed) = frames.cpu().clone(), torch.zeros(2, count, height, width)
            pictures = [frame[..., :3].cpu().float().numpy() for frame in frames]
            holes = [one.cpu().float().numpy() for one in masks]
            holes = holes[0] if len(holes) == 1 else holes
            for plate in stream(pictures, holes, chosen, dilate_px=grow_px, seed=seed, on_step=_on_step(count)):
                cleaned[plate.index, ..., :3] = torch.from_numpy(plate.picture)
                provenance[plate.index] = torch.from_numpy(plate.provenance) / 2
                changed[plate.index] = torch.from_numpy(plate.effects)
        return cleaned, provenance, changed


def _on_step(count: int) -> Callable[[Step], None]:
    """Who is told of every step: ComfyUI's progress bar, and its button to cancel, which ends the run."""
    bar = import_module("comfy.utils").ProgressBar(count) if _is_there("comfy.utils") else None
    management = import_module("comfy.model_management") if _is_there("comfy.model_management") else None

    def on_step(step: Step) -> None:
        if management is not None:
            management.throw_exception_if_processing_interrupted()
        if bar is not None and step.stage != "read":
            bar.update_absolute(step.done, step.total)

    return on_step


def _is_there(module: str) -> bool:
    try:
        import_module(module)
    except ImportError:
        return False
    return True


NODE_CLASS_MAPPINGS = {"CleanplateInpaint": CleanplateInpaint}
NODE_DISPLAY_NAME_MAPPINGS = {"CleanplateInpaint": "Remove from video (cleanplate)"}
