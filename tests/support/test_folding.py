"""Batch norm folded into convolutions: the same numbers, in float64 to ten digits."""

import pytest
import torch
from torch import Tensor, nn

from slae_lib.blocks import NoiseInjection
from slae_lib.config import ModelConfig
from slae_lib.generator import Generator
from slae_lib.support.folding import fold_batch_norm
from slae_lib.support.spectral_norm import fold_spectral_norm


class Pair(nn.Module):
    """Convolution and norm with the names that torchvision's Inception gives them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, bias=False)
        self.bn = nn.BatchNorm2d(4, eps=0.001)

    def forward(self, images: Tensor) -> Tensor:
        return torch.relu(self.bn(self.conv(images)))


def lived(network: nn.Module) -> nn.Module:
    """Give all numbers and statistics of a network other values than they start with."""
    source = torch.Generator().manual_seed(0)
    for value in (*network.parameters(), *network.buffers()):
        if value.is_floating_point():
            value.data = torch.rand(value.shape, generator=source, dtype=torch.float64) + 0.1
    return network.double().eval().requires_grad_(False)


def norms(network: nn.Module) -> int:
    return sum(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())


@pytest.mark.parametrize(
    ("layers", "left"),
    [
        ([nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)], 0),
        ([nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6), nn.GLU(1), nn.BatchNorm2d(3)], 1),
        ([nn.ConvTranspose2d(3, 5, 4, 2), nn.BatchNorm2d(5)], 0),
        ([nn.Conv2d(3, 4, 3), NoiseInjection(), nn.BatchNorm2d(4), nn.ReLU()], 0),
        ([nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)], 1),
        ([NoiseInjection(), nn.BatchNorm2d(3)], 1),
        ([nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4)], 1),
        ([Pair(), nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2)], 0),
    ],
)
def test_folded_layers_say_the_same(layers: list[nn.Module], left: int) -> None:
    network = lived(nn.Sequential(*layers))
    images = torch.randn(2, 3, 9, 9, dtype=torch.float64)
    expected = network(images)
    assert fold_batch_norm(network, between=(NoiseInjection,)) is network
    assert norms(network) == left
    torch.testing.assert_close(network(images), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("skip", ["sle", "slae"])
def test_a_folded_generator_makes_the_same_images(skip: str) -> None:
    config = ModelConfig(64, width=8, noise_dim=16, metadata=False, skip=skip)
    generator = Generator(config).double()
    for layer in generator.modules():
        if isinstance(layer, NoiseInjection):
            layer.weight.data.fill_(0.5)  # it starts at 0 and would add nothing
    for _ in range(30):  # until its batch norms know what comes
        generator(torch.randn(16, 16, dtype=torch.float64))
    fold_spectral_norm(generator).eval().requires_grad_(False)
    noise = torch.randn(3, 16, dtype=torch.float64)
    expected = generator(noise).image
    assert expected.std() > 0.01
    fold_batch_norm(generator, between=(NoiseInjection,))
    assert norms(generator) == 0
    torch.testing.assert_close(generator(noise).image, expected, rtol=0, atol=1e-10)
