"""The tracker's network on arrays, against torch, and what a saved stage is packed as."""

import numpy as np
import pytest
import torch

from cleanplate.runtime.archive import packed, unpacked
from cleanplate.track.network import WEIGHT_DECAY, Network


def test_gradients_and_steps_are_those_of_torch() -> None:
    rng = np.random.default_rng(0)
    network = Network((5, 7, 6, 1), rng)
    layers = [torch.nn.Linear(a, b) for a, b in ((5, 7), (7, 6), (6, 1))]
    theirs = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
    with torch.no_grad():
        for layer, weights, offsets in zip(layers, network.parameters[::2], network.parameters[1::2], strict=True):
            layer.weight.copy_(torch.from_numpy(weights.T))
            layer.bias.copy_(torch.from_numpy(offsets))
    adam = torch.optim.Adam(theirs.parameters(), 0.01, weight_decay=WEIGHT_DECAY)
    for step in range(30):
        features, labels = rng.standard_normal((40, 5)).astype(np.float32), rng.integers(0, 2, 40).astype(np.float32)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            theirs(torch.from_numpy(features))[:, 0], torch.from_numpy(labels)
        )
        adam.zero_grad()
        loss.backward()
        if step in (0, 29):
            for mine, parameter in zip(network.gradients(features, labels), theirs.parameters(), strict=True):
                assert parameter.grad is not None
                np.testing.assert_allclose(mine, parameter.grad.numpy().T, atol=1e-5)
        network.learn(features, labels, 0.01)
        adam.step()
    others = rng.standard_normal((40, 5)).astype(np.float32)
    odds = theirs(torch.from_numpy(others))[:, 0].detach().numpy()
    np.testing.assert_allclose(network(others), odds, atol=1e-4)


def test_what_is_packed_comes_back() -> None:
    content = {
        "none": None,
        "number": np.float32(0.5),
        "flag": np.bool_(True),
        "words": ["a", 3, {"array": np.arange(6, dtype=np.float16).reshape(2, 3)}],
        "pair": (1, np.zeros((0, 8), np.float32)),
    }
    back = unpacked(bytes(packed(content)))
    assert back["none"] is None
    assert back["flag"] is True
    assert (back["number"], back["words"][:2], back["pair"][0]) == (0.5, ["a", 3], 1)
    np.testing.assert_array_equal(back["words"][2]["array"], content["words"][2]["array"])
    assert back["words"][2]["array"].dtype == np.float16
    assert back["pair"][1].shape == (0, 8)
    with pytest.raises(TypeError):
        packed({"object": object()})
