"""Exam questions of lesson 10: three measures by hand."""

import random

import torch
from torch import Tensor

from slae_lib.course.exams.base import Question, Values, integers, row
from slae_lib.evaluation.frechet import frechet_distance
from slae_lib.evaluation.kid import polynomial_mmd
from slae_lib.evaluation.novelty import COPY_RATIO, neighbours_of_pixels


def _three(draw: random.Random) -> list[float]:
    """Return three numbers whose deviation (with n - 1) is whole."""
    middle, step = draw.randint(-3, 5), draw.randint(1, 4)
    numbers = [float(middle - step), float(middle), float(middle + step)]
    draw.shuffle(numbers)
    return numbers


def frechet(draw: random.Random) -> Values:
    """The Fréchet distance of two sets of one feature."""
    while True:
        real, fake = torch.tensor(_three(draw)), torch.tensor(_three(draw))
        if real.mean() != fake.mean() and real.std() != fake.std():
            break
    return {
        "real": row(real.tolist()),
        "fake": row(fake.tolist()),
        "shift": (real.mean() - fake.mean()).item() + 0.0,
        "real_deviation": real.std().item(),
        "fake_deviation": fake.std().item(),
        "distance": frechet_distance(real.view(3, 1), fake.view(3, 1)),
    }


def novelty(draw: random.Random) -> Values:
    """Whether a sample with four pixels is flagged as a copy."""
    while True:
        sample, *training = (
            torch.tensor([float(draw.randint(0, 10)) for _ in range(4)]) / 10 for _ in range(4)
        )
        if draw.random() < 0.5:  # half of the samples are near to a training image
            training[1] = sample.clone()
            training[1][draw.randrange(4)] += draw.choice([-0.2, 0.2])
        found = neighbours_of_pixels(_pictures([sample]), _pictures(training))
        ratio = found.ratios.item()
        if (
            ratio > 0
            and abs(ratio - COPY_RATIO) > 0.05
            and 0 <= training[1].min() <= training[1].max() <= 1
        ):
            break
    return {
        "sample": row(sample.tolist(), ".1f"),
        **{name: row(it.tolist(), ".1f") for name, it in zip("abc", training, strict=True)},
        "limit": COPY_RATIO,
        "nearest": "ABC"[int(found.nearest)],
        "first": found.distances.item(),
        "second": found.second.item(),
        "ratio": ratio,
        "verdict": "copy" if ratio < COPY_RATIO else "new",
    }


def _pictures(grey: list[Tensor]) -> Tensor:
    return torch.stack(grey).view(-1, 1, 2, 2).expand(-1, 3, -1, -1)


def kernel(draw: random.Random) -> Values:
    """The kernel distance of two sets of two numbers."""
    real, fake = integers(draw, 2, -2, 3), integers(draw, 2, -2, 3)
    return {
        "real": row(real),
        "fake": row(fake),
        "among_real": (real[0] * real[1] + 1) ** 3,
        "among_fake": (fake[0] * fake[1] + 1) ** 3,
        "mixed": row([(one * other + 1) ** 3 for one in real for other in fake]),
        "distance": polynomial_mmd(torch.tensor(real).view(2, 1), torch.tensor(fake).view(2, 1)),
    }


QUESTIONS: tuple[Question, ...] = (frechet, novelty, kernel)
