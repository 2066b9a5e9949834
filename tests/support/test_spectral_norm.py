"""Spectral norm: PyTorch's own numbers, of one layer, and of all layers of a network together."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from slae_lib.blocks import composite_up_block, conv
from slae_lib.support.spectral_norm import (
    SpectralNorm,
    SpectralNorms,
    fold_spectral_norm,
    refresh_spectral_norm,
)


def pair(kind: type[nn.Module]) -> tuple[nn.Module, nn.Module]:
    """A layer with our spectral norm, and with PyTorch's."""
    layers = []
    for wrap in (
        lambda layer, dim: parametrize.register_parametrization(
            layer, "weight", SpectralNorm(layer.weight, dim)
        ),
        lambda layer, dim: parametrizations.spectral_norm(layer),
    ):
        torch.manual_seed(0)
        layers.append(wrap(kind(6, 4, 3, dtype=torch.double), int(kind is nn.ConvTranspose2d)))
    return layers[0], layers[1]


each_kind = pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])


@each_kind
def test_one_layer_is_that_of_pytorch(kind: type[nn.Module]) -> None:
    ours, theirs = pair(kind)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: v.shape for k, v in theirs.state_dict().items()
    }
    picture = torch.randn(2, 6, 8, 8, dtype=torch.double)
    for _ in range(3):
        torch.testing.assert_close(ours(picture), theirs(picture))
    for one, other in zip(ours.buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(one, other)


@each_kind
def test_together_the_weights_gradients_and_vectors_are_the_same(kind: type[nn.Module]) -> None:
    ours, theirs = (nn.ModuleList([layer]) for layer in pair(kind))
    picture = torch.randn(2, 6, 8, 8, dtype=torch.double)
    for _ in range(3):
        with SpectralNorms(ours).together():
            found = ours[0](picture)
        with parametrize.cached():
            expected = theirs[0](picture)
        torch.testing.assert_close(found, expected)
        for network, result in ((ours, found), (theirs, expected)):
            network.zero_grad()
            result.square().sum().backward()
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(one.grad, other.grad)
        for one, other in zip(ours.buffers(), theirs.buffers(), strict=True):
            torch.testing.assert_close(one, other)


def test_a_layer_without_a_part_in_the_loss_gets_no_gradient() -> None:
    network = nn.ModuleList([conv(3, 4, 3), conv(3, 4, 3)])
    with SpectralNorms(network).together():
        network[0](torch.randn(1, 3, 8, 8)).sum().backward()
    assert network[0].get_parameter("parametrizations.weight.original").grad is not None
    assert network[1].get_parameter("parametrizations.weight.original").grad is None


def test_after_the_block_each_layer_is_on_its_own_again() -> None:
    layer = conv(3, 4, 3)
    network = nn.ModuleList([layer])
    with SpectralNorms(network).together():
        inside = layer.weight
        assert layer.weight is inside  # however often it is looked at
    vectors = layer.get_submodule("parametrizations.weight.0").get_buffer("_u").clone()
    assert layer.weight is not inside
    assert not torch.equal(
        vectors, layer.get_submodule("parametrizations.weight.0").get_buffer("_u")
    )


def test_mixed_precision_does_not_reach_the_norm() -> None:
    torch.manual_seed(0)
    layer = conv(64, 64, 3)
    weight = layer.get_parameter("parametrizations.weight.original")
    expected = torch.linalg.matrix_norm(weight.detach().flatten(1), ord=2)
    with torch.autocast("cpu", torch.bfloat16):
        for _ in range(50):
            alone = layer.weight
        with SpectralNorms(nn.ModuleList([layer])).together():
            together = layer.weight
    for normalised in (alone, together):
        assert normalised.dtype == torch.float32
        torch.testing.assert_close(
            weight / normalised, expected.expand_as(weight), rtol=1e-4, atol=0
        )


def largest_singular_value(layer: nn.Module) -> float:
    return float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), ord=2))


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
