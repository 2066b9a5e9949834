"""Exam questions of lesson 06: metadata by hand."""

import random

import torch
from torch import Tensor

from slae_lib.course.exams.base import Question, Values, grid, integers, row
from slae_lib.datasets.bank import MetadataBank


def _bank(values: Tensor) -> MetadataBank:
    names = tuple("ABCDEFGH"[: len(values)])
    return MetadataBank(values, names, "relu5_3", 256, "", "exam", "")


def means(draw: random.Random) -> Values:
    """The channel means of a feature map, before and after the picture is moved."""
    numbers = draw.sample(range(0, 16), 8)
    numbers[3] += -sum(numbers[:4]) % 4  # means that come out even
    numbers[7] += -sum(numbers[4:]) % 4
    features = torch.tensor(numbers).view(2, 2, 2).float()
    moved = features.roll(1, dims=2)
    return {
        "first": grid(features[0]),
        "second": grid(features[1]),
        "means": row(features.mean(dim=(1, 2)).tolist()),
        "moved": row(moved.mean(dim=(1, 2)).tolist()),
    }


def standardised(draw: random.Random) -> Values:
    """The standardised metadata of one picture of a bank."""
    middle, step = draw.randint(4, 9), draw.choice([1, 2, 3])
    values = [middle - step, middle + step, middle - step, middle + step]
    draw.shuffle(values)
    other = middle + draw.choice([-3, -1, 2, 4])
    bank = _bank(torch.tensor(values).float().view(4, 1))
    found = bank.standardise(torch.tensor([float(other)])).item()
    return {
        "values": row(values),
        "other": other,
        "mean": bank.mean.item(),
        "deviation": bank.std.item(),
        "standardised": found,
    }


def nearest(draw: random.Random) -> Values:
    """The picture of a bank that is most like another, by cosine."""
    while True:
        values = torch.tensor([integers(draw, 3, 0, 5) for _ in range(3)])
        raw = torch.tensor(integers(draw, 3, 0, 5))
        cosines, indices = _bank(values).nearest(raw, 3)
        if cosines[0] - cosines[1] > 0.05:  # no near tie
            break
    named = dict(zip(indices.tolist(), cosines.tolist(), strict=True))
    return {
        **{name: row(line) for name, line in zip("abc", values.tolist(), strict=True)},
        "raw": row(raw.tolist()),
        "cosines": row([named[place] for place in range(3)], ".2f"),
        "nearest": "ABC"[int(indices[0])],
    }


QUESTIONS: tuple[Question, ...] = (means, standardised, nearest)
