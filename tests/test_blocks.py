"""Blocks: initialisation that really happens, shapes, noise, spectral norm."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from slae_lib.blocks import (
    GLU,
    CompositeDownBlock,
    NoiseInjection,
    batch_norm,
    composite_up_block,
    conv,
    conv_transpose,
    down_block,
    fold_upsampling,
    up_block,
    upsampled_conv,
)
from slae_lib.support.spectral_norm import fold_spectral_norm


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


@pytest.mark.parametrize("side", [4, 7, 8, 13])  # below 8 it does what it says, in two steps
def test_an_upsampled_convolution_is_an_upsampling_and_a_convolution(side: int) -> None:
    torch.manual_seed(0)
    layer = upsampled_conv(5, 3).double()
    features = torch.randn(2, 5, side, side + 1, dtype=torch.double, requires_grad=True)
    apart = nn.functional.interpolate(features, scale_factor=2, mode="nearest")
    weight = layer.eval().weight
    expected = nn.functional.conv2d(apart, weight, padding=1)
    torch.testing.assert_close(layer(features), expected, rtol=1e-12, atol=1e-12)
    for ours, theirs in zip(
        torch.autograd.grad(layer(features).square().sum(), [features, *layer.parameters()]),
        torch.autograd.grad(expected.square().sum(), [features, *layer.parameters()]),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("side", [4, 16])
def test_each_pass_is_one_power_iteration(side: int) -> None:
    looks = []
    for layer in (conv(5, 3, 3), conv_transpose(5, 3, 4), upsampled_conv(5, 3)):
        norm = layer.get_submodule("parametrizations.weight.0")
        norm.register_forward_hook(lambda *_, layer=layer: looks.append(layer))
        layer(torch.randn(2, 5, side, side))
        assert looks == [layer]
        looks.clear()


def test_an_upsampled_convolution_does_16_multiplications_where_36_were() -> None:
    layer = upsampled_conv(4, 6)
    with FlopCounterMode(display=False) as counter:
        layer(torch.randn(1, 4, 32, 32))
    kernel = 4 * 6 * 9 * 16  # to make the kernel of the weights
    power_iteration = 3 * 6 * 4 * 9
    macs = counter.get_total_flops() // 2
    assert 0 <= macs - (4 * 6 * 16 * 32 * 32 + kernel) <= power_iteration


def test_upsampling_is_folded_for_ever_where_nothing_is_trained() -> None:
    torch.manual_seed(0)
    block = fold_spectral_norm(up_block(6, 4)).double().eval()
    features = torch.randn(2, 6, 4, 4, dtype=torch.double)
    expected = block(features)
    folded = fold_upsampling(block)
    assert isinstance(folded[1], nn.ConvTranspose2d)
    torch.testing.assert_close(folded(features), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_a_glu_is_pytorchs_in_any_order_of_memory(order: torch.memory_format) -> None:
    features = torch.randn(2, 6, 5, 4).to(memory_format=order).requires_grad_()
    ours, theirs = GLU()(features), nn.GLU(1)(features)
    assert ours.is_contiguous(memory_format=order)
    torch.testing.assert_close(ours, theirs)
    if order is torch.channels_last:  # over dimension 1 its backward pass would be the slow one
        assert ours.grad_fn.next_functions[0][0]._saved_dim == 3
    weights = torch.randn_like(theirs)
    found, expected = (torch.autograd.grad(out, features, weights)[0] for out in (ours, theirs))
    torch.testing.assert_close(found, expected)


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
