"""Are the samples different from each other, and is each of them like anything real?"""

import torch
import torch.nn.functional as F
from torch import Tensor

CELLS = 8  # a side, in which edges are counted
SCALES = 3  # the images, and each time half as large
FAINT = 0.01  # steps well below this are none: one of 255 grey levels is 0.008
USUAL = 0.9


def pairwise_distance(items: Tensor) -> float:
    """Return the mean Euclidean distance between two different items of a batch.

    Args:
        items: (N, ...), N at least 2: images, or their features.
    """
    flat = items.flatten(1).double()
    return float(distances(flat, flat).sum() / (len(items) * (len(items) - 1)))


def diversity(samples: Tensor, real: Tensor) -> float:
    """Return how different ``samples`` are from each other, compared with ``real``.

    1 means as different as the real images; near 0 means that all samples are one picture. High
    diversity alone is no quality: noise is diverse.

    Args:
        samples: (N, ...), N at least 2.
        real: (M, ...), M at least 2.
    """
    return pairwise_distance(samples) / pairwise_distance(real)


def edges(images: Tensor) -> Tensor:
    """Return where ``images`` change, coarsely: what tells a face from a smear of its colours.

    The mean step between neighbouring pixels, to the right and down, in 8x8 cells, of the images
    and of their halves and quarters; by its logarithm, so that an edge that is missing counts as
    much as one too many.

    Args:
        images: (N, 3, R, R) in [-1, 1], R at least 64.

    Returns:
        (N, 1152).
    """
    found = []
    for scale in range(SCALES):
        reduced = F.avg_pool2d(images, 2**scale)
        for steps in (reduced.diff(dim=3), reduced.diff(dim=2)):
            found.append(F.adaptive_avg_pool2d(steps.abs(), CELLS).flatten(1))
    return torch.log(torch.cat(found, dim=1) + FAINT)


def broken(samples: Tensor, real: Tensor) -> float:
    """Return the share of ``samples`` that look like no real image: the mean of `are_broken`."""
    return float(are_broken(samples, real).double().mean())


def are_broken(samples: Tensor, real: Tensor) -> Tensor:
    """Return which ``samples`` look like no real image (N,): smears, blobs, two in one.

    A sample counts if its `edges` are further from those of every real image than nine in ten real
    images are from the nearest other one. So a real image never counts, nor does a sample near to
    an unusual one; but of *new* real images, which the generator has not seen, one in ten would.
    As much is no fault; and a generator that copies has 0. It misses a soft smear on a face that
    is sharp elsewhere.

    Args:
        samples: (N, 3, R, R) in [-1, 1].
        real: (M, 3, R, R) in [-1, 1], M at least 2.
    """
    known = edges(real).double()
    among = distances(known, known).fill_diagonal_(torch.inf).amin(dim=1)  # (M,)
    nearest = distances(edges(samples).double(), known).amin(dim=1)  # (N,)
    return nearest > among.quantile(USUAL)


def distances(rows: Tensor, others: Tensor) -> Tensor:
    """Return the Euclidean distances (N, M) of ``rows`` (N, d) to ``others`` (M, d)."""
    # Not by way of a matrix product, which rounds the distance of equal rows away from 0.
    return torch.cdist(rows, others, compute_mode="donot_use_mm_for_euclid_dist")
