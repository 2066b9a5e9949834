"""Exam questions of lesson 01: DiffAugment by hand."""

import inspect
import random

import torch

from slae_lib.augment import cutout, translation
from slae_lib.course.exams.base import Question, Values, grid, integers


def _default(function: object) -> float:
    """Return the ratio that an augmentation has unless another is asked for."""
    ratio: float = inspect.signature(function).parameters["ratio"].default  # type: ignore[arg-type]
    return ratio


def shifts(draw: random.Random) -> Values:
    """How many different translations there are."""
    resolution = draw.randrange(32, 257, 8)
    most = round(resolution * _default(translation))
    return {"resolution": resolution, "most": most, "shifts": (2 * most + 1) ** 2}


def cut(draw: random.Random) -> Values:
    """How many pixels a square takes that lies partly outside."""
    resolution = draw.choice([32, 48, 64, 80, 96])
    side = round(resolution * _default(cutout))
    down, right = draw.randint(1, side // 2 - 1), draw.randint(1, side // 2 - 1)
    picture = torch.ones(resolution, resolution)
    picture[: side - down, : side - right] = 0
    grey = int((picture == 0).sum())
    return {
        "resolution": resolution,
        "side": side,
        "down": down,
        "right": right,
        "grey": grey,
        "share": 100 * grey / resolution**2,
    }


def contrast(draw: random.Random) -> Values:
    """Brightness and then contrast of a grey picture with four pixels."""
    pixels = torch.tensor(integers(draw, 4, -8, 8)).view(2, 2) / 10
    step, factor = draw.choice([-0.4, -0.2, 0.2, 0.4]), draw.choice([0.6, 0.8, 1.2, 1.4])
    brighter = pixels + step
    changed = brighter.mean() + (brighter - brighter.mean()) * factor
    return {
        "pixels": grid(pixels, ".1f"),
        "step": step,
        "factor": factor,
        "changed": grid(changed, ".3f"),
    }


QUESTIONS: tuple[Question, ...] = (shifts, cut, contrast)
