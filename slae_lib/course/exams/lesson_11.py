"""Exam questions of lesson 11: fair comparisons and what a layer costs."""

import math
import random
import statistics

import torch
from torch.utils.flop_counter import FlopCounterMode

from slae_lib.ablation.results import Comparison, t_interval
from slae_lib.course.exams.base import Question, Values, row

STUDENT = 4.303  # of three values, 95 %


def compared(draw: random.Random) -> Values:
    """Two systems, compared seed by seed."""
    while True:
        base = [float(draw.randint(60, 90)) for _ in range(3)]
        shift = draw.choice([-8, -5, 0, 3, 7])
        differences = [float(shift + draw.randint(-2, 2)) for _ in range(3)]
        interval = t_interval(differences)
        if len(set(differences)) > 1 and min(abs(interval.low), abs(interval.high)) > 0.3:
            break
    comparison = Comparison(statistics.fmean(differences), interval, {})
    return {
        "ours": row([one + more for one, more in zip(base, differences, strict=True)]),
        "theirs": row(base),
        "student": STUDENT,
        "differences": row(differences),
        "mean": comparison.difference,
        "low": interval.low,
        "high": interval.high,
        "verdict": comparison.verdict,
    }


def seeds(draw: random.Random) -> Values:
    """How many seeds it takes to see a difference."""
    deviation, difference = draw.randint(3, 9), draw.choice([1, 1.5, 2, 2.5, 3])
    exact = (2 * deviation / difference) ** 2
    return {
        "deviation": deviation,
        "difference": difference,
        "exact": exact,
        "seeds": math.ceil(exact),
    }


def macs(draw: random.Random) -> Values:
    """The multiplications of a convolution, and of one at twice the side length."""
    channels, out, kernel = draw.choice([16, 32, 64]), draw.choice([32, 48, 128]), 3
    size = draw.choice([16, 32, 64])
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        torch.nn.Conv2d(channels, out, kernel, padding=1, bias=False)(
            torch.empty(1, channels, size, size)
        )
    # The counter takes a multiplication and an addition for two operations.
    return {
        "channels": channels,
        "out": out,
        "kernel": kernel,
        "size": size,
        "macs": counter.get_total_flops() // 2 / 1e6,
        "doubled": 2 * size,
    }


QUESTIONS: tuple[Question, ...] = (compared, seeds, macs)
