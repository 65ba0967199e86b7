"""Painters: small networks made here that take and give what the known ones do."""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cleanplate import METHODS, Clip, InputError, inpaint
from cleanplate.config import Method, UnseenConfig
from cleanplate.unseen import painters
from cleanplate.unseen.painters import check_painter, painted_guide


class Lama(nn.Module):
    """Paints red, and refuses what the real one would."""

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        assert image.shape[2] % 8 == 0
        assert image.shape[3] % 8 == 0
        red = torch.zeros_like(image)
        red[:, 0] = 0.8
        return red * mask + image * (1 - mask)


class Migan(nn.Module):
    """Paints the mean of what is known of the picture."""

    def forward(self, x: Tensor) -> Tensor:
        assert x.shape == (1, 4, 512, 512)
        known = x[:, :1] + 0.5
        assert float((x[:, 1:] * (1 - known)).abs().max()) == 0  # grey where it is to be painted
        mean = (x[:, 1:] * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True)
        return mean.expand(1, 3, 512, 512)


class Small(nn.Module):
    """Gives something of another size."""

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return image[:, :, :8, :8] + mask.mean()


class Nothing(nn.Module):
    """Gives no numbers."""

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return image / 0 * 0 + mask


def saved(folder: Path, network: nn.Module) -> str:
    path = folder / f"{type(network).__name__.lower()}.pt"
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # what users have is TorchScript
        torch.jit.script(network).save(str(path))
    return str(path)


def case() -> tuple[np.ndarray, np.ndarray]:
    hole = np.zeros((50, 70), bool)
    hole[20:35, 25:50] = True
    return np.full((50, 70, 3), 100, np.uint8), hole


def test_lama_is_given_sides_of_eight_and_its_picture_is_put_into_the_hole(tmp_path: Path) -> None:
    picture, hole = case()
    made = painted_guide(picture, hole, UnseenConfig(painter=saved(tmp_path, Lama()), painter_kind="lama"), "cpu")
    np.testing.assert_array_equal(made[~hole], 100)
    assert set(map(tuple, made[hole].tolist())) == {(204, 0, 0)}


def test_migan_is_given_512_and_four_channels(tmp_path: Path) -> None:
    picture, hole = case()
    picture[hole] = 255  # never seen
    made = painted_guide(picture, hole, UnseenConfig(painter=saved(tmp_path, Migan()), painter_kind="migan"), "cpu")
    np.testing.assert_array_equal(made[~hole], 100)
    assert abs(made[hole].astype(int) - 100).max() <= 1


def test_a_large_picture_is_painted_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(painters, "MOST_PX", 1000)
    picture, hole = case()
    made = painted_guide(picture, hole, UnseenConfig(painter=saved(tmp_path, Lama()), painter_kind="lama"), "cpu")
    assert made.shape == (25, 35, 3)


def method_with(path: str, kind: str = "lama") -> Method:
    return replace(METHODS["carry-learn"], unseen=UnseenConfig(painter=path, painter_kind=kind))  # type: ignore[arg-type]


def still() -> Clip:
    hole = torch.zeros(3, 1, 64, 96, dtype=torch.bool)
    hole[..., 20:44, 30:66] = True
    return Clip(torch.full((3, 3, 64, 96), 0.4), hole)


def test_what_is_painted_once_is_carried_to_all_frames(tmp_path: Path) -> None:
    clip = still()
    plate = inpaint(clip, method_with(saved(tmp_path, Lama())), device="cpu")
    assert torch.equal(plate.provenance == 2, clip.hole)
    red = plate.frames.permute(0, 2, 3, 1)[clip.hole[:, 0]]
    torch.testing.assert_close(red, torch.tensor([0.8, 0.0, 0.0]).expand_as(red), atol=0.01, rtol=0)


def test_copies_take_the_place_of_what_was_painted_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The painter says red; half of the known picture is."""
    monkeypatch.setattr(painters, "MOST_PX", 2000)
    clip = still()
    clip.frames[:, :, :, :20] = torch.tensor([0.8, 0.0, 0.0]).view(1, 3, 1, 1)
    plate = inpaint(clip, method_with(saved(tmp_path, Lama())), device="cpu")
    made = plate.frames.permute(0, 2, 3, 1)[clip.hole[:, 0]]
    assert float((made - torch.tensor([0.8, 0.0, 0.0])).abs().mean()) < 0.1


def test_a_published_file_is_known_by_what_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, Lama())
    with pytest.raises(InputError, match="none of the painters known"):
        check_painter(UnseenConfig(painter=path))
    digest = check_painter(UnseenConfig(painter=path, painter_kind="lama"))
    monkeypatch.setitem(painters.PAINTERS, "lama", replace(painters.PAINTERS["lama"], md5=digest))
    assert check_painter(UnseenConfig(painter=path)) == digest
    assert check_painter(UnseenConfig()) == ""


@pytest.mark.parametrize(("network", "said"), [(Small(), "made .* of"), (Nothing(), "no numbers"), (Migan(), "failed")])
def test_a_network_of_another_kind(network: nn.Module, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        painted_guide(*case(), UnseenConfig(painter=saved(tmp_path, network), painter_kind="lama"), "cpu")


def test_what_is_no_network_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "broken.pt").write_bytes(b"no network")
    for path, said in (("none.pt", "none.pt"), ("broken.pt", "cannot be loaded"), (".", "is not a file")):
        with pytest.raises(InputError, match=said) as caught:
            inpaint(still(), method_with(str(tmp_path / path)), on_step=lambda _: pytest.fail("it has begun"))
        assert "\n" not in str(caught.value)


def test_a_file_that_was_written_anew_is_loaded_anew(tmp_path: Path) -> None:
    picture, hole = case()
    config = UnseenConfig(painter=saved(tmp_path, Lama()), painter_kind="lama")
    red = painted_guide(picture, hole, config, "cpu")
    Path(saved(tmp_path, Nothing())).replace(str(config.painter))
    with pytest.raises(InputError, match="made no numbers"):
        painted_guide(picture, hole, config, "cpu")
    saved(tmp_path, Lama())
    np.testing.assert_array_equal(painted_guide(picture, hole, config, "cpu"), red)
