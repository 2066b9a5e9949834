"""Intervals by the bootstrap: how far a number would move with other images."""

from typing import NamedTuple

import torch
from torch import Tensor

CONFIDENCE = 0.95

FEWEST = 3
"""With fewer values an interval says nothing: tables leave it out."""


class Interval(NamedTuple):
    """The two ends of an interval, by default of 95 % confidence."""

    low: float
    high: float


def bootstrap_mean(
    values: Tensor, resamples: int = 2000, confidence: float = CONFIDENCE, seed: int = 0
) -> Interval:
    """Return the percentile interval of a mean.

    It covers the luck of which items were measured, as if they had been drawn from many. With
    fewer than about ten items it is too narrow; with one it has no width.

    Args:
        values: (N,), one number per item.
        resamples: how many times N items are drawn with replacement.
        confidence: share of the resampled means that the interval holds.
        seed: of the drawing.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(values), (resamples, len(values)), generator=generator)
    means = values.double().cpu()[chosen].mean(dim=1)  # (resamples,)
    return percentiles(means, confidence)


def percentiles(values: Tensor, confidence: float = CONFIDENCE) -> Interval:
    """Return the interval that holds the middle ``confidence`` of ``values`` (N,)."""
    outside = (1 - confidence) / 2
    low, high = torch.quantile(values, values.new_tensor([outside, 1 - outside])).tolist()
    return Interval(low, high)
