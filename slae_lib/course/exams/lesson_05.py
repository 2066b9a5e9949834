"""Exam questions of lesson 05: what the discriminator sees and keeps."""

import random

import torch

from slae_lib.blocks import down_block
from slae_lib.course.exams.base import Question, Values, grid
from slae_lib.discriminator import crop_quarter


def window(draw: random.Random) -> Values:
    """The receptive field of some down blocks with a convolution behind them."""
    blocks, kernel = draw.randint(2, 4), draw.randint(3, 7)
    field, sizes = kernel, []
    for _ in range(blocks):  # from the output back to the picture: kernel 4, stride 2
        sizes.append(field)
        field = (field - 1) * 2 + 4
    steps = " → ".join(str(size) for size in [1, *sizes, field])
    return {"blocks": blocks, "kernel": kernel, "field": field, "steps": steps}


def quarter(draw: random.Random) -> Values:
    """A quarter of a map."""
    numbers = draw.sample(range(10, 100), 16)
    features = torch.tensor(numbers).view(1, 1, 4, 4)
    chosen = draw.randrange(4)
    return {
        "features": grid(features[0, 0]),
        "quarter": chosen,
        "part": grid(crop_quarter(features, chosen)[0, 0]),
    }


def parameters(draw: random.Random) -> Values:
    """How many parameters a down block has."""
    channels, out, size = draw.randrange(4, 33, 2), draw.randrange(4, 33, 4), draw.choice([32, 64])
    block = down_block(channels, out)
    count = sum(weight.numel() for weight in block.parameters())
    made = block(torch.zeros(1, channels, size, size)).shape
    return {
        "channels": channels,
        "out": out,
        "size": size,
        "half": made[-1],
        "parameters": count,
    }


QUESTIONS: tuple[Question, ...] = (window, quarter, parameters)
