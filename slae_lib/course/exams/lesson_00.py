"""Exam questions of lesson 00: what goes into the generator and what comes out."""

import random

import torch

from slae_lib.config import ModelConfig
from slae_lib.course.exams.base import Question, Values, integers, row


def between(draw: random.Random) -> Values:
    """A point on the way from one noise to another."""
    first, second = integers(draw, 3), integers(draw, 3)
    part = draw.choice([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8])
    point = torch.lerp(torch.tensor(first), torch.tensor(second), part).tolist()
    return {"first": row(first), "second": row(second), "part": part, "point": row(point, ".1f")}


def shapes(draw: random.Random) -> Values:
    """Shapes of what goes into a generator and of what comes out."""
    config = ModelConfig(
        resolution=draw.choice([64, 128, 256, 512]), noise_dim=draw.choice([64, 100, 128, 256])
    )
    batch = draw.randint(2, 30)
    return {
        "batch": batch,
        "resolution": config.resolution,
        "noise_dim": config.noise_dim,
        "metadata_dim": config.metadata_dim,
        "small": config.small_resolution,
    }


def looks(draw: random.Random) -> Values:
    """How many times a training sees each picture."""
    pictures, batch = draw.choice([50, 80, 100]), draw.choice([4, 5, 8, 10])
    passes = draw.randint(12, 60) * 10
    return {
        "pictures": pictures,
        "batch": batch,
        "iterations": pictures * passes // batch,
        "passes": passes,
    }


QUESTIONS: tuple[Question, ...] = (between, shapes, looks)
