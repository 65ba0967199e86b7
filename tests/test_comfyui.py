"""The ComfyUI node, loaded and called as ComfyUI does, with stand-ins for its modules."""

import importlib.util
import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cleanplate import InputError
from tests.conftest import panning, walking_hole

FOLDER = Path(__file__).parents[1] / "integrations/comfyui"
FRAMES = panning(6).permute(0, 2, 3, 1).contiguous()
MASKS = walking_hole(6, step=2)[:, 0].float()


@pytest.fixture
def package() -> Any:
    """As ComfyUI loads a folder of custom_nodes."""
    spec = importlib.util.spec_from_file_location("custom_nodes_cleanplate", FOLDER / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def comfy(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """What ComfyUI has: a bar, and whether somebody has cancelled."""
    state = types.SimpleNamespace(told=[], cancel_after=None)

    class ProgressBar:
        def __init__(self, total: int):
            state.total = total

        def update_absolute(self, value: int, total: int | None = None, preview: Any = None) -> None:
            state.told.append((value, total))

    class InterruptProcessingException(Exception):
        pass

    def throw_exception_if_processing_interrupted() -> None:
        if state.cancel_after is not None and len(state.told) >= state.cancel_after:
            raise InterruptProcessingException

    state.interrupt = InterruptProcessingException
    modules = {name: types.ModuleType(name) for name in ("comfy", "comfy.utils", "comfy.model_management")}
    vars(modules["comfy.utils"])["ProgressBar"] = ProgressBar
    vars(modules["comfy.model_management"])["throw_exception_if_processing_interrupted"] = (
        throw_exception_if_processing_interrupted
    )
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return state


def call(package: Any, frames: torch.Tensor, mask: torch.Tensor, **given: Any) -> tuple[torch.Tensor, ...]:
    """As ComfyUI's executor: every input by its name, under inference mode, results by RETURN_TYPES."""
    node = package.NODE_CLASS_MAPPINGS["CleanplateInpaint"]
    inputs = node.INPUT_TYPES()["required"]
    values = {name: kind[1].get("default") for name, kind in inputs.items() if len(kind) > 1}
    with torch.inference_mode():
        found = getattr(node(), node.FUNCTION)(**{**values, "frames": frames, "mask": mask, "method": "carry", **given})
    assert len(found) == len(node.RETURN_TYPES) == len(node.RETURN_NAMES) == len(node.OUTPUT_TOOLTIPS)
    return found


def test_what_is_white_is_removed_and_nothing_else_is_touched(package: Any) -> None:
    before = FRAMES.clone()
    painted = FRAMES.where(MASKS[..., None] < 0.5, 0.9)
    frames, provenance, effects = call(package, painted, MASKS, grow_px=0, effects="off")
    assert (frames.shape, frames.dtype) == (FRAMES.shape, torch.float32)
    assert provenance.shape == effects.shape == MASKS.shape
    assert torch.equal(frames[MASKS < 0.5], FRAMES[MASKS < 0.5])
    assert (frames - FRAMES)[MASKS > 0.5].abs().mean() < 0.03
    assert torch.equal(provenance > 0, MASKS > 0.5)
    assert set(provenance.unique().tolist()) <= {0, 0.5, 1}
    assert not effects.any()
    assert torch.equal(before, FRAMES)


@pytest.mark.parametrize("mask", [MASKS[0], MASKS[:1]])
def test_one_mask_for_all_frames_grown_and_alpha_stays(package: Any, mask: torch.Tensor) -> None:
    with_alpha = torch.cat((FRAMES, torch.rand(*FRAMES.shape[:3], 1)), -1)
    frames, provenance, _ = call(package, with_alpha, mask, method="telea", grow_px=2)
    assert torch.equal(frames[..., 3], with_alpha[..., 3])
    assert (provenance[:, MASKS[0] > 0.5] == 1).all()
    assert (provenance > 0).sum() > 6 * (MASKS[0] > 0.5).sum()


def test_the_bar_is_told_and_cancel_ends_it(package: Any, comfy: Any) -> None:
    call(package, FRAMES, MASKS)
    assert comfy.total == 6
    assert comfy.told[-1][0] == comfy.told[-1][1]
    comfy.told.clear()
    comfy.cancel_after = 3
    with pytest.raises(comfy.interrupt):
        call(package, FRAMES, MASKS)
    assert len(comfy.told) == 3


def test_a_method_that_learns_does_so_though_comfyui_wants_no_gradients(package: Any) -> None:
    package.METHODS = dict(package.METHODS)
    method = package.METHODS["dip-vid"]
    short = package.replace(method, schedule=package.replace(method.schedule, passes=1, steps_per_batch=1))
    package.METHODS["dip-vid"] = short
    frames, provenance, _ = call(package, FRAMES, MASKS, method="dip-vid", grow_px=0)
    assert torch.equal(provenance, MASKS)
    assert torch.isfinite(frames).all()


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (torch.zeros(1, 64, 64), "the mask is 64x64 and the frames are 96x64"),
        (MASKS[:4], "there are 4 masks and 6 frames"),
        (torch.zeros(1, 64, 96), "the mask marks nothing"),
        (torch.ones(64, 96), "the mask marks every pixel"),
    ],
)
def test_a_mask_that_does_not_fit_is_told_in_a_line(package: Any, mask: torch.Tensor, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        call(package, FRAMES, mask)
    assert "\n" not in str(error.value)


def test_what_comfyui_reads(package: Any) -> None:
    assert package.NODE_CLASS_MAPPINGS.keys() == package.NODE_DISPLAY_NAME_MAPPINGS.keys()
    required = package.CleanplateInpaint.INPUT_TYPES()["required"]
    assert required["frames"][0] == "IMAGE"
    assert required["mask"][0] == "MASK"
    for kind, options in required.values():
        assert isinstance(kind, str) or options["default"] in kind
    assert "yu" not in required["method"][0]


def test_the_workflow_holds_together(package: Any) -> None:
    workflow = json.loads((FOLDER / "workflow.json").read_text())
    nodes = {node["id"]: node for node in workflow["nodes"]}
    for number, source, out, target, into, kind in workflow["links"]:
        assert number in nodes[source]["outputs"][out]["links"]
        assert nodes[source]["outputs"][out]["type"] == kind
        assert nodes[target]["inputs"][into]["link"] == number
        assert nodes[target]["inputs"][into]["type"] == kind
    (ours,) = (node for node in nodes.values() if node["type"] in package.NODE_CLASS_MAPPINGS)
    node = package.NODE_CLASS_MAPPINGS[ours["type"]]
    assert tuple(out["type"] for out in ours["outputs"]) == node.RETURN_TYPES
    assert tuple(out["name"] for out in ours["outputs"]) == node.RETURN_NAMES
    required = node.INPUT_TYPES()["required"]
    assert [one["name"] for one in ours["inputs"]] == list(required)[:2]
    # A seed has a second widget, for what becomes of it after a run.
    method, effects, grow_px, seed, after = ours["widgets_values"]
    assert method in required["method"][0]
    assert effects in required["effects"][0]
    assert (grow_px, seed, after) == (required["grow_px"][1]["default"], 0, "fixed")
    assert np.isfinite(workflow["version"])
