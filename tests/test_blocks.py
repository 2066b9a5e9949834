"""Blocks: initialisation that really happens, shapes, noise, spectral norm."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from slae_lib.blocks import (
    CompositeDownBlock,
    NoiseInjection,
    batch_norm,
    composite_up_block,
    conv,
    conv_transpose,
    down_block,
    fold_spectral_norm,
    refresh_spectral_norm,
    up_block,
)


def largest_singular_value(layer: nn.Module) -> float:
    weight = layer.weight.detach()
    # Spectral norm takes the output channels as rows: dimension 1 of a transposed convolution.
    rows = weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else weight
    return float(torch.linalg.matrix_norm(rows.flatten(1), ord=2))


@pytest.mark.parametrize("make", [conv, conv_transpose])
def test_weights_are_normal_with_deviation_0_02(make) -> None:
    torch.manual_seed(0)
    layer = make(128, 128, 4)
    weight = layer.parametrizations.weight.original
    assert layer.bias is None
    # 262,144 draws: the deviation is known to 0.02 / sqrt(2 * 262144) = 3e-5.
    assert float(weight.mean()) == pytest.approx(0, abs=2e-4)
    assert float(weight.std()) == pytest.approx(0.02, abs=2e-4)
    assert float((weight.abs() > 0.04).float().mean()) == pytest.approx(0.0455, abs=0.003)


@pytest.mark.parametrize("make", [conv, conv_transpose])
def test_spectral_norm_makes_the_largest_singular_value_1(make) -> None:
    torch.manual_seed(0)
    layer = make(16, 32, 4)
    for _ in range(50):
        layer(torch.randn(1, 16, 8, 8))
    assert largest_singular_value(layer.eval()) == pytest.approx(1, abs=1e-3)


def test_batch_norm_starts_at_n_1_002() -> None:
    torch.manual_seed(0)
    norm = batch_norm(100_000)
    assert float(norm.weight.mean()) == pytest.approx(1, abs=1e-3)
    assert float(norm.weight.std()) == pytest.approx(0.02, abs=1e-3)
    assert not norm.bias.any()


@pytest.mark.parametrize("block", [up_block, composite_up_block])
def test_up_blocks_double_the_size(block) -> None:
    assert block(6, 4)(torch.randn(2, 6, 5, 5)).shape == (2, 4, 10, 10)


@pytest.mark.parametrize("block", [down_block, CompositeDownBlock])
def test_down_blocks_halve_the_size(block) -> None:
    assert block(6, 4)(torch.randn(2, 6, 8, 8)).shape == (2, 4, 4, 4)


def test_composite_down_block_is_the_mean_of_its_paths() -> None:
    block = CompositeDownBlock(6, 4).eval()
    features = torch.randn(2, 6, 8, 8)
    torch.testing.assert_close(block(features), (block.deep(features) + block.plain(features)) / 2)


def test_noise_injection_starts_without_noise_and_is_one_picture_for_all_channels() -> None:
    inject = NoiseInjection()
    features = torch.zeros(2, 3, 8, 8)
    assert torch.equal(inject(features), features)
    nn.init.ones_(inject.weight)
    noise = inject(features)
    assert torch.equal(noise[:, 0], noise[:, 2])
    assert not torch.equal(noise[0], noise[1])


def test_noise_injection_is_fixed_in_evaluation() -> None:
    inject = NoiseInjection().eval()
    nn.init.ones_(inject.weight)
    first, second = inject(torch.zeros(2, 1, 8, 8)), inject(torch.zeros(1, 1, 8, 8))
    assert torch.equal(first[0], first[1])
    assert torch.equal(first[:1], second)
    assert float(first.std()) == pytest.approx(1, abs=0.3)


def test_folding_the_spectral_norm_keeps_the_function() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(*composite_up_block(3, 4), conv(4, 2, 1)).eval()
    picture = torch.randn(1, 3, 4, 4)
    expected = network(picture)
    folded = fold_spectral_norm(copy.deepcopy(network))
    assert not any(parametrize.is_parametrized(layer) for layer in folded.modules())
    torch.testing.assert_close(folded(picture), expected)


def test_refreshing_lets_the_singular_vectors_follow_an_average() -> None:
    torch.manual_seed(0)
    layer = conv(16, 16, 3).eval()
    with torch.no_grad():  # what averaging does: vectors shorter than 1, weights elsewhere
        layer.parametrizations.weight[0]._u.mul_(0.5)
        layer.parametrizations.weight.original.copy_(torch.randn(16, 16, 3, 3))
    assert largest_singular_value(layer) > 1.5
    refresh_spectral_norm(layer, iterations=100)
    assert largest_singular_value(layer) == pytest.approx(1, abs=1e-2)
    assert not layer.parametrizations.weight.training
