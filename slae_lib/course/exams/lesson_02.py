"""Exam questions of lesson 02: one attention map by hand."""

import random
from typing import Any

import torch

from slae_lib.attention import SpatialAttention
from slae_lib.course.exams.base import Question, Values, grid, integers, row


def pooled(draw: random.Random) -> Values:
    """The mean and the maximum over three channels."""
    features = torch.tensor([draw.randint(-5, 5) for _ in range(12)]).view(3, 2, 2).float()
    # The mean is to come out even: the last channel makes up what is missing to a third.
    features[2] -= features.sum(dim=0) % 3
    return {
        "features": "\n\n".join(grid(channel) for channel in features),
        "mean": grid(features.mean(dim=0)),
        "maximum": grid(features.amax(dim=0)),
    }


@torch.no_grad()
def attended(draw: random.Random) -> Values:
    """The attention at one place, with a kernel of 1 x 1."""
    channels = integers(draw, 3, -3, 5)
    weights = draw.sample([-2.0, -1.0, -0.5, 0.5, 1.0, 1.5], 2)
    attention = SpatialAttention(kernel_size=1, norm=False)
    weight: Any = attention.conv.weight
    weight.copy_(torch.tensor(weights).view(1, 2, 1, 1))
    found = attention(torch.tensor(channels).view(1, 3, 1, 1)).item()
    return {
        "channels": row(channels),
        "mean_weight": weights[0],
        "maximum_weight": weights[1],
        "attention": found,
    }


def weights(draw: random.Random) -> Values:
    """How many weights spatial attention has."""
    kernel, size = draw.randrange(3, 14, 2), draw.choice([16, 20, 32])
    attention = SpatialAttention(kernel, norm=False)
    padding: Any = attention.conv.padding
    return {
        "kernel": kernel,
        "channels": draw.choice([64, 128, 256, 512]),
        "size": size,
        "weights": sum(weight.numel() for weight in attention.parameters()),
        "padding": padding[0],
    }


QUESTIONS: tuple[Question, ...] = (pooled, attended, weights)
