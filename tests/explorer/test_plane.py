"""The plane in which the pictures of a bank differ most, and their places on it."""

import pytest
import torch

from slae_lib.explorer.plane import on_page, principal_plane, side_by_side


def test_the_plane_is_the_one_of_the_covariance() -> None:
    values = torch.randn(50, 6, generator=torch.Generator().manual_seed(0)).double()
    values[:, 2] *= 9
    values[:, 4] *= 5
    places, share = principal_plane(values)
    variances, axes = torch.linalg.eigh(torch.cov(values.T, correction=0))
    centred = values - values.mean(0)
    for axis in (0, 1):
        expected = (centred @ axes[:, -1 - axis]).float()
        assert (
            min((places[:, axis] - expected).abs().max(), (places[:, axis] + expected).abs().max())
            < 1e-4
        )
    assert share == pytest.approx(float(variances[-2:].sum() / variances.sum()))


def test_the_sign_of_the_plane_is_always_the_same() -> None:
    values = torch.randn(20, 5, generator=torch.Generator().manual_seed(1))
    order = torch.randperm(20)
    torch.testing.assert_close(principal_plane(values)[0][order], principal_plane(values[order])[0])


@pytest.mark.parametrize("count", [2, 3])
def test_few_pictures_have_a_plane(count: int) -> None:
    places, share = principal_plane(torch.eye(count, 4))
    assert places.shape == (count, 2)
    assert share == pytest.approx(1)
    assert torch.isfinite(on_page(places)).all()


def test_pictures_stand_side_by_side_and_keep_their_order() -> None:
    places = torch.tensor([[0.0, 0.0], [0.01, 0.0], [1.0, 1.0], [0.02, 0.0]])
    cells = side_by_side(places, 4, 3)
    assert len({tuple(cell) for cell in cells.tolist()}) == 4
    assert cells[2].tolist() == [1, 1]
    assert cells[0].sum() <= cells[3].sum()
