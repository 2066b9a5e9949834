"""Diversity: distances worked out on paper."""

import pytest
import torch

from slae_lib.datasets import load_images
from slae_lib.support.images import to_float
from slae_lib.training.diversity import broken, diversity, edges, pairwise_distance


def test_pairwise_distance_of_a_triangle() -> None:
    corners = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    assert pairwise_distance(corners) == pytest.approx((3 + 4 + 5) / 3)


def test_a_collapsed_generator_has_no_diversity() -> None:
    real = torch.rand(8, 3, 4, 4)
    assert diversity(real[:1].repeat(5, 1, 1, 1), real) == pytest.approx(0, abs=1e-9)
    assert diversity(real, real) == pytest.approx(1)
    assert diversity(real * 0.5, real) == pytest.approx(0.5)


def test_edges_are_the_steps_between_pixels_in_each_cell() -> None:
    stripes = torch.zeros(1, 1, 64, 64)
    stripes[..., ::2] = 1  # one wide: they vanish in the halved image
    steps = edges(stripes.expand(1, 3, 64, 64)).exp() - 0.01
    right, down, *halved = steps.unflatten(1, (6, 3, 8, 8))[0]
    torch.testing.assert_close(right, torch.ones(3, 8, 8))
    assert down.abs().max() < 1e-6
    assert torch.stack(halved).abs().max() < 1e-6


@pytest.fixture(scope="module")
def faces() -> torch.Tensor:
    return to_float(load_images("fluent-faces", 64).batch(range(93)))


def test_stripes_of_two_faces_and_scrambles_are_broken_and_faces_are_not(
    faces: torch.Tensor,
) -> None:
    assert broken(faces, faces) == 0
    noisy = faces + 0.05 * torch.randn(faces.shape, generator=torch.Generator().manual_seed(0))
    assert broken(noisy, faces) == 0
    moved = torch.roll(faces, (1, 1), (2, 3))
    assert broken(moved, faces) < 0.05
    smeared = faces.clone()
    smeared[:, :, 32:] = faces[:, :, 32:33]  # as if a brush had gone down from the middle
    assert broken(smeared, faces) == 1
    columns = torch.randperm(64, generator=torch.Generator().manual_seed(1))
    assert broken(faces[..., columns], faces) == 1
    assert broken(torch.zeros_like(faces), faces) == 1


def test_one_in_ten_new_faces_counts_as_broken(faces: torch.Tensor) -> None:
    shares = []
    for seed in range(20):
        rows = torch.randperm(93, generator=torch.Generator().manual_seed(seed))
        shares.append(broken(faces[rows[:20]], faces[rows[20:]]))
    assert 0.05 < sum(shares) / 20 < 0.15
