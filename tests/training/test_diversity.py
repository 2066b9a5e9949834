"""Diversity: distances worked out on paper."""

import pytest
import torch

from slae_lib.training.diversity import diversity, pairwise_distance


def test_pairwise_distance_of_a_triangle() -> None:
    corners = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    assert pairwise_distance(corners) == pytest.approx((3 + 4 + 5) / 3)


def test_a_collapsed_generator_has_no_diversity() -> None:
    real = torch.rand(8, 3, 4, 4)
    assert diversity(real[:1].repeat(5, 1, 1, 1), real) == pytest.approx(0, abs=1e-9)
    assert diversity(real, real) == pytest.approx(1)
    assert diversity(real * 0.5, real) == pytest.approx(0.5)
