"""The Frechet distance against closed forms, against pytorch-fid, and its interval."""

import math

import pytest
import torch
from inception_doubles import reference
from torch import Tensor

from slae_lib.evaluation.frechet import frechet_distance, frechet_interval
from slae_lib.evaluation.intervals import bootstrap_mean
from slae_lib.support.errors import UsageError


def normal(count: int, features: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, features, generator=generator, dtype=torch.float64)


def whitened(count: int, features: int, seed: int = 0) -> Tensor:
    """Rows whose mean is exactly 0 and whose covariance is exactly the unit matrix."""
    rows = normal(count, features, seed)
    rows = rows - rows.mean(dim=0)
    return torch.linalg.qr(rows).Q * math.sqrt(count - 1)


@pytest.mark.parametrize(("count", "features"), [(5, 40), (60, 8), (30, 30)])
def test_equal_sets_have_no_distance(count: int, features: int) -> None:
    rows = normal(count, features)
    assert frechet_distance(rows, rows) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(rows, rows.flip(0)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("count", "features"), [(5, 40), (60, 8)])
def test_a_pure_shift_costs_its_squared_length(count: int, features: int) -> None:
    rows, shift = normal(count, features), normal(1, features, seed=1)
    expected = float(shift.square().sum())
    assert frechet_distance(rows, rows + shift) == pytest.approx(expected, rel=1e-9)


def test_diagonal_gaussians_have_a_closed_form() -> None:
    # |mu_1 - mu_2|^2 + sum (s_1 - s_2)^2
    first_scale = torch.tensor([1.0, 2.0, 0.5, 3.0], dtype=torch.float64)
    second_scale = torch.tensor([1.5, 0.1, 0.5, 4.0], dtype=torch.float64)
    mean = torch.tensor([0.0, 1.0, -2.0, 0.5], dtype=torch.float64)
    first = whitened(50, 4, seed=2) * first_scale
    second = whitened(70, 4, seed=3) * second_scale + mean
    expected = float(mean.square().sum() + (first_scale - second_scale).square().sum())
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("real", "generated", "features"), [(40, 90, 12), (200, 25, 30), (20, 15, 6)]
)
def test_it_is_symmetric_and_equals_pytorch_fid(real: int, generated: int, features: int) -> None:
    mixing = normal(features, features, seed=4)
    first = normal(real, features, seed=5) @ mixing
    second = normal(generated, features, seed=6).exp() @ mixing
    distance = frechet_distance(first, second)
    assert distance == pytest.approx(frechet_distance(second, first), rel=1e-12)
    assert distance == pytest.approx(reference(first, second), rel=1e-4)


def test_few_images_and_many_features_take_the_same_formula_as_many_images() -> None:
    # Features that are 0 for every image change nothing, and turn n > d into n < d.
    first, second = normal(40, 6, seed=7), 2 * normal(50, 6, seed=8) + 1
    wide = [torch.nn.functional.pad(rows, (0, 100)) for rows in (first, second)]
    assert frechet_distance(*wide) == pytest.approx(frechet_distance(first, second), rel=1e-9)


def test_single_precision_goes_in_and_double_comes_out() -> None:
    rows = normal(10, 300).float()
    assert frechet_distance(rows, rows + 1e-3) == pytest.approx(300e-6, rel=1e-3)


def test_one_image_or_other_features_are_refused() -> None:
    rows = normal(5, 8)
    with pytest.raises(UsageError, match="two or more images on each side"):
        frechet_distance(rows, rows[:1])
    with pytest.raises(UsageError, match="8 and 7 features"):
        frechet_distance(rows, rows[:, :7])


@pytest.mark.parametrize("count", [40, 400])  # fewer and more images than features
def test_the_interval_is_as_wide_as_the_spread_over_sampling_seeds(count: int) -> None:
    # What it promises: how far the distance moves with other images of the same generator.
    features = 64
    mixing = normal(features, features, seed=9) / 8
    real = normal(30, features, seed=10) @ mixing
    drawn = [normal(count, features, seed=100 + i) @ mixing * 1.3 for i in range(60)]
    distances = torch.tensor([frechet_distance(real, rows) for rows in drawn])
    spread = 2 * 1.96 * float(distances.std())
    for rows, distance in zip(drawn[:3], distances.tolist(), strict=False):
        low, high = frechet_interval(real, rows)
        assert low < distance < high
        assert spread / 1.7 < high - low < spread * 1.7


def test_the_interval_of_more_real_images_than_features_holds_the_distance() -> None:
    real, generated = normal(80, 5, seed=11), normal(90, 5, seed=12) + 0.5
    low, high = frechet_interval(real, generated, resamples=50)
    assert low < frechet_distance(real, generated) < high
    assert frechet_interval(real, generated, resamples=50) == (low, high)  # a seed repeats it


def test_the_interval_of_a_mean_is_the_one_from_theory() -> None:
    values = normal(400, 1, seed=13).flatten() + 3
    low, high = bootstrap_mean(values)
    error = 1.96 * float(values.std()) / 20
    assert low == pytest.approx(float(values.mean()) - error, abs=0.15 * error)
    assert high == pytest.approx(float(values.mean()) + error, abs=0.15 * error)
