"""The Frechet distance between two sets of features, exactly and without a matrix square root.

FID is this distance between Gaussians fitted to features of real and of generated images::

    |mu_1 - mu_2|^2 + tr S_1 + tr S_2 - 2 tr (S_1 S_2)^(1/2)

With few images the covariances S (d x d) have low rank: S_1 = A'A with A the centred features
divided by sqrt(n - 1), (n, d), and S_2 = B'B in the same way. The eigenvalues of S_1 S_2 = A'A B'B
that are not 0 are those of (A B')(A B')', that is, the squared singular values of A B'. Hence::

    tr (S_1 S_2)^(1/2) = |A B'|_* , the sum of the singular values of A B', (n, m).

For 50 images against 50 that is a 50 x 50 matrix in place of the square root of a 2048 x 2048 one
that is singular, where the usual iteration is slow, inexact, and at times complex.

**What FID cannot say.** It is biased: the fewer images on either side, the larger it is, even for
two halves of the same set (14.3 for two halves of the 100 pandas). Compare FID only between
equal numbers of images. And a generator that has memorised its training images is rewarded: its
FID against them is near 0. Read it together with `slae_lib.evaluation.novelty`.

Source: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule" (2017); Binkowski et al.,
"Demystifying MMD GANs" (2018), for the bias.
"""

import torch
from torch import Tensor

from slae_lib.evaluation.intervals import Interval, percentiles
from slae_lib.support.errors import UsageError


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """Return the Frechet distance between the Gaussians fitted to two sets of features.

    Computed in float64 on the CPU; 0 or more, symmetric, 0 for equal sets. It equals
    `pytorch_fid`'s `calculate_frechet_distance` up to that function's own error.

    Args:
        first: (n, d).
        second: (m, d).

    Raises:
        UsageError: as `checked`.
    """
    first, second = checked(first, second)
    shift = first.mean(dim=0) - second.mean(dim=0)  # (d,)
    first_factor, second_factor = _factor(first), _factor(second)
    if min(len(first), len(second)) > first.shape[1]:
        # More images than features: A = QR, and Q changes no singular value of A B'.
        first_factor, second_factor = _triangle(first_factor), _triangle(second_factor)
    traces = first_factor.square().sum() + second_factor.square().sum()
    overlap = torch.linalg.svdvals(first_factor @ second_factor.T).sum()
    return max(0.0, float(shift @ shift + traces - 2 * overlap))


def frechet_interval(
    real: Tensor, generated: Tensor, resamples: int = 200, seed: int = 0
) -> Interval:
    """Return a bootstrap interval of `frechet_distance` over the generated images.

    It covers the luck of which images were drawn from this generator: how far the number would
    move with another sampling seed. The real images stay as they are, since FID on a few-shot
    set is measured against the whole of it. So it does *not* cover another training run (measure
    several), another choice of real images, or the bias of small sets.

    Drawing with replacement leaves fewer different images, and with fewer images FID grows. The
    resampled distances are therefore moved so that their mean is the distance itself, and only
    their spread is used. That spread is right for hundreds of generated images, and for ten or
    forty a third too wide.

    Args:
        real: (n, d).
        generated: (m, d), resampled.
        resamples: how many times; each takes milliseconds for 100 real images, and seconds for
            more than 2,000.
        seed: of the resampling.

    Raises:
        UsageError: as `checked`.
    """
    real, generated = checked(real, generated)
    centre = generated.mean(dim=0)  # taken off both for the sake of precision
    real, generated = real - centre, generated - centre
    count, real_mean = len(generated), real.mean(dim=0)
    factor = _factor(real)
    if len(factor) > factor.shape[1]:
        factor = _triangle(factor)  # (r, d)
    real_trace = factor.square().sum()
    cross = factor @ generated.T  # (r, m): all that the overlap needs to know of the images
    squares = generated.square().sum(dim=1)  # (m,)

    generator = torch.Generator().manual_seed(seed)
    distances = torch.empty(resamples, dtype=torch.float64)
    for index in range(resamples):
        chosen = torch.randint(count, (count,), generator=generator)
        weights = torch.bincount(chosen, minlength=count).double()  # how often each image came
        mean = generated.T @ weights / count  # (d,)
        trace = (weights @ squares - count * mean @ mean) / (count - 1)
        cross_mean = cross @ weights / count  # (r,)
        # (A B')(A B')' of the resampled B; its eigenvalues are squared singular values.
        gram = (cross * weights) @ cross.T - count * torch.outer(cross_mean, cross_mean)
        overlap = torch.linalg.eigvalsh(gram / (count - 1)).clamp_min(0).sqrt().sum()
        shift = real_mean - mean
        distances[index] = shift @ shift + real_trace + trace - 2 * overlap
    low, high = percentiles(distances - distances.mean())
    distance = frechet_distance(real, generated)
    return Interval(max(0.0, distance + low), distance + high)


def checked(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return two sets of features in float64 on the CPU.

    Raises:
        UsageError: if a set has fewer than two rows, or the numbers of columns differ.
    """
    for features in (first, second):
        if features.ndim != 2 or len(features) < 2:
            raise UsageError(
                f"FID and KID need two or more images on each side, and one has {len(features)} "
                f"(features of shape {tuple(features.shape)}); measure more."
            )
    if first.shape[1] != second.shape[1]:
        raise UsageError(
            f"The two sets have {first.shape[1]} and {second.shape[1]} features per image; "
            "measure both with the same network."
        )
    return first.detach().cpu().double(), second.detach().cpu().double()


def _factor(features: Tensor) -> Tensor:
    """Return F (n, d) with F'F = the covariance of ``features`` (n, d)."""
    return (features - features.mean(dim=0)) / (len(features) - 1) ** 0.5


def _triangle(factor: Tensor) -> Tensor:
    """Return R (d, d) with R'R = F'F, for F (n, d) with n > d."""
    return torch.linalg.qr(factor, mode="r").R
