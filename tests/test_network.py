import pytest
import torch

from cleanplate import InputError
from cleanplate.paper.network import EncoderDecoder


def count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_papers_network_has_the_papers_size() -> None:
    assert count(EncoderDecoder(kind="2d", flow_channels=12, decoder_kernels=(3, 3))) == 3_508_363
    assert count(EncoderDecoder(kind="2d", flow_channels=12, decoder_kernels=(3, 1))) == 3_072_139
    assert count(EncoderDecoder("2d", 12)) - count(EncoderDecoder("2d", 0)) == 12 * 16 + 12


def test_layers_are_those_of_appendix_a() -> None:
    network = EncoderDecoder("2d", 12)
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) == 12 + 12 + 6 + 2
    assert all(m.bias is not None for m in convolutions)
    encoder = [m for block in network.down for m in block.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [m.out_channels for m in encoder] == [16, 16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128]
    assert {m.kernel_size for m in encoder} == {(5, 5)}
    assert [m.stride for m in encoder] == [(2, 2), (1, 1)] * 6
    decoder = [m for block in network.up for m in block.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [m.out_channels for m in reversed(decoder)] == [128] * 6 + [64, 64, 32, 32, 16, 16]
    volume = EncoderDecoder("3d", 0)
    kernels = [m.kernel_size for m in volume.modules() if isinstance(m, torch.nn.Conv3d)]
    assert kernels.count((3, 5, 5)) == 12
    assert kernels.count((3, 3, 3)) == 12
    assert kernels.count((1, 1, 1)) == 6 + 1


@torch.no_grad()
@pytest.mark.parametrize("kind", ["2d", "3d"])
@pytest.mark.parametrize("padding", ["zeros", "reflect"])
@pytest.mark.parametrize("size", [(33, 47), (64, 64), (50, 131), (96, 192)])
def test_any_size_comes_back(kind: str, padding: str, size: tuple[int, int]) -> None:
    network = EncoderDecoder(kind, 12, padding=padding)  # type: ignore[arg-type]
    frames, flow = network(torch.rand(2, 1, *size))
    assert frames.shape == (2, 3, *size)
    assert flow is not None
    assert flow.shape == (2, 12, *size)
    assert 0 <= float(frames.min()) <= float(frames.max()) <= 1
    assert float(frames.std()) > 0.01
    one, none = EncoderDecoder(kind, 0, padding=padding)(torch.rand(1, 1, *size))  # type: ignore[arg-type]
    assert one.shape == (1, 3, *size)
    assert none is None


def test_too_small_a_frame() -> None:
    with pytest.raises(InputError, match="frames are 40x20; a network of 6 blocks needs 32x32"):
        EncoderDecoder()(torch.rand(5, 1, 20, 40))


@torch.no_grad()
def test_2d_sees_each_frame_alone_but_for_the_batch_statistics_and_3d_does_not() -> None:
    noise = torch.rand(4, 1, 64, 64)
    shuffled = [2, 0, 3, 1]
    flat, volume = EncoderDecoder("2d", 0), EncoderDecoder("3d", 0)
    torch.testing.assert_close(flat(noise)[0][shuffled], flat(noise[shuffled])[0], atol=1e-4, rtol=1e-3)
    assert float((volume(noise)[0][shuffled] - volume(noise[shuffled])[0]).abs().mean()) > 1e-3


@torch.no_grad()
def test_parameters_come_from_the_generator_with_lecuns_variance() -> None:
    one, same, other = (EncoderDecoder(generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.frames.weight, other.frames.weight)  # type: ignore[arg-type]
    convolution = one.down[4][0][0]  # type: ignore[index]
    assert float(convolution.weight.std()) == pytest.approx((128 * 25) ** -0.5, rel=0.02)
    assert float(convolution.bias.abs().max()) == 0


def test_what_makes_no_network() -> None:
    with pytest.raises(InputError, match="at least one block"):
        EncoderDecoder(channels=())
