"""Losses against numbers worked out on paper."""

import pytest
import torch

from slae_lib.discriminator import Reconstruction
from slae_lib.losses import (
    discriminator_hinge,
    generator_hinge,
    l1_distance,
    reconstruction_loss,
)


def test_hinge_of_the_discriminator() -> None:
    real = torch.tensor([[2.0, 0.5], [-1.0, 1.0]])  # costs 0, 0.5, 2, 0: mean 0.625
    fake = torch.tensor([[-3.0, -0.5], [0.0, 2.0]])  # costs 0, 0.5, 1, 3: mean 1.125
    assert discriminator_hinge(real, fake).item() == pytest.approx(1.75)


def test_hinge_is_the_papers_formula_with_its_signs() -> None:
    real, fake = torch.randn(5, 7), torch.randn(5, 7)
    zero = torch.zeros(())
    expected = -torch.minimum(zero, -1 + real).mean() - torch.minimum(zero, -1 - fake).mean()
    torch.testing.assert_close(discriminator_hinge(real, fake), expected)


def test_hinge_is_2_when_nothing_is_told_apart_and_0_when_all_is() -> None:
    assert discriminator_hinge(torch.zeros(4), torch.zeros(4)).item() == 2
    assert discriminator_hinge(torch.full((4,), 1.5), torch.full((4,), -1.5)).item() == 0


def test_the_gradient_stops_beyond_the_margin() -> None:
    real = torch.tensor([0.0, 2.0], requires_grad=True)
    fake = torch.tensor([0.0, -2.0], requires_grad=True)
    discriminator_hinge(real, fake).backward()
    assert real.grad.tolist() == [-0.5, 0.0]
    assert fake.grad.tolist() == [0.5, 0.0]


def test_a_random_margin_lies_between_08_and_1() -> None:
    torch.manual_seed(0)
    zeros = torch.zeros(10_000)
    losses = discriminator_hinge(zeros, zeros, random_margin=True)
    assert losses.item() == pytest.approx(1.8, abs=0.01)  # twice the mean margin, 0.9
    beyond, below = torch.full((10_000,), 1.0), torch.full((10_000,), 0.8)
    assert discriminator_hinge(beyond, -beyond, random_margin=True).item() == 0
    assert discriminator_hinge(below, -below, random_margin=True).item() > 0.15


def test_the_generator_wants_high_logits() -> None:
    fake = torch.tensor([1.0, -2.0, 4.0], requires_grad=True)
    loss = generator_hinge(fake)
    assert loss.item() == -1
    loss.backward()
    torch.testing.assert_close(fake.grad, torch.full((3,), -1 / 3))


def test_reconstruction_sums_decoders_and_averages_the_batch() -> None:
    black, white = torch.full((2, 3, 8, 8), -1.0), torch.ones(2, 3, 8, 8)
    half = torch.cat([black[:1], white[:1]])
    pairs = [
        Reconstruction(black, black),  # 0
        Reconstruction(black, white),  # 2
        Reconstruction(half, white),  # mean of 2 and 0
    ]
    assert reconstruction_loss(pairs, l1_distance).item() == pytest.approx(0 + 2 + 1)
    doubled = [Reconstruction(torch.cat([d, d]), torch.cat([t, t])) for d, t in pairs]
    assert reconstruction_loss(doubled, l1_distance).item() == pytest.approx(3)


def test_no_gradient_reaches_the_targets() -> None:
    decoded, target = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    decoded.requires_grad_()
    target.requires_grad_()
    reconstruction_loss([Reconstruction(decoded, target)], l1_distance).backward()
    assert target.grad is None
    torch.testing.assert_close(decoded.grad, torch.full_like(decoded, -1 / 48))
