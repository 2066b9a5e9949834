"""The discriminator: published sizes, shapes, decoders and their targets."""

import pytest
import torch
from torch import nn

from slae_lib.config import ModelConfig
from slae_lib.discriminator import Discriminator, crop_quarter, downsample


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("resolution", "expected"), [(256, 11_526_160), (512, 11_526_496), (1024, 11_528_192)]
)
def test_fastgan_has_the_published_number_of_parameters(resolution: int, expected: int) -> None:
    discriminator = Discriminator(ModelConfig(resolution=resolution))
    assert parameters(discriminator) == expected
    decoders = (
        discriminator.decode_image,
        discriminator.decode_quarter,
        discriminator.decode_small,
    )
    assert sum(map(parameters, decoders)) == 3_139_488


@pytest.mark.parametrize("resolution", [64, 128, 256, 512, 1024])
def test_logits_and_reconstructions_of_every_resolution(resolution: int) -> None:
    config = ModelConfig(resolution=resolution, width=8)
    discriminator = Discriminator(config)
    image = torch.rand(2, 3, resolution, resolution) * 2 - 1
    side = config.small_resolution
    small = downsample(image, side)
    with torch.no_grad():
        output = discriminator(image, small, quarter=3)
        assert discriminator(image, small).reconstructions == ()
    assert output.logits.shape == (2, 50)
    assert len(output.reconstructions) == 3
    for decoded, target in output.reconstructions:
        assert decoded.shape == target.shape == (2, 3, side, side)
        assert decoded.abs().max() <= 1
    whole, part, second = (pair.target for pair in output.reconstructions)
    torch.testing.assert_close(whole, downsample(image, side))
    torch.testing.assert_close(
        part, downsample(image[..., resolution // 2 :, resolution // 2 :], side)
    )
    torch.testing.assert_close(second, small)


def test_slae_links_in_the_discriminator_add_98_each() -> None:
    sle = Discriminator(ModelConfig(resolution=64, width=8))
    slae = Discriminator(ModelConfig(resolution=64, width=8, discriminator_skip="slae"))
    assert parameters(slae) - parameters(sle) == 3 * 98


def test_every_parameter_but_the_decoders_judges_and_all_reconstruct() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(ModelConfig(resolution=64, width=8))
    image = torch.rand(2, 3, 64, 64)
    output = discriminator(image, downsample(image, 32), quarter=0)
    output.logits.sum().backward()
    without = {n for n, p in discriminator.named_parameters() if p.grad is None}
    assert without
    assert all(name.startswith("decode_") for name in without)
    discriminator.zero_grad()
    output = discriminator(image, downsample(image, 32), quarter=0)
    total = sum(pair.decoded.sum() for pair in output.reconstructions)
    (total + output.logits.sum()).backward()
    assert all(p.grad is not None for p in discriminator.parameters())


def test_quarters_are_counted_row_by_row() -> None:
    picture = torch.arange(16).reshape(1, 1, 4, 4)
    assert [int(crop_quarter(picture, q)[0, 0, 0, 0]) for q in range(4)] == [0, 2, 8, 10]


def test_downsampling_does_not_alias() -> None:
    # Stripes one pixel wide are grey from afar; nearest-neighbour would make them black or white.
    stripes = torch.zeros(1, 3, 64, 64)
    stripes[..., ::2] = 1
    centre = downsample(stripes, 32)[..., 4:-4]
    torch.testing.assert_close(centre, torch.full_like(centre, 0.5), atol=0.02, rtol=0)
    assert downsample(stripes, 64) is stripes
