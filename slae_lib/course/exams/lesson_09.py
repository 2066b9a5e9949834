"""Exam questions of lesson 09: half precision, checkpoints and memory."""

import random

import torch

from slae_lib.course.exams.base import Question, Values


def half(draw: random.Random) -> Values:
    """A step that is added to a weight in half precision."""
    weight = draw.choice([1, 2, 4, 8, 16])
    spacing = torch.finfo(torch.float16).eps * weight
    quarters = draw.choice([1, 3, 5, 7, 9])  # of the spacing; 2 and 6 would be ties
    new = (torch.tensor(float(weight)) + quarters * spacing / 4).half().item()
    return {
        "weight": weight,
        "double": 2 * weight,
        "apart": round(1 / spacing),
        "quarters": quarters,
        "finer": round(4 / spacing),
        "kept": round((new - weight) / spacing),
    }


def cut_off(draw: random.Random) -> Values:
    """What a training loses that is cut off between two checkpoints."""
    every, rate = draw.choice([500, 1000, 2000, 2500]), draw.choice([4, 5, 8, 10])
    reached = every * draw.randint(4, 12) + draw.randint(1, every // 100 - 1) * 100
    total = (reached // 10_000 + draw.randint(1, 3)) * 10_000
    kept = reached // every * every
    return {
        "every": every,
        "rate": rate,
        "reached": reached,
        "total": total,
        "kept": kept,
        "lost": reached - kept,
        "minutes": (total - kept) / rate / 60,
    }


def memory(draw: random.Random) -> Values:
    """The memory of a network's weights and of all that Adam and the average keep of them."""
    layer = torch.nn.Conv2d(
        64 * draw.randint(1, 8), 64 * draw.randint(1, 8), draw.choice([3, 4]), bias=False
    )
    optimizer = torch.optim.Adam(layer.parameters())
    (weight,) = layer.parameters()
    weight.grad = torch.zeros_like(weight)
    optimizer.step()
    moments = sum(it.numel() for it in optimizer.state[weight].values() if it.ndim)
    copies = 3 + moments // weight.numel()  # the weights, their gradients, their average
    return {
        "ins": layer.in_channels,
        "outs": layer.out_channels,
        "kernel": layer.kernel_size[0],
        "weights": weight.numel(),
        "copies": copies,
        "mebibytes": copies * weight.numel() * weight.element_size() / 2**20,
    }


QUESTIONS: tuple[Question, ...] = (half, cut_off, memory)
