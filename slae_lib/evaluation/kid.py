"""KID: a distance between two sets of features that is unbiased, however few images there are.

Source: Binkowski et al., "Demystifying MMD GANs" (ICLR 2018), section 4.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from slae_lib.evaluation.frechet import checked

SUBSET = 1000
"""Images of a side in a subset at most: with 100 real images all of them are in each."""


@dataclass(frozen=True)
class KidResult:
    """The kernel inception distance.

    Attributes:
        mean: over the subsets; near 0, and at times below it, for two sets of one kind.
        deviation: over the subsets, of a single one. Not an error of the mean: subsets overlap.
        subsets: how many.
        subset_size: images from each side in one subset.
        whole: both sides are no larger than a subset, so that there is only one, whose deviation
            means nothing.
    """

    mean: float
    deviation: float
    subsets: int
    subset_size: int
    whole: bool = False


def polynomial_mmd(first: Tensor, second: Tensor) -> float:
    """Return the unbiased squared maximum mean discrepancy with the kernel (x'y / d + 1)^3.

    The mean of the kernel over all pairs of two different images of ``first``, plus the same for
    ``second``, minus twice its mean over all mixed pairs. Its expectation is 0 for two sets drawn
    from one distribution, so a single value can be negative.

    Args:
        first: (n, d), n at least 2.
        second: (m, d), m at least 2.
    """
    return float(contributions(first, second).mean())


def contributions(real: Tensor, generated: Tensor) -> Tensor:
    """Return what each generated image adds to `polynomial_mmd`: (m,) float64, whose mean is it.

    Their deviation over the root of m is its standard error, over the luck of which images were
    generated; likewise for weighted sums over several generators that drew from the same noise.

    Source: Serfling, "Approximation Theorems of Mathematical Statistics" (1980), section 5.3.
    """
    real, generated = real.cpu().double(), generated.cpu().double()
    among, mixed = _among(generated), _kernel(generated, real).mean(dim=1)  # (m,)
    return _among(real).mean() + 2 * among - among.mean() - 2 * mixed


def kernel_distance(
    real: Tensor, generated: Tensor, subsets: int = 100, seed: int = 0
) -> KidResult:
    """Return the kernel inception distance between two sets of Inception features.

    Other than FID it has no bias, so that values from sets of different sizes can be compared.
    Like FID it rewards a generator that has memorised its training images.

    Args:
        real: (n, d).
        generated: (m, d).
        subsets: how many times a subset of each side is drawn, without replacement; once if that
            is all of both sides. It has `SUBSET` images, or all of the smaller side.
        seed: of the drawing.

    Raises:
        UsageError: as `slae_lib.evaluation.frechet.checked`.
    """
    real, generated = checked(real, generated)
    size = min(SUBSET, len(real), len(generated))
    whole = size == len(real) == len(generated)
    if whole:
        subsets = 1  # they would all be the same
    generator = torch.Generator().manual_seed(seed)
    values = torch.empty(subsets, dtype=torch.float64)
    for index in range(subsets):
        values[index] = polynomial_mmd(
            real[torch.randperm(len(real), generator=generator)[:size]],
            generated[torch.randperm(len(generated), generator=generator)[:size]],
        )
    deviation = float(values.std(correction=0))
    return KidResult(float(values.mean()), deviation, subsets, size, whole)


def _kernel(first: Tensor, second: Tensor) -> Tensor:
    return (first @ second.T / first.shape[1] + 1) ** 3  # (n, m)


def _among(features: Tensor) -> Tensor:
    """Return the mean kernel of each image (n,) with the others."""
    kernel = _kernel(features, features)
    # An image is no pair with itself: that is what makes the estimate unbiased.
    return (kernel.sum(dim=1) - kernel.diagonal()) / (len(features) - 1)
