"""KID: worked out on paper for tiny arrays, unbiased on random ones."""

import pytest
import torch

from slae_lib.evaluation import kernel_distance, polynomial_mmd
from slae_lib.evaluation.kid import contributions
from slae_lib.support.errors import UsageError


def test_a_distance_worked_out_on_paper() -> None:
    # One feature, so the kernel is (xy + 1)^3.
    # first: pairs of {0, 1} and {1, 0}: 1. second: 2 * 3 + 1 = 7: 343.
    # mixed: 0 with 2 and 3: 1 and 1; 1 with 2 and 3: 27 and 64; mean 93 / 4.
    first, second = torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [3.0]])
    assert polynomial_mmd(first, second) == pytest.approx(1 + 343 - 2 * 93 / 4)


def test_the_kernel_divides_by_the_number_of_features() -> None:
    # Two features: x'y / 2. Pairs of first: (1, 1)'(1, 3) / 2 = 2: 27. Second: 0: 1.
    # Mixed with zeros: 1.
    first, second = torch.tensor([[1.0, 1.0], [1.0, 3.0]]), torch.zeros(2, 2)
    assert polynomial_mmd(first, second) == pytest.approx(27 + 1 - 2)


def test_it_has_no_bias_where_frechet_has() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.tensor(
        [polynomial_mmd(*torch.randn(2, 10, 20, generator=generator).unbind()) for _ in range(400)]
    )
    error = float(values.std()) / 20
    assert abs(float(values.mean())) < 3 * error
    assert (values < 0).any()


def test_the_deviation_of_the_contributions_is_the_luck_of_the_draw() -> None:
    generator = torch.Generator().manual_seed(2)
    real = torch.randn(20, 5, generator=generator)
    draws = torch.randn(400, 60, 5, generator=generator) * 1.5 + 0.5
    values = torch.tensor([polynomial_mmd(real, drawn) for drawn in draws])
    errors = torch.stack([contributions(real, drawn).std() / 60**0.5 for drawn in draws])
    assert float(errors.mean() / values.std()) == pytest.approx(1, abs=0.1)


def test_subsets_are_as_large_as_the_smaller_side_allows() -> None:
    generator = torch.Generator().manual_seed(1)
    real = torch.randn(30, 8, generator=generator)
    generated = torch.randn(80, 8, generator=generator) + 0.5
    result = kernel_distance(real, generated, subsets=20)
    assert (result.subsets, result.subset_size) == (20, 30)
    assert result.mean == pytest.approx(polynomial_mmd(real, generated), rel=0.2)
    assert result.deviation > 0
    assert kernel_distance(real, generated, subsets=20) == result  # a seed repeats it
    # One subset of everything is the distance itself, and has no deviation.
    whole = kernel_distance(real, generated[:30], subsets=3)
    assert whole.mean == pytest.approx(polynomial_mmd(real, generated[:30]))
    assert (whole.whole, whole.subsets, whole.deviation) == (True, 1, 0)
    assert not result.whole


def test_one_image_or_other_features_are_refused() -> None:
    rows = torch.randn(5, 8)
    with pytest.raises(UsageError, match="two or more images on each side"):
        kernel_distance(rows, rows[:1])
    with pytest.raises(UsageError, match="8 and 7 features"):
        kernel_distance(rows, rows[:, :7])
