"""StyleGAN2: published sizes, layers against the paper's equations, losses worked out by hand."""

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slae_lib.baselines.stylegan2.config import NARROW, StyleGAN2Config
from slae_lib.baselines.stylegan2.layers import (
    EqualisedConv,
    EqualisedLinear,
    MinibatchDeviation,
    ModulatedConv,
    ResidualDownBlock,
    ToRGB,
    downsample,
    upsample,
)
from slae_lib.baselines.stylegan2.losses import (
    PathLength,
    discriminator_logistic,
    generator_logistic,
    lazy_adam,
    path_length_weight,
    r1_penalty,
)
from slae_lib.baselines.stylegan2.networks import (
    MappingNetwork,
    StyleGAN2Discriminator,
    StyleGAN2Generator,
)
from slae_lib.support.errors import UsageError

TINY = StyleGAN2Config(
    resolution=64, channel_base=512, channel_max=16, latent_dim=8, mapping_layers=2
)


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("resolution", "generator", "millions", "discriminator", "millions_of_discriminator"),
    [
        (256, 30_034_338, 30.03, 28_864_129, 28.86),
        (1024, 30_370_060, 30.37, 29_012_513, 29.01),
    ],
)
def test_config_f_has_the_published_number_of_parameters(
    resolution: int,
    generator: int,
    millions: float,
    discriminator: int,
    millions_of_discriminator: float,
) -> None:
    config = StyleGAN2Config(resolution=resolution)
    with torch.device("meta"):
        found = parameters(StyleGAN2Generator(config))
        found_in_discriminator = parameters(StyleGAN2Discriminator(config))
    assert found == generator
    assert round(found / 1e6, 2) == millions
    assert found_in_discriminator == discriminator
    assert round(found_in_discriminator / 1e6, 2) == millions_of_discriminator


def test_the_parameters_can_be_counted_with_pencil_and_paper() -> None:
    def modulated(inside: int, outside: int, kernel: int) -> int:
        return inside * outside * kernel**2 + (512 * inside + inside) + outside

    channels = {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128}
    total = 8 * (512 * 512 + 512) + 512 * 4 * 4  # mapping network, learned start
    total += modulated(512, 512, 3) + 1 + modulated(512, 3, 1)  # one strength of the noise
    for size in (8, 16, 32, 64, 128, 256):
        before, here = channels[size // 2], channels[size]
        total += modulated(before, here, 3) + modulated(here, here, 3) + 2 + modulated(here, 3, 1)
    assert total == 30_034_338


def test_channels_of_config_f() -> None:
    config = StyleGAN2Config(resolution=1024)
    sizes = (4, 8, 16, 32, 64, 128, 256, 512, 1024)
    assert [config.channels(size) for size in sizes] == [512] * 5 + [256, 128, 64, 32]
    assert config.style_count == 18
    assert StyleGAN2Config(resolution=256).style_count == 14


def test_the_narrow_setting_is_small() -> None:
    with torch.device("meta"):
        assert parameters(StyleGAN2Generator(NARROW)) < 600_000
        assert parameters(StyleGAN2Discriminator(NARROW)) < 600_000


@pytest.mark.parametrize("resolution", [64, 128, 256, 512, 1024])
def test_images_and_logits_of_every_resolution(resolution: int) -> None:
    config = dataclasses.replace(TINY, resolution=resolution, channel_base=1024)
    generator, discriminator = StyleGAN2Generator(config), StyleGAN2Discriminator(config)
    with torch.no_grad():
        images = generator(torch.randn(2, 8)).image
        assert images.shape == (2, 3, resolution, resolution)
        assert discriminator(images).shape == (2, 1)
    assert generator.styles(torch.randn(2, 8)).shape == (2, config.style_count, 8)
    assert len(generator.layers) + 1 == config.style_count


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"resolution": 100}, "resolution is 100"),
        ({"channel_base": 32}, "channel_base is 32"),
        ({"latent_dim": 0}, "latent_dim is 0"),
        ({"style_mixing": 1.5}, "style_mixing is 1.5"),
        ({"mapping_lr_multiplier": 0}, "mapping_lr_multiplier is 0"),
    ],
)
def test_settings_that_cannot_be_are_named(values: dict[str, float], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        StyleGAN2Config(**{"resolution": 64} | values)


def test_a_configuration_goes_to_a_dictionary_and_back() -> None:
    assert StyleGAN2Config.from_dict(NARROW.to_dict()) == NARROW


def test_noise_of_the_wrong_shape_is_named() -> None:
    with pytest.raises(ValueError, match=r"\(batch, 8\)"):
        StyleGAN2Generator(TINY)(torch.zeros(2, 9))


def test_metadata_is_refused() -> None:
    with pytest.raises(ValueError, match="no metadata"):
        StyleGAN2Generator(TINY)(torch.zeros(2, 8), torch.zeros(2, 512))


def test_only_the_direction_of_the_noise_matters() -> None:
    torch.manual_seed(0)
    mapping = MappingNetwork(TINY)
    noise = torch.randn(3, 8)
    torch.testing.assert_close(mapping(noise), mapping(5 * noise))
    assert not torch.allclose(mapping(noise), mapping(-noise))


def test_linear_interpolation_is_the_up_sampling() -> None:
    images = torch.randn(2, 3, 5, 7)
    doubled = upsample(images)
    assert doubled.shape == (2, 3, 10, 14)
    expected = F.interpolate(images, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(doubled[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])


def test_down_sampling_keeps_flat_areas_and_drops_the_finest_pattern() -> None:
    flat = torch.full((1, 2, 8, 8), 0.7)
    torch.testing.assert_close(downsample(flat)[..., 1:-1, 1:-1], torch.full((1, 2, 2, 2), 0.7))
    rows, columns = torch.arange(8)[:, None], torch.arange(8)
    for pattern in (rows + columns, rows + 0 * columns):  # a chequerboard and stripes
        finest = ((-1.0) ** pattern)[None, None]
        assert downsample(finest)[..., 1:-1, 1:-1].abs().max() < 1e-6
    one = torch.zeros(1, 1, 8, 8)
    one[..., 4, 4] = 64  # [1, 3, 3, 1] x [1, 3, 3, 1] / 64; every second sample is kept
    assert downsample(one)[0, 0, 1:3, 1:3].tolist() == [[1, 3], [3, 9]]


def by_the_equations(layer: ModulatedConv, features: Tensor, style: Tensor) -> Tensor:
    """Equations 1 and 3 of the paper, image by image, with weights made for each."""
    results = []
    for image, scales in zip(features, layer.to_scales(style), strict=True):
        fan_in = layer.weight[0].numel()
        weight = layer.weight / fan_in**0.5 * scales[None, :, None, None]
        if layer.demodulate:
            weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if layer.up:
            # Zeros between the pixels; a transposed convolution meets the kernel mirrored.
            spread = torch.zeros(image.shape[0], 2 * image.shape[1], 2 * image.shape[2])
            spread[:, ::2, ::2] = image
            result = F.conv2d(F.pad(spread[None], (2, 1, 2, 1)), weight.flip((2, 3)))
            taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
            kernel = torch.outer(taps, taps).expand(len(weight), 1, 4, 4)
            results.append(F.conv2d(F.pad(result, (1, 1, 1, 1)), kernel, groups=len(weight)))
        else:
            results.append(F.conv2d(image[None], weight, padding=layer.padding))
    return torch.cat(results)


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("up", [True, False])
def test_scaling_the_maps_equals_scaling_the_weights(demodulate: bool, up: bool) -> None:
    torch.manual_seed(0)
    layer = ModulatedConv(5, 4, 3, 6, demodulate=demodulate, up=up)
    features, style = torch.randn(3, 5, 8, 8), torch.randn(3, 6)
    expected = by_the_equations(layer, features, style)
    result = layer(features, style)
    assert result.shape == ((3, 4, 16, 16) if up else (3, 4, 8, 8))
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=1e-4)


def test_demodulation_forgets_the_strength_of_a_style() -> None:
    torch.manual_seed(0)
    layer = ModulatedConv(64, 64, 3, 1)
    nn.init.zeros_(layer.to_scales.bias)
    features = torch.randn(1, 64, 16, 16)
    weak, strong = layer(features, torch.tensor([[1.0]])), layer(features, torch.tensor([[50.0]]))
    torch.testing.assert_close(weak, strong, atol=1e-4, rtol=1e-3)
    assert float(weak[..., 1:-1, 1:-1].std().detach()) == pytest.approx(1, abs=0.05)


def test_a_style_starts_as_no_change() -> None:
    layer = ModulatedConv(5, 4, 3, 6)
    assert layer.to_scales(torch.zeros(2, 6)).tolist() == [[1.0] * 5] * 2


@pytest.mark.parametrize("multiplier", [1.0, 0.01])
def test_the_learning_rate_is_equalised(multiplier: float) -> None:
    torch.manual_seed(0)
    layer = EqualisedLinear(400, 3, lr_multiplier=multiplier)

    def effective() -> Tensor:
        return layer(torch.eye(400)).detach()  # (400, 3), the weights in use

    before = effective()
    assert float(before.std()) == pytest.approx(1 / 20, rel=0.1)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.002, betas=(0.0, 0.99))
    layer(torch.eye(400)).sum().backward()
    optimizer.step()  # Adam's first step moves each stored number by the learning rate
    moved = (effective() - before).abs()
    expected = 0.002 * multiplier / 20 + 0.002 * multiplier  # weight and bias
    torch.testing.assert_close(moved, torch.full_like(moved, expected), rtol=2e-3, atol=1e-7)


def test_an_equalised_convolution_keeps_the_deviation() -> None:
    torch.manual_seed(0)
    features = torch.randn(2, 64, 16, 16)
    result = EqualisedConv(64, 64, 3)(features)[..., 1:-1, 1:-1]
    assert float(result.std().detach()) == pytest.approx(1, abs=0.05)


def test_the_minibatch_deviation_of_two_images() -> None:
    features = torch.zeros(2, 3, 4, 4)
    features[1] = 2.0  # mean 1, deviation 1
    result = MinibatchDeviation(4)(features)
    assert result.shape == (2, 4, 4, 4)
    torch.testing.assert_close(result[:, 3], torch.ones(2, 4, 4))
    torch.testing.assert_close(result[:, :3], features)


def test_the_minibatch_deviation_of_groups() -> None:
    values = torch.tensor([0.0, 10.0, 2.0, 10.0, 0.0, 10.0, 2.0, 10.0])
    features = values[:, None, None, None].expand(8, 1, 4, 4)
    channel = MinibatchDeviation(4)(features)[:, 1, 0, 0]
    # Every second image makes a group: 0, 2, 0, 2 with deviation 1 and four equal ones.
    torch.testing.assert_close(channel, torch.tensor([1.0, 1e-4] * 4))
    assert MinibatchDeviation(4)(features[:7])[:, 1].max() < 0.001  # 7 has no group but 1
    channel = MinibatchDeviation(4)(features[:6])[:, 1, 0, 0]  # 6 is divided by 3
    torch.testing.assert_close(channel, torch.tensor([8**0.5 / 3, 1e-4] * 3))  # 0, 2, 0


def test_the_image_is_the_sum_of_all_resolutions() -> None:
    torch.manual_seed(0)
    generator = StyleGAN2Generator(TINY).eval()
    for number, layer in enumerate(generator.to_rgb):
        assert isinstance(layer, ToRGB)
        nn.init.zeros_(layer.conv.weight)
        nn.init.constant_(layer.bias, 10.0**-number)
    with torch.no_grad():
        image = generator(torch.randn(1, 8)).image
    torch.testing.assert_close(image[0, :, 32, 32], torch.full((3,), 1.1111))


def test_the_plain_path_of_the_discriminator() -> None:
    torch.manual_seed(0)
    block = ResidualDownBlock(4, 6)
    nn.init.zeros_(block.second.weight)
    features = torch.randn(2, 4, 8, 8)
    weight = block.plain.weight / 2  # fan-in 4
    expected = F.conv2d(downsample(features), weight) / math.sqrt(2)
    torch.testing.assert_close(block(features), expected)


def noisy_generator() -> StyleGAN2Generator:
    torch.manual_seed(0)
    generator = StyleGAN2Generator(TINY)
    for name, parameter in generator.named_parameters():
        if name.endswith("noise.weight"):
            assert parameter.ndim == 0
            assert parameter.item() == 0  # the strength is learned, from nothing
            nn.init.constant_(parameter, 0.5)
    return generator


@torch.no_grad()
def test_an_image_does_not_depend_on_its_batch_mates() -> None:
    generator = noisy_generator().eval()
    noise = torch.randn(5, 8)
    alone = torch.cat([generator(row[None]).image for row in noise])
    torch.testing.assert_close(generator(noise).image, alone, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_noise_is_new_in_training_and_fixed_in_evaluation() -> None:
    generator = noisy_generator()
    noise = torch.randn(1, 8).expand(2, 8)
    first, second = generator(noise).image
    assert (first - second).abs().mean() > 0.01
    generator.eval()
    first, second = generator(noise).image
    torch.testing.assert_close(first, second)


def test_styles_are_mixed_in_training_alone() -> None:
    torch.manual_seed(0)
    noise = torch.randn(200, 8)
    for share, low, high in ((0.0, 0, 0), (0.5, 0.4, 0.6), (1.0, 1, 1)):
        generator = StyleGAN2Generator(dataclasses.replace(TINY, style_mixing=share))
        styles = generator.styles(noise)
        changes = (styles[:, 1:] != styles[:, :-1]).any(dim=2)  # (B, layers - 1)
        assert low <= float((changes.sum(dim=1) == 1).float().mean()) <= high
        assert changes.sum(dim=1).max() <= 1
        torch.testing.assert_close(styles[:, 0], generator.mapping(noise))
        generator.eval()
        styles = generator.styles(noise)
        torch.testing.assert_close(styles, generator.mapping(noise)[:, None].expand_as(styles))


def test_every_parameter_learns() -> None:
    generator, discriminator = noisy_generator(), StyleGAN2Discriminator(TINY)
    loss = generator_logistic(discriminator(generator(torch.randn(4, 8)).image))
    loss.backward()
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 0, name


# Losses.


def test_logistic_losses_of_numbers() -> None:
    zero = torch.zeros(3)
    assert discriminator_logistic(zero, zero).item() == pytest.approx(2 * math.log(2))
    assert generator_logistic(zero).item() == pytest.approx(math.log(2))
    three = torch.tensor([math.log(3)])  # softplus(ln 3) = ln 4, softplus(-ln 3) = ln 4/3
    assert discriminator_logistic(three, -three).item() == pytest.approx(2 * math.log(4 / 3))
    assert generator_logistic(three).item() == pytest.approx(math.log(4 / 3))
    assert generator_logistic(-three).item() == pytest.approx(math.log(4))


def test_the_generators_loss_does_not_saturate() -> None:
    logits = torch.tensor([-20.0], requires_grad=True)  # the discriminator is very sure
    generator_logistic(logits).backward()
    assert logits.grad.item() == pytest.approx(-1)


def test_r1_of_a_linear_discriminator() -> None:
    weight = torch.tensor([3.0, -4.0], requires_grad=True)  # |w|^2 = 25
    images = torch.randn(6, 2, requires_grad=True)
    penalty = r1_penalty(images @ weight, images, gamma=10.0)
    assert penalty.item() == pytest.approx(10 / 2 * 25)
    penalty.backward()
    torch.testing.assert_close(weight.grad, 10 * weight.detach())  # of gamma / 2 |w|^2


def test_r1_of_a_quadratic_discriminator() -> None:
    images = torch.tensor([[[1.0, 2.0]], [[0.0, 3.0]]], requires_grad=True)
    logits = images.square().sum(dim=(1, 2)) / 2  # the gradient is the image: 5 and 9
    assert r1_penalty(logits, images, gamma=2.0).item() == pytest.approx(7)


def test_r1_reaches_a_whole_discriminator() -> None:
    torch.manual_seed(0)
    discriminator = StyleGAN2Discriminator(TINY)
    images = torch.randn(4, 3, 64, 64, requires_grad=True)
    r1_penalty(discriminator(images), images).backward()
    assert discriminator.from_rgb.weight.grad.abs().max() > 0


def test_the_path_length_of_a_linear_generator() -> None:
    scale = torch.tensor(3.0, requires_grad=True)
    styles = torch.zeros(2, 1, 48, requires_grad=True)
    images = scale * styles.view(2, 3, 4, 4)
    noise = torch.zeros(2, 3, 4, 4)
    noise[0, 0, 0, 0], noise[1, 0, 0, 0] = 1.0, 2.0
    path_length = PathLength(decay=0.9)
    # The lengths are 3 and 6; the running mean goes from 0 to a tenth of 4.5.
    penalty = path_length(images, styles, noise)
    assert path_length.mean.item() == pytest.approx(0.45)
    expected = ((3 - 0.45) ** 2 + (6 - 0.45) ** 2) / 2
    assert penalty.item() == pytest.approx(path_length_weight(4) * expected)
    penalty.backward()  # d/ds of the mean of (s|y| - a)^2 is the mean of 2 |y| (s|y| - a)
    slope = (2 * (3 - 0.45) + 4 * (6 - 0.45)) / 2
    assert scale.grad.item() == pytest.approx(path_length_weight(4) * slope)
    assert set(path_length.state_dict()) == {"mean"}


def test_the_path_length_of_the_generator_trains_it() -> None:
    torch.manual_seed(0)
    generator = StyleGAN2Generator(TINY)
    styles = generator.styles(torch.randn(2, 8))
    PathLength()(generator.synthesise(styles), styles).backward()
    assert generator.layers[3].conv.weight.grad.abs().max() > 0


def test_the_papers_weight_of_the_path_length() -> None:
    # ln 2 / (r^2 (ln r - ln 2)) is 2 over the number of pixels and of layers.
    for resolution in (64, 256, 1024):
        layers = StyleGAN2Config(resolution=resolution).style_count
        assert path_length_weight(resolution) == pytest.approx(2 / resolution**2 / layers)


def test_adam_for_lazy_penalties() -> None:
    (group,) = lazy_adam(nn.Linear(1, 1), interval=16).param_groups
    assert group["lr"] == pytest.approx(0.002 * 16 / 17)
    assert group["betas"] == pytest.approx((0.0, 0.99 ** (16 / 17)))
    (group,) = lazy_adam(nn.Linear(1, 1), interval=None).param_groups
    assert group["lr"] == 0.002
    assert group["betas"] == (0.0, 0.99)
