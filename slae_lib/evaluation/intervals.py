"""Intervals by the bootstrap: how far a number would move with other images."""

from typing import NamedTuple

import torch
from torch import Tensor

CONFIDENCE = 0.95

FEWEST = 3
"""With fewer values an interval says nothing: tables leave it out."""

RESAMPLES = 2000
"""How many times the bootstrap of a mean draws as many items as there are, with replacement."""


class Interval(NamedTuple):
    """The two ends of an interval, by default of 95 % confidence."""

    low: float
    high: float


def bootstrap_mean(values: Tensor) -> Interval:
    """Return the percentile interval of a mean, of `RESAMPLES` draws that are always the same.

    It covers the luck of which items were measured, as if they had been drawn from many. With
    fewer than about ten items it is too narrow; with one it has no width.

    Args:
        values: (N,), one number per item.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.
    """
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randint(len(values), (RESAMPLES, len(values)), generator=generator)
    means = values.double().cpu()[chosen].mean(dim=1)  # (RESAMPLES,)
    return percentiles(means)


def percentiles(values: Tensor) -> Interval:
    """Return the interval that holds the middle `CONFIDENCE` of ``values`` (N,)."""
    outside = (1 - CONFIDENCE) / 2
    low, high = torch.quantile(values, values.new_tensor([outside, 1 - outside])).tolist()
    return Interval(low, high)
