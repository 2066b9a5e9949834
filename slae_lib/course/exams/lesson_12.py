"""Exam questions of lesson 12: what attention changes in a link."""

import random
from typing import Any

import torch

from slae_lib.attention import SkipLayerAttentionExcitation
from slae_lib.config import ModelConfig
from slae_lib.course.exams.base import Question, Values, grid, integers


def weighed(draw: random.Random) -> Values:
    """A channel's mean before and after the attention has weighed its places."""
    low = torch.tensor(integers(draw, 4, -4, 9)).view(2, 2)
    attention = torch.tensor(integers(draw, 4, 1, 9)).view(2, 2) / 10
    return {
        "low": grid(low),
        "attention": grid(attention, ".1f"),
        "before": low.mean().item(),
        "after": (attention * low).mean().item(),
    }


def cells(draw: random.Random) -> Values:
    """How many numbers of attention a generator makes."""
    config = ModelConfig(resolution=draw.choice([128, 256, 512, 1024]))
    batch = draw.randint(3, 25)
    sizes = [low for low, _ in config.generator_links]
    each = sum(size**2 for size in sizes)
    return {
        "batch": batch,
        "resolution": config.resolution,
        "links": ", ".join(f"{low}→{high}" for low, high in config.generator_links),
        "sum": " + ".join(f"{size}²" for size in sizes),
        "each": each,
        "all": batch * each,
    }


@torch.no_grad()
def flat(draw: random.Random) -> Values:
    """The gate of a link with one channel, for two flat attention maps."""
    value, weight = draw.randint(2, 4), draw.choice([-0.5, 0.5, 1.0])
    maps = draw.choice([(1.0, 0.5), (0.8, 0.4), (0.9, 0.3)])
    link = SkipLayerAttentionExcitation(1, 1)
    # The gate's layers in one: the mean over all places, Swish, times the weight, sigmoid.
    layers: Any = link.excite
    first, second = layers[1], layers[3]
    for layer in (first, second):
        torch.nn.utils.parametrize.remove_parametrizations(layer, "weight")
    first.weight.fill_(1 / 16)
    second.weight.fill_(weight)
    low = torch.full((1, 1, 8, 8), float(value))
    gates = [link.gate(low, torch.full((1, 1, 8, 8), one)).item() for one in maps]
    return {
        "value": value,
        "weight": weight,
        "first": maps[0],
        "second": maps[1],
        "first_gate": gates[0],
        "second_gate": gates[1],
        "change": 100 * (gates[1] / gates[0] - 1),
    }


QUESTIONS: tuple[Question, ...] = (weighed, cells, flat)
