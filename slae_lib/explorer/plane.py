"""A bank of metadata on two axes: the plane in which its pictures differ most."""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def principal_plane(values: Tensor) -> tuple[Tensor, float]:
    """Return each row's place on the two principal axes, and the share of variance they hold.

    The sign of an axis means nothing; here its largest loading is positive, so that the same bank
    always makes the same map.

    Args:
        values: (N, C) with two rows or more.

    Returns:
        (N, 2), and a number from 0 to 1.
    """
    centred = values.double() - values.double().mean(dim=0)
    left, singular, axes = torch.linalg.svd(centred, full_matrices=False)  # (N, r), (r,), (r, C)
    largest = axes.abs().argmax(dim=1, keepdim=True)
    signs = axes.gather(1, largest).sign().flatten()  # (r,)
    places = torch.zeros(len(values), 2, dtype=torch.float64)
    kept = min(2, len(singular))
    places[:, :kept] = (left * singular * signs)[:, :kept]
    variance = singular.square()
    share = float(variance[:2].sum() / variance.sum()) if float(variance.sum()) else 1.0
    return places.float(), share


def on_page(places: Tensor) -> Tensor:
    """Return places (N, 2) stretched to the unit square, (0, 0) being the lower left."""
    low, high = places.amin(dim=0), places.amax(dim=0)
    return (places - low) / (high - low).clamp_min(1e-9)


def side_by_side(places: Tensor, columns: int, rows: int) -> Tensor:
    """Return places (N, 2) in the unit square moved to cells of a grid, no two to the same.

    All moves together are as short as they can be (least squares), so that what was close stays
    close.

    Args:
        places: (N, 2) in [0, 1].
        columns: of the grid.
        rows: of the grid; there have to be N cells or more.
    """
    x = torch.linspace(0, 1, columns)
    y = torch.linspace(0, 1, rows)
    cells = torch.cartesian_prod(x, y)  # (columns * rows, 2)
    _, chosen = linear_sum_assignment(torch.cdist(places, cells).square().numpy())
    return cells[torch.as_tensor(chosen)]
