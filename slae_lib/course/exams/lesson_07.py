"""Exam questions of lesson 07: losses and their gradients by hand."""

import random

import torch

from slae_lib.course.exams.base import Question, Values, grid, integers, row
from slae_lib.discriminator import Reconstruction
from slae_lib.losses import (
    discriminator_hinge,
    generator_hinge,
    l1_distance,
    reconstruction_loss,
)

LOGITS = [-2.0, -1.6, -1.2, -0.8, -0.4, 0.0, 0.4, 0.8, 1.2, 1.6, 2.0]


def discriminator(draw: random.Random) -> Values:
    """The discriminator's hinge loss, and the logits that teach it nothing."""
    real, fake = draw.sample(LOGITS, 4), draw.sample(LOGITS, 4)
    logits = torch.tensor([real, fake], requires_grad=True)
    loss = discriminator_hinge(logits[0], logits[1])
    (gradient,) = torch.autograd.grad(loss, logits)
    return {
        "real": row(real),
        "fake": row(fake),
        "loss": loss.item(),
        "silent": int((gradient == 0).sum()),
    }


def generator(draw: random.Random) -> Values:
    """The generator's loss, and its gradient in each logit."""
    fake = torch.tensor(draw.sample(LOGITS, draw.choice([4, 5, 8])), requires_grad=True)
    loss = generator_hinge(fake)
    (gradient,) = torch.autograd.grad(loss, fake)
    return {
        "fake": row([round(logit, 1) for logit in fake.tolist()]),
        "loss": loss.item(),
        "gradient": gradient[0].item(),
    }


def reconstruction(draw: random.Random) -> Values:
    """The reconstruction loss of two decoders."""
    pictures = [torch.tensor(integers(draw, 4, -9, 9)).view(2, 2) / 10 for _ in range(4)]
    pairs = [
        Reconstruction(pictures[place][None, None], pictures[place + 1][None, None])
        for place in (0, 2)
    ]
    each = [l1_distance(*pair).item() for pair in pairs]
    names = ("first", "first_target", "second", "second_target")
    return {
        **{name: grid(it, ".1f") for name, it in zip(names, pictures, strict=True)},
        "each": row(each, ".3f"),
        "loss": reconstruction_loss(pairs, l1_distance).item(),
    }


QUESTIONS: tuple[Question, ...] = (discriminator, generator, reconstruction)
