"""Are the samples different from each other, or has the generator collapsed?"""

import torch
from torch import Tensor


def pairwise_distance(items: Tensor) -> float:
    """Return the mean Euclidean distance between two different items of a batch.

    Args:
        items: (N, ...), N at least 2: images, or their features.
    """
    flat = items.flatten(1).double()
    distances = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist")
    return float(distances.sum() / (len(items) * (len(items) - 1)))


def diversity(samples: Tensor, real: Tensor) -> float:
    """Return how different ``samples`` are from each other, compared with ``real``.

    1 means as different as the real images; near 0 means that all samples are one picture. High
    diversity alone is no quality: noise is diverse.

    Args:
        samples: (N, ...), N at least 2.
        real: (M, ...), M at least 2.
    """
    return pairwise_distance(samples) / pairwise_distance(real)
