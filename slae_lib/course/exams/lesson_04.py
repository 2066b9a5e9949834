"""Exam questions of lesson 04: the generator's blocks, links and channels."""

import random

import torch

from slae_lib.blocks import GLU, up_block
from slae_lib.config import ModelConfig
from slae_lib.course.exams.base import Question, Values, integers, row


def block(draw: random.Random) -> Values:
    """How many parameters the plain block has."""
    channels, out = draw.randrange(16, 65, 8), draw.randrange(4, 33, 4)
    count = sum(weight.numel() for weight in up_block(channels, out).parameters())
    return {"channels": channels, "out": out, "doubled": 2 * out, "parameters": count}


def gated(draw: random.Random) -> Values:
    """What a GLU makes of four channels at one place."""
    features = [*integers(draw, 2, -4, 4), *integers(draw, 2, -2, 2)]
    out = GLU()(torch.tensor(features).view(1, 4, 1, 1)).flatten().tolist()
    return {"features": row(features), "out": row(out, ".2f")}


def links(draw: random.Random) -> Values:
    """Where the links of a generator lead, and how many blocks it has."""
    config = ModelConfig(resolution=draw.choice([64, 128, 256]))
    widest = 64 * draw.randint(2, 16)
    low = draw.choice([8, 16])
    return {
        "resolution": config.resolution,
        "links": ", ".join(f"{low}→{high}" for low, high in config.generator_links),
        "blocks": (config.resolution // 4).bit_length() - 1,
        "widest": widest,
        "low": low,
        "channels": widest * 4 // low,
    }


QUESTIONS: tuple[Question, ...] = (block, gated, links)
