"""Exam questions of lesson 08: what one iteration changes."""

import random

import torch

from slae_lib.course.exams.base import Question, Values
from slae_lib.training.config import TrainConfig


def average(draw: random.Random) -> Values:
    """A weight in the moving average, some iterations after it has changed."""
    decay, steps = draw.choice([0.5, 0.8, 0.9]), draw.randint(3, 6)
    before, after = draw.choice([-1.0, 0.0, 2.0]), draw.choice([1.0, 3.0, 4.0])
    averaged = torch.tensor(before, dtype=torch.float64)
    for _ in range(steps):
        averaged = torch.lerp(averaged, torch.tensor(after, dtype=torch.float64), 1 - decay)
    return {
        "decay": decay,
        "steps": steps,
        "before": before,
        "after": after,
        "averaged": averaged.item(),
    }


def adam(draw: random.Random) -> Values:
    """The first step of Adam, whose length no gradient changes."""
    weight, rate = draw.choice([0.25, 0.5, 0.75]), draw.choice([0.001, 0.002, 0.005])
    gradients = draw.sample([-40.0, -3.0, -0.2, 0.05, 0.6, 7.0, 90.0], 2)
    weights = torch.full((2,), weight, dtype=torch.float64, requires_grad=True)
    weights.grad = torch.tensor(gradients, dtype=torch.float64)
    betas = TrainConfig().beta1, TrainConfig().beta2
    torch.optim.Adam([weights], lr=rate, betas=betas).step()
    return {
        "weight": weight,
        "rate": rate,
        "first_gradient": gradients[0],
        "second_gradient": gradients[1],
        "first": weights[0].item(),
        "second": weights[1].item(),
    }


def descend(draw: random.Random) -> Values:
    """One step of gradient descent on a squared error."""
    weight, inputs, target = draw.randint(1, 4), draw.randint(2, 5), draw.randint(-3, 30)
    rate = draw.choice([0.01, 0.02, 0.05])
    value = torch.tensor(float(weight), dtype=torch.float64, requires_grad=True)
    loss = (value * inputs - target) ** 2
    loss.backward()
    gradient = value.grad
    assert gradient is not None
    with torch.no_grad():
        value -= rate * gradient
    return {
        "weight": weight,
        "inputs": inputs,
        "target": target,
        "rate": rate,
        "gradient": gradient.item(),
        "new": value.item(),
    }


QUESTIONS: tuple[Question, ...] = (average, adam, descend)
