"""The skip links against the papers' formulas, written with plain functional calls."""

import pytest
import torch
import torch.nn.functional as F

from slae_lib.attention import (
    SkipLayerAttentionExcitation,
    SkipLayerExcitation,
    SpatialAttention,
)

torch.manual_seed(0)
LOW = torch.randn(3, 12, 8, 8)
HIGH = torch.randn(3, 5, 32, 32)


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def attention_by_hand(low: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    pooled = torch.stack([low.mean(1), low.max(1).values], dim=1)
    return torch.sigmoid(F.conv2d(pooled, weight, padding=weight.shape[-1] // 2))


def gate_by_hand(link: SkipLayerExcitation, low: torch.Tensor) -> torch.Tensor:
    squeezed = F.conv2d(F.adaptive_avg_pool2d(low, 4), link.excite[1].weight)
    swish = squeezed * torch.sigmoid(squeezed)
    return torch.sigmoid(F.conv2d(swish, link.excite[3].weight))


@pytest.mark.parametrize("kernel_size", [3, 7])
def test_spatial_attention_is_the_formula_of_cbam(kernel_size: int) -> None:
    attention = SpatialAttention(kernel_size).eval()
    torch.testing.assert_close(attention(LOW), attention_by_hand(LOW, attention.conv.weight))
    assert attention(LOW).shape == (3, 1, 8, 8)


def test_a_7x7_attention_has_98_weights_and_no_bias() -> None:
    assert parameters(SpatialAttention(7)) == 98


def test_sle_is_the_formula_of_fastgan() -> None:
    link = SkipLayerExcitation(12, 5).eval()
    torch.testing.assert_close(link(LOW, HIGH), HIGH * gate_by_hand(link, LOW))


def test_slae_is_the_formula_of_the_paper() -> None:
    link = SkipLayerAttentionExcitation(12, 5).eval()
    attention_map = attention_by_hand(LOW, link.attention.conv.weight)
    torch.testing.assert_close(link(LOW, HIGH), HIGH * gate_by_hand(link, attention_map * LOW))
    assert parameters(link) - parameters(SkipLayerExcitation(12, 5)) == 98


def test_attention_reads_each_position_of_the_map_apart() -> None:
    # With a 3x3 kernel, what happens in one corner cannot reach the opposite one.
    attention = SpatialAttention(3).eval()
    changed = LOW.clone()
    changed[..., 0, 0] += 10
    difference = (attention(changed) - attention(LOW)).abs().amax(dim=(0, 1))
    assert difference[0, 0] > 0
    assert torch.equal(difference[2:, :], torch.zeros(6, 8))


def test_sle_cannot_tell_where_a_pattern_is_once_it_is_pooled() -> None:
    # Shuffling positions inside one cell of the 4x4 pooling changes nothing for SLE, but does
    # for SLAE with its 3x3 attention: it has seen the neighbours.
    shuffled = LOW.clone()
    shuffled[..., 0:2, 0:2] = LOW[..., 0:2, 0:2].flip(-1)
    sle = SkipLayerExcitation(12, 5).eval()
    slae = SkipLayerAttentionExcitation(12, 5, kernel_size=3).eval()
    torch.testing.assert_close(sle.gate(shuffled), sle.gate(LOW))
    assert not torch.allclose(slae.gate(shuffled), slae.gate(LOW), atol=1e-7)


def test_without_its_norm_the_attention_is_cbams() -> None:
    torch.manual_seed(0)
    attention = SpatialAttention(7, norm=False)
    assert [name for name, _ in attention.named_parameters()] == ["conv.weight"]
    assert isinstance(attention.conv, torch.nn.Conv2d)
    length = torch.linalg.vector_norm
    before = float(length(attention.conv.weight.detach()))
    with torch.no_grad():
        attention.conv.weight.mul_(5)
    features = torch.randn(2, 3, 8, 8)
    normed = SpatialAttention(7)
    assert length(normed.conv.weight.detach()) == pytest.approx(1, abs=1e-3)
    assert length(attention.conv.weight.detach()) == pytest.approx(5 * before)
    assert attention(features).std() > 2 * normed(features).std()
