"""Exam questions of lesson 03: the skip links."""

import random

import torch

from slae_lib.attention import SkipLayerAttentionExcitation, SkipLayerExcitation
from slae_lib.course.exams.base import Question, Values, row


def _weights(link: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in link.parameters())


def parameters(draw: random.Random) -> Values:
    """How many weights SLE has, and how many more SLAE."""
    low, high, kernel = draw.choice([16, 32, 64]), draw.choice([4, 8, 16]), draw.choice([3, 7])
    sle = _weights(SkipLayerExcitation(low, high))
    more = _weights(SkipLayerAttentionExcitation(low, high, kernel)) - sle
    return {"low": low, "high": high, "kernel": kernel, "sle": sle, "more": more}


def silent(draw: random.Random) -> Values:
    """What pooling to 4 x 4 leaves of the place of one value."""
    size = draw.choice([8, 16])
    value = draw.choice([8, 16, 24, 32]) * size // 8
    y, x = draw.randrange(size), draw.randrange(size)
    low = torch.zeros(1, 1, size, size)
    low[..., y, x] = value
    pooled = SkipLayerExcitation(1, 1).excite[0](low)[0, 0]  # (4, 4)
    cell_y, cell_x = divmod(int(pooled.argmax()), 4)
    return {
        "size": size,
        "value": value,
        "y": y,
        "x": x,
        "cell_y": cell_y,
        "cell_x": cell_x,
        "pooled": pooled.max().item(),
        "twins": int((size // 4) ** 2),
    }


def gated(draw: random.Random) -> Values:
    """What a gate makes of two channels at one place."""
    logits = [draw.choice([-2.0, -1.0, -0.5]), draw.choice([0.5, 1.0, 2.0, 3.0])]
    draw.shuffle(logits)
    high = [float(draw.choice([-4, -3, -2, 2, 3, 4])) for _ in logits]
    gate = torch.sigmoid(torch.tensor(logits))
    return {
        "logits": row(logits),
        "high": row(high),
        "gate": row(gate.tolist(), ".2f"),
        "out": row((torch.tensor(high) * gate).tolist(), ".2f"),
    }


QUESTIONS: tuple[Question, ...] = (parameters, silent, gated)
